//! A squashfs 4.0 writer on many threads, and a small reader.

mod block_list;
mod blocks;
mod bound;
mod codec;
mod emit;
mod error;
mod format;
#[doc(hidden)]
pub mod fuzzing;
mod group;
mod inodes;
mod listing;
mod metadata;
mod options;
mod plan;
pub mod read;
mod tables;
mod xattrs;

pub use bound::upper_bound;
pub use emit::{Summary, Writer, write};
pub use error::WriteError;
pub use format::{CompressorId, Flags, Superblock};
pub use metadata::MetadataRef;
pub use options::{Bcj, BlockSize, Compression, Fragments, OptionError, Options};
