//! Folders as roots and overlays, and archives unpacked somewhere.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::{Duration, SystemTime};

use bootwright_oci::{Reference, Rootfs, Stack};

use crate::build::{
    CREATED, Layout, Member, Tar, Warnings, chain, layout_dir, options, read, reference, scratch,
    show,
};

fn set_mtime(path: &Path, seconds: u64) {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    fs::File::open(path).unwrap().set_modified(time).unwrap();
}

fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::create_dir_all(at("etc/deep")).unwrap();
    fs::write(at("etc/b"), "two").unwrap();
    fs::write(at("etc/a"), "one").unwrap();
    fs::write(at("etc/.wh.a"), "literal").unwrap();
    fs::hard_link(at("etc/b"), at("etc/deep/z")).unwrap();
    fs::hard_link(at("etc/b"), at("c")).unwrap();
    symlink("../no/where", at("etc/s")).unwrap();
    fs::write(dir.path().join(std::ffi::OsStr::from_bytes(b"\xff")), "").unwrap();
    fs::set_permissions(at("etc/a"), fs::Permissions::from_mode(0o4711)).unwrap();
    set_mtime(&at("etc/a"), 1234);
    set_mtime(&at("etc"), 99);
    dir
}

#[test]
fn a_folder_is_taken_as_it_is() {
    let dir = folder();
    let _listener = UnixListener::bind(dir.path().join("sock")).unwrap();
    let rootfs = read(&Reference::Directory(dir.path().to_owned())).unwrap();
    assert_eq!(
        show(&rootfs),
        [
            "f c two",
            "d etc",
            "f etc/.wh.a literal",
            "f etc/a one",
            "h etc/b c",
            "d etc/deep",
            "h etc/deep/z c",
            "s etc/s ../no/where",
            "socket sock",
            "f \u{fffd} ",
        ]
    );
    let metadata = |path: &str| {
        let inode = rootfs.tree.inode(rootfs.tree.lookup(path.as_bytes()).unwrap());
        inode.metadata.clone()
    };
    let host = fs::metadata(dir.path().join("etc/a")).unwrap();
    let a = metadata("etc/a");
    assert_eq!((a.mode, a.uid, a.gid, a.mtime.0), (0o4711, host.uid(), host.gid(), 1234));
    assert_eq!(metadata("etc").mtime.0, 99);
    let root = fs::metadata(dir.path()).unwrap();
    assert_eq!(metadata("").mtime.0, root.mtime());
    assert_eq!(rootfs.inputs[0].entries, 11);
    assert_eq!(rootfs.created, None);
}

#[test]
fn attributes_of_host_files_are_kept() {
    let dir = folder();
    let a = dir.path().join("etc/a");
    let set = rustix::fs::setxattr(&a, "user.note", b"\0x", rustix::fs::XattrFlags::empty());
    if set.is_err() {
        println!("SKIPPED: extended attributes not supported here");
        return;
    }
    let rootfs = read(&Reference::Directory(dir.path().to_owned())).unwrap();
    let inode = rootfs.tree.inode(rootfs.tree.lookup(b"etc/a").unwrap());
    let xattrs: Vec<_> = inode.metadata.xattrs.iter().collect();
    assert_eq!(xattrs, [(&b"user.note"[..], &b"\0x"[..])]);
    // What a checkout happens to carry stays at home.
    let rootfs = laid_over(&Tar::of([]), dir.path()).unwrap();
    let inode = rootfs.tree.inode(rootfs.tree.lookup(b"etc/a").unwrap());
    assert!(inode.metadata.xattrs.is_empty());
}

/// `overlay` over one layer.
fn laid_over(layer: &[u8], overlay: &Path) -> Result<Rootfs, String> {
    let dir = layout_dir(&Layout::of(&[layer.to_vec()]));
    let warnings = Warnings::default();
    let mut stack = Stack::new(options(), &warnings);
    stack.add_image(&reference(dir.path())).unwrap();
    stack.add_overlay(overlay).map_err(|error| chain(&error))?;
    stack.finish().map_err(|error| chain(&error))
}

