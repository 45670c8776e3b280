//! Trusted boot: installer ISOs, and the signed files of provider images.

use std::path::Path;

use super::super::plan::{AgentPack, Planned, ProviderImage, UkiInstaller};
use super::builder::LAYOUT;
use super::gather::is_given;
use super::packages::Packages;
use super::{BUILD, Done, RunError, Runner};
use crate::recipe::Source;
use crate::recipe::agent::AgentRecipe;
use crate::recipe::provider::{BaseRecipe, Foundation, Kubernetes, UpgradeRecipe};
use crate::recipe::uki::UkiRecipe;

/// What boot menus call upgrades, whatever `BRANDING` says: installed systems compare it.
const BRANDING: &str = "Palette eXtended Kubernetes Edge";
/// Where signed files go.
const SIGNED: &str = "trusted-boot";

impl Runner<'_> {
    pub(super) fn uki(&self, planned: &Planned, step: &UkiInstaller) -> Result<Done, RunError> {
        let installer = &step.installer;
        let root = &installer.root;
        let recipe = UkiRecipe {
            extend_cmdline: Some(step.cmdline.clone()).filter(|words| !words.is_empty()),
            branding: step.branding.clone(),
            enroll: step.enroll,
            overlay_iso: installer.overlay_iso.iter().map(|path| self.at(path)).collect(),
            user_data: self.one(installer.user_data.as_ref()),
            content: self.all(&installer.content),
            cluster_config: self.one(installer.cluster_config.as_ref()),
            edge_custom_config: self.one(installer.edge_config.as_ref()),
            local_ui: self.one(root.local_ui.as_ref()),
            agent: self.agent_recipe(&step.pack)?,
            luet: self.builder(root.architecture).program(&step.luet)?,
            ..UkiRecipe::new(self.source(root, false)?, self.at(&step.keys))
        };
        let folder = self.at(Path::new(BUILD));
        let report = recipe.write_iso(&folder, &installer.name, self.observer)?;
        let file = format!("{}.iso", installer.name);
        let read = (report.len, &report.sha256, &report.inputs[..]);
        self.manifest(planned, &installer.name, &file, read)?;
        let installed = report.installed.as_ref();
        self.bill(&folder, installed, &installer.name, &file, report.sha256)?;
        Ok(Done::Uki(folder.join(file), Box::new(report)))
    }

    /// `trusted-boot/TAG.tar`.
    pub(super) fn trusted_boot(
        &self,
        planned: &Planned,
        step: &ProviderImage,
    ) -> Result<Done, RunError> {
        let recipe = self.signed_recipe(step)?;
        let folder = self.at(Path::new(SIGNED));
        let report = recipe.write_container(&folder, step.tag(), self.observer)?;
        let file = format!("{}.tar", step.tag());
        let read = (report.len, &report.sha256, &report.inputs[..]);
        self.manifest_in(&folder, planned, step.tag(), &file, read)?;
        let installed = report.installed.as_ref();
        self.bill(&folder, installed, step.tag(), &file, report.sha256)?;
        Ok(Done::Uki(folder.join(file), Box::new(report)))
    }

    /// A provider image for trusted boot.
    pub(super) fn upgrade_image(
        &self,
        planned: &Planned,
        step: &ProviderImage,
    ) -> Result<Done, RunError> {
        let Some(trusted) = &step.trusted else { return self.provider_image(planned, step) };
        let output = self.at(Path::new(BUILD)).join(format!("{}.signed", step.tag()));
        let signed = self.signed_recipe(step)?.signed_files(&output, self.observer)?;
        let root = &step.root;
        let (bundles, time, installed) = self.on_foundation(root, |_, foundation| {
            let installed = foundation.installed(self.observer)?;
            Ok((self.bundles(step, foundation), foundation.time(), installed))
        })?;
        let builder = self.builder(root.architecture);
        let below = is_given(&trusted.below).then(|| builder.image(&trusted.below)).transpose()?;
        let mut foundation = Foundation::prepare(
            &BaseRecipe {
                reference: below,
                architecture: root.architecture,
                dockerfile: None,
                steps: None,
                epoch: self.settings.epoch.or(Some(time)),
                jobs: self.settings.jobs,
                cache: self.settings.cache.clone(),
            },
            self.observer,
        )?;
        if is_given(&trusted.below) && !has_rsync(&foundation) {
            self.observer.warn(format_args!(
                "{}: no rsync, which CanvOS installs: name an image with it as UBUNTU_IMAGE",
                trusted.below
            ));
        }
        let packages = Packages { builder: &builder, step };
        let recipe = UpgradeRecipe {
            etc: builder.etc(root),
            trusted_boot: (signed.tree.clone(), signed.report.inputs.clone()),
            agent: is_given(&root.stylus).then(|| builder.image(&root.stylus)).transpose()?,
            base: builder.image(&root.base)?,
            luet: self.builder(root.architecture).program(&trusted.luet)?,
            kubernetes: bundles.then_some(&packages as &dyn Kubernetes),
            edge_config: builder.content(step.edge_config.as_deref())?,
        };
        let layout = &mut builder.layout()?;
        let report = recipe.write(&step.name, &mut foundation, layout, self.observer)?;
        self.image_manifest(planned, &report, Some(&installed))?;
        Ok(Done::Image(self.at(Path::new(LAYOUT)), Box::new(report)))
    }

    /// What is signed for a provider image.
    fn signed_recipe(&self, step: &ProviderImage) -> Result<UkiRecipe, RunError> {
        let ready = self.on_foundation(&step.root, |builder, foundation| {
            let packages = Packages { builder, step };
            let recipe = self.provider(builder, step, foundation, &packages)?;
            Ok(recipe.root(foundation, self.observer)?)
        })?;
        let keys = step.trusted.as_ref().map(|trusted| self.at(&trusted.keys));
        let source = Source { cache: None, ..self.of_ready(ready, step.root.architecture) };
        let recipe = UkiRecipe::new(source, keys.unwrap_or_default());
        Ok(UkiRecipe { branding: BRANDING.into(), ..recipe })
    }

    /// `build/stylus-image.tar`.
    pub(super) fn agent_archive(
        &self,
        planned: &Planned,
        pack: &AgentPack,
    ) -> Result<Done, RunError> {
        let recipe = self.agent_recipe(pack)?.ok_or_else(|| RunError::NotYet {
            step: planned.step.title(),
            reason: "STYLUS_PACKAGE_BASE is empty; set it to the agent's image",
        })?;
        let (name, file) = ("stylus-image", "stylus-image.tar");
        let path = self.at(Path::new(BUILD)).join(file);
        let report = recipe.write_file(&path, self.observer)?;
        let read = (report.len, &report.sha256, &report.inputs[..]);
        self.manifest(planned, name, file, read)?;
        Ok(Done::Files(vec![path]))
    }

    fn agent_recipe(&self, pack: &AgentPack) -> Result<Option<AgentRecipe>, RunError> {
        if !is_given(&pack.image) {
            self.observer.warn(format_args!(
                "STYLUS_PACKAGE_BASE is empty: the medium has no agent to unpack"
            ));
            return Ok(None);
        }
        let image = self.builder(pack.architecture).image(&pack.image)?;
        let source = self.of_image(image, pack.architecture);
        Ok(Some(AgentRecipe { source, name: pack.name.clone() }))
    }
}

fn has_rsync(foundation: &Foundation) -> bool {
    matches!(foundation.tree().resolve(b"usr/bin/rsync"), Ok(Some(_)))
}
