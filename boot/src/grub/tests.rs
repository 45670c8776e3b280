use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::Command;

use liblzma::read::XzDecoder;
use liblzma::stream::Stream;

use super::core_image::filters;
use super::*;

const DIRECTORY: &str = "/usr/lib/grub/i386-pc";

fn skipped(what: &str) {
    #[expect(clippy::disallowed_methods, reason = "tests are told by the environment to be strict")]
    let in_ci = std::env::var_os("CI").is_some();
    assert!(!in_ci, "{what} not found");
    println!("SKIPPED: {what} not found");
}

/// GRUB's files on this machine.
fn installed() -> Option<GrubFiles> {
    let read = |name: &str| fs::read(Path::new(DIRECTORY).join(name)).ok();
    let Some(moddep) = read("moddep.lst") else {
        skipped(DIRECTORY);
        return None;
    };
    let mut modules = BTreeMap::new();
    for entry in fs::read_dir(DIRECTORY).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "mod") {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            modules.insert(name, fs::read(path).unwrap());
        }
    }
    Some(GrubFiles {
        cdboot: read("cdboot.img")?,
        diskboot: read("diskboot.img")?,
        lzma_decompress: read("lzma_decompress.img")?,
        kernel: read("kernel.img")?,
        moddep,
        modules,
    })
}

/// cdboot with diskboot, the decompressor, and what it would leave in memory.
fn parts(image: &[u8], files: &GrubFiles) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
    let (boot, core) = image.split_at(2048 + 512);
    let (decompressor, stream) = core.split_at(files.lzma_decompress.len());
    let word = |at: usize| u32::from_le_bytes(*decompressor[at..].first_chunk().unwrap());
    assert_eq!(word(8) as usize, stream.len());
    let decoder = Stream::new_raw_decoder(&filters().unwrap()).unwrap();
    let mut payload = Vec::new();
    let mut decoder = XzDecoder::new_stream(stream, decoder).take(word(12).into());
    decoder.read_to_end(&mut payload).unwrap();
    assert_eq!(payload.len(), word(12) as usize);
    (boot.to_vec(), decompressor.to_vec(), payload)
}

/// grub-mkimage's image.
fn mkimage(prefix: &str, modules: &[&str], config: Option<&str>) -> Option<Vec<u8>> {
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("core.img");
    let mut command = Command::new("grub-mkimage");
    command.args(["-O", "i386-pc-eltorito", "-p", prefix, "-o"]).arg(&image);
    if let Some(config) = config {
        let path = dir.path().join("early.cfg");
        fs::write(&path, config).unwrap();
        command.arg("-c").arg(path);
    }
    match command.args(modules).status() {
        Ok(status) => assert!(status.success()),
        Err(_) => {
            skipped("grub-mkimage");
            return None;
        }
    }
    Some(fs::read(image).unwrap())
}

#[test]
fn the_image_is_grub_mkimages_but_for_the_encoder() {
    let Some(files) = installed() else { return };
    let all = default_modules(&files).unwrap();
    for (prefix, modules, config) in [
        ("/boot/grub2", all.as_slice(), None),
        ("/boot/grub", &["normal", "biosdisk", "iso9660"][..], None),
        ("(cd0)/x", &["serial", "echo"][..], Some("serial\necho HELLO\n")),
        ("", &[][..], Some("abc")),
    ] {
        let ours = core_image(&files, prefix, modules, config).unwrap();
        let Some(theirs) = mkimage(prefix, modules, config) else { return };
        let (mut our_boot, mut our_decompressor, our_payload) = parts(&ours, &files);
        let (their_boot, their_decompressor, their_payload) = parts(&theirs, &files);
        assert!(our_payload == their_payload, "payloads of {prefix:?} differ");
        // The lengths of the compressed stream are the encoder's.
        our_boot[2048 + 508..2048 + 510].copy_from_slice(&their_boot[2048 + 508..2048 + 510]);
        our_decompressor[8..12].copy_from_slice(&their_decompressor[8..12]);
        assert_eq!(our_boot, their_boot);
        assert_eq!(our_decompressor, their_decompressor);
        let sectors = u64::from(u16::from_le_bytes(*ours[2556..].first_chunk().unwrap()));
        assert_eq!(sectors, (ours.len() as u64 - 2560).div_ceil(512));
    }
}

