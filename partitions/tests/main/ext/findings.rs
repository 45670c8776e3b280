//! Wrong books are found, and damage is not taken for data.

use bootwright_image::Blob;

use super::*;

fn image() -> Vec<u8> {
    let mut tree = FileTree::new(metadata(0o755));
    tree.add_file(tree.root(), b"one", metadata(0o644), Blob::from(vec![1; 3000])).unwrap();
    tree.add_file(tree.root(), b"two", metadata(0o644), Blob::from(vec![2; 3000])).unwrap();
    make(&tree, &exact(Variant::Ext2, 1 << 20))
}

fn number(image: &[u8], at: usize) -> usize {
    let (four, _) = image[at..].split_first_chunk::<4>().unwrap();
    u32::from_le_bytes(*four) as usize
}

/// What is found after `damage`, which is told where the tables of the only group stand.
fn findings(damage: impl FnOnce(&mut [u8], [usize; 3])) -> Vec<String> {
    let mut image = image();
    let tables = [0, 4, 8].map(|at| number(&image, 2048 + at) << 10);
    damage(&mut image, tables);
    let volume = Volume::open(Cursor::new(&image), 0).unwrap();
    volume.check().unwrap().iter().map(ToString::to_string).collect()
}

#[test]
fn books_that_do_not_agree() {
    assert_eq!(findings(|_, _| {}), Vec::<String>::new());
    let free = number(&image(), 1024 + 0x0C);
    assert_eq!(
        findings(|image, _| image[1024 + 0x0C] ^= 1),
        [format!("{} free blocks in the superblock, {free} counted", free ^ 1)]
    );
    assert_eq!(
        findings(|image, _| image[1024 + 0x10] += 1),
        ["116 free inodes in the superblock, 115 counted"]
    );
    assert_eq!(
        findings(|image, [blocks, _, _]| image[blocks] &= !1),
        ["block bitmap of group 0: block 1 should be in use"]
    );
    assert_eq!(
        findings(|image, [blocks, _, _]| image[blocks + 100] |= 1),
        ["block bitmap of group 0: block 801 should be free"]
    );
    assert_eq!(
        findings(|image, [_, inodes, _]| image[inodes + 1] &= !0x08),
        ["inode bitmap of group 0: inode 12 should be in use"]
    );
    assert_eq!(
        findings(|image, [_, _, table]| image[table + 11 * 256 + 0x1A] = 2),
        ["inode 12 says 2 links, 1 counted"]
    );
    let shared = findings(|image, [_, _, table]| {
        image
            .copy_within(table + 11 * 256 + 0x28..table + 11 * 256 + 0x2C, table + 12 * 256 + 0x28);
    });
    assert_eq!(shared.len(), 3, "{shared:?}");
    assert!(shared[0].ends_with("is claimed twice"), "{shared:?}");
}

#[test]
fn every_changed_byte_of_metadata_breaks_a_checksum() {
    let mut tree = everything();
    tree.remove(tree.root(), b"large").unwrap();
    let image = make(&tree, &options(Variant::Ext4));
    let read = |image: &[u8]| {
        Volume::open(Cursor::new(image), 0)?
            .into_tree(0)
            .map(|(tree, contents)| look(&tree, &contents))
    };
    let whole = read(&image).unwrap();
    let mut caught = 0;
    for at in (1024..image.len()).step_by(97) {
        let mut image = image.clone();
        image[at] ^= 0x10;
        match read(&image) {
            Err(_) => caught += 1,
            // What is left is not read: free blocks, copies, contents, which have no checksums.
            Ok(seen) => {
                let same = |(name, seen): (&String, &Seen)| {
                    let expected = &whole[name];
                    seen.metadata == expected.metadata
                        && (seen.kind == expected.kind || seen.kind.starts_with("Symlink"))
                };
                assert!(seen.len() == whole.len() && seen.iter().all(same), "{at}");
            }
        }
    }
    assert!(caught > 100, "{caught}");
}
