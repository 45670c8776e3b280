//! Container images.

use std::path::Path;

use bootwright_oci::ContentDigest;

use super::super::manifest::{Artefact, Manifest};
use super::super::plan::{Planned, RootFs, Step};
use super::super::provider::{self, Builder};
use super::{BUILD, Done, RunError, Runner, finder};
use crate::recipe::provider::{Foundation, ImageReport};

impl Runner<'_> {
    /// A container image on the foundation that all images of the project share.
    pub(super) fn image(
        &self,
        planned: &Planned,
        root: &RootFs,
        write: impl FnOnce(&Builder<'_>, &mut Foundation) -> Result<ImageReport, RunError>,
    ) -> Result<Done, RunError> {
        let Self { project, settings, observer, found, .. } = self;
        let finder = finder(project, settings, root.architecture, *observer);
        let builder = Builder { project, settings, finder, found, observer: *observer };
        let mut foundation = self.foundation.borrow_mut();
        let foundation = match &mut *foundation {
            Some(foundation) => foundation,
            none => none.insert(builder.foundation(root)?),
        };
        let report = write(&builder, foundation)?;
        self.image_manifest(planned, &report)?;
        Ok(Done::Image(self.at(Path::new(provider::LAYOUT)), Box::new(report)))
    }

    fn image_manifest(&self, planned: &Planned, report: &ImageReport) -> Result<(), RunError> {
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
        Ok(manifest.write(&self.at(Path::new(BUILD)), file)?)
    }
}
