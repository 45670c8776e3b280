//! The files of the EFI system partition.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bootwright_image::{Blob, FileTree, Kind, Metadata, Timestamp};
use bootwright_uki::unified::names::{IMAGE_FOLDER, LoaderEntry, loader_conf};

use super::build::Images;
use super::{Keys, UkiRecipe};
use crate::recipe::{Architecture, RecipeError};

/// Where systemd-boot keeps a seed for the system's random numbers. It is there, empty, so that
/// nothing is written to a medium that cannot be written to.
const RANDOM_SEED: &str = "loader/random-seed";

/// Everything on the partition, as references to files that have no names.
pub(super) fn tree(
    recipe: &UkiRecipe,
    built: &Images,
    keys: Keys,
    time: Timestamp,
) -> Result<FileTree, RecipeError> {
    let mut esp = Esp::new(time);
    let loader = match built.architecture {
        Architecture::Amd64 => "EFI/BOOT/BOOTX64.EFI",
        Architecture::Arm64 => "EFI/BOOT/BOOTAA64.EFI",
    };
    esp.put(loader, 0o644, built.systemd_boot.clone().into())?;
    esp.folder("EFI/tools")?;
    for (image, title, file) in &built.images {
        let blob = Blob::host_file(file.path().into(), 0, image.len);
        esp.put(&format!("{IMAGE_FOLDER}/{}.efi", image.name), 0o644, blob)?;
        let entry = LoaderEntry {
            title: title.clone(),
            image: image.name.clone(),
            version: built.version.clone(),
            cmdline: String::new(),
        };
        let path = format!("loader/entries/{}.conf", image.name);
        esp.put(&path, 0o644, entry.to_text().into_bytes().into())?;
    }
    let first = built.images.first().map(|(image, ..)| image.name.as_str()).unwrap_or_default();
    esp.put("loader/loader.conf", 0o644, loader_conf(first, recipe.enroll).into_bytes().into())?;
    esp.put(RANDOM_SEED, 0o444, Vec::new().into())?;
    for (name, bytes) in keys.enrollment {
        esp.put(&format!("loader/keys/auto/{name}"), 0o644, bytes.into())?;
    }
    Ok(esp.tree)
}

struct Esp {
    tree: FileTree,
    time: Timestamp,
}

impl Esp {
    fn new(time: Timestamp) -> Self {
        let root = Metadata { mtime: time, ..Metadata::directory(0o755) };
        Self { tree: FileTree::new(root), time }
    }

    fn put(&mut self, path: &str, mode: u16, blob: Blob) -> Result<(), RecipeError> {
        let failed = |source| RecipeError::Place { path: format!("/{path} on the ESP"), source };
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let metadata = Metadata { mtime: self.time, ..Metadata::directory(0o755) };
        let folder = self.tree.add_directories(folder.as_bytes(), &metadata).map_err(failed)?;
        let metadata = Metadata { mtime: self.time, ..Metadata::file(mode) };
        self.tree.add_file(folder, name.as_bytes(), metadata, blob).map_err(failed)?;
        Ok(())
    }

    fn folder(&mut self, path: &str) -> Result<(), RecipeError> {
        let metadata = Metadata { mtime: self.time, ..Metadata::directory(0o755) };
        let failed = |source| RecipeError::Place { path: format!("/{path} on the ESP"), source };
        self.tree.add_directories(path.as_bytes(), &metadata).map_err(failed)?;
        Ok(())
    }
}

/// A folder under construction; dropped before it is renamed, it disappears.
struct Growing(PathBuf);

impl Drop for Growing {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Writes the files into a folder, which appears when it is complete.
pub(super) fn write_folder(tree: &FileTree, target: &Path) -> Result<(), RecipeError> {
    let mut name = std::ffi::OsString::from(".");
    name.push(target.file_name().unwrap_or_default());
    name.push(format!(".{}.part", std::process::id()));
    let growing = Growing(target.with_file_name(name));
    let failed = |path: &Path, source| RecipeError::Create { path: path.into(), source };
    fs::create_dir(&growing.0).map_err(|error| failed(&growing.0, error))?;
    for walked in tree.walk() {
        let relative = String::from_utf8_lossy(&walked.path).into_owned();
        let path = growing.0.join(relative);
        match tree.inode(walked.id).kind() {
            Kind::Directory(_) => fs::create_dir(&path).map_err(|error| failed(&path, error))?,
            Kind::File(blob) => {
                let written = blob.open().and_then(|mut reader| {
                    let mut file = fs::File::create_new(&path)?;
                    io::copy(&mut reader, &mut file)?;
                    file.sync_data()
                });
                written.map_err(|error| failed(&path, error))?;
            }
            _ => {}
        }
    }
    fs::rename(&growing.0, target).map_err(|error| failed(target, error))
}
