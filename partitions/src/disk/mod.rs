//! Disks: partitions one after another under a GPT.
//!
//! ```text
//!  MBR, primary GPT │ 1 MiB │ partition │ partition │ … │ free │ backup GPT
//! ```
//!
//! Everything is written front to back, each partition by whoever knows its content. So a disk
//! goes into a sparse file or straight into [`gzip`](crate::gzip), and is never held.
//!
//! ```
//! use std::io::{self, Write};
//!
//! use bootwright_partitions::disk::{Disk, Partition};
//! use bootwright_partitions::gpt::types;
//! use bootwright_partitions::Guid;
//!
//! let esp = Partition::new("efi", types::EFI_SYSTEM, Guid::from_content(&[b"efi"]), 4 << 20);
//! let disk = Disk::new(Guid::from_content(&[b"disk"]), vec![esp]);
//! let plan = disk.plan()?;
//! let bytes = plan.emit(Vec::new(), |_, place| place.write_all(b"a file system"))?;
//! assert_eq!(bytes.len() as u64, plan.len());
//! assert!(bytes[1 << 20..].starts_with(b"a file system"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod emit;
mod plan;

pub use emit::{EmitError, Place};
pub use plan::{ALIGNMENT, Disk, Hybrid, Partition, Plan, PlanError, Slot};
