//! What the images of a project have in common: the base image with the Dockerfile and the steps
//! of CanvOS's target `base-image` applied.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use bootwright_image::{Blob, FileTree, Observer, Timestamp};
use bootwright_oci::write::{
    Changes, HistoryEntry, ImageStore, LayerOptions, NewImage, WriteError, write_layer,
};
use bootwright_oci::{InputSummary, LayerStreams, Limits, Options, Reference, Stack};

use super::{ImageReport, config, inputs};
use crate::cache::Cache;
use crate::dockerfile::{
    Dockerfile, Ignore, Images, Inputs as DockerfileInputs, Platform, Recognised, build,
};
use crate::editor::Editor;
use crate::recipe::steps::base_image::{self, CloudConfig};
use crate::recipe::steps::{bootargs, kairos_release};
use crate::recipe::{Architecture, Installed, RecipeError};
use crate::sbom::Inventory;

/// What a [`Foundation`] is made from.
pub struct BaseRecipe<'a> {
    /// The base image; a Dockerfile may name others.
    pub reference: Reference,
    /// What the images are for.
    pub architecture: Architecture,
    /// A Dockerfile that is applied to it.
    pub dockerfile: Option<DockerfileInput<'a>>,
    /// What is done then.
    pub steps: BaseSteps,
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
    /// Cloud configs with their content.
    pub cloud_configs: Vec<(CloudConfig, Blob)>,
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
    fn apply(&self, editor: &mut Editor<'_>) -> Result<(), RecipeError> {
        for (config, content) in &self.cloud_configs {
            base_image::place(editor, config.path(), content.clone(), 0o644)?;
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

/// The common part of images; see the [module](super).
#[derive(Debug)]
pub struct Foundation {
    /// The base image's root file system; none when there is no image below.
    base: Option<FileTree>,
    tree: FileTree,
    streams: LayerStreams,
    /// The base image's layers, and the config as it is now.
    image: NewImage,
    time: Timestamp,
    epoch: Option<Timestamp>,
    options: Options,
    cache: Option<Arc<Cache>>,
    takes_extensions: Option<bool>,
    read: Vec<InputSummary>,
    /// Images that were laid over already.
    images: Vec<(Reference, FileTree, Vec<InputSummary>)>,
    installed: OnceCell<Installed>,
}

impl Foundation {
    /// Reads the base image, once for all images on top, and does what comes before them.
    ///
    /// # Errors
    /// [`RecipeError`].
    pub fn prepare(recipe: &BaseRecipe<'_>, observer: &dyn Observer) -> Result<Self, RecipeError> {
        let options = Options {
            architecture: recipe.architecture.oci_name().into(),
            limits: Limits::default(),
            jobs: recipe.jobs,
        };
        let mut foundation = match &recipe.dockerfile {
            Some(input) => Self::from_dockerfile(recipe, input, options, observer)?,
            None => Self::from_image(recipe, options, observer)?,
        };
        foundation.check_architecture(recipe.architecture)?;
        foundation.image.config.set_created(foundation.time);
        let probed = foundation.base.as_ref().unwrap_or(&foundation.tree);
        foundation.takes_extensions = inputs::takes_extensions(probed);
        if let Some(epoch) = recipe.epoch {
            inputs::lower_new_times(foundation.base.as_ref(), &mut foundation.tree, epoch);
        }
        let mut tree = foundation.tree.clone();
        recipe.steps.apply(&mut foundation.editor(&mut tree, observer))?;
        foundation.tree = tree;
        Ok(foundation)
    }

    fn from_image(
        recipe: &BaseRecipe<'_>,
        options: Options,
        observer: &dyn Observer,
    ) -> Result<Self, RecipeError> {
        let reference = &recipe.reference;
        let mut stack = Stack::new(options.clone(), observer);
        if let Some(cache) = &recipe.cache {
            stack.keep_records(&**cache);
        }
        stack.add_image(reference)?;
        let rootfs = stack.finish()?;
        let image = on_base(reference, &options)?;
        let layers = image.layers().len();
        Ok(Self {
            base: (layers > 0).then(|| rootfs.tree.clone()),
            tree: rootfs.tree,
            streams: rootfs.streams,
            image,
            time: recipe.epoch.or(rootfs.created).unwrap_or_default(),
            epoch: recipe.epoch,
            options,
            cache: recipe.cache.clone(),
            takes_extensions: None,
            read: rootfs.inputs,
            images: Vec::new(),
            installed: OnceCell::new(),
        })
    }

    fn from_dockerfile(
        recipe: &BaseRecipe<'_>,
        input: &DockerfileInput<'_>,
        options: Options,
        observer: &dyn Observer,
    ) -> Result<Self, RecipeError> {
        let inputs = DockerfileInputs {
            context: &input.context,
            ignore: &input.ignore,
            arguments: &input.arguments,
            target: None,
            platform: Platform::new(recipe.architecture),
            epoch: recipe.epoch,
            jobs: recipe.jobs,
        };
        let built = build(&input.file, &inputs, input.images, &mut Recognised, observer)
            .map_err(Box::new)?;
        let mut image = match &built.base {
            Some(base) => on_base(&base.reference, &options)?,
            None => NewImage::scratch(&options.architecture),
        };
        config::apply(&built.config, &mut image.config);
        let layers = image.layers().len();
        Ok(Self {
            base: built.base.map(|base| base.tree).filter(|_| layers > 0),
            tree: built.tree,
            streams: built.streams,
            image,
            time: recipe.epoch.or(built.created).unwrap_or_default(),
            epoch: recipe.epoch,
            options,
            cache: recipe.cache.clone(),
            takes_extensions: None,
            read: built.inputs,
            images: Vec::new(),
            installed: OnceCell::new(),
        })
    }

    fn check_architecture(&self, wanted: Architecture) -> Result<(), RecipeError> {
        let found = self.image.config.architecture();
        if found.is_empty() || Architecture::from_oci_name(found) == Some(wanted) {
            return Ok(());
        }
        Err(RecipeError::WrongArchitecture { found: found.into(), wanted })
    }

    /// Whether the base image's systemd takes Kubernetes and the provider as extensions; `None`
    /// when it has no systemd that is known.
    #[must_use]
    pub fn takes_extensions(&self) -> Option<bool> {
        self.takes_extensions
    }

    /// The root file system.
    #[must_use]
    pub fn tree(&self) -> &FileTree {
        &self.tree
    }

    /// An editor for a tree whose contents lie here.
    pub fn editor<'a>(&'a self, tree: &'a mut FileTree, observer: &'a dyn Observer) -> Editor<'a> {
        Editor { tree, streams: &self.streams, time: self.time, observer }
    }

    /// An image's tree, read once.
    pub(super) fn image(
        &mut self,
        reference: &Reference,
        observer: &dyn Observer,
    ) -> Result<(FileTree, Vec<InputSummary>), RecipeError> {
        if let Some((_, tree, read)) = self.images.iter().find(|(known, ..)| known == reference) {
            return Ok((tree.clone(), read.clone()));
        }
        let add = &mut |stack: &mut Stack<'_>| Ok(stack.add_image(reference).map(|_| ())?);
        let (tree, read) = self.load(observer, add)?;
        self.images.push((reference.clone(), tree.clone(), read.clone()));
        Ok((tree, read))
    }

    /// A tree whose contents lie among those of the foundation, from what `add` puts on a stack.
    pub(super) fn load(
        &mut self,
        observer: &dyn Observer,
        add: &mut dyn FnMut(&mut Stack<'_>) -> Result<(), RecipeError>,
    ) -> Result<(FileTree, Vec<InputSummary>), RecipeError> {
        let cache = self.cache.clone();
        let mut stack = Stack::new(self.options.clone(), observer);
        if let Some(cache) = &cache {
            stack.keep_records(&**cache);
        }
        add(&mut stack)?;
        let mut merged = stack.finish_into(&mut self.streams)?;
        if let Some(epoch) = self.epoch {
            inputs::lower_new_times(None, &mut merged.tree, epoch);
        }
        Ok((merged.tree, merged.inputs))
    }

    /// What is installed in the base image with the Dockerfile applied: nothing that is done on top
    /// of it changes its packages. It is read once.
    ///
    /// # Errors
    /// [`RecipeError`].
    pub fn installed(&self, observer: &dyn Observer) -> Result<Installed, RecipeError> {
        if let Some(installed) = self.installed.get() {
            return Ok(installed.clone());
        }
        let inventory = Inventory::read(&self.tree, &self.streams, observer)?;
        let installed = Installed { inventory, time: self.time };
        Ok(self.installed.get_or_init(|| installed).clone())
    }

    /// Writes an image with `tree`: the base image's layers and one for the difference.
    pub(super) fn write(
        &self,
        tree: &FileTree,
        name: &str,
        target: &str,
        store: &mut dyn ImageStore,
        observer: &dyn Observer,
    ) -> Result<ImageReport, RecipeError> {
        let changes = match &self.base {
            Some(base) => Changes::between(base, tree)?,
            None => Changes::whole(tree)?,
        };
        let mut image = self.image.clone();
        let base_layers = image.layers().len();
        let options = LayerOptions::new(self.options.jobs);
        let layer = write_layer(store, &changes, tree, &self.streams, options, observer)?;
        let layer_len = layer.size();
        let created_by = format!("bootwright +{target}");
        image.push(layer, &HistoryEntry { created_by, ..HistoryEntry::default() });
        let written = image.write(store, &[name.to_owned()], observer)?;
        let layers = written.layers.iter().map(|(_, layer)| layer.size);
        Ok(ImageReport {
            name: name.to_owned(),
            digest: written.manifest.digest,
            len: layers.sum::<u64>() + written.manifest.size + written.config.size,
            layer_len,
            base_layers,
            inputs: self.read.clone(),
        })
    }
}

/// An image on the one at `reference`; folders and tars have no layers to build upon.
fn on_base(reference: &Reference, options: &Options) -> Result<NewImage, WriteError> {
    match reference {
        Reference::Directory(_) | Reference::Tar(_) => Ok(NewImage::scratch(&options.architecture)),
        reference => NewImage::on_base(reference, &options.architecture, &options.limits),
    }
}
