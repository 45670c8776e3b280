//! Builds and signs the images, each in its final place.

use std::io::{self, Write};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;

use bootwright_boot::cpio;
use bootwright_image::{FileTree, Observer, Phase, Timestamp};
use bootwright_oci::InputSummary;
use bootwright_uki::authenticode::{self, Options};
use bootwright_uki::efi::Variable;
use bootwright_uki::pe::{self, IMAGE_LEN_MAX};
use bootwright_uki::unified::{Build, Built, ImageRequest, Ingredients, uname};
use sha2::{Digest, Sha256};

use super::find::Parts;
use super::keys::Keys;
use super::requests::Pending;
use super::span::Span;
use super::{Entry, UkiImage, UkiRecipe, UkiReport, esp, initrd};
use crate::recipe::{RecipeError, Root};

/// The section that every image of one build shares.
const INITRD: &str = ".initrd";
/// From here on many machines fail to load an image.
const LARGE: u64 = 1 << 30;

/// Where images are built.
pub(super) trait Places {
    /// The place of the image at `path` of the EFI system partition.
    fn begin(&mut self, path: &str) -> Result<Span, RecipeError>;

    /// The image that was begun last has `len` bytes.
    fn end(&mut self, len: u64) -> Result<(), RecipeError>;
}

/// All that is known before the first image is built.
pub(super) struct Ready {
    pub(super) parts: Parts,
    /// What becomes the initrd.
    tree: FileTree,
    given: Given,
    /// The signed boot loader.
    pub(super) systemd_boot: Vec<u8>,
    pub(super) entries: Vec<Entry>,
    /// No image is longer, in bytes.
    pub(super) len_max: u64,
}

/// Files of the build host that go into every image.
struct Given {
    splash: Option<Vec<u8>>,
    device_tree: Option<Vec<u8>>,
    device_trees: Vec<Vec<u8>>,
}

/// What was built.
pub(super) struct Images {
    images: Vec<UkiImage>,
    stub: (Option<String>, bool),
    /// Path and length of the boot loader.
    loader: (&'static str, u64),
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

    fn len(&self) -> u64 {
        let all = self.splash.iter().chain(&self.device_tree).chain(&self.device_trees);
        all.map(|bytes| bytes.len() as u64).sum()
    }
}

impl Ready {
    pub(super) fn new(
        recipe: &UkiRecipe,
        root: &Root,
        keys: &Keys,
        observer: &dyn Observer,
    ) -> Result<Self, RecipeError> {
        let given = Given::read(recipe)?;
        let mut parts = Parts::find(recipe, root, observer)?;
        let mut tree = root.tree.clone();
        initrd::prepare(&mut tree, root.epoch, observer)?;
        let systemd_boot = sign_loader(std::mem::take(&mut parts.systemd_boot), keys)?;
        let fixed = (parts.stub.len() + parts.kernel.len()) as u64 + given.len();
        let len_max = initrd::len_max(&tree).saturating_add(fixed).saturating_add(LEN_REST);
        let len_max = len_max.min(IMAGE_LEN_MAX);
        Ok(Self { parts, tree, given, systemd_boot, entries: recipe.entries(), len_max })
    }

    pub(super) fn build(
        &self,
        recipe: &UkiRecipe,
        root: &Root,
        keys: &Keys,
        places: &mut dyn Places,
        observer: &dyn Observer,
    ) -> Result<Images, RecipeError> {
        let mut images = Vec::new();
        let mut first: Option<(Span, u64)> = None;
        let mut stub = (None, false);
        for entry in &self.entries {
            let span = places.begin(&esp::image_path(&entry.name))?;
            let mut build = Build::begin(self.ingredients(recipe, entry, keys), span.clone())?;
            match &first {
                None => build = self.stream(recipe, root, build, observer)?,
                Some((span, len)) => copy(span.clone(), *len, &mut build)?,
            }
            let (_, built) = build.finish()?;
            stub = (built.measured.version.clone(), built.measured.is_compared());
            let image = sign(entry, span.clone(), built, keys, observer)?;
            places.end(image.len)?;
            first.get_or_insert((span, image.len));
            images.push(image);
        }
        if !stub.1 {
            observer.warn(format_args!(
                "systemd-stub {} is not one whose measurements were compared: the PCR 11 \
                 predictions are for what its version most likely measures",
                stub.0.as_deref().unwrap_or("of unknown version")
            ));
        }
        let loader = esp::loader_path(self.parts.architecture);
        Ok(Images { images, stub, loader: (loader, self.systemd_boot.len() as u64) })
    }

