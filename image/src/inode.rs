//! Inodes: metadata, extended attributes, kinds.

use std::collections::{BTreeMap, btree_map};
use std::sync::Arc;

use crate::{Blob, Timestamp};

/// An inode of one [`FileTree`](crate::FileTree). Ids are handed out in order of creation and never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct InodeId(pub(crate) u32);

impl InodeId {
    /// The id as an index below [`FileTree::capacity`](crate::FileTree::capacity), for tables beside the tree.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Extended attributes by full name (`security.capability`), values byte for byte. Empty costs
/// nothing; clones share.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Xattrs(Option<Arc<XattrMap>>);

type XattrMap = BTreeMap<Box<[u8]>, Box<[u8]>>;

impl Xattrs {
    /// Sets one attribute and returns its former value.
    pub fn insert(&mut self, name: &[u8], value: &[u8]) -> Option<Box<[u8]>> {
        Arc::make_mut(self.0.get_or_insert_default()).insert(name.into(), value.into())
    }

    /// Removes one attribute and returns its value.
    pub fn remove(&mut self, name: &[u8]) -> Option<Box<[u8]>> {
        let map = self.0.as_mut()?;
        let old = Arc::make_mut(map).remove(name);
        if map.is_empty() {
            self.0 = None;
        }
        old
    }

    /// The attributes, sorted by the bytes of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0.iter().flat_map(|map| map.iter().map(|(name, value)| (&**name, &**value)))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

/// What an inode carries beside its kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// Permission bits with setuid, setgid and sticky; at most `0o7777`.
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Time of the last modification.
    pub mtime: Timestamp,
    /// Extended attributes.
    pub xattrs: Xattrs,
}

impl Metadata {
    /// Owner and group 0, time 0, no attributes.
    #[must_use]
    pub fn file(mode: u16) -> Self {
        Self { mode, ..Self::default() }
    }

    /// The same as [`file`](Self::file), where the name reads better for a directory.
    #[must_use]
    pub fn directory(mode: u16) -> Self {
        Self::file(mode)
    }
}

/// Numbers of a device node: major up to 4095, minor up to 1048575.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device {
    /// Which driver.
    pub major: u32,
    /// Which device of the driver.
    pub minor: u32,
}

/// A directory's entries, sorted by the bytes of their names.
#[derive(Clone, Debug)]
pub struct Directory {
    pub(crate) entries: BTreeMap<Box<[u8]>, InodeId>,
    pub(crate) parent: InodeId,
}

impl Directory {
    /// Name and inode of each entry, in order of names.
    pub fn iter(&self) -> Entries<'_> {
        self.entries.iter()
    }

    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it has no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The directory this one lies in; the root is its own parent.
    #[must_use]
    pub fn parent(&self) -> InodeId {
        self.parent
    }
}

/// See [`Directory::iter`].
pub(crate) type Entries<'a> = btree_map::Iter<'a, Box<[u8]>, InodeId>;

/// What an inode is.
#[derive(Clone, Debug)]
pub enum Kind {
    /// A directory.
    Directory(Directory),
    /// A regular file.
    File(Blob),
    /// A symbolic link and its target: 1 to [`SYMLINK_MAX`](crate::SYMLINK_MAX) bytes without NUL.
    Symlink(Box<[u8]>),
    /// A character device.
    CharDevice(Device),
    /// A block device.
    BlockDevice(Device),
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
}

/// An inode: metadata, kind and the number of names it has.
#[derive(Clone, Debug)]
pub struct Inode {
    /// Owner, mode, time, extended attributes.
    pub metadata: Metadata,
    pub(crate) kind: Kind,
    pub(crate) names: u32,
}

impl Inode {
    /// What it is.
    #[must_use]
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// The names that lead to it: 1 for a directory, 0 once it was removed.
    #[must_use]
    pub fn names(&self) -> u32 {
        self.names
    }

    /// The directory it is, if it is one.
    #[must_use]
    pub fn as_directory(&self) -> Option<&Directory> {
        match &self.kind {
            Kind::Directory(directory) => Some(directory),
            _ => None,
        }
    }

    /// The content, if it is a regular file.
    #[must_use]
    pub fn as_file(&self) -> Option<&Blob> {
        match &self.kind {
            Kind::File(blob) => Some(blob),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xattrs_are_sorted_and_empty_again_after_the_last_is_removed() {
        let mut xattrs = Xattrs::default();
        assert_eq!(xattrs.insert(b"user.b", b"2"), None);
        assert_eq!(xattrs.insert(b"user.a", b"\0\xff"), None);
        let shared = xattrs.clone();
        assert_eq!(xattrs.insert(b"user.b", b"3").as_deref(), Some(&b"2"[..]));
        let names: Vec<_> = shared.iter().collect();
        assert_eq!(names, [(&b"user.a"[..], &b"\0\xff"[..]), (&b"user.b"[..], &b"2"[..])]);
        xattrs.remove(b"user.a");
        xattrs.remove(b"user.b");
        assert_eq!(xattrs, Xattrs::default());
    }
}
