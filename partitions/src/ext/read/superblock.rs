//! The superblock, checked.

use super::super::checksum::{crc32c, volume_seed};
use super::super::format::{
    DYNAMIC_REVISION, SUPERBLOCK_LEN, compat, descriptor, incompat, inode, ro_compat,
    superblock as field,
};
use super::{ReadError, check_features, check_magic};
use crate::bytes::{u16_at, u32_at};

/// 2 to the power of it times 1024 bytes is the largest block.
const LOG_BLOCK_SIZE_MAX: u32 = 6;

/// What the superblock says, within bounds.
#[derive(Clone, Debug)]
pub(super) struct Superblock {
    pub(super) bytes: Vec<u8>,
    pub(super) block_size: u64,
    pub(super) blocks: u64,
    pub(super) first_block: u64,
    pub(super) blocks_per_group: u64,
    pub(super) groups: u64,
    pub(super) inodes: u32,
    pub(super) inodes_per_group: u32,
    pub(super) inode_size: usize,
    pub(super) descriptor_len: usize,
    /// From this block of descriptors on, they stand in the groups they describe.
    first_meta_block: u64,
    /// What checksums begin with, if there are any.
    pub(super) seed: Option<u32>,
}

impl Superblock {
    /// `len` is the length of what the volume is in.
    pub(super) fn parse(bytes: &[u8], len: u64) -> Result<Self, ReadError> {
        check_magic(bytes)?;
        let dynamic = u32_at(bytes, field::REVISION) >= DYNAMIC_REVISION;
        let [incompat, ro_compat] = [field::INCOMPAT, field::RO_COMPAT]
            .map(|at| if dynamic { u32_at(bytes, at) } else { 0 });
        if dynamic {
            check_features(bytes)?;
        }
        let log =
            within("block size", u32_at(bytes, field::LOG_BLOCK_SIZE), 0, LOG_BLOCK_SIZE_MAX)?;
        let block_size = 1024_u64 << log;
        let bits = u32::try_from(8 * block_size).unwrap_or(u32::MAX);
        let wide = incompat & incompat::BIT64 != 0;
        let blocks = blocks(bytes, wide);
        if blocks.checked_mul(block_size).is_none_or(|needed| needed > len) {
            return Err(ReadError::Superblock { what: "number of blocks", value: blocks });
        }
        let first_block = u32_at(bytes, field::FIRST_DATA_BLOCK);
        let first_block = u64::from(within("first block", first_block, 0, 1)?);
        let blocks_per_group = u32_at(bytes, field::BLOCKS_PER_GROUP);
        let clusters = u32_at(bytes, field::LOG_CLUSTER_SIZE);
        // Clusters of several blocks have one bit.
        let most = if clusters > log && clusters < 32 { u32::MAX } else { bits };
        let blocks_per_group = u64::from(within("blocks per group", blocks_per_group, 8, most)?);
        let inodes_per_group =
            within("inodes per group", u32_at(bytes, field::INODES_PER_GROUP), 1, bits)?;
        let inode_size = if dynamic { inode_size(bytes, block_size)? } else { inode::LEN_OLD };
        let descriptor_len = descriptor_len(bytes, wide)?;
        let meta = incompat & incompat::META_BG != 0;
        let mut superblock = Self {
            bytes: bytes.to_vec(),
            block_size,
            blocks,
            first_block,
            blocks_per_group,
            groups: blocks.saturating_sub(first_block).div_ceil(blocks_per_group),
            inodes: u32_at(bytes, field::INODES),
            inodes_per_group,
            inode_size,
            descriptor_len,
            first_meta_block: if meta {
                u32_at(bytes, field::FIRST_META_BLOCK).into()
            } else {
                u64::MAX
            },
            seed: None,
        };
        if ro_compat & ro_compat::METADATA_CHECKSUM != 0 {
            superblock.check(incompat & incompat::CHECKSUM_SEED != 0)?;
        }
        Ok(superblock)
    }

    /// Checks the checksum and finds what the others begin with.
    fn check(&mut self, seed_stored: bool) -> Result<(), ReadError> {
        let stored = u32_at(&self.bytes, field::CHECKSUM);
        if crc32c(u32::MAX, &self.bytes[..field::CHECKSUM]) != stored {
            return Err(ReadError::Checksum { what: "superblock", number: 0 });
        }
        self.seed = Some(if seed_stored {
            u32_at(&self.bytes, field::CHECKSUM_SEED)
        } else {
            volume_seed(&self.uuid())
        });
        Ok(())
    }

