//! OpenPGP signatures beside files: made of checksum files, checked for inputs (feature `openpgp`).
//!
//! ```text
//!   NAME.iso ──▶ NAME.iso.sha256 ──▶ Signer ──▶ NAME.iso.sha256.asc      detached, armored
//!
//!   FILE, FILE.asc or FILE.sig ─────────────┐
//!   FILE, FILE.sha256, FILE.sha256.asc ... ─┼──▶ Keyring ──▶ who signed it
//!   FILE, SHA256SUMS, SHA256SUMS.gpg ... ───┘
//! ```
//!
//! A signature depends on the key, the data and the time that is given: the algorithms that are
//! used (RSA with PKCS #1 v1.5, EdDSA, ECDSA after RFC 6979) need no random numbers. Version 6
//! keys, whose signatures do, are refused for signing.
//!
//! # Specifications
//! RFC 9580; RFC 4880 for keys of version 4.

mod error;
mod files;
mod keyring;
mod signer;

pub use error::OpenPgpError;
pub use files::{Verified, verify_file};
pub use keyring::Keyring;
pub use signer::Signer;
