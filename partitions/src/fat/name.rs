//! Names of directory entries: 8.3 and long.

use std::collections::{BTreeMap, BTreeSet};

use super::format::{ENTRY_LEN, attribute, entry, long};
use crate::bytes::put;

/// UTF-16 units of the longest name.
pub(super) const LONG_MAX: usize = 255;
/// The number in a short name has up to six digits, so that one letter remains: `A~999999`.
const TAIL_MAX: u32 = 999_999;
/// UTF-16 units in an entry of a long name.
pub(super) const UNITS: usize = long::UNITS.len();

/// The eleven bytes of a short name: eight of the base, three of the extension, filled up with
/// spaces.
pub(super) type Short = [u8; 11];

/// Whether a character may stand in a short name.
pub(super) fn is_short(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit() || b"!#$%&'()-@^_`{}~".contains(&byte)
}

/// What keeps a name from being a long name, if anything does.
pub(super) fn problem(name: &str) -> Option<&'static str> {
    if name.encode_utf16().count() > LONG_MAX {
        return Some("is longer than 255 UTF-16 units");
    }
    if name.chars().any(|char| char < ' ' || "\"*/:<>?\\|\x7f".contains(char)) {
        return Some("has a control character or one of \"*/:<>?\\|");
    }
    if name.ends_with(['.', ' ']) {
        return Some("ends with a dot or a space");
    }
    None
}

/// What names are compared by: FAT does not tell case.
pub(super) fn folded(name: &str) -> String {
    name.chars()
        .map(|char| {
            let mut upper = char.to_uppercase();
            match (upper.next(), upper.next()) {
                (Some(upper), None) => upper,
                _ => char,
            }
        })
        .collect()
}

/// A name in its directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) short: Short,
    /// The long name in UTF-16; empty when the short one says it all.
    pub(super) long: Vec<u16>,
}

impl Name {
    /// Entries it takes.
    pub(super) fn entries(&self) -> usize {
        self.long.len().div_ceil(UNITS) + 1
    }

    /// The entries of the long name, in the order on disk: the end of the name first.
    pub(super) fn long_entries(&self) -> Vec<[u8; ENTRY_LEN]> {
        let checksum = checksum(&self.short);
        let pieces = self.long.chunks(UNITS);
        let mut entries: Vec<_> =
            (1..).zip(pieces).map(|(order, piece)| long_entry(order, piece, checksum)).collect();
        if let Some(last) = entries.last_mut() {
            last[long::ORDER] |= long::LAST;
        }
        entries.reverse();
        entries
    }
}

fn long_entry(order: u8, piece: &[u16], checksum: u8) -> [u8; ENTRY_LEN] {
    let mut bytes = [0; ENTRY_LEN];
    bytes[long::ORDER] = order;
    bytes[entry::ATTRIBUTES] = attribute::LONG_NAME;
    bytes[long::CHECKSUM] = checksum;
    // A NUL ends the name, unless it fills its last entry; ones fill the rest.
    let end = std::iter::once(0).chain(std::iter::repeat(0xFFFF));
    for (at, unit) in long::UNITS.into_iter().zip(piece.iter().copied().chain(end)) {
        put(&mut bytes, at, &unit.to_le_bytes());
    }
    bytes
}

/// What ties the entries of a long name to the short one.
pub(super) fn checksum(short: &Short) -> u8 {
    short.iter().fold(0_u8, |sum, byte| sum.rotate_right(1).wrapping_add(*byte))
}

/// Gives each name of one directory its short name. The names must have no [`problem`] and differ
/// by more than case. Names that are short ones but for their case get those; the others, in the
/// order given, the first free number. `None` when a number would have more than six digits.
pub(super) fn assign(names: &[&str]) -> Option<Vec<Name>> {
    let exact: Vec<Option<Short>> = names.iter().map(|name| exact(name)).collect();
    let mut taken: BTreeSet<Short> = exact.iter().flatten().copied().collect();
    let mut numbers = BTreeMap::new();
    names
        .iter()
        .zip(exact)
        .map(|(name, exact)| {
            let short = match exact {
                Some(short) => short,
                None => numbered(name, &mut taken, &mut numbers)?,
            };
            let long =
                if shown(&short) == *name { Vec::new() } else { name.encode_utf16().collect() };
            Some(Name { short, long })
        })
        .collect()
}

/// A short name as text, in upper case.
pub(super) fn shown(short: &Short) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    let (base, extension) = (text(&short[..8]), text(&short[8..]));
    if extension.is_empty() { base } else { format!("{base}.{extension}") }
}

/// The short name that differs from `name` in case only, if there is one.
fn exact(name: &str) -> Option<Short> {
    let (base, extension) = match name.split_once('.') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (name, ""),
    };
    if base.is_empty() || base.len() > 8 || extension.len() > 3 {
        return None;
    }
    let short = fill(&base.to_ascii_uppercase(), &extension.to_ascii_uppercase());
    let letters = base.bytes().chain(extension.bytes());
    letters.map(|byte| byte.to_ascii_uppercase()).all(is_short).then_some(short)
}

