//! What a root file system is made from.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use bootwright_image::Timestamp;
use bootwright_oci::Reference;

use super::Root;
use crate::cache::Cache;
use crate::recipe::Architecture;

/// What a root file system is made from, and how.
#[derive(Clone, Debug)]
pub struct Source {
    /// Where its files come from.
    pub base: Base,
    /// Which platform to take from an image for several; `None` takes this program's own.
    pub architecture: Option<Architecture>,
    /// Lowers newer modification times and becomes every time written by the recipes.
    pub epoch: Option<Timestamp>,
    /// Threads that read layers.
    pub jobs: NonZeroUsize,
    /// What remembers work between builds.
    pub cache: Option<Arc<Cache>>,
    /// Whether reports say what is installed.
    pub inventory: bool,
}

/// Where the files of a root file system come from.
#[derive(Clone, Debug)]
pub enum Base {
    /// A container image, which is still to be read.
    Image(Layered),
    /// A root file system that was prepared before, such as the installer of a project.
    Ready(Box<Root>),
}

/// A container image with what is laid over it.
#[derive(Clone, Debug)]
pub struct Layered {
    /// The image.
    pub image: Reference,
    /// Folders laid over it, in order; see [`Stack::add_overlay`](bootwright_oci::Stack::add_overlay).
    pub overlays: Vec<PathBuf>,
    /// A tar unpacked into `/opt/spectrocloud`.
    pub local_ui: Option<PathBuf>,
}

impl Source {
    /// `base` alone, read by one thread.
    #[must_use]
    pub fn new(base: impl Into<Base>) -> Self {
        Self {
            base: base.into(),
            architecture: None,
            epoch: None,
            jobs: NonZeroUsize::MIN,
            cache: None,
            inventory: false,
        }
    }
}

impl Layered {
    /// An image with nothing over it.
    #[must_use]
    pub fn new(image: Reference) -> Self {
        Self { image, overlays: Vec::new(), local_ui: None }
    }
}

impl From<Reference> for Base {
    fn from(image: Reference) -> Self {
        Layered::new(image).into()
    }
}

impl From<Layered> for Base {
    fn from(image: Layered) -> Self {
        Self::Image(image)
    }
}

impl From<Root> for Base {
    fn from(root: Root) -> Self {
        Self::Ready(Box::new(root))
    }
}
