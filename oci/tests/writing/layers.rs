//! A layer turns one tree into another.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::num::NonZeroUsize;

use bootwright_image::{
    Blob, Device, FileTree, InodeId, Kind, Metadata, Silent, Streams, Timestamp, collect,
};
use bootwright_oci::Reference;
use bootwright_oci::write::{
    ArchiveFormat, Changes, HistoryEntry, ImageArchive, LayerCompression, LayerOptions, NewImage,
    write_layer,
};
use proptest::prelude::*;

use crate::build::{read, scratch};

pub(super) fn jobs(jobs: usize) -> LayerOptions {
    LayerOptions::new(NonZeroUsize::new(jobs).unwrap())
}

pub(super) fn made_by(text: &str) -> HistoryEntry {
    HistoryEntry { created_by: text.to_owned(), ..HistoryEntry::default() }
}

/// An archive with an image of these layers, each made from a tree and what is below it.
fn archive(layers: &[(Changes, &FileTree)], options: LayerOptions) -> Vec<u8> {
    let mut archive = ImageArchive::new(Cursor::new(Vec::new()), ArchiveFormat::Docker);
    let mut image = NewImage::scratch("amd64");
    for (changes, tree) in layers {
        let layer = write_layer(&mut archive, changes, tree, &(), options, &Silent).unwrap();
        image.push(layer, &made_by("test"));
    }
    image.write(&mut archive, &["test:1".to_owned()], &Silent).unwrap();
    archive.finish().unwrap().into_inner()
}

/// Everything that an image can keep of a tree, as text: one block for each inode, with its names.
pub(super) fn dump(tree: &FileTree, streams: &dyn Streams) -> String {
    let mut names = BTreeMap::<InodeId, Vec<Vec<u8>>>::new();
    names.entry(tree.root()).or_default().push(b"/".to_vec());
    for walked in tree.walk() {
        names.entry(walked.id).or_default().push(walked.path);
    }
    let mut inodes: Vec<_> = names.into_iter().map(|(id, names)| (names, id)).collect();
    inodes.sort();
    let is_file = |id: &InodeId| tree.inode(*id).as_file().is_some();
    let files: Vec<_> = inodes.iter().map(|(_, id)| *id).filter(is_file).collect();
    let contents = collect(tree, streams, &files, 1 << 30, &Silent).unwrap();
    let contents: BTreeMap<_, _> = files.into_iter().zip(contents).collect();
    let mut text = String::new();
    for (names, id) in inodes {
        for name in names {
            text += &format!("{}\n", name.escape_ascii());
        }
        let inode = tree.inode(id);
        let Metadata { mode, uid, gid, mtime, xattrs } = &inode.metadata;
        text += &format!("    {mode:o} {uid}:{gid} {} ", mtime.0);
        text += &match inode.kind() {
            Kind::Directory(_) => "directory".to_owned(),
            Kind::File(_) => format!("file {}", contents[&id].escape_ascii()),
            Kind::Symlink(target) => format!("symlink {}", target.escape_ascii()),
            other => format!("{other:?}"),
        };
        for (name, value) in xattrs.iter() {
            text += &format!("\n    {}={}", name.escape_ascii(), value.escape_ascii());
        }
        text.push('\n');
    }
    text
}

fn dump_archive(bytes: &[u8]) -> String {
    let (_dir, path) = scratch("image.tar", bytes);
    let rootfs = read(&Reference::DockerArchive { file: path, name: None }).unwrap();
    dump(&rootfs.tree, &rootfs.streams)
}

/// What one layer of everything in `before` and another of the changes to `after` make.
fn merged(before: &FileTree, after: &FileTree, options: LayerOptions) -> String {
    let layers = [
        (Changes::whole(before).unwrap(), before),
        (Changes::between(before, after).unwrap(), after),
    ];
    dump_archive(&archive(&layers, options))
}

/// One step of making a tree: what, where, and of what kind.
type Step = (u8, String, Option<String>, Metadata, u8);

