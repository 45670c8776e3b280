//! Stands for a key whose signatures come later.

use super::{SignError, Signer};
use crate::hash::Hash;
use crate::public_key::PublicKey;

/// Gives zeros, as many as a signature has bytes, so that everything else can be laid out and
/// written before the key is at hand.
#[derive(Clone, Debug)]
pub struct Placeholder(PublicKey);

impl Placeholder {
    /// Stands for the private key of `public`.
    #[must_use]
    pub fn new(public: PublicKey) -> Self {
        Self(public)
    }
}

impl Signer for Placeholder {
    fn public_key(&self) -> &PublicKey {
        &self.0
    }

    fn sign(&self, _: Hash, _: &[u8]) -> Result<Vec<u8>, SignError> {
        Ok(vec![0; self.0.signature_len()])
    }
}
