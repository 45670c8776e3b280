//! A small reader that shares nothing with the writer but the structures of the format. It is
//! made for tests and inspection: it goes through an image in order and checks what it meets.
//!
//! Images may be hostile. Whatever they hold, nothing here panics, runs forever or takes more
//! memory than a few blocks and what the caller collects.

mod describe;
mod directory;
mod dump;
mod file;
mod inode;
mod metadata;
mod verify;
mod visit;
mod xattr;

use std::io::{self, Read, Seek, SeekFrom};

use crate::codec::Decoder;
use crate::format::{
    CompressorId, Fields, METADATA_BLOCK, NO_TABLE, SUPERBLOCK_LEN, Superblock, TABLE_ENTRY_LEN,
};
use metadata::{Cache, Cursor};

pub use describe::Info;
pub use directory::{Entries, Entry};
pub use file::{Block, BlockList, FileReader};
pub use inode::{Inode, Kind};
pub use verify::Verified;
pub use visit::Visited;
pub use xattr::XattrPairs;

/// Why an image could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The input could not be read.
    #[error("cannot read the squashfs image")]
    Io(#[source] io::Error),
    /// There is no superblock.
    #[error("no squashfs image: the magic number is missing")]
    NotSquashfs,
    /// A squashfs image of a kind that this reader does not know.
    #[error("{what} {value} is not supported")]
    Unsupported {
        /// What is not supported.
        what: &'static str,
        /// Its number.
        value: u64,
    },
    /// The image contradicts itself or the format.
    #[error("damaged squashfs image: {problem} at {at}")]
    Corrupt {
        /// What is wrong.
        problem: &'static str,
        /// Where it was noticed: a byte of the image.
        at: u64,
    },
    /// Reading on would take more than this reader is ready to spend.
    #[error("{what} exceeds {limit}")]
    Limit {
        /// What grew too large.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// The caller asked to stop.
    #[error("cancelled")]
    Cancelled,
}

fn corrupt(problem: &'static str, at: u64) -> ReadError {
    ReadError::Corrupt { problem, at }
}

/// An image, open for reading.
pub struct Image<R> {
    input: R,
    base: u64,
    superblock: Superblock,
    options: Option<Vec<u8>>,
    decoder: Decoder,
    cache: Cache,
    ids: Vec<u32>,
    fragment: Option<(u32, Vec<u8>)>,
}

impl<R: Read + Seek> Image<R> {
    /// Opens the image whose byte zero is byte `base` of `input`.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn open(mut input: R, base: u64) -> Result<Self, ReadError> {
        let mut bytes = [0; SUPERBLOCK_LEN];
        read_exact_at(&mut input, base, 0, &mut bytes)?;
        let superblock = Superblock::parse(&bytes).ok_or(ReadError::NotSquashfs)?;
        check(&superblock)?;
        let id = superblock.compressor;
        let unsupported = ReadError::Unsupported { what: "compressor", value: u64::from(id.0) };
        let mut image = Self {
            input,
            base,
            superblock,
            options: None,
            decoder: Decoder::new(id).ok_or(unsupported)?,
            cache: Cache::default(),
            ids: Vec::new(),
            fragment: None,
        };
        image.options = image.read_options()?;
        image.ids = image.read_ids()?;
        Ok(image)
    }

    /// The superblock.
    #[must_use]
    pub fn superblock(&self) -> &Superblock {
        &self.superblock
    }

    /// The body of the compressor's options record.
    #[must_use]
    pub fn compressor_options(&self) -> Option<&[u8]> {
        self.options.as_deref()
    }

    /// The owners and groups by their place in the id table.
    #[must_use]
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// The root directory.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn root(&mut self) -> Result<Inode, ReadError> {
        let root = self.inode(self.superblock.root_inode)?;
        match root.kind {
            Kind::Directory { .. } => Ok(root),
            _ => Err(corrupt("the root is no directory", self.superblock.inode_table)),
        }
    }

    /// Follows a path without following symbolic links; `None` when there is nothing.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn lookup(&mut self, path: &[u8]) -> Result<Option<Inode>, ReadError> {
        let mut at = self.root()?;
        for name in path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()) {
            if !matches!(at.kind, Kind::Directory { .. }) {
                return Ok(None);
            }
            let mut entries = self.entries(&at)?;
            let found = loop {
                match entries.next().transpose()? {
                    Some(entry) if entry.name == name => break entry.inode,
                    Some(_) => {}
                    None => return Ok(None),
                }
            };
            at = self.inode(found)?;
        }
        Ok(Some(at))
    }

    /// Fills `buffer` from byte `offset` of the image on.
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<(), ReadError> {
        read_exact_at(&mut self.input, self.base, offset, buffer)
    }

    fn read_options(&mut self) -> Result<Option<Vec<u8>>, ReadError> {
        if !self.superblock.flags.contains(crate::Flags::COMPRESSOR_OPTIONS) {
            return Ok(None);
        }
        let mut cursor = Cursor::new(SUPERBLOCK_LEN as u64, 0, self.superblock.inode_table);
        let block = self.metadata_block(&mut cursor)?;
        match block.len() {
            0..=64 => Ok(Some(block.to_vec())),
            _ => Err(corrupt("the compressor's options are too long", SUPERBLOCK_LEN as u64)),
        }
    }

    fn read_ids(&mut self) -> Result<Vec<u32>, ReadError> {
        let (table, count) = (self.superblock.id_table, self.superblock.id_count);
        let mut ids = Vec::with_capacity(usize::from(count));
        for index in 0..u32::from(count) {
            let entry = self.table_entry::<4>(table, index)?;
            ids.push(u32::from_le_bytes(entry));
        }
        Ok(ids)
    }

    /// Entry `index` of the lookup table whose pointers are at `table`.
    fn table_entry<const N: usize>(
        &mut self,
        table: u64,
        index: u32,
    ) -> Result<[u8; N], ReadError> {
        let byte = u64::from(index) * N as u64;
        let pointer_at = table
            .checked_add(byte / METADATA_BLOCK as u64 * 8)
            .filter(|at| *at < self.superblock.bytes_used)
            .ok_or(corrupt("a table outside the image", table))?;
        let mut pointer = [0; 8];
        self.read_at(pointer_at, &mut pointer)?;
        let within = u16::try_from(byte % METADATA_BLOCK as u64).unwrap_or(0);
        let mut cursor = Cursor::new(u64::from_le_bytes(pointer), within, table);
        let mut entry = [0; N];
        self.read_metadata(&mut cursor, &mut entry)?;
        Ok(entry)
    }

    /// Offset and size field of a fragment block.
    fn fragment_entry(&mut self, index: u32) -> Result<(u64, u32), ReadError> {
        let table = self.superblock.fragment_table;
        if index >= self.superblock.fragment_count || table == NO_TABLE {
            return Err(corrupt("a fragment that is not in the table", table));
        }
        let entry = self.table_entry::<TABLE_ENTRY_LEN>(table, index)?;
        let mut fields = Fields(&entry);
        fields.u64().zip(fields.u32()).ok_or(corrupt("a short table", table))
    }

    /// Where the inode of a number is, from the export table.
    ///
    /// # Errors
    /// [`ReadError`]; also when the image has no export table or no such number.
    pub fn exported(&mut self, number: u32) -> Result<crate::MetadataRef, ReadError> {
        let table = self.superblock.export_table;
        match number.checked_sub(1).filter(|_| table != NO_TABLE) {
            Some(index) if index < self.superblock.inode_count => {
                Ok(crate::MetadataRef(u64::from_le_bytes(self.table_entry::<8>(table, index)?)))
            }
            _ => Err(corrupt("an inode that is not exported", table)),
        }
    }
}