fn metadata() -> impl Strategy<Value = Metadata> {
    let ids = prop::sample::select(vec![0, 1000, 2_097_151, 2_097_152, u32::MAX]);
    let times = prop::sample::select(vec![0, 1, -1, -62_135_596_800, 8_589_934_591, 8_589_934_592]);
    let xattrs = prop::collection::vec((0..3_u8, prop::collection::vec(any::<u8>(), 0..9)), 0..2);
    (0..0o10000_u16, ids.clone(), ids, times, xattrs).prop_map(|(mode, uid, gid, mtime, list)| {
        let mut metadata =
            Metadata { mode, uid, gid, mtime: Timestamp(mtime), ..Metadata::default() };
        for (name, value) in list {
            let name = ["user.a", "security.capability", "user.caf\u{e9}"][usize::from(name)];
            metadata.xattrs.insert(name.as_bytes(), &value);
        }
        metadata
    })
}

fn path() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec!["a", "b", "c", "wh", "\u{fc}"]);
    prop::collection::vec(name, 1..4).prop_map(|names| names.join("/"))
}

fn step() -> impl Strategy<Value = Step> {
    (0..8_u8, path(), prop::option::of(path()), metadata(), 0..4_u8)
}

/// Applies a step; what cannot be done is left.
fn apply(tree: &mut FileTree, (what, path, other, metadata, content): &Step) {
    let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
    let Some(parent) = tree.lookup(parent.as_bytes()) else { return };
    let name = name.as_bytes();
    if tree.inode(parent).as_directory().is_none() {
        return;
    }
    if let Some(there) = tree.child(parent, name) {
        match what {
            0 => *tree.metadata_mut(there) = metadata.clone(),
            1 => {
                let _ = tree.set_content(there, Blob::from(vec![*content; 3]));
            }
            _ => {
                tree.remove(parent, name);
            }
        }
        if *what < 4 {
            return;
        }
    }
    let metadata = metadata.clone();
    let device = Device { major: 4095, minor: 1_048_575 };
    let _ = match what {
        0 | 1 => tree.add_directory(parent, name, metadata).map(drop),
        2 => tree.add(parent, name, metadata, Kind::Symlink(path.as_bytes().into())).map(drop),
        3 => tree.add(parent, name, metadata, Kind::CharDevice(device)).map(drop),
        4 => tree.add(parent, name, metadata, Kind::BlockDevice(device)).map(drop),
        5 => tree.add(parent, name, metadata, Kind::Fifo).map(drop),
        6 => match other.as_ref().and_then(|path| tree.lookup(path.as_bytes())) {
            Some(target) => tree.add_link(parent, name, target),
            None => Ok(()),
        },
        _ => {
            let len = usize::from(*content) * 300;
            tree.add_file(parent, name, metadata, Blob::from(vec![*content; len])).map(drop)
        }
    };
}

fn grow(mut tree: FileTree, steps: &[Step]) -> FileTree {
    for step in steps {
        apply(&mut tree, step);
    }
    tree
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_tree_becomes_any_other(
        root in metadata(),
        first in prop::collection::vec(step(), 0..30),
        then in prop::collection::vec(step(), 0..30),
        related in any::<bool>(),
    ) {
        let before = grow(FileTree::new(root), &first);
        let start = if related { before.clone() } else { FileTree::new(Metadata::directory(0o700)) };
        let after = grow(start, &then);
        prop_assert_eq!(merged(&before, &after, jobs(1)), dump(&after, &()));
        prop_assert!(Changes::between(&after, &after).unwrap().is_empty());
        let copy = grow(before.clone(), &[]);
        prop_assert!(Changes::between(&before, &copy).unwrap().is_empty());
    }
}

#[test]
fn bytes_do_not_depend_on_threads() {
    let mut tree = FileTree::new(Metadata::directory(0o755));
    for n in 0..40_u32 {
        let bytes: Vec<u8> = (0..200_000_u32).map(|i| (i * n / 7).to_le_bytes()[0]).collect();
        let name = format!("f{n}");
        tree.add_file(tree.root(), name.as_bytes(), Metadata::file(0o644), bytes.into()).unwrap();
    }
    let changes = || Changes::whole(&tree).unwrap();
    let one = archive(&[(changes(), &tree)], jobs(1));
    assert!(one == archive(&[(changes(), &tree)], jobs(5)));
    let plain = LayerOptions { compression: LayerCompression::None, ..jobs(2) };
    let plain = archive(&[(changes(), &tree)], plain);
    assert!(plain.len() > 8_000_000 && one.len() < plain.len());
    assert_eq!(dump_archive(&one), dump_archive(&plain));
}
