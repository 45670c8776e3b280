//! Blocks of real data.

use std::num::NonZeroUsize;

use bootwright_image::{BoxError, ContentSink, InodeId, Silent, deliver};
use bootwright_oci::{Limits, Options, Reference, Stack};

/// What a sink is told to stop with when there are enough blocks.
#[derive(Debug)]
struct Enough;

impl std::fmt::Display for Enough {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("enough")
    }
}

impl std::error::Error for Enough {}

/// Every `every`-th block of 1 MiB of an image's contents, one after another, at most `limit`
/// blocks. Contents that are known to be equal come once, as in a squashfs; ends of files stand
/// where the next file begins and not in fragments of their own.
///
/// # Errors
/// What cannot be read.
pub fn blocks(image: &Reference, every: usize, limit: usize) -> Result<Vec<Vec<u8>>, BoxError> {
    let jobs = NonZeroUsize::new(crate::host::cores()).unwrap_or(NonZeroUsize::MIN);
    let options = Options { architecture: "amd64".to_owned(), limits: Limits::default(), jobs };
    let mut stack = Stack::new(options, &Silent);
    stack.add_image(image)?;
    let rootfs = stack.finish()?;
    let mut seen = std::collections::BTreeSet::new();
    let mut wanted: Vec<InodeId> = Vec::new();
    for walked in rootfs.tree.walk() {
        let Some(blob) = rootfs.tree.inode(walked.id).as_file() else { continue };
        let new = seen.insert((None, Some(walked.id)))
            && blob.digest().is_none_or(|digest| seen.insert((Some(digest), None)));
        if new {
            wanted.push(walked.id);
        }
    }
    let mut cutter = Cutter { block: Vec::new(), number: 0, every, limit, blocks: Vec::new() };
    let delivered = deliver(&rootfs.tree, &rootfs.streams, wanted, &mut cutter, &Silent);
    match delivered {
        Err(error) if cutter.blocks.len() < limit => Err(error.into()),
        _ => Ok(cutter.blocks),
    }
}

const BLOCK: usize = 1 << 20;

struct Cutter {
    block: Vec<u8>,
    number: usize,
    every: usize,
    limit: usize,
    blocks: Vec<Vec<u8>>,
}

impl ContentSink for Cutter {
    fn begin(&mut self, _: InodeId, _: u64) -> Result<(), BoxError> {
        Ok(())
    }

    fn data(&mut self, mut bytes: &[u8]) -> Result<(), BoxError> {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(BLOCK - self.block.len()));
            self.block.extend_from_slice(now);
            bytes = later;
            if self.block.len() == BLOCK {
                if self.number.is_multiple_of(self.every) {
                    self.blocks.push(self.block.clone());
                }
                self.number += 1;
                self.block.clear();
                if self.blocks.len() >= self.limit {
                    return Err(Enough.into());
                }
            }
        }
        Ok(())
    }

    fn hole(&mut self, _: u64) -> Result<(), BoxError> {
        // Holes are not compressed.
        Ok(())
    }

    fn end(&mut self) -> Result<(), BoxError> {
        Ok(())
    }
}
