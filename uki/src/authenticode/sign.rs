//! Signing an image in its file.

use std::io::{Read, Seek, SeekFrom, Write};

use bootwright_image::Timestamp;
use der::Encode;

use super::digest::Map;
use super::{AuthenticodeError, TABLE_LEN_MAX, spc};
use crate::cms::{self, Content, Plan};
use crate::hash::Hash;
use crate::pe::format::{certificate, optional};
use crate::signer::{Identity, SignError};

/// How to sign.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// When the image is said to be signed. `None` says nothing, so that the same image and key
    /// give the same bytes; firmware does not look.
    pub time: Option<Timestamp>,
}

/// Adds a signature to the image that the first `len` bytes of `file` are, behind those it has. The file is padded to eight bytes, the checksum is made right. Returns the new length.
///
/// # Errors
/// [`AuthenticodeError`]; an image with gaps between sections is refused.
pub fn sign<F: Read + Write + Seek>(
    file: &mut F,
    len: u64,
    identity: &Identity,
    options: Options,
) -> Result<u64, AuthenticodeError> {
    let map = Map::read(file, len)?;
    let (digest, checksum) = map.digest(file, Hash::Sha256)?;
    let mut table = read_table(file, &map)?;
    let octets = spc::encode(&digest.try_into().unwrap_or_default()).map_err(SignError::from)?;
    let content =
        Content::Attached { kind: spc::INDIRECT_DATA, octets: &octets, time: options.time };
    let signed = Plan::new(content).map_err(SignError::from)?.sign(identity)?;
    let der = cms::wrap(&signed).and_then(|info| info.to_der()).map_err(SignError::from)?;
    table.extend(entry(&der));
    write_table(file, map, &table, checksum)
}

/// Makes the checksum of the image that the first `len` bytes of `file` are right, and pads it to
/// eight bytes. Returns its new length.
///
/// # Errors
/// [`AuthenticodeError`].
pub fn seal<F: Read + Write + Seek>(file: &mut F, len: u64) -> Result<u64, AuthenticodeError> {
    let map = Map::read(file, len)?;
    let (_, checksum) = map.digest(file, Hash::Sha256)?;
    let table = read_table(file, &map)?;
    write_table(file, map, &table, checksum)
}

/// Takes the last signature off the image that the first `len` bytes of `file` are. Returns the
/// length that is left; what lies behind it is no longer part of the image. An image without
/// signatures stays as it is.
///
/// # Errors
/// [`AuthenticodeError`].
pub fn unsign<F: Read + Write + Seek>(file: &mut F, len: u64) -> Result<u64, AuthenticodeError> {
    let map = Map::read(file, len)?;
    let table = read_table(file, &map)?;
    let kept = last_entry(&table).ok_or(AuthenticodeError::Table {
        problem: "its entries do not fit it",
        offset: map.table.start,
        len: table.len() as u64,
        file_len: map.file_len,
    })?;
    let mut headers = map.headers;
    let len = u32::try_from(kept).unwrap_or_default();
    let address = if len == 0 { 0 } else { u32::try_from(map.table.start).unwrap_or_default() };
    headers.set_directory(optional::SECURITY, address, len);
    file.seek(SeekFrom::Start(0))?;
    file.write_all(headers.as_bytes())?;
    Ok(map.table.start + u64::from(len))
}

/// Where the last entry of a table begins; zero for a table without entries.
fn last_entry(table: &[u8]) -> Option<usize> {
    let (mut at, mut last) = (0, 0);
    while at < table.len() {
        last = at;
        let len = table.get(at..)?.first_chunk().map(|len| u32::from_le_bytes(*len))?;
        let len = usize::try_from(len).ok().filter(|len| *len >= certificate::HEADER_LEN)?;
        at = at.checked_add(len.next_multiple_of(8))?;
    }
    (at == table.len()).then_some(last)
}

/// Asks `identity` to sign the image, and changes nothing: a [`Detached`](crate::signer::Detached)
/// signer writes down what it has to sign.
///
/// # Errors
/// [`AuthenticodeError`].
pub fn request<F: Read + Seek>(
    file: &mut F,
    len: u64,
    identity: &Identity,
) -> Result<(), AuthenticodeError> {
    let digest = Map::read(file, len)?.digest(file, Hash::Sha256)?.0;
    let message = message(&digest.try_into().unwrap_or_default()).map_err(SignError::from)?;
    identity.signer().sign(Hash::Sha256, &message)?;
    Ok(())
}

/// What a signature of an image with that digest is over, without a time: DER attributes.
///
/// # Errors
/// What the encoder reports.
pub fn message(digest: &[u8; 32]) -> der::Result<Vec<u8>> {
    let octets = spc::encode(digest)?;
    let content = Content::Attached { kind: spc::INDIRECT_DATA, octets: &octets, time: None };
    Ok(Plan::new(content)?.into_message())
}

/// `WIN_CERTIFICATE` around a signature, padded.
fn entry(der: &[u8]) -> Vec<u8> {
    let len = (certificate::HEADER_LEN + der.len()).next_multiple_of(8);
    let mut entry = Vec::with_capacity(len);
    entry.extend(u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes());
    entry.extend(certificate::REVISION_2.to_le_bytes());
    entry.extend(certificate::PKCS_SIGNED_DATA.to_le_bytes());
    entry.extend(der);
    entry.resize(len, 0);
    entry
}

/// The certificate table as it is, padded.
pub(super) fn read_table<F: Read + Seek>(
    file: &mut F,
    map: &Map,
) -> Result<Vec<u8>, AuthenticodeError> {
    let mut table = vec![0; usize::try_from(map.table.end - map.table.start).unwrap_or_default()];
    file.seek(SeekFrom::Start(map.table.start))?;
    file.read_exact(&mut table)?;
    table.resize(table.len().next_multiple_of(8), 0);
    Ok(table)
}

fn write_table<F: Read + Write + Seek>(
    file: &mut F,
    map: Map,
    table: &[u8],
    mut checksum: crate::pe::Checksum,
) -> Result<u64, AuthenticodeError> {
    let (start, padding) = (map.table.start, map.padding());
    let offset = start + padding as u64;
    let (Ok(address), Ok(len)) = (u32::try_from(offset), u32::try_from(table.len())) else {
        return Err(table_too_long(&map, table));
    };
    if table.len() as u64 > TABLE_LEN_MAX {
        return Err(table_too_long(&map, table));
    }
    let mut headers = map.headers;
    if len != 0 {
        headers.set_directory(optional::SECURITY, address, len);
    }
    // The sum does not depend on the order of words, so the table and its directory entry, which
    // counted as zeros, are added at the end; the length is that of the file.
    checksum.update(table);
    if len != 0 {
        checksum.add_words(&[address.to_le_bytes(), len.to_le_bytes()].concat());
    }
    headers.set_optional(optional::CHECKSUM, checksum.finish());
    file.seek(SeekFrom::Start(start))?;
    file.write_all(&[0; 8][..padding])?;
    file.write_all(table)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(headers.as_bytes())?;
    let end = offset + table.len() as u64;
    file.seek(SeekFrom::Start(end))?;
    Ok(end)
}

fn table_too_long(map: &Map, table: &[u8]) -> AuthenticodeError {
    AuthenticodeError::Table {
        problem: "it is longer than 1 MiB",
        offset: map.table.start,
        len: table.len() as u64,
        file_len: map.file_len,
    }
}
