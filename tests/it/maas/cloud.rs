//! Cloud images: what is in them arrives, whatever they are packed in, and what cannot be taken is
//! refused with a reason.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::cut;
use crate::disk::{debugfs, inputs};
use crate::fixture::BOOTWRIGHT;
use crate::small;
use crate::tools::{names, printed, require, run, sha256, tool};

/// Bytes of the cloud image's file system.
const LEN: &str = "96M";
const MENU_TABLE: &str = "LABEL=cloudimg-rootfs / ext4 defaults 0 1\nLABEL=UEFI /boot/efi vfat\n";
/// What debugfs adds without anybody's privileges: owners, devices, attributes, an access control
/// list (user 1000 may read and write).
const ADDED: &str = "\
cd /
mknod null c 1 3
mknod loop b 7 0
mknod pipe p
set_inode_field usr/bin/tool uid 33
set_inode_field usr/bin/tool gid 70000
set_inode_field usr/bin/tool mode 0104755
ea_set usr/bin/tool user.note hello
ea_set usr/bin/tool security.capability \"\\001\\000\\000\\002\\000\\040\\000\\000\\000\\000\\000\\000\\000\\000\\000\\000\\000\\000\\000\\000\"
ea_set etc/hostname system.posix_acl_access \"\\002\\000\\000\\000\\001\\000\\006\\000\\377\\377\\377\\377\\002\\000\\006\\000\\350\\003\\000\\000\\004\\000\\004\\000\\377\\377\\377\\377\\020\\000\\006\\000\\377\\377\\377\\377\\040\\000\\004\\000\\377\\377\\377\\377\"
";

/// The folder that the cloud images are made from.
fn cloud_folder(folder: &Path) -> PathBuf {
    let root = folder.join("cloud");
    for name in ["boot", "etc", "usr/bin", "var/many", "var/lib"] {
        fs::create_dir_all(root.join(name)).unwrap();
    }
    fs::write(root.join("boot/vmlinuz-6.8.0"), small::kernel()).unwrap();
    fs::write(root.join("boot/initrd.img-6.8.0"), vec![5; 1 << 20]).unwrap();
    for (link, target) in
        [("boot/vmlinuz", "vmlinuz-6.8.0"), ("boot/initrd.img", "initrd.img-6.8.0")]
    {
        std::os::unix::fs::symlink(target, root.join(link)).unwrap();
    }
    fs::write(root.join("etc/hostname"), "ubuntu\n").unwrap();
    fs::write(root.join("etc/fstab"), MENU_TABLE).unwrap();
    fs::write(root.join("usr/bin/tool"), "#!/bin/sh\n").unwrap();
    fs::hard_link(root.join("usr/bin/tool"), root.join("usr/bin/same")).unwrap();
    // A directory with a hash tree.
    for number in 0..400 {
        let name = format!("var/many/a name that takes its room in a block {number}");
        fs::write(root.join(name), format!("{number}")).unwrap();
    }
    let sparse = File::create(root.join("var/sparse")).unwrap();
    sparse.set_len(5 << 30).unwrap();
    sparse.write_all_at(b"middle", 3 << 30).unwrap();
    root
}

/// Makes an ext4 file system of the cloud folder with debugfs's additions.
fn cloud_image(folder: &Path, features: &str) -> PathBuf {
    let root = folder.join("cloud");
    let root = if root.exists() { root } else { cloud_folder(folder) };
    let image = folder.join("cloud.img");
    let _ = fs::remove_file(&image);
    let mut mke2fs = tool("mke2fs");
    mke2fs.args(["-q", "-t", "ext4", "-L", "cloudimg-rootfs", "-O", features]);
    mke2fs.args(["-E", "root_owner=0:0", "-d"]).arg(&root).arg(&image).arg(LEN);
    run(&mut mke2fs);
    let mut edit = tool("debugfs");
    edit.args(["-w", "-f", "-"]).arg(&image).stdin(Stdio::piped());
    let mut edit = edit.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    edit.stdin.take().unwrap().write_all(ADDED.as_bytes()).unwrap();
    assert!(edit.wait().unwrap().success());
    // Counts what debugfs did not, and makes hash trees.
    let status = tool("e2fsck").args(["-f", "-y", "-D"]).arg(&image).output().unwrap().status;
    assert!(matches!(status.code(), Some(0 | 1)), "{status}");
    image
}

fn command(base: &Path, folder: &Path, cloud: &str, name: &str) -> Command {
    let mut maas = Command::new(BOOTWRIGHT);
    maas.arg("maas").arg("--base").arg(format!("oci:{}", base.display()));
    maas.arg("--overlay-rootfs").arg(folder.join("overlay"));
    maas.args(["--cloud-rootfs", cloud]).current_dir(folder);
    maas.arg("--output").arg(folder).args(["--name", name]);
    maas
}

