//! Stand-ins for the images that projects name, in a store.

use std::num::NonZeroUsize;
use std::path::Path;

use bootwright::image::{FileTree, Metadata, Silent};
use bootwright::oci::write::{
    Changes, HistoryEntry, LayerOptions, LayoutFolder, NewImage, write_layer,
};
use sha2::{Digest, Sha256};

/// Puts an image with these files into a layout.
pub(crate) fn put(layout: &Path, name: &str, files: &[(&str, u16, &[u8])]) {
    let mut tree = FileTree::new(Metadata::directory(0o755));
    for (path, mode, content) in files {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        let parent = tree.add_directories(parent.as_bytes(), &Metadata::directory(0o755)).unwrap();
        let metadata = Metadata::file(*mode);
        tree.add_file(parent, name.as_bytes(), metadata, (*content).into()).unwrap();
    }
    let mut store = LayoutFolder::open(layout).unwrap();
    let changes = Changes::whole(&tree).unwrap();
    let options = LayerOptions::new(NonZeroUsize::MIN);
    let layer = write_layer(&mut store, &changes, &tree, &(), options, &Silent).unwrap();
    let mut image = NewImage::scratch("amd64");
    image.push(layer, &HistoryEntry::default());
    image.write(&mut store, &[name.to_owned()], &Silent).unwrap();
}

pub(crate) fn tar(path: &str, content: &[u8]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    builder.append_data(&mut header, path, content).unwrap();
    builder.into_inner().unwrap()
}

/// A repository of luet's with these versions of k3s.
pub(crate) fn put_packages(store: &Path, host: &str, versions: &[&str]) {
    let luet = format!("{host}/luet-repo-amd");
    let mut index = "index:\n".to_owned();
    for version in versions {
        index += &format!(
            "- path: /b/k3s-k8s-{version}.package.tar\n  compressiontype: none\n  compilationspec:\n\
             {0}package: {{category: k8s, name: k3s, version: {version:?}}}\n",
            "    "
        );
        let name = format!("{luet}:k3s-k8s-{version}");
        put(store, &name, &[("usr/bin/k3s", 0o755, version.as_bytes())]);
    }
    let tree = tar("k8s/k3s/collection.yaml", b"packages: []\n");
    let meta = tar("repository.meta.yaml", index.as_bytes());
    let sum = |bytes: &[u8]| -> String {
        Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
    };
    let spec = format!(
        "name: test\ntype: docker\nurls: [x]\nrevision: 1\nlast_update: \"1\"\nrepo_files:\n  \
         meta:\n    filename: repository.meta.yaml.tar\n    checksums: {{sha256: {}}}\n  \
         tree:\n    filename: tree.tar\n    checksums: {{sha256: {}}}\n",
        sum(&meta),
        sum(&tree)
    );
    for (name, bytes) in [
        ("repository.yaml", spec.as_bytes()),
        ("repository.meta.yaml.tar", &meta),
        ("tree.tar", &tree),
    ] {
        put(store, &format!("{luet}:{name}"), &[(name, 0o644, bytes)]);
    }
}
