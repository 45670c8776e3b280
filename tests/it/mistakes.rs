//! Mistakes in a project, one at a time, as whoever made them sees them: each message names the
//! file and the place, the value and what is allowed, and the way out.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use crate::fixture::BOOTWRIGHT;
use crate::provider::Made;
use crate::tools::{printed, run};

/// What is wrong, how it comes about, and the words of the command line.
type Case = (&'static str, fn(&Path), &'static [&'static str]);

const PROVIDERS: &[&str] = &["+build-provider-images"];
const ONE: &[&str] = &["+provider-image", "--K8S_VERSION=1.26.4"];
const ISO: &[&str] = &["+iso", "--ISO_NAME=edge"];

fn write(project: &Path, name: &str, text: &str) {
    let path = project.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn add(project: &Path, name: &str, text: &str) {
    let old = fs::read_to_string(project.join(name)).unwrap();
    write(project, name, &format!("{old}{text}"));
}

fn nothing(_: &Path) {}

/// What a checkout has for trusted boot and for MAAS.
fn with_configs(project: &Path) {
    for name in ["80_stylus_uki.yaml", "80_stylus_maas.yaml", "maas-content.sh"] {
        write(project, &format!("cloudconfigs/{name}"), "");
    }
}

/// Keys whose certificates were valid in January 2020.
fn old_keys(project: &Path) {
    let mut genkey = Command::new(BOOTWRIGHT);
    genkey.args(["+uki-genkey", "--EXPIRATION_IN_DAYS=30"]).current_dir(project);
    run(genkey.env("SOURCE_DATE_EPOCH", "1577836800"));
}

const CASES: &[Case] = &[
    ("a target that is not there", nothing, &["+build-provider-image"]),
    ("a folder that is not there", nothing, &["+iso", "--project=nowhere"]),
    ("an argument without =", nothing, &["+iso", "--ARCH"]),
    ("an unknown key", |p| add(p, ".arg", "K8S_VERSOIN=1.26.4\n"), &["+iso", "--ARCH=x86"]),
    ("a value that is none", |p| add(p, ".arg", "IS_MAAS=yes\n"), ISO),
    (
        "values that exclude each other",
        nothing,
        &["+iso", "--UPDATE_KERNEL=true", "--FIPS_ENABLED=true"],
    ),
    (
        "bytes that are no text",
        |p| {
            let text = [&fs::read(p.join(".arg")).unwrap()[..], b"BRANDING=\xff\n"].concat();
            fs::write(p.join(".arg"), text).unwrap();
        },
        ISO,
    ),
    (
        "a Dockerfile that installs packages",
        |p| add(p, "Dockerfile", "RUN apt-get update && apt-get install -y wireguard-tools\n"),
        ONE,
    ),
    ("ONBUILD", |p| add(p, "Dockerfile", "ONBUILD COPY . /app\n"), ONE),
    ("a stage that is not there", |p| add(p, "Dockerfile", "COPY --from=builder /app /app\n"), ONE),
    ("an instruction that is none", |p| add(p, "Dockerfile", "COPPY a /b\n"), ONE),
    (
        "a file of the overlay that is not there",
        |p| add(p, "Dockerfile", "COPY overlay/files/etc/specs.json /etc/specs.json\n"),
        ONE,
    ),
    ("an argument that has no value", |p| write(p, "Dockerfile", "ARG IMAGE\nFROM $IMAGE\n"), ONE),
    (
        "certificates for a system without a store",
        |p| {
            write(p, "certs/ca.crt", "x");
            add(p, "Dockerfile", "RUN update-ca-trust\n");
        },
        ONE,
    ),
    (
        "user-data with a tab",
        |p| write(p, "user-data", "#cloud-config\nstylus:\n\tsite: {}\n"),
        ISO,
    ),
    ("user-data that is a folder", |p| fs::create_dir(p.join("user-data")).unwrap(), ISO),
    (
        "user-data with a wrong value",
        |p| {
            write(
                p,
                "user-data",
                "#cloud-config\nssh_authorized_keys: [x]\nstylus:\n  site:\n    paletteEndpoint: https://api.spectrocloud.com/\n",
            );
        },
        &["+validate-user-data"],
    ),
    ("a link in a circle", |p| symlink("user-data", p.join("user-data")).unwrap(), ISO),
    (
        "versions that are no JSON",
        |p| write(p, "k8s_version.json", "{\"k3s\": [\"1.26.4\",]}"),
        PROVIDERS,
    ),
    (
        "a version that is none",
        |p| write(p, "k8s_version.json", "{\"k3s\": [\"v1.26\"]}"),
        PROVIDERS,
    ),
    (
        "no versions of the distribution",
        nothing,
        &["+build-provider-images", "--K8S_DISTRIBUTION=rke2"],
    ),
    ("one image without its version", nothing, &["+provider-image"]),
    (
        "a distribution that needs programs",
        nothing,
        &["+provider-image", "--K8S_DISTRIBUTION=nodeadm", "--K8S_VERSION=1.30.0"],
    ),
    ("a kernel that would have to be installed", nothing, &["+iso", "--UPDATE_KERNEL=true"]),
    ("keys that are missing", with_configs, &["+iso", "--IS_UKI=true"]),
    (
        "half of one's own keys",
        |p| write(p, "secure-boot/private-keys/db.key", "x"),
        &["+uki-genkey", "--UKI_BRING_YOUR_OWN_KEYS=true"],
    ),
    (
        "keys that are none",
        |p| {
            with_configs(p);
            for name in
                ["private-keys/db.key", "private-keys/tpm2-pcr-private.pem", "public-keys/db.pem"]
            {
                write(p, &format!("secure-boot/{name}"), "-----BEGIN\n");
            }
        },
        &[
            "+uki-iso",
            "--STYLUS_PACKAGE_BASE=reg.example/stylus:1",
            "--SPECTRO_THIRD_PARTY_IMAGE=reg.example/stylus:1",
        ],
    ),
    (
        "another architecture",
        nothing,
        &["+iso", "--ARCH=arm64", "--STYLUS_BASE=reg.example/stylus:1"],
    ),
    ("an image that the store lacks", nothing, &["+iso", "--BASE_IMAGE=registry.example.com/os:1"]),
    ("a layout that is not there", nothing, &["+iso", "--BASE_IMAGE=oci:nowhere"]),
    ("a name that is none", nothing, &["+iso", "--BASE_IMAGE=registry.example.com/Os"]),
    (
        "a base image without boot arguments",
        |p| write(p, "Dockerfile", "ARG BASE\nFROM $BASE\n"),
        ONE,
    ),
    ("a base image that does not boot", nothing, &["+iso", "--BASE_IMAGE=reg.example/stylus:1"]),
    ("a version that the repository lacks", nothing, &["+provider-image", "--K8S_VERSION=1.99.0"]),
    (
        "a repository that is not there",
        nothing,
        &["+provider-image", "--K8S_VERSION=1.26.4", "--SPECTRO_LUET_REPO=reg.example/other"],
    ),
    (
        "an index that is damaged",
        |p| {
            let text = "name: x\nrepo_files: [\n";
            crate::stand_ins::put(
                &p.join("../store"),
                "reg.example/broken/luet-repo-amd:repository.yaml",
                &[("repository.yaml", 0o644, text.as_bytes())],
            );
        },
        &["+provider-image", "--K8S_VERSION=1.26.4", "--SPECTRO_LUET_REPO=reg.example/broken"],
    ),
    (
        "two bundles of one name",
        |p| {
            for folder in ["content-a", "content-b"] {
                let path = p.join(folder);
                fs::create_dir(&path).unwrap();
                fs::write(path.join("a.zst"), [0x28, 0xB5, 0x2F, 0xFD, 0x20, 1, 9, 0, 0, b'x'])
                    .unwrap();
            }
        },
        ISO,
    ),
    ("a bundle that is cut off", |p| write(p, "content-a/a.zst", "(\u{b5}"), ISO),
    (
        "a cluster configuration that is none",
        |p| write(p, "spc.tgz", "PK.."),
        &["+iso", "--CLUSTERCONFIG=spc.tgz"],
    ),
    (
        "an edge configuration without its key",
        |p| {
            write(
                p,
                ".edge-custom-config.yaml",
                "content:\n signing:\n  publicKey:\n   base64EncodedValue: \"\"\n",
            );
        },
        ISO,
    ),
    ("results in a file's place", |p| write(p, "build", "x"), ISO),
    (
        "MAAS of another distribution",
        with_configs,
        &["+maas-image", "--OS_DISTRIBUTION=opensuse-leap", "--MAAS_CLOUD_ROOTFS=tar:cloud.tar"],
    ),
    (
        "keys that have run out",
        old_keys,
        &["+uki-genkey", "--UKI_BRING_YOUR_OWN_KEYS=true", "--ENROLL_SPECTRO_EXTENSION_CERT=false"],
    ),
];

/// Warnings about how things are built are not about the mistake.
fn is_aside(line: &str) -> bool {
    line.starts_with("warning: ") && !line.starts_with("warning: .arg")
}

#[test]
fn planted_mistakes_read_well() {
    let Some(made) = Made::new() else { return };
    let sound = made.folder().join("sound");
    fs::create_dir(&sound).unwrap();
    run(Command::new("cp").arg("-a").arg(made.project()).arg(made.store()).arg(&sound));
    let mut told = String::new();
    for (what, plant, words) in CASES {
        for folder in [made.project(), made.store()] {
            fs::remove_dir_all(folder).unwrap();
        }
        run(Command::new("cp").arg("-a").arg(sound.join(".")).arg(made.folder()));
        plant(&made.project());
        let mut command = made.command(words);
        command.arg("--progress=none").env("SOURCE_DATE_EPOCH", "1795000000");
        let output = command.output().unwrap();
        let folder = made.folder().display().to_string();
        assert!(!output.status.success(), "{what}: {}", printed(&output));
        let seen = printed(&output).replace(&folder, "FOLDER");
        let seen: String =
            seen.lines().filter(|line| !is_aside(line)).map(|line| format!("{line}\n")).collect();
        let status = output.status.code().unwrap();
        told += &format!("--- {what}: {}\n{seen}(status {status})\n\n", words.join(" "));
    }
    assert!(CASES.len() >= 30);
    insta::assert_snapshot!(told);
}
