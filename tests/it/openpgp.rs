//! Signatures against GnuPG, both ways.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::fixture::BOOTWRIGHT;
use crate::small;
use crate::tools::{printed, require, run, text, tool};

/// A folder with GnuPG's home in it; the agent that GnuPG starts there ends with it.
struct Gpg {
    folder: tempfile::TempDir,
}

impl Gpg {
    fn new() -> Self {
        let gpg = Self { folder: tempfile::tempdir().unwrap() };
        fs::create_dir(gpg.at("gnupg")).unwrap();
        run(Command::new("chmod").arg("700").arg(gpg.at("gnupg")));
        gpg
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = tool("gpg");
        command.arg("--homedir").arg(self.at("gnupg")).args(["--batch", "--yes", "--quiet"]);
        command.args(["--pinentry-mode", "loopback"]).args(words);
        command
    }

    /// Makes a key and writes `USER.sec` and `USER.pub`, armored. The first algorithm is that of
    /// the primary key, another that of a subkey that signs.
    fn key(&self, user: &str, algorithms: &[&str], passphrase: &str) {
        let usage = if algorithms.len() > 1 { "cert" } else { "sign,cert" };
        let made = ["--passphrase", passphrase, "--faked-system-time", "20250101T000000!"];
        let new = ["--quick-gen-key", user, algorithms[0], usage, "none"];
        run(&mut self.command(&[&made[..], &new].concat()));
        if let Some(algorithm) = algorithms.get(1) {
            let listed = text(&mut self.command(&["--list-keys", "--with-colons", user]));
            let line = listed.lines().find(|line| line.starts_with("fpr")).unwrap();
            let fingerprint = line.split(':').nth(9).unwrap();
            let new = ["--quick-add-key", fingerprint, algorithm, "sign", "none"];
            run(&mut self.command(&[&made[..], &new].concat()));
        }
        let secret = ["--passphrase", passphrase, "--armor", "--export-secret-keys", user];
        fs::write(self.at(&format!("{user}.sec")), run(&mut self.command(&secret)).stdout).unwrap();
        let public = run(&mut self.command(&["--armor", "--export", user])).stdout;
        fs::write(self.at(&format!("{user}.pub")), public).unwrap();
    }

    /// Lets gpgv, which has only this key, judge a detached signature.
    fn judge(&self, user: &str, signature: &Path, file: &Path) -> Output {
        let ring = self.at(&format!("{user}.gpg"));
        let public = run(&mut self.command(&["--export", user])).stdout;
        fs::write(&ring, public).unwrap();
        let mut command = tool("gpgv");
        command.arg("--keyring").arg(ring).arg(signature).arg(file).output().unwrap()
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        let mut agent = Command::new("gpgconf");
        let _ = agent.arg("--homedir").arg(self.at("gnupg")).args(["--kill", "all"]).output();
    }
}

fn bootwright(gpg: &Gpg, words: &[&str]) -> Command {
    let mut command = Command::new(BOOTWRIGHT);
    command.current_dir(gpg.folder.path()).args(words);
    command
}

fn bad(command: &mut Command, expected: &str) {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", printed(&output));
    assert!(printed(&output).contains(expected), "{}", printed(&output));
}

#[test]
fn gnupg_believes_signatures_of_all_kinds_of_keys() {
    require!("gpg", "gpgv");
    let gpg = Gpg::new();
    let Some(base) = small::base_image(gpg.folder.path()) else { return };
    let base = format!("oci:{}", base.display());
    let build = ["iso", "--base", &base, "--output", ".", "--name", "edge"];
    fs::write(gpg.at("words"), "correct horse\n").unwrap();
    for (user, algorithms, passphrase) in [
        ("rsa", &["rsa3072"][..], ""),
        ("edwards", &["ed25519"], ""),
        ("nist", &["nistp256"], ""),
        ("split", &["rsa2048", "ed25519"], ""),
        ("locked", &["ed25519"], "correct horse"),
    ] {
        gpg.key(user, algorithms, passphrase);
        let secret = format!("{user}.sec");
        let mut words = [&build[..], &["--openpgp-key", &secret]].concat();
        if !passphrase.is_empty() {
            bad(&mut bootwright(&gpg, &words), "the passphrase does not unlock the key");
            words.extend(["--openpgp-passphrase", "words"]);
        }
        let said = printed(&run(&mut bootwright(&gpg, &words)));
        assert!(said.contains("edge.iso.sha256.asc  by ") && !said.contains("horse"), "{said}");
        let (signature, sums) = (gpg.at("edge.iso.sha256.asc"), gpg.at("edge.iso.sha256"));
        let judged = gpg.judge(user, &signature, &sums);
        assert!(judged.status.success(), "{user}: {}", printed(&judged));
        assert!(printed(&judged).contains("Good signature"), "{user}: {}", printed(&judged));

        let first = fs::read(&signature).unwrap();
        run(&mut bootwright(&gpg, &words));
        assert_eq!(fs::read(&signature).unwrap(), first, "{user}");
        let public = format!("{user}.pub");
        let said = text(&mut bootwright(&gpg, &["verify", "edge.iso", "--signed-by", &public]));
        assert!(said.starts_with("ok  signature: edge.iso.sha256.asc by "), "{said}");
        fs::write(&sums, "0  edge.iso\n").unwrap();
        assert!(!gpg.judge(user, &signature, &sums).status.success());
    }
    // The time is that of the image, or of the key where that is later.
    let shown = text(
        gpg.command(&["--list-packets", "edge.iso.sha256.asc"]).current_dir(gpg.folder.path()),
    );
    assert!(shown.contains("created 1767323045"), "{shown}");
    let words = [&build[..], &["--openpgp-key", "rsa.sec"]].concat();
    run(bootwright(&gpg, &words).env("SOURCE_DATE_EPOCH", "1"));
    let judged = gpg.judge("rsa", &gpg.at("edge.iso.sha256.asc"), &gpg.at("edge.iso.sha256"));
    assert!(judged.status.success(), "{}", printed(&judged));
}

