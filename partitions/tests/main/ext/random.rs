//! Random trees through the writer and three readers.

use bootwright_image::Blob;
use bootwright_partitions::fuzzing;
use proptest::prelude::*;

use super::*;

/// A name, and what is to be below it.
#[derive(Clone, Debug)]
enum Grown {
    Directory(Vec<(String, Grown)>),
    File(usize, usize),
    Symlink(usize),
    Device(u32, u32),
    Fifo,
    Link,
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[a-zA-Z0-9._ -]{1,20}x", 1 => "[a-z]{200,255}", 1 => "[à-ÿ]{1,30}"]
}

fn grown() -> impl Strategy<Value = Grown> {
    let len = prop_oneof![0..3000_usize, 4095..4098_usize, 0..400_000_usize];
    let leaf = prop_oneof![
        6 => (len, any::<usize>()).prop_map(|(len, seed)| Grown::File(len, seed % 1000)),
        1 => (1..1023_usize).prop_map(Grown::Symlink),
        1 => (0..4096_u32, 0..1_048_576_u32).prop_map(|(a, b)| Grown::Device(a, b)),
        1 => Just(Grown::Fifo),
        1 => Just(Grown::Link),
    ];
    leaf.prop_recursive(4, 120, 40, |inner| {
        proptest::collection::vec((name(), inner), 0..40).prop_map(Grown::Directory)
    })
}

fn grow(tree: &mut FileTree, parent: InodeId, names: &[(String, Grown)], files: &mut Vec<InodeId>) {
    for (index, (name, grown)) in names.iter().enumerate() {
        let name = name.as_bytes();
        let mut meta = metadata(0o644);
        (meta.uid, meta.gid) = (u32::try_from(index).unwrap() * 40_000, 7);
        for n in 0..index % 4 {
            let attribute = format!("user.{n}{}", "a".repeat(index % 50));
            meta.xattrs.insert(attribute.as_bytes(), &pattern(index % 70, n));
        }
        let added = match grown {
            Grown::Directory(below) => {
                if let Ok(id) = tree.add_directory(parent, name, meta) {
                    grow(tree, id, below, files);
                }
                continue;
            }
            Grown::File(len, seed) => {
                let mut content = pattern(*len, *seed);
                if seed % 3 == 0 && *len > 2048 {
                    content[1000..len - 500].fill(0);
                }
                let id = tree.add_file(parent, name, meta, Blob::from(content));
                files.extend(id.as_ref().ok());
                id
            }
            Grown::Symlink(len) => {
                {
                    // No component longer than a name may be.
                    let target: Vec<u8> = b"target/".iter().copied().cycle().take(*len).collect();
                    tree.add(parent, name, meta, Kind::Symlink(target.into()))
                }
            }
            Grown::Device(major, minor) => {
                let device = Device { major: *major, minor: *minor };
                tree.add(parent, name, meta, Kind::BlockDevice(device))
            }
            Grown::Fifo => tree.add(parent, name, meta, Kind::Fifo),
            Grown::Link => {
                if let Some(file) = files.get(index % files.len().max(1)) {
                    let _ = tree.add_link(parent, name, *file);
                }
                continue;
            }
        };
        // A name may come twice.
        let _ = added;
    }
}

fn tree_of(names: &[(String, Grown)]) -> FileTree {
    let mut tree = FileTree::new(metadata(0o755));
    let root = tree.root();
    grow(&mut tree, root, names, &mut Vec::new());
    tree
}

