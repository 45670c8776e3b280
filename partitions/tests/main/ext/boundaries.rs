//! Sizes at which something new begins.

use std::ops::Range;

use bootwright_image::Blob;

use super::*;

/// A tree with one file, and its holes.
fn one_file(content: Vec<u8>, holes: Vec<Range<u64>>) -> (FileTree, Holes) {
    let mut tree = FileTree::new(metadata(0o755));
    let file = tree.add_file(tree.root(), b"file", metadata(0o644), content.into()).unwrap();
    (tree, Holes::from([(file, holes)]))
}

fn check_holes(tree: &FileTree, options: &Options, holes: &Holes) -> Vec<u8> {
    let image = image_of(&Plan::new(tree, options, holes).unwrap(), tree);
    assert!(read(&image) == expected(tree));
    // The crate takes a hole as large as a whole map for a map in block 0.
    in_file(&image, |path| {
        let arguments = ["-R", "cat file", tools::name(path)];
        let Some(output) = tools::run("debugfs", &arguments) else { return };
        assert!(Some(output.stdout) == expected(tree)["file"].content);
    });
    fsck(&image);
    image
}

#[test]
fn volumes_of_every_odd_size() {
    let tree = everything();
    for variant in VARIANTS {
        for blocks in [8192, 8193, 8194, 8200, 8300, 8600, 9000, 16384, 16385, 16386, 24577, 24700]
        {
            let image = make(&tree, &exact(variant, blocks << 10));
            assert_eq!(read(&image), expected(&tree), "{blocks}");
            fsck(&image);
        }
        // A size that is not even a multiple of the blocks.
        fsck(&make(&tree, &exact(variant, (20 << 20) + 512)));
    }
}

#[test]
fn contents_that_end_where_tables_begin() {
    for variant in VARIANTS {
        let holes = Holes::new();
        let options = Options { block_size: Some(1024), ..exact(variant, 20 << 20) };
        // The first block of group 1, counted from the first of the content.
        let (tree, _) = one_file(vec![1], vec![]);
        let plan = Plan::new(&tree, &options, &holes).unwrap();
        let (_, start, _) = plan.extents_of(tree.lookup(b"file").unwrap())[0];
        let end = 8193 - usize::try_from(start >> 10).unwrap();
        for blocks in end - 40..end + 3 {
            let (tree, _) = one_file(vec![1; blocks << 10], vec![]);
            let image = make(&tree, &options);
            assert!(read(&image) == expected(&tree));
            if blocks % 8 == end % 8 {
                fsck(&image);
            }
        }
    }
}

#[test]
fn volumes_through_many_groups() {
    // Groups 1, 3, 5, 7, 9, 25, 27, 49 have copies of the superblock; content lies around the
    // first of them, and around the tables that ext4 gathers in every sixteenth group.
    let mut tree = FileTree::new(metadata(0o755));
    tree.add_file(tree.root(), b"one", metadata(0o644), pattern(60 << 20, 1).into()).unwrap();
    tree.add_file(tree.root(), b"two", metadata(0o644), pattern(60 << 20, 2).into()).unwrap();
    for variant in VARIANTS {
        let options = Options { block_size: Some(1024), ..exact(variant, 420 << 20) };
        let image = make(&tree, &options);
        assert!(read(&image) == expected(&tree));
        fsck(&image);
    }
}

#[test]
fn block_maps_of_every_level() {
    let (block, numbers) = (1024_usize, 256_usize);
    let levels = [12, 12 + numbers, 12 + numbers + numbers * numbers];
    for blocks in levels {
        for len in
            [blocks * block - 1, blocks * block, blocks * block + 1, (blocks + 1) * block + 1]
        {
            // All of it a hole but the end and, for the small ones, nothing at all.
            let mut content = vec![0; len];
            content[len - 1] = 7;
            let hole = 0..(len as u64 - 1) / block as u64 * block as u64;
            let (tree, holes) = one_file(content, vec![hole]);
            for variant in VARIANTS {
                let options = Options { block_size: Some(1024), ..options(variant) };
                let image = check_holes(&tree, &options, &holes);
                assert!(image.len() < 4 << 20);
                if blocks < 300 {
                    check_holes(&tree, &options, &Holes::new());
                }
            }
        }
    }
    // Through the second level without a hole, into the third.
    let len = (levels[2] + 3) * block;
    let (tree, holes) = one_file(pattern(len, 3), vec![]);
    let image =
        check_holes(&tree, &Options { block_size: Some(1024), ..options(Variant::Ext2) }, &holes);
    assert!(image.len() > len);
}

#[test]
fn extent_trees_of_every_depth() {
    // Every other block is a hole. A root has 4 extents, a block of 1024 bytes 84 entries.
    for extents in [1, 4, 5, 84, 85, 336, 337, 700] {
        let blocks = 2 * extents;
        let mut content = pattern(blocks * 1024, 5);
        let holes: Vec<_> = (0..extents).map(|n| (2 * n + 1) * 1024..(2 * n + 2) * 1024).collect();
        for hole in &holes {
            content[hole.clone()].fill(0);
        }
        let holes = holes.into_iter().map(|hole| hole.start as u64..hole.end as u64).collect();
        let (tree, holes) = one_file(content, holes);
        for variant in VARIANTS {
            let options = Options { block_size: Some(1024), ..options(variant) };
            check_holes(&tree, &options, &holes);
        }
    }
}

