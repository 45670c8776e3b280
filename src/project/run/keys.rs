//! Keys for trusted boot.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use bootwright_uki::keys::Validity;
use bootwright_uki::signer::RsaBits;

use super::super::plan::Genkey;
use super::{Done, RunError, Runner, SECURE_BOOT};
use crate::recipe::genkey::{Keys, KeysRecipe};

impl Runner<'_> {
    pub(super) fn genkey(&self, step: &Genkey) -> Result<Done, RunError> {
        if let Some(image) = &step.extension_certificate {
            let text = "the certificate of system extensions is not enrolled";
            self.observer.warn(format_args!("{text} ({image})"));
        }
        let time = self.settings.epoch.unwrap_or(self.settings.now);
        let keys = match step.present {
            true => Keys::Present,
            false => Keys::New {
                organisation: step.organisation.clone(),
                bits: RsaBits::Rsa2048,
                validity: Validity::days(time, step.days),
            },
        };
        let exported = self.one(step.exported.as_ref());
        let recipe =
            KeysRecipe { keys, microsoft: step.microsoft, exported, extra_db: Vec::new(), time };
        let folder = self.at(&step.folder);
        let files = recipe.write(&folder)?;
        Ok(Done::Files(files.into_iter().map(|file| folder.join(file)).collect()))
    }

    pub(super) fn secure_boot_folders(&self) -> Result<Done, RunError> {
        let mut made = Vec::new();
        for (name, mode) in SECURE_BOOT {
            let path = self.at(Path::new(name));
            let make = || -> io::Result<()> {
                std::fs::create_dir_all(&path)?;
                std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode))
            };
            make().map_err(|source| RunError::Folder { path: path.clone(), source })?;
            made.push(path);
        }
        Ok(Done::Files(made))
    }
}
