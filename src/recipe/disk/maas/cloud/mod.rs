//! The root file system that boots first on a machine of MAAS.

mod digest;
mod error;
mod image;
mod stage;

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use bootwright_boot::loaders::find_kernel;
use bootwright_image::{
    Blob, FileTree, InodeId, Kind, Metadata, Observer, Streams, Timestamp, TreeError,
};
use bootwright_oci::{LayerStreams, Reference};
use bootwright_partitions::ext::{Contents, Holes};
use flate2::bufread::MultiGzDecoder;

use crate::cache::{add_digests, tree_digest};
use crate::output::Staged;
use crate::raw;
use crate::recipe::disk::grub;
use crate::recipe::{RecipeError, Root, Source};
pub use error::CloudError;
use image::{Form, Found};

/// The menu's entry for the first boot.
const MENU: &str = include_str!("../grubcustom");
/// What the first boot needs: path, mode, content.
const ADDED: [(&str, u16, &str); 3] = [
    ("curtin/curtin-hooks", 0o750, include_str!("../curtin-hooks")),
    ("opt/spectrocloud/scripts/setup-recovery.sh", 0o755, include_str!("../setup-recovery.sh")),
    ("etc/systemd/system/setup-recovery.service", 0o644, include_str!("../setup-recovery.service")),
];
const SERVICE: &str = "/etc/systemd/system/setup-recovery.service";
const WANTS: &str = "etc/systemd/system/multi-user.target.wants/setup-recovery.service";
/// Who mounts what; that of a disk image tells of the partitions of that disk.
const MOUNTS: (&str, &str) = ("etc/fstab", "LABEL=UBUNTU_ROOTFS / ext4 defaults 0 1\n");
/// Bytes that an image of a file system has at least.
const IMAGE_MIN: u64 = 1 << 20;
/// Folders of which a root file system has at least one.
const OF_A_ROOT: [&[u8]; 2] = [b"etc", b"usr"];
/// The longest image that is unpacked, in bytes: 4 TiB.
const LEN_MAX: u64 = 1 << 42;

/// Where the root file system comes from.
#[derive(Clone, Debug)]
pub enum CloudSource {
    /// A container image, a tar or a folder: either it is the root file system, or it has nothing
    /// but an image of one, such as Ubuntu's cloud images in tars.
    Image(Box<Source>),
    /// A file: an ext file system, a disk with a GUID partition table, one of them in gzip, or a
    /// tar of what [`Image`](Self::Image) takes.
    File {
        /// The file.
        path: PathBuf,
        /// Threads, and the time to which newer ones are lowered; its image is not looked at.
        source: Box<Source>,
    },
}

/// A root file system that is prepared for its first boot.
pub(super) struct Cloud {
    pub(super) root: Root,
    /// Where the contents come from when the root file system was taken out of an image.
    contents: Option<Contents<File>>,
    pub(super) holes: Holes,
    /// Out of which image, in words.
    pub(super) place: Option<String>,
}

impl Cloud {
    /// Reads and prepares it. What has to be unpacked goes into a nameless file in `folder`.
    pub(super) fn load(
        source: &CloudSource,
        folder: &Path,
        observer: &dyn Observer,
    ) -> Result<Self, RecipeError> {
        let mut cloud = Self::read(source, folder, observer)?;
        cloud.root.add_mount_points().map_err(RecipeError::MountPoint)?;
        cloud.prepare()?;
        Ok(cloud)
    }

    fn read(
        source: &CloudSource,
        folder: &Path,
        observer: &dyn Observer,
    ) -> Result<Self, RecipeError> {
        match source {
            CloudSource::Image(source) => Self::from_root(source, folder, observer),
            CloudSource::File { path, source } => {
                if let Some(found) = from_file(path, folder)? {
                    return Self::from_image(found, source, observer);
                }
                let base = Reference::Tar(path.clone());
                let source = Source { base: base.into(), ..(**source).clone() };
                Self::from_root(&source, folder, observer)
            }
        }
    }

    fn from_root(
        source: &Source,
        folder: &Path,
        observer: &dyn Observer,
    ) -> Result<Self, RecipeError> {
        let mut root = Root::load(source, observer)?;
        let Some((path, inode)) = lone_image(&root.tree) else {
            add_digests(&mut root.tree, source.jobs, observer)?;
            return Ok(Self { root, contents: None, holes: Holes::new(), place: None });
        };
        let base = root.inputs.first().map(|input| input.what.as_str()).unwrap_or_default();
        let place = format!("{base}: {path}");
        let staged = stage::unpack(&root, inode, folder, observer)?;
        match image::open(staged.file(), &place)? {
            Some(found) => {
                let inputs = root.inputs;
                let mut cloud = Self::from_image(found, source, observer)?;
                cloud.root.inputs = inputs;
                Ok(cloud)
            }
            None => Err(CloudError::Format { place, found: "of no known format" }.into()),
        }
    }

