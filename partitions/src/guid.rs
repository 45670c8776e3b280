//! GUIDs in the byte order of UEFI.

use std::fmt;
use std::str::FromStr;

/// A GUID as it lies on disk (UEFI 2.11, appendix A): the first three fields little-endian, the
/// rest byte for byte. Text is the usual `C12A7328-F81F-11D2-BA4B-00A0C93EC93B`.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Guid(pub [u8; 16]);

/// The digit groups of the text form, as positions of bytes on disk.
const TEXT_ORDER: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
/// Bytes of the text form that a hyphen stands in front of.
const HYPHENS: [usize; 4] = [4, 6, 8, 10];

impl Guid {
    /// All zeros: an unused partition entry's type.
    pub const NIL: Self = Self([0; 16]);

    /// A GUID that depends on `parts` alone: equal parts, equal GUID. It is a version 8 UUID
    /// (RFC 9562, section 5.8) made of the BLAKE3 hash of the parts, each preceded by its length
    /// as 64 bits, so `["ab", "c"]` and `["a", "bc"]` differ.
    #[must_use]
    pub fn from_content(parts: &[&[u8]]) -> Self {
        let mut hasher = blake3::Hasher::new();
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        let mut text = [0; 16];
        text.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        text[6] = 0x80 | text[6] & 0x0F;
        text[8] = 0x80 | text[8] & 0x3F;
        Self::from_text_order(text)
    }

    /// From the sixteen bytes in the order in which the text form shows them (RFC 9562).
    #[must_use]
    pub const fn from_text_order(text: [u8; 16]) -> Self {
        let mut bytes = [0; 16];
        let mut at = 0;
        while at < 16 {
            bytes[TEXT_ORDER[at]] = text[at];
            at += 1;
        }
        Self(bytes)
    }

    /// Whether it is all zeros.
    #[must_use]
    pub fn is_nil(&self) -> bool {
        *self == Self::NIL
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, place) in TEXT_ORDER.iter().enumerate() {
            if HYPHENS.contains(&at) {
                f.write_str("-")?;
            }
            write!(f, "{:02X}", self.0[*place])?;
        }
        Ok(())
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Guid({self})")
    }
}

/// The text is no GUID.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a GUID such as C12A7328-F81F-11D2-BA4B-00A0C93EC93B")]
pub struct GuidParseError {
    /// What was to be parsed, at most 64 characters of it.
    text: String,
}

impl FromStr for Guid {
    type Err = GuidParseError;

    fn from_str(text: &str) -> Result<Self, GuidParseError> {
        parse(text.as_bytes())
            .map(Self::from_text_order)
            .ok_or_else(|| GuidParseError { text: text.chars().take(64).collect() })
    }
}

fn parse(mut text: &[u8]) -> Option<[u8; 16]> {
    let mut bytes = [0; 16];
    for (at, byte) in bytes.iter_mut().enumerate() {
        if HYPHENS.contains(&at) {
            text = text.strip_prefix(b"-")?;
        }
        let (digits, rest) = text.split_first_chunk::<2>()?;
        *byte = digit(digits[0])? << 4 | digit(digits[1])?;
        text = rest;
    }
    text.is_empty().then_some(bytes)
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_bytes_are_mixed_endian() {
        let text = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B";
        let guid: Guid = text.parse().unwrap();
        assert_eq!(
            guid.0,
            [
                0x28, 0x73, 0x2A, 0xC1, 0x1F, 0xF8, 0xD2, 0x11, 0xBA, 0x4B, 0x00, 0xA0, 0xC9, 0x3E,
                0xC9, 0x3B
            ]
        );
        assert_eq!(guid.to_string(), text);
        assert_eq!(text.to_lowercase().parse(), Ok(guid));
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "C12A7328",
            "C12A7328-F81F-11D2-BA4B-00A0C93EC93",
            "C12A7328-F81F-11D2-BA4B-00A0C93EC93B0",
            "C12A7328F81F11D2BA4B00A0C93EC93B",
            "G12A7328-F81F-11D2-BA4B-00A0C93EC93B",
        ] {
            assert!(text.parse::<Guid>().is_err(), "{text}");
        }
        let error = "x".parse::<Guid>().unwrap_err();
        assert_eq!(
            error.to_string(),
            r#""x" is not a GUID such as C12A7328-F81F-11D2-BA4B-00A0C93EC93B"#
        );
    }

    #[test]
    fn content_guids_are_stable_and_separate_their_parts() {
        let guid = Guid::from_content(&[b"disk", b"a"]);
        assert_eq!(guid, Guid::from_content(&[b"disk", b"a"]));
        assert_ne!(guid, Guid::from_content(&[b"dis", b"ka"]));
        let text = guid.to_string();
        assert_eq!(&text[14..15], "8");
        assert!(matches!(&text[19..20], "8" | "9" | "A" | "B"));
    }
}
