//! What the results of a project have in common: from the plan's steps to recipes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use bootwright_image::{Blob, Observer};
use bootwright_oci::Reference;
use bootwright_oci::write::LayoutFolder;

use super::super::image_name::ImageName;
use super::super::images::Finder;
use super::super::load::Project;
use super::super::plan::supplied::{self, Supplied};
use super::super::plan::{Program, RootFs};
use super::gather::is_given;
use super::{RunError, Settings};
use crate::dockerfile::{Dockerfile, Ignore, Instruction};
use crate::recipe::provider::{
    BaseRecipe, BaseSteps, DockerfileInput, Foundation, InstallerRecipe,
};
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

impl Builder<'_> {
    /// The part that all provider images of the project share.
    pub(super) fn foundation(&self, root: &RootFs) -> Result<Foundation, RunError> {
        let recipe = BaseRecipe {
            reference: Some(self.image(&root.base)?),
            architecture: root.architecture,
            dockerfile: self.dockerfile(root)?,
            steps: Some(self.base_steps(root)?),
            epoch: self.settings.epoch,
            jobs: self.settings.jobs,
            cache: self.settings.cache.clone(),
        };
        Ok(Foundation::prepare(&recipe, self.observer)?)
    }

    /// The installer's root file system, as the project describes it.
    pub(super) fn installer(
        &self,
        root: &RootFs,
        local_ui: bool,
    ) -> Result<InstallerRecipe, RunError> {
        let local_ui = root.local_ui.as_ref().filter(|_| local_ui);
        Ok(InstallerRecipe {
            agent: self.agent(root)?,
            is_uki: root.uki,
            overlay: root.overlay.as_ref().map(|path| self.at(path)),
            files: self.supplied(supplied::for_installer(root))?,
            local_ui: local_ui.map(|path| self.at(path)),
        })
    }

    /// The agent's image, which `STYLUS_BASE=` leaves out.
    pub(super) fn agent(&self, root: &RootFs) -> Result<Option<Reference>, RunError> {
        if is_given(&root.stylus) {
            return Ok(Some(self.image(&root.stylus)?));
        }
        self.observer.warn(format_args!("STYLUS_BASE is empty: nothing is taken from the agent"));
        Ok(None)
    }

    /// The image with a program, which `SPECTRO_THIRD_PARTY_IMAGE=` leaves out, and the path there.
    pub(super) fn program(
        &self,
        program: &Program,
    ) -> Result<Option<(Reference, String)>, RunError> {
        if is_given(&program.image) {
            return Ok(Some((self.image(&program.image)?, program.path.clone())));
        }
        let name = program.path.rsplit('/').next().unwrap_or_default();
        self.observer.warn(format_args!("SPECTRO_THIRD_PARTY_IMAGE is empty: {name} is not added"));
        Ok(None)
    }

    /// What of the overlay goes into provider images.
    pub(super) fn etc(&self, root: &RootFs) -> Option<PathBuf> {
        let etc = root.overlay.as_ref().map(|path| self.at(path).join("etc"));
        etc.filter(|path| path.is_dir())
    }

    pub(super) fn layout(&self) -> Result<LayoutFolder, RecipeError> {
        Ok(LayoutFolder::open(&self.at(Path::new(LAYOUT)))?)
    }

    pub(super) fn at(&self, path: &Path) -> PathBuf {
        self.project.folder.join(path)
    }

    pub(super) fn image(&self, name: &ImageName) -> Result<Reference, RunError> {
        match self.found.get(name) {
            Some(reference) => Ok(reference.clone()),
            None => Ok(self.finder.one(name)?),
        }
    }

    pub(super) fn read(&self, path: &Path) -> Result<Vec<u8>, RunError> {
        let path = self.at(path);
        Ok(fs::read(&path).map_err(|source| RecipeError::Read { path, source })?)
    }

    pub(super) fn content(&self, path: Option<&Path>) -> Result<Option<Blob>, RunError> {
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
            files: self.supplied(supplied::for_base(root))?,
            links_kernel: is_ubuntu && !root.uki,
            links_tools: (is_ubuntu || is_suse).then_some(is_suse),
            release: root.kairos.clone(),
            bootargs: (!root.uki).then_some(root.disable_selinux),
        })
    }

    /// Files of the checkout itself; those that it lacks are optional.
    fn supplied<'s>(
        &self,
        wanted: impl Iterator<Item = &'s Supplied>,
    ) -> Result<Vec<(&'static str, Blob, u16)>, RunError> {
        let there = |file: &&Supplied| self.at(Path::new(file.from)).is_file();
        let read =
            |file: &Supplied| Ok((file.to, self.read(Path::new(file.from))?.into(), file.mode));
        wanted.filter(there).map(read).collect()
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
