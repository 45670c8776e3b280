//! What trusted boot promises, kept by machines with a TPM: PCR 11 holds what was predicted, disks
//! open under upgrades alone, and firmware starts nothing of strangers.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use serde_json::Value;

use crate::fixture::{BOOTWRIGHT, guest_image, made_once, program_and_base};
use crate::machine::{Board, Firmware, Medium, available};
use crate::tools::{require, run, tool};
use crate::tpm::SWTPM;
use crate::uki::{ENROLLING, SECURE, genkey};

/// The guest's last line.
const DONE: &str = "guest: done";
/// Firmware's last line when it starts nothing.
const NOTHING: &str = "No bootable option or device was found.";
const DISK_LEN: u64 = 32 << 20;
const PHASES: usize = 4;
const BANKS: usize = 4;

/// Images of one system, by name, in a folder each; and the keys that signed them.
struct Made(PathBuf);

impl Made {
    /// `None` after saying what is missing.
    fn get() -> Option<&'static Self> {
        static MADE: OnceLock<Option<Made>> = OnceLock::new();
        let make = || {
            let base = guest_image("amd64")?;
            let folder = made_once("trusted", &program_and_base(&base), |folder| {
                let (keys, other) = (folder.join("keys"), folder.join("other-keys"));
                genkey(&keys);
                genkey(&other);
                let policy = folder.join("policy-keys");
                run(Command::new("cp").arg("-r").args([&keys, &policy]));
                let private = "private-keys/tpm2-pcr-private.pem";
                fs::copy(other.join(private), policy.join(private)).unwrap();

                let build = |keys, name: &str, words| build(&base, keys, words, &folder.join(name));
                build(&keys, "first", "first");
                build(&keys, "upgrade", "upgrade");
                build(&policy, "stranger", "first");
                build(&other, "other", "first");
            });
            Some(Self(folder))
        };
        MADE.get_or_init(make).as_ref()
    }

    fn iso(&self, name: &str) -> PathBuf {
        self.0.join(name).join("edge.iso")
    }

    fn efi(&self, name: &str) -> PathBuf {
        let images = self.0.join(name).join("edge/EFI/kairos");
        fs::read_dir(images).unwrap().next().unwrap().unwrap().path()
    }

    fn predicted(&self, name: &str) -> BTreeMap<String, String> {
        predicted(&self.0.join(name))
    }
}

/// An ISO and a folder of one system.
fn build(base: &Path, keys: &Path, words: &str, output: &Path) {
    for kind in ["iso", "uki"] {
        let mut command = Command::new(BOOTWRIGHT);
        command.args(["uki", "--progress=json", "--type", kind, "--name", "edge"]);
        command.arg("--base").arg(format!("oci:{}", base.display()));
        command.arg("--keys").arg(keys).arg("--output").arg(output);
        command.args(["--zstd-level", "1", "--secure-boot-enroll", "force"]);
        let told = run(command.args(["--extend-cmdline", words]));
        fs::write(output.join("told.json"), told.stdout).unwrap();
    }
}

/// What the program said about PCR 11 when it built the image in a folder.
fn predicted(folder: &Path) -> BTreeMap<String, String> {
    let told: Value = serde_json::from_slice(&fs::read(folder.join("told.json")).unwrap()).unwrap();
    let text = |one: &Value, key: &str| one[key].as_str().unwrap().to_owned();
    let entry =
        |one: &Value| (format!("{} {}", text(one, "phase"), text(one, "bank")), text(one, "pcr11"));
    told["image"]["pcr11"].as_array().unwrap().iter().map(entry).collect()
}

/// What the guest said behind `start`, line by line.
fn said<'a>(log: &'a str, start: &str) -> Vec<&'a str> {
    let start = format!("guest: {start} ");
    log.lines().filter_map(|line| line.strip_prefix(&start)).map(str::trim_end).collect()
}

/// What the guest read from PCR 11, in the form of [`predicted`].
fn measured(log: &str) -> BTreeMap<String, String> {
    let entry = |line: &&str| {
        let (what, value) = line.rsplit_once(' ').unwrap();
        (what.to_owned(), value.to_lowercase())
    };
    said(log, "PCR 11").iter().map(entry).collect()
}

/// The loader told the system its entry, and not that it is on a disk: Kairos installs itself from
/// nothing that it takes for installed.
fn assert_not_installed(log: &str) {
    let variables = said(log, "variable");
    assert!(variables.iter().any(|line| line.starts_with("LoaderEntrySelected norole")), "{log}");
    assert!(!variables.iter().any(|line| line.contains("DevicePartUUID")), "{log}");
}

fn compat(old: &Path, new: &Path) -> Output {
    Command::new(BOOTWRIGHT).args(["uki", "compat"]).args([old, new]).output().unwrap()
}

#[test]
fn pcr_11_is_as_predicted_and_opens_a_disk_under_upgrades_alone() {
    require!(SWTPM);
    if !available(Firmware::SetupMode) {
        return;
    }
    let Some(made) = Made::get() else { return };
    let board = Board::new("trusted", Firmware::SetupMode).with_tpm().with_disk(DISK_LEN);
    let boot = |name: &str, medium| {
        let log = board.boot(&made.iso(name), medium, &[SECURE, DONE]);
        let measured = measured(&log);
        assert_eq!(measured.len(), PHASES * BANKS, "{log}");
        assert_eq!(measured, made.predicted(name), "{log}");
        assert_not_installed(&log);
        log
    };

    let log = boot("first", Medium::Usb);
    assert!(log.contains(ENROLLING), "{log}");
    assert_eq!(said(&log, "sealed"), ["/dev/vda"], "{log}");
    assert_eq!(said(&log, "opened in").len(), PHASES, "{log}");

    let log = boot("upgrade", Medium::Cd);
    assert!(said(&log, "sealed").is_empty(), "{log}");
    let opened = said(&log, "opened in");
    assert_eq!(opened.len(), PHASES, "{log}");
    assert!(opened.iter().all(|line| line.ends_with(": the secret")), "{log}");
    assert!(compat(&made.efi("first"), &made.efi("upgrade")).status.success());

    // The same system and signed for this firmware, but its policies are another key's.
    let log = boot("stranger", Medium::Cd);
    assert_eq!(said(&log, "not opened in").len(), PHASES, "{log}");
    assert!(said(&log, "opened in").is_empty(), "{log}");
    assert!(!compat(&made.efi("first"), &made.efi("stranger")).status.success());
}

