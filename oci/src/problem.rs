//! What is wrong with a document, a stream or a member.

use bootwright_image::TreeError;

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
