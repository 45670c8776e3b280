//! Container images, in the project's layout.

use std::path::Path;

use bootwright_oci::ContentDigest;

use super::super::manifest::{Artefact, Manifest};
use super::super::plan::{IsoDiskImage, Planned, ProviderImage, RootFs, Step};
use super::builder::{Builder, LAYOUT};
use super::packages::Packages;
use super::{BUILD, Done, RunError, Runner};
use crate::recipe::Installed;
use crate::recipe::provider::{CarrierRecipe, Foundation, ImageReport, Kubernetes, ProviderRecipe};
use crate::sbom::Subject;

impl Runner<'_> {
    /// The installer's image.
    pub(super) fn installer_image(
        &self,
        planned: &Planned,
        root: &RootFs,
        name: &str,
    ) -> Result<Done, RunError> {
        let made = self.on_foundation(root, |builder, foundation| {
            // Media have it; the image only where disks are made of it.
            let recipe = builder.installer(root, root.maas)?;
            let report = recipe.write(name, foundation, &mut builder.layout()?, self.observer)?;
            Ok((report, foundation.installed(self.observer)?))
        })?;
        self.image_done(planned, made.0, Some(&made.1))
    }

    /// A provider image.
    pub(super) fn provider_image(
        &self,
        planned: &Planned,
        step: &ProviderImage,
    ) -> Result<Done, RunError> {
        let made = self.on_foundation(&step.root, |builder, foundation| {
            let packages = Packages { builder, step };
            let recipe = self.provider(builder, step, foundation, &packages)?;
            let layout = &mut builder.layout()?;
            let report = recipe.write(&step.name, foundation, layout, self.observer)?;
            Ok((report, foundation.installed(self.observer)?))
        })?;
        self.image_done(planned, made.0, Some(&made.1))
    }

    /// The root file system of a provider image.
    pub(super) fn provider<'p>(
        &self,
        builder: &Builder<'_>,
        step: &ProviderImage,
        foundation: &Foundation,
        packages: &'p Packages<'_>,
    ) -> Result<ProviderRecipe<'p>, RunError> {
        let bundle = match self.bundles(step, foundation) {
            true => Some((builder.image(&step.provider)?, packages as &dyn Kubernetes)),
            false => None,
        };
        Ok(ProviderRecipe {
            etc: builder.etc(&step.root),
            agent: builder.agent(&step.root)?,
            bundle,
            edge_config: builder.content(step.edge_config.as_deref())?,
            etcdctl: builder.program(&step.etcdctl)?,
            links_kubernetes: step.trusted.is_some(),
        })
    }

    /// Whether Kubernetes is in the image: a system that takes it as an extension gets it from
    /// there.
    pub(super) fn bundles(&self, step: &ProviderImage, foundation: &Foundation) -> bool {
        let takes = foundation.takes_extensions();
        if takes.is_none() && !step.bundle && !self.told.replace(true) {
            self.observer.warn(format_args!(
                "{}: no systemd found; Kubernetes becomes part of provider images",
                step.root.base
            ));
        }
        step.bundle || !takes.unwrap_or(false)
    }

    /// An image that holds the ISO which the step before made.
    pub(super) fn iso_disk_image(
        &self,
        planned: &Planned,
        step: &IsoDiskImage,
    ) -> Result<Done, RunError> {
        let root = &step.root;
        let time = self.on_foundation(root, |_, foundation| Ok(foundation.time()))?;
        let file = self.at(Path::new(BUILD)).join(format!("{}.iso", step.iso));
        let recipe = CarrierRecipe { file: &file, architecture: root.architecture, time };
        let layout = &mut self.builder(root.architecture).layout()?;
        let report = recipe.write(&step.image, layout, self.observer)?;
        self.image_done(planned, report, None)
    }

    /// Tells of an image that was written.
    fn image_done(
        &self,
        planned: &Planned,
        report: ImageReport,
        installed: Option<&Installed>,
    ) -> Result<Done, RunError> {
        self.image_manifest(planned, &report, installed)?;
        Ok(Done::Image(self.at(Path::new(LAYOUT)), Box::new(report)))
    }

    pub(super) fn image_manifest(
        &self,
        planned: &Planned,
        report: &ImageReport,
        installed: Option<&Installed>,
    ) -> Result<(), RunError> {
        let ContentDigest::Sha256(sha256) = &report.digest else {
            unreachable!("BUG: images are written with SHA-256")
        };
        let (name, len, read) = (&report.name, report.len, &report.inputs[..]);
        let artefact = Artefact { name, len, sha256, read };
        let manifest = Manifest::new(self.project, self.plan.target, planned, &artefact);
        let last = name.rsplit('/').next().unwrap_or(name);
        let file =
            last.split_once(':').map_or(last.to_owned(), |(repository, tag)| match &planned.step {
                Step::ProviderImage(_) => tag.to_owned(),
                // The ISO's own manifest has its name.
                Step::IsoDiskImage(_) => format!("{repository}-disk"),
                _ => repository.to_owned(),
            });
        let folder = self.at(Path::new(BUILD));
        manifest.write(&folder, &file)?;
        let Some(installed) = installed else { return Ok(()) };
        let (name, sha256) = (name.clone(), Some(*sha256));
        Ok(installed.write(&folder, &file, &Subject { name, sha256, ..Subject::default() })?)
    }
}
