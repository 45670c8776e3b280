//! A squashfs 4.0 writer on many threads, and a small reader.

mod block_list;
mod blocks;
mod bound;
mod codec;
mod emit;
mod error;
mod format;
mod group;
mod inodes;
mod listing;
mod metadata;
mod options;
mod plan;
mod tables;
mod xattrs;

pub use bound::upper_bound;
pub use emit::{Summary, Writer, write};
pub use error::WriteError;
pub use format::{CompressorId, Flags, Superblock};
pub use metadata::MetadataRef;
pub use options::{Bcj, BlockSize, Compression, Fragments, OptionError, Options};
