//! What a finished image holds, by digests.

use std::collections::BTreeMap;

use bootwright_image::Digest;
use serde::{Deserialize, Serialize};

use crate::block_list::{FileTable, Located};
use crate::options::Options;

/// The first half of the BLAKE3 digest of a block as it is stored.
pub(crate) type Check = [u8; 16];

/// Where the contents of a finished image lie. Made by
/// [`Writer::finish_recorded`](crate::Writer::finish_recorded).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    /// The compressor, its level and the block size; blocks of other settings are no use.
    codec: String,
    contents: BTreeMap<[u8; 32], Content>,
    pub(crate) sizes: Vec<u32>,
    /// For each of `sizes` the digest of the stored block; zeros for holes.
    pub(crate) checks: Vec<Check>,
    pub(crate) fragments: Vec<FragmentRecord>,
}

/// Where a content lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Content {
    pub(crate) len: u64,
    /// Offset of the first stored block.
    pub(crate) start: u64,
    /// The entries of [`Index::sizes`], first and count, coded as in [`FileTable`].
    pub(crate) first_size: u64,
    pub(crate) size_count: u64,
    pub(crate) tail: Option<Tail>,
}

/// The end of a content in a fragment block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tail {
    pub(crate) digest: [u8; 32],
    pub(crate) fragment: u32,
    pub(crate) offset: u32,
    pub(crate) len: u32,
}

/// A fragment block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FragmentRecord {
    pub(crate) start: u64,
    /// As in the fragment table.
    pub(crate) size: u32,
    /// Digest of the digests of what is packed in it.
    pub(crate) key: [u8; 32],
    pub(crate) check: Check,
}

/// Why bytes are no index.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no index of a squashfs: {reason}")]
pub struct IndexError {
    reason: String,
}

impl Index {
    /// The index as bytes, to be kept beside its image.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        postcard::to_stdvec(self).expect("BUG: plain data in memory can be written")
    }

    /// Reads what [`to_bytes`](Self::to_bytes) made.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, IndexError> {
        let refused = |reason: &str| IndexError { reason: reason.into() };
        let index: Self =
            postcard::from_bytes(bytes).map_err(|error| refused(&error.to_string()))?;
        if index.sizes.len() != index.checks.len() {
            return Err(refused("sizes and digests differ in number"));
        }
        let blocks = index.sizes.len() as u64;
        for content in index.contents.values() {
            let end = content.first_size.checked_add(content.size_count);
            if end.is_none_or(|end| end > blocks) {
                return Err(refused("a content lies outside of the block list"));
            }
            if content.tail.is_some_and(|tail| tail.fragment as usize >= index.fragments.len()) {
                return Err(refused("a content ends in no fragment"));
            }
        }
        Ok(index)
    }

    /// Whether blocks of the image can go into one with these options.
    pub(crate) fn serves(&self, options: &Options) -> bool {
        self.codec == codec(options)
    }

    pub(crate) fn content(&self, digest: Digest, len: u64) -> Option<&Content> {
        self.contents.get(&digest.0).filter(|content| content.len == len)
    }

    /// The sizes and digests of a content's blocks.
    pub(crate) fn blocks(&self, content: &Content) -> impl Iterator<Item = (u32, Check)> {
        let first = usize::try_from(content.first_size).expect("BUG: checked when read");
        let count = usize::try_from(content.size_count).expect("BUG: checked when read");
        let range = first..first + count;
        self.sizes[range.clone()].iter().copied().zip(self.checks[range].iter().copied())
    }
}

/// What blocks are made by, in words. Images with the same words can share blocks.
#[must_use]
pub fn codec(options: &Options) -> String {
    format!("{} {} {:?}", options.compression, options.block_size.bytes(), options.fragments)
}

/// Collects an [`Index`] beside a [`FileTable`].
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    checks: BTreeMap<usize, Check>,
    tails: BTreeMap<u32, Tail>,
    fragments: Vec<([u8; 32], Check)>,
}

impl Recorder {
    pub(crate) fn block(&mut self, size_index: usize, check: Check) {
        self.checks.insert(size_index, check);
    }

    pub(crate) fn tail(&mut self, content: u32, tail: Tail) {
        self.tails.insert(content, tail);
    }

    pub(crate) fn fragment(&mut self, number: usize, key: [u8; 32], check: Check) {
        if self.fragments.len() <= number {
            self.fragments.resize(number + 1, Default::default());
        }
        self.fragments[number] = (key, check);
    }

    /// The index. `digests` has the digest and the length of each content, as far as known.
    pub(crate) fn finish(
        &self,
        options: &Options,
        files: &FileTable,
        fragments: &[(u64, u32)],
        digests: impl Iterator<Item = (Option<Digest>, u64)>,
    ) -> Index {
        let sizes = files.raw_sizes().to_vec();
        let mut checks = vec![Check::default(); sizes.len()];
        self.checks.iter().for_each(|(index, check)| checks[*index] = *check);
        let fragments =
            fragments.iter().zip(&self.fragments).map(|((start, size), (key, check))| {
                FragmentRecord { start: *start, size: *size, key: *key, check: *check }
            });
        let contents = (0..).zip(digests).filter_map(|(content, (digest, len))| {
            let Located { start, first_size, sizes, .. } = files.located(content)?;
            let tail = self.tails.get(&content).copied();
            let (first_size, size_count) = (first_size as u64, sizes as u64);
            Some((digest?.0, Content { len, start, first_size, size_count, tail }))
        });
        Index {
            codec: codec(options),
            contents: contents.collect(),
            sizes,
            checks,
            fragments: fragments.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_lead_outside_are_no_index() {
        let content = Content { len: 1, start: 96, first_size: 0, size_count: 1, tail: None };
        let index = Index {
            codec: String::new(),
            contents: [([7; 32], content)].into(),
            sizes: vec![1],
            checks: vec![[0; 16]],
            fragments: Vec::new(),
        };
        assert_eq!(Index::from_bytes(&index.to_bytes()).as_ref(), Ok(&index));
        let far = Content { first_size: u64::MAX, ..content };
        let tail = Tail { digest: [0; 32], fragment: 0, offset: 0, len: 1 };
        let tail = Content { tail: Some(tail), ..content };
        for bad in [far, Content { size_count: 2, ..content }, tail] {
            let index = Index { contents: [([7; 32], bad)].into(), ..index.clone() };
            assert!(Index::from_bytes(&index.to_bytes()).is_err());
        }
        let uneven = Index { checks: Vec::new(), ..index.clone() };
        assert!(Index::from_bytes(&uneven.to_bytes()).is_err());
        assert!(Index::from_bytes(&index.to_bytes()[..9]).is_err());
    }
}
