//! Kubernetes from luet's repositories.

use std::path::Path;

use bootwright_image::BoxError;
use bootwright_oci::{Limits, Options, Stack};

use super::super::luet::{PackageRequest, Reading, Repository};
use super::super::plan::ProviderImage;
use super::builder::Builder;
use crate::recipe::provider::Kubernetes;

/// Kubernetes from a repository of luet's.
pub(super) struct Packages<'a> {
    pub(super) builder: &'a Builder<'a>,
    pub(super) step: &'a ProviderImage,
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

/// The folder that `dir:FOLDER` names as a repository.
pub(super) fn local_folder(repository: &str) -> Option<&str> {
    repository.strip_prefix("dir:")
}
