//! Secure Boot keys: made, brought along, and laid out as the `secure-boot/` folder.

mod certificate;

pub use certificate::{Validity, self_signed};
