//! Group descriptors and bitmaps.

use super::checksum::crc32c;
use super::format::{descriptor as field, number};
use super::nodes::Content;
use super::plan::Plan;
use crate::bytes::put;

impl Plan<'_> {
    /// The descriptors of all groups, without padding.
    pub(super) fn encode_descriptors(&self) -> Vec<u8> {
        let mut directories = vec![0_u64; self.geometry.tables.len()];
        for node in &self.nodes.nodes {
            if let Content::Directory { .. } = node.content {
                let group = u64::from(node.number - 1) / self.geometry.inodes_per_group;
                if let Some(count) =
                    usize::try_from(group).ok().and_then(|at| directories.get_mut(at))
                {
                    *count += 1;
                }
            }
        }
        (0..self.geometry.groups)
            .zip(directories)
            .flat_map(|(group, directories)| self.encode_descriptor(group, directories))
            .collect()
    }

    fn encode_descriptor(&self, group: u64, directories: u64) -> Vec<u8> {
        let geometry = &self.geometry;
        let tables = geometry.tables[usize::try_from(group).unwrap_or(usize::MAX)];
        let seed = self.seed();
        let mut bytes = vec![0; if seed.is_some() { field::LEN_64 } else { field::LEN }];
        let block_bitmap = self.encode_block_bitmap(group);
        let inode_bitmap = self.encode_inode_bitmap(group);
        let inodes = geometry.inodes_per_group;
        let free_inodes = inodes - self.inodes_used_in(group);
        for (at, value) in [
            (field::BLOCK_BITMAP, tables.block_bitmap),
            (field::INODE_BITMAP, tables.inode_bitmap),
            (field::INODE_TABLE, tables.inode_table),
        ] {
            put(&mut bytes, at, &value.to_le_bytes()[..4]);
        }
        let used: u64 = block_bitmap.iter().map(|byte| u64::from(byte.count_ones())).sum();
        for (at, value) in [
            (field::FREE_BLOCKS, geometry.blocks_per_group - used),
            (field::FREE_INODES, free_inodes),
            (field::DIRECTORIES, directories),
        ] {
            put(&mut bytes, at, &value.to_le_bytes()[..2]);
        }
        if let Some(seed) = seed {
            put(&mut bytes, field::FLAGS, &field::TABLE_ZEROED.to_le_bytes());
            put(&mut bytes, field::UNUSED_INODES, &free_inodes.to_le_bytes()[..2]);
            let inode_bytes = usize::try_from(inodes / 8).unwrap_or(usize::MAX);
            let blocks = crc32c(seed, &block_bitmap).to_le_bytes();
            let inodes = crc32c(seed, &inode_bitmap[..inode_bytes]).to_le_bytes();
            put(&mut bytes, field::BLOCK_BITMAP_CHECKSUM, &blocks[..2]);
            put(&mut bytes, field::BLOCK_BITMAP_CHECKSUM_HIGH, &blocks[2..]);
            put(&mut bytes, field::INODE_BITMAP_CHECKSUM, &inodes[..2]);
            put(&mut bytes, field::INODE_BITMAP_CHECKSUM_HIGH, &inodes[2..]);
            // The checksum itself counts as zeros.
            let checksum = crc32c(crc32c(seed, &group.to_le_bytes()[..4]), &bytes);
            put(&mut bytes, field::CHECKSUM, &checksum.to_le_bytes()[..2]);
        }
        bytes
    }

    /// Bits of the blocks of `group` that are in use, and of those beyond the volume's end.
    pub(super) fn encode_block_bitmap(&self, group: u64) -> Vec<u8> {
        let geometry = &self.geometry;
        let mut bits = Bits::new(geometry.shape.block_size);
        let (start, blocks) = (geometry.group_start(group), geometry.group_blocks(group));
        bits.set(0, self.placed.end.saturating_sub(start).min(blocks));
        for (from, to) in geometry.taken_in_group(group) {
            bits.set(from, to);
        }
        bits.set(blocks, geometry.blocks_per_group);
        bits.0
    }

    /// Bits of the inodes of `group` that are in use, and of those beyond a group's number.
    pub(super) fn encode_inode_bitmap(&self, group: u64) -> Vec<u8> {
        let block_size = self.geometry.shape.block_size;
        let mut bits = Bits::new(block_size);
        bits.set(0, self.inodes_used_in(group));
        bits.set(self.geometry.inodes_per_group, 8 * block_size);
        bits.0
    }

    /// Inodes of `group` in use: numbers are given without gaps, the reserved ones first.
    pub(super) fn inodes_used_in(&self, group: u64) -> u64 {
        let per_group = self.geometry.inodes_per_group;
        u64::from(self.inodes_used().max(number::FIRST))
            .saturating_sub(group * per_group)
            .min(per_group)
    }
}

/// A block of bits.
struct Bits(Vec<u8>);

impl Bits {
    fn new(block_size: u64) -> Self {
        Self(vec![0; usize::try_from(block_size).expect("BUG: a block fits in memory")])
    }

    fn set(&mut self, from: u64, to: u64) {
        let byte = |bit: u64| usize::try_from(bit / 8).expect("BUG: a bit lies in its block");
        let whole = from.next_multiple_of(8)..to / 8 * 8;
        if whole.start < whole.end {
            self.0[byte(whole.start)..byte(whole.end)].fill(0xFF);
        }
        for bit in (from..to.min(whole.start)).chain(whole.end.max(whole.start)..to) {
            self.0[byte(bit)] |= 1 << (bit % 8);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_set_from_any_place_to_any() {
        for from in 0..24 {
            for to in 0..40 {
                let mut bits = Bits::new(5);
                bits.set(from, to);
                let set = |bit: &u64| (from..to).contains(bit);
                let expected = (0..40).filter(set).fold(0, |all, bit| all | 1_u64 << bit);
                assert_eq!(bits.0, expected.to_le_bytes()[..5], "{from} {to}");
            }
        }
    }
}
