//! Container images of a project: from the plan's step to the recipe.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use bootwright_image::{Blob, BoxError, Observer};
use bootwright_oci::write::LayoutFolder;
use bootwright_oci::{Limits, Options, Reference, Stack};

use super::image_name::ImageName;
use super::images::Finder;
use super::load::Project;
use super::luet::{PackageRequest, Reading, Repository};
use super::plan::{ProviderImage, RootFs};
use super::run::{RunError, Settings};
use crate::dockerfile::{Dockerfile, Ignore, Instruction};
use crate::recipe::provider::{
    BaseRecipe, BaseSteps, DockerfileInput, Foundation, ImageReport, InstallerRecipe, Kubernetes,
    ProviderRecipe,
};
use crate::recipe::steps::base_image::CloudConfig;
use crate::recipe::{Architecture, RecipeError};

/// The layout with the images of a project, in its folder of results.
pub(super) const LAYOUT: &str = "build/provider-images";

/// The keys that CanvOS hands to the project's Dockerfile beside `BASE`, set or not: its target
/// `base-image`, `PROXY_CERT_PATH` in releases before 4.5.15 and `DRBD_VERSION` since.
const BUILD_ARGUMENTS: [&str; 7] = [
    "OS_DISTRIBUTION",
    "OS_VERSION",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "PROXY_CERT_PATH",
    "DRBD_VERSION",
];

/// Makes the images of one project.
pub(super) struct Builder<'a> {
    pub(super) project: &'a Project,
    pub(super) settings: &'a Settings,
    pub(super) finder: Finder<'a>,
    pub(super) found: &'a BTreeMap<ImageName, Reference>,
    pub(super) observer: &'a dyn Observer,
}

/// The images of a root file system with its agent.
pub(super) fn root_images(root: &RootFs) -> Vec<ImageName> {
    let agent = Some(root.stylus.clone()).filter(is_given);
    [root.base.clone()].into_iter().chain(agent).collect()
}

/// The images that a step takes whose names are known before any work.
pub(super) fn images(step: &ProviderImage) -> Vec<ImageName> {
    let mut names = root_images(&step.root);
    names.push(step.provider.clone());
    if local_folder(&step.luet_repository).is_none() {
        names.push(ImageName::new(&format!("{}:repository.yaml", step.luet_repository)));
    }
    names
}

fn is_given(name: &ImageName) -> bool {
    name.as_str() != "docker://"
}

/// The folder that `dir:FOLDER` names as a repository.
pub(super) fn local_folder(repository: &str) -> Option<&str> {
    repository.strip_prefix("dir:")
}

