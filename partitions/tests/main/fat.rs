use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Cursor, Read, Write};
use std::path::Path;
use std::sync::Arc;

use bootwright_image::{Blob, FileTree, Kind, Metadata, StreamKey, Timestamp};
use bootwright_partitions::fat::{
    self, EmitError, FatType, Options, Plan, PlanError, Size, Volume, WriteError, Writer,
};
use bootwright_partitions::{SectorSize, fuzzing};
use proptest::prelude::*;

use crate::tools;

/// 2024-05-06 07:08:10 UTC.
const TIME: Timestamp = Timestamp(1_714_979_290);

fn metadata() -> Metadata {
    Metadata { mtime: TIME, ..Metadata::file(0o755) }
}

/// A tree of files; directories are made on the way.
fn tree<'a>(files: impl IntoIterator<Item = (&'a str, Blob)>) -> FileTree {
    let mut tree = FileTree::new(metadata());
    for (path, blob) in files {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        let parent = tree.add_directories(parent.as_bytes(), &metadata()).unwrap();
        tree.add_file(parent, name.as_bytes(), metadata(), blob).unwrap();
    }
    tree
}

/// The EFI system partition of an installer ISO.
fn esp() -> FileTree {
    tree([
        ("EFI/BOOT/bootx64.efi", Blob::from(vec![0xB0; 5000])),
        ("EFI/BOOT/grubx64.efi", Blob::from(vec![0x6B; 2049])),
        ("EFI/BOOT/grub.cfg", Blob::from("configfile $prefix/grub.cfg")),
        ("boot/grub/grub.cfg", Blob::from("configfile $prefix/grub.cfg")),
        ("a long näme.conf", Blob::from("")),
    ])
}

fn options() -> Options {
    Options { label: "EFI_LIVE".to_owned(), time: TIME, ..Options::default() }
}

fn image(plan: &Plan) -> Vec<u8> {
    let mut image = Vec::new();
    plan.emit(&mut image).unwrap();
    assert_eq!(image.len() as u64, plan.len());
    assert_eq!(plan.regions().last().map(|region| region.offset + region.len), Some(plan.len()));
    image
}

fn make(tree: &FileTree, options: &Options) -> Vec<u8> {
    image(&Plan::new(tree, options).unwrap())
}

fn refusal(tree: &FileTree, options: &Options) -> String {
    Plan::new(tree, options).unwrap_err().to_string()
}

/// Paths, and contents of files, as our reader sees them; nothing must be wrong.
fn read(image: &[u8]) -> BTreeMap<String, Option<Vec<u8>>> {
    let mut volume = Volume::open(Cursor::new(image), 0).unwrap();
    assert_eq!(volume.findings(), []);
    let entries = volume.entries().to_vec();
    entries
        .into_iter()
        .map(|entry| {
            let mut content = Vec::new();
            volume.read_file(&entry, &mut content).unwrap();
            (entry.path, (!entry.is_directory).then_some(content))
        })
        .collect()
}

/// What [`read`] should give.
fn expected(tree: &FileTree) -> BTreeMap<String, Option<Vec<u8>>> {
    tree.walk()
        .map(|walked| {
            let content = tree.inode(walked.id).as_file().map(|blob| {
                let mut content = Vec::new();
                blob.open().unwrap().read_to_end(&mut content).unwrap();
                content
            });
            (String::from_utf8(walked.path).unwrap(), content)
        })
        .collect()
}

/// What the `fatfs` crate sees.
fn read_with_fatfs(image: &[u8]) -> BTreeMap<String, Option<Vec<u8>>> {
    let volume =
        fatfs::FileSystem::new(Cursor::new(image.to_vec()), fatfs::FsOptions::new()).unwrap();
    let mut found = BTreeMap::new();
    let mut open = vec![(String::new(), volume.root_dir())];
    while let Some((path, directory)) = open.pop() {
        for entry in directory.iter() {
            let entry = entry.unwrap();
            let name = entry.file_name();
            if name == "." || name == ".." {
                continue;
            }
            let path = if path.is_empty() { name } else { format!("{path}/{name}") };
            if entry.is_dir() {
                open.push((path.clone(), entry.to_dir()));
                found.insert(path, None);
            } else {
                let mut content = Vec::new();
                entry.to_file().read_to_end(&mut content).unwrap();
                found.insert(path, Some(content));
            }
        }
    }
    found
}

fn in_file(image: &[u8], check: impl FnOnce(&Path)) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("fat.img");
    File::create(&path).unwrap().write_all(image).unwrap();
    check(&path);
}

