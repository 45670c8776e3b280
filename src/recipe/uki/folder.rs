//! The files of the EFI system partition in a folder, which appears when it is complete.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bootwright_image::{FileTree, Kind, Origin};

use super::build::Places;
use super::span::Span;
use crate::recipe::RecipeError;

/// A folder under construction. It becomes `target` in [`publish`](Self::publish); dropped before
/// that, it disappears.
pub(super) struct Growing {
    path: PathBuf,
    target: PathBuf,
}

impl Growing {
    /// Makes an empty folder beside `target`.
    pub(super) fn new(target: &Path) -> Result<Self, RecipeError> {
        let mut name = OsString::from(".");
        name.push(target.file_name().unwrap_or_default());
        name.push(format!(".{}.part", std::process::id()));
        let path = target.with_file_name(name);
        let parent = path.parent().unwrap_or(Path::new("."));
        let made = fs::create_dir_all(parent).and_then(|()| fs::create_dir(&path));
        made.map_err(|source| RecipeError::Create { path: path.clone(), source })?;
        Ok(Self { path, target: target.into() })
    }

    /// Where it is until it is published.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives it its name.
    pub(super) fn publish(self) -> Result<(), RecipeError> {
        fs::rename(&self.path, &self.target)
            .map_err(|source| RecipeError::Create { path: self.target.clone(), source })
    }
}

impl Drop for Growing {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// A folder is never replaced: there may be more in it than a build put there.
pub(super) fn refuse_existing(target: &Path) -> Result<(), RecipeError> {
    match target.symlink_metadata() {
        Ok(_) => Err(RecipeError::Exists { path: target.into() }),
        Err(_) => Ok(()),
    }
}

/// Writes the folders of a tree, and those files whose contents are known, into `folder`.
pub(super) fn fill(folder: &Path, tree: &FileTree) -> Result<(), RecipeError> {
    let failed = |path: &Path, source| RecipeError::Create { path: path.into(), source };
    for walked in tree.walk() {
        let path = folder.join(String::from_utf8_lossy(&walked.path).into_owned());
        match tree.inode(walked.id).kind() {
            Kind::Directory(_) => fs::create_dir(&path).map_err(|error| failed(&path, error))?,
            Kind::File(blob) if !matches!(blob.origin(), Origin::Deferred) => {
                let written = blob.open().and_then(|mut reader| {
                    let mut file = File::create_new(&path)?;
                    io::copy(&mut reader, &mut file)?;
                    file.sync_data()
                });
                written.map_err(|error| failed(&path, error))?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// Images in files of a folder.
pub(super) struct InFolder<'a> {
    folder: &'a Path,
    open: Option<(PathBuf, Arc<File>)>,
}

impl<'a> InFolder<'a> {
    pub(super) fn new(folder: &'a Path) -> Self {
        Self { folder, open: None }
    }
}

impl Places for InFolder<'_> {
    fn begin(&mut self, path: &str) -> Result<Span, RecipeError> {
        let path = self.folder.join(path);
        let file = File::options().read(true).write(true).create_new(true).open(&path);
        let file = file.map_err(|source| RecipeError::Create { path: path.clone(), source })?;
        let file = Arc::new(file);
        self.open = Some((path, Arc::clone(&file)));
        Ok(Span::new(file, 0, u64::MAX))
    }

    fn end(&mut self, _: u64) -> Result<(), RecipeError> {
        match self.open.take() {
            Some((path, file)) => {
                file.sync_data().map_err(|source| RecipeError::Create { path, source })
            }
            None => Ok(()),
        }
    }
}
