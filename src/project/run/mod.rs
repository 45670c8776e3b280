//! Carrying out a plan. Steps that nothing carries out yet are refused before the first one runs.

mod builder;
mod disk;
mod gather;
mod image;
mod iso;
mod keys;
mod packages;
mod size_check;
mod uki;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bootwright_image::{Observer, Timestamp};
use bootwright_oci::{InputSummary, Reference};
use bootwright_squashfs as squashfs;

use super::image_name::ImageName;
use super::images::{Finder, Images, ImagesError};
use super::load::Project;
use super::manifest::{Artefact, Manifest};
use super::plan::{Plan, Planned, RootFs, Step};
use crate::cache::Cache;
use crate::output::OutputError;
use crate::recipe::disk::DiskReport;
use crate::recipe::disk::maas::MaasReport;
use crate::recipe::iso::IsoReport;
use crate::recipe::provider::{Foundation, ImageReport};
use crate::recipe::uki::UkiReport;
use crate::recipe::{Architecture, Base, Installed, RecipeError, Root, Source};
use crate::sbom::Subject;
use builder::Builder;
pub(super) use gather::gather;

/// The folders of Secure Boot keys and their modes. The two with private parts are for their owner.
pub const SECURE_BOOT: [(&str, u32); 4] = [
    ("secure-boot/enrollment", 0o755),
    ("secure-boot/exported-keys", 0o700),
    ("secure-boot/private-keys", 0o700),
    ("secure-boot/public-keys", 0o755),
];

/// Where results go.
pub const BUILD: &str = "build";

/// What a build may use, and what it is told beside the project.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How root file systems are compressed.
    pub squashfs: squashfs::Options,
    /// Threads.
    pub jobs: NonZeroUsize,
    /// What remembers work between builds.
    pub cache: Option<Arc<Cache>>,
    /// The time for everything that a build writes itself.
    pub epoch: Option<Timestamp>,
    /// Now, for new keys.
    pub now: Timestamp,
    /// Where images are that projects name.
    pub images: Images,
}

/// Why a plan was not carried out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// Something that the step needs is not there.
    #[error("{step}: not possible: {reason}")]
    NotYet {
        /// The step.
        step: String,
        /// What is missing.
        reason: &'static str,
    },
    /// A value asks for programs that would have to run in the image.
    #[error("{key} {what} in the image, and bootwright runs nothing")]
    Programs {
        /// The key.
        key: &'static str,
        /// What would run.
        what: &'static str,
    },
    /// Images that the project names.
    #[error(transparent)]
    Images(#[from] ImagesError),
    /// A recipe failed.
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    /// A manifest cannot be written.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// A folder cannot be made.
    #[error("cannot make the folder {path:?}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

/// What a step made.
#[derive(Debug)]
#[non_exhaustive]
pub enum Done {
    /// An installer ISO.
    Iso(PathBuf, Box<IsoReport>),
    /// Files for trusted boot: an ISO, or a container image.
    Uki(PathBuf, Box<UkiReport>),
    /// A container image, in this layout.
    Image(PathBuf, Box<ImageReport>),
    /// Files or folders.
    Files(Vec<PathBuf>),
    /// A disk.
    Disk(PathBuf, Box<DiskReport>),
    /// A disk for MAAS, with its name there.
    Maas(PathBuf, String, Box<MaasReport>),
    /// Nothing: it was a check.
    Checked,
}

/// Carries out all steps of a plan for a project without errors.
///
/// # Errors
/// [`RunError`]; of a step that failed nothing is left behind.
pub fn run(
    project: &Project,
    plan: &Plan,
    settings: &Settings,
    observer: &dyn Observer,
) -> Result<Vec<Done>, RunError> {
    for planned in &plan.steps {
        refuse(planned)?;
    }
    let steps: Vec<_> = plan.steps.iter().collect();
    let found = gather(project, &steps, settings, false, observer)?.found;
    let runner = Runner {
        project,
        plan,
        settings,
        observer,
        found,
        foundations: RefCell::default(),
        told: Cell::default(),
    };
    plan.steps.iter().map(|planned| runner.step(planned)).collect()
}

/// What cannot be done, before any work begins.
pub(super) fn refuse(planned: &Planned) -> Result<(), RunError> {
    if let Some((key, what)) = planned.programs.first() {
        return Err(RunError::Programs { key, what });
    }
    let reason = match &planned.step {
        Step::EfiSizeCheck { program: None, .. } => {
            "the program for firmware is not built; run cargo build --release --target \
             x86_64-unknown-uefi in efi-size-check/ of the checkout"
        }
        Step::AwsImage => "uploads to AWS are left to its own tools; build +cloud-image for them",
        _ => return Ok(()),
    };
    Err(RunError::NotYet { step: planned.step.title(), reason })
}

struct Runner<'a> {
    project: &'a Project,
    plan: &'a Plan,
    settings: &'a Settings,
    observer: &'a dyn Observer,
    /// Where images are.
    found: BTreeMap<ImageName, Reference>,
    /// What results share, once one of them was made.
    foundations: RefCell<Vec<(RootFs, Foundation)>>,
    /// Whether it was said that no systemd was found.
    told: Cell<bool>,
}

