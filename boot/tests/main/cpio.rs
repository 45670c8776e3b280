//! Archives as GNU cpio, bsdtar and the zstd program see them.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::num::NonZeroU32;

use bootwright_boot::cpio::{self, Compressor, Options, Ownership, archive_len};
use bootwright_image::{Blob, Device, FileTree, Kind, Metadata, Silent};
use proptest::prelude::*;

use crate::build::metadata;
use crate::model::trees;
use crate::tools;

/// Everything the format has: hard links across folders, nodes, an empty file, odd bytes.
fn tree() -> FileTree {
    let mut tree = FileTree::new(metadata(0o755));
    let root = tree.root();
    let usr = tree.add_directory(root, b"usr", metadata(0o755)).unwrap();
    let file = tree.add_file(usr, b"b", metadata(0o4755), Blob::from(vec![7; 5])).unwrap();
    tree.add_link(root, b"a", file).unwrap();
    tree.add_link(usr, b"c", file).unwrap();
    tree.add_file(root, b"empty", metadata(0o600), Blob::from("")).unwrap();
    let link = Kind::Symlink(b"usr/bin/immucore"[..].into());
    tree.add(root, b"init", metadata(0o777), link).unwrap();
    let null = Kind::CharDevice(Device { major: 1, minor: 3 });
    tree.add(root, b"null", metadata(0o666), null).unwrap();
    let disk = Kind::BlockDevice(Device { major: 259, minor: 70_000 });
    tree.add(root, b"disk", metadata(0o660), disk).unwrap();
    tree.add(root, b"fifo", metadata(0o644), Kind::Fifo).unwrap();
    tree.add(root, b"socket", metadata(0o755), Kind::Socket).unwrap();
    tree.add_file(root, b"n\xFF m", metadata(0o644), Blob::from("odd")).unwrap();
    tree
}

fn archive(tree: &FileTree, options: Options) -> Vec<u8> {
    let mut bytes = Vec::new();
    let summary = cpio::write(tree, &(), options, &mut bytes, &Silent).unwrap();
    assert_eq!(summary.len, bytes.len() as u64);
    assert_eq!(summary.len, archive_len(tree, options).unwrap());
    bytes
}

/// A record: its numbers after the magic, and its content.
type Records = BTreeMap<Vec<u8>, ([u32; 13], Vec<u8>)>;

/// A reader of its own, after the kernel's documentation.
fn read(bytes: &[u8]) -> (Records, Vec<Vec<u8>>) {
    let (mut records, mut order, mut at) = (Records::new(), Vec::new(), 0);
    loop {
        assert_eq!(&bytes[at..at + 6], b"070701");
        let mut numbers = [0; 13];
        for (index, number) in numbers.iter_mut().enumerate() {
            let digits = std::str::from_utf8(&bytes[at + 6 + index * 8..][..8]).unwrap();
            *number = u32::from_str_radix(digits, 16).unwrap();
        }
        let name_len = numbers[11] as usize;
        let name = bytes[at + 110..at + 110 + name_len - 1].to_vec();
        assert_eq!(bytes[at + 110 + name_len - 1], 0);
        at = (at + 110 + name_len).next_multiple_of(4);
        let content = bytes[at..at + numbers[6] as usize].to_vec();
        at = (at + content.len()).next_multiple_of(4);
        if name == b"TRAILER!!!" {
            assert_eq!(at, bytes.len());
            return (records, order);
        }
        order.push(name.clone());
        assert!(records.insert(name, (numbers, content)).is_none());
    }
}

