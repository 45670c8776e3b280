//! Images upon images.

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;

use bootwright_image::{Blob, FileTree, Kind, Metadata, Silent, Timestamp};
use bootwright_oci::write::{
    ArchiveFormat, BlobRole, Changes, Container, ImageArchive, ImageStore, LayoutFolder, NewImage,
    WriteError, WrittenImage, write_container, write_layer,
};
use bootwright_oci::{ContentDigest, Limits, Reference};

use super::layers::{dump, jobs, made_by};
use crate::build::{
    Layout, Member, Tar, Warnings, config, gzip, layout_dir, read, reference, scratch, sha256, show,
};
use crate::foreign::{has, run};

#[test]
fn files_in_a_container_are_files_and_nothing_else() {
    let mut tree = FileTree::new(Metadata::directory(0o755));
    let folder = tree.add_directories(b"EFI/kairos", &Metadata::directory(0o755)).unwrap();
    tree.add_file(folder, b"norole.efi", Metadata::file(0o644), "a kernel".into()).unwrap();
    let loader = tree.add_directories(b"loader", &Metadata::directory(0o755)).unwrap();
    tree.add_file(loader, b"loader.conf", Metadata::file(0o644), "timeout 5\n".into()).unwrap();
    let container = Container {
        name: "kairos_uki:v1".to_owned(),
        architecture: "amd64".to_owned(),
        created: Timestamp(1_700_000_000),
        created_by: "bootwright".to_owned(),
    };
    let output = Cursor::new(Vec::new());
    let (output, written) =
        write_container(&tree, &(), &container, jobs(2), output, &Silent).unwrap();
    let (dir, path) = scratch("uki.tar", output.get_ref());

    let names = |bytes: &mut dyn Read| -> Vec<(String, u32)> {
        let mut archive = tar::Archive::new(bytes);
        let entries = archive.entries().unwrap().map(Result::unwrap);
        entries
            .map(|entry| {
                assert!(entry.header().entry_type().is_file());
                (entry.path().unwrap().to_str().unwrap().to_owned(), entry.header().mode().unwrap())
            })
            .collect()
    };
    let hex = |digest: ContentDigest| digest.to_string().replace("sha256:", "");
    let layer = format!("{}.tar.gz", hex(written.layers[0].1.digest));
    let config = format!("{}.json", hex(written.config.digest));
    let members = names(&mut File::open(&path).unwrap());
    let members: Vec<_> = members.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(members, [layer.as_str(), config.as_str(), "manifest.json"]);
    let mut archive = tar::Archive::new(File::open(&path).unwrap());
    let mut layer =
        flate2::read::GzDecoder::new(archive.entries().unwrap().next().unwrap().unwrap());
    let expected = [("EFI/kairos/norole.efi", 0o644), ("loader/loader.conf", 0o644)];
    assert!(names(&mut layer).iter().map(|(name, mode)| (name.as_str(), *mode)).eq(expected));

    if has("skopeo") {
        let config = run("skopeo", &["inspect", "--config", "docker-archive:uki.tar"], dir.path());
        assert!(
            config.contains("2023-11-14T22:13:20Z") && config.contains("bootwright"),
            "{config}"
        );
    }
    tree.add(loader, b"l", Metadata::default(), Kind::Symlink(b"x"[..].into())).unwrap();
    let error = Changes::files_only(&tree).unwrap_err().to_string();
    assert_eq!(error, r#""loader/l" is no regular file: the layer may have no other"#);
}

fn tagged(dir: &Path, tag: &str) -> Reference {
    format!("oci:{}:{tag}", dir.display()).parse().unwrap()
}

#[test]
fn a_layer_on_a_base_image_keeps_the_base_layers_bytes() {
    let tar = Tar::of(["d etc", "f etc/a old", "f etc/b kept", "f etc/gone x"]);
    let mut layout = Layout::default();
    layout.stored_image("", &[(tar.clone(), gzip(&tar))]);
    let base_dir = layout_dir(&layout);
    let base = reference(base_dir.path());

    let rootfs = read(&base).unwrap();
    let mut after = rootfs.tree.clone();
    let etc = after.lookup(b"etc").unwrap();
    after.remove(etc, b"gone");
    let a = after.lookup(b"etc/a").unwrap();
    after.set_content(a, "new".into()).unwrap();
    after.add_file(etc, b"c", Metadata::file(0o640), "added".into()).unwrap();

    let out = tempfile::tempdir().unwrap();
    let mut store = LayoutFolder::open(&out.path().join("image")).unwrap();
    let changes = Changes::between(&rootfs.tree, &after).unwrap();
    let layer =
        write_layer(&mut store, &changes, &after, &rootfs.streams, jobs(2), &Silent).unwrap();
    let mut image = NewImage::on_base(&base, "amd64", &Limits::default()).unwrap();
    image.config.set_env("A", "b");
    image.push(layer, &made_by("COPY . /"));
    let written = image.write(&mut store, &["v1".to_owned()], &Silent).unwrap();

    let dir = out.path().join("image");
    let again = read(&tagged(&dir, "v1")).unwrap();
    assert_eq!(dump(&again.tree, &again.streams), dump(&after, &rootfs.streams));
    let base_layer = written.layers[0].1.digest.to_string().replace(':', "/");
    let blob = |dir: &Path| std::fs::read(dir.join("blobs").join(&base_layer)).unwrap();
    assert!(blob(&dir) == blob(base_dir.path()));

    if has("skopeo") {
        run("skopeo", &["inspect", "oci:image:v1"], out.path());
        run("skopeo", &["copy", "oci:image:v1", "docker-archive:copy.tar:x:1"], out.path());
        let copy = format!("docker-archive:{}", out.path().join("copy.tar").display());
        let copy = read(&copy.parse().unwrap()).unwrap();
        assert_eq!(dump(&copy.tree, &copy.streams), dump(&after, &rootfs.streams));
    }
}

/// A layout with one image of a tree, and the image's tag.
fn image_of(tree: &FileTree, store: &mut dyn ImageStore, tag: &str) -> WrittenImage {
    let changes = Changes::whole(tree).unwrap();
    let layer = write_layer(store, &changes, tree, &(), jobs(2), &Silent).unwrap();
    let mut image = NewImage::scratch("amd64");
    image.config.set_created(Timestamp(1));
    image.push(layer, &made_by("COPY . /"));
    image.write(store, &[tag.to_owned()], &Silent).unwrap()
}

/// What a user that is not root can unpack, with names at every length that matters.
fn ordinary_tree() -> FileTree {
    let time = |seconds| Metadata { mtime: Timestamp(seconds), ..Metadata::file(0o644) };
    let directory = Metadata { mtime: Timestamp(7), ..Metadata::directory(0o755) };
    let mut tree = FileTree::new(directory.clone());
    let root = tree.root();
    for len in [1, 99, 100, 101, 254, 255] {
        let name = "n".repeat(len);
        tree.add_file(root, name.as_bytes(), time(5), name.as_str().into()).unwrap();
    }
    let name = [b'd'; 255];
    let mut at = root;
    for _ in 0..8 {
        at = tree.add_directory(at, &name, directory.clone()).unwrap();
    }
    let deep = tree.add_file(at, b"deep", time(-9), "deep".into()).unwrap();
    tree.add_link(root, b"link-to-deep", deep).unwrap();
    let link = Metadata { mode: 0o777, ..time(5) };
    tree.add(root, b"s", link, Kind::Symlink([b't'; 300].into())).unwrap();
    tree.add_file(root, "\u{fc}\u{f6}".as_bytes(), time(5), "x".into()).unwrap();
    tree.add_file(root, b"setuid", Metadata { mode: 0o4755, ..time(1) }, "x".into()).unwrap();
    tree.add(root, b"pipe", time(5), Kind::Fifo).unwrap();
    tree
}

#[test]
fn others_unpack_what_was_written() {
    let tree = ordinary_tree();
    let out = tempfile::tempdir().unwrap();
    let mut store = LayoutFolder::open(&out.path().join("image")).unwrap();
    image_of(&tree, &mut store, "v1");
    let read_back = read(&tagged(&out.path().join("image"), "v1")).unwrap();
    assert_eq!(dump(&read_back.tree, &read_back.streams), dump(&tree, &()));
    if has("umoci") {
        run("umoci", &["unpack", "--rootless", "--image", "image:v1", "bundle"], out.path());
        let mut unpacked = read(&Reference::Directory(out.path().join("bundle/rootfs"))).unwrap();
        // Whoever runs the test owns the files.
        let ids: Vec<_> = unpacked.tree.walk().map(|walked| walked.id).collect();
        for id in ids.into_iter().chain([unpacked.tree.root()]) {
            let metadata = unpacked.tree.metadata_mut(id);
            (metadata.uid, metadata.gid) = (0, 0);
            metadata.xattrs.remove(b"user.rootlesscontainers");
        }
        assert_eq!(dump(&unpacked.tree, &unpacked.streams), dump(&tree, &()));
    }
}

#[test]
fn archives_hold_shared_layers_once_and_others_read_them() {
    let tree = ordinary_tree();
    let mut more = tree.clone();
    more.add_file(more.root(), b"more", Metadata::file(0o644), "more".into()).unwrap();
    for (format, scheme) in
        [(ArchiveFormat::Docker, "docker-archive"), (ArchiveFormat::Oci, "oci-archive")]
    {
        let mut archive = ImageArchive::new(Cursor::new(Vec::new()), format);
        let changes = Changes::whole(&tree).unwrap();
        let base = write_layer(&mut archive, &changes, &tree, &(), jobs(2), &Silent).unwrap();
        let changes = Changes::between(&tree, &more).unwrap();
        let top = write_layer(&mut archive, &changes, &more, &(), jobs(2), &Silent).unwrap();
        let mut image = NewImage::scratch("amd64");
        image.push(base, &made_by("one"));
        image.write(&mut archive, &["x:1".to_owned()], &Silent).unwrap();
        image.push(top, &made_by("two"));
        image.write(&mut archive, &["x:2".to_owned(), "x:3".to_owned()], &Silent).unwrap();
        let bytes = archive.finish().unwrap().into_inner();
        let (dir, path) = scratch("images.tar", &bytes);
        let mut names: Vec<_> = tar::Archive::new(&bytes[..])
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().path().unwrap().into_owned())
            .collect();
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count, "{names:?}");
        for (name, tree) in [("x:1", &tree), ("x:2", &more), ("x:3", &more)] {
            let reference = format!("{scheme}:{}:{name}", path.display());
            let rootfs = read(&reference.parse().unwrap()).unwrap();
            assert_eq!(dump(&rootfs.tree, &rootfs.streams), dump(tree, &()), "{reference}");
            if has("skopeo") {
                let from = format!("{scheme}:images.tar:{name}");
                let to = format!("oci:copied:{}", name.replace(':', "-"));
                run("skopeo", &["copy", &from, &to], dir.path());
            }
        }
    }
}

