//! What other tools wrote, and what they make of the same image.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use bootwright_image::Kind;
use bootwright_oci::{Reference, Rootfs};

use crate::build::{
    LAYER, Layout, Member, Tar, config, content, gzip, layout_dir, read, reference, sha256, show,
};

/// Whether `tool` can be run. Its absence is loud, and an error where everything must be there.
#[allow(clippy::disallowed_methods, reason = "CI says so in its environment")]
pub(crate) fn has(tool: &str) -> bool {
    let found = Command::new(tool).arg("--version").output().is_ok();
    if !found {
        println!("SKIPPED: {tool} not found");
        assert!(std::env::var_os("CI").is_none(), "{tool} not found");
    }
    found
}

pub(crate) fn run(tool: &str, arguments: &[&str], dir: &Path) -> String {
    let output = Command::new(tool).args(arguments).current_dir(dir).output().unwrap();
    assert!(output.status.success(), "{tool}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A folder with what archivers treat differently.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root");
    let long = "n".repeat(120);
    fs::create_dir_all(root.join("d").join(&long)).unwrap();
    fs::write(root.join("d").join(&long).join("file"), "deep").unwrap();
    fs::write(root.join("a"), "a").unwrap();
    fs::hard_link(root.join("a"), root.join("d/b")).unwrap();
    symlink("t".repeat(130), root.join("s")).unwrap();
    let sparse = fs::File::create(root.join("sparse")).unwrap();
    sparse.set_len(3 << 20).unwrap();
    std::os::unix::fs::FileExt::write_at(&sparse, b"island", 2 << 20).unwrap();
    for n in 0..30 {
        std::os::unix::fs::FileExt::write_at(&sparse, b"more", n * 65536).unwrap();
    }
    fs::set_permissions(root.join("a"), fs::Permissions::from_mode(0o4751)).unwrap();
    dir
}

#[test]
fn archives_of_other_tools_are_read() {
    if !has("tar") || !has("bsdtar") {
        return;
    }
    let dir = folder();
    let expected = read(&Reference::Directory(dir.path().join("root"))).unwrap();
    for (tool, arguments) in [
        ("tar", &["--format=gnu", "-cf", "x.tar", "-C", "root", "."][..]),
        ("tar", &["--format=gnu", "-S", "-cf", "x.tar", "-C", "root", "."]),
        ("tar", &["--format=posix", "-cf", "x.tar", "-C", "root", "."]),
        (
            "tar",
            &["--format=posix", "-S", "--sparse-version=0.0", "-cf", "x.tar", "-C", "root", "."],
        ),
        (
            "tar",
            &["--format=posix", "-S", "--sparse-version=0.1", "-cf", "x.tar", "-C", "root", "."],
        ),
        (
            "tar",
            &["--format=posix", "-S", "--sparse-version=1.0", "-cf", "x.tar", "-C", "root", "."],
        ),
        ("bsdtar", &["--format=pax", "-cf", "x.tar", "-C", "root", "."]),
        ("bsdtar", &["--format=gnutar", "-zcf", "x.tar", "-C", "root", "."]),
    ] {
        run(tool, arguments, dir.path());
        let rootfs = read(&Reference::Tar(dir.path().join("x.tar"))).unwrap();
        let what = format!("{tool} {arguments:?}");
        assert!(sorted(&show(&rootfs)).eq(&sorted(&show(&expected))), "{what}");
        for walked in expected.tree.walk() {
            let other = rootfs.tree.lookup(&walked.path).unwrap();
            let (a, b) = (expected.tree.inode(walked.id), rootfs.tree.inode(other));
            assert_eq!(a.metadata, b.metadata, "{what}");
        }
        assert_eq!(content(&rootfs, b"sparse"), content(&expected, b"sparse"), "{what}");
    }
}

/// Which name of a file comes first does not count.
fn sorted(lines: &[String]) -> Vec<String> {
    let mut lines: Vec<_> =
        lines.iter().map(|line| line.split(' ').nth(1).unwrap_or_default().to_owned()).collect();
    lines.sort();
    lines
}

