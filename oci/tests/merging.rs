//! What layers do to each other.

use bootwright_image::Timestamp;

use crate::build::{CREATED, Member, Tar, chain, merge, show};

/// Merges layers given in words and compares the tree, or the error's end.
#[track_caller]
fn check(title: &str, layers: &[&[&str]], expected: &[&str]) {
    let layers: Vec<_> = layers.iter().map(|layer| Tar::of(layer.iter().copied())).collect();
    match merge(&layers) {
        Ok(rootfs) => assert_eq!(show(&rootfs), expected, "{title}"),
        Err(error) => panic!("{title}: {}", chain(&error)),
    }
}

#[track_caller]
fn refuse(layers: &[&[&str]], expected: &str) {
    let layers: Vec<_> = layers.iter().map(|layer| Tar::of(layer.iter().copied())).collect();
    let error = merge(&layers).expect_err(expected);
    let text = chain(&error);
    let (prefix, message) = text.split_once("): ").unwrap();
    assert!(prefix.starts_with("oci:") && prefix.contains("layer "), "{text}");
    assert_eq!(message, expected);
}

#[test]
fn whiteouts_hide_lower_layers_only() {
    check("file", &[&["f a 1", "f b 2"], &["f .wh.a "]], &["f b 2"]);
    check("directory", &[&["d d", "f d/a 1", "f d/b 2"], &["f .wh.d "]], &[]);
    check(
        "in a directory",
        &[&["d d", "f d/a 1", "f d/b 2"], &["f d/.wh.a "]],
        &["d d", "f d/b 2"],
    );
    check("nothing", &[&["f a 1"], &["f .wh.b ", "f no/.wh.c "]], &["f a 1"]);
    check("two layers down", &[&["f a 1"], &["f b 2"], &["f .wh.a "]], &["f b 2"]);
    check("added again above", &[&["f a 1"], &["f .wh.a "], &["f a 3"]], &["f a 3"]);
    for layer in [["f .wh.a ", "f a 2"], ["f a 2", "f .wh.a "]] {
        check("beside the name itself", &[&["f a 1"], &layer], &["f a 2"]);
    }
    for layer in [["f .wh.d ", "d d", "f d/n 2"], ["d d", "f d/n 2", "f .wh.d "]] {
        check("beside a directory", &[&["d d", "f d/a 1"], &layer], &["d d", "f d/n 2"]);
    }
    check("in the lowest layer", &[&["f .wh.a ", "f a 1"]], &["f a 1"]);
    check("below a file", &[&["f a 1"], &["f a/.wh.b "]], &["f a 1"]);
}

#[test]
fn whiteouts_may_be_anything_that_has_the_name() {
    for marker in ["h .wh.a b", "s .wh.a b", "c .wh.a 0 0", "p .wh.a", "d .wh.a", "f .wh.a text"] {
        check(marker, &[&["f a 1", "f b 2"], &[marker]], &["f b 2"]);
    }
    check("opaque", &[&["d d", "f d/a 1"], &["h d/.wh..wh..opq x"]], &["d d"]);
}

#[test]
fn opaque_directories_keep_what_their_own_layer_adds() {
    let lower: &[&str] = &["d d", "f d/a 1", "d d/s", "f d/s/x 1", "f z 1"];
    for upper in [
        ["d d", "f d/.wh..wh..opq ", "f d/n 2"],
        ["f d/.wh..wh..opq ", "d d", "f d/n 2"],
        ["d d", "f d/n 2", "f d/.wh..wh..opq "],
        ["f d/n 2", "d d", "f d/.wh..wh..opq "],
    ] {
        check("any order", &[lower, &upper], &["d d", "f d/n 2", "f z 1"]);
    }
    check("same name", &[lower, &["f d/.wh..wh..opq ", "f d/a 2"]], &["d d", "f d/a 2", "f z 1"]);
    check("the root", &[lower, &["f .wh..wh..opq ", "f n 2"]], &["f n 2"]);
    check(
        "not there",
        &[lower, &["f z/.wh..wh..opq ", "f no/.wh..wh..opq "]],
        &["d d", "f d/a 1", "d d/s", "f d/s/x 1", "f z 1"],
    );
    check(
        "nested",
        &[lower, &["d d/s", "f d/s/.wh..wh..opq ", "f d/s/y 2"]],
        &["d d", "f d/a 1", "d d/s", "f d/s/y 2", "f z 1"],
    );
}

