//! Bounded reading of an image.

use std::io::{Read, Seek, SeekFrom};

use super::{ReadError, corrupt};
use crate::iso9660::format::BLOCK;

/// An input of known length.
#[derive(Debug)]
pub(in crate::iso9660) struct Source<R> {
    input: R,
    len: u64,
}

impl<R: Read + Seek> Source<R> {
    pub(super) fn new(mut input: R) -> Result<Self, ReadError> {
        let len = input.seek(SeekFrom::End(0))?;
        Ok(Self { input, len })
    }

    pub(in crate::iso9660) fn len(&self) -> u64 {
        self.len
    }

    /// The input itself, for readers of other formats.
    pub(super) fn input(&mut self) -> &mut R {
        &mut self.input
    }

    /// Bytes of the image; asking for what lies beyond its end is an error before anything is
    /// allocated.
    pub(in crate::iso9660) fn bytes(
        &mut self,
        offset: u64,
        len: u64,
    ) -> Result<Vec<u8>, ReadError> {
        let end = offset.checked_add(len).filter(|end| *end <= self.len);
        let size = end.and_then(|_| usize::try_from(len).ok());
        let size = size.ok_or_else(|| corrupt("something lies beyond the image's end", offset))?;
        let mut bytes = vec![0; size];
        self.input.seek(SeekFrom::Start(offset))?;
        self.input.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// One block of 2048 bytes.
    pub(in crate::iso9660) fn block(&mut self, block: u64) -> Result<Vec<u8>, ReadError> {
        self.bytes(block.saturating_mul(BLOCK), BLOCK)
    }
}

/// `N` bytes at `at`; zeros where there are none.
pub(in crate::iso9660) fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let found = bytes.get(at..).and_then(|rest| rest.first_chunk::<N>());
    found.copied().unwrap_or([0; N])
}

/// A little-endian number.
pub(in crate::iso9660) fn le16(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(array(bytes, at))
}

/// A little-endian number.
pub(in crate::iso9660) fn le32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array(bytes, at))
}

/// A number in both byte orders; `None` when they disagree.
pub(in crate::iso9660) fn twice16(bytes: &[u8], at: usize) -> Option<u16> {
    let value = le16(bytes, at);
    (u16::from_be_bytes(array(bytes, at + 2)) == value).then_some(value)
}

/// A number in both byte orders; `None` when they disagree.
pub(in crate::iso9660) fn twice32(bytes: &[u8], at: usize) -> Option<u32> {
    let value = le32(bytes, at);
    (u32::from_be_bytes(array(bytes, at + 4)) == value).then_some(value)
}
