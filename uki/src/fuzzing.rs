//! Fuzz targets as plain functions.

use std::io::{Cursor, Write as _};

use crate::authenticode;
use crate::certificate::Certificate;
use crate::cms::Signed;
use crate::efi::{SignedVariable, Variable, certificates, read_lists, write_lists};
use crate::pcr::{Measured, PolicySignatures};
use crate::pe::{Declared, Image, Stub, Writer};
use crate::public_key::PublicKey;
use crate::signer::PrivateKey;
use crate::unified::inspect;

/// The bytes are a PE image: whatever is said about them lies within them.
pub fn pe(data: &[u8]) {
    if let Ok(image) = Image::parse(data) {
        for section in &image.sections {
            assert!(section.content.len() <= data.len());
        }
        for certificate in &image.certificates {
            assert!(certificate.offset + u64::from(certificate.len) <= data.len() as u64);
        }
        let _ = image.sbat();
    }
}

/// The bytes are a stub: what is added to it is found again, and what it had is kept.
pub fn extend(data: &[u8]) {
    let Ok(mut stub) = Stub::parse(data) else { return };
    let _ = Measured::by(&stub);
    let _ = stub.replace_section(".sbat", b"sbat,1,");
    let declared = [(".osrel", false), (".linux", true)]
        .map(|(name, code)| Declared { name: name.to_owned(), code });
    let before = stub.sections.len();
    let Ok(mut writer) = Writer::new(stub, declared.into(), Cursor::new(Vec::new())) else {
        return;
    };
    let contents = [(".osrel", &b"ID=fuzz"[..]), (".linux", &[0x90; 700])];
    if contents.iter().any(|(name, content)| writer.section(name, content).is_err()) {
        return;
    }
    let (output, written) = writer.finish().expect("all that was declared came");
    let mut file = output.into_inner();
    assert_eq!(file.len() as u64, written.len);
    let image = Image::parse(&file).expect("what is written is an image");
    assert_eq!(image.sections.len(), before + 2);
    for ((name, content), section) in contents.iter().zip(&image.sections[before..]) {
        assert_eq!((section.name, section.content), (name.as_bytes(), *content));
    }
    // The stub's own sections may lie in a way that cannot be signed; then nothing changes.
    let mut cursor = Cursor::new(&mut file);
    let _ = authenticode::seal(&mut cursor, written.len);
}

/// The bytes are an image with signatures and, perhaps, the sections of a unified one.
pub fn authenticode(data: &[u8]) {
    let len = data.len() as u64;
    if let Ok(signatures) = authenticode::signatures(&mut Cursor::new(data), len) {
        let anchors: Vec<_> = signatures.iter().map(|s| s.signed.signer().clone()).collect();
        let _ = authenticode::verify(&mut Cursor::new(data), len, &anchors);
    }
    let _ = inspect(Cursor::new(data), len);
}

/// The bytes are signature lists: written again, they are the same.
pub fn signature_lists(data: &[u8]) {
    if let Ok(lists) = read_lists(data) {
        assert_eq!(write_lists(&lists).as_deref(), Ok(data));
        let _ = certificates(&lists);
    }
}

/// The bytes are a signed variable, or the signed data in one.
pub fn signed_variable(data: &[u8]) {
    if let Ok(variable) = SignedVariable::parse(data) {
        assert!(variable.content.len() < data.len());
        for name in Variable::ALL {
            let _ = variable.check(name);
        }
    }
    if let Ok(signed) = Signed::parse(data) {
        let _ = signed.check(data);
        let _ = signed.signer().trusted_by(signed.certificates(), signed.certificates());
    }
}

/// The bytes are a PEM file: a key, certificates, or something else. What is read is written
/// such that it is read again.
pub fn pem(data: &[u8]) {
    if let Ok(certificates) = Certificate::from_pem(data) {
        for certificate in certificates {
            let pem = certificate.to_pem().expect("it was read");
            assert_eq!(Certificate::from_pem(pem.as_bytes()), Ok(vec![certificate]));
        }
    }
    if let Ok(key) = PublicKey::from_pem(data) {
        let pem = key.to_pem().expect("it was read");
        assert_eq!(PublicKey::from_pem(pem.as_bytes()), Ok(key));
    }
    let _ = PrivateKey::from_pem(data);
    let _ = Certificate::from_der(data);
}

/// The bytes are a `.pcrsig` section: written again, it says the same.
pub fn pcr_signatures(data: &[u8]) {
    if let Ok(signatures) = PolicySignatures::parse(data) {
        let mut text = signatures.to_json().into_bytes();
        text.write_all(&[0; 3]).expect("memory takes it");
        assert_eq!(PolicySignatures::parse(&text), Ok(signatures));
    }
}