fn fill(base: &str, extension: &str) -> Short {
    let mut short = [b' '; 11];
    put(&mut short, 0, base.as_bytes());
    put(&mut short, 8, extension.as_bytes());
    short
}

/// The letters of `text` that a short name can show, others as `_`; no spaces and dots.
fn letters(text: &str, limit: usize) -> String {
    text.chars()
        .filter(|char| !matches!(char, ' ' | '.'))
        .map(|char| char.to_ascii_uppercase())
        .map(|char| if u8::try_from(char).is_ok_and(is_short) { char } else { '_' })
        .take(limit)
        .collect()
}

fn numbered(
    name: &str,
    taken: &mut BTreeSet<Short>,
    numbers: &mut BTreeMap<Short, u32>,
) -> Option<Short> {
    let name = name.trim_start_matches(['.', ' ']);
    let (base, extension) = name.rsplit_once('.').unwrap_or((name, ""));
    let (base, extension) = (letters(base, 6), letters(extension, 3));
    let next = numbers.entry(fill(&base, &extension)).or_insert(1);
    while *next <= TAIL_MAX {
        let tail = format!("~{next}");
        *next += 1;
        let base: String = base.chars().take(8 - tail.len()).collect();
        let short = fill(&(base + &tail), &extension);
        if taken.insert(short) {
            return Some(short);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shorts(names: &[&str]) -> Vec<String> {
        assign(names).unwrap().iter().map(|name| shown(&name.short)).collect()
    }

    #[test]
    fn short_names_are_made_as_windows_makes_them() {
        assert_eq!(
            shorts(&[
                "EFI",
                "bootx64.efi",
                "grub.cfg",
                "config.yaml",
                "config.yml",
                "config.yaml.old",
                ".edge_custom_config.yaml",
                "a b.c",
                "a.b.c",
                "ä.txt",
                "name with",
                "CONFIG~1.YAM",
            ]),
            [
                "EFI",
                "BOOTX64.EFI",
                "GRUB.CFG",
                "CONFIG~2.YAM",
                "CONFIG.YML",
                "CONFIG~1.OLD",
                "EDGE_C~1.YAM",
                "AB~1.C",
                "AB~2.C",
                "_~1.TXT",
                "NAMEWI~1",
                "CONFIG~1.YAM",
            ]
        );
    }

    #[test]
    fn only_names_that_say_it_all_go_without_a_long_one() {
        let names = assign(&["EFI", "Efi2", "GRUB.CFG", "x"]).unwrap();
        let long: Vec<_> = names.iter().map(|name| !name.long.is_empty()).collect();
        assert_eq!(long, [false, true, false, true]);
    }

    #[test]
    fn ten_thousand_names_with_one_beginning_stay_unique() {
        let names: Vec<_> = (0..10_000).map(|number| format!("a long name {number}.txt")).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let mut shorts = shorts(&names);
        assert_eq!(shorts[0], "ALONGN~1.TXT");
        assert_eq!(shorts[9999], "ALO~1000.TXT".replace("~1000", "~10000").replace("ALO", "AL"));
        shorts.sort();
        shorts.dedup();
        assert_eq!(shorts.len(), 10_000);
    }

    #[test]
    fn names_that_fat_cannot_hold_have_a_reason() {
        for (name, expected) in [
            ("ok", None),
            (&*"\u{1F9F0}".repeat(127), None),
            (&*"\u{1F9F0}".repeat(128), Some("is longer than 255 UTF-16 units")),
            ("a:b", Some("has a control character or one of \"*/:<>?\\|")),
            ("a\nb", Some("has a control character or one of \"*/:<>?\\|")),
            ("a.", Some("ends with a dot or a space")),
            ("a ", Some("ends with a dot or a space")),
        ] {
            assert_eq!(problem(name), expected, "{name}");
        }
    }

    #[test]
    fn a_long_name_is_cut_into_pieces_of_thirteen() {
        let name = |len: usize| assign(&[&"x".repeat(len)]).unwrap().remove(0);
        let entries = name(13).long_entries();
        assert_eq!(entries.len(), 1);
        assert_eq!(entries[0][0], 0x41);
        assert_eq!(&entries[0][30..], b"x\0");
        let entries = name(14).long_entries();
        assert_eq!((entries[0][0], entries[1][0]), (0x42, 1));
        assert_eq!(entries[0][1..7], [b'x', 0, 0, 0, 0xFF, 0xFF]);
        assert_eq!(name(255).long_entries()[0][0], 0x40 | 20);
        assert_eq!(checksum(b"BOOTX64 EFI"), entries_checksum("bootx64.efi"));
    }

    fn entries_checksum(name: &str) -> u8 {
        assign(&[name]).unwrap()[0].long_entries()[0][long::CHECKSUM]
    }
}
