//! Why keys cannot be made or used.

use std::io;
use std::path::PathBuf;

use crate::certificate::CertificateError;
use crate::efi::{AuthError, EslError};
use crate::public_key::PublicKeyError;
use crate::signer::{IdentityError, KeyError, SignError};

/// Why keys cannot be made, read or laid out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeysError {
    /// The organisation's name does not fit a certificate.
    #[error("organisation {name:?} has {len} characters: 1 to 60 are possible")]
    Organisation {
        /// The name.
        name: String,
        /// Its length in characters.
        len: usize,
    },
    /// The system's source of randomness failed.
    #[error("the system gives no random numbers")]
    Random,
    /// A file cannot be read or written.
    #[error("cannot use {path:?}")]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A file that is needed does not exist.
    #[error("{name:?} is missing: looked for {looked:?}")]
    Missing {
        /// What is needed.
        name: String,
        /// The places.
        looked: Vec<PathBuf>,
    },
    /// A private key cannot be used.
    #[error("private key {path:?}")]
    Key {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: KeyError,
    },
    /// A certificate cannot be read.
    #[error("certificate {path:?}")]
    Certificate {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: CertificateError,
    },
    /// Key and certificate do not make an identity, or not at this time.
    #[error("the {role} key and its certificate cannot be used")]
    Identity {
        /// `PK`, `KEK` or `db`.
        role: &'static str,
        /// The cause.
        source: IdentityError,
    },
    /// A signature list exported from firmware cannot be read.
    #[error("signature list {path:?}")]
    List {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: EslError,
    },
    /// A key cannot be made.
    #[error("cannot make a key")]
    Generate(#[from] KeyError),
    /// A Microsoft certificate that was asked for is not among those given.
    #[error("{name:?} (SHA-256 {sha256}) is not among the Microsoft certificates given")]
    Microsoft {
        /// Its name.
        name: &'static str,
        /// SHA-256 of its DER.
        sha256: &'static str,
    },
    /// A list cannot be written.
    #[error("cannot write a signature list")]
    Esl(#[from] EslError),
    /// A variable cannot be signed.
    #[error("cannot sign a variable")]
    Auth(#[from] AuthError),
    /// A certificate cannot be signed.
    #[error("cannot issue a certificate")]
    Sign(#[from] SignError),
    /// A certificate cannot be encoded.
    #[error("cannot encode a certificate")]
    Encode(#[from] CertificateError),
    /// A public key cannot be encoded.
    #[error("cannot encode a public key")]
    Public(#[from] PublicKeyError),
}
