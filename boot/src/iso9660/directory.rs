//! Directory hierarchies: which records a directory has, in which order, and their bytes
//! (ECMA-119 9.1 and 6.8).

use bootwright_image::{FileTree, InodeId, Kind, Timestamp};

use super::format::{
    BLOCK_LEN, FLAG_DIRECTORY, FLAG_MULTI_EXTENT, PIECE_BLOCKS, PIECE_MAX, both16, both32,
    record_date,
};
use super::rock_ridge::{self, Attributes};
use super::susp::{self, Continuation};
use super::{joliet, name};

/// Most bytes of a directory record, its length being an even byte.
const RECORD_MAX: usize = 254;
/// Bytes of a directory record before the identifier.
const RECORD_HEAD: usize = 33;

/// Which names and metadata a hierarchy has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Namespace {
    /// ECMA-119 identifiers only.
    Plain,
    /// ECMA-119 identifiers with Rock Ridge.
    RockRidge,
    /// UCS-2 identifiers.
    Joliet,
}

impl Namespace {
    /// Whether the namespace has a way to say what `kind` is.
    fn holds(self, kind: &Kind) -> bool {
        self == Self::RockRidge || matches!(kind, Kind::Directory(_) | Kind::File(_))
    }
}

/// The directories of a tree as one namespace shows them, in the order of the path table: by
/// depth, then by parent, then by identifier.
#[derive(Debug)]
pub(super) struct Hierarchy {
    pub(super) namespace: Namespace,
    pub(super) directories: Vec<Directory>,
}

#[derive(Debug)]
pub(super) struct Directory {
    pub(super) inode: InodeId,
    /// Index of the parent; the root is its own.
    pub(super) parent: usize,
    /// Identifier in the parent; of the root a zero byte.
    pub(super) identifier: Vec<u8>,
    children: Vec<Child>,
    /// How many of the children are directories.
    below: u32,
}

/// A directory's entry. Children are sorted by identifier.
#[derive(Debug)]
struct Child {
    identifier: Vec<u8>,
    /// Its name in the tree, where Rock Ridge needs it.
    name: Box<[u8]>,
    inode: InodeId,
    /// Index of the directory it is.
    directory: Option<usize>,
}

impl Hierarchy {
    pub(super) fn new(tree: &FileTree, namespace: Namespace) -> Self {
        let root = Directory {
            inode: tree.root(),
            parent: 0,
            identifier: vec![0],
            children: Vec::new(),
            below: 0,
        };
        let mut directories = vec![root];
        let mut at = 0;
        while at < directories.len() {
            let mut children = children(tree, directories[at].inode, namespace);
            for child in &mut children {
                if tree.inode(child.inode).as_directory().is_some() {
                    child.directory = Some(directories.len());
                    directories.push(Directory {
                        inode: child.inode,
                        parent: at,
                        identifier: child.identifier.clone(),
                        children: Vec::new(),
                        below: 0,
                    });
                    directories[at].below += 1;
                }
            }
            directories[at].children = children;
            at += 1;
        }
        Self { namespace, directories }
    }
}

fn children(tree: &FileTree, directory: InodeId, namespace: Namespace) -> Vec<Child> {
    let held = |inode| namespace.holds(tree.inode(inode).kind());
    let is_directory = |inode| tree.inode(inode).as_directory().is_some();
    let entries: Vec<_> = tree.children(directory).filter(|(_, inode)| held(*inode)).collect();
    let names: Vec<_> = entries.iter().map(|(name, inode)| (*name, is_directory(*inode))).collect();
    let mut children = if namespace == Namespace::Joliet {
        let bytes = |id: &joliet::Identifier, directory| joliet::bytes(id, directory);
        sorted(joliet::identifiers(&names), &entries, &names, bytes)
    } else {
        sorted(name::identifiers(&names), &entries, &names, name::Identifier::bytes)
    };
    if namespace != Namespace::RockRidge {
        children.iter_mut().for_each(|child| child.name = Box::default());
    }
    children
}

