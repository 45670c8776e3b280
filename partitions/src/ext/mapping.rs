//! Where the blocks of a file are: what the inode says about it.

use super::format::DIRECT;
use super::geometry::{Geometry, Run};
use super::{extents, indirect};

/// Blocks of a file that follow each other on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    /// The first, counted in the file.
    pub(super) logical: u64,
    /// The first on disk.
    pub(super) physical: u64,
    pub(super) len: u64,
}

impl Extent {
    pub(super) fn end(&self) -> u64 {
        self.logical + self.len
    }
}

/// How inodes tell where their blocks are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mapping {
    /// ext2: blocks of block numbers.
    Indirect,
    /// ext4: a tree of extents.
    Extents,
}

/// The blocks of one file, in order, and the map blocks behind them.
#[derive(Clone, Debug)]
pub(super) struct Mapped {
    pub(super) extents: Vec<Extent>,
    pub(super) map: MapBlocks,
}

impl Mapped {
    /// The block behind the last; `None` without any.
    pub(super) fn end(&self) -> Option<u64> {
        let data = self.extents.last().map(|extent| extent.physical + extent.len);
        self.map.runs.last().map(Run::end).or(data)
    }

    /// All blocks, those of the map counted.
    pub(super) fn blocks(&self) -> u64 {
        self.extents.iter().map(|extent| extent.len).sum::<u64>() + self.map.len()
    }
}

/// Numbers of the blocks that hold a map.
#[derive(Clone, Debug, Default)]
pub(super) struct MapBlocks {
    runs: Vec<Run>,
}

impl MapBlocks {
    pub(super) fn len(&self) -> u64 {
        self.runs.iter().map(|run| run.len).sum()
    }

    /// The number of the `index`-th.
    pub(super) fn get(&self, mut index: u64) -> u64 {
        for run in &self.runs {
            if index < run.len {
                return run.start + index;
            }
            index -= run.len;
        }
        unreachable!("BUG: a map has as many blocks as were counted")
    }
}

impl Mapping {
    /// The most blocks a file can have.
    pub(super) fn blocks_max(self, block_size: u64) -> u64 {
        let per_block = block_size / 4;
        match self {
            Self::Indirect => {
                DIRECT + per_block + per_block * per_block + per_block * per_block * per_block
            }
            Self::Extents => 0xFFFF_FFFF,
        }
    }

    /// Maps the `logical` blocks to free blocks from `start` on.
    pub(super) fn map(
        self,
        geometry: &Geometry,
        start: u64,
        logical: impl Iterator<Item = Run>,
    ) -> Mapped {
        let mut extents: Vec<Extent> = Vec::new();
        let mut at = start;
        for wanted in logical {
            let mut first = wanted.start;
            for run in geometry.free_runs(at, wanted.len) {
                extents.push(Extent { logical: first, physical: run.start, len: run.len });
                first += run.len;
                at = run.end();
            }
        }
        let count = self.map_blocks(&extents, geometry.shape.block_size);
        Mapped { extents, map: MapBlocks { runs: geometry.free_runs(at, count).collect() } }
    }

    fn map_blocks(self, extents: &[Extent], block_size: u64) -> u64 {
        match self {
            Self::Indirect => indirect::count(extents, block_size),
            Self::Extents => extents::count(extents, block_size),
        }
    }
}
