//! Bills of materials against the databases' own tools, and against a validator of their format.

use std::fs;
use std::path::Path;
use std::process::Command;

use bootwright::image::{FileTree, Metadata, Silent, Timestamp};
use bootwright::sbom::{Inventory, Subject};

use serde_json::Value;

use crate::fixture::BOOTWRIGHT;
use crate::small;
use crate::tools::{require, run, sha256, skip, text, tool};

/// A tree with one file of the build host.
fn tree_with(path: &str, file: &Path) -> FileTree {
    let mut tree = FileTree::new(Metadata::directory(0o755));
    let (parent, name) = path.rsplit_once('/').unwrap();
    let parent = tree.add_directories(parent.as_bytes(), &Metadata::directory(0o755)).unwrap();
    let content = fs::read(file).unwrap();
    tree.add_file(parent, name.as_bytes(), Metadata::file(0o644), content.into()).unwrap();
    tree
}

fn lines(text: &str) -> Vec<String> {
    let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

#[test]
fn dpkg_lists_the_same_packages() {
    require!("dpkg-query");
    let tree = tree_with("var/lib/dpkg/status", Path::new("/var/lib/dpkg/status"));
    let inventory = Inventory::read(&tree, &(), &Silent).unwrap();
    let ours = inventory.components.iter().map(|component| {
        format!("{} {} {}", component.name, component.version, component.architecture)
    });
    let format = "${db:Status-Status} ${Package} ${Version} ${Architecture}\n";
    let listed = text(tool("dpkg-query").args(["--show", "--showformat", format]));
    let listed: String = listed
        .lines()
        .filter_map(|line| Some(format!("{}\n", line.strip_prefix("installed ")?)))
        .collect();
    assert_eq!(lines(&ours.collect::<Vec<_>>().join("\n")), lines(&listed));
    // The validator takes its time.
    let mut some = inventory;
    some.components.truncate(60);
    validate(&some);
}

#[test]
fn rpm_lists_the_same_packages() {
    require!("rpm", "rpmbuild");
    let dir = tempfile::tempdir().unwrap();
    let top = dir.path().join("top");
    let mut spec =
        "Name: alpha\nVersion: 1.2\nRelease: 3\nEpoch: 2\nSummary: a\nVendor: Somebody\n\
                    License: MIT and others\nURL: https://example.org/alpha\nBuildArch: noarch\n\
                    %description\na\n%files\n"
            .to_owned();
    // Headers of all sizes: within a page, over several, and more than a page has pointers to.
    for n in 0..30 {
        let words = "word ".repeat(8 * n * n);
        spec += &format!("%package p{n}\nSummary: {n}\n%description p{n}\n{words}\n%files p{n}\n");
    }
    let path = dir.path().join("alpha.spec");
    fs::write(&path, spec).unwrap();
    let define = format!("_topdir {}", top.display());
    run(tool("rpmbuild").arg("-bb").args(["--define", &define]).arg(&path));
    let packages = fs::read_dir(top.join("RPMS/noarch")).unwrap().map(|e| e.unwrap().path());
    let database = dir.path().join("db");
    run(tool("rpm")
        .arg("--dbpath")
        .arg(&database)
        .args(["-i", "--justdb", "--nodeps", "--force-debian"])
        .args(packages));
    let tree = tree_with("var/lib/rpm/rpmdb.sqlite", &database.join("rpmdb.sqlite"));
    let inventory = Inventory::read(&tree, &(), &Silent).unwrap();
    let ours = inventory.components.iter().map(|found| {
        let epoch = found.epoch.unwrap_or_default();
        let (name, version, arch) = (&found.name, &found.version, &found.architecture);
        format!("{name} {epoch}:{version} {arch} {} {}", found.source, found.licence)
    });
    let format = "%{NAME} %{EPOCH}:%{VERSION}-%{RELEASE} %{ARCH} %{SOURCERPM} %{LICENSE}\n";
    let listed =
        text(tool("rpm").arg("--dbpath").arg(&database).args(["-qa", "--queryformat", format]));
    assert_eq!(inventory.components.len(), 31);
    assert_eq!(lines(&ours.collect::<Vec<_>>().join("\n")), lines(&listed));
    validate(&inventory);
}

/// Validates what the library makes of an inventory.
fn validate(inventory: &Inventory) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bom.json");
    let subject = Subject {
        name: "provider".to_owned(),
        version: "v1".to_owned(),
        image: format!("sha256:{}", "0".repeat(64)),
        created: Some(Timestamp(1_700_000_000)),
        is_file: true,
        sha256: Some([7; 32]),
    };
    fs::write(&path, inventory.to_cyclonedx(&subject)).unwrap();
    validate_file(&path);
}

