//! Why the store could not give or take an image.

use std::io;
use std::path::{Path, PathBuf};

use crate::digest::ContentDigest;
use crate::name::ImageName;

/// Why a [`Store`](super::Store) could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The file system refused.
    #[error("cannot {action} {path:?}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// An image's description is damaged or names no image that is wanted.
    #[error(transparent)]
    Image(#[from] Box<crate::Error>),
    /// A blob's bytes are not those that its descriptor promises.
    #[error("blob {expected}: the digest of what came is {actual}")]
    Digest {
        /// What was promised.
        expected: Box<ContentDigest>,
        /// What the bytes have.
        actual: Box<ContentDigest>,
    },
    /// A blob is longer or shorter than its descriptor promises.
    #[error("blob {digest}: {actual} bytes came, {expected} were promised")]
    Size {
        /// The blob.
        digest: Box<ContentDigest>,
        /// What was promised.
        expected: u64,
        /// What came; one more than promised stands for any larger number.
        actual: u64,
    },
    /// A folder or a tar is no image.
    #[error("{reference} is a root file system and no image: it has no layers to keep")]
    NoImage {
        /// The input.
        reference: String,
    },
    /// The store does not know a name.
    #[error("{name} is not in the store")]
    Unknown {
        /// The name.
        name: Box<ImageName>,
    },
    /// An image lacks blobs.
    #[error("{image}: {count} of its parts are missing in the store, the first is {first}")]
    Incomplete {
        /// The image.
        image: String,
        /// The first missing blob.
        first: Box<ContentDigest>,
        /// How many there are.
        count: usize,
    },
    /// The observer asked to stop.
    #[error("cancelled")]
    Cancelled,
}

impl StoreError {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}

impl From<crate::Error> for StoreError {
    fn from(error: crate::Error) -> Self {
        match error {
            crate::Error::Cancelled => Self::Cancelled,
            error => Self::Image(Box::new(error)),
        }
    }
}
