//! The tree as the volume will hold it: inodes with numbers, sizes and what they need.

use bootwright_image::{FileTree, Inode, InodeId, Kind, Origin};

use super::directory::{Entry, Layout, Style};
use super::error::PlanError;
use super::format::{LOST_AND_FOUND, inode, kind, number};
use super::geometry::Run;
use super::options::{Holes, Variant};
use super::xattr::{self, Refusal, Split};

/// The most links of an inode.
const LINKS_MAX: u64 = 65000;
/// Bytes of `lost+found`, so that e2fsck need not allocate when it repairs.
const LOST_AND_FOUND_LEN: u64 = 16384;
/// Blocks of `lost+found` at most: as many as need no map.
const LOST_AND_FOUND_BLOCKS: u64 = 12;
/// Sectors of 512 bytes that an inode counts, less what maps may take.
const FILE_MAX: u64 = (0xFFFF_FFFF - 0x0100_0000) * 512;

/// An inode to be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    /// Where it comes from; `None` for a `lost+found` of our own.
    pub(super) id: Option<InodeId>,
    pub(super) number: u32,
    /// The directory a directory lies in.
    pub(super) parent: u32,
    pub(super) links: u16,
    pub(super) content: Content,
    /// The block with its extended attributes, counted in [`Nodes::xattrs`].
    pub(super) xattrs: Option<usize>,
    /// Its first block; 0 without any.
    pub(super) start: u64,
}

/// What its blocks hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Directory {
        blocks: u64,
        tree: bool,
    },
    File {
        len: u64,
    },
    /// The target of a symbolic link that is too long for the inode.
    Target {
        len: u64,
    },
    /// No blocks.
    None,
}

/// All inodes of a volume but the reserved ones.
#[derive(Clone, Debug)]
pub(super) struct Nodes<'a> {
    pub(super) tree: &'a FileTree,
    pub(super) holes: &'a Holes,
    /// The root, `lost+found`, and the others in the order of their names.
    pub(super) nodes: Vec<Node>,
    /// Numbers by inode of the tree.
    numbers: Vec<u32>,
    pub(super) xattrs: xattr::Blocks,
    pub(super) style: Style,
    variant: Variant,
    inode_len: usize,
}

impl<'a> Nodes<'a> {
    pub(super) fn new(
        tree: &'a FileTree,
        holes: &'a Holes,
        style: Style,
        variant: Variant,
        inode_len: usize,
    ) -> Result<Self, PlanError> {
        let mut this = Self {
            tree,
            holes,
            nodes: Vec::new(),
            numbers: vec![0; tree.capacity()],
            xattrs: xattr::Blocks::default(),
            style,
            variant,
            inode_len,
        };
        this.number()?;
        for walked in tree.walk() {
            let number = this.number_of(walked.id);
            let node = this.index(number);
            if this.nodes[node].id.is_none() {
                this.nodes[node] = this.node(walked.id, number, &walked.path)?;
            }
        }
        let root = this.node(tree.root(), number::ROOT, b"")?;
        this.nodes[0] = root;
        this.lay_out_directories();
        Ok(this)
    }

    /// Gives every inode its number, in the order of first names.
    fn number(&mut self) -> Result<(), PlanError> {
        let tree = self.tree;
        self.numbers[tree.root().index()] = number::ROOT;
        if let Some(id) = tree.child(tree.root(), LOST_AND_FOUND) {
            tree.inode(id).as_directory().ok_or(PlanError::LostAndFound)?;
            self.numbers[id.index()] = number::FIRST;
        }
        let mut next = number::FIRST;
        for walked in tree.walk() {
            let slot = &mut self.numbers[walked.id.index()];
            if *slot == 0 {
                next = next
                    .checked_add(1)
                    .ok_or(PlanError::TooLarge { block_size: self.style.block_len as u64 })?;
                *slot = next;
            }
        }
        let empty = |number| Node {
            id: None,
            number,
            parent: number::ROOT,
            links: 2,
            content: Content::Directory { blocks: 0, tree: false },
            xattrs: None,
            start: 0,
        };
        self.nodes = std::iter::once(number::ROOT).chain(number::FIRST..=next).map(empty).collect();
        Ok(())
    }

    /// An inode's place in [`nodes`](Self::nodes).
    fn index(&self, number: u32) -> usize {
        if number == number::ROOT { 0 } else { (number - number::FIRST) as usize + 1 }
    }

