//! PCR 11, compared with systemd.

use std::fs;

use bootwright_uki::hash::{Hash, hex};
use bootwright_uki::pcr::{Measured, Measurement, PHASES, PolicySignatures, Prediction, predict};
use bootwright_uki::pe::Stub;
use bootwright_uki::signer::Signer;

use crate::support::{KEYS, stub};
use crate::tools;

const MEASURE: &str = "/usr/lib/systemd/systemd-measure";
const STUB: &str = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub";

const CONTENTS: [(&str, &[u8]); 6] = [
    (".linux", &[0x4D; 70_000]),
    (".osrel", b"ID=test\n"),
    (".cmdline", b"console=ttyS0"),
    (".initrd", &[7; 12_345]),
    (".splash", b"BM"),
    (".pcrpkey", b"-----BEGIN PUBLIC KEY-----\n"),
];

fn predictions() -> Vec<Prediction> {
    predict(&CONTENTS.map(|(name, content)| Measurement::of(name, content)), &Hash::ALL, &PHASES)
}

#[test]
fn systemd_predicts_the_same_values() {
    let dir = tempfile::tempdir().unwrap();
    let mut arguments = vec!["calculate".to_owned()];
    for (name, content) in CONTENTS {
        let path = dir.path().join(name);
        fs::write(&path, content).unwrap();
        arguments.push(format!("--{}={}", &name[1..], tools::name(&path)));
    }
    arguments.extend(Hash::ALL.map(|bank| format!("--bank={bank}")));
    arguments.extend(PHASES.map(|phase| format!("--phase={phase}")));
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let Some(text) = tools::text(MEASURE, &arguments) else { return };
    let mut theirs: Vec<_> = text.lines().filter(|line| line.starts_with("11:")).collect();
    let ours = predictions();
    let mut ours: Vec<_> =
        ours.iter().map(|p| format!("11:{}={}", p.bank, hex(&p.value))).collect();
    // Theirs come phase by phase, ours bank by bank.
    theirs.sort_unstable();
    ours.sort_unstable();
    assert_eq!(ours, theirs);
}

#[test]
fn signed_policies_are_read_back_and_openssl_verifies_them() {
    let key = &KEYS[0];
    let ours = PolicySignatures::sign(&predictions(), &**key).unwrap();
    assert_eq!(PolicySignatures::parse(ours.to_json().as_bytes()).unwrap(), ours);
    let padded = [ours.to_json().as_bytes(), &[0; 7]].concat();
    assert_eq!(PolicySignatures::parse(&padded).unwrap(), ours);
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    fs::write(path("public.pem"), key.public_key().to_pem().unwrap()).unwrap();
    let [public, signature, policy] = ["public.pem", "sig", "pol"].map(path);
    for (bank, signatures) in &ours.0 {
        assert_eq!(signatures.len(), PHASES.len());
        for entry in signatures {
            assert!(entry.is_by(key.public_key(), *bank));
            fs::write(&signature, &entry.signature).unwrap();
            fs::write(&policy, &entry.policy).unwrap();
            let digest = format!("-{bank}");
            let verify = ["dgst", &digest, "-verify", tools::name(&public), "-signature"];
            let files = [tools::name(&signature), tools::name(&policy)];
            tools::text("openssl", &[&verify[..], &files].concat());
        }
    }
}

#[test]
fn a_stub_says_what_it_measures() {
    let made = Measured::by(&Stub::parse(&stub()).unwrap());
    assert_eq!(made.version.as_deref(), Some("257.13"));
    assert!(made.is_compared() && made.sections.is_empty());
    let Ok(real) = fs::read(STUB) else {
        tools::skip(&format!("{STUB} not found"));
        return;
    };
    let real = Measured::by(&Stub::parse(&real).unwrap());
    let version = real.version.clone().unwrap();
    let major: u32 = version[..3].parse().unwrap();
    let always = [".linux", ".osrel", ".cmdline", ".initrd", ".splash", ".dtb", ".pcrpkey"];
    assert!(always.iter().all(|name| real.contains(name)), "{real:?}");
    assert_eq!(real.contains(".uname") && real.contains(".sbat"), major >= 254, "{real:?}");
    assert_eq!(real.contains(".profile"), major >= 257, "{real:?}");
}