#[test]
fn extents_of_more_than_32768_blocks() {
    let (tree, holes) = one_file(vec![1; (40_000 + 8) << 10], vec![]);
    for variant in VARIANTS {
        check_holes(&tree, &Options { block_size: Some(1024), ..options(variant) }, &holes);
    }
}

#[test]
fn holes_of_odd_shapes() {
    let mut content = pattern(10_000, 1);
    content[1000..3500].fill(0);
    content[4096..].fill(0);
    // A hole is cut to whole blocks; the last block may be a part of one.
    let (tree, holes) = one_file(content, vec![1000..3500, 4096..10_000]);
    for variant in VARIANTS {
        let plan_options = Options { block_size: Some(1024), ..options(variant) };
        let plan = Plan::new(&tree, &plan_options, &holes).unwrap();
        let file = tree.lookup(b"file").unwrap();
        let extents: Vec<_> =
            plan.extents_of(file).iter().map(|(at, _, len)| (*at, *len)).collect();
        assert_eq!(extents, [(0, 1024), (3072, 1024)]);
        check_holes(&tree, &plan_options, &holes);
    }
    let (tree, holes) = one_file(vec![0; 10_000], vec![0..10_000]);
    for variant in VARIANTS {
        check_holes(&tree, &options(variant), &holes);
    }
}

#[test]
fn directories_of_every_size() {
    for (names, len) in [(11, 60), (12, 60), (13, 60), (40, 4), (500, 255), (30_000, 12)] {
        let mut tree = FileTree::new(metadata(0o755));
        let many = tree.add_directory(tree.root(), b"many", metadata(0o755)).unwrap();
        let file = tree.add_file(many, b"0", metadata(0o644), "x".into()).unwrap();
        for n in 1..names {
            let name = format!("{n:0>len$}");
            // Few inodes, many names.
            if n % 20_000 == 0 {
                tree.add_file(many, name.as_bytes(), metadata(0o644), "y".into()).unwrap();
            } else {
                tree.add_link(many, name.as_bytes(), file).unwrap();
            }
        }
        for variant in VARIANTS {
            let options = Options { block_size: Some(1024), ..options(variant) };
            let image = make(&tree, &options);
            assert!(read(&image) == expected(&tree), "{names} {len}");
            fsck(&image);
        }
    }
}

#[test]
fn more_subdirectories_than_links_count() {
    let mut tree = FileTree::new(metadata(0o755));
    let many = tree.add_directory(tree.root(), b"many", metadata(0o755)).unwrap();
    for n in 0..65_000 {
        tree.add_directory(many, format!("{n}").as_bytes(), metadata(0o755)).unwrap();
    }
    let holes = Holes::new();
    let error = Plan::new(&tree, &options(Variant::Ext2), &holes).unwrap_err();
    assert_eq!(error.to_string(), r#""many" has 65002 links: at most 65000"#);
    fsck(&make(&tree, &options(Variant::Ext4)));
}

#[test]
fn a_tree_with_its_own_lost_and_found() {
    let mut tree = everything();
    let lost = tree.add_directory(tree.root(), b"lost+found", metadata(0o711)).unwrap();
    for n in 0..2000 {
        let name = format!("#{n}");
        tree.add_file(lost, name.as_bytes(), metadata(0o600), Blob::from("")).unwrap();
    }
    for variant in VARIANTS {
        check(&tree, &options(variant));
    }
}

#[test]
fn times_beyond_32_bits() {
    for (seconds, narrow, wide) in [
        (i64::MIN, i64::from(i32::MIN), i64::from(i32::MIN)),
        (-1, -1, -1),
        (i64::from(i32::MAX) + 1, i64::from(i32::MAX), i64::from(i32::MAX) + 1),
        (1 << 32, i64::from(i32::MAX), 1 << 32),
        (i64::MAX, i64::from(i32::MAX), i64::from(i32::MAX) + (3 << 32)),
    ] {
        let mut tree = FileTree::new(metadata(0o755));
        let old = Metadata { mtime: Timestamp(seconds), ..metadata(0o644) };
        tree.add_file(tree.root(), b"file", old, "".into()).unwrap();
        for (inode_size, expected) in [(128, narrow), (256, wide)] {
            let image = make(&tree, &Options { inode_size, ..options(Variant::Ext4) });
            assert_eq!(read(&image)["file"].metadata.mtime, Timestamp(expected));
        }
    }
}

#[test]
fn attributes_are_shared_by_1024_inodes_at_most() {
    let mut tree = FileTree::new(metadata(0o755));
    let mut labelled = metadata(0o644);
    labelled.xattrs.insert(b"security.selinux", b"system_u:object_r:bin_t:s0\0");
    for n in 0..1030 {
        let name = format!("{n}");
        tree.add_file(tree.root(), name.as_bytes(), labelled.clone(), "".into()).unwrap();
    }
    for variant in VARIANTS {
        check(&tree, &options(variant));
    }
}
