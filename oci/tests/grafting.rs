//! Several roots whose contents lie in one space of keys, and parts of one in another.

use std::num::NonZeroUsize;

use bootwright_image::{FileTree, Metadata, Origin, Silent, collect};
use bootwright_oci::{
    Adapt, Graft, GraftError, LayerStreams, Location, Merged, Overwrite, Reference, Stack,
};

use crate::build::{Layout, Tar, layout_dir, options, reference, scratch};

fn streams() -> LayerStreams {
    LayerStreams::new(NonZeroUsize::new(2).unwrap())
}

fn merged(reference: &Reference, streams: &mut LayerStreams) -> Merged {
    let mut stack = Stack::new(options(), &Silent);
    stack.add_image(reference).unwrap();
    stack.finish_into(streams).unwrap()
}

fn tree(members: &[&str]) -> FileTree {
    let (_dir, path) = scratch("tree.tar", &Tar::of(members.iter().copied()));
    merged(&Reference::Tar(path), &mut streams()).tree
}

fn names(tree: &FileTree) -> Vec<String> {
    tree.walk().map(|walked| String::from_utf8(walked.path).unwrap()).collect()
}

fn content(tree: &FileTree, streams: &LayerStreams, path: &str) -> String {
    let id = tree.lookup(path.as_bytes()).unwrap();
    String::from_utf8(collect(tree, streams, &[id], 64, &Silent).unwrap().remove(0)).unwrap()
}

#[test]
fn files_of_several_images_and_archives_meet_in_one_tree() {
    let base = layout_dir(&Layout::of(&[Tar::of(["d etc", "f etc/host base", "f etc/only base"])]));
    let other = layout_dir(&Layout::of(&[
        Tar::of(["d lib", "f lib/a lower"]),
        Tar::of(["f lib/a upper", "h lib/b lib/a"]),
    ]));
    let (_dir, archive) = scratch("a.tar", &Tar::of(["f host archive"]));
    let mut streams = streams();
    let mut base = merged(&reference(base.path()), &mut streams).tree;
    let other = merged(&reference(other.path()), &mut streams).tree;
    let archive = merged(&Reference::Tar(archive), &mut streams).tree;

    let root = base.root();
    Graft::new(&other, Overwrite::Copy, &()).entries(other.root(), &mut base, root).unwrap();
    let etc = base.lookup(b"etc").unwrap();
    Graft::new(&archive, Overwrite::Copy, &()).entries(archive.root(), &mut base, etc).unwrap();

    assert_eq!(names(&base), ["etc", "etc/host", "etc/only", "lib", "lib/a", "lib/b"]);
    for (path, text) in [("etc/host", "archive"), ("etc/only", "base"), ("lib/a", "upper")] {
        assert_eq!(content(&base, &streams, path), text);
    }
    assert_eq!(base.lookup(b"lib/a"), base.lookup(b"lib/b"), "hard links stay links");
}

