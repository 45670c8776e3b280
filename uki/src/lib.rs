//! PE images: what machine a boot loader is for, its sections, signatures and SBAT.
//!
//! Today this crate reads and nothing else: it tells an x86-64 shim from an AArch64 one before
//! either is put on a medium, and shows what an image carries. It neither verifies a signature
//! nor assembles, signs or measures unified kernel images yet.
//!
//! ```
//! use bootwright_uki::pe::{Image, Machine, ParseError};
//!
//! fn check(loader: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
//!     let image = Image::parse(loader)?;
//!     if image.machine != Machine::X86_64 {
//!         return Err(format!("the boot loader is for {}", image.machine).into());
//!     }
//!     Ok(())
//! }
//! assert!(check(b"#!/bin/sh").is_err());
//! ```

pub mod pe;

#[doc(hidden)]
pub mod fuzzing;
