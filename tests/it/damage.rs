//! `bootwright verify` names what is wrong with a disk, structure by structure, and what MAAS and
//! curtin would not take.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;

use serde_json::Value;

use crate::disk::{bootwright, disk, inputs};
use crate::maas::{busybox, landing};
use crate::tools::{printed, require, run, text, tool};

/// Where the parts of a disk begin, in bytes.
fn offset(disk: &Path, name: &str) -> u64 {
    let told = bootwright("inspect", disk, &["--json"]);
    let told: Value = serde_json::from_slice(&told.stdout).unwrap();
    let parts = told["volumes"].as_array().unwrap();
    let part = parts.iter().find(|part| part["name"] == name).unwrap();
    part["offset"].as_u64().unwrap()
}

/// What `verify` says of a disk that is not sound.
fn complaint(disk: &Path) -> String {
    let damaged = bootwright("verify", disk, &[]);
    assert_eq!(damaged.status.code(), Some(1), "{}", printed(&damaged));
    printed(&damaged)
}

#[test]
fn a_changed_byte_is_found_in_every_structure() {
    require!("debugfs");
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let Some(base) = inputs(folder) else { return };
    run(&mut disk("disk", &base, folder, "edge"));
    let image = folder.join("edge.raw");
    let len = fs::metadata(&image).unwrap().len();
    let [efi, oem, recovery, content] =
        ["efi", "oem", "recovery", "COS_CONTENT"].map(|name| offset(&image, name));
    // The file system in the recovery partition begins with the first block of its file.
    let volume = format!("{}?offset={recovery}", image.display());
    let blocks = text(tool("debugfs").args(["-R", "blocks /cOS/recovery.img", &volume]));
    let block: u64 = blocks.split_whitespace().next().unwrap().parse().unwrap();
    let nested = recovery + block * 4096;
    let number = |at: u64| {
        let mut number = [0; 4];
        File::open(&image).unwrap().read_exact_at(&mut number, at).unwrap();
        u64::from(u32::from_le_bytes(number))
    };
    // A table of the first group: the blocks' bitmap (0), the inodes' (4), the inodes (8).
    let table = |volume: u64, which: u64| {
        let block_size = 1024 << number(volume + 1024 + 24);
        volume + number(volume + block_size.max(2048) + which) * block_size
    };
    let file = File::options().read(true).write(true).open(&image).unwrap();
    for (what, at, by) in [
        ("type of the protective entry", 450, "protective mbr"),
        ("signature of the boot record", 510, "protective mbr"),
        ("signature of the header", 512, "primary gpt: no header at sector 1"),
        ("CRC of the header", 512 + 16, "primary gpt: crc of the header"),
        ("the disk's GUID", 512 + 56, "primary gpt: crc of the header"),
        ("a partition's type", 1024, "primary gpt: crc of the entries"),
        ("a partition's name", 1024 + 128 + 56, "primary gpt: crc of the entries"),
        ("backup entries", len - 33 * 512 + 40, "backup gpt: crc of the entries"),
        ("backup header", len - 512 + 24, "backup gpt: crc of the header"),
        ("its signature", len - 512, "backup gpt: no header"),
        ("bytes of a FAT's sector", efi + 11, "partition 1 (efi)"),
        ("a FAT's first copy", efi + 4 * 512 + 100, "partition 1 (efi)"),
        ("free blocks of the superblock", oem + 1024 + 12, "partition 2 (oem): "),
        ("magic number", oem + 1024 + 56, "partition 2 (oem): it has no file system"),
        ("label", oem + 1024 + 120, r#"label is "#),
        ("block bitmap", table(oem, 0), "block bitmap of group 0"),
        ("inode bitmap", table(oem, 4), "inode bitmap of group 0"),
        ("the root's links", table(oem, 8) + 256 + 26, "partition 2 (oem): "),
        ("free inodes", recovery + 1024 + 16, "partition 3 (recovery): "),
        ("the system's superblock", nested + 1024 + 12, "cOS/recovery.img: "),
        ("the system's links", table(nested, 8) + 256 + 26, "cOS/recovery.img: "),
        ("superblock with a checksum", content + 1024 + 200, "checksum of superblock"),
        ("group descriptor", content + 2048 + 14, "checksum of group descriptor 0"),
        ("an inode", table(content, 8) + 256 + 8, "checksum of inode 2"),
    ] {
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).unwrap();
        file.write_all_at(&[byte[0] ^ 0x01], at).unwrap();
        let found = bootwright("verify", &image, &[]);
        let said = printed(&found);
        assert!(!found.status.success() && said.contains(by), "{what}: {said}");
        file.write_all_at(&byte, at).unwrap();
    }
    assert!(bootwright("verify", &image, &[]).status.success());
    for short in [512, 1 << 20, len / 2, len - 700] {
        file.set_len(len - short).unwrap();
        let said = complaint(&image);
        assert!(said.contains("partition table"), "{short}: {said}");
    }
}

