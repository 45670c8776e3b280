//! Trees of extents (Documentation/filesystems/ext4/ifork.rst).
//!
//! The leaves come first among a tree's blocks, then each level above them; the root is in the
//! inode.

use super::checksum::crc32c;
use super::format::{extent, inode};
use super::mapping::{Extent, MapBlocks};
use crate::bytes::put;

/// Entries of the root.
const ROOT_ENTRIES: u64 = 4;

/// Entries of a block: header and checksum leave room for as many.
fn per_block(block_size: u64) -> u64 {
    (block_size - extent::LEN as u64) / extent::LEN as u64
}

/// Extents as they are stored: at most 32768 blocks each.
fn pieces(extents: &[Extent]) -> impl Iterator<Item = Extent> + Clone {
    extents.iter().flat_map(|whole| {
        (0..whole.len.div_ceil(extent::BLOCKS_MAX)).map(move |piece| {
            let skip = piece * extent::BLOCKS_MAX;
            Extent {
                logical: whole.logical + skip,
                physical: whole.physical + skip,
                len: (whole.len - skip).min(extent::BLOCKS_MAX),
            }
        })
    })
}

/// Blocks of each level below the root, the leaves first.
fn levels(extents: &[Extent], block_size: u64) -> Vec<u64> {
    let mut levels = Vec::new();
    let mut entries = pieces(extents).count() as u64;
    while entries > ROOT_ENTRIES {
        entries = entries.div_ceil(per_block(block_size));
        levels.push(entries);
    }
    levels
}

/// Blocks a tree needs beside the root.
pub(super) fn count(extents: &[Extent], block_size: u64) -> u64 {
    levels(extents, block_size).iter().sum()
}

/// An entry of an inner node: the first logical block below it and the node's block.
type Index = (u64, u64);

/// The root, as it stands in the inode.
pub(super) fn root(extents: &[Extent], map: &MapBlocks, block_size: u64) -> [u8; 60] {
    let mut bytes = [0; inode::BLOCK_LEN];
    let levels = levels(extents, block_size);
    let depth = levels.len();
    if depth == 0 {
        put_node(&mut bytes, ROOT_ENTRIES, 0, pieces(extents).map(leaf_entry));
    } else {
        let top = indices(extents, map, block_size, &levels, depth);
        put_node(&mut bytes, ROOT_ENTRIES, depth, top.into_iter().map(index_entry));
    }
    bytes
}

/// The tree's blocks. `seed` begins their checksums, if they have any.
pub(super) fn blocks(
    extents: &[Extent],
    map: &MapBlocks,
    block_size: u64,
    seed: Option<u32>,
) -> Vec<Vec<u8>> {
    let levels = levels(extents, block_size);
    let most = per_block(block_size);
    let chunk = usize::try_from(most).expect("BUG: a block has fewer than 65536 entries");
    let mut blocks = Vec::new();
    let mut add = |depth, entries: &[[u8; extent::LEN]]| {
        let mut bytes = vec![0; usize::try_from(block_size).expect("BUG: a block fits in memory")];
        put_node(&mut bytes, most, depth, entries.iter().copied());
        if let Some(seed) = seed {
            let end = extent::LEN * (chunk + 1);
            let checksum = crc32c(seed, &bytes[..end]);
            put(&mut bytes, end, &checksum.to_le_bytes());
        }
        blocks.push(bytes);
    };
    for depth in 0..levels.len() {
        let entries: Vec<_> = if depth == 0 {
            pieces(extents).map(leaf_entry).collect()
        } else {
            let below = indices(extents, map, block_size, &levels, depth);
            below.into_iter().map(index_entry).collect()
        };
        entries.chunks(chunk).for_each(|entries| add(depth, entries));
    }
    blocks
}

/// The entries of the nodes at `depth` over the leaves, one for each block of the level below.
fn indices(
    extents: &[Extent],
    map: &MapBlocks,
    block_size: u64,
    levels: &[u64],
    depth: usize,
) -> Vec<Index> {
    let chunk = usize::try_from(per_block(block_size)).unwrap_or(1);
    // Each level keeps every chunk's first.
    let firsts: Vec<u64> = pieces(extents)
        .map(|extent| extent.logical)
        .step_by(chunk.pow(u32::try_from(depth).unwrap_or(1)))
        .collect();
    let before: u64 = levels[..depth - 1].iter().sum();
    firsts.into_iter().zip(before..).map(|(logical, block)| (logical, map.get(block))).collect()
}

fn put_node(
    bytes: &mut [u8],
    most: u64,
    depth: usize,
    entries: impl Iterator<Item = [u8; extent::LEN]>,
) {
    let mut used = 0_u64;
    for (entry, place) in entries.zip(bytes[extent::LEN..].chunks_exact_mut(extent::LEN)) {
        place.copy_from_slice(&entry);
        used += 1;
    }
    put(bytes, 0, &extent::MAGIC.to_le_bytes());
    put(bytes, 2, &used.to_le_bytes()[..2]);
    put(bytes, 4, &most.to_le_bytes()[..2]);
    put(bytes, 6, &depth.to_le_bytes()[..2]);
}

fn leaf_entry(from: Extent) -> [u8; extent::LEN] {
    let mut bytes = [0; extent::LEN];
    put(&mut bytes, 0, &from.logical.to_le_bytes()[..4]);
    put(&mut bytes, 4, &from.len.to_le_bytes()[..2]);
    put(&mut bytes, 6, &from.physical.to_le_bytes()[4..6]);
    put(&mut bytes, 8, &from.physical.to_le_bytes()[..4]);
    bytes
}

fn index_entry((logical, block): Index) -> [u8; extent::LEN] {
    let mut bytes = [0; extent::LEN];
    put(&mut bytes, 0, &logical.to_le_bytes()[..4]);
    put(&mut bytes, 4, &block.to_le_bytes()[..6]);
    bytes
}