fn refused(base: &Path, folder: &Path, cloud: &str) -> String {
    let before = names(folder);
    let output: Output = command(base, folder, cloud, "refused").output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", printed(&output));
    assert_eq!(names(folder), before);
    printed(&output)
}

#[test]
fn a_cloud_image_keeps_what_is_in_it() {
    require!("mke2fs", "debugfs", "e2fsck", "zcat");
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let Some(base) = inputs(folder) else { return };
    cloud_image(folder, "64bit,metadata_csum");
    let made = run(&mut command(&base, folder, "cloud.img", "edge"));
    let said = printed(&made);
    assert!(said.contains("ext4 \"cloudimg-rootfs\" in cloud.img"), "{said}");
    assert!(said.contains("/etc/fstab of the cloud root file system is replaced"), "{said}");

    let found = cut(&folder.join("edge.raw.gz"), folder);
    let volume = found.into_iter().find(|(name, _)| name == "ubuntu_rootfs").unwrap().1;
    run(tool("e2fsck").args(["-f", "-n"]).arg(&volume));
    let ask = |request: &str| debugfs(&volume, request);
    assert_eq!(ask("cat /etc/hostname"), "ubuntu\n");
    assert_eq!(ask("cat /etc/fstab"), "LABEL=UBUNTU_ROOTFS / ext4 defaults 0 1\n");
    let tool = ask("stat /usr/bin/tool");
    for words in ["Mode:  04755", "Links: 2", "User:    33   Group: 70000"] {
        assert!(tool.contains(words), "{words}: {tool}");
    }
    assert_eq!(tool.lines().next(), ask("stat /usr/bin/same").lines().next(), "one inode");
    let attributes = ask("ea_list /usr/bin/tool");
    assert!(attributes.contains("user.note (5) = \"hello\""), "{attributes}");
    assert!(attributes.contains("security.capability (20) = 01 00 00 02"), "{attributes}");
    let list = ask("ea_list /etc/hostname");
    assert!(list.contains("system.posix_acl_access (28) = 01 00 00 00 01 00 06 00"), "{list}");
    assert!(list.contains(" 02 00 06 00 e8 03 00 00 "), "{list}");
    assert!(ask("stat /null").contains("Device major/minor number: 01:03"));
    assert!(ask("stat /loop").contains("Type: block"));
    assert!(ask("stat /pipe").contains("Type: FIFO"));
    assert_eq!(ask("ls -p /var/many").matches("/a name that takes").count(), 400);
    assert!(ask("htree_dump /var/many").contains("block 399"));
    let sparse = ask("stat /var/sparse");
    assert!(sparse.contains(&format!("Size: {}", 5_u64 << 30)), "{sparse}");
    assert!(sparse.contains("Blockcount: 8"), "holes stay holes: {sparse}");
    assert!(ask("stat /curtin/curtin-hooks").contains("Mode:  0750"));
    let wants = "/etc/systemd/system/multi-user.target.wants/setup-recovery.service";
    assert!(ask(&format!("stat {wants}")).contains("Type: symlink"));
}

#[test]
fn a_cloud_image_may_be_packed_as_one_likes() {
    require!("mke2fs", "debugfs", "e2fsck", "sgdisk", "gzip", "tar", "xz");
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let Some(base) = inputs(folder) else { return };
    let image = cloud_image(folder, "64bit,metadata_csum");
    disk_of(&image, &folder.join("disk.img"), &["8304"]);
    let shell = |script: &str| run(Command::new("sh").args(["-ec", script]).current_dir(folder));
    shell("gzip -1 -k cloud.img && gzip -1 -k disk.img && echo read me >notes.txt");
    // As Ubuntu packs them: sparse, with a small file or none beside.
    shell("tar --sparse -czf cloud.tar.gz cloud.img notes.txt");
    shell("tar --format=posix --sparse -cf - cloud.img | xz -0 >cloud.tar.xz");
    shell("tar -czf disk.tar.gz disk.img");
    let mut digests = Vec::new();
    for cloud in [
        "cloud.img",
        "cloud.img.gz",
        "disk.img",
        "disk.img.gz",
        "cloud.tar.gz",
        "tar:cloud.tar.gz",
        "tar:cloud.tar.xz",
        "disk.tar.gz",
    ] {
        run(&mut command(&base, folder, cloud, "edge"));
        digests.push((cloud, sha256(&folder.join("edge.raw.gz"))));
    }
    // What counts is what lies in the file system.
    assert!(digests.iter().all(|(_, digest)| *digest == digests[0].1), "{digests:#?}");
}

