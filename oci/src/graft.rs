//! Parts of one tree into another. Both must have their contents in one space of keys, which
//! [`Stack::finish_into`](crate::Stack::finish_into) gives; contents are shared, not copied.

use std::collections::BTreeMap;

use bootwright_image::{Directory, FileTree, InodeId, Kind, Metadata, TreeError};

use crate::error::escape;

/// Links followed before a path counts as a loop (Linux's limit).
const LINKS_MAX: usize = 40;
/// Directories below each other in a tree that grafts make.
const DEPTH_MAX: usize = 1024;

/// Why something could not be grafted. Paths are shown with escapes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GraftError {
    /// A directory and something else want one name, and the rules let neither win.
    #[error("{path}: {problem}")]
    Kind {
        /// The path in the tree that grows.
        path: String,
        /// What stands against what.
        problem: &'static str,
    },
    /// More links than Linux follows.
    #[error("{path}: more than {LINKS_MAX} symbolic links on the way")]
    Loop {
        /// The path.
        path: String,
    },
    /// A name that the tree cannot take.
    #[error("cannot place {path}")]
    Tree {
        /// The path.
        path: String,
        /// The cause.
        source: TreeError,
    },
    /// More directories below each other than a tree may have.
    #[error("{path}: more than {DEPTH_MAX} directories below each other")]
    TooDeep {
        /// The path.
        path: String,
    },
}

/// What happens where something is already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overwrite {
    /// As a Dockerfile's `COPY` has it in BuildKit: a directory over a directory gives it its own
    /// metadata, files and links replace each other, and a directory and anything else exclude
    /// each other.
    Copy,
    /// The same, but a directory over a symbolic link that leads to a directory goes through the
    /// link, as for an image whose `/lib` is a directory over one whose `/lib` is a link.
    Merge,
    /// As an overlay: directories that exist, also behind a symbolic link, stay as they are, and
    /// everything else is replaced.
    Overlay,
}

/// Where a path leads when symbolic links are followed inside the root, the last one too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The deepest directory on the way.
    pub directory: InodeId,
    /// What lies below it: nothing when the path leads to that directory itself, one name when it
    /// leads to something that is no directory or is missing, several when directories are missing.
    pub rest: Vec<Box<[u8]>>,
}

impl Location {
    /// Follows `path` from the root of `tree`. `..` goes up, and stays at the root.
    ///
    /// # Errors
    /// [`GraftError::Loop`], and [`GraftError::Kind`] when something else than a directory stands
    /// on the way.
    pub fn find(tree: &FileTree, path: &[u8]) -> Result<Self, GraftError> {
        let mut at = Self { directory: tree.root(), rest: Vec::new() };
        let mut left: Vec<Box<[u8]>> = components(path).rev().map(Into::into).collect();
        let mut links = 0;
        while let Some(name) = left.pop() {
            if let Some(child) = at.entry(tree) {
                let problem = "it is not a directory";
                debug_assert!(tree.inode(child).as_directory().is_none());
                return Err(GraftError::Kind { path: shown(path), problem });
            }
            if *name == *b".." {
                if at.rest.pop().is_none() {
                    let directory = tree.inode(at.directory).as_directory();
                    at.directory = directory.map_or(at.directory, Directory::parent);
                }
                continue;
            }
            let child = tree.child(at.directory, &name).filter(|_| at.rest.is_empty());
            match child.map(|child| (child, tree.inode(child).kind())) {
                Some((child, Kind::Directory(_))) => at.directory = child,
                Some((_, Kind::Symlink(target))) => {
                    links += 1;
                    if links > LINKS_MAX {
                        return Err(GraftError::Loop { path: shown(path) });
                    }
                    if target.first() == Some(&b'/') {
                        at.directory = tree.root();
                    }
                    left.extend(components(target).rev().map(Box::from));
                }
                _ => at.rest.push(name),
            }
        }
        Ok(at)
    }

    /// The entry that the path leads to when it exists and is no directory.
    #[must_use]
    pub fn entry(&self, tree: &FileTree) -> Option<InodeId> {
        let [name] = &self.rest[..] else { return None };
        tree.child(self.directory, name)
    }

