//! Directories: lists of entries in one block, hash trees when there are more
//! (Documentation/filesystems/ext4/directory.rst).

use super::checksum::crc32c;
use super::format::directory::{
    ENTRY_LEN, HALF_MD4, HASH_ENTRY_LEN, NODE_HEAD, ROOT_HEAD, TAIL_LEN, TAIL_TYPE,
};
use super::hash::half_md4;
use crate::bytes::put;

/// A name in a directory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'a> {
    pub(super) name: &'a [u8],
    pub(super) inode: u32,
    /// The kind, as directories number them.
    pub(super) kind: u8,
}

impl Entry<'_> {
    fn len(&self) -> usize {
        (ENTRY_LEN + self.name.len()).next_multiple_of(4)
    }
}

/// How directories of a volume are made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    pub(super) block_len: usize,
    /// Blocks end with a checksum.
    pub(super) checksums: bool,
    pub(super) hash_seed: [u32; 4],
}

impl Style {
    /// Bytes of a block for entries.
    fn room(&self) -> usize {
        self.block_len - if self.checksums { TAIL_LEN } else { 0 }
    }

    /// Entries of a node of a tree with `head` bytes in front of them.
    fn fan_out(&self, head: usize) -> usize {
        (self.block_len - head) / HASH_ENTRY_LEN - usize::from(self.checksums)
    }
}

