//! Why an image could not be read.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use bootwright_image::TreeError;

use crate::compression::Compression;
use crate::digest::ContentDigest;

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

/// What is wrong with a document of an image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentProblem {
    /// A media type that is not understood.
    #[error("media type {found:?} is not supported: {expected} is needed")]
    MediaType {
        /// The media type.
        found: String,
        /// What would do.
        expected: &'static str,
    },
    /// A version that is not understood.
    #[error("version {found:?} is not supported, only {expected} is")]
    Version {
        /// The version.
        found: String,
        /// What would do.
        expected: &'static str,
    },
    /// A digest that is malformed or of an unknown algorithm.
    #[error("{found:?} is no sha256 or sha512 digest")]
    Digest {
        /// The digest as written.
        found: String,
    },
    /// Indexes within indexes.
    #[error(
        "index {digest} lies within an index that lies within the layout's index: one level is the limit"
    )]
    NestedIndex {
        /// The innermost index.
        digest: String,
    },
    /// There is no image at all.
    #[error("it has no image")]
    NoImage,
    /// More than one image and no name was given.
    #[error("it has {} images, so one must be named: {}", names.len(), names.join(", "))]
    Ambiguous {
        /// The names, sorted.
        names: Vec<String>,
    },
    /// No image has the name asked for.
    #[error("it has no image named {wanted:?}: there is {}", list(names))]
    NoSuchName {
        /// The name asked for.
        wanted: String,
        /// The names there are, sorted.
        names: Vec<String>,
    },
    /// No image is for the architecture asked for.
    #[error("it has no image for linux/{wanted}: there is {}", list(platforms))]
    NoSuchPlatform {
        /// The architecture asked for.
        wanted: String,
        /// The platforms there are.
        platforms: Vec<String>,
    },
    /// The image is not for Linux.
    #[error("the image is for {os:?}, only linux is supported")]
    OperatingSystem {
        /// The system it is for.
        os: String,
    },
    /// Manifest and config disagree.
    #[error("{layers} layers, but the config has {diff_ids} diff_ids")]
    LayerCount {
        /// Layers in the manifest.
        layers: usize,
        /// Digests in the config.
        diff_ids: usize,
    },
    /// More layers than any honest image has.
    #[error("{layers} layers are too many, {limit} is the limit")]
    TooManyLayers {
        /// Layers in the manifest.
        layers: usize,
        /// The most allowed.
        limit: usize,
    },
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// What is wrong with a member or with the stream that holds it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The stream ends within a header or a content.
    #[error("the stream ends early")]
    Truncated,
    /// Not a tar header, or a damaged one.
    #[error("header checksum is {found}, the bytes sum up to {actual}")]
    Checksum {
        /// As stored.
        found: String,
        /// As computed over unsigned bytes.
        actual: u32,
    },
    /// A single block of zeros, which ends nothing, is followed by something.
    #[error("a lone block of zeros")]
    LoneZeroBlock,
    /// A numeric field that holds no number, or one that does not fit.
    #[error("{field} is {found:?}, which is no number that can be kept")]
    Number {
        /// The header field or the extended header's keyword.
        field: &'static str,
        /// As stored.
        found: String,
    },
    /// A record of an extended header is malformed.
    #[error("extended header is malformed: {what}")]
    ExtendedHeader {
        /// What is wrong.
        what: &'static str,
    },
    /// An extended header or a long name is larger than allowed.
    #[error("extended header of {len} bytes is too large, {limit} is the limit")]
    ExtendedHeaderTooLarge {
        /// Its size in bytes.
        len: u64,
        /// The most allowed.
        limit: u64,
    },
    /// An extended header or a long name that belongs to nothing.
    #[error("extended header without a member")]
    ExtendedHeaderAlone,
    /// A kind of member that cannot be kept, such as a part of a multi-volume archive.
    #[error("member type {flag:?} is not supported")]
    Type {
        /// The type flag, escaped.
        flag: String,
    },
    /// A sparse file's map contradicts itself.
    #[error("map of the sparse file is wrong: {what}")]
    SparseMap {
        /// What is wrong.
        what: &'static str,
    },
    /// A sparse file has more extents than allowed.
    #[error("sparse file has more than {limit} extents")]
    SparseMapTooLarge {
        /// The most allowed.
        limit: usize,
    },
    /// A file is larger than allowed.
    #[error("has {len} bytes, {limit} is the limit")]
    FileTooLarge {
        /// Its apparent size in bytes.
        len: u64,
        /// The most allowed.
        limit: u64,
    },
    /// No name at all.
    #[error("has an empty name")]
    EmptyName,
    /// A name or a hard link's target that leads upwards.
    #[error("has a \"..\" component")]
    DotDot,
    /// A name, target or attribute name with a NUL.
    #[error("has a NUL in its {what}")]
    Nul {
        /// Where.
        what: &'static str,
    },
    /// A component of a name that no file system can hold.
    #[error("has a component of {len} bytes, {limit} is the limit")]
    ComponentTooLong {
        /// Its length.
        len: usize,
        /// The most allowed.
        limit: usize,
    },
    /// A name that is too long.
    #[error("has a name of {len} bytes, {limit} is the limit")]
    PathTooLong {
        /// Its length.
        len: usize,
        /// The most allowed.
        limit: usize,
    },
    /// A name with too many components, possibly after links on its way were followed.
    #[error("lies deeper than {limit} directories")]
    TooDeep {
        /// The most allowed.
        limit: usize,
    },
    /// A symbolic link's target that no file system can hold.
    #[error("has a link target of {len} bytes, 1 to {limit} can be kept")]
    TargetLength {
        /// Its length.
        len: usize,
        /// The most allowed.
        limit: usize,
    },
    /// A device that Linux cannot have.
    #[error("has device numbers {major}:{minor}, 4095:1048575 is the limit")]
    Device {
        /// Which driver.
        major: u64,
        /// Which device of the driver.
        minor: u64,
    },
    /// An extended attribute beyond Linux's limits.
    #[error("has extended attribute {name:?} of {len} bytes, {limit} is the limit")]
    XattrTooLarge {
        /// The attribute's name, escaped.
        name: String,
        /// Length of its value.
        len: usize,
        /// The most allowed.
        limit: usize,
    },
    /// An extended attribute's name beyond Linux's limits.
    #[error("has an extended attribute's name of {len} bytes, 1 to 255 can be kept")]
    XattrName {
        /// Its length.
        len: usize,
    },
    /// The root is described as something else than a directory.
    #[error("is the root, but no directory")]
    RootKind,
    /// A whiteout that hides nothing that can exist.
    #[error("is a whiteout of {hidden:?}, which is no name")]
    Whiteout {
        /// What it would hide.
        hidden: String,
    },
    /// A member inside something that is named like a whiteout.
    #[error("lies below a whiteout")]
    BelowWhiteout,
    /// A member's parent is a file, device, pipe or socket.
    #[error("lies below {ancestor:?}, which is no directory")]
    ParentKind {
        /// The name of what is no directory.
        ancestor: String,
    },
    /// The links in a member's parent part lead nowhere.
    #[error("lies behind more than 40 symbolic links")]
    Loop,
    /// A hard link's target does not exist (yet).
    #[error("is a hard link to {target:?}, which does not exist")]
    LinkTarget {
        /// The target, escaped.
        target: String,
    },
    /// A hard link to a directory.
    #[error("is a hard link to {target:?}, which is a directory")]
    LinkToDirectory {
        /// The target, escaped.
        target: String,
    },
    /// A file of a folder that cannot be part of an image.
    #[error("is a {kind}, which an overlay cannot have")]
    OverlayKind {
        /// What it is.
        kind: &'static str,
    },
    /// The tree refused.
    #[error("cannot be kept: {0}")]
    Tree(TreeError),
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
