//! What goes into a step.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use bootwright_image::{Observer, Silent};
use sha2::{Digest, Sha256};

use super::super::content;
use super::super::files::ProjectFile;
use super::super::image_name::ImageName;
use super::super::problem::{Problem, Problems};
use super::Plan;
use crate::recipe::{RecipeError, checksum};

/// Files of fewer bytes are read without a word.
const LARGE: u64 = 64 << 20;

/// Roles of files that are looked into.
pub(super) const BUNDLE: &str = "content bundle";
pub(super) const CLUSTER: &str = "cluster configuration";
pub(super) const EDGE: &str = "edge configuration";

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

impl Plan {
    /// Looks into the files of all steps for what their readers on the machine need.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn check_files(&self, folder: &Path) -> io::Result<Problems> {
        let mut problems = Problems::default();
        let mut seen = std::collections::BTreeSet::new();
        for input in self.steps.iter().flat_map(|step| &step.inputs) {
            let Source::File { file, .. } = &input.source else { continue };
            let check: fn(&Path, &str) -> io::Result<Vec<Problem>> = match input.role {
                BUNDLE => content::bundle,
                CLUSTER => content::cluster_config,
                EDGE => content::edge_config,
                _ => continue,
            };
            if seen.insert(file.path.clone()) {
                problems.extend(check(&folder.join(&file.path), &file.path.to_string_lossy())?);
            }
        }
        Ok(problems)
    }
}

fn digest(path: &Path, len: u64, observer: &dyn Observer) -> Result<[u8; 32], RecipeError> {
    if path.is_symlink() && !path.is_file() {
        // A link to nowhere here is one in the image: its text counts.
        let target = std::fs::read_link(path)?;
        return Ok(Sha256::digest(target.as_os_str().as_encoded_bytes()).into());
    }
    let observer = if len < LARGE { &Silent } else { observer };
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