/// `fsck.fat` must have nothing to say.
fn fsck(image: &[u8]) {
    in_file(image, |path| {
        let Some(text) = tools::text("fsck.fat", &["-n", "-v", tools::name(path)]) else { return };
        for complaint in ["ifferen", "rong", "ad ", "nvalid", "rphan", "eclaim", "irty", "isn't"] {
            assert!(!text.contains(complaint), "{text}");
        }
    });
}

fn check(tree: &FileTree, options: &Options) -> Vec<u8> {
    let image = make(tree, options);
    assert_eq!(read(&image), expected(tree));
    assert_eq!(read_with_fatfs(&image), expected(tree));
    fsck(&image);
    image
}

#[test]
fn every_byte_of_a_small_volume() {
    let plan = Plan::new(&esp(), &options()).unwrap();
    assert_eq!(plan.fat_type(), FatType::Fat12);
    let mut volume = Volume::open(Cursor::new(image(&plan)), 0).unwrap();
    insta::assert_snapshot!(format!("{plan}\n{}", fat::dump(&mut volume).unwrap()));
}

#[test]
fn others_read_what_was_written() {
    let exact = |mib: u64| Options { size: Size::Exact(mib << 20), ..options() };
    for (options, fat_type) in [
        (options(), FatType::Fat12),
        (exact(4), FatType::Fat12),
        (exact(64), FatType::Fat16),
        (Options { fat_type: Some(FatType::Fat32), ..options() }, FatType::Fat32),
        (Options { sector_size: SectorSize::B4096, ..exact(8) }, FatType::Fat12),
        (Options { sector_size: SectorSize::B4096, ..exact(32) }, FatType::Fat16),
    ] {
        let tree = esp();
        assert_eq!(Plan::new(&tree, &options).unwrap().fat_type(), fat_type);
        let image = make(&tree, &options);
        assert_eq!(read(&image), expected(&tree));
        fsck(&image);
        if options.sector_size == SectorSize::B512 {
            assert_eq!(read_with_fatfs(&image), expected(&tree));
            mtools_and_blkid(&image);
        }
    }
}

fn mtools_and_blkid(image: &[u8]) {
    in_file(image, |path| {
        let path = tools::name(path);
        if let Some(text) = tools::text("mdir", &["-i", path, "-/", "-b", "::"]) {
            for name in ["::/EFI/BOOT/bootx64.efi", "::/boot/grub/grub.cfg"] {
                assert!(text.contains(name), "{text}");
            }
        }
        if let Some(text) = tools::text("mdir", &["-i", path, "::/EFI/BOOT"]) {
            assert!(text.contains("2024-05-06   7:08"), "{text}");
        }
        let Some(text) = tools::text("mcopy", &["-i", path, "::EFI/BOOT/grubx64.efi", "-"]) else {
            return;
        };
        assert_eq!(text, "k".repeat(2049));
        if let Some(text) = tools::text("blkid", &["-p", "-o", "export", path]) {
            assert!(text.contains("TYPE=vfat\n"), "{text}");
            assert!(text.contains("LABEL=EFI_LIVE\n"), "{text}");
            assert!(text.contains("LABEL_FATBOOT=EFI_LIVE\n"), "{text}");
        }
    });
}

#[test]
fn nothing_at_all_makes_a_volume() {
    let tree = FileTree::new(metadata());
    let image = check(&tree, &Options::default());
    let volume = Volume::open(Cursor::new(&image), 0).unwrap();
    assert_eq!((volume.label(), volume.clusters()), ("", 1));
    check(&tree, &Options { fat_type: Some(FatType::Fat16), ..options() });
    check(&tree, &Options { fat_type: Some(FatType::Fat32), ..options() });
}