#[test]
fn an_overlay_belongs_to_root_and_leaves_directories_alone() {
    let dir = folder();
    let mut tar = Tar::default();
    tar.add(&Member { mode: 0o700, uid: 7, mtime: 5, ..Member::new(b'5', "usr") });
    tar.add(&Member { mode: 0o711, uid: 7, mtime: 6, ..Member::new(b'5', "usr/etc") });
    tar.add(&Member { link: b"usr/etc".to_vec(), ..Member::new(b'2', "etc") });
    tar.add(&Member::new(b'6', "usr/etc/b"));
    let rootfs = laid_over(&tar.end(), dir.path()).unwrap();
    let names: Vec<_> =
        rootfs.tree.walk().map(|w| String::from_utf8_lossy(&w.path).into_owned()).collect();
    assert_eq!(
        names,
        [
            "c",
            "etc",
            "usr",
            "usr/etc",
            "usr/etc/.wh.a",
            "usr/etc/a",
            "usr/etc/b",
            "usr/etc/deep",
            "usr/etc/deep/z",
            "usr/etc/s",
            "\u{fffd}",
        ]
    );
    let metadata = |path: &str| {
        let m = &rootfs.tree.inode(rootfs.tree.lookup(path.as_bytes()).unwrap()).metadata;
        (m.mode, m.uid, m.gid, m.mtime.0)
    };
    assert_eq!(metadata("usr/etc"), (0o711, 7, 0, 6));
    assert_eq!(metadata("usr/etc/a"), (0o4711, 0, 0, 1234));
    assert_eq!(metadata(""), (0o755, 0, 0, CREATED));
    assert_eq!(rootfs.tree.lookup(b"c"), rootfs.tree.lookup(b"usr/etc/b"));
    // A directory takes the place of a link that leads nowhere, and of a file.
    for words in ["s etc nowhere", "f etc x", "s etc etc"] {
        let rootfs = laid_over(&Tar::of([words]), dir.path()).unwrap();
        let etc = rootfs.tree.inode(rootfs.tree.lookup(b"etc").unwrap());
        assert!(etc.as_directory().is_some(), "{words}");
        assert_eq!(etc.metadata.mtime.0, 99);
    }
}

#[test]
fn an_overlay_holds_what_a_checkout_can_hold() {
    let dir = tempfile::tempdir().unwrap();
    let _listener = UnixListener::bind(dir.path().join("sock")).unwrap();
    let error = laid_over(&Tar::of([]), dir.path()).unwrap_err();
    assert!(error.ends_with(r#""sock" is a socket, which an overlay cannot have"#), "{error}");
    let error = laid_over(&Tar::of([]), &dir.path().join("none")).unwrap_err();
    assert!(error.starts_with("cannot read") && error.contains("none"), "{error}");
    let (_dir, file) = scratch("file", b"");
    let error = laid_over(&Tar::of([]), &file).unwrap_err();
    assert!(error.contains("not a directory"), "{error}");
}

#[test]
fn archives_are_unpacked_where_they_belong() {
    let tar = Tar::of(["d ./", "f ./bin/x 1", "h y /bin/x", "s z /abs", "f .wh.x 2"]);
    let (_dir, file) = scratch("local-ui.tar", &tar);
    let base = layout_dir(&Layout::of(&[Tar::of(["d data", "s opt /data"])]));
    let warnings = Warnings::default();
    let mut stack = Stack::new(options(), &warnings);
    stack.add_image(&reference(base.path())).unwrap();
    stack.add_archive(&file, b"/opt/spectrocloud/").unwrap();
    let error = stack.add_archive(&file, b"/opt/../x").unwrap_err();
    assert!(error.to_string().ends_with(r#""/opt/../x" has a ".." component"#), "{error}");
    let rootfs = stack.finish().unwrap();
    assert_eq!(
        show(&rootfs),
        [
            "d data",
            "d data/spectrocloud",
            "f data/spectrocloud/.wh.x 2",
            "d data/spectrocloud/bin",
            "f data/spectrocloud/bin/x 1",
            "h data/spectrocloud/y data/spectrocloud/bin/x",
            "s data/spectrocloud/z /abs",
            "s opt /data",
        ]
    );
}

#[test]
fn a_file_that_cannot_be_read_is_noticed_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("secret");
    fs::write(&path, "x").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o0)).unwrap();
    if fs::read(&path).is_ok() {
        println!("SKIPPED: this user reads everything");
        return;
    }
    let error = read(&Reference::Directory(dir.path().to_owned())).unwrap_err();
    assert!(error.to_string().contains("secret"), "{error}");
}
