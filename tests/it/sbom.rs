//! Bills of materials against the databases' own tools, and against a validator of their format.

use std::fs;
use std::path::Path;
use std::process::Command;

use bootwright::image::{FileTree, Metadata, Silent, Timestamp};
use bootwright::sbom::{Inventory, Subject};

use crate::tools::{require, run, skip, text, tool};

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

/// Asks a validator that has the format's schema.
fn validate(inventory: &Inventory) {
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
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bom.json");
    let subject = Subject {
        name: "provider".to_owned(),
        version: "v1".to_owned(),
        image: format!("sha256:{}", "0".repeat(64)),
        created: Some(Timestamp(1_700_000_000)),
    };
    fs::write(&path, inventory.to_cyclonedx(&subject)).unwrap();
    run(Command::new("python3").args(["-c", PROGRAM]).arg(&path));
}
