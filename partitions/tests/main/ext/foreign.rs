//! Programs that others wrote read our volumes, and we theirs.

use std::io::{Cursor, Read};
use std::process::Command;

use bootwright_partitions::ext::{Holes, Plan};

use super::*;

#[test]
fn others_read_what_was_written() {
    let tree = everything();
    for variant in VARIANTS {
        check(&tree, &options(variant));
        check(&tree, &exact(variant, 64 << 20));
        check(&tree, &Options { block_size: Some(4096), ..exact(variant, 300 << 20) });
        check(&tree, &Options { block_size: Some(2048), ..options(variant) });
        check(&tree, &Options { sector_size: SectorSize::B4096, ..options(variant) });
        check(&tree, &Options { inode_ratio: Some(1024), ..exact(variant, 40 << 20) });
    }
    // No room behind the inodes: times of 32 bits, attributes in blocks.
    check(&tree, &Options { inode_size: 128, ..options(Variant::Ext2) });
    // The crate wants room for both halves of an inode's checksum.
    let image = make(&tree, &Options { inode_size: 128, ..options(Variant::Ext4) });
    assert_eq!(read(&image), expected(&tree));
    fsck(&image);
}

#[test]
fn debugfs_sees_attributes_and_devices() {
    for variant in VARIANTS {
        in_file(&make(&everything(), &options(variant)), |path| {
            let ask = |request: &str| tools::text("debugfs", &["-R", request, tools::name(path)]);
            let Some(list) = ask("ea_list attributes") else { return };
            for expected in [
                "user.note (5) = \"hello\"",
                "system.posix_acl_access (28) = 01 00 00 00 01 00 06 00 02 00 07 00 e8 03 00 00 ",
                "security.capability (20)",
                "trusted.large (500)",
            ] {
                assert!(list.contains(expected), "{list}");
            }
            let wide = ask("stat wide").unwrap_or_default();
            assert!(wide.contains("Device major/minor number: 259:70000"), "{wide}");
            let null = ask("stat null").unwrap_or_default();
            assert!(null.contains("Device major/minor number: 01:03"), "{null}");
            let target = ask("stat short59").unwrap_or_default();
            assert!(
                target.contains(&format!("Fast link dest: \"{}\"", "s".repeat(59))),
                "{target}"
            );
            assert_eq!(ask("cat etc/hostname").as_deref(), Some("edge\n"));
            let name = "a file of the directory that has a tree, number 599";
            let tree = ask("htree_dump many").unwrap_or_default();
            assert!(tree.contains("Hash Version: 1") && tree.contains(name), "{tree}");
        });
    }
}

#[test]
fn grub_reads_what_it_boots_from() {
    for variant in VARIANTS {
        for block_size in [1024, 4096] {
            let options = Options { block_size: Some(block_size), ..options(variant) };
            in_file(&make(&everything(), &options), |path| {
                let image = tools::name(path);
                let Some(hostname) = tools::text("grub-fstest", &[image, "cat", "/short"]) else {
                    return;
                };
                assert_eq!(hostname, "edge\n");
                let Some(output) = tools::run("grub-fstest", &[image, "cat", "/large"]) else {
                    return;
                };
                assert!(output.stdout == pattern(700_001, 1));
                let list = tools::text("grub-fstest", &[image, "ls", "/many/"]).unwrap_or_default();
                assert!(list.contains("number 599"), "{list}");
            });
        }
    }
}

#[test]
fn blkid_knows_label_and_uuid() {
    for (variant, kind) in [(Variant::Ext2, "TYPE=ext2\n"), (Variant::Ext4, "TYPE=ext4\n")] {
        in_file(&make(&everything(), &exact(variant, 8 << 20)), |path| {
            let arguments = ["-p", "-o", "export", tools::name(path)];
            let Some(text) = tools::text("blkid", &arguments) else { return };
            for expected in ["LABEL=COS_OEM\n", "UUID=30313233-3435-3637-3839-616263646566\n", kind]
            {
                assert!(text.contains(expected), "{text}");
            }
        });
    }
}

/// The numbers that `dumpe2fs` tells of an empty volume.
fn numbers(path: &Path) -> Option<BTreeMap<String, String>> {
    const WANTED: [&str; 14] = [
        "Filesystem features",
        "Default mount options",
        "Inode count",
        "Block count",
        "Reserved block count",
        "Free blocks",
        "Free inodes",
        "Block size",
        "Reserved GDT blocks",
        "Inodes per group",
        "Flex block group size",
        "Inode size",
        "Total journal blocks",
        "Default directory hash",
    ];
    let text = tools::text("dumpe2fs", &["-h", tools::name(path)])?;
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    let wanted = lines.filter(|(name, _)| WANTED.contains(name));
    Some(wanted.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect())
}

