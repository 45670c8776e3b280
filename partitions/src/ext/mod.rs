//! ext2 and ext4 file systems (Linux, Documentation/filesystems/ext4).
//!
//! ```text
//!  block group 0   superblock, group descriptors, room for more of them
//!                  block bitmap, inode bitmap, inode table
//!                  directories, attributes, journal ┐ in one row through all groups,
//!                  contents, each with its map      ┘ around what has a fixed place
//!  block group n   copy of superblock and descriptors (1 and powers of 3, 5, 7)
//!                  bitmaps, inode table (ext4: those of 16 groups in the first of them)
//! ```
//!
//! All but the contents is known from the tree. So a plan fixes every block, contents lie in the
//! order in which their sources give them, and a volume is written front to back, once, into a
//! file or straight into a compressor. The price: files of one directory need not be neighbours.
//!
//! ```
//! use bootwright_image::{Blob, FileTree, Metadata, Silent};
//! use bootwright_partitions::ext::{Holes, Options, Plan, Variant};
//!
//! let mut tree = FileTree::new(Metadata::directory(0o755));
//! tree.add_file(tree.root(), b"grubenv", Metadata::file(0o644), Blob::from("# GRUB"))?;
//! let holes = Holes::new();
//! let plan = Plan::new(&tree, &Options::new(Variant::Ext2), &holes)?;
//! let volume = plan.emit(&(), Vec::new(), &Silent)?;
//! assert_eq!(volume.len() as u64, plan.len());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod acl;
mod checksum;
mod directory;
mod emit;
mod error;
mod extents;
mod format;
mod geometry;
mod groups;
mod hash;
mod indirect;
mod inodes;
mod journal;
mod mapping;
mod nodes;
mod options;
mod plan;
mod read;
mod sizing;
mod small;
mod superblock;
mod xattr;

pub use emit::Writer;
pub use error::{EmitError, PlanError};
pub use options::{Holes, Options, Variant};
pub use plan::Plan;
pub use read::{Contents, FileReader, Finding, ReadError, Volume, dump};
