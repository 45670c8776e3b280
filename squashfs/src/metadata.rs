//! Metadata blocks: a stream of records cut into blocks of 8 KiB, each compressed on its own.

use std::io::Write;

use crate::codec::Encoder;
use crate::error::WriteError;
use crate::format::{METADATA_BLOCK, METADATA_STORED, PutFields};

/// Where a record is: the place of its metadata block in its table, on disk, and the place of the
/// record in the uncompressed block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct MetadataRef(pub u64);

impl MetadataRef {
    pub(crate) fn new(block: u64, offset: u16) -> Self {
        Self((block << 16) | u64::from(offset))
    }

    /// Bytes from the start of the table to the metadata block's header.
    #[must_use]
    pub fn block(self) -> u64 {
        self.0 >> 16
    }

    /// Bytes from the start of the uncompressed block to the record.
    #[must_use]
    pub fn offset(self) -> u16 {
        u16::try_from(self.0 & 0xffff).expect("BUG: 16 bits")
    }
}

/// Writes records as metadata blocks.
pub(crate) struct MetadataWriter<S> {
    sink: S,
    encoder: Encoder,
    /// The block being filled: less than 8 KiB between calls.
    block: Vec<u8>,
    /// The uncompressed and the stored form of the block before. Long holes make block lists of
    /// many equal blocks.
    previous: Vec<u8>,
    stored: Vec<u8>,
    scratch: Vec<u8>,
    len: u64,
    /// Where each block starts in the table.
    starts: Vec<u64>,
}

impl<S: Write> MetadataWriter<S> {
    pub(crate) fn new(sink: S, encoder: Encoder) -> Self {
        Self {
            sink,
            encoder,
            block: Vec::with_capacity(METADATA_BLOCK),
            previous: Vec::new(),
            stored: Vec::new(),
            scratch: Vec::new(),
            len: 0,
            starts: Vec::new(),
        }
    }

    /// Where the next record goes.
    pub(crate) fn position(&self) -> MetadataRef {
        let offset = u16::try_from(self.block.len()).expect("BUG: a block below 8 KiB");
        MetadataRef::new(self.len, offset)
    }

    pub(crate) fn write(&mut self, mut bytes: &[u8]) -> Result<(), WriteError> {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(METADATA_BLOCK - self.block.len()));
            self.block.extend_from_slice(now);
            bytes = later;
            if self.block.len() == METADATA_BLOCK {
                self.flush()?;
            }
        }
        Ok(())
    }

    /// Ends the last block and returns the sink and where each block starts in the table.
    pub(crate) fn finish(mut self) -> Result<(S, Vec<u64>), WriteError> {
        if !self.block.is_empty() {
            self.flush()?;
        }
        Ok((self.sink, self.starts))
    }

    fn flush(&mut self) -> Result<(), WriteError> {
        if self.block != self.previous {
            let encoded = self.encoder.encode(&self.block, &mut self.scratch);
            let (flag, body) = match encoded.map_err(WriteError::Compress)? {
                Some(len) => (0, &self.scratch[..len]),
                None => (METADATA_STORED, &*self.block),
            };
            self.stored.clear();
            self.stored.u16(u16::try_from(body.len()).expect("BUG: at most 8 KiB") | flag);
            self.stored.extend_from_slice(body);
            std::mem::swap(&mut self.block, &mut self.previous);
        }
        self.block.clear();
        self.sink.write_all(&self.stored).map_err(WriteError::Output)?;
        self.starts.push(self.len);
        self.len += self.stored.len() as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Use;

    #[test]
    fn records_cross_blocks_and_equal_blocks_are_stored_alike() {
        for compression in ["gzip", "none"] {
            let encoder = Encoder::new(compression.parse().unwrap(), Use::Metadata).unwrap();
            let mut writer = MetadataWriter::new(Vec::new(), encoder);
            assert_eq!(writer.position(), MetadataRef(0));
            writer.write(&[7; METADATA_BLOCK - 1]).unwrap();
            assert_eq!(writer.position(), MetadataRef::new(0, 8191));
            writer.write(&[7; METADATA_BLOCK + 1]).unwrap();
            let position = writer.position();
            assert_eq!(position.offset(), 0);
            writer.write(b"end").unwrap();
            let (bytes, starts) = writer.finish().unwrap();
            assert_eq!(starts, [0, position.block() / 2, position.block()]);
            let (first, second) = bytes.split_at(usize::try_from(starts[1]).unwrap());
            assert_eq!(first, &second[..first.len()]);
            assert_eq!(&second[first.len()..], b"\x03\x80end");
        }
    }
}