/// A disk with a small FAT and the file system in partitions of the types given.
fn disk_of(image: &Path, disk: &Path, types: &[&str]) {
    let mib = fs::metadata(image).unwrap().len() >> 20;
    let total = 4 + mib * types.len() as u64;
    File::create(disk).unwrap().set_len(total << 20).unwrap();
    let mut sgdisk = tool("sgdisk");
    sgdisk.args(["--new", "15:1M:+1M", "--typecode", "15:ef00"]);
    for (number, kind) in (1..).zip(types) {
        let first = 2 + mib * (number - 1);
        sgdisk.arg(format!("--new={number}:{first}M:+{mib}M"));
        sgdisk.arg(format!("--typecode={number}:{kind}"));
    }
    run(sgdisk.arg(disk));
    let bytes = fs::read(image).unwrap();
    let output = File::options().write(true).open(disk).unwrap();
    for number in 0..types.len() as u64 {
        output.write_all_at(&bytes, (2 + mib * number) << 20).unwrap();
    }
}

#[test]
fn what_cannot_be_taken_is_refused_with_a_reason() {
    require!("mke2fs", "debugfs", "e2fsck", "sgdisk", "gzip");
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let Some(base) = inputs(folder) else { return };
    let image = cloud_image(folder, "64bit,metadata_csum,inline_data");
    fs::rename(&image, folder.join("inline.img")).unwrap();
    let image = cloud_image(folder, "64bit,metadata_csum");
    let whole = fs::read(&image).unwrap();
    let damaged = |name: &str, damage: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = whole.clone();
        damage(&mut bytes);
        fs::write(folder.join(name), bytes).unwrap();
    };
    damaged("short.img", &|bytes| bytes.truncate(bytes.len() / 2));
    damaged("checksum.img", &|bytes| bytes[1024 + 0x78] ^= 1);
    damaged("virtual.img", &|bytes| bytes[..4].copy_from_slice(b"QFI\xfb"));
    damaged("noise.img", &|bytes| bytes[..4096].fill(7));
    fs::copy(&image, folder.join("journal.img")).unwrap();
    let journal = folder.join("journal.img");
    run(tool("debugfs").args(["-w", "-R", "feature needs_recovery"]).arg(&journal));
    // A file system that is no system's root.
    let plain = folder.join("plain.img");
    run(tool("mke2fs").args(["-q", "-t", "ext4"]).arg(&plain).arg("8M"));
    disk_of(&plain, &folder.join("none.img"), &["8300", "8300"]);
    disk_of(&image, &folder.join("two.img"), &["8300", "8300"]);
    fs::copy(folder.join("none.img"), folder.join("table.img")).unwrap();
    let table = File::options().write(true).open(folder.join("table.img")).unwrap();
    table.write_all_at(&[1], 1024 + 32).unwrap();
    let shell = |script: &str| run(Command::new("sh").args(["-ec", script]).current_dir(folder));
    shell("gzip -1 -c cloud.img | head -c 1000000 >short.img.gz");
    shell("tar -cf noise.tar noise.img && tar -cf virtual.tar virtual.img");
    for (cloud, reason, way_out) in [
        ("inline.img", "its content lies in the inode itself", "tar:FILE"),
        ("short.img", "number of blocks", "e2fsck -f"),
        ("checksum.img", "checksum of superblock", "e2fsck -f"),
        ("journal.img", "a journal that has to be replayed", "e2fsck -f"),
        ("virtual.img", "is a qcow2 image", "qemu-img convert"),
        ("virtual.tar", "virtual.img is a qcow2 image", "qemu-img convert"),
        ("noise.img", "noise.img", ""),
        ("noise.tar", "noise.img is of no known format", ""),
        ("plain.img", "has no root file system", "alone"),
        ("none.img", "of its 2 ext file systems none", "alone"),
        ("two.img", "in partitions 1 and 2", "alone"),
        ("table.img", "primary gpt: crc of the entries", "sgdisk"),
        ("short.img.gz", "short.img.gz", ""),
    ] {
        let said = refused(&base, folder, cloud);
        assert!(said.contains(cloud.trim_end_matches(".tar")), "{cloud}: {said}");
        assert!(said.contains(reason) && said.contains(way_out), "{cloud}: {said}");
    }
}

#[test]
fn the_type_of_a_partition_says_which_root_it_is() {
    require!("mke2fs", "debugfs", "e2fsck", "sgdisk");
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let Some(base) = inputs(folder) else { return };
    let image = cloud_image(folder, "64bit,metadata_csum");
    disk_of(&image, &folder.join("two.img"), &["8300", "8304"]);
    let made = run(&mut command(&base, folder, "two.img", "edge"));
    assert!(printed(&made).contains("in partition 2 of two.img"), "{}", printed(&made));
}
