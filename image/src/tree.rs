//! A POSIX file tree in memory: names, metadata, hard links; contents stay references.

use std::collections::{BTreeMap, btree_map};

use crate::{Blob, Directory, Inode, InodeId, Kind, Metadata, Walk};

/// The longest name of a directory entry, in bytes (Linux's `NAME_MAX`).
pub const NAME_MAX: usize = 255;
/// The longest target of a symbolic link, in bytes (Linux's `PATH_MAX` less its NUL).
pub const SYMLINK_MAX: usize = 4095;
/// Links followed before a path counts as a loop (Linux's limit).
const LINKS_MAX: usize = 40;

/// Why a change of a tree was refused. Names are shown with escapes for bytes that do not print.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TreeError {
    /// A name that no directory entry can have.
    #[error("name {name:?} {problem}")]
    Name {
        /// The name, escaped.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A link's target that cannot be stored.
    #[error("target of symbolic link {name:?} {problem}")]
    Target {
        /// The link's name, escaped.
        name: String,
        /// What is wrong with the target.
        problem: &'static str,
    },
    /// The name is taken.
    #[error("{name:?} exists already")]
    Exists {
        /// The name, escaped.
        name: String,
    },
    /// An entry was to go into something that is no directory, or a hard link to a directory.
    #[error("{name:?} cannot go there: {problem}")]
    Kind {
        /// The name, escaped.
        name: String,
        /// What stands in the way.
        problem: &'static str,
    },
    /// More inodes or names than 32 bits count.
    #[error("the tree is full at {name:?}: 4294967295 inodes is the limit")]
    Full {
        /// The name that did not fit, escaped.
        name: String,
    },
}

/// Why a path could not be resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// More symbolic links than Linux follows.
    #[error("more than {LINKS_MAX} symbolic links on the way")]
    Loop,
}

/// A POSIX tree. Removed inodes stay in the arena, unreachable, so ids remain valid.
#[derive(Clone, Debug)]
pub struct FileTree {
    inodes: Vec<Inode>,
}

impl FileTree {
    /// A tree with a root directory only.
    #[must_use]
    pub fn new(root: Metadata) -> Self {
        let directory = Directory { entries: BTreeMap::new(), parent: InodeId(0) };
        Self { inodes: vec![Inode { metadata: root, kind: Kind::Directory(directory), names: 1 }] }
    }

    /// The root directory.
    #[must_use]
    pub fn root(&self) -> InodeId {
        InodeId(0)
    }

