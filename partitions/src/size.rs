//! How large a file system is made.

/// How large a volume is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// As small as the contents allow.
    Auto {
        /// Bytes to leave free.
        headroom: u64,
    },
    /// This many bytes; of a FAT volume and of a disk whole sectors.
    Exact(u64),
}
