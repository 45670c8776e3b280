//! What goes into a step.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use bootwright_image::Observer;
use sha2::{Digest, Sha256};

use super::super::files::ProjectFile;
use super::super::image_name::ImageName;
use super::Plan;
use crate::recipe::{RecipeError, checksum};

/// A file or an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file of the project.
    File {
        /// The file.
        file: ProjectFile,
        /// Its SHA-256, once [`Plan::measure`] has run.
        sha256: Option<[u8; 32]>,
    },
    /// A container image.
    Image(ImageName),
    /// A package in a repository.
    Package {
        /// The package.
        name: String,
        /// The repository.
        repository: String,
    },
}

/// Something that goes into a step, and where it ends up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// What it is for.
    pub role: &'static str,
    /// What it is.
    pub source: Source,
    /// Its place in the result.
    pub place: String,
}

impl Input {
    pub(super) fn file(role: &'static str, file: &ProjectFile, place: impl Into<String>) -> Self {
        let source = Source::File { file: file.clone(), sha256: None };
        Self { role, source, place: place.into() }
    }

    pub(super) fn image(role: &'static str, image: &ImageName, place: &str) -> Self {
        Self { role, source: Source::Image(image.clone()), place: place.into() }
    }
}

impl Plan {
    /// Reads the files of all steps and notes their digests.
    ///
    /// # Errors
    /// [`RecipeError::Read`], [`RecipeError::Cancelled`].
    pub fn measure(&mut self, folder: &Path, observer: &dyn Observer) -> Result<(), RecipeError> {
        for input in self.steps.iter_mut().flat_map(|step| &mut step.inputs) {
            if let Source::File { file, sha256 } = &mut input.source {
                let path = folder.join(&file.path);
                *sha256 = Some(digest(&path, file.len, observer).map_err(|error| at(path, error))?);
            }
        }
        Ok(())
    }
}

fn digest(path: &Path, len: u64, observer: &dyn Observer) -> Result<[u8; 32], RecipeError> {
    if path.is_symlink() && !path.is_file() {
        // A link to nowhere here is one in the image: its text counts.
        let target = std::fs::read_link(path)?;
        return Ok(Sha256::digest(target.as_os_str().as_encoded_bytes()).into());
    }
    checksum::of_file(&File::open(path)?, len, observer)
}

fn at(path: PathBuf, error: RecipeError) -> RecipeError {
    match error {
        RecipeError::Write(source) => RecipeError::Read { path, source: named(source) },
        error => error,
    }
}

fn named(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => {
            io::Error::new(error.kind(), "it became shorter while it was read")
        }
        _ => error,
    }
}
