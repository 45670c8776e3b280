//! Digests of what lies in an image: the disk's identifiers come from them, and so from the files
//! and not from where the image has them.

use bootwright_image::{BoxError, ContentSink, Digest, FileTree, InodeId, Observer, deliver};
use bootwright_partitions::ext::Contents;
use std::io::{Read, Seek};

use crate::recipe::RecipeError;

/// What digests of contents with holes are made for: they are no digests of bytes alone.
const SPARSE: &str = "bootwright 2026 content with holes";

/// Reads all contents and gives them their digests.
pub(super) fn add<R: Read + Seek>(
    tree: &mut FileTree,
    contents: &Contents<R>,
    observer: &dyn Observer,
) -> Result<(), RecipeError> {
    let mut files: Vec<InodeId> = tree.walk().map(|walked| walked.id).collect();
    files.sort_unstable();
    files.dedup();
    let mut digests = Digests::default();
    deliver(tree, contents, files, &mut digests, observer)?;
    for (inode, digest) in digests.done {
        if let Some(blob) = tree.inode(inode).as_file().cloned() {
            let set = tree.set_content(inode, blob.with_digest(digest));
            set.map_err(|source| RecipeError::Place { path: "a file".into(), source })?;
        }
    }
    Ok(())
}

#[derive(Default)]
struct Digests {
    done: Vec<(InodeId, Digest)>,
    inode: Option<InodeId>,
    /// Of the bytes that are stored.
    data: blake3::Hasher,
    /// Where holes are: position and length.
    holes: Vec<(u64, u64)>,
    position: u64,
}

impl ContentSink for Digests {
    fn begin(&mut self, inode: InodeId, _: u64) -> Result<(), BoxError> {
        self.inode = Some(inode);
        self.position = 0;
        self.holes.clear();
        self.data.reset();
        Ok(())
    }

    fn data(&mut self, bytes: &[u8]) -> Result<(), BoxError> {
        self.data.update(bytes);
        self.position += bytes.len() as u64;
        Ok(())
    }

    /// Told by its length: it may be as long as a hostile image says.
    fn hole(&mut self, len: u64) -> Result<(), BoxError> {
        self.holes.push((self.position, len));
        self.position += len;
        Ok(())
    }

    fn end(&mut self) -> Result<(), BoxError> {
        let mut digest = self.data.finalize();
        if !self.holes.is_empty() {
            let mut sparse = blake3::Hasher::new_derive_key(SPARSE);
            sparse.update(digest.as_bytes());
            for (position, len) in &self.holes {
                sparse.update(&position.to_le_bytes()).update(&len.to_le_bytes());
            }
            digest = sparse.finalize();
        }
        self.done.extend(self.inode.take().map(|inode| (inode, Digest(*digest.as_bytes()))));
        Ok(())
    }
}