    /// Whether the path leads to a directory.
    #[must_use]
    pub fn is_directory(&self) -> bool {
        self.rest.is_empty()
    }

    /// The directory, made with `metadata` where parts of it are missing.
    ///
    /// # Errors
    /// [`GraftError`], when the path leads to something else or cannot be made.
    pub fn make(&self, tree: &mut FileTree, metadata: &Metadata) -> Result<InodeId, GraftError> {
        if self.entry(tree).is_some() {
            let path = shown(self.rest.first().map_or(b"", |name| name));
            return Err(GraftError::Kind { path, problem: "it is not a directory" });
        }
        let mut at = self.directory;
        for name in &self.rest {
            if depth(tree, at) >= DEPTH_MAX {
                return Err(GraftError::TooDeep { path: escape(name) });
            }
            let failed = |source| GraftError::Tree { path: escape(name), source };
            at = tree.add_directory(at, name, metadata.clone()).map_err(failed)?;
        }
        Ok(at)
    }
}

/// Which entries go along, by their paths below the directory that is grafted, and with which
/// metadata. What [`Graft::entry`] is asked for itself always goes along.
pub trait Adapt {
    /// Whether the entry at `path` is left out, with everything below it.
    fn leaves_out(&self, path: &[u8], is_directory: bool) -> bool {
        let _ = (path, is_directory);
        false
    }

    /// Changes what the entry is to have.
    fn change(&self, kind: &Kind, metadata: &mut Metadata) {
        let _ = (kind, metadata);
    }
}

/// Takes everything as it is.
impl Adapt for () {}

/// Copies parts of one tree into another. Hard links stay links among what one value grafts.
pub struct Graft<'a> {
    from: &'a FileTree,
    overwrite: Overwrite,
    adapt: &'a dyn Adapt,
    links: BTreeMap<InodeId, InodeId>,
}

impl<'a> Graft<'a> {
    /// Grafts from this tree.
    #[must_use]
    pub fn new(from: &'a FileTree, overwrite: Overwrite, adapt: &'a dyn Adapt) -> Self {
        Self { from, overwrite, adapt, links: BTreeMap::new() }
    }

    /// Puts the entries of the directory `id` into the directory `to`, whose own metadata stays.
    ///
    /// # Errors
    /// [`GraftError`]; what was grafted before stays.
    pub fn entries(
        &mut self,
        id: InodeId,
        tree: &mut FileTree,
        to: InodeId,
    ) -> Result<(), GraftError> {
        let depth = depth(tree, to);
        let mut open = vec![(id, to, Vec::new(), depth)];
        // Last in, first out: entries of a directory go in reverse order of their names, which
        // nothing depends on.
        while let Some((id, to, path, depth)) = open.pop() {
            for (name, child) in self.from.children(id) {
                let path = join(&path, name);
                let is_directory = self.from.inode(child).as_directory().is_some();
                if self.adapt.leaves_out(&path, is_directory) {
                    continue;
                }
                let made = self.one(child, tree, to, name, &path)?;
                if let Some(made) = made {
                    if depth >= DEPTH_MAX {
                        return Err(GraftError::TooDeep { path: shown(&path) });
                    }
                    open.push((child, made, path, depth + 1));
                }
            }
        }
        Ok(())
    }

    /// Puts `id`, and what lies below it, at `name` into the directory `to`.
    ///
    /// # Errors
    /// [`GraftError`]; what was grafted before stays.
    pub fn entry(
        &mut self,
        id: InodeId,
        tree: &mut FileTree,
        to: InodeId,
        name: &[u8],
    ) -> Result<(), GraftError> {
        match self.one(id, tree, to, name, name)? {
            Some(made) => self.entries(id, tree, made),
            None => Ok(()),
        }
    }

