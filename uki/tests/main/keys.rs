//! Keys: made, brought along, refused.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use bootwright_image::Timestamp;
use bootwright_uki::certificate::Certificate;
use bootwright_uki::efi::{
    EfiTime, SignatureList, SignedVariable, Variable, certificates, read_lists, write_lists,
};
use bootwright_uki::hash::Hash;
use bootwright_uki::keys::{
    Enrollment, Exported, KeyFile, KeyFolder, MICROSOFT, MicrosoftSet, Validity, enrollment_files,
    generate, microsoft, random_guid, write_files,
};
use bootwright_uki::signer::{Identity, PrivateKey, RsaBits, Signer, requests};

use crate::support::{KEYS, NOW, identity};
use crate::tools;

/// The tree of keys that were just made, on disk.
fn tree(root: &Path) -> Vec<KeyFile> {
    let made = generate("Edge GmbH", RsaBits::Rsa2048, Validity::days(NOW, 365)).unwrap();
    let enrollment = Enrollment::new(random_guid().unwrap(), EfiTime::new(NOW).unwrap());
    let mut files = made.files().unwrap();
    files.extend(enrollment_files(&made.hierarchy, &enrollment).unwrap());
    write_files(root, &files).unwrap();
    files
}

#[test]
fn a_new_tree_is_complete_private_and_signed_by_the_right_keys() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("secure-boot");
    let files = tree(&root);
    let names: Vec<&str> = files.iter().map(|file| &*file.path).collect();
    insta::assert_snapshot!(names.join("\n"));
    for file in &files {
        let mode = fs::metadata(root.join(&file.path)).unwrap().permissions().mode();
        assert_eq!(mode & 0o177, if file.path.starts_with("private") { 0 } else { 0o044 });
        let shown = format!("{file:?}");
        assert!(!shown.contains("BEGIN"), "{shown}");
    }
    let error = write_files(&root, &files).unwrap_err();
    assert!(error.to_string().starts_with("cannot use "), "{error}");

    let keys = KeyFolder::new(&root);
    let hierarchy = keys.hierarchy().unwrap();
    hierarchy.check_validity(NOW).unwrap();
    assert_eq!(*keys.pcr_key().unwrap().public_key(), keys.pcr_public_key().unwrap());
    let enrolled = keys.enrollment().unwrap();
    assert_eq!(enrolled.len(), 6);
    for (variable, signer) in [
        (Variable::Pk, &hierarchy.pk),
        (Variable::Kek, &hierarchy.pk),
        (Variable::Db, &hierarchy.kek),
    ] {
        let name = format!("{variable}.auth");
        let (_, auth) = enrolled.iter().find(|(file, _)| *file == name).unwrap();
        let auth = SignedVariable::parse(auth).unwrap();
        auth.check(variable).unwrap();
        assert_eq!(auth.signed.signer(), signer.certificate(), "{variable}");
        let held = certificates(&read_lists(&auth.content).unwrap());
        let own = keys.identity(variable).unwrap();
        assert_eq!(held, [own.certificate().clone()]);
        assert_eq!(own.certificate().subject(), format!("CN=Edge GmbH-{variable}"));
    }
}

