//! Everything that steps take from stores and registries, had before any work begins.
//!
//! ```text
//!   base, agent, provider ─────────────────────────────┐
//!   Dockerfile ──▶ FROM, COPY --from ──────────────────┼──▶ Finder: lock, store, registries
//!   luet's repository ──▶ index ──▶ packages' images ──┘
//! ```

use std::collections::{BTreeMap, BTreeSet};

use bootwright_image::Observer;
use bootwright_oci::{ContentDigest, ImageName as RegistryName, Limits, Options, Reference};

use super::super::image_name::ImageName;
use super::super::images::{Finder, ImagesError};
use super::super::load::Project;
use super::super::luet::{LuetError, PackageRequest, Reading, Repository};
use super::super::plan::{Planned, ProviderImage, RootFs, Step};
use super::builder::Builder;
use super::packages::local_folder;
use super::{RunError, Settings};
use crate::dockerfile::{Platform, image_names};
use crate::recipe::{Architecture, RecipeError};

/// What was found.
#[derive(Debug, Default)]
pub(in crate::project) struct Gathered {
    /// Where images are.
    pub(in crate::project) found: BTreeMap<ImageName, Reference>,
    /// What names in registries mean, by architecture (its OCI name).
    pub(in crate::project) meanings: BTreeMap<(RegistryName, String), ContentDigest>,
}

/// What a step takes.
struct Takes<'a> {
    architecture: Architecture,
    /// Images whose names are known before any work.
    images: Vec<ImageName>,
    /// The root file system that the project's Dockerfile is applied to.
    root: Option<&'a RootFs>,
    /// Kubernetes comes from a repository.
    provider: Option<&'a ProviderImage>,
}

fn takes(step: &Step) -> Option<Takes<'_>> {
    let with = |root, images| (Some(root), images, None);
    let (root, mut images, provider) = match step {
        Step::Iso(step) => with(&step.root, Vec::new()),
        Step::UkiIso(step) => {
            with(&step.installer.root, vec![step.pack.image.clone(), step.luet.image.clone()])
        }
        Step::RawDisk(step) => with(&step.root, Vec::new()),
        Step::Cloud(step) => with(&step.disk.root, Vec::new()),
        Step::Maas(step) => with(&step.composite.disk.root, vec![step.cloud_rootfs.clone()]),
        Step::InstallerImage(root, _) => with(root, Vec::new()),
        Step::TrustedBootImage(step) => (Some(&step.root), of_kubernetes(step), Some(&**step)),
        Step::ProviderImage(step) => {
            let mut images = of_kubernetes(step);
            if let Some(trusted) = &step.trusted {
                images.extend([trusted.below.clone(), trusted.luet.image.clone()]);
            }
            (Some(&step.root), images, Some(&**step))
        }
        Step::StylusPack(pack) => {
            let images = Some(pack.image.clone()).filter(is_given).into_iter().collect();
            let architecture = pack.architecture;
            return Some(Takes { architecture, images, root: None, provider: None });
        }
        _ => return None,
    };
    images.extend(root.iter().flat_map(|root| [root.base.clone(), root.stylus.clone()]));
    images.retain(is_given);
    let architecture = root?.architecture;
    Some(Takes { architecture, images, root, provider })
}

/// The Kairos provider, `etcdctl`, and the description of the repository with Kubernetes.
fn of_kubernetes(step: &ProviderImage) -> Vec<ImageName> {
    let mut names = vec![step.provider.clone(), step.etcdctl.image.clone()];
    if local_folder(&step.luet_repository).is_none() {
        names.push(ImageName::new(&format!("{}:repository.yaml", step.luet_repository)));
    }
    names
}

/// Whether a key names an image; an empty one leaves something out.
pub(super) fn is_given(name: &ImageName) -> bool {
    name.as_str() != "docker://"
}

