//! The unit of a disk's addresses.

/// Bytes in a logical sector of a disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum SectorSize {
    /// 512 bytes: nearly every disk, and every hybrid ISO.
    #[default]
    B512,
    /// 4096 bytes ("4K native").
    B4096,
}

impl SectorSize {
    /// The size in bytes.
    #[must_use]
    pub fn bytes(self) -> u64 {
        match self {
            Self::B512 => 512,
            Self::B4096 => 4096,
        }
    }

    /// The same, for lengths in memory.
    pub(crate) fn len(self) -> usize {
        match self {
            Self::B512 => 512,
            Self::B4096 => 4096,
        }
    }
}
