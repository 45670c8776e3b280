//! Reads ISO 9660 images, ours and others', without trusting them: every length is checked, loops
//! are noticed, and what a hostile image can make the reader remember is limited.
//!
//! The reader shares no code with the writer but the constants of the format, so that each can
//! find the other's mistakes.

mod check;
mod directory;
mod source;
mod system_use;
mod volume;

use std::io::{self, Read, Seek, Write};

use bootwright_image::{Device, Timestamp};
use bootwright_partitions::{gpt, mbr};

pub(super) use directory::{Record, records, sharing};
pub(super) use source::{Source, le16, le32};
pub use volume::Volume;

use super::format::{BLOCK, PARTITION_BASE, PARTITION_DESCRIPTORS};
use crate::el_torito::{self, BootEntry};

/// Names of one hierarchy that a reader remembers.
const ENTRIES_MAX: usize = 1 << 20;
/// Bytes of the paths of one hierarchy that a reader remembers.
const PATHS_MAX: usize = 512 << 20;

/// Why an image could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The image could not be read.
    #[error("cannot read the image")]
    Io(#[from] io::Error),
    /// There is no primary volume descriptor where one must be.
    #[error("not an ISO 9660 image: no primary volume descriptor at byte 32768")]
    NotIso,
    /// Something in the image contradicts the format, or itself.
    #[error("{problem}, at byte {offset}")]
    Corrupt {
        /// What is wrong.
        problem: &'static str,
        /// Where, in bytes from the start of the image.
        offset: u64,
    },
    /// The image has more of something than a reader is willing to remember.
    #[error("more than {limit} {what}")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// The partition tables contradict themselves or the image.
    #[error("partition table: {finding}")]
    PartitionTable {
        /// What is wrong.
        finding: String,
    },
    /// The boot catalog cannot be read.
    #[error(transparent)]
    Catalog(#[from] el_torito::CatalogError),
}

/// Shorthand for [`ReadError::Corrupt`].
pub(super) fn corrupt(problem: &'static str, offset: u64) -> ReadError {
    ReadError::Corrupt { problem, offset }
}

/// What an image says of itself.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Info {
    /// Length of the image in bytes.
    pub len: u64,
    /// The volumes described from block 16 on: the primary one, then supplementary ones.
    pub volumes: Vec<Volume>,
    /// The volumes described from block 32 on for a partition that begins at block 16.
    pub partition_view: Vec<Volume>,
    /// Block of the El Torito boot catalog.
    pub boot_catalog: Option<u32>,
    /// The boot images in the catalog.
    pub boot_entries: Vec<BootEntry>,
    /// The master boot record.
    pub mbr: Option<mbr::Mbr>,
    /// The GUID partition tables, and what is wrong with them.
    pub gpt: Option<gpt::Found>,
}

impl Info {
    /// The primary volume.
    #[must_use]
    pub fn primary(&self) -> Option<&Volume> {
        self.volumes.iter().find(|volume| !volume.joliet)
    }

    /// The Joliet volume.
    #[must_use]
    pub fn joliet(&self) -> Option<&Volume> {
        self.volumes.iter().find(|volume| volume.joliet)
    }
}

/// A range of whole blocks of the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Extent {
    /// First block of 2048 bytes, counted from the start of the image.
    pub block: u64,
    /// Length in bytes.
    pub len: u64,
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EntryKind {
    /// A directory.
    Directory,
    /// A regular file.
    File,
    /// A symbolic link and its target.
    Symlink(Vec<u8>),
    /// A character device.
    CharDevice(Device),
    /// A block device.
    BlockDevice(Device),
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
}

/// Rock Ridge's PX entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Posix {
    /// File mode with the type's bits.
    pub mode: u32,
    /// Number of links.
    pub nlink: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// File serial number, which version 1.12 has.
    pub serial: Option<u32>,
}

/// A name in a hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// Path from the root without a leading slash; the root's is empty. Rock Ridge names where
    /// there are any, else identifiers without version; Joliet's in UTF-8.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: EntryKind,
    /// Owner, mode and links, if Rock Ridge says.
    pub posix: Option<Posix>,
    /// Modification time: Rock Ridge's if it says, else the record's.
    pub mtime: Option<Timestamp>,
    /// Where the content lies; several for a file in pieces.
    pub extents: Vec<Extent>,
}

impl Entry {
    /// Length of the content in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.extents.iter().map(|extent| extent.len).fold(0, u64::saturating_add)
    }

    /// Whether the content has no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// An image to read.
#[derive(Debug)]
pub struct Image<R> {
    source: Source<R>,
    info: Info,
}

impl<R: Read + Seek> Image<R> {
    /// Reads the descriptors, the boot catalog and the partition tables.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn open(input: R) -> Result<Self, ReadError> {
        let mut source = Source::new(input)?;
        let (volumes, boot_catalog) = volume::read(&mut source, 0)?;
        let (partition_view, _) = match volume::is_primary(&mut source, PARTITION_DESCRIPTORS)? {
            true => volume::read(&mut source, PARTITION_BASE)?,
            false => Default::default(),
        };
        let boot_entries = match boot_catalog {
            Some(block) => el_torito::read_catalog(&source.block(u64::from(block))?)?,
            None => Vec::new(),
        };
        let mbr = mbr::Mbr::read(&source.bytes(0, mbr::LEN as u64)?).ok();
        let gpt = match gpt::read(source.input()) {
            Ok(found) => Some(found),
            Err(gpt::ReadError::Io(error)) => return Err(error.into()),
            Err(_) => None,
        };
        let len = source.len();
        let info = Info { len, volumes, partition_view, boot_catalog, boot_entries, mbr, gpt };
        Ok(Self { source, info })
    }

    /// What the image says of itself.
    #[must_use]
    pub fn info(&self) -> &Info {
        &self.info
    }

    /// Every name of a volume's hierarchy, the root first and each directory before its entries.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn entries(&mut self, volume: &Volume) -> Result<Vec<Entry>, ReadError> {
        directory::entries(&mut self.source, volume)
    }

    /// Copies an entry's content.
    ///
    /// # Errors
    /// [`ReadError`]; [`ReadError::Io`] also for what `output` reports.
    pub fn copy(&mut self, entry: &Entry, output: &mut dyn Write) -> Result<(), ReadError> {
        for extent in &entry.extents {
            let (mut offset, mut left) = (extent.block.saturating_mul(BLOCK), extent.len);
            while left > 0 {
                let len = left.min(1 << 20);
                output.write_all(&self.source.bytes(offset, len)?)?;
                offset += len;
                left -= len;
            }
        }
        Ok(())
    }

    /// Whether everything in the image agrees: both path tables with the directories, each
    /// directory with its parent's record of it, places with the image's length, checksums, the
    /// boot catalog and the partition tables.
    ///
    /// # Errors
    /// The first [`ReadError`] found.
    pub fn check(&mut self) -> Result<(), ReadError> {
        let info = self.info.clone();
        check::check(&mut self.source, &info)
    }

    /// For the dump.
    pub(super) fn parts(&mut self) -> (&mut Source<R>, &Info) {
        (&mut self.source, &self.info)
    }
}
