//! How large a volume has to be, and where everything in it finds its place.

use super::error::PlanError;
use super::format::number;
use super::geometry::{BLOCKS_MAX, Geometry, Run, Shape};
use super::mapping::Mapping;
use super::nodes::{Content, Nodes};
use super::options::{Options, Variant};
use super::plan::{Placed, SMALL};

/// A geometry in which everything has found its place.
pub(super) type Fitted = (Geometry, Placed);

/// Looks for the size that does.
pub(super) struct Sizing<'a, 'b> {
    pub(super) options: &'b Options,
    pub(super) block_size: u64,
    pub(super) nodes: Nodes<'a>,
    /// Files with contents, in the order of their places.
    pub(super) contents: Vec<usize>,
}

impl Sizing<'_, '_> {
    /// Places everything in a volume of at most `blocks`, leaving `headroom` blocks free.
    ///
    /// # Errors
    /// The number of blocks to try next.
    pub(super) fn fit(&mut self, blocks: u64, headroom: u64) -> Result<Fitted, u64> {
        let shape = self.shape(blocks);
        let Some(geometry) = Geometry::new(shape, blocks) else { return Err(blocks + 64) };
        if !geometry.is_sound() {
            return Err(blocks + blocks.div_ceil(64).max(64));
        }
        let placed = self.place(&geometry);
        let missing = match placed.end.checked_sub(geometry.blocks) {
            None | Some(0) => headroom.saturating_sub(free_blocks(&geometry, &placed)),
            Some(beyond) => beyond + headroom,
        };
        if missing == 0 {
            return Ok((geometry, placed));
        }
        // What is too little for another group is not used at all.
        let full =
            (geometry.blocks - geometry.first_block).is_multiple_of(geometry.blocks_per_group);
        let more = if full { missing.max(geometry.next_group()) } else { missing };
        Err((geometry.blocks + more).max(blocks + 1))
    }

    /// The smallest volume of more than `above` blocks that does.
    pub(super) fn smallest(&mut self, headroom: u64, above: u64) -> Result<Fitted, PlanError> {
        let headroom = headroom.div_ceil(self.block_size);
        let mut blocks = self.content_blocks().saturating_add(headroom).max(above + 1).max(64);
        while blocks <= BLOCKS_MAX {
            match self.fit(blocks, headroom) {
                // A last group that was left out has brought more inodes than the others need.
                Ok(fitted) if fitted.0.blocks < blocks => {
                    let exact = self.fit(fitted.0.blocks, headroom);
                    return Ok(exact.unwrap_or(fitted));
                }
                Ok(fitted) => return Ok(fitted),
                Err(next) => blocks = next,
            }
        }
        Err(PlanError::TooLarge { block_size: self.block_size })
    }

    /// Blocks of contents and of inodes in use: fewer never do.
    fn content_blocks(&self) -> u64 {
        let inodes = self.nodes.nodes.len() as u64 * u64::from(self.options.inode_size);
        let data = self.contents.iter().flat_map(|at| self.nodes.data(&self.nodes.nodes[*at]));
        data.map(|run| run.len).fold(inodes / self.block_size, u64::saturating_add)
    }

    fn shape(&self, blocks: u64) -> Shape {
        let len = blocks.saturating_mul(self.block_size);
        let usual = match len {
            _ if len < 3 << 20 => 8192,
            _ if len < SMALL => 4096,
            _ if len < 4 << 40 => 16384,
            _ if len < 16 << 40 => 32768,
            _ => 65536,
        };
        Shape {
            block_size: self.block_size,
            inode_size: self.options.inode_size.into(),
            inode_ratio: self.options.inode_ratio.map_or(usual, u64::from),
            inodes_min: self.nodes.nodes.len() as u64 + u64::from(number::FIRST) - 1,
            flexible: self.options.variant == Variant::Ext4,
        }
    }

    /// Gives everything its place: what is small first, then the contents.
    fn place(&mut self, geometry: &Geometry) -> Placed {
        let mapping = self.options.variant.mapping();
        let (mut at, mut placed) = (geometry.first_block, Placed::default());
        let mut put = |logical: &[Run], mapping: Mapping| {
            let mapped = mapping.map(geometry, at, logical.iter().copied());
            at = mapped.end().unwrap_or(at);
            mapped.extents.first().map_or(0, |extent| extent.physical)
        };
        let run = |len| [Run { start: 0, len }];
        if geometry.reserved_descriptor_blocks > 0 {
            placed.resize_map = put(&run(1), Mapping::Extents);
        }
        // One by one: they are no file, so there is no map behind them.
        for index in 0..self.nodes.xattrs.blocks.len() {
            let block = put(&run(1), Mapping::Extents);
            placed.xattrs = if index == 0 { block } else { placed.xattrs };
        }
        for index in 0..self.nodes.nodes.len() {
            let node = &self.nodes.nodes[index];
            if matches!(node.content, Content::Directory { .. } | Content::Target { .. }) {
                self.nodes.nodes[index].start = put(&self.nodes.data(node), mapping);
            }
        }
        if self.options.variant == Variant::Ext4 {
            placed.journal_blocks = journal_blocks(geometry.blocks);
            placed.journal = put(&run(placed.journal_blocks), mapping);
        }
        for index in &self.contents {
            let data = self.nodes.data(&self.nodes.nodes[*index]);
            self.nodes.nodes[*index].start = put(&data, mapping);
        }
        placed.end = at;
        placed
    }
}

/// Blocks that hold nothing.
pub(super) fn free_blocks(geometry: &Geometry, placed: &Placed) -> u64 {
    let end = placed.end.min(geometry.blocks);
    geometry.blocks - end - geometry.taken_within(end, geometry.blocks)
}

/// Blocks of the journal, as mke2fs chooses them; none in the smallest volumes.
fn journal_blocks(blocks: u64) -> u64 {
    match blocks {
        0..2048 => 0,
        2048..32768 => 1024,
        32768..262_144 => 4096,
        262_144..524_288 => 8192,
        524_288..4_194_304 => 16384,
        4_194_304..8_388_608 => 32768,
        8_388_608..16_777_216 => 65536,
        16_777_216..33_554_432 => 131_072,
        _ => 262_144,
    }
}
