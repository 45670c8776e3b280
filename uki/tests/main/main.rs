//! Tests with boot loaders of the system, with crafted headers, and with damage.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::process::Command;

use bootwright_uki::fuzzing;
use bootwright_uki::pe::{Image, Machine, Subsystem};
use proptest::prelude::*;

fn skipped(what: &str) {
    #[expect(clippy::disallowed_methods, reason = "tests are told by the environment to be strict")]
    let in_ci = std::env::var_os("CI").is_some();
    assert!(!in_ci, "{what} not found");
    println!("SKIPPED: {what} not found");
}

/// An image with a `.sbat` section of `sbat` at byte 512, and behind it a certificate table.
struct Crafted {
    machine: u16,
    plus: bool,
    sbat: &'static [u8],
    certificates: Vec<Vec<u8>>,
}

impl Crafted {
    fn new() -> Self {
        let sbat = b"sbat,1,SBAT Version,sbat,1,https://example.org\nloader,3,Us,loader,7,x\n";
        Self { machine: 0x8664, plus: true, sbat, certificates: Vec::new() }
    }

    fn bytes(&self) -> Vec<u8> {
        const PE: usize = 0x40;
        let mut file = vec![0; 512];
        let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, b"MZ");
        put(0x3C, &u32::try_from(PE).unwrap().to_le_bytes());
        put(PE, b"PE\0\0");
        put(PE + 4, &self.machine.to_le_bytes());
        put(PE + 6, &1_u16.to_le_bytes());
        // The optional header: 96 or 112 bytes and 16 directories of 8.
        let optional = PE + 24;
        let (magic, fixed) = if self.plus { (0x20B_u16, 112) } else { (0x10B, 96) };
        put(PE + 20, &u16::try_from(fixed + 128).unwrap().to_le_bytes());
        put(optional, &magic.to_le_bytes());
        put(optional + 68, &10_u16.to_le_bytes());
        put(optional + fixed - 4, &16_u32.to_le_bytes());
        let table: u32 = self.certificates.iter().map(|c| u32::try_from(c.len()).unwrap()).sum();
        if table > 0 {
            put(optional + fixed + 32, &1024_u32.to_le_bytes());
            put(optional + fixed + 36, &table.to_le_bytes());
        }
        let section = optional + fixed + 128;
        put(section, b".sbat");
        put(section + 8, &u32::try_from(self.sbat.len()).unwrap().to_le_bytes());
        put(section + 12, &0x1000_u32.to_le_bytes());
        put(section + 16, &512_u32.to_le_bytes());
        put(section + 20, &512_u32.to_le_bytes());
        put(section + 36, &0x4000_0040_u32.to_le_bytes());
        file.extend(self.sbat);
        file.resize(1024, 0);
        file.extend(self.certificates.concat());
        file
    }
}

/// A certificate with padding to eight bytes.
fn certificate(data: &[u8]) -> Vec<u8> {
    let mut entry = (u32::try_from(data.len()).unwrap() + 8).to_le_bytes().to_vec();
    entry.extend([0, 2, 2, 0]);
    entry.extend(data);
    entry.resize(entry.len().next_multiple_of(8), 0);
    entry
}

#[test]
fn shim_and_grub_tell_what_they_are() {
    for (path, signed) in [
        ("/usr/lib/shim/shimx64.efi.signed", true),
        ("/usr/lib/shim/mmx64.efi.signed", true),
        ("/usr/lib/grub/x86_64-efi-signed/gcdx64.efi.signed", true),
        ("/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed", true),
        ("/usr/lib/grub/x86_64-efi/monolithic/grubx64.efi", false),
    ] {
        let Ok(file) = fs::read(path) else {
            skipped(path);
            continue;
        };
        let image = Image::parse(&file).unwrap();
        assert_eq!(image.machine, Machine::X86_64, "{path}");
        assert_eq!(image.subsystem, Subsystem::EfiApplication, "{path}");
        assert_eq!(image.is_signed(), signed, "{path}");
        assert!(image.certificates.iter().all(|c| (c.revision, c.kind) == (0x200, 2)));
        assert!(image.sbat()[0].starts_with("sbat,1,"), "{path}: {:?}", image.sbat());
        objdump_agrees(path, &image);
    }
}

/// Names and places in the file are those that objdump tells.
fn objdump_agrees(path: &str, image: &Image<'_>) {
    let Ok(output) = Command::new("objdump").args(["-h", path]).output() else {
        return skipped("objdump");
    };
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        // A binutils without this format.
        return println!("SKIPPED: objdump -h {path}");
    }
    let theirs: Vec<_> = text
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|words| words.len() == 7 && words[0].parse::<u32>().is_ok())
        .map(|words| (words[1].to_owned(), u64::from_str_radix(words[5], 16).unwrap()))
        .collect();
    let ours: Vec<_> = image
        .sections
        .iter()
        .map(|section| {
            (String::from_utf8_lossy(section.name).into_owned(), u64::from(section.offset))
        })
        .collect();
    assert_eq!(ours, theirs, "{path}");
}

