//! The `secure-boot/` folder on disk.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use zeroize::Zeroizing;

use super::{
    ENROLLMENT_FOLDER, Hierarchy, KeysError, PCR_KEY_NAME, PCR_PUBLIC_NAME, PRIVATE_FOLDER,
    PUBLIC_FOLDER,
};
use crate::certificate::Certificate;
use crate::efi::Variable;
use crate::public_key::PublicKey;
use crate::signer::{Detached, Identity, PrivateKey, Signer};

const PRIVATE_MODE: u32 = 0o600;
const PUBLIC_MODE: u32 = 0o644;
const FOLDER_MODE: u32 = 0o700;

/// A file of the tree. Its content is wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyFile {
    /// Where it goes, from the tree's root, with slashes.
    pub path: String,
    /// Its permissions: 0600 for private keys, 0644 for all else.
    pub mode: u32,
    /// Its content.
    pub content: Zeroizing<Vec<u8>>,
}

impl KeyFile {
    pub(super) fn public(path: String, content: Vec<u8>) -> Self {
        Self { path, mode: PUBLIC_MODE, content: Zeroizing::new(content) }
    }

    pub(super) fn private(path: String, content: &[u8]) -> Self {
        Self { path, mode: PRIVATE_MODE, content: Zeroizing::new(content.to_vec()) }
    }
}

impl fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:o} ({} bytes)", self.path, self.mode, self.content.len())
    }
}

/// Writes files below `root`, which is made if it does not exist; folders are for their owner
/// only. An existing file is never replaced: keys are not to be lost.
///
/// # Errors
/// [`KeysError::File`]; before anything is written when one of the files exists.
pub fn write_files(root: &Path, files: &[KeyFile]) -> Result<(), KeysError> {
    let failed = |path: &Path, source| KeysError::File { path: path.to_owned(), source };
    for path in files.iter().map(|file| root.join(&file.path)) {
        if path.symlink_metadata().is_ok() {
            return Err(failed(&path, io::ErrorKind::AlreadyExists.into()));
        }
    }
    for file in files {
        let path = root.join(&file.path);
        let folder = path.parent().unwrap_or(root);
        fs::DirBuilder::new()
            .recursive(true)
            .mode(FOLDER_MODE)
            .create(folder)
            .map_err(|error| failed(folder, error))?;
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(file.mode);
        let written = options.open(&path).and_then(|mut output| {
            output.write_all(&file.content)?;
            output.sync_all()
        });
        written.map_err(|error| failed(&path, error))?;
    }
    Ok(())
}

/// A folder with keys: the `secure-boot/` tree, or one in which all files lie side by side.
#[derive(Clone, Debug)]
pub struct KeyFolder {
    root: PathBuf,
}

impl KeyFolder {
    /// Looks at nothing yet.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// The identity for a variable: `NAME.key` and `NAME.pem` (a certificate, and those that
    /// issued it) or `NAME.der`.
    ///
    /// # Errors
    /// [`KeysError`].
    pub fn identity(&self, variable: Variable) -> Result<Identity, KeysError> {
        let key = self.key(&format!("{variable}.key"))?;
        self.identity_with(variable, Arc::new(key))
    }

    /// The identity of a variable whose key is elsewhere: requests go into the folder `requests`.
    ///
    /// # Errors
    /// [`KeysError`].
    pub fn detached(
        &self,
        variable: Variable,
        requests: &Path,
    ) -> Result<(Identity, Arc<Detached>), KeysError> {
        let role = variable.name();
        let certificates = self.certificates(variable)?;
        let missing =
            || KeysError::Identity { role, source: crate::signer::IdentityError::Missing };
        let public = certificates.first().ok_or_else(missing)?.public_key()?;
        let signer = Arc::new(Detached::new(role, requests, public));
        Ok((self.identity_with(variable, Arc::clone(&signer) as _)?, signer))
    }

