//! Installer ISOs for trusted boot.

use std::path::Path;

use super::super::plan::{Planned, UkiInstaller};
use super::{BUILD, Done, RunError, Runner};
use crate::recipe::uki::UkiRecipe;

impl Runner<'_> {
    pub(super) fn uki(&self, planned: &Planned, step: &UkiInstaller) -> Result<Done, RunError> {
        let installer = &step.installer;
        let source = self.source(&installer.root, false)?;
        self.observer.warn(format_args!("{} is not added to the medium", step.stylus_package));
        let recipe = UkiRecipe {
            extend_cmdline: Some(step.cmdline.clone()).filter(|words| !words.is_empty()),
            branding: step.branding.clone(),
            enroll: step.enroll,
            overlay_iso: installer.overlay_iso.iter().map(|path| self.at(path)).collect(),
            user_data: self.one(installer.user_data.as_ref()),
            content: self.all(&installer.content),
            cluster_config: self.one(installer.cluster_config.as_ref()),
            edge_custom_config: self.one(installer.edge_config.as_ref()),
            ..UkiRecipe::new(source, self.at(&step.keys))
        };
        let folder = self.at(Path::new(BUILD));
        let report = recipe.write_iso(&folder, &installer.name, self.observer)?;
        let read = (report.len, &report.sha256, &report.inputs[..]);
        self.manifest(planned, &installer.name, read)?;
        Ok(Done::Uki(folder.join(format!("{}.iso", installer.name)), Box::new(report)))
    }
}
