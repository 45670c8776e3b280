//! Entry points for benchmarks, to parts that the public interface reaches only by way of a whole
//! image.

use std::io;

use crate::codec::{Encoder, Use};
use crate::options::{BlockSize, Compression};

/// What compresses data blocks, as the writer's threads have it: takes a block of at most
/// `block_size` and returns the bytes it takes in the image.
///
/// # Errors
/// What the codec reports.
pub fn block_encoder(
    compression: Compression,
    block_size: BlockSize,
) -> io::Result<impl FnMut(&[u8]) -> io::Result<usize> + use<>> {
    let mut encoder = Encoder::new(compression, Use::Data(block_size))?;
    let mut output = Vec::new();
    Ok(move |block: &[u8]| Ok(encoder.encode(block, &mut output)?.unwrap_or(block.len())))
}
