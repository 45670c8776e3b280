//! Maps of block numbers (Documentation/filesystems/ext4/blockmap.rst).
//!
//! Twelve numbers in the inode are data; the next names a block of numbers, the one after it a
//! block of such blocks, the last one level more. Among a map's blocks those that name data come
//! first, then those above them. A map of nothing but holes is left out, its number is 0.

use super::format::{DIRECT, inode};
use super::mapping::{Extent, MapBlocks};
use crate::bytes::put;

/// Which map blocks a file needs. Data beyond the direct ones is counted in maps: map `k` names
/// blocks `12 + k·n` on, where `n` is the numbers in a block. Map 0 hangs from the inode; the
/// others hang in groups of `n` from second-level maps, of which the first hangs from the inode
/// and the rest from the only one of the third level.
struct Shape {
    per_block: u64,
    /// Maps that name data.
    first: Vec<u64>,
    /// Maps of maps.
    second: Vec<u64>,
    /// Whether there is the map of maps of maps.
    third: bool,
}

impl Shape {
    fn new(extents: &[Extent], block_size: u64) -> Self {
        let per_block = block_size / 4;
        let mut first: Vec<u64> = Vec::new();
        for extent in extents.iter().filter(|extent| extent.end() > DIRECT) {
            let from = (extent.logical.max(DIRECT) - DIRECT) / per_block;
            let to = (extent.end() - 1 - DIRECT) / per_block;
            let from = first.last().map_or(from, |last| from.max(last + 1));
            first.extend(from..=to);
        }
        let mut second: Vec<u64> =
            first.iter().filter(|map| **map > 0).map(|map| (map - 1) / per_block).collect();
        second.dedup();
        let third = second.last().is_some_and(|last| *last > 0);
        Self { per_block, first, second, third }
    }

    fn count(&self) -> u64 {
        (self.first.len() + self.second.len()) as u64 + u64::from(self.third)
    }
}

/// Blocks a map needs beside the inode.
pub(super) fn count(extents: &[Extent], block_size: u64) -> u64 {
    Shape::new(extents, block_size).count()
}

/// The numbers in the inode.
pub(super) fn root(extents: &[Extent], map: &MapBlocks, block_size: u64) -> [u8; 60] {
    let shape = Shape::new(extents, block_size);
    let mut bytes = [0; inode::BLOCK_LEN];
    put_numbers(&mut bytes[..4 * 12], 0, extents);
    let mut put_root = |slot: usize, block: u64| {
        put(&mut bytes, 4 * slot, &map.get(block).to_le_bytes()[..4]);
    };
    if shape.first.first() == Some(&0) {
        put_root(12, 0);
    }
    if shape.second.first() == Some(&0) {
        put_root(13, shape.first.len() as u64);
    }
    if shape.third {
        put_root(14, shape.count() - 1);
    }
    bytes
}

/// Hands the map's blocks to `each`, in the order of their numbers.
pub(super) fn for_each_block<E>(
    extents: &[Extent],
    map: &MapBlocks,
    block_size: u64,
    mut each: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let shape = Shape::new(extents, block_size);
    let per_block = shape.per_block;
    let mut bytes = vec![0; usize::try_from(block_size).expect("BUG: a block fits in memory")];
    let mut rest = extents;
    for index in &shape.first {
        let from = DIRECT + index * per_block;
        rest = &rest[rest.partition_point(|extent| extent.end() <= from)..];
        bytes.fill(0);
        put_numbers(&mut bytes, from, rest);
        each(&bytes)?;
    }
    let seconds_at = shape.first.len() as u64;
    let below = shape.first.iter().zip(0..).filter(|(index, _)| **index > 0);
    let mut below = below.map(|(index, block)| (*index - 1, block)).peekable();
    for index in &shape.second {
        bytes.fill(0);
        while let Some((child, block)) = below.next_if(|(child, _)| child / per_block == *index) {
            put_number(&mut bytes, child % per_block, map.get(block));
        }
        each(&bytes)?;
    }
    if shape.third {
        bytes.fill(0);
        for (index, block) in shape.second.iter().zip(seconds_at..).filter(|(index, _)| **index > 0)
        {
            put_number(&mut bytes, index - 1, map.get(block));
        }
        each(&bytes)?;
    }
    Ok(())
}

fn put_number(bytes: &mut [u8], slot: u64, block: u64) {
    let slot = usize::try_from(slot).expect("BUG: a slot lies in its block");
    put(bytes, 4 * slot, &block.to_le_bytes()[..4]);
}

/// The numbers of the logical blocks from `from` on, as many as there is room for.
fn put_numbers(bytes: &mut [u8], from: u64, extents: &[Extent]) {
    let to = from + bytes.len() as u64 / 4;
    for extent in extents.iter().take_while(|extent| extent.logical < to) {
        for logical in extent.logical.max(from)..extent.end().min(to) {
            put_number(bytes, logical - from, extent.physical + logical - extent.logical);
        }
    }
}
