//! What a foundation is made from.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use bootwright_image::{Blob, Timestamp};
use bootwright_oci::Reference;

use crate::cache::Cache;
use crate::dockerfile::{Dockerfile, Ignore, Images};
use crate::editor::Editor;
use crate::recipe::steps::{base_image, bootargs, kairos_release};
use crate::recipe::{Architecture, RecipeError};

/// What a [`Foundation`](super::Foundation) is made from.
pub struct BaseRecipe<'a> {
    /// The base image; a Dockerfile names its own. Without both, images are made from nothing.
    pub reference: Option<Reference>,
    /// What the images are for.
    pub architecture: Architecture,
    /// A Dockerfile that is applied to it.
    pub dockerfile: Option<DockerfileInput<'a>>,
    /// What is done then.
    pub steps: Option<BaseSteps>,
    /// Lowers newer modification times of what is added and becomes every time written.
    pub epoch: Option<Timestamp>,
    /// Threads that read layers and compress.
    pub jobs: NonZeroUsize,
    /// What remembers work between builds.
    pub cache: Option<Arc<Cache>>,
}

impl std::fmt::Debug for BaseRecipe<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BaseRecipe").field("reference", &self.reference).finish_non_exhaustive()
    }
}

/// A Dockerfile with what it needs.
pub struct DockerfileInput<'a> {
    /// What it says.
    pub file: Dockerfile,
    /// The folder that it takes from.
    pub context: PathBuf,
    /// What of it is not there.
    pub ignore: Ignore,
    /// Build arguments.
    pub arguments: BTreeMap<String, String>,
    /// Who finds its images.
    pub images: &'a dyn Images,
}

impl std::fmt::Debug for DockerfileInput<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DockerfileInput").field("context", &self.context).finish_non_exhaustive()
    }
}

/// Which steps of the target `base-image` apply.
#[derive(Clone, Debug, Default)]
pub struct BaseSteps {
    /// Cloud configs of the project: path, content, mode.
    pub files: Vec<(&'static str, Blob, u16)>,
    /// Whether `/boot` gets its links.
    pub links_kernel: bool,
    /// Whether tools get the names that Kairos calls them by, and whether it is SUSE.
    pub links_tools: Option<bool>,
    /// `KAIROS_NAME` and `KAIROS_IMAGE_LABEL`.
    pub release: (String, String),
    /// Whether the boot menu's arguments are edited, and then whether SELinux is disabled.
    pub bootargs: Option<bool>,
}

impl BaseSteps {
    pub(super) fn apply(&self, editor: &mut Editor<'_>) -> Result<(), RecipeError> {
        for (path, content, mode) in &self.files {
            base_image::place(editor, path, content.clone(), *mode)?;
        }
        base_image::load_usb_drivers(editor)?;
        if self.links_kernel {
            base_image::link_kernel(editor)?;
        }
        if let Some(is_suse) = self.links_tools {
            base_image::link_tools(editor, is_suse)?;
        }
        kairos_release::edit(editor, &self.release.0, &self.release.1)?;
        base_image::clean_up(editor)?;
        if let Some(disable_selinux) = self.bootargs {
            bootargs::edit(editor, disable_selinux)?;
        }
        Ok(())
    }
}
