//! Unified kernel images: the whole root file system as the initrd of one signed file.
//!
//! ```text
//!  root file system ──▶ cpio ──▶ zstd ──▶ .initrd ┐
//!  kernel, os-release, command line, PCR policy ──┴▶ stub ──▶ signed image ──▶ ESP ──▶ folder or ISO
//! ```

mod attach;
mod build;
mod container;
mod esp;
mod find;
mod folder;
mod initrd;
mod iso;
mod keys;
mod medium;
pub(crate) mod requests;
mod span;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use bootwright_image::{FileTree, Observer, Timestamp};
use bootwright_oci::{InputSummary, Reference};
use bootwright_uki::pcr::Prediction;
use bootwright_uki::unified::names::Enroll;
use bootwright_uki::unified::{Contribution, Profile, names};

use super::agent::AgentRecipe;
use super::{Installed, RecipeError, Root, Source, checksum};
use build::{Images, Places, Ready};
use container::Label;
use folder::{Growing, InFolder};
use keys::Keys;
use medium::OnMedium;
use requests::{Note, Product};

pub use attach::{Attached, attach};

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
    /// Images with titles of their own; see [`Titled`].
    pub single_cmdline: Vec<Titled>,
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
    /// Ways to boot each image (stub 257 and newer).
    pub profiles: Vec<Profile>,
    /// The device tree to use.
    pub device_tree: Option<PathBuf>,
    /// Device trees of which the stub uses the one that fits the machine.
    pub device_trees: Vec<PathBuf>,
    /// A folder for what is to be signed elsewhere. The images then have room for signatures, and
    /// [`attach`] puts these in.
    pub sign_later: Option<PathBuf>,
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
    /// Edge configuration: `/.edge_custom_config.yaml` on the ISO.
    pub edge_custom_config: Option<PathBuf>,
    /// Cluster configuration: `/opt/spectrocloud/clusterconfig/spc.tgz` on the ISO.
    pub cluster_config: Option<PathBuf>,
    /// Folders with content bundles: `/opt/spectrocloud/content/NAME_partNN` on the ISO.
    pub content: Vec<PathBuf>,
    /// A tar unpacked into `/opt/spectrocloud` on the ISO.
    pub local_ui: Option<PathBuf>,
    /// The agent, which the first boot unpacks: `/stylus-image.tar` on the ISO.
    pub agent: Option<AgentRecipe>,
    /// An image with what unpacks it, and its path there: `/luet` on the ISO.
    pub luet: Option<(Reference, String)>,
}

/// An image with a title and a command line of its own; its file is called by the title.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Titled {
    /// What the menu calls it, behind the branding.
    pub title: String,
    /// Words behind the base command line.
    pub cmdline: String,
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
    /// The file or folder that was written.
    pub path: PathBuf,
    /// What went in.
    pub inputs: Vec<InputSummary>,
    /// What is installed in the root file system, if the source asks for that.
    pub installed: Option<Installed>,
    /// The images, the one that starts by itself first.
    pub images: Vec<UkiImage>,
    /// The stub's version, and whether its measurements are known for sure.
    pub stub: (Option<String>, bool),
    /// The time of everything that was written.
    pub epoch: Timestamp,
    /// Length of the file in bytes; zero for a folder.
    pub len: u64,
    /// SHA-256 of the file; zero for a folder.
    pub sha256: [u8; 32],
}

/// The files of an EFI system partition on the build host, until this is dropped.
pub struct SignedFiles {
    /// The files, with metadata that do not depend on the host.
    pub tree: FileTree,
    /// What was made.
    pub report: UkiReport,
    _folder: Growing,
}

impl std::fmt::Debug for SignedFiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SignedFiles").field("report", &self.report).finish_non_exhaustive()
    }
}

/// A folder's files, as far as they matter behind it.
struct Made {
    built: Images,
    label: Label,
    inputs: Vec<InputSummary>,
    installed: Option<Installed>,
    epoch: Timestamp,
}

impl Made {
    fn report(self, output: PathBuf) -> UkiReport {
        let (installed, epoch) = (self.installed, self.epoch);
        UkiReport { installed, epoch, ..self.built.report(self.inputs, output) }
    }
}

