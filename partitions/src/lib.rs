//! Disks: partition tables, file systems, compressed images: GPT, MBR, FAT, ext2, ext4, gzip.
//!
//! ```text
//!  LBA 0   protective MBR        mbr::Mbr         ┐
//!  LBA 1   primary GPT header  ┐                  │
//!  LBA 2…  partition entries   ┘ gpt::Plan        │
//!          EFI system partition  fat::Plan        │ disk::Plan ──▶ SparseFile ──▶ NAME.raw
//!          Linux partitions      ext::Plan        │            └─▶ gzip::Gzip ──▶ NAME.raw.gz
//!          partition entries   ┐                  │
//!  last    backup GPT header   ┘ gpt::Plan        ┘
//! ```
//!
//! Everything here is planned first, from trees and options alone, and then written front to back
//! into a [`SparseWrite`]. So one writer does for a file, for a partition, for a file within an
//! outer volume and for a compressor, and a disk is never held or spooled.
//!
//! The tables are pure encoders: values in, bytes out; where the bytes go is the caller's
//! business, so that a table can stand in a disk image and in an ISO's system area alike.
//!
//! ```
//! use bootwright_partitions::gpt::{Entry, Table, types};
//! use bootwright_partitions::{Guid, SectorSize};
//!
//! let esp = Entry::new(types::EFI_SYSTEM, Guid::from_content(&[b"esp"]), 2048..=133_119, "efi");
//! let table = Table::new(SectorSize::B512, 1 << 20, Guid::from_content(&[b"disk"]), vec![esp]);
//! let plan = table.plan()?;
//! assert_eq!(plan.primary().len(), 33 * 512);
//! assert_eq!(plan.backup_offset(), ((1 << 20) - 33) * 512);
//! # Ok::<(), bootwright_partitions::gpt::PlanError>(())
//! ```

mod bytes;
mod guid;
mod sector;
mod size;
mod sparse;

pub mod disk;
pub mod ext;
pub mod fat;
pub mod gpt;
pub mod mbr;

#[doc(hidden)]
pub mod fuzzing;

pub use bootwright_gzip as gzip;
pub use bootwright_image::SparseWrite;
pub use guid::{Guid, GuidParseError};
pub use sector::SectorSize;
pub use size::Size;
pub use sparse::{ContentWriter, Dense, SparseFile};
