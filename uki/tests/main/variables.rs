//! Signature lists and authenticated variables.

use std::fs;

use bootwright_image::Timestamp;
use bootwright_uki::efi::{
    EfiTime, Guid, SignatureList, SignedVariable, Variable, certificates, message, read_lists,
    sign_variable, write_lists,
};

use crate::support::{KEYS, NOW, identity};
use crate::tools;

const OWNER: &str = "11111111-2222-4333-8444-555555555555";

fn owner() -> Guid {
    OWNER.parse().unwrap()
}

fn list(key: usize) -> Vec<u8> {
    write_lists(&[SignatureList::certificate(owner(), identity(key).certificate())]).unwrap()
}

fn db() -> Vec<u8> {
    sign_variable(Variable::Db, &list(1), EfiTime::new(NOW).unwrap(), &identity(0)).unwrap()
}

#[test]
fn a_signed_variable_is_good_for_that_variable_only() {
    let auth = SignedVariable::parse(&db()).unwrap();
    assert_eq!(auth.time.to_string(), "2026-01-01 00:00:00");
    assert_eq!(auth.content, list(1));
    assert_eq!(auth.signed.signer(), identity(0).certificate());
    auth.check(Variable::Db).unwrap();
    auth.verify(Variable::Db, &[identity(0).certificate().clone()]).unwrap();
    let error = auth.verify(Variable::Db, &[identity(1).certificate().clone()]).unwrap_err();
    assert_eq!(error.to_string(), r#"db is signed by "CN=Test 0", which KEK does not trust"#);
    for other in [Variable::Pk, Variable::Kek, Variable::Dbx] {
        let error = auth.check(other).unwrap_err();
        assert_eq!(error.to_string(), "the signature of the variable is not good");
    }
}

#[test]
fn every_bit_of_a_signed_variable_counts() {
    let (file, owners) = (db(), [identity(0).certificate().clone()]);
    for at in 0..file.len() {
        for bit in 0..8 {
            let mut changed = file.clone();
            changed[at] ^= 1 << bit;
            let accepted = SignedVariable::parse(&changed)
                .is_ok_and(|auth| auth.verify(Variable::Db, &owners).is_ok());
            assert!(!accepted, "bit {bit} of byte {at:#x} of {:#x}", file.len());
        }
    }
}

#[test]
fn times_that_cannot_be_replaced_are_refused() {
    for seconds in [i64::MIN, -1, 0, 915_148_799, 253_402_300_800, i64::MAX] {
        assert!(EfiTime::new(Timestamp(seconds)).is_err(), "{seconds}");
    }
    for (seconds, text) in
        [(915_148_800, "1999-01-01 00:00:00"), (253_402_300_799, "9999-12-31 23:59:59")]
    {
        assert_eq!(EfiTime::new(Timestamp(seconds)).unwrap().to_string(), text);
    }
}

#[test]
fn efitools_make_the_same_list_and_the_same_message() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    fs::write(path("kek.pem"), identity(0).certificate().to_pem().unwrap()).unwrap();
    fs::write(path("kek.key"), KEYS[0].to_pem().unwrap().as_bytes()).unwrap();
    fs::write(path("db.pem"), identity(1).certificate().to_pem().unwrap()).unwrap();
    let [kek, key, pem, esl, auth] =
        ["kek.pem", "kek.key", "db.pem", "db.esl", "db.auth"].map(path);
    let arguments = ["-g", OWNER, tools::name(&pem), tools::name(&esl)];
    if tools::text("cert-to-efi-sig-list", &arguments).is_none() {
        return;
    }
    assert_eq!(fs::read(&esl).unwrap(), list(1));
    let sign = ["-t", "2026-01-01 00:00:00", "-k", tools::name(&key), "-c", tools::name(&kek)];
    let sign = [&sign[..], &["db", tools::name(&esl), tools::name(&auth)]].concat();
    tools::text("sign-efi-sig-list", &sign);
    let theirs = SignedVariable::parse(&fs::read(&auth).unwrap()).unwrap();
    theirs.check(Variable::Db).unwrap();
    assert_eq!(fs::read(&auth).unwrap(), db());
}

#[test]
fn openssl_verifies_the_signature_and_efitools_read_the_list() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let file = db();
    // Time and certificate header in front, the list behind.
    fs::write(path("signature"), &file[40..file.len() - list(1).len()]).unwrap();
    let time = EfiTime::new(NOW).unwrap();
    fs::write(path("message"), message(Variable::Db, time, &list(1))).unwrap();
    fs::write(path("kek.pem"), identity(0).certificate().to_pem().unwrap()).unwrap();
    // OpenSSL wants the envelope that variables do not have.
    let bare = fs::read(path("signature")).unwrap();
    fs::write(path("signature"), envelope(&bare)).unwrap();
    let [signature, content, kek] = ["signature", "message", "kek.pem"].map(path);
    let arguments = ["cms", "-verify", "-binary", "-inform", "DER", "-purpose", "any", "-in"];
    let more = ["-content", tools::name(&content), "-CAfile", tools::name(&kek)];
    let arguments = [&arguments[..], &[tools::name(&signature)], &more, &["-out", "/dev/null"]];
    tools::text("openssl", &arguments.concat());
    fs::write(path("db.esl"), list(1)).unwrap();
    let out = path("out");
    if tools::text("sig-list-to-certs", &[tools::name(&path("db.esl")), tools::name(&out)])
        .is_some()
    {
        assert_eq!(fs::read(path("out-0.der")).unwrap(), identity(1).certificate().as_der());
    }
    let read = certificates(&read_lists(&list(1)).unwrap());
    assert_eq!(read, [identity(1).certificate().clone()]);
}

/// `ContentInfo` by hand: the type of signed data, then the content with an explicit tag.
fn envelope(signed: &[u8]) -> Vec<u8> {
    let tagged = |tag: u8, content: &[u8]| {
        let len = u16::try_from(content.len()).unwrap().to_be_bytes();
        [&[tag, 0x82][..], &len, content].concat()
    };
    let kind = b"\x06\x09\x2A\x86\x48\x86\xF7\x0D\x01\x07\x02";
    tagged(0x30, &[&kind[..], &tagged(0xA0, signed)].concat())
}
