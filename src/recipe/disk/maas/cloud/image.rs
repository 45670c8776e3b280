//! A root file system out of an image of a disk or of a file system.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use bootwright_image::{FileTree, Kind};
use bootwright_partitions::ext::{Contents, ReadError, Volume};
use bootwright_partitions::gpt::{self, types};

use super::error::CloudError;
use crate::raw::{self, FileSystem, Part};

/// Bytes at the beginning by which an image is known: a table's header in sector 1 of 4096 bytes.
const HEAD: usize = 4096 + 8;
/// Where an ext file system has its magic number.
const EXT_MAGIC: (usize, &[u8]) = (1024 + 56, &[0x53, 0xEF]);
const TABLE_MAGIC: &[u8] = b"EFI PART";
const GZIP_MAGIC: (usize, &[u8]) = (0, &[0x1F, 0x8B, 8]);
/// What others' virtual disks begin with.
const OTHERS: [(usize, &[u8], &str); 5] = [
    (0, b"QFI\xFB", "a qcow2 image"),
    (0, b"KDMV", "a VMDK image"),
    (0, b"conectix", "a VHD image"),
    (0, b"vhdxfile", "a VHDX image"),
    (0, b"hsqs", "a squashfs"),
];
/// Folders of every root file system.
const OF_A_ROOT: [&[u8]; 2] = [b"etc", b"usr"];

/// What a file is, by how it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    FileSystem,
    Disk,
    Gzip,
    /// Something that we know and do not read.
    Other(&'static str),
    Unknown,
}

impl Form {
    /// Looks at the beginning of what `input` gives.
    pub(super) fn of(input: &mut dyn Read) -> io::Result<Self> {
        let mut head = Vec::new();
        input.take(HEAD as u64).read_to_end(&mut head)?;
        let has = |(at, magic): (usize, &[u8])| {
            head.get(at..).is_some_and(|bytes| bytes.starts_with(magic))
        };
        let other = OTHERS.iter().find(|(at, magic, _)| has((*at, magic)));
        Ok(if let Some((_, _, name)) = other {
            Self::Other(name)
        } else if has(GZIP_MAGIC) {
            Self::Gzip
        } else if has((512, TABLE_MAGIC)) || has((4096, TABLE_MAGIC)) {
            Self::Disk
        } else if has(EXT_MAGIC) {
            Self::FileSystem
        } else {
            Self::Unknown
        })
    }
}

/// A root file system that was found in an image.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) tree: FileTree,
    pub(super) contents: Contents<File>,
    /// Where it was, and what it is, in words.
    pub(super) place: String,
}

/// The root file system in `image`, which `place` names; `None` when it is neither a file system
/// nor a disk.
pub(super) fn open(image: &File, place: &str) -> Result<Option<Found>, CloudError> {
    let failed = |source| CloudError::Read { place: place.into(), source };
    let mut start = image.try_clone().map_err(failed)?;
    start.seek(SeekFrom::Start(0)).map_err(failed)?;
    match Form::of(&mut start).map_err(failed)? {
        Form::FileSystem => {
            let found = volume(image, 0, u64::MAX, place)?;
            if !is_root(&found.tree) {
                return Err(CloudError::NoRoot { place: place.into(), count: 1 });
            }
            Ok(Some(found))
        }
        Form::Disk => disk(image, place).map(Some),
        Form::Other(found) => Err(CloudError::Format { place: place.into(), found }),
        Form::Gzip | Form::Unknown => Ok(None),
    }
}

/// The root file system on a disk: the one that has what a root has, and of several the one whose
/// partition says that it is.
fn disk(image: &File, place: &str) -> Result<Found, CloudError> {
    let named = || place.to_owned();
    let mut source = image;
    let table =
        gpt::read(&mut source).map_err(|source| CloudError::Table { place: named(), source })?;
    // Others grow their images without moving the backup table: the primary one is enough.
    if let Some(finding) = table.findings.iter().find(|finding| is_serious(finding)) {
        return Err(CloudError::Damaged { place: named(), finding: finding.clone() });
    }
    let failed = |source| CloudError::Read { place: named(), source };
    let parts = raw::partitions(image, &table).map_err(failed)?;
    let mut roots: Vec<(Part, Found)> = Vec::new();
    let mut count = 0;
    for part in parts.into_iter().filter(|part| part.file_system == FileSystem::Ext) {
        let place = format!("partition {} of {place}", part.number);
        let found = volume(image, part.offset, part.len, &place)?;
        count += 1;
        if is_root(&found.tree) {
            roots.push((part, found));
        }
    }
    if roots.iter().filter(|(part, _)| types::is_root(part.entry.type_guid)).count() == 1 {
        roots.retain(|(part, _)| types::is_root(part.entry.type_guid));
    }
    if let [(first, _), (second, _), ..] = &roots[..] {
        let (first, second) = (first.number, second.number);
        return Err(CloudError::Several { place: named(), first, second });
    }
    let root = roots.pop().map(|(_, found)| found);
    root.ok_or_else(|| CloudError::NoRoot { place: named(), count })
}

fn is_serious(finding: &gpt::Finding) -> bool {
    match finding {
        gpt::Finding::Crc { copy, .. } | gpt::Finding::Entries { copy, .. } => *copy == "primary",
        gpt::Finding::Bounds { .. } | gpt::Finding::Overlap { .. } => true,
        _ => false,
    }
}

/// The file system that begins at byte `offset` and has at most `most` bytes.
fn volume(image: &File, offset: u64, most: u64, place: &str) -> Result<Found, CloudError> {
    let failed = |source| CloudError::Volume { place: place.into(), source };
    let file = image.try_clone().map_err(|source| failed(source.into()))?;
    let volume = Volume::open(file, offset).map_err(failed)?;
    if volume.len() > most {
        let what = "length in bytes, beyond its partition,";
        return Err(failed(ReadError::Superblock { what, value: volume.len() }));
    }
    let what = format!("{} {:?} in {place}", volume.file_system(), volume.label());
    let (tree, contents) = volume.into_tree(0).map_err(failed)?;
    Ok(Found { tree, contents, place: what })
}

fn is_root(tree: &FileTree) -> bool {
    let root = tree.root();
    OF_A_ROOT.iter().all(|name| {
        let found = tree.child(root, name);
        found.is_some_and(|inode| matches!(tree.inode(inode).kind(), Kind::Directory(_)))
    })
}