/// Asks a validator that has the format's schema.
fn validate_file(path: &Path) {
    const PROGRAM: &str = "import sys\n\
        from cyclonedx.schema import SchemaVersion\n\
        from cyclonedx.validation.json import JsonStrictValidator\n\
        error = JsonStrictValidator(SchemaVersion.V1_5).validate_str(open(sys.argv[1]).read())\n\
        sys.exit(str(error)[:2000] if error else 0)\n";
    require!("python3");
    let library = ["-c", "import cyclonedx.validation.json, jsonschema"];
    if !Command::new("python3").args(library).output().unwrap().status.success() {
        skip("python3's cyclonedx-python-lib[validation] not found");
        return;
    }
    run(Command::new("python3").args(["-c", PROGRAM]).arg(path));
}

/// Two packages; the second is not installed.
const STATUS: &str = "Package: alpha\nStatus: install ok installed\nVersion: 1.2-3\n\
    Architecture: amd64\nMaintainer: Somebody <s@example.org>\nDescription: a\n\n\
    Package: gone\nStatus: deinstall ok config-files\nVersion: 1\nArchitecture: all\n";

#[test]
fn media_come_with_their_bill_of_materials() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let Some(base) = small::base_image(folder) else { return };
    let dpkg = folder.join("overlay/var/lib/dpkg");
    fs::create_dir_all(&dpkg).unwrap();
    fs::write(dpkg.join("status"), STATUS).unwrap();
    fs::create_dir(folder.join("overlay/etc")).unwrap();
    fs::write(folder.join("overlay/etc/os-release"), "ID=debian\nVERSION_ID=12\n").unwrap();
    let build = |words: &[&str]| {
        let mut command = Command::new(BOOTWRIGHT);
        command.args(words).arg("--base").arg(format!("oci:{}", base.display()));
        command.arg("--overlay-rootfs").arg(folder.join("overlay")).current_dir(folder);
        command.env("SOURCE_DATE_EPOCH", "1700000000");
        text(command.arg("--sbom"))
    };
    let bill = |name: &str| {
        let path = folder.join(format!("{name}.cdx.json"));
        validate_file(&path);
        serde_json::from_str::<Value>(&fs::read_to_string(path).unwrap()).unwrap()
    };
    let iso = ["iso", "--output", ".", "--name", "edge"];
    let said = build(&iso);
    assert!(said.contains("edge.cdx.json  1 packages"), "{said}");
    let made = bill("edge");
    let about = &made["metadata"]["component"];
    assert_eq!((&about["name"], &about["type"]), (&"edge.iso".into(), &"file".into()));
    assert_eq!(about["hashes"][0]["content"], sha256(&folder.join("edge.iso")));
    assert_eq!(made["metadata"]["timestamp"], "2023-11-14T22:13:20Z");
    let purl = "pkg:deb/debian/alpha@1.2-3?arch=amd64&distro=debian-12";
    assert_eq!(made["components"][1]["purl"], purl);
    assert_eq!(made["components"].as_array().unwrap().len(), 2);

    // The same with a cache, from the second build on copied.
    for _ in 0..2 {
        build(&[&iso[..], &["--cache", "cache"]].concat());
        assert_eq!(bill("edge"), made);
    }
    build(&["squashfs", "--output", "root.squashfs"]);
    assert_eq!(bill("root.squashfs")["components"], made["components"]);
    build(&["disk", "--output", ".", "--name", "disk"]);
    assert_eq!(bill("disk")["components"], made["components"]);
    assert_eq!(bill("disk")["metadata"]["component"]["name"], "disk.raw");
}

#[cfg(feature = "registry")]
#[test]
fn images_of_projects_come_with_their_bill_of_materials() {
    let Some(made) = crate::provider::Made::new() else { return };
    let project = made.project();
    fs::write(project.join("status"), STATUS).unwrap();
    let mut dockerfile = fs::read_to_string(project.join("Dockerfile")).unwrap();
    dockerfile.push_str("COPY status /var/lib/dpkg/status\n");
    fs::write(project.join("Dockerfile"), dockerfile).unwrap();
    made.built(&["+build-all-images", "--ISO_NAME=edge"]);
    let bill = |name: &str| {
        let path = project.join(format!("build/{name}.cdx.json"));
        validate_file(&path);
        serde_json::from_str::<Value>(&fs::read_to_string(path).unwrap()).unwrap()
    };
    let image = bill("k3s-1.26.4-v4.4.12-demo");
    let about = &image["metadata"]["component"];
    assert_eq!(
        (&about["name"], &about["type"]),
        (&crate::provider::FIRST.into(), &"container".into())
    );
    assert_eq!(image["components"][0]["name"], "alpha");
    let manifest = project.join("build/k3s-1.26.4-v4.4.12-demo.manifest.json");
    let manifest: Value = serde_json::from_str(&fs::read_to_string(manifest).unwrap()).unwrap();
    assert_eq!(about["hashes"][0]["content"], manifest["artefact"]["sha256"]);
    assert_eq!(bill("palette-installer-image")["components"], image["components"]);
    assert_eq!(bill("edge")["metadata"]["component"]["name"], "edge.iso");
}