/// Finds the images of all steps. With `renews`, registries are asked for what is not locked, even
/// if the store has it.
///
/// # Errors
/// [`RunError`]; whatever is missing is told at once.
pub(in crate::project) fn gather(
    project: &Project,
    steps: &[&Planned],
    settings: &Settings,
    renews: bool,
    observer: &dyn Observer,
) -> Result<Gathered, RunError> {
    let mut by_architecture = BTreeMap::<Architecture, Vec<Takes<'_>>>::new();
    for takes in steps.iter().filter_map(|planned| takes(&planned.step)) {
        by_architecture.entry(takes.architecture).or_default().push(takes);
    }
    let mut gathered = Gathered::default();
    let mut lacking = Lacking::default();
    for (architecture, takes) in by_architecture {
        let finder = Finder { renews, ..Finder::new(project, settings, architecture, observer) };
        let builder = Builder { project, settings, finder, found: &BTreeMap::new(), observer };
        let mut names: Vec<_> = takes.iter().flat_map(|takes| takes.images.clone()).collect();
        for root in takes.iter().filter_map(|takes| takes.root) {
            names.extend(of_dockerfile(&builder, root)?);
        }
        names.sort();
        names.dedup();
        let found = lacking.note(builder.finder.all(&names))?;
        gathered.found.extend(found.unwrap_or_default());
        packages(&builder, &takes, &mut lacking)?;
        let name = architecture.oci_name();
        let seen = builder.finder.seen.take().into_iter();
        gathered.meanings.extend(seen.map(|(image, digest)| ((image, name.to_owned()), digest)));
    }
    lacking.tell()?;
    Ok(gathered)
}

/// The images that the project's Dockerfile names.
fn of_dockerfile(builder: &Builder<'_>, root: &RootFs) -> Result<Vec<ImageName>, RunError> {
    let Some(input) = builder.dockerfile(root)? else { return Ok(Vec::new()) };
    let platform = Platform::new(root.architecture);
    let names = image_names(&input.file, &input.arguments, &platform)
        .map_err(|error| RecipeError::from(Box::new(error)))?;
    Ok(names.iter().map(|name| ImageName::new(name)).collect())
}

/// Finds the images of Kubernetes, for all steps with one reading of each repository.
fn packages(
    builder: &Builder<'_>,
    takes: &[Takes<'_>],
    lacking: &mut Lacking,
) -> Result<(), RunError> {
    let mut wanted = BTreeMap::<&str, BTreeSet<&str>>::new();
    for step in takes.iter().filter_map(|takes| takes.provider) {
        if local_folder(&step.luet_repository).is_none() {
            wanted.entry(&step.luet_repository).or_default().insert(&step.package);
        }
    }
    for (url, packages) in wanted {
        let options = Options {
            architecture: builder.finder.architecture.clone(),
            limits: Limits::default(),
            jobs: builder.settings.jobs,
        };
        let reading = Reading { options, observer: builder.observer };
        let Some(repository) =
            lacking.note_luet(Repository::in_images(url, &builder.finder, &reading))?
        else {
            continue;
        };
        let mut names = Vec::new();
        for package in packages {
            let request = package.parse::<PackageRequest>().map_err(kubernetes)?;
            for package in repository.resolve(&request).map_err(kubernetes)? {
                let name = repository.image_name(package).map_err(kubernetes)?;
                names.extend(name.map(|name| ImageName::new(&name)));
            }
        }
        names.sort();
        names.dedup();
        lacking.note(builder.finder.all(&names))?;
    }
    Ok(())
}

fn kubernetes(error: impl std::error::Error + Send + Sync + 'static) -> RunError {
    RecipeError::Kubernetes(Box::new(error)).into()
}

/// What is missing so far.
#[derive(Default)]
struct Lacking {
    missing: BTreeSet<String>,
    unlocked: BTreeSet<String>,
}

impl Lacking {
    /// Takes out what is missing; other errors stay.
    fn note<T>(&mut self, result: Result<T, ImagesError>) -> Result<Option<T>, ImagesError> {
        match result {
            Ok(found) => return Ok(Some(found)),
            Err(ImagesError::Missing(names)) => self.missing.extend(names),
            Err(ImagesError::NotLocked(names)) => self.unlocked.extend(names),
            Err(error) => return Err(error),
        }
        Ok(None)
    }

    /// The same for what a repository lacks.
    fn note_luet<T>(&mut self, result: Result<T, LuetError>) -> Result<Option<T>, RunError> {
        match result {
            Ok(found) => Ok(Some(found)),
            Err(LuetError::Image { source, image }) => match source.downcast::<ImagesError>() {
                Ok(error) => Ok(self.note(Err(*error))?),
                Err(source) => Err(kubernetes(LuetError::Image { source, image })),
            },
            Err(error) => Err(kubernetes(error)),
        }
    }

    fn tell(self) -> Result<(), ImagesError> {
        let list = |names: BTreeSet<String>| names.into_iter().collect();
        if !self.unlocked.is_empty() {
            return Err(ImagesError::NotLocked(list(self.unlocked)));
        }
        if !self.missing.is_empty() {
            return Err(ImagesError::Missing(list(self.missing)));
        }
        Ok(())
    }
}
