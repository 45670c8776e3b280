//! Raw disks and disks for MAAS: other people's tools agree on them, the bytes depend on the inputs
//! alone, what cannot be is refused, and firmware boots them.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::fixture::{BOOTWRIGHT, base_image, made_once, program_and_base};
use crate::machine::{Board, Firmware, Medium, available, boot};
use crate::small;
use crate::tools::{names, printed, require, run, sha256, skip, text, tool};

pub(crate) const GRUB: &str = "/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed";
const USER_DATA: &str = "#cloud-config\nhostname: edge\n";
const LOGIN: &str = "palette-edge login:";
const RECOVERY: &str = "root=live:LABEL=COS_RECOVERY";
/// What systemd says when it starts the first boot's service, as far as the console is wide, and
/// when the machine goes down, which is the last that the service asks for.
const SERVICE: &str = "over to the recovery system";
const DOWN: &str = "Rebooting.";
const FIRST: &str = "root=LABEL=UBUNTU_ROOTFS";

/// A small base image, and beside it what the tests' disks are made from; `None` after saying what
/// is missing.
pub(crate) fn inputs(folder: &Path) -> Option<PathBuf> {
    let base = small::base_image(folder)?;
    if !Path::new(GRUB).is_file() {
        skip(&format!("{GRUB} not found"));
        return None;
    }
    let overlay = folder.join("overlay").join(GRUB.trim_start_matches('/'));
    fs::create_dir_all(overlay.parent().unwrap()).unwrap();
    fs::copy(GRUB, overlay).unwrap();
    fs::create_dir(folder.join("content-a")).unwrap();
    fs::write(folder.join("content-a/bundle.zst"), vec![7; 1 << 20]).unwrap();
    fs::write(folder.join("user-data"), USER_DATA).unwrap();
    Some(base)
}

pub(crate) fn disk(command: &str, base: &Path, folder: &Path, name: &str) -> Command {
    let mut disk = Command::new(BOOTWRIGHT);
    disk.arg(command).arg("--base").arg(format!("oci:{}", base.display()));
    disk.arg("--overlay-rootfs").arg(folder.join("overlay"));
    disk.arg("--user-data").arg(folder.join("user-data"));
    disk.arg("--content").arg(folder.join("content-a"));
    disk.arg("--output").arg(folder).args(["--name", name]);
    if command == "maas" {
        disk.arg("--cloud-rootfs").arg(format!("oci:{}", base.display()));
    }
    disk
}

pub(crate) fn bootwright(command: &str, file: &Path, more: &[&str]) -> std::process::Output {
    Command::new(BOOTWRIGHT).arg(command).arg(file).args(more).output().unwrap()
}

/// Cuts the partitions out of a disk, by what `inspect` says of it.
pub(crate) fn partitions(disk: &Path, folder: &Path) -> Vec<(String, PathBuf)> {
    let told = bootwright("inspect", disk, &["--json"]);
    let told: Value = serde_json::from_slice(&told.stdout).unwrap();
    let source = File::open(disk).unwrap();
    let cut = |part: &Value| {
        let name = part["name"].as_str().unwrap().to_owned();
        let [offset, len] = ["offset", "bytes"].map(|key| part[key].as_u64().unwrap());
        let path = folder.join(format!("{name}.cut"));
        let output = File::create(&path).unwrap();
        output.set_len(len).unwrap();
        let mut buffer = vec![0; 1 << 20];
        for at in (0..len).step_by(buffer.len()) {
            let most = (len - at).min(1 << 20) as usize;
            source.read_exact_at(&mut buffer[..most], offset + at).unwrap();
            if buffer[..most].iter().any(|byte| *byte != 0) {
                output.write_all_at(&buffer[..most], at).unwrap();
            }
        }
        (name, path)
    };
    told["volumes"].as_array().unwrap().iter().map(cut).collect()
}

