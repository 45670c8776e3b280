//! One piece of the input, compressed by itself so that more can follow.

use libdeflater::CompressionLvl;

use crate::block::last_block;

/// A block of no bytes that ends at a whole byte: behind its three bits of header, which are
/// zeros, its length and the complement of it.
const EMPTY_STORED: [u8; 4] = [0x00, 0x00, 0xFF, 0xFF];

/// The bytes that an empty block adds at most.
const EMPTY_BLOCK_MAX: usize = 1 + EMPTY_STORED.len();

/// Compresses pieces.
pub(crate) struct Compressor(libdeflater::Compressor);

impl Compressor {
    /// `level` is 1 to 12.
    pub(crate) fn new(level: i32) -> Self {
        let level = CompressionLvl::new(level).unwrap_or_default();
        Self(libdeflater::Compressor::new(level))
    }

    /// Writes a complete deflate stream to the beginning of `output`, which is made long enough,
    /// and gives its length.
    fn deflate_to(&mut self, input: &[u8], output: &mut Vec<u8>) -> usize {
        let bound = self.0.deflate_compress_bound(input.len());
        if output.len() < bound + EMPTY_BLOCK_MAX {
            output.resize(bound + EMPTY_BLOCK_MAX, 0);
        }
        self.0
            .deflate_compress(input, &mut output[..bound])
            .expect("BUG: the bound of a compressed length holds")
    }

    /// A complete deflate stream.
    pub(crate) fn deflate(&mut self, input: &[u8]) -> Vec<u8> {
        let mut output = Vec::new();
        let len = self.deflate_to(input, &mut output);
        output.truncate(len);
        output
    }

    /// Writes blocks of a deflate stream that goes on, whole bytes, to the beginning of `output`
    /// and gives their length.
    pub(crate) fn piece(&mut self, input: &[u8], output: &mut Vec<u8>) -> usize {
        let len = self.deflate_to(input, output);
        let last = last_block(&output[..len]).expect("BUG: a compressor's stream is sound");
        output[last.start / 8] &= !(1 << (last.start % 8));
        // The bits behind the end are zeros, three of them the header of the empty block.
        let end = (last.end + 3).div_ceil(8);
        output[len..end.max(len)].fill(0);
        let whole = end + EMPTY_STORED.len();
        output[end..whole].copy_from_slice(&EMPTY_STORED);
        whole
    }
}
