//! GUIDs as firmware stores them.

use std::fmt;
use std::str::FromStr;

/// A GUID. In bytes, its first three numbers are little-endian (UEFI 2.11, appendix A).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Guid([u8; 16]);

impl Guid {
    /// From its numbers and bytes as they are written.
    #[must_use]
    pub const fn new(a: u32, b: u16, c: u16, d: [u8; 8]) -> Self {
        let ([a0, a1, a2, a3], [b0, b1], [c0, c1]) =
            (a.to_le_bytes(), b.to_le_bytes(), c.to_le_bytes());
        Self([a0, a1, a2, a3, b0, b1, c0, c1, d[0], d[1], d[2], d[3], d[4], d[5], d[6], d[7]])
    }

    /// From bytes as firmware stores them.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// A version 4 GUID from random bytes.
    #[must_use]
    pub const fn from_random(mut bytes: [u8; 16]) -> Self {
        bytes[7] = bytes[7] & 0x0F | 0x40;
        bytes[8] = bytes[8] & 0x3F | 0x80;
        Self(bytes)
    }

    /// Bytes as firmware stores them.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let b = &self.0;
        write!(
            f,
            "{:02x}{:02x}{:02x}{:02x}-{:02x}{:02x}-{:02x}{:02x}-{:02x}{:02x}-",
            b[3], b[2], b[1], b[0], b[5], b[4], b[7], b[6], b[8], b[9]
        )?;
        b[10..].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A text is no GUID.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no GUID such as 8be4df61-93ca-11d2-aa0d-00e098032b8c: {text:?}")]
pub struct GuidError {
    text: String,
}

impl FromStr for Guid {
    type Err = GuidError;

    fn from_str(text: &str) -> Result<Self, GuidError> {
        parse(text).ok_or_else(|| GuidError { text: text.to_owned() })
    }
}

fn parse(text: &str) -> Option<Guid> {
    let groups: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    let digits = groups.concat();
    if lengths != [8, 4, 4, 4, 12] || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let tail = u64::from_str_radix(&digits[16..], 16).ok()?;
    let number = |from: usize, to: usize| u32::from_str_radix(&digits[from..to], 16).ok();
    let half = |from, to| number(from, to).and_then(|n| u16::try_from(n).ok());
    Some(Guid::new(number(0, 8)?, half(8, 12)?, half(12, 16)?, tail.to_be_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_bytes_are_in_their_orders() {
        let text = "8be4df61-93ca-11d2-aa0d-00e098032b8c";
        let guid: Guid = text.parse().unwrap();
        assert_eq!(guid, crate::efi::GLOBAL_VARIABLE);
        assert_eq!(guid.to_string(), text);
        assert_eq!(guid.to_bytes()[..6], [0x61, 0xDF, 0xE4, 0x8B, 0xCA, 0x93]);
        for wrong in ["", "8be4df61", "8be4df61-93ca-11d2-aa0d-00e098032b8", "é-é-é-é-é"] {
            assert!(wrong.parse::<Guid>().is_err(), "{wrong}");
        }
        let random = Guid::from_random([0xFF; 16]).to_string();
        assert_eq!(random, "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }
}