    pub(super) fn uuid(&self) -> [u8; 16] {
        let mut uuid = [0; 16];
        uuid.copy_from_slice(&self.bytes[field::UUID..field::UUID + 16]);
        uuid
    }

    pub(super) fn has_ro_compat(&self, feature: u32) -> bool {
        u32_at(&self.bytes, field::RO_COMPAT) & feature != 0
    }

    /// The `index`-th block of descriptors.
    pub(super) fn descriptor_block(&self, index: u64, per_block: u64) -> u64 {
        if index < self.first_meta_block {
            // The superblock of 1024 bytes is a block of its own or lies in block 0.
            return self.first_block + SUPERBLOCK_LEN as u64 / 1024 + index;
        }
        let group = index * per_block;
        let start = self.first_block.saturating_add(group.saturating_mul(self.blocks_per_group));
        start.saturating_add(u64::from(self.has_copy(group)))
    }

    /// Blocks of descriptors, and those reserved for more, in a group that begins at `start`:
    /// their first and their number.
    pub(super) fn descriptors_in(
        &self,
        group: u64,
        start: u64,
        per_block: u64,
    ) -> impl Iterator<Item = (u64, u64)> {
        let all = self.groups.div_ceil(per_block);
        let reserved = u64::from(u16_at(&self.bytes, field::RESERVED_DESCRIPTORS));
        let copied = all.min(self.first_meta_block) + reserved;
        let copied = self.has_copy(group).then_some((start + 1, copied));
        // Each block of the others is in the first two and the last of the groups it describes.
        let is_meta = group / per_block >= self.first_meta_block;
        let place = group % per_block;
        let is_holder = place <= 1 || place == per_block - 1;
        let own = (is_meta && is_holder).then(|| (start + u64::from(self.has_copy(group)), 1));
        copied.filter(|_| !is_meta).into_iter().chain(own)
    }

    /// Whether a group begins with a copy of the superblock.
    pub(super) fn has_copy(&self, group: u64) -> bool {
        if self.has_compat(compat::SPARSE_SUPER2) {
            let listed = [field::COPIES, field::COPIES + 4].map(|at| u32_at(&self.bytes, at));
            return group == 0 || listed.map(u64::from).contains(&group);
        }
        !self.has_ro_compat(ro_compat::SPARSE_SUPER) || is_sparse_copy(group)
    }

    pub(super) fn has_compat(&self, feature: u32) -> bool {
        u32_at(&self.bytes, field::COMPAT) & feature != 0
    }

    /// Blocks that are said to be free.
    pub(super) fn free_blocks(&self) -> u64 {
        let high = match self.descriptor_len {
            descriptor::LEN => 0,
            _ => u32_at(&self.bytes, field::FREE_BLOCKS_HIGH),
        };
        u64::from(u32_at(&self.bytes, field::FREE_BLOCKS)) | u64::from(high) << 32
    }
}

fn blocks(bytes: &[u8], wide: bool) -> u64 {
    let high = if wide { u32_at(bytes, field::BLOCKS_HIGH) } else { 0 };
    u64::from(u32_at(bytes, field::BLOCKS)) | u64::from(high) << 32
}

fn inode_size(bytes: &[u8], block_size: u64) -> Result<usize, ReadError> {
    match u16_at(bytes, field::INODE_SIZE) {
        size @ 128.. if size.is_power_of_two() && u64::from(size) <= block_size => Ok(size.into()),
        size => Err(ReadError::Superblock { what: "inode size", value: size.into() }),
    }
}

fn descriptor_len(bytes: &[u8], wide: bool) -> Result<usize, ReadError> {
    match u16_at(bytes, field::DESCRIPTOR_LEN) {
        _ if !wide => Ok(descriptor::LEN),
        len @ (64 | 128 | 256 | 512 | 1024) => Ok(len.into()),
        len => Err(ReadError::Superblock { what: "descriptor size", value: len.into() }),
    }
}

/// Groups with a copy of the superblock when copies are sparse.
fn is_sparse_copy(group: u64) -> bool {
    let is_power_of = |base: u64| {
        std::iter::successors(Some(base), |power| power.checked_mul(base))
            .take_while(|power| *power <= group)
            .any(|power| power == group)
    };
    group <= 1 || [3, 5, 7].into_iter().any(is_power_of)
}

fn within(what: &'static str, value: u32, min: u32, max: u32) -> Result<u32, ReadError> {
    if (min..=max).contains(&value) {
        return Ok(value);
    }
    Err(ReadError::Superblock { what, value: value.into() })
}
