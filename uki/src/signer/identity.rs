//! A key and the certificate that firmware knows it by.

use std::sync::Arc;

use bootwright_image::Timestamp;

use super::{KEY_BITS_MIN, Signer};
use crate::certificate::Certificate;
use crate::public_key::PublicKeyError;

/// Why a certificate and a key do not make an identity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// No certificate was given.
    #[error("no certificate")]
    Missing,
    /// The certificate is for another key.
    #[error("certificate {subject:?} is for the key {certified}, the private key is {key}")]
    Mismatch {
        /// The certificate's subject.
        subject: String,
        /// Fingerprint of the certificate's key.
        certified: String,
        /// Fingerprint of the key given.
        key: String,
    },
    /// The certificate's key is no RSA key.
    #[error("the key of certificate {subject:?} cannot be used")]
    Key {
        /// The certificate's subject.
        subject: String,
        /// The cause.
        source: PublicKeyError,
    },
    /// The key is too short.
    #[error("the key of certificate {subject:?} has {bits} bits: {KEY_BITS_MIN} is the least")]
    TooSmall {
        /// The certificate's subject.
        subject: String,
        /// Bits of the modulus.
        bits: usize,
    },
    /// The certificate is not valid at the time of the build.
    #[error("certificate {subject:?} {problem}: second {limit} of 1970, the build is at {at}")]
    Validity {
        /// The certificate's subject.
        subject: String,
        /// `expired` or `is not valid yet`.
        problem: &'static str,
        /// The end or the beginning of validity, in seconds since 1970.
        limit: i64,
        /// When it was to be used, in seconds since 1970.
        at: i64,
    },
}

/// A signer and its certificate, which were checked to belong together.
#[derive(Clone, Debug)]
pub struct Identity {
    certificate: Certificate,
    chain: Vec<Certificate>,
    signer: Arc<dyn Signer>,
}

impl Identity {
    /// `certificates` begins with the signer's own; others may follow that issued it.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub fn new(
        certificates: Vec<Certificate>,
        signer: Arc<dyn Signer>,
    ) -> Result<Self, IdentityError> {
        let mut chain = certificates.into_iter();
        let certificate = chain.next().ok_or(IdentityError::Missing)?;
        let subject = certificate.subject();
        let certified = certificate
            .public_key()
            .map_err(|source| IdentityError::Key { subject: subject.clone(), source })?;
        if certified != *signer.public_key() {
            let (certified, key) = (certified.fingerprint(), signer.public_key().fingerprint());
            return Err(IdentityError::Mismatch { subject, certified, key });
        }
        if certified.bits() < KEY_BITS_MIN {
            return Err(IdentityError::TooSmall { subject, bits: certified.bits() });
        }
        Ok(Self { certificate, chain: chain.collect(), signer })
    }

    /// Whether the certificate is valid at that time.
    ///
    /// # Errors
    /// [`IdentityError::Validity`].
    pub fn check_validity(&self, at: Timestamp) -> Result<(), IdentityError> {
        let (from, until) = self.certificate.validity();
        let (problem, limit) = if at < from {
            ("is not valid yet", from)
        } else if at > until {
            ("expired", until)
        } else {
            return Ok(());
        };
        let subject = self.certificate.subject();
        Err(IdentityError::Validity { subject, problem, limit: limit.0, at: at.0 })
    }

    /// The signer's certificate.
    #[must_use]
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Certificates that issued it, as far as they were given.
    #[must_use]
    pub fn chain(&self) -> &[Certificate] {
        &self.chain
    }

    /// The key.
    #[must_use]
    pub fn signer(&self) -> &dyn Signer {
        &*self.signer
    }
}
