//! rpm's databases: headers of packages in an SQLite database or in rpm's own.

mod header;
mod ndb;
mod sqlite;

use super::component::Component;

/// What is wrong with a database.
pub(super) type Problem = &'static str;

/// The packages of `rpmdb.sqlite`.
pub(super) fn parse_sqlite(bytes: &[u8]) -> Result<Vec<Component>, Problem> {
    sqlite::blobs(bytes, b"Packages")?
        .iter()
        .filter_map(|blob| parse_header(blob).transpose())
        .collect()
}

/// The packages of `Packages.db`.
pub(super) fn parse_ndb(bytes: &[u8]) -> Result<Vec<Component>, Problem> {
    ndb::blobs(bytes)?.into_iter().filter_map(|blob| parse_header(blob).transpose()).collect()
}

/// The package of a header; none for a key, which is kept like a package.
pub(super) fn parse_header(bytes: &[u8]) -> Result<Option<Component>, Problem> {
    header::component(bytes)
}

/// The big-endian 32-bit number at `offset`.
fn be32(bytes: &[u8], offset: usize) -> Option<u32> {
    bytes.get(offset..)?.first_chunk().copied().map(u32::from_be_bytes)
}

/// The little-endian 32-bit number at `offset`.
fn le32(bytes: &[u8], offset: usize) -> Option<u32> {
    bytes.get(offset..)?.first_chunk().copied().map(u32::from_le_bytes)
}
