//! What is kept of layers between runs says what reading them says.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Mutex;

use bootwright_oci::{Error, Limits, Records};

use crate::build::{
    Layout, Member, Tar, gzip, layout_dir, options, read, read_keeping, read_with, reference, show,
};

#[derive(Default)]
struct Memory(Mutex<BTreeMap<[u8; 32], Vec<u8>>>);

impl Records for Memory {
    fn load(&self, key: &[u8; 32]) -> Option<Vec<u8>> {
        self.0.lock().unwrap().get(key).cloned()
    }
    fn save(&self, key: &[u8; 32], record: &[u8]) {
        self.0.lock().unwrap().insert(*key, record.to_vec());
    }
}

/// Every kind of member, with attributes, a sparse file and whiteouts.
fn layers() -> [Vec<u8>; 2] {
    let mut below = Tar::default();
    for words in [
        "d a",
        "f a/file content of a file",
        "f a/empty ",
        "s a/link file",
        "h a/other a/file",
        "p a/pipe",
        "c a/char 1 3",
        "b a/block 8 0",
        "f a/gone gone",
        "d opaque",
        "f opaque/gone gone",
    ] {
        below.add(&Member::parse(words));
    }
    below.pax(b'x', &[("SCHILY.xattr.user.a", b"1"), ("mtime", b"-1.5")]);
    below.add(&Member::parse("f a/attributes text"));
    below.pax(
        b'x',
        &[
            ("GNU.sparse.major", b"1"),
            ("GNU.sparse.minor", b"0"),
            ("GNU.sparse.name", b"a/sparse"),
            ("GNU.sparse.realsize", b"100000"),
        ],
    );
    let mut map = b"1\n50000\n4\n".to_vec();
    map.resize(512, 0);
    map.extend_from_slice(b"data");
    below.add(&Member::file("a/GNUSparseFile.0/sparse", map));
    let mut above = Tar::default();
    for words in ["f a/.wh.gone ", "f opaque/.wh..wh..opq ", "f opaque/new new"] {
        above.add(&Member::parse(words));
    }
    [below.end(), above.end()]
}

fn layout_of(layers: &[Vec<u8>]) -> Layout {
    let layers: Vec<_> = layers.iter().map(|plain| (plain.clone(), gzip(plain))).collect();
    let mut layout = Layout::default();
    layout.stored_image("", &layers);
    layout
}

#[test]
fn a_kept_layer_is_read_for_its_contents_only() {
    let dir = layout_dir(&layout_of(&layers()));
    let reference = reference(dir.path());
    let without = read(&reference).unwrap();
    let memory = Memory::default();
    let first = read_keeping(options(), &reference, &memory).unwrap();
    assert_eq!(memory.0.lock().unwrap().len(), 2);
    let second = read_keeping(options(), &reference, &memory).unwrap();
    let lines = show(&without);
    assert_eq!(lines.len(), 12, "{lines:#?}");
    for rootfs in [&first, &second] {
        assert_eq!(show(rootfs), lines);
        for (a, b) in without.tree.walk().zip(rootfs.tree.walk()) {
            let (a, b) = (without.tree.inode(a.id), rootfs.tree.inode(b.id));
            assert_eq!(a.metadata, b.metadata);
            let digest = |inode: &bootwright_image::Inode| {
                inode.as_file().map(bootwright_image::Blob::digest)
            };
            assert_eq!(digest(a), digest(b));
        }
    }
    let summaries = |rootfs: &bootwright_oci::Rootfs| format!("{:?}", rootfs.inputs);
    assert_eq!(summaries(&without), summaries(&second));
    // The layers themselves are not needed to know what is in them.
    for entry in fs::read_dir(dir.path().join("blobs/sha256")).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        if bytes.starts_with(&[0x1f, 0x8b]) {
            fs::write(&path, vec![0; bytes.len()]).unwrap();
        }
    }
    let blind = read_keeping(options(), &reference, &memory).unwrap();
    assert_eq!(blind.tree.walk().count(), without.tree.walk().count());
    assert!(read(&reference).is_err());
}

#[test]
fn records_that_make_no_sense_are_made_anew() {
    let dir = layout_dir(&layout_of(&layers()));
    let reference = reference(dir.path());
    let memory = Memory::default();
    let lines = show(&read_keeping(options(), &reference, &memory).unwrap());
    let kept = memory.0.lock().unwrap().clone();
    for (key, record) in &kept {
        for bad in [Vec::new(), b"nonsense".to_vec(), record[..record.len() / 2].to_vec()] {
            memory.save(key, &bad);
            let rootfs = read_keeping(options(), &reference, &memory).unwrap();
            assert_eq!(show(&rootfs), lines);
            assert_eq!(memory.load(key).as_ref(), Some(record));
        }
    }
}

#[test]
fn limits_hold_for_kept_layers_too() {
    let dir = layout_dir(&layout_of(&layers()));
    let reference = reference(dir.path());
    let memory = Memory::default();
    read_keeping(options(), &reference, &memory).unwrap();
    let mut strict = Limits::default();
    strict.entries = 5;
    let options = bootwright_oci::Options { limits: strict, ..options() };
    let error = read_keeping(options, &reference, &memory).unwrap_err();
    assert!(matches!(error, Error::Limit { limit: 5, .. }), "{error}");
}

/// Has one record for whatever is asked.
struct Always(Vec<u8>);

impl Records for Always {
    fn load(&self, _: &[u8; 32]) -> Option<Vec<u8>> {
        Some(self.0.clone())
    }
    fn save(&self, _: &[u8; 32], _: &[u8]) {}
}

#[test]
fn a_kept_layer_counts_as_much_as_a_scanned_one() {
    let dir = layout_dir(&layout_of(&layers()[..1]));
    let reference = reference(dir.path());
    let memory = Memory::default();
    read_keeping(options(), &reference, &memory).unwrap();
    let record = Always(memory.0.lock().unwrap().values().next().unwrap().clone());
    let accepted = |metadata_bytes: u64| {
        let mut limits = Limits::default();
        limits.metadata_bytes = metadata_bytes;
        let options = || bootwright_oci::Options { limits: limits.clone(), ..options() };
        let scanned = read_with(options(), &reference).is_ok();
        let kept = read_keeping(options(), &reference, &record).is_ok();
        assert_eq!(scanned, kept, "with {metadata_bytes} bytes");
        kept
    };
    assert!((0..400).map(accepted).is_sorted());
    assert!(!accepted(0) && accepted(400));
}
