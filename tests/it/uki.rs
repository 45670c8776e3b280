//! Unified kernel images: signed, reproducible, and booted by firmware that got the keys from the
//! medium itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::fixture::{BOOTWRIGHT, base_image, made_once, program_and_base};
use crate::machine::{Firmware, Medium, available, boot};
use crate::tools::{names, require, run, sha256, skip, tool};

const STUB: &str = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub";
const LOADER: &str = "/usr/lib/systemd/boot/efi/systemd-bootx64.efi";
const ENROLLING: &str = "Enrolling secure boot keys from directory";
const SECURE: &str = "secureboot: Secure boot enabled";
const LOGIN: &str = "palette-edge login:";

fn genkey(output: &Path) {
    let mut command = Command::new(BOOTWRIGHT);
    command.args(["genkey", "--org", "Test"]).arg("--output").arg(output);
    run(&mut command);
}

pub(crate) fn uki(base: &Path, keys: &Path, kind: &str, output: &Path) -> Command {
    let mut command = Command::new(BOOTWRIGHT);
    command.args(["uki", "--type", kind, "--name", "edge"]);
    command.arg("--base").arg(format!("oci:{}", base.display()));
    command.arg("--keys").arg(keys).arg("--output").arg(output);
    command.args(["--stub", STUB, "--systemd-boot", LOADER, "--zstd-level", "1"]);
    command.args(["--secure-boot-enroll", "force"]);
    command
}

/// A folder with `keys` and `edge.iso`; `None` after saying what is missing.
pub(crate) fn made() -> Option<&'static Path> {
    static MADE: OnceLock<Option<PathBuf>> = OnceLock::new();
    let make = || {
        if let Some(missing) = [STUB, LOADER].iter().find(|path| !Path::new(path).is_file()) {
            skip(&format!("{missing} not found"));
            return None;
        }
        let base = base_image()?;
        Some(made_once("uki", &program_and_base(&base), |folder| {
            genkey(&folder.join("keys"));
            run(&mut uki(&base, &folder.join("keys"), "iso", folder));
        }))
    };
    MADE.get_or_init(make).as_deref()
}

fn enrols_and_boots(medium: Medium) {
    if !available(Firmware::SetupMode) {
        return;
    }
    let Some(folder) = made() else { return };
    let log =
        boot(&folder.join("edge.iso"), Firmware::SetupMode, medium, &[ENROLLING, SECURE, LOGIN]);
    // The keys came first, and the system started afterwards only.
    assert!(log.find(ENROLLING) < log.find("Linux version"), "{log}");
    assert_eq!(log.matches("Linux version").count(), 1, "{log}");
}

#[test]
fn firmware_without_keys_gets_them_from_a_cd_and_then_boots_securely() {
    enrols_and_boots(Medium::Cd);
}

#[test]
fn firmware_without_keys_gets_them_from_a_stick_and_then_boots_securely() {
    enrols_and_boots(Medium::Usb);
}

#[test]
fn whoever_builds_an_image_with_the_same_keys_gets_the_same_bytes() {
    let Some(made) = made() else { return };
    let Some(base) = base_image() else { return };
    let folder = tempfile::tempdir().unwrap();
    run(uki(&base, &made.join("keys"), "iso", folder.path()).args(["--jobs", "5"]));
    let digest = sha256(&folder.path().join("edge.iso"));
    assert_eq!(digest, sha256(&made.join("edge.iso")));
    let line = fs::read_to_string(folder.path().join("edge.iso.sha256")).unwrap();
    assert_eq!(line, format!("{digest}  edge.iso\n"));
}