impl Builder<'_> {
    /// The part that all provider images of the project share.
    pub(super) fn foundation(&self, root: &RootFs) -> Result<Foundation, RunError> {
        let recipe = BaseRecipe {
            reference: self.image(&root.base)?,
            architecture: root.architecture,
            dockerfile: self.dockerfile(root)?,
            steps: self.base_steps(root)?,
            epoch: self.settings.epoch,
            jobs: self.settings.jobs,
            cache: self.settings.cache.clone(),
        };
        let foundation = Foundation::prepare(&recipe, self.observer)?;
        let bundles = self.project.arguments.flag("BUNDLE_K8S_AND_AGENT_PROVIDER");
        if foundation.takes_extensions().is_none() && !bundles {
            self.observer.warn(format_args!(
                "{}: no systemd found; Kubernetes becomes part of provider images",
                root.base
            ));
        }
        Ok(foundation)
    }

    /// Writes the installer's image into the project's layout.
    pub(super) fn write_installer(
        &self,
        root: &RootFs,
        name: &str,
        foundation: &mut Foundation,
    ) -> Result<ImageReport, RunError> {
        let recipe = InstallerRecipe {
            name: name.to_owned(),
            agent: self.agent(root)?,
            overlay: root.overlay.as_ref().map(|path| self.at(path)),
            is_uki: root.uki,
        };
        Ok(recipe.write(foundation, &mut self.layout()?, self.observer)?)
    }

    /// Writes the image into the project's layout.
    pub(super) fn write(
        &self,
        step: &ProviderImage,
        foundation: &mut Foundation,
    ) -> Result<ImageReport, RunError> {
        let packages = Packages { builder: self, step };
        // A system that takes them as extensions gets them from there.
        let bundles = step.bundle || !foundation.takes_extensions().unwrap_or(false);
        let bundle = match bundles {
            true => Some((self.image(&step.provider)?, &packages as &dyn Kubernetes)),
            false => None,
        };
        let etc = step.root.overlay.as_ref().map(|path| self.at(path).join("etc"));
        let recipe = ProviderRecipe {
            name: step.name.clone(),
            etc: etc.filter(|path| path.is_dir()),
            agent: self.agent(&step.root)?,
            bundle,
            edge_config: self.content(step.edge_config.as_deref())?,
        };
        Ok(recipe.write(foundation, &mut self.layout()?, self.observer)?)
    }

    /// The agent's image, which `STYLUS_BASE=` leaves out.
    fn agent(&self, root: &RootFs) -> Result<Option<Reference>, RunError> {
        if is_given(&root.stylus) {
            return Ok(Some(self.image(&root.stylus)?));
        }
        self.observer.warn(format_args!("STYLUS_BASE is empty: nothing is taken from the agent"));
        Ok(None)
    }

    fn layout(&self) -> Result<LayoutFolder, RecipeError> {
        Ok(LayoutFolder::open(&self.at(Path::new(LAYOUT)))?)
    }

    fn at(&self, path: &Path) -> PathBuf {
        self.project.folder.join(path)
    }

    fn image(&self, name: &ImageName) -> Result<Reference, RunError> {
        match self.found.get(name) {
            Some(reference) => Ok(reference.clone()),
            None => Ok(self.finder.one(name)?),
        }
    }

    fn read(&self, path: &Path) -> Result<Vec<u8>, RunError> {
        let path = self.at(path);
        Ok(fs::read(&path).map_err(|source| RecipeError::Read { path, source })?)
    }

    fn content(&self, path: Option<&Path>) -> Result<Option<Blob>, RunError> {
        path.map(|path| Ok(Blob::from(self.read(path)?))).transpose()
    }

    pub(super) fn dockerfile(
        &self,
        root: &RootFs,
    ) -> Result<Option<DockerfileInput<'_>>, RunError> {
        let Some(path) = &root.dockerfile else { return Ok(None) };
        let wrong = |error| RunError::from(RecipeError::from(Box::new(error)));
        let name = path.display().to_string();
        let file = Dockerfile::parse(&name, &self.read(path)?).map_err(wrong)?;
        let ignore = match self.at(Path::new(".dockerignore")).is_file() {
            true => {
                let bytes = self.read(Path::new(".dockerignore"))?;
                Ignore::parse(".dockerignore", &bytes).map_err(wrong)?
            }
            false => Ignore::default(),
        };
        let arguments = self.build_arguments(&file);
        let context = self.project.folder.clone();
        Ok(Some(DockerfileInput { file, context, ignore, arguments, images: &self.finder }))
    }

    /// `BASE` and the values that the file declares.
    fn build_arguments(&self, file: &Dockerfile) -> BTreeMap<String, String> {
        let values = &self.project.arguments;
        let declared = declared(file);
        // An empty value is one too: a default in the file does not stand against it.
        let of_key = |key: &'static str| (key.to_owned(), values.get(key).to_owned());
        let mut arguments: BTreeMap<_, _> = BUILD_ARGUMENTS.into_iter().map(of_key).collect();
        arguments.insert("BASE".into(), values.get("BASE_IMAGE").into());
        arguments.retain(|name, _| declared.contains(&name.as_str()));
        arguments
    }

    fn base_steps(&self, root: &RootFs) -> Result<BaseSteps, RunError> {
        let is_ubuntu = root.distribution == "ubuntu" && root.architecture == Architecture::Amd64;
        let is_suse = matches!(root.distribution.as_str(), "opensuse-leap" | "sles");
        Ok(BaseSteps {
            cloud_configs: self.cloud_configs(root)?,
            links_kernel: is_ubuntu && !root.uki,
            links_tools: (is_ubuntu || is_suse).then_some(is_suse),
            release: root.kairos.clone(),
            bootargs: (!root.uki).then_some(root.disable_selinux),
        })
    }

    /// The files of the checkout's `cloudconfigs/` that the kind of system wants.
    fn cloud_configs(&self, root: &RootFs) -> Result<Vec<(CloudConfig, Blob)>, RunError> {
        let kinds = [
            (root.jetson, CloudConfig::Mount, "mount.yaml"),
            (root.uki, CloudConfig::Uki, "80_stylus_uki.yaml"),
            (root.maas, CloudConfig::Maas, "80_stylus_maas.yaml"),
        ];
        let wanted = kinds.into_iter().filter(|(wanted, ..)| *wanted);
        wanted
            .map(|(_, config, name)| {
                Ok((config, self.read(&Path::new("cloudconfigs").join(name))?.into()))
            })
            .collect()
    }
}

/// The names of a Dockerfile's arguments.
fn declared(file: &Dockerfile) -> Vec<&str> {
    let global = file.arguments.iter().map(|argument| &argument.item);
    let of_stages = file.stages.iter().flat_map(|stage| &stage.instructions);
    let of_stages = of_stages.filter_map(|at| match &at.item {
        Instruction::Arg(arguments) => Some(arguments),
        _ => None,
    });
    global.chain(of_stages.flatten()).map(|argument| argument.name.as_str()).collect()
}

/// Kubernetes from a repository of luet's.
struct Packages<'a> {
    builder: &'a Builder<'a>,
    step: &'a ProviderImage,
}

impl Kubernetes for Packages<'_> {
    fn lay(&self, stack: &mut Stack<'_>) -> Result<(), BoxError> {
        let builder = self.builder;
        let options = Options {
            architecture: self.step.root.architecture.oci_name().into(),
            limits: Limits::default(),
            jobs: builder.settings.jobs,
        };
        let reading = Reading { options, observer: builder.observer };
        let name = &self.step.luet_repository;
        let repository = match local_folder(name) {
            Some(folder) => Repository::in_folder(&builder.at(Path::new(folder)), &reading)?,
            None => Repository::in_images(name, &builder.finder, &reading)?,
        };
        let request: PackageRequest = self.step.package.parse()?;
        for package in repository.resolve(&request)? {
            repository.lay(package, stack)?;
        }
        Ok(())
    }
}
