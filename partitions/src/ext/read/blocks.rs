//! Where the blocks of a file are.

use std::io::{Read, Seek};

use super::super::checksum::crc32c;
use super::super::format::{DIRECT, extent, inode as flag};
use super::super::mapping::Extent;
use super::inode::Inode;
use super::{ReadError, Volume};
use crate::bytes::{u16_at, u32_at};

/// The most blocks a file's numbers count.
const LOGICAL_MAX: u64 = 1 << 32;

impl<R: Read + Seek> Volume<R> {
    /// The blocks of a file that hold data, in order; the others are holes.
    pub(super) fn read_map(&mut self, inode: &Inode) -> Result<Vec<Extent>, ReadError> {
        let mut found = Vec::new();
        if inode.flags() & flag::EXTENTS != 0 {
            let depth = u16_at(inode.block(), 6);
            if depth > extent::DEPTH_MAX {
                return Err(inode.corrupt("its extent tree is too deep"));
            }
            self.read_extents(inode, inode.block(), depth, &mut found)?;
        } else {
            self.read_numbers(inode, &mut found)?;
        }
        Ok(found)
    }

    fn read_extents(
        &mut self,
        inode: &Inode,
        node: &[u8],
        depth: u16,
        found: &mut Vec<Extent>,
    ) -> Result<(), ReadError> {
        let entries = usize::from(u16_at(node, 2));
        let room = node.len() / extent::LEN - 1;
        if u16_at(node, 0) != extent::MAGIC || u16_at(node, 6) != depth || entries > room {
            return Err(inode.corrupt("its extent tree has a node that is none"));
        }
        for entry in node[extent::LEN..].chunks_exact(extent::LEN).take(entries) {
            if depth == 0 {
                self.take_extent(inode, entry, found)?;
                continue;
            }
            let block = u64::from(u32_at(entry, 4)) | u64::from(u16_at(entry, 8)) << 32;
            self.claim(inode.number, block, 1)?;
            let below = self.read_block(block)?;
            check_node(inode, &below)?;
            self.read_extents(inode, &below, depth - 1, found)?;
        }
        Ok(())
    }

    fn take_extent(
        &mut self,
        inode: &Inode,
        entry: &[u8],
        found: &mut Vec<Extent>,
    ) -> Result<(), ReadError> {
        let logical = u64::from(u32_at(entry, 0));
        let len = u64::from(u16_at(entry, 4));
        // Longer ones are allocated but not written: they read as zeros.
        let written = len <= extent::BLOCKS_MAX;
        let len = if written { len } else { len - extent::BLOCKS_MAX };
        let physical = u64::from(u32_at(entry, 8)) | u64::from(u16_at(entry, 6)) << 32;
        self.claim(inode.number, physical, len)?;
        if len == 0 || physical.checked_add(len).is_none_or(|end| end > self.superblock.blocks) {
            return Err(inode.corrupt("an extent lies beyond the volume"));
        }
        if found.last().is_some_and(|last| last.end() > logical) {
            return Err(inode.corrupt("its extents overlap"));
        }
        if written {
            push(found, Extent { logical, physical, len });
        }
        Ok(())
    }

    fn read_numbers(&mut self, inode: &Inode, found: &mut Vec<Extent>) -> Result<(), ReadError> {
        let blocks = inode.len().div_ceil(self.superblock.block_size).min(LOGICAL_MAX);
        let per_block = self.superblock.block_size / 4;
        for slot in 0..DIRECT.min(blocks) {
            self.take_number(inode, slot, number_at(inode.block(), slot), found)?;
        }
        let mut from = DIRECT;
        for level in 1..=3 {
            let slot = DIRECT + level - 1;
            let span = per_block.pow(u32::try_from(level).unwrap_or(0));
            let number = number_at(inode.block(), slot);
            if from < blocks && number != 0 {
                self.read_numbers_below(inode, number, from..blocks, span, found)?;
            }
            from += span;
        }
        Ok(())
    }

    /// Reads a map that stands for the `span` blocks from `range.start` on.
    fn read_numbers_below(
        &mut self,
        inode: &Inode,
        map: u64,
        range: std::ops::Range<u64>,
        span: u64,
        found: &mut Vec<Extent>,
    ) -> Result<(), ReadError> {
        self.claim(inode.number, map, 1)?;
        let block = self.read_block(map)?;
        let below = span / (self.superblock.block_size / 4);
        let mut from = range.start;
        for slot in 0..self.superblock.block_size / 4 {
            let number = number_at(&block, slot);
            if from >= range.end {
                break;
            }
            if below == 1 {
                self.take_number(inode, from, number, found)?;
            } else if number != 0 {
                self.read_numbers_below(inode, number, from..range.end, below, found)?;
            }
            from += below;
        }
        Ok(())
    }

    fn take_number(
        &mut self,
        inode: &Inode,
        logical: u64,
        physical: u64,
        found: &mut Vec<Extent>,
    ) -> Result<(), ReadError> {
        if physical == 0 {
            return Ok(());
        }
        self.claim(inode.number, physical, 1)?;
        if physical >= self.superblock.blocks {
            return Err(inode.corrupt("a block lies beyond the volume"));
        }
        push(found, Extent { logical, physical, len: 1 });
        Ok(())
    }
}

/// Adds an extent, joined with the one before if they follow each other.
fn push(found: &mut Vec<Extent>, next: Extent) {
    match found.last_mut() {
        Some(last) if last.end() == next.logical && last.physical + last.len == next.physical => {
            last.len += next.len;
        }
        _ => found.push(next),
    }
}

fn number_at(block: &[u8], slot: u64) -> u64 {
    usize::try_from(slot * 4).map_or(0, |at| u32_at(block, at).into())
}

/// The checksum behind the entries a node has room for.
fn check_node(inode: &Inode, node: &[u8]) -> Result<(), ReadError> {
    let Some(seed) = inode.seed else { return Ok(()) };
    let end = extent::LEN * (1 + usize::from(u16_at(node, 4)));
    let stored = node.get(..end).filter(|_| end + 4 <= node.len());
    if stored.is_none_or(|covered| crc32c(seed, covered) != u32_at(node, end)) {
        let number = inode.number.into();
        return Err(ReadError::Checksum { what: "extent tree of inode", number });
    }
    Ok(())
}