    fn ingredients(&self, recipe: &UkiRecipe, entry: &Entry, keys: &Keys) -> Ingredients {
        let (parts, given) = (&self.parts, &self.given);
        Ingredients {
            os_release: parts.os_release.clone(),
            uname: uname(&parts.kernel),
            splash: given.splash.clone(),
            device_tree: given.device_tree.clone(),
            device_trees: given.device_trees.clone(),
            profiles: recipe.profiles.clone(),
            pcr_signer: Some(Arc::clone(&keys.pcr)),
            ..Ingredients::new(parts.stub.clone(), parts.kernel.clone(), &entry.cmdline)
        }
    }

    /// Streams the root file system into the image.
    fn stream(
        &self,
        recipe: &UkiRecipe,
        root: &Root,
        build: Build<Span>,
        observer: &dyn Observer,
    ) -> Result<Build<Span>, RecipeError> {
        let keep = recipe.keep_owners;
        let ownership = if keep { cpio::Ownership::Keep } else { cpio::Ownership::Root };
        let options = cpio::Options { ownership };
        let jobs = u32::try_from(recipe.jobs.get()).ok().and_then(NonZeroU32::new);
        let jobs = jobs.unwrap_or(NonZeroU32::MIN);
        let mut initrd = cpio::Compressor::new(build, recipe.level, jobs)?;
        observer.begin(Phase::Compress, Some(root.content_len()));
        cpio::write(&self.tree, &root.streams, options, &mut initrd, observer)?;
        let build = initrd.finish()?;
        observer.end(Phase::Compress);
        Ok(build)
    }
}

/// More than command line, policies, signatures, headers and alignment take, in bytes.
const LEN_REST: u64 = 8 << 20;

impl Images {
    pub(super) fn report(self, inputs: Vec<InputSummary>, path: PathBuf) -> UkiReport {
        let (images, stub) = (self.images, self.stub);
        UkiReport {
            path,
            inputs,
            installed: None,
            images,
            stub,
            epoch: Timestamp::default(),
            len: 0,
            sha256: [0; 32],
        }
    }

    /// A serial number for the EFI system partition: from what the machine will measure, so that
    /// neither signatures nor who made them matter.
    pub(super) fn serial(&self) -> u32 {
        let mut hash = Sha256::new();
        for prediction in self.images.iter().flat_map(|image| &image.predictions) {
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
        let (loader, loader_len) = self.loader;
        let images =
            self.images.iter().map(|image| (esp::image_path(&image.name), image.len, true));
        images
            .chain([(loader.to_owned(), loader_len, false)])
            .map(|(path, len, policies)| match place(&path) {
                Some(offset) => Ok(Pending { path, offset, len, policies }),
                None => Err(io::Error::other(format!("{path} was not written")).into()),
            })
            .collect()
    }
}

/// Takes the initrd over from an image that has it.
fn copy(from: Span, len: u64, build: &mut Build<Span>) -> Result<(), RecipeError> {
    let mut image = pe::File::open(from, len)?;
    let section = image.sections().iter().find(|section| section.name == INITRD).cloned();
    if let Some(section) = section {
        image.copy(&section, build as &mut dyn Write)?;
    }
    Ok(())
}

fn sign(
    entry: &Entry,
    mut file: Span,
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
