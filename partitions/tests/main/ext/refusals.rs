//! What cannot be is refused before anything is written.

use bootwright_image::{Blob, ContentSink, StreamKey};
use bootwright_partitions::ext::{EmitError, PlanError};

use super::*;

fn refusal(tree: &FileTree, options: &Options) -> String {
    Plan::new(tree, options, &Holes::new()).unwrap_err().to_string()
}

fn with_file(len: u64) -> FileTree {
    let mut tree = FileTree::new(metadata(0o755));
    tree.add_file(tree.root(), b"file", metadata(0o644), Blob::deferred(len)).unwrap();
    tree
}

#[test]
fn a_size_that_does_not_do_is_refused_and_one_that_does_is_named() {
    for variant in VARIANTS {
        let tree = everything();
        for given in [0, 512, 1024, 65536, 600_000] {
            let error = Plan::new(&tree, &exact(variant, given), &Holes::new()).unwrap_err();
            let PlanError::TooSmall { given: named, needed } = error else { panic!("{error}") };
            assert_eq!(named, given);
            fsck(&make(&tree, &exact(variant, needed)));
            refusal(&tree, &exact(variant, needed - 1024));
        }
    }
    // From 3 MiB on there are twice as many inodes, so more can be too little.
    let mut tree = everything();
    let full = Blob::from(vec![1; 1_980_000]);
    tree.add_file(tree.root(), b"full", metadata(0o644), full).unwrap();
    for given in (2_800..3_300).map(|kib| kib << 10) {
        match Plan::new(&tree, &exact(Variant::Ext2, given), &Holes::new()) {
            Err(PlanError::TooSmall { needed, .. }) => assert!(needed > given),
            result => {
                result.unwrap();
            }
        }
    }
    let error = refusal(&everything(), &exact(Variant::Ext2, 900_000));
    assert_eq!(error, "a volume of 900000 bytes is too small: 937984 are needed");
}

#[test]
fn headroom_is_left_free() {
    for variant in VARIANTS {
        for headroom in [0, 1, 100_000, 10 << 20, 700 << 20] {
            let options = Options { size: Size::Auto { headroom }, ..options(variant) };
            let (tree, holes) = (everything(), Holes::new());
            let plan = Plan::new(&tree, &options, &holes).unwrap();
            let free = plan.free_blocks() * plan.block_size();
            assert!(free >= headroom, "{free} of {headroom}");
            assert!(free <= headroom + headroom / 16 + (1 << 20), "{free} of {headroom}");
        }
    }
}

