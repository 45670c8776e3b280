//! The whole volume as a tree.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Seek};

use bootwright_image::{Blob, FileTree, InodeId, Kind, Metadata, SYMLINK_MAX, StreamKey};

use super::super::format::{inode as field, kind, number};
use super::super::mapping::Extent;
use super::contents::{Content, Contents};
use super::inode::Inode;
use super::{ReadError, Volume};

/// Bits of a mode that are permissions.
const PERMISSIONS: u16 = 0o7777;

impl<R: Read + Seek> Volume<R> {
    /// Reads everything but the contents of files, which stay where they are: the tree's blobs are
    /// streams of `source`, delivered by [`Contents`] in the order in which they lie in the volume.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn into_tree(mut self, source: u32) -> Result<(FileTree, Contents<R>), ReadError> {
        let found = self.read_tree()?;
        let Found { mut tree, mut files, .. } = found;
        files.sort_by_key(|(id, file)| (file.extents.first().map(|first| first.physical), *id));
        let mut contents = Vec::new();
        for (member, (id, file)) in (0..).zip(files) {
            let blob = Blob::stream(StreamKey { source, member }, file.len, None);
            // The inode is a file: it was just made one.
            let _ = tree.set_content(id, blob);
            contents.push((id, file));
        }
        let block_size = self.superblock.block_size;
        Ok((tree, Contents::new(self.reader, self.offset, block_size, source, contents)))
    }

    pub(super) fn read_tree(&mut self) -> Result<Found, ReadError> {
        let root = self.read_inode(number::ROOT)?;
        if root.mode() & !PERMISSIONS != kind::DIRECTORY {
            return Err(root.corrupt("the root is not a directory"));
        }
        let tree = FileTree::new(self.metadata(&root)?);
        let mut open = vec![(root, tree.root())];
        let mut found = Found {
            tree,
            files: Vec::new(),
            inodes: BTreeMap::new(),
            directories: BTreeSet::from([number::ROOT]),
        };
        while let Some((directory, id)) = open.pop() {
            check_flags(&directory)?;
            for (name, number) in self.read_directory(&directory)? {
                if let Some(below) = self.add(&mut found, &directory, id, &name, number)? {
                    open.push(below);
                }
            }
        }
        Ok(found)
    }

    /// Adds one name; gives a directory back to be read.
    fn add(
        &mut self,
        found: &mut Found,
        parent: &Inode,
        parent_id: InodeId,
        name: &[u8],
        number: u32,
    ) -> Result<Option<(Inode, InodeId)>, ReadError> {
        let refused = |_| parent.corrupt("a name in it cannot be");
        if let Some(known) = found.inodes.get(&number) {
            found.tree.add_link(parent_id, name, *known).map_err(refused)?;
            return Ok(None);
        }
        let inode = self.read_inode(number)?;
        if inode.mode() & !PERMISSIONS == kind::DIRECTORY {
            if !found.directories.insert(number) {
                return Err(inode.corrupt("a directory has two names"));
            }
            let metadata = self.metadata(&inode)?;
            let id = found.tree.add_directory(parent_id, name, metadata).map_err(refused)?;
            return Ok(Some((inode, id)));
        }
        let (kind, content) = self.kind(&inode)?;
        let metadata = self.metadata(&inode)?;
        let id = found.tree.add(parent_id, name, metadata, kind).map_err(refused)?;
        found.inodes.insert(number, id);
        found.files.extend(content.map(|content| (id, content)));
        Ok(None)
    }

    fn metadata(&mut self, inode: &Inode) -> Result<Metadata, ReadError> {
        if inode.links() == 0 {
            return Err(inode.corrupt("it has a name but no links"));
        }
        Ok(Metadata {
            mode: inode.mode() & PERMISSIONS,
            uid: inode.uid(),
            gid: inode.gid(),
            mtime: inode.mtime(),
            xattrs: self.read_xattrs(inode)?,
        })
    }

    /// What an inode that is no directory is, and its content if it has one.
    fn kind(&mut self, inode: &Inode) -> Result<(Kind, Option<Content>), ReadError> {
        Ok((
            match inode.mode() & !PERMISSIONS {
                kind::FILE => return self.file(inode),
                kind::SYMLINK => Kind::Symlink(self.target(inode)?),
                kind::CHAR_DEVICE => Kind::CharDevice(inode.device()),
                kind::BLOCK_DEVICE => Kind::BlockDevice(inode.device()),
                kind::FIFO => Kind::Fifo,
                kind::SOCKET => Kind::Socket,
                _ => return Err(inode.corrupt("it is of no known kind")),
            },
            None,
        ))
    }

    fn file(&mut self, inode: &Inode) -> Result<(Kind, Option<Content>), ReadError> {
        check_flags(inode)?;
        let len = inode.len();
        if len > i64::MAX.unsigned_abs() {
            return Err(inode.corrupt("it is longer than 63 bits count"));
        }
        if len == 0 {
            return Ok((Kind::File(Blob::from("")), None));
        }
        let blocks = len.div_ceil(self.superblock.block_size);
        let mut extents = self.read_map(inode)?;
        // Blocks beyond the end may be kept for what is still to come.
        extents.retain(|extent| extent.logical < blocks);
        if let Some(last) = extents.last_mut() {
            last.len = last.len.min(blocks - last.logical);
        }
        Ok((Kind::File(Blob::deferred(len)), Some(Content { len, extents })))
    }

    fn target(&mut self, inode: &Inode) -> Result<Box<[u8]>, ReadError> {
        check_flags(inode)?;
        let len = usize::try_from(inode.len()).ok().filter(|len| *len <= SYMLINK_MAX);
        let len = len.ok_or_else(|| inode.corrupt("its target is too long"))?;
        if len < field::BLOCK_LEN {
            return Ok(inode.block()[..len].into());
        }
        let extents = self.read_map(inode)?;
        let Some(Extent { logical: 0, physical, .. }) = extents.first() else {
            return Err(inode.corrupt("its target is a hole"));
        };
        let block = self.read_block(*physical)?;
        let target = block.get(..len);
        Ok(target.ok_or_else(|| inode.corrupt("its target is too long"))?.into())
    }
}

/// Refuses contents that are not stored as they are.
fn check_flags(inode: &Inode) -> Result<(), ReadError> {
    for (flag, problem) in [
        (field::INLINE_DATA, "its content lies in the inode itself, which is not supported"),
        (field::ENCRYPTED, "its content is encrypted, which is not supported"),
        (field::COMPRESSED, "its content is compressed, which is not supported"),
    ] {
        if inode.flags() & flag != 0 {
            return Err(inode.corrupt(problem));
        }
    }
    Ok(())
}

/// A tree while it grows.
pub(super) struct Found {
    pub(super) tree: FileTree,
    /// The files with contents.
    pub(super) files: Vec<(InodeId, Content)>,
    /// Inodes that are no directories, by their numbers.
    pub(super) inodes: BTreeMap<u32, InodeId>,
    directories: BTreeSet<u32>,
}