#[test]
fn what_curtin_would_not_take_is_told() {
    require!("debugfs", "gzip", "zcat", "mmd");
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (Some(base), Some(busybox)) = (inputs(folder), busybox()) else { return };
    let made = landing(&base, folder, &["--busybox", busybox.to_str().unwrap()]);
    assert!(made.status.success(), "{}", printed(&made));
    let [packed, sound, image] =
        ["edge.raw.gz", "sound.raw", "edge.raw"].map(|name| folder.join(name));
    let shell = |script: &str| run(tool("sh").args(["-ec", script]).current_dir(folder));
    shell("zcat edge.raw.gz | dd bs=4M conv=sparse of=sound.raw status=none");
    let [efi, curtin, oem, recovery] =
        ["efi", "curtin", "oem", "recovery"].map(|name| offset(&sound, name));
    for (volume, request, by) in [
        (curtin, "set_inode_field /curtin/curtin-hooks mode 0100640", "cannot be executed"),
        (curtin, "rm /curtin/curtin-hooks", "/curtin/curtin-hooks is missing"),
        (oem, "mkdir /curtin", "2 partitions look like curtin's target"),
        (recovery, "mkdir /snaps", "2 partitions look like curtin's target"),
    ] {
        run(tool("cp").arg("--sparse=always").args([&sound, &image]));
        let volume = format!("{}?offset={volume}", image.display());
        run(tool("debugfs").args(["-w", "-R", request, &volume]));
        let said = complaint(&image);
        assert!(said.contains("MAAS cannot install this disk") && said.contains(by), "{said}");
    }
    run(tool("cp").arg("--sparse=always").args([&sound, &image]));
    run(tool("mmd").arg("-i").arg(format!("{}@@{efi}", image.display())).arg("::curtin"));
    assert!(complaint(&image).contains("2 partitions look like"), "{}", complaint(&image));
    // Programs that are there and do not run.
    run(tool("cp").arg("--sparse=always").args([&sound, &image]));
    let volume = format!("{}?offset={curtin}", image.display());
    let request = "set_inode_field /usr/bin/netplan mode 0100644";
    run(tool("debugfs").args(["-w", "-R", request, &volume]));
    let said = printed(&bootwright("verify", &image, &[]));
    assert!(said.contains("recent releases look for what is not there: netplan"), "{said}");

    // A disk for somebody else, packed: it is for MAAS by its name and has nothing for it.
    run(disk("disk", &base, folder, "other").args(["--size", "2GiB"]));
    shell("gzip -1 other.raw");
    assert!(complaint(&folder.join("other.raw.gz")).contains("no partition has a folder /curtin"));
    // The packing itself.
    let bytes = fs::read(&packed).unwrap();
    let side = folder.join("edge.raw.gz.sha256");
    fs::remove_file(&side).unwrap();
    fs::write(&packed, &bytes[..bytes.len() - 9]).unwrap();
    assert!(complaint(&packed).contains("cannot read"));
    let mut other = bytes.clone();
    let last = other.len() - 6;
    other[last] ^= 1;
    fs::write(&packed, &other).unwrap();
    assert!(complaint(&packed).contains("cannot read"));
    fs::write(&packed, &bytes).unwrap();
    fs::write(&side, format!("{}  edge.raw.gz\n", "0".repeat(64))).unwrap();
    assert!(complaint(&packed).contains("the SHA-256 is "));
}