#[test]
fn missing_modules_are_named_with_who_needs_them() {
    let files = |moddep: &str, modules: &[&str]| GrubFiles {
        moddep: moddep.as_bytes().to_vec(),
        modules: modules.iter().map(|name| ((*name).to_owned(), vec![0; 3])).collect(),
        ..GrubFiles::default()
    };
    let order = |files: &GrubFiles, wanted: &[&str]| -> Result<Vec<String>, String> {
        let closure = modules::closure(files, wanted).map_err(|error| error.to_string())?;
        Ok(closure.into_iter().map(|(name, _)| name.to_owned()).collect())
    };
    let sound = files("a: b c\nb:\nc: b\n", &["a", "b", "c", "d"]);
    // From the last need to the first, each once.
    assert_eq!(order(&sound, &["a", "d", "b"]), Ok(["b", "c", "a", "d"].map(str::to_owned).into()));
    assert_eq!(
        order(&files("a: b\nb: a\n", &["a", "b"]), &["a"]),
        Err("moddep.lst has modules that need each other".to_owned())
    );
    assert_eq!(
        order(&files("a: b", &["a"]), &["a"]),
        Err(r#"no GRUB module "b", which "a" needs"#.to_owned())
    );
    assert_eq!(order(&files("", &[]), &["x"]), Err(r#"no GRUB module "x""#.to_owned()));
    assert_eq!(
        order(&files("a b", &["a"]), &["a"]),
        Err("moddep.lst has a line without a colon".to_owned())
    );
    assert_eq!(default_modules(&sound).unwrap_err().to_string(), r#"no GRUB module "iso9660""#);
}

#[test]
fn files_that_are_not_grubs_are_refused() {
    let Some(sound) = installed() else { return };
    let refusal = |change: fn(&mut GrubFiles)| {
        let mut files = sound.clone();
        change(&mut files);
        core_image(&files, "/boot/grub2", &["normal"], None).unwrap_err().to_string()
    };
    assert_eq!(refusal(|f| f.cdboot.clear()), "cdboot.img has not 2048 bytes");
    assert_eq!(
        refusal(|f| f.diskboot[511] = 0),
        "diskboot.img has not 512 bytes with a block list for 0x8200"
    );
    assert_eq!(refusal(|f| f.lzma_decompress.truncate(9)), "lzma_decompress.img is cut off");
    assert_eq!(
        refusal(|f| f.lzma_decompress.resize(4000, 0)),
        "lzma_decompress.img has more than 3584 bytes"
    );
    assert_eq!(
        refusal(|f| f.kernel.truncate(60)),
        "kernel.img has a section table that is cut off"
    );
    assert_eq!(refusal(|f| f.kernel.truncate(9)), "kernel.img has no sections");
    assert_eq!(refusal(|f| f.kernel[0] = 0), "kernel.img is no 32-bit little-endian ELF file");
    let mut noise = 1_u32;
    let mut incompressible = Vec::new();
    while incompressible.len() < 600_000 {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        incompressible.push(noise.to_le_bytes()[3]);
    }
    let mut files = sound.clone();
    files.modules.insert("noise".to_owned(), incompressible);
    let error = core_image(&files, "/boot/grub2", &["noise"], None).unwrap_err().to_string();
    assert!(error.starts_with("core image with its compressed modules reaches 0x"), "{error}");
    assert!(error.ends_with(": at most 0x78000"), "{error}");
    assert!(matches!(
        core_image(&sound, "a\0b", &[], None).unwrap_err(),
        GrubError::Text { what: "prefix" }
    ));
}

#[test]
fn the_prefix_of_an_efi_image_is_found() {
    for (image, prefix) in [
        ("/usr/lib/grub/x86_64-efi-signed/gcdx64.efi.signed", "/boot/grub"),
        ("/usr/lib/grub/x86_64-efi/monolithic/gcdx64.efi", "/boot/grub"),
        ("/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed", "/EFI/debian"),
    ] {
        let Ok(content) = fs::read(image) else {
            skipped(image);
            continue;
        };
        // Ubuntu and others have prefixes of their own.
        let found = embedded_prefix(&content).unwrap();
        assert!(found == prefix || found.starts_with("/EFI/"), "{image}: {found}");
    }
    assert_eq!(embedded_prefix(b""), None);
    assert_eq!(embedded_prefix(&[b'm'; 100]), None);
}

#[test]
fn bent_files_never_panic() {
    let Some(files) = installed() else { return };
    for at in (0..52).chain(0x7528..0x7528 + 400) {
        for value in [0, 1, 0x80, 0xFF] {
            let mut kernel = files.kernel.clone();
            if let Some(byte) = kernel.get_mut(at) {
                *byte = value;
            }
            fuzzing::kernel(&kernel);
        }
    }
    let mut info = b"mimg\0\0\0\0".to_vec();
    info.extend([24_u64, 44].map(u64::to_le_bytes).concat());
    info.extend([3_u32, 20].map(u32::to_le_bytes).concat());
    info.extend(b"/EFI/x\0\0\0\0\0\0");
    assert_eq!(embedded_prefix(&info).as_deref(), Some("/EFI/x"));
    for at in 0..info.len() {
        for value in [0, 1, 7, 0x7F, 0xFF] {
            let mut bent = info.clone();
            bent[at] = value;
            fuzzing::prefix(&bent);
            fuzzing::prefix(&bent[..at]);
        }
    }
    for text in ["", "normal", "normal:", "normal: normal", "a:\nnormal: a b", ":::\n\n"] {
        fuzzing::moddep(text.as_bytes());
    }
    fuzzing::moddep(&[0xFF; 9]);
}
