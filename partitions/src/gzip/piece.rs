//! One piece of the input, compressed by itself so that more can follow.

use libdeflater::CompressionLvl;

use super::block::last_block;

/// A block of no bytes that ends at a whole byte: behind its three bits of header, which are
/// zeros, its length and the complement of it.
const EMPTY_STORED: [u8; 4] = [0x00, 0x00, 0xFF, 0xFF];

/// Compresses pieces.
pub(super) struct Compressor(libdeflater::Compressor);

impl Compressor {
    /// `level` is 1 to 12.
    pub(super) fn new(level: i32) -> Self {
        let level = CompressionLvl::new(level).unwrap_or_default();
        Self(libdeflater::Compressor::new(level))
    }

    /// A complete deflate stream.
    pub(super) fn deflate(&mut self, input: &[u8]) -> Vec<u8> {
        let mut output = vec![0; self.0.deflate_compress_bound(input.len())];
        let len = self
            .0
            .deflate_compress(input, &mut output)
            .expect("BUG: the bound of a compressed length holds");
        output.truncate(len);
        output
    }

    /// Blocks of a deflate stream that goes on, whole bytes.
    pub(super) fn piece(&mut self, input: &[u8]) -> Vec<u8> {
        let mut bytes = self.deflate(input);
        let last = last_block(&bytes).expect("BUG: a compressor's stream is sound");
        bytes[last.start / 8] &= !(1 << (last.start % 8));
        // The bits behind the end are zeros, three of them the header of the empty block.
        bytes.resize((last.end + 3).div_ceil(8), 0);
        bytes.extend(EMPTY_STORED);
        bytes
    }
}
