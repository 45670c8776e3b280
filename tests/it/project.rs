//! CanvOS projects: targets build what the project says.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::fixture::{BOOTWRIGHT, base_image};
use crate::small;
use crate::tools::{names, printed, require, run, sha256, tool};

const USER_DATA: &str = "#cloud-config\nssh_authorized_keys:\n  - ssh-ed25519 AAAA me\n";
const MENU: &str =
    "set default={{DEFAULT_ENTRY}}\nlinux /boot/kernel rd.immucore.sysrootwait=600\n";

fn write(folder: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

/// A project over a base image, with something in every place that an ISO takes from.
fn project(folder: &Path, base: &Path) {
    let arg = format!(
        "IMAGE_REGISTRY=ttl.sh\nOS_DISTRIBUTION=ubuntu\nOS_VERSION=22.04\nK8S_DISTRIBUTION=k3s\n\
         CUSTOM_TAG=demo\nISO_NAME=edge\nPE_VERSION=v4.4.12\nBASE_IMAGE=oci:{}\n\
         STYLUS_BASE=\nFORCE_INTERACTIVE_INSTALL=true\nDEBUG=true\nHTTP_PROXY=http://me:secret@proxy:3128\n",
        base.display()
    );
    write(
        folder,
        &[
            (".arg", &arg),
            ("Dockerfile", "ARG BASE\nFROM $BASE\nCOPY bootargs.cfg /etc/cos/bootargs.cfg\n"),
            ("bootargs.cfg", "set baseCmd=\"selinux=1\"\n"),
            ("user-data", USER_DATA),
            (".edge-custom-config.yaml", "signing:\n  publicKey: abc\n"),
            ("overlay/files/etc/motd", "hello\n"),
            ("overlay/files-iso/boot/grub2/grub.cfg", MENU),
            ("k8s_version.json", "{\"k3s\": [\"1.26.4\", \"1.27.2\"]}"),
        ],
    );
    // A zstd frame with one raw block, "x".
    let frame = [0x28, 0xB5, 0x2F, 0xFD, 0x20, 1, 9, 0, 0, b'x'];
    fs::create_dir(folder.join("content-one")).unwrap();
    fs::write(folder.join("content-one/a.zst"), frame).unwrap();
}

fn bootwright(folder: &Path, words: &[&str]) -> Output {
    Command::new(BOOTWRIGHT).args(words).current_dir(folder).output().unwrap()
}

fn built(folder: &Path, words: &[&str]) -> String {
    let output = bootwright(folder, words);
    assert!(output.status.success(), "{}", printed(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// A file of an ISO.
fn on_medium(iso: &Path, path: &str) -> Vec<u8> {
    run(tool("bsdtar").arg("-xOf").arg(iso).arg(path)).stdout
}

#[test]
fn an_iso_holds_what_the_project_says() {
    require!("bsdtar");
    let folder = tempfile::tempdir().unwrap();
    let Some(base) = small::base_image(folder.path()) else { return };
    let at = folder.path().join("project");
    project(&at, &base);
    built(&at, &["+iso", "--ARCH=amd64"]);
    let made = ["edge.cdx.json", "edge.iso", "edge.iso.sha256", "edge.manifest.json"];
    assert_eq!(names(&at.join("build")), made);
    let iso = at.join("build/edge.iso");
    assert_eq!(on_medium(&iso, "config.yaml"), USER_DATA.as_bytes());
    assert_eq!(on_medium(&iso, "opt/spectrocloud/content/a.zst_part00").len(), 10);
    assert_eq!(on_medium(&iso, ".edge_custom_config.yaml"), b"signing:\n  publicKey: abc\n");
    let menu = String::from_utf8(on_medium(&iso, "boot/grub2/grub.cfg")).unwrap();
    assert_eq!(
        menu,
        "set default=2\nlinux /boot/kernel rd.immucore.sysrootwait=600 rd.immucore.debug console=tty0 rd.debug\n"
    );
    let text = fs::read_to_string(at.join("build/edge.manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(manifest["artefact"]["sha256"], sha256(&iso));
    let inputs = manifest["inputs"].as_array().unwrap();
    let user_data = inputs.iter().find(|input| input["file"] == "user-data").unwrap();
    assert_eq!(user_data["sha256"], sha256(&at.join("user-data")));
    assert!(!text.contains("secret"), "{text}");

    let (first, before) = (sha256(&iso), text);
    built(&at, &["+iso", "--ARCH=amd64", "--jobs=3"]);
    assert_eq!(sha256(&iso), first);
    assert_eq!(fs::read_to_string(at.join("build/edge.manifest.json")).unwrap(), before);
}

#[test]
fn the_quickstart_image_is_a_base_image() {
    let Some(base) = base_image() else { return };
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("project");
    project(&at, &base);
    built(&at, &["+iso", "--ARCH=amd64", "--compression=zstd:1"]);
    let iso = at.join("build/edge.iso");
    run(Command::new(BOOTWRIGHT).arg("verify").arg(&iso));
}

#[test]
fn a_dry_run_shows_the_plan_and_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    project(folder.path(), Path::new("/nowhere"));
    let text = built(folder.path(), &["+build-all-images", "--dry-run"]);
    for piece in [
        "ttl.sh/ubuntu:k3s-1.26.4-v4.4.12-demo",
        "ttl.sh/ubuntu:k3s-1.27.2-v4.4.12-demo",
        "makes build/edge.iso\n",
        "system.customTag: demo\n",
    ] {
        assert!(text.contains(piece), "{text}");
    }
    let text = built(folder.path(), &["+build-all-images", "--dry-run", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["steps"].as_array().unwrap().len(), 4);
    assert!(!folder.path().join("build").exists());
}

#[test]
fn keys_come_from_the_project() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    project(folder.path(), Path::new("/nowhere"));
    built(folder.path(), &["+secure-boot-dirs"]);
    let keys = folder.path().join("secure-boot");
    assert_eq!(names(&keys), ["enrollment", "exported-keys", "private-keys", "public-keys"]);
    let mode = fs::metadata(keys.join("private-keys")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    built(folder.path(), &["+uki-genkey", "--MY_ORG=ACME Corp", "--EXPIRATION_IN_DAYS=30"]);
    assert_eq!(
        names(&keys.join("private-keys")),
        ["KEK.key", "PK.key", "db.key", "tpm2-pcr-private.pem"]
    );
}

#[test]
fn wrong_words_end_with_status_two_and_wrong_projects_with_one() {
    let folder = tempfile::tempdir().unwrap();
    project(folder.path(), Path::new("/nowhere"));
    let unknown = bootwright(folder.path(), &["+isoo"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(printed(&unknown).contains("did you mean +iso?"), "{}", printed(&unknown));
    let wrong = bootwright(folder.path(), &["+iso", "--IS_UKI=yes", "--ARCH=amd46"]);
    assert_eq!(wrong.status.code(), Some(1));
    let text = printed(&wrong);
    assert!(text.contains("2 mistakes") && text.contains("did you mean amd64?"), "{text}");
    let later = bootwright(
        folder.path(),
        &["+build-provider-images", "--K8S_DISTRIBUTION=nodeadm", "--K8S_VERSION=1.30.0"],
    );
    assert_eq!(later.status.code(), Some(1));
    assert!(printed(&later).contains("nodeadm"), "{}", printed(&later));
}

#[test]
fn every_value_and_its_origin_are_shown_but_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    project(folder.path(), Path::new("/nowhere"));
    let text = built(folder.path(), &["args", "--CUSTOM_TAG=other", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["CUSTOM_TAG"]["value"], "other");
    assert_eq!(json["CUSTOM_TAG"]["origin"], "command line");
    assert_eq!(json["ISO_NAME"]["origin"], ".arg:6");
    assert_eq!(json["HTTP_PROXY"]["value"], "http://(hidden)@proxy:3128");
    let text = built(folder.path(), &["args"]);
    assert!(text.contains("demo  (.arg:5)") && !text.contains("secret"), "{text}");
}
