//! Names of images as projects write them.

use std::fmt;

use bootwright_oci::{Reference, ReferenceError};

/// An image: one of the command line's forms, or `HOST/REPOSITORY:TAG` for one in a registry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ImageName(String);

/// The forms that say themselves what they are.
const SCHEMES: [&str; 6] = ["oci:", "oci-archive:", "docker-archive:", "docker://", "dir:", "tar:"];

impl ImageName {
    /// From a key's value.
    #[must_use]
    pub fn new(text: &str) -> Self {
        if SCHEMES.iter().any(|scheme| text.starts_with(scheme)) {
            return Self(text.into());
        }
        Self(format!("docker://{text}"))
    }

    /// As the command line writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where it is; relative paths are meant from `folder` on.
    ///
    /// # Errors
    /// [`ReferenceError`].
    pub fn reference(&self, folder: &std::path::Path) -> Result<Reference, ReferenceError> {
        let from = |path: std::path::PathBuf| folder.join(path);
        Ok(match self.0.parse()? {
            Reference::Layout { dir, tag } => Reference::Layout { dir: from(dir), tag },
            Reference::OciArchive { file, tag } => Reference::OciArchive { file: from(file), tag },
            Reference::DockerArchive { file, name } => {
                Reference::DockerArchive { file: from(file), name }
            }
            Reference::Directory(dir) => Reference::Directory(from(dir)),
            Reference::Tar(file) => Reference::Tar(from(file)),
            other => other,
        })
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
