//! What is known before the first content comes: numbers, ids, attributes, groups of equal files.

use std::collections::{BTreeMap, BTreeSet};

use bootwright_image::{FileTree, InodeId, Kind, Observer, Xattrs};

use crate::error::{WriteError, show};
use crate::format::{NAME_MAX, XATTR_PREFIXES};
use crate::group::Contents;
use crate::options::Options;

/// The plan of an image. It depends on the tree and the options alone.
pub(crate) struct Plan<'t> {
    pub(crate) tree: &'t FileTree,
    /// For each inode's index its number in the image, zero for inodes without a name.
    numbers: Vec<u32>,
    pub(crate) inode_count: u32,
    pub(crate) directories: u64,
    pub(crate) files: u64,
    /// The id table, in ascending order.
    pub(crate) ids: Vec<u32>,
    pub(crate) xattrs: XattrSets,
    pub(crate) contents: Contents,
}

impl<'t> Plan<'t> {
    pub(crate) fn new(
        tree: &'t FileTree,
        options: &Options,
        observer: &dyn Observer,
    ) -> Result<Self, WriteError> {
        options.compression.check()?;
        let mut survey = Survey {
            tree,
            observer,
            block_size: u64::from(options.block_size.bytes()),
            numbers: vec![0; tree.capacity()],
            count: 0,
            directories: 0,
            ids: BTreeSet::new(),
            xattrs: XattrSets::default(),
            files: Vec::new(),
            empty_files: 0,
        };
        survey.number(tree.root())?;
        survey.inode(tree.root(), b"")?;
        survey.entries(tree.root(), b"")?;
        let mut first = vec![u32::MAX; tree.capacity()];
        for (rank, walked) in (0..).zip(tree.walk()) {
            let known = &mut first[walked.id.index()];
            *known = (*known).min(rank);
            if tree.inode(walked.id).as_directory().is_some() {
                if observer.cancelled() {
                    return Err(WriteError::Cancelled);
                }
                survey.entries(walked.id, &walked.path)?;
            }
        }
        let ids: Vec<u32> = survey.ids.into_iter().collect();
        if ids.len() > usize::from(u16::MAX) {
            return Err(WriteError::Ids { count: ids.len() });
        }
        // Contents go in the order of their first names on a walk, since neighbours have most in
        // common.
        survey.files.sort_by_key(|(_, id)| first[id.index()]);
        let contents = Contents::group(tree, &survey.files, options, observer)?;
        Ok(Self {
            tree,
            numbers: survey.numbers,
            inode_count: survey.count,
            directories: survey.directories,
            files: survey.files.len() as u64 + survey.empty_files,
            ids,
            xattrs: survey.xattrs,
            contents,
        })
    }

    /// An inode's number: 1 to [`inode_count`](Self::inode_count).
    pub(crate) fn number(&self, inode: InodeId) -> u32 {
        self.numbers[inode.index()]
    }

    /// The place of a user or group in the id table.
    pub(crate) fn id_index(&self, id: u32) -> u16 {
        let index = self.ids.binary_search(&id).expect("BUG: every id is in the table");
        u16::try_from(index).expect("BUG: the table has at most 65535 ids")
    }
}

/// The different sets of extended attributes, in the order of the first names that have them.
#[derive(Default)]
pub(crate) struct XattrSets {
    numbers: BTreeMap<Xattrs, u32>,
    pub(crate) sets: Vec<Xattrs>,
}

impl XattrSets {
    fn insert(&mut self, xattrs: &Xattrs) {
        if !self.numbers.contains_key(xattrs) {
            let number = u32::try_from(self.sets.len()).expect("BUG: fewer than inodes");
            self.numbers.insert(xattrs.clone(), number);
            self.sets.push(xattrs.clone());
        }
    }

    /// The number of a set; `None` for the empty one.
    pub(crate) fn number(&self, xattrs: &Xattrs) -> Option<u32> {
        if xattrs.is_empty() { None } else { self.numbers.get(xattrs).copied() }
    }
}

/// The number and the length of the prefix of an attribute's name.
pub(crate) fn xattr_prefix(name: &[u8]) -> Option<(u16, usize)> {
    XATTR_PREFIXES
        .iter()
        .find(|(_, prefix)| name.starts_with(prefix) && name.len() > prefix.len())
        .map(|(number, prefix)| (*number, prefix.len()))
}

