//! What a layer has to hold to turn one tree into another (OCI image specification, layer,
//! "Determining Changes").

use std::collections::{BTreeMap, BTreeSet};

use bootwright_image::{Blob, Digest, FileTree, InodeId, Kind, Origin};

use super::WriteError;
use crate::error::escape;

/// What names of lower layers are hidden with.
const WHITEOUT: &[u8] = b".wh.";

/// The members of a layer, before any content is read: a pure function of the trees.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// Paths of the markers that hide removed names, in the order of a walk.
    pub(super) whiteouts: Vec<Vec<u8>>,
    /// Directories, in the order of a walk; the root has no path.
    pub(super) directories: Vec<(Vec<u8>, InodeId)>,
    /// Everything else by its first path, with all its paths, in the order of a walk.
    pub(super) inodes: Vec<(InodeId, Vec<Vec<u8>>)>,
    /// Sockets, which a tar cannot hold.
    pub(super) left_out: Vec<Vec<u8>>,
}

impl Changes {
    /// The layer that holds all of `tree`, its root too.
    ///
    /// # Errors
    /// As for [`between`](Self::between).
    pub fn whole(tree: &FileTree) -> Result<Self, WriteError> {
        let empty = FileTree::new(tree.inode(tree.root()).metadata.clone());
        let mut changes = Self::between(&empty, tree)?;
        changes.directories.insert(0, (Vec::new(), tree.root()));
        Ok(changes)
    }

    /// The layer that holds the regular files of `tree` and nothing else: whoever unpacks it makes
    /// the directories on the way.
    ///
    /// # Errors
    /// As for [`between`](Self::between), and when there is something else than directories and
    /// regular files.
    pub fn files_only(tree: &FileTree) -> Result<Self, WriteError> {
        let mut changes = Self::whole(tree)?;
        changes.directories.clear();
        let other = |(id, _): &&(InodeId, _)| tree.inode(*id).as_file().is_none();
        let path = changes.inodes.iter().find(other).and_then(|(_, paths)| paths.first());
        match path.or(changes.left_out.first()) {
            Some(path) => Err(WriteError::NotAFile { path: escape(path) }),
            None => Ok(changes),
        }
    }

    /// The layer that turns `before` into `after` when it is laid over it: what is new or differs
    /// in kind, metadata or content, all names of an inode whose names changed, and a marker for
    /// each name that is gone. Removed directories have one marker, and no opaque ones are made:
    /// the specification wants writers to hide names one by one, and some readers know nothing
    /// else. The directories above a change are members too, because file systems that stack
    /// layers take a directory's mode from the uppermost layer that has something in it.
    ///
    /// Contents are equal when their digests are, or when they lie at the same place: equal
    /// [`StreamKey`](bootwright_image::StreamKey)s have to mean the same in both trees, as they do
    /// when one is a changed clone of the other, or when their stacks begin with the same image.
    ///
    /// # Errors
    /// [`WriteError::WhiteoutName`] for a name of `after`, or one that is gone, that begins as
    /// markers do.
    pub fn between(before: &FileTree, after: &FileTree) -> Result<Self, WriteError> {
        let mut walk = Comparison::new(before, after);
        walk.directory(before.root(), after.root());
        while let Some((path, old, new)) = walk.open.pop() {
            walk.names(&path, old, new)?;
        }
        walk.finish()
    }

    /// Whether the trees are the same, so that no layer is needed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.whiteouts.is_empty() && self.directories.is_empty() && self.inodes.is_empty()
    }

    /// Paths of the sockets that are left out, because a tar cannot hold them.
    #[must_use]
    pub fn left_out(&self) -> &[Vec<u8>] {
        &self.left_out
    }
}

/// A name that is no directory.
struct Name {
    path: Vec<u8>,
    /// What had this name, if that was no directory either.
    before: Option<InodeId>,
}

struct Comparison<'a> {
    before: &'a FileTree,
    after: &'a FileTree,
    /// Directories still to be looked into: the last one comes next.
    open: Vec<(Vec<u8>, Option<InodeId>, InodeId)>,
    whiteouts: Vec<Vec<u8>>,
    /// All directories, and whether they changed.
    directories: Vec<(Vec<u8>, InodeId, bool)>,
    /// Inodes in the order of their first names.
    order: Vec<InodeId>,
    names: BTreeMap<InodeId, Vec<Name>>,
    left_out: Vec<Vec<u8>>,
}

impl<'a> Comparison<'a> {
    fn new(before: &'a FileTree, after: &'a FileTree) -> Self {
        Self {
            before,
            after,
            open: Vec::new(),
            whiteouts: Vec::new(),
            directories: Vec::new(),
            order: Vec::new(),
            names: BTreeMap::new(),
            left_out: Vec::new(),
        }
    }

    fn directory(&mut self, old: InodeId, new: InodeId) {
        let changed = self.before.inode(old).metadata != self.after.inode(new).metadata;
        self.directories.push((Vec::new(), new, changed));
        self.open.push((Vec::new(), Some(old), new));
    }

