//! What volumes can be made.

use std::collections::BTreeMap;
use std::ops::Range;

use bootwright_image::{InodeId, Timestamp};

use super::format::{compat, incompat, ro_compat};
use super::mapping::Mapping;
use crate::{SectorSize, Size};

/// Which file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Variant {
    /// ext2: block maps, no journal, no checksums. Mountable with `-t ext2` by every driver;
    /// extended attributes are kept in blocks, the only place where the old driver looks.
    Ext2,
    /// ext4: extents, a journal, 64-bit descriptors, flexible block groups, metadata checksums.
    /// Nothing that GRUB 2.06 or Linux 3.18 cannot read.
    Ext4,
}

impl Variant {
    pub(super) fn mapping(self) -> Mapping {
        match self {
            Self::Ext2 => Mapping::Indirect,
            Self::Ext4 => Mapping::Extents,
        }
    }

    /// Features that may be ignored, that must be known to mount, that must be known to write.
    pub(super) fn features(self, journal: bool) -> [u32; 3] {
        let compat = compat::EXT_ATTR | compat::RESIZE_INODE | compat::DIR_INDEX;
        let ro_compat = ro_compat::SPARSE_SUPER | ro_compat::LARGE_FILE;
        match self {
            Self::Ext2 => [compat, incompat::FILETYPE, ro_compat],
            Self::Ext4 => [
                compat | if journal { compat::HAS_JOURNAL } else { 0 },
                incompat::FILETYPE | incompat::EXTENTS | incompat::BIT64 | incompat::FLEX_BG,
                ro_compat
                    | ro_compat::HUGE_FILE
                    | ro_compat::DIRECTORY_LINKS
                    | ro_compat::EXTRA_ISIZE
                    | ro_compat::METADATA_CHECKSUM,
            ],
        }
    }
}

/// How a volume is to be made. What is `None` or a default is as mke2fs makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Which file system.
    pub variant: Variant,
    /// The volume's label, at most 16 bytes.
    pub label: String,
    /// The volume's UUID, in the order in which text shows it.
    pub uuid: [u8; 16],
    /// What the hashes of names begin with, in the order in which text shows it.
    pub hash_seed: [u8; 16],
    /// When the volume was made; also the time of `lost+found`.
    pub time: Timestamp,
    /// How large the volume is. The headroom of an automatic size counts all free blocks, those
    /// reserved for root among them.
    pub size: Size,
    /// Sectors of the disk: blocks are at least as large.
    pub sector_size: SectorSize,
    /// Bytes in a block: 1024, 2048 or 4096; `None`: 1024 below 512 MiB, else 4096.
    pub block_size: Option<u32>,
    /// Bytes in an inode, 128 or 256.
    pub inode_size: u32,
    /// Bytes of the volume for each inode, 1024 to 4 Mi; `None`: 8192 below 3 MiB, 4096 below
    /// 512 MiB, else 16384 (32768 from 4 TiB, 65536 from 16 TiB). There are always enough inodes
    /// for the tree.
    pub inode_ratio: Option<u32>,
    /// Share of the blocks that only root may use, at most 50.
    pub reserved_percent: u8,
}

impl Options {
    /// A volume without label, all zeros for UUID and hash seed, as small as its contents.
    #[must_use]
    pub fn new(variant: Variant) -> Self {
        Self {
            variant,
            label: String::new(),
            uuid: [0; 16],
            hash_seed: [0; 16],
            time: Timestamp::default(),
            size: Size::Auto { headroom: 0 },
            sector_size: SectorSize::B512,
            block_size: None,
            inode_size: 256,
            inode_ratio: None,
            reserved_percent: 5,
        }
    }
}

/// Where contents have holes: bytes that read as zeros and take no blocks. Ranges of one inode are
/// in order and do not touch. Only whole blocks within them become holes.
pub type Holes = BTreeMap<InodeId, Vec<Range<u64>>>;
