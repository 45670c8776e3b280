//! Unified kernel images.

use std::fs;
use std::io::{Cursor, Write as _};
use std::sync::Arc;

use bootwright_uki::authenticode::{self, Options};
use bootwright_uki::hash::{Hash, hex};
use bootwright_uki::pcr::PHASES;
use bootwright_uki::pe::Image;
use bootwright_uki::signer::Signer;
use bootwright_uki::unified::{Build, Built, Ingredients, Profile, compat, inspect, uname};

use crate::support::{KEYS, debian_stub, identity, kernel, stub};
use crate::tools;

const INITRD: [u8; 12_345] = [0x28; 12_345];

fn ingredients(stub: Vec<u8>) -> Ingredients {
    let mut ingredients = Ingredients::new(stub, kernel(), "console=ttyS0 quiet");
    ingredients.os_release = Some(b"ID=test\n".to_vec());
    ingredients.uname = uname(&kernel());
    ingredients.splash = Some(b"BM\0\0".to_vec());
    ingredients
}

fn with_policies(stub: Vec<u8>, key: usize) -> Ingredients {
    let pcr_signer: Arc<dyn Signer> = Arc::clone(&KEYS[key]) as _;
    Ingredients { pcr_signer: Some(pcr_signer), ..ingredients(stub) }
}

fn build(ingredients: Ingredients) -> (Vec<u8>, Built) {
    let mut build = Build::begin(ingredients, Cursor::new(Vec::new())).unwrap();
    INITRD.chunks(1000).for_each(|piece| build.write_all(piece).unwrap());
    let (output, built) = build.finish().unwrap();
    assert_eq!(output.position(), built.len);
    assert_eq!(output.get_ref().len() as u64, built.len);
    (output.into_inner(), built)
}

fn names(image: &Image<'_>) -> Vec<String> {
    image.sections.iter().map(|s| String::from_utf8_lossy(s.name).into_owned()).collect()
}

/// What every loader demands: sections in order, aligned, without gaps and overlaps.
fn check_layout(file: &[u8], memory_alignment: u32) {
    let image = Image::parse(file).unwrap();
    let mut memory_end = 0;
    for section in &image.sections {
        assert!(section.virtual_address >= memory_end, "{section:?}");
        memory_end = section.virtual_address + section.virtual_size;
        assert_eq!(section.offset % 0x200, 0);
    }
    for section in image.sections.iter().skip_while(|section| section.name != b".osrel") {
        assert_eq!(section.virtual_address % memory_alignment, 0);
        assert_eq!(section.content.len(), section.virtual_size as usize);
    }
    let mut raw: Vec<_> = image.sections.iter().map(|s| (s.offset as usize, s.raw.len())).collect();
    raw.sort_unstable();
    assert!(raw.windows(2).all(|pair| pair[0].0 + pair[0].1 == pair[1].0), "{raw:x?}");
    let (last, len) = raw.last().copied().unwrap();
    assert_eq!(last + len, file.len());
    let number = |at: usize| u32::from_le_bytes(*file[at..].first_chunk().unwrap());
    let nt = number(0x3C) as usize;
    assert_eq!(number(nt + 24 + 56), memory_end.next_multiple_of(memory_alignment));
    assert_eq!(number(nt + 24 + 60) as usize, raw[0].0);
}

#[test]
fn contents_are_where_the_section_table_says() {
    let (file, built) = build(ingredients(stub()));
    check_layout(&file, 0x1000);
    let image = Image::parse(&file).unwrap();
    assert_eq!(
        names(&image),
        [
            ".text", ".sbat", ".sdmagic", ".osrel", ".cmdline", ".uname", ".splash", ".linux",
            ".initrd"
        ]
    );
    for (name, content) in [
        (".osrel", &b"ID=test\n"[..]),
        (".cmdline", b"console=ttyS0 quiet"),
        (".uname", b"6.1.0-test"),
        (".linux", &kernel()),
        (".initrd", &INITRD),
    ] {
        assert_eq!(image.section(name).unwrap().content, content, "{name}");
    }
    let sbat = image.sbat();
    assert!(sbat[0].starts_with("sbat,1,SBAT Version,") && sbat.len() == 3, "{sbat:?}");
    // The kernel is marked NX_COMPAT like the stub.
    assert_eq!(file[0x58 + 70..][..2], 0x160_u16.to_le_bytes());
    assert_eq!(built.contributions.iter().map(|c| &*c.name).next(), Some("stub"));
    assert_eq!(build(ingredients(stub())).0, file);
}

#[test]
fn a_kernel_that_is_not_nx_compat_takes_the_mark_away() {
    let mut plain = kernel();
    plain[0x58 + 70..][..2].copy_from_slice(&0x60_u16.to_le_bytes());
    let (file, _) = build(Ingredients { kernel: plain, ..ingredients(stub()) });
    assert_eq!(file[0x58 + 70..][..2], 0x60_u16.to_le_bytes());
}

