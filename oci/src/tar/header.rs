//! The 512-byte header block.

use super::BLOCK;
use crate::error::{Problem, escape};

/// A header block; see POSIX.1-2017, "ustar Interchange Format".
pub(super) struct Header<'a>(pub(super) &'a [u8; BLOCK]);

/// Which dialect's fields follow the v7 ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    /// Nothing follows.
    V7,
    /// Device numbers and a prefix of the name.
    Ustar,
    /// Like ustar, with a shorter prefix before the access and change times.
    Star,
    /// Device numbers; times, sparse maps and others in place of the prefix.
    Gnu,
}

impl Header<'_> {
    pub(super) fn is_zero(&self) -> bool {
        self.0.iter().all(|byte| *byte == 0)
    }

    /// Compares the stored checksum with the sum of the bytes, the checksum's own counted as
    /// spaces. Some old tars summed up signed bytes.
    pub(super) fn verify(&self) -> Result<(), Problem> {
        let stored = &self.0[148..156];
        let others = || self.0[..148].iter().chain(&self.0[156..]);
        let unsigned: u32 = others().map(|byte| u32::from(*byte)).sum::<u32>() + 8 * 32;
        let signed: i64 = others().map(|byte| i64::from(byte.cast_signed())).sum::<i64>() + 8 * 32;
        match number(stored) {
            Some(sum) if sum == i64::from(unsigned) || sum == signed => Ok(()),
            _ => Err(Problem::Checksum { found: escape(text(stored)), actual: unsigned }),
        }
    }

    fn dialect(&self) -> Dialect {
        match &self.0[257..265] {
            b"ustar  \0" => Dialect::Gnu,
            magic if magic.starts_with(b"ustar\0") => match &self.0[508..512] {
                b"tar\0" => Dialect::Star,
                _ => Dialect::Ustar,
            },
            _ => Dialect::V7,
        }
    }

    pub(super) fn flag(&self) -> u8 {
        self.0[156]
    }

    /// The name with its prefix.
    pub(super) fn name(&self) -> Vec<u8> {
        let prefix = match self.dialect() {
            Dialect::Ustar => text(&self.0[345..500]),
            Dialect::Star => text(&self.0[345..476]),
            Dialect::V7 | Dialect::Gnu => b"",
        };
        let name = text(&self.0[..100]);
        if prefix.is_empty() { name.to_vec() } else { [prefix, b"/", name].concat() }
    }

    pub(super) fn link_name(&self) -> Vec<u8> {
        text(&self.0[157..257]).to_vec()
    }

    pub(super) fn mode(&self) -> Result<u16, Problem> {
        let mode = self.unsigned("mode", 100..108)?;
        Ok(u16::try_from(mode & 0o7777).unwrap_or_default())
    }

    pub(super) fn uid(&self) -> Result<u32, Problem> {
        self.id("uid", 108..116)
    }

    pub(super) fn gid(&self) -> Result<u32, Problem> {
        self.id("gid", 116..124)
    }

    pub(super) fn size(&self) -> Result<u64, Problem> {
        self.unsigned("size", 124..136)
    }

    pub(super) fn mtime(&self) -> Result<i64, Problem> {
        self.signed("mtime", 136..148)
    }

    /// Major and minor number.
    pub(super) fn device(&self) -> Result<(u64, u64), Problem> {
        match self.dialect() {
            Dialect::V7 => Ok((0, 0)),
            _ => Ok((self.unsigned("devmajor", 329..337)?, self.unsigned("devminor", 337..345)?)),
        }
    }

    fn id(&self, field: &'static str, range: std::ops::Range<usize>) -> Result<u32, Problem> {
        let id = self.signed(field, range)?;
        u32::try_from(id).map_err(|_| Problem::Number { field, found: id.to_string() })
    }

    fn unsigned(&self, field: &'static str, range: std::ops::Range<usize>) -> Result<u64, Problem> {
        let value = self.signed(field, range)?;
        u64::try_from(value).map_err(|_| Problem::Number { field, found: value.to_string() })
    }

    fn signed(&self, field: &'static str, range: std::ops::Range<usize>) -> Result<i64, Problem> {
        let bytes = &self.0[range];
        number(bytes).ok_or_else(|| Problem::Number { field, found: escape(text(bytes)) })
    }
}

/// The bytes of a field up to its first NUL.
pub(super) fn text(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// A numeric field: octal digits between spaces and NULs (none at all count as 0), or GNU's
/// base-256: a big-endian two's complement number whose top bit is set as a mark.
pub(super) fn number(field: &[u8]) -> Option<i64> {
    if field.first().is_some_and(|byte| byte & 0x80 != 0) {
        let negative = field[0] & 0x40 != 0;
        let start = i128::from(field[0] & 0x3f) - if negative { 0x40 } else { 0 };
        let value = field[1..].iter().fold(start, |value, byte| value << 8 | i128::from(*byte));
        return i64::try_from(value).ok();
    }
    let pad = |byte: &&u8| matches!(**byte, b' ' | 0);
    let start = field.iter().take_while(pad).count();
    let end = field.len() - field[start..].iter().rev().take_while(pad).count();
    // A NUL ends the digits even if something follows it.
    let digits = text(&field[start..end]);
    let digits = digits.trim_ascii_end();
    digits.iter().try_fold(0i64, |value, digit| match digit {
        b'0'..=b'7' => value.checked_mul(8)?.checked_add(i64::from(digit - b'0')),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_octal_or_base_256() {
        for (field, value) in [
            (&b"0000644\0"[..], Some(0o644)),
            (b"   644 \0", Some(0o644)),
            (b"644\0junk", Some(0o644)),
            (b"\0\0\0\0\0\0\0\0", Some(0)),
            (b"        ", Some(0)),
            (b"77777777777\0", Some(0o77777777777)),
            (b"777777777777", Some(0o777777777777)),
            (b"0000x44\0", None),
            (b"-1\0\0\0\0\0\0", None),
            (b"6 44\0\0\0\0", None),
            (b"\x80\0\0\0\0\0\0\x01", Some(1)),
            (b"\x80\0\0\x02\0\0\0\0", Some(1 << 33)),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff", Some(-1)),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe", Some(-2)),
            (b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", Some(i64::MAX)),
            (b"\x80\0\0\0\x80\0\0\0\0\0\0\0", None),
            (b"\xbf\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", None),
        ] {
            assert_eq!(number(field), value, "{field:?}");
        }
    }

    #[test]
    fn both_checksums_are_accepted() {
        let mut block = [0u8; BLOCK];
        block[..3].copy_from_slice(b"a\xffb");
        assert!(Header(&block).verify().is_err());
        for sum in [97 + 255 + 98 + 256, 97 - 1 + 98 + 256] {
            block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
            assert_eq!(Header(&block).verify(), Ok(()));
        }
        block[148..156].copy_from_slice(b"000001\0 ");
        let message = Header(&block).verify().unwrap_err().to_string();
        assert_eq!(message, "header checksum is 000001, the bytes sum up to 706");
    }
}
