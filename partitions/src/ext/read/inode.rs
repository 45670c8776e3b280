//! Inodes.

use std::io::{Read, Seek};

use bootwright_image::{Device, Timestamp};

use super::super::checksum::{crc32c, inode_seed};
use super::super::format::{inode as field, kind};
use super::{ReadError, Volume};
use crate::bytes::{u16_at, u32_at};

/// An inode as it stands in its table.
#[derive(Clone, Debug)]
pub(super) struct Inode {
    pub(super) number: u32,
    pub(super) bytes: Vec<u8>,
    /// What the checksums of its blocks begin with, if there are any.
    pub(super) seed: Option<u32>,
}

impl<R: Read + Seek> Volume<R> {
    pub(super) fn read_inode(&mut self, number: u32) -> Result<Inode, ReadError> {
        let superblock = &self.superblock;
        let problem = "there is no such inode";
        let index = number.checked_sub(1).filter(|_| number <= superblock.inodes);
        let index = index.ok_or(ReadError::Inode { inode: number, problem })?;
        let group = index / superblock.inodes_per_group;
        let tables = usize::try_from(group).ok().and_then(|group| self.tables.get(group));
        let table = tables.ok_or(ReadError::Inode { inode: number, problem })?.inode_table;
        let within = u64::from(index % superblock.inodes_per_group) * superblock.inode_size as u64;
        let mut bytes = vec![0; superblock.inode_size];
        let block = table.saturating_add(within / superblock.block_size);
        let at = self.block_offset(block)? + within % self.superblock.block_size;
        self.read_at(at, &mut bytes)?;
        let seed = self.superblock.seed;
        let seed = seed.map(|seed| inode_seed(seed, number, u32_at(&bytes, field::GENERATION)));
        let inode = Inode { number, bytes, seed };
        inode.check()?;
        Ok(inode)
    }
}

impl Inode {
    fn check(&self) -> Result<(), ReadError> {
        let Some(seed) = self.seed else { return Ok(()) };
        let mut zeroed = self.bytes.clone();
        zeroed[field::CHECKSUM..field::CHECKSUM + 2].fill(0);
        let wide = self.extra_len() >= 4;
        if wide {
            zeroed[field::CHECKSUM_HIGH..field::CHECKSUM_HIGH + 2].fill(0);
        }
        let checksum = crc32c(seed, &zeroed).to_le_bytes();
        let low = self.bytes[field::CHECKSUM..field::CHECKSUM + 2] == checksum[..2];
        let high =
            !wide || self.bytes[field::CHECKSUM_HIGH..field::CHECKSUM_HIGH + 2] == checksum[2..];
        if low && high {
            return Ok(());
        }
        Err(ReadError::Checksum { what: "inode", number: self.number.into() })
    }

    pub(super) fn corrupt(&self, problem: &'static str) -> ReadError {
        ReadError::Inode { inode: self.number, problem }
    }

    /// Bytes of fields beyond the first 128.
    pub(super) fn extra_len(&self) -> usize {
        if self.bytes.len() > field::LEN_OLD {
            usize::from(u16_at(&self.bytes, field::EXTRA_ISIZE))
                .min(self.bytes.len() - field::LEN_OLD)
        } else {
            0
        }
    }

    /// Kind and permissions.
    pub(super) fn mode(&self) -> u16 {
        u16_at(&self.bytes, field::MODE)
    }

    pub(super) fn is_directory(&self) -> bool {
        self.mode() & 0xF000 == kind::DIRECTORY
    }

    /// Whether its blocks are told by a map.
    pub(super) fn has_map(&self) -> bool {
        let is_long = self.len() >= field::BLOCK_LEN as u64;
        match self.mode() & 0xF000 {
            _ if self.flags() & field::INLINE_DATA != 0 => false,
            kind::FILE | kind::DIRECTORY => true,
            kind::SYMLINK => is_long,
            _ => false,
        }
    }

    pub(super) fn uid(&self) -> u32 {
        self.halves(field::UID, field::UID_HIGH)
    }

    pub(super) fn gid(&self) -> u32 {
        self.halves(field::GID, field::GID_HIGH)
    }

    fn halves(&self, low: usize, high: usize) -> u32 {
        u32::from(u16_at(&self.bytes, low)) | u32::from(u16_at(&self.bytes, high)) << 16
    }

    pub(super) fn links(&self) -> u16 {
        u16_at(&self.bytes, field::LINKS)
    }

    pub(super) fn len(&self) -> u64 {
        u64::from(u32_at(&self.bytes, field::SIZE))
            | u64::from(u32_at(&self.bytes, field::SIZE_HIGH)) << 32
    }

    pub(super) fn flags(&self) -> u32 {
        u32_at(&self.bytes, field::FLAGS)
    }

    /// The block map, a short target or a device's numbers.
    pub(super) fn block(&self) -> &[u8] {
        &self.bytes[field::BLOCK..field::BLOCK + field::BLOCK_LEN]
    }

    pub(super) fn xattr_block(&self) -> u64 {
        u64::from(u32_at(&self.bytes, field::XATTR_BLOCK))
            | u64::from(u16_at(&self.bytes, field::XATTR_BLOCK_HIGH)) << 32
    }

    /// The time of the last change of the content, in whole seconds.
    pub(super) fn mtime(&self) -> Timestamp {
        let low = i64::from(u32_at(&self.bytes, field::MTIME).cast_signed());
        let has_extra = field::LEN_OLD + self.extra_len() >= field::MTIME_EXTRA + 4;
        let epoch = if has_extra { u32_at(&self.bytes, field::MTIME_EXTRA) & 3 } else { 0 };
        Timestamp(low + (i64::from(epoch) << 32))
    }

    /// The numbers of a device node: small ones in the first word, others in the second.
    pub(super) fn device(&self) -> Device {
        let [old, new] = [u32_at(self.block(), 0), u32_at(self.block(), 4)];
        if old != 0 || new == 0 {
            return Device { major: old >> 8 & 0xFF, minor: old & 0xFF };
        }
        Device { major: new >> 8 & 0xFFF, minor: new & 0xFF | new >> 12 & 0xF_FF00 }
    }
}
