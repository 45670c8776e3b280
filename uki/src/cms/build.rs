//! What is signed, and the structure around the signature.

use bootwright_image::Timestamp;
use cms::cert::{CertificateChoices, IssuerAndSerialNumber};
use cms::content_info::CmsVersion;
use cms::signed_data::{
    CertificateSet, EncapsulatedContentInfo, SignedAttributes, SignedData, SignerIdentifier,
    SignerInfo, SignerInfos,
};
use der::asn1::{Any, ObjectIdentifier, OctetString, SetOfVec, UtcTime};
use der::{DateTime, Encode, Tag};
use x509_cert::attr::Attribute;
use x509_cert::spki::AlgorithmIdentifierOwned;

use super::{ID_CONTENT_TYPE, ID_DATA, ID_MESSAGE_DIGEST, ID_SHA256, ID_SIGNING_TIME};
use crate::certificate::Certificate;
use crate::hash::{Hash, sha256};
use crate::public_key::rsa_encryption;
use crate::signer::{Identity, SignError};

/// What a signature is for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Content<'a> {
    /// The octets of a structure that goes into the signed data as a SEQUENCE; the signature is
    /// over attributes.
    Attached {
        kind: ObjectIdentifier,
        octets: &'a [u8],
        /// When it was signed; `None` leaves the attribute out.
        time: Option<Timestamp>,
    },
    /// Bytes that the verifier has; the signature is over them alone.
    Detached(&'a [u8]),
}

/// Everything but the signature.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    content: EncapsulatedContentInfo,
    attributes: Option<SignedAttributes>,
    message: Vec<u8>,
}

impl Plan {
    pub(crate) fn new(content: Content<'_>) -> der::Result<Self> {
        match content {
            Content::Detached(message) => Ok(Self {
                content: EncapsulatedContentInfo { econtent_type: ID_DATA, econtent: None },
                attributes: None,
                message: message.to_vec(),
            }),
            Content::Attached { kind, octets, time } => {
                let attributes = attributes(kind, octets, time)?;
                Ok(Self {
                    content: EncapsulatedContentInfo {
                        econtent_type: kind,
                        econtent: Some(Any::new(Tag::Sequence, octets)?),
                    },
                    message: attributes.to_der()?,
                    attributes: Some(attributes),
                })
            }
        }
    }

    /// What the signature is over.
    pub(crate) fn into_message(self) -> Vec<u8> {
        self.message
    }

    /// The signed data with `identity`'s signature and certificates.
    pub(crate) fn sign(self, identity: &Identity) -> Result<SignedData, SignError> {
        let signature = identity.signer().sign(Hash::Sha256, &self.message)?;
        let tbs = &identity.certificate().parsed.tbs_certificate;
        let signer = SignerInfo {
            version: CmsVersion::V1,
            sid: SignerIdentifier::IssuerAndSerialNumber(IssuerAndSerialNumber {
                issuer: tbs.issuer.clone(),
                serial_number: tbs.serial_number.clone(),
            }),
            digest_alg: sha256_algorithm(),
            signed_attrs: self.attributes,
            signature_algorithm: rsa_encryption(),
            signature: OctetString::new(signature)?,
            unsigned_attrs: None,
        };
        Ok(SignedData {
            version: CmsVersion::V1,
            digest_algorithms: SetOfVec::try_from(vec![sha256_algorithm()])?,
            encap_content_info: self.content,
            certificates: Some(certificates(identity)?),
            crls: None,
            signer_infos: SignerInfos(SetOfVec::try_from(vec![signer])?),
        })
    }
}

fn attributes(
    kind: ObjectIdentifier,
    octets: &[u8],
    time: Option<Timestamp>,
) -> der::Result<SignedAttributes> {
    let digest = OctetString::new(sha256(&[octets]))?;
    let mut attributes = vec![
        attribute(ID_CONTENT_TYPE, Any::encode_from(&kind)?)?,
        attribute(ID_MESSAGE_DIGEST, Any::encode_from(&digest)?)?,
    ];
    if let Some(time) = time {
        let time = std::time::Duration::from_secs(time.clamp_to_u32().into());
        let time = UtcTime::from_date_time(DateTime::from_unix_duration(time)?)?;
        attributes.push(attribute(ID_SIGNING_TIME, Any::encode_from(&time)?)?);
    }
    SetOfVec::try_from(attributes)
}

fn attribute(oid: ObjectIdentifier, value: Any) -> der::Result<Attribute> {
    Ok(Attribute { oid, values: SetOfVec::try_from(vec![value])? })
}

pub(super) fn sha256_algorithm() -> AlgorithmIdentifierOwned {
    AlgorithmIdentifierOwned { oid: ID_SHA256, parameters: Some(Any::null()) }
}

fn certificates(identity: &Identity) -> der::Result<CertificateSet> {
    let mut all: Vec<&Certificate> = vec![identity.certificate()];
    for certificate in identity.chain() {
        if !all.contains(&certificate) {
            all.push(certificate);
        }
    }
    let choices = all.into_iter().map(|c| CertificateChoices::Certificate(c.parsed.clone()));
    CertificateSet::try_from(choices.collect::<Vec<_>>())
}
