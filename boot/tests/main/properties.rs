//! Whatever tree goes in comes out again, for our reader and for others.

use std::collections::BTreeMap;
use std::io::Cursor;

use bootwright_boot::iso9660::{Options, dump, read::Image};
use bootwright_image::FileTree;
use proptest::prelude::*;

use crate::build::{options, write};
use crate::model::{NodeKind, assert_same, of_image, of_tree, trees};
use crate::tools;

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn our_reader_finds_every_tree(tree in trees(false)) {
        let expected = of_tree(&tree);
        let options = Options { partition_view: true, ..options() };
        let (bytes, _) = write(tree, options.clone()).unwrap();
        assert_same(&of_image(&bytes, 0), &expected);


        let mut image = Image::open(Cursor::new(&bytes)).unwrap();
        image.check().unwrap();
        let text = dump(&mut image).unwrap();
        prop_assert!(!text.contains("OVERLAPS") && !text.contains("NO PART"), "{}", text);

        // Joliet has the same files and directories, under names of its own.
        let contents = |model: &BTreeMap<_, _>| {
            let mut contents: Vec<_> = model.values().cloned().collect();
            contents.retain(|kind| matches!(kind, NodeKind::Directory | NodeKind::File(_)));
            contents.sort_by_key(|kind| format!("{kind:?}"));
            contents
        };
        let joliet = joliet(&bytes);
        let expected = expected.into_iter().map(|(path, node)| (path, node.kind)).collect();
        prop_assert_eq!(contents(&joliet), contents(&expected));
    }

    #[test]
    fn equal_trees_make_equal_images(tree in trees(false)) {
        let (first, _) = write(tree.clone(), options()).unwrap();
        let (second, _) = write(rebuilt(&tree), options()).unwrap();
        prop_assert_eq!(first, second);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn libarchive_finds_every_tree(tree in trees(true)) {
        let expected = of_tree(&tree);
        let (bytes, _) = write(tree, options()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("image.iso");
        std::fs::write(&file, bytes).unwrap();
        let from = format!("@{}", tools::name(&file));
        let keys = "--options=!all,type,mode,uid,gid,time,size,link,device,cksum";
        let Some(text) = tools::text("bsdtar", &["-cf", "-", "--format=mtree", keys, &from]) else {
            return Ok(());
        };
        let mut found = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (path, facts) = line.split_once(' ').unwrap();
            let path = path.strip_prefix('.').unwrap().trim_start_matches('/');
            // Further names of a file come without its content.
            let linked = expected.get(path.as_bytes()).is_some_and(|node| node.nlink > 1);
            let facts = if linked { facts.split(" size=").next().unwrap() } else { facts };
            found.insert(path.to_owned(), facts.to_owned());
        }
        let expected: BTreeMap<_, _> = expected
            .into_iter()
            .map(|(path, node)| {
                let head = format!(
                    "time={}.0 mode={:o} gid={} uid={}", node.mtime, node.mode, node.gid, node.uid
                );
                let device = |device: bootwright_image::Device| {
                    format!("device=native,{},{}", device.major, device.minor)
                };
                let tail = match node.kind {
                    NodeKind::Directory => "type=dir".into(),
                    NodeKind::File(_) if node.nlink > 1 => "type=file".into(),
                    NodeKind::File(content) => {
                        format!("type=file size={} cksum={}", content.len(), cksum(&content))
                    }
                    NodeKind::Symlink(target) => {
                        format!("type=link link={}", String::from_utf8(target).unwrap())
                    }
                    NodeKind::CharDevice(numbers) => format!("type=char {}", device(numbers)),
                    NodeKind::BlockDevice(numbers) => format!("type=block {}", device(numbers)),
                    NodeKind::Fifo => "type=fifo".into(),
                    NodeKind::Socket => "type=socket".into(),
                };
                (String::from_utf8(path).unwrap(), format!("{head} {tail}"))
            })
            .collect();
        assert_same(&found, &expected);
    }

    #[test]
    fn xorriso_and_7z_find_every_tree(tree in trees(true)) {
        let expected = of_tree(&tree);
        let (bytes, _) = write(tree, options()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("image.iso");
        std::fs::write(&file, bytes).unwrap();
        let from = format!("stdio:{}", tools::name(&file));
        let arguments =
            ["-abort_on", "WARNING", "-indev", &from, "-find", "/", "-exec", "lsdl", "--"];
        if let Some(text) = tools::text("xorriso", &arguments) {
            for (line, (path, node)) in found_by_xorriso(&text).into_iter().zip(&expected) {
                let path = format!("'/{}'", String::from_utf8_lossy(path));
                prop_assert!(line.contains(&path), "{} {}", line, path);
                let owner = format!(" {} ", node.uid);
                prop_assert!(line.contains(&owner), "{} {}", line, owner);
                if let NodeKind::File(content) = &node.kind {
                    let size = format!(" {} ", content.len());
                    prop_assert!(line.contains(&size), "{} {}", line, size);
                }
                if let NodeKind::Symlink(target) = &node.kind {
                    let target = format!("-> '{}'", String::from_utf8_lossy(target));
                    prop_assert!(line.ends_with(&target), "{} {}", line, target);
                }
            }
            prop_assert_eq!(found_by_xorriso(&text).len(), expected.len());
        }
        tools::text("7z", &["t", tools::name(&file)]);
    }
}

/// The lines about files, in order of their paths.
fn found_by_xorriso(text: &str) -> Vec<&str> {
    let mut lines: Vec<_> = text.lines().filter(|line| line.contains(" '/")).collect();
    lines.sort_by_key(|line| {
        let path = line.split_once(" '/").unwrap().1;
        path.split_once('\'').unwrap().0
    });
    lines
}

/// What the Joliet hierarchy holds.
fn joliet(bytes: &[u8]) -> BTreeMap<Vec<u8>, NodeKind> {
    let mut image = Image::open(Cursor::new(bytes)).unwrap();
    let volume = image.info().joliet().unwrap().clone();
    let entries = image.entries(&volume).unwrap();
    let kind = |entry| {
        let mut content = Vec::new();
        image.copy(entry, &mut content).unwrap();
        match entry.kind {
            bootwright_boot::iso9660::read::EntryKind::Directory => NodeKind::Directory,
            _ => NodeKind::File(content),
        }
    };
    let kinds: Vec<_> = entries.iter().map(kind).collect();
    entries.into_iter().map(|entry| entry.path).zip(kinds).collect()
}

/// The same tree, built in another order.
fn rebuilt(tree: &FileTree) -> FileTree {
    let mut copy = FileTree::new(tree.inode(tree.root()).metadata.clone());
    let mut ids = BTreeMap::from([(tree.root().index(), copy.root())]);
    let mut waiting = vec![tree.root()];
    while let Some(directory) = waiting.pop() {
        let children: Vec<_> = tree.children(directory).collect();
        for (name, id) in children.into_iter().rev() {
            let (parent, inode) = (ids[&directory.index()], tree.inode(id));
            if let Some(known) = ids.get(&id.index()) {
                copy.add_link(parent, name, *known).unwrap();
                continue;
            }
            let metadata = inode.metadata.clone();
            let added = match inode.as_directory() {
                Some(_) => {
                    waiting.push(id);
                    copy.add_directory(parent, name, metadata)
                }
                None => copy.add(parent, name, metadata, inode.kind().clone()),
            };
            ids.insert(id.index(), added.unwrap());
        }
    }
    copy
}

/// The checksum of POSIX cksum.
fn cksum(bytes: &[u8]) -> u32 {
    let mut len = bytes.len();
    let mut tail = Vec::new();
    while len > 0 {
        tail.push(u8::try_from(len & 0xFF).unwrap());
        len >>= 8;
    }
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte) << 24, |crc, _| {
            if crc & 1 << 31 == 0 { crc << 1 } else { crc << 1 ^ 0x04C1_1DB7 }
        })
    };
    !bytes.iter().chain(&tail).fold(0, step)
}
