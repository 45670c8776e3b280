//! Signing an image on another machine.

use std::fs;
use std::io::{Cursor, Write as _};
use std::path::Path;
use std::sync::Arc;

use bootwright_uki::authenticode::{Options, request, sign, unsign, verify};
use bootwright_uki::signer::{Detached, Identity, Placeholder, Request, Signer, requests};
use bootwright_uki::unified::{Build, ImageRequest, Ingredients, Profile, sign_policies};

use crate::support::{KEYS, debian_stub, identity, kernel};

/// An image with two profiles, so that policies lie in two places.
fn build(stub: Vec<u8>, pcr: Arc<dyn Signer>) -> Vec<u8> {
    let mut ingredients = Ingredients::new(stub, kernel(), "quiet");
    ingredients.pcr_signer = Some(pcr);
    ingredients.profiles =
        ["main", "debug"].map(|id| Profile { id: id.to_owned(), ..Profile::default() }).to_vec();
    let mut build = Build::begin(ingredients, Cursor::new(Vec::new())).unwrap();
    build.write_all(&[7; 30_000]).unwrap();
    build.finish().unwrap().0.into_inner()
}

fn detached_identity(folder: &Path) -> (Identity, Arc<Detached>) {
    let certificate = identity(1).certificate().clone();
    let detached = Arc::new(Detached::new("db", folder, KEYS[1].public_key().clone()));
    (Identity::new(vec![certificate], Arc::clone(&detached) as _).unwrap(), detached)
}

#[test]
fn one_trip_gives_the_same_bytes_as_one_step() {
    let Some(stub) = debian_stub() else { return };
    let mut one_step = Cursor::new(build(stub.clone(), Arc::clone(&KEYS[0]) as _));
    let len = one_step.get_ref().len() as u64;
    let signed_len = sign(&mut one_step, len, &identity(1), Options::default()).unwrap();

    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    let pcr = Arc::new(Detached::new("pcr", folder, KEYS[0].public_key().clone()));
    let mut later = Cursor::new(build(stub, Arc::clone(&pcr) as _));
    assert_eq!(later.get_ref().len() as u64, len);
    assert!(!pcr.pending().is_empty());
    ImageRequest::new(&mut later, len).unwrap().write(folder, "db").unwrap();

    let asked = ImageRequest::read_all(folder).unwrap();
    let [(role, asked)] = asked.as_slice() else { panic!("{asked:?}") };
    assert_eq!(role, "db");
    asked.answer(folder, role, ("pcr", &*KEYS[0]), &*KEYS[1]).unwrap();
    // What was asked for one by one is answered too.
    assert!(requests(folder).unwrap().iter().all(Request::is_answered));

    let pcr = Detached::new("pcr", folder, KEYS[0].public_key().clone());
    sign_policies(&mut later, len, &pcr).unwrap();
    let (identity, db) = detached_identity(folder);
    sign(&mut later, len, &identity, Options::default()).unwrap();
    assert!(pcr.pending().is_empty() && db.pending().is_empty());
    assert!(later.get_ref() == one_step.get_ref());
    let anchors = [identity.certificate().clone()];
    verify(&mut later, signed_len, &anchors).unwrap();
}

#[test]
fn an_image_without_policies_needs_a_plain_request() {
    let dir = tempfile::tempdir().unwrap();
    let mut file = Cursor::new(kernel());
    let len = kernel().len() as u64;
    let (identity, _) = detached_identity(dir.path());
    request(&mut file, len, &identity).unwrap();
    assert_eq!(*file.get_ref(), kernel());
    for request in requests(dir.path()).unwrap() {
        request.answer(&*KEYS[1]).unwrap();
    }
    let (identity, db) = detached_identity(dir.path());
    sign(&mut file, len, &identity, Options::default()).unwrap();
    assert!(db.pending().is_empty());
    let mut one_step = Cursor::new(kernel());
    sign(&mut one_step, len, &crate::support::identity(1), Options::default()).unwrap();
    assert!(file == one_step);
}

#[test]
fn damaged_requests_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    for text in ["", "{}", r#"{"role":"db","sha256-state":"AAAA","sha256-len":0,"tail":""}"#] {
        fs::write(dir.path().join("db-0.image.json"), text).unwrap();
        let error = ImageRequest::read_all(dir.path()).unwrap_err().to_string();
        assert!(error.ends_with("is no request: a field is missing or out of range"), "{error}");
    }
}

#[test]
fn a_placeholder_is_taken_off_and_the_real_signature_takes_its_place() {
    let Some(stub) = debian_stub() else { return };
    let unsigned = build(stub, Arc::clone(&KEYS[0]) as _);
    let len = unsigned.len() as u64;
    let certificate = identity(1).certificate().clone();
    let public = certificate.public_key().unwrap();
    let placeholder =
        Identity::new(vec![certificate.clone()], Arc::new(Placeholder::new(public))).unwrap();
    for before in 0..2 {
        // What was signed by others stays.
        let mut wanted = Cursor::new(unsigned.clone());
        let mut signed_len = len;
        for _ in 0..before {
            signed_len = sign(&mut wanted, signed_len, &identity(0), Options::default()).unwrap();
        }
        let mut later = Cursor::new(wanted.get_ref().clone());
        let held_len = sign(&mut later, signed_len, &placeholder, Options::default()).unwrap();
        verify(&mut later, held_len, std::slice::from_ref(&certificate)).unwrap_err();
        let bare_len = unsign(&mut later, held_len).unwrap();
        assert_eq!(bare_len, signed_len.next_multiple_of(8));
        sign(&mut later, bare_len, &identity(1), Options::default()).unwrap();
        sign(&mut wanted, signed_len, &identity(1), Options::default()).unwrap();
        assert!(later.get_ref() == wanted.get_ref(), "behind {before}");
    }
    assert_eq!(unsign(&mut Cursor::new(kernel()), kernel().len() as u64).unwrap() % 8, 0);
}
