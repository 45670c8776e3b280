//! A file of an input, unpacked to be read at any place.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use bootwright_image::{BoxError, ContentSink, InodeId, Observer, SparseWrite, deliver};
use bootwright_partitions::SparseFile;

use crate::output::Staged;
use crate::recipe::{RecipeError, Root};

/// Unpacks one file of `root` into a nameless file in `folder`; zeros become holes.
pub(super) fn unpack(
    root: &Root,
    inode: InodeId,
    folder: &Path,
    observer: &dyn Observer,
) -> Result<Staged, RecipeError> {
    let staged = Staged::new(&folder.join("cloud-rootfs"))?;
    fill(staged.file(), root, inode, observer)?;
    Ok(staged)
}

fn fill(
    file: &File,
    root: &Root,
    inode: InodeId,
    observer: &dyn Observer,
) -> Result<(), RecipeError> {
    let mut unpacked = Unpacked(SparseFile::new(file));
    deliver(&root.tree, &root.streams, [inode], &mut unpacked, observer)?;
    unpacked.0.finish()?;
    Ok(())
}

struct Unpacked<'a>(SparseFile<&'a File>);

impl ContentSink for Unpacked<'_> {
    fn begin(&mut self, _: InodeId, _: u64) -> Result<(), BoxError> {
        Ok(())
    }

    fn data(&mut self, bytes: &[u8]) -> Result<(), BoxError> {
        Ok(self.0.write_all(bytes)?)
    }

    fn hole(&mut self, len: u64) -> Result<(), BoxError> {
        Ok(self.0.zeros(len)?)
    }

    fn end(&mut self) -> Result<(), BoxError> {
        Ok(())
    }
}