#[test]
fn what_cannot_boot_is_refused() {
    let error =
        |ingredients| Build::begin(ingredients, Cursor::new(Vec::new())).unwrap_err().to_string();
    let with_kernel =
        |kernel: &[u8]| Ingredients { kernel: kernel.to_vec(), ..ingredients(stub()) };
    assert!(error(with_kernel(b"\x1F\x8B\x08")).contains("compressed with gzip"));
    assert!(error(with_kernel(b"text")).contains("cannot be started by UEFI"));
    let mut arm = kernel();
    arm[0x44..0x46].copy_from_slice(&0xAA64_u16.to_le_bytes());
    assert_eq!(error(with_kernel(&arm)), "the stub is for x86-64, the kernel for aarch64");
    let line = Ingredients { cmdline: "a\nb".to_owned(), ..ingredients(stub()) };
    assert_eq!(error(line), r#"the command line "a\nb" holds a line break"#);
    // The made-up stub measures nothing.
    assert!(error(with_policies(stub(), 0)).contains("policies for it would never hold"));
    let mut file = Cursor::new(stub());
    authenticode::sign(&mut file, stub().len() as u64, &identity(0), Options::default()).unwrap();
    assert_eq!(error(ingredients(file.into_inner())), "the stub cannot be used");
    let many = vec![b"tree".to_vec(); 90];
    let many = Ingredients { device_trees: many, ..ingredients(stub()) };
    let build = Build::begin(many, Cursor::new(Vec::new())).unwrap_err();
    let cause = std::error::Error::source(&build).unwrap().to_string();
    assert_eq!(cause, "99 sections: 96 is the limit");
    let many = vec![b"tree".to_vec(); 80];
    let many = Ingredients { device_trees: many, ..ingredients(stub()) };
    Build::begin(many, Cursor::new(Vec::new())).unwrap();
}

/// A stub as Debian 12 has it for arm64: it lies in the file as in memory, and what the linker put
/// behind its only section is still there; an assembler filled the headers.
fn memory_image() -> Vec<u8> {
    let mut file = stub();
    let code = file[0x400..0x600].to_vec();
    file.truncate(0x58 + 240 + 40);
    while file.len() < 0x1000 {
        file.extend(0xD503_201F_u32.to_le_bytes());
    }
    file.extend(code);
    for (at, value) in [(0x58 + 56, 0x1200), (0x58 + 240 + 8, 0x200), (0x58 + 240 + 20, 0x1000)] {
        file[at..at + 4].copy_from_slice(&u32::to_le_bytes(value));
    }
    file[0x46] = 1;
    let text: Vec<u8> =
        "systemd-stub 252.39-1\0".encode_utf16().flat_map(u16::to_le_bytes).collect();
    file[0x1100..0x1100 + text.len()].copy_from_slice(&text);
    file.extend(b"sbat,1,SBAT Version,sbat,1,x\n");
    file
}

#[test]
fn what_lies_behind_a_memory_image_is_left_out() {
    let stub = memory_image();
    let (file, built) = build(ingredients(stub.clone()));
    check_layout(&file, 0x1000);
    assert_eq!(built.measured.version.as_deref(), Some("252.39-1"));
    let image = Image::parse(&file).unwrap();
    assert_eq!(image.section(".text").unwrap().content, &stub[0x1000..0x1200]);
    let again = inspect(Cursor::new(&file), built.len).unwrap();
    assert_eq!(again.measured, built.measured);

    // Elsewhere it could be something that is needed.
    let mut full = stub.clone();
    full[0x58 + 240 + 48] = 1;
    let build = Build::begin(ingredients(full), Cursor::new(Vec::new())).unwrap_err();
    let cause = std::error::Error::source(&build).unwrap().to_string();
    assert_eq!(cause, "no PE image: data behind the section table");
    let mut other = stub;
    other[0x58 + 56..0x58 + 60].copy_from_slice(&0x1400_u32.to_le_bytes());
    let build = Build::begin(ingredients(other), Cursor::new(Vec::new())).unwrap_err();
    let cause = std::error::Error::source(&build).unwrap().to_string();
    assert_eq!(cause, "no PE image: data behind the last section");
}

#[test]
fn the_stub_of_debian_gets_room_and_keeps_its_own_sections() {
    let Some(stub) = debian_stub() else { return };
    let (file, built) = build(with_policies(stub.clone(), 0));
    let alignment =
        if built.measured.version.as_ref().unwrap().starts_with("252") { 0x200 } else { 0x1000 };
    check_layout(&file, alignment);
    let (old, new) = (Image::parse(&stub).unwrap(), Image::parse(&file).unwrap());
    for section in old.sections.iter().filter(|section| section.name != b".sbat") {
        let kept = new.sections.iter().find(|s| s.name == section.name).unwrap();
        assert_eq!(
            (kept.content, kept.virtual_address),
            (section.content, section.virtual_address)
        );
    }
    assert!(new.sbat().iter().any(|line| line.starts_with("linux,1,")), "{:?}", new.sbat());
}

#[test]
fn predictions_are_those_of_systemd_for_the_finished_image() {
    let Some(stub) = debian_stub() else { return };
    let (file, built) = build(with_policies(stub, 0));
    let image = Image::parse(&file).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut arguments = vec!["calculate".to_owned()];
    for name in &built.measured.sections {
        if let Some(section) = image.section(name) {
            let path = dir.path().join(name);
            fs::write(&path, section.content).unwrap();
            arguments.push(format!("--{}={}", &name[1..], tools::name(&path)));
        }
    }
    arguments.extend(PHASES.map(|phase| format!("--phase={phase}")));
    arguments.push("--bank=sha256".to_owned());
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let measure = "/usr/lib/systemd/systemd-measure";
    let Some(text) = tools::text(measure, &arguments) else { return };
    let theirs: Vec<_> = text.lines().filter(|line| line.starts_with("11:")).collect();
    let ours = built.predictions[0].predictions.iter().filter(|p| p.bank == Hash::Sha256);
    let ours: Vec<_> = ours.map(|p| format!("11:sha256={}", hex(&p.value))).collect();
    assert_eq!(ours, theirs);
}

#[test]
fn an_image_is_inspected_as_it_was_built() {
    let Some(stub) = debian_stub() else { return };
    let mut ingredients = with_policies(stub, 0);
    let profile = |id: &str, cmdline: Option<&str>| Profile {
        id: id.to_owned(),
        title: format!("Profile {id}"),
        cmdline: cmdline.map(str::to_owned),
    };
    ingredients.profiles = vec![profile("main", None), profile("debug", Some("debug"))];
    ingredients.device_trees = vec![b"one".to_vec(), b"two".to_vec()];
    let (file, built) = build(ingredients);
    let found = inspect(Cursor::new(&file), file.len() as u64).unwrap();
    assert_eq!(found.predictions, built.predictions);
    assert_eq!(found.measured, built.measured);
    assert_eq!(found.cmdline.as_deref(), Some("console=ttyS0 quiet"));
    assert_eq!(found.uname.as_deref(), Some("6.1.0-test"));
    assert_eq!(found.pcr_key.as_ref(), Some(KEYS[0].public_key()));
    let same = compat(&found, &found);
    assert!(same.opens() && same.coverage.iter().all(|c| c.before && c.now));
}

#[test]
fn a_disk_opens_only_with_policies_by_its_key() {
    let Some(stub) = debian_stub() else { return };
    let look = |ingredients: Ingredients| {
        let (file, _) = build(ingredients);
        inspect(Cursor::new(&file), file.len() as u64).unwrap()
    };
    let old = look(with_policies(stub.clone(), 0));
    let newer = Ingredients { cmdline: "other".to_owned(), ..with_policies(stub.clone(), 0) };
    assert!(compat(&old, &look(newer)).opens());
    let other_key = compat(&old, &look(with_policies(stub.clone(), 1)));
    assert!(!other_key.opens() && other_key.old_key != other_key.new_key);
    let fewer =
        Ingredients { phases: vec![PHASES[0].to_owned()], ..with_policies(stub.clone(), 0) };
    let fewer = compat(&old, &look(fewer));
    assert!(!fewer.opens());
    assert!(fewer.coverage.iter().all(|c| c.now == (c.phase == PHASES[0])));
    let no_sha256 = Ingredients { banks: vec![Hash::Sha384], ..with_policies(stub.clone(), 0) };
    assert!(!compat(&old, &look(no_sha256)).opens());
    assert!(!compat(&old, &look(ingredients(stub))).opens());
}

#[test]
fn a_signed_image_has_no_gaps_for_others() {
    let Some(stub) = debian_stub() else { return };
    let (file, built) = build(with_policies(stub, 0));
    let mut file = Cursor::new(file);
    let len = authenticode::sign(&mut file, built.len, &identity(0), Options::default()).unwrap();
    assert_eq!(len, file.get_ref().len() as u64);
    let dir = tempfile::tempdir().unwrap();
    let (efi, pem) = (dir.path().join("uki.efi"), dir.path().join("db.pem"));
    fs::write(&efi, file.into_inner()).unwrap();
    fs::write(&pem, identity(0).certificate().to_pem().unwrap()).unwrap();
    if let Some(output) = tools::run("sbverify", &["--cert", tools::name(&pem), tools::name(&efi)])
    {
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && errors.is_empty(), "{errors}");
    }
    let arguments = ["verify", "-CAfile", tools::name(&pem), "-in", tools::name(&efi)];
    if let Some(text) = tools::text("osslsigncode", &arguments) {
        assert!(
            text.contains("Signature verification: ok") && !text.contains("MISMATCH"),
            "{text}"
        );
    }
    if let Some(text) = tools::text("objdump", &["-h", tools::name(&efi)]) {
        assert!(text.contains(".initrd       00003039"), "{text}");
    }
}