#[test]
fn a_layout_keeps_its_other_images_and_shows_no_halves() {
    let dir = tempfile::tempdir().unwrap();
    let tree = ordinary_tree();
    let other = FileTree::new(Metadata::directory(0o700));
    let mut store = LayoutFolder::open(dir.path()).unwrap();
    let first = image_of(&tree, &mut store, "a");
    let mut store = LayoutFolder::open(dir.path()).unwrap();
    image_of(&other, &mut store, "b");
    image_of(&other, &mut store, "a");
    for tag in ["a", "b"] {
        let found = read(&tagged(dir.path(), tag)).unwrap();
        assert_eq!(dump(&found.tree, &found.streams), dump(&other, &()));
    }
    // Its blobs are still there, as are those of any image that lost its name.
    assert!(store.contains(&first.manifest.digest, first.manifest.size));

    let error = store
        .store(BlobRole::GzipLayer, None, &mut |output| {
            output.write_all(b"half")?;
            Err(std::io::Error::other("no more").into())
        })
        .unwrap_err();
    assert_eq!(error.to_string(), "cannot write the image");
    let expected = Some((ContentDigest::of(b"this"), 4));
    let error = store
        .store(BlobRole::Config, expected, &mut |output| Ok(output.write_all(b"that")?))
        .unwrap_err();
    assert!(error.to_string().contains("its digest is sha256:"), "{error}");
    let names = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["blobs", "index.json", "oci-layout"]);

    std::fs::write(dir.path().join("index.json"), r#"{"manifests":7}"#).unwrap();
    let image = NewImage::scratch("amd64");
    let error = image.write(&mut store, &[], &Silent).unwrap_err().to_string();
    assert!(error.ends_with(r#"its field "manifests" is not a list"#), "{error}");
}

#[test]
fn the_layers_of_a_docker_archive_are_kept_as_they_are() {
    let tar = Tar::of(["d etc", "f etc/a text"]);
    let plain = config(&format!("{:?},{:?}", sha256(&tar), sha256(&tar)));
    let mut archive = Tar::default();
    archive.add(&Member::file("one/layer.tar", &tar));
    archive.add(&Member::file("two.tar.gz", gzip(&tar)));
    archive.add(&Member::file("config.json", plain));
    let saved =
        r#"[{"Config":"config.json","RepoTags":["x:1"],"Layers":["one/layer.tar","two.tar.gz"]}]"#;
    archive.add(&Member::file("manifest.json", saved));
    let (dir, path) = scratch("saved.tar", &archive.end());
    let base = Reference::DockerArchive { file: path, name: None };
    let image = NewImage::on_base(&base, "amd64", &Limits::default()).unwrap();
    let mut store = LayoutFolder::open(&dir.path().join("image")).unwrap();
    let written = image.write(&mut store, &["v".to_owned()], &Silent).unwrap();
    let layers: Vec<_> = written
        .layers
        .iter()
        .map(|(_, layer)| (layer.media_type.as_str(), layer.digest.to_string()))
        .collect();
    assert_eq!(
        layers,
        [
            ("application/vnd.oci.image.layer.v1.tar", sha256(&tar)),
            ("application/vnd.oci.image.layer.v1.tar+gzip", sha256(&gzip(&tar))),
        ]
    );
    let found = read(&tagged(&dir.path().join("image"), "v")).unwrap();
    assert_eq!(show(&found), ["d etc", "f etc/a text"]);
    if has("skopeo") {
        run("skopeo", &["copy", "oci:image:v", "dir:copy"], dir.path());
    }
}

#[test]
fn a_base_that_is_damaged_or_none_is_refused() {
    let tar = Tar::of(["f a text"]);
    let dir = layout_dir(&Layout::of(std::slice::from_ref(&tar)));
    let base = reference(dir.path());
    let image = NewImage::on_base(&base, "amd64", &Limits::default()).unwrap();
    let blob = dir.path().join("blobs").join(sha256(&tar).replace(':', "/"));
    let mut damaged = tar;
    damaged[600] ^= 1;
    std::fs::write(blob, damaged).unwrap();
    let out = tempfile::tempdir().unwrap();
    let mut store = LayoutFolder::open(out.path()).unwrap();
    let error = image.write(&mut store, &[], &Silent).unwrap_err();
    assert!(matches!(error, WriteError::Digest { .. }), "{error}");
    assert!(!out.path().join("index.json").exists());

    let error = NewImage::on_base(&Reference::Tar("x".into()), "amd64", &Limits::default());
    let text = "tar:x: a folder or a tar has no config and no layers to build upon";
    assert_eq!(error.unwrap_err().to_string(), text);
}

#[test]
fn what_a_layer_cannot_hold_is_said_before_anything_is_written() {
    let empty = FileTree::new(Metadata::directory(0o755));
    let with = |name: &[u8], metadata: Metadata, kind: Kind| {
        let mut tree = empty.clone();
        tree.add(tree.root(), name, metadata, kind).unwrap();
        tree
    };
    let file = || Kind::File("x".into());
    let marker = with(b".wh.x", Metadata::default(), file());
    let text = r#"".wh.x" cannot be in an image: names that begin with ".wh." hide others there"#;
    for (before, after) in [(&empty, &marker), (&marker, &empty)] {
        assert_eq!(Changes::between(before, after).unwrap_err().to_string(), text);
    }
    let mut metadata = Metadata::file(0o644);
    metadata.xattrs.insert(b"user.a=b", b"");
    let mut store = ImageArchive::new(Cursor::new(Vec::new()), ArchiveFormat::Oci);
    for (tree, message) in [
        (
            with(b"f", metadata, file()),
            r#""f": the name of its extended attribute "user.a=b" has a "=""#,
        ),
        (
            with(b"f", Metadata::default(), Kind::File(Blob::deferred(9))),
            r#"the content of "f" is not known yet: a layer cannot hold room for it"#,
        ),
    ] {
        let changes = Changes::whole(&tree).unwrap();
        let error = write_layer(&mut store, &changes, &tree, &(), jobs(1), &Silent).unwrap_err();
        assert_eq!(error.to_string(), message);
    }
    let socket = with(b"s", Metadata::default(), Kind::Socket);
    let changes = Changes::whole(&socket).unwrap();
    assert_eq!(changes.left_out(), [b"s"]);
    let warnings = Warnings::default();
    write_layer(&mut store, &changes, &socket, &(), jobs(1), &warnings).unwrap();
    let warnings = warnings.0.into_inner().unwrap();
    assert_eq!(warnings, [r#""s": a layer cannot hold a socket: left out"#]);
}
