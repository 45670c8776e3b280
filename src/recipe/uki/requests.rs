//! The folder that goes to whoever has the keys and comes back with signatures.
//!
//! | file | what it is |
//! |---|---|
//! | `build.json` | what the signatures are for and where they go |
//! | `db.pem`, `tpm2-pcr-public.pem` | whose signatures are asked for |
//! | `db-ID.image.json` | an image, up to its policies as a state of SHA-256, from there whole |
//! | `ROLE-ID.HASH.tbs`, `.sig` | a message to be signed, and its signature |

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use bootwright_uki::efi::Variable;
use bootwright_uki::keys::PCR_PUBLIC_NAME;
use serde::{Deserialize, Serialize};

use super::container::Label;
use super::keys::Keys;
use crate::recipe::RecipeError;

/// Who signs PCR policies, as the names of requests say it.
pub(crate) const PCR_ROLE: &str = "tpm2-pcr";
const NOTE: &str = "build.json";
/// Raised when an older program could not finish what a newer one began.
const VERSION: u32 = 1;

/// What is being built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Product {
    /// The files of an EFI system partition in a folder.
    Folder,
    /// An ISO.
    Iso,
    /// A container image with the files of such a folder.
    Container,
}

/// A PE image with a placeholder for its last signature.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pending {
    /// Its path on the EFI system partition.
    pub(super) path: String,
    /// Where it begins in the ISO; zero in a folder.
    pub(super) offset: u64,
    /// Its length in bytes, placeholder included.
    pub(super) len: u64,
    /// Whether its PCR policies are to be signed too.
    pub(super) policies: bool,
}

/// What `build.json` holds.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Note {
    version: u32,
    pub(super) product: Product,
    pub(super) name: String,
    pub(super) images: Vec<Pending>,
    pub(super) label: Label,
}

impl Note {
    pub(super) fn new(product: Product, name: &str, images: Vec<Pending>, label: Label) -> Self {
        Self { version: VERSION, product, name: name.to_owned(), images, label }
    }

    /// Completes the folder.
    pub(super) fn write(&self, folder: &Path, keys: &Keys) -> Result<(), RecipeError> {
        let own = std::iter::once(keys.db.certificate());
        let mut db = String::new();
        for certificate in own.chain(keys.db.chain()) {
            db.push_str(&certificate.to_pem().map_err(io::Error::other)?);
        }
        let pcr = keys.pcr.public_key().to_pem().map_err(io::Error::other)?;
        let note = serde_json::to_string_pretty(self).map_err(io::Error::other)?;
        let db_name = format!("{}.pem", Variable::Db);
        for (name, text) in [(&*db_name, db), (PCR_PUBLIC_NAME, pcr), (NOTE, note + "\n")] {
            let path = folder.join(name);
            fs::write(&path, text).map_err(|source| RecipeError::Create { path, source })?;
        }
        Ok(())
    }

    pub(super) fn read(folder: &Path) -> Result<Self, RecipeError> {
        let path = folder.join(NOTE);
        let text = fs::read_to_string(&path)
            .map_err(|source| RecipeError::Read { path: path.clone(), source })?;
        let note: Self = serde_json::from_str(&text)
            .map_err(|source| RecipeError::Read { path: path.clone(), source: source.into() })?;
        let stays = |name: &str| {
            let mut parts = Path::new(name).components();
            !name.is_empty() && parts.all(|part| matches!(part, Component::Normal(_)))
        };
        let is_plain = stays(&note.name) && !note.name.contains('/');
        if note.version == VERSION && is_plain && note.images.iter().all(|i| stays(&i.path)) {
            return Ok(note);
        }
        let source = io::Error::other("made by another version, or changed on the way");
        Err(RecipeError::Read { path, source })
    }
}

/// Makes the folder for requests. Signatures of another build must not lie in it.
pub(super) fn begin(folder: &Path) -> Result<(), RecipeError> {
    fs::create_dir_all(folder)
        .map_err(|source| RecipeError::Create { path: folder.into(), source })?;
    let mut entries =
        fs::read_dir(folder).map_err(|source| RecipeError::Read { path: folder.into(), source })?;
    match entries.next() {
        None => Ok(()),
        Some(_) => Err(RecipeError::NotEmpty { path: folder.into() }),
    }
}

/// Where the product is until its signatures are attached.
pub(super) fn unsigned(folder: &Path, product: Product, name: &str) -> PathBuf {
    match product {
        Product::Iso => folder.join(format!("{name}.unsigned.iso")),
        Product::Folder | Product::Container => folder.join(format!("{name}.unsigned")),
    }
}