#[test]
fn inputs_are_taken_from_those_who_signed_them() {
    require!("gpg", "skopeo", "sha256sum");
    let gpg = Gpg::new();
    let Some(base) = small::base_image(gpg.folder.path()) else { return };
    let archive = gpg.at("base.tar");
    let target = format!("oci-archive:{}", archive.display());
    run(tool("skopeo").arg("copy").arg(format!("oci:{}", base.display())).arg(&target));
    gpg.key("maker", &["rsa2048", "ed25519"], "");
    gpg.key("other", &["ed25519"], "");
    let sign = |user: &str, more: &[&str], file: &str, signature: &str| {
        let words = ["--local-user", user, "--output", signature, "--detach-sign"];
        let words = [more, &words, &[file]].concat();
        run(gpg.command(&words).current_dir(gpg.folder.path()));
    };
    let build = |key: &str| {
        let words = ["squashfs", "--base", "oci-archive:base.tar", "--output", "out"];
        let mut command = bootwright(&gpg, &words);
        command.args(["--verify-key", key]);
        command
    };
    bad(&mut build("maker.pub"), "is not signed: there is no base.tar.asc, base.tar.sig");
    assert!(!gpg.at("out").exists());
    sign("other", &["--armor"], "base.tar", "base.tar.asc");
    bad(&mut build("maker.pub"), "none of the given keys made it");
    run(build("maker.pub").args(["--verify-key", "other.pub"]));
    sign("maker", &["--armor"], "base.tar", "base.tar.asc");
    run(&mut build("maker.pub"));
    sign("maker", &["--digest-algo", "SHA1"], "base.tar", "base.tar.asc");
    bad(&mut build("maker.pub"), "a hash that can be forged");
    sign("maker", &["--armor"], "small/index.json", "base.tar.asc");
    bad(&mut build("maker.pub"), "it is not of these bytes");
    fs::write(gpg.at("base.tar.asc"), "nothing\n").unwrap();
    bad(&mut build("maker.pub"), "it is no signature of OpenPGP");
    fs::remove_file(gpg.at("base.tar.asc")).unwrap();

    // By a checksum file, the archive's own or the folder's.
    let sums = run(tool("sha256sum").arg("base.tar").current_dir(gpg.folder.path())).stdout;
    fs::write(gpg.at("SHA256SUMS"), [&b"00  other\n"[..], &sums].concat()).unwrap();
    sign("maker", &[], "SHA256SUMS", "SHA256SUMS.gpg");
    run(&mut build("maker.pub"));
    fs::write(gpg.at("base.tar.sha256"), "00  base.tar\n").unwrap();
    sign("maker", &[], "base.tar.sha256", "base.tar.sha256.sig");
    bad(&mut build("maker.pub"), "its sha256 is ");

    // An expired signature, and a revoked key.
    sign(
        "maker",
        &["--default-sig-expire", "seconds=1", "--faked-system-time", "20250201T000000!"],
        "base.tar",
        "base.tar.sig",
    );
    bad(&mut build("maker.pub"), "it has expired");
    sign("maker", &[], "base.tar", "base.tar.sig");
    run(&mut build("maker.pub"));
    let revocations = gpg.at("gnupg/openpgp-revocs.d");
    for entry in fs::read_dir(&revocations).unwrap() {
        let revocation =
            fs::read_to_string(entry.unwrap().path()).unwrap().replace("\n:---", "\n---");
        fs::write(gpg.at("revocation"), revocation).unwrap();
        run(gpg.command(&["--import"]).arg(gpg.at("revocation")));
    }
    let revoked = run(&mut gpg.command(&["--export", "maker"])).stdout;
    fs::write(gpg.at("revoked.pub"), revoked).unwrap();
    bad(&mut build("revoked.pub"), "is revoked");
}

#[test]
fn what_cannot_be_signed_or_checked_is_said_first() {
    require!("gpg");
    let gpg = Gpg::new();
    gpg.key("maker", &["ed25519"], "");
    for (words, status, expected) in [
        (
            &["squashfs", "--base", "oci:x", "--output", "y", "--openpgp-key", "maker.sec"][..],
            2,
            "--openpgp-key signs checksum files, and a squashfs has none",
        ),
        (
            &["squashfs", "--base", "oci:x", "--output", "y", "--verify-key", "maker.pub"],
            2,
            "--base: oci:x is no archive",
        ),
        (
            &[
                "iso",
                "--base",
                "oci:x",
                "--output",
                "y",
                "--name",
                "z",
                "--openpgp-key",
                "maker.pub",
            ],
            1,
            "maker.pub: there is no usable secret key",
        ),
        (&["verify", "maker.pub", "--signed-by", "maker.sec"], 1, "there is no usable public key"),
    ] {
        let output = bootwright(&gpg, words).output().unwrap();
        assert_eq!(output.status.code(), Some(status), "{words:?}: {}", printed(&output));
        assert!(printed(&output).contains(expected), "{words:?}: {}", printed(&output));
    }
}