impl<R> std::fmt::Debug for Image<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Image").field("superblock", &self.superblock).finish_non_exhaustive()
    }
}

fn read_exact_at<R: Read + Seek>(
    input: &mut R,
    base: u64,
    offset: u64,
    buffer: &mut [u8],
) -> Result<(), ReadError> {
    let position = base.checked_add(offset).ok_or(corrupt("an offset too large", offset))?;
    input.seek(SeekFrom::Start(position)).map_err(ReadError::Io)?;
    input.read_exact(buffer).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => corrupt("the image ends too early", offset),
        _ => ReadError::Io(error),
    })
}

/// Checks what a reader relies on, as Linux does when it mounts an image.
fn check(superblock: &Superblock) -> Result<(), ReadError> {
    let s = superblock;
    if (s.version_major, s.version_minor) != (4, 0) {
        return Err(ReadError::Unsupported {
            what: "squashfs version",
            value: u64::from(s.version_major),
        });
    }
    if !(12..=20).contains(&s.block_log) || s.block_size != 1 << s.block_log {
        return Err(corrupt("a wrong block size", 12));
    }
    if s.inode_count == 0 {
        return Err(corrupt("no inodes", 4));
    }
    if s.id_count == 0 || u64::from(s.id_count) > 2 * u64::from(s.inode_count) {
        return Err(corrupt("a wrong number of ids", 26));
    }
    // No sum of offsets overflows below this.
    if i64::try_from(s.bytes_used).is_err() {
        return Err(corrupt("an impossible length", 40));
    }
    let in_order = SUPERBLOCK_LEN as u64 <= s.inode_table
        && s.inode_table < s.directory_table
        && s.directory_table <= s.bytes_used
        && s.directory_table < s.id_table
        && s.id_table < s.bytes_used;
    let optional = [(s.fragment_table, 80), (s.export_table, 88), (s.xattr_table, 56)];
    if !in_order {
        return Err(corrupt("tables out of order", 40));
    }
    for (table, field) in optional {
        if table != NO_TABLE && !(s.directory_table..s.bytes_used).contains(&table) {
            return Err(corrupt("a table outside the image", field));
        }
    }
    if s.compressor == CompressorId::LZ4 && !s.flags.contains(crate::Flags::COMPRESSOR_OPTIONS) {
        return Err(corrupt("LZ4 without options", 24));
    }
    Ok(())
}
