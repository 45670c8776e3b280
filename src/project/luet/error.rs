//! Why packages could not be had.

use std::io;
use std::path::PathBuf;

use crate::image::{BoxError, ContentError};
use crate::oci;

/// Why a repository could not be read or a package not be found in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LuetError {
    /// Nobody has the image.
    #[error("there is no image {image}")]
    Image {
        /// The image's name.
        image: String,
        /// The cause.
        source: BoxError,
    },
    /// An image or an archive could not be read.
    #[error(transparent)]
    Oci(#[from] oci::Error),
    /// A file in an image could not be read.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// A file of a folder could not be read.
    #[error("cannot read {path:?}")]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// An image or an archive lacks the file that it is for.
    #[error("{place}: it has no file {name:?}")]
    Missing {
        /// The image, the folder or the archive.
        place: String,
        /// The file.
        name: String,
    },
    /// A file of a repository is larger than any honest one.
    #[error("{place}: {name:?} has {size} bytes, {limit} is the limit")]
    TooLarge {
        /// The image or the folder.
        place: String,
        /// The file.
        name: String,
        /// Its size in bytes.
        size: u64,
        /// The most allowed.
        limit: u64,
    },
    /// A document does not say what it should.
    #[error("{document}: cannot be understood")]
    Yaml {
        /// The document.
        document: String,
        /// The cause.
        source: BoxError,
    },
    /// The file with the secrets does not say what it should; what it says is not repeated.
    #[error(
        "{document}: this is not of the form \"auth: {{username: USER, password: PASSWORD}}\" \
         (serveraddress, auth, email, identitytoken and registrytoken are known too)"
    )]
    Auth {
        /// The document.
        document: String,
    },
    /// A name in a document that cannot be that of a file or an image's tag.
    #[error("{document}: {name:?} cannot be the name of {what}")]
    Name {
        /// The document.
        document: String,
        /// The name, shortened.
        name: String,
        /// What it should be the name of.
        what: &'static str,
    },
    /// A file is not what the repository promises.
    #[error("{file}: its sha256 checksum is {actual}, not {expected}")]
    Checksum {
        /// The file.
        file: String,
        /// What is promised.
        expected: String,
        /// What it has.
        actual: String,
    },
    /// The repository has no such package.
    #[error("{repository}: there is no package {wanted}{}", needed_by.as_ref().map(|by| format!(", which {by} requires")).unwrap_or_default())]
    NoPackage {
        /// The repository.
        repository: String,
        /// What was asked for.
        wanted: String,
        /// The package that requires it.
        needed_by: Option<String>,
    },
    /// The repository has the package, but in no version that would do.
    #[error("{repository}: there is no package {wanted}, only versions {}", versions.join(", "))]
    NoVersion {
        /// The repository.
        repository: String,
        /// What was asked for.
        wanted: String,
        /// The newest versions there are, newest first.
        versions: Vec<String>,
    },
    /// Two packages cannot be had together.
    #[error("{repository}: {package} and {other} exclude each other")]
    Conflict {
        /// The repository.
        repository: String,
        /// A package.
        package: String,
        /// What stands against it.
        other: String,
    },
}
