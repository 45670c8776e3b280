//! The tree of the medium: what goes onto the ISO beside the root file system, and who put it
//! there.

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use bootwright_image::{
    Blob, FileTree, InodeId, Kind, Metadata, Observer, Origin, Timestamp, TreeError,
};
use bootwright_oci::{Limits, Options, Stack};

use sha2::{Digest, Sha256};

use super::{MenuEdits, RecipeError};

/// Where the running system's GRUB looks for its menu.
pub(super) const MENU: &[u8] = b"boot/grub2/grub.cfg";

/// Largest content that [`Medium::fingerprint`] reads; of larger ones only the length counts.
const FINGERPRINTED: u64 = 1 << 20;

/// The medium's tree under construction. Every path has one owner; a second one is an error, so
/// that no input can silently hide another.
#[derive(Debug)]
pub(in crate::recipe) struct Medium {
    tree: FileTree,
    time: Timestamp,
    /// For each file the input it comes from, in words for messages.
    owners: BTreeMap<Vec<u8>, String>,
    menu: MenuEdits,
}

impl Medium {
    /// An empty medium; everything on it belongs to root and carries `time`.
    pub(in crate::recipe) fn new(time: Timestamp) -> Self {
        let root = Metadata { mtime: time, ..Metadata::directory(0o755) };
        Self {
            tree: FileTree::new(root),
            time,
            owners: BTreeMap::new(),
            menu: MenuEdits::default(),
        }
    }

    /// What becomes of menus in folders laid over the medium from now on.
    pub(super) fn edit_menus(&mut self, edits: MenuEdits) {
        self.menu = edits;
    }

    pub(in crate::recipe) fn into_tree(self) -> FileTree {
        self.tree
    }

    /// What lies where: path and owner, sorted.
    pub(super) fn placed(&self) -> Vec<(String, String)> {
        self.owners.iter().map(|(path, owner)| (display(path), owner.clone())).collect()
    }

    /// Bytes of the contents that are known so far.
    pub(super) fn stored_len(&self) -> u64 {
        let len = |blob: &Blob| match blob.origin() {
            Origin::Deferred => 0,
            _ => blob.len(),
        };
        self.tree
            .walk()
            .filter_map(|walked| self.tree.inode(walked.id).as_file().map(len))
            .fold(0, u64::saturating_add)
    }

    /// A digest of paths, lengths and contents, these up to [`FINGERPRINTED`] bytes each.
    pub(super) fn fingerprint(&self) -> Result<[u8; 32], RecipeError> {
        let mut hash = Sha256::new();
        for walked in self.tree.walk() {
            hash.update(&walked.path);
            hash.update([0]);
            let Some(blob) = self.tree.inode(walked.id).as_file() else { continue };
            hash.update(blob.len().to_le_bytes());
            if blob.len() <= FINGERPRINTED && !matches!(blob.origin(), Origin::Deferred) {
                hash.update(read(blob, &walked.path)?);
            }
        }
        Ok(hash.finalize().into())
    }

    /// Puts one file at `path`; missing folders are made.
    pub(in crate::recipe) fn add(
        &mut self,
        path: &[u8],
        mode: u16,
        blob: Blob,
        owner: &str,
    ) -> Result<InodeId, RecipeError> {
        self.add_kind(path, mode, Kind::File(blob), owner)
    }

    /// Puts the file `input` of the build host at `path`.
    pub(in crate::recipe) fn add_host_file(
        &mut self,
        path: &[u8],
        mode: u16,
        input: &Path,
        owner: &str,
    ) -> Result<InodeId, RecipeError> {
        let read = |source| RecipeError::Read { path: input.into(), source };
        let metadata = fs::metadata(input).map_err(read)?;
        if !metadata.is_file() {
            return Err(RecipeError::NotAFile { path: input.into() });
        }
        self.add(path, mode, Blob::host_file(input.into(), 0, metadata.len()), owner)
    }

    /// Whether something is at `path` already.
    pub(super) fn has(&self, path: &[u8]) -> bool {
        self.owners.contains_key(path)
    }

    /// Lays folders over the medium, in order; see [`graft`](Self::graft).
    pub(in crate::recipe) fn add_overlays(
        &mut self,
        folders: &[PathBuf],
        jobs: NonZeroUsize,
        observer: &dyn Observer,
    ) -> Result<(), RecipeError> {
        if folders.is_empty() {
            return Ok(());
        }
        let options = Options { architecture: String::new(), limits: Limits::default(), jobs };
        let mut stack = Stack::new(options, observer);
        for folder in folders {
            stack.add_overlay(folder)?;
        }
        self.graft(&stack.finish()?.tree, "--overlay-iso")
    }

