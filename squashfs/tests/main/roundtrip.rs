//! Whatever tree goes in comes out again.

use std::num::NonZeroUsize;

use bootwright_image::{Blob, Device, FileTree, Kind, Metadata, Timestamp, Xattrs};
use bootwright_squashfs::{BlockSize, Fragments, Options};
use proptest::prelude::*;

use crate::support::{assert_same, image, noise, options};
use crate::{foreign, support::Bytes};

/// What a random entry is.
#[derive(Clone, Debug)]
enum Thing {
    Directory,
    File(Vec<Piece>),
    Symlink(Bytes),
    Device(bool, u32, u32),
    Fifo,
    Socket,
    Link(prop::sample::Index),
}

/// A stretch of a file.
#[derive(Clone, Debug)]
enum Piece {
    Zeros(usize),
    Noise(u64, usize),
    Text(u8, usize),
}

#[derive(Clone, Debug)]
struct Spec {
    parent: prop::sample::Index,
    name: Bytes,
    metadata: Metadata,
    thing: Thing,
}

fn name() -> impl Strategy<Value = Bytes> {
    let odd = prop::collection::vec(1_u8.., 1..12);
    let long = (b'a'..=b'z', 200_usize..=255).prop_map(|(byte, len)| vec![byte; len]);
    let plain = "[a-e]{1,3}".prop_map(String::into_bytes);
    prop_oneof![4 => plain, 3 => odd, 1 => long]
}

/// Lengths around the bounds of 4 KiB blocks.
fn len() -> impl Strategy<Value = usize> {
    let near = (0_usize..4, 0_usize..3).prop_map(|(blocks, off)| (4096 * blocks + off).max(1) - 1);
    prop_oneof![near, 0_usize..200, 0_usize..20_000]
}

fn thing() -> impl Strategy<Value = Thing> {
    let piece = prop_oneof![
        len().prop_map(Piece::Zeros),
        (0_u64..4, len()).prop_map(|(seed, len)| Piece::Noise(seed, len)),
        (any::<u8>(), len()).prop_map(|(byte, len)| Piece::Text(byte, len)),
    ];
    let target = prop::collection::vec(1_u8.., 1..40);
    prop_oneof![
        3 => Just(Thing::Directory),
        6 => prop::collection::vec(piece, 0..4).prop_map(Thing::File),
        1 => target.prop_map(Thing::Symlink),
        1 => (any::<bool>(), 0_u32..4096, 0_u32..1 << 20)
            .prop_map(|(block, major, minor)| Thing::Device(block, major, minor)),
        1 => Just(Thing::Fifo),
        1 => Just(Thing::Socket),
        1 => any::<prop::sample::Index>().prop_map(Thing::Link),
    ]
}

fn metadata() -> impl Strategy<Value = Metadata> {
    let attribute = (
        prop::sample::select(vec!["user.a", "user.b", "trusted.t", "security.capability"]),
        prop::collection::vec(any::<u8>(), 0..30),
    );
    let xattrs = prop_oneof![
        4 => Just(Vec::new()),
        1 => prop::collection::vec(attribute, 0..4),
    ];
    let id = prop_oneof![3 => Just(0), 1 => any::<u32>()];
    let time = prop_oneof![Just(0), any::<u32>().prop_map(i64::from), any::<i64>()];
    (0_u16..0o10000, id.clone(), id, time, xattrs).prop_map(|(mode, uid, gid, mtime, pairs)| {
        let mut xattrs = Xattrs::default();
        for (name, value) in pairs {
            xattrs.insert(name.as_bytes(), &value);
        }
        Metadata { mode, uid, gid, mtime: Timestamp(mtime), xattrs }
    })
}

fn tree() -> impl Strategy<Value = FileTree> {
    let spec = (any::<prop::sample::Index>(), name(), metadata(), thing())
        .prop_map(|(parent, name, metadata, thing)| Spec { parent, name, metadata, thing });
    (metadata(), prop::collection::vec(spec, 0..40)).prop_map(|(root, specs)| build(root, specs))
}

