//! Inodes.

use std::io::{Read, Seek};

use super::metadata::Cursor;
use super::{Image, ReadError, corrupt};
use crate::MetadataRef;
use crate::format::{
    DIRECTORY_SIZE_EXTRA, Fields, InodeType, NO_FRAGMENT, NO_XATTR, decode_device,
};

/// The longest target of a symbolic link that squashfs tools accept.
const SYMLINK_MAX: u32 = 65_535;

/// An inode as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inode {
    /// Where it is in the inode table.
    pub place: MetadataRef,
    /// Its number: 1 to the number of inodes.
    pub number: u32,
    /// Permission bits.
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Modification time, seconds since 1970.
    pub mtime: u32,
    /// Number of names; of a directory 2 and its subdirectories. Basic files have no such field
    /// and one name.
    pub links: u32,
    /// Its place in the xattr id table.
    pub xattr: Option<u32>,
    /// Whether it has the extended form.
    pub extended: bool,
    /// What it is.
    pub kind: Kind,
    /// Where the fields of fixed length end: at the block list or the directory index.
    pub(super) rest: Cursor,
}

/// What an inode is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Directory {
        /// Where the listing starts in the directory table.
        listing: MetadataRef,
        /// Length of the listing in bytes.
        len: u32,
        /// The parent's number; of the root one more than the number of inodes.
        parent: u32,
        /// Entries of the directory index.
        index: u16,
    },
    /// A regular file.
    File {
        /// Length in bytes.
        len: u64,
        /// Offset of the first stored block.
        start: u64,
        /// Bytes in holes.
        sparse: u64,
        /// The fragment that holds the last part and the place in it.
        fragment: Option<(u32, u32)>,
    },
    /// A symbolic link and its target.
    Symlink(Vec<u8>),
    /// A block device: major and minor number.
    BlockDevice(u32, u32),
    /// A character device: major and minor number.
    CharDevice(u32, u32),
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
}

impl Kind {
    pub(super) fn inode_type(&self) -> InodeType {
        match self {
            Self::Directory { .. } => InodeType::Directory,
            Self::File { .. } => InodeType::File,
            Self::Symlink(_) => InodeType::Symlink,
            Self::BlockDevice(..) => InodeType::BlockDevice,
            Self::CharDevice(..) => InodeType::CharDevice,
            Self::Fifo => InodeType::Fifo,
            Self::Socket => InodeType::Socket,
        }
    }
}

/// The fields that all inodes start with.
struct Head {
    kind: InodeType,
    extended: bool,
}

/// What differs from kind to kind.
struct Body {
    links: u32,
    xattr: u32,
    kind: Kind,
}

