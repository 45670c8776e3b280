//! Why a volume cannot be made.

use std::io;

use bootwright_image::ContentError;

/// Why there cannot be such a volume. Paths are without a leading slash.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// A label that is too long or has a NUL.
    #[error("label {label:?} has {len} bytes or a NUL: at most 16, no NUL")]
    Label {
        /// The label.
        label: String,
        /// Its length in bytes.
        len: usize,
    },
    /// An option has a value that cannot be.
    #[error("{option} of {value}: {expected}")]
    Option {
        /// The option.
        option: &'static str,
        /// Its value.
        value: u64,
        /// What it could be.
        expected: &'static str,
    },
    /// A file is too long.
    #[error("{path:?} has {len} bytes: at most {max} with blocks of {block_size}")]
    FileTooLarge {
        /// The path.
        path: String,
        /// Its length in bytes.
        len: u64,
        /// The most bytes there can be.
        max: u64,
        /// Bytes in a block.
        block_size: u64,
    },
    /// More names than an inode can have.
    #[error("{path:?} has {links} links: at most {max}")]
    Links {
        /// A path of it.
        path: String,
        /// The names, or the subdirectories and two.
        links: u64,
        /// The most there can be.
        max: u64,
    },
    /// An extended attribute that cannot be stored.
    #[error("extended attribute {name:?} of {path:?} {problem}")]
    Xattr {
        /// The path.
        path: String,
        /// The attribute.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Extended attributes that do not fit in a block.
    #[error("extended attributes of {path:?} need {needed} bytes: at most {max}")]
    XattrsTooLarge {
        /// The path.
        path: String,
        /// The bytes they need.
        needed: usize,
        /// The bytes of a block.
        max: usize,
    },
    /// A `lost+found` in the root that is no directory.
    #[error("\"lost+found\" is not a directory")]
    LostAndFound,
    /// The given size does not do.
    #[error("a volume of {given} bytes is too small: {needed} are needed")]
    TooSmall {
        /// The size given.
        given: u64,
        /// The size needed.
        needed: u64,
    },
    /// More blocks than numbers of 32 bits count.
    #[error("the contents need more than 4294967295 blocks of {block_size} bytes")]
    TooLarge {
        /// Bytes in a block.
        block_size: u64,
    },
}

/// Why a volume could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmitError {
    /// The output refused the bytes.
    #[error("cannot write the volume")]
    Output(#[from] io::Error),
    /// A content could not be read, or the writer refused it, which is in the cause.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// A content came out of turn.
    #[error("content of inode {inode} comes out of turn")]
    Order {
        /// The index of the inode that was delivered.
        inode: usize,
    },
    /// A content is not as long as its file was planned, or contents are missing.
    #[error("content of inode {inode} has {len} bytes instead of {planned}")]
    Length {
        /// The inode's index.
        inode: usize,
        /// The bytes that came.
        len: u64,
        /// The bytes planned.
        planned: u64,
    },
    /// Where a hole was planned are other bytes than zeros.
    #[error("content of inode {inode} has data in the hole at byte {offset}")]
    Hole {
        /// The inode's index.
        inode: usize,
        /// Where, in the content.
        offset: u64,
    },
    /// A defect of the writer: it did not follow its own plan.
    #[error("BUG: {what}: planned at block {planned}, written at byte {position}")]
    PlanMismatch {
        /// What was to be written.
        what: &'static str,
        /// The block planned.
        planned: u64,
        /// Where it was written.
        position: u64,
    },
}
