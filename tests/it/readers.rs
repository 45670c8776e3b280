//! Readers that we did not write agree on the quickstart ISO.

use std::collections::BTreeMap;
use std::fs;
use std::io::BufReader;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use backhand::{FilesystemReader, InnerNode};

use crate::fixture::{base_image, kept, quickstart_iso, umoci_rootfs};
use crate::tools::{require, require_root, run, sha256, text, tool};
use crate::walk::{Entry, assert_same, walk};

/// A folder for one test that is not there from an earlier run, and gone after this one.
fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in(kept("readers")).unwrap()
}

/// Everything in the ISO's tree, taken out by one reader, as path and digest.
fn taken_out(reader: &str, iso: &Path, into: &Path) -> BTreeMap<PathBuf, String> {
    let mut command = tool(reader);
    match reader {
        "xorriso" => {
            command.args(["-osirrox", "on", "-indev"]).arg(iso).args(["-extract", "/"]).arg(into)
        }
        "bsdtar" => command.arg("-xf").arg(iso).arg("-C").arg(into),
        _ => command.args(["x", "-bd", "-y"]).arg(format!("-o{}", into.display())).arg(iso),
    };
    run(&mut command);
    // 7z shows what the boot catalog points to as files of its own.
    let mut files = BTreeMap::new();
    let mut folders = vec![into.to_owned()];
    while let Some(folder) = folders.pop() {
        for child in fs::read_dir(folder).unwrap() {
            let path = child.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(into).unwrap().to_owned();
                if !name.starts_with("[BOOT]") {
                    files.insert(name, sha256(&path));
                }
            }
        }
    }
    files
}

/// The squashfs, as xorriso takes it out of the ISO.
fn rootfs_squashfs(iso: &Path, into: &Path) -> PathBuf {
    extract(iso, "/rootfs.squashfs", into)
}

fn extract(iso: &Path, path: &str, into: &Path) -> PathBuf {
    let file = into.join(path.rsplit('/').next().unwrap());
    run(tool("xorriso")
        .args(["-osirrox", "on", "-indev"])
        .arg(iso)
        .arg("-extract")
        .arg(path)
        .arg(&file));
    file
}

#[test]
fn the_iso_tree_is_the_same_to_every_reader() {
    require!("xorriso", "bsdtar", "7z");
    let Some(iso) = quickstart_iso() else { return };
    let folder = scratch();
    let mut seen = Vec::new();
    for reader in ["xorriso", "bsdtar", "7z"] {
        let into = folder.path().join(reader);
        fs::create_dir(&into).unwrap();
        seen.push((reader, taken_out(reader, iso, &into)));
    }
    for (reader, files) in &seen[1..] {
        assert_eq!(files, &seen[0].1, "{reader} and {}", seen[0].0);
    }
    let files = &seen[0].1;
    for name in [
        "boot/kernel",
        "boot/initrd",
        "rootfs.squashfs",
        "boot/grub2/grub.cfg",
        "boot/grub/grub.cfg",
        "EFI/BOOT/grub.cfg",
        "EFI/BOOT/bootx64.efi",
        "EFI/BOOT/grubx64.efi",
    ] {
        assert!(files.contains_key(Path::new(name)), "no {name} in {:?}", files.keys());
    }
}

#[test]
fn xorriso_finds_both_boot_images_and_no_fault() {
    require!("xorriso");
    let Some(iso) = quickstart_iso() else { return };
    let report = text(tool("xorriso").arg("-indev").arg(iso).args([
        "-pvd_info",
        "-report_el_torito",
        "plain",
        "-report_system_area",
        "plain",
        "-check_media",
        "--",
    ]));
    for line in [
        "Volume Id    : COS_LIVE",
        "El Torito boot img :   1  BIOS  y   none",
        "El Torito boot img :   2  UEFI  y   none",
        "El Torito img opts :   1  boot-info-table grub2-boot-info",
        "grub2-mbr",
        "GPT",
    ] {
        assert!(report.contains(line), "no {line:?} in\n{report}");
    }
}

#[test]
fn labels_are_where_blkid_looks_for_them() {
    require!("blkid", "sgdisk", "sfdisk", "xorriso");
    let Some(iso) = quickstart_iso() else { return };
    let probe = |offset: u64| {
        text(tool("blkid").args(["-p", "-o", "export", "-O", &offset.to_string()]).arg(iso))
    };
    let whole = probe(0);
    for line in ["LABEL=COS_LIVE", "TYPE=iso9660", "PTTYPE=gpt"] {
        assert!(whole.lines().any(|found| found == line), "no {line} in\n{whole}");
    }
    let esp = probe(esp_start(iso));
    for line in ["LABEL=EFI_LIVE", "TYPE=vfat"] {
        assert!(esp.lines().any(|found| found == line), "no {line} in\n{esp}");
    }
}

/// Where the partition table has the EFI system partition, in bytes.
fn esp_start(iso: &Path) -> u64 {
    let table = text(tool("sfdisk").arg("--dump").arg(iso));
    let line = table
        .lines()
        .find(|line| line.contains("C12A7328-F81F-11D2-BA4B-00A0C93EC93B"))
        .unwrap_or_else(|| panic!("no EFI system partition in\n{table}"));
    let start = line.split("start=").nth(1).unwrap().split(',').next().unwrap();
    start.trim().parse::<u64>().unwrap() * 512
}

#[test]
fn partition_tables_are_clean() {
    require!("sgdisk", "sfdisk");
    let Some(iso) = quickstart_iso() else { return };
    let report = text(tool("sgdisk").arg("--verify").arg(iso));
    assert!(report.contains("No problems found"), "{report}");
    let verdict = run(tool("sfdisk").arg("--verify").arg(iso));
    let printed = crate::tools::printed(&verdict);
    assert!(!printed.to_lowercase().contains("corrupt"), "{printed}");
}

