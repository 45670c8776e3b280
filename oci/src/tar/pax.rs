//! Extended headers: records of keyword and value (POSIX.1-2017, "pax Header Block").

use std::collections::{BTreeMap, BTreeSet};

use super::sparse::Map;
use crate::error::{Problem, escape};
use crate::limits::Limits;

/// What extended headers say about a member.
#[derive(Clone, Debug, Default)]
pub(super) struct Pax {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) uid: Option<u32>,
    pub(super) gid: Option<u32>,
    pub(super) mtime: Option<i64>,
    /// Attributes that can be kept.
    pub(super) xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Names of attributes that cannot.
    pub(super) dropped: BTreeSet<Vec<u8>>,
    pub(super) sparse: Sparse,
}

/// The keywords `GNU.sparse.*`.
#[derive(Clone, Debug, Default)]
pub(super) struct Sparse {
    /// Format 1.0 begins the content with the map.
    pub(super) map_in_content: bool,
    pub(super) name: Option<Vec<u8>>,
    pub(super) real_size: Option<u64>,
    /// The map of formats 0.0 and 0.1.
    pub(super) map: Option<Map>,
    /// The offset whose length has not come yet (format 0.0).
    offset: Option<u64>,
}

impl Pax {
    /// Takes all records of one extended header. Later records win; an empty value takes back
    /// what was said before.
    pub(super) fn parse(&mut self, mut records: &[u8], limits: &Limits) -> Result<(), Problem> {
        while !records.is_empty() {
            let Record { keyword, value, rest } = record(records)?;
            self.apply(keyword, value, limits)?;
            records = rest;
        }
        Ok(())
    }

    fn apply(&mut self, keyword: &[u8], value: &[u8], limits: &Limits) -> Result<(), Problem> {
        let bytes = || (!value.is_empty()).then(|| value.to_vec());
        match keyword {
            b"path" => self.path = bytes(),
            b"linkpath" => self.link = bytes(),
            b"size" => self.size = optional("size", value, unsigned)?,
            b"uid" => self.uid = optional("uid", value, id)?,
            b"gid" => self.gid = optional("gid", value, id)?,
            b"mtime" => self.mtime = optional("mtime", value, time)?,
            b"SCHILY.acl.access" | b"SCHILY.acl.default" | b"RHT.security.selinux" => {
                self.dropped.insert(keyword.to_vec());
            }
            _ => {
                if let Some(name) = keyword.strip_prefix(b"SCHILY.xattr.") {
                    self.xattr(name, value, limits)?;
                } else if let Some(keyword) = keyword.strip_prefix(b"GNU.sparse.") {
                    self.sparse.apply(keyword, value, limits)?;
                }
            }
        }
        Ok(())
    }

    fn xattr(&mut self, name: &[u8], value: &[u8], limits: &Limits) -> Result<(), Problem> {
        check_xattr(name, value, limits)?;
        match Fate::of(name) {
            Fate::Keep => {
                self.xattrs.insert(name.to_vec(), value.to_vec());
            }
            Fate::Drop => {
                self.dropped.insert(name.to_vec());
            }
            Fate::Ignore => {}
        }
        Ok(())
    }
}

/// What becomes of an extended attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It goes into the tree.
    Keep,
    /// It is left out, and the user is told.
    Drop,
    /// It is left out, and nobody misses it.
    Ignore,
}

impl Fate {
    /// Only `security.*` and `user.*` exist in every file system that holds a root. The overlay
    /// file system's own attributes describe a layer and not a file.
    pub(crate) fn of(name: &[u8]) -> Self {
        let starts = |prefix: &str| name.starts_with(prefix.as_bytes());
        if starts("trusted.overlay.") || starts("user.overlay.") {
            Self::Ignore
        } else if starts("security.") || starts("user.") {
            Self::Keep
        } else {
            Self::Drop
        }
    }
}

/// Refuses attributes that Linux would refuse.
pub(crate) fn check_xattr(name: &[u8], value: &[u8], limits: &Limits) -> Result<(), Problem> {
    if name.is_empty() || name.len() > 255 {
        return Err(Problem::XattrName { len: name.len() });
    }
    if name.contains(&0) {
        return Err(Problem::Nul { what: "extended attribute's name" });
    }
    if value.len() > limits.xattr_bytes {
        return Err(Problem::XattrTooLarge {
            name: escape(name),
            len: value.len(),
            limit: limits.xattr_bytes,
        });
    }
    Ok(())
}

