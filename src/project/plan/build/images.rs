//! Container images.

use super::super::super::image_name::ImageName;
use super::super::super::versions::versions;
use super::super::{IsoDiskImage, ProviderImage, Step, Trusted};
use super::{Planner, Target, path};

impl Planner<'_> {
    pub(super) fn installer_image(&mut self) {
        let name = match self.arguments().flag("IS_MAAS") {
            true => "palette-installer-image:latest".into(),
            false => format!("palette-installer-image:{}", self.arguments().image_tag()),
        };
        let root = self.root(self.arguments().flag("IS_UKI"));
        self.push(Step::InstallerImage(root, name));
    }

    pub(super) fn iso_disk_image(&mut self) {
        self.add(Target::Iso);
        self.need(&["IMAGE_REGISTRY", "IMAGE_REPO"]);
        let arguments = self.arguments();
        let [registry, repository, iso] =
            ["IMAGE_REGISTRY", "IMAGE_REPO", "ISO_NAME"].map(|key| arguments.get(key));
        let image = format!("{registry}/{repository}/{iso}:{}", arguments.image_tag());
        let capital = iso.chars().any(|c| c.is_ascii_uppercase());
        let iso = iso.to_owned();
        if capital {
            let text = "ISO_NAME becomes part of an image's name, which has no capitals";
            let problem = self.arguments().wrong("ISO_NAME", text);
            self.problems.push(problem);
        }
        let root = self.root(self.arguments().flag("IS_UKI"));
        self.push(Step::IsoDiskImage(Box::new(IsoDiskImage { root, image, iso })));
    }

    /// Those for all versions; with `uki` only that for `K8S_VERSION`.
    pub(super) fn provider_images(&mut self, uki: Option<bool>) {
        let made = self.provider_steps(uki);
        made.into_iter().for_each(|step| self.push(Step::ProviderImage(Box::new(step))));
    }

    pub(super) fn signed_files(&mut self) {
        let made = self.provider_steps(Some(true));
        made.into_iter().for_each(|step| self.push(Step::TrustedBootImage(Box::new(step))));
    }

    pub(super) fn provider_steps(&mut self, uki: Option<bool>) -> Vec<ProviderImage> {
        let arguments = self.arguments();
        let trusted = uki.unwrap_or_else(|| arguments.flag("IS_UKI"));
        let one = uki.is_some();
        if one && arguments.some("K8S_VERSION").is_none() {
            let text = "K8S_VERSION is not set; this target makes one image";
            let help = "add --K8S_VERSION=..., or build +build-provider-images";
            let problem = arguments.wrong("K8S_VERSION", text).help(help);
            self.problems.push(problem);
        }
        self.need(&["IMAGE_REGISTRY", "IMAGE_REPO"]);
        let versions = match versions(self.arguments(), self.project.versions.as_deref()) {
            Ok(versions) => versions,
            Err(problem) => {
                self.problems.push(problem);
                return Vec::new();
            }
        };
        let trusted = trusted.then(|| self.trusted());
        let step = |kubernetes| self.provider_image(kubernetes, trusted.clone());
        versions.into_iter().map(step).collect()
    }

    pub(super) fn provider_image(
        &self,
        kubernetes: String,
        trusted: Option<Trusted>,
    ) -> ProviderImage {
        let arguments = self.arguments();
        let files = &self.project.files;
        ProviderImage {
            root: self.root(trusted.is_some()),
            name: arguments.image_path(&kubernetes),
            package: arguments.kubernetes_package(&kubernetes),
            kubernetes_distribution: arguments.get("K8S_DISTRIBUTION").into(),
            kubernetes,
            luet_repository: arguments.luet_repository(),
            luet_auth: path(files.luet_auth.as_ref()),
            etcdctl: self.program("etcdctl"),
            provider: ImageName::new(&arguments.provider_base()),
            edge_config: path(files.edge_config.as_ref()),
            bundle: arguments.flag("BUNDLE_K8S_AND_AGENT_PROVIDER"),
            trusted,
        }
    }
}
