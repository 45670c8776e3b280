//! Trusted boot.

pub mod authenticode;
pub mod certificate;
pub mod cms;
pub mod efi;
pub mod hash;
pub mod keys;
mod midstate;
pub mod pcr;
pub mod pe;
pub mod public_key;
pub mod signer;
pub mod unified;

#[doc(hidden)]
pub mod fuzzing;
