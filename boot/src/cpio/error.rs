//! Why an archive could not be written.

use std::io;

use bootwright_image::ContentError;

/// Why an archive could not be written. Paths have no leading slash.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// A file whose length has more than 32 bits.
    #[error("{path:?} has {len} bytes: a file in an initramfs has less than 4 GiB (4294967296)")]
    FileTooLarge {
        /// The file.
        path: String,
        /// Its length.
        len: u64,
    },
    /// A path that the kernel would skip silently.
    #[error("the path {path:?} has {len} bytes: the kernel unpacks paths of up to 4095")]
    PathTooLong {
        /// The path, cut.
        path: String,
        /// Its length.
        len: usize,
    },
    /// A content that the caller wants to put in place itself.
    #[error("the content of {path:?} is not known yet: an archive cannot hold room for it")]
    Deferred {
        /// The file.
        path: String,
    },
    /// More inodes than 32 bits count.
    #[error("more than 4294967294 inodes")]
    Inodes,
    /// A level that zstd does not have, or whose window is too large for some kernels.
    #[error("zstd level {level}: 1 to 19 are possible")]
    Level {
        /// The level.
        level: i32,
    },
    /// The contents could not be delivered.
    #[error(transparent)]
    Deliver(#[from] ContentError),
    /// A defect: a content came that is not wanted, or another length than planned.
    #[error("BUG: the content of {path:?}: {problem}")]
    Content {
        /// The file.
        path: String,
        /// What happened.
        problem: &'static str,
    },
    /// The output refused the bytes.
    #[error("cannot write the initramfs")]
    Output(#[from] io::Error),
}

/// A path as text for messages.
pub(super) fn text(path: &[u8]) -> String {
    String::from_utf8_lossy(&path[..path.len().min(256)]).into_owned()
}
