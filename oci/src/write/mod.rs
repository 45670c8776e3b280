//! Writing images: a layer from the difference of two trees, a config that was edited, and both
//! on top of a base image whose layers stay as they are.
//!
//! ```text
//!   FileTree ┐
//!            ├─▶ Changes ──▶ write_layer: tar, diff_id, gzip, digest ──▶ ImageStore ◀── base layers,
//!   FileTree ┘   (plan)               contents as they are delivered       ▲   │        byte for byte
//!                                                                          │   ▼
//!   base config ──▶ ImageConfig, edited ──▶ NewImage: config, manifest ────┘  LayoutFolder, ImageArchive
//! ```
//!
//! The bytes depend on the trees, the contents and the options alone: not on threads, on the
//! machine or on the day.

mod archive;
mod base;
mod changes;
mod config;
mod container;
mod error;
mod header;
mod image;
mod layer;
mod layout;
mod store;
pub(crate) mod tar;

pub use archive::{ArchiveFormat, ImageArchive};
pub use changes::Changes;
pub use config::{HistoryEntry, ImageConfig};
pub use container::{Container, write_container};
pub use error::WriteError;
pub use image::{ManifestFormat, NewImage, WrittenImage};
pub use layer::{LayerCompression, LayerOptions, NewLayer, write_layer};
pub use layout::LayoutFolder;
pub use store::{BlobRole, Descriptor, Fill, ImageStore};
