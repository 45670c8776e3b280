//! Images that systems with trusted boot upgrade from.

use std::path::PathBuf;

use bootwright_image::{Blob, FileTree, Observer};
use bootwright_oci::write::ImageStore;
use bootwright_oci::{InputSummary, Reference, Stack};

use super::foundation::Prepared;
use super::{Foundation, ImageReport, Kubernetes};
use crate::recipe::RecipeError;
use crate::recipe::steps::layers;
use crate::recipe::steps::upgrade_image::{UpgradeFiles, fill};

/// An image with signed files, on top of a [`Foundation`] of its own: nothing of the system that is
/// upgraded is in it but what was signed.
#[derive(Clone)]
pub struct UpgradeRecipe<'a> {
    /// A folder laid over `/etc`.
    pub etc: Option<PathBuf>,
    /// The files of the EFI system partition, which lie on the build host, and what went into them.
    pub trusted_boot: (FileTree, Vec<InputSummary>),
    /// The image of the agent (the stylus framework), of which the configuration is taken.
    pub agent: Option<Reference>,
    /// The base image of the system, of which `kairos-agent` is taken.
    pub base: Reference,
    /// An image with `luet`, and the program's path there.
    pub luet: Option<(Reference, String)>,
    /// Kubernetes, unless it comes as an extension of the system.
    pub kubernetes: Option<&'a dyn Kubernetes>,
    /// The content of `/oem/.edge_custom_config.yaml`.
    pub edge_config: Option<Blob>,
}

impl std::fmt::Debug for UpgradeRecipe<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UpgradeRecipe").field("base", &self.base).finish_non_exhaustive()
    }
}

impl UpgradeRecipe<'_> {
    /// Writes the image `name` (`REGISTRY/REPOSITORY:TAG`) into `store`.
    ///
    /// # Errors
    /// [`RecipeError`]; an image that failed has no name.
    pub fn write(
        &self,
        name: &str,
        foundation: &mut Foundation,
        store: &mut dyn ImageStore,
        observer: &dyn Observer,
    ) -> Result<ImageReport, RecipeError> {
        let mut read = self.trusted_boot.1.clone();
        let mut image = |foundation: &mut Foundation, reference: &Reference| {
            foundation.image(reference, &mut read, observer)
        };
        let base = image(foundation, &self.base)?;
        let agent = self.agent.as_ref().map(|agent| image(foundation, agent)).transpose()?;
        let luet = self.luet.as_ref().map(|(luet, _)| image(foundation, luet)).transpose()?;
        let etc = self.etc.as_ref().map(|folder| {
            let add = &mut |stack: &mut Stack<'_>| Ok(stack.add_overlay(folder)?);
            foundation.load(&mut read, observer, add)
        });
        let etc = etc.transpose()?;
        let kubernetes =
            self.kubernetes.map(|packages| foundation.kubernetes(packages, &mut read, observer));
        let kubernetes = kubernetes.transpose()?;
        let mut tree = foundation.tree().clone();
        let mut editor = foundation.editor(&mut tree, observer);
        if let Some(etc) = &etc {
            layers::overlay(&mut editor, etc, "/etc")?;
        }
        layers::fix_logrotate(&mut editor);
        let path = self.luet.as_ref().map_or("", |(_, path)| path.as_str());
        let files = UpgradeFiles {
            trusted_boot: Some(&self.trusted_boot.0),
            kubernetes: kubernetes.as_ref(),
            agent: agent.as_ref(),
            base: Some(&base),
            luet: luet.as_ref().map(|tree| (tree, path)),
            edge_config: self.edge_config.clone(),
        };
        fill(&mut editor, &files)?;
        foundation.write(&Prepared { tree, read }, name, "uki-provider-image", store, observer)
    }
}