    pub(super) fn number_of(&self, id: InodeId) -> u32 {
        self.numbers[id.index()]
    }

    /// The node of an inode of the tree.
    pub(super) fn node_of(&self, id: InodeId) -> &Node {
        &self.nodes[self.index(self.number_of(id))]
    }

    fn node(&mut self, id: InodeId, number: u32, path: &[u8]) -> Result<Node, PlanError> {
        let inode = self.tree.inode(id);
        let path = || String::from_utf8_lossy(path).into_owned();
        let content = match inode.kind() {
            Kind::Directory(_) => Content::Directory { blocks: 0, tree: false },
            Kind::File(blob) => {
                self.check_len(blob.len(), path)?;
                Content::File { len: blob.len() }
            }
            // The byte behind a short target stays zero.
            Kind::Symlink(target) if target.len() >= inode::BLOCK_LEN => {
                self.check_target(target.len(), path)?;
                Content::Target { len: target.len() as u64 }
            }
            _ => Content::None,
        };
        let parent = inode.as_directory().map_or(0, |directory| self.number_of(directory.parent()));
        let links = self.links(id, inode, path)?;
        let split = self.split(inode).map_err(|refusal| match refusal {
            Refusal::Attribute { name, problem } => {
                PlanError::Xattr { path: path(), name, problem }
            }
            Refusal::Room { needed, max } => {
                PlanError::XattrsTooLarge { path: path(), needed, max }
            }
        })?;
        let xattrs = split.in_block().map(|key| self.xattrs.add(key));
        Ok(Node { id: Some(id), number, parent, links, content, xattrs, start: 0 })
    }

    /// The extended attributes of an inode, behind it and in a block.
    pub(super) fn split(&self, inode: &Inode) -> Result<Split, Refusal> {
        Split::new(&inode.metadata.xattrs, self.inner_len(), self.style.block_len)
    }

    /// Bytes for extended attributes behind an inode.
    pub(super) fn inner_len(&self) -> usize {
        match self.variant {
            Variant::Ext2 => 0,
            Variant::Ext4 => {
                self.inode_len.saturating_sub(inode::LEN_OLD + usize::from(inode::EXTRA_LEN))
            }
        }
    }

    fn check_len(&self, len: u64, path: impl Fn() -> String) -> Result<(), PlanError> {
        let block_size = self.style.block_len as u64;
        let max = (self.variant.mapping().blocks_max(block_size) * block_size).min(FILE_MAX);
        if len > max {
            return Err(PlanError::FileTooLarge { path: path(), len, max, block_size });
        }
        Ok(())
    }

    /// A target and the NUL that the kernel puts behind it share one block.
    fn check_target(&self, len: usize, path: impl Fn() -> String) -> Result<(), PlanError> {
        let block_size = self.style.block_len as u64;
        if len >= self.style.block_len {
            let (len, max) = (len as u64, block_size - 1);
            return Err(PlanError::FileTooLarge { path: path(), len, max, block_size });
        }
        Ok(())
    }

    fn links(
        &self,
        id: InodeId,
        inode: &Inode,
        path: impl Fn() -> String,
    ) -> Result<u16, PlanError> {
        let Kind::Directory(directory) = inode.kind() else {
            let links = u64::from(inode.names());
            return match u16::try_from(links) {
                Ok(fits) if links <= LINKS_MAX => Ok(fits),
                _ => Err(PlanError::Links { path: path(), links, max: LINKS_MAX }),
            };
        };
        let is_directory = |id: &InodeId| self.tree.inode(*id).as_directory().is_some();
        let below = directory.iter().filter(|(_, id)| is_directory(id)).count() as u64;
        let own = u64::from(id == self.tree.root() && !self.has_lost_and_found());
        match u16::try_from(2 + below + own) {
            Ok(links) if u64::from(links) <= LINKS_MAX => Ok(links),
            // Directories of ext4 stop counting.
            _ if self.variant == Variant::Ext4 => Ok(1),
            _ => Err(PlanError::Links { path: path(), links: 2 + below + own, max: LINKS_MAX }),
        }
    }

    fn has_lost_and_found(&self) -> bool {
        self.tree.child(self.tree.root(), LOST_AND_FOUND).is_some()
    }

