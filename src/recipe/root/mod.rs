//! The root file system: a base image, what is laid over it, and its times.

mod source;
mod streams;

use bootwright_image::{Blob, FileTree, InodeId, Metadata, Observer, Timestamp, TreeError};
use bootwright_oci::{InputSummary, Limits, Options, Stack};

use super::{Architecture, RecipeError};
use crate::cache::add_digests;
use crate::dockerfile::Built;

pub use source::{Base, Layered, Source};
pub use streams::SharedStreams;

/// Where the product's own files live in the root file system.
const PRODUCT: &[u8] = b"/opt/spectrocloud";

/// A root file system that is ready to be written.
#[derive(Clone, Debug)]
pub struct Root {
    /// The merged tree.
    pub tree: FileTree,
    /// Delivers what the layers hold.
    pub streams: SharedStreams,
    /// The time for everything that a recipe writes itself.
    pub epoch: Timestamp,
    /// The image's architecture, where it names one.
    pub architecture: Option<String>,
    /// What went in.
    pub inputs: Vec<InputSummary>,
}

impl Root {
    /// Reads and merges an image with what is laid over it, or takes what is ready.
    ///
    /// # Errors
    /// [`RecipeError`].
    pub fn load(source: &Source, observer: &dyn Observer) -> Result<Self, RecipeError> {
        let mut root = match &source.base {
            Base::Image(layered) => Self::read(layered, source, observer)?,
            Base::Ready(root) => Self::clone(root),
        };
        if source.cache.is_some() {
            add_digests(&mut root.tree, source.jobs, observer)?;
        }
        if let Some(epoch) = source.epoch {
            lower_times(&mut root.tree, epoch);
            root.epoch = clamped(epoch);
        }
        Ok(root)
    }

    fn read(
        layered: &Layered,
        source: &Source,
        observer: &dyn Observer,
    ) -> Result<Self, RecipeError> {
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
        let base = stack.add_image(&layered.image)?;
        if let Some(archive) = &layered.local_ui {
            stack.add_archive(archive, PRODUCT)?;
        }
        for overlay in &layered.overlays {
            stack.add_overlay(overlay)?;
        }
        let rootfs = stack.finish()?;
        Ok(Self {
            epoch: time(rootfs.created, &rootfs.tree),
            tree: rootfs.tree,
            streams: rootfs.streams.into(),
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
        Self {
            epoch: epoch.map_or_else(|| time(built.created, &built.tree), clamped),
            tree: built.tree,
            streams: built.streams.into(),
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

/// The time of what recipes write: the one at which the image was made, else that of its newest
/// file.
pub(super) fn time(created: Option<Timestamp>, tree: &FileTree) -> Timestamp {
    let known = created.filter(|created| created.0 > 0);
    clamped(known.unwrap_or_else(|| newest(tree)))
}

/// The nearest time that all formats can write.
fn clamped(time: Timestamp) -> Timestamp {
    Timestamp(time.clamp_to_u32().into())
}

fn newest(tree: &FileTree) -> Timestamp {
    every_inode(tree).map(|id| tree.inode(id).metadata.mtime).max().unwrap_or_default()
}

fn every_inode(tree: &FileTree) -> impl Iterator<Item = InodeId> + use<> {
    let mut inodes: Vec<_> = tree.walk().map(|walked| walked.id).collect();
    inodes.push(tree.root());
    inodes.into_iter()
}