#[test]
fn the_esp_is_one_clean_fat_with_the_images_boot_loaders() {
    require!("fsck.fat", "mcopy", "mdir", "umoci", "xorriso", "sfdisk");
    require_root!();
    let Some(iso) = quickstart_iso() else { return };
    let Some(base) = base_image() else { return };
    let folder = scratch();
    let esp = extract(iso, "/boot/uefi.img", folder.path());
    run(tool("fsck.fat").arg("-n").arg(&esp));

    let rootfs = umoci_rootfs(&base);
    let loaders = [
        ("EFI/BOOT/bootx64.efi", "usr/lib/shim/shimx64.efi.signed"),
        ("EFI/BOOT/grubx64.efi", "usr/lib/grub/x86_64-efi-signed/gcdx64.efi.signed"),
    ];
    for (inside, from) in loaders {
        let copy = folder.path().join("loader");
        run(tool("mcopy").args(["-n", "-o", "-i"]).arg(&esp).arg(format!("::{inside}")).arg(&copy));
        assert_eq!(sha256(&copy), sha256(&rootfs.join(from)), "{inside}");
        let in_tree = extract(iso, &format!("/{inside}"), folder.path());
        assert_eq!(sha256(&in_tree), sha256(&copy), "{inside} in the ISO tree");
    }
    let listing = text(tool("mdir").args(["-/", "-b", "-i"]).arg(&esp));
    for name in ["EFI/BOOT/grub.cfg", "boot/grub/grub.cfg", "EFI/debian/grub.cfg"] {
        assert!(listing.to_lowercase().contains(&name.to_lowercase()), "no {name} in\n{listing}");
    }

    // Stored once: the partition's bytes are the file's bytes, at the file's place.
    let place = text(tool("xorriso").arg("-indev").arg(iso).args([
        "-find",
        "/boot/uefi.img",
        "-exec",
        "report_lba",
    ]));
    let block: u64 = place
        .lines()
        .find_map(|line| line.strip_prefix("File data lba:"))
        .and_then(|line| line.split(',').nth(1))
        .unwrap_or_else(|| panic!("no place in\n{place}"))
        .trim()
        .parse()
        .unwrap();
    assert_eq!(block * 2048, esp_start(iso));
}

#[test]
fn the_squashfs_holds_what_umoci_unpacks() {
    require!("unsquashfs", "umoci", "xorriso");
    require_root!();
    let Some(iso) = quickstart_iso() else { return };
    let Some(base) = base_image() else { return };
    let folder = scratch();
    let squashfs = rootfs_squashfs(iso, folder.path());
    let unpacked = folder.path().join("unsquashfs");
    run(tool("unsquashfs").args(["-no-progress", "-quiet", "-d"]).arg(&unpacked).arg(&squashfs));
    let ours = walk(&unpacked);
    let mut theirs = walk(&umoci_rootfs(&base));
    assert!(theirs.len() > 10_000, "only {} files in the base image", theirs.len());
    assert!(theirs.values().any(|entry| !entry.xattrs.is_empty()), "no file capability");
    assert!(theirs.values().any(|entry| entry.links > 1), "no hard link");
    // The one place that a live system mounts on and this base image lacks.
    theirs.insert("oem".into(), ours[Path::new("usr/local")].clone());
    assert_same(("unsquashfs", &ours), ("umoci", &theirs));
}

#[test]
fn backhand_reads_what_unsquashfs_reads() {
    require!("unsquashfs", "xorriso");
    require_root!();
    let Some(iso) = quickstart_iso() else { return };
    let folder = scratch();
    let squashfs = rootfs_squashfs(iso, folder.path());
    let unpacked = folder.path().join("unsquashfs");
    run(tool("unsquashfs").args(["-no-progress", "-quiet", "-d"]).arg(&unpacked).arg(&squashfs));
    let entries = walk(&unpacked);

    let file = BufReader::new(fs::File::open(&squashfs).unwrap());
    let reader = FilesystemReader::from_reader(file).unwrap();
    let mut count = 0;
    for node in reader.files() {
        let Ok(path) = node.fullpath.strip_prefix("/") else { panic!("{:?}", node.fullpath) };
        if path.as_os_str().is_empty() {
            continue;
        }
        let entry = entries.get(path).unwrap_or_else(|| panic!("only backhand has {path:?}"));
        assert_eq!(seen_by_backhand(node), seen_by_unsquashfs(entry), "{path:?}");
        count += 1;
    }
    assert_eq!(count, entries.len());
    assert_eq!(fs::metadata(&squashfs).unwrap().size() % 4096, 0, "not padded to whole pages");
}

type Seen = (char, u32, (u32, u32), u64, Option<PathBuf>);

fn seen_by_backhand(node: &backhand::Node<backhand::SquashfsFileReader>) -> Seen {
    let (kind, size, target) = match &node.inner {
        InnerNode::Dir(_) => ('d', 0, None),
        InnerNode::File(file) => ('f', u64::try_from(file.file_len()).unwrap(), None),
        InnerNode::Symlink(link) => ('l', 0, Some(link.link.clone())),
        InnerNode::CharacterDevice(_) => ('c', 0, None),
        InnerNode::BlockDevice(_) => ('b', 0, None),
        InnerNode::NamedPipe => ('p', 0, None),
        InnerNode::Socket => ('s', 0, None),
    };
    let header = node.header;
    (kind, u32::from(header.permissions), (header.uid, header.gid), size, target)
}

fn seen_by_unsquashfs(entry: &Entry) -> Seen {
    let size = if entry.kind == 'f' { entry.size } else { 0 };
    (entry.kind, entry.mode, entry.owner, size, entry.target.clone())
}