    fn from_image(
        found: Found,
        source: &Source,
        observer: &dyn Observer,
    ) -> Result<Self, RecipeError> {
        let Found { mut tree, contents, place } = found;
        let epoch = lower_times(&mut tree, source.epoch);
        digest::add(&mut tree, &contents, observer)?;
        let holes = contents.holes();
        let streams = LayerStreams::new(source.jobs).into();
        let mut root = Root { tree, streams, epoch, architecture: None, inputs: Vec::new() };
        let (path, table) = MOUNTS;
        if root.tree.lookup(path.as_bytes()).is_some() {
            observer.warn(format_args!(
                "/{path} of the cloud root file system is replaced: it tells of another disk"
            ));
            put_file(&mut root, path, 0o644, table)?;
        }
        Ok(Self { root, contents: Some(contents), holes, place: Some(place) })
    }

    /// Adds what the first boot needs.
    fn prepare(&mut self) -> Result<(), RecipeError> {
        for (path, mode, text) in ADDED {
            put_file(&mut self.root, path, mode, text)?;
        }
        let metadata = Metadata { mtime: self.root.epoch, ..Metadata::file(0o777) };
        put(&mut self.root, WANTS, |tree, parent, name| {
            tree.add(parent, name, metadata, Kind::Symlink(SERVICE.as_bytes().into())).map(|_| ())
        })
    }

    /// What tells this root file system from others.
    pub(super) fn digest(&self) -> [u8; 32] {
        tree_digest(&self.root)
    }

    /// The menu's entry that boots it.
    pub(super) fn menu(&self) -> Result<String, RecipeError> {
        let kernel = find_kernel(&self.root.tree).map_err(RecipeError::Cloud)?;
        Ok(grub::with_kernel(MENU, &kernel))
    }

    pub(super) fn streams(&self) -> &dyn Streams {
        match &self.contents {
            Some(contents) => contents,
            None => &self.root.streams,
        }
    }
}

/// The root file system in a file; `None` when the file may be a tar.
fn from_file(path: &Path, folder: &Path) -> Result<Option<Found>, RecipeError> {
    let place = path.display().to_string();
    let failed = |source| CloudError::Read { place: place.clone(), source };
    let mut file = File::open(path).map_err(failed)?;
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(RecipeError::NotAFile { path: path.into() });
    }
    if Form::of(&mut file).map_err(failed)? != Form::Gzip {
        return Ok(image::open(&file, &place)?);
    }
    let packed = || File::open(path).map(|file| MultiGzDecoder::new(BufReader::new(file)));
    // What is damaged here is told where the tar is read, or when all is unpacked.
    let form = Form::of(&mut packed().map_err(failed)?).unwrap_or(Form::Unknown);
    if !matches!(form, Form::FileSystem | Form::Disk) {
        return Ok(None);
    }
    let staged = Staged::new(&folder.join("cloud-rootfs"))?;
    raw::copy_sparse(&mut packed().map_err(failed)?, staged.file(), LEN_MAX).map_err(failed)?;
    Ok(image::open(staged.file(), &place)?)
}

/// The image of a file system that a tree consists of, and its path.
fn lone_image(tree: &FileTree) -> Option<(String, InodeId)> {
    if OF_A_ROOT.iter().any(|name| tree.child(tree.root(), name).is_some()) {
        return None;
    }
    let mut large = tree.walk().filter(|walked| {
        tree.inode(walked.id).as_file().is_some_and(|blob| blob.len() >= IMAGE_MIN)
    });
    let first = large.next()?;
    let path = String::from_utf8_lossy(&first.path).into_owned();
    large.next().is_none().then_some((path, first.id))
}

/// Lowers newer times; the time for what is added.
fn lower_times(tree: &mut FileTree, epoch: Option<Timestamp>) -> Timestamp {
    let mut inodes: Vec<_> = tree.walk().map(|walked| walked.id).collect();
    inodes.push(tree.root());
    let mut newest = Timestamp::default();
    for inode in inodes {
        let mtime = &mut tree.metadata_mut(inode).mtime;
        *mtime = epoch.map_or(*mtime, |epoch| (*mtime).min(epoch));
        newest = newest.max(*mtime);
    }
    Timestamp(epoch.unwrap_or(newest).clamp_to_u32().into())
}

fn put_file(root: &mut Root, path: &str, mode: u16, text: &str) -> Result<(), RecipeError> {
    let metadata = Metadata { mtime: root.epoch, ..Metadata::file(mode) };
    put(root, path, |tree, parent, name| {
        tree.add_file(parent, name, metadata, Blob::from(text)).map(|_| ())
    })
}

/// Adds an entry; one of the same name goes.
fn put(
    root: &mut Root,
    path: &str,
    add: impl FnOnce(&mut FileTree, InodeId, &[u8]) -> Result<(), TreeError>,
) -> Result<(), RecipeError> {
    let place = || format!("/{path} of the cloud root file system");
    let failed = |source| RecipeError::Place { path: place(), source };
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let metadata = Metadata { mtime: root.epoch, ..Metadata::directory(0o755) };
    let tree = &mut root.tree;
    let parent = tree.add_directories(folder.as_bytes(), &metadata).map_err(failed)?;
    tree.remove(parent, name.as_bytes());
    add(tree, parent, name.as_bytes()).map_err(failed)
}
