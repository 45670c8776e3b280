//! What the images of a project have in common: the base image with the Dockerfile and the steps
//! of CanvOS's target `base-image` applied.

use std::cell::OnceCell;
use std::sync::Arc;

use bootwright_image::{FileTree, Metadata, Observer, Timestamp};
use bootwright_oci::write::{
    Changes, HistoryEntry, ImageStore, LayerOptions, NewImage, WriteError, write_layer,
};
use bootwright_oci::{InputSummary, LayerStreams, Limits, Options, Reference, Stack};

use super::base::{BaseRecipe, DockerfileInput};
use super::{ImageReport, Kubernetes, config, inputs};
use crate::cache::Cache;
use crate::dockerfile::{Inputs as DockerfileInputs, Platform, Recognised, build};
use crate::editor::Editor;
use crate::recipe::{Architecture, Installed, RecipeError, Root, SharedStreams, root};
use crate::sbom::Inventory;

/// A root file system on a foundation.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) tree: FileTree,
    /// What was read for it, beside what the foundation is made from.
    pub(super) read: Vec<InputSummary>,
}

/// The common part of images; see the [module](super).
#[derive(Debug)]
pub struct Foundation {
    /// The base image's root file system; none when there is no image below.
    base: Option<FileTree>,
    tree: FileTree,
    streams: SharedStreams,
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
        let mut foundation = match (&recipe.dockerfile, &recipe.reference) {
            (Some(input), _) => Self::from_dockerfile(recipe, input, options, observer)?,
            (None, Some(image)) => Self::from_image(recipe, image, options, observer)?,
            (None, None) => Self::from_nothing(recipe, options),
        };
        foundation.check_architecture(recipe.architecture)?;
        foundation.image.config.set_created(foundation.time);
        let probed = foundation.base.as_ref().unwrap_or(&foundation.tree);
        foundation.takes_extensions = inputs::takes_extensions(probed);
        if let Some(epoch) = recipe.epoch {
            inputs::lower_new_times(foundation.base.as_ref(), &mut foundation.tree, epoch);
        }
        if let Some(steps) = &recipe.steps {
            let mut tree = foundation.tree.clone();
            steps.apply(&mut foundation.editor(&mut tree, observer))?;
            foundation.tree = tree;
        }
        Ok(foundation)
    }

    fn from_nothing(recipe: &BaseRecipe<'_>, options: Options) -> Self {
        let time = recipe.epoch.unwrap_or_default();
        Self {
            base: None,
            tree: FileTree::new(Metadata { mtime: time, ..Metadata::directory(0o755) }),
            streams: LayerStreams::new(recipe.jobs).into(),
            image: NewImage::scratch(&options.architecture),
            time,
            epoch: recipe.epoch,
            options,
            cache: recipe.cache.clone(),
            takes_extensions: None,
            read: Vec::new(),
            images: Vec::new(),
            installed: OnceCell::new(),
        }
    }

    fn from_image(
        recipe: &BaseRecipe<'_>,
        reference: &Reference,
        options: Options,
        observer: &dyn Observer,
    ) -> Result<Self, RecipeError> {
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
            streams: rootfs.streams.into(),
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
            streams: built.streams.into(),
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

    /// The time of what is made: when the base image was made, unless another was asked for.
    #[must_use]
    pub fn time(&self) -> Timestamp {
        self.time
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

    /// An image's tree, read once; what was read is added to `read`.
    pub(super) fn image(
        &mut self,
        reference: &Reference,
        read: &mut Vec<InputSummary>,
        observer: &dyn Observer,
    ) -> Result<FileTree, RecipeError> {
        if let Some((_, tree, known)) = self.images.iter().find(|(known, ..)| known == reference) {
            read.extend(known.iter().cloned());
            return Ok(tree.clone());
        }
        let mut own = Vec::new();
        let add = &mut |stack: &mut Stack<'_>| Ok(stack.add_image(reference).map(|_| ())?);
        let tree = self.load(&mut own, observer, add)?;
        read.extend(own.iter().cloned());
        self.images.push((reference.clone(), tree.clone(), own));
        Ok(tree)
    }

    /// The tree of a version of Kubernetes; what was read is added to `read`.
    pub(super) fn kubernetes(
        &mut self,
        packages: &dyn Kubernetes,
        read: &mut Vec<InputSummary>,
        observer: &dyn Observer,
    ) -> Result<FileTree, RecipeError> {
        let lay = &mut |stack: &mut Stack<'_>| packages.lay(stack).map_err(RecipeError::Kubernetes);
        self.load(read, observer, lay)
    }

    /// A tree whose contents lie among those of the foundation, from what `add` puts on a stack;
    /// what was read is added to `read`.
    pub(super) fn load(
        &mut self,
        read: &mut Vec<InputSummary>,
        observer: &dyn Observer,
        add: &mut dyn FnMut(&mut Stack<'_>) -> Result<(), RecipeError>,
    ) -> Result<FileTree, RecipeError> {
        let cache = self.cache.clone();
        let mut stack = Stack::new(self.options.clone(), observer);
        if let Some(cache) = &cache {
            stack.keep_records(&**cache);
        }
        add(&mut stack)?;
        let streams = self.streams.get_mut().ok_or(RecipeError::RootInUse)?;
        let mut merged = stack.finish_into(streams)?;
        if let Some(epoch) = self.epoch {
            inputs::lower_new_times(None, &mut merged.tree, epoch);
        }
        read.extend(merged.inputs);
        Ok(merged.tree)
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

    /// A root file system that recipes for media take. While it or a clone is there, nothing more
    /// can be made on the foundation.
    pub(super) fn root(&self, prepared: Prepared) -> Root {
        let mut inputs = self.read.clone();
        inputs.extend(prepared.read);
        Root {
            epoch: root::time(Some(self.time), &prepared.tree),
            tree: prepared.tree,
            streams: self.streams.clone(),
            architecture: Some(self.options.architecture.clone()),
            inputs,
        }
    }

    /// Writes an image with the base image's layers and one for the difference.
    pub(super) fn write(
        &self,
        prepared: &Prepared,
        name: &str,
        target: &str,
        store: &mut dyn ImageStore,
        observer: &dyn Observer,
    ) -> Result<ImageReport, RecipeError> {
        let Prepared { tree, read } = prepared;
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
        let mut inputs = self.read.clone();
        inputs.extend(read.iter().cloned());
        Ok(ImageReport {
            name: name.to_owned(),
            digest: written.manifest.digest,
            len: layers.sum::<u64>() + written.manifest.size + written.config.size,
            layer_len,
            base_layers,
            inputs,
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
