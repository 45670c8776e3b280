//! Why an image could not be read.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::compression::Compression;
use crate::digest::ContentDigest;
use crate::name::ImageName;
pub use crate::problem::{DocumentProblem, Problem};

/// Why an image, a folder or an archive could not become part of a tree. Names of members are
/// shown with escapes for bytes that do not print.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file system refused.
    #[error("cannot read {path:?}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// An image lacks a file that it refers to.
    #[error("{image}: there is no {name:?}")]
    Missing {
        /// The image.
        image: String,
        /// The missing file's name within it.
        name: String,
    },
    /// A JSON document is larger than any honest one.
    #[error("{document}: {size} bytes are too many, {limit} is the limit")]
    DocumentTooLarge {
        /// The document.
        document: String,
        /// Its size in bytes.
        size: u64,
        /// The most allowed.
        limit: u64,
    },
    /// A JSON document does not say what it should.
    #[error("{document}: cannot be understood")]
    Json {
        /// The document.
        document: String,
        /// The cause.
        source: serde_json::Error,
    },
    /// A document is well-formed, but what it says cannot be used.
    #[error("{document}: {problem}")]
    Document {
        /// The document.
        document: String,
        /// What is wrong with it.
        problem: DocumentProblem,
    },
    /// A blob's stored bytes are not those that its descriptor promises.
    #[error("{blob}: its digest is {actual}, not {expected}")]
    Digest {
        /// The blob.
        blob: String,
        /// What was promised.
        expected: Box<ContentDigest>,
        /// What the bytes have.
        actual: Box<ContentDigest>,
    },
    /// A blob is longer or shorter than its descriptor promises.
    #[error("{blob}: its size is {actual} bytes, not {expected}")]
    Size {
        /// The blob.
        blob: String,
        /// What was promised.
        expected: u64,
        /// What is there.
        actual: u64,
    },
    /// A layer's uncompressed bytes are not those that the image's config promises.
    #[error("{layer}: its uncompressed digest (diff_id) is {actual}, not {expected}")]
    DiffId {
        /// The layer.
        layer: String,
        /// What was promised.
        expected: Box<ContentDigest>,
        /// What the bytes have.
        actual: Box<ContentDigest>,
    },
    /// A compressed stream is damaged.
    #[error("{input}: cannot be decompressed as {compression}")]
    Decompress {
        /// The layer or archive.
        input: String,
        /// How it is compressed.
        compression: Compression,
        /// The cause.
        source: io::Error,
    },
    /// A compression that OCI does not know and that is not read here either.
    #[error("{input}: compressed with {found}, only gzip, zstd and xz are supported")]
    UnsupportedCompression {
        /// The layer or archive.
        input: String,
        /// What it is compressed with.
        found: &'static str,
    },
    /// Bytes follow the end of a compressed stream.
    #[error("{input}: bytes follow the end of its {compression} stream")]
    TrailingBytes {
        /// The layer or archive.
        input: String,
        /// How it is compressed.
        compression: Compression,
    },
    /// A tar stream is damaged or has something that cannot be kept.
    #[error("{input}: at byte {offset} of the tar: {problem}")]
    Tar {
        /// The layer or archive.
        input: Arc<str>,
        /// Where in the uncompressed stream.
        offset: u64,
        /// What is wrong.
        problem: Problem,
    },
    /// A member of a layer or a folder cannot become part of the tree.
    #[error("{input}: {member:?} {problem}")]
    Member {
        /// The layer, archive or folder.
        input: Arc<str>,
        /// The member's name, escaped.
        member: String,
        /// What is wrong with it.
        problem: Problem,
    },
    /// All inputs together are larger than the caller allows; see [`Limits`](crate::Limits).
    #[error("the inputs have more than {limit} {what}")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// The most allowed.
        limit: u64,
    },
    /// A layer or archive is not what it was when it was scanned.
    #[error("{input}: changed while it was in use")]
    Changed {
        /// The layer or archive.
        input: Arc<str>,
    },
    /// An image in a registry has to be brought into a [`Store`](crate::Store) first.
    #[error("docker://{name} is in a registry and has not been fetched")]
    NotLocal {
        /// The image.
        name: Box<ImageName>,
    },
    /// The observer asked to stop.
    #[error("cancelled")]
    Cancelled,
    /// A defect: a thread ended without saying why.
    #[error("BUG: the thread that reads {input} ended early")]
    ThreadLost {
        /// The layer or archive.
        input: Arc<str>,
    },
}

/// A name as text for messages, shortened when it is long.
pub(crate) fn escape(name: &[u8]) -> String {
    const MOST: usize = 512;
    let mut text = String::from_utf8_lossy(&name[..name.len().min(MOST)]).into_owned();
    if name.len() > MOST {
        text.push('…');
    }
    text
}
