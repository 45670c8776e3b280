//! RSA private keys in PEM.

use std::fmt;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa;
use aws_lc_rs::signature::{
    self, KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512,
};
use der::asn1::{AnyRef, ObjectIdentifier, OctetStringRef, UintRef};
use der::pem::{self as der_pem, LineEnding};
use der::{Reader, Sequence, SliceReader};
use zeroize::Zeroizing;

use super::pem::{self, Block};
use super::{KEY_BITS_MIN, SignError, Signer, sha1};
use crate::hash::Hash;
use crate::public_key::{PublicKey, PublicKeyError};

const PKCS1_LABEL: &str = "RSA PRIVATE KEY";
const PKCS8_LABEL: &str = "PRIVATE KEY";
const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// `PrivateKeyInfo` of RFC 5208, without attributes.
#[derive(Debug, Sequence)]
struct PrivateKeyInfo<'a> {
    version: u8,
    algorithm: Algorithm<'a>,
    private_key: OctetStringRef<'a>,
}

#[derive(Debug, Sequence)]
struct Algorithm<'a> {
    oid: ObjectIdentifier,
    parameters: Option<AnyRef<'a>>,
}

/// The first fields of `RSAPrivateKey` (RFC 8017, appendix A.1.2).
pub(super) struct Numbers<'a> {
    pub(super) modulus: UintRef<'a>,
    pub(super) private_exponent: UintRef<'a>,
}

impl<'a> Numbers<'a> {
    pub(super) fn parse(pkcs1: &'a [u8]) -> der::Result<Self> {
        let mut reader = SliceReader::new(pkcs1)?;
        reader.sequence(|fields| {
            let _version: u8 = fields.decode()?;
            let modulus = fields.decode()?;
            let _public_exponent: UintRef<'_> = fields.decode()?;
            let private_exponent = fields.decode()?;
            // The primes and what follows from them.
            while !fields.is_finished() {
                let _: AnyRef<'_> = fields.decode()?;
            }
            Ok(Self { modulus, private_exponent })
        })
    }
}

/// Why a private key cannot be used. The key itself is never part of a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// No private key in the text.
    #[error("no PEM private key: {problem}")]
    Missing {
        /// What there is instead.
        problem: String,
    },
    /// The key is protected by a passphrase.
    #[error("the private key is encrypted: decrypt it first, or sign detached")]
    Encrypted,
    /// Another algorithm than RSA.
    #[error("the private key is for {algorithm}: only RSA is supported")]
    Algorithm {
        /// The PEM label or the object identifier.
        algorithm: String,
    },
    /// Too short to be safe, and shorter than firmware and TPMs take.
    #[error("the private key has {bits} bits: {KEY_BITS_MIN} is the least")]
    TooSmall {
        /// Bits of its modulus.
        bits: usize,
    },
    /// The key is damaged.
    #[error("the private key is damaged: {problem}")]
    Malformed {
        /// What is wrong.
        problem: String,
    },
    /// The system's source of randomness failed.
    #[error("cannot generate a key")]
    Generate,
    /// Its public half is of no use.
    #[error("the public half of the private key cannot be used")]
    Public(#[from] PublicKeyError),
}

/// Lengths of keys that can be generated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RsaBits {
    /// 2048 bits: what all firmware takes.
    #[default]
    Rsa2048,
    /// 3072 bits.
    Rsa3072,
    /// 4096 bits. Old firmware does not take it.
    Rsa4096,
}

/// An RSA private key in memory. It is wiped when dropped, and never shown.
pub struct PrivateKey {
    pair: rsa::KeyPair,
    /// `RSAPrivateKey`, DER.
    pkcs1: Zeroizing<Vec<u8>>,
    public: PublicKey,
}

impl PrivateKey {
    /// Makes a new key from the system's randomness.
    ///
    /// # Errors
    /// [`KeyError::Generate`].
    pub fn generate(bits: RsaBits) -> Result<Self, KeyError> {
        let size = match bits {
            RsaBits::Rsa2048 => rsa::KeySize::Rsa2048,
            RsaBits::Rsa3072 => rsa::KeySize::Rsa3072,
            RsaBits::Rsa4096 => rsa::KeySize::Rsa4096,
        };
        let pair = rsa::KeyPair::generate(size).map_err(|_| KeyError::Generate)?;
        let pkcs8 = pair.as_der().map_err(|_| KeyError::Generate)?;
        Self::from_pkcs8(pkcs8.as_ref())
    }

