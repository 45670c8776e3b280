//! What trusted boot promises, kept by machines with a TPM: PCR 11 holds what was predicted, disks
//! open under upgrades alone, and firmware starts nothing of strangers.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use serde_json::Value;

use crate::fixture::{BOOTWRIGHT, guest_image, made_once, program_and_base};
use crate::machine::{Board, Firmware, Medium, available};
use crate::tools::{require, run};
use crate::tpm::SWTPM;
use crate::uki::{ENROLLING, SECURE, genkey};

/// The guest's last line.
const DONE: &str = "guest: done";
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

    /// What the program said about PCR 11 when it built the image.
    fn predicted(&self, name: &str) -> BTreeMap<String, String> {
        let told = fs::read(self.0.join(name).join("told.json")).unwrap();
        let told: Value = serde_json::from_slice(&told).unwrap();
        let text = |one: &Value, key: &str| one[key].as_str().unwrap().to_owned();
        let entry = |one: &Value| {
            (format!("{} {}", text(one, "phase"), text(one, "bank")), text(one, "pcr11"))
        };
        told["image"]["pcr11"].as_array().unwrap().iter().map(entry).collect()
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

/// What the guest said behind `start`, line by line.
fn said<'a>(log: &'a str, start: &str) -> Vec<&'a str> {
    let start = format!("guest: {start} ");
    log.lines().filter_map(|line| line.strip_prefix(&start)).map(str::trim_end).collect()
}

/// What the guest read from PCR 11, in the form of [`Made::predicted`].
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