    /// All three identities.
    ///
    /// # Errors
    /// [`KeysError`].
    pub fn hierarchy(&self) -> Result<Hierarchy, KeysError> {
        let (pk, kek) = (self.identity(Variable::Pk)?, self.identity(Variable::Kek)?);
        Ok(Hierarchy { pk, kek, db: self.identity(Variable::Db)? })
    }

    /// The key for PCR policies.
    ///
    /// # Errors
    /// [`KeysError`].
    pub fn pcr_key(&self) -> Result<PrivateKey, KeysError> {
        self.key(PCR_KEY_NAME)
    }

    /// The public half of the key for PCR policies from `tpm2-pcr-public.pem`, for a key that is
    /// elsewhere.
    ///
    /// # Errors
    /// [`KeysError`].
    pub fn pcr_public_key(&self) -> Result<PublicKey, KeysError> {
        let path = self.find(PCR_PUBLIC_NAME)?;
        Ok(PublicKey::from_pem(&read(&path)?)?)
    }

    /// The `.auth` files, and `.der` files of the same names, for `loader/keys/auto`: name and
    /// content, sorted. PK, KEK and db must be there.
    ///
    /// # Errors
    /// [`KeysError`].
    pub fn enrollment(&self) -> Result<Vec<(String, Vec<u8>)>, KeysError> {
        let mut files = Vec::new();
        for variable in Variable::ALL {
            for suffix in ["auth", "der"] {
                let name = format!("{variable}.{suffix}");
                match self.find(&name) {
                    Ok(path) => files.push((name, read(&path)?.to_vec())),
                    Err(error) if suffix == "auth" && variable != Variable::Dbx => {
                        return Err(error);
                    }
                    Err(_) => {}
                }
            }
        }
        files.sort();
        Ok(files)
    }

    fn identity_with(
        &self,
        variable: Variable,
        signer: Arc<dyn Signer>,
    ) -> Result<Identity, KeysError> {
        let role = variable.name();
        Identity::new(self.certificates(variable)?, signer)
            .map_err(|source| KeysError::Identity { role, source })
    }

    fn certificates(&self, variable: Variable) -> Result<Vec<Certificate>, KeysError> {
        let pem = self.find(&format!("{variable}.pem"));
        let path = pem.or_else(|_| self.find(&format!("{variable}.der")))?;
        let bytes = read(&path)?;
        let parsed = if bytes.starts_with(b"0") {
            Certificate::from_der(&bytes).map(|certificate| vec![certificate])
        } else {
            Certificate::from_pem(&bytes)
        };
        parsed.map_err(|source| KeysError::Certificate { path, source })
    }

    fn key(&self, name: &str) -> Result<PrivateKey, KeysError> {
        let path = self.find(name)?;
        PrivateKey::from_pem(&read(&path)?).map_err(|source| KeysError::Key { path, source })
    }

    fn find(&self, name: &str) -> Result<PathBuf, KeysError> {
        let folders = [PRIVATE_FOLDER, PUBLIC_FOLDER, ENROLLMENT_FOLDER, ""];
        let looked: Vec<PathBuf> =
            folders.iter().map(|folder| self.root.join(folder).join(name)).collect();
        match looked.iter().find(|path| path.is_file()) {
            Some(path) => Ok(path.clone()),
            None => Err(KeysError::Missing { name: name.to_owned(), looked }),
        }
    }
}

/// The whole file. It may be a private key, so it is wiped when dropped.
fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeysError> {
    let failed = |source| KeysError::File { path: path.to_owned(), source };
    let len = fs::metadata(path).map_err(failed)?.len();
    // Enough at once, so that no half-read copy is left behind in memory.
    let mut content =
        Zeroizing::new(Vec::with_capacity(usize::try_from(len).unwrap_or_default() + 1));
    let mut file = fs::File::open(path).map_err(failed)?;
    io::Read::read_to_end(&mut file, &mut content).map_err(failed)?;
    Ok(content)
}
