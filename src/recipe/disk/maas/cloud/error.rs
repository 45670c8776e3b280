//! Why an image of a disk gives no root file system.

use std::io;

use bootwright_partitions::{ext, gpt};

/// Why the system that boots first cannot be taken out of an image. `place` names the file, and
/// the partition or the member in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CloudError {
    /// The file cannot be read or unpacked.
    #[error("cannot read {place}")]
    Read {
        /// Where.
        place: String,
        /// The cause.
        source: io::Error,
    },
    /// Neither a file system nor a disk, or of a kind that is not read.
    #[error(
        "{place} is {found}, not an ext file system, a disk with a GUID partition table, \
         or a tar or gzip of one of these"
    )]
    Format {
        /// Where.
        place: String,
        /// What it is.
        found: &'static str,
    },
    /// A file system that is damaged, in use or has features that are not read.
    #[error("cannot read the file system in {place}")]
    Volume {
        /// Where.
        place: String,
        /// The cause.
        source: ext::ReadError,
    },
    /// A partition table that cannot be read.
    #[error("cannot read the partition table of {place}")]
    Table {
        /// Where.
        place: String,
        /// The cause.
        source: gpt::ReadError,
    },
    /// A partition table that contradicts itself.
    #[error("the partition table of {place} is damaged: {finding}")]
    Damaged {
        /// Where.
        place: String,
        /// What is wrong.
        finding: gpt::Finding,
    },
    /// No file system with /etc and /usr.
    #[error(
        "{place} has no root file system: of its {count} ext file systems none has /etc and /usr"
    )]
    NoRoot {
        /// Where.
        place: String,
        /// How many were looked at.
        count: usize,
    },
    /// Several file systems with /etc and /usr.
    #[error("{place} has several root file systems, in partitions {first} and {second}")]
    Several {
        /// Where.
        place: String,
        /// A partition, counted from 1.
        first: usize,
        /// Another.
        second: usize,
    },
}
