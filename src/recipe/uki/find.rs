//! What the base image gives to a unified kernel image.

use std::path::Path;

use bootwright_boot::loaders::find_kernel_image;
use bootwright_image::{Blob, FileTree, InodeId, Observer, collect};

use super::UkiRecipe;
use crate::recipe::{Architecture, RecipeError, Root};

/// The most that kernel, stub and boot loader may have together: they are held in memory.
const HELD_MAX: u64 = 512 << 20;
/// Where distributions and Kairos keep systemd's EFI programs.
const FOLDERS: [&str; 4] =
    ["usr/lib/systemd/boot/efi", "usr/kairos", "usr/share/systemd-boot", "usr/lib/systemd-boot"];

/// Small files, read into memory.
pub(super) struct Parts {
    pub(super) kernel: Vec<u8>,
    pub(super) stub: Vec<u8>,
    pub(super) systemd_boot: Vec<u8>,
    pub(super) os_release: Option<Vec<u8>>,
    pub(super) version: String,
    pub(super) architecture: Architecture,
}

/// A file of the base image or of the build host.
enum Place {
    Image(InodeId),
    Host(Vec<u8>),
}

impl Parts {
    /// Looks through the root file system, in which `/boot` must still be.
    pub(super) fn find(
        recipe: &UkiRecipe,
        root: &Root,
        observer: &dyn Observer,
    ) -> Result<Self, RecipeError> {
        let architecture = super::super::architecture(root, &recipe.source)?;
        let suffix = match architecture {
            Architecture::Amd64 => "x64",
            Architecture::Arm64 => "aa64",
        };
        let (kernel, _) = find_kernel_image(&root.tree)?;
        let stub =
            program(root, recipe.stub.as_deref(), "--stub", &format!("linux{suffix}.efi.stub"))?;
        let loader = format!("systemd-boot{suffix}.efi");
        let loader = program(root, recipe.systemd_boot.as_deref(), "--systemd-boot", &loader)?;
        let release = file(&root.tree, b"etc/os-release");
        let kairos = file(&root.tree, b"etc/kairos-release");

        let places = [Some(Place::Image(kernel)), Some(stub), Some(loader)];
        let places = places.into_iter().chain([release, kairos].map(|id| id.map(Place::Image)));
        let places: Vec<Option<Place>> = places.collect();
        let wanted: Vec<InodeId> = places.iter().flatten().filter_map(Place::inode).collect();
        let held = collect(&root.tree, &root.streams, &wanted, HELD_MAX, observer)?;
        let mut held = held.into_iter();
        let mut contents = places.into_iter().map(|place| match place {
            Some(Place::Image(_)) => held.next(),
            Some(Place::Host(bytes)) => Some(bytes),
            None => None,
        });
        let mut next = || contents.next().flatten();
        Ok(Self {
            kernel: next().unwrap_or_default(),
            stub: next().unwrap_or_default(),
            systemd_boot: next().unwrap_or_default(),
            os_release: next(),
            version: next().and_then(|text| version(&text)).unwrap_or_default(),
            architecture,
        })
    }
}

impl Place {
    fn inode(&self) -> Option<InodeId> {
        match self {
            Self::Image(inode) => Some(*inode),
            Self::Host(_) => None,
        }
    }
}

fn file(tree: &FileTree, path: &[u8]) -> Option<InodeId> {
    let inode = tree.resolve(path).ok().flatten()?;
    tree.inode(inode).as_file().filter(|blob: &&Blob| !blob.is_empty()).map(|_| inode)
}

/// A program of systemd: the one given, else the base image's.
fn program(
    root: &Root,
    given: Option<&Path>,
    option: &'static str,
    name: &str,
) -> Result<Place, RecipeError> {
    if let Some(path) = given {
        let read = |source| RecipeError::Read { path: path.into(), source };
        return Ok(Place::Host(std::fs::read(path).map_err(read)?));
    }
    let found =
        FOLDERS.iter().find_map(|folder| file(&root.tree, format!("{folder}/{name}").as_bytes()));
    found.map(Place::Image).ok_or_else(|| RecipeError::NoProgram {
        name: name.into(),
        tried: FOLDERS.join(", /"),
        option,
    })
}

/// The quoted value of `KAIROS_RELEASE`.
fn version(release: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(release);
    let value = text.lines().find_map(|line| line.strip_prefix("KAIROS_RELEASE=\""))?;
    let (version, _) = value.split_once('"')?;
    let plain = version.chars().all(|c| c.is_ascii_graphic());
    (plain && !version.is_empty()).then(|| version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_quoted_one() {
        let text = b"A=\"1\"\nKAIROS_RELEASE=\"v3.5.0\"\nB=2\n";
        assert_eq!(version(text).as_deref(), Some("v3.5.0"));
        for none in ["KAIROS_RELEASE=v1\n", "KAIROS_RELEASE=\"\"\n", "KAIROS_RELEASE=\"a b\"", ""] {
            assert_eq!(version(none.as_bytes()), None, "{none}");
        }
    }
}