#[test]
fn the_type_changes_at_the_numbers_of_clusters_that_the_specification_gives() {
    // One-sector clusters; the sizes were found by counting: the FATs grow with the clusters.
    let options = |len| Options {
        size: Size::Exact(len * 512),
        cluster_sectors: Some(1),
        reserved_sectors: Some(32),
        ..options()
    };
    let plan = |len| Plan::new(&esp(), &options(len));
    let total = |clusters: u64, bits: u64, root: u64| {
        32 + 2 * ((clusters + 2) * bits).div_ceil(8 * 512) + root + clusters
    };
    for (len, clusters, fat_type) in [
        (total(4084, 12, 32), 4084, FatType::Fat12),
        (total(4085, 16, 32), 4085, FatType::Fat16),
        (total(65524, 16, 32), 65524, FatType::Fat16),
        (total(65525, 32, 0), 65525, FatType::Fat32),
    ] {
        let plan = plan(len).unwrap();
        assert_eq!((plan.clusters(), plan.fat_type()), (clusters, fat_type));
        let image = image(&plan);
        let volume = Volume::open(Cursor::new(&image), 0).unwrap();
        assert_eq!((volume.clusters(), volume.fat_type()), (clusters, fat_type));
        assert_eq!(read(&image), expected(&esp()));
        fsck(&image);
        // blkid takes 4084 and 65524 clusters for the next type: why our own choice keeps away.
        if matches!(clusters, 4084 | 65524) {
            continue;
        }
        in_file(&image, |path| {
            let arguments = ["-p", "-o", "value", "-s", "VERSION", tools::name(path)];
            let Some(text) = tools::text("blkid", &arguments) else { return };
            assert_eq!(text.trim(), fat_type.to_string());
        });
    }
    // Too many clusters for a FAT12, too few for a FAT16 with its larger FATs.
    let between = total(4085, 12, 32);
    assert_eq!(
        plan(between).unwrap_err().to_string(),
        format!(
            "no FAT file system of the type and cluster size asked for holds {} bytes",
            between * 512
        )
    );
    // The same size with clusters of our choice.
    let free = Options { cluster_sectors: None, reserved_sectors: None, ..options(between) };
    assert!(Plan::new(&esp(), &free).is_ok());
}

#[test]
fn exact_sizes_have_exactly_that_many_bytes() {
    for len in (64..8192).step_by(61).chain([8191, 8192, 8193, 33_000, 66_000, 200_001]) {
        let options = Options { size: Size::Exact(len * 512), ..options() };
        let plan = Plan::new(&esp(), &options).unwrap();
        assert_eq!(plan.len(), len * 512);
        if len % 7 == 0 {
            assert_eq!(read(&image(&plan)), expected(&esp()));
        }
    }
}

#[test]
fn a_size_that_suffices_is_told() {
    let tree = tree([("big", Blob::from(vec![1; 3 << 20]))]);
    let tight = Options { size: Size::Exact(3 << 20), ..options() };
    let PlanError::TooSmall { given, needed } = Plan::new(&tree, &tight).unwrap_err() else {
        panic!("another error");
    };
    assert_eq!(given, 3 << 20);
    let enough = Options { size: Size::Exact(needed), ..options() };
    check(&tree, &enough);
    assert_eq!(
        refusal(&tree, &tight),
        format!("a volume of 3145728 bytes is too small: {needed} bytes are needed")
    );
    let roomy = Options { size: Size::Auto { headroom: 1 << 20 }, ..options() };
    let image = check(&tree, &roomy);
    let volume = Volume::open(Cursor::new(&image), 0).unwrap();
    assert!(u64::from(volume.free_clusters()) * volume.cluster_len() >= 1 << 20);
}

#[test]
fn larger_contents_take_larger_types() {
    let sparse = |len| {
        let path: Arc<Path> = Path::new("/dev/zero").into();
        tree([("zeros", Blob::host_file(path, 0, len))])
    };
    for (mib, fat_type, cluster) in [
        (1, FatType::Fat12, 2048),
        (7, FatType::Fat12, 2048),
        (8, FatType::Fat16, 2048),
        (127, FatType::Fat16, 2048),
        (128, FatType::Fat16, 4096),
        (300, FatType::Fat16, 8192),
        (600, FatType::Fat32, 4096),
        (3000, FatType::Fat32, 4096),
    ] {
        let plan = Plan::new(&sparse(mib << 20), &options()).unwrap();
        assert_eq!((plan.fat_type(), plan.cluster_len()), (fat_type, cluster), "{mib} MiB");
    }
    assert!(Plan::new(&sparse(u64::from(u32::MAX)), &options()).is_ok());
    assert_eq!(
        refusal(&sparse(1 << 32), &options()),
        r#""zeros" has 4294967296 bytes: at most 4294967295"#
    );
}

