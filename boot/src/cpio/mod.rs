//! A root file system as an initramfs: a `newc` archive, compressed with zstd.
//!
//! The archive holds folders, links and nodes first, then regular files in the order in which
//! their contents come, so layers are read front to back and nothing is held in memory. The
//! kernel takes any order in which folders precede what is in them
//! (`Documentation/driver-api/early-userspace/buffer-format.rst`).
//!
//! ```
//! use std::num::NonZeroU32;
//!
//! use bootwright_boot::cpio::{Compressor, Options, write};
//! use bootwright_image::{Blob, FileTree, Metadata, Silent};
//!
//! let mut tree = FileTree::new(Metadata::directory(0o755));
//! tree.add_file(tree.root(), b"init", Metadata::file(0o755), Blob::from("#!/bin/sh\n"))?;
//! let mut initrd = Compressor::new(Vec::new(), 3, NonZeroU32::MIN)?;
//! let summary = write(&tree, &(), Options::default(), &mut initrd, &Silent)?;
//! let archive = zstd::decode_all(&*initrd.finish()?)?;
//! assert_eq!(archive.len() as u64, summary.len);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod compress;
mod error;
mod format;
mod plan;
mod writer;

pub use compress::{Compressor, JOB_SIZE, LEVELS};
pub use error::WriteError;
pub use plan::{Options, Ownership, archive_len};
pub use writer::{Summary, Writer, write};
