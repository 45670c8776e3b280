//! Unified kernel images: a stub, a kernel, its command line and its initrd in one signed file
//! (UAPI Group, "Unified Kernel Image"; systemd-stub(7)).

mod build;
mod compat;
mod error;
mod ingredients;
mod inspect;
mod kernel;
mod later;
pub mod names;

pub use build::{Build, Built, Contribution, ProfilePredictions};
pub use compat::{Compat, Coverage, compat};
pub use error::BuildError;
pub use ingredients::{Ingredients, Profile};
pub use inspect::{Inspection, inspect};
pub use kernel::uname;
pub use later::{ImageRequest, LaterError, sign_policies};

/// Images from this length on fail on many machines.
pub const LEN_WARNING: u64 = 1 << 30;