/// Children in the order of their identifiers.
fn sorted<T: Ord>(
    identifiers: Vec<T>,
    entries: &[(&[u8], InodeId)],
    names: &[(&[u8], bool)],
    bytes: impl Fn(&T, bool) -> Vec<u8>,
) -> Vec<Child> {
    let mut keyed: Vec<_> = identifiers.into_iter().zip(entries.iter().zip(names)).collect();
    keyed.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    let mut children = Vec::with_capacity(keyed.len());
    for (identifier, ((name, inode), (_, directory))) in keyed {
        let identifier = bytes(&identifier, *directory);
        children.push(Child { identifier, name: (*name).into(), inode: *inode, directory: None });
    }
    children
}

/// A content's place: its first block in the view and its length in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) block: u32,
    pub(super) len: u64,
}

impl Extent {
    /// The extents of the records that describe it: one up to 4 GiB less a byte, else pieces of
    /// 4 GiB less a block.
    fn pieces(self) -> impl Iterator<Item = (u32, u32)> {
        let piece_max = if self.len <= u64::from(u32::MAX) { u32::MAX } else { PIECE_MAX };
        let count = self.len.div_ceil(piece_max.into()).max(1);
        (0..count).map(move |n| {
            let left = self.len - n * u64::from(piece_max);
            let skipped = u32::try_from(n * u64::from(PIECE_BLOCKS)).unwrap_or(u32::MAX);
            let len = u32::try_from(left).unwrap_or(piece_max).min(piece_max);
            (self.block.saturating_add(skipped), len)
        })
    }
}

/// Makes the records of one hierarchy. How many bytes they take does not depend on where
/// anything lies, so the same code measures them before and writes them after places are known.
pub(super) struct Records<'a> {
    pub(super) tree: &'a FileTree,
    pub(super) hierarchy: &'a Hierarchy,
    /// File serial numbers by inode index.
    pub(super) serials: &'a [u32],
    /// Place of each directory.
    pub(super) directories: &'a dyn Fn(usize) -> (u32, u32),
    /// Place of each regular file; none leaves the file out.
    pub(super) files: &'a dyn Fn(InodeId) -> Option<Extent>,
}

impl Records<'_> {
    /// Replaces `out` by the whole blocks of a directory's extent, and adds to `areas` what does
    /// not fit there.
    pub(super) fn directory(&self, index: usize, areas: &mut Continuation, out: &mut Vec<u8>) {
        out.clear();
        let directory = &self.hierarchy.directories[index];
        let (inode, parent) = (directory.inode, directory.parent);
        let mut own = self.attributes(inode, Some(index));
        if index == 0 && !own.is_empty() {
            own.insert(0, susp::sharing_protocol());
            own.push(rock_ridge::reference());
        }
        self.record(&[0], inode, (self.directories)(index), FLAG_DIRECTORY, &own, areas, out);
        let up = self.hierarchy.directories[parent].inode;
        let of_up = self.attributes(up, Some(parent));
        self.record(&[1], up, (self.directories)(parent), FLAG_DIRECTORY, &of_up, areas, out);
        for child in &directory.children {
            self.child(child, areas, out);
        }
        out.resize(out.len().next_multiple_of(BLOCK_LEN), 0);
    }

    fn child(&self, child: &Child, areas: &mut Continuation, out: &mut Vec<u8>) {
        let inode = self.tree.inode(child.inode);
        let mut entries = self.attributes(child.inode, child.directory);
        if self.hierarchy.namespace == Namespace::RockRidge {
            entries.extend(rock_ridge::name(&child.name));
            if let Kind::Symlink(target) = inode.kind() {
                entries.extend(rock_ridge::symlink(target));
            }
        }
        let id = &child.identifier;
        if let Some(index) = child.directory {
            let place = (self.directories)(index);
            return self.record(id, child.inode, place, FLAG_DIRECTORY, &entries, areas, out);
        }
        let extent = match inode.as_file() {
            Some(_) => (self.files)(child.inode),
            None => Some(Extent { block: 0, len: 0 }),
        };
        let Some(extent) = extent else { return };
        let mut pieces = extent.pieces().peekable();
        while let Some(piece) = pieces.next() {
            let flags = if pieces.peek().is_some() { FLAG_MULTI_EXTENT } else { 0 };
            self.record(id, child.inode, piece, flags, &entries, areas, out);
        }
    }

    /// PX, TF, PN; nothing without Rock Ridge.
    fn attributes(&self, id: InodeId, directory: Option<usize>) -> Vec<susp::Entry> {
        if self.hierarchy.namespace != Namespace::RockRidge {
            return Vec::new();
        }
        let inode = self.tree.inode(id);
        let (kind, device) = match inode.kind() {
            Kind::Directory(_) => (0o040_000, None),
            Kind::File(_) => (0o100_000, None),
            Kind::Symlink(_) => (0o120_000, None),
            Kind::CharDevice(device) => (0o020_000, Some(*device)),
            Kind::BlockDevice(device) => (0o060_000, Some(*device)),
            Kind::Fifo => (0o010_000, None),
            Kind::Socket => (0o140_000, None),
        };
        let nlink = match directory {
            Some(index) => self.hierarchy.directories[index].below.saturating_add(2),
            None => inode.names(),
        };
        rock_ridge::attributes(&Attributes {
            mode: kind | u32::from(inode.metadata.mode & 0o7777),
            nlink,
            uid: inode.metadata.uid,
            gid: inode.metadata.gid,
            serial: self.serials[id.index()],
            mtime: inode.metadata.mtime,
            device,
        })
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of one record")]
    fn record(
        &self,
        identifier: &[u8],
        inode: InodeId,
        (block, len): (u32, u32),
        flags: u8,
        entries: &[susp::Entry],
        areas: &mut Continuation,
        out: &mut Vec<u8>,
    ) {
        let base = (RECORD_HEAD + identifier.len()).next_multiple_of(2);
        let system_use = areas.pack(entries, RECORD_MAX - base);
        let total = (base + system_use.len()).next_multiple_of(2);
        let within = out.len() % BLOCK_LEN;
        if within + total > BLOCK_LEN {
            out.resize(out.len() + BLOCK_LEN - within, 0);
        }
        let mtime = self.tree.inode(inode).metadata.mtime;
        let start = out.len();
        out.extend_from_slice(&head(identifier, total, block, len, flags, mtime));
        out.resize(start + base, 0);
        out.extend_from_slice(&system_use);
        out.resize(start + total, 0);
    }
}

