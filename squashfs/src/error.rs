//! Why an image could not be written.

use std::io;

use bootwright_image::{BoxError, ContentError, FileTree, InodeId, WorkerLost};

use crate::options::OptionError;
use crate::reuse::DonorError;

/// Why an image could not be written. Paths have no leading slash; the root is `.`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// An option was refused.
    #[error(transparent)]
    Option(#[from] OptionError),
    /// The output refused the bytes.
    #[error("cannot write the squashfs image")]
    Output(#[source] io::Error),
    /// A compressor failed.
    #[error("cannot compress a block")]
    Compress(#[source] io::Error),
    /// A thread that compresses was lost.
    #[error(transparent)]
    WorkerLost(#[from] WorkerLost),
    /// The contents could not be delivered.
    #[error(transparent)]
    Deliver(ContentError),
    /// A content could not be read in search of equal ones.
    #[error("cannot read the content of {path:?}")]
    Read {
        /// Whose content.
        path: String,
        /// The cause.
        source: io::Error,
    },
    /// The image that blocks are taken from cannot give them.
    #[error("cannot take blocks from an earlier image")]
    Donor(#[from] DonorError),
    /// The observer asked to stop.
    #[error("cancelled")]
    Cancelled,
    /// A content that the caller wants to put in place itself: blocks must be compressed here.
    #[error("the content of {path:?} is not known yet: squashfs cannot hold room for it")]
    Deferred {
        /// Whose content.
        path: String,
    },
    /// A device number that Linux's encoding cannot hold.
    #[error("{path:?} is device {major}:{minor}: 4095:1048575 is the limit")]
    Device {
        /// The device node.
        path: String,
        /// Its major number.
        major: u32,
        /// Its minor number.
        minor: u32,
    },
    /// An extended attribute outside the namespaces that squashfs knows.
    #[error(
        "{path:?} has the extended attribute {name:?}: squashfs holds user, trusted and security \
         attributes only"
    )]
    Xattr {
        /// Whose attribute.
        path: String,
        /// The attribute's name.
        name: String,
    },
    /// An attribute's name or value, or all attributes of a file, are too long.
    #[error("the {part} of {path:?} has {len} bytes: {limit} is the limit")]
    XattrLen {
        /// Whose attributes.
        path: String,
        /// What is too long.
        part: &'static str,
        /// Its length in bytes.
        len: u64,
        /// The most.
        limit: u64,
    },
    /// A name longer than a directory entry holds.
    #[error("the name of {path:?} has {len} bytes: 256 is the limit")]
    Name {
        /// The entry.
        path: String,
        /// Length of its last component in bytes.
        len: usize,
    },
    /// More owners and groups than the id table holds.
    #[error("{count} different owners and groups: 65535 is the limit")]
    Ids {
        /// How many.
        count: usize,
    },
    /// More inodes than 32-bit numbers count.
    #[error("{count} inodes: 4294967294 is the limit")]
    Inodes {
        /// How many.
        count: u64,
    },
    /// A file of more blocks than a list of them may have.
    #[error("{path:?} has {blocks} blocks: 4294967295 is the limit")]
    Blocks {
        /// The file.
        path: String,
        /// How many.
        blocks: u64,
    },
    /// More fragment blocks than 32-bit numbers count.
    #[error("more than 4294967295 fragment blocks")]
    Fragments,
    /// A directory whose listing is too long.
    #[error("the listing of {path:?} has {len} bytes: 4294967292 is the limit")]
    Listing {
        /// The directory.
        path: String,
        /// Length in bytes.
        len: u64,
    },
    /// A table that references cannot reach the end of.
    #[error("the {table} reaches {len} bytes: 4294967295 is the limit")]
    Table {
        /// Which table.
        table: &'static str,
        /// Its compressed length when the limit was met.
        len: u64,
    },
    /// More or fewer bytes came than the tree says there are.
    #[error("the content of {path:?} has {planned} bytes in the tree, but {delivered} came")]
    ContentLen {
        /// The file.
        path: String,
        /// Its length in the tree.
        planned: u64,
        /// Bytes that came; at least that many, if more than planned.
        delivered: u64,
    },
    /// A file of the build host that is not what it was when its digest was taken.
    #[error("the content of {path:?} changed while the image was made")]
    Changed {
        /// The file.
        path: String,
    },
    /// A defect: contents were not delivered once each.
    #[error("BUG: the content of {path:?} {problem}")]
    Delivery {
        /// The file.
        path: String,
        /// What went wrong.
        problem: &'static str,
    },
}

impl WriteError {
    /// Takes an error of this crate out of what [`deliver`](bootwright_image::deliver) returns.
    pub(crate) fn from_delivery(error: ContentError) -> Self {
        match error {
            ContentError::Cancelled => Self::Cancelled,
            ContentError::Sink(error) => match error.downcast::<Self>() {
                Ok(error) => *error,
                Err(error) => Self::Deliver(ContentError::Sink(error)),
            },
            error => Self::Deliver(error),
        }
    }
}

/// The box that [`ContentSink`](bootwright_image::ContentSink) wants.
pub(crate) fn boxed<T>(result: Result<T, WriteError>) -> Result<T, BoxError> {
    result.map_err(Into::into)
}

/// A path as text for messages.
pub(crate) fn show(path: &[u8]) -> String {
    if path.is_empty() { ".".to_owned() } else { String::from_utf8_lossy(path).into_owned() }
}

/// The first name of an inode. Slow: for messages only.
pub(crate) fn path_of(tree: &FileTree, inode: InodeId) -> String {
    let walked = tree.walk().find(|walked| walked.id == inode);
    show(&walked.map(|walked| walked.path).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Errors that would take terabytes to provoke.
    #[test]
    fn limits_are_named() {
        let path = || show(b"d");
        for (error, message) in [
            (WriteError::Inodes { count: 1 << 32 }, "4294967296 inodes: 4294967294 is the limit"),
            (WriteError::Fragments, "more than 4294967295 fragment blocks"),
            (
                WriteError::Name { path: path(), len: 257 },
                r#"the name of "d" has 257 bytes: 256 is the limit"#,
            ),
            (
                WriteError::Listing { path: path(), len: 1 << 32 },
                r#"the listing of "d" has 4294967296 bytes: 4294967292 is the limit"#,
            ),
            (WriteError::from(WorkerLost), "BUG: a worker thread panicked"),
        ] {
            assert_eq!(error.to_string(), message);
        }
    }

    #[test]
    fn errors_come_back_through_the_delivery() {
        let inner = boxed::<()>(Err(WriteError::Fragments)).unwrap_err();
        let error = WriteError::from_delivery(ContentError::Sink(inner));
        assert!(matches!(error, WriteError::Fragments), "{error:?}");
        let error = WriteError::from_delivery(ContentError::Sink("foreign".into()));
        assert_eq!(error.to_string(), "cannot store a content");
        let error = WriteError::from_delivery(ContentError::Cancelled);
        assert!(matches!(error, WriteError::Cancelled), "{error:?}");
    }
}
