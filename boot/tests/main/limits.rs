//! The edges of what the format holds.

use std::fs::File;
use std::io::{Cursor, Seek, SeekFrom, Write};
use std::sync::Mutex;

use bootwright_boot::PartitionTable;
use bootwright_boot::iso9660::read::{Image, ReadError};
use bootwright_boot::iso9660::{BiosBoot, Boot, EfiBoot, Hybrid, Options, WriteError, Writer};
use bootwright_image::{Blob, Device, FileTree, InodeId, Kind, Observer, Silent};

use crate::build::{Sparse, metadata, options, write};
use crate::tools;

const GIB_4: u64 = 1 << 32;
const PIECE: u64 = 0xFFFF_F800;

fn empty() -> FileTree {
    FileTree::new(metadata(0o755))
}

fn deferred(tree: &mut FileTree, name: &str, limit: u64) -> InodeId {
    let root = tree.root();
    tree.add_file(root, name.as_bytes(), metadata(0o644), Blob::deferred(limit)).unwrap()
}

/// Files of these lengths with their first and last byte set, in a file with holes.
fn large<W: Write + Seek>(lens: &[u64], output: W) -> u64 {
    let mut tree = empty();
    let ids: Vec<_> = lens
        .iter()
        .enumerate()
        .map(|(n, len)| deferred(&mut tree, &format!("f{n:02}"), len + (n as u64) * GIB_4))
        .collect();
    let mut writer = Writer::new(tree, options(), output).unwrap();
    for (id, len) in ids.into_iter().zip(lens) {
        let mut window = writer.begin_open(id, 2048).unwrap();
        window.write_all(b"<").unwrap();
        window.seek(SeekFrom::Start(len - 1)).unwrap();
        window.write_all(b">").unwrap();
        writer.end_open(id, *len).unwrap();
    }
    writer.finish(&Boot::default(), &Silent).unwrap().len
}

const LARGE: [u64; 8] =
    [PIECE, PIECE + 1, GIB_4 - 1, GIB_4, GIB_4 + 1, 2 * PIECE, 2 * PIECE + 1, 3 * GIB_4 + 5];

#[test]
fn files_beyond_4_gib_come_in_pieces() {
    let mut output = Sparse::default();
    large(&LARGE, &mut output);
    let mut image = Image::open(output).unwrap();
    image.check().unwrap();
    for volume in image.info().volumes.clone() {
        let entries = image.entries(&volume).unwrap();
        let pieces: Vec<_> = entries[1..].iter().map(|entry| entry.extents.len()).collect();
        assert_eq!(pieces, [1, 1, 1, 2, 2, 2, 3, 4]);
        for (entry, len) in entries[1..].iter().zip(LARGE) {
            assert_eq!(entry.len(), len);
            let ends = entry
                .extents
                .windows(2)
                .all(|pair| pair[0].len == PIECE && pair[0].block + PIECE / 2048 == pair[1].block);
            assert!(ends, "{entry:?}");
        }
    }
}

#[test]
fn others_read_files_beyond_4_gib() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("large.iso");
    let len = large(&LARGE, File::create(&path).unwrap());
    assert_eq!(std::fs::metadata(&path).unwrap().len(), len);
    let path = tools::name(&path);
    for (tool, arguments) in [
        ("bsdtar", vec!["-tvf", path]),
        ("7z", vec!["l", path]),
        ("xorriso", vec!["-abort_on", "WARNING", "-indev", path, "-lsl"]),
    ] {
        let Some(text) = tools::text(tool, &arguments) else { continue };
        for len in LARGE {
            assert!(text.contains(&format!(" {len} ")), "{tool}: no {len} in\n{text}");
        }
    }
}

#[test]
fn large_and_deep_directories_read_back() {
    let mut tree = empty();
    let root = tree.root();
    let wide = tree.add_directory(root, b"wide", metadata(0o755)).unwrap();
    for n in 0..100_000 {
        let name = format!("a-rather-long-name-with-a-number-{n}");
        tree.add_file(wide, name.as_bytes(), metadata(0o644), Blob::from("")).unwrap();
    }
    let mut at = root;
    for n in 0..300 {
        at = tree.add_directory(at, format!("level{n}").as_bytes(), metadata(0o755)).unwrap();
    }
    let mut output = Sparse::default();
    let mut writer = Writer::new(tree, options(), &mut output).unwrap();
    writer.write_contents(&Silent).unwrap();
    writer.finish(&Boot::default(), &Silent).unwrap();
    let mut image = Image::open(output).unwrap();
    image.check().unwrap();
    let volume = image.info().volumes[0].clone();
    assert_eq!(image.entries(&volume).unwrap().len(), 100_302);
}

