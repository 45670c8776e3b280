//! What a tree holds, in a form to compare with what a reader finds.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io::{Cursor, Read};

use bootwright_boot::iso9660::read::{EntryKind, Image};
use bootwright_image::{Device, FileTree, Kind};
use proptest::prelude::*;

use crate::build::metadata;

/// A name's inode. Times are what 7-byte dates hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) kind: NodeKind,
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) nlink: u32,
    pub(crate) mtime: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NodeKind {
    Directory,
    File(Vec<u8>),
    Symlink(Vec<u8>),
    CharDevice(Device),
    BlockDevice(Device),
    Fifo,
    Socket,
}

pub(crate) type Model = BTreeMap<Vec<u8>, Node>;

/// Fails with the names on which two maps differ.
pub(crate) fn assert_same<K: Ord + Debug, V: PartialEq + Debug>(
    found: &BTreeMap<K, V>,
    expected: &BTreeMap<K, V>,
) {
    for (key, value) in expected {
        let found = found.get(key);
        let short = |text: String| text.chars().take(600).collect::<String>();
        let (left, right) = (format!("{found:?}"), format!("{value:?}"));
        assert!(found == Some(value), "{key:?}: {} is not {}", short(left), short(right));
    }
    for key in found.keys() {
        assert!(expected.contains_key(key), "{key:?} should not be there");
    }
}

/// The names of a tree with memory contents; the root's is empty.
pub(crate) fn of_tree(tree: &FileTree) -> Model {
    let root = (Vec::new(), tree.root());
    let names = tree.walk().map(|walked| (walked.path, walked.id));
    std::iter::once(root)
        .chain(names)
        .map(|(path, id)| {
            let inode = tree.inode(id);
            let kind = match inode.kind() {
                Kind::Directory(_) => NodeKind::Directory,
                Kind::File(blob) => {
                    let mut content = Vec::new();
                    blob.open().unwrap().read_to_end(&mut content).unwrap();
                    NodeKind::File(content)
                }
                Kind::Symlink(target) => NodeKind::Symlink(target.to_vec()),
                Kind::CharDevice(device) => NodeKind::CharDevice(*device),
                Kind::BlockDevice(device) => NodeKind::BlockDevice(*device),
                Kind::Fifo => NodeKind::Fifo,
                Kind::Socket => NodeKind::Socket,
            };
            let below =
                tree.children(id).filter(|(_, id)| tree.inode(*id).as_directory().is_some());
            let nlink = match inode.as_directory() {
                Some(_) => 2 + u32::try_from(below.count()).unwrap(),
                None => inode.names(),
            };
            let metadata = &inode.metadata;
            let node = Node {
                kind,
                mode: u32::from(metadata.mode),
                uid: metadata.uid,
                gid: metadata.gid,
                nlink,
                mtime: metadata.mtime.0.clamp(-2_208_988_800, 5_869_583_999),
            };
            (path, node)
        })
        .collect()
}

/// The names of an image's primary hierarchy. Names of one inode share a serial number and a
/// place, others do not.
pub(crate) fn of_image(bytes: &[u8], volume: usize) -> Model {
    let mut image = Image::open(Cursor::new(bytes)).unwrap();
    let volume = image.info().volumes[volume].clone();
    let mut serials = BTreeMap::new();
    let mut places = BTreeMap::new();
    let mut model = Model::new();
    for entry in image.entries(&volume).unwrap() {
        let posix = entry.posix.unwrap();
        let serial = posix.serial.unwrap();
        *serials.entry(serial).or_insert(0) += 1;
        let directory = entry.kind == EntryKind::Directory;
        assert!(directory || serials[&serial] <= posix.nlink, "{serial} has too many names");
        if let Some(extent) = entry.extents.first() {
            assert_eq!(*places.entry(extent.block).or_insert(serial), serial);
        }
        let kind = match &entry.kind {
            EntryKind::Directory => NodeKind::Directory,
            EntryKind::File => {
                let mut content = Vec::new();
                image.copy(&entry, &mut content).unwrap();
                NodeKind::File(content)
            }
            EntryKind::Symlink(target) => NodeKind::Symlink(target.clone()),
            EntryKind::CharDevice(device) => NodeKind::CharDevice(*device),
            EntryKind::BlockDevice(device) => NodeKind::BlockDevice(*device),
            EntryKind::Fifo => NodeKind::Fifo,
            _ => NodeKind::Socket,
        };
        let node = Node {
            kind,
            mode: posix.mode & 0o7777,
            uid: posix.uid,
            gid: posix.gid,
            nlink: posix.nlink,
            mtime: entry.mtime.unwrap().0,
        };
        assert!(model.insert(entry.path, node).is_none());
    }
    model
}

