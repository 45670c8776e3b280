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

    /// Reads a content, piece by piece; `false` when the image does not have it.
    ///
    /// # Errors
    /// [`DonorError`], and what `each` returns.
    pub fn read<E: From<DonorError>>(
        &self,
        digest: Digest,
        len: u64,
        mut each: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<bool, E> {
        let Some(content) = self.content(digest, len) else { return Ok(false) };
        let mut decoder = self.decoder();
        let (mut stored, mut raw) = (Vec::new(), Vec::new());
        let (mut offset, mut left) = (content.start, len);
        for (size, check) in self.index.blocks(content) {
            if is_zero_run(size) {
                let zeros = vec![0; self.block_size];
                for _ in 0..zero_run(size) {
                    let now = left.min(self.block_size as u64);
                    each(&zeros[..usize::try_from(now).expect("BUG: a block")])?;
                    left -= now;
                }
                continue;
            }
            let take = usize::try_from(left).unwrap_or(usize::MAX).min(self.block_size);
            self.stored(offset, size, check, &mut stored)?;
            decode(&mut decoder, offset, size, &stored, take, &mut raw)?;
            each(&raw)?;
            offset += stored.len() as u64;
            left -= take as u64;
        }
        if let Some(tail) = content.tail {
            let block = self.fragment(tail.fragment, &mut decoder)?;
            each(slice(&block, &tail, self.index.fragments[tail.fragment as usize].start)?)?;
        }
        Ok(true)
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

    pub(crate) fn decoder(&self) -> Decoder {
        Decoder::new(self.compressor).expect("BUG: what was compressed can be decompressed")
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

    /// A fragment block, decompressed.
    pub(crate) fn fragment(
        &self,
        number: u32,
        decoder: &mut Decoder,
    ) -> Result<Vec<u8>, DonorError> {
        let FragmentRecord { start, size, check, .. } = self.index.fragments[number as usize];
        let (mut stored, mut raw) = (Vec::new(), Vec::new());
        self.stored(start, size, check, &mut stored)?;
        raw.resize(self.block_size, 0);
        if size & DATA_STORED != 0 {
            return Ok(stored);
        }
        let len = decoder.decode(&stored, &mut raw).ok_or(DonorError::Damaged { offset: start })?;
        raw.truncate(len);
        Ok(raw)
    }
}

/// The digest that [`Donor::stored`] compares.
pub(crate) fn check_of(stored: &[u8]) -> Check {
    let digest = blake3::hash(stored);
    digest.as_bytes()[..16].try_into().expect("BUG: half of 32 bytes")
}

/// The part of a fragment block that is the end of a content; `offset` is the block's.
pub(crate) fn slice<'a>(block: &'a [u8], tail: &Tail, offset: u64) -> Result<&'a [u8], DonorError> {
    let start = tail.offset as usize;
    block.get(start..start + tail.len as usize).ok_or(DonorError::Damaged { offset })
}

fn decode(
    decoder: &mut Decoder,
    offset: u64,
    size: u32,
    stored: &[u8],
    len: usize,
    raw: &mut Vec<u8>,
) -> Result<(), DonorError> {
    raw.resize(len, 0);
    let decoded = if size & DATA_STORED == 0 {
        decoder.decode(stored, raw)
    } else {
        (stored.len() == len).then(|| raw.copy_from_slice(stored)).map(|()| len)
    };
    if decoded == Some(len) { Ok(()) } else { Err(DonorError::Damaged { offset }) }
}
