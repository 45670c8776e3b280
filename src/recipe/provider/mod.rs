//! Container images of projects: the installer, and provider images, one for each version of
//! Kubernetes.
//!
//! ```text
//!   base image ──▶ Dockerfile ──▶ base-image's steps ──▶ Foundation, once for all versions
//!                                                            │
//!   overlay/files/etc, Kairos provider, agent, Kubernetes ───┤ for each version
//!                                                            ▼
//!                      the difference to the base image, one layer ──▶ ImageStore
//! ```
//!
//! The layers of the base image are kept byte for byte, so that images for several versions share
//! them in one store.
//!
//! # Determinism
//! The bytes depend on the inputs and the epoch alone.

mod base;
mod carrier;
mod config;
mod foundation;
mod image;
mod inputs;
mod installer;
mod upgrade;

use bootwright_image::BoxError;
use bootwright_oci::{ContentDigest, InputSummary, Stack};

pub use base::{BaseRecipe, BaseSteps, DockerfileInput};
pub use carrier::CarrierRecipe;
pub use foundation::Foundation;
pub use image::ProviderRecipe;
pub use installer::InstallerRecipe;
pub use upgrade::UpgradeRecipe;

/// Where Kubernetes comes from.
pub trait Kubernetes {
    /// Adds it to a stack that becomes a tree, which is laid over the root file system.
    ///
    /// # Errors
    /// Why it cannot be had.
    fn lay(&self, stack: &mut Stack<'_>) -> Result<(), BoxError>;
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImageReport {
    /// Its name.
    pub name: String,
    /// The digest of its manifest.
    pub digest: ContentDigest,
    /// Bytes of manifest, config and all layers as they are stored.
    pub len: u64,
    /// Bytes of the layer that was made, as it is stored.
    pub layer_len: u64,
    /// Layers of the base image.
    pub base_layers: usize,
    /// What was read, the base image first.
    pub inputs: Vec<InputSummary>,
}
