//! The root file system: a base image, what is laid over it, and its times.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use bootwright_image::{Blob, FileTree, InodeId, Metadata, Observer, Timestamp, TreeError};
use bootwright_oci::{InputSummary, LayerStreams, Limits, Options, Reference, Stack};

use super::{Architecture, RecipeError};
use crate::cache::{Cache, add_digests};
use crate::dockerfile::Built;

/// Where the product's own files live in the root file system.
const PRODUCT: &[u8] = b"/opt/spectrocloud";

/// What a root file system is made from.
#[derive(Clone, Debug)]
pub struct Source {
    /// The container image.
    pub base: Reference,
    /// Folders laid over it, in order; see [`Stack::add_overlay`].
    pub overlays: Vec<PathBuf>,
    /// A tar unpacked into `/opt/spectrocloud`.
    pub local_ui: Option<PathBuf>,
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

impl Source {
    /// `base` alone, read by one thread.
    #[must_use]
    pub fn new(base: Reference) -> Self {
        Self {
            base,
            overlays: Vec::new(),
            local_ui: None,
            architecture: None,
            epoch: None,
            jobs: NonZeroUsize::MIN,
            cache: None,
            inventory: false,
        }
    }
}

/// A root file system that is ready to be written.
#[derive(Debug)]
pub struct Root {
    /// The merged tree.
    pub tree: FileTree,
    /// Delivers what the layers hold.
    pub streams: LayerStreams,
    /// The time for everything that a recipe writes itself.
    pub epoch: Timestamp,
    /// The image's architecture, where it names one.
    pub architecture: Option<String>,
    /// What went in.
    pub inputs: Vec<InputSummary>,
}

impl Root {
    /// Reads and merges everything.
    ///
    /// # Errors
    /// [`RecipeError`].
    pub fn load(source: &Source, observer: &dyn Observer) -> Result<Self, RecipeError> {
        let wanted = source.architecture.or_else(Architecture::host);
        let options = Options {
            architecture: wanted.unwrap_or(Architecture::Amd64).oci_name().into(),
            limits: Limits::default(),
            jobs: source.jobs,
        };
        let mut stack = Stack::new(options, observer);
        if let Some(cache) = &source.cache {
            stack.keep_records(&**cache);
        }
        let base = stack.add_image(&source.base)?;
        if let Some(archive) = &source.local_ui {
            stack.add_archive(archive, PRODUCT)?;
        }
        for overlay in &source.overlays {
            stack.add_overlay(overlay)?;
        }
        let mut rootfs = stack.finish()?;
        if source.cache.is_some() {
            add_digests(&mut rootfs.tree, source.jobs, observer)?;
        }
        if let Some(epoch) = source.epoch {
            lower_times(&mut rootfs.tree, epoch);
        }
        let epoch = source
            .epoch
            .or(rootfs.created.filter(|created| created.0 > 0))
            .unwrap_or_else(|| newest(&rootfs.tree));
        Ok(Self {
            tree: rootfs.tree,
            streams: rootfs.streams,
            epoch: Timestamp(epoch.clamp_to_u32().into()),
            architecture: Some(base.architecture).filter(|name| !name.is_empty()),
            inputs: rootfs.inputs,
        })
    }

    /// What a Dockerfile made. `epoch` lowers newer modification times and becomes every time
    /// written by the recipes; without one, the time at which the base image was made does the
    /// latter.
    #[must_use]
    pub fn from_dockerfile(mut built: Built, epoch: Option<Timestamp>) -> Self {
        if let Some(epoch) = epoch {
            lower_times(&mut built.tree, epoch);
        }
        let epoch = epoch
            .or(built.created.filter(|created| created.0 > 0))
            .unwrap_or_else(|| newest(&built.tree));
        Self {
            tree: built.tree,
            streams: built.streams,
            epoch: Timestamp(epoch.clamp_to_u32().into()),
            architecture: Some(built.platform.architecture),
            inputs: built.inputs,
        }
    }

    /// Bytes of all regular files.
    #[must_use]
    pub fn content_len(&self) -> u64 {
        let mut inodes: Vec<_> = every_inode(&self.tree).collect();
        inodes.sort_unstable();
        inodes.dedup();
        inodes
            .into_iter()
            .filter_map(|id| self.tree.inode(id).as_file().map(Blob::len))
            .fold(0, u64::saturating_add)
    }

    /// Adds the folders that a running system mounts on, where they are missing.
    ///
    /// # Errors
    /// [`TreeError`] when one of them is something else than a folder.
    pub fn add_mount_points(&mut self) -> Result<(), TreeError> {
        for (path, mode) in [
            (&b"dev"[..], 0o755),
            (b"proc", 0o555),
            (b"sys", 0o555),
            (b"run", 0o755),
            (b"tmp", 0o1777),
            (b"mnt", 0o755),
            (b"boot", 0o755),
            (b"oem", 0o755),
            (b"usr/local", 0o755),
        ] {
            if matches!(self.tree.resolve(path), Ok(None)) {
                let metadata = Metadata { mtime: self.epoch, ..Metadata::directory(mode) };
                self.tree.add_directories(path, &metadata)?;
            }
        }
        Ok(())
    }
}

fn lower_times(tree: &mut FileTree, epoch: Timestamp) {
    for id in every_inode(tree) {
        let mtime = &mut tree.metadata_mut(id).mtime;
        *mtime = (*mtime).min(epoch);
    }
}

fn newest(tree: &FileTree) -> Timestamp {
    every_inode(tree).map(|id| tree.inode(id).metadata.mtime).max().unwrap_or_default()
}

fn every_inode(tree: &FileTree) -> impl Iterator<Item = InodeId> + use<> {
    let mut inodes: Vec<_> = tree.walk().map(|walked| walked.id).collect();
    inodes.push(tree.root());
    inodes.into_iter()
}