/// Random trees. `tame` ones hold what every reader that others wrote can show: ASCII names,
/// times after 1970.
pub(crate) fn trees(tame: bool) -> impl Strategy<Value = FileTree> {
    let name = if tame {
        prop_oneof![
            "[a-zA-Z][a-z0-9._+-]{0,40}".prop_map(String::into_bytes),
            "[a-z]{100,255}".prop_map(String::into_bytes),
        ]
        .boxed()
    } else {
        prop_oneof![
            "[abAB.+]{1,4}".prop_map(String::into_bytes),
            "\\PC{1,60}".prop_map(String::into_bytes),
            proptest::collection::vec(1..=255_u8, 1..255),
            "[xy]{60,70}(\\.[a-z]{1,9})?".prop_map(String::into_bytes),
        ]
        .boxed()
    };
    let component =
        prop_oneof![Just(".".to_owned()), Just("..".to_owned()), "[a-z]{1,10}", "[a-z]{200,400}",];
    let slash = if tame { Just("/".to_owned()).boxed() } else { "/{1,2}".boxed() };
    let target = (
        proptest::option::of(Just("/")),
        proptest::collection::vec((component, slash), 1..20),
        Just(!tame),
    )
        .prop_map(move |(root, parts, trailing)| {
            let mut target = root.unwrap_or_default().to_owned();
            parts.iter().for_each(|(name, slash)| {
                target.push_str(name);
                target.push_str(slash);
            });
            if !trailing {
                target.truncate(target.trim_end_matches('/').len());
            }
            // libarchive drops the slash between components in different SL entries.
            target.truncate(if tame { 200 } else { 4095 });
            target.into_bytes()
        });
    let minor = prop_oneof![0..256_u32, 0..0x10_0000_u32];
    let device = (1..4096_u32, if tame { (0..256_u32).boxed() } else { minor.boxed() })
        .prop_map(|(major, minor)| Device { major, minor });
    let kind = prop_oneof![
        4 => Just(Thing::Directory),
        5 => proptest::collection::vec(any::<u8>(), 0..5000).prop_map(Thing::File),
        2 => any::<prop::sample::Index>().prop_map(Thing::Link),
        3 => target.prop_map(|target| Thing::Other(Kind::Symlink(target.into()))),
        1 => device.clone().prop_map(|device| Thing::Other(Kind::CharDevice(device))),
        1 => device.prop_map(|device| Thing::Other(Kind::BlockDevice(device))),
        1 => Just(Thing::Other(Kind::Fifo)),
        1 => Just(Thing::Other(Kind::Socket)),
    ];
    let times = if tame { (0..4_000_000_000_i64).boxed() } else { any::<i64>().boxed() };
    let step = (any::<prop::sample::Index>(), name, kind, 0..0o10_000_u16, any::<u32>(), times);
    proptest::collection::vec(step, 0..60).prop_map(move |steps| grow(steps, tame))
}

#[derive(Clone, Debug)]
enum Thing {
    Directory,
    File(Vec<u8>),
    Link(prop::sample::Index),
    Other(Kind),
}

type Step = (prop::sample::Index, Vec<u8>, Thing, u16, u32, i64);

/// Adds what can be added; names that are taken or impossible are left out.
fn grow(steps: Vec<Step>, tame: bool) -> FileTree {
    let mut tree = FileTree::new(metadata(0o755));
    let (mut directories, mut others) = (vec![(tree.root(), 0)], Vec::new());
    for (parent, name, thing, mode, owner, time) in steps {
        let (parent, depth) = directories[parent.index(directories.len())];
        // libisofs gives up on paths and targets beyond 1023 bytes.
        if tame && depth + name.len() > 1000 {
            continue;
        }
        let mut metadata = metadata(mode);
        metadata.uid = owner;
        metadata.gid = owner.wrapping_mul(7);
        metadata.mtime.0 = time;
        match thing {
            Thing::Directory => {
                let added = tree.add_directory(parent, &name, metadata);
                directories.extend(added.map(|id| (id, depth + name.len() + 1)));
            }
            Thing::File(bytes) => {
                others.extend(tree.add_file(parent, &name, metadata, bytes.into()));
            }
            Thing::Link(target) if !others.is_empty() => {
                let _ = tree.add_link(parent, &name, others[target.index(others.len())]);
            }
            Thing::Link(_) => {}
            Thing::Other(kind) => others.extend(tree.add(parent, &name, metadata, kind)),
        }
    }
    tree
}
