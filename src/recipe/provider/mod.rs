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

mod config;
mod foundation;
mod inputs;

use std::path::PathBuf;

use bootwright_image::{Blob, BoxError, FileTree, Observer};
use bootwright_oci::write::ImageStore;
use bootwright_oci::{ContentDigest, InputSummary, Reference, Stack};

use super::RecipeError;
use super::steps::provider_image::{AgentConfig, add_provider, configure_agent};
use super::steps::{installer_image, layers};
use crate::editor::Editor;

pub use foundation::{BaseRecipe, BaseSteps, DockerfileInput, Foundation};

/// Where Kubernetes comes from.
pub trait Kubernetes {
    /// Adds it to a stack that becomes a tree, which is laid over the root file system.
    ///
    /// # Errors
    /// Why it cannot be had.
    fn lay(&self, stack: &mut Stack<'_>) -> Result<(), BoxError>;
}

/// A provider image, on top of a [`Foundation`].
pub struct ProviderRecipe<'a> {
    /// Its name: `REGISTRY/REPOSITORY:TAG`.
    pub name: String,
    /// A folder laid over `/etc`.
    pub etc: Option<PathBuf>,
    /// The image of the agent (the stylus framework), of which the configuration is taken.
    pub agent: Option<Reference>,
    /// Kubernetes and the image of the Kairos provider, unless they come as extensions of the
    /// system.
    pub bundle: Option<(Reference, &'a dyn Kubernetes)>,
    /// The content of `/oem/.edge_custom_config.yaml`.
    pub edge_config: Option<Blob>,
}

impl std::fmt::Debug for ProviderRecipe<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProviderRecipe").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The installer as a container image, on top of a [`Foundation`].
#[derive(Clone, Debug, Default)]
pub struct InstallerRecipe {
    /// Its name: `REPOSITORY:TAG`.
    pub name: String,
    /// The image of the agent (the stylus framework), which is laid over everything.
    pub agent: Option<Reference>,
    /// A folder laid over the root.
    pub overlay: Option<PathBuf>,
    /// Whether the agent's programs are left out, because they come as an extension.
    pub is_uki: bool,
}

impl InstallerRecipe {
    /// Writes the image into `store` and gives it its name there.
    ///
    /// # Errors
    /// [`RecipeError`]; an image that failed has no name.
    pub fn write(
        &self,
        foundation: &mut Foundation,
        store: &mut dyn ImageStore,
        observer: &dyn Observer,
    ) -> Result<ImageReport, RecipeError> {
        let mut read = Vec::new();
        let mut take = |(tree, summaries): (FileTree, Vec<InputSummary>)| {
            read.extend(summaries);
            tree
        };
        let agent = self.agent.as_ref().map(|agent| foundation.image(agent, observer));
        let agent = agent.transpose()?.map(&mut take);
        let overlay = self
            .overlay
            .as_ref()
            .map(|folder| foundation.load(observer, &mut |stack| Ok(stack.add_overlay(folder)?)));
        let overlay = overlay.transpose()?.map(&mut take);
        let mut tree = foundation.tree().clone();
        let mut editor = foundation.editor(&mut tree, observer);
        self.edit(&mut editor, agent.as_ref(), overlay.as_ref())?;
        let mut report = foundation.write(&tree, &self.name, "iso-image", store, observer)?;
        report.inputs.extend(read);
        Ok(report)
    }

    /// The steps of CanvOS's target `iso-image`, in its order.
    fn edit(
        &self,
        editor: &mut Editor<'_>,
        agent: Option<&FileTree>,
        overlay: Option<&FileTree>,
    ) -> Result<(), RecipeError> {
        if let Some(agent) = agent {
            layers::lay_over(editor, agent, "the agent's image")?;
        }
        if self.is_uki {
            installer_image::trim_for_uki(editor);
        }
        if let Some(overlay) = overlay {
            layers::overlay(editor, overlay, "/")?;
        }
        layers::fix_logrotate(editor);
        Ok(installer_image::forget_host(editor)?)
    }
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

impl ProviderRecipe<'_> {
    /// Writes the image into `store` and gives it its name there.
    ///
    /// # Errors
    /// [`RecipeError`]; an image that failed has no name.
    pub fn write(
        &self,
        foundation: &mut Foundation,
        store: &mut dyn ImageStore,
        observer: &dyn Observer,
    ) -> Result<ImageReport, RecipeError> {
        let trees = self.load(foundation, observer)?;
        let mut tree = foundation.tree().clone();
        self.edit(&mut foundation.editor(&mut tree, observer), &trees)?;
        let mut report = foundation.write(&tree, &self.name, "provider-image", store, observer)?;
        report.inputs.extend(trees.read);
        Ok(report)
    }

    fn load(
        &self,
        foundation: &mut Foundation,
        observer: &dyn Observer,
    ) -> Result<Trees, RecipeError> {
        let mut trees = Trees::default();
        if let Some(folder) = &self.etc {
            let (tree, read) =
                foundation.load(observer, &mut |stack| Ok(stack.add_overlay(folder)?))?;
            trees.take(read);
            trees.etc = Some(tree);
        }
        if let Some((provider, kubernetes)) = self.bundle.as_ref() {
            let (tree, read) = foundation.image(provider, observer)?;
            trees.take(read);
            let lay =
                &mut |stack: &mut Stack<'_>| kubernetes.lay(stack).map_err(RecipeError::Kubernetes);
            let (packages, read) = foundation.load(observer, lay)?;
            trees.take(read);
            trees.bundle = Some((tree, packages));
        }
        if let Some(agent) = &self.agent {
            let (tree, read) = foundation.image(agent, observer)?;
            trees.take(read);
            trees.agent = Some(tree);
        }
        Ok(trees)
    }

    /// The steps of CanvOS's target `provider-image`, in its order.
    fn edit(&self, editor: &mut Editor<'_>, trees: &Trees) -> Result<(), RecipeError> {
        if let Some(etc) = &trees.etc {
            layers::overlay(editor, etc, "/etc")?;
        }
        layers::fix_logrotate(editor);
        if let Some((provider, kubernetes)) = &trees.bundle {
            add_provider(editor, provider)?;
            layers::lay_over(editor, kubernetes, "Kubernetes")?;
        }
        let (agent, edge_config) = (trees.agent.as_ref(), self.edge_config.clone());
        configure_agent(editor, &AgentConfig { agent, edge_config })?;
        Ok(installer_image::forget_host(editor)?)
    }
}

/// What is laid over the foundation.
#[derive(Default)]
struct Trees {
    etc: Option<FileTree>,
    agent: Option<FileTree>,
    /// The Kairos provider and Kubernetes.
    bundle: Option<(FileTree, FileTree)>,
    read: Vec<InputSummary>,
}

impl Trees {
    fn take(&mut self, read: Vec<InputSummary>) {
        self.read.extend(read);
    }
}
