//! Builds and signs the images, each in a file of its own.

use std::fs::File;
use std::io::{self, Write};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bootwright_boot::cpio;
use bootwright_image::{FileTree, Observer, Phase};
use bootwright_oci::InputSummary;
use bootwright_uki::authenticode::{self, Options};
use bootwright_uki::efi::Variable;
use bootwright_uki::pe;
use bootwright_uki::unified::{Build, Built, ImageRequest, Ingredients, uname};
use sha2::{Digest, Sha256};

use super::find::Parts;
use super::keys::Keys;
use super::requests::Pending;
use super::{Entry, UkiImage, UkiRecipe, UkiReport, esp, initrd};
use crate::output::Staged;
use crate::recipe::{Architecture, RecipeError, Root};

/// The section that every image of one build shares.
const INITRD: &str = ".initrd";
/// From here on many machines fail to load an image.
const LARGE: u64 = 1 << 30;

/// What goes onto the EFI system partition.
pub(super) struct Images {
    /// Each image with the file it is in, which has no name.
    pub(super) images: Vec<(UkiImage, String, Staged)>,
    /// The signed boot loader.
    pub(super) systemd_boot: Vec<u8>,
    pub(super) version: String,
    pub(super) architecture: Architecture,
    stub: (Option<String>, bool),
}

impl Images {
    pub(super) fn report(self, inputs: Vec<InputSummary>, path: PathBuf) -> UkiReport {
        let images = self.images.into_iter().map(|(image, ..)| image).collect();
        UkiReport { path, inputs, images, stub: self.stub, len: 0, sha256: [0; 32] }
    }

    /// A serial number for the EFI system partition: from what the machine will measure, so that
    /// neither signatures nor who made them matter.
    pub(super) fn serial(&self) -> u32 {
        let mut hash = Sha256::new();
        for prediction in self.images.iter().flat_map(|(image, ..)| &image.predictions) {
            hash.update(&prediction.value);
        }
        let [a, b, c, d, ..] = hash.finalize()[..] else { return 0 };
        u32::from_le_bytes([a, b, c, d])
    }

    /// What waits for signatures. `place` says where in the product a file's content begins.
    pub(super) fn pending(
        &self,
        place: &dyn Fn(&str) -> Option<u64>,
    ) -> Result<Vec<Pending>, RecipeError> {
        let loader = esp::loader_path(self.architecture).to_owned();
        let loader = (loader, self.systemd_boot.len() as u64, false);
        let images =
            self.images.iter().map(|(image, ..)| (esp::image_path(&image.name), image.len, true));
        images
            .chain([loader])
            .map(|(path, len, policies)| match place(&path) {
                Some(offset) => Ok(Pending { path, offset, len, policies }),
                None => Err(io::Error::other(format!("{path} was not written")).into()),
            })
            .collect()
    }
}

/// Files of the build host that go into every image.
struct Given {
    splash: Option<Vec<u8>>,
    device_tree: Option<Vec<u8>>,
    device_trees: Vec<Vec<u8>>,
}

impl Given {
    fn read(recipe: &UkiRecipe) -> Result<Self, RecipeError> {
        let read = |path: &PathBuf| {
            std::fs::read(path).map_err(|source| RecipeError::Read { path: path.clone(), source })
        };
        Ok(Self {
            splash: recipe.splash.as_ref().map(read).transpose()?,
            device_tree: recipe.device_tree.as_ref().map(read).transpose()?,
            device_trees: recipe.device_trees.iter().map(read).collect::<Result<_, _>>()?,
        })
    }
}