/// What everybody else says of a disk's volumes.
fn check_volumes(disk: &Path, folder: &Path) -> Vec<String> {
    let mut labels = Vec::new();
    for (name, volume) in partitions(disk, folder) {
        if name == "efi" {
            run(tool("fsck.fat").args(["-n", "-V"]).arg(&volume));
            let listing = text(tool("mdir").args(["-b", "-/", "-i"]).arg(&volume).arg("::"));
            assert!(listing.contains("EFI/BOOT/bootx64.efi"), "{listing}");
        } else {
            run(tool("e2fsck").args(["-f", "-n"]).arg(&volume));
        }
        let label = text(tool("blkid").args(["-o", "value", "-s", "LABEL"]).arg(&volume));
        labels.push(format!("{name} {}", label.trim()));
    }
    labels
}

pub(crate) fn debugfs(volume: &Path, request: &str) -> String {
    text(tool("debugfs").args(["-R", request]).arg(volume))
}

#[test]
fn other_tools_agree_on_a_disk() {
    require!("sgdisk", "sfdisk", "fsck.fat", "e2fsck", "debugfs", "mdir", "blkid");
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let Some(base) = inputs(folder) else { return };
    run(disk("disk", &base, folder, "edge").args(["--size", "2GiB"]));
    let image = folder.join("edge.raw");
    assert!(text(tool("sgdisk").arg("-v").arg(&image)).contains("No problems found"));
    let table = text(tool("sfdisk").arg("--json").arg(&image));
    let table: Value = serde_json::from_str(&table).unwrap();
    let last = table["partitiontable"]["lastlba"].as_u64().unwrap();
    assert_eq!(last, (2 << 30) / 512 - 34, "the backup table ends the disk");
    assert_eq!(fs::metadata(&image).unwrap().len(), 2 << 30);
    assert!(fs::metadata(&image).unwrap().blocks() * 512 < 300 << 20, "zeros take room");

    let wanted =
        ["efi COS_GRUB", "oem COS_OEM", "recovery COS_RECOVERY", "COS_CONTENT COS_CONTENT"];
    assert_eq!(check_volumes(&image, folder), wanted);
    let oem = folder.join("oem.cut");
    assert_eq!(debugfs(&oem, "cat /90_custom.yaml"), USER_DATA);
    let environment = debugfs(&oem, "cat /grubenv");
    assert!(environment.contains("\nnext_entry=recovery\n#"), "{environment}");
    assert_eq!(environment.len(), 1024);
    // GRUB writes it where it lies: one place, no hole.
    assert_eq!(debugfs(&oem, "blocks /grubenv").split_whitespace().count(), 1);
    // The recovery image is a volume, too.
    let nested = folder.join("system.cut");
    debugfs(&folder.join("recovery.cut"), &format!("dump /cOS/recovery.img {}", nested.display()));
    run(tool("e2fsck").args(["-f", "-n"]).arg(&nested));
    let label = text(tool("blkid").args(["-o", "value", "-s", "LABEL"]).arg(&nested));
    assert_eq!(label.trim(), "COS_SYSTEM");
    let content = debugfs(&folder.join("COS_CONTENT.cut"), "ls -p /bundle-content");
    assert!(content.contains("/bundle.zst/1048576/"), "{content}");

    let verified = bootwright("verify", &image, &[]);
    assert!(verified.status.success(), "{}", printed(&verified));
}

#[test]
fn disks_of_large_sectors_are_sound_too() {
    require!("fsck.fat", "e2fsck", "mdir", "blkid");
    let folder = tempfile::tempdir().unwrap();
    let Some(base) = inputs(folder.path()) else { return };
    run(disk("disk", &base, folder.path(), "edge").args(["--sector-size", "4096"]));
    let image = folder.path().join("edge.raw");
    assert_eq!(check_volumes(&image, folder.path()).len(), 4);
    let verified = bootwright("verify", &image, &[]);
    assert!(printed(&verified).contains("sectors of 4096 bytes"), "{}", printed(&verified));
}