/// An image to be: its name, title and command line.
#[derive(Clone, Debug)]
struct Entry {
    name: String,
    title: String,
    cmdline: String,
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
            single_cmdline: Vec::new(),
            branding: "Palette eXtended Kubernetes Edge".into(),
            enroll: Enroll::default(),
            stub: None,
            systemd_boot: None,
            splash: None,
            profiles: Vec::new(),
            device_tree: None,
            device_trees: Vec::new(),
            sign_later: None,
            keep_owners: false,
            level: LEVEL,
            overlay_iso: Vec::new(),
            user_data: None,
            edge_custom_config: None,
            cluster_config: None,
            content: Vec::new(),
            local_ui: None,
            agent: None,
            luet: None,
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
        let output = self.output(Product::Folder, folder, name);
        let (growing, made) = self.fill(Product::Folder, &output, name, observer)?;
        growing.publish()?;
        Ok(made.report(output))
    }

    /// Writes the same files as a container image, the docker archive `NAME.tar`, and
    /// `NAME.tar.sha256` into `folder`. Both appear when they are complete.
    ///
    /// # Errors
    /// [`RecipeError`].
    pub fn write_container(
        &self,
        folder: &Path,
        name: &str,
        observer: &dyn Observer,
    ) -> Result<UkiReport, RecipeError> {
        let output = self.output(Product::Container, folder, name);
        let (growing, made) = self.fill(Product::Container, &output, name, observer)?;
        if self.sign_later.is_some() {
            growing.publish()?;
            return Ok(made.report(output));
        }
        let (len, sha256) = container::pack(growing.path(), &made.label, name, &output, observer)?;
        Ok(UkiReport { len, sha256, ..made.report(output) })
    }

    /// Builds the same files to be put into something else. They lie in a folder beside `output`
    /// as long as the result is there.
    ///
    /// # Errors
    /// [`RecipeError`].
    pub fn signed_files(
        &self,
        output: &Path,
        observer: &dyn Observer,
    ) -> Result<SignedFiles, RecipeError> {
        let (folder, made) = self.fill(Product::Container, output, "", observer)?;
        let tree = container::tree(folder.path(), Timestamp(made.label.time))?;
        let report = made.report(output.to_owned());
        Ok(SignedFiles { tree, report, _folder: folder })
    }

    /// A folder beside `output` with all files.
    fn fill(
        &self,
        product: Product,
        output: &Path,
        name: &str,
        observer: &dyn Observer,
    ) -> Result<(Growing, Made), RecipeError> {
        if product == Product::Folder || self.sign_later.is_some() {
            folder::refuse_existing(output)?;
        }
        let keys = self.keys()?;
        let root = Root::load(&self.source, observer)?;
        let ready = Ready::new(self, &root, &keys, observer)?;
        let growing = Growing::new(output)?;
        folder::fill(growing.path(), &esp::tree(self, &ready, &keys, root.epoch)?)?;
        let mut places = InFolder::new(growing.path());
        let built = ready.build(self, &root, &keys, &mut places, observer)?;
        let label = Label::new(ready.parts.architecture, root.epoch);
        if let Some(requests) = &keys.requests {
            let pending = built.pending(&|_| Some(0))?;
            Note::new(product, name, pending, label.clone()).write(requests, &keys)?;
        }
        let installed = Installed::of(&self.source, &root, observer)?;
        Ok((growing, Made { built, label, inputs: root.inputs, installed, epoch: root.epoch }))
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
        let keys = self.keys()?;
        let root = Root::load(&self.source, observer)?;
        let mut medium = OnMedium::new(self, root.epoch, observer)?;
        let mut inputs = root.inputs.clone();
        inputs.append(&mut medium.read);
        let ready = Ready::new(self, &root, &keys, observer)?;
        let tree = esp::tree(self, &ready, &keys, root.epoch)?;
        let output = self.output(Product::Iso, folder, name);
        let build = |places: &mut dyn Places| ready.build(self, &root, &keys, places, observer);
        let (written, built) = iso::write(&tree, medium, root.epoch, &output, build, observer)?;
        let installed = Installed::of(&self.source, &root, observer)?;
        let mut sha256 = [0; 32];
        if let Some(requests) = &keys.requests {
            let pending = built.pending(&|path| written.offset(path))?;
            let label = Label::new(ready.parts.architecture, root.epoch);
            Note::new(Product::Iso, name, pending, label).write(requests, &keys)?;
            written.file.publish()?;
        } else {
            sha256 = checksum::publish(written.file, written.len, observer)?;
        }
        let report = built.report(inputs, output);
        Ok(UkiReport { installed, epoch: root.epoch, len: written.len, sha256, ..report })
    }

    /// The keys, or their public halves and an empty folder for requests.
    fn keys(&self) -> Result<Keys, RecipeError> {
        let keys = Keys::read(&self.keys, self.sign_later.as_deref())?;
        self.sign_later.as_deref().map(requests::begin).transpose()?;
        Ok(keys)
    }

    /// Where the product goes: what lacks signatures must not be taken for it.
    fn output(&self, product: Product, folder: &Path, name: &str) -> PathBuf {
        match (&self.sign_later, product) {
            (Some(_), _) => requests::unsigned(folder, product, name),
            (None, Product::Iso) => folder.join(format!("{name}.iso")),
            (None, Product::Folder) => folder.join(name),
            (None, Product::Container) => folder.join(format!("{name}.tar")),
        }
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
        for single in &self.single_cmdline {
            entries.push(Entry {
                name: names::titled_name(&single.title),
                title: format!("{} ({})", self.branding, single.title),
                cmdline: names::cmdline(&single.cmdline),
            });
        }
        entries
    }
}