#[test]
fn files_that_are_too_long() {
    let two_tib = 2 << 40;
    for (variant, block_size, max) in [
        (Variant::Ext2, 1024, (12 + 256 + 256 * 256 + 256 * 256 * 256) * 1024_u64),
        (Variant::Ext2, 4096, two_tib - (8 << 30) - 512),
        (Variant::Ext4, 4096, two_tib - (8 << 30) - 512),
    ] {
        let options = Options { block_size: Some(block_size), ..options(variant) };
        let holes = |len| {
            let tree = with_file(len);
            let file = tree.lookup(b"file").unwrap();
            (tree, Holes::from([(file, vec![0..len - 1])]))
        };
        let (tree, all) = holes(max);
        assert!(Plan::new(&tree, &options, &all).is_ok());
        let error = refusal(&with_file(max + 1), &options);
        let len = max + 1;
        assert_eq!(
            error,
            format!(r#""file" has {len} bytes: at most {max} with blocks of {block_size}"#)
        );
    }
}

#[test]
fn contents_that_are_too_large_together() {
    let mut tree = with_file(1 << 40);
    for n in 0..4 {
        let name = format!("{n}");
        tree.add_file(tree.root(), name.as_bytes(), metadata(0o644), Blob::deferred(1 << 40))
            .unwrap();
    }
    let options = Options { block_size: Some(1024), ..options(Variant::Ext4) };
    assert_eq!(
        refusal(&tree, &options),
        "the contents need more than 4294967295 blocks of 1024 bytes"
    );
}

#[test]
fn options_that_cannot_be() {
    let tree = FileTree::new(metadata(0o755));
    let base = options(Variant::Ext4);
    for (options, message) in [
        (
            Options { label: "seventeen letters".into(), ..base.clone() },
            r#"label "seventeen letters" has 17 bytes or a NUL: at most 16, no NUL"#,
        ),
        (
            Options { block_size: Some(8192), ..base.clone() },
            "block size of 8192: 1024, 2048 or 4096",
        ),
        (
            Options { block_size: Some(1024), sector_size: SectorSize::B4096, ..base.clone() },
            "block size of 1024: at least the disk's sectors",
        ),
        (Options { inode_size: 512, ..base.clone() }, "inode size of 512: 128 or 256"),
        (Options { inode_ratio: Some(512), ..base.clone() }, "inode ratio of 512: 1024 to 4194304"),
        (Options { reserved_percent: 51, ..base.clone() }, "reserved percentage of 51: at most 50"),
    ] {
        assert_eq!(refusal(&tree, &options), message);
    }
}

#[test]
fn attributes_that_cannot_be_stored() {
    for (name, value, message) in [
        (
            &b"other.name"[..],
            vec![],
            r#"extended attribute "other.name" of "file" has none of the prefixes user., trusted., security. and system."#,
        ),
        (b"user.", vec![], r#"extended attribute "user." of "file" has nothing behind its prefix"#),
        (
            b"system.posix_acl_access",
            vec![1],
            r#"extended attribute "system.posix_acl_access" of "file" has a value that is no access control list"#,
        ),
        (
            b"user.large",
            vec![0; 4096],
            r#"extended attributes of "file" need 4156 bytes: at most 1024"#,
        ),
    ] {
        let mut tree = FileTree::new(metadata(0o755));
        let mut file = metadata(0o644);
        file.xattrs.insert(name, &value);
        tree.add_file(tree.root(), b"file", file, "".into()).unwrap();
        assert_eq!(refusal(&tree, &options(Variant::Ext2)), message);
    }
}

#[test]
fn other_things_that_cannot_be() {
    let mut tree = FileTree::new(metadata(0o755));
    tree.add_file(tree.root(), b"lost+found", metadata(0o644), "".into()).unwrap();
    assert_eq!(refusal(&tree, &options(Variant::Ext2)), r#""lost+found" is not a directory"#);
    let mut tree = FileTree::new(metadata(0o755));
    let long = Kind::Symlink(vec![b'l'; 1024].into());
    tree.add(tree.root(), b"link", metadata(0o777), long).unwrap();
    assert_eq!(
        refusal(&tree, &options(Variant::Ext2)),
        r#""link" has 1024 bytes: at most 1023 with blocks of 1024"#
    );
}

/// Plans one file and hands `feed` the writer.
fn emit(
    blob: Blob,
    holes: &[std::ops::Range<u64>],
    feed: impl FnOnce(&mut dyn ContentSink, InodeId) -> Result<(), BoxError>,
) -> String {
    let mut tree = FileTree::new(metadata(0o755));
    let file = tree.add_file(tree.root(), b"file", metadata(0o644), blob).unwrap();
    let holes = Holes::from([(file, holes.to_vec())]);
    let plan = Plan::new(&tree, &options(Variant::Ext2), &holes).unwrap();
    let mut writer = plan.writer(Vec::new(), &Silent).unwrap();
    match feed(&mut writer, file) {
        Err(error) => error.to_string(),
        Ok(()) => writer.finish().map(|_| ()).unwrap_err().to_string(),
    }
}

#[test]
fn contents_other_than_planned_are_errors() {
    let ten = || Blob::stream(StreamKey { source: 0, member: 0 }, 10, None);
    assert_eq!(emit(ten(), &[], |_, _| Ok(())), "content of inode 1 has 0 bytes instead of 10");
    assert_eq!(
        emit(ten(), &[], |sink, file| sink.begin(file, 11)),
        "content of inode 1 has 11 bytes instead of 10"
    );
    let short = emit(ten(), &[], |sink, file| {
        sink.begin(file, 10)?;
        sink.data(b"123")?;
        sink.end()
    });
    assert_eq!(short, "content of inode 1 has 3 bytes instead of 10");
    let long = emit(ten(), &[], |sink, file| {
        sink.begin(file, 10)?;
        sink.hole(11)
    });
    assert_eq!(long, "content of inode 1 has 11 bytes instead of 10");
    let twice = emit(ten(), &[], |sink, file| {
        sink.begin(file, 10)?;
        sink.begin(file, 10)
    });
    assert_eq!(twice, "content of inode 1 comes out of turn");
    assert_eq!(
        emit(ten(), &[], |sink, _| sink.data(b"x")),
        EmitError::Order { inode: 0 }.to_string()
    );
    let hole = Blob::deferred(3000);
    let filled = emit(hole, &[1024..2048], |sink, file| {
        sink.begin(file, 3000)?;
        sink.data(&[1; 1024])?;
        sink.data(&[0; 500])?;
        sink.data(&[2; 10])
    });
    assert_eq!(filled, "content of inode 1 has data in the hole at byte 1524");
}