    /// Puts one inode in its place; the directory that its entries go into when it has some.
    fn one(
        &mut self,
        id: InodeId,
        tree: &mut FileTree,
        to: InodeId,
        name: &[u8],
        path: &[u8],
    ) -> Result<Option<InodeId>, GraftError> {
        let inode = self.from.inode(id);
        let failed = |source| GraftError::Tree { path: shown(path), source };
        let mut metadata = inode.metadata.clone();
        self.adapt.change(inode.kind(), &mut metadata);
        let there = tree.child(to, name);
        if inode.as_directory().is_some() {
            if let Some(there) = there
                && let Some(kept) = self.over_existing(tree, to, name, there, &metadata, path)?
            {
                return Ok(Some(kept));
            }
            return tree.add_directory(to, name, metadata).map(Some).map_err(failed);
        }
        if let Some(there) = there {
            let is_directory = tree.inode(there).as_directory().is_some();
            if is_directory && self.overwrite != Overwrite::Overlay {
                let problem = "a directory is there, and no file can take its place";
                return Err(GraftError::Kind { path: shown(path), problem });
            }
            if self.links.get(&id) == Some(&there) {
                return Ok(None);
            }
            tree.remove(to, name);
        }
        if inode.names() > 1 {
            let live = self.links.get(&id).copied().filter(|made| tree.inode(*made).names() > 0);
            if let Some(made) = live {
                tree.add_link(to, name, made).map_err(failed)?;
                return Ok(None);
            }
        }
        let made = tree.add(to, name, metadata, inode.kind().clone()).map_err(failed)?;
        self.links.insert(id, made);
        Ok(None)
    }

    /// A directory over something that exists: what takes its entries, or `None` when the way is
    /// free for a new one.
    fn over_existing(
        &self,
        tree: &mut FileTree,
        to: InodeId,
        name: &[u8],
        there: InodeId,
        metadata: &Metadata,
        path: &[u8],
    ) -> Result<Option<InodeId>, GraftError> {
        let kind = tree.inode(there).kind();
        match (kind, self.overwrite) {
            (Kind::Directory(_), Overwrite::Overlay) => return Ok(Some(there)),
            (Kind::Directory(_), _) => {
                *tree.metadata_mut(there) = metadata.clone();
                return Ok(Some(there));
            }
            (Kind::Symlink(_), Overwrite::Overlay | Overwrite::Merge) => {
                let link = join(&path_of(tree, to), name);
                if let Ok(location) = Location::find(tree, &link)
                    && location.is_directory()
                {
                    return Ok(Some(location.directory));
                }
            }
            _ => {}
        }
        if self.overwrite != Overwrite::Overlay {
            let problem = "what is there is not a directory, and no directory can take its place";
            return Err(GraftError::Kind { path: shown(path), problem });
        }
        tree.remove(to, name);
        Ok(None)
    }
}

impl std::fmt::Debug for Graft<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Graft").field("overwrite", &self.overwrite).finish_non_exhaustive()
    }
}

/// Directories above `id`.
fn depth(tree: &FileTree, id: InodeId) -> usize {
    ancestors(tree, id).count() - 1
}

/// `id` and every directory above it, the root last.
fn ancestors(tree: &FileTree, id: InodeId) -> impl Iterator<Item = InodeId> {
    std::iter::successors(Some(id), move |id| {
        let parent = tree.inode(*id).as_directory().map(Directory::parent)?;
        (parent != *id).then_some(parent)
    })
}

/// The path of a directory.
fn path_of(tree: &FileTree, id: InodeId) -> Vec<u8> {
    let chain: Vec<_> = ancestors(tree, id).collect();
    chain.windows(2).rev().fold(Vec::new(), |path, pair| {
        let name = tree.children(pair[1]).find(|(_, child)| *child == pair[0]);
        join(&path, name.map_or(b"", |(name, _)| name))
    })
}

fn join(path: &[u8], name: &[u8]) -> Vec<u8> {
    if path.is_empty() { name.to_vec() } else { [path, b"/", name].concat() }
}

fn shown(path: &[u8]) -> String {
    format!("/{}", escape(path).trim_start_matches('/'))
}

/// The components of a path, without empty ones and `.`.
fn components(path: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/').filter(|name| !matches!(*name, b"" | b"."))
}
