//! Disks.

use std::fs::File;
use std::path::Path;

use super::super::plan::{Composite, Disk, MaasDisk, Planned};
use super::{BUILD, Done, RunError, Runner};
use crate::recipe::disk::DiskRecipe;
use crate::recipe::disk::maas::{CloudSource, FirstBoot, MaasRecipe};
use crate::recipe::{RecipeError, checksum};

impl Runner<'_> {
    /// A disk that installs itself.
    pub(super) fn raw_disk(&self, planned: &Planned, step: &Disk) -> Result<Done, RunError> {
        let recipe = DiskRecipe {
            user_data: self.one(step.user_data.as_ref()),
            ..DiskRecipe::new(self.source(&step.root, true)?)
        };
        self.write_disk(planned, &recipe, &step.name)
    }

    /// The same with a partition for content.
    pub(super) fn cloud(&self, planned: &Planned, step: &Composite) -> Result<Done, RunError> {
        let recipe = DiskRecipe {
            user_data: self.one(step.disk.user_data.as_ref()),
            content: self.all(&step.content),
            cluster_config: self.one(step.cluster_config.as_ref()),
            edge_custom_config: self.one(step.edge_config.as_ref()),
            ..DiskRecipe::new(self.source(&step.disk.root, true)?)
        };
        self.write_disk(planned, &recipe, &step.disk.name)
    }

    fn write_disk(
        &self,
        planned: &Planned,
        recipe: &DiskRecipe,
        name: &str,
    ) -> Result<Done, RunError> {
        let folder = self.at(Path::new(BUILD));
        let report = recipe.write_file(&folder, name, self.observer)?;
        let file = format!("{name}.raw");
        let path = folder.join(&file);
        let read = |source| RecipeError::Read { path: path.clone(), source };
        let disk = File::open(&path).map_err(read)?;
        let sha256 = checksum::of_file(&disk, report.len, self.observer)?;
        self.manifest(planned, name, &file, (report.len, &sha256, &report.inputs))?;
        self.bill(&folder, report.installed.as_ref(), name, &file, sha256)?;
        Ok(Done::Disk(path, Box::new(report)))
    }

    /// A disk for MAAS.
    pub(super) fn maas(&self, planned: &Planned, step: &MaasDisk) -> Result<Done, RunError> {
        let Composite { disk, content, cluster_config, edge_config } = &step.composite;
        let architecture = disk.root.architecture;
        let cloud = self.builder(architecture).image(&step.cloud_rootfs)?;
        let cloud = CloudSource::Image(Box::new(self.of_image(cloud, architecture)));
        let recipe = MaasRecipe {
            user_data: self.one(disk.user_data.as_ref()),
            content: self.all(content),
            cluster_config: self.one(cluster_config.as_ref()),
            edge_custom_config: self.one(edge_config.as_ref()),
            ..MaasRecipe::new(self.source(&disk.root, true)?, FirstBoot::Cloud(cloud))
        };
        let folder = self.at(Path::new(BUILD));
        let report = recipe.write_file(&folder, &disk.name, self.observer)?;
        let file = format!("{}.raw.gz", disk.name);
        let read = (report.len, &report.sha256, &report.disk.inputs[..]);
        self.manifest(planned, &disk.name, &file, read)?;
        let installed = report.disk.installed.as_ref();
        self.bill(&folder, installed, &disk.name, &file, report.sha256)?;
        Ok(Done::Maas(folder.join(file), disk.name.clone(), Box::new(report)))
    }
}
