//! X.509 certificates as Secure Boot uses them.

use std::fmt;

use bootwright_image::Timestamp;
use der::asn1::ObjectIdentifier;
use der::pem::LineEnding;
use der::{Decode, Encode, EncodePem};

use crate::hash::{Hash, hex, sha256};
use crate::public_key::{PublicKey, PublicKeyError};

const SHA256_WITH_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11");
const SHA384_WITH_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.12");
const SHA512_WITH_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.13");
/// Certificates between a signer's and a trusted one.
const CHAIN_MAX: usize = 8;

/// Why bytes are no certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no X.509 certificate: {problem}")]
pub struct CertificateError {
    /// What is wrong.
    pub problem: String,
}

/// A certificate. Equal means: the same bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    der: Vec<u8>,
    pub(crate) parsed: x509_cert::Certificate,
}

impl Certificate {
    /// Reads DER.
    ///
    /// # Errors
    /// [`CertificateError`]; also for bytes that are BER but not DER, which no signature covers
    /// unambiguously.
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        let parsed = x509_cert::Certificate::from_der(der).map_err(malformed)?;
        if parsed.to_der().map_err(malformed)? != der {
            return Err(malformed("it is not encoded as DER demands"));
        }
        Ok(Self { der: der.to_vec(), parsed })
    }

    /// Reads PEM: at least one certificate, the signer's first. Text between them is skipped.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn from_pem(pem: &[u8]) -> Result<Vec<Self>, CertificateError> {
        let text = std::str::from_utf8(pem).map_err(malformed)?;
        let blocks = crate::signer::pem::blocks(text).filter(|block| block.label == "CERTIFICATE");
        let certificates: Vec<Self> = blocks
            .map(|block| Self::from_der(&block.decode().map_err(malformed)?))
            .collect::<Result<_, _>>()?;
        if certificates.is_empty() {
            return Err(malformed("no CERTIFICATE in the PEM file"));
        }
        Ok(certificates)
    }

    pub(crate) fn new(parsed: x509_cert::Certificate) -> Result<Self, CertificateError> {
        Ok(Self { der: parsed.to_der().map_err(malformed)?, parsed })
    }

    /// DER.
    #[must_use]
    pub fn as_der(&self) -> &[u8] {
        &self.der
    }

    /// PEM with a newline at the end.
    ///
    /// # Errors
    /// What the encoder reports; never for a certificate that was read.
    pub fn to_pem(&self) -> Result<String, CertificateError> {
        self.parsed.to_pem(LineEnding::LF).map_err(malformed)
    }

    /// The subject's name (RFC 4514).
    #[must_use]
    pub fn subject(&self) -> String {
        self.parsed.tbs_certificate.subject.to_string()
    }

    /// The issuer's name (RFC 4514).
    #[must_use]
    pub fn issuer(&self) -> String {
        self.parsed.tbs_certificate.issuer.to_string()
    }

    /// The serial number as hexadecimal digits.
    #[must_use]
    pub fn serial(&self) -> String {
        hex(self.parsed.tbs_certificate.serial_number.as_bytes())
    }

    /// First and last second of validity. Firmware does not look at them.
    #[must_use]
    pub fn validity(&self) -> (Timestamp, Timestamp) {
        let validity = &self.parsed.tbs_certificate.validity;
        let seconds = |time: x509_cert::time::Time| {
            Timestamp(i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX))
        };
        (seconds(validity.not_before), seconds(validity.not_after))
    }

    /// SHA-256 of the DER.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        sha256(&[&self.der])
    }

    /// The key it is for.
    ///
    /// # Errors
    /// [`PublicKeyError`], for keys that are not RSA.
    pub fn public_key(&self) -> Result<PublicKey, PublicKeyError> {
        PublicKey::from_info(&self.parsed.tbs_certificate.subject_public_key_info)
    }

    /// Whether `issuer` issued it: the names fit and the signature is `issuer`'s. RSA with
    /// SHA-256, 384 or 512.
    #[must_use]
    pub fn is_issued_by(&self, issuer: &Self) -> bool {
        let names = self.parsed.tbs_certificate.issuer == issuer.parsed.tbs_certificate.subject;
        let algorithm = self.parsed.signature_algorithm.oid;
        let hashes = [Hash::Sha256, Hash::Sha384, Hash::Sha512];
        let Some(hash) = hashes.into_iter().find(|hash| with_rsa(*hash) == algorithm) else {
            return false;
        };
        let (Ok(key), Ok(message), Some(signature)) = (
            issuer.public_key(),
            self.parsed.tbs_certificate.to_der(),
            self.parsed.signature.as_bytes(),
        ) else {
            return false;
        };
        // Said twice, once where the signature does not cover it.
        let agree = self.parsed.signature_algorithm == self.parsed.tbs_certificate.signature;
        names && agree && key.verifies(hash, &message, signature)
    }

    /// Which of `anchors` makes this certificate trusted, as firmware sees it: the certificate
    /// itself, or one that issued it or an intermediate one from `between`. Dates and usages do
    /// not count.
    #[must_use]
    pub fn trusted_by<'a>(&self, between: &[Self], anchors: &'a [Self]) -> Option<&'a Self> {
        let mut current = self;
        for _ in 0..CHAIN_MAX {
            let anchor = anchors.iter().find(|anchor| *anchor == current);
            let anchor = anchor.or_else(|| anchors.iter().find(|a| current.is_issued_by(a)));
            if anchor.is_some() {
                return anchor;
            }
            current = between.iter().find(|c| *c != current && current.is_issued_by(c))?;
        }
        None
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("subject", &self.subject())
            .field("serial", &self.serial())
            .finish_non_exhaustive()
    }
}

/// The algorithm of an RSA signature over such a digest. There is none over SHA-1 here.
pub(crate) fn with_rsa(hash: Hash) -> ObjectIdentifier {
    match hash {
        Hash::Sha1 | Hash::Sha256 => SHA256_WITH_RSA,
        Hash::Sha384 => SHA384_WITH_RSA,
        Hash::Sha512 => SHA512_WITH_RSA,
    }
}

/// sha256WithRSAEncryption, for certificates we issue.
pub(crate) fn sha256_with_rsa() -> x509_cert::spki::AlgorithmIdentifierOwned {
    x509_cert::spki::AlgorithmIdentifierOwned {
        oid: SHA256_WITH_RSA,
        parameters: Some(der::Any::null()),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "what map_err hands over")]
fn malformed(problem: impl ToString) -> CertificateError {
    CertificateError { problem: problem.to_string() }
}
