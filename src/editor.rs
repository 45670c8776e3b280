//! Small changes to a root file system: what `cp`, `rm`, `ln` and `sed` do on a disk, done on a
//! tree. Paths are from the root; symbolic links in their parent part are followed inside it.

use bootwright_image::{
    Blob, ContentError, FileTree, InodeId, Kind, Metadata, Observer, Streams, Timestamp, TreeError,
    collect,
};
use bootwright_oci::{GraftError, Location};

/// The largest file, in bytes, that is read to be changed.
pub const FILE_MAX: u64 = 16 << 20;

/// Why a file could not be read or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// The path leads nowhere, or through something that is no directory.
    #[error("cannot reach {path}")]
    Path {
        /// The path.
        path: String,
        /// The cause.
        source: GraftError,
    },
    /// A name that cannot be taken.
    #[error("cannot make {path}")]
    Make {
        /// The path.
        path: String,
        /// The cause.
        source: TreeError,
    },
    /// A file that has to be there.
    #[error("{path} is missing: {needed}")]
    Missing {
        /// The path.
        path: String,
        /// What it is needed for.
        needed: &'static str,
    },
    /// Something else than a file where a file is needed.
    #[error("{path} is not a regular file")]
    NotAFile {
        /// The path.
        path: String,
    },
    /// Its content.
    #[error("cannot read {path}")]
    Content {
        /// The path.
        path: String,
        /// The cause.
        source: Box<ContentError>,
    },
}

/// Reads and changes a tree.
pub struct Editor<'a> {
    /// The root file system.
    pub tree: &'a mut FileTree,
    /// Delivers contents that lie in layers.
    pub streams: &'a dyn Streams,
    /// The time of what is made or written.
    pub time: Timestamp,
    /// Warnings.
    pub observer: &'a dyn Observer,
}

impl std::fmt::Debug for Editor<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Editor").field("time", &self.time).finish_non_exhaustive()
    }
}

