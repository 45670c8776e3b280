//! Puts signatures that were made elsewhere into what was built without them.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bootwright_image::Observer;
use bootwright_uki::authenticode::{self, Options};
use bootwright_uki::efi::Variable;
use bootwright_uki::keys::KeyFolder;
use bootwright_uki::signer::{Detached, Identity};
use bootwright_uki::unified::sign_policies;

use super::container::pack;
use super::folder::{Growing, refuse_existing};
use super::requests::{Note, PCR_ROLE, Pending, Product, unsigned};
use super::span::Span;
use crate::output::{Staged, copy_range};
use crate::recipe::{RecipeError, checksum};

/// What was completed.
#[derive(Debug)]
#[non_exhaustive]
pub struct Attached {
    /// The file or folder.
    pub path: PathBuf,
    /// Paths of the signed images on the EFI system partition.
    pub images: Vec<String>,
    /// Length of the file in bytes; zero for a folder.
    pub len: u64,
    /// SHA-256 of the file; zero for a folder.
    pub sha256: [u8; 32],
}

/// Completes what a build with `requests` left in `folder`: the same bytes as those of a build that
/// had the keys. What was left stays there.
///
/// # Errors
/// [`RecipeError::NotSigned`] while a signature is missing; nothing is left behind.
pub fn attach(
    requests: &Path,
    folder: &Path,
    observer: &dyn Observer,
) -> Result<Attached, RecipeError> {
    let note = Note::read(requests)?;
    let signers = Signers::new(requests)?;
    let source = unsigned(folder, note.product, &note.name);
    let images = note.images.iter().map(|image| image.path.clone()).collect();
    match note.product {
        Product::Iso => {
            let read = |error| RecipeError::Read { path: source.clone(), source: error };
            let from = File::open(&source).map_err(read)?;
            let len = from.metadata().map_err(read)?.len();
            let path = folder.join(format!("{}.iso", note.name));
            let staged = Staged::new(&path)?;
            copy_range((&from, 0), (staged.file(), 0), len, observer)?;
            let file = Arc::new(staged.file().try_clone()?);
            for image in &note.images {
                signers.sign(Arc::clone(&file), image)?;
            }
            let sha256 = checksum::publish(staged, len, observer)?;
            Ok(Attached { path, images, len, sha256 })
        }
        Product::Folder | Product::Container => {
            let is_folder = note.product == Product::Folder;
            let file_name =
                if is_folder { note.name.clone() } else { format!("{}.tar", note.name) };
            let path = folder.join(file_name);
            if is_folder {
                refuse_existing(&path)?;
            }
            let growing = Growing::new(&path)?;
            copy_folder(&source, growing.path())?;
            for image in &note.images {
                let at = growing.path().join(&image.path);
                let failed = |source| RecipeError::Read { path: at.clone(), source };
                let file = File::options().read(true).write(true).open(&at).map_err(failed)?;
                let file = Arc::new(file);
                signers.sign(Arc::clone(&file), image)?;
                file.sync_data().map_err(failed)?;
            }
            if is_folder {
                growing.publish()?;
                return Ok(Attached { path, images, len: 0, sha256: [0; 32] });
            }
            let packed = pack(growing.path(), &note.label, &note.name, &path, observer)?;
            let (len, sha256) = packed;
            Ok(Attached { path, images, len, sha256 })
        }
    }
}

/// Takes signatures out of the folder with requests.
struct Signers {
    folder: PathBuf,
    db: Identity,
    detached: Arc<Detached>,
    pcr: Detached,
}

impl Signers {
    fn new(folder: &Path) -> Result<Self, RecipeError> {
        let keys = KeyFolder::new(folder);
        let (db, detached) = keys.detached(Variable::Db, folder)?;
        let pcr = Detached::new(PCR_ROLE, folder, keys.pcr_public_key()?);
        Ok(Self { folder: folder.to_owned(), db, detached, pcr })
    }

    fn sign(&self, file: Arc<File>, image: &Pending) -> Result<(), RecipeError> {
        let mut part = Span::new(file, image.offset, image.len);
        let len = authenticode::unsign(&mut part, image.len)?;
        if image.policies {
            sign_policies(&mut part, len, &self.pcr)?;
            self.check(&self.pcr, image)?;
        }
        let signed = authenticode::sign(&mut part, len, &self.db, Options::default())?;
        self.check(&self.detached, image)?;
        if signed == image.len {
            return Ok(());
        }
        let problem = io::Error::other(format!("{signed} bytes do not fill {}", image.len));
        Err(RecipeError::Read { path: image.path.clone().into(), source: problem })
    }

    /// A policy's signature must be there before the image's own is asked for: that one is over it.
    fn check(&self, signer: &Detached, image: &Pending) -> Result<(), RecipeError> {
        let missing = signer.pending().len();
        if missing == 0 {
            return Ok(());
        }
        let (image, folder) = (image.path.clone(), self.folder.clone());
        Err(RecipeError::NotSigned { image, missing, folder })
    }
}

/// Copies folders and regular files, which is all that an EFI system partition has.
fn copy_folder(from: &Path, to: &Path) -> Result<(), RecipeError> {
    let read = |source| RecipeError::Read { path: from.into(), source };
    for entry in fs::read_dir(from).map_err(read)? {
        let entry = entry.map_err(read)?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let failed = |source| RecipeError::Create { path: target.clone(), source };
        if entry.file_type().map_err(read)?.is_dir() {
            fs::create_dir(&target).map_err(failed)?;
            copy_folder(&source, &target)?;
        } else {
            fs::copy(&source, &target).map_err(failed)?;
        }
    }
    Ok(())
}