/// The entries of a directory, laid out in blocks.
#[derive(Clone, Debug)]
pub(super) enum Layout<'a> {
    /// A list. Each block has the entries of one group.
    List(Vec<Vec<Entry<'a>>>),
    /// A tree over lists.
    Tree {
        /// Entries of one leaf each, with the hash from which on it is searched.
        leaves: Vec<(u32, Vec<Entry<'a>>)>,
        /// Inner nodes between the root and the leaves.
        nodes: usize,
    },
}

impl<'a> Layout<'a> {
    /// Lays out a directory that is `own`, below `parent`.
    pub(super) fn new(
        style: Style,
        own: u32,
        parent: u32,
        names: impl Iterator<Item = Entry<'a>>,
    ) -> Self {
        let all = with_dots(own, parent, names);
        let total: usize = all.iter().map(Entry::len).sum();
        if total <= style.room() {
            return Self::List(vec![all]);
        }
        Self::tree(style, &all[2..]).unwrap_or_else(|| Self::list_of(style, all))
    }

    /// Lays out a directory as a list, whatever its length.
    pub(super) fn list(
        style: Style,
        own: u32,
        parent: u32,
        names: impl Iterator<Item = Entry<'a>>,
    ) -> Self {
        Self::list_of(style, with_dots(own, parent, names))
    }

    fn list_of(style: Style, all: Vec<Entry<'a>>) -> Self {
        let mut blocks: Vec<Vec<Entry<'a>>> = Vec::new();
        let mut room = 0;
        for entry in all {
            if entry.len() > room {
                blocks.push(Vec::new());
                room = style.room();
            }
            room -= entry.len();
            if let Some(block) = blocks.last_mut() {
                block.push(entry);
            }
        }
        Self::List(blocks)
    }

    /// A tree; `None` when the root and one level of nodes below it are not enough: more takes a
    /// feature that GRUB does not know.
    fn tree(style: Style, names: &[Entry<'a>]) -> Option<Self> {
        let mut hashed: Vec<_> =
            names.iter().map(|entry| (half_md4(entry.name, style.hash_seed), *entry)).collect();
        hashed.sort_by_key(|((major, minor), entry)| (*major, *minor, entry.name));
        let mut leaves: Vec<(u32, Vec<Entry<'a>>)> = Vec::new();
        let (mut room, mut last) = (0, None);
        for ((major, _), entry) in hashed {
            if entry.len() > room {
                // The lowest bit says that the leaf before has names of the same hash.
                let from =
                    if leaves.is_empty() { 0 } else { major | u32::from(last == Some(major)) };
                leaves.push((from, Vec::new()));
                room = style.room();
            }
            room -= entry.len();
            last = Some(major);
            if let Some((_, leaf)) = leaves.last_mut() {
                leaf.push(entry);
            }
        }
        let (root, node) = (style.fan_out(ROOT_HEAD), style.fan_out(NODE_HEAD));
        let nodes = if leaves.len() <= root { 0 } else { leaves.len().div_ceil(node) };
        (nodes <= root).then_some(Self::Tree { leaves, nodes })
    }

    /// Whether it has a hash tree.
    pub(super) fn is_tree(&self) -> bool {
        matches!(self, Self::Tree { .. })
    }

    /// Blocks it takes.
    pub(super) fn blocks(&self) -> usize {
        match self {
            Self::List(blocks) => blocks.len(),
            Self::Tree { leaves, nodes } => 1 + nodes + leaves.len(),
        }
    }

    /// The blocks. `own` and `parent` are the inodes; `seed` begins the checksums.
    pub(super) fn encode(&self, style: Style, own: u32, parent: u32, seed: u32) -> Vec<Vec<u8>> {
        match self {
            Self::List(blocks) => {
                blocks.iter().map(|entries| encode_list(style, entries, seed)).collect()
            }
            Self::Tree { leaves, nodes } => {
                let mut blocks = encode_nodes(style, [own, parent], leaves, *nodes, seed);
                blocks.extend(leaves.iter().map(|(_, names)| encode_list(style, names, seed)));
                blocks
            }
        }
    }
}

fn with_dots<'a>(own: u32, parent: u32, names: impl Iterator<Item = Entry<'a>>) -> Vec<Entry<'a>> {
    let dots = [(&b"."[..], own), (b"..", parent)];
    dots.map(|(name, inode)| Entry { name, inode, kind: 2 }).into_iter().chain(names).collect()
}

/// A block of entries; the last reaches to the end.
pub(super) fn encode_list(style: Style, entries: &[Entry<'_>], seed: u32) -> Vec<u8> {
    let mut bytes = vec![0; style.block_len];
    let room = style.room();
    let mut at = 0;
    for (index, entry) in entries.iter().enumerate() {
        let last = index + 1 == entries.len();
        let len = if last { room - at } else { entry.len() };
        put_entry(&mut bytes[at..], entry, len);
        at += len;
    }
    if entries.is_empty() {
        put_entry(&mut bytes, &Entry { name: b"", inode: 0, kind: 0 }, room);
    }
    if style.checksums {
        let tail = Entry { name: b"", inode: 0, kind: TAIL_TYPE };
        let checksum = crc32c(seed, &bytes[..room]);
        put_entry(&mut bytes[room..], &tail, TAIL_LEN);
        put(&mut bytes, room + ENTRY_LEN, &checksum.to_le_bytes());
    }
    bytes
}

fn put_entry(bytes: &mut [u8], entry: &Entry<'_>, len: usize) {
    put(bytes, 0, &entry.inode.to_le_bytes());
    put(bytes, 4, &len.to_le_bytes()[..2]);
    bytes[6] = entry.name.len().to_le_bytes()[0];
    bytes[7] = entry.kind;
    put(bytes, ENTRY_LEN, entry.name);
}

/// The root and, behind it, the nodes between it and the leaves, which follow.
fn encode_nodes(
    style: Style,
    [own, parent]: [u32; 2],
    leaves: &[(u32, Vec<Entry<'_>>)],
    nodes: usize,
    seed: u32,
) -> Vec<Vec<u8>> {
    let first_leaf = 1 + nodes;
    let below: Vec<(u32, usize)> = leaves.iter().map(|(hash, _)| *hash).zip(first_leaf..).collect();
    let per_node = style.fan_out(NODE_HEAD);
    let mut root = vec![0; style.block_len];
    put_entry(&mut root, &Entry { name: b".", inode: own, kind: 2 }, 12);
    put_entry(
        &mut root[12..],
        &Entry { name: b"..", inode: parent, kind: 2 },
        style.block_len - 12,
    );
    root[28] = HALF_MD4;
    root[29] = 8;
    root[30] = u8::from(nodes > 0);
    let mut blocks = vec![root];
    if nodes == 0 {
        put_index(style, &mut blocks[0], ROOT_HEAD, &below, seed);
        return blocks;
    }
    let top: Vec<(u32, usize)> = below.chunks(per_node).map(|chunk| chunk[0].0).zip(1..).collect();
    put_index(style, &mut blocks[0], ROOT_HEAD, &top, seed);
    for chunk in below.chunks(per_node) {
        let mut node = vec![0; style.block_len];
        put_entry(&mut node, &Entry { name: b"", inode: 0, kind: 0 }, style.block_len);
        put_index(style, &mut node, NODE_HEAD, chunk, seed);
        blocks.push(node);
    }
    blocks
}

/// The entries of a node: hash and block. In place of the first hash, which nobody needs, stand
/// the room and the number of entries.
fn put_index(style: Style, bytes: &mut [u8], head: usize, entries: &[(u32, usize)], seed: u32) {
    let fan_out = style.fan_out(head);
    for (index, (hash, block)) in entries.iter().enumerate() {
        let at = head + index * HASH_ENTRY_LEN;
        put(bytes, at, &hash.to_le_bytes());
        put(bytes, at + 4, &block.to_le_bytes()[..4]);
    }
    put(bytes, head, &fan_out.to_le_bytes()[..2]);
    put(bytes, head + 2, &entries.len().to_le_bytes()[..2]);
    if style.checksums {
        let used = crc32c(seed, &bytes[..head + entries.len() * HASH_ENTRY_LEN]);
        // The four bytes in front of the checksum, and zeros in its place, belong to it.
        let checksum = crc32c(used, &[0; 8]);
        put(bytes, head + fan_out * HASH_ENTRY_LEN + 4, &checksum.to_le_bytes());
    }
}