/// Holes where our trees have long runs of zeros.
fn holes_of(tree: &FileTree) -> Holes {
    let mut holes = Holes::new();
    for walked in tree.walk() {
        let Some(blob) = tree.inode(walked.id).as_file() else { continue };
        let content = &collect(tree, &(), &[walked.id], u64::MAX, &Silent).unwrap()[0];
        let start = content.iter().position(|byte| *byte == 0);
        if let Some(start) = start {
            holes.insert(walked.id, vec![start as u64..blob.len() - 500]);
        }
    }
    holes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_goes_in_comes_out(
        names in proptest::collection::vec((name(), grown()), 0..30),
        ext4 in any::<bool>(),
        block_size in prop_oneof![Just(None), Just(Some(1024)), Just(Some(2048)), Just(Some(4096))],
        headroom in prop_oneof![Just(0_u64), 0..20_000_000_u64],
        holed in any::<bool>(),
    ) {
        let tree = tree_of(&names);
        let holes = if holed { holes_of(&tree) } else { Holes::new() };
        let variant = if ext4 { Variant::Ext4 } else { Variant::Ext2 };
        let options = Options { block_size, size: Size::Auto { headroom }, ..options(variant) };
        let plan = Plan::new(&tree, &options, &holes).unwrap();
        let image = image_of(&plan, &tree);
        prop_assert!(read(&image) == expected(&tree));
        // The crate takes a hole as large as a whole map for a map in block 0.
        if ext4 || !holed {
            check_with_ext4_view(&image, &tree);
        }
        fsck(&image);
        // As an exact size it does too, byte for byte.
        let again = Options { size: Size::Exact(plan.len()), block_size: Some(u32::try_from(plan.block_size()).unwrap()), ..options };
        let plan = Plan::new(&tree, &again, &holes).unwrap();
        prop_assert!(image_of(&plan, &tree) == image);
    }

    #[test]
    fn what_was_read_can_be_written_again(
        names in proptest::collection::vec((name(), grown()), 0..20),
        ext4 in any::<bool>(),
        block_size in prop_oneof![Just(1024), Just(4096)],
    ) {
        let tree = tree_of(&names);
        let holes = holes_of(&tree);
        let variant = if ext4 { Variant::Ext4 } else { Variant::Ext2 };
        let options = Options { block_size: Some(block_size), ..options(variant) };
        let image = image_of(&Plan::new(&tree, &options, &holes).unwrap(), &tree);
        let (seen, contents) = Volume::open(Cursor::new(&image), 0).unwrap().into_tree(3).unwrap();
        // A hole is cut to whole blocks.
        let kept: u64 = contents.holes().values().flatten().map(|hole| hole.end - hole.start).sum();
        let told: u64 = holes.values().flatten().map(|hole| hole.end - hole.start).sum();
        prop_assert!(kept <= told, "{kept} of {told}");
        again(&seen, &contents);
    }

    #[test]
    fn whatever_the_bytes_the_reader_does_not_panic(
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..20),
        ext4 in any::<bool>(),
    ) {
        let variant = if ext4 { Variant::Ext4 } else { Variant::Ext2 };
        let mut image = make(&everything(), &options(variant));
        // The first blocks hold what everything depends on.
        let interesting = image.len().min(400_000);
        for (at, value) in changes {
            image[at.index(interesting)] = value;
        }
        fuzzing::ext_read(&image);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Planning needs no contents, so it is tried with sizes that nobody would write in a test.
    #[test]
    fn automatic_sizes_are_tight_and_hold_as_exact_ones(
        lens in proptest::collection::vec(
            prop_oneof![0..100_000_u64, 0..3_000_000_000_u64, (500_u64 << 20)..(530 << 20)], 0..6),
        small in 0..3000_u64,
        headroom in prop_oneof![Just(0_u64), 0..600_000_000_u64],
        ext4 in any::<bool>(),
        block_size in prop_oneof![Just(None), Just(Some(1024)), Just(Some(4096))],
    ) {
        let mut tree = FileTree::new(metadata(0o755));
        let root = tree.root();
        let all = lens.iter().copied().chain((0..small).map(|n| n % 3));
        for (n, len) in all.enumerate() {
            let name = format!("{n}");
            tree.add_file(root, name.as_bytes(), metadata(0o644), Blob::deferred(len)).unwrap();
        }
        let variant = if ext4 { Variant::Ext4 } else { Variant::Ext2 };
        let options = Options { block_size, size: Size::Auto { headroom }, ..options(variant) };
        let holes = Holes::new();
        let plan = Plan::new(&tree, &options, &holes).unwrap();
        let block_size = plan.block_size();
        let free = plan.free_blocks() * block_size;
        prop_assert!(free >= headroom);
        // At most what a group's tables, or the step to one more group, bring.
        let slack = (plan.len() / 50).max(40 << 20);
        prop_assert!(free <= headroom + slack, "{free} free of {} for {headroom}", plan.len());
        let exactly = |len| {
            let block_size = Some(u32::try_from(block_size).unwrap());
            let options = Options { size: Size::Exact(len), block_size, ..options.clone() };
            Plan::new(&tree, &options, &holes)
        };
        prop_assert_eq!(exactly(plan.len()).unwrap().to_string(), plan.to_string());
        if let Ok(smaller) = exactly(plan.len() - block_size) {
            prop_assert!(smaller.free_blocks() * block_size <= headroom + slack);
        }
    }
}
