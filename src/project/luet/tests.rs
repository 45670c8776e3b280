//! Repositories made here, sound and hostile.

use std::fs;
use std::io::Write;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::{Auth, Images, LuetError, PackageRequest, Reading, Repository};
use crate::image::{BoxError, FileTree, Metadata, Silent, collect};
use crate::oci::write::{Changes, HistoryEntry, LayerOptions, LayoutFolder, NewImage, write_layer};
use crate::oci::{Limits, Options, Reference, Stack};

fn reading() -> Reading<'static> {
    let jobs = NonZeroUsize::MIN;
    let options = Options { architecture: "amd64".to_owned(), limits: Limits::default(), jobs };
    Reading { options, observer: &Silent }
}

/// Images in one layout, under their full names.
struct Shelf(PathBuf);

impl Images for Shelf {
    fn image(&self, name: &str) -> Result<Reference, BoxError> {
        let index = fs::read_to_string(self.0.join("index.json"))?;
        if !index.contains(&format!("\"{name}\"")) {
            return Err("nobody has it".into());
        }
        Ok(Reference::Layout { dir: self.0.clone(), tag: Some(name.to_owned()) })
    }
}

impl Shelf {
    fn put(&self, name: &str, files: &[(&str, &[u8])]) {
        let mut tree = FileTree::new(Metadata::directory(0o755));
        for (path, content) in files {
            let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
            let parent =
                tree.add_directories(parent.as_bytes(), &Metadata::directory(0o755)).unwrap();
            tree.add_file(parent, name.as_bytes(), Metadata::file(0o644), (*content).into())
                .unwrap();
        }
        let mut store = LayoutFolder::open(&self.0).unwrap();
        let options = LayerOptions::new(NonZeroUsize::MIN);
        let changes = Changes::whole(&tree).unwrap();
        let layer = write_layer(&mut store, &changes, &tree, &(), options, &Silent).unwrap();
        let mut image = NewImage::scratch("amd64");
        image.push(layer, &HistoryEntry::default());
        image.write(&mut store, &[name.to_owned()], &Silent).unwrap();
    }
}

fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, path, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let options = crate::partitions::gzip::Options::new(NonZeroUsize::MIN);
    let mut gzip = crate::partitions::gzip::Gzip::new(Vec::new(), options);
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap().0
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A package for the index: category, name, version; what it requires at run time.
struct Made<'a>(&'a str, &'a str, &'a str, &'a [(&'a str, &'a str, &'a str)]);

fn definition(Made(category, name, version, requires): &Made<'_>) -> String {
    let mut text = format!("category: {category:?}\nname: {name:?}\nversion: {version:?}\n");
    text += if requires.is_empty() { "requires: null\n" } else { "requires:\n" };
    for (category, name, version) in *requires {
        text += &format!("- {{category: {category}, name: {name}, version: {version:?}}}\n");
    }
    text
}

fn file_of(Made(category, name, version, _): &Made<'_>) -> String {
    format!("{name}-{category}-{version}.package.tar.gz")
}

