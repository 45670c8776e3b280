//! The store: what goes in comes out, whoever else uses it.

use std::fs;
use std::sync::Barrier;

use bootwright_image::Silent;
use bootwright_oci::store::Lookup;
use bootwright_oci::{ImageName, Reference, Selection, Store, StoreError};

use crate::build::{
    Layout, Member, Tar, chain, config, gzip, layout_dir, read, reference, scratch, sha256, show,
};

fn amd64() -> Selection {
    Selection::Architecture("amd64".to_owned())
}

fn name(text: &str) -> ImageName {
    text.parse().unwrap()
}

fn two_layers() -> Layout {
    Layout::of(&[Tar::of(["d etc", "f etc/a one"]), Tar::of(["f etc/b two"])])
}

/// Imports an image and reads it from the store.
fn through(store: &Store, from: &Reference, as_name: &str) -> Vec<String> {
    let stored = store.import(from, &name(as_name), &amd64(), &Silent).unwrap();
    assert_eq!(
        store.find(&name(as_name), &amd64()).unwrap(),
        Lookup::Complete(stored.clone().into())
    );
    show(&read(&stored.reference).unwrap())
}

#[test]
fn images_of_every_form_go_in_and_come_out_the_same() {
    let (dir, layout) = (tempfile::tempdir().unwrap(), two_layers());
    let store = Store::open(dir.path()).unwrap();
    let folder = layout_dir(&layout);
    let expected = show(&read(&reference(folder.path())).unwrap());
    assert_eq!(through(&store, &reference(folder.path()), "r.io/layout:1"), expected);
    let (_kept, file) = scratch("x.tar", &layout.archive());
    let archive = Reference::OciArchive { file, tag: None };
    assert_eq!(through(&store, &archive, "r.io/archive:1"), expected);

    // Layers of a docker archive keep their bytes, compressed or not.
    let layers = [Tar::of(["d etc", "f etc/a one"]), Tar::of(["f etc/b two"])];
    let ids: Vec<_> = layers.iter().map(|layer| format!("{:?}", sha256(layer))).collect();
    let mut tar = Tar::default();
    tar.add(&Member::file("c.json", config(&ids.join(","))));
    tar.add(&Member::file("1/layer.tar", &layers[0]));
    tar.add(&Member::file("2/layer.tar", gzip(&layers[1])));
    let saved =
        r#"[{"Config":"c.json","RepoTags":["x:1"],"Layers":["1/layer.tar","2/layer.tar"]}]"#;
    tar.add(&Member::file("manifest.json", saved));
    let (_kept, file) = scratch("docker.tar", &tar.end());
    let archive = Reference::DockerArchive { file, name: Some("x:1".into()) };
    assert_eq!(through(&store, &archive, "r.io/docker:1"), expected);
    for blob in [layers[0].clone(), gzip(&layers[1])] {
        let path = sha256(&blob).replace(':', "/");
        assert_eq!(fs::read(dir.path().join("blobs").join(path)).unwrap(), blob);
    }
    // From one store into another, by name.
    let other = tempfile::tempdir().unwrap();
    let tag = Some("r.io/docker:1".to_owned());
    let inside = Reference::Layout { dir: dir.path().to_owned(), tag };
    let there = Store::open(other.path()).unwrap();
    assert_eq!(through(&there, &inside, "r.io/again:1"), expected);
    let names: Vec<_> = store.list().unwrap().into_iter().map(|entry| entry.name).collect();
    assert_eq!(names, ["r.io/archive:1", "r.io/docker:1", "r.io/layout:1"]);
}

#[test]
fn a_name_moves_and_what_was_pinned_stays() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let old = layout_dir(&two_layers());
    let old = store.import(&reference(old.path()), &name("r.io/x"), &amd64(), &Silent).unwrap();
    let new = layout_dir(&Layout::of(&[Tar::of(["f new 1"])]));
    let new = store.import(&reference(new.path()), &name("r.io/x"), &amd64(), &Silent).unwrap();
    assert_eq!(store.list().unwrap().len(), 1);
    assert_eq!(show(&read(&new.reference).unwrap()), ["f new 1"]);
    assert_eq!(show(&read(&old.reference).unwrap()).len(), 3);
    let pinned = name("r.io/x").with_digest(old.digest);
    assert!(matches!(store.find(&pinned, &amd64()).unwrap(), Lookup::Complete(_)));
    store.remove(&name("r.io/x")).unwrap();
    assert_eq!(store.find(&name("r.io/x"), &amd64()).unwrap(), Lookup::Absent);
}