#[test]
fn a_layer_that_images_share_is_one_source() {
    let shared = Tar::of(["f shared 1"]);
    let one = layout_dir(&Layout::of(&[shared.clone(), Tar::of(["f one 1"])]));
    let two = layout_dir(&Layout::of(&[Tar::of(["f two 1"]), shared.clone(), shared]));
    let mut streams = streams();
    let one = merged(&reference(one.path()), &mut streams).tree;
    let two = merged(&reference(two.path()), &mut streams).tree;
    let source = |tree: &FileTree, path: &str| {
        let id = tree.lookup(path.as_bytes()).unwrap();
        match tree.inode(id).as_file().unwrap().origin() {
            Origin::Stream(key) => key.source,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!([source(&one, "shared"), source(&one, "one")], [0, 1]);
    assert_eq!([source(&two, "shared"), source(&two, "two")], [0, 2]);
    assert_eq!(content(&two, &streams, "two"), "1");
    assert_eq!(content(&two, &streams, "shared"), "1");
}

#[test]
fn a_file_that_was_copied_often_is_read_once_for_all() {
    let (_dir, path) = scratch("a.tar", &Tar::of(["f a small", "f b other"]));
    let mut streams = streams();
    let from = merged(&Reference::Tar(path.clone()), &mut streams).tree;
    let mut tree = FileTree::new(Metadata::directory(0o755));
    let root = tree.root();
    for name in ["1", "2", "3"] {
        let at = tree.add_directory(root, name.as_bytes(), Metadata::directory(0o755)).unwrap();
        Graft::new(&from, Overwrite::Copy, &()).entries(from.root(), &mut tree, at).unwrap();
    }
    let ids: Vec<_> =
        ["1/a", "2/a", "3/a", "1/b", "3/b"].map(|p| tree.lookup(p.as_bytes()).unwrap()).into();
    let contents = collect(&tree, &streams, &ids, 64, &Silent).unwrap();
    assert_eq!(contents, [&b"small"[..], b"small", b"small", b"other", b"other"]);
}

#[test]
fn copies_replace_files_and_refuse_to_mix_kinds() {
    let from = tree(&["d d", "f d/f new", "s s target", "d deep", "d deep/x"]);
    let mut to = tree(&["d d", "f d/kept old", "f s old", "f deep/file old"]);
    let root = to.root();
    let d = to.lookup(b"d").unwrap();
    to.metadata_mut(d).mode = 0o700;
    Graft::new(&from, Overwrite::Copy, &()).entries(from.root(), &mut to, root).unwrap();
    assert_eq!(names(&to), ["d", "d/f", "d/kept", "deep", "deep/file", "deep/x", "s"]);
    assert_eq!(to.inode(d).metadata.mode, 0o755);

    for (from, to, text) in [
        (
            tree(&["f d file"]),
            tree(&["d d"]),
            "/d: a directory is there, and no file can take its place",
        ),
        (
            tree(&["d d"]),
            tree(&["s d elsewhere"]),
            "/d: what is there is not a directory, and no directory can take its place",
        ),
    ] {
        let mut to = to;
        let root = to.root();
        let error = Graft::new(&from, Overwrite::Copy, &())
            .entries(from.root(), &mut to, root)
            .unwrap_err();
        assert_eq!(error.to_string(), text);
    }
}

#[test]
fn overlays_keep_directories_and_go_through_links() {
    let from = tree(&["d lib", "f lib/new 1", "d etc", "f bin file"]);
    let mut to = tree(&["d usr/lib", "s lib usr/lib", "d etc", "d bin", "f bin/lost 1"]);
    let etc = to.lookup(b"etc").unwrap();
    to.metadata_mut(etc).mode = 0o700;
    let root = to.root();
    Graft::new(&from, Overwrite::Overlay, &()).entries(from.root(), &mut to, root).unwrap();
    assert_eq!(names(&to), ["bin", "etc", "lib", "usr", "usr/lib", "usr/lib/new"]);
    assert_eq!(to.inode(etc).metadata.mode, 0o700);
}

#[test]
fn merged_directories_go_through_links_and_get_their_metadata() {
    let from = tree(&["d lib", "f lib/new 1", "d etc"]);
    let mut to = tree(&["d usr/lib", "s lib usr/lib", "d etc", "f file 1"]);
    let etc = to.lookup(b"etc").unwrap();
    to.metadata_mut(etc).mode = 0o700;
    let root = to.root();
    Graft::new(&from, Overwrite::Merge, &()).entries(from.root(), &mut to, root).unwrap();
    assert_eq!(names(&to), ["etc", "file", "lib", "usr", "usr/lib", "usr/lib/new"]);
    assert_eq!(to.inode(etc).metadata.mode, 0o755);
    let clash = tree(&["d file"]);
    let result = Graft::new(&clash, Overwrite::Merge, &()).entries(clash.root(), &mut to, root);
    assert!(matches!(result, Err(GraftError::Kind { .. })));
}

#[test]
fn what_goes_along_can_be_chosen_and_changed() {
    struct Mine;
    impl Adapt for Mine {
        fn leaves_out(&self, path: &[u8], is_directory: bool) -> bool {
            path == b"b" && is_directory || path.ends_with(b".o")
        }
        fn change(&self, kind: &bootwright_image::Kind, metadata: &mut Metadata) {
            if !matches!(kind, bootwright_image::Kind::Directory(_)) {
                metadata.uid = 7;
            }
        }
    }
    let from = tree(&["d a", "d a/b", "f a/b/c 1", "f a/x.o 1", "f a/x.c 1"]);
    let mut to = FileTree::new(Metadata::directory(0o755));
    let root = to.root();
    let a = from.lookup(b"a").unwrap();
    Graft::new(&from, Overwrite::Copy, &Mine).entry(a, &mut to, root, b"a").unwrap();
    assert_eq!(names(&to), ["a", "a/x.c"]);
    assert_eq!(to.inode(to.lookup(b"a/x.c").unwrap()).metadata.uid, 7);
    assert_eq!(to.inode(to.lookup(b"a").unwrap()).metadata.uid, 0);
}

#[test]
fn locations_stay_inside_and_name_what_is_missing() {
    let mut tree = tree(&[
        "d usr/lib",
        "s lib usr/lib",
        "s out ../../../etc",
        "s abs /usr/./new/deep",
        "s loop loop",
        "f file 1",
    ]);
    let show = |tree: &FileTree, path: &str| {
        Location::find(tree, path.as_bytes()).map(|at| {
            let rest: Vec<_> = at.rest.iter().map(|n| String::from_utf8_lossy(n)).collect();
            let directory = if at.directory == tree.root() { "/" } else { "below" };
            format!("{directory} {}", rest.join("/"))
        })
    };
    for (path, expected) in [
        ("/", "/ "),
        ("lib/", "below "),
        ("lib/x/y", "below x/y"),
        ("out/passwd", "/ etc/passwd"),
        ("abs", "below new/deep"),
        ("file", "/ file"),
        ("a/../b/../../../c", "/ c"),
        ("lib/..", "below "),
    ] {
        assert_eq!(show(&tree, path).unwrap(), expected, "{path}");
    }
    assert!(matches!(show(&tree, "loop"), Err(GraftError::Loop { .. })));
    assert_eq!(show(&tree, "file/x").unwrap_err().to_string(), "/file/x: it is not a directory");
    let at = Location::find(&tree, b"abs").unwrap();
    let made = at.make(&mut tree, &Metadata::directory(0o750)).unwrap();
    assert_eq!(tree.lookup(b"usr/new/deep"), Some(made));
    let deep = "d/".repeat(1025);
    let at = Location::find(&tree, deep.as_bytes()).unwrap();
    let error = at.make(&mut tree, &Metadata::directory(0o755)).unwrap_err();
    assert!(matches!(error, GraftError::TooDeep { .. }));
}
