//! `EFI_SIGNATURE_LIST`: the content of `PK`, `KEK`, `db` and `dbx`.

use super::Guid;
use crate::certificate::Certificate;

/// `EFI_CERT_X509_GUID`: each entry is a certificate.
pub const SIGNATURE_X509: Guid =
    Guid::new(0xA5C0_59A1, 0x94E4, 0x4AA7, [0x87, 0xB5, 0xAB, 0x15, 0x5C, 0x2B, 0xF0, 0x72]);
/// `EFI_CERT_SHA256_GUID`: each entry is the digest of an image.
pub const SIGNATURE_SHA256: Guid =
    Guid::new(0xC1C4_1626, 0x504C, 0x4092, [0xAC, 0xA9, 0x41, 0xF9, 0x36, 0x93, 0x43, 0x28]);

/// Type, list size, header size, signature size.
const HEADER_LEN: usize = 28;
const OWNER_LEN: usize = 16;
/// More entries than any list has: `dbx` has some hundreds.
const ENTRIES_MAX: usize = 1 << 16;

/// One entry of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Who put it there.
    pub owner: Guid,
    /// The certificate or the digest.
    pub data: Vec<u8>,
}

/// A list of entries of one type and one length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureList {
    /// What its entries are.
    pub kind: Guid,
    /// The type's own header; no type in use has one.
    pub header: Vec<u8>,
    /// At least one.
    pub entries: Vec<Entry>,
}

/// Why bytes are no signature lists, or lists cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EslError {
    /// The sizes of a list contradict each other or the bytes there are.
    #[error("signature list at byte {offset}: {problem}")]
    Malformed {
        /// Where the list begins.
        offset: usize,
        /// What is wrong.
        problem: &'static str,
    },
    /// The entries of a list have different lengths, or it has none.
    #[error("a signature list needs entries of one length")]
    Entries,
    /// A list is larger than its size field can say.
    #[error("a signature list of {len} bytes: 4294967295 is the limit")]
    TooLarge {
        /// Its length.
        len: usize,
    },
}

impl SignatureList {
    /// A list of its own for one certificate.
    #[must_use]
    pub fn certificate(owner: Guid, certificate: &Certificate) -> Self {
        let entries = vec![Entry { owner, data: certificate.as_der().to_vec() }];
        Self { kind: SIGNATURE_X509, header: Vec::new(), entries }
    }
}

/// The lists, one after the other: the content of a variable, and of an `.esl` file.
///
/// # Errors
/// [`EslError::Entries`] and [`EslError::TooLarge`].
pub fn write_lists(lists: &[SignatureList]) -> Result<Vec<u8>, EslError> {
    let mut bytes = Vec::new();
    for list in lists {
        let data_len = list.entries.first().map(|entry| entry.data.len());
        let data_len = data_len.filter(|len| list.entries.iter().all(|e| e.data.len() == *len));
        let entry_len = OWNER_LEN + data_len.ok_or(EslError::Entries)?;
        let len = HEADER_LEN + list.header.len() + entry_len * list.entries.len();
        let [len, header_len, entry_len] = [len, list.header.len(), entry_len]
            .map(|len| u32::try_from(len).map_err(|_| EslError::TooLarge { len }));
        bytes.extend(list.kind.to_bytes());
        for field in [len?, header_len?, entry_len?] {
            bytes.extend(field.to_le_bytes());
        }
        bytes.extend(&list.header);
        for entry in &list.entries {
            bytes.extend(entry.owner.to_bytes());
            bytes.extend(&entry.data);
        }
    }
    Ok(bytes)
}

/// Reads lists until the end of the bytes. No bytes are no lists, as in an empty `dbx`.
///
/// # Errors
/// [`EslError::Malformed`].
pub fn read_lists(bytes: &[u8]) -> Result<Vec<SignatureList>, EslError> {
    let mut lists = Vec::new();
    let mut offset = 0;
    while offset < bytes.len() {
        let (list, len) = read_list(&bytes[offset..])
            .map_err(|problem| EslError::Malformed { offset, problem })?;
        lists.push(list);
        offset += len;
    }
    Ok(lists)
}

