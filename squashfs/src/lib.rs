//! A squashfs 4.0 writer on many threads, and a small reader.
//!
//! ```text
//!   0 ┌─────────────────────┐
//!     │ superblock          │ 96 bytes, written last
//!     ├─────────────────────┤
//!     │ compressor options  │ where they are not the usual ones
//!     ├─────────────────────┤
//!     │ data blocks         │ in the order of delivery, blocks of a file in a row;
//!     │ and fragment blocks │ equal files once, zeros not at all
//!     ├─────────────────────┤ ◀─┐
//!     │ inode table         │   │ metadata blocks: 8 KiB, compressed one by one;
//!     ├─────────────────────┤   │ both tables refer to places in the other,
//!     │ directory table     │   │ children before parents
//!     ├─────────────────────┤ ◀─┘
//!     │ fragment table      │ lookup tables: metadata blocks of equally long entries,
//!     │ export table        │ then pointers to them
//!     │ id table            │
//!     │ xattr tables        │ if there are any
//!     ├─────────────────────┤ bytes used
//!     │ padding             │ to a multiple of 4096
//!     └─────────────────────┘
//! ```
//!
//! A tree goes in, an image comes out:
//!
//! ```
//! use std::io::Cursor;
//! use std::num::NonZeroUsize;
//!
//! use bootwright_image::{Blob, FileTree, Metadata, Silent};
//! use bootwright_squashfs::{Options, read::Image, write};
//!
//! let mut tree = FileTree::new(Metadata::directory(0o755));
//! tree.add_file(tree.root(), b"motd", Metadata::file(0o644), Blob::from("hello\n"))?;
//!
//! let mut options = Options::new(NonZeroUsize::MIN);
//! options.compression = "zstd:3".parse()?;
//! let mut output = Cursor::new(Vec::new());
//! let summary = write(&tree, &(), options, &mut output, &Silent)?;
//! assert_eq!(output.get_ref().len() as u64, summary.padded_len);
//!
//! let mut image = Image::open(output, 0)?;
//! let motd = image.lookup(b"motd")?.expect("it was written");
//! assert_eq!(std::io::read_to_string(image.open_file(&motd))?, "hello\n");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`Writer`] is the same in steps, for contents that come from a source with an order of its own
//! and for an image that is a part of something larger: it is a
//! [`ContentSink`](bootwright_image::ContentSink) and writes to whatever can seek, such as a
//! [`Window`](bootwright_image::Window) on an ISO file.
//!
//! # Determinism
//! An image depends on the tree, the options without [`jobs`](Options::jobs) and
//! [`memory`](Options::memory), the order of delivery and the versions of the codecs. Inode
//! numbers follow the names, the id table is sorted.
//!
//! # What it does not do
//! Append to an image; write the lzma and lzo compressors; hold `system.*` attributes (POSIX
//! ACLs), which the format has no place for. The reader is for tests and inspection: it reads in
//! order and keeps little.
//!
//! # References
//! The format is described by squashfs-tools-ng (`doc/format.adoc`) and in Linux
//! (`Documentation/filesystems/squashfs.rst`).

#[doc(hidden)]
pub mod benching;
mod block_list;
mod blocks;
mod bound;
mod codec;
mod emit;
mod error;
mod evidence;
mod format;
mod fragments;
#[doc(hidden)]
pub mod fuzzing;
mod group;
mod inodes;
mod listing;
mod metadata;
mod options;
mod plan;
pub mod read;
pub mod reuse;
mod supply;
mod tables;
mod worker;
mod xattrs;

pub use bound::upper_bound;
pub use emit::{Summary, Writer, write};
pub use error::WriteError;
pub use format::{CompressorId, Flags, Superblock};
pub use metadata::MetadataRef;
pub use options::{Bcj, BlockSize, Compression, Fragments, OptionError, Options};
