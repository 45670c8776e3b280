//! An arm64 ISO made on any machine boots through shim and GRUB with Secure Boot enforced.

use std::path::PathBuf;
use std::process::Command;

use crate::fixture::{iso_named, project};
use crate::machine::{Firmware, Medium, available, boot};
use crate::tools::{find, require, run, skip, text, tool};

/// Made on first use: packages are unpacked, none of their programs run.
fn base_image() -> Option<PathBuf> {
    let layout = project().join("build/base-image-arm64");
    if find("mmdebstrap").is_none() {
        skip("mmdebstrap not found");
        return None;
    }
    run(Command::new(project().join("tests/base-image/make-arm64")).arg(&layout));
    Some(layout)
}

#[test]
fn arm64_boots_from_cd_with_secure_boot() {
    require!("xorriso", "mdir");
    let Some(base) = base_image() else { return };
    let folder = tempfile::tempdir().unwrap();
    // The console that every arm64 machine of QEMU's has; the menu is for people's machines.
    run(iso_named(&base, folder.path(), "arm64").args(["--extend-cmdline", "console=ttyAMA0"]));
    let iso = folder.path().join("arm64.iso");

    let report = text(tool("xorriso").arg("-indev").arg(&iso).args(["-report_el_torito", "plain"]));
    assert!(report.contains("UEFI"), "{report}");
    assert!(!report.contains("BIOS"), "x86 code on an arm64 medium:\n{report}");

    if available(Firmware::Arm64SecureBoot) {
        let lines = ["UEFI Secure Boot is enabled", "arm64 user space reached"];
        let log = boot(&iso, Firmware::Arm64SecureBoot, Medium::Cd, &lines);
        assert!(log.contains("root=live:CDLABEL=COS_LIVE"), "another command line:\n{log}");
    }
}
