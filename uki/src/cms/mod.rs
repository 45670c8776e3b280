//! Signed data of CMS (RFC 5652) as firmware takes it: one signer, RSA with SHA-256.

mod build;
mod verify;

use cms::content_info::{CmsVersion, ContentInfo};
use der::asn1::ObjectIdentifier;

use crate::hash::Hash;

pub(crate) use build::{Content, Plan};
pub(crate) use verify::hash_of;
pub use verify::{CmsError, Signed};

/// `id-data`: the content is just bytes.
pub(crate) const ID_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
const ID_SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const ID_CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
const ID_MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");
const ID_SIGNING_TIME: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.5");
pub(crate) const ID_SHA256: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
const ID_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.2");
const ID_SHA512: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.3");

const ID_SHA1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.14.3.2.26");

/// The object identifier of a hash function.
pub(crate) fn digest_oid(hash: Hash) -> ObjectIdentifier {
    match hash {
        Hash::Sha1 => ID_SHA1,
        Hash::Sha256 => ID_SHA256,
        Hash::Sha384 => ID_SHA384,
        Hash::Sha512 => ID_SHA512,
    }
}

/// Signed data in the envelope that Authenticode has and authenticated variables have not.
pub(crate) fn wrap(signed: &::cms::signed_data::SignedData) -> der::Result<ContentInfo> {
    debug_assert_eq!(signed.version, CmsVersion::V1);
    Ok(ContentInfo { content_type: ID_SIGNED_DATA, content: der::Any::encode_from(signed)? })
}
