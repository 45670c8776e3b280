//! Small archives in memory.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};

use crate::compression::{Compression, Decoder};
use crate::entry::clean;
use crate::error::{Error, escape};
use crate::limits::Limits;
use crate::tar::{MemberKind, Reader};

/// The regular files of a tar that is held in memory, plain or compressed with gzip, zstd or xz:
/// contents by paths without leading slashes. `name` is for errors. Links and everything else
/// is left out; [`Limits::inflated_bytes`] bounds the memory.
///
/// # Errors
/// [`Error`], when the archive is damaged or larger than allowed.
pub fn read_small_archive(
    bytes: &[u8],
    name: &str,
    limits: &Limits,
) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, Error> {
    let compression = Compression::detect(bytes);
    let failed = |source| Error::Decompress { input: name.to_owned(), compression, source };
    let mut plain = Vec::new();
    let decoder = Decoder::new(compression, Cursor::new(bytes)).map_err(failed)?;
    let limit = limits.inflated_bytes;
    decoder.take(limit.saturating_add(1)).read_to_end(&mut plain).map_err(failed)?;
    if plain.len() as u64 > limit {
        return Err(Error::Limit { what: "bytes in their uncompressed archives", limit });
    }
    let mut reader = Reader::new(&plain[..], name.into(), limits);
    let mut files = BTreeMap::new();
    let mut members = 0;
    while let Some(member) = reader.next()? {
        members += 1;
        if members > limits.entries {
            return Err(Error::Limit { what: "members", limit: limits.entries });
        }
        if member.kind != MemberKind::File || member.extents.is_some() {
            reader.content(&member, |_| ())?;
            continue;
        }
        let path = clean(&member.path, limits).map_err(|problem| Error::Member {
            input: name.into(),
            member: escape(&member.path),
            problem,
        })?;
        let mut content = Vec::new();
        reader.content(&member, |bytes| content.extend_from_slice(bytes))?;
        files.insert(path, content);
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_and_limits_kept() {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(4);
        builder.append_data(&mut header, "./a/b", &b"text"[..]).unwrap();
        header.set_size(0);
        header.set_entry_type(tar::EntryType::Symlink);
        builder.append_link(&mut header, "l", "a/b").unwrap();
        let bytes = zstd::encode_all(&builder.into_inner().unwrap()[..], 1).unwrap();
        let mut limits = Limits::default();
        let files = read_small_archive(&bytes, "x", &limits).unwrap();
        assert!(files.into_iter().eq([(b"a/b".to_vec(), b"text".to_vec())]));
        limits.inflated_bytes = 1024;
        let error = read_small_archive(&bytes, "x", &limits).unwrap_err().to_string();
        assert_eq!(error, "the inputs have more than 1024 bytes in their uncompressed archives");
        assert!(read_small_archive(&bytes[..bytes.len() - 1], "x", &Limits::default()).is_err());
    }
}