impl Runner<'_> {
    fn step(&self, planned: &Planned) -> Result<Done, RunError> {
        match &planned.step {
            Step::Iso(step) => self.iso(planned, step),
            Step::UkiIso(step) => self.uki(planned, step),
            Step::RawDisk(step) => self.raw_disk(planned, step),
            Step::Cloud(step) => self.cloud(planned, step),
            Step::Maas(step) => self.maas(planned, step),
            Step::ProviderImage(step) => self.upgrade_image(planned, step),
            Step::TrustedBootImage(step) => self.trusted_boot(planned, step),
            Step::InstallerImage(root, name) => self.installer_image(planned, root, name),
            Step::IsoDiskImage(step) => self.iso_disk_image(planned, step),
            Step::StylusPack(pack) => self.agent_archive(planned, pack),
            Step::EfiSizeCheck { program: Some(program), file, partition } => {
                self.size_check(planned, program, (*file, *partition))
            }
            Step::Genkey(step) => self.genkey(step),
            Step::SecureBootDirs => self.secure_boot_folders(),
            Step::ValidateUserData => Ok(Done::Checked),
            Step::EfiSizeCheck { program: None, .. } | Step::AwsImage => {
                refuse(planned).map(|()| Done::Checked)
            }
        }
    }

    fn at(&self, path: &Path) -> PathBuf {
        self.project.folder.join(path)
    }

    fn all(&self, paths: &[PathBuf]) -> Vec<PathBuf> {
        paths.iter().map(|path| self.at(path)).collect()
    }

    fn one(&self, path: Option<&PathBuf>) -> Option<PathBuf> {
        path.map(|path| self.at(path))
    }

    /// The installer's root file system for a medium. `local_ui` says whether `local-ui.tar` is
    /// unpacked into it.
    fn source(&self, root: &RootFs, local_ui: bool) -> Result<Source, RunError> {
        let ready = self.on_foundation(root, |builder, foundation| {
            let recipe = builder.installer(root, local_ui)?;
            Ok(recipe.root(foundation, self.observer)?)
        })?;
        Ok(self.of_ready(ready, root.architecture))
    }

    fn of_ready(&self, ready: Root, architecture: Architecture) -> Source {
        let cache = self.settings.cache.clone();
        Source { cache, inventory: true, ..self.of(ready, architecture) }
    }

    /// An image that is read for one result alone.
    fn of_image(&self, image: Reference, architecture: Architecture) -> Source {
        self.of(image, architecture)
    }

    fn of(&self, base: impl Into<Base>, architecture: Architecture) -> Source {
        let Settings { epoch, jobs, .. } = *self.settings;
        Source {
            architecture: Some(architecture),
            epoch,
            jobs,
            inventory: true,
            ..Source::new(base)
        }
    }

    /// Works on the foundation that results with the same base share.
    fn on_foundation<T>(
        &self,
        root: &RootFs,
        work: impl FnOnce(&Builder<'_>, &mut Foundation) -> Result<T, RunError>,
    ) -> Result<T, RunError> {
        let builder = self.builder(root.architecture);
        let mut foundations = self.foundations.borrow_mut();
        let known = foundations.iter().position(|(known, _)| known.has_base_of(root));
        let at = match known {
            Some(at) => at,
            None => {
                foundations.push((root.clone(), builder.foundation(root)?));
                foundations.len() - 1
            }
        };
        work(&builder, &mut foundations[at].1)
    }

    fn builder(&self, architecture: Architecture) -> Builder<'_> {
        let Self { project, settings, observer, found, .. } = self;
        let finder = Finder::new(project, settings, architecture, *observer);
        Builder { project, settings, finder, found, observer: *observer }
    }

    /// Writes `NAME.manifest.json` for a file in the folder of results.
    fn manifest(
        &self,
        planned: &Planned,
        name: &str,
        file: &str,
        made: (u64, &[u8; 32], &[InputSummary]),
    ) -> Result<(), RunError> {
        self.manifest_in(&self.at(Path::new(BUILD)), planned, name, file, made)
    }

    fn manifest_in(
        &self,
        folder: &Path,
        planned: &Planned,
        name: &str,
        file: &str,
        (len, sha256, read): (u64, &[u8; 32], &[InputSummary]),
    ) -> Result<(), RunError> {
        let artefact = Artefact { name: file, len, sha256, read };
        let manifest = Manifest::new(self.project, self.plan.target, planned, &artefact);
        Ok(manifest.write(folder, name)?)
    }

    /// Writes `NAME.cdx.json`, the bill of materials of a file in the folder.
    fn bill(
        &self,
        folder: &Path,
        installed: Option<&Installed>,
        name: &str,
        file: &str,
        sha256: [u8; 32],
    ) -> Result<(), RunError> {
        let Some(installed) = installed else { return Ok(()) };
        let (sha256, file) = (Some(sha256), file.to_owned());
        let subject = Subject { name: file, is_file: true, sha256, ..Subject::default() };
        Ok(installed.write(folder, name, &subject)?)
    }
}