pub(super) fn build(
    recipe: &UkiRecipe,
    root: &Root,
    keys: &Keys,
    folder: &Path,
    observer: &dyn Observer,
) -> Result<Images, RecipeError> {
    let given = Given::read(recipe)?;
    let parts = Parts::find(recipe, root, observer)?;
    let mut tree = root.tree.clone();
    initrd::prepare(&mut tree, root.epoch, observer)?;

    let mut images: Vec<(UkiImage, String, Staged)> = Vec::new();
    let mut stub = (None, false);
    for entry in recipe.entries() {
        let ingredients = Ingredients {
            os_release: parts.os_release.clone(),
            uname: uname(&parts.kernel),
            splash: given.splash.clone(),
            device_tree: given.device_tree.clone(),
            device_trees: given.device_trees.clone(),
            profiles: recipe.profiles.clone(),
            pcr_signer: Some(Arc::clone(&keys.pcr)),
            ..Ingredients::new(parts.stub.clone(), parts.kernel.clone(), &entry.cmdline)
        };
        // Only where the file goes matters of the name.
        let staged = Staged::new(&folder.join(format!("{}.efi", entry.name)))?;
        let mut build = Build::begin(ingredients, staged.file())?;
        match images.first() {
            None => build = stream(recipe, root, &tree, build, observer)?,
            Some((first, _, file)) => copy(file.file(), first.len, &mut build)?,
        }
        let (_, built) = build.finish()?;
        stub = (built.measured.version.clone(), built.measured.is_compared());
        let image = sign(&entry, staged.file(), built, keys, observer)?;
        images.push((image, entry.title, staged));
    }
    if !stub.1 {
        observer.warn(format_args!(
            "systemd-stub {} is not one whose measurements were compared: the PCR 11 predictions \
             are for what its version most likely measures",
            stub.0.as_deref().unwrap_or("of unknown version")
        ));
    }
    let systemd_boot = sign_loader(parts.systemd_boot, keys)?;
    let (version, architecture) = (parts.version, parts.architecture);
    Ok(Images { images, systemd_boot, version, architecture, stub })
}

/// Streams the root file system into the image.
fn stream<'a>(
    recipe: &UkiRecipe,
    root: &Root,
    tree: &FileTree,
    build: Build<&'a File>,
    observer: &dyn Observer,
) -> Result<Build<&'a File>, RecipeError> {
    let ownership = if recipe.keep_owners { cpio::Ownership::Keep } else { cpio::Ownership::Root };
    let options = cpio::Options { ownership };
    let jobs = u32::try_from(recipe.jobs.get()).ok().and_then(NonZeroU32::new);
    let mut initrd = cpio::Compressor::new(build, recipe.level, jobs.unwrap_or(NonZeroU32::MIN))?;
    observer.begin(Phase::Compress, Some(root.content_len()));
    cpio::write(tree, &root.streams, options, &mut initrd, observer)?;
    let build = initrd.finish()?;
    observer.end(Phase::Compress);
    Ok(build)
}

/// Takes the initrd over from an image that has it.
fn copy(from: &File, len: u64, build: &mut Build<&File>) -> Result<(), RecipeError> {
    let mut image = pe::File::open(from, len)?;
    let section = image.sections().iter().find(|section| section.name == INITRD).cloned();
    if let Some(section) = section {
        image.copy(&section, build as &mut dyn Write)?;
    }
    Ok(())
}

fn sign(
    entry: &Entry,
    mut file: &File,
    built: Built,
    keys: &Keys,
    observer: &dyn Observer,
) -> Result<UkiImage, RecipeError> {
    if let Some(requests) = &keys.requests {
        ImageRequest::new(&mut file, built.len)?.write(requests, Variable::Db.name())?;
    }
    let len = authenticode::sign(&mut file, built.len, &keys.db, Options::default())?;
    if len >= LARGE {
        observer.warn(format_args!(
            "{}.efi has {len} bytes: many machines fail to load images above 1 GiB",
            entry.name
        ));
    }
    Ok(UkiImage {
        name: entry.name.clone(),
        cmdline: entry.cmdline.clone(),
        len,
        contributions: built.contributions,
        predictions: built
            .predictions
            .into_iter()
            .flat_map(|profile| profile.predictions)
            .collect(),
    })
}

fn sign_loader(bytes: Vec<u8>, keys: &Keys) -> Result<Vec<u8>, RecipeError> {
    let len = bytes.len() as u64;
    let mut file = io::Cursor::new(bytes);
    let len = authenticode::sign(&mut file, len, &keys.loader, Options::default())?;
    let mut bytes = file.into_inner();
    bytes.truncate(usize::try_from(len).unwrap_or(usize::MAX));
    Ok(bytes)
}