#[test]
fn a_folder_with_all_files_side_by_side_will_do() {
    let dir = tempfile::tempdir().unwrap();
    let (root, flat) = (dir.path().join("tree"), dir.path().join("flat"));
    fs::create_dir(&flat).unwrap();
    for file in tree(&root) {
        let name = file.path.rsplit('/').next().unwrap();
        fs::copy(root.join(&file.path), flat.join(name)).unwrap();
    }
    // A certificate in DER does as well.
    fs::remove_file(flat.join("db.pem")).unwrap();
    let (tree, flat) = (KeyFolder::new(&root), KeyFolder::new(&flat));
    let certificate = |keys: &KeyFolder| keys.identity(Variable::Db).unwrap().certificate().clone();
    assert_eq!(certificate(&flat), certificate(&tree));
    assert_eq!(flat.enrollment().unwrap(), tree.enrollment().unwrap());
    let error = KeyFolder::new(dir.path()).hierarchy().unwrap_err().to_string();
    assert!(error.starts_with(r#""PK.key" is missing: looked for ["#), "{error}");
}

#[test]
fn openssl_sees_the_certificate_as_it_should_be() {
    let dir = tempfile::tempdir().unwrap();
    tree(dir.path());
    let pem = dir.path().join("public-keys/db.pem");
    let options = ["-noout", "-subject", "-issuer", "-dates", "-ext"];
    let extensions = "subjectKeyIdentifier,authorityKeyIdentifier,basicConstraints";
    let arguments = [&["x509", "-in", tools::name(&pem)][..], &options, &[extensions]].concat();
    let Some(text) = tools::text("openssl", &arguments) else { return };
    for line in [
        "subject=CN = Edge GmbH-db",
        "issuer=CN = Edge GmbH-db",
        "notBefore=Jan  1 00:00:00 2026 GMT",
        "notAfter=Jan  1 00:00:00 2027 GMT",
        "X509v3 Basic Constraints: critical",
        "CA:TRUE",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    tools::text("openssl", &["verify", "-CAfile", tools::name(&pem), tools::name(&pem)]);
    let key = dir.path().join("private-keys/db.key");
    tools::text("openssl", &["pkey", "-check", "-noout", "-in", tools::name(&key)]);
}

#[test]
fn certificates_beyond_2049_are_valid_too() {
    let key = &KEYS[0];
    let until = Validity { from: NOW, until: Timestamp(4_102_444_800) };
    let long = bootwright_uki::keys::self_signed("Long", until, [0xFF; 20], &**key).unwrap();
    assert_eq!(long.validity(), (until.from, until.until));
    assert!(long.is_issued_by(&long));
    assert_eq!(long.serial(), format!("7f{}", "ff".repeat(19)));
}

#[test]
fn organisations_that_no_certificate_holds_are_refused() {
    for (name, len) in [(String::new(), 0), ("x".repeat(61), 61)] {
        let error = generate(&name, RsaBits::Rsa2048, Validity::days(NOW, 1)).unwrap_err();
        let expected = format!("organisation {name:?} has {len} characters: 1 to 60 are possible");
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn keys_that_cannot_be_used_are_refused_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    let try_openssl = |arguments: &[&str]| -> Option<String> {
        tools::text("openssl", arguments)?;
        let pem = fs::read(&path).unwrap();
        Some(PrivateKey::from_pem(&pem).map_or_else(|error| error.to_string(), |_| String::new()))
    };
    let name = path.to_str().unwrap().to_owned();
    let rsa = ["genpkey", "-quiet", "-algorithm", "RSA", "-out", &name];
    let Some(good) = try_openssl(&rsa) else { return };
    assert_eq!(good, "");
    let with = |more: &[&'static str]| [&rsa[..], more].concat();
    let small = try_openssl(&with(&["-pkeyopt", "rsa_keygen_bits:1024"])).unwrap();
    assert_eq!(small, "the private key has 1024 bits: 2048 is the least");
    let encrypted = try_openssl(&with(&["-aes256", "-pass", "pass:x"])).unwrap();
    assert_eq!(encrypted, "the private key is encrypted: decrypt it first, or sign detached");
    let old = ["genrsa", "-traditional", "-out", &name, "2048"];
    assert_eq!(try_openssl(&old).unwrap(), "");
    let old_encrypted =
        ["genrsa", "-traditional", "-aes128", "-passout", "pass:x", "-out", &name, "2048"];
    assert_eq!(try_openssl(&old_encrypted).unwrap(), encrypted);
    let curve = ["ecparam", "-genkey", "-noout", "-name", "prime256v1", "-out", &name];
    let curve = try_openssl(&curve).unwrap();
    assert_eq!(curve, "the private key is for EC PRIVATE KEY: only RSA is supported");
    let edwards = ["genpkey", "-quiet", "-algorithm", "ed25519", "-out", &name];
    assert!(try_openssl(&edwards).unwrap().contains("is for 1.3.101.112"));
    let text = KEYS[0].public_key().to_pem().unwrap();
    let error = PrivateKey::from_pem(text.as_bytes()).unwrap_err().to_string();
    assert_eq!(error, r#"no PEM private key: it holds: "PUBLIC KEY""#);
    let pem = KEYS[0].to_pem().unwrap();
    let damaged = PrivateKey::from_pem(pem.replace("MII", "MIJ").as_bytes()).unwrap_err();
    assert!(damaged.to_string().starts_with("the private key is damaged"), "{damaged}");
    assert!(format!("{:?}", *KEYS[0]).len() < 120);
}

#[test]
fn identities_must_match_and_be_valid() {
    let other = Arc::clone(&KEYS[1]) as Arc<dyn Signer>;
    let error = Identity::new(vec![identity(0).certificate().clone()], other).unwrap_err();
    assert!(error.to_string().starts_with(r#"certificate "CN=Test 0" is for the key "#), "{error}");
    let (from, until) = identity(0).certificate().validity();
    for (at, problem) in [(from.0 - 1, "is not valid yet"), (until.0 + 1, "expired")] {
        let error = identity(0).check_validity(Timestamp(at)).unwrap_err().to_string();
        assert!(error.starts_with(&format!(r#"certificate "CN=Test 0" {problem}"#)), "{error}");
    }
    identity(0).check_validity(from).unwrap();
    identity(0).check_validity(until).unwrap();
}

#[test]
fn certificates_that_a_company_issued_are_brought_along() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    fs::write(path("ca.key"), KEYS[0].to_pem().unwrap().as_bytes()).unwrap();
    fs::write(path("ca.pem"), identity(0).certificate().to_pem().unwrap()).unwrap();
    fs::write(path("db.key"), KEYS[1].to_pem().unwrap().as_bytes()).unwrap();
    let [ca_key, ca, key, csr, leaf] =
        ["ca.key", "ca.pem", "db.key", "db.csr", "leaf.pem"].map(path);
    let request = ["req", "-new", "-key", tools::name(&key), "-subj", "/O=Org/CN=Leaf", "-out"];
    if tools::text("openssl", &[&request[..], &[tools::name(&csr)]].concat()).is_none() {
        return;
    }
    let issue = ["x509", "-req", "-in", tools::name(&csr), "-CA", tools::name(&ca), "-CAkey"];
    let more = [tools::name(&ca_key), "-set_serial", "7", "-days", "9", "-out", tools::name(&leaf)];
    tools::text("openssl", &[&issue[..], &more].concat());
    // The certificate, then the one that issued it.
    let chain = [fs::read(&leaf).unwrap(), fs::read(&ca).unwrap()].concat();
    fs::write(path("db.pem"), chain).unwrap();
    let db = KeyFolder::new(dir.path()).identity(Variable::Db).unwrap();
    assert_eq!(db.certificate().subject(), "CN=Leaf,O=Org");
    assert_eq!(db.chain(), [identity(0).certificate().clone()]);
    let anchors = [identity(0).certificate().clone()];
    assert_eq!(db.certificate().trusted_by(&[], &anchors), anchors.first());
    assert_eq!(db.certificate().trusted_by(&[], &[identity(1).certificate().clone()]), None);
}

#[test]
fn lists_of_the_firmware_are_kept_once() {
    let dir = tempfile::tempdir().unwrap();
    let owner = random_guid().unwrap();
    let exported = write_lists(&[
        SignatureList::certificate(owner, identity(0).certificate()),
        SignatureList::certificate(owner, identity(1).certificate()),
    ])
    .unwrap();
    fs::write(dir.path().join("db"), [&[0x27, 0, 0, 0][..], &exported].concat()).unwrap();
    fs::write(dir.path().join("dbx"), &exported).unwrap();
    let mut enrollment = Enrollment::new(owner, EfiTime::new(NOW).unwrap());
    enrollment.exported = Exported::read(dir.path()).unwrap();
    enrollment.extra_db = vec![(owner, identity(1).certificate().clone())];
    let [pk, kek, db] = [0, 0, 0].map(identity);
    let hierarchy = bootwright_uki::keys::Hierarchy { pk, kek, db };
    let files = enrollment_files(&hierarchy, &enrollment).unwrap();
    let held = |name: &str| {
        let file = files.iter().find(|file| file.path == format!("enrollment/{name}.esl")).unwrap();
        certificates(&read_lists(&file.content).unwrap()).len()
    };
    assert_eq!((held("PK"), held("KEK"), held("db"), held("dbx")), (1, 1, 2, 2));
    assert!(files.iter().any(|file| file.path == "enrollment/db-1.der"));
    let missing = Exported::read(&dir.path().join("nothing")).unwrap();
    assert!(missing.kek.is_empty() && missing.db.is_empty() && missing.dbx.is_empty());
    fs::write(dir.path().join("KEK"), b"junk").unwrap();
    let error = Exported::read(dir.path()).unwrap_err();
    assert!(error.to_string().ends_with(r#"KEK""#), "{error}");
}

#[test]
fn sets_of_microsoft_hold_what_their_names_say() {
    let count = |name: &str| {
        let set = MicrosoftSet::from_name(name).unwrap();
        MICROSOFT.iter().filter(|certificate| set.contains(certificate)).count()
    };
    let names = ["none", "option-rom", "third-party", "2011", "2023", "all"];
    assert_eq!(names.map(count), [0, 1, 3, 3, 4, 7]);
    let error = microsoft(MicrosoftSet::OptionRom, &[]).unwrap_err().to_string();
    assert!(
        error.starts_with(r#""Microsoft Option ROM UEFI CA 2023" (SHA-256 e5be3e64"#),
        "{error}"
    );
}

#[test]
fn microsofts_certificates_are_found_among_those_given() {
    // As Debian's virt-firmware has them.
    let folder = Path::new("/usr/lib/python3/dist-packages/virt/firmware/certs/microsoft.com");
    let Ok(entries) = fs::read_dir(folder) else {
        println!("SKIPPED: {folder:?} not found");
        return;
    };
    let paths = entries.map(|entry| entry.unwrap().path());
    let pems = paths.filter(|path| path.extension().is_some_and(|suffix| suffix == "pem"));
    let given: Vec<Certificate> =
        pems.flat_map(|path| Certificate::from_pem(&fs::read(path).unwrap()).unwrap()).collect();
    let found = microsoft(MicrosoftSet::All, &given).unwrap();
    assert_eq!(found.len(), 7);
}

#[test]
fn signatures_that_come_later_are_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let keys = dir.path().join("keys");
    let folder = dir.path().join("requests");
    tree(&keys);
    fs::create_dir(&folder).unwrap();
    let owner = KeyFolder::new(&keys);
    // The builder has the certificate alone.
    fs::rename(keys.join("private-keys/db.key"), dir.path().join("db.key")).unwrap();
    let (identity, signer) = owner.detached(Variable::Db, &folder).unwrap();
    let zeros = identity.signer().sign(Hash::Sha256, b"message").unwrap();
    assert_eq!((zeros.len(), signer.pending().len()), (256, 1));
    assert!(zeros.iter().all(|byte| *byte == 0));
    // The other machine has the key.
    let key = PrivateKey::from_pem(&fs::read(dir.path().join("db.key")).unwrap()).unwrap();
    let asked = requests(&folder).unwrap();
    assert_eq!((asked.len(), &*asked[0].role, &*asked[0].message), (1, "db", &b"message"[..]));
    assert!(!asked[0].is_answered());
    asked[0].answer(&key).unwrap();
    assert!(asked[0].is_answered());
    let (identity, signer) = owner.detached(Variable::Db, &folder).unwrap();
    let later = identity.signer().sign(Hash::Sha256, b"message").unwrap();
    assert_eq!(later, key.sign(Hash::Sha256, b"message").unwrap());
    assert!(signer.pending().is_empty());
    // A signature by another key is noticed.
    asked[0].answer(&*KEYS[0]).unwrap();
    let error = identity.signer().sign(Hash::Sha256, b"message").unwrap_err().to_string();
    assert!(error.contains("is no signature of its request by the key"), "{error}");
}
