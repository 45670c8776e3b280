//! Whole images as text.

use bootwright_image::{Device, FileTree, Kind, Metadata, Timestamp, Xattrs};

use crate::support::{image, noise, open, options};

/// Every kind of inode, basic and extended.
pub(crate) fn everything() -> FileTree {
    let mut root = Metadata::directory(0o755);
    root.mtime = Timestamp(1_700_000_000);
    let mut tree = FileTree::new(root);
    let mut labelled = Metadata { uid: 1000, gid: 100, ..Metadata::file(0o640) };
    labelled.mtime = Timestamp(1_600_000_000);
    labelled.xattrs = Xattrs::default();
    labelled.xattrs.insert(b"security.capability", b"\x01\0\0\x02");
    labelled.xattrs.insert(b"user.note", b"text");
    let plain = || Metadata::file(0o644);
    let device = |minor| Device { major: 4, minor };

    let root = tree.root();
    let usr = tree.add_directory(root, b"usr", Metadata::directory(0o755)).unwrap();
    tree.add_directory(root, b"empty", Metadata::directory(0o1777)).unwrap();
    let noted = tree.add_directory(root, b"noted", labelled.clone()).unwrap();
    let with_hole = [noise(1, 4096), vec![0; 4096], noise(2, 50)].concat();
    let files = [
        (&b"blocks"[..], plain(), noise(3, 8192)),
        (b"block and end", plain(), noise(4, 4100)),
        (b"copy", plain(), noise(3, 8192)),
        (b"hole", plain(), with_hole),
        (b"nothing", plain(), Vec::new()),
        (b"small", plain(), b"small".to_vec()),
        (b"labelled", labelled.clone(), b"labelled".to_vec()),
        (b"same end", plain(), b"small".to_vec()),
    ];
    for (name, metadata, content) in files {
        tree.add_file(usr, name, metadata, content.into()).unwrap();
    }
    let linked = tree.add_file(usr, b"linked", plain(), b"linked".to_vec().into()).unwrap();
    tree.add_link(root, b"link", linked).unwrap();
    for (name, minor, metadata) in [("plain", 1, plain()), ("labelled", 300, labelled)] {
        for (kind_name, kind) in [
            ("char", Kind::CharDevice(device(minor))),
            ("block", Kind::BlockDevice(device(minor))),
            ("fifo", Kind::Fifo),
            ("socket", Kind::Socket),
            ("symlink", Kind::Symlink(b"usr/small".as_slice().into())),
        ] {
            let name = format!("{name} {kind_name}");
            tree.add(noted, name.as_bytes(), metadata.clone(), kind).unwrap();
        }
    }
    tree
}

#[test]
fn every_byte_of_an_image_without_compression() {
    let mut options = options();
    options.compression = "none".parse().unwrap();
    options.time = 1_700_000_001;
    let (bytes, summary) = image(&everything(), &options);
    let dump = open(&bytes).dump().unwrap();
    insta::assert_snapshot!(format!("{dump}{summary:#?}\n"));
}

#[test]
fn an_image_at_a_glance() {
    let mut options = options();
    options.compression = "lz4".parse().unwrap();
    options.export = false;
    let (bytes, _) = image(&FileTree::new(Metadata::directory(0o755)), &options);
    insta::assert_snapshot!(open(&bytes).describe().unwrap().to_string());
}
