//! Volumes, and those who read them.
#![expect(clippy::single_range_in_vec_init, reason = "a list of holes may have one")]

mod boundaries;
mod contents;
mod findings;
mod foreign;
mod random;
mod refusals;
mod snapshots;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Cursor, Read, Seek, Write};
use std::path::Path;

use bootwright_image::{
    BoxError, Device, FileTree, InodeId, Kind, Metadata, Silent, Streams, Timestamp, collect,
    deliver,
};
use bootwright_partitions::ext::{Contents, Holes, Options, Plan, Variant, Volume};
use bootwright_partitions::{SectorSize, Size, SparseFile};

use ext4_view::PathBuf;

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
    let _ = tree;
    let image = plan.emit(&(), Vec::new(), &Silent).unwrap();
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

/// Everything that a tree says about one name.
#[derive(Debug, PartialEq)]
struct Seen {
    metadata: Metadata,
    kind: String,
    names: u32,
    content: Option<Vec<u8>>,
}

/// A tree by paths, with contents.
fn look(tree: &FileTree, streams: &dyn Streams) -> BTreeMap<String, Seen> {
    let files: Vec<_> =
        tree.walk().map(|w| w.id).filter(|id| tree.inode(*id).as_file().is_some()).collect();
    let contents = collect(tree, streams, &files, u64::MAX, &Silent).unwrap();
    let contents: BTreeMap<_, _> = files.into_iter().zip(contents).collect();
    let look_at = |id: InodeId| {
        let inode = tree.inode(id);
        let kind = match inode.kind() {
            Kind::Directory(_) => "directory".to_owned(),
            Kind::File(_) => "file".to_owned(),
            kind => format!("{kind:?}"),
        };
        let content = contents.get(&id).cloned();
        Seen { metadata: inode.metadata.clone(), kind, names: inode.names(), content }
    };
    let root = (String::new(), look_at(tree.root()));
    let all = tree.walk().map(|w| (String::from_utf8_lossy(&w.path).into_owned(), look_at(w.id)));
    std::iter::once(root).chain(all).collect()
}

/// What our reader sees.
fn read(image: &[u8]) -> BTreeMap<String, Seen> {
    let volume = || Volume::open(Cursor::new(image), 0).unwrap();
    assert_eq!(volume().check().unwrap(), []);
    let (tree, contents) = volume().into_tree(7).unwrap();
    look(&tree, &contents)
}

/// What should be seen of `tree`.
fn expected(tree: &FileTree) -> BTreeMap<String, Seen> {
    let mut tree = tree.clone();
    if tree.lookup(b"lost+found").is_none() {
        tree.add_directory(tree.root(), b"lost+found", metadata(0o700)).unwrap();
    }
    look(&tree, &())
}

/// Names, kinds and contents as the `ext4-view` crate sees them.
fn check_with_ext4_view(image: &[u8], tree: &FileTree) {
    let volume = ext4_view::Ext4::load(Box::new(image.to_vec())).unwrap();
    let expected = expected(tree);
    let mut open = vec![PathBuf::new("/")];
    let mut found = 1;
    while let Some(path) = open.pop() {
        for entry in volume.read_dir(&path).unwrap() {
            let entry = entry.unwrap();
            if matches!(entry.file_name().as_ref(), b"." | b"..") {
                continue;
            }
            found += 1;
            let path = entry.path();
            let name = String::from_utf8_lossy(&path.as_ref()[1..]).into_owned();
            let seen = &expected[&name];
            let metadata = volume.symlink_metadata(&path).unwrap();
            assert_eq!(metadata.mode(), seen.metadata.mode, "{name}");
            assert_eq!((metadata.uid(), metadata.gid()), (seen.metadata.uid, seen.metadata.gid));
            if metadata.is_dir() {
                assert_eq!(seen.kind, "directory");
                open.push(path);
            } else if metadata.is_symlink() {
                let target = volume.read_link(&path).unwrap();
                assert!(seen.kind.contains(&format!("{:?}", target.as_ref())), "{name}");
            } else if let Some(content) = &seen.content {
                assert!(volume.read(&path).unwrap() == *content, "{name}");
            }
        }
    }
    assert_eq!(found, expected.len());
}

fn check(tree: &FileTree, options: &Options) -> Vec<u8> {
    let image = make(tree, options);
    assert_eq!(read(&image), expected(tree));
    check_with_ext4_view(&image, tree);
    fsck(&image);
    image
}

/// What was read can be written as either kind with the same holes, and read again.
fn again<R: Read + Seek>(tree: &FileTree, contents: &Contents<R>) -> [Vec<u8>; 2] {
    let holes = contents.holes();
    VARIANTS.map(|variant| {
        let plan = Plan::new(tree, &options(variant), &holes).unwrap();
        let mut writer = plan.writer(Vec::new(), &Silent).unwrap();
        deliver(tree, contents, plan.wanted(), &mut writer, &Silent).unwrap();
        let image = writer.finish().unwrap();
        fsck(&image);
        assert!(read(&image) == look(tree, contents));
        image
    })
}
