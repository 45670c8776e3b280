//! FAT12, FAT16 and FAT32 file systems (Microsoft, "FAT: General Overview of On-Disk Format",
//! 1.03; UEFI 2.11, chapter 13.3).
//!
//! ```text
//!  reserved sectors   boot sector with the BPB (FAT32: FSInfo, backup at sector 6)
//!  FAT, FAT           two copies
//!  root directory     FAT12 and FAT16: 512 entries
//!  clusters           directories and files, depth first, each in one run
//! ```
//!
//! The writer knows all files before it begins, so a plan fixes every cluster and the image is
//! written front to back; a [`Writer`] takes files whose lengths turn out on the way. Times are UTC. Names longer than 8.3, or with lower-case letters, get a
//! long name and a short one made from it as Windows does (`CONFIG~1.YAM`).
//!
//! What FAT cannot hold is refused, not bent: symbolic links, devices, names with `:` and the
//! like, names that differ in case only. Owners, modes and extended attributes are dropped, hard
//! links become copies.

mod check;
mod choose;
mod dump;
mod emit;
mod format;
mod geometry;
mod name;
mod nodes;
mod plan;
mod read;
mod time;
mod writer;

use bootwright_image::Timestamp;

use crate::SectorSize;

pub use crate::Size;
pub use dump::dump;
pub use emit::EmitError;
pub use format::FatType;
pub use plan::{Plan, PlanError};
pub use read::{Finding, FoundEntry, ReadError, Volume};
pub use writer::{WriteError, Writer};

/// How a volume is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The volume's label: up to 11 of `A`–`Z`, `0`–`9`, space and ``!#$%&'()-@^_`{}~``; empty for
    /// none.
    pub label: String,
    /// The serial number; `None`: from the label, the names, times, lengths and the contents in
    /// memory.
    pub volume_id: Option<u32>,
    /// The label's time. Files and directories have their own. All are cut to 1980-01-01 …
    /// 2107-12-31 and to even seconds.
    pub time: Timestamp,
    /// How large the volume is.
    pub size: Size,
    /// Bytes in a sector.
    pub sector_size: SectorSize,
    /// Sectors in a cluster: a power of two up to 128, at most 64 KiB; `None`: by the volume's
    /// size.
    pub cluster_sectors: Option<u8>,
    /// The type; `None`: what the number of clusters gives.
    pub fat_type: Option<FatType>,
    /// Sectors in front of the FATs; `None`: 1 (FAT32: 32) and what it takes to align the first
    /// cluster to the clusters' size.
    pub reserved_sectors: Option<u16>,
    /// Sectors in front of the volume on its disk, for BIOS boot code; no matter to UEFI.
    pub hidden_sectors: u32,
    /// The name of the formatting system.
    pub oem_name: [u8; 8],
}

impl Default for Options {
    fn default() -> Self {
        Self {
            label: String::new(),
            volume_id: None,
            time: Timestamp::default(),
            size: Size::Auto { headroom: 0 },
            sector_size: SectorSize::B512,
            cluster_sectors: None,
            fat_type: None,
            reserved_sectors: None,
            hidden_sectors: 0,
            // What the specification recommends, since some drivers look for it.
            oem_name: *b"MSWIN4.1",
        }
    }
}