fn read_list(bytes: &[u8]) -> Result<(SignatureList, usize), &'static str> {
    let cut = "its header is cut off";
    let kind = Guid::from_bytes(*bytes.first_chunk().ok_or(cut)?);
    let number = |at: usize| -> Result<usize, &'static str> {
        let bytes = bytes.get(at..).and_then(<[u8]>::first_chunk).ok_or(cut)?;
        usize::try_from(u32::from_le_bytes(*bytes)).map_err(|_| cut)
    };
    let (len, header_len, entry_len) = (number(16)?, number(20)?, number(24)?);
    let list = bytes.get(..len).ok_or("it is longer than what is there")?;
    let body = list.get(HEADER_LEN..).ok_or("it is shorter than its header")?;
    let header = body.get(..header_len).ok_or("its type's header is longer than the list")?;
    let entries = &body[header_len..];
    if entry_len <= OWNER_LEN || entries.is_empty() || !entries.len().is_multiple_of(entry_len) {
        return Err("its length is not that of whole entries");
    }
    if entries.len() / entry_len > ENTRIES_MAX {
        return Err("it has more than 65536 entries");
    }
    let entries = entries.chunks_exact(entry_len).filter_map(|entry| {
        let (owner, data) = entry.split_first_chunk()?;
        Some(Entry { owner: Guid::from_bytes(*owner), data: data.to_vec() })
    });
    Ok((SignatureList { kind, header: header.to_vec(), entries: entries.collect() }, len))
}

/// The certificates in lists, in order. An entry that is none, though it should be, is left out.
#[must_use]
pub fn certificates(lists: &[SignatureList]) -> Vec<Certificate> {
    let x509 = lists.iter().filter(|list| list.kind == SIGNATURE_X509);
    let entries = x509.flat_map(|list| &list.entries);
    entries.filter_map(|entry| Certificate::from_der(&entry.data).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(lengths: &[usize]) -> SignatureList {
        let owner = SIGNATURE_X509;
        let entries = lengths.iter().map(|len| Entry { owner, data: vec![7; *len] });
        SignatureList { kind: SIGNATURE_SHA256, header: vec![], entries: entries.collect() }
    }

    #[test]
    fn what_is_written_is_read() {
        let lists = [list(&[32, 32]), list(&[1])];
        let bytes = write_lists(&lists).unwrap();
        assert_eq!(bytes.len(), 28 + 2 * 48 + 28 + 17);
        assert_eq!(read_lists(&bytes).unwrap(), lists);
        assert_eq!(read_lists(&[]).unwrap(), []);
    }

    #[test]
    fn sizes_that_do_not_fit_are_refused() {
        assert_eq!(write_lists(&[list(&[])]), Err(EslError::Entries));
        assert_eq!(write_lists(&[list(&[1, 2])]), Err(EslError::Entries));
        let good = write_lists(&[list(&[32])]).unwrap();
        for (at, value, problem) in [
            (16, 77, "it is longer than what is there"),
            (16, 27, "it is shorter than its header"),
            (20, 49, "its type's header is longer than the list"),
            (24, 47, "its length is not that of whole entries"),
            (24, 16, "its length is not that of whole entries"),
            (24, 0, "its length is not that of whole entries"),
        ] {
            let mut bytes = good.clone();
            bytes[at..at + 4].copy_from_slice(&u32::to_le_bytes(value));
            let expected = EslError::Malformed { offset: 0, problem };
            assert_eq!(read_lists(&bytes), Err(expected), "{at} {value}");
        }
        for len in 1..good.len() {
            assert!(read_lists(&good[..len]).is_err(), "{len}");
        }
    }
}