    /// Grafts the tree of a folder or an archive. Modes become 0755 or 0644 and owners root, so that the medium does
    /// not depend on the umask and user of whoever checked the folder out.
    pub(in crate::recipe) fn graft(
        &mut self,
        overlay: &FileTree,
        owner: &str,
    ) -> Result<(), RecipeError> {
        for item in overlay.walk() {
            let inode = overlay.inode(item.id);
            let mode = if inode.metadata.mode & 0o111 == 0 { 0o644 } else { 0o755 };
            match inode.kind() {
                Kind::Directory(_) => {
                    self.folder(&item.path)?;
                }
                Kind::File(blob) if item.path == MENU => {
                    let text = read(blob, &item.path)?;
                    self.add(MENU, mode, self.menu.apply(&text).into(), owner)?;
                }
                Kind::File(blob) => {
                    self.add(&item.path, mode, blob.clone(), owner)?;
                }
                Kind::Symlink(target) => {
                    self.add_kind(&item.path, 0o777, Kind::Symlink(target.clone()), owner)?;
                }
                _ => return Err(RecipeError::SpecialFile { path: display(&item.path) }),
            }
        }
        Ok(())
    }

    fn add_kind(
        &mut self,
        path: &[u8],
        mode: u16,
        kind: Kind,
        owner: &str,
    ) -> Result<InodeId, RecipeError> {
        if let Some(first) = self.owners.get(path) {
            return Err(RecipeError::Conflict {
                path: display(path),
                first: first.clone(),
                second: owner.into(),
            });
        }
        let (folder, name) = match path.iter().rposition(|byte| *byte == b'/') {
            Some(slash) => (&path[..slash], &path[slash + 1..]),
            None => (&b""[..], path),
        };
        let folder = self.folder(folder)?;
        let metadata = Metadata { mtime: self.time, ..Metadata::file(mode) };
        let id = self.tree.add(folder, name, metadata, kind).map_err(|e| at(path, e))?;
        self.owners.insert(path.into(), owner.into());
        Ok(id)
    }

    fn folder(&mut self, path: &[u8]) -> Result<InodeId, RecipeError> {
        let metadata = Metadata { mtime: self.time, ..Metadata::directory(0o755) };
        self.tree.add_directories(path, &metadata).map_err(|e| at(path, e))
    }
}

fn read(blob: &Blob, path: &[u8]) -> Result<Vec<u8>, RecipeError> {
    use std::io::Read;
    let mut content = Vec::new();
    let host = match blob.origin() {
        Origin::HostFile { path, .. } => path.to_path_buf(),
        _ => std::ffi::OsStr::from_bytes(path).into(),
    };
    blob.open()
        .and_then(|mut reader| reader.read_to_end(&mut content))
        .map_err(|source| RecipeError::Read { path: host, source })?;
    Ok(content)
}

fn at(path: &[u8], source: TreeError) -> RecipeError {
    RecipeError::Place { path: display(path), source }
}

fn display(path: &[u8]) -> String {
    format!("/{}", String::from_utf8_lossy(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_owner_of_a_path_is_refused() {
        let mut medium = Medium::new(Timestamp(1));
        medium.add(b"boot/kernel", 0o644, "k".into(), "the kernel").unwrap();
        let error = medium.add(b"boot/kernel", 0o644, "x".into(), "--overlay-iso").unwrap_err();
        assert_eq!(
            error.to_string(),
            "/boot/kernel would come from both the kernel and --overlay-iso"
        );
        let error = medium.add(b"boot/kernel/x", 0o644, "x".into(), "--user-data").unwrap_err();
        assert_eq!(error.to_string(), "cannot place /boot/kernel on the medium");
    }

    #[test]
    fn grafted_files_lose_owner_and_umask() {
        let mut overlay = FileTree::new(Metadata::directory(0o700));
        let root = overlay.root();
        for (name, mode) in [(&b"plain"[..], 0o600), (b"tool", 0o711)] {
            let metadata = Metadata { uid: 1000, mtime: Timestamp(99), ..Metadata::file(mode) };
            overlay.add_file(root, name, metadata, "x".into()).unwrap();
        }
        let mut medium = Medium::new(Timestamp(7));
        medium.graft(&overlay, "--overlay-iso").unwrap();
        let tree = medium.into_tree();
        for (name, mode) in [(&b"plain"[..], 0o644), (b"tool", 0o755)] {
            let inode = tree.inode(tree.lookup(name).unwrap());
            let expected = Metadata { mtime: Timestamp(7), ..Metadata::file(mode) };
            assert_eq!(inode.metadata, expected);
        }
    }
}
