//! Signatures beside files.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use bootwright_image::{Observer, Timestamp};

use super::{Keyring, OpenPgpError};
use crate::recipe::{RecipeError, checksum, checksum_hex};

/// Suffixes of signatures.
const SUFFIXES: [&str; 3] = ["asc", "sig", "gpg"];
/// The checksum file of a whole folder.
const SUMS: &str = "SHA256SUMS";
/// Bytes of a signature or a checksum file, at most.
const SMALL: u64 = 1 << 20;

/// Who vouches for a file, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verified {
    /// The signature.
    pub signature: PathBuf,
    /// The fingerprint of the key.
    pub fingerprint: String,
}

/// Checks the signature beside a file: `FILE.asc` or `FILE.sig`, or that of the checksum files
/// `FILE.sha256` or `SHA256SUMS`. The first signature that is there counts.
///
/// # Errors
/// [`OpenPgpError`].
pub fn verify_file(
    path: &Path,
    keys: &Keyring,
    now: Timestamp,
    observer: &dyn Observer,
) -> Result<Verified, OpenPgpError> {
    if let Some(verified) = signed(path, keys, now)? {
        return Ok(verified);
    }
    let sums = [with_suffix(path, "sha256"), path.with_file_name(SUMS)];
    for sums in sums.iter().filter(|sums| sums.is_file()) {
        if let Some(verified) = signed(sums, keys, now)? {
            compare(path, sums, observer)?;
            return Ok(verified);
        }
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let expected = format!("{name}.asc, {name}.sig, {name}.sha256.asc or {SUMS}.gpg");
    Err(OpenPgpError::NotSigned { path: path.to_owned(), expected })
}

/// Checks the signature of exactly this file, if there is one.
fn signed(path: &Path, keys: &Keyring, now: Timestamp) -> Result<Option<Verified>, OpenPgpError> {
    let signatures = SUFFIXES.iter().map(|suffix| with_suffix(path, suffix));
    let Some(signature) = signatures.into_iter().find(|path| path.is_file()) else {
        return Ok(None);
    };
    let text = small(&signature)?;
    let problem = match keys.verify(&text, || File::open(path), now) {
        Ok(fingerprint) => return Ok(Some(Verified { signature, fingerprint })),
        Err(problem) => problem,
    };
    Err(OpenPgpError::Signature { path: signature, problem })
}

/// Compares a file with what a checksum file says about it.
fn compare(path: &Path, sums: &Path, observer: &dyn Observer) -> Result<(), OpenPgpError> {
    let text = small(sums)?;
    let text = String::from_utf8_lossy(&text);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // Two characters part them: a space, then one that says how the file was read.
    let line = text.lines().find_map(|line| {
        let (digest, rest) = line.split_once(' ')?;
        let listed = rest.strip_prefix([' ', '*'])?;
        (listed.rsplit('/').next() == Some(&*name)).then(|| digest.to_ascii_lowercase())
    });
    let Some(expected) = line else {
        let problem = format!("it says nothing about {name}");
        return Err(OpenPgpError::Signature { path: sums.to_owned(), problem });
    };
    let failed = |source| OpenPgpError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    let len = file.metadata().map_err(failed)?.len();
    let actual = checksum::of_file(&file, len, observer).map_err(|error| match error {
        RecipeError::Write(source) => failed(source),
        error => failed(io::Error::other(error)),
    })?;
    let actual = checksum_hex(&actual);
    if actual == expected {
        return Ok(());
    }
    let (path, sums) = (path.to_owned(), sums.to_owned());
    Err(OpenPgpError::Checksum { path, sums, expected, actual })
}

fn small(path: &Path) -> Result<Vec<u8>, OpenPgpError> {
    let read = || {
        if fs::metadata(path)?.len() > SMALL {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "larger than 1 MiB"));
        }
        fs::read(path)
    };
    read().map_err(|source| OpenPgpError::Read { path: path.to_owned(), source })
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".");
    name.push(suffix);
    name.into()
}