    /// Compares the entries of a directory with those of the one that it was.
    fn names(&mut self, at: &[u8], old: Option<InodeId>, new: InodeId) -> Result<(), WriteError> {
        let (before, after) = (self.before, self.after);
        for (name, id) in old.into_iter().flat_map(|old| before.children(old)) {
            if !is_socket(before, id) && after.child(new, name).is_none() {
                let path = join(at, name);
                check_name(name, &path)?;
                self.whiteouts.push(join(at, &[WHITEOUT, name].concat()));
            }
        }
        let mut below = Vec::new();
        for (name, id) in after.children(new) {
            let path = join(at, name);
            check_name(name, &path)?;
            let was = old.and_then(|old| before.child(old, name));
            let was_directory = was.filter(|was| before.inode(*was).as_directory().is_some());
            match after.inode(id).kind() {
                Kind::Directory(_) => {
                    let changed = was_directory
                        .is_none_or(|was| before.inode(was).metadata != after.inode(id).metadata);
                    self.directories.push((path.clone(), id, changed));
                    below.push((path, was_directory, id));
                }
                Kind::Socket => {
                    if was.is_some() {
                        self.whiteouts.push(join(at, &[WHITEOUT, name].concat()));
                    }
                    self.left_out.push(path);
                }
                _ => {
                    let before = was.filter(|_| was_directory.is_none());
                    let names = self.names.entry(id).or_default();
                    if names.is_empty() {
                        self.order.push(id);
                    }
                    names.push(Name { path, before });
                }
            }
        }
        self.open.extend(below.into_iter().rev());
        Ok(())
    }

    fn finish(self) -> Result<Changes, WriteError> {
        let mut inodes = Vec::new();
        // An inode of the lower layers stays what it is for one inode only: others that had one
        // of its names are no longer linked to it.
        let mut kept = BTreeSet::new();
        for id in self.order {
            let names = &self.names[&id];
            let was = names[0].before;
            let same_names = names.iter().all(|name| name.before == was);
            let unchanged = was.filter(|was| {
                same_names && !kept.contains(was) && same_inode(self.before, *was, self.after, id)
            });
            match unchanged {
                Some(was) => {
                    kept.insert(was);
                }
                None => inodes.push((id, names.iter().map(|name| name.path.clone()).collect())),
            }
        }
        let needed = ancestors(&self.whiteouts, &inodes, &self.directories);
        let directories = self
            .directories
            .into_iter()
            .filter(|(path, _, changed)| *changed || needed.contains(path))
            .map(|(path, id, _)| (path, id))
            .collect();
        Ok(Changes { whiteouts: self.whiteouts, directories, inodes, left_out: self.left_out })
    }
}

fn is_socket(tree: &FileTree, id: InodeId) -> bool {
    matches!(tree.inode(id).kind(), Kind::Socket)
}

/// The directories above all members, the root not counted.
fn ancestors(
    whiteouts: &[Vec<u8>],
    inodes: &[(InodeId, Vec<Vec<u8>>)],
    directories: &[(Vec<u8>, InodeId, bool)],
) -> BTreeSet<Vec<u8>> {
    let mut needed = BTreeSet::new();
    let changed = directories.iter().filter(|(.., changed)| *changed).map(|(path, ..)| path);
    let members = inodes.iter().flat_map(|(_, paths)| paths).chain(whiteouts).chain(changed);
    for mut path in members.map(|path| &path[..]) {
        while let Some(slash) = path.iter().rposition(|byte| *byte == b'/') {
            path = &path[..slash];
            if !needed.insert(path.to_vec()) {
                break;
            }
        }
    }
    needed
}

fn check_name(name: &[u8], path: &[u8]) -> Result<(), WriteError> {
    match name.starts_with(WHITEOUT) {
        true => Err(WriteError::WhiteoutName { path: escape(path) }),
        false => Ok(()),
    }
}

fn join(at: &[u8], name: &[u8]) -> Vec<u8> {
    if at.is_empty() { name.to_vec() } else { [at, b"/", name].concat() }
}

fn same_inode(before: &FileTree, was: InodeId, after: &FileTree, is: InodeId) -> bool {
    let (was, is) = (before.inode(was), after.inode(is));
    was.metadata == is.metadata
        && match (was.kind(), is.kind()) {
            (Kind::File(was), Kind::File(is)) => same_content(was, is),
            (Kind::Symlink(was), Kind::Symlink(is)) => was == is,
            (Kind::CharDevice(was), Kind::CharDevice(is))
            | (Kind::BlockDevice(was), Kind::BlockDevice(is)) => was == is,
            (Kind::Fifo, Kind::Fifo) => true,
            _ => false,
        }
}

fn same_content(was: &Blob, is: &Blob) -> bool {
    if was.len() != is.len() {
        return false;
    }
    if was.is_empty() {
        return true;
    }
    if let (Some(was), Some(is)) = (digest(was), digest(is)) {
        return was == is;
    }
    match (was.origin(), is.origin()) {
        (Origin::Stream(was), Origin::Stream(is)) => was == is,
        (
            Origin::HostFile { path: was, offset: was_at },
            Origin::HostFile { path: is, offset: is_at },
        ) => was == is && was_at == is_at,
        _ => false,
    }
}

/// The digest, computed when the bytes are at hand.
fn digest(blob: &Blob) -> Option<Digest> {
    let of_bytes = || match blob.origin() {
        Origin::Bytes(bytes) => Some(Digest(*blake3::hash(bytes).as_bytes())),
        _ => None,
    };
    blob.digest().or_else(of_bytes)
}
