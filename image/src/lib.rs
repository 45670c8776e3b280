//! The vocabulary that every bootwright crate speaks. No format and no policy lives here.
//!
//! ```text
//!   FileTree ── names, metadata, links ──▶ a writer plans tables and offsets
//!      │
//!      └─ Blob: content by reference ──▶ deliver() ──▶ ContentSink (the writer), in a fixed order
//!                                            ▲
//!                      Streams: contents that can only be read in their source's own order
//!
//!   Canvas: one output file ──▶ Window: a writer's own place in it, starting at zero
//!   Pool:   numbered jobs on N threads, results in the order of the jobs
//! ```
//!
//! A tree is built in code or from a container image (crate `bootwright-oci`), and handed to a
//! writer (`bootwright-squashfs`, `bootwright-boot`, `bootwright-partitions`):
//!
//! ```
//! use bootwright_image::{Blob, FileTree, Metadata};
//!
//! let mut tree = FileTree::new(Metadata::directory(0o755));
//! let etc = tree.add_directory(tree.root(), b"etc", Metadata::directory(0o755))?;
//! tree.add_file(etc, b"hostname", Metadata::file(0o644), Blob::from("edge\n"))?;
//! assert_eq!(tree.lookup(b"/etc/hostname"), tree.child(etc, b"hostname"));
//! # Ok::<(), bootwright_image::TreeError>(())
//! ```
//!
//! # Determinism
//! Children are ordered by the bytes of their names, contents are delivered in an order that
//! depends on the tree alone, and [`Pool`] gives results back in the order of the jobs. Nothing
//! here reads a clock, the environment or a source of randomness.

mod blob;
mod canvas;
mod deliver;
mod inode;
mod observer;
mod pool;
mod sink;
mod sparse;
mod timestamp;
mod tree;
mod walk;

pub use blob::{Blob, BlobReader, Digest, Origin, StreamKey};
pub use canvas::{Canvas, Window};
pub use deliver::{
    BoxError, ContentError, ContentSink, Streams, Wanted, collect, deliver, delivery_order,
};
pub use inode::{Device, Directory, Inode, InodeId, Kind, Metadata, Xattrs};
pub use observer::{Observer, Phase, Silent};
pub use pool::{Pool, WorkerLost};
pub use sink::{EmitError, Region, Sink};
pub use sparse::{SparseWrite, is_zero, write_zeros};
pub use timestamp::Timestamp;
pub use tree::{FileTree, NAME_MAX, ResolveError, SYMLINK_MAX, TreeError};
pub use walk::{Walk, Walked};
