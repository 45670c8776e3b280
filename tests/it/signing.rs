//! Signing where the keys are, and what a new image means for disks sealed under an old one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::fixture::{BOOTWRIGHT, base_image};
use crate::tools::{names, require, run, sha256};
use crate::uki::{made, uki};

/// A copy of the keys' public half: what a build may have.
fn public_half(keys: &Path, to: &Path) -> PathBuf {
    for folder in ["public-keys", "enrollment"] {
        fs::create_dir_all(to.join(folder)).unwrap();
        for name in names(&keys.join(folder)) {
            fs::copy(keys.join(folder).join(&name), to.join(folder).join(&name)).unwrap();
        }
    }
    to.to_owned()
}

fn bootwright(arguments: &[&str], paths: &[(&str, &Path)]) -> Output {
    let mut command = Command::new(BOOTWRIGHT);
    command.args(arguments);
    for (option, path) in paths {
        if !option.is_empty() {
            command.arg(option);
        }
        command.arg(path);
    }
    command.output().unwrap()
}

/// What went to standard error; the command must have failed with status 1.
fn failure(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn succeeded(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn an_iso_signed_later_has_the_bytes_of_one_signed_at_once() {
    let Some(made) = made() else { return };
    let Some(base) = base_image() else { return };
    let temp = tempfile::tempdir().unwrap();
    let (keys, requests) = (made.join("keys"), temp.path().join("requests"));
    let public = public_half(&keys, &temp.path().join("public"));
    run(uki(&base, &public, "iso", temp.path()).arg("--sign-later").arg(&requests));
    assert_eq!(names(temp.path()), ["edge.unsigned.iso", "public", "requests"]);
    let attach = || bootwright(&["uki", "attach"], &[("", &requests), ("--output", temp.path())]);
    let text = failure(&attach());
    assert!(text.contains("EFI/kairos/norole.efi is not signed: 16 requests"), "{text}");
    assert!(text.contains("bootwright sign"), "{text}");
    assert!(!temp.path().join("edge.iso").exists());

    // The requests alone travel.
    let away = tempfile::tempdir().unwrap();
    let travelled = copy_files(&requests, away.path());
    succeeded(&bootwright(&["sign"], &[("", &travelled), ("--keys", &keys)]));
    copy_files(&travelled, &requests);
    let told = succeeded(&attach());
    assert!(told.contains(&sha256(&made.join("edge.iso"))), "{told}");
    assert_eq!(sha256(&temp.path().join("edge.iso")), sha256(&made.join("edge.iso")));
    let line = fs::read_to_string(temp.path().join("edge.iso.sha256")).unwrap();
    assert!(line.ends_with("  edge.iso\n"), "{line}");
}

/// Copies every file of a folder into another one.
fn copy_files(from: &Path, to: &Path) -> PathBuf {
    for name in names(from) {
        fs::copy(from.join(&name), to.join(&name)).unwrap();
    }
    to.to_owned()
}

#[test]
fn a_folder_signed_later_is_the_same_and_other_keys_are_noticed() {
    let Some(made) = made() else { return };
    let Some(base) = base_image() else { return };
    let temp = tempfile::tempdir().unwrap();
    let (keys, requests) = (made.join("keys"), temp.path().join("requests"));
    let more = ["--single-efi-cmdline", "Debug shell: rd.debug", "--profile", "main"];
    run(uki(&base, &keys, "uki", &temp.path().join("at once")).args(more));
    let later = temp.path().join("later");
    run(uki(&base, &keys, "uki", &later).args(more).arg("--sign-later").arg(&requests));
    let mut again = uki(&base, &keys, "uki", &later);
    let again = again.args(more).arg("--sign-later").arg(&requests).output().unwrap();
    assert!(!again.status.success(), "{again:?}");

    let other = temp.path().join("other");
    run(Command::new(BOOTWRIGHT).args(["genkey", "--org", "Other", "--output"]).arg(&other));
    let text = failure(&bootwright(&["sign"], &[("", &requests), ("--keys", &other)]));
    assert!(text.contains("asks for signatures by the db key"), "{text}");
    succeeded(&bootwright(&["sign"], &[("", &requests), ("--keys", &keys)]));
    succeeded(&bootwright(&["uki", "attach"], &[("", &requests), ("--output", &later)]));
    assert_eq!(names(&later), ["edge", "edge.unsigned"]);
    let folder = "edge/EFI/kairos";
    assert_eq!(names(&later.join(folder)), ["Debug_shell.efi", "norole.efi"]);
    run(Command::new("diff")
        .arg("-r")
        .arg(temp.path().join("at once/edge"))
        .arg(later.join("edge")));
}

#[test]
fn a_new_image_opens_disks_when_its_policies_are_signed_by_their_key() {
    let Some(made) = made() else { return };
    let Some(base) = base_image() else { return };
    let temp = tempfile::tempdir().unwrap();
    let image = |name: &str| temp.path().join(name).join("edge/EFI/kairos");
    let keys = made.join("keys");
    run(&mut uki(&base, &keys, "uki", &temp.path().join("old")));
    run(uki(&base, &keys, "uki", &temp.path().join("new")).args(["--extend-cmdline", "quiet"]));
    let other = temp.path().join("keys");
    run(Command::new(BOOTWRIGHT).args(["genkey", "--org", "Other", "--output"]).arg(&other));
    run(&mut uki(&base, &other, "uki", &temp.path().join("other")));

    let old = image("old").join("norole.efi");
    let new = image("new").join("norole_install-mode_quiet.efi");
    let told = succeeded(&bootwright(&["uki", "compat"], &[("", &old), ("", &new)]));
    assert!(told.contains("opens  yes"), "{told}");
    let stranger = image("other").join("norole.efi");
    let text = failure(&bootwright(&["uki", "compat"], &[("", &old), ("", &stranger)]));
    assert!(text.contains("its policies are signed by another key"), "{text}");
}

#[test]
fn a_single_program_is_signed_and_a_second_signature_comes_behind_the_first() {
    let Some(made) = made() else { return };
    let temp = tempfile::tempdir().unwrap();
    let loader = Path::new("/usr/lib/systemd/boot/efi/systemd-bootx64.efi");
    let (once, twice) = (temp.path().join("once.efi"), temp.path().join("twice.efi"));
    let keys = made.join("keys");
    let sign = |from: &Path, to: &Path| {
        bootwright(&["sign"], &[("", from), ("--keys", &keys), ("--output", to)])
    };
    succeeded(&sign(loader, &once));
    succeeded(&sign(&once, &twice));
    let told = succeeded(&bootwright(&["verify"], &[("", &twice)]));
    assert_eq!(told.matches("signed by CN=Test-db").count(), 2, "{told}");
    let usage = bootwright(&["sign"], &[("", loader), ("--keys", &keys)]);
    assert_eq!(usage.status.code(), Some(2), "{usage:?}");
}

#[test]
fn files_for_firmware_say_what_they_hold() {
    let Some(made) = made() else { return };
    let file = made.join("keys/enrollment/db.auth");
    let told = succeeded(&bootwright(&["inspect"], &[("", &file)]));
    assert!(told.contains("variable: db\n") && told.contains("signed by: CN=Test-KEK"), "{told}");
    assert!(told.contains("certificate: CN=Test-db"), "{told}");
    succeeded(&bootwright(&["verify"], &[("", &file)]));
    let temp = tempfile::tempdir().unwrap();
    let damaged = temp.path().join("db.auth");
    let mut bytes = fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&damaged, bytes).unwrap();
    failure(&bootwright(&["verify"], &[("", &damaged)]));
}

#[test]
fn a_container_holds_the_files_for_an_upgrade_and_can_be_signed_later_too() {
    require!("skopeo", "tar");
    let Some(made) = made() else { return };
    let Some(base) = base_image() else { return };
    let temp = tempfile::tempdir().unwrap();
    let (keys, requests) = (made.join("keys"), temp.path().join("requests"));
    let (once, later) = (temp.path().join("once"), temp.path().join("later"));
    run(&mut uki(&base, &keys, "container", &once));
    assert_eq!(names(&once), ["edge.tar", "edge.tar.sha256"]);
    run(uki(&base, &keys, "container", &later).arg("--sign-later").arg(&requests));
    succeeded(&bootwright(&["sign"], &[("", &requests), ("--keys", &keys)]));
    succeeded(&bootwright(&["uki", "attach"], &[("", &requests), ("--output", &later)]));
    assert_eq!(sha256(&once.join("edge.tar")), sha256(&later.join("edge.tar")));

    let copied = temp.path().join("copied");
    let source = format!("docker-archive:{}:edge:latest", once.join("edge.tar").display());
    let target = format!("dir:{}", copied.display());
    run(Command::new("skopeo")
        .args(["copy", "--quiet", "--insecure-policy"])
        .args([source, target]));
    let manifest = fs::read(copied.join("manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    let [layer] = manifest["layers"].as_array().unwrap().as_slice() else { panic!("{manifest}") };
    let blob = copied.join(layer["digest"].as_str().unwrap().trim_start_matches("sha256:"));
    let listed = Command::new("tar").arg("--list").arg("--file").arg(blob).output().unwrap();
    let listed = succeeded(&listed);
    assert!(listed.lines().all(|name| !name.starts_with('.') && !name.ends_with('/')), "{listed}");
    for name in ["EFI/BOOT/BOOTX64.EFI", "EFI/kairos/norole.efi", "loader/loader.conf"] {
        assert!(listed.lines().any(|line| line == name), "{name}: {listed}");
    }
}
