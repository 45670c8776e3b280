//! Reads volumes: those of the writer, and those that others made and used.

mod blocks;
mod check;
mod contents;
mod directory;
mod dump;
mod file;
mod inode;
mod superblock;
mod tree;
mod xattr;

use std::io::{self, Read, Seek, SeekFrom};

use bootwright_image::Xattrs;

use super::checksum::crc32c;
use super::format::{
    SUPERBLOCK_LEN, SUPERBLOCK_OFFSET, compat, descriptor, incompat, ro_compat, superblock as field,
};
use crate::bytes::{u16_at, u32_at};
use check::Claims;
pub use check::Finding;
pub use contents::Contents;
pub use dump::dump;
pub use file::FileReader;
use superblock::Superblock;

/// Why a volume cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The volume's bytes could not be read.
    #[error("cannot read the volume")]
    Io(#[from] io::Error),
    /// There is no superblock.
    #[error("no ext file system: magic number {found:#06x} instead of 0xef53")]
    Magic {
        /// What stands in its place.
        found: u16,
    },
    /// The volume uses something that this reader does not know.
    #[error("{what} is not supported")]
    Unsupported {
        /// What it is.
        what: &'static str,
    },
    /// A field has a value that cannot be.
    #[error("{what} of {value} cannot be")]
    Superblock {
        /// The field.
        what: &'static str,
        /// Its value.
        value: u64,
    },
    /// An inode, or what belongs to it, contradicts itself or the rest of the volume.
    #[error("inode {inode}: {problem}")]
    Inode {
        /// The inode's number.
        inode: u32,
        /// What is wrong.
        problem: &'static str,
    },
    /// A checksum does not match.
    #[error("checksum of {what} {number} is wrong")]
    Checksum {
        /// Of what.
        what: &'static str,
        /// Which one: of an inode its number, of its blocks its number too.
        number: u64,
    },
}

/// A volume in a file, or in a part of one.
#[derive(Debug)]
pub struct Volume<R> {
    reader: R,
    offset: u64,
    superblock: Superblock,
    /// Where the groups' tables stand.
    tables: Vec<Tables>,
    /// Blocks that inodes may still claim: together they cannot have more than there are.
    budget: u64,
    /// Which blocks are claimed, while somebody wants to know.
    claims: Option<Claims>,
    /// The block of attributes read last.
    last_xattrs: Option<(u64, Xattrs)>,
}

/// Where a group's tables stand, and what the group says of them.
#[derive(Clone, Copy, Debug)]
struct Tables {
    block_bitmap: u64,
    inode_bitmap: u64,
    inode_table: u64,
    flags: u16,
}

impl<R: Read + Seek> Volume<R> {
    /// Reads superblock and group descriptors of the volume that begins at byte `offset`.
    ///
    /// # Errors
    /// [`ReadError`]; also when the volume was not cleanly unmounted.
    pub fn open(mut reader: R, offset: u64) -> Result<Self, ReadError> {
        let len = reader.seek(SeekFrom::End(0))?.saturating_sub(offset);
        let mut bytes = vec![0; SUPERBLOCK_LEN];
        let at = offset.checked_add(SUPERBLOCK_OFFSET).ok_or_else(beyond)?;
        reader.seek(SeekFrom::Start(at))?;
        reader.read_exact(&mut bytes)?;
        let superblock = Superblock::parse(&bytes, len)?;
        let budget = superblock.blocks;
        let mut volume = Self {
            reader,
            offset,
            superblock,
            tables: Vec::new(),
            budget,
            claims: None,
            last_xattrs: None,
        };
        volume.read_descriptors()?;
        Ok(volume)
    }

    /// The label, without the NULs behind it.
    #[must_use]
    pub fn label(&self) -> String {
        let label = &self.superblock.bytes[field::LABEL..field::LABEL + 16];
        let label = label.split(|byte| *byte == 0).next().unwrap_or_default();
        String::from_utf8_lossy(label).into_owned()
    }

    /// The UUID, in the order in which text shows it.
    #[must_use]
    pub fn uuid(&self) -> [u8; 16] {
        self.superblock.uuid()
    }