#[test]
fn partitions_may_be_files_of_their_own() {
    require!("fsck.fat", "e2fsck", "blkid");
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let Some(base) = inputs(folder) else { return };
    run(&mut disk("disk", &base, folder, "edge"));
    let before = names(folder);
    let mut apart = disk("disk", &base, folder, "apart");
    let made = run(apart.args(["--partitions", "--progress", "json"]));
    let told: Value = serde_json::from_slice(&made.stdout).unwrap();
    // What lies in the recovery image is written once.
    let events = String::from_utf8(made.stderr).unwrap();
    let events = events.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let write: Vec<Value> = events.filter(|event| event["phase"] == "write").collect();
    let total = write[0]["total"].as_u64().unwrap();
    assert_eq!(write.last().unwrap()["done"].as_u64().unwrap(), total, "{write:?}");
    let parts = partitions(&folder.join("edge.raw"), folder);
    assert_eq!(parts.len(), 4);
    for (name, cut) in &parts {
        let alone = folder.join(format!("apart-{name}.img"));
        assert_eq!(sha256(&alone), sha256(cut), "{name}");
        assert!(told.to_string().contains(&format!("apart-{name}.img")), "{told}");
        let checked = if name == "efi" { "fsck.fat" } else { "e2fsck" };
        run(tool(checked).arg("-n").arg(&alone));
    }
    let new = names(folder).into_iter().filter(|name| !before.contains(name));
    assert!(new.filter(|name| !name.ends_with(".cut")).all(|name| name.starts_with("apart-")));
    // A length of what is no disk makes no sense.
    let both = disk("disk", &base, folder, "apart").args(["--partitions", "--size", "4G"]).output();
    assert_eq!(both.unwrap().status.code(), Some(2));
}

#[test]
fn a_base_image_brings_its_own_menu() {
    require!("debugfs");
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let Some(base) = inputs(folder) else { return };
    let built_in = run(&mut disk("disk", &base, folder, "edge"));
    assert!(printed(&built_in).contains("has no /etc/cos/grub.cfg"), "{}", printed(&built_in));
    let own = folder.join("overlay/etc/cos/grub.cfg");
    fs::create_dir_all(own.parent().unwrap()).unwrap();
    fs::write(&own, "set timeout=1\nmenuentry own {\n}\n").unwrap();
    let made = run(&mut disk("disk", &base, folder, "edge"));
    assert!(!printed(&made).contains("grub.cfg"), "{}", printed(&made));
    let parts = partitions(&folder.join("edge.raw"), folder);
    let recovery = &parts.iter().find(|(name, _)| name == "recovery").unwrap().1;
    assert_eq!(debugfs(recovery, "cat /etc/cos/grub.cfg"), fs::read_to_string(&own).unwrap());
    // It knows the image by its own name.
    assert!(!debugfs(recovery, "ls -p /cOS").contains("rootfs.img"));
    fs::write(&own, vec![b'#'; 2 << 20]).unwrap();
    let refused = disk("disk", &base, folder, "edge").output().unwrap();
    assert_eq!(refused.status.code(), Some(1), "{}", printed(&refused));
}

#[test]
fn the_same_inputs_give_the_same_disk_and_others_other_identifiers() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let Some(base) = inputs(folder) else { return };
    let identifiers = |name: &str| {
        let told = bootwright("inspect", &folder.join(format!("{name}.raw")), &["--json"]);
        let told: Value = serde_json::from_slice(&told.stdout).unwrap();
        told["gpt"]["disk guid"].to_string()
    };
    for name in ["one", "two"] {
        run(&mut disk("disk", &base, folder, name));
    }
    let digests = ["one", "two"].map(|name| sha256(&folder.join(format!("{name}.raw"))));
    assert_eq!(digests[0], digests[1]);
    fs::write(folder.join("overlay/more"), "more").unwrap();
    run(&mut disk("disk", &base, folder, "other"));
    assert_ne!(identifiers("one"), identifiers("other"));

    for jobs in ["1", "2", "5"] {
        run(disk("maas", &base, folder, &format!("maas-{jobs}")).args(["--jobs", jobs]));
    }
    let digest = |jobs: &str| sha256(&folder.join(format!("maas-{jobs}.raw.gz")));
    assert!([digest("2"), digest("5")].iter().all(|other| *other == digest("1")));
}

#[test]
fn a_disk_that_is_too_small_is_refused_before_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let Some(base) = inputs(folder.path()) else { return };
    let before = names(folder.path());
    let refused = disk("disk", &base, folder.path(), "edge").args(["--size", "1GiB"]).output();
    let refused = refused.unwrap();
    assert_eq!(refused.status.code(), Some(1));
    let text = printed(&refused);
    assert!(
        text.contains("1073741824 bytes is too small") && text.contains("are needed"),
        "{text}"
    );
    assert_eq!(names(folder.path()), before);
}

