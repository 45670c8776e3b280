//! Container images as file trees: OCI layouts and archives, docker archives, folders and tars,
//! merged layer by layer.
//!
//! ```text
//!   Reference ──▶ layout / docker / directory: which layers, what digests
//!                        │
//!   TarSource ──▶ pump: read, hash, decompress ──▶ tar::Reader ──▶ Layer: compact entries   (pass 1)
//!                        │  a thread of its own                        │
//!                        │                                             ▼  bottom to top
//!                        │                                       Merger ──▶ FileTree
//!                        ▼
//!                  LayerStreams::deliver: the same bytes again, checked again ──▶ ContentSink  (pass 2)
//! ```
//!
//! Nothing is unpacked. The first pass reads every layer once, checks digests and sizes and keeps
//! one entry for each member; the second reads the layers that hold wanted contents once more and
//! hands these over in large pieces.
//!
//! ```
//! use std::num::NonZeroUsize;
//! use bootwright_image::Silent;
//! use bootwright_oci::{Limits, Options, Reference, Stack};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # std::fs::write(folder.path().join("hello"), "hello\n")?;
//! # let base = format!("dir:{}", folder.path().display());
//! let options = Options {
//!     architecture: "amd64".to_owned(),
//!     limits: Limits::default(),
//!     jobs: NonZeroUsize::MIN,
//! };
//! let mut stack = Stack::new(options, &Silent);
//! stack.add_image(&base.parse::<Reference>()?)?;
//! let rootfs = stack.finish()?;
//! assert!(rootfs.tree.lookup(b"/hello").is_some());
//! # Ok(())
//! # }
//! ```
//!
//! # Not here
//! Registries: `docker://` is refused for now.
//!
//! # Specifications
//! [OCI image format 1.1](https://github.com/opencontainers/image-spec/blob/v1.1.1/spec.md);
//! POSIX.1-2017 `pax`; the GNU tar manual's chapter on formats.

mod archive;
#[doc(hidden)]
pub mod benching;
mod compression;
mod digest;
mod directory;
mod docker;
mod entry;
mod error;
mod feed;
#[doc(hidden)]
pub mod fuzzing;
mod graft;
mod image;
mod json;
mod layout;
mod limits;
mod merge;
mod name;
mod pipe;
mod problem;
mod record;
mod reference;
#[cfg(feature = "registry")]
pub mod registry;
mod scan;
mod small;
mod source;
mod stack;
pub mod store;
mod streams;
mod tar;
mod time;
mod whiteout;
pub mod write;

pub use compression::Compression;
pub use digest::{ContentDigest, InvalidDigest};
pub use error::{DocumentProblem, Error, Problem};
pub use graft::{Adapt, Graft, GraftError, Location, Overwrite};
pub use image::{ImageInfo, LayerInfo};
pub use limits::Limits;
pub use name::{ImageName, NameError};
pub use record::Records;
pub use reference::{Reference, ReferenceError};
pub use small::read_small_archive;
pub use stack::{InputSummary, Merged, Options, Rootfs, Stack};
pub use store::{Selection, Store, StoreError};
pub use streams::LayerStreams;
pub use time::format as format_time;
