//! Reading signed data and checking its signature.

use cms::cert::CertificateChoices;
use cms::content_info::{CmsVersion, ContentInfo};
use cms::signed_data::{SignedData, SignerIdentifier, SignerInfo};
use der::asn1::{ObjectIdentifier, OctetStringRef};
use der::{Decode, Encode, Tag, Tagged};
use x509_cert::spki::AlgorithmIdentifierOwned;

use super::{ID_CONTENT_TYPE, ID_MESSAGE_DIGEST, ID_SIGNED_DATA, digest_oid};
use crate::certificate::{Certificate, CertificateError, with_rsa};
use crate::hash::Hash;
use crate::public_key::rsa_encryption;

/// Why signed data is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CmsError {
    /// Not the structure it should be.
    #[error("no CMS signed data: {problem}")]
    Malformed {
        /// What is wrong.
        problem: String,
    },
    /// A certificate in it cannot be read.
    #[error("a certificate of the signature cannot be read")]
    Certificate(#[from] CertificateError),
    /// Something that firmware does not take, or that is not supported.
    #[error("the signature {problem}")]
    Unsupported {
        /// What is unusual.
        problem: String,
    },
    /// The digest it signs is not that of the content.
    #[error("the signature is for another content")]
    Digest,
    /// The signature is not one by the key of its certificate.
    #[error("the signature is not by the key of its certificate {subject:?}")]
    Signature {
        /// The certificate's subject.
        subject: String,
    },
}

fn malformed(problem: impl std::fmt::Display) -> CmsError {
    CmsError::Malformed { problem: problem.to_string() }
}

fn unsupported(problem: impl Into<String>) -> CmsError {
    CmsError::Unsupported { problem: problem.into() }
}

/// Signed data with one signer. Its parts can be looked at before it is known to be good.
#[derive(Clone, Debug)]
pub struct Signed {
    data: SignedData,
    signer_info: SignerInfo,
    signer: Certificate,
    others: Vec<Certificate>,
    hash: Hash,
}

impl Signed {
    /// Reads signed data, bare as in authenticated variables or wrapped in a `ContentInfo` as in
    /// Authenticode. Bytes behind it do not count.
    ///
    /// # Errors
    /// [`CmsError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, CmsError> {
        let bytes = first_element(bytes)?;
        let data = match ContentInfo::from_der(bytes) {
            Ok(info) if info.content_type == ID_SIGNED_DATA => info.content.decode_as(),
            Ok(info) => return Err(malformed(format!("content type {}", info.content_type))),
            Err(_) => SignedData::from_der(bytes),
        };
        Self::new(data.map_err(malformed)?)
    }

    fn new(data: SignedData) -> Result<Self, CmsError> {
        if data.version != CmsVersion::V1 {
            return Err(unsupported(format!("has version {:?}, 1 is usual", data.version)));
        }
        let [signer_info] = data.signer_infos.0.as_slice() else {
            let count = data.signer_infos.0.len();
            return Err(unsupported(format!("has {count} signers: exactly one is possible")));
        };
        let signer_info = signer_info.clone();
        if signer_info.version != CmsVersion::V1 {
            return Err(unsupported("names its signer in a way that firmware does not know"));
        }
        let hash = hash_of(signer_info.digest_alg.oid)?;
        check_algorithms(&data, &signer_info, hash)?;
        let mut certificates = Vec::new();
        for choice in data.certificates.iter().flat_map(|set| set.0.iter()) {
            if let CertificateChoices::Certificate(certificate) = choice {
                certificates.push(Certificate::new(certificate.clone())?);
            }
        }
        let index = certificates.iter().position(|certificate| names(&signer_info, certificate));
        let signer = index.map(|index| certificates.remove(index));
        let signer = signer.ok_or_else(|| unsupported("does not hold its signer's certificate"))?;
        Ok(Self { data, signer_info, signer, others: certificates, hash })
    }

    /// The certificate of the signer.
    #[must_use]
    pub fn signer(&self) -> &Certificate {
        &self.signer
    }

    /// Other certificates in it.
    #[must_use]
    pub fn certificates(&self) -> &[Certificate] {
        &self.others
    }

    /// What the content is hashed with.
    #[must_use]
    pub fn hash(&self) -> Hash {
        self.hash
    }

    /// The type of what is signed.
    pub(crate) fn content_type(&self) -> ObjectIdentifier {
        self.data.encap_content_info.econtent_type
    }

    /// Whether what is signed lies in the signed data.
    pub(crate) fn has_content(&self) -> bool {
        self.data.encap_content_info.econtent.is_some()
    }

    /// The octets inside the signed data's own content, if it has one and that is a sequence.
    pub(crate) fn content(&self) -> Option<&[u8]> {
        let content = self.data.encap_content_info.econtent.as_ref()?;
        (content.tag() == Tag::Sequence).then(|| content.value())
    }

    /// Whether the signature is one over `content`, by the key of the signer's certificate. Who
    /// that is must be asked separately.
    ///
    /// # Errors
    /// [`CmsError::Digest`] and [`CmsError::Signature`].
    pub fn check(&self, content: &[u8]) -> Result<(), CmsError> {
        let attributes;
        let message = match &self.signer_info.signed_attrs {
            None => content,
            Some(signed) => {
                self.check_attributes(content)?;
                attributes = signed.to_der().map_err(malformed)?;
                &attributes
            }
        };
        let key = self.signer.public_key().map_err(malformed)?;
        if key.verifies(self.hash, message, self.signer_info.signature.as_bytes()) {
            Ok(())
        } else {
            Err(CmsError::Signature { subject: self.signer.subject() })
        }
    }

    fn check_attributes(&self, content: &[u8]) -> Result<(), CmsError> {
        let attribute = |oid| {
            let all = self.signer_info.signed_attrs.iter().flat_map(|set| set.iter());
            let attribute = all.clone().find(|attribute| attribute.oid == oid);
            attribute.and_then(|attribute| attribute.values.get(0))
        };
        let kind = attribute(ID_CONTENT_TYPE).map(der::Any::decode_as::<ObjectIdentifier>);
        if kind != Some(Ok(self.content_type())) {
            return Err(unsupported("signs another content type than it has"));
        }
        let digest = attribute(ID_MESSAGE_DIGEST).map(der::Any::decode_as::<OctetStringRef<'_>>);
        match digest {
            Some(Ok(digest)) if digest.as_bytes() == self.hash.digest(&[content]) => Ok(()),
            _ => Err(CmsError::Digest),
        }
    }
}