#[test]
fn the_root_directory_of_fat16_has_512_entries() {
    let files = |count: usize| {
        let names: Vec<_> = (0..count).map(|number| format!("F{number}")).collect();
        tree(names.iter().map(|name| (name.as_str(), Blob::from(""))))
    };
    let exact = Options { size: Size::Exact(4 << 20), ..options() };
    // The label takes one.
    check(&files(511), &exact);
    let forced = Options { fat_type: Some(FatType::Fat12), ..exact.clone() };
    assert_eq!(refusal(&files(512), &forced), r#"directory "" needs 513 entries: at most 512"#);
    // Left to itself, the writer takes FAT32, whose root can grow.
    let image = check(&files(2000), &options());
    assert_eq!(Volume::open(Cursor::new(&image), 0).unwrap().fat_type(), FatType::Fat32);
}

#[test]
fn a_directory_has_65536_entries_at_most() {
    let long = |count: usize| {
        let names: Vec<_> =
            (0..count).map(|number| format!("d/{number:05}{}", "x".repeat(250))).collect();
        tree(names.iter().map(|name| (name.as_str(), Blob::from(""))))
    };
    // 21 entries each, and two for the dots.
    check(&long(3120), &options());
    assert_eq!(
        refusal(&long(3121), &options()),
        r#"directory "d" needs 65543 entries: at most 65536"#
    );
}

#[test]
fn long_names_and_deep_directories() {
    let name = "ä".repeat(127);
    let path = [name.as_str(); 12].join("/");
    let deep = ["d"; 200].join("/");
    let names = [path.clone(), format!("{deep}/file"), "x".repeat(255), "x".repeat(254)];
    check(&tree(names.iter().map(|path| (path.as_str(), Blob::from(path.as_str())))), &options());
}

#[test]
fn hard_links_become_copies() {
    let mut tree = tree([("a", Blob::from("shared"))]);
    let file = tree.lookup(b"a").unwrap();
    tree.add_link(tree.root(), b"b", file).unwrap();
    let image = check(&tree, &options());
    assert_eq!(read(&image)["b"], Some(b"shared".to_vec()));
}

#[test]
fn what_fat_cannot_hold_is_refused() {
    let with = |name: &[u8], kind: Kind| {
        let mut tree = esp();
        let efi = tree.lookup(b"EFI").unwrap();
        tree.add(efi, name, metadata(), kind).unwrap();
        refusal(&tree, &options())
    };
    let file = |name: &[u8]| with(name, Kind::File(Blob::from("")));
    assert_eq!(
        with(b"link", Kind::Symlink((*b"BOOT").into())),
        r#""EFI/link" is a symbolic link: FAT holds regular files and directories only"#
    );
    assert_eq!(
        with(b"pipe", Kind::Fifo),
        r#""EFI/pipe" is a named pipe: FAT holds regular files and directories only"#
    );
    assert_eq!(
        with(b"late", Kind::File(Blob::stream(StreamKey { source: 0, member: 0 }, 1, None))),
        r#"content of "EFI/late" cannot be read out of its source's order"#
    );
    assert_eq!(
        file(b"boot"),
        r#""EFI/BOOT" and "EFI/boot" are the same name to FAT, which does not tell case"#
    );
    assert_eq!(file(b"a:b"), "name of \"EFI/a:b\" has a control character or one of \"*/:<>?\\|");
    assert_eq!(file(b"\xFF"), "name of \"EFI/\u{FFFD}\" is not UTF-8");
    assert_eq!(file(b"dot."), r#"name of "EFI/dot." ends with a dot or a space"#);

    let label = |label: &str| refusal(&esp(), &Options { label: label.to_owned(), ..options() });
    assert_eq!(label("TWELVE_CHARS"), r#"label "TWELVE_CHARS" has more than 11 characters"#);
    assert!(label("lower").contains("has a character other than upper-case letters"));
    assert_eq!(label(" X"), r#"label " X" begins or ends with a space"#);

    let option = |change: fn(&mut Options)| {
        let mut options = options();
        change(&mut options);
        refusal(&esp(), &options)
    };
    assert_eq!(
        option(|o| o.cluster_sectors = Some(3)),
        "cluster size of 3: a power of two up to 128 sectors and 64 KiB"
    );
    assert_eq!(
        option(|o| o.reserved_sectors = Some(0)),
        "reserved sectors of 0: at least 1, the boot sector"
    );
    assert_eq!(
        option(|o| o.size = Size::Exact(513)),
        "volume size of 513: a multiple of the sector size"
    );
    assert_eq!(
        option(|o| o.size = Size::Exact(1 << 50)),
        "volume size of 1125899906842624: at most 4294967295 sectors"
    );
}

#[test]
fn a_file_that_shrank_is_an_error_that_names_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("short");
    std::fs::write(&path, b"12345").unwrap();
    let tree = tree([("EFI/short", Blob::host_file(path.into(), 0, 9))]);
    let error = Plan::new(&tree, &options()).unwrap().emit(&mut Vec::new()).unwrap_err();
    assert_eq!(error.to_string(), r#"cannot read the content of "EFI/short""#);
    assert!(matches!(error, EmitError::Content { .. }));
}

#[test]
fn a_files_place_is_known_before_it_is_written() {
    let plan = Plan::new(&esp(), &options()).unwrap();
    let region = plan.file("EFI/BOOT/grubx64.efi").unwrap();
    let start = usize::try_from(region.offset).unwrap();
    assert!(image(&plan)[start..start + 2049].iter().all(|byte| *byte == 0x6B));
    assert_eq!(plan.file("EFI"), None);
}

#[test]
fn the_serial_number_follows_the_content() {
    let id = |tree: &FileTree, options: &Options| Plan::new(tree, options).unwrap().volume_id();
    assert_eq!(id(&esp(), &options()), id(&esp(), &options()));
    assert_ne!(id(&esp(), &options()), id(&tree([]), &options()));
    let other = tree([("a", Blob::from("1"))]);
    assert_ne!(id(&other, &options()), id(&tree([("a", Blob::from("2"))]), &options()));
    assert_eq!(id(&esp(), &Options { volume_id: Some(7), ..options() }), 7);
}

#[test]
fn damage_is_found() {
    let plan = Plan::new(&esp(), &options()).unwrap();
    let sound = image(&plan);
    let findings = |change: &dyn Fn(&mut Vec<u8>)| -> Vec<String> {
        let mut image = sound.clone();
        change(&mut image);
        let volume = Volume::open(Cursor::new(image), 0).unwrap();
        volume.findings().iter().map(ToString::to_string).collect()
    };
    let fat = usize::try_from(plan.regions()[1].offset).unwrap();
    let root = usize::try_from(plan.regions()[3].offset).unwrap();
    assert_eq!(findings(&|image| image[fat + 20] ^= 0xFF)[0], "the copy of the FAT differs");
    assert_eq!(
        findings(&|image| image[root] = b'X'),
        [r#"label "EFI_LIVE" in the boot sector, "XFI_LIVE" in the root directory"#]
    );
    assert_eq!(
        findings(&|image| image.truncate(image.len() - 512))[0],
        format!("volume of {} bytes in {} bytes", sound.len(), sound.len() - 512)
    );
    // The checksum of the first long name.
    let long = (root..root + 512).step_by(32).find(|at| sound[at + 11] == 0x0F).unwrap();
    assert_eq!(
        findings(&|image| image[long + 13] ^= 1),
        [r#""": long name that belongs to no entry"#]
    );
    let error = Volume::open(Cursor::new(vec![0; 512]), 0).unwrap_err();
    assert_eq!(error.to_string(), "not a FAT file system: signature is 0");
}

#[test]
fn bent_volumes_never_panic() {
    let tree = esp();
    fuzzing::fat_read(&[]);
    let image = make(&tree, &options());
    for at in (0..64).chain(510..512 + 128).chain(512 * 13..512 * 13 + 1000) {
        for value in [0, 1, 0x7F, 0xFF, image[at % image.len()] ^ 0x10] {
            let mut bent = image.clone();
            if let Some(byte) = bent.get_mut(at) {
                *byte = value;
            }
            fuzzing::fat_read(&bent);
        }
    }
}

/// Names that FAT takes, of all lengths.
fn names() -> impl Strategy<Value = String> {
    prop_oneof!["[A-Z]{1,8}(\\.[A-Z]{1,3})?", "[a-z0-9~. +äß🧰]{0,20}[a-z]", "x[a-c]{240,254}",]
}

fn random_tree() -> impl Strategy<Value = Vec<(Vec<String>, Option<usize>)>> {
    let entry = (
        proptest::collection::vec(names(), 1..4),
        prop_oneof![Just(None), (0_usize..9000).prop_map(Some)],
    );
    proptest::collection::vec(entry, 0..30)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 48, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn random_trees_come_back_through_every_reader(
        entries in random_tree(),
        kind in 0..6,
    ) {
        let mut tree = FileTree::new(metadata());
        for (number, (path, len)) in entries.into_iter().enumerate() {
            let Ok(parent) =
                tree.add_directories(path[..path.len() - 1].join("/").as_bytes(), &metadata())
            else { continue };
            let name = path[path.len() - 1].as_bytes();
            let _ = match len {
                None => tree.add_directory(parent, name, metadata()),
                Some(len) => {
                    let byte = u8::try_from(number).unwrap();
                    tree.add_file(parent, name, metadata(), vec![byte; len].into())
                }
            };
        }
        let options = match kind {
            0 => Options { fat_type: Some(FatType::Fat16), ..options() },
            1 => Options { fat_type: Some(FatType::Fat32), ..options() },
            2 => Options { size: Size::Exact(9 << 20), ..options() },
            _ => options(),
        };
        match Plan::new(&tree, &options) {
            Ok(_) => { check(&tree, &options); }
            Err(PlanError::Case { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn damaged_volumes_are_read_without_panic(
        changes in proptest::collection::vec((0_usize..20_000, any::<u8>()), 1..20),
    ) {
        let mut image = make(&esp(), &options());
        for (at, value) in changes {
            if let Some(byte) = image.get_mut(at) {
                *byte = value;
            }
        }
        fuzzing::fat_read(&image);
    }
}

/// Writes every deferred file of `tree` with what `content` says.
fn grow(tree: &FileTree, contents: &[(&str, &[u8])], options: &Options) -> (Plan, Vec<u8>) {
    let mut output = Cursor::new(Vec::new());
    let mut writer = Writer::new(tree, options, &mut output).unwrap();
    for (path, content) in contents {
        let mut window = writer.begin(path).unwrap();
        assert!(writer.begin(path).is_err());
        window.write_all(content).unwrap();
        writer.end(content.len() as u64).unwrap();
    }
    let plan = writer.finish().unwrap();
    assert_eq!(plan.len(), output.get_ref().len() as u64);
    (plan, output.into_inner())
}

#[test]
fn files_grow_in_their_places() {
    for (len, fat_type) in [(70_000, FatType::Fat12), (9 << 20, FatType::Fat16)] {
        let bound = Blob::deferred(len as u64 + 10_000);
        let mut tree = tree([("loader/x.conf", "text".into()), ("EFI/b.efi", bound.clone())]);
        let folder = tree.lookup(b"EFI").unwrap();
        for name in [&b"a.efi"[..], b"empty.efi"] {
            tree.add_file(folder, name, metadata(), bound.clone()).unwrap();
        }
        let (a, b) = (vec![0xAA; len], vec![0xBB; len / 3]);
        let contents = [("EFI/b.efi", &b[..]), ("EFI/empty.efi", &[][..]), ("EFI/a.efi", &a[..])];
        let (plan, image) = grow(&tree, &contents, &options());
        assert_eq!(plan.fat_type(), fat_type, "{plan}");
        let place = plan.file("EFI/a.efi").unwrap();
        assert!(image[usize::try_from(place.offset).unwrap()..].starts_with(&a));
        let found = read(&image);
        for (path, content) in contents {
            assert_eq!(found[path].as_deref(), Some(content), "{path}");
        }
        assert_eq!(found["loader/x.conf"].as_deref(), Some(&b"text"[..]));
        assert_eq!(read_with_fatfs(&image), found);
        fsck(&image);
    }
}

#[test]
fn a_volume_is_cut_down_to_what_was_written_and_keeps_its_type() {
    let tree = tree([("image", Blob::deferred(900 << 20))]);
    let (plan, image) = grow(&tree, &[("image", b"short")], &options());
    assert_eq!(plan.fat_type(), FatType::Fat32);
    assert_eq!(FatType::of(plan.clusters().into()), FatType::Fat32);
    assert!(plan.len() < 160 << 20, "{plan}");
    assert_eq!(read(&image)["image"].as_deref(), Some(&b"short"[..]));
    fsck(&image);
}

#[test]
fn what_was_not_said_cannot_be_written() {
    let tree = tree([("open", Blob::deferred(10)), ("known", "x".into())]);
    let mut output = Cursor::new(Vec::new());
    let mut writer = Writer::new(&tree, &options(), &mut output).unwrap();
    for path in ["known", "unknown"] {
        assert!(matches!(writer.begin(path), Err(WriteError::NotOpen { .. })), "{path}");
    }
    assert!(matches!(writer.end(1), Err(WriteError::NotOpen { .. })));
    drop(writer.begin("open").unwrap());
    assert!(matches!(writer.end(11), Err(WriteError::TooLong { len: 11, max: 10, .. })));
    let writer = Writer::new(&tree, &options(), &mut output).unwrap();
    assert!(matches!(writer.finish(), Err(WriteError::NotOpen { path }) if path == "open"));
}