/// A layout as strict readers want it.
fn strict_layout() -> Layout {
    let mut layers = Vec::new();
    let mut lower = Tar::default();
    let root = Member { mode: 0o755, mtime: 50, ..Member::new(b'5', "./") };
    lower.add(&root);
    for words in [
        "d usr",
        "d usr/lib",
        "f usr/lib/a one",
        "f usr/lib/b two",
        "h usr/lib/c usr/lib/b",
        "s lib usr/lib",
        "d opt",
        "f opt/x 1",
        "d opt/sub",
        "f opt/sub/y 2",
        "d var",
        "f var/gone 3",
        "d swap",
        "f swap/in 4",
        "f file 5",
    ] {
        lower.add(&Member { mtime: 100, ..Member::parse(words) });
    }
    layers.push(lower.end());
    let mut upper = Tar::default();
    for words in [
        "d opt",
        "f opt/.wh..wh..opq ",
        "f opt/n 6",
        "f var/.wh.gone ",
        "f swap 7",
        "d file",
        "f file/inner 8",
        "f lib/d nine",
        "d usr",
        "d usr/lib",
        "f usr/lib/a changed",
        "h usr/lib/e usr/lib/b",
        "f .wh.nothing ",
    ] {
        upper.add(&Member { mtime: 200, ..Member::parse(words) });
    }
    layers.push(upper.end());
    let mut layout = Layout::default();
    let ids: Vec<_> = layers.iter().map(|layer| format!("{:?}", sha256(layer))).collect();
    let config = config(&ids.join(","));
    let config = layout.blob("application/vnd.oci.image.config.v1+json", config.as_bytes(), "");
    let gz = format!("{LAYER}+gzip");
    let layers: Vec<_> = layers.iter().map(|layer| layout.blob(&gz, &gzip(layer), "")).collect();
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let text = format!(
        r#"{{"schemaVersion":2,"mediaType":"{kind}","config":{config},"layers":[{}]}}"#,
        layers.join(",")
    );
    let name = r#","annotations":{"org.opencontainers.image.ref.name":"v1"}"#;
    let descriptor = layout.blob(kind, text.as_bytes(), name);
    layout.manifests.push(descriptor);
    layout
}

#[test]
fn another_tool_merges_the_same_tree() {
    if !has("umoci") {
        return;
    }
    let dir = layout_dir(&strict_layout());
    let image = format!("{}:v1", dir.path().display());
    run("umoci", &["unpack", "--rootless", "--image", &image, "bundle"], dir.path());
    let ours = read(&reference(dir.path())).unwrap();
    let theirs = read(&Reference::Directory(dir.path().join("bundle/rootfs"))).unwrap();
    assert_eq!(show(&ours), show(&theirs));
    compare_metadata(&ours, &theirs);
}

/// Modes and times of everything but links and directories without a header.
fn compare_metadata(ours: &Rootfs, theirs: &Rootfs) {
    for walked in ours.tree.walk() {
        let other = theirs.tree.inode(theirs.tree.lookup(&walked.path).unwrap());
        let inode = ours.tree.inode(walked.id);
        if !matches!(inode.kind(), Kind::Symlink(_)) {
            let path = String::from_utf8_lossy(&walked.path);
            assert_eq!(inode.metadata.mode, other.metadata.mode, "{path}");
            assert_eq!(inode.metadata.mtime, other.metadata.mtime, "{path}");
        }
    }
}

#[test]
fn archives_that_another_tool_makes_of_a_layout_are_read() {
    if !has("skopeo") {
        return;
    }
    let dir = layout_dir(&strict_layout());
    let ours = read(&reference(dir.path())).unwrap();
    let source = format!("oci:{}:v1", dir.path().display());
    for (kind, target) in [
        ("docker-archive", "docker.tar:name:tag"),
        ("oci-archive", "oci.tar:v2"),
        ("oci", "copy:v3"),
    ] {
        let target = format!("{kind}:{}/{target}", dir.path().display());
        run("skopeo", &["--insecure-policy", "copy", &source, &target], dir.path());
        let rootfs = read(&target.parse::<Reference>().unwrap()).unwrap();
        assert_eq!(show(&rootfs), show(&ours), "{kind}");
        assert_eq!(rootfs.created, ours.created);
    }
    let size = fs::metadata(dir.path().join("docker.tar")).unwrap().size();
    assert!(size > 0);
}
