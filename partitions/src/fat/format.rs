//! The structures on disk.

use std::fmt;

/// Which kind of FAT. The number of clusters alone decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FatType {
    /// Up to 4084 clusters.
    Fat12,
    /// 4085 to 65524 clusters.
    Fat16,
    /// 65525 clusters and more.
    Fat32,
}

impl FatType {
    /// The type of a volume with that many clusters.
    #[must_use]
    pub fn of(clusters: u64) -> Self {
        match clusters {
            0..4085 => Self::Fat12,
            4085..65525 => Self::Fat16,
            _ => Self::Fat32,
        }
    }

    /// The fewest and the most clusters.
    #[must_use]
    pub fn clusters(self) -> (u64, u64) {
        match self {
            Self::Fat12 => (1, 4084),
            Self::Fat16 => (4085, 65524),
            // The numbers from 0x0FFFFFF7 on have meanings; numbers begin at 2.
            Self::Fat32 => (65525, 0x0FFF_FFF5),
        }
    }

    /// Bits of an entry in the FAT.
    #[must_use]
    pub fn bits(self) -> u64 {
        match self {
            Self::Fat12 => 12,
            Self::Fat16 => 16,
            Self::Fat32 => 32,
        }
    }

    /// The value that ends a chain; also the bits of an entry that count.
    pub(super) fn end_of_chain(self) -> u32 {
        match self {
            Self::Fat12 => 0xFFF,
            Self::Fat16 => 0xFFFF,
            Self::Fat32 => 0x0FFF_FFFF,
        }
    }

    /// The text in the boot sector. Readers must not go by it, some people do.
    pub(super) fn label(self) -> &'static [u8; 8] {
        match self {
            Self::Fat12 => b"FAT12   ",
            Self::Fat16 => b"FAT16   ",
            Self::Fat32 => b"FAT32   ",
        }
    }
}

impl fmt::Display for FatType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FAT{}", self.bits())
    }
}

/// The type of medium: a fixed disk.
pub(super) const MEDIA: u8 = 0xF8;
/// Copies of the FAT.
pub(super) const FATS: u8 = 2;
/// Entries of the root directory of FAT12 and FAT16; some firmware knows no other number.
pub(super) const ROOT_ENTRIES: u16 = 512;
/// Bytes of a directory entry.
pub(super) const ENTRY_LEN: usize = 32;
/// Entries of a directory: 2 MiB.
pub(super) const DIRECTORY_ENTRIES_MAX: u64 = 65536;
/// The number of the first cluster.
pub(super) const FIRST_CLUSTER: u32 = 2;
/// Where FAT32 keeps its FSInfo sector.
pub(super) const FS_INFO_SECTOR: u16 = 1;
/// Where FAT32 keeps the copy of its boot sector, with that of FSInfo behind it.
pub(super) const BACKUP_BOOT_SECTOR: u16 = 6;
/// The label of a volume without one.
pub(super) const NO_NAME: &[u8; 11] = b"NO NAME    ";

/// Offsets in the boot sector.
pub(super) mod boot {
    pub(in super::super) const OEM_NAME: usize = 3;
    pub(in super::super) const SECTOR_LEN: usize = 11;
    pub(in super::super) const CLUSTER_SECTORS: usize = 13;
    pub(in super::super) const RESERVED: usize = 14;
    pub(in super::super) const FATS: usize = 16;
    pub(in super::super) const ROOT_ENTRIES: usize = 17;
    pub(in super::super) const TOTAL_16: usize = 19;
    pub(in super::super) const MEDIA: usize = 21;
    pub(in super::super) const FAT_SECTORS_16: usize = 22;
    pub(in super::super) const TRACK_SECTORS: usize = 24;
    pub(in super::super) const HEADS: usize = 26;
    pub(in super::super) const HIDDEN: usize = 28;
    pub(in super::super) const TOTAL_32: usize = 32;
    /// FAT32 only from here…
    pub(in super::super) const FAT_SECTORS_32: usize = 36;
    pub(in super::super) const ROOT_CLUSTER: usize = 44;
    pub(in super::super) const FS_INFO: usize = 48;
    pub(in super::super) const BACKUP: usize = 50;
    /// … to here. The block of drive number to type follows at one of two places.
    pub(in super::super) const EXTENDED_16: usize = 36;
    pub(in super::super) const EXTENDED_32: usize = 64;
    pub(in super::super) const SIGNATURE: usize = 510;
}

/// Offsets in the block of the boot sector whose place depends on the type.
pub(super) mod extended {
    pub(in super::super) const DRIVE: usize = 0;
    pub(in super::super) const BOOT_SIGNATURE: usize = 2;
    pub(in super::super) const VOLUME_ID: usize = 3;
    pub(in super::super) const LABEL: usize = 7;
    pub(in super::super) const TYPE: usize = 18;
    pub(in super::super) const LEN: usize = 26;
}

/// Offsets and signatures in FAT32's FSInfo sector.
pub(super) mod fs_info {
    pub(in super::super) const LEAD: (usize, u32) = (0, 0x4161_5252);
    pub(in super::super) const STRUCT: (usize, u32) = (484, 0x6141_7272);
    pub(in super::super) const FREE: usize = 488;
    pub(in super::super) const NEXT_FREE: usize = 492;
    pub(in super::super) const TRAIL: (usize, u32) = (508, 0xAA55_0000);
}

/// Offsets in a directory entry.
pub(super) mod entry {
    pub(in super::super) const NAME: usize = 0;
    pub(in super::super) const ATTRIBUTES: usize = 11;
    /// Windows NT: which part of the short name is shown in lower case.
    pub(in super::super) const CASE: usize = 12;
    pub(in super::super) const CREATED_TIME: usize = 14;
    pub(in super::super) const CREATED_DATE: usize = 16;
    pub(in super::super) const ACCESSED_DATE: usize = 18;
    pub(in super::super) const CLUSTER_HIGH: usize = 20;
    pub(in super::super) const MODIFIED_TIME: usize = 22;
    pub(in super::super) const MODIFIED_DATE: usize = 24;
    pub(in super::super) const CLUSTER_LOW: usize = 26;
    pub(in super::super) const LEN: usize = 28;
}

/// Offsets in a directory entry that holds a piece of a long name.
pub(super) mod long {
    pub(in super::super) const ORDER: usize = 0;
    pub(in super::super) const CHECKSUM: usize = 13;
    /// The places of the 13 UTF-16 units.
    pub(in super::super) const UNITS: [usize; 13] = [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30];
    /// In the order of the piece that comes first and ends the name.
    pub(in super::super) const LAST: u8 = 0x40;
}

/// Attributes of a directory entry.
pub(super) mod attribute {
    pub(in super::super) const VOLUME_LABEL: u8 = 0x08;
    pub(in super::super) const DIRECTORY: u8 = 0x10;
    pub(in super::super) const ARCHIVE: u8 = 0x20;
    /// Read-only, hidden, system and label at once: a piece of a long name.
    pub(in super::super) const LONG_NAME: u8 = 0x0F;
    pub(in super::super) const MASK: u8 = 0x3F;
}
