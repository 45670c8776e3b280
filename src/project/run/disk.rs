//! Disks.

use std::path::Path;

use super::super::plan::Disk;
use super::{BUILD, Done, RunError, Runner};
use crate::recipe::disk::DiskRecipe;

impl Runner<'_> {
    pub(super) fn raw_disk(&self, step: &Disk) -> Result<Done, RunError> {
        let recipe = DiskRecipe {
            user_data: self.one(step.user_data.as_ref()),
            ..DiskRecipe::new(self.source(&step.root, true)?)
        };
        let folder = self.at(Path::new(BUILD));
        recipe.write_file(&folder, &step.name, self.observer)?;
        Ok(Done::Files(vec![folder.join(format!("{}.raw", step.name))]))
    }
}
