//! Signatures of images.

use std::fs;
use std::io::Cursor;

use bootwright_uki::authenticode::{
    AuthenticodeError, Options, image_digest, seal, sign, signatures, verify,
};
use bootwright_uki::hash::Hash;
use bootwright_uki::pe::{Checksum, Declared, Stub, Writer};

use crate::support::{NOW, identity, stub};
use crate::tools;

/// A stub with two sections more.
fn image() -> Vec<u8> {
    let declared = [(".osrel", false), (".linux", true)]
        .map(|(name, code)| Declared { name: name.to_owned(), code });
    let stub = Stub::parse(&stub()).unwrap();
    let mut writer = Writer::new(stub, declared.into(), Cursor::new(Vec::new())).unwrap();
    writer.section(".osrel", b"ID=test\n").unwrap();
    writer.section(".linux", &[0x90; 0x333]).unwrap();
    writer.finish().unwrap().0.into_inner()
}

fn signed(keys: &[usize], options: Options) -> Vec<u8> {
    let mut file = Cursor::new(image());
    for key in keys {
        let len = file.get_ref().len() as u64;
        sign(&mut file, len, &identity(*key), options).unwrap();
    }
    file.into_inner()
}

fn check(file: &[u8], key: usize) -> Result<usize, AuthenticodeError> {
    let anchors = [identity(key).certificate().clone()];
    verify(&mut Cursor::new(file), file.len() as u64, &anchors).map(|all| all.len())
}

fn checksum_is_right(file: &[u8]) {
    let mut without = file.to_vec();
    without[0x58 + 64..][..4].fill(0);
    let mut checksum = Checksum::default();
    checksum.update(&without);
    assert_eq!(file[0x58 + 64..][..4], checksum.finish().to_le_bytes());
}

#[test]
fn several_signatures_are_each_good() {
    let file = signed(&[0, 1], Options::default());
    assert_eq!(file, signed(&[0, 1], Options::default()));
    checksum_is_right(&file);
    for key in [0, 1] {
        assert_eq!(check(&file, key).unwrap(), 2);
    }
    let one = signed(&[0], Options::default());
    assert_eq!(one.len() % 8, 0);
    let error = check(&one, 1).unwrap_err();
    assert_eq!(error.to_string(), "no signature is trusted: signed by CN=Test 0");
    assert!(matches!(check(&image(), 0).unwrap_err(), AuthenticodeError::Unsigned));
}

#[test]
fn a_sealed_image_has_the_right_checksum_and_the_same_digest() {
    let plain = image();
    let mut file = Cursor::new(plain.clone());
    seal(&mut file, plain.len() as u64).unwrap();
    checksum_is_right(file.get_ref());
    let before = signed(&[0], Options::default());
    let len = file.get_ref().len() as u64;
    sign(&mut file, len, &identity(0), Options::default()).unwrap();
    assert_eq!(file.into_inner(), before);
}

#[test]
fn every_bit_of_a_signed_image_counts() {
    let file = signed(&[0], Options::default());
    let (table, len) = (image().len(), file.len() as u64);
    let digest = image_digest(&mut Cursor::new(&file), len, Hash::Sha256).unwrap();
    let checksum = 0x58 + 64..0x58 + 68;
    for at in (0..file.len()).filter(|at| !checksum.contains(at)) {
        // In the table, what is behind the signature is padding.
        if at >= table && file[at..].iter().all(|byte| *byte == 0) {
            break;
        }
        for bit in 0..8 {
            let mut changed = file.clone();
            changed[at] ^= 1 << bit;
            // To verify takes long: in the image, once for each byte; the digest says the rest.
            let other = image_digest(&mut Cursor::new(&changed), len, Hash::Sha256);
            let is_hashed = at < table && other.is_ok_and(|other| other != digest);
            if bit == at % 8 || !is_hashed {
                assert!(check(&changed, 0).is_err(), "bit {bit} of byte {at:#x} of {len:#x}");
            }
        }
    }
}

#[test]
fn the_signing_time_is_said_only_when_asked_for() {
    let with = signed(&[0], Options { time: Some(NOW) });
    assert_eq!(check(&with, 0).unwrap(), 1);
    let needle = b"260101000000Z";
    let says = |file: &[u8]| file.windows(needle.len()).filter(|w| w == needle).count();
    // Once in the certificate's validity.
    assert_eq!((says(&with), says(&signed(&[0], Options::default()))), (2, 1));
}

struct Oracle<'a>(&'a [u8]);

impl authenticode::PeTrait for Oracle<'_> {
    fn data(&self) -> &[u8] {
        self.0
    }
    fn num_sections(&self) -> usize {
        usize::from(u16::from_le_bytes([self.0[0x46], self.0[0x47]]))
    }
    fn section_data_range(
        &self,
        index: usize,
    ) -> Result<std::ops::Range<usize>, authenticode::PeOffsetError> {
        let header = 0x58 + 240 + (index - 1) * 40;
        let number = |at: usize| self.number(header + at);
        Ok(number(20)..number(20) + number(16))
    }
    fn certificate_table_range(
        &self,
    ) -> Result<Option<std::ops::Range<usize>>, authenticode::PeOffsetError> {
        let (offset, len) = (self.number(0x58 + 144), self.number(0x58 + 148));
        Ok((len != 0).then(|| offset..offset + len))
    }
    fn offsets(&self) -> Result<authenticode::PeOffsets, authenticode::PeOffsetError> {
        Ok(authenticode::PeOffsets {
            check_sum: 0x58 + 64,
            after_check_sum: 0x58 + 68,
            security_data_dir: 0x58 + 144,
            after_security_data_dir: 0x58 + 152,
            after_header: self.number(0x58 + 60),
        })
    }
}

