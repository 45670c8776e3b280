//! The files of the EFI system partition in a container image, from which installed systems upgrade.

use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;

use bootwright_image::{Blob, FileTree, Metadata, Observer, Phase, Timestamp};
use bootwright_oci::write::{Container, LayerCompression, LayerOptions, write_container};
use serde::{Deserialize, Serialize};

use super::esp::RANDOM_SEED;
use crate::output::Staged;
use crate::recipe::{Architecture, RecipeError, checksum};

/// What the image says about itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Label {
    /// The architecture by its OCI name.
    pub(super) architecture: String,
    /// When it was made, and the times of its files, in seconds since 1970.
    pub(super) time: i64,
}

impl Label {
    pub(super) fn new(architecture: Architecture, time: Timestamp) -> Self {
        Self { architecture: architecture.oci_name().into(), time: time.0 }
    }
}

/// Packs the files of a folder as the docker archive `output`, and publishes it with its checksum.
/// Returns length and checksum.
pub(super) fn pack(
    folder: &Path,
    label: &Label,
    name: &str,
    output: &Path,
    observer: &dyn Observer,
) -> Result<(u64, [u8; 32]), RecipeError> {
    let time = Timestamp(label.time);
    let tree = tree(folder, time)?;
    let staged = Staged::new(output)?;
    let container = Container {
        name: image_name(name),
        architecture: label.architecture.clone(),
        created: time,
        created_by: "bootwright uki".into(),
    };
    // The images are compressed inside.
    let options = LayerOptions {
        compression: LayerCompression::None,
        ..LayerOptions::new(NonZeroUsize::MIN)
    };
    observer.begin(Phase::Write, None);
    write_container(&tree, &(), &container, options, staged.file(), observer)?;
    observer.end(Phase::Write);
    let read = |source| RecipeError::Read { path: output.into(), source };
    let len = staged.file().metadata().map_err(read)?.len();
    Ok((len, checksum::publish(staged, len, observer)?))
}

/// The files of a folder, with metadata that do not depend on the host.
pub(super) fn tree(folder: &Path, time: Timestamp) -> Result<FileTree, RecipeError> {
    let mut tree = FileTree::new(Metadata { mtime: time, ..Metadata::directory(0o755) });
    let root = tree.root();
    add_folder(&mut tree, root, folder, folder, time)?;
    Ok(tree)
}

/// A name that container engines take: theirs have lower-case letters.
fn image_name(name: &str) -> String {
    let mut plain = String::new();
    for character in name.to_lowercase().chars() {
        match character {
            'a'..='z' | '0'..='9' => plain.push(character),
            // Never two separators in a row, none at the beginning.
            _ if plain.ends_with('-') || plain.is_empty() => {}
            _ => plain.push('-'),
        }
    }
    let plain = plain.trim_end_matches('-');
    format!("{}:latest", if plain.is_empty() { "uki" } else { plain })
}

/// Adds what is in a folder of the build host, with metadata that do not depend on the host.
fn add_folder(
    tree: &mut FileTree,
    parent: bootwright_image::InodeId,
    root: &Path,
    folder: &Path,
    time: Timestamp,
) -> Result<(), RecipeError> {
    let read = |source| RecipeError::Read { path: folder.into(), source };
    for entry in fs::read_dir(folder).map_err(read)? {
        let entry = entry.map_err(read)?;
        let path = entry.path();
        let metadata = entry.metadata().map_err(read)?;
        let place = |source| RecipeError::Place { path: path.display().to_string(), source };
        let name = entry.file_name();
        let name = std::os::unix::ffi::OsStrExt::as_bytes(&*name);
        if metadata.is_dir() {
            let kept = Metadata { mtime: time, ..Metadata::directory(0o755) };
            let inode = tree.add_directory(parent, name, kept).map_err(place)?;
            add_folder(tree, inode, root, &path, time)?;
        } else {
            let mode =
                if path.strip_prefix(root) == Ok(Path::new(RANDOM_SEED)) { 0o444 } else { 0o644 };
            let blob = Blob::host_file(path.clone().into(), 0, metadata.len());
            let kept = Metadata { mtime: time, ..Metadata::file(mode) };
            tree.add_file(parent, name, kept, blob).map_err(place)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_images() {
        for (name, image) in
            [("edge", "edge:latest"), ("Edge_2 x", "edge-2-x:latest"), ("__", "uki:latest")]
        {
            assert_eq!(image_name(name), image);
        }
    }
}
