//! Self-signed certificates as Secure Boot wants them (RFC 5280).

use std::time::Duration;

use bootwright_image::Timestamp;
use der::asn1::{Any, BitString, ObjectIdentifier, OctetString, SetOfVec, UtcTime, Utf8StringRef};
use der::{DateTime, Encode};
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::{AuthorityKeyIdentifier, BasicConstraints, SubjectKeyIdentifier};
use x509_cert::name::{RdnSequence, RelativeDistinguishedName};
use x509_cert::serial_number::SerialNumber;
use x509_cert::time::{Time, Validity as TimeRange};
use x509_cert::{TbsCertificate, Version};

use crate::certificate::{Certificate, sha256_with_rsa};
use crate::hash::Hash;
use crate::public_key::PublicKey;
use crate::signer::{SignError, Signer};

const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
const SUBJECT_KEY_ID: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.14");
const BASIC_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.19");
const AUTHORITY_KEY_ID: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.35");
/// The last second that a `UTCTime` can say: 2049-12-31 23:59:59.
const UTC_TIME_MAX: i64 = 2_524_607_999;

/// When a certificate is valid. Firmware does not look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The first second.
    pub from: Timestamp,
    /// The last second.
    pub until: Timestamp,
}

impl Validity {
    /// From `from`, for that many days.
    #[must_use]
    pub fn days(from: Timestamp, days: u32) -> Self {
        Self { from, until: Timestamp(from.0.saturating_add(i64::from(days) * 86_400)) }
    }
}

/// A self-signed CA certificate `CN=common_name` of the signer's key: SHA-256, with subject key
/// identifier, authority key identifier and critical basic constraints. `serial` has 20 bytes of
/// which the first bit is cleared, so that it is positive.
///
/// # Errors
/// [`SignError`].
pub fn self_signed(
    common_name: &str,
    validity: Validity,
    serial: [u8; 20],
    signer: &dyn Signer,
) -> Result<Certificate, SignError> {
    let name = name(common_name)?;
    let tbs = TbsCertificate {
        version: Version::V3,
        serial_number: serial_number(serial)?,
        signature: sha256_with_rsa(),
        issuer: name.clone(),
        validity: TimeRange { not_before: time(validity.from)?, not_after: time(validity.until)? },
        subject: name,
        subject_public_key_info: signer.public_key().to_info()?,
        issuer_unique_id: None,
        subject_unique_id: None,
        extensions: Some(extensions(signer.public_key())?),
    };
    let signature = signer.sign(Hash::Sha256, &tbs.to_der()?)?;
    let certificate = x509_cert::Certificate {
        tbs_certificate: tbs,
        signature_algorithm: sha256_with_rsa(),
        signature: BitString::from_bytes(&signature)?,
    };
    Certificate::new(certificate).map_err(|_| SignError::Encode(der::ErrorKind::Failed.into()))
}

fn name(common_name: &str) -> der::Result<RdnSequence> {
    let value = Any::encode_from(&Utf8StringRef::new(common_name)?)?;
    let attribute = AttributeTypeAndValue { oid: COMMON_NAME, value };
    Ok(RdnSequence(vec![RelativeDistinguishedName(SetOfVec::try_from(vec![attribute])?)]))
}

fn serial_number(mut bytes: [u8; 20]) -> der::Result<SerialNumber> {
    bytes[0] &= 0x7F;
    // No leading zeros: the shortest form is the only valid one.
    bytes[0] |= 0x40;
    SerialNumber::new(&bytes)
}

/// `UTCTime` up to 2049, `GeneralizedTime` later (RFC 5280, section 4.1.2.5).
fn time(at: Timestamp) -> der::Result<Time> {
    let seconds = Duration::from_secs(u64::try_from(at.0).unwrap_or(0));
    let date = DateTime::from_unix_duration(seconds)?;
    if at.0 <= UTC_TIME_MAX {
        Ok(Time::UtcTime(UtcTime::from_date_time(date)?))
    } else {
        Ok(Time::GeneralTime(date.into()))
    }
}

fn extensions(key: &PublicKey) -> der::Result<Vec<Extension>> {
    let id = OctetString::new(Hash::Sha1.digest(&[key.as_pkcs1()]))?;
    let authority =
        AuthorityKeyIdentifier { key_identifier: Some(id.clone()), ..Default::default() };
    let constraints = BasicConstraints { ca: true, path_len_constraint: None };
    let extension = |extn_id, critical, value: Vec<u8>| -> der::Result<Extension> {
        Ok(Extension { extn_id, critical, extn_value: OctetString::new(value)? })
    };
    Ok(vec![
        extension(SUBJECT_KEY_ID, false, SubjectKeyIdentifier(id).to_der()?)?,
        extension(AUTHORITY_KEY_ID, false, authority.to_der()?)?,
        extension(BASIC_CONSTRAINTS, true, constraints.to_der()?)?,
    ])
}
