//! Why an image could not be written.

use std::io;
use std::path::PathBuf;

use bootwright_image::ContentError;

use crate::compression::Compression;
use crate::digest::ContentDigest;
use crate::error::Error;

/// Why a layer or an image could not be written. Paths within images have no leading slash and
/// show escapes for bytes that do not print.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// A name that means something else in a layer.
    #[error("{path:?} cannot be in an image: names that begin with \".wh.\" hide others there")]
    WhiteoutName {
        /// The name with its path.
        path: String,
    },
    /// Something else than a file where there may be files only.
    #[error("{path:?} is no regular file: the layer may have no other")]
    NotAFile {
        /// The path.
        path: String,
    },
    /// An extended attribute whose name a tar cannot hold.
    #[error("{path:?}: the name of its extended attribute {name:?} has a \"=\"")]
    XattrName {
        /// The file.
        path: String,
        /// The attribute.
        name: String,
    },
    /// A content that the caller wants to put in place itself.
    #[error("the content of {path:?} is not known yet: a layer cannot hold room for it")]
    Deferred {
        /// The file.
        path: String,
    },
    /// The reference leads to no image.
    #[error("{reference}: a folder or a tar has no config and no layers to build upon")]
    NoImage {
        /// The reference.
        reference: String,
    },
    /// A base image's layer is compressed in a way that layers may not be.
    #[error("{layer}: compressed with {compression}, which images have no media type for")]
    Compression {
        /// The layer.
        layer: String,
        /// How it is compressed.
        compression: Compression,
    },
    /// A document of the base image, or of a layout that is added to, cannot be used.
    #[error("{document}: its field {field:?} is not {expected}")]
    Field {
        /// The document.
        document: String,
        /// The field.
        field: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// A blob has another digest than promised.
    #[error("{blob}: its digest is {actual}, not {expected}")]
    Digest {
        /// The blob.
        blob: String,
        /// What was promised.
        expected: Box<ContentDigest>,
        /// What the bytes have.
        actual: Box<ContentDigest>,
    },
    /// A blob has another length than promised.
    #[error("{blob}: its size is {actual} bytes, not {expected}")]
    Size {
        /// The blob.
        blob: String,
        /// What was promised.
        expected: u64,
        /// What is there.
        actual: u64,
    },
    /// The base image could not be read.
    #[error(transparent)]
    Base(#[from] Error),
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
    /// A folder or file of the output could not be made or read.
    #[error("cannot write {path:?}")]
    File {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The output refused the bytes.
    #[error("cannot write the image")]
    Output(#[from] io::Error),
}
