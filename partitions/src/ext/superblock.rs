//! The superblock and its copies.

use super::checksum::crc32c;
use super::format::{
    DYNAMIC_REVISION, MAGIC, SUPERBLOCK_LEN, descriptor, directory, inode, number,
    superblock as field,
};
use super::options::Variant;
use super::plan::Plan;
use crate::bytes::put;

/// Cleanly unmounted.
const CLEAN: u16 = 1;
/// Go on after errors.
const CONTINUE: u16 = 1;
/// Extended attributes of users and access control lists are on without a mount option.
const MOUNT_OPTIONS: u32 = 0x4 | 0x8;
/// Hashes of names are made from signed characters.
const SIGNED_HASH: u32 = 1;
/// 2 to the power of it groups have their tables together.
const LOG_FLEX: u8 = 4;
/// CRC-32C.
const CHECKSUM_TYPE: u8 = 1;
/// The journal's block map follows.
const JOURNAL_BACKUP: u8 = 1;

impl Plan<'_> {
    /// The superblock as it stands in `group`.
    pub(super) fn encode_superblock(&self, group: u64) -> Vec<u8> {
        let mut bytes = vec![0; SUPERBLOCK_LEN];
        self.put_counts(&mut bytes);
        self.put_identity(&mut bytes);
        put(&mut bytes, field::GROUP, &group.to_le_bytes()[..2]);
        if self.options.variant == Variant::Ext4 {
            self.put_ext4(&mut bytes);
        }
        if let Some(_seed) = self.seed() {
            let checksum = crc32c(u32::MAX, &bytes[..field::CHECKSUM]);
            put(&mut bytes, field::CHECKSUM, &checksum.to_le_bytes());
        }
        bytes
    }

    fn put_counts(&self, bytes: &mut [u8]) {
        let geometry = &self.geometry;
        let block_size = geometry.shape.block_size;
        let log = block_size.trailing_zeros() - 10;
        let reserved = geometry.blocks * u64::from(self.options.reserved_percent) / 100;
        for (at, value) in [
            (field::INODES, geometry.inodes()),
            (field::BLOCKS, geometry.blocks),
            (field::RESERVED_BLOCKS, reserved),
            (field::FREE_BLOCKS, self.free_blocks()),
            (field::FREE_INODES, self.free_inodes()),
            (field::FIRST_DATA_BLOCK, geometry.first_block),
            (field::LOG_BLOCK_SIZE, log.into()),
            (field::LOG_CLUSTER_SIZE, log.into()),
            (field::BLOCKS_PER_GROUP, geometry.blocks_per_group),
            (field::CLUSTERS_PER_GROUP, geometry.blocks_per_group),
            (field::INODES_PER_GROUP, geometry.inodes_per_group),
        ] {
            put(bytes, at, &value.to_le_bytes()[..4]);
        }
        let reserved = geometry.reserved_descriptor_blocks;
        put(bytes, field::RESERVED_DESCRIPTORS, &reserved.to_le_bytes()[..2]);
    }

    fn put_identity(&self, bytes: &mut [u8]) {
        let options = &self.options;
        let [compat, incompat, ro_compat] =
            options.variant.features(self.placed.journal_blocks > 0);
        let time = options.time.clamp_to_u32();
        let inode_size = options.inode_size;
        for (at, value) in [
            (field::WRITTEN, time),
            (field::CHECKED, time),
            (field::MADE, time),
            (field::REVISION, DYNAMIC_REVISION),
            (field::FIRST_INODE, number::FIRST),
            (field::COMPAT, compat),
            (field::INCOMPAT, incompat),
            (field::RO_COMPAT, ro_compat),
            (field::MOUNT_OPTIONS, MOUNT_OPTIONS),
            (field::FLAGS, SIGNED_HASH),
        ] {
            put(bytes, at, &value.to_le_bytes());
        }
        put(bytes, field::MAGIC, &MAGIC.to_le_bytes());
        put(bytes, field::STATE, &CLEAN.to_le_bytes());
        put(bytes, field::ERRORS, &CONTINUE.to_le_bytes());
        // Never to be checked for the number of mounts.
        put(bytes, field::MOUNTS_MAX, &u16::MAX.to_le_bytes());
        put(bytes, field::INODE_SIZE, &inode_size.to_le_bytes()[..2]);
        if inode_size as usize > inode::LEN_OLD {
            put(bytes, field::EXTRA_ISIZE_MIN, &inode::EXTRA_LEN.to_le_bytes());
            put(bytes, field::EXTRA_ISIZE_WANTED, &inode::EXTRA_LEN.to_le_bytes());
        }
        put(bytes, field::UUID, &options.uuid);
        put(bytes, field::LABEL, options.label.as_bytes());
        put(bytes, field::HASH_SEED, &options.hash_seed);
        bytes[field::HASH_VERSION] = directory::HALF_MD4;
    }

    fn put_ext4(&self, bytes: &mut [u8]) {
        put(bytes, field::DESCRIPTOR_LEN, &descriptor::LEN_64.to_le_bytes()[..2]);
        bytes[field::LOG_FLEX] = LOG_FLEX;
        bytes[field::CHECKSUM_TYPE] = CHECKSUM_TYPE;
        if self.placed.journal_blocks > 0 {
            // For e2fsck, should the journal's inode be lost: its map and its length.
            put(bytes, field::JOURNAL_INODE, &number::JOURNAL.to_le_bytes());
            bytes[field::JOURNAL_BACKUP] = JOURNAL_BACKUP;
            put(bytes, field::JOURNAL_BLOCKS, &self.journal_root());
            let len = self.placed.journal_blocks * self.geometry.shape.block_size;
            let [high, low] = [&len.to_le_bytes()[4..], &len.to_le_bytes()[..4]];
            put(bytes, field::JOURNAL_BLOCKS + 60, high);
            put(bytes, field::JOURNAL_BLOCKS + 64, low);
        }
    }
}
