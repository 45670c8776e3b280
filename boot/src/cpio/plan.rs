//! What goes into an archive, before any content is read.

use std::collections::BTreeMap;

use bootwright_image::{FileTree, InodeId, Kind, Origin, SYMLINK_MAX};

use super::WriteError;
use super::error::text;
use super::format::{NAME_MAX, Record, TRAILER, kind, record_len};

/// Inode numbers begin here: 1 is often special.
const FIRST_INODE: u32 = 2;

/// Whom files belong to once unpacked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ownership {
    /// Everything is root's, as Kairos makes it: it gives services their folders at boot.
    #[default]
    Root,
    /// As in the tree.
    Keep,
}

/// How to write an archive.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Whom files belong to.
    pub ownership: Ownership,
}

/// An archive: what is written before the contents, and the records of the files.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Folders, links and nodes, in order of paths.
    pub(super) first: Vec<(Record, Vec<u8>, Box<[u8]>)>,
    /// Regular files by inode, with all their paths in order.
    pub(super) files: BTreeMap<InodeId, (Record, Vec<Vec<u8>>)>,
    /// Regular files in the order of their first paths.
    pub(super) order: Vec<InodeId>,
    /// Length of the archive in bytes.
    pub(super) len: u64,
    /// Paths of what has extended attributes, which the format has no place for.
    pub(super) with_xattrs: Vec<Vec<u8>>,
}

impl Plan {
    pub(super) fn new(tree: &FileTree, options: Options) -> Result<Self, WriteError> {
        let mut plan = Self {
            first: Vec::new(),
            files: BTreeMap::new(),
            order: Vec::new(),
            len: record_len(TRAILER, 0),
            with_xattrs: Vec::new(),
        };
        let mut numbers = FIRST_INODE;
        plan.add(tree, options, tree.root(), b".".to_vec(), &mut numbers)?;
        for walked in tree.walk() {
            plan.add(tree, options, walked.id, walked.path, &mut numbers)?;
        }
        // A link to a removed name does not count: the kernel would keep such an inode for nothing.
        for (record, paths) in plan.files.values_mut() {
            record.links = u32::try_from(paths.len()).unwrap_or(u32::MAX);
        }
        Ok(plan)
    }

    fn add(
        &mut self,
        tree: &FileTree,
        options: Options,
        id: InodeId,
        path: Vec<u8>,
        numbers: &mut u32,
    ) -> Result<(), WriteError> {
        if path.len() > NAME_MAX {
            return Err(WriteError::PathTooLong { path: text(&path), len: path.len() });
        }
        if let Some((_, paths)) = self.files.get_mut(&id) {
            self.len += record_len(&path, 0);
            paths.push(path);
            return Ok(());
        }
        let inode = tree.inode(id);
        if !inode.metadata.xattrs.is_empty() {
            self.with_xattrs.push(path.clone());
        }
        let mut record = Record { inode: *numbers, links: 1, ..Record::default() };
        *numbers = numbers.checked_add(1).ok_or(WriteError::Inodes)?;
        if options.ownership == Ownership::Keep {
            (record.uid, record.gid) = (inode.metadata.uid, inode.metadata.gid);
        }
        let mut content = Box::default();
        let kind = match inode.kind() {
            Kind::Directory(_) => {
                record.links = 2;
                kind::DIRECTORY
            }
            Kind::File(blob) => {
                if matches!(blob.origin(), Origin::Deferred) {
                    return Err(WriteError::Deferred { path: text(&path) });
                }
                record.len = u32::try_from(blob.len())
                    .map_err(|_| WriteError::FileTooLarge { path: text(&path), len: blob.len() })?;
                kind::FILE
            }
            Kind::Symlink(target) => {
                record.len = u32::try_from(target.len().min(SYMLINK_MAX)).unwrap_or(0);
                content = target.clone();
                kind::SYMLINK
            }
            Kind::CharDevice(device) | Kind::BlockDevice(device) => {
                record.device = (device.major, device.minor);
                let is_block = matches!(inode.kind(), Kind::BlockDevice(_));
                if is_block { kind::BLOCK } else { kind::CHAR }
            }
            Kind::Fifo => kind::FIFO,
            Kind::Socket => kind::SOCKET,
        };
        record.mode = kind | u32::from(inode.metadata.mode);
        self.len += record_len(&path, record.len.into());
        if kind == kind::FILE {
            self.order.push(id);
            self.files.insert(id, (record, vec![path]));
        } else {
            self.first.push((record, path, content));
        }
        Ok(())
    }
}

/// The length of the archive of a tree in bytes, before compression. Reads no content.
///
/// # Errors
/// As writing it: [`WriteError`].
pub fn archive_len(tree: &FileTree, options: Options) -> Result<u64, WriteError> {
    Ok(Plan::new(tree, options)?.len)
}
