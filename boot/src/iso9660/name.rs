//! File and directory identifiers of the primary hierarchy (ECMA-119 7.5, 7.6).

use std::collections::{BTreeMap, BTreeSet};

/// Most d-characters of a file name and its extension together.
const FILE_MAX: usize = 30;
/// Most d-characters of a directory identifier.
const DIRECTORY_MAX: usize = 31;
/// An extension longer than this is cut when name and extension are too long together.
const EXTENSION_KEPT: usize = 15;

/// Name and extension in d-characters. Ordered as ECMA-119 9.3 orders directory records: d-characters
/// are above the space that shorter names are padded with, so plain comparison does it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Identifier {
    name: Vec<u8>,
    extension: Vec<u8>,
}

impl Identifier {
    /// The bytes for a directory record: `NAME.EXT;1` for a file, `NAME` for a directory.
    pub(super) fn bytes(&self, directory: bool) -> Vec<u8> {
        let mut bytes = self.name.clone();
        if !directory {
            bytes.push(b'.');
            bytes.extend_from_slice(&self.extension);
            bytes.extend_from_slice(b";1");
        }
        bytes
    }
}

/// Gives each name of one directory its own identifier; a flag says which are directories. The
/// result depends on the names and their order alone: the first to want an identifier gets it,
/// later ones a number at their name's end.
pub(super) fn identifiers(names: &[(&[u8], bool)]) -> Vec<Identifier> {
    let wanted = names.iter().map(|(name, directory)| wanted(name, *directory)).collect();
    distinct(wanted, |identifier, number| {
        let digits = format!("{number:03}");
        let most = FILE_MAX - identifier.extension.len();
        let mut name = identifier.name.clone();
        name.truncate(most.saturating_sub(digits.len()));
        name.extend_from_slice(digits.as_bytes());
        Identifier { name, extension: identifier.extension.clone() }
    })
}

/// Makes `wanted` distinct: whatever comes second is replaced by the first `numbered` form of it
/// that is free. Linear but for forms that names of the directory happen to have taken.
pub(super) fn distinct<T: Ord + Clone>(wanted: Vec<T>, numbered: impl Fn(&T, u32) -> T) -> Vec<T> {
    let mut taken = BTreeSet::new();
    let second: Vec<bool> = wanted.iter().map(|id| !taken.insert(id.clone())).collect();
    // Numbered forms of different identifiers can be the same, so the next number is kept for
    // all that share their first form.
    let mut next: BTreeMap<T, u32> = BTreeMap::new();
    let resolve = |(id, second): (T, bool)| {
        if !second {
            return id;
        }
        let next = next.entry(numbered(&id, 0)).or_default();
        loop {
            let form = numbered(&id, *next);
            *next += 1;
            if taken.insert(form.clone()) {
                return form;
            }
        }
    };
    wanted.into_iter().zip(second).map(resolve).collect()
}

fn wanted(name: &[u8], directory: bool) -> Identifier {
    let dot = name.iter().rposition(|byte| *byte == b'.').filter(|at| *at > 0 && !directory);
    let (name, extension) = match dot {
        Some(at) => (&name[..at], &name[at + 1..]),
        None => (name, &b""[..]),
    };
    let mut name: Vec<u8> = name.iter().copied().map(d_character).collect();
    let mut extension: Vec<u8> = extension.iter().copied().map(d_character).collect();
    if directory {
        name.truncate(DIRECTORY_MAX);
    } else if name.len() + extension.len() > FILE_MAX {
        extension.truncate(EXTENSION_KEPT.max(FILE_MAX.saturating_sub(name.len())));
        name.truncate(FILE_MAX - extension.len());
    }
    Identifier { name, extension }
}

fn d_character(byte: u8) -> u8 {
    match byte.to_ascii_uppercase() {
        upper @ (b'A'..=b'Z' | b'0'..=b'9') => upper,
        _ => b'_',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str], directory: bool) -> Vec<String> {
        let names: Vec<_> = names.iter().map(|name| (name.as_bytes(), directory)).collect();
        let bytes = identifiers(&names).into_iter().map(|id| id.bytes(directory));
        bytes.map(|id| String::from_utf8(id).unwrap()).collect()
    }

    #[test]
    fn names_become_d_characters_with_one_dot() {
        for (name, file, directory) in [
            ("rootfs.squashfs", "ROOTFS.SQUASHFS;1", "ROOTFS_SQUASHFS"),
            ("kernel", "KERNEL.;1", "KERNEL"),
            (".edge_custom.yaml", "_EDGE_CUSTOM.YAML;1", "_EDGE_CUSTOM_YAML"),
            (".hidden", "_HIDDEN.;1", "_HIDDEN"),
            ("a.tar.gz", "A_TAR.GZ;1", "A_TAR_GZ"),
            ("a.", "A.;1", "A_"),
            ("é+1", "___1.;1", "___1"),
            (
                "0123456789012345678901234567890123",
                "012345678901234567890123456789.;1",
                "0123456789012345678901234567890",
            ),
            (
                "0123456789012345678901234567.ext",
                "012345678901234567890123456.EXT;1",
                "0123456789012345678901234567_EX",
            ),
        ] {
            assert_eq!(names(&[name], false), [file], "{name}");
            assert_eq!(names(&[name], true), [directory], "{name}");
        }
        let long = format!("{}.{}", "n".repeat(100), "e".repeat(100));
        assert_eq!(names(&[&long], false), ["NNNNNNNNNNNNNNN.EEEEEEEEEEEEEEE;1"]);
    }

    #[test]
    fn equal_identifiers_are_numbered_and_never_longer() {
        assert_eq!(
            names(&["a+b", "a-b", "a_b", "a_b000"], false),
            ["A_B.;1", "A_B001.;1", "A_B002.;1", "A_B000.;1"]
        );
        let long: Vec<String> = (0..2000).map(|n| format!("{}{n}", "x".repeat(60))).collect();
        let long: Vec<&str> = long.iter().map(String::as_str).collect();
        let mut ids = names(&long, false);
        assert_eq!(ids[1], "XXXXXXXXXXXXXXXXXXXXXXXXXXX000.;1");
        assert!(ids.iter().all(|id| id.len() <= 33));
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 2000);
    }

    #[test]
    fn a_file_and_a_directory_never_share_an_identifier() {
        let ids = identifiers(&[(b"boot", true), (b"BOOT", false)]);
        assert_eq!(ids[0].bytes(true), b"BOOT");
        assert_eq!(ids[1].bytes(false), b"BOOT000.;1");
    }
}
