//! Access control lists: the form in which programs see them and the form on disk.
//!
//! Both begin with a version; the entries are tag, permissions and, for the tags that name
//! somebody, an id. The disk leaves out the ids that say nothing.

/// The version of the form that programs see (`system.posix_acl_access`).
const VERSION_SEEN: u32 = 2;
/// The version of the form on disk.
const VERSION_STORED: u32 = 1;
/// Tags with an id: a user, a group.
const NAMED: [u16; 2] = [0x02, 0x08];
/// The id where there is none.
const NO_ID: u32 = u32::MAX;

/// The form on disk; `None` when `seen` is no list.
pub(super) fn to_stored(seen: &[u8]) -> Option<Vec<u8>> {
    let (version, rest) = seen.split_first_chunk::<4>()?;
    let (entries, []) = rest.as_chunks::<8>() else { return None };
    if u32::from_le_bytes(*version) != VERSION_SEEN {
        return None;
    }
    let mut stored = VERSION_STORED.to_le_bytes().to_vec();
    for entry in entries {
        let named = NAMED.contains(&u16::from_le_bytes([entry[0], entry[1]]));
        stored.extend(&entry[..if named { 8 } else { 4 }]);
    }
    Some(stored)
}

/// The form that programs see; `None` when `stored` is no list.
pub(super) fn to_seen(stored: &[u8]) -> Option<Vec<u8>> {
    let (version, mut rest) = stored.split_first_chunk::<4>()?;
    if u32::from_le_bytes(*version) != VERSION_STORED {
        return None;
    }
    let mut seen = VERSION_SEEN.to_le_bytes().to_vec();
    while !rest.is_empty() {
        let (entry, behind) = rest.split_first_chunk::<4>()?;
        seen.extend(entry);
        rest = behind;
        if NAMED.contains(&u16::from_le_bytes([entry[0], entry[1]])) {
            let (id, behind) = rest.split_first_chunk::<4>()?;
            seen.extend(id);
            rest = behind;
        } else {
            seen.extend(NO_ID.to_le_bytes());
        }
    }
    Some(seen)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen() -> Vec<u8> {
        let mut seen = VERSION_SEEN.to_le_bytes().to_vec();
        for (tag, permissions, id) in
            [(1_u16, 6_u16, NO_ID), (2, 7, 1000), (4, 4, NO_ID), (8, 5, 20), (16, 7, NO_ID)]
        {
            seen.extend(tag.to_le_bytes());
            seen.extend(permissions.to_le_bytes());
            seen.extend(u32::to_le_bytes(id));
        }
        seen
    }

    #[test]
    fn both_forms_say_the_same() {
        let stored = to_stored(&seen()).unwrap();
        assert_eq!(stored.len(), 4 + 3 * 4 + 2 * 8);
        assert_eq!(to_seen(&stored), Some(seen()));
    }

    #[test]
    fn other_bytes_are_no_lists() {
        for bytes in [&b""[..], b"\x02", b"\x01\0\0\0", b"\x02\0\0\0\x01\0\x06\0"] {
            assert_eq!(to_stored(bytes), None, "{bytes:?}");
        }
        for bytes in [&b"\x02\0\0\0"[..], b"\x01\0\0\0\x01", b"\x01\0\0\0\x02\0\x07\0\x01"] {
            assert_eq!(to_seen(bytes), None, "{bytes:?}");
        }
    }
}
