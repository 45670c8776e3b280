//! The files of the EFI system partition.

use bootwright_image::{Blob, FileTree, Metadata, Timestamp};
use bootwright_uki::unified::names::{IMAGE_FOLDER, LoaderEntry, loader_conf};

use super::UkiRecipe;
use super::build::Ready;
use super::keys::Keys;
use crate::recipe::{Architecture, RecipeError};

/// Where systemd-boot keeps a seed for the system's random numbers. It is there, empty, so that
/// nothing is written to a medium that cannot be written to.
pub(super) const RANDOM_SEED: &str = "loader/random-seed";

/// Where firmware looks for the boot loader.
pub(super) fn loader_path(architecture: Architecture) -> &'static str {
    match architecture {
        Architecture::Amd64 => "EFI/BOOT/BOOTX64.EFI",
        Architecture::Arm64 => "EFI/BOOT/BOOTAA64.EFI",
    }
}

/// Where the image of that name is.
pub(super) fn image_path(name: &str) -> String {
    format!("{IMAGE_FOLDER}/{name}.efi")
}

/// Everything on the partition. The images are there without their contents.
pub(super) fn tree(
    recipe: &UkiRecipe,
    ready: &Ready,
    keys: &Keys,
    time: Timestamp,
) -> Result<FileTree, RecipeError> {
    let mut esp = Esp::new(time);
    esp.put(loader_path(ready.parts.architecture), 0o644, ready.systemd_boot.clone().into())?;
    esp.folder("EFI/tools")?;
    for entry in &ready.entries {
        esp.put(&image_path(&entry.name), 0o644, Blob::deferred(ready.len_max))?;
        let text = LoaderEntry {
            title: entry.title.clone(),
            image: entry.name.clone(),
            version: ready.parts.version.clone(),
            cmdline: String::new(),
        };
        let path = format!("loader/entries/{}.conf", entry.name);
        esp.put(&path, 0o644, text.to_text().into_bytes().into())?;
    }
    let first = ready.entries.first().map(|entry| entry.name.as_str()).unwrap_or_default();
    esp.put("loader/loader.conf", 0o644, loader_conf(first, recipe.enroll).into_bytes().into())?;
    esp.put(RANDOM_SEED, 0o444, Vec::new().into())?;
    for (name, bytes) in &keys.enrollment {
        esp.put(&format!("loader/keys/auto/{name}"), 0o644, bytes.clone().into())?;
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
