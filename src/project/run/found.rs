//! The images that steps take, found before any work begins.

use std::collections::BTreeMap;

use bootwright_image::Observer;
use bootwright_oci::Reference;

use super::super::image_name::ImageName;
use super::super::images::Finder;
use super::super::load::Project;
use super::super::plan::{Plan, ProviderImage, RootFs, Step};
use super::packages::local_folder;
use super::{RunError, Settings};
use crate::recipe::Architecture;

/// Where the images of all steps are; whatever is missing is missed before any work begins.
pub(super) fn find_images(
    project: &Project,
    plan: &Plan,
    settings: &Settings,
    observer: &dyn Observer,
) -> Result<BTreeMap<ImageName, Reference>, RunError> {
    let mut found = BTreeMap::new();
    let mut by_architecture = BTreeMap::<Architecture, Vec<ImageName>>::new();
    for planned in &plan.steps {
        let (root, names) = match &planned.step {
            Step::Iso(step) => (&step.root, root_images(&step.root)),
            Step::UkiIso(step) => (&step.installer.root, root_images(&step.installer.root)),
            Step::RawDisk(step) => (&step.root, root_images(&step.root)),
            Step::ProviderImage(step) => (&step.root, provider_images(step)),
            Step::InstallerImage(root, _) => (root, root_images(root)),
            _ => continue,
        };
        by_architecture.entry(root.architecture).or_default().extend(names);
    }
    for (architecture, names) in by_architecture {
        let finder = finder(project, settings, architecture, observer);
        found.extend(finder.all(&names)?);
    }
    Ok(found)
}

pub(super) fn finder<'a>(
    project: &'a Project,
    settings: &'a Settings,
    architecture: Architecture,
    observer: &'a dyn Observer,
) -> Finder<'a> {
    let architecture = architecture.oci_name().to_owned();
    Finder { images: &settings.images, folder: &project.folder, architecture, observer }
}

/// The images of a root file system with its agent.
fn root_images(root: &RootFs) -> Vec<ImageName> {
    let agent = Some(root.stylus.clone()).filter(is_given);
    [root.base.clone()].into_iter().chain(agent).collect()
}

/// The images that a step takes whose names are known before any work.
fn provider_images(step: &ProviderImage) -> Vec<ImageName> {
    let mut names = root_images(&step.root);
    names.push(step.provider.clone());
    if local_folder(&step.luet_repository).is_none() {
        names.push(ImageName::new(&format!("{}:repository.yaml", step.luet_repository)));
    }
    names
}

pub(super) fn is_given(name: &ImageName) -> bool {
    name.as_str() != "docker://"
}
