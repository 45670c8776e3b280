//! Secure Boot keys as the `secure-boot/` folder.

use std::path::{Path, PathBuf};

use bootwright_image::Timestamp;
use bootwright_uki::certificate::Certificate;
use bootwright_uki::efi::{EfiTime, Variable};
use bootwright_uki::keys::{
    Enrollment, Exported, KeyFile, KeyFolder, KeysError, MicrosoftSet, PCR_KEY_NAME, Validity,
    enrollment_files, generate, microsoft, random_guid, write_files,
};
use bootwright_uki::signer::RsaBits;

use super::RecipeError;

/// Microsoft's certificates, in no order.
const MICROSOFT: [&str; 7] = [
    include_str!("microsoft/ms-kek-2011.pem"),
    include_str!("microsoft/ms-kek-2023.pem"),
    include_str!("microsoft/ms-uefi-2011.pem"),
    include_str!("microsoft/ms-uefi-2023.pem"),
    include_str!("microsoft/ms-uefi-rom-2023.pem"),
    include_str!("microsoft/windows-2011.pem"),
    include_str!("microsoft/windows-2023.pem"),
];

/// What goes into firmware, and whose keys.
#[derive(Clone, Debug)]
pub struct KeysRecipe {
    /// The keys.
    pub keys: Keys,
    /// Which of Microsoft's certificates are trusted too.
    pub microsoft: MicrosoftSet,
    /// A folder with the lists `KEK`, `db` and `dbx` exported from firmware, which are kept.
    pub exported: Option<PathBuf>,
    /// Certificates (PEM) that `db` trusts too.
    pub extra_db: Vec<PathBuf>,
    /// The time of the signed variables. Firmware takes only later ones than it has.
    pub time: Timestamp,
}

/// Where keys come from.
#[derive(Clone, Debug)]
pub enum Keys {
    /// New ones.
    New {
        /// Certificates are for `CN=ORGANISATION-PK` and so on.
        organisation: String,
        /// How large.
        bits: RsaBits,
        /// From when to when the certificates are valid.
        validity: Validity,
    },
    /// Those in `private-keys/` and `public-keys/` of the output folder.
    Present,
}

impl KeysRecipe {
    /// Makes the files and writes them below `folder`. Existing files are never replaced. Returns
    /// the paths of what was written, from the folder on.
    ///
    /// # Errors
    /// [`RecipeError::Keys`]; [`RecipeError::Read`] for an extra certificate.
    pub fn write(&self, folder: &Path) -> Result<Vec<String>, RecipeError> {
        let enrollment = self.enrollment()?;
        let mut files: Vec<KeyFile> = Vec::new();
        let hierarchy = match &self.keys {
            Keys::New { organisation, bits, validity } => {
                let made = generate(organisation, *bits, *validity)?;
                files.extend(made.files()?);
                made.hierarchy
            }
            Keys::Present => {
                let present = KeyFolder::new(folder);
                let hierarchy = present.hierarchy()?;
                hierarchy.check_validity(self.time)?;
                // Without it nothing can be sealed to the images' policies.
                present.pcr_key().map_err(|error| match error {
                    KeysError::Missing { .. } => RecipeError::NoPcrKey { name: PCR_KEY_NAME },
                    error => error.into(),
                })?;
                hierarchy
            }
        };
        files.extend(enrollment_files(&hierarchy, &enrollment)?);
        write_files(folder, &files)?;
        Ok(files.into_iter().map(|file| file.path).collect())
    }

    fn enrollment(&self) -> Result<Enrollment, RecipeError> {
        let owner = random_guid()?;
        let time = EfiTime::new(self.time).map_err(KeysError::from)?;
        let given: Vec<Certificate> = MICROSOFT
            .iter()
            .flat_map(|pem| Certificate::from_pem(pem.as_bytes()).unwrap_or_default())
            .collect();
        let mut extra_db = Vec::new();
        for path in &self.extra_db {
            let failed = |source| RecipeError::Read { path: path.clone(), source };
            let pem = std::fs::read(path).map_err(failed)?;
            let certificates = Certificate::from_pem(&pem).map_err(|error| {
                failed(std::io::Error::new(std::io::ErrorKind::InvalidData, error))
            })?;
            extra_db.extend(certificates.into_iter().map(|certificate| (owner, certificate)));
        }
        Ok(Enrollment {
            microsoft: microsoft(self.microsoft, &given)?,
            exported: self.exported.as_deref().map(Exported::read).transpose()?.unwrap_or_default(),
            extra_db,
            ..Enrollment::new(owner, time)
        })
    }
}

/// How many certificates of Microsoft a set puts into each variable, for a summary.
#[must_use]
pub fn microsoft_names(set: MicrosoftSet) -> Vec<(Variable, &'static str)> {
    let all = bootwright_uki::keys::MICROSOFT.iter();
    all.filter(|known| set.contains(known)).map(|known| (known.variable, known.name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_microsofts_certificates_are_the_published_ones() {
        let given: Vec<_> = MICROSOFT
            .iter()
            .flat_map(|pem| Certificate::from_pem(pem.as_bytes()).unwrap())
            .collect();
        assert_eq!(given.len(), 7);
        assert_eq!(microsoft(MicrosoftSet::All, &given).unwrap().len(), 7);
        assert!(microsoft(MicrosoftSet::None, &given).unwrap().is_empty());
    }
}
