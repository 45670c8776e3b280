//! Installer ISOs.

use std::path::Path;

use super::super::plan::{Installer, Planned};
use super::{BUILD, Done, RunError, Runner};
use crate::recipe::iso::IsoRecipe;

impl Runner<'_> {
    pub(super) fn iso(&self, planned: &Planned, step: &Installer) -> Result<Done, RunError> {
        let recipe = IsoRecipe {
            overlay_iso: step.overlay_iso.iter().map(|path| self.at(path)).collect(),
            user_data: self.one(step.user_data.as_ref()),
            content: self.all(&step.content),
            cluster_config: self.one(step.cluster_config.as_ref()),
            edge_custom_config: self.one(step.edge_config.as_ref()),
            menu: step.menu,
            squashfs: self.settings.squashfs.clone(),
            ..IsoRecipe::new(self.source(&step.root, true)?)
        };
        let folder = self.at(Path::new(BUILD));
        let report = recipe.write_file(&folder, &step.name, self.observer)?;
        let file = format!("{}.iso", step.name);
        let read = (report.len, &report.sha256, &report.inputs[..]);
        self.manifest(planned, &step.name, &file, read)?;
        self.bill(&folder, report.installed.as_ref(), &step.name, &file, report.sha256)?;
        Ok(Done::Iso(folder.join(file), Box::new(report)))
    }
}
