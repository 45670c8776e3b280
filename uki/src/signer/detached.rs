//! Signatures that are made elsewhere: requests go into a folder, signatures come back into it.
//!
//! A request is the file `ROLE-ID.HASH.tbs`, holding the message byte for byte, so any tool can
//! answer it: `openssl dgst -HASH -sign KEY -out ROLE-ID.HASH.sig ROLE-ID.HASH.tbs`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;

use super::{SignError, Signer};
use crate::hash::{Hash, hex, sha256};
use crate::public_key::PublicKey;

const REQUEST: &str = "tbs";
const ANSWER: &str = "sig";
/// Digits of the message's digest in a file name.
const ID_LEN: usize = 32;

/// A signer whose key is elsewhere. A message whose signature lies in the folder gets it; for any
/// other one the request is written there and zeros are given instead, as long as a signature.
/// What was built with [`pending`](Self::pending) requests is to be built again, or completed,
/// once they are answered.
#[derive(Debug)]
pub struct Detached {
    role: String,
    folder: PathBuf,
    public: PublicKey,
    pending: Mutex<Vec<PathBuf>>,
}

impl Detached {
    /// `role` says which key is asked for, such as `db`; it begins the names of the files.
    #[must_use]
    pub fn new(role: &str, folder: &Path, public: PublicKey) -> Self {
        let (role, folder) = (role.to_owned(), folder.to_owned());
        Self { role, folder, public, pending: Mutex::default() }
    }

    /// Puts a signature where [`sign`](Signer::sign) finds it.
    ///
    /// # Errors
    /// [`SignError::File`].
    pub fn store(&self, hash: Hash, message: &[u8], signature: &[u8]) -> Result<(), SignError> {
        let path = self.folder.join(format!("{}.{ANSWER}", self.stem(hash, message)));
        fs::write(&path, signature).map_err(|source| SignError::File { path, source })
    }

    fn stem(&self, hash: Hash, message: &[u8]) -> String {
        let id = hex(&sha256(&[hash.name().as_bytes(), self.public.as_pkcs1(), message]));
        format!("{}-{}.{hash}", self.role, &id[..ID_LEN])
    }

    /// The requests that have no signature yet, in the order they were made.
    #[must_use]
    pub fn pending(&self) -> Vec<PathBuf> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Signer for Detached {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, hash: Hash, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let stem = self.stem(hash, message);
        let answer = self.folder.join(format!("{stem}.{ANSWER}"));
        match fs::read(&answer) {
            Ok(signature) if self.public.verifies(hash, message, &signature) => Ok(signature),
            Ok(_) => Err(SignError::Wrong { path: answer, public: self.public.fingerprint() }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let request = self.folder.join(format!("{stem}.{REQUEST}"));
                fs::write(&request, message)
                    .map_err(|source| SignError::File { path: request.clone(), source })?;
                self.pending.lock().unwrap_or_else(PoisonError::into_inner).push(request);
                Ok(vec![0; self.public.signature_len()])
            }
            Err(source) => Err(SignError::File { path: answer, source }),
        }
    }
}

/// A request found in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Which key is asked for.
    pub role: String,
    /// What the message is to be hashed with.
    pub hash: Hash,
    /// The message.
    pub message: Vec<u8>,
    path: PathBuf,
}

impl Request {
    /// Where the message is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether a signature lies beside it.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        self.path.with_extension(ANSWER).exists()
    }

    /// Signs the message and puts the signature beside it.
    ///
    /// # Errors
    /// [`SignError`].
    pub fn answer(&self, signer: &dyn Signer) -> Result<(), SignError> {
        let path = self.path.with_extension(ANSWER);
        let signature = signer.sign(self.hash, &self.message)?;
        fs::write(&path, signature).map_err(|source| SignError::File { path, source })
    }
}

/// All requests of a folder, sorted by the names of their files.
///
/// # Errors
/// [`SignError::File`].
pub fn requests(folder: &Path) -> Result<Vec<Request>, SignError> {
    let failed = |path: &Path, source| SignError::File { path: path.to_owned(), source };
    let entries = fs::read_dir(folder).map_err(|error| failed(folder, error))?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    let mut paths: Vec<PathBuf> =
        paths.collect::<Result<_, _>>().map_err(|error| failed(folder, error))?;
    paths.sort();
    let named = paths.into_iter().filter_map(|path| {
        let (stem, hash) = path.file_name()?.to_str()?.strip_suffix(".tbs")?.rsplit_once('.')?;
        let (role, hash) = (stem.rsplit_once('-')?.0.to_owned(), Hash::from_name(hash)?);
        Some((path, role, hash))
    });
    named
        .map(|(path, role, hash)| {
            let message = fs::read(&path).map_err(|error| failed(&path, error))?;
            Ok(Request { role, hash, message, path })
        })
        .collect()
}