    /// Reads the first private key of a PEM text: PKCS #8 or PKCS #1, not encrypted.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn from_pem(pem: &[u8]) -> Result<Self, KeyError> {
        let text = std::str::from_utf8(pem)
            .map_err(|_| KeyError::Missing { problem: "the file is no text".to_owned() })?;
        let labels = || pem::blocks(text).map(|block| block.label).collect::<Vec<_>>().join(", ");
        let block = pem::blocks(text)
            .find(|block| block.label.ends_with("PRIVATE KEY"))
            .ok_or_else(|| KeyError::Missing { problem: format!("it holds: {:?}", labels()) })?;
        if block.is_encrypted() {
            return Err(KeyError::Encrypted);
        }
        let decode = |block: Block<'_>| block.decode().map(Zeroizing::new).map_err(malformed);
        match block.label {
            PKCS8_LABEL => Self::from_pkcs8(&decode(block)?),
            PKCS1_LABEL => Self::from_pkcs1(&decode(block)?),
            other => Err(KeyError::Algorithm { algorithm: other.to_owned() }),
        }
    }

    fn from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        let mut reader = SliceReader::new(der).map_err(malformed)?;
        // Attributes may follow what is looked at, so the sequence is not decoded as a whole.
        let info = reader.sequence(|fields| {
            let info = PrivateKeyInfo {
                version: fields.decode()?,
                algorithm: fields.decode()?,
                private_key: fields.decode()?,
            };
            while !fields.is_finished() {
                let _: AnyRef<'_> = fields.decode()?;
            }
            Ok(info)
        });
        let info = info.map_err(malformed)?;
        if info.algorithm.oid != RSA_ENCRYPTION {
            return Err(KeyError::Algorithm { algorithm: info.algorithm.oid.to_string() });
        }
        Self::from_pkcs1(info.private_key.as_bytes())
    }

    fn from_pkcs1(der: &[u8]) -> Result<Self, KeyError> {
        let numbers = Numbers::parse(der).map_err(malformed)?;
        let modulus = numbers.modulus.as_bytes();
        let leading = modulus.first().map_or(0, |first| first.leading_zeros() as usize);
        let bits = (modulus.len() * 8).saturating_sub(leading);
        if bits < KEY_BITS_MIN {
            return Err(KeyError::TooSmall { bits });
        }
        let pair = rsa::KeyPair::from_der(der).map_err(malformed)?;
        let public = PublicKey::from_pkcs1(pair.public_key().as_ref())?;
        Ok(Self { pair, pkcs1: Zeroizing::new(der.to_vec()), public })
    }

    /// PKCS #8 in PEM, not encrypted, with a newline at the end.
    ///
    /// # Errors
    /// [`KeyError::Malformed`]; never for a key that was read.
    pub fn to_pem(&self) -> Result<Zeroizing<String>, KeyError> {
        let der = self.pair.as_der().map_err(malformed)?;
        let pem = der_pem::encode_string(PKCS8_LABEL, LineEnding::LF, der.as_ref());
        pem.map(Zeroizing::new).map_err(malformed)
    }
}

impl Signer for PrivateKey {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, hash: Hash, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let failed = || SignError::Key { public: self.public.fingerprint(), source: None };
        let padding: &dyn signature::RsaEncoding = match hash {
            Hash::Sha1 => return sha1::sign(&self.pkcs1, message).ok_or_else(failed),
            Hash::Sha256 => &RSA_PKCS1_SHA256,
            Hash::Sha384 => &RSA_PKCS1_SHA384,
            Hash::Sha512 => &RSA_PKCS1_SHA512,
        };
        let mut signature = vec![0; self.pair.public_modulus_len()];
        let random = SystemRandom::new();
        self.pair.sign(padding, &random, message, &mut signature).map_err(|_| failed())?;
        Ok(signature)
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey")
            .field("public", &self.public.fingerprint())
            .finish_non_exhaustive()
    }
}

#[expect(clippy::needless_pass_by_value, reason = "what map_err hands over")]
fn malformed(problem: impl ToString) -> KeyError {
    KeyError::Malformed { problem: problem.to_string() }
}
