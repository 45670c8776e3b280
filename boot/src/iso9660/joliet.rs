//! Identifiers of the Joliet hierarchy: UCS-2, big-endian.

use super::name::distinct;

/// Most UCS-2 characters of an identifier, without a file's version.
const NAME_MAX: usize = 64;
/// What stands for a character that Joliet or UCS-2 does not have.
const REPLACEMENT: u16 = b'_' as u16;

/// An identifier in UCS-2 characters, without version.
pub(super) type Identifier = Vec<u16>;

/// Gives each name of one directory its own identifier of at most 64 characters. Bytes that are
/// no UTF-8, characters beyond U+FFFF and those that Joliet forbids become `_`. Equal ones are
/// numbered in order, before a short extension.
pub(super) fn identifiers(names: &[(&[u8], bool)]) -> Vec<Identifier> {
    let wanted = names.iter().map(|(name, _)| cut(&characters(name), NAME_MAX, &[])).collect();
    distinct(wanted, |identifier, number| {
        let digits: Vec<u16> = format!("{number:03}").bytes().map(u16::from).collect();
        cut(identifier, NAME_MAX, &digits)
    })
}

/// The bytes for a directory record, with version 1 for a file.
pub(super) fn bytes(identifier: &[u16], directory: bool) -> Vec<u8> {
    let version: &[u16] = if directory { &[] } else { &[b';' as u16, b'1' as u16] };
    identifier.iter().chain(version).flat_map(|unit| unit.to_be_bytes()).collect()
}

/// A descriptor's text field of `len` bytes: as many characters as fit, padded with spaces.
pub(super) fn text(value: &str, len: usize) -> Vec<u8> {
    let padded = value.encode_utf16().chain(std::iter::repeat(u16::from(b' ')));
    let mut field: Vec<u8> = padded.take(len / 2).flat_map(u16::to_be_bytes).collect();
    field.resize(len, 0);
    field
}

fn characters(name: &[u8]) -> Vec<u16> {
    let mut characters = Vec::new();
    for chunk in name.utf8_chunks() {
        characters.extend(chunk.valid().chars().map(|character| match character {
            '\0'..='\x1f' | '*' | '/' | ':' | ';' | '?' | '\\' => REPLACEMENT,
            _ => u16::try_from(u32::from(character)).unwrap_or(REPLACEMENT),
        }));
        characters.extend(chunk.invalid().iter().map(|_| REPLACEMENT));
    }
    characters
}

/// `name` with `digits` before its extension, cut to `most` characters; the extension stays when
/// it has at most 15 characters.
fn cut(name: &[u16], most: usize, digits: &[u16]) -> Vec<u16> {
    if name.len() <= most && digits.is_empty() {
        return name.to_vec();
    }
    let dot = name.iter().rposition(|unit| *unit == u16::from(b'.'));
    let at = dot.filter(|at| *at > 0 && name.len() - at <= 16).unwrap_or(name.len());
    let (stem, extension) = name.split_at(at);
    let kept = most - digits.len() - extension.len();
    [&stem[..stem.len().min(kept)], digits, extension].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&[u8]]) -> Vec<String> {
        let names: Vec<_> = names.iter().map(|name| (*name, false)).collect();
        identifiers(&names).into_iter().map(|id| String::from_utf16(&id).unwrap()).collect()
    }

    #[test]
    fn what_joliet_cannot_hold_is_replaced() {
        assert_eq!(
            names(&[b"Gr\xc3\xb6\xc3\x9fe 1.txt", b"a*b:c;d?e\\f", b"\xff\xfe", "x😀".as_bytes()]),
            ["Größe 1.txt", "a_b_c_d_e_f", "__", "x_"]
        );
    }

    #[test]
    fn names_are_cut_to_64_characters_and_stay_distinct() {
        let a = format!("{}.squashfs", "n".repeat(80));
        let b = format!("{}m.squashfs", "n".repeat(80));
        let stem = "n".repeat(55);
        assert_eq!(
            names(&[a.as_bytes(), b.as_bytes(), &[b'x'; 64], &[b'x'; 65], &[b'x'; 66]]),
            [
                format!("{stem}.squashfs"),
                format!("{}000.squashfs", "n".repeat(52)),
                "x".repeat(64),
                format!("{}000", "x".repeat(61)),
                format!("{}001", "x".repeat(61)),
            ]
        );
    }

    #[test]
    fn records_hold_big_endian_units_and_a_files_version() {
        assert_eq!(bytes(&[0x41, 0x153], false), b"\0A\x01\x53\0;\x001");
        assert_eq!(bytes(&[0x41], true), b"\0A");
        assert_eq!(text("AB", 7), b"\0A\0B\0 \0");
    }
}
