//! PE/COFF images as UEFI starts them (Microsoft, "PE Format"; UEFI 2.11, chapter 2.1.1).
//!
//! [`Image`] reads; [`Stub`] and [`Writer`] make a unified kernel image of a stub and sections.

mod checksum;
mod error;
mod file;
pub(crate) mod format;
pub(crate) mod headers;
mod read;
pub mod sbat;
mod stub;
mod writer;

pub use checksum::Checksum;
pub use error::WriteError;
pub use file::{File, SectionInfo};
pub use read::{Certificate, Image, Machine, ParseError, Section, Subsystem};
pub use stub::Stub;
pub use writer::{Declared, Placed, Writer, Written};

/// Bytes from which on no firmware loads an image: addresses in it are signed in places.
pub const IMAGE_LEN_MAX: u64 = 1 << 31;
