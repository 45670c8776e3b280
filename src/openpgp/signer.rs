//! Signing.

use std::fmt;

use bootwright_image::Timestamp;
use pgp::composed::{ArmorOptions, Deserializable, DetachedSignature, SignedSecretKey};
use pgp::packet::{Signature, SignatureConfig, SignatureType, Subpacket, SubpacketData};
use pgp::types::{KeyDetails, KeyVersion, Password, SigningKey};
use zeroize::Zeroizing;

use super::OpenPgpError;

/// A secret key that signs. It is overwritten when it is dropped, and never shown.
pub struct Signer {
    name: String,
    key: SignedSecretKey,
    passphrase: Password,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("fingerprint", &self.fingerprint()).finish_non_exhaustive()
    }
}

impl Signer {
    /// Reads a secret key, armored or not, and tries the passphrase; an empty one is for keys that
    /// have none. `name` is for errors.
    ///
    /// # Errors
    /// [`OpenPgpError::Key`], [`OpenPgpError::Passphrase`].
    pub fn new(
        name: &str,
        key: &[u8],
        passphrase: Zeroizing<Vec<u8>>,
    ) -> Result<Self, OpenPgpError> {
        let wrong = |problem: String| OpenPgpError::Key {
            name: name.to_owned(),
            what: "secret key",
            problem,
        };
        let (key, _) = SignedSecretKey::from_reader_single_buf(key)
            .map_err(|_| wrong("it is no secret key of OpenPGP".to_owned()))?;
        key.verify_bindings().map_err(|_| wrong("its own signatures are not good".to_owned()))?;
        let signer = Self { name: name.to_owned(), key, passphrase: Password::Static(passphrase) };
        if signer.secret().version() != KeyVersion::V4 {
            return Err(wrong("only keys of version 4 sign the same way each time".to_owned()));
        }
        // A wrong passphrase is told before any work.
        signer.detached(b"", Timestamp(0))?;
        Ok(signer)
    }

    /// The fingerprint of the key that signs, in hexadecimal digits.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        self.secret().fingerprint().to_string()
    }

    /// The armored signature of `data`, made at `time`, or when the key was made if that is later:
    /// nobody believes a key that signs before it exists.
    ///
    /// # Errors
    /// [`OpenPgpError::Sign`].
    pub fn sign(&self, data: &[u8], time: Timestamp) -> Result<String, OpenPgpError> {
        let signature = DetachedSignature::new(self.detached(data, time)?);
        // A line of its own for the checksum is what older readers expect.
        let options = ArmorOptions { headers: None, include_checksum: true };
        signature.to_armored_string(options).map_err(|error| self.failed(&error))
    }

    fn detached(&self, data: &[u8], time: Timestamp) -> Result<Signature, OpenPgpError> {
        let key = self.secret();
        let made = key.created_at().as_secs().max(self.key.primary_key.created_at().as_secs());
        let time = pgp::types::Timestamp::from_secs(time.clamp_to_u32().max(made));
        let kind = SignatureType::Binary;
        let mut config = SignatureConfig::v4(kind, key.algorithm(), key.hash_alg());
        let packet = |data| Subpacket::regular(data).map_err(|error| self.failed(&error));
        config.hashed_subpackets = vec![
            packet(SubpacketData::SignatureCreationTime(time))?,
            packet(SubpacketData::IssuerFingerprint(key.fingerprint()))?,
        ];
        config.unhashed_subpackets = vec![packet(SubpacketData::IssuerKeyId(key.legacy_key_id()))?];
        config.sign(&Box::new(key), &self.passphrase, data).map_err(|error| {
            match self.is_locked() {
                true => {
                    let (name, fingerprint) = (self.name.clone(), self.fingerprint());
                    OpenPgpError::Passphrase { name, fingerprint }
                }
                false => self.failed(&error),
            }
        })
    }

    /// The part of the key that signs: the newest that is there for it, else the primary one.
    fn secret(&self) -> &dyn SigningKey {
        let signs = |signature: &Signature| signature.key_flags().sign();
        let subkeys = self.key.secret_subkeys.iter();
        let subkeys = subkeys.filter(|subkey| subkey.signatures.iter().any(signs));
        match subkeys.max_by_key(|subkey| subkey.key.created_at()) {
            Some(subkey) => &subkey.key,
            None => &self.key.primary_key,
        }
    }

    /// Whether the part that signs needs a passphrase.
    fn is_locked(&self) -> bool {
        let wanted = self.secret().fingerprint();
        let subkeys = self.key.secret_subkeys.iter().map(|subkey| &subkey.key);
        let subkey = subkeys.filter(|key| key.fingerprint() == wanted).last();
        let primary = &self.key.primary_key;
        subkey.map_or(primary.secret_params(), |key| key.secret_params()).is_encrypted()
    }

    fn failed(&self, error: &pgp::errors::Error) -> OpenPgpError {
        OpenPgpError::Sign { fingerprint: self.fingerprint(), problem: error.to_string() }
    }
}
