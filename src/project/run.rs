//! Carrying out a plan. Steps that nothing carries out yet are refused before the first one runs.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::num::NonZeroUsize;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bootwright_image::{Observer, Timestamp};
use bootwright_oci::{ContentDigest, Reference};
use bootwright_squashfs as squashfs;
use bootwright_uki::keys::Validity;
use bootwright_uki::signer::RsaBits;

use super::gather::gather;
use super::image_name::ImageName;
use super::images::{Finder, Images, ImagesError};
use super::load::Project;
use super::manifest::{Artefact, Manifest};
use super::plan::{Disk, Genkey, Installer, Plan, Planned, RootFs, Step, UkiInstaller};
use super::provider::{self, Builder};
use crate::cache::Cache;
use crate::output::OutputError;
use crate::recipe::disk::DiskRecipe;
use crate::recipe::genkey::{Keys, KeysRecipe};
use crate::recipe::iso::{IsoRecipe, IsoReport};
use crate::recipe::provider::{Foundation, ImageReport};
use crate::recipe::uki::{UkiRecipe, UkiReport};
use crate::recipe::{Installed, RecipeError, Source};
use crate::sbom::Subject;

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
    let steps: Vec<_> = plan.steps.iter().collect();
    let found = gather(project, &steps, settings, false, observer)?.found;
    let runner =
        Runner { project, plan, settings, observer, found, foundation: RefCell::new(None) };
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
    /// What the provider images share, once one of them was made.
    foundation: RefCell<Option<Foundation>>,
}

