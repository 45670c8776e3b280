//! Images upon images.

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;

use bootwright_image::{FileTree, Kind, Metadata, Silent, Timestamp};
use bootwright_oci::write::{
    Changes, Container, LayoutFolder, NewImage, write_container, write_layer,
};
use bootwright_oci::{ContentDigest, Limits};

use super::layers::{dump, jobs, made_by};
use crate::build::{Layout, Tar, gzip, layout_dir, read, reference, scratch};
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

fn tagged(dir: &Path, tag: &str) -> bootwright_oci::Reference {
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