#[test]
fn a_disk_for_maas_is_gzip_that_everybody_reads() {
    require!("gzip", "zcat", "pigz", "python3", "sgdisk", "fsck.fat", "e2fsck", "mdir", "blkid");
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let Some(base) = inputs(folder) else { return };
    run(&mut disk("maas", &base, folder, "edge"));
    let packed = folder.join("edge.raw.gz");
    run(tool("gzip").arg("-t").arg(&packed));
    run(tool("sha256sum").args(["--check", "edge.raw.gz.sha256"]).current_dir(folder));
    let raw = folder.join("edge.raw");
    let shell = |script: &str| {
        run(Command::new("sh").args(["-c", script, "sh"]).arg(&packed).arg(&raw));
        sha256(&raw)
    };
    // As curtin writes a disk, and two more.
    let wanted = shell("zcat \"$1\" | dd bs=4M conv=sparse of=\"$2\" status=none");
    assert_eq!(shell("pigz -dc \"$1\" >\"$2\""), wanted);
    let python = "import gzip, shutil, sys; \
                  shutil.copyfileobj(gzip.open(sys.argv[1]), open(sys.argv[2], 'wb'))";
    run(tool("python3").args(["-c", python]).arg(&packed).arg(&raw));
    assert_eq!(sha256(&raw), wanted);

    assert!(text(tool("sgdisk").arg("-v").arg(&raw)).contains("No problems found"));
    let labels = check_volumes(&raw, folder);
    let wanted = [
        "efi COS_GRUB",
        "ubuntu_rootfs UBUNTU_ROOTFS",
        "oem COS_OEM",
        "recovery COS_RECOVERY",
        "content COS_CONTENT",
    ];
    assert_eq!(labels, wanted);
    let verified = bootwright("verify", &packed, &[]);
    let said = printed(&verified);
    assert!(verified.status.success(), "{said}");
    assert!(said.contains("boot-resources create name=custom/edge title=edge "), "{said}");
    assert!(said.contains("architecture=amd64/generic filetype=ddgz content@="), "{said}");
    assert_eq!(names(folder).iter().filter(|name| name.contains("unpacked")).count(), 0);
}

/// A disk of the quickstart's base image, made once.
fn made(command: &str, file: &str) -> Option<PathBuf> {
    let base = base_image()?;
    let folder = made_once(command, &program_and_base(&base), |folder| {
        let mut disk = Command::new(BOOTWRIGHT);
        disk.arg(command).arg("--base").arg(format!("oci:{}", base.display()));
        disk.arg("--output").arg(folder).args(["--name", "edge"]);
        if command == "maas" {
            disk.arg("--cloud-rootfs").arg(format!("oci:{}", base.display()));
        }
        run(&mut disk);
        if command == "maas" {
            let script = "zcat \"$1\" | dd bs=4M conv=sparse of=\"$2\" status=none";
            let [packed, raw] = ["edge.raw.gz", "edge.raw"].map(|name| folder.join(name));
            run(Command::new("sh").args(["-c", script, "sh"]).arg(&packed).arg(&raw));
            fs::remove_file(packed).unwrap();
        }
    });
    Some(folder.join(file))
}

#[test]
fn a_disk_starts_its_recovery_system_securely() {
    if !available(Firmware::SecureBoot) {
        return;
    }
    let Some(image) = made("disk", "edge.raw") else { return };
    boot(&image, Firmware::SecureBoot, Medium::Disk, &[RECOVERY, LOGIN]);
}

#[test]
fn a_disk_for_maas_boots_its_cloud_system_once_and_then_recovery() {
    // Firmware of this kind lets a machine start anew.
    if !available(Firmware::SetupMode) {
        return;
    }
    let Some(image) = made("maas", "edge.raw") else { return };
    let board = Board::new("maas", Firmware::SetupMode);
    // The second login prompt is that of recovery, since the kernel before it was told so.
    let steps = [FIRST, SERVICE, DOWN, RECOVERY, LOGIN];
    let log = board.boot_in_order(&image, Medium::Disk, &steps);
    assert_eq!(log.matches("Linux version").count(), 2, "{log}");
}
