//! RSA public keys.

use aws_lc_rs::signature::{self, RsaParameters, UnparsedPublicKey};
use der::asn1::{BitString, ObjectIdentifier, UintRef};
use der::pem::{self, LineEnding};
use der::{Decode, Encode, Sequence};
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};

use crate::hash::{Hash, hex, sha256};

const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const PEM_LABEL: &str = "PUBLIC KEY";

/// The algorithm identifier of RSA keys and of PKCS #1 v1.5 signatures in CMS.
pub(crate) fn rsa_encryption() -> AlgorithmIdentifierOwned {
    AlgorithmIdentifierOwned { oid: RSA_ENCRYPTION, parameters: Some(der::Any::null()) }
}

/// `RSAPublicKey` of RFC 8017.
#[derive(Clone, Copy, Debug, Sequence)]
struct RsaPublicKey<'a> {
    modulus: UintRef<'a>,
    exponent: UintRef<'a>,
}

/// Why bytes are no usable public key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublicKeyError {
    /// Another algorithm than RSA.
    #[error("the key's algorithm is {oid}: only RSA (1.2.840.113549.1.1.1) is supported")]
    Algorithm {
        /// Its object identifier.
        oid: String,
    },
    /// Not the structure it should be.
    #[error("no RSA public key: {problem}")]
    Malformed {
        /// What is wrong.
        problem: String,
    },
}

/// An RSA public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    /// `RSAPublicKey`, DER.
    pkcs1: Vec<u8>,
    modulus: Vec<u8>,
}

impl PublicKey {
    /// A key in the form of RFC 8017: a sequence of modulus and exponent, DER.
    ///
    /// # Errors
    /// [`PublicKeyError::Malformed`].
    pub fn from_pkcs1(der: &[u8]) -> Result<Self, PublicKeyError> {
        let key = RsaPublicKey::from_der(der).map_err(malformed)?;
        Ok(Self { pkcs1: der.to_vec(), modulus: key.modulus.as_bytes().to_vec() })
    }

    /// A key from its modulus and public exponent, big-endian.
    ///
    /// # Errors
    /// [`PublicKeyError::Malformed`].
    pub fn from_numbers(modulus: &[u8], exponent: &[u8]) -> Result<Self, PublicKeyError> {
        let number = |bytes| UintRef::new(bytes).map_err(malformed);
        let key = RsaPublicKey { modulus: number(modulus)?, exponent: number(exponent)? };
        Self::from_pkcs1(&key.to_der().map_err(malformed)?)
    }

    /// A `SubjectPublicKeyInfo`, DER.
    ///
    /// # Errors
    /// [`PublicKeyError`].
    pub fn from_spki(der: &[u8]) -> Result<Self, PublicKeyError> {
        Self::from_info(&SubjectPublicKeyInfoOwned::from_der(der).map_err(malformed)?)
    }

    /// A `PUBLIC KEY` in PEM, such as the content of a `.pcrpkey` section.
    ///
    /// # Errors
    /// [`PublicKeyError`].
    pub fn from_pem(pem: &[u8]) -> Result<Self, PublicKeyError> {
        match pem::decode_vec(pem).map_err(malformed)? {
            (PEM_LABEL, der) => Self::from_spki(&der),
            (label, _) => Err(malformed(format!("the PEM label is {label:?}"))),
        }
    }

    pub(crate) fn from_info(info: &SubjectPublicKeyInfoOwned) -> Result<Self, PublicKeyError> {
        if info.algorithm.oid != RSA_ENCRYPTION {
            return Err(PublicKeyError::Algorithm { oid: info.algorithm.oid.to_string() });
        }
        let key = info.subject_public_key.as_bytes();
        Self::from_pkcs1(key.ok_or_else(|| malformed("its bits are no whole bytes"))?)
    }

    pub(crate) fn to_info(&self) -> der::Result<SubjectPublicKeyInfoOwned> {
        Ok(SubjectPublicKeyInfoOwned {
            algorithm: rsa_encryption(),
            subject_public_key: BitString::from_bytes(&self.pkcs1)?,
        })
    }

    /// `RSAPublicKey`, DER.
    #[must_use]
    pub fn as_pkcs1(&self) -> &[u8] {
        &self.pkcs1
    }

    /// `SubjectPublicKeyInfo` in PEM with a newline at the end: the content of `.pcrpkey`.
    ///
    /// # Errors
    /// Never for a key that was read; the encoder's error otherwise.
    pub fn to_pem(&self) -> Result<String, PublicKeyError> {
        let der = self.to_info().and_then(|info| info.to_der()).map_err(malformed)?;
        pem::encode_string(PEM_LABEL, LineEnding::LF, &der).map_err(malformed)
    }

    /// Length of the modulus in bits.
    #[must_use]
    pub fn bits(&self) -> usize {
        let first = self.modulus.first().copied().unwrap_or_default();
        (self.modulus.len() * 8).saturating_sub(first.leading_zeros() as usize)
    }

    /// Length of a signature in bytes.
    #[must_use]
    pub fn signature_len(&self) -> usize {
        self.modulus.len()
    }

    /// SHA-256 of [`as_pkcs1`](Self::as_pkcs1) as hexadecimal digits: `pkfp` of a `.pcrsig`.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        hex(&sha256(&[&self.pkcs1]))
    }

    /// Whether `signature` is one of `message` by this key (RSASSA-PKCS1-v1_5).
    #[must_use]
    pub fn verifies(&self, hash: Hash, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(parameters(hash), &self.pkcs1).verify(message, signature).is_ok()
    }
}

fn parameters(hash: Hash) -> &'static RsaParameters {
    match hash {
        Hash::Sha1 => &signature::RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
        Hash::Sha256 => &signature::RSA_PKCS1_2048_8192_SHA256,
        Hash::Sha384 => &signature::RSA_PKCS1_2048_8192_SHA384,
        Hash::Sha512 => &signature::RSA_PKCS1_2048_8192_SHA512,
    }
}

#[expect(clippy::needless_pass_by_value, reason = "what map_err hands over")]
fn malformed(problem: impl ToString) -> PublicKeyError {
    PublicKeyError::Malformed { problem: problem.to_string() }
}