#[test]
fn path_tables_number_65535_directories() {
    let mut tree = empty();
    let root = tree.root();
    for n in 0..65_534 {
        tree.add_directory(root, format!("{n}").as_bytes(), metadata(0o755)).unwrap();
    }
    Writer::new(tree.clone(), options(), Sparse::default()).unwrap();
    tree.add_directory(root, b"one more", metadata(0o755)).unwrap();
    let error = Writer::new(tree, options(), Sparse::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "65536 directories, the limit of an ISO 9660 path table is 65535"
    );
}

#[test]
fn texts_and_devices_that_cannot_be_stored_are_refused() {
    let long = "x".repeat(129);
    for (options, message) in [
        (
            Options { volume_id: long[..33].into(), ..options() },
            format!("volume identifier {:?} is longer than 32 characters", &long[..33]),
        ),
        (
            Options { publisher: long.clone(), ..options() },
            format!("publisher identifier {long:?} is longer than 128 characters"),
        ),
        (
            Options { system_id: "Größe".into(), ..options() },
            "system identifier \"Größe\" has characters other than printable ASCII".into(),
        ),
        (
            Options { volume_id: "LIVE ".into(), ..options() },
            "volume identifier \"LIVE \" begins or ends with a space, which is what fields are \
             padded with"
                .into(),
        ),
    ] {
        assert_eq!(write(empty(), options).unwrap_err().to_string(), message);
    }
    let full = Options { volume_id: long[..32].into(), publisher: long[..128].into(), ..options() };
    let image = Image::open(Cursor::new(write(empty(), full).unwrap().0)).unwrap();
    assert_eq!(image.info().primary().unwrap().volume_id, long[..32]);
    assert_eq!(image.info().joliet().unwrap().volume_id, long[..16]);
    assert_eq!(image.info().primary().unwrap().publisher, long[..128]);

    let mut tree = empty();
    let device = Kind::CharDevice(Device { major: 0, minor: 256 });
    tree.add(tree.root(), b"dev", metadata(0o644), device).unwrap();
    assert_eq!(
        write(tree, options()).unwrap_err().to_string(),
        "device 0:256 of \"/dev\" cannot be stored: without a major number, minor numbers end at 255"
    );
}

#[test]
fn places_are_given_once_and_in_bounds() {
    let mut tree = empty();
    let (a, b) = (deferred(&mut tree, "a", 4096), deferred(&mut tree, "b", 1 << 50));
    let text = tree.add_file(tree.root(), b"text", metadata(0o644), "text".into()).unwrap();
    let root = tree.root();
    let message = |error: WriteError| error.to_string();
    let mut writer = Writer::new(tree, options(), Sparse::default()).unwrap();
    assert_eq!(message(writer.place(root, 1).unwrap_err()), "\"/\" is not a regular file");
    assert_eq!(
        message(writer.place(a, 4097).unwrap_err()),
        "\"/a\" has 4097 bytes, planned were at most 4096"
    );
    assert_eq!(
        message(writer.place_aligned(a, 1, 1024).unwrap_err()),
        "alignment 1024 is not a power of two of at least 2048"
    );
    assert_eq!(
        message(writer.place(b, 1 << 45).unwrap_err()),
        "the image would exceed 4294967295 blocks of 2048 bytes at /b"
    );
    assert_eq!(message(writer.end_open(a, 1).unwrap_err()), "\"/a\" is not open");
    writer.begin_open(a, 2048).unwrap();
    assert_eq!(
        message(writer.place(b, 1).unwrap_err()),
        "\"/b\" cannot be placed: \"/a\" is still open and everything after it waits"
    );
    assert_eq!(
        message(writer.write_contents(&Silent).unwrap_err()),
        "\"/text\" cannot be placed: \"/a\" is still open and everything after it waits"
    );
    assert_eq!(
        message(writer.end_open(a, 4097).unwrap_err()),
        "\"/a\" has 4097 bytes, planned were at most 4096"
    );
    writer.end_open(a, 4096).unwrap();
    assert_eq!(message(writer.place(a, 1).unwrap_err()), "\"/a\" has its place already");
    assert_eq!(
        message(writer.set_content(a, "x".into()).unwrap_err()),
        "\"/a\" has its place already"
    );
    writer.set_content(b, "content after all".into()).unwrap();
    writer.write_contents(&Silent).unwrap();
    assert!(writer.set_content(text, "x".into()).is_err());
    writer.finish(&Boot::default(), &Silent).unwrap();
}

#[test]
fn what_has_no_place_is_named_at_the_end() {
    let mut tree = empty();
    let a = deferred(&mut tree, "a", 1);
    for open in [false, true] {
        let mut writer = Writer::new(tree.clone(), options(), Sparse::default()).unwrap();
        if open {
            writer.begin_open(a, 2048).unwrap();
        }
        assert_eq!(
            writer.finish(&Boot::default(), &Silent).unwrap_err().to_string(),
            "\"/a\" was never written: its content was left to the caller"
        );
    }
}