#[test]
fn empty_volumes_are_as_mke2fs_makes_them() {
    let tree = FileTree::new(metadata(0o755));
    let holes = Holes::new();
    let dir = tempfile::tempdir().unwrap();
    let (ours, theirs) = (dir.path().join("ours"), dir.path().join("theirs"));
    for (variant, name) in [(Variant::Ext2, "ext2"), (Variant::Ext4, "ext4")] {
        for mib in [1, 2, 8, 64, 100, 511, 512, 600, 1025, 3072, 20_000] {
            let plan = Plan::new(&tree, &exact(variant, mib << 20), &holes).unwrap();
            let file = SparseFile::new(File::create(&ours).unwrap());
            let file = plan.writer(file, &Silent).unwrap().finish().unwrap().finish().unwrap();
            assert_eq!(file.metadata().unwrap().len(), mib << 20);
            File::create(&theirs).unwrap().set_len(mib << 20).unwrap();
            // Features that need a newer kernel or GRUB, and that not every mke2fs.conf has.
            let features = "^metadata_csum_seed,^orphan_file";
            let arguments = ["-q", "-t", name, "-O", features, tools::name(&theirs)];
            if tools::text("mke2fs", &arguments).is_none() {
                return;
            }
            let (Some(ours), Some(theirs)) = (numbers(&ours), numbers(&theirs)) else { return };
            for (name, theirs) in &theirs {
                let ours = ours.get(name).map_or("", String::as_str);
                if name == "Free blocks" {
                    let [ours, theirs] = [ours, theirs].map(|n| n.parse::<i64>().unwrap());
                    assert!((ours - theirs).abs() <= 8, "{mib} MiB: {ours} against {theirs}");
                } else {
                    assert_eq!(ours, theirs, "{variant:?} of {mib} MiB: {name}");
                }
            }
        }
    }
}

#[test]
fn volumes_of_mke2fs_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root");
    let many = root.join("many");
    std::fs::create_dir_all(&many).unwrap();
    for n in 0..300 {
        std::fs::write(many.join(format!("a name of some length {n}")), format!("{n}")).unwrap();
    }
    std::fs::write(root.join("large"), pattern(3_000_000, 9)).unwrap();
    let mut sparse = File::create(root.join("sparse")).unwrap();
    sparse.set_len(5_000_000).unwrap();
    sparse.write_all(b"head").unwrap();
    std::os::unix::fs::symlink("large", root.join("short")).unwrap();
    std::os::unix::fs::symlink("l".repeat(200), root.join("long")).unwrap();
    std::fs::hard_link(root.join("large"), root.join("hard")).unwrap();
    let image = dir.path().join("image");
    for features in [
        "ext2",
        "ext3",
        "ext4",
        "metadata_csum_seed",
        "^64bit",
        "meta_bg,^resize_inode",
        "^metadata_csum,uninit_bg",
        "^flex_bg",
    ] {
        File::create(&image).unwrap().set_len(32 << 20).unwrap();
        let (kind, features) = match features {
            "ext2" | "ext3" => (features, "filetype"),
            "ext4" => ("ext4", "extents"),
            features => ("ext4", features),
        };
        let [root, path] = [&root, &image].map(|path| tools::name(path));
        let arguments = ["-q", "-t", kind, "-O", features, "-d", root, path];
        if tools::text("mke2fs", &arguments).is_none() {
            return;
        }
        if kind == "ext4" && features == "extents" {
            // Builds hash trees.
            let _ = Command::new("e2fsck").args(["-fyD", path]).output();
        }
        let mut bytes = Vec::new();
        File::open(&image).unwrap().read_to_end(&mut bytes).unwrap();
        let volume = || Volume::open(Cursor::new(&bytes), 0).unwrap();
        assert_eq!(volume().check().unwrap(), [], "{features}");
        let (tree, contents) = volume().into_tree(0).unwrap();
        let seen = look(&tree, &contents);
        assert_eq!(seen.len(), 308, "{features}");
        assert!(seen["large"].content == Some(pattern(3_000_000, 9)));
        assert_eq!(seen["hard"].names, 2);
        assert_eq!(seen["many/a name of some length 299"].content.as_deref(), Some(&b"299"[..]));
        let mut expected = b"head".to_vec();
        expected.resize(5_000_000, 0);
        assert!(seen["sparse"].content == Some(expected));
        assert!(seen["long"].kind.starts_with("Symlink([108, 108"));
        let sparse = tree.lookup(b"sparse").unwrap();
        assert!(contents.holes()[&sparse][0].start <= 4096);
        for image in again(&tree, &contents) {
            assert!(image.len() < 12 << 20);
        }
    }
}
