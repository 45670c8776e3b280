//! CanvOS projects as they are: `.arg`, targets, and the files that a build takes in.
//!
//! ```text
//!  .arg, --KEY=VALUE, defaults ──▶ Arguments ┐
//!  overlay/, user-data, content-*/ ──▶ Files ┴▶ Project ──▶ Plan: steps, inputs, outputs ──▶ run
//! ```

pub mod arguments;
mod checkout;
mod content;
pub mod fetch;
mod files;
#[doc(hidden)]
pub mod fuzzing;
mod image_name;
pub mod images;
mod load;
mod lock;
pub mod luet;
mod manifest;
mod nearest;
pub mod plan;
mod problem;
mod profile;
pub mod run;
mod target;
#[cfg(test)]
mod tests;
pub mod user_data;
mod versions;
pub mod yaml;

pub use files::{Files, ProjectFile};
pub use image_name::ImageName;
pub use load::{Given, Project};
pub use lock::{LOCK_FILE, Lock, LockError};
pub use manifest::{Artefact, Manifest};
pub use nearest::nearest;
pub use problem::{Place, Position, Problem, Problems, Severity};
pub use profile::{profile, with_heading};
pub use target::{Target, UnknownTarget, overview};
pub use versions::versions;