#[test]
fn boot_images_that_do_not_fit_are_refused() {
    let mut tree = empty();
    let root = tree.root();
    let short = tree.add_file(root, b"short", metadata(0o644), vec![1; 63].into()).unwrap();
    let void = tree.add_file(root, b"void", metadata(0o644), "".into()).unwrap();
    let placed = deferred(&mut tree, "placed", 4096);
    let bios = |image, table, grub| {
        Some(BiosBoot { image, load_sectors: 4, boot_info_table: table, grub2_boot_info: grub })
    };
    let hybrid = |code: Option<usize>, table| {
        let boot_code = code.map(|len| vec![0; len]);
        Some(Hybrid { boot_code, disk_signature: 0, table })
    };
    let gpt = PartitionTable::Gpt { seed: [0; 32] };
    let none = Boot::default;
    let cases = [
        (
            "boot image \"/short\" is too short for a boot information table",
            Boot { bios: bios(short, true, false), ..none() },
        ),
        (
            "boot image \"/short\" is too short for an image of GRUB",
            Boot { bios: bios(short, true, true), ..none() },
        ),
        ("boot image \"/void\" is empty", Boot { efi: Some(EfiBoot { image: void }), ..none() }),
        (
            "boot image \"/\" is not a regular file of the tree",
            Boot { efi: Some(EfiBoot { image: root }), ..none() },
        ),
        (
            "boot image \"/placed\" cannot be read again: its content must be in memory or in a \
             host file",
            Boot { bios: bios(placed, true, false), ..none() },
        ),
        (
            "boot code for a hybrid medium starts the BIOS boot image: there is none",
            Boot { hybrid: hybrid(Some(512), gpt), ..none() },
        ),
        (
            "the boot code has 513 bytes, a master boot record has room for 440 of at most 512",
            Boot {
                bios: bios(short, false, false),
                hybrid: hybrid(Some(513), PartitionTable::Mbr),
                efi: Some(EfiBoot { image: short }),
            },
        ),
        (
            "a GPT needs an EFI system partition or a partition view",
            Boot { hybrid: hybrid(None, gpt), ..none() },
        ),
        (
            "a partition table without GPT needs an EFI system partition",
            Boot { hybrid: hybrid(None, PartitionTable::Mbr), ..none() },
        ),
    ];
    for (message, boot) in cases {
        let mut writer = Writer::new(tree.clone(), options(), Sparse::default()).unwrap();
        writer.place(placed, 4096).unwrap();
        writer.write_contents(&Silent).unwrap();
        let error = writer.finish(&boot, &Silent).unwrap_err();
        assert_eq!(error.to_string(), message);
    }
}

#[test]
fn other_files_are_no_images() {
    let error = Image::open(Cursor::new(vec![0; 40_000])).unwrap_err();
    assert!(matches!(error, ReadError::NotIso));
    assert_eq!(
        error.to_string(),
        "not an ISO 9660 image: no primary volume descriptor at byte 32768"
    );
}

/// Remembers warnings, and cancels when asked to.
struct Watch(Mutex<Vec<String>>, bool);

impl Observer for Watch {
    fn warn(&self, text: std::fmt::Arguments<'_>) {
        self.0.lock().unwrap().push(text.to_string());
    }

    fn cancelled(&self) -> bool {
        self.1
    }
}

#[test]
fn extended_attributes_are_missed_aloud() {
    let mut tree = empty();
    let mut with = metadata(0o755);
    with.xattrs.insert(b"security.capability", b"x");
    tree.add_file(tree.root(), b"ping", with, "x".into()).unwrap();
    let watch = Watch(Mutex::default(), false);
    let mut writer = Writer::new(tree, options(), Sparse::default()).unwrap();
    writer.write_contents(&watch).unwrap();
    writer.finish(&Boot::default(), &watch).unwrap();
    let warnings = watch.0.into_inner().unwrap();
    assert_eq!(warnings, ["\"ping\": ISO 9660 keeps no extended attributes"]);
}

#[test]
fn writing_can_be_cancelled() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    std::fs::write(&path, "content").unwrap();
    let mut tree = empty();
    let blob = Blob::host_file(path.into(), 0, 7);
    tree.add_file(tree.root(), b"file", metadata(0o644), blob).unwrap();
    let watch = Watch(Mutex::default(), true);
    let mut writer = Writer::new(tree, options(), Sparse::default()).unwrap();
    assert!(matches!(writer.write_contents(&watch), Err(WriteError::Cancelled)));
    assert!(matches!(writer.finish(&Boot::default(), &watch), Err(WriteError::Cancelled)));
}