/// The algorithms are said several times, once where no signature covers them: they must agree.
fn check_algorithms(data: &SignedData, info: &SignerInfo, hash: Hash) -> Result<(), CmsError> {
    let plain = |algorithm: &AlgorithmIdentifierOwned| {
        algorithm.parameters.as_ref().is_none_or(der::Any::is_null)
    };
    let signature = &info.signature_algorithm;
    let with_hash = signature.oid == with_rsa(hash);
    if data.digest_algorithms.iter().any(|a| a.oid != info.digest_alg.oid || !plain(a))
        || data.digest_algorithms.len() != 1
        || !plain(&info.digest_alg)
        || !plain(signature)
        || !(signature.oid == rsa_encryption().oid || with_hash)
    {
        return Err(unsupported("names algorithms that do not go together"));
    }
    Ok(())
}

/// Whether `certificate` is the one a signer info is about.
fn names(info: &SignerInfo, certificate: &Certificate) -> bool {
    let tbs = &certificate.parsed.tbs_certificate;
    match &info.sid {
        SignerIdentifier::IssuerAndSerialNumber(id) => {
            id.issuer == tbs.issuer && id.serial_number == tbs.serial_number
        }
        SignerIdentifier::SubjectKeyIdentifier(_) => false,
    }
}

pub(crate) fn hash_of(oid: ObjectIdentifier) -> Result<Hash, CmsError> {
    // SHA-1 is not among them: firmware no longer takes it.
    [Hash::Sha256, Hash::Sha384, Hash::Sha512]
        .into_iter()
        .find(|hash| digest_oid(*hash) == oid)
        .ok_or_else(|| unsupported(format!("is over a digest of the kind {oid}")))
}

/// The first DER element: certificate tables pad theirs with zeros.
fn first_element(bytes: &[u8]) -> Result<&[u8], CmsError> {
    let mut reader = der::SliceReader::new(bytes).map_err(malformed)?;
    der::Reader::tlv_bytes(&mut reader).map_err(malformed)
}