#[test]
fn a_folder_holds_the_partitions_files_each_signed() {
    require!("sbverify");
    let Some(made) = made() else { return };
    let Some(base) = base_image() else { return };
    let folder = tempfile::tempdir().unwrap();
    let extra = ["--extra-cmdline", "debug shell"];
    run(uki(&base, &made.join("keys"), "uki", folder.path()).args(extra));
    let esp = folder.path().join("edge");
    let certificate = made.join("keys/public-keys/db.pem");
    let images = ["norole.efi", "norole_install-mode_debug_shell.efi"];
    assert_eq!(names(&esp.join("EFI/kairos")), images);
    let signed = images.map(|name| esp.join("EFI/kairos").join(name));
    for file in signed.iter().chain([&esp.join("EFI/BOOT/BOOTX64.EFI")]) {
        run(tool("sbverify").arg("--cert").arg(&certificate).arg(file));
    }
    let conf = fs::read_to_string(esp.join("loader/loader.conf")).unwrap();
    assert!(conf.starts_with("default norole.conf\n") && conf.contains("enroll force"), "{conf}");
    let keys = names(&esp.join("loader/keys/auto"));
    assert_eq!(keys, ["KEK.auth", "KEK.der", "PK.auth", "PK.der", "db.auth", "db.der"]);
    let again = uki(&base, &made.join("keys"), "uki", folder.path()).output().unwrap();
    assert!(String::from_utf8_lossy(&again.stderr).contains("exists"));
    assert_eq!(names(folder.path()), ["edge"]);
}

fn bootwright(command: &str, file: &Path, more: &[&str]) -> std::process::Output {
    Command::new(BOOTWRIGHT).arg(command).arg(file).args(more).output().unwrap()
}

#[test]
fn an_image_tells_what_it_holds_and_who_signed_it() {
    let Some(made) = made() else { return };
    let Some(base) = base_image() else { return };
    let folder = tempfile::tempdir().unwrap();
    run(&mut uki(&base, &made.join("keys"), "uki", folder.path()));
    let image = folder.path().join("edge/EFI/kairos/norole.efi");
    let told = bootwright("inspect", &image, &["--json"]).stdout;
    let told: serde_json::Value = serde_json::from_slice(&told).unwrap();
    assert_eq!(told["signatures"][0]["by"], "CN=Test-db", "{told}");
    let registers = &told["unified kernel image"]["profiles"][0]["PCR 11"];
    // Four banks, four phases, each with a policy that the image's own key has signed.
    assert_eq!(registers.as_array().unwrap().len(), 16, "{told}");
    assert!(registers.as_array().unwrap().iter().all(|one| one["signed"] == true), "{told}");

    assert!(bootwright("verify", &image, &[]).status.success());
    let checked = bootwright("verify", &made.join("edge.iso"), &[]);
    let text = String::from_utf8(checked.stdout).unwrap();
    assert!(text.contains("EFI system partition: clean"), "{text}");
    let mut bytes = fs::read(&image).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&image, bytes).unwrap();
    assert!(!bootwright("verify", &image, &[]).status.success());
}

#[test]
fn keys_are_for_their_owner_and_never_replaced() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys");
    genkey(&keys);
    let private = keys.join("private-keys");
    assert_eq!(names(&private), ["KEK.key", "PK.key", "db.key", "tpm2-pcr-private.pem"]);
    for name in names(&private) {
        let mode = fs::metadata(private.join(&name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let before = sha256(&private.join("PK.key"));
    let mut again = Command::new(BOOTWRIGHT);
    again.args(["genkey", "--org", "Test"]).arg("--output").arg(&keys);
    assert!(!again.output().unwrap().status.success());
    assert_eq!(sha256(&private.join("PK.key")), before);
    // Certificates that are there go into firmware together with Microsoft's.
    fs::remove_dir_all(keys.join("enrollment")).unwrap();
    let mut own = Command::new(BOOTWRIGHT);
    own.args(["genkey", "--bring-your-own-keys", "--microsoft", "all"]).arg("--output").arg(&keys);
    run(&mut own);
    assert_eq!(sha256(&private.join("PK.key")), before);
    assert!(names(&keys.join("enrollment")).contains(&"db-4.der".to_owned()));
}
