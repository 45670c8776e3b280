//! A software bill of materials, read from an image's own package databases.
//!
//! ```text
//!   var/lib/dpkg/status, status.d/*      ──▶ dpkg ┐
//!   lib/apk/db/installed                 ──▶ apk  ├─▶ Inventory ──▶ CycloneDX 1.5 JSON
//!   rpmdb.sqlite, Packages.db            ──▶ rpm  │
//!   etc/os-release                       ──▶ os   ┘
//! ```
//!
//! Nothing runs and nothing is unpacked: the databases are contents of a tree. Parsers take bytes
//! and give packages; whatever the bytes, they end and do not panic.
//!
//! The format is CycloneDX 1.5 and not SPDX 2.3, because package databases hold licences as free
//! text, which CycloneDX has a field for, while SPDX wants expressions that nobody wrote; and
//! because an SPDX document needs a name space and a time of its own, so that two of the same
//! content differ.

mod apk;
mod component;
mod cyclonedx;
mod dpkg;
mod inventory;
mod os;
mod rpm;

pub use component::{Component, Ecosystem};
pub use cyclonedx::Subject;
pub use inventory::{Inventory, Request};
pub use os::OsRelease;

/// For fuzzing: whatever the bytes, every parser ends.
#[doc(hidden)]
pub fn parse_anything(bytes: &[u8]) {
    dpkg::parse(bytes);
    apk::parse(bytes);
    let _ = rpm::parse_sqlite(bytes);
    let _ = rpm::parse_ndb(bytes);
    let _ = rpm::parse_header(bytes);
    let _ = OsRelease::parse(bytes);
}

#[cfg(test)]
mod tests;