    fn lay_out_directories(&mut self) {
        for index in 0..self.nodes.len() {
            if let Content::Directory { .. } = self.nodes[index].content {
                let layout = self.layout(&self.nodes[index]);
                let blocks = (layout.blocks() as u64).max(self.blocks_min(&self.nodes[index]));
                self.nodes[index].content = Content::Directory { blocks, tree: layout.is_tree() };
            }
        }
    }

    /// The fewest blocks of a directory.
    fn blocks_min(&self, node: &Node) -> u64 {
        if node.number != number::FIRST {
            return 1;
        }
        (LOST_AND_FOUND_LEN / self.style.block_len as u64).min(LOST_AND_FOUND_BLOCKS)
    }

    /// The entries of a directory, in blocks.
    pub(super) fn layout(&self, node: &Node) -> Layout<'a> {
        let own = (node.number == number::ROOT && !self.has_lost_and_found()).then_some(Entry {
            name: LOST_AND_FOUND,
            inode: number::FIRST,
            kind: 2,
        });
        let tree = self.tree;
        let children = node.id.into_iter().flat_map(move |id| tree.children(id));
        let entries = children.map(|(name, id)| Entry {
            name,
            inode: self.number_of(id),
            kind: entry_kind(self.tree.inode(id).kind()),
        });
        let entries = own.into_iter().chain(entries);
        if node.number == number::FIRST {
            Layout::list(self.style, node.number, node.parent, entries)
        } else {
            Layout::new(self.style, node.number, node.parent, entries)
        }
    }

    /// The blocks of a node's content that are no holes, counted in the file.
    pub(super) fn data(&self, node: &Node) -> Vec<Run> {
        let block_size = self.style.block_len as u64;
        let blocks = match node.content {
            Content::Directory { blocks, .. } => blocks,
            Content::File { len } => len.div_ceil(block_size),
            Content::Target { .. } => 1,
            Content::None => 0,
        };
        let holes = node.id.and_then(|id| self.holes.get(&id)).map_or(&[][..], Vec::as_slice);
        let mut runs = Vec::new();
        let mut at = 0;
        let mut until = |at: u64, end: u64| {
            if at < end {
                runs.push(Run { start: at, len: end - at });
            }
        };
        for hole in holes {
            // The last block may be a part of one.
            let whole = hole.end >= blocks * block_size
                || matches!(node.content, Content::File { len } if hole.end >= len);
            let end = if whole { blocks } else { hole.end / block_size };
            let start = hole.start.div_ceil(block_size).clamp(at, blocks);
            if start < end {
                until(at, start);
                at = end;
            }
        }
        until(at, blocks);
        runs
    }

    /// The files with contents, in the order in which [`bootwright_image::deliver`] has them;
    /// those that the caller puts in place itself come last.
    pub(super) fn contents(&self) -> Vec<usize> {
        let mut files: Vec<_> = self
            .nodes
            .iter()
            .enumerate()
            .filter(|(_, node)| matches!(node.content, Content::File { len } if len > 0))
            .filter_map(|(index, node)| {
                let id = node.id?;
                let rank = match self.tree.inode(id).as_file()?.origin() {
                    Origin::Stream(key) => (1, Some(*key), Some(id)),
                    Origin::Deferred => (2, None, None),
                    _ => (0, None, None),
                };
                Some((rank, index))
            })
            .collect();
        files.sort_unstable();
        files.into_iter().map(|(_, index)| index).collect()
    }
}

/// A kind as directories number it.
fn entry_kind(kind: &Kind) -> u8 {
    match kind {
        Kind::File(_) => 1,
        Kind::Directory(_) => 2,
        Kind::CharDevice(_) => 3,
        Kind::BlockDevice(_) => 4,
        Kind::Fifo => 5,
        Kind::Socket => 6,
        Kind::Symlink(_) => 7,
    }
}

/// A kind as modes have it.
pub(super) fn mode_kind(kind: &Kind) -> u16 {
    match kind {
        Kind::File(_) => kind::FILE,
        Kind::Directory(_) => kind::DIRECTORY,
        Kind::CharDevice(_) => kind::CHAR_DEVICE,
        Kind::BlockDevice(_) => kind::BLOCK_DEVICE,
        Kind::Fifo => kind::FIFO,
        Kind::Socket => kind::SOCKET,
        Kind::Symlink(_) => kind::SYMLINK,
    }
}
