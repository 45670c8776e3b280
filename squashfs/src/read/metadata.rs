//! Metadata blocks, kept for a while.

use std::collections::{BTreeMap, VecDeque};
use std::io::{Read, Seek};
use std::sync::Arc;

use super::{Image, ReadError, corrupt};
use crate::format::{METADATA_BLOCK, METADATA_STORED};

/// Blocks kept, 2 MiB in all.
const KEPT: usize = 256;

/// A place in a stream of metadata blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// Offset of the block's header in the image.
    pub(crate) block: u64,
    /// Offset in the uncompressed block.
    pub(crate) offset: u16,
    /// Where the blocks end.
    pub(crate) end: u64,
}

impl Cursor {
    pub(crate) fn new(block: u64, offset: u16, end: u64) -> Self {
        Self { block, offset, end }
    }
}

/// The blocks read last, with the offset of the block after each.
#[derive(Default)]
pub(super) struct Cache {
    blocks: BTreeMap<u64, (Arc<[u8]>, u64)>,
    order: VecDeque<u64>,
}

impl<R: Read + Seek> Image<R> {
    /// The block at the cursor.
    pub(crate) fn metadata_block(&mut self, cursor: &mut Cursor) -> Result<Arc<[u8]>, ReadError> {
        self.load(*cursor).map(|(block, _)| block)
    }

    /// The block at the cursor and the offset of the next one.
    pub(crate) fn load(&mut self, cursor: Cursor) -> Result<(Arc<[u8]>, u64), ReadError> {
        let at = cursor.block;
        let beyond = || corrupt("metadata beyond its table", at);
        if at.checked_add(2).is_none_or(|end| end > cursor.end) {
            return Err(beyond());
        }
        if let Some((block, next)) = self.cache.blocks.get(&at) {
            let found = (Arc::clone(block), *next);
            return if found.1 <= cursor.end { Ok(found) } else { Err(beyond()) };
        }
        let mut header = [0; 2];
        self.read_at(at, &mut header)?;
        let header = u16::from_le_bytes(header);
        let len = usize::from(header & !METADATA_STORED);
        if len == 0 || len > METADATA_BLOCK {
            return Err(corrupt("a metadata block of a wrong length", at));
        }
        let next = at + 2 + len as u64;
        if next > cursor.end {
            return Err(beyond());
        }
        let mut stored = [0; METADATA_BLOCK];
        let stored = &mut stored[..len];
        self.read_at(at + 2, stored)?;
        let block: Arc<[u8]> = if header & METADATA_STORED != 0 {
            Arc::from(&*stored)
        } else {
            let mut block = [0; METADATA_BLOCK];
            let len = self.decoder.decode(stored, &mut block).filter(|len| *len > 0);
            let len = len.ok_or(corrupt("a metadata block that cannot be decompressed", at))?;
            Arc::from(&block[..len])
        };
        if self.cache.order.len() == KEPT
            && let Some(oldest) = self.cache.order.pop_front()
        {
            self.cache.blocks.remove(&oldest);
        }
        self.cache.order.push_back(at);
        self.cache.blocks.insert(at, (Arc::clone(&block), next));
        Ok((block, next))
    }

    /// Fills `buffer` from the cursor on and moves the cursor.
    pub(crate) fn read_metadata(
        &mut self,
        cursor: &mut Cursor,
        mut buffer: &mut [u8],
    ) -> Result<(), ReadError> {
        while !buffer.is_empty() {
            let (block, next) = self.load(*cursor)?;
            let rest = block.get(usize::from(cursor.offset)..).unwrap_or_default();
            if rest.is_empty() {
                if usize::from(cursor.offset) > block.len() {
                    return Err(corrupt("a reference past its block", cursor.block));
                }
                *cursor = Cursor { block: next, offset: 0, ..*cursor };
                continue;
            }
            let len = rest.len().min(buffer.len());
            let (now, later) = buffer.split_at_mut(len);
            now.copy_from_slice(&rest[..len]);
            buffer = later;
            cursor.offset += u16::try_from(len).unwrap_or(u16::MAX);
        }
        Ok(())
    }

    /// `len` bytes from the cursor on. Memory grows with what is really there.
    pub(crate) fn read_metadata_vec(
        &mut self,
        cursor: &mut Cursor,
        len: usize,
    ) -> Result<Vec<u8>, ReadError> {
        let mut bytes = Vec::new();
        while bytes.len() < len {
            let start = bytes.len();
            bytes.resize(len.min(start + METADATA_BLOCK), 0);
            self.read_metadata(cursor, &mut bytes[start..])?;
        }
        Ok(bytes)
    }
}
