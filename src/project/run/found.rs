//! The images that steps take, found before any work begins.

use std::collections::BTreeMap;

use bootwright_image::Observer;
use bootwright_oci::Reference;

use super::super::image_name::ImageName;
use super::super::images::Finder;
use super::super::load::Project;
use super::super::plan::{Plan, ProviderImage, Step};
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
        let Some((architecture, names)) = wanted(&planned.step) else { continue };
        by_architecture.entry(architecture).or_default().extend(names);
    }
    for (architecture, names) in by_architecture {
        let finder = finder(project, settings, architecture, observer);
        found.extend(finder.all(&names)?);
    }
    Ok(found)
}

/// The images that a step takes whose names are known before any work.
fn wanted(step: &Step) -> Option<(Architecture, Vec<ImageName>)> {
    let (root, mut names) = match step {
        Step::Iso(step) => (&step.root, Vec::new()),
        Step::UkiIso(step) => {
            (&step.installer.root, vec![step.pack.image.clone(), step.luet.image.clone()])
        }
        Step::RawDisk(step) => (&step.root, Vec::new()),
        Step::Cloud(step) => (&step.disk.root, Vec::new()),
        Step::Maas(step) => (&step.composite.disk.root, vec![step.cloud_rootfs.clone()]),
        Step::TrustedBootImage(step) => (&step.root, packages(step)),
        Step::ProviderImage(step) => {
            let mut names = packages(step);
            if let Some(trusted) = &step.trusted {
                names.extend([trusted.below.clone(), trusted.luet.image.clone()]);
            }
            (&step.root, names)
        }
        Step::InstallerImage(root, _) => (root, Vec::new()),
        Step::StylusPack(pack) => {
            let names = vec![pack.image.clone()].into_iter().filter(is_given).collect();
            return Some((pack.architecture, names));
        }
        _ => return None,
    };
    names.extend([root.base.clone(), root.stylus.clone()]);
    names.retain(is_given);
    Some((root.architecture, names))
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

/// The images of Kubernetes.
fn packages(step: &ProviderImage) -> Vec<ImageName> {
    let mut names = vec![step.provider.clone()];
    if local_folder(&step.luet_repository).is_none() {
        names.push(ImageName::new(&format!("{}:repository.yaml", step.luet_repository)));
    }
    names
}

/// Whether a key names an image; an empty one leaves something out.
pub(super) fn is_given(name: &ImageName) -> bool {
    name.as_str() != "docker://"
}
