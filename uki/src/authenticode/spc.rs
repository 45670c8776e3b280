//! `SpcIndirectDataContent`: the digest of an image as Authenticode signs it.

use der::asn1::{AnyRef, ObjectIdentifier, OctetStringRef};
use der::{Decode, Encode, Reader, Sequence, SliceReader};
use x509_cert::spki::AlgorithmIdentifierOwned;

use crate::cms::ID_SHA256;

/// `SPC_INDIRECT_DATA_OBJID`.
pub(super) const INDIRECT_DATA: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.2.1.4");

/// `SpcAttributeTypeAndOptionalValue`: page hashes are not used, the file is `<<<Obsolete>>>`,
/// as every signer writes it.
const PE_IMAGE_DATA: [u8; 53] = *b"\x30\x33\
    \x06\x0A\x2B\x06\x01\x04\x01\x82\x37\x02\x01\x0F\
    \x30\x25\x03\x01\x00\xA0\x20\xA2\x1E\x80\x1C\
    \0<\0<\0<\0O\0b\0s\0o\0l\0e\0t\0e\0>\0>\0>";

#[derive(Sequence)]
struct DigestInfo<'a> {
    algorithm: AlgorithmIdentifierOwned,
    digest: OctetStringRef<'a>,
}

/// The octets of the structure, without the outer tag and length: what the `messageDigest`
/// attribute is over.
pub(super) fn encode(digest: &[u8; 32]) -> der::Result<Vec<u8>> {
    let algorithm = AlgorithmIdentifierOwned { oid: ID_SHA256, parameters: Some(der::Any::null()) };
    let info = DigestInfo { algorithm, digest: OctetStringRef::new(digest)? };
    let mut octets = PE_IMAGE_DATA.to_vec();
    info.encode_to_vec(&mut octets)?;
    Ok(octets)
}

/// The digest's algorithm and the digest.
pub(super) fn decode(octets: &[u8]) -> der::Result<(ObjectIdentifier, Vec<u8>)> {
    let mut reader = SliceReader::new(octets)?;
    let _image_data: AnyRef<'_> = reader.decode()?;
    let info = DigestInfo::decode(&mut reader)?;
    reader.finish((info.algorithm.oid, info.digest.as_bytes().to_vec()))
}
