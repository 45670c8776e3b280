//! Who signs: keys in files, keys elsewhere, and signatures that come later.
//!
//! All signatures are RSASSA-PKCS1-v1_5 (RFC 8017, section 8.2), which is what firmware and TPM
//! policies take. They are deterministic: whoever holds the key makes the same bytes.

mod detached;
mod identity;
mod key;
pub(crate) mod pem;
mod placeholder;
mod sha1;
#[cfg(feature = "pkcs11")]
mod token;

use std::fmt;
use std::path::PathBuf;

use bootwright_image::BoxError;

use crate::hash::Hash;
use crate::public_key::PublicKey;

pub use detached::{Detached, Request, requests};
pub use identity::{Identity, IdentityError};
pub use key::{KeyError, PrivateKey, RsaBits};
pub use placeholder::Placeholder;
#[cfg(feature = "pkcs11")]
pub use token::{TokenError, TokenKey, TokenUri};

/// The smallest modulus that is accepted, in bits.
pub const KEY_BITS_MIN: usize = 2048;

/// Why something could not be signed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// The key's own machinery failed.
    #[error("the private key of {public} cannot sign")]
    Key {
        /// The public key's fingerprint.
        public: String,
        /// The cause, if there is more to say.
        #[source]
        source: Option<BoxError>,
    },
    /// A request or a signature in a folder cannot be read or written.
    #[error("cannot use {path:?}")]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A signature that came back is not one of this message by this key.
    #[error("{path:?} is no signature of its request by the key {public}")]
    Wrong {
        /// The file.
        path: PathBuf,
        /// The public key's fingerprint.
        public: String,
    },
    /// A structure could not be encoded.
    #[error("cannot encode what is to be signed")]
    Encode(#[from] der::Error),
}

/// Signs with one RSA key.
pub trait Signer: fmt::Debug + Send + Sync {
    /// The key that verifies what this one signs.
    fn public_key(&self) -> &PublicKey;

    /// RSASSA-PKCS1-v1_5 over the digest of `message`: as many bytes as the modulus has.
    ///
    /// # Errors
    /// [`SignError`].
    fn sign(&self, hash: Hash, message: &[u8]) -> Result<Vec<u8>, SignError>;
}
