//! The blocks that need no contents, in the order of their places: the map of the reserved
//! descriptors, extended attributes, directories and targets of links, the journal.

use super::checksum::inode_seed;
use super::directory;
use super::emit::{Piece, Writer};
use super::error::EmitError;
use super::format::number;
use super::nodes::{Content, Node};
use super::plan::Plan;
use crate::SparseWrite;
use bootwright_image::Kind;

impl<W: SparseWrite> Writer<'_, '_, W> {
    /// Writes all of them.
    pub(super) fn put_small(&mut self) -> Result<(), EmitError> {
        let plan = self.plan;
        if plan.placed.resize_map > 0 {
            self.check_position("resize map", plan.placed.resize_map)?;
            self.put(Piece::Data(&plan.encode_resize_map()))?;
        }
        let xattrs = &plan.nodes.xattrs;
        for index in 0..xattrs.blocks.len() {
            let block = plan.xattr_block(index);
            self.check_position("extended attributes", block)?;
            let bytes = xattrs.encode(index, plan.nodes.style.block_len, block, plan.seed());
            self.put(Piece::Data(&bytes))?;
        }
        for node in &plan.nodes.nodes {
            let blocks = match node.content {
                Content::Directory { blocks, .. } => plan.encode_directory(node, blocks),
                Content::Target { .. } => vec![plan.encode_target(node)],
                _ => continue,
            };
            self.check_position("directory or target", node.start)?;
            for block in blocks {
                self.put(Piece::Data(&block))?;
            }
            self.put_map(node.number, &plan.map(node))?;
        }
        self.put_journal()
    }

    fn put_journal(&mut self) -> Result<(), EmitError> {
        let plan = self.plan;
        let blocks = plan.placed.journal_blocks;
        if blocks == 0 {
            return Ok(());
        }
        self.check_position("journal", plan.placed.journal)?;
        self.put(Piece::Data(&plan.encode_journal()))?;
        self.put(Piece::Zeros((blocks - 1) * plan.block_size()))?;
        self.put_map(number::JOURNAL, &plan.map_journal())
    }
}

impl Plan<'_> {
    /// The blocks of a directory; those beyond its entries are empty.
    fn encode_directory(&self, node: &Node, blocks: u64) -> Vec<Vec<u8>> {
        let style = self.nodes.style;
        let seed = inode_seed(self.seed().unwrap_or(0), node.number, 0);
        let layout = self.nodes.layout(node);
        let mut bytes = layout.encode(style, node.number, node.parent, seed);
        let blocks = usize::try_from(blocks).expect("BUG: a directory fits in memory");
        bytes.resize_with(blocks, || directory::encode_list(style, &[], seed));
        bytes
    }

    fn encode_target(&self, node: &Node) -> Vec<u8> {
        let mut bytes = vec![0; self.nodes.style.block_len];
        let inode = node.id.map(|id| self.nodes.tree.inode(id).kind());
        if let Some(Kind::Symlink(target)) = inode {
            bytes[..target.len()].copy_from_slice(target);
        }
        bytes
    }
}
