//! The installer, as a container image and as the root file system of media.

use std::path::PathBuf;

use bootwright_image::{Blob, FileTree, Observer};
use bootwright_oci::Reference;
use bootwright_oci::write::ImageStore;

use super::foundation::Prepared;
use super::{Foundation, ImageReport};
use crate::editor::Editor;
use crate::recipe::steps::{base_image, installer_image, layers};
use crate::recipe::{RecipeError, Root};

/// The installer, on top of a [`Foundation`].
#[derive(Clone, Debug, Default)]
pub struct InstallerRecipe {
    /// The image of the agent (the stylus framework), which is laid over everything.
    pub agent: Option<Reference>,
    /// Whether the agent's programs are left out, because they come as an extension.
    pub is_uki: bool,
    /// A folder laid over the root.
    pub overlay: Option<PathBuf>,
    /// Scripts and settings of the project: path, content, mode.
    pub files: Vec<(&'static str, Blob, u16)>,
    /// A tar unpacked into `/opt/spectrocloud`.
    pub local_ui: Option<PathBuf>,
}

/// What is laid over the foundation.
#[derive(Default)]
struct Trees {
    agent: Option<FileTree>,
    overlay: Option<FileTree>,
    local_ui: Option<FileTree>,
}

impl InstallerRecipe {
    /// Writes the image `name` (`REPOSITORY:TAG`) into `store`.
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
        foundation.write(&prepared, name, "iso-image", store, observer)
    }

    /// The root file system for media. While it or a clone of it is there, nothing more can be
    /// made on the foundation.
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
        let mut trees = Trees::default();
        if let Some(agent) = &self.agent {
            trees.agent = Some(foundation.image(agent, &mut read, observer)?);
        }
        if let Some(folder) = &self.overlay {
            let add = &mut |stack: &mut bootwright_oci::Stack<'_>| Ok(stack.add_overlay(folder)?);
            trees.overlay = Some(foundation.load(&mut read, observer, add)?);
        }
        if let Some(archive) = &self.local_ui {
            let add =
                &mut |stack: &mut bootwright_oci::Stack<'_>| Ok(stack.add_archive(archive, b"")?);
            trees.local_ui = Some(foundation.load(&mut read, observer, add)?);
        }
        let mut tree = foundation.tree().clone();
        self.edit(&mut foundation.editor(&mut tree, observer), &trees)?;
        Ok(Prepared { tree, read })
    }

    /// The steps of CanvOS's target `iso-image`, in its order.
    fn edit(&self, editor: &mut Editor<'_>, trees: &Trees) -> Result<(), RecipeError> {
        if let Some(agent) = &trees.agent {
            layers::lay_over(editor, agent, "the agent's image")?;
        }
        if self.is_uki {
            installer_image::trim_for_uki(editor);
        }
        if let Some(overlay) = &trees.overlay {
            layers::overlay(editor, overlay, "/")?;
        }
        layers::fix_logrotate(editor);
        for (path, content, mode) in &self.files {
            base_image::place(editor, path, content.clone(), *mode)?;
        }
        if let Some(local_ui) = &trees.local_ui {
            installer_image::unpack_local_ui(editor, local_ui)?;
        }
        Ok(installer_image::forget_host(editor)?)
    }
}
