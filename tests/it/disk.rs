//! Disks: read by other tools, the same every time, and booted through the whole chain.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::fixture::BOOTWRIGHT;
use crate::small;
use crate::tools::{names, require, run, sha256, text, tool};

fn disk(base: &Path, output: &Path) -> Command {
    let mut command = Command::new(BOOTWRIGHT);
    command.args(["disk", "--name", "edge", "--output"]).arg(output);
    command.arg("--base").arg(format!("oci:{}", base.display()));
    command
}

fn refusal(command: &mut Command) -> String {
    let Output { status, stderr, .. } = command.output().unwrap();
    assert_eq!(status.code(), Some(1), "{}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stderr).unwrap()
}

/// The partitions of a disk in files of their own, by their names.
fn split(disk: &Path, folder: &Path) -> BTreeMap<String, PathBuf> {
    let told = text(tool("sfdisk").arg("--json").arg(disk));
    let told: Value = serde_json::from_str(&told).unwrap();
    let table = &told["partitiontable"];
    let sector = table["sectorsize"].as_u64().unwrap_or(512);
    let partitions = table["partitions"].as_array().unwrap();
    let cut = |partition: &Value| {
        let name = partition["name"].as_str().unwrap().to_owned();
        let part = folder.join(format!("{name}.part"));
        let bytes = |key: &str| partition[key].as_u64().unwrap() * sector;
        run(tool("dd")
            .args(["bs=1M", "conv=sparse", "status=none", "iflag=skip_bytes,count_bytes"])
            .arg(format!("skip={}", bytes("start")))
            .arg(format!("count={}", bytes("size")))
            .arg(format!("if={}", disk.display()))
            .arg(format!("of={}", part.display())));
        (name, part)
    };
    partitions.iter().map(cut).collect()
}

fn debugfs(image: &Path, request: &str) -> String {
    text(tool("debugfs").arg("-R").arg(request).arg(image))
}

fn label(image: &Path) -> String {
    let told =
        text(tool("blkid").args(["-p", "-s", "LABEL", "-s", "TYPE", "-o", "export"]).arg(image));
    let lines = told.lines().filter(|line| line.starts_with("LABEL=") || line.starts_with("TYPE="));
    lines.collect::<Vec<_>>().join(" ")
}

#[test]
fn others_find_every_partition_sound_and_what_was_put_there() {
    require!("sfdisk", "sgdisk", "dd", "e2fsck", "debugfs", "fsck.fat", "mdir", "blkid");
    let temp = tempfile::tempdir().unwrap();
    let Some(base) = small::base_image(temp.path()) else { return };
    let user_data = temp.path().join("user-data");
    fs::write(&user_data, "#cloud-config\nhostname: edge\n").unwrap();
    let content = temp.path().join("content");
    fs::create_dir(&content).unwrap();
    fs::write(content.join("bundle.zst"), vec![7; 3 << 20]).unwrap();
    let mut command = disk(&base, temp.path());
    command.arg("--user-data").arg(&user_data).arg("--content").arg(&content);
    run(&mut command);
    let image = temp.path().join("edge.raw");
    let checked = text(tool("sgdisk").arg("--verify").arg(&image));
    assert!(checked.contains("No problems found"), "{checked}");

    let parts = split(&image, temp.path());
    assert_eq!(parts.keys().collect::<Vec<_>>(), ["COS_CONTENT", "efi", "oem", "recovery"]);
    for (name, wanted) in [
        ("efi", "LABEL=COS_GRUB TYPE=vfat"),
        ("oem", "LABEL=COS_OEM TYPE=ext2"),
        ("recovery", "LABEL=COS_RECOVERY TYPE=ext2"),
        ("COS_CONTENT", "LABEL=COS_CONTENT TYPE=ext4"),
    ] {
        assert_eq!(label(&parts[name]), wanted);
        if name == "efi" {
            run(tool("fsck.fat").arg("-n").arg(&parts[name]));
        } else {
            run(tool("e2fsck").arg("-fn").arg(&parts[name]));
        }
    }
    let listed = text(tool("mdir").args(["-b", "-/", "-i"]).arg(&parts["efi"]).arg("::"));
    assert!(listed.contains("EFI/BOOT/bootx64.efi") && listed.contains("grub.cfg"), "{listed}");

    let grubenv = debugfs(&parts["oem"], "cat /grubenv");
    assert!(grubenv.starts_with("# GRUB Environment Block\nnext_entry=recovery\n##"), "{grubenv}");
    assert_eq!(grubenv.len(), 1024);
    // GRUB writes the block in place: it must lie in whole blocks, without holes.
    let blocks = debugfs(&parts["oem"], "blocks /grubenv");
    assert_eq!(blocks.split_whitespace().count(), 1, "{blocks}");
    assert_eq!(debugfs(&parts["oem"], "cat /90_custom.yaml"), "#cloud-config\nhostname: edge\n");
    assert!(debugfs(&parts["oem"], "cat /01_reset.yaml").contains("fsLabel: COS_STATE"));
    assert!(debugfs(&parts["recovery"], "cat /etc/cos/grub.cfg").contains("/cOS/recovery.img"));
    assert!(debugfs(&parts["COS_CONTENT"], "ls -p /bundle-content").contains("bundle.zst"));

    let system = temp.path().join("system.img");
    debugfs(&parts["recovery"], &format!("dump /cOS/recovery.img {}", system.display()));
    assert_eq!(label(&system), "LABEL=COS_SYSTEM TYPE=ext2");
    run(tool("e2fsck").arg("-fn").arg(&system));
    assert!(debugfs(&system, "stat /usr/bin/setuid").contains("Mode:  04755"));
}

#[test]
fn nobody_gets_in_without_user_data() {
    require!("sfdisk", "dd", "debugfs");
    let temp = tempfile::tempdir().unwrap();
    let Some(base) = small::base_image(temp.path()) else { return };
    run(&mut disk(&base, temp.path()));
    let parts = split(&temp.path().join("edge.raw"), temp.path());
    assert_eq!(debugfs(&parts["oem"], "cat /90_custom.yaml"), "#cloud-config\n");
}

#[test]
fn the_same_inputs_give_the_same_disk_and_others_give_other_identifiers() {
    require!("sfdisk");
    let temp = tempfile::tempdir().unwrap();
    let Some(base) = small::base_image(temp.path()) else { return };
    let make = |name: &str, more: &[&str]| {
        let folder = temp.path().join(name);
        run(disk(&base, &folder).args(more));
        folder.join("edge.raw")
    };
    let (one, two) = (make("one", &[]), make("two", &[]));
    assert_eq!(sha256(&one), sha256(&two));
    let overlay = temp.path().join("overlay");
    fs::create_dir(&overlay).unwrap();
    fs::write(overlay.join("more"), "x").unwrap();
    let other = make("other", &["--overlay-rootfs", overlay.to_str().unwrap()]);
    let identifier = |image: &Path| text(tool("sfdisk").arg("--disk-id").arg(image));
    assert_ne!(identifier(&one), identifier(&other));
}

#[test]
fn a_size_is_kept_and_one_too_small_is_refused_before_anything_is_written() {
    require!("sgdisk");
    let temp = tempfile::tempdir().unwrap();
    let Some(base) = small::base_image(temp.path()) else { return };
    run(disk(&base, temp.path()).args(["--size", "3GiB", "--sector-size", "512"]));
    let image = temp.path().join("edge.raw");
    assert_eq!(fs::metadata(&image).unwrap().len(), 3 << 30);
    let checked = text(tool("sgdisk").arg("--verify").arg(&image));
    assert!(checked.contains("No problems found"), "{checked}");

    let folder = temp.path().join("small disk");
    let told = refusal(disk(&base, &folder).args(["--size", "100MiB"]));
    assert!(told.contains("104857600"), "{told}");
    assert!(!folder.exists() || names(&folder).is_empty());
}

#[test]
fn partitions_can_have_files_of_their_own() {
    require!("blkid");
    let temp = tempfile::tempdir().unwrap();
    let Some(base) = small::base_image(temp.path()) else { return };
    let folder = temp.path().join("parts");
    run(disk(&base, &folder).args(["--partitions", "--sector-size", "4096"]));
    assert_eq!(names(&folder), ["edge-efi.img", "edge-oem.img", "edge-recovery.img"]);
    assert_eq!(label(&folder.join("edge-recovery.img")), "LABEL=COS_RECOVERY TYPE=ext2");
}

#[test]
fn a_disk_for_maas_unpacks_to_one_that_others_find_sound() {
    require!("gzip", "pigz", "sgdisk", "sfdisk", "dd", "e2fsck", "debugfs");
    let temp = tempfile::tempdir().unwrap();
    let Some(base) = small::base_image(temp.path()) else { return };
    let make = |folder: &Path, jobs: &str| {
        let image = format!("oci:{}", base.display());
        let mut command = Command::new(BOOTWRIGHT);
        command.args(["maas", "--name", "m", "--jobs", jobs, "--base", &image]);
        let done =
            command.args(["--cloud-rootfs", &image, "--output"]).arg(folder).output().unwrap();
        assert!(done.status.success(), "{done:?}");
        String::from_utf8(done.stdout).unwrap()
    };
    let told = make(&temp.path().join("one"), "1");
    assert!(told.contains("filetype=ddgz content@="), "{told}");
    let packed = temp.path().join("one/m.raw.gz");
    make(&temp.path().join("five"), "5");
    assert_eq!(sha256(&packed), sha256(&temp.path().join("five/m.raw.gz")));
    let line = fs::read_to_string(temp.path().join("one/m.raw.gz.sha256")).unwrap();
    assert_eq!(line, format!("{}  m.raw.gz\n", sha256(&packed)));
    run(tool("pigz").arg("--test").arg(&packed));
    run(tool("gzip").args(["--decompress", "--keep"]).arg(&packed));
    let image = temp.path().join("one/m.raw");
    let checked = text(tool("sgdisk").arg("--verify").arg(&image));
    assert!(checked.contains("No problems found"), "{checked}");
    let parts = split(&image, temp.path());
    assert_eq!(parts.keys().collect::<Vec<_>>(), ["efi", "oem", "recovery", "ubuntu_rootfs"]);
    let cloud = &parts["ubuntu_rootfs"];
    run(tool("e2fsck").arg("-fn").arg(cloud));
    assert_eq!(label(cloud), "LABEL=UBUNTU_ROOTFS TYPE=ext4");
    // What curtin looks for, in one partition alone.
    assert!(debugfs(cloud, "stat /curtin/curtin-hooks").contains("Mode:  0750"));
    let wants = "/etc/systemd/system/multi-user.target.wants/setup-recovery.service";
    assert!(debugfs(cloud, &format!("stat {wants}")).contains("setup-recovery.service"));
    let grubenv = debugfs(&parts["oem"], "cat /grubenv");
    assert!(grubenv.contains("next_entry=ubuntu-firstboot\n"), "{grubenv}");
    assert!(debugfs(&parts["oem"], "cat /grubcustom").contains("--id ubuntu-firstboot"));
}
