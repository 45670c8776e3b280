//! Unified kernel images: the whole root file system as the initrd of one signed file.
//!
//! ```text
//!  root file system ──▶ cpio ──▶ zstd ──▶ .initrd ┐
//!  kernel, os-release, command line, PCR policy ──┴▶ stub ──▶ signed image ──▶ ESP ──▶ folder or ISO
//! ```

mod build;
mod esp;
mod find;
mod initrd;
mod iso;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bootwright_image::Observer;
use bootwright_oci::InputSummary;
use bootwright_uki::efi::Variable;
use bootwright_uki::keys::{KeyFolder, KeysError};
use bootwright_uki::pcr::Prediction;
use bootwright_uki::signer::{Identity, Signer};
use bootwright_uki::unified::names::Enroll;
use bootwright_uki::unified::{Contribution, names};

use super::{RecipeError, Root, Source};

/// How the root file system is compressed when nothing else is asked for.
pub const LEVEL: i32 = 12;

/// Every input of unified kernel images.
#[derive(Clone, Debug)]
pub struct UkiRecipe {
    /// The root file system.
    pub source: Source,
    /// The `secure-boot` folder.
    pub keys: PathBuf,
    /// Words behind the base command line; there is then no image without them.
    pub extend_cmdline: Option<String>,
    /// Words behind the base command line of one more image each.
    pub extra_cmdline: Vec<String>,
    /// What menus call the system.
    pub branding: String,
    /// When the boot loader enrols the keys.
    pub enroll: Enroll,
    /// systemd-stub, in place of the base image's.
    pub stub: Option<PathBuf>,
    /// systemd-boot, in place of the base image's.
    pub systemd_boot: Option<PathBuf>,
    /// A bitmap to show while it starts.
    pub splash: Option<PathBuf>,
    /// Whether files in the initrd keep their owners; else root has them all.
    pub keep_owners: bool,
    /// The level of zstd, 1 to 19.
    pub level: i32,
    /// Compressing threads.
    pub jobs: NonZeroUsize,
    /// Folders laid over the ISO's own tree.
    pub overlay_iso: Vec<PathBuf>,
    /// Cloud-config for the installer: `/config.yaml` on the ISO.
    pub user_data: Option<PathBuf>,
}

/// One unified kernel image.
#[derive(Debug)]
pub struct UkiImage {
    /// Its name on the EFI system partition, without suffix.
    pub name: String,
    /// Its command line.
    pub cmdline: String,
    /// Its length in bytes, signature included.
    pub len: u64,
    /// What contributes how much.
    pub contributions: Vec<Contribution>,
    /// What PCR 11 will hold.
    pub predictions: Vec<Prediction>,
}

/// What was made.
#[derive(Debug)]
#[non_exhaustive]
pub struct UkiReport {
    /// What went in.
    pub inputs: Vec<InputSummary>,
    /// The images, the one that starts by itself first.
    pub images: Vec<UkiImage>,
    /// The stub's version, and whether its measurements are known for sure.
    pub stub: (Option<String>, bool),
    /// Length of the ISO in bytes; zero for a folder.
    pub len: u64,
    /// SHA-256 of the ISO; zero for a folder.
    pub sha256: [u8; 32],
}

/// An image to be: its name, title and command line.
#[derive(Clone, Debug)]
struct Entry {
    name: String,
    title: String,
    cmdline: String,
}

/// What signs, and what goes into firmware. Read before any work is done, so that missing and
/// useless keys show at once.
struct Keys {
    /// Signs images and the boot loader.
    db: Identity,
    /// Signs PCR policies.
    pcr: Arc<dyn Signer>,
    /// Names and contents for `loader/keys/auto`.
    enrollment: Vec<(String, Vec<u8>)>,
}

impl Keys {
    fn read(folder: &Path) -> Result<Self, KeysError> {
        let folder = KeyFolder::new(folder);
        Ok(Self {
            db: folder.identity(Variable::Db)?,
            pcr: Arc::new(folder.pcr_key()?),
            enrollment: folder.enrollment()?,
        })
    }
}

impl UkiRecipe {
    /// The base image and the keys, with everything else as it comes.
    #[must_use]
    pub fn new(source: Source, keys: PathBuf) -> Self {
        Self {
            jobs: source.jobs,
            source,
            keys,
            extend_cmdline: None,
            extra_cmdline: Vec::new(),
            branding: "Palette eXtended Kubernetes Edge".into(),
            enroll: Enroll::default(),
            stub: None,
            systemd_boot: None,
            splash: None,
            keep_owners: false,
            level: LEVEL,
            overlay_iso: Vec::new(),
            user_data: None,
        }
    }

    /// Writes the files of an EFI system partition into the folder `FOLDER/NAME`, which must not
    /// exist. It appears when it is complete.
    ///
    /// # Errors
    /// [`RecipeError`].
    pub fn write_folder(
        &self,
        folder: &Path,
        name: &str,
        observer: &dyn Observer,
    ) -> Result<UkiReport, RecipeError> {
        let target = folder.join(name);
        if target.symlink_metadata().is_ok() {
            return Err(RecipeError::Exists { path: target });
        }
        let keys = Keys::read(&self.keys)?;
        let root = Root::load(&self.source, observer)?;
        let built = build::build(self, &root, &keys, folder, observer)?;
        let tree = esp::tree(self, &built, keys, root.epoch)?;
        esp::write_folder(&tree, &target)?;
        Ok(built.report(root.inputs))
    }

    /// Writes `NAME.iso` and `NAME.iso.sha256` into `folder`. Both appear when they are complete.
    ///
    /// # Errors
    /// [`RecipeError`]; nothing is left behind.
    pub fn write_iso(
        &self,
        folder: &Path,
        name: &str,
        observer: &dyn Observer,
    ) -> Result<UkiReport, RecipeError> {
        let keys = Keys::read(&self.keys)?;
        let root = Root::load(&self.source, observer)?;
        let medium = iso::medium(self, root.epoch, observer)?;
        let built = build::build(self, &root, &keys, folder, observer)?;
        let tree = esp::tree(self, &built, keys, root.epoch)?;
        let (len, sha256) = iso::write(&tree, medium, root.epoch, (folder, name), observer)?;
        Ok(UkiReport { len, sha256, ..built.report(root.inputs) })
    }

    /// The images to make, the one that starts by itself first.
    fn entries(&self) -> Vec<Entry> {
        let entry = |words: &str, title: String| Entry {
            name: names::image_name(words),
            title,
            cmdline: names::cmdline(words),
        };
        let main = self.extend_cmdline.as_deref().unwrap_or_default();
        let mut entries = vec![entry(main, self.branding.clone())];
        for extra in &self.extra_cmdline {
            entries.push(entry(extra, format!("{} ({extra})", self.branding)));
        }
        entries
    }
}
