//! An earlier image that gives its blocks to a new one.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use bootwright_image::Digest;

use super::index::{Check, Content, FragmentRecord, Index, Tail};
use crate::block_list::{is_zero_run, zero_run};
use crate::codec::{Decoder, identify};
use crate::format::DATA_STORED;
use crate::options::Options;

/// An earlier image and its index.
#[derive(Debug)]
pub struct Donor {
    index: Index,
    image: File,
    /// Where byte zero of the image is in the file.
    base: u64,
    fragments_by_key: BTreeMap<[u8; 32], u32>,
    block_size: usize,
    compressor: crate::format::CompressorId,
}

/// Why a donor could not give what its index promises.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DonorError {
    /// It cannot be read, or ends early.
    #[error("cannot read the block at byte {offset}")]
    Read {
        /// Where the block is in the image.
        offset: u64,
        /// The cause.
        source: io::Error,
    },
    /// The bytes are not those that were written.
    #[error("the block at byte {offset} is damaged")]
    Damaged {
        /// Where the block is in the image.
        offset: u64,
    },
}

impl Donor {
    /// The image in `image` from byte `base` on. `None` when its blocks were made by another
    /// compressor, level or block size than `options` ask for.
    #[must_use]
    pub fn new(index: Index, image: File, base: u64, options: &Options) -> Option<Self> {
        if !index.serves(options) {
            return None;
        }
        let numbered = (0..).zip(&index.fragments);
        let fragments_by_key = numbered.map(|(number, record)| (record.key, number)).collect();
        let block_size = options.block_size.len();
        let (compressor, _) = identify(options.compression, options.block_size);
        Some(Self { index, image, base, fragments_by_key, block_size, compressor })
    }

    /// Whether the image has the content of `len` bytes with this digest.
    #[must_use]
    pub fn holds(&self, digest: Digest, len: u64) -> bool {
        self.content(digest, len).is_some()
    }

    pub(crate) fn content(&self, digest: Digest, len: u64) -> Option<&Content> {
        self.index.content(digest, len)
    }

    pub(crate) fn index(&self) -> &Index {
        &self.index
    }

    /// The fragment block in which exactly the ends of files lie that `key` stands for.
    pub(crate) fn fragment_by_key(&self, key: &[u8; 32]) -> Option<FragmentRecord> {
        self.fragments_by_key.get(key).map(|number| self.index.fragments[*number as usize])
    }

    /// Reads a block as it is stored and compares its digest.
    pub(crate) fn stored(
        &self,
        offset: u64,
        size: u32,
        check: Check,
        stored: &mut Vec<u8>,
    ) -> Result<(), DonorError> {
        let len = (size & !DATA_STORED) as usize;
        if len > self.block_size {
            return Err(DonorError::Damaged { offset });
        }
        stored.resize(len, 0);
        let place = self.base.saturating_add(offset);
        self.image
            .read_exact_at(stored, place)
            .map_err(|source| DonorError::Read { offset, source })?;
        if check_of(stored) == check { Ok(()) } else { Err(DonorError::Damaged { offset }) }
    }

    /// Reads contents one after another.
    #[must_use]
    pub fn reader(&self) -> DonorReader<'_> {
        DonorReader { donor: self, state: ReaderState::new(self) }
    }
}

/// Reads contents out of a donor. Neighbours read one after another share the work of
/// decompressing the fragment block that they lie in.
pub struct DonorReader<'a> {
    donor: &'a Donor,
    state: ReaderState,
}

impl DonorReader<'_> {
    /// Reads a content, piece by piece; `false` when the image does not have it.
    ///
    /// # Errors
    /// [`DonorError`], and what `each` returns.
    pub fn read<E: From<DonorError>>(
        &mut self,
        digest: Digest,
        len: u64,
        mut each: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<bool, E> {
        let donor = self.donor;
        let Some(content) = donor.content(digest, len) else { return Ok(false) };
        let (mut stored, mut raw) = (Vec::new(), Vec::new());
        let (mut offset, mut left) = (content.start, len);
        for (size, check) in donor.index.blocks(content) {
            let blocks = if is_zero_run(size) { zero_run(size) } else { 1 };
            for _ in 0..blocks {
                let take = usize::try_from(left).unwrap_or(usize::MAX).min(donor.block_size);
                if is_zero_run(size) {
                    raw.clear();
                    raw.resize(take, 0);
                } else {
                    donor.stored(offset, size, check, &mut stored)?;
                    self.state.decode(offset, size, &stored, take, &mut raw)?;
                    offset += stored.len() as u64;
                }
                each(&raw)?;
                left -= take as u64;
            }
        }
        if let Some(tail) = content.tail {
            each(self.state.tail(donor, &tail)?)?;
        }
        Ok(true)
    }
}

impl std::fmt::Debug for DonorReader<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DonorReader").finish_non_exhaustive()
    }
}

/// What reading a donor keeps from one read to the next.
pub(crate) struct ReaderState {
    decoder: Decoder,
    /// The fragment block decompressed last.
    fetched: Option<(u32, Vec<u8>)>,
}

impl ReaderState {
    pub(crate) fn new(donor: &Donor) -> Self {
        let decoder = Decoder::new(donor.compressor);
        let decoder = decoder.expect("BUG: what was compressed can be decompressed");
        Self { decoder, fetched: None }
    }

    /// The end of a content out of its fragment block.
    pub(crate) fn tail(&mut self, donor: &Donor, tail: &Tail) -> Result<&[u8], DonorError> {
        let FragmentRecord { start, size, check, .. } =
            donor.index.fragments[tail.fragment as usize];
        if self.fetched.as_ref().is_none_or(|(number, _)| *number != tail.fragment) {
            let mut stored = Vec::new();
            donor.stored(start, size, check, &mut stored)?;
            let block = if size & DATA_STORED == 0 {
                let mut block = vec![0; donor.block_size];
                let len = self.decoder.decode(&stored, &mut block);
                block.truncate(len.ok_or(DonorError::Damaged { offset: start })?);
                block
            } else {
                stored
            };
            self.fetched = Some((tail.fragment, block));
        }
        let block = self.fetched.as_ref().map_or(&[][..], |(_, block)| block);
        let from = tail.offset as usize;
        let bytes = block.get(from..from + tail.len as usize);
        bytes
            .filter(|bytes| blake3::hash(bytes) == tail.digest)
            .ok_or(DonorError::Damaged { offset: start })
    }

    /// Decompresses a block of `len` bytes.
    fn decode(
        &mut self,
        offset: u64,
        size: u32,
        stored: &[u8],
        len: usize,
        raw: &mut Vec<u8>,
    ) -> Result<(), DonorError> {
        raw.resize(len, 0);
        let decoded = if size & DATA_STORED == 0 {
            self.decoder.decode(stored, raw)
        } else {
            (stored.len() == len).then(|| raw.copy_from_slice(stored)).map(|()| len)
        };
        if decoded == Some(len) { Ok(()) } else { Err(DonorError::Damaged { offset }) }
    }
}

/// The digest that [`Donor::stored`] compares.
pub(crate) fn check_of(stored: &[u8]) -> Check {
    let digest = blake3::hash(stored);
    digest.as_bytes()[..16].try_into().expect("BUG: half of 32 bytes")
}
