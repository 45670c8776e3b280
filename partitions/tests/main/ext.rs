use std::fs::File;
use std::io::Write;
use std::path::Path;

use bootwright_image::{Device, FileTree, Kind, Metadata, Silent, Timestamp, deliver};
use bootwright_partitions::Size;
use bootwright_partitions::ext::{Holes, Options, Plan, Variant};

use crate::tools;

/// 2024-05-06 07:08:10 UTC.
const TIME: Timestamp = Timestamp(1_714_979_290);
const VARIANTS: [Variant; 2] = [Variant::Ext2, Variant::Ext4];

fn metadata(mode: u16) -> Metadata {
    Metadata { mtime: TIME, ..Metadata::file(mode) }
}

fn options(variant: Variant) -> Options {
    Options {
        label: "COS_OEM".to_owned(),
        uuid: *b"0123456789abcdef",
        hash_seed: *b"fedcba9876543210",
        time: TIME,
        ..Options::new(variant)
    }
}

fn exact(variant: Variant, len: u64) -> Options {
    Options { size: Size::Exact(len), ..options(variant) }
}

/// Bytes that tell their place.
fn pattern(len: usize, seed: usize) -> Vec<u8> {
    (0..len).map(|at| ((at / 251 + at * 7 + seed) % 255 + 1).to_le_bytes()[0]).collect()
}

/// One of everything.
fn everything() -> FileTree {
    let mut tree = FileTree::new(metadata(0o755));
    let root = tree.root();
    let etc = tree.add_directory(root, b"etc", metadata(0o755)).unwrap();
    let file = tree.add_file(etc, b"hostname", metadata(0o644), "edge\n".into()).unwrap();
    tree.add_link(root, b"hard link", file).unwrap();
    tree.add_file(root, b"empty", metadata(0o4755), "".into()).unwrap();
    tree.add_file(root, b"large", metadata(0o600), pattern(700_001, 1).into()).unwrap();
    tree.add_file(root, "näme".as_bytes(), metadata(0o644), pattern(4096, 2).into()).unwrap();
    let mut add = |name: &[u8], kind| tree.add(root, name, metadata(0o777), kind).unwrap();
    add(b"short", Kind::Symlink(b"etc/hostname"[..].into()));
    add(b"short59", Kind::Symlink(vec![b's'; 59].into()));
    add(b"long60", Kind::Symlink(vec![b'l'; 60].into()));
    add(b"null", Kind::CharDevice(Device { major: 1, minor: 3 }));
    add(b"wide", Kind::BlockDevice(Device { major: 259, minor: 70_000 }));
    add(b"fifo", Kind::Fifo);
    add(b"socket", Kind::Socket);
    let mut owned = metadata(0o2750);
    (owned.uid, owned.gid) = (70_000, 1_000_000);
    owned.xattrs.insert(b"user.note", b"hello");
    owned.xattrs.insert(
        b"security.capability",
        &[1, 0, 0, 2, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    );
    owned.xattrs.insert(b"system.posix_acl_access", &acl());
    owned.xattrs.insert(b"trusted.large", &pattern(500, 3));
    tree.add_file(root, b"attributes", owned.clone(), "x".into()).unwrap();
    tree.add_file(root, b"shared attributes", owned, "y".into()).unwrap();
    let many = tree.add_directory(root, b"many", metadata(0o755)).unwrap();
    for n in 0..600 {
        let name = format!("a file of the directory that has a tree, number {n}");
        tree.add_file(many, name.as_bytes(), metadata(0o644), "".into()).unwrap();
    }
    tree
}

/// What a program sees: owner, user 1000, group, mask, others.
fn acl() -> Vec<u8> {
    let mut list = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in [
        (1_u16, 6_u16, u32::MAX),
        (2, 7, 1000),
        (4, 4, u32::MAX),
        (16, 7, u32::MAX),
        (32, 4, u32::MAX),
    ] {
        list.extend(tag.to_le_bytes());
        list.extend(permissions.to_le_bytes());
        list.extend(id.to_le_bytes());
    }
    list
}

fn image_of(plan: &Plan<'_>, tree: &FileTree) -> Vec<u8> {
    let mut writer = plan.writer(Vec::new(), &Silent).unwrap();
    deliver(tree, &(), plan.wanted(), &mut writer, &Silent).unwrap();
    let image = writer.finish().unwrap();
    assert_eq!(image.len() as u64, plan.len());
    image
}

fn make(tree: &FileTree, options: &Options) -> Vec<u8> {
    let holes = Holes::new();
    image_of(&Plan::new(tree, options, &holes).unwrap(), tree)
}

fn in_file(image: &[u8], check: impl FnOnce(&Path)) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ext.img");
    File::create(&path).unwrap().write_all(image).unwrap();
    check(&path);
}

pub(crate) fn fsck(image: &[u8]) {
    in_file(image, |path| {
        let arguments = ["-f", "-n", tools::name(path)];
        let Some(text) = tools::text("e2fsck", &arguments) else { return };
        for complaint in ["WARNING", "wrong", "fix", "Fix", "optimize"] {
            assert!(!text.contains(complaint), "{text}");
        }
    });
}

#[test]
fn one_of_everything_is_clean() {
    for variant in VARIANTS {
        fsck(&make(&everything(), &options(variant)));
        fsck(&make(&everything(), &exact(variant, 64 << 20)));
    }
}