impl Runner<'_> {
    fn step(&self, planned: &Planned) -> Result<Done, RunError> {
        match &planned.step {
            Step::Iso(step) => self.iso(planned, step),
            Step::UkiIso(step) => self.uki(planned, step),
            Step::RawDisk(step) => self.raw_disk(step),
            Step::ProviderImage(step) => self
                .image(planned, &step.root, |builder, foundation| builder.write(step, foundation)),
            Step::InstallerImage(root, name) => self.image(planned, root, |builder, foundation| {
                builder.write_installer(root, name, foundation)
            }),
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

    fn source(&self, root: &RootFs) -> Result<Source, RunError> {
        if root.dockerfile.is_some() {
            let text = "Dockerfile is not applied: the base image is taken as it is";
            self.observer.warn(format_args!("{text}; name an image made with it as BASE_IMAGE"));
        }
        if !root.certificates.is_empty() {
            self.observer.warn(format_args!(
                "certs/ is not applied: the base image's trust is taken as it is"
            ));
        }
        self.observer.warn(format_args!(
            "{} is not added: the base image has to hold the agent",
            root.stylus
        ));
        Ok(Source {
            overlays: root.overlay.iter().map(|path| self.at(path)).collect(),
            local_ui: self.one(root.local_ui.as_ref()),
            architecture: Some(root.architecture),
            epoch: self.settings.epoch,
            jobs: self.settings.jobs,
            cache: self.settings.cache.clone(),
            inventory: true,
            ..Source::new(self.found[&root.base].clone())
        })
    }

    fn iso(&self, planned: &Planned, step: &Installer) -> Result<Done, RunError> {
        let recipe = IsoRecipe {
            overlay_iso: step.overlay_iso.iter().map(|path| self.at(path)).collect(),
            user_data: self.one(step.user_data.as_ref()),
            content: self.all(&step.content),
            cluster_config: self.one(step.cluster_config.as_ref()),
            edge_custom_config: self.one(step.edge_config.as_ref()),
            menu: step.menu,
            squashfs: self.settings.squashfs.clone(),
            ..IsoRecipe::new(self.source(&step.root)?)
        };
        let folder = self.at(Path::new(BUILD));
        let report = recipe.write_file(&folder, &step.name, self.observer)?;
        let read = (report.len, &report.sha256, &report.inputs[..]);
        self.manifest(planned, &step.name, read)?;
        self.bill(report.installed.as_ref(), &step.name, ".iso", Some(report.sha256))?;
        Ok(Done::Iso(folder.join(format!("{}.iso", step.name)), Box::new(report)))
    }

    fn uki(&self, planned: &Planned, step: &UkiInstaller) -> Result<Done, RunError> {
        let installer = &step.installer;
        let source = self.source(&installer.root)?;
        self.observer.warn(format_args!("{} is not added to the medium", step.stylus_package));
        let recipe = UkiRecipe {
            extend_cmdline: Some(step.cmdline.clone()).filter(|words| !words.is_empty()),
            branding: step.branding.clone(),
            enroll: step.enroll,
            overlay_iso: installer.overlay_iso.iter().map(|path| self.at(path)).collect(),
            user_data: self.one(installer.user_data.as_ref()),
            content: self.all(&installer.content),
            cluster_config: self.one(installer.cluster_config.as_ref()),
            edge_custom_config: self.one(installer.edge_config.as_ref()),
            ..UkiRecipe::new(source, self.at(&step.keys))
        };
        let folder = self.at(Path::new(BUILD));
        let report = recipe.write_iso(&folder, &installer.name, self.observer)?;
        let read = (report.len, &report.sha256, &report.inputs[..]);
        self.manifest(planned, &installer.name, read)?;
        self.bill(report.installed.as_ref(), &installer.name, ".iso", Some(report.sha256))?;
        Ok(Done::Uki(folder.join(format!("{}.iso", installer.name)), Box::new(report)))
    }

    fn raw_disk(&self, step: &Disk) -> Result<Done, RunError> {
        let recipe = DiskRecipe {
            user_data: self.one(step.user_data.as_ref()),
            ..DiskRecipe::new(self.source(&step.root)?)
        };
        let folder = self.at(Path::new(BUILD));
        let report = recipe.write_file(&folder, &step.name, self.observer)?;
        self.bill(report.installed.as_ref(), &step.name, ".raw", None)?;
        Ok(Done::Files(vec![folder.join(format!("{}.raw", step.name))]))
    }

    /// A container image on the foundation that all images of the project share.
    fn image(
        &self,
        planned: &Planned,
        root: &RootFs,
        write: impl FnOnce(&Builder<'_>, &mut Foundation) -> Result<ImageReport, RunError>,
    ) -> Result<Done, RunError> {
        let Self { project, settings, observer, found, .. } = self;
        let finder = Finder::new(project, settings, root.architecture, *observer);
        let builder = Builder { project, settings, finder, found, observer: *observer };
        let mut foundation = self.foundation.borrow_mut();
        let foundation = match &mut *foundation {
            Some(foundation) => foundation,
            none => none.insert(builder.foundation(root)?),
        };
        let report = write(&builder, foundation)?;
        let installed = foundation.installed(*observer)?;
        self.image_manifest(planned, &report, &installed)?;
        Ok(Done::Image(self.at(Path::new(provider::LAYOUT)), Box::new(report)))
    }

    fn image_manifest(
        &self,
        planned: &Planned,
        report: &ImageReport,
        installed: &Installed,
    ) -> Result<(), RunError> {
        let ContentDigest::Sha256(sha256) = &report.digest else {
            unreachable!("BUG: images are written with SHA-256")
        };
        let (name, len, read) = (&report.name, report.len, &report.inputs[..]);
        let artefact = Artefact { name, len, sha256, read };
        let manifest = Manifest::new(self.project, self.plan.target, planned, &artefact);
        let last = name.rsplit('/').next().unwrap_or(name);
        let file = last.split_once(':').map_or(last, |(repository, tag)| match &planned.step {
            Step::ProviderImage(_) => tag,
            _ => repository,
        });
        let folder = self.at(Path::new(BUILD));
        manifest.write(&folder, file)?;
        let (name, sha256) = (name.clone(), Some(*sha256));
        Ok(installed.write(&folder, file, &Subject { name, sha256, ..Subject::default() })?)
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

    /// The bill of materials of a file.
    fn bill(
        &self,
        installed: Option<&Installed>,
        name: &str,
        suffix: &str,
        sha256: Option<[u8; 32]>,
    ) -> Result<(), RunError> {
        let Some(installed) = installed else { return Ok(()) };
        let file = format!("{name}{suffix}");
        let subject = Subject { name: file, is_file: true, sha256, ..Subject::default() };
        Ok(installed.write(&self.at(Path::new(BUILD)), name, &subject)?)
    }

    fn genkey(&self, step: &Genkey) -> Result<Done, RunError> {
        if let Some(image) = &step.extension_certificate {
            let text = "the certificate of system extensions is not enrolled";
            self.observer.warn(format_args!("{text} ({image})"));
        }
        let time = self.settings.epoch.unwrap_or(self.settings.now);
        let keys = match step.present {
            true => Keys::Present,
            false => Keys::New {
                organisation: step.organisation.clone(),
                bits: RsaBits::Rsa2048,
                validity: Validity::days(time, step.days),
            },
        };
        let exported = self.one(step.exported.as_ref());
        let recipe =
            KeysRecipe { keys, microsoft: step.microsoft, exported, extra_db: Vec::new(), time };
        let folder = self.at(&step.folder);
        let files = recipe.write(&folder)?;
        Ok(Done::Files(files.into_iter().map(|file| folder.join(file)).collect()))
    }

    fn secure_boot_folders(&self) -> Result<Done, RunError> {
        let mut made = Vec::new();
        for (name, mode) in SECURE_BOOT {
            let path = self.at(Path::new(name));
            let make = || -> io::Result<()> {
                std::fs::create_dir_all(&path)?;
                std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode))
            };
            make().map_err(|source| RunError::Folder { path: path.clone(), source })?;
            made.push(path);
        }
        Ok(Done::Files(made))
    }
}
