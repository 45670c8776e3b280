//! What is wrong with an image is said, with its place.

use std::io::Cursor;

use bootwright_squashfs::read::{Image, ReadError};

use crate::pictures::everything;
use crate::support::{Bytes, image, open, options};

fn plain() -> Bytes {
    let mut options = options();
    options.compression = "none".parse().unwrap();
    image(&everything(), &options).0
}

fn problem(bytes: &[u8]) -> String {
    let verified =
        Image::open(Cursor::new(bytes), 0).and_then(|mut image| image.verify(true, &|| true));
    verified.unwrap_err().to_string()
}

/// Where the inode of a path is: everything is in one block that is stored as it is.
fn inode_at(bytes: &[u8], path: &str) -> usize {
    let mut image = open(bytes);
    let inode = image.lookup(path.as_bytes()).unwrap().unwrap();
    let table = usize::try_from(image.superblock().inode_table).unwrap();
    table + 2 + usize::from(inode.place.offset())
}

#[test]
fn damage_in_inodes_and_listings_is_found() {
    for (path, field, value, expected) in [
        ("usr/linked", 40, 3, "a wrong number of links"),
        ("usr/linked", 12, 4, "an entry unlike its inode"),
        ("usr/small", 12, 99, "an inode number out of range"),
        ("usr/small", 4, 9, "an id that is not in the table"),
        ("usr/small", 0, 77, "an unknown inode type"),
        ("usr/small", 24, 250, "a file beyond its fragment"),
        ("usr/small", 20, 1, "a fragment that is not in the table"),
        ("usr/blocks", 34, 9, "a data block of a wrong length"),
        ("usr/labelled", 52, 1, "an xattr set that is not in the table"),
        ("usr", 20, 4, "a wrong number of links"),
        ("usr", 24, 100, "a listing longer than its length"),
        ("noted", 28, 2, "a directory with a wrong parent"),
        ("noted/plain symlink", 20, 0, "a link's target of a wrong length"),
    ] {
        let mut bytes = plain();
        let at = inode_at(&bytes, path);
        bytes[at + field] = value;
        let text = problem(&bytes);
        assert!(text.starts_with(&format!("damaged squashfs image: {expected} at ")), "{text}");
    }
    for (name, other, expected) in [
        (b"same end", b"aame end", "names out of order"),
        (b"same end", b"sa/e end", "a name that is not allowed"),
        (b"same end", b"sa\0e end", "a name that is not allowed"),
    ] {
        let mut bytes = plain();
        let at = bytes.windows(name.len()).position(|window| window == name).unwrap();
        bytes[at..at + name.len()].copy_from_slice(other);
        assert!(problem(&bytes).contains(expected), "{}", problem(&bytes));
    }
}

#[test]
fn damage_in_the_superblock_is_found() {
    for (field, value, expected) in [
        (0, 0, "no squashfs image: the magic number is missing"),
        (4, 24, "damaged squashfs image: a number of inodes unlike the superblock's at 4"),
        (4, 0, "damaged squashfs image: no inodes at 4"),
        (20, 2, "compressor 2 is not supported"),
        (22, 13, "damaged squashfs image: a wrong block size at 12"),
        (26, 0, "damaged squashfs image: a wrong number of ids at 26"),
        (28, 3, "squashfs version 3 is not supported"),
        (47, 0x80, "damaged squashfs image: an impossible length at 40"),
        (55, 1, "damaged squashfs image: tables out of order at 40"),
        (63, 1, "damaged squashfs image: a table outside the image at 56"),
    ] {
        let mut bytes = plain();
        bytes[field] = value;
        assert_eq!(problem(&bytes), expected);
    }
    let bytes = plain();
    let text = problem(&bytes[..bytes.len() / 2]);
    assert!(text.contains("the image ends too early at "), "{text}");
    let empty = Image::open(Cursor::new(b""), 0).unwrap_err();
    assert!(matches!(empty, ReadError::Corrupt { at: 0, .. }), "{empty}");
}
