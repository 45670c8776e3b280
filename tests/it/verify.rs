//! `bootwright verify` accepts what was built and names what was damaged since.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Output};

use bootwright::boot::iso9660::read::Image;

use crate::fixture::{BOOTWRIGHT, iso_named};
use crate::small;
use crate::tools::{printed, run};

fn verify(file: &Path) -> Output {
    Command::new(BOOTWRIGHT).arg("verify").arg(file).output().unwrap()
}

/// First byte of a file of the ISO.
fn place(iso: &Path, path: &str) -> u64 {
    let mut image = Image::open(fs::File::open(iso).unwrap()).unwrap();
    let volume = image.info().primary().unwrap().clone();
    let entries = image.entries(&volume).unwrap();
    entries.iter().find(|entry| entry.path == path.as_bytes()).unwrap().extents[0].block * 2048
}

#[test]
fn damage_is_found_by_the_structure_and_by_the_checksum() {
    let folder = tempfile::tempdir().unwrap();
    let Some(base) = small::base_image(folder.path()) else { return };
    run(&mut iso_named(&base, folder.path(), "image"));
    let iso = folder.path().join("image.iso");
    let sound = verify(&iso);
    assert!(sound.status.success(), "{}", printed(&sound));
    assert!(printed(&sound).contains("ok  SHA-256: "), "{}", printed(&sound));

    let side = folder.path().join("image.iso.sha256");
    let sum = fs::read(&side).unwrap();
    let file = OpenOptions::new().read(true).write(true).open(&iso).unwrap();
    let squashfs = place(&iso, "rootfs.squashfs");
    for (at, by) in [
        (512 + 40, "partition table"),
        (16 * 2048 + 80, "ISO 9660"),
        // The reference to the root inode; contents stored as they are have no checksum.
        (squashfs + 33, "squashfs"),
        (place(&iso, "boot/uefi.img") + 11, "EFI system partition"),
        (place(&iso, "boot/kernel") + 100, "SHA-256"),
    ] {
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).unwrap();
        file.write_all_at(&[byte[0] ^ 0x40], at).unwrap();
        if by != "SHA-256" {
            fs::remove_file(&side).unwrap();
        }
        let damaged = verify(&iso);
        assert_eq!(damaged.status.code(), Some(1), "{at}: {}", printed(&damaged));
        assert!(printed(&damaged).contains(by), "{at}: {}", printed(&damaged));
        file.write_all_at(&byte, at).unwrap();
        fs::write(&side, &sum).unwrap();
    }
}
