//! The files of a repository, wherever they lie.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::metadata::{RepositoryFile, tag};
use super::{LuetError, Reading};
use crate::image::{BoxError, collect};
use crate::oci::{Reference, Stack};

/// The most bytes that a file of a repository may have, packages not counted.
const FILE_LIMIT: u64 = 64 << 20;
/// Characters of a tag, at most.
const TAG_MAX: usize = 128;

/// Whoever has images: a registry, a store, a folder.
pub trait Images {
    /// Where the image `name` (`HOST/PATH:TAG`) can be read.
    ///
    /// # Errors
    /// Why it cannot be had.
    fn image(&self, name: &str) -> Result<Reference, BoxError>;

    /// Tells that all of these are going to be asked for, so that they can be had together, or all
    /// that are missing be missed at once.
    ///
    /// # Errors
    /// Why they cannot be had.
    fn need(&self, names: &[String]) -> Result<(), BoxError> {
        let _ = names;
        Ok(())
    }
}

/// Where a repository is.
pub(super) enum Source<'a> {
    Images { url: String, images: &'a dyn Images },
    Folder(PathBuf),
}

impl Source<'_> {
    /// What errors call it.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Images { url, .. } => url.clone(),
            Self::Folder(folder) => folder.display().to_string(),
        }
    }

    /// The image with this tag.
    pub(super) fn image(&self, wanted: &str) -> Result<(String, Reference), LuetError> {
        let Self::Images { url, images } = self else {
            let source = BoxError::from("a folder has no images");
            return Err(LuetError::Image { image: wanted.to_owned(), source });
        };
        let name = format!("{url}:{wanted}");
        let reference = images.image(&name);
        let reference =
            reference.map_err(|source| LuetError::Image { image: name.clone(), source });
        Ok((name, reference?))
    }

    /// Announces files.
    pub(super) fn need(&self, files: &[&RepositoryFile]) -> Result<(), LuetError> {
        let Self::Images { url, images } = self else { return Ok(()) };
        let mut names = Vec::new();
        for file in files {
            check_name(&file.filename, url, "a file")?;
            names.push(format!("{url}:{}", tag(&file.filename)));
        }
        let image = || names.join(", ");
        images.need(&names).map_err(|source| LuetError::Image { image: image(), source })
    }

    /// Reads a file whole.
    pub(super) fn read(&self, name: &str, reading: &Reading<'_>) -> Result<Vec<u8>, LuetError> {
        check_name(name, &self.name(), "a file")?;
        match self {
            Self::Folder(folder) => read_host_file(&folder.join(name)),
            Self::Images { .. } => {
                let (image, reference) = self.image(&tag(name))?;
                read_from_image(&reference, &image, name, reading)
            }
        }
    }

    /// Reads a file that the repository describes and checks it.
    pub(super) fn read_checked(
        &self,
        file: &RepositoryFile,
        reading: &Reading<'_>,
    ) -> Result<Vec<u8>, LuetError> {
        let bytes = self.read(&file.filename, reading)?;
        if let Some(expected) = file.checksums.as_ref().and_then(|sums| sums.sha256.as_deref()) {
            let name = format!("{}: {}", self.name(), file.filename);
            compare(&name, expected, Sha256::digest(&bytes).as_ref())?;
        }
        Ok(bytes)
    }
}

fn read_host_file(path: &Path) -> Result<Vec<u8>, LuetError> {
    let failed = |source| LuetError::File { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    let size = file.metadata().map_err(failed)?.len();
    let (place, name) = (path.display().to_string(), path.file_name().unwrap_or_default());
    check_size(size, &place, &name.to_string_lossy())?;
    let mut bytes = Vec::new();
    file.take(FILE_LIMIT).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

fn read_from_image(
    reference: &Reference,
    image: &str,
    name: &str,
    reading: &Reading<'_>,
) -> Result<Vec<u8>, LuetError> {
    let mut stack = Stack::new(reading.options.clone(), reading.observer);
    stack.add_image(reference)?;
    let rootfs = stack.finish()?;
    let missing = || LuetError::Missing { place: image.to_owned(), name: name.to_owned() };
    let id = rootfs.tree.lookup(name.as_bytes()).ok_or_else(missing)?;
    let blob = rootfs.tree.inode(id).as_file().ok_or_else(missing)?;
    check_size(blob.len(), image, name)?;
    let mut contents = collect(&rootfs.tree, &rootfs.streams, &[id], FILE_LIMIT, reading.observer)?;
    contents.pop().ok_or_else(missing)
}

fn check_size(size: u64, place: &str, name: &str) -> Result<(), LuetError> {
    if size <= FILE_LIMIT {
        return Ok(());
    }
    let (place, name) = (place.to_owned(), name.to_owned());
    Err(LuetError::TooLarge { place, name, size, limit: FILE_LIMIT })
}

/// Refuses names that lead elsewhere, or that no tag can have.
pub(super) fn check_name(name: &str, document: &str, what: &'static str) -> Result<(), LuetError> {
    let known = |c: char| c.is_ascii_alphanumeric() || "._+-".contains(c);
    let first = name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    if first && name.len() <= TAG_MAX && name.chars().all(known) {
        return Ok(());
    }
    let name = name.chars().take(TAG_MAX).collect();
    Err(LuetError::Name { document: document.to_owned(), name, what })
}

/// Checks a package's file without holding it.
pub(super) fn check_file(path: &Path, expected: &str) -> Result<(), LuetError> {
    let failed = |source| LuetError::File { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(failed)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => hasher.update(&buffer[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(error)),
        }
    }
    compare(&path.display().to_string(), expected, hasher.finalize().as_ref())
}

fn compare(file: &str, expected: &str, actual: &[u8]) -> Result<(), LuetError> {
    let actual: String = actual.iter().map(|byte| format!("{byte:02x}")).collect();
    if actual == expected {
        return Ok(());
    }
    let expected = expected.chars().take(TAG_MAX).collect();
    Err(LuetError::Checksum { file: file.to_owned(), expected, actual })
}