#[test]
fn everything_is_there_once_and_parents_come_first() {
    let tree = tree();
    let (records, order) = read(&archive(&tree, Options { ownership: Ownership::Keep }));
    assert_eq!(order[0], b".");
    assert_eq!(records.len(), 1 + tree.walk().count());
    for name in &order {
        if let Some(slash) = name.iter().rposition(|byte| *byte == b'/') {
            let parent = order.iter().position(|other| *other == name[..slash]).unwrap();
            assert!(parent < order.iter().position(|other| other == name).unwrap());
        }
    }
    let numbers = |name: &[u8]| records[name].0;
    // Inode, mode, uid, gid, links, time, length, device, device of a node.
    assert_eq!(numbers(b"a")[..7], [2 + 1, 0o104_755, 1000, 100, 3, 0, 5]);
    for other in [&b"usr/b"[..], b"usr/c"] {
        assert_eq!(numbers(other)[..7], [2 + 1, 0o104_755, 1000, 100, 3, 0, 0]);
    }
    assert_eq!(records[&b"a"[..]].1, [7; 5]);
    assert_eq!(records[&b"init"[..]].1, b"usr/bin/immucore");
    assert_eq!(numbers(b"disk")[7..11], [0, 0, 259, 70_000]);
    assert_eq!(numbers(b"disk")[1], 0o060_660);
    assert_eq!(numbers(b"null")[1], 0o020_666);
    assert_eq!(numbers(b"fifo")[1], 0o010_644);
    assert_eq!(numbers(b"socket")[1], 0o140_755);
    assert_eq!(numbers(b"usr")[1], 0o040_755);
    let (records, _) = read(&archive(&tree, Options::default()));
    assert!(records.values().all(|(numbers, _)| numbers[2..4] == [0, 0]));
}

#[test]
fn gnu_cpio_and_bsdtar_list_every_name() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("archive");
    fs::write(&path, archive(&tree(), Options::default())).unwrap();
    let list = ["-it", "--quiet", "-F", tools::name(&path)];
    if let Some(output) = tools::run("cpio", &list) {
        assert!(output.status.success());
        let names = output.stdout.split(|byte| *byte == b'\n').filter(|name| !name.is_empty());
        assert_eq!(names.count(), 1 + tree().walk().count());
    }
    if let Some(text) = tools::text("bsdtar", &["-tvf", tools::name(&path)]) {
        assert!(text.contains("init -> usr/bin/immucore"), "{text}");
        assert!(text.contains("usr/b link to a"), "{text}");
        assert!(text.contains("259,70000"), "{text}");
    }
}

