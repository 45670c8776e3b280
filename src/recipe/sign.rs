//! Signing where the keys are: what a build asked for, and single PE images.

use std::io::Seek;
use std::path::Path;

use bootwright_image::Observer;
use bootwright_uki::authenticode::{self, Options};
use bootwright_uki::efi::Variable;
use bootwright_uki::keys::KeyFolder;
use bootwright_uki::public_key::PublicKey;
use bootwright_uki::signer::{Signer, requests};
use bootwright_uki::unified::ImageRequest;

use super::RecipeError;
use super::uki::requests::PCR_ROLE;
use crate::output::{Staged, copy_range};

/// Puts signatures into a folder with requests, as `keys`, a `secure-boot` folder, can make them.
/// Returns how many requests are answered now.
///
/// # Errors
/// [`RecipeError::OtherKey`] before anything is signed when requests are for other keys.
pub fn answer(folder: &Path, keys: &Path) -> Result<usize, RecipeError> {
    let wanted = KeyFolder::new(folder);
    let keys = KeyFolder::new(keys);
    let (db, pcr) = (keys.identity(Variable::Db)?, keys.pcr_key()?);
    let check = |role, wanted: &PublicKey, found: &PublicKey| {
        if wanted == found {
            return Ok(());
        }
        let (wanted, found) = (wanted.fingerprint(), found.fingerprint());
        Err(RecipeError::OtherKey { folder: folder.into(), role, wanted, found })
    };
    let (_, asked) = wanted.detached(Variable::Db, folder)?;
    check(Variable::Db.name(), asked.public_key(), db.signer().public_key())?;
    check(PCR_ROLE, &wanted.pcr_public_key()?, pcr.public_key())?;
    let images = ImageRequest::read_all(folder)?;
    for (role, image) in &images {
        image.answer(folder, role, (PCR_ROLE, &pcr), db.signer())?;
    }
    let messages = requests(folder)?;
    for request in messages.iter().filter(|request| !request.is_answered()) {
        let signer = if request.role == PCR_ROLE { &pcr as &dyn Signer } else { db.signer() };
        request.answer(signer)?;
    }
    Ok(images.len() + messages.len())
}

/// Signs the PE image `from` with the key for `db` and writes it to `output`, behind the signatures
/// it has. Returns its new length in bytes.
///
/// # Errors
/// [`RecipeError`]; `output` is unchanged then.
pub fn image(
    from: &Path,
    keys: &Path,
    output: &Path,
    observer: &dyn Observer,
) -> Result<u64, RecipeError> {
    let identity = KeyFolder::new(keys).identity(Variable::Db)?;
    let read = |source| RecipeError::Read { path: from.into(), source };
    let source = std::fs::File::open(from).map_err(read)?;
    let len = source.metadata().map_err(read)?.len();
    let staged = Staged::new(output)?;
    copy_range((&source, 0), (staged.file(), 0), len, observer)?;
    let mut file = staged.file();
    file.rewind()?;
    let len = authenticode::sign(&mut file, len, &identity, Options::default())?;
    staged.publish()?;
    Ok(len)
}
