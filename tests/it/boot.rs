//! The quickstart ISO reaches a login prompt on every firmware and medium.

use crate::fixture::quickstart_iso;
use crate::machine::{Firmware, Medium, available, boot};

/// The name is set in the base image: the prompt comes from the system inside the squashfs.
const LOGIN: &str = "palette-edge login:";
/// The kernel's own words; firmware that only claims to check does not make it say so.
const SECURE: &str = "secureboot: Secure boot enabled";

fn reaches_login(firmware: Firmware, medium: Medium, lines: &[&str]) {
    if !available(firmware) {
        return;
    }
    if let Some(iso) = quickstart_iso() {
        boot(iso, firmware, medium, lines);
    }
}

#[test]
fn uefi_with_secure_boot_from_cd() {
    reaches_login(Firmware::SecureBoot, Medium::Cd, &[SECURE, LOGIN]);
}

#[test]
fn uefi_from_usb() {
    reaches_login(Firmware::Uefi, Medium::Usb, &[LOGIN]);
}

#[test]
fn bios_from_cd() {
    reaches_login(Firmware::Bios, Medium::Cd, &[LOGIN]);
}

#[test]
fn bios_from_disk() {
    reaches_login(Firmware::Bios, Medium::Disk, &[LOGIN]);
}