impl<R: Read + Seek> Image<R> {
    /// The inode at a place in the inode table.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn inode(&mut self, place: MetadataRef) -> Result<Inode, ReadError> {
        self.inode_at(place).map(|(inode, _)| inode)
    }

    /// The inode at a place and where its fields of fixed length end.
    pub(crate) fn inode_at(&mut self, place: MetadataRef) -> Result<(Inode, Cursor), ReadError> {
        let (table, end) = (self.superblock.inode_table, self.superblock.directory_table);
        let block = table + place.block();
        let wrong = |problem| corrupt(problem, block);
        let mut cursor = Cursor::new(block, place.offset(), end);
        let head: [u8; 16] = self.metadata_array(&mut cursor)?;
        let mut fields = Fields(&head);
        let short = || wrong("a short inode");
        let (number, mode) = (fields.u16().ok_or_else(short)?, fields.u16().ok_or_else(short)?);
        let (kind, extended) =
            InodeType::from_number(number).ok_or_else(|| wrong("an unknown inode type"))?;
        let mut id = || {
            let index = fields.u16().ok_or_else(short)?;
            let id = self.ids.get(usize::from(index)).copied();
            id.ok_or_else(|| wrong("an id that is not in the table"))
        };
        let (uid, gid) = (id()?, id()?);
        let mtime = fields.u32().ok_or_else(short)?;
        let number = fields.u32().ok_or_else(short)?;
        if number == 0 || number > self.superblock.inode_count {
            return Err(wrong("an inode number out of range"));
        }
        let body = self.body(&Head { kind, extended }, &mut cursor)?;
        let inode = Inode {
            place,
            number,
            mode,
            uid,
            gid,
            mtime,
            links: body.links,
            xattr: (body.xattr != NO_XATTR).then_some(body.xattr),
            extended,
            kind: body.kind,
            rest: cursor,
        };
        Ok((inode, cursor))
    }

    fn body(&mut self, head: &Head, cursor: &mut Cursor) -> Result<Body, ReadError> {
        match (head.kind, head.extended) {
            (InodeType::Directory, false) => {
                let bytes: [u8; 16] = self.metadata_array(cursor)?;
                let (block, links) = (le32(&bytes, 0), le32(&bytes, 4));
                let (len, offset) = (le16(&bytes, 8), le16(&bytes, 10));
                let kind = Kind::Directory {
                    listing: MetadataRef::new(u64::from(block), offset),
                    len: u32::from(len).saturating_sub(DIRECTORY_SIZE_EXTRA),
                    parent: le32(&bytes, 12),
                    index: 0,
                };
                Ok(Body { links, xattr: NO_XATTR, kind })
            }
            (InodeType::Directory, true) => {
                let bytes: [u8; 24] = self.metadata_array(cursor)?;
                let (block, offset) = (le32(&bytes, 8), le16(&bytes, 18));
                let kind = Kind::Directory {
                    listing: MetadataRef::new(u64::from(block), offset),
                    len: le32(&bytes, 4).saturating_sub(DIRECTORY_SIZE_EXTRA),
                    parent: le32(&bytes, 12),
                    index: le16(&bytes, 16),
                };
                Ok(Body { links: le32(&bytes, 0), xattr: le32(&bytes, 20), kind })
            }
            (InodeType::File, false) => {
                let bytes: [u8; 16] = self.metadata_array(cursor)?;
                let (fragment, offset) = (le32(&bytes, 4), le32(&bytes, 8));
                let kind = Kind::File {
                    len: u64::from(le32(&bytes, 12)),
                    start: u64::from(le32(&bytes, 0)),
                    sparse: 0,
                    fragment: (fragment != NO_FRAGMENT).then_some((fragment, offset)),
                };
                Ok(Body { links: 1, xattr: NO_XATTR, kind })
            }
            (InodeType::File, true) => {
                let bytes: [u8; 40] = self.metadata_array(cursor)?;
                let (fragment, offset) = (le32(&bytes, 28), le32(&bytes, 32));
                let kind = Kind::File {
                    len: le64(&bytes, 8),
                    start: le64(&bytes, 0),
                    sparse: le64(&bytes, 16),
                    fragment: (fragment != NO_FRAGMENT).then_some((fragment, offset)),
                };
                Ok(Body { links: le32(&bytes, 24), xattr: le32(&bytes, 36), kind })
            }
            (kind, extended) => self.special(kind, extended, cursor),
        }
    }

    fn special(
        &mut self,
        kind: InodeType,
        extended: bool,
        cursor: &mut Cursor,
    ) -> Result<Body, ReadError> {
        let links = u32::from_le_bytes(self.metadata_array(cursor)?);
        let kind = match kind {
            InodeType::Symlink => {
                let len = u32::from_le_bytes(self.metadata_array(cursor)?);
                if len == 0 || len > SYMLINK_MAX {
                    return Err(corrupt("a link's target of a wrong length", cursor.block));
                }
                Kind::Symlink(self.read_metadata_vec(cursor, len as usize)?)
            }
            InodeType::BlockDevice | InodeType::CharDevice => {
                let number = u32::from_le_bytes(self.metadata_array(cursor)?);
                let (major, minor) = decode_device(number);
                match kind {
                    InodeType::BlockDevice => Kind::BlockDevice(major, minor),
                    _ => Kind::CharDevice(major, minor),
                }
            }
            InodeType::Fifo => Kind::Fifo,
            _ => Kind::Socket,
        };
        let xattr = match extended {
            true => u32::from_le_bytes(self.metadata_array(cursor)?),
            false => NO_XATTR,
        };
        Ok(Body { links, xattr, kind })
    }

    pub(crate) fn metadata_array<const N: usize>(
        &mut self,
        cursor: &mut Cursor,
    ) -> Result<[u8; N], ReadError> {
        let mut bytes = [0; N];
        self.read_metadata(cursor, &mut bytes)?;
        Ok(bytes)
    }
}

/// Fields at fixed places; zero outside of `bytes`, which no caller asks for.
pub(super) fn le16(bytes: &[u8], at: usize) -> u16 {
    field(bytes, at).map_or(0, u16::from_le_bytes)
}

pub(super) fn le32(bytes: &[u8], at: usize) -> u32 {
    field(bytes, at).map_or(0, u32::from_le_bytes)
}

pub(super) fn le64(bytes: &[u8], at: usize) -> u64 {
    field(bytes, at).map_or(0, u64::from_le_bytes)
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}
