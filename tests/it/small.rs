//! A base image of a few megabytes with this machine's own signed boot loaders, for tests that
//! build many ISOs and boot none.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tar::{EntryType, Header};

use crate::tools::{sha256, skip};

const SHIM: &str = "/usr/lib/shim/shimx64.efi.signed";
const GRUB: &str = "/usr/lib/grub/x86_64-efi-signed/gcdx64.efi.signed";
const CREATED: &str = "2026-01-02T03:04:05Z";
const MTIME: u64 = 1_767_323_045;

/// Makes the OCI layout `FOLDER/small`; `None` after saying what is missing.
pub(crate) fn base_image(folder: &Path) -> Option<PathBuf> {
    if let Some(missing) = [SHIM, GRUB].iter().find(|path| !Path::new(path).is_file()) {
        skip(&format!("{missing} not found"));
        return None;
    }
    let layout = folder.join("small");
    let blobs = layout.join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();

    let layer = put(&blobs, &write_layer(&folder.join("layer")), "layer.v1.tar");
    let config = folder.join("config");
    let rootfs = json!({ "type": "layers", "diff_ids": [layer["digest"]] });
    write_json(
        &config,
        &json!({ "created": CREATED, "architecture": "amd64", "os": "linux", "rootfs": rootfs }),
    );
    let config = put(&blobs, &config, "config.v1+json");
    let manifest = folder.join("manifest");
    write_json(
        &manifest,
        &json!({ "schemaVersion": 2, "mediaType": media_type("manifest.v1+json"), "config": config, "layers": [layer] }),
    );
    let manifest = put(&blobs, &manifest, "manifest.v1+json");
    write_json(&layout.join("index.json"), &json!({ "schemaVersion": 2, "manifests": [manifest] }));
    write_json(&layout.join("oci-layout"), &json!({ "imageLayoutVersion": "1.0.0" }));
    Some(layout)
}

/// A root file system as small as dracut, the boot-loader search and the squashfs let it be.
fn write_layer(path: &Path) -> PathBuf {
    let mut tar = tar::Builder::new(File::create(path).unwrap());
    for folder in ["boot", "etc", "proc", "usr", "usr/bin", "var", "var/data"] {
        add(&mut tar, folder, EntryType::Directory, 0o755, &[]);
    }
    add(&mut tar, "boot/vmlinuz-6.1.0", EntryType::Regular, 0o644, &kernel());
    add(&mut tar, "boot/initrd.img-6.1.0", EntryType::Regular, 0o600, &noise(3, 2 << 20));
    link(&mut tar, "boot/vmlinuz", "vmlinuz-6.1.0");
    link(&mut tar, "boot/initrd", "initrd.img-6.1.0");
    for path in [SHIM, GRUB] {
        let loader = fs::read(path).unwrap();
        add(&mut tar, path.trim_start_matches('/'), EntryType::Regular, 0o644, &loader);
    }
    add(&mut tar, "etc/kairos-release", EntryType::Regular, 0o644, b"KAIROS_NAME=\"small\"\n");
    add(&mut tar, "usr/bin/setuid", EntryType::Regular, 0o4755, b"#!/bin/true\n");
    for number in 0..40_u8 {
        // Compressible, incompressible and repeated; whole blocks and tails.
        let length = usize::from(number) * 97_531;
        let mut content = noise(u32::from(number % 30), length / 2);
        content.resize(length, number);
        add(&mut tar, &format!("var/data/{number}"), EntryType::Regular, 0o644, &content);
    }
    tar.into_inner().unwrap().flush().unwrap();
    path.to_owned()
}

/// The marks by which a boot loader knows an x86 kernel; nobody runs it.
pub(crate) fn kernel() -> Vec<u8> {
    let mut kernel = noise(7, 3 << 20);
    kernel[0x1fe..0x200].copy_from_slice(&[0x55, 0xaa]);
    kernel[0x202..0x206].copy_from_slice(b"HdrS");
    kernel
}

/// Bytes without a pattern, the same on every machine.
fn noise(seed: u32, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    (0..length)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state.to_le_bytes()[3]
        })
        .collect()
}

fn header(kind: EntryType, mode: u32, size: usize) -> Header {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(MTIME);
    header.set_size(u64::try_from(size).unwrap());
    header
}

fn add(tar: &mut tar::Builder<File>, path: &str, kind: EntryType, mode: u32, content: &[u8]) {
    tar.append_data(&mut header(kind, mode, content.len()), path, content).unwrap();
}

fn link(tar: &mut tar::Builder<File>, path: &str, target: &str) {
    tar.append_link(&mut header(EntryType::Symlink, 0o777, 0), path, target).unwrap();
}

fn write_json(path: &Path, value: &Value) {
    fs::write(path, value.to_string()).unwrap();
}

fn media_type(kind: &str) -> String {
    format!("application/vnd.oci.image.{kind}")
}

/// Moves a file among the blobs; its descriptor.
fn put(blobs: &Path, file: &Path, kind: &str) -> Value {
    let digest = sha256(file);
    let size = fs::metadata(file).unwrap().len();
    fs::rename(file, blobs.join(&digest)).unwrap();
    json!({ "mediaType": media_type(kind), "digest": format!("sha256:{digest}"), "size": size })
}
