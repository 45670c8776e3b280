//! Why a file could not be signed, or a signature not be trusted.

use std::io;
use std::path::PathBuf;

/// Why a file could not be signed, or a signature not be trusted. Nothing secret is in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenPgpError {
    /// A file cannot be read.
    #[error("cannot read {path:?}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The text holds no key of the kind.
    #[error("{name}: there is no usable {what}: {problem}")]
    Key {
        /// What the keys are called.
        name: String,
        /// What kind is needed.
        what: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// The key is locked and the passphrase does not fit.
    #[error("{name}: the passphrase does not unlock the key {fingerprint}")]
    Passphrase {
        /// What the keys are called.
        name: String,
        /// The key.
        fingerprint: String,
    },
    /// There is nothing beside a file that says who made it.
    #[error("{path:?} is not signed: there is no {expected} beside it")]
    NotSigned {
        /// The file.
        path: PathBuf,
        /// The names of files that would do.
        expected: String,
    },
    /// A signature that no key made.
    #[error("{path:?} is no good signature: {problem}")]
    Signature {
        /// The signature.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A signed checksum file does not speak for the file.
    #[error("{path:?} is not what {sums:?} says: its sha256 is {actual}, not {expected}")]
    Checksum {
        /// The file.
        path: PathBuf,
        /// The checksum file.
        sums: PathBuf,
        /// What it says.
        expected: String,
        /// What the file has.
        actual: String,
    },
    /// Making the signature failed.
    #[error("cannot sign with the key {fingerprint}: {problem}")]
    Sign {
        /// The key.
        fingerprint: String,
        /// The cause.
        problem: String,
    },
}