impl Editor<'_> {
    /// What is at `path`, the last link followed too.
    ///
    /// # Errors
    /// None beside those of [`read`](Self::read): a path that leads nowhere finds nothing.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<InodeId> {
        let location = Location::find(self.tree, path.as_bytes()).ok()?;
        if location.is_directory() { Some(location.directory) } else { location.entry(self.tree) }
    }

    /// Whether a regular file is at `path`.
    #[must_use]
    pub fn is_file(&self, path: &str) -> bool {
        self.find(path).is_some_and(|id| self.tree.inode(id).as_file().is_some())
    }

    /// Whether a directory is at `path`.
    #[must_use]
    pub fn is_directory(&self, path: &str) -> bool {
        self.find(path).is_some_and(|id| self.tree.inode(id).as_directory().is_some())
    }

    /// The names in a directory, sorted; none when there is no such directory.
    #[must_use]
    pub fn names(&self, path: &str) -> Vec<Vec<u8>> {
        let id = self.find(path);
        id.map_or(Vec::new(), |id| self.tree.children(id).map(|(n, _)| n.to_vec()).collect())
    }

    /// The content of the file at `path`, if there is one.
    ///
    /// # Errors
    /// [`EditError::Content`], also for a file larger than [`FILE_MAX`].
    pub fn read(&self, path: &str) -> Result<Option<Vec<u8>>, EditError> {
        let Some(id) = self.find(path) else { return Ok(None) };
        if self.tree.inode(id).as_file().is_none() {
            return Err(EditError::NotAFile { path: path.to_owned() });
        }
        Ok(Some(self.read_all(&[(path.to_owned(), id)])?.remove(0)))
    }

    /// The contents of several files, in their order, with one pass over each layer.
    ///
    /// # Errors
    /// As for [`read`](Self::read); [`FILE_MAX`] bounds them together.
    pub fn read_all(&self, files: &[(String, InodeId)]) -> Result<Vec<Vec<u8>>, EditError> {
        let ids: Vec<_> = files.iter().map(|(_, id)| *id).collect();
        let path = || files.first().map_or(String::new(), |(path, _)| path.clone());
        collect(self.tree, self.streams, &ids, FILE_MAX, self.observer)
            .map_err(|source| EditError::Content { path: path(), source: Box::new(source) })
    }

    /// Writes as a shell's `>` does: a file that is there keeps its metadata and all its names;
    /// a new one has mode 0644 and owner 0:0.
    ///
    /// # Errors
    /// [`EditError`].
    pub fn write(&mut self, path: &str, content: Vec<u8>) -> Result<(), EditError> {
        match self.find(path) {
            Some(id) => {
                let not_a_file = |_| EditError::NotAFile { path: path.to_owned() };
                self.tree.set_content(id, content.into()).map_err(not_a_file)?;
                self.tree.metadata_mut(id).mtime = self.time;
                Ok(())
            }
            None => self.create(path, Kind::File(content.into()), 0o644).map(|_| ()),
        }
    }

    /// Replaces the content as `sed -i` does: a new file with the old one's mode and owner, under
    /// this name only.
    ///
    /// # Errors
    /// [`EditError`].
    pub fn replace(&mut self, path: &str, content: Vec<u8>) -> Result<(), EditError> {
        let id = self.find(path);
        let metadata = id.map(|id| self.tree.inode(id).metadata.clone());
        let metadata = metadata.unwrap_or_else(|| Metadata::file(0o644));
        let id = self.create(path, Kind::File(content.into()), 0)?;
        *self.tree.metadata_mut(id) = Metadata { mtime: self.time, ..metadata };
        Ok(())
    }

    /// Puts a new inode at `path`, which must not be a directory; missing directories are made.
    ///
    /// # Errors
    /// [`EditError`].
    pub fn create(&mut self, path: &str, kind: Kind, mode: u16) -> Result<InodeId, EditError> {
        let (parent, name) = self.parent(path)?;
        self.tree.remove(parent, name.as_bytes());
        let metadata = Metadata { mtime: self.time, ..Metadata::file(mode) };
        let failed = |source| EditError::Make { path: path.to_owned(), source };
        self.tree.add(parent, name.as_bytes(), metadata, kind).map_err(failed)
    }

    /// A file with this content and mode in the place of whatever was there.
    ///
    /// # Errors
    /// [`EditError`].
    pub fn put(&mut self, path: &str, content: Blob, mode: u16) -> Result<(), EditError> {
        self.create(path, Kind::File(content), mode).map(|_| ())
    }

    /// `ln -sf`: a link in the place of whatever was there.
    ///
    /// # Errors
    /// [`EditError`].
    pub fn symlink(&mut self, path: &str, target: &str) -> Result<(), EditError> {
        self.create(path, Kind::Symlink(target.as_bytes().into()), 0o777).map(|_| ())
    }

    /// `mkdir -p`: directories that are there stay as they are.
    ///
    /// # Errors
    /// [`EditError`].
    pub fn make_directory(&mut self, path: &str) -> Result<InodeId, EditError> {
        let failed = |source| EditError::Path { path: path.to_owned(), source };
        let metadata = Metadata { mtime: self.time, ..Metadata::directory(0o755) };
        let location = Location::find(self.tree, path.as_bytes()).map_err(failed)?;
        location.make(self.tree, &metadata).map_err(failed)
    }

    /// `rm -rf`: whether something was there.
    pub fn remove(&mut self, path: &str) -> bool {
        let (parent, name) = split(path);
        match Location::find(self.tree, parent.as_bytes()) {
            Ok(location) if location.is_directory() => {
                self.tree.remove(location.directory, name.as_bytes()).is_some()
            }
            _ => false,
        }
    }

    /// Removes what is in a directory, but for the names that `keep` says yes to.
    pub fn empty(&mut self, path: &str, keep: impl Fn(&[u8]) -> bool) {
        let Some(id) = self.find(path) else { return };
        for name in self.names(path).iter().filter(|name| !keep(name)) {
            self.tree.remove(id, name);
        }
    }

    /// The directory that `path` lies in, made where it is missing, and the last name.
    fn parent<'b>(&mut self, path: &'b str) -> Result<(InodeId, &'b str), EditError> {
        let (parent, name) = split(path);
        Ok((self.make_directory(parent)?, name))
    }
}

/// The part before the last slash, and the part after it.
fn split(path: &str) -> (&str, &str) {
    path.trim_end_matches('/').rsplit_once('/').unwrap_or(("", path))
}