    /// One more than the largest [`InodeId::index`] so far.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.inodes.len()
    }

    /// An inode of this tree.
    ///
    /// # Panics
    /// If `id` comes from another, larger tree.
    #[must_use]
    pub fn inode(&self, id: InodeId) -> &Inode {
        &self.inodes[id.index()]
    }

    /// An inode's metadata, to change. All names of a hard-linked file change.
    ///
    /// # Panics
    /// If `id` comes from another, larger tree.
    pub fn metadata_mut(&mut self, id: InodeId) -> &mut Metadata {
        &mut self.inodes[id.index()].metadata
    }

    /// The entry `name` of directory `id`, if both exist.
    #[must_use]
    pub fn child(&self, id: InodeId, name: &[u8]) -> Option<InodeId> {
        self.inode(id).as_directory()?.entries.get(name).copied()
    }

    /// The entries of `id`, sorted by name; none when it is no directory.
    pub fn children(&self, id: InodeId) -> impl Iterator<Item = (&[u8], InodeId)> {
        let directory = self.inode(id).as_directory();
        directory.into_iter().flat_map(|d| d.iter().map(|(name, id)| (&**name, *id)))
    }

    /// Follows a path without following symbolic links. Leading, trailing and double slashes and
    /// `.` components do not count; `..` finds nothing.
    #[must_use]
    pub fn lookup(&self, path: &[u8]) -> Option<InodeId> {
        components(path).try_fold(self.root(), |at, name| self.child(at, name))
    }

    /// Follows a path as the kernel would with this tree as its root: symbolic links and `..`
    /// are resolved inside the tree, the last component's link too.
    ///
    /// # Errors
    /// [`ResolveError::Loop`].
    pub fn resolve(&self, path: &[u8]) -> Result<Option<InodeId>, ResolveError> {
        let mut left: Vec<Box<[u8]>> = components(path).rev().map(Into::into).collect();
        let (mut at, mut links) = (self.root(), 0);
        while let Some(name) = left.pop() {
            let Some(directory) = self.inode(at).as_directory() else { return Ok(None) };
            if *name == *b".." {
                at = directory.parent;
                continue;
            }
            let Some(next) = self.child(at, &name) else { return Ok(None) };
            let Kind::Symlink(target) = self.inode(next).kind() else {
                at = next;
                continue;
            };
            links += 1;
            if links > LINKS_MAX {
                return Err(ResolveError::Loop);
            }
            if target.first() == Some(&b'/') {
                at = self.root();
            }
            left.extend(components(target).rev().map(Box::from));
        }
        Ok(Some(at))
    }

    /// Adds an empty directory.
    ///
    /// # Errors
    /// As for [`add_file`](Self::add_file).
    pub fn add_directory(
        &mut self,
        parent: InodeId,
        name: &[u8],
        metadata: Metadata,
    ) -> Result<InodeId, TreeError> {
        let directory = Directory { entries: BTreeMap::new(), parent };
        self.add(parent, name, metadata, Kind::Directory(directory))
    }

    /// Adds a regular file.
    ///
    /// # Errors
    /// [`TreeError`] when the name is taken or cannot be a name, `parent` is no directory, or the
    /// tree is full. The tree is unchanged then.
    pub fn add_file(
        &mut self,
        parent: InodeId,
        name: &[u8],
        metadata: Metadata,
        blob: Blob,
    ) -> Result<InodeId, TreeError> {
        self.add(parent, name, metadata, Kind::File(blob))
    }

    /// Adds an inode of any kind; a [`Kind::Directory`] must come from
    /// [`add_directory`](Self::add_directory).
    ///
    /// # Errors
    /// As for [`add_file`](Self::add_file), and for a link's target that is empty, longer than
    /// [`SYMLINK_MAX`] or has a NUL.
    pub fn add(
        &mut self,
        parent: InodeId,
        name: &[u8],
        metadata: Metadata,
        kind: Kind,
    ) -> Result<InodeId, TreeError> {
        if let Kind::Symlink(target) = &kind {
            check_target(name, target)?;
        }
        let id = u32::try_from(self.inodes.len())
            .ok()
            .filter(|id| *id < u32::MAX)
            .map(InodeId)
            .ok_or_else(|| TreeError::Full { name: escape(name) })?;
        self.enter(parent, name, id)?;
        self.inodes.push(Inode { metadata, kind, names: 1 });
        Ok(id)
    }

    /// Gives `target` one more name.
    ///
    /// # Errors
    /// As for [`add_file`](Self::add_file), and when `target` is a directory or was removed.
    pub fn add_link(
        &mut self,
        parent: InodeId,
        name: &[u8],
        target: InodeId,
    ) -> Result<(), TreeError> {
        let problem = match self.inode(target) {
            inode if inode.as_directory().is_some() => "a directory has one name only",
            inode if inode.names == 0 => "its target was removed",
            inode if inode.names == u32::MAX => "its target has 4294967295 names",
            _ => {
                self.enter(parent, name, target)?;
                self.inodes[target.index()].names += 1;
                return Ok(());
            }
        };
        Err(TreeError::Kind { name: escape(name), problem })
    }

    /// Adds the directories of `path` that are missing, each with `metadata`, and returns the
    /// last. Symbolic links are not followed.
    ///
    /// # Errors
    /// As for [`add_file`](Self::add_file), when a component is something else than a directory.
    pub fn add_directories(
        &mut self,
        path: &[u8],
        metadata: &Metadata,
    ) -> Result<InodeId, TreeError> {
        let mut at = self.root();
        for name in components(path) {
            at = match self.child(at, name) {
                Some(id) => id,
                None => self.add_directory(at, name, metadata.clone())?,
            };
        }
        match self.inode(at).as_directory() {
            Some(_) => Ok(at),
            None => Err(TreeError::Kind { name: escape(path), problem: "it is not a directory" }),
        }
    }

    /// Removes one name; a directory goes with everything below it. Returns the inode that lost
    /// the name, which may have others.
    pub fn remove(&mut self, parent: InodeId, name: &[u8]) -> Option<InodeId> {
        let Kind::Directory(directory) = &mut self.inodes[parent.index()].kind else {
            return None;
        };
        let removed = directory.entries.remove(name)?;
        let mut lost = vec![removed];
        while let Some(id) = lost.pop() {
            let inode = &mut self.inodes[id.index()];
            inode.names -= 1;
            if let Kind::Directory(directory) = &mut inode.kind {
                lost.extend(std::mem::take(&mut directory.entries).into_values());
            }
        }
        Some(removed)
    }

    /// Replaces the content of a regular file, under all its names.
    ///
    /// # Errors
    /// [`TreeError::Kind`] when `id` is no regular file.
    pub fn set_content(&mut self, id: InodeId, blob: Blob) -> Result<(), TreeError> {
        match &mut self.inodes[id.index()].kind {
            Kind::File(content) => {
                *content = blob;
                Ok(())
            }
            _ => Err(TreeError::Kind {
                name: format!("inode {}", id.index()),
                problem: "it is not a regular file",
            }),
        }
    }

    /// Every name below the root, depth first, each directory before its entries and these in
    /// order of their names. A hard-linked inode comes once for each name.
    #[must_use]
    pub fn walk(&self) -> Walk<'_> {
        let root = self.inode(self.root()).as_directory();
        Walk {
            tree: self,
            stack: root.map(|root| (0, root.iter())).into_iter().collect(),
            path: Vec::new(),
        }
    }

    fn enter(&mut self, parent: InodeId, name: &[u8], id: InodeId) -> Result<(), TreeError> {
        check_name(name)?;
        let Kind::Directory(directory) = &mut self.inodes[parent.index()].kind else {
            return Err(TreeError::Kind {
                name: escape(name),
                problem: "its parent is not a directory",
            });
        };
        match directory.entries.entry(name.into()) {
            btree_map::Entry::Vacant(entry) => {
                entry.insert(id);
                Ok(())
            }
            btree_map::Entry::Occupied(_) => Err(TreeError::Exists { name: escape(name) }),
        }
    }
}

