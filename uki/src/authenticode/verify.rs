//! Reading and checking signatures.

use std::io::{Read, Seek};

use super::digest::Map;
use super::sign::read_table;
use super::{AuthenticodeError, spc};
use crate::certificate::Certificate;
use crate::cms::{CmsError, Signed};
use crate::hash::{Hash, hex};
use crate::pe::format::certificate;
use crate::pe::headers::{u16_at, u32_at};

/// A signature of an image.
#[derive(Clone, Debug)]
pub struct Signature {
    /// The signed data: who signed, with which certificates.
    pub signed: Signed,
    /// What the image is hashed with.
    pub hash: Hash,
    /// The digest that is signed.
    pub digest: Vec<u8>,
}

/// The signatures that the image in the first `len` bytes of `file` holds, unchecked.
///
/// # Errors
/// [`AuthenticodeError`]; an image without signatures gives none.
pub fn signatures<F: Read + Seek>(
    file: &mut F,
    len: u64,
) -> Result<Vec<Signature>, AuthenticodeError> {
    let map = Map::read(file, len)?;
    parse_table(&map, &read_table(file, &map)?)
}

/// Checks every signature of the image in the first `len` bytes of `file`, and that at least one is by a certificate in `anchors` or
/// issued by one, as firmware does with `db`.
///
/// # Errors
/// [`AuthenticodeError`].
pub fn verify<F: Read + Seek>(
    file: &mut F,
    len: u64,
    anchors: &[Certificate],
) -> Result<Vec<Signature>, AuthenticodeError> {
    let map = Map::read(file, len)?;
    let signatures = parse_table(&map, &read_table(file, &map)?)?;
    let mut digests: Vec<(Hash, Vec<u8>)> = Vec::new();
    for (index, Signature { signed, hash, digest }) in signatures.iter().enumerate() {
        if digests.iter().all(|(known, _)| known != hash) {
            digests.push((*hash, map.digest(file, *hash)?.0));
        }
        if let Some((_, actual)) = digests.iter().find(|(known, d)| known == hash && d != digest) {
            let (signed, actual) = (hex(digest), hex(actual));
            return Err(AuthenticodeError::Digest { index, signed, actual });
        }
        let content = signed.content().unwrap_or_default();
        signed.check(content).map_err(|source| AuthenticodeError::Signature { index, source })?;
    }
    if signatures.is_empty() {
        return Err(AuthenticodeError::Unsigned);
    }
    let trusted = |s: &Signature| s.signed.signer().trusted_by(s.signed.certificates(), anchors);
    if signatures.iter().all(|signature| trusted(signature).is_none()) {
        let signers: Vec<_> = signatures.iter().map(|s| s.signed.signer().subject()).collect();
        return Err(AuthenticodeError::Untrusted { signers: signers.join("; ") });
    }
    Ok(signatures)
}

fn parse_table(map: &Map, table: &[u8]) -> Result<Vec<Signature>, AuthenticodeError> {
    let wrong = |problem, at: usize| AuthenticodeError::Table {
        problem,
        offset: map.table.start + at as u64,
        len: (table.len() - at) as u64,
        file_len: map.file_len,
    };
    let mut signatures = Vec::new();
    let mut at = 0;
    while at < table.len() {
        let rest = &table[at..];
        let (Some(len), Some(revision), Some(kind)) =
            (u32_at(rest, 0), u16_at(rest, 4), u16_at(rest, 6))
        else {
            return Err(wrong("an entry's header is cut off", at));
        };
        let data = rest.get(certificate::HEADER_LEN..len as usize);
        let data = data.ok_or_else(|| wrong("an entry is cut off", at))?;
        if (revision, kind) != (certificate::REVISION_2, certificate::PKCS_SIGNED_DATA) {
            return Err(wrong("an entry is no Authenticode signature", at));
        }
        let index = signatures.len();
        let parsed = parse_signature(data);
        signatures.push(parsed.map_err(|source| AuthenticodeError::Signature { index, source })?);
        at += (len as usize).next_multiple_of(8);
    }
    Ok(signatures)
}

fn parse_signature(data: &[u8]) -> Result<Signature, CmsError> {
    let malformed = |problem: String| CmsError::Malformed { problem };
    let signed = Signed::parse(data)?;
    if signed.content_type() != spc::INDIRECT_DATA {
        return Err(malformed(format!("its content is {}", signed.content_type())));
    }
    let octets = signed.content().ok_or_else(|| malformed("it has no content".to_owned()))?;
    let (algorithm, digest) = spc::decode(octets).map_err(|error| malformed(error.to_string()))?;
    let hash = crate::cms::hash_of(algorithm)?;
    Ok(Signature { signed, hash, digest })
}