fn content(pieces: &[Piece]) -> Bytes {
    let mut bytes = Vec::new();
    for piece in pieces {
        match *piece {
            Piece::Zeros(len) => bytes.resize(bytes.len() + len, 0),
            Piece::Noise(seed, len) => bytes.extend(noise(seed, len)),
            Piece::Text(byte, len) => bytes.resize(bytes.len() + len, byte),
        }
    }
    bytes
}

/// Names that are taken or not allowed are left out.
fn build(root: Metadata, specs: Vec<Spec>) -> FileTree {
    let mut tree = FileTree::new(root);
    let mut directories = vec![tree.root()];
    let mut others = Vec::new();
    for Spec { parent, name, metadata, thing } in specs {
        let parent = *parent.get(&directories);
        let device = |major, minor| Device { major, minor };
        let kind = match thing {
            Thing::Directory => {
                directories.extend(tree.add_directory(parent, &name, metadata));
                continue;
            }
            Thing::Link(target) => {
                if !others.is_empty() {
                    let _ = tree.add_link(parent, &name, *target.get(&others));
                }
                continue;
            }
            Thing::File(pieces) => Kind::File(Blob::from(content(&pieces))),
            Thing::Symlink(target) => Kind::Symlink(target.into()),
            Thing::Device(true, major, minor) => Kind::BlockDevice(device(major, minor)),
            Thing::Device(false, major, minor) => Kind::CharDevice(device(major, minor)),
            Thing::Fifo => Kind::Fifo,
            Thing::Socket => Kind::Socket,
        };
        others.extend(tree.add(parent, &name, metadata, kind));
    }
    tree
}

fn any_options() -> impl Strategy<Value = Options> {
    let compression =
        prop::sample::select(vec!["gzip:1", "zstd:1", "xz:0:x86", "lz4", "lz4:3", "none"]);
    let fragments =
        prop::sample::select(vec![Fragments::SmallFiles, Fragments::Always, Fragments::Never]);
    let block_size = prop_oneof![4 => Just(4096_u64), 1 => Just(1 << 16), 1 => Just(1 << 20)];
    (compression, fragments, block_size, any::<bool>(), any::<u32>()).prop_map(
        |(compression, fragments, block_size, export, time)| {
            let mut options = options();
            options.compression = compression.parse().unwrap();
            options.block_size = BlockSize::new(block_size).unwrap();
            (options.fragments, options.export, options.time) = (fragments, export, time);
            options
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..<_>::default() })]

    #[test]
    fn our_reader_finds_the_tree(tree in tree(), mut options in any_options()) {
        let (bytes, summary) = image(&tree, &options);
        assert_same(&tree, &bytes);
        let mut walked: Vec<_> = tree.walk().map(|walked| walked.id).collect();
        walked.push(tree.root());
        walked.sort();
        walked.dedup();
        assert_eq!(summary.inodes as usize, walked.len());

        options.jobs = NonZeroUsize::new(3).unwrap();
        options.memory = 1 << 15;
        assert_eq!((bytes, summary), image(&tree, &options));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..<_>::default() })]

    #[test]
    fn foreign_readers_find_the_tree(tree in tree(), options in any_options()) {
        let (bytes, _) = image(&tree, &options);
        foreign::assert_listing(&tree, &bytes);
        foreign::assert_contents(&tree, &bytes);
        foreign::assert_backhand(&tree, &bytes);
    }
}

#[test]
fn the_number_of_jobs_does_not_matter_for_any_codec() {
    let mut tree = FileTree::new(Metadata::directory(0o755));
    let root = tree.root();
    for seed in 0..40 {
        let mut content = noise(seed, 3000 * usize::try_from(seed).unwrap());
        content.extend(std::iter::repeat_n(b"text ", 5000).flatten());
        let name = format!("{seed}");
        tree.add_file(root, name.as_bytes(), Metadata::file(0o644), content.into()).unwrap();
    }
    for compression in
        ["gzip:6", "gzip:12", "zstd:3", "zstd:19", "xz:1", "xz:1:arm64", "lz4", "lz4:9", "none"]
    {
        let mut options = options();
        options.compression = compression.parse().unwrap();
        options.block_size = BlockSize::new(1 << 16).unwrap();
        let one = image(&tree, &options);
        options.jobs = NonZeroUsize::new(7).unwrap();
        assert!(one == image(&tree, &options), "{compression}");
        assert_same(&tree, &one.0);
    }
}
