//! Rock Ridge 1.12 (IEEE P1282): POSIX metadata, names and links as system use entries.

use bootwright_image::{Device, Timestamp};

use super::format::{both32, record_date};
use super::susp::{Entry, entry, extension_reference};

/// Bytes of a name in one NM entry, of component records in one SL entry.
const PAYLOAD_MAX: usize = 250;
/// Flag of NM and SL entries, and of SL component records: the next one continues this one.
const CONTINUE: u8 = 0x01;

/// What PX, TF and PN say of an inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Attributes {
    /// POSIX file mode with the type's bits.
    pub(super) mode: u32,
    /// Number of links.
    pub(super) nlink: u32,
    /// Owner.
    pub(super) uid: u32,
    /// Group.
    pub(super) gid: u32,
    /// File serial number: the same for the names of one inode only.
    pub(super) serial: u32,
    /// Modification time; also given as time of access and of attribute change.
    pub(super) mtime: Timestamp,
    /// Numbers of a device node.
    pub(super) device: Option<Device>,
}

/// ER of Rock Ridge 1.12; goes with PX entries of 44 bytes.
pub(super) fn reference() -> Entry {
    extension_reference(
        "IEEE_P1282",
        "THE IEEE P1282 PROTOCOL PROVIDES SUPPORT FOR POSIX FILE SYSTEM SEMANTICS",
        "PLEASE CONTACT THE IEEE STANDARDS DEPARTMENT, PISCATAWAY, NJ, USA FOR THE P1282 \
         SPECIFICATION.",
    )
}

/// PX, TF and for a device PN.
pub(super) fn attributes(of: &Attributes) -> Vec<Entry> {
    let numbers = [of.mode, of.nlink, of.uid, of.gid, of.serial].map(both32);
    let date = record_date(of.mtime);
    // Flags 0x0E: modify, access, attributes; 7-byte form.
    let mut entries = vec![
        entry(*b"PX", &[numbers.as_flattened()]),
        entry(*b"TF", &[&[0x0E], &date, &date, &date]),
    ];
    if let Some(device) = of.device {
        let (high, low) = device_numbers(device);
        entries.push(entry(*b"PN", &[&both32(high), &both32(low)]));
    }
    entries
}

/// Whether [`attributes`] stores a device so that Linux finds the same numbers.
pub(super) fn holds_device(device: Device) -> bool {
    device.major > 0 || device.minor <= 0xFF
}

/// High and low word of PN. Linux takes a zero high word for "all of it is in the low word, the
/// major number above bit 8"; others read the two words as one 64-bit number with the same
/// meaning. Minor numbers beyond 8 bits only Linux's other form holds.
fn device_numbers(device: Device) -> (u32, u32) {
    match device {
        Device { major, minor: minor @ 0..=0xFF } => (0, major << 8 | minor),
        Device { major, minor } => (major, minor),
    }
}

/// NM: the name, in as many entries as it takes.
pub(super) fn name(name: &[u8]) -> Vec<Entry> {
    let last = name.len().div_ceil(PAYLOAD_MAX).saturating_sub(1);
    let piece = |(n, piece)| entry(*b"NM", &[&[if n < last { CONTINUE } else { 0 }], piece]);
    name.chunks(PAYLOAD_MAX).enumerate().map(piece).collect()
}

/// SL: a symbolic link's target, in as many entries as it takes.
pub(super) fn symlink(target: &[u8]) -> Vec<Entry> {
    let mut payloads = vec![Vec::new()];
    for (flags, text) in components(target) {
        push_component(&mut payloads, flags, text);
    }
    let last = payloads.len() - 1;
    let piece = |(n, payload): (usize, Vec<u8>)| {
        entry(*b"SL", &[&[if n < last { CONTINUE } else { 0 }], &payload])
    };
    payloads.into_iter().enumerate().map(piece).collect()
}