/// The components of a path, without empty ones and `.`.
fn components(path: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/').filter(|name| !matches!(*name, b"" | b"."))
}

fn check_name(name: &[u8]) -> Result<(), TreeError> {
    let problem = match name {
        b"" => "is empty",
        b"." | b".." => "is reserved",
        name if name.len() > NAME_MAX => "is longer than 255 bytes",
        name if name.contains(&b'/') => "has a slash",
        name if name.contains(&0) => "has a NUL",
        _ => return Ok(()),
    };
    Err(TreeError::Name { name: escape(name), problem })
}

fn check_target(name: &[u8], target: &[u8]) -> Result<(), TreeError> {
    let problem = match target {
        b"" => "is empty",
        target if target.len() > SYMLINK_MAX => "is longer than 4095 bytes",
        target if target.contains(&0) => "has a NUL",
        _ => return Ok(()),
    };
    Err(TreeError::Target { name: escape(name), problem })
}

/// A name as text for messages, at most 255 bytes of it.
fn escape(name: &[u8]) -> String {
    String::from_utf8_lossy(&name[..name.len().min(NAME_MAX)]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> FileTree {
        let mut tree = FileTree::new(Metadata::directory(0o755));
        let usr = tree.add_directory(tree.root(), b"usr", Metadata::directory(0o755)).unwrap();
        let lib = tree.add_directory(usr, b"lib", Metadata::directory(0o755)).unwrap();
        let so = tree.add_file(lib, b"a.so", Metadata::file(0o644), "x".into()).unwrap();
        tree.add_link(lib, b"b.so", so).unwrap();
        for (name, target) in
            [("lib", "usr/lib"), ("abs", "/lib/a.so"), ("up", "usr/../../../lib"), ("loop", "loop")]
        {
            let kind = Kind::Symlink(target.as_bytes().into());
            tree.add(tree.root(), name.as_bytes(), Metadata::file(0o777), kind).unwrap();
        }
        tree
    }

    #[test]
    fn lookup_takes_names_literally_and_resolve_follows_links_inside_the_root() {
        let tree = sample();
        let so = tree.lookup(b"/usr//lib/./a.so");
        assert!(so.is_some());
        assert_eq!(tree.lookup(b"lib/a.so"), None);
        for path in ["lib/a.so", "abs", "up/b.so", "/../up/../lib/a.so"] {
            assert_eq!(tree.resolve(path.as_bytes()), Ok(so), "{path}");
        }
        assert_eq!(tree.resolve(b"usr/lib/a.so/x"), Ok(None));
        assert_eq!(tree.resolve(b"nothing/.."), Ok(None));
        assert_eq!(tree.resolve(b"loop"), Err(ResolveError::Loop));
    }

    #[test]
    fn names_are_counted_and_go_with_their_directory() {
        let mut tree = sample();
        let so = tree.lookup(b"usr/lib/a.so").unwrap();
        assert_eq!(tree.inode(so).names(), 2);
        tree.add_link(tree.root(), b"kept", so).unwrap();
        tree.remove(tree.root(), b"usr").unwrap();
        assert_eq!(tree.inode(so).names(), 1);
        assert_eq!(tree.lookup(b"usr"), None);
        assert_eq!(tree.remove(tree.root(), b"usr"), None);
        assert_eq!(tree.lookup(b"kept"), Some(so));
        tree.remove(tree.root(), b"kept").unwrap();
        let error = tree.add_link(tree.root(), b"again", so).unwrap_err();
        assert_eq!(error.to_string(), r#""again" cannot go there: its target was removed"#);
    }

    #[test]
    fn walk_visits_directories_before_their_entries_in_order_of_names() {
        let paths: Vec<_> = sample().walk().map(|w| String::from_utf8(w.path).unwrap()).collect();
        assert_eq!(
            paths,
            ["abs", "lib", "loop", "up", "usr", "usr/lib", "usr/lib/a.so", "usr/lib/b.so"]
        );
    }

    #[test]
    fn names_and_targets_that_no_file_system_holds_are_refused() {
        let mut tree = sample();
        let root = tree.root();
        let long = vec![b'n'; 256];
        for (name, message) in [
            (&b""[..], r#"name "" is empty"#),
            (b"..", r#"name ".." is reserved"#),
            (b"a/b", r#"name "a/b" has a slash"#),
            (b"a\0", r#"name "a\0" has a NUL"#),
            (b"usr", r#""usr" exists already"#),
        ] {
            let error = tree.add_directory(root, name, Metadata::default()).unwrap_err();
            assert_eq!(error.to_string(), message);
        }
        let error = tree.add_directory(root, &long, Metadata::default()).unwrap_err();
        assert!(error.to_string().ends_with("is longer than 255 bytes"));
        assert!(tree.add_directory(root, &long[1..], Metadata::default()).is_ok());

        for (target, message) in [
            (vec![], r#"target of symbolic link "l" is empty"#),
            (vec![b't'; 4096], r#"target of symbolic link "l" is longer than 4095 bytes"#),
            (b"a\0b".to_vec(), r#"target of symbolic link "l" has a NUL"#),
        ] {
            let kind = Kind::Symlink(target.into());
            let error = tree.add(root, b"l", Metadata::default(), kind).unwrap_err();
            assert_eq!(error.to_string(), message);
        }
        let usr = tree.lookup(b"usr").unwrap();
        let error = tree.add_link(root, b"hard", usr).unwrap_err();
        assert_eq!(error.to_string(), r#""hard" cannot go there: a directory has one name only"#);
        let so = tree.lookup(b"usr/lib/a.so").unwrap();
        let error = tree.add_file(so, b"x", Metadata::default(), "".into()).unwrap_err();
        assert_eq!(error.to_string(), r#""x" cannot go there: its parent is not a directory"#);
    }
}
