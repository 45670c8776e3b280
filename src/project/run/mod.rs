//! Carrying out a plan. Steps that nothing carries out yet are refused before the first one runs.

mod builder;
mod disk;
mod found;
mod image;
mod iso;
mod keys;
mod packages;
mod uki;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bootwright_image::{Observer, Timestamp};
use bootwright_oci::Reference;
use bootwright_squashfs as squashfs;

use super::image_name::ImageName;
use super::images::{Images, ImagesError};
use super::load::Project;
use super::manifest::{Artefact, Manifest};
use super::plan::{Plan, Planned, RootFs, Step};
use crate::cache::Cache;
use crate::output::OutputError;
use crate::recipe::iso::IsoReport;
use crate::recipe::provider::{Foundation, ImageReport};
use crate::recipe::uki::UkiReport;
use crate::recipe::{Architecture, RecipeError, Source};
use builder::Builder;
use found::{find_images, finder};

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
    /// Nothing carries out the step yet.
    #[error("{step}: not yet possible: {reason}")]
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
    /// An installer ISO for trusted boot.
    Uki(PathBuf, Box<UkiReport>),
    /// A container image, in this layout.
    Image(PathBuf, Box<ImageReport>),
    /// Files or folders.
    Files(Vec<PathBuf>),
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
    let found = find_images(project, plan, settings, observer)?;
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
fn refuse(planned: &Planned) -> Result<(), RunError> {
    if let Some((key, what)) = planned.programs.first() {
        return Err(RunError::Programs { key, what });
    }
    let reason = match &planned.step {
        Step::Iso(_)
        | Step::RawDisk(_)
        | Step::Genkey(_)
        | Step::SecureBootDirs
        | Step::ValidateUserData => {
            return Ok(());
        }
        Step::UkiIso(step) if step.installer.root.local_ui.is_some() => {
            "local-ui.tar cannot be unpacked onto trusted-boot media; move it away"
        }
        Step::UkiIso(_) => return Ok(()),
        Step::ProviderImage(step) if step.trusted.is_some() => {
            "provider images for trusted boot are not assembled"
        }
        Step::ProviderImage(_) | Step::InstallerImage(..) => return Ok(()),
        Step::IsoDiskImage { .. } => "container images are not written for targets",
        Step::Cloud(_) => "disk images for clouds are not written",
        Step::Maas(_) => "MAAS images are not written",
        Step::StylusPack(_) | Step::TrustedBootImage(_) => "the agent is not packed",
        Step::EfiSizeCheck { .. } => "the test program for firmware is not there",
        Step::AwsImage => "uploads to AWS are left to its own tools",
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
            Step::RawDisk(step) => self.raw_disk(step),
            Step::ProviderImage(step) => self.provider_image(planned, step),
            Step::InstallerImage(root, name) => self.installer_image(planned, root, name),
            Step::Genkey(step) => self.genkey(step),
            Step::SecureBootDirs => self.secure_boot_folders(),
            Step::ValidateUserData => Ok(Done::Checked),
            // The others were refused.
            _ => refuse(planned).map(|()| Done::Checked),
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
        Ok(Source {
            architecture: Some(root.architecture),
            epoch: self.settings.epoch,
            jobs: self.settings.jobs,
            cache: self.settings.cache.clone(),
            ..Source::new(ready)
        })
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
        let finder = finder(project, settings, architecture, *observer);
        Builder { project, settings, finder, found, observer: *observer }
    }

    fn manifest(
        &self,
        planned: &Planned,
        name: &str,
        (len, sha256, read): (u64, &[u8; 32], &[bootwright_oci::InputSummary]),
    ) -> Result<(), RunError> {
        let file = format!("{name}.iso");
        let artefact = Artefact { name: &file, len, sha256, read };
        let manifest = Manifest::new(self.project, self.plan.target, planned, &artefact);
        Ok(manifest.write(&self.at(Path::new(BUILD)), name)?)
    }
}