#[test]
fn names_that_only_look_like_whiteouts() {
    check(
        "aufs",
        &[
            &["f a 1"],
            &["f .wh..wh.aufs ", "d .wh..wh.plnk", "f .wh..wh.plnk/9.9 x", "d .wh..wh.orph"],
        ],
        &["f a 1"],
    );
    check("a dot too few", &[&["f .wha 1", "f wh.a 2"]], &["f .wha 1", "f wh.a 2"]);
    refuse(&[&["f d/.wh. "]], r#""d/.wh." is a whiteout of "", which is no name"#);
    refuse(&[&["f .wh.. "]], r#"".wh.." is a whiteout of ".", which is no name"#);
    refuse(&[&["f d/.wh... "]], r#""d/.wh..." is a whiteout of "..", which is no name"#);
    refuse(&[&["f .wh.d/x 1"]], r#"".wh.d/x" lies below a whiteout"#);
}

#[test]
fn types_replace_each_other() {
    let kinds = [
        ("d x", "d x"),
        ("f x new", "f x new"),
        ("s x to", "s x to"),
        ("p x", "p x"),
        ("c x 1 3", "c x 1 3"),
        ("b x 8 1", "b x 8 1"),
        ("h x other", "h x other"),
    ];
    for (below, _) in kinds {
        for (above, shown) in kinds {
            let lower = ["f other o", below];
            check(&format!("{above} over {below}"), &[&lower, &[above]], &["f other o", shown]);
            let same = ["f other o", below, above];
            check(&format!("{above} after {below}"), &[&same], &["f other o", shown]);
        }
    }
    let lower: &[&str] = &["d x", "d x/y", "f x/y/z 1"];
    check("a file over a full directory", &[lower, &["f x 2"]], &["f x 2"]);
    check("a directory over a directory", &[lower, &["d x"]], &["d x", "d x/y", "f x/y/z 1"]);
    check("last of a name", &[&["f a 1", "f a 2", "d a", "f a 3"]], &["f a 3"]);
}

#[test]
fn names_are_relative_to_the_root() {
    check(
        "spellings",
        &[&["d ./d/", "f /d//a 1", "f ./d/./b 2", "f d/c 3"]],
        &["d d", "f d/a 1", "f d/b 2", "f d/c 3"],
    );
    check("missing parents", &[&["f a/b/c 1"]], &["d a", "d a/b", "f a/b/c 1"]);
    refuse(&[&["f ../a 1"]], r#""../a" has a ".." component"#);
    refuse(&[&["f a/../b 1"]], r#""a/../b" has a ".." component"#);
    refuse(&[&["f a 1", "h b ../a"]], r#""b" has a ".." component"#);
    refuse(&[&["f . 1"]], r#""." is the root, but no directory"#);
    refuse(&[&["s / x"]], r#""/" is the root, but no directory"#);
}

#[test]
fn links_in_the_parent_part_are_followed_inside_the_root() {
    let usr: &[&str] = &["d usr", "d usr/lib", "s lib usr/lib", "f usr/lib/a 1"];
    check(
        "relative",
        &[usr, &["f lib/b 2"]],
        &["s lib usr/lib", "d usr", "d usr/lib", "f usr/lib/a 1", "f usr/lib/b 2"],
    );
    check("whiteout", &[usr, &["f lib/.wh.a "]], &["s lib usr/lib", "d usr", "d usr/lib"]);
    check("opaque", &[usr, &["f lib/.wh..wh..opq "]], &["s lib usr/lib", "d usr", "d usr/lib"]);
    check(
        "replaced",
        &[usr, &["d lib", "f lib/b 2"]],
        &["d lib", "f lib/b 2", "d usr", "d usr/lib", "f usr/lib/a 1"],
    );
    for upper in [["d lib", "f lib/.wh..wh..opq "], ["f lib/.wh..wh..opq ", "d lib"]] {
        check(
            "an opaque directory over a link",
            &[usr, &upper],
            &["d lib", "d usr", "d usr/lib", "f usr/lib/a 1"],
        );
    }
    check("the link itself", &[usr, &["f .wh.lib "]], &["d usr", "d usr/lib", "f usr/lib/a 1"]);
    check("absolute", &[&["d e", "s l /e", "f l/a 1"]], &["d e", "f e/a 1", "s l /e"]);
    check(
        "up and out",
        &[&["d e", "s l ../../../e", "f l/a 1"]],
        &["d e", "f e/a 1", "s l ../../../e"],
    );
    check(
        "dangling",
        &[&["s l /no/where", "f l/a 1"]],
        &["s l /no/where", "d no", "d no/where", "f no/where/a 1"],
    );
    check(
        "dangling and back",
        &[&["d e", "s l no/../e", "f l/a 1"]],
        &["d e", "f e/a 1", "s l no/../e"],
    );
    check(
        "up from below",
        &[&["d a", "d a/b", "s l a/b/..", "f l/c 1"]],
        &["d a", "d a/b", "f a/c 1", "s l a/b/.."],
    );
    check(
        "a link's target is kept as it is",
        &[&["s l ../../etc/passwd"]],
        &["s l ../../etc/passwd"],
    );
    refuse(&[&["s s .", "f s/s 1", "f s/t 2"]], r#""s/t" lies below "s", which is no directory"#);
    refuse(&[&["s l l", "f l/a 1"]], r#""l/a" lies behind more than 40 symbolic links"#);
    refuse(
        &[&["s a b", "s b a"], &["f a/x 1"]],
        r#""a/x" lies behind more than 40 symbolic links"#,
    );
    refuse(&[&["f a 1"], &["f a/b/c 2"]], r#""a/b/c" lies below "a", which is no directory"#);
    refuse(&[&["f a 1", "s l a"], &["f l/b 2"]], r#""l/b" lies below "a", which is no directory"#);
}

#[test]
fn hard_links_join_names_within_and_across_layers() {
    check("within", &[&["f a 1", "h b a", "h c b"]], &["f a 1", "h b a", "h c a"]);
    check("across", &[&["f a 1"], &["h b a"]], &["f a 1", "h b a"]);
    check("absolute target", &[&["d d", "f d/a 1", "h b /d/a"]], &["f b 1", "d d", "h d/a b"]);
    check(
        "through a link",
        &[&["d d", "f d/a 1", "s l d", "h b l/a"]],
        &["f b 1", "d d", "h d/a b", "s l d"],
    );
    check("to a symbolic link", &[&["s a x", "h b a"]], &["s a x", "h b a"]);
    check("to a device", &[&["c a 1 3", "h b a"]], &["c a 1 3", "h b a"]);
    check("one name replaced", &[&["f a 1", "h b a"], &["f a 2"]], &["f a 2", "f b 1"]);
    check("one name hidden", &[&["f a 1", "h b a"], &["f .wh.a "]], &["f b 1"]);
    check("over something", &[&["f a 1", "d b", "f b/c 2"], &["h b a"]], &["f a 1", "h b a"]);
    check("to itself", &[&["f a 1"], &["h a a"]], &["f a 1"]);
    check("again", &[&["f a 1", "h b a"], &["h b a"]], &["f a 1", "h b a"]);
    check(
        "replaced in one layer",
        &[&["f a 1", "h b a", "f a 2", "h c a"]],
        &["f a 2", "f b 1", "h c a"],
    );
    refuse(&[&["h b a"]], r#""b" is a hard link to "a", which does not exist"#);
    refuse(&[&["h b a", "f a 1"]], r#""b" is a hard link to "a", which does not exist"#);
    refuse(&[&["h a a"]], r#""a" is a hard link to "a", which does not exist"#);
    refuse(&[&["h a b", "h b a"]], r#""a" is a hard link to "b", which does not exist"#);
    refuse(
        &[&["f a 1"], &["f .wh.a ", "h b a"]],
        r#""b" is a hard link to "a", which does not exist"#,
    );
    refuse(&[&["h b no/a"]], r#""b" is a hard link to "no/a", which does not exist"#);
    refuse(&[&["d a", "h b a"]], r#""b" is a hard link to "a", which is a directory"#);
    refuse(&[&["h b /"]], r#""b" is a hard link to "", which is a directory"#);
    refuse(
        &[&["d d", "f d/a 1", "h d d/a"]],
        r#""d" is a hard link to "d/a", which does not exist"#,
    );
}

#[test]
fn metadata_comes_from_the_topmost_header() {
    let layer = |members: &[Member]| {
        let mut tar = Tar::default();
        for member in members {
            tar.add(member);
        }
        tar.end()
    };
    let lower = layer(&[
        Member { mode: 0o1777, uid: 1, gid: 2, mtime: 3, ..Member::new(b'5', "./") },
        Member { mode: 0o4755, uid: 4_000_000_000, mtime: 9, ..Member::file("su", "x") },
        Member { mode: 0o700, uid: 5, mtime: 7, ..Member::new(b'5', "d") },
        Member::file("d/a", "1"),
    ]);
    let upper = layer(&[
        Member { mode: 0o750, gid: 6, mtime: 8, ..Member::new(b'5', "d/") },
        Member::file("p/q", "1"),
    ]);
    let rootfs = merge(&[lower, upper]).unwrap();
    let shown = |path: &str| {
        let id = rootfs.tree.lookup(path.as_bytes()).unwrap();
        let m = &rootfs.tree.inode(id).metadata;
        (m.mode, m.uid, m.gid, m.mtime.0)
    };
    assert_eq!(shown(""), (0o1777, 1, 2, 3));
    assert_eq!(shown("su"), (0o4755, 4_000_000_000, 0, 9));
    assert_eq!(shown("d"), (0o750, 0, 6, 8));
    assert_eq!(shown("d/a"), (0o644, 0, 0, 0));
    assert_eq!(shown("p"), (0o755, 0, 0, CREATED));
    assert_eq!(rootfs.created, Some(Timestamp(CREATED)));

    let rootfs = merge(&[Tar::of(["f a 1"])]).unwrap();
    let root = &rootfs.tree.inode(rootfs.tree.root()).metadata;
    assert_eq!((root.mode, root.uid, root.gid, root.mtime.0), (0o755, 0, 0, CREATED));
}