/// A copy of an ISO whose image is another's.
fn with_image_of(iso: &Path, other: &Path, copy: &Path) {
    fs::copy(iso, copy).unwrap();
    let mut entry = [0; 16];
    File::open(copy).unwrap().read_exact_at(&mut entry, 446).unwrap();
    let sector = u32::from_le_bytes(entry[8..12].try_into().unwrap());
    let partition = format!("{}@@{}", copy.display(), u64::from(sector) * 512);
    let name = other.file_name().unwrap().to_string_lossy();
    run(tool("mcopy")
        .args(["-o", "-i", &partition])
        .arg(other)
        .arg(format!("::EFI/kairos/{name}")));
}

#[test]
fn firmware_starts_neither_image_nor_loader_of_a_stranger() {
    require!("mcopy");
    if !available(Firmware::SetupMode) {
        return;
    }
    let Some(made) = Made::get() else { return };
    let temp = tempfile::tempdir().unwrap();
    let swapped = temp.path().join("swapped.iso");
    with_image_of(&made.iso("first"), &made.efi("other"), &swapped);
    let board = Board::new("strangers", Firmware::SetupMode);
    let refusal = "norole_install-mode_first.efi: Access Denied";
    let log = board.boot(&swapped, Medium::Cd, &[ENROLLING, refusal, NOTHING]);
    assert!(!log.contains("Linux version"), "{log}");
    // Its loader, too, is signed by the other key.
    let log = board.boot(&made.iso("other"), Medium::Cd, &["failed to load Boot0001", NOTHING]);
    assert!(log.contains("Access Denied"), "{log}");
    assert!(!log.contains("BdsDxe: starting Boot0001") && !log.contains("Linux version"), "{log}");
}

/// Replaces the db key and its certificate by others that an issuer under a root has issued.
fn issue_db(keys: &Path, scratch: &Path) {
    let openssl = |arguments: &str| {
        run(tool("openssl").args(arguments.split(' ')).current_dir(scratch));
    };
    fs::write(scratch.join("issuer"), "basicConstraints=critical,CA:TRUE\n").unwrap();
    fs::write(scratch.join("leaf"), "extendedKeyUsage=codeSigning\n").unwrap();
    openssl(
        "req -x509 -newkey rsa:2048 -nodes -subj /CN=Root -days 9 -keyout root.key -out root.pem",
    );
    for (name, issuer) in [("issuer", "root"), ("leaf", "issuer")] {
        openssl(&format!(
            "req -new -newkey rsa:2048 -nodes -subj /CN={name} -keyout {name}.key -out {name}.csr"
        ));
        openssl(&format!(
            "x509 -req -in {name}.csr -CA {issuer}.pem -CAkey {issuer}.key -set_serial 7 -days 9 -extfile {name} -out {name}.pem"
        ));
    }
    let certificates = ["leaf.pem", "issuer.pem"].map(|name| fs::read(scratch.join(name)).unwrap());
    fs::write(keys.join("public-keys/db.pem"), certificates.concat()).unwrap();
    fs::copy(scratch.join("leaf.key"), keys.join("private-keys/db.key")).unwrap();
}

#[test]
fn keys_that_a_company_issued_are_taken_by_firmware() {
    require!("openssl");
    if !available(Firmware::SetupMode) {
        return;
    }
    let Some(base) = guest_image("amd64") else { return };
    let temp = tempfile::tempdir().unwrap();
    let keys = temp.path().join("keys");
    genkey(&keys);
    issue_db(&keys, temp.path());
    fs::remove_dir_all(keys.join("enrollment")).unwrap();
    let mut own = Command::new(BOOTWRIGHT);
    run(own.args(["genkey", "--bring-your-own-keys", "--output"]).arg(&keys));
    build(&base, &keys, "company", temp.path());
    let board = Board::new("company", Firmware::SetupMode);
    board.boot(&temp.path().join("edge.iso"), Medium::Cd, &[ENROLLING, SECURE]);
}

#[test]
fn arm64_takes_the_keys_and_boots_securely_too() {
    require!(SWTPM);
    if !available(Firmware::Arm64SetupMode) {
        return;
    }
    let Some(base) = guest_image("arm64") else { return };
    let temp = tempfile::tempdir().unwrap();
    let keys = temp.path().join("keys");
    genkey(&keys);
    build(&base, &keys, "console=ttyAMA0", temp.path());
    let board = Board::new("trusted-arm64", Firmware::Arm64SetupMode).with_tpm();
    let lines = [ENROLLING, "UEFI Secure Boot is enabled", DONE];
    let log = board.boot(&temp.path().join("edge.iso"), Medium::Cd, &lines);
    assert_not_installed(&log);
    // The guest cannot read the register, but the stub says that it measured into it.
    assert!(said(&log, "variable").contains(&"StubPcrKernelImage 11"), "{log}");
}