impl Oracle<'_> {
    fn number(&self, at: usize) -> usize {
        u32::from_le_bytes(*self.0[at..].first_chunk().unwrap()) as usize
    }
}

#[test]
fn another_implementation_sees_the_same_digest_and_structure() {
    use sha2_10::Digest as _;
    let file = signed(&[0, 1], Options::default());
    let mut hasher = sha2_10::Sha256::new();
    authenticode::authenticode_digest(&Oracle(&file), &mut hasher).unwrap();
    let digest = hasher.finalize();
    let oracle = Oracle(&file);
    let table = authenticode::AttributeCertificateIterator::new(&oracle).unwrap().unwrap();
    let found: Vec<_> =
        table.map(|entry| entry.unwrap().get_authenticode_signature().unwrap()).collect();
    assert_eq!(found.len(), 2);
    assert!(found.iter().all(|signature| signature.digest() == digest.as_slice()));
    let ours = signatures(&mut Cursor::new(&file), file.len() as u64).unwrap();
    assert!(ours.iter().all(|s| s.hash == Hash::Sha256 && s.digest == digest.as_slice()));
}

#[test]
fn sbverify_and_osslsigncode_accept_what_we_sign() {
    let dir = tempfile::tempdir().unwrap();
    let (efi, pem) = (dir.path().join("image.efi"), dir.path().join("db.pem"));
    fs::write(&efi, signed(&[0], Options::default())).unwrap();
    fs::write(&pem, identity(0).certificate().to_pem().unwrap()).unwrap();
    let (efi_name, pem_name) = (tools::name(&efi), tools::name(&pem));
    if let Some(text) = tools::text("sbverify", &["--cert", pem_name, efi_name]) {
        assert!(text.contains("Signature verification OK"), "{text}");
    }
    let arguments = ["verify", "-CAfile", pem_name, "-in", efi_name];
    if let Some(text) = tools::text("osslsigncode", &arguments) {
        assert!(text.contains("Signature verification: ok"), "{text}");
        assert!(!text.contains("MISMATCH"), "{text}");
    }
    // And they refuse another key.
    fs::write(&pem, identity(1).certificate().to_pem().unwrap()).unwrap();
    if let Some(output) = tools::run("sbverify", &["--cert", pem_name, efi_name]) {
        assert!(!output.status.success());
    }
}

#[test]
fn what_sbsign_signs_is_accepted() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    fs::write(path("in.efi"), image()).unwrap();
    fs::write(path("db.pem"), identity(0).certificate().to_pem().unwrap()).unwrap();
    fs::write(path("db.key"), crate::support::KEYS[0].to_pem().unwrap().as_bytes()).unwrap();
    let [key, cert, output, input] = ["db.key", "db.pem", "out.efi", "in.efi"].map(path);
    let arguments = ["--key", tools::name(&key), "--cert", tools::name(&cert), "--output"];
    let arguments = [&arguments[..], &[tools::name(&output), tools::name(&input)]].concat();
    if tools::text("sbsign", &arguments).is_none() {
        return;
    }
    let theirs = fs::read(output).unwrap();
    assert_eq!(check(&theirs, 0).unwrap(), 1);
    let digest = |file: &[u8]| {
        signatures(&mut Cursor::new(file), file.len() as u64).unwrap()[0].digest.clone()
    };
    assert_eq!(digest(&theirs), digest(&signed(&[0], Options::default())));
}

#[test]
fn what_distributions_ship_is_verified() {
    for path in
        ["/usr/lib/shim/shimx64.efi.signed", "/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed"]
    {
        let Ok(file) = fs::read(path) else {
            tools::skip(&format!("{path} not found"));
            continue;
        };
        let len = file.len() as u64;
        let found = signatures(&mut Cursor::new(&file), len).unwrap();
        let anchors: Vec<_> = found
            .iter()
            .flat_map(|signature| {
                let signed = &signature.signed;
                signed.certificates().iter().chain([signed.signer()])
            })
            .cloned()
            .collect();
        assert!(!verify(&mut Cursor::new(&file), len, &anchors).unwrap().is_empty(), "{path}");
        let mut changed = file.clone();
        changed[0x1000] ^= 1;
        assert!(verify(&mut Cursor::new(&changed), len, &anchors).is_err(), "{path}");
        let nobody = [identity(0).certificate().clone()];
        assert!(verify(&mut Cursor::new(&file), len, &nobody).is_err(), "{path}");
    }
}

#[test]
fn boot_loaders_of_distributions_are_signed() {
    let path = "/usr/lib/systemd/boot/efi/systemd-bootx64.efi";
    let Ok(plain) = fs::read(path) else {
        tools::skip(&format!("{path} not found"));
        return;
    };
    let mut file = Cursor::new(plain.clone());
    sign(&mut file, plain.len() as u64, &identity(0), Options::default()).unwrap();
    assert_eq!(check(file.get_ref(), 0).unwrap(), 1);
    let dir = tempfile::tempdir().unwrap();
    let (efi, pem) = (dir.path().join("loader.efi"), dir.path().join("db.pem"));
    fs::write(&efi, file.into_inner()).unwrap();
    fs::write(&pem, identity(0).certificate().to_pem().unwrap()).unwrap();
    let arguments = ["--cert", tools::name(&pem), tools::name(&efi)];
    if let Some(text) = tools::text("sbverify", &arguments) {
        assert!(text.contains("Signature verification OK"), "{text}");
    }
}
