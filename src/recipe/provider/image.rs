//! Provider images: the root file system that the nodes of a cluster run.

use std::path::PathBuf;

use bootwright_image::{Blob, FileTree, Observer};
use bootwright_oci::write::ImageStore;
use bootwright_oci::{InputSummary, Reference, Stack};

use super::foundation::Prepared;
use super::{Foundation, ImageReport, Kubernetes};
use crate::editor::Editor;
use crate::recipe::steps::provider_image::{
    AgentConfig, add_program, add_provider, configure_agent, link_kubernetes,
};
use crate::recipe::steps::{installer_image, layers};
use crate::recipe::{RecipeError, Root};

/// A provider image, on top of a [`Foundation`].
#[derive(Clone)]
pub struct ProviderRecipe<'a> {
    /// A folder laid over `/etc`.
    pub etc: Option<PathBuf>,
    /// The image of the agent (the stylus framework), of which the configuration is taken.
    pub agent: Option<Reference>,
    /// The image of the Kairos provider and Kubernetes, unless they come as extensions of the
    /// system.
    pub bundle: Option<(Reference, &'a dyn Kubernetes)>,
    /// The content of `/oem/.edge_custom_config.yaml`.
    pub edge_config: Option<Blob>,
    /// An image with `etcdctl`, and the program's path there.
    pub etcdctl: Option<(Reference, String)>,
    /// Whether Kubernetes is links into `/opt/k8s`, because the signed image cannot change.
    pub links_kubernetes: bool,
}

impl std::fmt::Debug for ProviderRecipe<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProviderRecipe").field("agent", &self.agent).finish_non_exhaustive()
    }
}

impl ProviderRecipe<'_> {
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
        let prepared = self.prepare(foundation, observer)?;
        foundation.write(&prepared, name, "provider-image", store, observer)
    }

    /// The root file system, to be signed as a whole. While it or a clone of it is there, nothing
    /// more can be made on the foundation.
    ///
    /// # Errors
    /// [`RecipeError`].
    pub fn root(
        &self,
        foundation: &mut Foundation,
        observer: &dyn Observer,
    ) -> Result<Root, RecipeError> {
        let prepared = self.prepare(foundation, observer)?;
        Ok(foundation.root(prepared))
    }

    fn prepare(
        &self,
        foundation: &mut Foundation,
        observer: &dyn Observer,
    ) -> Result<Prepared, RecipeError> {
        let mut read = Vec::new();
        let trees = self.load(foundation, &mut read, observer)?;
        let mut tree = foundation.tree().clone();
        self.edit(&mut foundation.editor(&mut tree, observer), &trees)?;
        Ok(Prepared { tree, read })
    }

    fn load(
        &self,
        foundation: &mut Foundation,
        read: &mut Vec<InputSummary>,
        observer: &dyn Observer,
    ) -> Result<Trees, RecipeError> {
        let mut trees = Trees::default();
        if let Some(folder) = &self.etc {
            let add = &mut |stack: &mut Stack<'_>| Ok(stack.add_overlay(folder)?);
            trees.etc = Some(foundation.load(read, observer, add)?);
        }
        if let Some((provider, kubernetes)) = &self.bundle {
            let provider = foundation.image(provider, read, observer)?;
            let packages = foundation.kubernetes(*kubernetes, read, observer)?;
            trees.bundle = Some((provider, packages));
        }
        if let Some(agent) = &self.agent {
            trees.agent = Some(foundation.image(agent, read, observer)?);
        }
        if let Some((image, _)) = &self.etcdctl {
            trees.etcdctl = Some(foundation.image(image, read, observer)?);
        }
        Ok(trees)
    }

    /// The steps of CanvOS's target `provider-image`, in its order.
    fn edit(&self, editor: &mut Editor<'_>, trees: &Trees) -> Result<(), RecipeError> {
        if let Some(etc) = &trees.etc {
            layers::overlay(editor, etc, "/etc")?;
        }
        layers::fix_logrotate(editor);
        if let Some((provider, _)) = &trees.bundle {
            add_provider(editor, provider)?;
        }
        let (agent, edge_config) = (trees.agent.as_ref(), self.edge_config.clone());
        configure_agent(editor, &AgentConfig { agent, edge_config })?;
        if let (Some(tree), Some((_, path))) = (&trees.etcdctl, &self.etcdctl) {
            add_program(editor, tree, path, "/usr/bin/etcdctl")?;
        }
        match &trees.bundle {
            Some((_, kubernetes)) if self.links_kubernetes => link_kubernetes(editor, kubernetes)?,
            Some((_, kubernetes)) => layers::lay_over(editor, kubernetes, "Kubernetes")?,
            None => {}
        }
        Ok(installer_image::forget_host(editor)?)
    }
}

/// What is laid over the foundation.
#[derive(Default)]
struct Trees {
    etc: Option<FileTree>,
    agent: Option<FileTree>,
    etcdctl: Option<FileTree>,
    /// The Kairos provider and Kubernetes.
    bundle: Option<(FileTree, FileTree)>,
}
