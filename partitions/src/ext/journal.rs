//! The journal, empty (Documentation/filesystems/ext4/journal.rst). Its numbers are big-endian.

use super::plan::Plan;
use crate::bytes::put;

const MAGIC: u32 = 0xC03B_3998;
/// A superblock of the second version.
const SUPERBLOCK: u32 = 4;

impl Plan<'_> {
    /// The journal's first block: its superblock. Nothing is to be replayed.
    pub(super) fn encode_journal(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.nodes.style.block_len];
        let blocks = self.placed.journal_blocks;
        let number = |value: u64| u32::try_from(value).expect("BUG: a journal has fewer blocks");
        for (at, value) in [
            (0x00, MAGIC),
            (0x04, SUPERBLOCK),
            (0x0C, number(self.block_size())),
            (0x10, number(blocks)),
            // The first block for transactions, and the number of the first.
            (0x14, 1),
            (0x18, 1),
            // File systems that use it.
            (0x40, 1),
        ] {
            put(&mut bytes, at, &value.to_be_bytes());
        }
        bytes
    }
}