/// The root's record in a volume descriptor: 34 bytes.
pub(super) fn root_record(block: u32, len: u32, mtime: Timestamp) -> Vec<u8> {
    head(&[0], RECORD_HEAD + 1, block, len, FLAG_DIRECTORY, mtime)
}

/// A directory record up to its identifier's end.
fn head(
    identifier: &[u8],
    total: usize,
    block: u32,
    len: u32,
    flags: u8,
    mtime: Timestamp,
) -> Vec<u8> {
    let byte = |len| u8::try_from(len).expect("BUG: directory record beyond 254 bytes");
    let mut bytes = Vec::with_capacity(total);
    bytes.extend_from_slice(&[byte(total), 0]);
    bytes.extend_from_slice(&both32(block));
    bytes.extend_from_slice(&both32(len));
    bytes.extend_from_slice(&record_date(mtime));
    bytes.extend_from_slice(&[flags, 0, 0]);
    bytes.extend_from_slice(&both16(1));
    bytes.push(byte(identifier.len()));
    bytes.extend_from_slice(identifier);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_beyond_32_bits_are_described_in_pieces() {
        let pieces = |len| Extent { block: 100, len }.pieces().collect::<Vec<_>>();
        assert_eq!(pieces(0), [(100, 0)]);
        assert_eq!(pieces(0xFFFF_F800), [(100, 0xFFFF_F800)]);
        assert_eq!(pieces(0xFFFF_FFFF), [(100, 0xFFFF_FFFF)]);
        assert_eq!(pieces(0x1_0000_0000), [(100, 0xFFFF_F800), (100 + 0x1F_FFFF, 0x800)]);
        assert_eq!(pieces(0x1_0000_0001), [(100, 0xFFFF_F800), (100 + 0x1F_FFFF, 0x801)]);
        assert_eq!(pieces(2 * 0xFFFF_F800).len(), 2);
        assert_eq!(pieces(2 * 0xFFFF_F800 + 1)[2], (100 + 2 * 0x1F_FFFF, 1));
    }
}