#[test]
fn many_use_one_store_at_the_same_time() {
    const MANY: usize = 8;
    let dir = tempfile::tempdir().unwrap();
    let images: Vec<_> = (0..MANY)
        .map(|number| {
            let own = format!("f own {number}");
            layout_dir(&Layout::of(&[
                Tar::of(["d etc", "f etc/shared x"]),
                Tar::of([own.as_str()]),
            ]))
        })
        .collect();
    let start = Barrier::new(MANY);
    std::thread::scope(|scope| {
        for (number, image) in images.iter().enumerate() {
            let (start, dir) = (&start, dir.path());
            scope.spawn(move || {
                start.wait();
                let store = Store::open(dir).unwrap();
                let name = name(&format!("r.io/x:{number}"));
                store.import(&reference(image.path()), &name, &amd64(), &Silent).unwrap();
            });
        }
    });
    let store = Store::open(dir.path()).unwrap();
    assert_eq!(store.list().unwrap().len(), MANY);
    for (number, image) in images.iter().enumerate() {
        let found = store.find(&name(&format!("r.io/x:{number}")), &amd64()).unwrap();
        let Lookup::Complete(found) = found else { panic!("{found:?}") };
        assert_eq!(
            show(&read(&found.reference).unwrap()),
            show(&read(&reference(image.path())).unwrap())
        );
    }
    assert_eq!(fs::read_dir(dir.path().join("partial")).unwrap().count(), 0);
}

#[test]
fn an_existing_layout_becomes_a_store_and_keeps_what_it_has() {
    let mut layout = two_layers();
    let first = layout.manifests[0].clone();
    layout.manifests = vec![first.replace(
        r#""size""#,
        r#""annotations":{"org.opencontainers.image.ref.name":"v1","own":"kept"},"size""#,
    )];
    let dir = layout_dir(&layout);
    let store = Store::open(dir.path()).unwrap();
    let more = layout_dir(&Layout::of(&[Tar::of(["f new 1"])]));
    store.import(&reference(more.path()), &name("r.io/x:1"), &amd64(), &Silent).unwrap();
    let index = fs::read_to_string(dir.path().join("index.json")).unwrap();
    assert!(index.contains(r#""own":"kept""#), "{index}");
    let old = Reference::Layout { dir: dir.path().to_owned(), tag: Some("v1".into()) };
    assert_eq!(show(&read(&old).unwrap()).len(), 3);
}

#[test]
fn damage_and_what_is_no_image_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let error = |from: &Reference| {
        chain(&store.import(from, &name("r.io/x"), &amd64(), &Silent).unwrap_err())
    };
    let folder = Reference::Directory(dir.path().to_owned());
    assert!(error(&folder).contains("is a root file system and no image"));
    let registry = Reference::Registry(name("r.io/x"));
    assert_eq!(
        error(&registry),
        "docker://r.io/x:latest is in a registry and has not been fetched"
    );
    assert_eq!(chain(&read(&registry).unwrap_err()), error(&registry));

    let mut layout = two_layers();
    let at = layout.files.iter().position(|(_, bytes)| bytes.len() > 1000).unwrap();
    layout.files[at].1[0] ^= 1;
    let damaged = layout_dir(&layout);
    assert!(error(&reference(damaged.path())).contains("the digest of what came is sha256:"));
    layout.files[at].1.pop();
    let short = layout_dir(&layout);
    assert!(error(&reference(short.path())).contains("bytes came,"));
    layout.files.remove(at);
    let gone = layout_dir(&layout);
    assert!(error(&reference(gone.path())).contains("there is no \"blobs/sha256/"));
    assert!(store.list().unwrap().is_empty());
    let unknown = name("r.io/y");
    assert_eq!(store.find(&unknown, &amd64()).unwrap(), Lookup::Absent);
    assert!(matches!(
        Store::open(&dir.path().join("index.json")).unwrap_err(),
        StoreError::Io { .. }
    ));
}
