//! gzip on several threads (RFC 1952), for layers of images and for disks that are mostly zeros.
//!
//! The input is cut into pieces that are compressed by themselves. Their deflate streams are made
//! to follow each other in one member: the bit that ends a stream is cleared, and an empty stored
//! block fills up to a whole byte. So every reader takes the output, those that stop after the
//! first member too. A piece of zeros is compressed once and repeated.
//!
//! The output depends on the input alone, not on the number of threads, on how the input was cut
//! into writes, or on whether zeros were written or told of.
//!
//! ```
//! use std::io::Write;
//! use std::num::NonZeroUsize;
//!
//! use bootwright_gzip::{Gzip, Options};
//! use bootwright_image::SparseWrite;
//!
//! let mut gzip = Gzip::new(Vec::new(), Options::new(NonZeroUsize::MIN));
//! gzip.write_all(b"a disk")?;
//! gzip.zeros(1 << 30)?;
//! let (compressed, summary) = gzip.finish()?;
//! assert_eq!(summary.uncompressed, 6 + (1 << 30));
//! assert!(compressed.len() < 2 << 20);
//! # Ok::<(), std::io::Error>(())
//! ```

mod block;
mod piece;
mod writer;

pub use writer::{Gzip, Options, Summary};

/// For fuzzing: the end of a stream is found, and bytes that are none do no harm.
///
/// # Panics
/// When that is not so.
#[doc(hidden)]
pub fn check_piece(data: &[u8]) {
    let _ = block::last_block(data);
    let stream = piece::Compressor::new(6).deflate(data);
    let last = block::last_block(&stream).expect("BUG: a compressor's stream is sound");
    assert_eq!(last.end.div_ceil(8), stream.len());
}
