//! Where everything goes.

use std::fmt;

use bootwright_image::{FileTree, InodeId, Origin};

use super::checksum::volume_seed;
use super::directory::Style;
use super::error::PlanError;
use super::format::{SUPERBLOCK_LEN, number};
use super::geometry::{Geometry, Run};
use super::mapping::{Mapped, Mapping};
use super::nodes::{Node, Nodes};
use super::options::{Holes, Options, Variant};
use super::sizing::{Sizing, free_blocks};
use crate::{SectorSize, Size};

/// From this size on blocks have 4096 bytes.
pub(super) const SMALL: u64 = 512 << 20;
/// The longest label.
const LABEL_MAX: usize = 16;

/// A volume whose every byte but the contents of files is fixed. Contents lie in the order in
/// which [`bootwright_image::deliver`] brings them, so that the volume can be written front to
/// back.
#[derive(Clone, Debug)]
pub struct Plan<'a> {
    pub(super) options: Options,
    pub(super) geometry: Geometry,
    pub(super) nodes: Nodes<'a>,
    /// Files with contents, in the order of their places.
    pub(super) contents: Vec<usize>,
    pub(super) placed: Placed,
    len: u64,
}

/// The places of what has no place in [`Nodes`].
#[derive(Clone, Debug, Default)]
pub(super) struct Placed {
    /// The block that names the reserved descriptors; 0 without.
    pub(super) resize_map: u64,
    /// The first block of attributes. They follow each other.
    pub(super) xattrs: u64,
    /// The first block of the journal, and its blocks.
    pub(super) journal: u64,
    pub(super) journal_blocks: u64,
    /// The block behind the last in use that stands at no fixed place.
    pub(super) end: u64,
}

impl<'a> Plan<'a> {
    /// Plans a volume with the files of `tree`. Contents have holes where `holes` says so; other
    /// zeros take blocks, though none in a sparse output.
    ///
    /// # Errors
    /// [`PlanError`].
    pub fn new(tree: &'a FileTree, options: &Options, holes: &'a Holes) -> Result<Self, PlanError> {
        check(options)?;
        let with = |block_size| Self::with_blocks(tree, options, holes, block_size);
        if let Some(block_size) = options.block_size {
            return with(block_size.into());
        }
        match options.size {
            _ if options.sector_size == SectorSize::B4096 => with(4096),
            Size::Exact(len) if len >= SMALL => with(4096),
            Size::Exact(_) => with(1024),
            Size::Auto { headroom } => {
                if headroom.saturating_add(content_len(tree)) >= SMALL {
                    return with(4096);
                }
                let small = with(1024)?;
                if small.len < SMALL { Ok(small) } else { with(4096) }
            }
        }
    }

    fn with_blocks(
        tree: &'a FileTree,
        options: &Options,
        holes: &'a Holes,
        block_size: u64,
    ) -> Result<Self, PlanError> {
        let style = Style {
            block_len: usize::try_from(block_size).expect("BUG: a block fits in memory"),
            checksums: options.variant == Variant::Ext4,
            hash_seed: hash_seed(options.hash_seed),
        };
        let inode_len = options.inode_size as usize;
        let nodes = Nodes::new(tree, holes, style, options.variant, inode_len)?;
        let contents = nodes.contents();
        let mut sizing = Sizing { options, block_size, nodes, contents };
        let (fitted, len) = match options.size {
            Size::Auto { headroom } => {
                let fitted = sizing.smallest(headroom, 0)?;
                let len = fitted.0.blocks * block_size;
                (fitted, len)
            }
            Size::Exact(given) => match sizing.fit(given / block_size, 0) {
                Ok(fitted) => (fitted, given),
                Err(_) => {
                    let needed = sizing.smallest(0, given / block_size)?.0.blocks * block_size;
                    return Err(PlanError::TooSmall { given, needed });
                }
            },
        };
        let Sizing { nodes, contents, .. } = sizing;
        let (geometry, placed) = fitted;
        Ok(Self { options: options.clone(), geometry, nodes, contents, placed, len })
    }

    /// Length of the volume in bytes: of an exact size all of it, with what is too little for
    /// another block group.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a volume has at least a superblock")]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Bytes in a block.
    #[must_use]
    pub fn block_size(&self) -> u64 {
        self.geometry.shape.block_size
    }

    /// Blocks that hold nothing, those reserved for root among them.
    #[must_use]
    pub fn free_blocks(&self) -> u64 {
        free_blocks(&self.geometry, &self.placed)
    }

    /// Inodes not in use.
    #[must_use]
    pub fn free_inodes(&self) -> u64 {
        self.geometry.inodes() - u64::from(self.inodes_used())
    }

    /// The files whose contents the writer wants, in the order in which it wants them: those in
    /// memory and in host files, then those of streams by their keys, then the deferred ones. Empty
    /// files are not among them.
    pub fn wanted(&self) -> impl Iterator<Item = InodeId> {
        self.contents.iter().filter_map(|index| self.nodes.nodes[*index].id)
    }