#[test]
fn what_the_format_or_the_kernel_cannot_hold_is_refused_by_name() {
    let mut tree = FileTree::new(Metadata::default());
    let host = |len| Blob::host_file(std::path::Path::new("/nonexistent").into(), 0, len);
    tree.add_file(tree.root(), b"big", Metadata::default(), host(1 << 32)).unwrap();
    let error = archive_len(&tree, Options::default()).unwrap_err().to_string();
    assert!(error.starts_with(r#""big" has 4294967296 bytes"#), "{error}");
    tree.remove(tree.root(), b"big").unwrap();
    tree.add_file(tree.root(), b"big", Metadata::default(), host((1 << 32) - 1)).unwrap();
    let len = archive_len(&tree, Options::default()).unwrap();
    assert_eq!(len, (1 << 32) + 112 + 116 + 124);
    tree.add_file(tree.root(), b"later", Metadata::default(), Blob::deferred(1)).unwrap();
    let error = archive_len(&tree, Options::default()).unwrap_err().to_string();
    assert!(error.starts_with(r#"the content of "later" is not known yet"#), "{error}");

    let mut deep = FileTree::new(Metadata::default());
    let name = [b'd'; 255];
    let path = vec![&name[..]; 16].join(&b'/');
    deep.add_directories(&path, &Metadata::directory(0o755)).unwrap();
    assert!(archive_len(&deep, Options::default()).is_ok(), "{} bytes", path.len());
    let parent = deep.lookup(&path).unwrap();
    deep.add_file(parent, b"x", Metadata::default(), Blob::from("")).unwrap();
    let error = archive_len(&deep, Options::default()).unwrap_err().to_string();
    assert!(error.contains("has 4097 bytes: the kernel unpacks paths of up to 4095"), "{error}");
}

/// What a record must say of an inode: kind and permissions, owner, device, content.
type Node = (u32, [u32; 2], (u32, u32), Vec<u8>);

/// The tree by path, and which paths share an inode.
fn expected(tree: &FileTree) -> BTreeMap<Vec<u8>, (Node, usize)> {
    let root = bootwright_image::Walked { path: b".".to_vec(), id: tree.root() };
    let node = |walked: bootwright_image::Walked| {
        let inode = tree.inode(walked.id);
        let (kind, device, content) = match inode.kind() {
            Kind::Directory(_) => (0o040_000, None, vec![]),
            Kind::File(blob) => {
                let mut content = Vec::new();
                blob.open().unwrap().read_to_end(&mut content).unwrap();
                (0o100_000, None, content)
            }
            Kind::Symlink(target) => (0o120_000, None, target.to_vec()),
            Kind::CharDevice(device) => (0o020_000, Some(device), vec![]),
            Kind::BlockDevice(device) => (0o060_000, Some(device), vec![]),
            Kind::Fifo => (0o010_000, None, vec![]),
            Kind::Socket => (0o140_000, None, vec![]),
        };
        let device = device.map_or((0, 0), |device| (device.major, device.minor));
        let metadata = &inode.metadata;
        let owner = [metadata.uid, metadata.gid];
        let node = (kind | u32::from(metadata.mode), owner, device, content);
        (walked.path, (node, walked.id.index()))
    };
    std::iter::once(root).chain(tree.walk()).map(node).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_tree_comes_out_again(tree in trees(false)) {
        let bytes = archive(&tree, Options { ownership: Ownership::Keep });
        let (records, order) = read(&bytes);
        let expected = expected(&tree);
        prop_assert!(records.keys().eq(expected.keys()));
        // A file's content stands at its first name.
        let mut contents = BTreeMap::new();
        for name in &order {
            let (numbers, content) = &records[name];
            contents.entry(numbers[0]).or_insert(content);
        }
        let mut inodes = BTreeMap::new();
        for (path, (node, id)) in &expected {
            let (numbers, _) = &records[path];
            let device = (numbers[9], numbers[10]);
            let found = (numbers[1], [numbers[2], numbers[3]], device, contents[&numbers[0]].clone());
            prop_assert_eq!(&found, node, "{}", String::from_utf8_lossy(path));
            let first = *inodes.entry(*id).or_insert(numbers[0]);
            prop_assert_eq!(first, numbers[0]);
        }
        let mut numbers: Vec<_> = inodes.into_values().collect();
        numbers.sort_unstable();
        prop_assert!(numbers.iter().copied().eq((2..).take(numbers.len())));
    }
}

/// Bytes that compress a little, more than one job of them.
fn long() -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8 & 0x1F
    };
    (0..cpio::JOB_SIZE * 2 + 4321).map(|_| next()).collect()
}

fn compress(content: &[u8], jobs: u32, piece: usize) -> Vec<u8> {
    let mut compressor = Compressor::new(Vec::new(), 1, NonZeroU32::new(jobs).unwrap()).unwrap();
    for piece in content.chunks(piece) {
        compressor.write_all(piece).unwrap();
        compressor.flush().unwrap();
    }
    compressor.finish().unwrap()
}

#[test]
fn a_frame_does_not_depend_on_the_number_of_threads() {
    let content = long();
    let one = compress(&content, 1, 1 << 20);
    for (jobs, piece) in [(2, 1 << 20), (3, 65_537), (8, usize::MAX)] {
        assert!(compress(&content, jobs, piece) == one, "{jobs} threads, pieces of {piece}");
    }
    // One frame, as the kernel needs it.
    assert_eq!(zstd::zstd_safe::find_frame_compressed_size(&one), Ok(one.len()));
    assert!(zstd::decode_all(&*one).unwrap() == content);
}

#[test]
fn windows_are_those_that_the_kernel_takes() {
    for level in cpio::LEVELS {
        let mut compressor = Compressor::new(Vec::new(), level, NonZeroU32::MIN).unwrap();
        compressor.write_all(b"x").unwrap();
        let frame = compressor.finish().unwrap();
        // RFC 8878, section 3.1.1.1.2: no single segment, so a window descriptor follows.
        assert_eq!(frame[4] & 0x20, 0);
        let exponent = u32::from(frame[5] >> 3) + 10;
        assert!(frame[5] & 7 == 0 && exponent <= 23, "level {level}: 2^{exponent}");
    }
    for level in [i32::MIN, 0, *cpio::LEVELS.end() + 1] {
        let error = Compressor::new(Vec::new(), level, NonZeroU32::MIN).unwrap_err();
        assert!(error.to_string().starts_with(&format!("zstd level {level}:")));
    }
}
