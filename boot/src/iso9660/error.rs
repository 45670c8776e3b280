//! Why an ISO image could not be written.

use std::io;

use bootwright_image::ContentError;
use bootwright_partitions::gpt;

/// Why an ISO image could not be written. Paths are shown with escapes for bytes that do not
/// print.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// A text of a volume descriptor that cannot be stored.
    #[error("{field} {value:?} {problem}")]
    Text {
        /// The descriptor's field.
        field: &'static str,
        /// The text given.
        value: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// More directories than path table records number.
    #[error("{count} directories, the limit of an ISO 9660 path table is 65535")]
    TooManyDirectories {
        /// The number of directories.
        count: usize,
    },
    /// A directory whose records need more bytes than its length field counts.
    #[error("directory {path:?} has too many entries: its records exceed 4294965248 bytes")]
    DirectoryTooLarge {
        /// The directory.
        path: String,
    },
    /// A device whose numbers a reader would take for others.
    #[error(
        "device {major}:{minor} of {path:?} cannot be stored: without a major number, minor \
         numbers end at 255"
    )]
    Device {
        /// The device node.
        path: String,
        /// Its major number.
        major: u32,
        /// Its minor number.
        minor: u32,
    },
    /// The image would be larger than block addresses reach.
    #[error("the image would exceed 4294967295 blocks of 2048 bytes at {what}")]
    TooLarge {
        /// What did not fit.
        what: String,
    },
    /// A file that must be a regular file of the tree is something else.
    #[error("{path:?} is not a regular file")]
    NotAFile {
        /// The name.
        path: String,
    },
    /// A file was placed, opened or given its content a second time.
    #[error("{path:?} has its place already")]
    Placed {
        /// The file.
        path: String,
    },
    /// A file whose content the caller wanted to write has no place at the end.
    #[error("{path:?} was never written: its content was left to the caller")]
    NotPlaced {
        /// The file.
        path: String,
    },
    /// A content is longer than the upper bound it was planned with.
    #[error("{path:?} has {len} bytes, planned were at most {limit}")]
    LongerThanPlanned {
        /// The file.
        path: String,
        /// Its length in bytes.
        len: u64,
        /// The planned limit in bytes.
        limit: u64,
    },
    /// Something was to be placed while the end of another file is not known.
    #[error("{path:?} cannot be placed: {open:?} is still open and everything after it waits")]
    Open {
        /// What was to be placed.
        path: String,
        /// The open file.
        open: String,
    },
    /// An end was given for a file that is not open.
    #[error("{path:?} is not open")]
    NotOpen {
        /// The file.
        path: String,
    },
    /// An alignment that is no power of two of at least one block.
    #[error("alignment {align} is not a power of two of at least 2048")]
    Alignment {
        /// The alignment in bytes.
        align: u64,
    },
    /// A boot image that cannot be used as it was asked for.
    #[error("boot image {path:?} {problem}")]
    BootImage {
        /// The file.
        path: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Boot code of a master boot record that is too long.
    #[error("the boot code has {len} bytes, a master boot record has room for 440 of at most 512")]
    BootCode {
        /// The length in bytes.
        len: usize,
    },
    /// The boot options contradict each other.
    #[error("{problem}")]
    Boot {
        /// What does not fit together.
        problem: &'static str,
    },
    /// The partition table cannot be as asked.
    #[error(transparent)]
    Gpt(#[from] gpt::PlanError),
    /// A partition beyond what a master boot record addresses.
    #[error(
        "sectors {first} to {last} are beyond the 4294967295 that a master boot record addresses"
    )]
    BeyondMbr {
        /// The partition's first sector of 512 bytes.
        first: u64,
        /// Its last sector.
        last: u64,
    },
    /// A content could not be read, or not be stored.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// The output refused the bytes.
    #[error("cannot write the ISO image")]
    Io(#[from] io::Error),
    /// The observer asked to stop.
    #[error("cancelled")]
    Cancelled,
    /// A defect of the writer: a table came out larger than it was planned.
    #[error("BUG: {table}: planned {planned} bytes, wrote {written}")]
    PlanMismatch {
        /// The table.
        table: &'static str,
        /// The planned length in bytes.
        planned: u64,
        /// The length written in bytes.
        written: u64,
    },
}