#[test]
fn machines_kinds_sections_and_sbat_are_read() {
    for (number, machine, name) in [
        (0x8664, Machine::X86_64, "x86-64"),
        (0xAA64, Machine::Aarch64, "aarch64"),
        (0x5064, Machine::Riscv64, "riscv64"),
        (0x014C, Machine::I386, "i386"),
        (0x01C2, Machine::Other(0x01C2), "machine 0x01c2"),
    ] {
        let plus = machine != Machine::I386;
        let file = Crafted { machine: number, plus, ..Crafted::new() }.bytes();
        let image = Image::parse(&file).unwrap();
        assert_eq!(image.machine, machine);
        assert_eq!(image.machine.to_string(), name);
        assert_eq!(image.subsystem, Subsystem::EfiApplication);
        let section = image.section(".sbat").unwrap();
        assert_eq!((section.virtual_address, section.flags), (0x1000, 0x4000_0040));
        assert_eq!((section.raw.len(), section.content), (512, Crafted::new().sbat));
        assert_eq!(
            image.sbat(),
            ["sbat,1,SBAT Version,sbat,1,https://example.org", "loader,3,Us,loader,7,x"]
        );
        assert!(!image.is_signed());
    }
}

#[test]
fn an_image_may_lie_at_any_byte() {
    let mut file = vec![0];
    file.extend(Crafted::new().bytes());
    assert_eq!(Image::parse(&file[1..]).unwrap().machine, Machine::X86_64);
}

#[test]
fn long_section_names_come_from_the_string_table() {
    let mut file = Crafted::new().bytes();
    let name = file.windows(5).position(|window| window == b".sbat").unwrap();
    file[name..name + 5].copy_from_slice(b"/4\0\0\0");
    assert_eq!(Image::parse(&file).unwrap().sections[0].name, b"/4");
    // No symbols, and the string table behind them: its length, then names.
    file[0x4C..0x50].copy_from_slice(&1024_u32.to_le_bytes());
    file.extend(17_u32.to_le_bytes());
    file.extend(b".vendor_cert\0");
    assert!(Image::parse(&file).unwrap().section(".vendor_cert").is_some());
}

#[test]
fn every_signature_is_listed() {
    let certificates = vec![certificate(b"first"), certificate(b"second and longer")];
    let file = Crafted { certificates, ..Crafted::new() }.bytes();
    let image = Image::parse(&file).unwrap();
    let found: Vec<_> = image.certificates.iter().map(|c| (c.offset, c.len, c.data)).collect();
    assert_eq!(found, [(1024, 13, &b"first"[..]), (1040, 25, b"second and longer")]);
}

#[test]
fn what_is_no_image_is_refused() {
    let error = |file: &[u8]| Image::parse(file).unwrap_err().to_string();
    let nothing = "no PE image: no DOS header, or no PE header where it points to";
    assert_eq!(error(b""), nothing);
    assert_eq!(error(b"#!/bin/sh\n"), nothing);
    let sound = Crafted::new().bytes();
    assert_eq!(error(&sound[..0x50]), nothing);
    assert_eq!(error(&sound[..0x150]), "no PE image: a section table that is cut off");
    assert_eq!(error(&sound[..700]), r#"section ".sbat" ends at byte 1024, the file has 700"#);
    let mut unknown = sound.clone();
    unknown[0x58] = 7;
    assert_eq!(error(&unknown), "no PE image: an optional header of unknown kind, or cut off");
    let signed = Crafted { certificates: vec![certificate(b"x")], ..Crafted::new() }.bytes();
    assert_eq!(
        error(&signed[..1030]),
        "certificate table entry at byte 1024 with 16 bytes: the table ends at 1030"
    );
    for len in [0, 7, 17] {
        let mut wrong = signed.clone();
        wrong[1024] = len;
        assert_eq!(
            error(&wrong),
            format!(
                "certificate table entry at byte 1024 with {len} bytes: the table ends at 1040"
            )
        );
    }
}

#[test]
fn bent_images_never_panic() {
    let certificates = vec![certificate(b"first"), certificate(b"second")];
    let sound = Crafted { certificates, ..Crafted::new() }.bytes();
    for at in (0..sound.len()).filter(|at| !(600..1020).contains(at)) {
        for value in [0, 1, 7, 0x40, 0x7F, 0x80, 0xFF] {
            let mut bent = sound.clone();
            bent[at] = value;
            fuzzing::pe(&bent);
        }
        fuzzing::pe(&sound[..at]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_images_are_read_without_panic(
        changes in proptest::collection::vec((0_usize..1060, any::<u8>()), 1..12),
        plus in any::<bool>(),
    ) {
        let certificates = vec![certificate(b"first"), certificate(b"second")];
        let mut file = Crafted { plus, certificates, ..Crafted::new() }.bytes();
        for (at, value) in changes {
            if let Some(byte) = file.get_mut(at) {
                *byte = value;
            }
        }
        fuzzing::pe(&file);
    }
}