/// Component records' flags and texts. Readers join components with slashes, but for the root,
/// which is one; an empty component gives back a doubled or trailing slash.
fn components(target: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let (root, rest) = match target.strip_prefix(b"/") {
        Some(rest) => (Some((0x08, &b""[..])), rest),
        None => (None, target),
    };
    let split = rest.split(|byte| *byte == b'/').map(|component| match component {
        b"." => (0x02, &b""[..]),
        b".." => (0x04, &b""[..]),
        text => (0, text),
    });
    // "/" is the root alone.
    root.into_iter().chain(split.skip(usize::from(root.is_some() && rest.is_empty())))
}

/// Appends a component record, divided where the last entry's payload is full.
fn push_component(payloads: &mut Vec<Vec<u8>>, flags: u8, mut text: &[u8]) {
    loop {
        let payload = payloads.last_mut().expect("BUG: SL without an entry");
        let room = (PAYLOAD_MAX - payload.len()).saturating_sub(2);
        let whole = PAYLOAD_MAX - payload.len() >= 2 && text.len() <= room;
        // A piece of a divided name needs at least one byte of it.
        if !whole && room == 0 {
            payloads.push(Vec::new());
            continue;
        }
        let (piece, rest) = text.split_at(text.len().min(room));
        let len = u8::try_from(piece.len()).expect("BUG: component beyond 248 bytes");
        payload.extend_from_slice(&[if whole { flags } else { CONTINUE }, len]);
        payload.extend_from_slice(piece);
        text = rest;
        if whole {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Joins SL entries as Linux does.
    fn join(entries: &[Entry]) -> Vec<u8> {
        let mut target = Vec::new();
        let mut separator = false;
        for (n, entry) in entries.iter().enumerate() {
            assert_eq!(usize::from(entry[2]), entry.len());
            assert_eq!(entry[4], u8::from(n + 1 < entries.len()));
            let mut left = &entry[5..];
            while let [flags, len, rest @ ..] = left {
                let (text, rest) = rest.split_at(usize::from(*len));
                if separator {
                    target.push(b'/');
                }
                target.extend_from_slice(match flags & !1 {
                    2 => b".",
                    4 => b"..",
                    8 => b"/",
                    _ => text,
                });
                separator = flags & 9 == 0;
                left = rest;
            }
        }
        target
    }

    #[test]
    fn link_targets_survive_division() {
        let deep = "ab/".repeat(1_300);
        let long = "l".repeat(4_095);
        for target in [
            "a",
            "/",
            "/a",
            "a/",
            "//a",
            "a//b",
            "/a/b/",
            ".",
            "..",
            "../../x/./y",
            "a/../..",
            "//",
            &deep,
            &long,
        ] {
            assert_eq!(join(&symlink(target.as_bytes())), target.as_bytes(), "{target}");
        }
        for len in 230..270 {
            for tail in ["", "/", "/x", "/..", "/yyyy/../z"] {
                let target = format!("{}{tail}", "c".repeat(len));
                assert_eq!(join(&symlink(target.as_bytes())), target.as_bytes());
            }
        }
    }

    #[test]
    fn long_names_take_several_entries() {
        assert_eq!(name(b"abc"), [b"NM\x08\x01\0abc"]);
        assert_eq!(name(&[b'n'; 250]).len(), 1);
        let entries = name(&[b'n'; 255]);
        assert_eq!(entries[0][..5], [b'N', b'M', 255, 1, 1]);
        assert_eq!(entries[1], b"NM\x0a\x01\0nnnnn");
    }

    #[test]
    fn device_numbers_are_what_linux_makes_of_them() {
        for (major, minor, words) in [
            (0, 0, (0, 0)),
            (5, 1, (0, 0x501)),
            (4095, 255, (0, 0xF_FFFF)),
            (8, 256, (8, 256)),
            (4095, 0xF_FFFF, (4095, 0xF_FFFF)),
        ] {
            let device = Device { major, minor };
            assert!(holds_device(device));
            let (high, low) = device_numbers(device);
            assert_eq!((high, low), words);
            let linux = if low & !0xFF != 0 && high == 0 { (low >> 8, low & 0xFF) } else { words };
            assert_eq!(linux, (major, minor));
        }
        assert!(!holds_device(Device { major: 0, minor: 256 }));
    }
}
