//! What cannot be held or does not go as planned is an error that says so.

use std::fmt;
use std::io::{self, Cursor, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Mutex;

use bootwright_image::{
    Blob, Device, FileTree, Kind, Metadata, Observer, Silent, Timestamp, Xattrs,
};
use bootwright_squashfs::{Compression, WriteError, write};

use crate::support::{assert_same, image, noise, options};

fn tree() -> FileTree {
    let mut tree = FileTree::new(Metadata::directory(0o755));
    tree.add_directory(tree.root(), b"dir", Metadata::directory(0o755)).unwrap();
    tree
}

fn refusal(tree: &FileTree) -> String {
    let output = Cursor::new(Vec::new());
    let error = write(tree, &(), options(), output, &Silent).unwrap_err();
    assert!(!error.to_string().ends_with('.'));
    error.to_string()
}

#[test]
fn what_the_format_cannot_hold_is_refused_with_its_path() {
    let add = |metadata: Metadata, kind: Kind| {
        let mut tree = tree();
        let dir = tree.lookup(b"dir").unwrap();
        tree.add(dir, b"odd", metadata, kind).unwrap();
        refusal(&tree)
    };
    let xattr = |name: &[u8], value: &[u8]| {
        let mut metadata = Metadata::default();
        metadata.xattrs.insert(name, value);
        metadata
    };
    assert_eq!(
        add(xattr(b"system.posix_acl_access", b""), Kind::Fifo),
        r#""dir/odd" has the extended attribute "system.posix_acl_access": squashfs holds user, trusted and security attributes only"#
    );
    assert!(add(xattr(b"user.", b""), Kind::Fifo).contains(r#"attribute "user.""#));
    let name = [&b"user."[..], &[b'n'; 65_536]].concat();
    assert_eq!(
        add(xattr(&name, b""), Kind::Fifo),
        r#"the attribute name of "dir/odd" has 65536 bytes: 65535 is the limit"#
    );
    assert_eq!(
        add(Metadata::default(), Kind::CharDevice(Device { major: 4096, minor: 0 })),
        r#""dir/odd" is device 4096:0: 4095:1048575 is the limit"#
    );
    assert!(
        add(Metadata::default(), Kind::BlockDevice(Device { major: 0, minor: 1 << 20 }))
            .contains("0:1048576")
    );
    assert_eq!(
        add(Metadata::default(), Kind::File(Blob::deferred(7))),
        r#"the content of "dir/odd" is not known yet: squashfs cannot hold room for it"#
    );
    let mut tree = tree();
    let xattrs: Xattrs = xattr(b"system.root", b"").xattrs;
    tree.metadata_mut(tree.root()).xattrs = xattrs;
    assert!(refusal(&tree).starts_with(r#"".""#));
}

#[test]
fn a_level_that_does_not_exist_is_refused() {
    let mut options = options();
    options.compression = Compression::Gzip { level: 13 };
    let error = write(&tree(), &(), options, Cursor::new(Vec::new()), &Silent).unwrap_err();
    assert_eq!(error.to_string(), "gzip has no level 13: expected 1 to 12");
}

#[test]
fn times_outside_of_32_bits_are_cut_with_a_warning() {
    #[derive(Default)]
    struct Warnings(Mutex<Vec<String>>);
    impl Observer for Warnings {
        fn warn(&self, text: fmt::Arguments<'_>) {
            self.0.lock().unwrap().push(text.to_string());
        }
    }
    let mut tree = tree();
    let dir = tree.lookup(b"dir").unwrap();
    for (name, time) in [("old", -1), ("new", 1 << 33), ("fine", 1)] {
        let metadata = Metadata { mtime: Timestamp(time), ..<_>::default() };
        tree.add(dir, name.as_bytes(), metadata, Kind::Fifo).unwrap();
    }
    let warnings = Warnings::default();
    let mut output = Cursor::new(Vec::new());
    write(&tree, &(), options(), &mut output, &warnings).unwrap();
    assert_eq!(
        warnings.0.into_inner().unwrap(),
        [
            r#""dir/new" was modified at 8589934592 s after 1970, which squashfs cannot hold: 4294967295 is stored"#,
            r#""dir/old" was modified at -1 s after 1970, which squashfs cannot hold: 0 is stored"#,
        ]
    );
    assert_same(&tree, &output.into_inner());
}

#[test]
fn files_that_went_or_shrank_are_errors() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    std::fs::write(&path, noise(0, 9000)).unwrap();
    for len in [9001, 100_000] {
        for copies in [1, 2] {
            let mut tree = tree();
            for copy in 0..copies {
                let blob = Blob::host_file(path.clone().into(), 0, len);
                let name = format!("{copy}");
                tree.add_file(tree.root(), name.as_bytes(), Metadata::default(), blob).unwrap();
            }
            assert!(refusal(&tree).starts_with("cannot read "), "{len} {copies}");
        }
    }
    let mut tree = tree();
    let blob = Blob::host_file(Path::new("/nonexistent/file").into(), 0, 1);
    tree.add_file(tree.root(), b"gone", Metadata::default(), blob).unwrap();
    assert_eq!(refusal(&tree), r#"cannot read "/nonexistent/file""#);
}

/// Takes so many bytes, then no more.
struct Full(u64);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len() as u64).ok_or(io::ErrorKind::StorageFull)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Full {
    fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
        Ok(0)
    }
}

#[test]
fn a_full_disk_is_an_error_wherever_it_strikes() {
    let mut tree = tree();
    for seed in 0..3 {
        let blob = Blob::from(noise(seed, 1 << 20));
        tree.add_file(tree.root(), format!("{seed}").as_bytes(), Metadata::default(), blob)
            .unwrap();
    }
    let (_, summary) = image(&tree, &options());
    for room in [0, 95, 1 << 20, 2 << 20, summary.padded_len, summary.padded_len + 95] {
        let error = write(&tree, &(), options(), Full(room), &Silent).unwrap_err();
        assert_eq!(error.to_string(), "cannot write the squashfs image", "{room}");
        let WriteError::Output(cause) = error else { panic!("{error:?}") };
        assert_eq!(cause.kind(), io::ErrorKind::StorageFull);
    }
    write(&tree, &(), options(), Full(summary.padded_len + 96), &Silent).unwrap();
}

#[test]
fn cancelling_stops_the_writer() {
    /// Says stop when asked for the n-th time.
    struct StopAt(Mutex<u32>);
    impl Observer for StopAt {
        fn cancelled(&self) -> bool {
            let mut left = self.0.lock().unwrap();
            *left = left.saturating_sub(1);
            *left == 0
        }
    }
    let mut tree = tree();
    for seed in 0..5 {
        let name = format!("{seed}");
        let blob = Blob::from(noise(seed, 10_000));
        tree.add_file(tree.root(), name.as_bytes(), Metadata::default(), blob).unwrap();
    }
    for asked in 1..12 {
        let stop = StopAt(Mutex::new(asked));
        let error = write(&tree, &(), options(), Cursor::new(Vec::new()), &stop).unwrap_err();
        assert!(matches!(error, WriteError::Cancelled), "{error:?}");
        assert_eq!(error.to_string(), "cancelled");
    }
}
