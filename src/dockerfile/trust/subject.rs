//! The hash of a certificate's subject by which OpenSSL finds it in a folder: the first four bytes
//! of the SHA-1 of the name in canonical form (`X509_NAME_hash`, `openssl x509 -subject_hash`).
//!
//! The canonical form: every text becomes UTF-8, its ASCII letters small, white space at its ends
//! gone and runs of it one space; the names' parts are encoded one after another, without the
//! sequence around them.

use bootwright_uki::hash::Hash;

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const UTF8_STRING: u8 = 12;
const VERSION: u8 = 0xa0;

/// The subject's hash; `None` when the bytes are no certificate.
#[must_use]
pub fn subject_hash(der: &[u8]) -> Option<u32> {
    let canonical = canonical(subject(der)?)?;
    let digest = Hash::Sha1.digest(&[&canonical]);
    Some(u32::from_le_bytes(digest.first_chunk().copied()?))
}

/// The content of the subject's sequence.
fn subject(der: &[u8]) -> Option<&[u8]> {
    let (certificate, _) = expect(der, SEQUENCE)?;
    let (mut fields, _) = expect(certificate, SEQUENCE)?;
    if fields.first() == Some(&VERSION) {
        fields = element(fields)?.2;
    }
    // Serial number, algorithm, issuer, validity.
    for _ in 0..4 {
        fields = element(fields)?.2;
    }
    Some(expect(fields, SEQUENCE)?.0)
}

fn canonical(mut name: &[u8]) -> Option<Vec<u8>> {
    let mut canonical = Vec::new();
    while !name.is_empty() {
        let (mut set, rest) = expect(name, SET)?;
        name = rest;
        let mut attributes = Vec::new();
        while !set.is_empty() {
            let (attribute, rest) = expect(set, SEQUENCE)?;
            set = rest;
            attributes.push(canonical_attribute(attribute)?);
        }
        // DER orders the elements of a set.
        attributes.sort();
        put(&mut canonical, SET, &attributes.concat());
    }
    Some(canonical)
}

fn canonical_attribute(attribute: &[u8]) -> Option<Vec<u8>> {
    let (_, _, after) = element(attribute)?;
    let oid = &attribute[..attribute.len() - after.len()];
    let (tag, value, rest) = element(after)?;
    let mut content = oid.to_vec();
    match text(tag, value) {
        Some(text) => put(&mut content, UTF8_STRING, squeezed(&text).as_bytes()),
        None => content.extend_from_slice(&after[..after.len() - rest.len()]),
    }
    let mut encoded = Vec::new();
    put(&mut encoded, SEQUENCE, &content);
    Some(encoded)
}

/// A text of one of the types that have a canonical form.
fn text(tag: u8, value: &[u8]) -> Option<String> {
    let latin1 = |bytes: &[u8]| bytes.iter().map(|byte| char::from(*byte)).collect();
    match tag {
        UTF8_STRING => Some(String::from_utf8_lossy(value).into_owned()),
        // PrintableString, T61String, IA5String, VisibleString.
        19 | 20 | 22 | 26 => Some(latin1(value)),
        // UniversalString.
        28 => value
            .as_chunks::<4>()
            .0
            .iter()
            .map(|unit| char::from_u32(u32::from_be_bytes(*unit)))
            .collect(),
        // BMPString, which has no surrogates.
        30 => value
            .as_chunks::<2>()
            .0
            .iter()
            .map(|unit| char::from_u32(u16::from_be_bytes(*unit).into()))
            .collect(),
        _ => None,
    }
}

fn squeezed(text: &str) -> String {
    let is_space = |c: char| c.is_ascii_whitespace() || c == '\u{b}';
    let words: Vec<String> =
        text.split(is_space).filter(|word| !word.is_empty()).map(str::to_ascii_lowercase).collect();
    words.join(" ")
}

/// Tag, content and what follows the first element.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (len, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first - 0x80))?;
            (bytes.iter().fold(0, |len, byte| len << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(len)?;
    Some((tag, content, rest))
}

fn expect(der: &[u8], wanted: u8) -> Option<(&[u8], &[u8])> {
    let (tag, content, rest) = element(der)?;
    (tag == wanted).then_some((content, rest))
}

fn put(out: &mut Vec<u8>, tag: u8, content: &[u8]) {
    out.push(tag);
    match u8::try_from(content.len()) {
        Ok(len) if len < 0x80 => out.push(len),
        _ => {
            let bytes = content.len().to_be_bytes();
            let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
            let used = &bytes[zeros..];
            out.push(0x80 | u8::try_from(used.len()).unwrap_or_default());
            out.extend_from_slice(used);
        }
    }
    out.extend_from_slice(content);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_squeezed_to_small_words() {
        assert_eq!(squeezed("  Acme \t  CORP\u{b}Ä "), "acme corp Ä");
        assert_eq!(text(30, &[0, b'A', 0x20, 0xac]).unwrap(), "A€");
        assert_eq!(text(20, &[0xe4]).unwrap(), "ä");
        assert_eq!(text(3, &[0]), None);
    }

    #[test]
    fn what_is_no_certificate_has_no_hash() {
        for bytes in [&b""[..], b"\x30", b"\x30\x84\xff\xff\xff\xff", b"\x30\x80\0\0", &[0x30; 64]]
        {
            assert_eq!(subject_hash(bytes), None);
        }
        let mut long = Vec::new();
        put(&mut long, SET, &[0; 300]);
        assert_eq!(long[..4], [SET, 0x82, 1, 44]);
        assert_eq!(element(&long).unwrap().1.len(), 300);
    }
}