    /// The deferred contents among [`wanted`](Self::wanted), which the caller hands to the writer
    /// after all others.
    pub fn deferred(&self) -> impl Iterator<Item = InodeId> {
        let tree = self.nodes.tree;
        let is_deferred = move |id: &InodeId| {
            tree.inode(*id).as_file().is_some_and(|blob| matches!(blob.origin(), Origin::Deferred))
        };
        self.wanted().filter(is_deferred)
    }

    /// Where the content of a regular file lies: for each run of bytes its place in the content,
    /// its place in the volume and its length. What is in none of them is a hole. The last run may
    /// reach beyond the content to the end of a block.
    ///
    /// # Panics
    /// If `inode` has no name in the plan's tree.
    #[must_use]
    pub fn extents_of(&self, inode: InodeId) -> Vec<(u64, u64, u64)> {
        let block_size = self.block_size();
        let mapped = self.map(self.nodes.node_of(inode));
        let bytes = mapped.extents.iter().map(|extent| {
            (extent.logical * block_size, extent.physical * block_size, extent.len * block_size)
        });
        bytes.collect()
    }

    /// The last inode in use.
    pub(super) fn inodes_used(&self) -> u32 {
        self.nodes.nodes.last().map_or(number::FIRST, |node| node.number)
    }

    pub(super) fn map(&self, node: &Node) -> Mapped {
        let logical = self.nodes.data(node).into_iter();
        self.mapping().map(&self.geometry, node.start, logical)
    }

    pub(super) fn map_journal(&self) -> Mapped {
        let all = Run { start: 0, len: self.placed.journal_blocks };
        self.mapping().map(&self.geometry, self.placed.journal, std::iter::once(all))
    }

    pub(super) fn mapping(&self) -> Mapping {
        self.options.variant.mapping()
    }

    /// What checksums begin with, if there are any.
    pub(super) fn seed(&self) -> Option<u32> {
        self.nodes.style.checksums.then(|| volume_seed(&self.options.uuid))
    }

    /// The number of a block of attributes.
    pub(super) fn xattr_block(&self, index: usize) -> u64 {
        self.geometry.end_of(self.placed.xattrs, index as u64 + 1) - 1
    }
}

fn content_len(tree: &FileTree) -> u64 {
    let files = tree.walk().filter_map(|walked| tree.inode(walked.id).as_file());
    files.map(bootwright_image::Blob::len).fold(0, u64::saturating_add)
}

/// The four words of a hash seed.
fn hash_seed(bytes: [u8; 16]) -> [u32; 4] {
    let (words, _) = bytes.as_chunks::<4>();
    [0, 1, 2, 3].map(|word| u32::from_le_bytes(words[word]))
}

fn check(options: &Options) -> Result<(), PlanError> {
    let refuse = |option, value, expected| Err(PlanError::Option { option, value, expected });
    if options.label.len() > LABEL_MAX || options.label.contains('\0') {
        let len = options.label.len();
        return Err(PlanError::Label { label: options.label.clone(), len });
    }
    if let Some(size) = options.block_size {
        if ![1024, 2048, 4096].contains(&size) {
            return refuse("block size", size.into(), "1024, 2048 or 4096");
        }
        if u64::from(size) < options.sector_size.bytes() {
            return refuse("block size", size.into(), "at least the disk's sectors");
        }
    }
    if ![128, 256].contains(&options.inode_size) {
        return refuse("inode size", options.inode_size.into(), "128 or 256");
    }
    if let Some(ratio) = options.inode_ratio
        && !(SUPERBLOCK_LEN..=4 << 20).contains(&(ratio as usize))
    {
        return refuse("inode ratio", ratio.into(), "1024 to 4194304");
    }
    if options.reserved_percent > 50 {
        return refuse("reserved percentage", options.reserved_percent.into(), "at most 50");
    }
    Ok(())
}

impl fmt::Display for Plan<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let geometry = &self.geometry;
        writeln!(
            f,
            "{:?} of {} bytes, {} blocks of {} bytes in {} groups, {} free, {} inodes, {} free",
            self.options.variant,
            self.len,
            geometry.blocks,
            geometry.shape.block_size,
            geometry.groups,
            self.free_blocks(),
            geometry.inodes(),
            self.free_inodes(),
        )?;
        for area in &geometry.areas {
            writeln!(
                f,
                "{:>8} {:>8} {:?} of group {}",
                area.start, area.len, area.fixture, area.group
            )?;
        }
        writeln!(f, "{:>8} {:>8} resize map", self.placed.resize_map, 1)?;
        let xattrs = self.nodes.xattrs.blocks.len();
        writeln!(f, "{:>8} {:>8} extended attributes", self.placed.xattrs, xattrs)?;
        writeln!(f, "{:>8} {:>8} journal", self.placed.journal, self.placed.journal_blocks)?;
        for node in &self.nodes.nodes {
            let mapped = self.map(node);
            let blocks: u64 = mapped.extents.iter().map(|extent| extent.len).sum();
            let maps = mapped.map.len();
            let number = node.number;
            writeln!(f, "{:>8} {blocks:>8} inode {number}, {maps} map blocks", node.start)?;
        }
        writeln!(f, "{:>8}          end", self.placed.end)
    }
}