impl Sparse {
    fn apply(&mut self, keyword: &[u8], value: &[u8], limits: &Limits) -> Result<(), Problem> {
        const FIELD: &str = "GNU.sparse";
        match keyword {
            b"major" => self.map_in_content = unsigned(FIELD, value)? == 1,
            b"name" => self.name = Some(value.to_vec()),
            b"size" | b"realsize" => self.real_size = Some(unsigned(FIELD, value)?),
            b"offset" => self.offset = Some(unsigned(FIELD, value)?),
            b"numbytes" => {
                let what = "a sparse extent without an offset";
                let offset = self.offset.take().ok_or(Problem::ExtendedHeader { what })?;
                self.map(limits).push(offset, unsigned(FIELD, value)?)?;
            }
            b"map" => {
                self.map = None;
                self.parse_map(value, limits)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn map(&mut self, limits: &Limits) -> &mut Map {
        self.map.get_or_insert_with(|| Map::new(limits.sparse_extents))
    }

    /// Format 0.1: offsets and lengths in turn, with commas between them.
    fn parse_map(&mut self, value: &[u8], limits: &Limits) -> Result<(), Problem> {
        let mut numbers = value.split(|byte| *byte == b',');
        if value.is_empty() {
            self.map(limits);
            return Ok(());
        }
        while let Some(offset) = numbers.next() {
            let what = "a sparse map with an odd number of entries";
            let len = numbers.next().ok_or(Problem::ExtendedHeader { what })?;
            let (offset, len) = (unsigned("GNU.sparse", offset)?, unsigned("GNU.sparse", len)?);
            self.map(limits).push(offset, len)?;
        }
        Ok(())
    }
}

/// A record and what follows it.
struct Record<'a> {
    keyword: &'a [u8],
    value: &'a [u8],
    rest: &'a [u8],
}

/// Splits off one record `LENGTH KEYWORD=VALUE\n`, where the length counts the whole record.
fn record(bytes: &[u8]) -> Result<Record<'_>, Problem> {
    let malformed = |what| Problem::ExtendedHeader { what };
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let len = bytes[..digits.min(20)]
        .iter()
        .try_fold(0usize, |len, digit| len.checked_mul(10)?.checked_add(usize::from(digit - b'0')));
    let len = len
        .filter(|len| digits <= 20 && digits + 3 <= *len && *len <= bytes.len())
        .ok_or(malformed("a record's length is wrong"))?;
    let (record, rest) = bytes.split_at(len);
    let body = record[digits..]
        .strip_prefix(b" ")
        .and_then(|body| body.strip_suffix(b"\n"))
        .ok_or(malformed("a record is not delimited"))?;
    let equals =
        body.iter().position(|byte| *byte == b'=').ok_or(malformed("a record has no value"))?;
    if equals == 0 {
        return Err(malformed("a record has no keyword"));
    }
    Ok(Record { keyword: &body[..equals], value: &body[equals + 1..], rest })
}

fn optional<T>(
    field: &'static str,
    value: &[u8],
    parse: impl Fn(&'static str, &[u8]) -> Result<T, Problem>,
) -> Result<Option<T>, Problem> {
    if value.is_empty() { Ok(None) } else { parse(field, value).map(Some) }
}

/// Decimal digits and nothing else.
pub(super) fn unsigned(field: &'static str, value: &[u8]) -> Result<u64, Problem> {
    let parsed = value.iter().try_fold(0u64, |n, digit| match digit {
        b'0'..=b'9' => n.checked_mul(10)?.checked_add(u64::from(digit - b'0')),
        _ => None,
    });
    parsed.filter(|_| !value.is_empty()).ok_or_else(|| invalid(field, value))
}

fn id(field: &'static str, value: &[u8]) -> Result<u32, Problem> {
    u32::try_from(unsigned(field, value)?).map_err(|_| invalid(field, value))
}

/// Seconds with an optional fraction, which is dropped towards the past.
fn time(field: &'static str, value: &[u8]) -> Result<i64, Problem> {
    let (negative, digits) = match value {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    let mut parts = digits.splitn(2, |byte| *byte == b'.');
    let whole = unsigned(field, parts.next().unwrap_or_default())?;
    let fraction = parts.next().unwrap_or_default();
    if !fraction.iter().all(u8::is_ascii_digit) {
        return Err(invalid(field, value));
    }
    let whole = i64::try_from(whole).map_err(|_| invalid(field, value))?;
    let more = fraction.iter().any(|digit| *digit != b'0');
    Ok(if negative { (-whole).saturating_sub(i64::from(more)) } else { whole })
}

fn invalid(field: &'static str, value: &[u8]) -> Problem {
    Problem::Number { field, found: escape(value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_cut_exactly() {
        let mut pax = Pax::default();
        let records = b"19 path=a=b\nc\xff/dde\n9 size=7\n25 SCHILY.xattr.user.a=\n\n";
        pax.parse(records, &Limits::default()).unwrap();
        assert_eq!(pax.path.as_deref(), Some(&b"a=b\nc\xff/dde"[..]));
        assert_eq!(pax.size, Some(7));
        assert_eq!(pax.xattrs[&b"user.a"[..]], b"\n");
        pax.parse(b"8 size=\n8 path=\n", &Limits::default()).unwrap();
        assert_eq!((pax.size, pax.path), (None, None));
    }

    #[test]
    fn malformed_records_are_refused() {
        for records in [
            &b"7 path=\n"[..],
            b"x path=a\n",
            b"5 a=b",
            b"6 a=b\n\n",
            b" 6 a=b\n",
            b"6 a:b\n",
            b"5 =b\n",
            b"99999999999999999999999 a=b\n",
            b"3 \n",
            b"7 uid=-1\n",
            b"10 uid=-1\n",
            b"18 uid=4294967296\n",
            b"11 mtime=x\n",
            b"13 mtime=1.x\n",
            b"24 GNU.sparse.numbytes=1\n",
            b"20 GNU.sparse.map=1\n",
        ] {
            let result = Pax::default().parse(records, &Limits::default());
            assert!(result.is_err(), "{}", escape(records));
        }
    }

    #[test]
    fn fractions_of_times_are_dropped_towards_the_past() {
        for (text, seconds) in
            [("1.9", 1), ("0", 0), ("-1", -1), ("-1.0", -1), ("-1.5", -2), ("-0.1", -1), ("7.", 7)]
        {
            assert_eq!(time("mtime", text.as_bytes()), Ok(seconds), "{text}");
        }
    }

    #[test]
    fn only_attributes_that_every_root_holds_are_kept() {
        for (name, fate) in [
            ("security.capability", Fate::Keep),
            ("user.x", Fate::Keep),
            ("user.overlay.opaque", Fate::Ignore),
            ("trusted.overlay.opaque", Fate::Ignore),
            ("trusted.x", Fate::Drop),
            ("system.posix_acl_access", Fate::Drop),
            ("com.apple.x", Fate::Drop),
        ] {
            assert_eq!(Fate::of(name.as_bytes()), fate, "{name}");
        }
    }
}
