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
        let mut numbers = Numbers::default();
        plan.add(tree, options, tree.root(), b".".to_vec(), &mut numbers)?;
        for walked in tree.walk() {
            plan.add(tree, options, walked.id, walked.path, &mut numbers)?;
        }
        Ok(plan)
    }

    fn add(
        &mut self,
        tree: &FileTree,
        options: Options,
        id: InodeId,
        path: Vec<u8>,
        numbers: &mut Numbers,
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
        if !inode.metadata.xattrs.is_empty() && !numbers.linked.contains_key(&id) {
            self.with_xattrs.push(path.clone());
        }
        let (number, links) = (numbers.of(id, inode.names())?, inode.names());
        let mut record = Record { inode: number, links, ..Record::default() };
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

/// Inode numbers in the order of first names; names of one inode share one.
#[derive(Debug, Default)]
struct Numbers {
    count: u32,
    linked: BTreeMap<InodeId, u32>,
}

impl Numbers {
    fn of(&mut self, id: InodeId, names: u32) -> Result<u32, WriteError> {
        if let Some(number) = self.linked.get(&id) {
            return Ok(*number);
        }
        let number = FIRST_INODE.checked_add(self.count).ok_or(WriteError::Inodes)?;
        self.count += 1;
        if names > 1 {
            self.linked.insert(id, number);
        }
        Ok(number)
    }
}

/// The length of the archive of a tree in bytes, before compression. Reads no content.
///
/// # Errors
/// As writing it: [`WriteError`].
pub fn archive_len(tree: &FileTree, options: Options) -> Result<u64, WriteError> {
    Ok(Plan::new(tree, options)?.len)
}