    /// `ext2`, `ext3` or `ext4`, by the features that make the difference.
    #[must_use]
    pub fn file_system(&self) -> &'static str {
        let has = |at, features| u32_at(&self.superblock.bytes, at) & features != 0;
        if has(field::INCOMPAT, incompat::EXTENTS | incompat::BIT64 | incompat::FLEX_BG) {
            "ext4"
        } else if has(field::COMPAT, compat::HAS_JOURNAL) {
            "ext3"
        } else {
            "ext2"
        }
    }

    /// Length of the file system in bytes.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a volume has at least a superblock")]
    pub fn len(&self) -> u64 {
        self.superblock.blocks * self.superblock.block_size
    }

    fn read_descriptors(&mut self) -> Result<(), ReadError> {
        let superblock = &self.superblock;
        let (groups, len) = (superblock.groups, superblock.descriptor_len);
        let per_block = superblock.block_size / len as u64;
        let blocks = groups.div_ceil(per_block);
        let mut group = 0;
        for index in 0..blocks {
            let block = self.read_block(self.superblock.descriptor_block(index, per_block))?;
            for bytes in block.chunks_exact(len) {
                if group < groups {
                    self.take_descriptor(group, bytes)?;
                }
                group += 1;
            }
        }
        Ok(())
    }

    fn take_descriptor(&mut self, group: u64, bytes: &[u8]) -> Result<(), ReadError> {
        if let Some(seed) = self.superblock.seed {
            let mut zeroed = bytes.to_vec();
            zeroed[descriptor::CHECKSUM..descriptor::LEN].fill(0);
            let checksum = crc32c(crc32c(seed, &group.to_le_bytes()[..4]), &zeroed);
            if checksum.to_le_bytes()[..2] != bytes[descriptor::CHECKSUM..descriptor::LEN] {
                return Err(ReadError::Checksum { what: "group descriptor", number: group });
            }
        }
        let number = |low, high| {
            let wide = bytes.len() >= descriptor::LEN_64;
            let high = if wide { u32_at(bytes, high) } else { 0 };
            u64::from(u32_at(bytes, low)) | u64::from(high) << 32
        };
        // Without checksums of descriptors the flags have no meaning.
        let checked = ro_compat::METADATA_CHECKSUM | ro_compat::GROUP_CHECKSUM;
        let flags = u16_at(bytes, descriptor::FLAGS);
        self.tables.push(Tables {
            block_bitmap: number(descriptor::BLOCK_BITMAP, descriptor::BLOCK_BITMAP_HIGH),
            inode_bitmap: number(descriptor::INODE_BITMAP, descriptor::INODE_BITMAP_HIGH),
            inode_table: number(descriptor::INODE_TABLE, descriptor::INODE_TABLE_HIGH),
            flags: if self.superblock.has_ro_compat(checked) { flags } else { 0 },
        });
        Ok(())
    }

    fn read_block(&mut self, number: u64) -> Result<Vec<u8>, ReadError> {
        let len = usize::try_from(self.superblock.block_size).map_err(|_| beyond())?;
        let mut bytes = vec![0; len];
        self.read_at(self.block_offset(number)?, &mut bytes)?;
        Ok(bytes)
    }

    /// Where a block begins, in bytes from the start of the volume.
    fn block_offset(&self, number: u64) -> Result<u64, ReadError> {
        if number >= self.superblock.blocks {
            return Err(ReadError::Superblock { what: "block number", value: number });
        }
        Ok(number * self.superblock.block_size)
    }

    fn read_at(&mut self, at: u64, bytes: &mut [u8]) -> Result<(), ReadError> {
        let at = at.checked_add(self.offset).ok_or_else(beyond)?;
        self.reader.seek(SeekFrom::Start(at))?;
        Ok(self.reader.read_exact(bytes)?)
    }

    /// Counts blocks that an inode claims.
    fn claim(&mut self, inode: u32, start: u64, len: u64) -> Result<(), ReadError> {
        let problem = "claims more blocks than the volume has";
        self.budget = self.budget.checked_sub(len).ok_or(ReadError::Inode { inode, problem })?;
        if let Some(claims) = &mut self.claims {
            claims.add(start, len);
        }
        Ok(())
    }
}

fn beyond() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "position beyond 64 bits")
}

/// Features that do not change how names, contents and attributes are found, or that are looked
/// after where they matter: in the inode.
const KNOWN: u32 = incompat::FILETYPE
    | incompat::META_BG
    | incompat::EXTENTS
    | incompat::BIT64
    | incompat::MULTIPLE_MOUNT
    | incompat::FLEX_BG
    | incompat::ATTRIBUTE_INODE
    | incompat::CHECKSUM_SEED
    | incompat::LARGE_DIRECTORY
    | incompat::INLINE_DATA
    | incompat::ENCRYPTION
    | incompat::CASE_FOLDING;

/// Refuses features that change how the volume is read.
fn check_features(superblock: &[u8]) -> Result<(), ReadError> {
    let unknown = u32_at(superblock, field::INCOMPAT) & !KNOWN;
    let what = match unknown {
        0 => return Ok(()),
        incompat::RECOVER => "a journal that has to be replayed",
        incompat::JOURNAL_DEVICE => "a journal of another volume",
        incompat::COMPRESSION => "compression",
        _ => "an unknown feature",
    };
    Err(ReadError::Unsupported { what })
}

/// Refuses what is no superblock.
fn check_magic(superblock: &[u8]) -> Result<(), ReadError> {
    match u16_at(superblock, field::MAGIC) {
        super::format::MAGIC => Ok(()),
        found => Err(ReadError::Magic { found }),
    }
}