/// The index and the tree of a repository.
fn documents(packages: &[Made<'_>], checksums: &[String]) -> (String, Vec<(String, String)>) {
    let mut index = "index:\n".to_owned();
    let mut tree = Vec::new();
    for (number, package) in packages.iter().enumerate() {
        let Made(category, name, version, _) = package;
        index += &format!(
            "- path: /build/{}\n  checksums: {{sha256: {:?}}}\n  compressiontype: gzip\n  \
             dependencies: []\n  files: [usr/bin/a]\n  compilationspec:\n    steps: [make]\n    \
             package:\n      category: {category:?}\n      name: {name:?}\n      version: \
             {version:?}\n      requires:\n      - {{category: build, name: gcc, version: \">=0\"}}\n",
            file_of(package),
            checksums.get(number).map_or("", String::as_str),
        );
        let folder = format!("{category}/{}/{version}", name.replace('.', "_"));
        tree.push((format!("{folder}/definition.yaml"), definition(package)));
    }
    (index, tree)
}

fn spec(meta: &[u8], tree: &[u8]) -> String {
    format!(
        "name: test\ntype: docker\nurls: [x]\nrevision: 3\nlast_update: \"17\"\nrepo_files:\n  \
         meta:\n    filename: repository.meta.yaml.tar.gz\n    compressiontype: gzip\n    \
         checksums: {{sha256: {}}}\n  tree:\n    filename: tree.tar\n    checksums: {{sha256: {}}}\n",
        sha256(meta),
        sha256(tree)
    )
}

/// The files of a repository, by name.
fn files(packages: &[Made<'_>], checksums: &[String]) -> Vec<(String, Vec<u8>)> {
    let (index, tree) = documents(packages, checksums);
    let tree: Vec<_> = tree.iter().map(|(path, text)| (path.as_str(), text.as_bytes())).collect();
    let (meta, tree) = (gzip(&tar(&[("repository.meta.yaml", index.as_bytes())])), tar(&tree));
    let spec = spec(&meta, &tree).into_bytes();
    vec![
        ("repository.yaml".to_owned(), spec),
        ("repository.meta.yaml.tar.gz".to_owned(), meta),
        ("tree.tar".to_owned(), tree),
    ]
}

const URL: &str = "reg.example/luet-repo-amd";

fn shelf(dir: &Path, packages: &[Made<'_>]) -> Shelf {
    let shelf = Shelf(dir.join("shelf"));
    for (name, bytes) in files(packages, &[]) {
        shelf.put(&format!("{URL}:{name}"), &[(&name, &bytes)]);
    }
    for Made(category, name, version, _) in packages {
        let tag = format!("{name}-{category}-{version}").replace('+', "-");
        shelf.put(&format!("{URL}:{tag}"), &[(&format!("usr/bin/{name}"), version.as_bytes())]);
    }
    shelf
}

fn packages() -> Vec<Made<'static>> {
    vec![
        Made("k8s", "k3s", "1.30.4-k3s1", &[("k8s", "cni", ">=1.0"), ("base", "etc", "")]),
        Made("k8s", "k3s", "1.30.10-k3s1", &[]),
        Made("k8s", "cni", "1.9", &[]),
        Made("k8s", "cni", "1.10+2", &[("base", "etc", "1")]),
        Made("base", "etc", "1", &[("k8s", "k3s", "")]),
        Made("base", "bad", "1", &[("base", "none", ">2")]),
        Made("base", "worse", "1", &[("k8s", "cni", "<1,>0")]),
    ]
}

fn resolve(repository: &Repository<'_>, request: &str) -> Result<Vec<String>, LuetError> {
    let found = repository.resolve(&request.parse::<PackageRequest>().unwrap())?;
    Ok(found.iter().map(ToString::to_string).collect())
}

/// What is in the root once packages are laid over one another.
fn laid(repository: &Repository<'_>, request: &str) -> Vec<(String, String)> {
    let reading = reading();
    let mut stack = Stack::new(reading.options, &Silent);
    for package in repository.resolve(&request.parse().unwrap()).unwrap() {
        repository.lay(package, &mut stack).unwrap();
    }
    let rootfs = stack.finish().unwrap();
    let files = rootfs.tree.walk().filter(|w| rootfs.tree.inode(w.id).as_file().is_some());
    files
        .map(|file| {
            let text = collect(&rootfs.tree, &rootfs.streams, &[file.id], 1 << 20, &Silent);
            let text = String::from_utf8(text.unwrap().remove(0)).unwrap();
            (String::from_utf8(file.path).unwrap(), text)
        })
        .collect()
}

#[test]
fn packages_in_images_come_with_what_they_require() {
    let dir = tempfile::tempdir().unwrap();
    let shelf = shelf(dir.path(), &packages());
    let repository = Repository::in_images(URL, &shelf, &reading()).unwrap();
    assert_eq!((repository.name(), repository.packages().count()), ("test", 7));
    for (request, expected) in [
        ("k8s/k3s@1.30.4-k3s1", &["base/etc@1", "k8s/cni@1.10+2", "k8s/k3s@1.30.4-k3s1"][..]),
        ("k8s/k3s", &["k8s/k3s@1.30.10-k3s1"]),
        ("k8s/k3s@<1.30.10-k3s1", &["base/etc@1", "k8s/cni@1.10+2", "k8s/k3s@1.30.4-k3s1"]),
        ("k8s/cni@1.9", &["k8s/cni@1.9"]),
    ] {
        assert_eq!(resolve(&repository, request).unwrap(), expected, "{request}");
    }
    let text = |path: &str, text: &str| (format!("usr/bin/{path}"), text.to_owned());
    assert_eq!(
        laid(&repository, "k8s/k3s@1.30.4-k3s1"),
        [text("cni", "1.10+2"), text("etc", "1"), text("k3s", "1.30.4-k3s1")]
    );
}

#[test]
fn packages_in_a_folder_are_checked_and_laid() {
    let dir = tempfile::tempdir().unwrap();
    let packages = packages();
    let archives: Vec<_> = packages
        .iter()
        .map(|made| gzip(&tar(&[(&format!("usr/bin/{}", made.1), made.2.as_bytes())])))
        .collect();
    let checksums: Vec<_> = archives.iter().map(|bytes| sha256(bytes)).collect();
    for (name, bytes) in files(&packages, &checksums) {
        fs::write(dir.path().join(name), bytes).unwrap();
    }
    for (made, bytes) in packages.iter().zip(&archives) {
        fs::write(dir.path().join(file_of(made)), bytes).unwrap();
    }
    let repository = Repository::in_folder(dir.path(), &reading()).unwrap();
    assert_eq!(
        laid(&repository, "k8s/cni"),
        [
            ("usr/bin/cni".to_owned(), "1.10+2".to_owned()),
            ("usr/bin/etc".to_owned(), "1".to_owned()),
            ("usr/bin/k3s".to_owned(), "1.30.10-k3s1".to_owned()),
        ]
    );
    fs::write(dir.path().join(file_of(&packages[2])), "other").unwrap();
    let cni = repository.resolve(&"k8s/cni@1.9".parse().unwrap()).unwrap();
    let mut stack = Stack::new(reading().options, &Silent);
    let error = repository.lay(cni[0], &mut stack).unwrap_err();
    assert!(matches!(error, LuetError::Checksum { .. }), "{error}");
}

#[test]
fn what_is_not_there_is_told_with_what_is() {
    let dir = tempfile::tempdir().unwrap();
    let shelf = shelf(dir.path(), &packages());
    let repository = Repository::in_images(URL, &shelf, &reading()).unwrap();
    for (request, message) in [
        (
            "k8s/k3s@1.31",
            "there is no package k8s/k3s@1.31, only versions 1.30.10-k3s1, 1.30.4-k3s1",
        ),
        ("k8s/none", "there is no package k8s/none"),
        ("base/bad", "there is no package base/none@>2, which base/bad@1 requires"),
        ("base/worse", "there is no package k8s/cni@<1,>0, only versions 1.10+2, 1.9"),
    ] {
        let error = resolve(&repository, request).unwrap_err().to_string();
        assert_eq!(error, format!("{URL}: {message}"));
    }
    for text in ["k3s", "/k3s", "k8s/", "k8s/k3s@"] {
        assert!(text.parse::<PackageRequest>().is_err(), "{text}");
    }
    let error = Repository::in_images("reg.example/none", &shelf, &reading()).unwrap_err();
    assert_eq!(error.to_string(), "there is no image reg.example/none:repository.yaml");
}

#[test]
fn packages_that_exclude_each_other_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let made = [
        Made("a", "a", "1", &[("a", "b", ">1"), ("a", "c", "")]),
        Made("a", "b", "2", &[]),
        Made("a", "b", "1", &[]),
        Made("a", "c", "1", &[("a", "b", "1")]),
    ];
    let shelf = shelf(dir.path(), &made);
    let repository = Repository::in_images(URL, &shelf, &reading()).unwrap();
    let error = resolve(&repository, "a/a").unwrap_err().to_string();
    assert_eq!(error, format!("{URL}: a/b@2 and a/b@1, which a/c@1 requires, exclude each other"));
}

#[test]
fn hostile_repositories_are_refused() {
    let made = [Made("a", "a", "1", &[])];
    let sound = files(&made, &[]);
    let text = |name: &str| {
        let (_, bytes) = sound.iter().find(|(other, _)| other == name).unwrap();
        String::from_utf8(bytes.clone()).unwrap()
    };
    let spec = text("repository.yaml");
    let nested = format!("name: {}{}", "[".repeat(5000), "]".repeat(5000));
    for (what, changed) in [
        ("tree: cannot be the name", spec.replace("tree.tar", "../tree.tar")),
        ("\"/etc/passwd\" cannot be the name of a file", spec.replace("tree.tar", "/etc/passwd")),
        ("cannot read", spec.replace("tree.tar", "none.tar")),
        ("checksum is", spec.replace("sha256: ", "sha256: 0")),
        ("cannot be understood", "repo_files: {}".to_owned()),
        ("cannot be understood", nested),
        ("cannot be understood", "\u{0}".to_owned()),
    ] {
        let dir = tempfile::tempdir().unwrap();
        for (name, bytes) in &sound {
            fs::write(dir.path().join(name), bytes).unwrap();
        }
        fs::write(dir.path().join("repository.yaml"), changed).unwrap();
        let error = Repository::in_folder(dir.path(), &reading()).unwrap_err().to_string();
        let what = what.trim_start_matches("tree: ");
        assert!(error.contains(what), "{what}: {error}");
    }
    // An index may name any file and any tag.
    let dir = tempfile::tempdir().unwrap();
    let evil = [Made("a", "../../etc", "1", &[])];
    for (name, bytes) in files(&evil, &[]) {
        fs::write(dir.path().join(name), bytes).unwrap();
    }
    let repository = Repository::in_folder(dir.path(), &reading()).unwrap();
    let package = repository.packages().next().unwrap();
    let mut stack = Stack::new(reading().options, &Silent);
    let error = repository.lay(package, &mut stack).unwrap_err().to_string();
    assert!(error.starts_with("cannot read") && error.contains("etc-a-1.package"), "{error}");
}

#[test]
fn long_chains_and_circles_end() {
    let names: Vec<String> = (0..3000).map(|n| format!("p{n}")).collect();
    let requires: Vec<_> = (0..3000).map(|n| [("a", names[(n + 1) % 3000].as_str(), "")]).collect();
    let made: Vec<_> =
        names.iter().zip(&requires).map(|(name, needs)| Made("a", name, "1", needs)).collect();
    let dir = tempfile::tempdir().unwrap();
    for (name, bytes) in files(&made, &[]) {
        fs::write(dir.path().join(name), bytes).unwrap();
    }
    let repository = Repository::in_folder(dir.path(), &reading()).unwrap();
    assert_eq!(resolve(&repository, "a/p7").unwrap().len(), 3000);
}

#[test]
fn secrets_are_read_and_never_shown() {
    let text =
        "  auth:\n    serveraddress: reg.example\n    username: me\n    password: \"s3cret\"\n";
    let auth = Auth::parse(text.as_bytes(), "spectro-luet-auth.yaml").unwrap();
    assert_eq!((auth.username.as_str(), auth.password.as_str()), ("me", "s3cret"));
    assert!(!format!("{auth:?}").contains("s3cret"));
    for wrong in ["auth: s3cret", "s3cret", "auth: {pass: s3cret}", "auth: {username: [s3cret"] {
        let error = Auth::parse(wrong.as_bytes(), "x.yaml").unwrap_err();
        assert!(error.to_string().starts_with("x.yaml: this is not of the form"), "{error}");
        assert!(!format!("{error:?}").contains("s3cret"));
    }
}
