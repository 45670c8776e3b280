//! The ISO that tells how much firmware loads.

use std::path::Path;

use super::super::plan::Planned;
use super::{BUILD, Done, RunError, Runner};
use crate::recipe::size_check::SizeCheckRecipe;

impl Runner<'_> {
    /// `build/efi-size-check.iso`. `file` and `partition` are in MiB.
    pub(super) fn size_check(
        &self,
        planned: &Planned,
        program: &Path,
        (file, partition): (u32, u32),
    ) -> Result<Done, RunError> {
        let name = "efi-size-check";
        let time = self.settings.epoch.unwrap_or_default();
        let recipe = SizeCheckRecipe { program: self.at(program), file, partition, time };
        let folder = self.at(Path::new(BUILD));
        let (len, sha256) = recipe.write_file(&folder, name, self.observer)?;
        let file = format!("{name}.iso");
        self.manifest(planned, name, &file, (len, &sha256, &[]))?;
        Ok(Done::Files(vec![folder.join(file)]))
    }
}