/// One pass over the tree.
struct Survey<'a> {
    tree: &'a FileTree,
    observer: &'a dyn Observer,
    block_size: u64,
    numbers: Vec<u32>,
    count: u32,
    directories: u64,
    ids: BTreeSet<u32>,
    xattrs: XattrSets,
    files: Vec<(u64, InodeId)>,
    empty_files: u64,
}

impl Survey<'_> {
    /// Numbers the entries of a directory one after the other, so that most of them differ little
    /// from the number in their header, and checks those that have no number yet.
    fn entries(&mut self, directory: InodeId, path: &[u8]) -> Result<(), WriteError> {
        let tree = self.tree;
        let mut entry_path = Vec::new();
        for (name, inode) in tree.children(directory) {
            let known = self.numbers[inode.index()] != 0;
            if known && name.len() <= NAME_MAX {
                continue;
            }
            entry_path.clear();
            entry_path.extend_from_slice(path);
            if !path.is_empty() {
                entry_path.push(b'/');
            }
            entry_path.extend_from_slice(name);
            if name.len() > NAME_MAX {
                return Err(WriteError::Name { path: show(&entry_path), len: name.len() });
            }
            self.number(inode)?;
            self.inode(inode, &entry_path)?;
        }
        Ok(())
    }

    fn number(&mut self, inode: InodeId) -> Result<(), WriteError> {
        // The root's parent gets the number after the last.
        if self.count == u32::MAX - 1 {
            return Err(WriteError::Inodes { count: self.tree.capacity() as u64 });
        }
        self.count += 1;
        self.numbers[inode.index()] = self.count;
        Ok(())
    }

    fn inode(&mut self, id: InodeId, path: &[u8]) -> Result<(), WriteError> {
        let tree = self.tree;
        let inode = tree.inode(id);
        let metadata = &inode.metadata;
        self.ids.extend([metadata.uid, metadata.gid]);
        if !metadata.mtime.fits_u32() {
            self.observer.warn(format_args!(
                "{:?} was modified at {} s after 1970, which squashfs cannot hold: {} is stored",
                show(path),
                metadata.mtime.0,
                metadata.mtime.clamp_to_u32()
            ));
        }
        if !metadata.xattrs.is_empty() {
            check_xattrs(&metadata.xattrs, path)?;
            self.xattrs.insert(&metadata.xattrs);
        }
        match inode.kind() {
            Kind::Directory(_) => self.directories += 1,
            Kind::File(blob) => {
                if matches!(blob.origin(), bootwright_image::Origin::Deferred) {
                    return Err(WriteError::Deferred { path: show(path) });
                }
                let blocks = blob.len().div_ceil(self.block_size);
                if blocks > u64::from(u32::MAX) {
                    return Err(WriteError::Blocks { path: show(path), blocks });
                }
                if blob.is_empty() {
                    self.empty_files += 1;
                } else {
                    self.files.push((blob.len(), id));
                }
            }
            Kind::CharDevice(device) | Kind::BlockDevice(device) => {
                let (major, minor) = (device.major, device.minor);
                if major > 0xfff || minor > 0xf_ffff {
                    return Err(WriteError::Device { path: show(path), major, minor });
                }
            }
            Kind::Symlink(_) | Kind::Fifo | Kind::Socket => {}
        }
        Ok(())
    }
}

fn check_xattrs(xattrs: &Xattrs, path: &[u8]) -> Result<(), WriteError> {
    let too_long = |part, len: usize, limit: u32| WriteError::XattrLen {
        path: show(path),
        part,
        len: len as u64,
        limit: u64::from(limit),
    };
    let mut total = 0;
    for (name, value) in xattrs.iter() {
        let Some((_, prefix)) = xattr_prefix(name) else {
            let name = String::from_utf8_lossy(name).into_owned();
            return Err(WriteError::Xattr { path: show(path), name });
        };
        if u16::try_from(name.len() - prefix).is_err() {
            return Err(too_long("attribute name", name.len() - prefix, u32::from(u16::MAX)));
        }
        if u32::try_from(value.len()).is_err() {
            return Err(too_long("attribute value", value.len(), u32::MAX));
        }
        total += 8 + name.len() - prefix + value.len();
    }
    if u32::try_from(total).is_err() {
        return Err(too_long("attribute list", total, u32::MAX));
    }
    Ok(())
}
