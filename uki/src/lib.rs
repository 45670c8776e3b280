//! PE images as UEFI boots them: boot loaders, kernels, and what unified kernel images are made
//! of.
//!
//! Today this crate reads: the machine an image is for, its sections, its SBAT and whether it
//! carries signatures, which is what a recipe has to know before it puts a boot loader on a
//! medium. It does not assemble or sign.
//!
//! ```
//! use bootwright_uki::pe::{Image, PeError};
//!
//! assert!(matches!(Image::parse(b"#!/bin/sh"), Err(PeError::NotPe)));
//! ```

pub mod fuzzing;
pub mod pe;
