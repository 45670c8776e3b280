//! Fragment blocks being filled with the ends of files.

use crate::reuse::Tail;

/// Packs ends of files until a block is full.
#[derive(Debug)]
pub(crate) struct FragmentBuilder {
    block_size: usize,
    filled: Filled,
    /// Of the digests and lengths of what is in the block.
    key: blake3::Hasher,
}

/// A block's content.
#[derive(Debug, Default)]
pub(crate) struct Filled {
    pub(crate) bytes: Vec<u8>,
    /// What is still to be fetched from the donor, and where it goes.
    pub(crate) gaps: Vec<(usize, Tail)>,
    pub(crate) key: [u8; 32],
}

/// Where the bytes of a file's end come from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum TailBytes<'a> {
    Here(&'a [u8]),
    Donor(Tail),
}

impl TailBytes<'_> {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Here(bytes) => bytes.len(),
            Self::Donor(tail) => tail.len as usize,
        }
    }
}

impl FragmentBuilder {
    pub(crate) fn new(block_size: usize) -> Self {
        Self { block_size, filled: Filled::default(), key: blake3::Hasher::new() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.filled.bytes.is_empty()
    }

    pub(crate) fn has_room(&self, len: usize) -> bool {
        self.filled.bytes.len() + len <= self.block_size
    }

    /// The buffer for the next block, when the builder is empty.
    pub(crate) fn begin(&mut self, buffer: Vec<u8>) {
        self.filled.bytes = buffer;
    }

    /// Adds an end of a file and returns its place in the block.
    pub(crate) fn push(&mut self, digest: &[u8; 32], tail: TailBytes<'_>) -> u32 {
        let at = self.filled.bytes.len();
        match tail {
            TailBytes::Here(bytes) => self.filled.bytes.extend_from_slice(bytes),
            TailBytes::Donor(tail) => {
                self.filled.bytes.resize(at + tail.len as usize, 0);
                self.filled.gaps.push((at, tail));
            }
        }
        self.key.update(digest);
        self.key.update(&(tail.len() as u64).to_le_bytes());
        u32::try_from(at).expect("BUG: below 1 MiB")
    }

    /// The block; `None` when there is nothing in it.
    pub(crate) fn take(&mut self) -> Option<Filled> {
        if self.is_empty() {
            return None;
        }
        self.filled.key = *self.key.finalize().as_bytes();
        self.key.reset();
        Some(std::mem::take(&mut self.filled))
    }
}
