//! Every target of a project, on a small base image with stand-ins for everything else.

mod made;

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::fixture::BOOTWRIGHT;
use crate::tools::{names, printed, require, run, sha256, text, tool};
use made::Made;

const LOADER: &str = "/usr/lib/systemd/boot/efi/systemd-bootx64.efi";
const IMAGE: &str = "ttl.sh/ubuntu:k3s-1.26.4-v4.4.12-demo";
const USER_DATA: &str = "#cloud-config\nssh_authorized_keys:\n  - ssh-ed25519 AAAA me\n";

fn on_medium(iso: &Path, path: &str) -> Vec<u8> {
    run(tool("bsdtar").arg("-xOf").arg(iso).arg(path)).stdout
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{path:?}: {error}"))
}

/// Cuts a partition out of a disk.
fn partition(disk: &Path, name: &str, to: &Path) -> PathBuf {
    let told = text(Command::new(BOOTWRIGHT).arg("inspect").arg(disk).arg("--json"));
    let told: Value = serde_json::from_str(&told).unwrap();
    let volumes = told["volumes"].as_array().unwrap();
    let found = volumes.iter().find(|volume| volume["name"] == name).unwrap();
    let [offset, len] = ["offset", "bytes"].map(|key| found[key].as_u64().unwrap());
    let output = to.join(format!("{name}.cut"));
    run(tool("dd")
        .arg(format!("if={}", disk.display()))
        .arg(format!("of={}", output.display()))
        .args(["bs=1M", "conv=sparse", "iflag=skip_bytes,count_bytes"])
        .arg(format!("skip={offset}"))
        .arg(format!("count={len}")));
    output
}

/// A file of an ext2 or ext4 volume.
fn in_volume(volume: &Path, path: &str) -> String {
    text(tool("debugfs").arg("-R").arg(format!("cat {path}")).arg(volume))
}

#[test]
fn the_installer_is_what_the_steps_make_of_the_base_image() {
    require!("bsdtar", "unsquashfs");
    let Some(made) = Made::new() else { return };
    made.built(&["+iso"]);
    let squashfs = made.folder.path().join("rootfs.squashfs");
    fs::write(&squashfs, on_medium(&made.at("build/edge.iso"), "rootfs.squashfs")).unwrap();
    let root = made.folder.path().join("rootfs");
    run(tool("unsquashfs").args(["-no-xattrs", "-d"]).arg(&root).arg(&squashfs));
    assert_eq!(read(&root.join("opt/spectrocloud/bin/stylus-agent")), "agent of stylus\n");
    assert_eq!(read(&root.join("opt/spectrocloud/local-ui/index.html")), "<html>\n");
    assert_eq!(read(&root.join("etc/motd")), "hello\n");
    let bootargs = read(&root.join("etc/cos/bootargs.cfg"));
    assert!(bootargs.contains("selinux=0 systemd.unified_cgroup_hierarchy=1"), "{bootargs}");
    assert!(read(&root.join("etc/kairos-release")).contains("22.04-standard-amd64-generic"));
    assert_eq!(read(&root.join("etc/machine-id")), "");
    let manifest = made.manifest("build/edge.manifest.json");
    let roles: Vec<_> = manifest["inputs"].as_array().unwrap().iter().map(|i| &i["role"]).collect();
    assert!(roles.iter().any(|role| *role == "Dockerfile"), "{roles:?}");
}

#[test]
fn trusted_media_carry_the_agent_and_its_user_interface() {
    require!("bsdtar", "skopeo");
    let Some(made) = Made::new().map(Made::with_keys) else { return };
    made.built(&["+iso", "--IS_UKI=true"]);
    let iso = made.at("build/edge.iso");
    assert_eq!(on_medium(&iso, "luet"), b"luet\n");
    assert_eq!(on_medium(&iso, "opt/spectrocloud/local-ui/index.html"), b"<html>\n");
    assert_eq!(on_medium(&iso, "readme"), b"on the medium\n");
    let agent = made.folder.path().join("agent.tar");
    fs::write(&agent, on_medium(&iso, "stylus-image.tar")).unwrap();
    let listed = text(tool("tar").arg("-tf").arg(&agent));
    assert!(listed.contains("manifest.json"), "{listed}");
    let image = format!("docker-archive:{}", agent.display());
    let told = text(tool("skopeo").arg("inspect").arg(image));
    assert!(told.contains("amd64"), "{told}");
    run(Command::new(BOOTWRIGHT).arg("verify").arg(&iso));
    let digest = sha256(&iso);
    made.built(&["+uki-iso", "--jobs=3"]);
    assert_eq!(sha256(&iso), digest);

    made.built(&["+stylus-image-pack"]);
    assert_eq!(sha256(&made.at("build/stylus-image.tar")), sha256(&agent));
    let manifest = made.manifest("build/stylus-image.manifest.json");
    assert_eq!(manifest["artefact"]["sha256"], sha256(&agent));
}

#[test]
fn images_for_trusted_boot_carry_signed_files() {
    require!("umoci", "sbverify", "tar");
    let Some(made) = Made::new().map(Made::with_keys) else { return };
    let output = made.output(&["+build-provider-images", "--IS_UKI=true"]);
    assert!(output.status.success(), "{}", printed(&output));
    // It would come from the base image, as others make it.
    assert!(printed(&output).contains("/usr/bin/kairos-agent is not in its image"));
    let root = made.unpacked(IMAGE);
    let certificate = made.at("secure-boot/public-keys/db.pem");
    let signed = root.join("trusted-boot/EFI/kairos/norole.efi");
    run(tool("sbverify").arg("--cert").arg(&certificate).arg(&signed));
    for (path, content) in [
        ("usr/bin/luet", "luet\n"),
        ("k8s/usr/bin/k3s", "1.26.4-k3s1"),
        ("etc/os-release", "ID=ubuntu\n"),
        ("etc/motd", "hello\n"),
        ("etc/kairos/80_stylus.yaml", "stylus\n"),
        ("etc/spectro-sysext/k8s-and-agent-provider-bundled", ""),
        ("oem/.edge_custom_config.yaml", "signing:\n  publicKey: abc\n"),
    ] {
        assert_eq!(read(&root.join(path)), content, "{path}");
    }
    assert_eq!(fs::metadata(&signed).unwrap().permissions().mode() & 0o777, 0o644);
    let left: Vec<_> = names(&made.at("build"));
    assert!(!left.iter().any(|name| name.contains("signed")), "{left:?}");

    made.built(&["+build-provider-trustedboot-image"]);
    let name = "k3s-1.26.4-v4.4.12-demo";
    let archive = made.at(&format!("trusted-boot/{name}.tar"));
    let manifest = made.manifest(&format!("trusted-boot/{name}.manifest.json"));
    assert_eq!(manifest["artefact"]["sha256"], sha256(&archive));
    // The system in it has links where Kubernetes will be.
    let uki = made.folder.path().join("uki");
    fs::create_dir(&uki).unwrap();
    run(tool("tar").arg("-xf").arg(&archive).arg("-C").arg(&uki));
    let inner: Vec<_> = names(&uki).into_iter().filter(|name| name.ends_with(".tar")).collect();
    run(tool("tar").arg("-xf").arg(uki.join(&inner[0])).arg("-C").arg(&uki));
    assert_eq!(sha256(&uki.join("EFI/kairos/norole.efi")), sha256(&signed));
}

#[test]
fn disks_are_made_of_the_installer() {
    require!("sgdisk", "debugfs", "dd");
    let Some(made) = Made::new() else { return };
    let printed = made.built(&["+kairos-raw-image"]);
    assert!(printed.contains("recovery"), "{printed}");
    let disk = made.at("build/kairos.raw");
    run(tool("sgdisk").arg("-v").arg(&disk));
    let manifest = made.manifest("build/kairos.manifest.json");
    assert_eq!(manifest["artefact"]["sha256"], sha256(&disk));
    let to = made.folder.path();
    let oem = partition(&disk, "oem", to);
    assert_eq!(in_volume(&oem, "90_custom.yaml"), USER_DATA);
    let recovery = partition(&disk, "recovery", to);
    let image = to.join("recovery.img");
    let dump = format!("dump cOS/recovery.img {}", image.display());
    run(tool("debugfs").arg("-R").arg(dump).arg(&recovery));
    assert_eq!(in_volume(&image, "/opt/spectrocloud/bin/stylus-agent"), "agent of stylus\n");
    assert_eq!(in_volume(&image, "/opt/spectrocloud/local-ui/index.html"), "<html>\n");

    let first = sha256(&disk);
    made.built(&["+kairos-raw-image", "--jobs=3"]);
    assert_eq!(sha256(&disk), first);
}

#[test]
fn disks_for_clouds_have_content_and_scripts() {
    require!("debugfs", "dd");
    let Some(made) = Made::new() else { return };
    made.built(&["+cloud-image"]);
    let disk = made.at("build/kairos.raw");
    let to = made.folder.path();
    let content = partition(&disk, "COS_CONTENT", to);
    assert!(in_volume(&content, "edge-config/.edge_custom_config.yaml").contains("publicKey"));
    let recovery = partition(&disk, "recovery", to);
    let image = to.join("recovery.img");
    let dump = format!("dump cOS/recovery.img {}", image.display());
    run(tool("debugfs").arg("-R").arg(dump).arg(&recovery));
    assert_eq!(in_volume(&image, "/etc/kairos/branding/grubmenu.cfg"), "cloud menu\n");
    assert_eq!(in_volume(&image, "/opt/spectrocloud/scripts/cloud-content.sh"), "#!/bin/sh\n");
}

#[test]
fn disks_for_maas_boot_the_cloud_root_file_system_first() {
    require!("gzip");
    let Some(made) = Made::new() else { return };
    let told = made.built(&["+maas-image"]);
    assert!(told.contains("maas $PROFILE boot-resources create name=custom/metal"), "{told}");
    let disk = made.at("build/metal.raw.gz");
    let line = read(&made.at("build/metal.raw.gz.sha256"));
    assert!(line.starts_with(&sha256(&disk)), "{line}");
    run(Command::new(BOOTWRIGHT).arg("verify").arg(&disk));
    run(tool("gzip").arg("-t").arg(&disk));
    let manifest = made.manifest("build/metal.manifest.json");
    assert_eq!(manifest["artefact"]["sha256"], sha256(&disk));
    let inputs = manifest["inputs"].to_string();
    assert!(inputs.contains("cloudconfigs/maas-content.sh"), "{inputs}");

    let refused = made.output(&["+maas-image", "--MAAS_CLOUD_ROOTFS="]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(printed(&refused).contains("MAAS_CLOUD_ROOTFS=tar:"), "{}", printed(&refused));
}

#[test]
fn an_image_holds_the_iso() {
    require!("umoci");
    let Some(made) = Made::new() else { return };
    let printed = made.built(&["+iso-disk-image"]);
    let image = "ttl.sh/ubuntu/edge:v4.4.12-demo";
    assert!(printed.contains(image), "{printed}");
    let root = made.unpacked(image);
    assert_eq!(names(&root.join("disk")), ["edge.iso"]);
    assert_eq!(sha256(&root.join("disk/edge.iso")), sha256(&made.at("build/edge.iso")));
    assert!(made.at("build/edge-disk.manifest.json").is_file());
}

#[test]
fn all_images_for_trusted_boot_are_made_together() {
    let Some(made) = Made::new().map(Made::with_keys) else { return };
    let printed = made.built(&["+build-all-images", "--IS_UKI=true"]);
    for part in [IMAGE, "palette-installer-image:v4.4.12-demo", "edge.iso"] {
        assert!(printed.contains(part), "{part} is not in {printed}");
    }
}

#[test]
fn times_are_not_newer_than_asked_for() {
    require!("umoci", "bsdtar");
    let Some(made) = Made::new() else { return };
    let epoch = "1700000000";
    for target in ["+provider-image", "+iso", "+kairos-raw-image"] {
        run(made.command(&[target]).env("SOURCE_DATE_EPOCH", epoch));
    }
    let layout = made.at("build/provider-images");
    let image = format!("oci:{}:{IMAGE}", layout.display());
    let manifest: Value =
        serde_json::from_str(&text(tool("skopeo").args(["inspect", "--raw"]).arg(image))).unwrap();
    let layer = manifest["layers"].as_array().unwrap().last().unwrap()["digest"].as_str().unwrap();
    let blob = layout.join("blobs/sha256").join(layer.trim_start_matches("sha256:"));
    let listed = text(tool("tar").args(["--utc", "--full-time", "-tvzf"]).arg(blob));
    // Directories of the base image are as they were in its layers.
    let files: Vec<_> = listed.lines().filter(|line| !line.ends_with('/')).collect();
    let is_old =
        |line: &&str| line.contains("2023-11-14 22:13:20") || line.contains(" 1970-01-01 ");
    assert!(files.len() > 10 && files.iter().all(is_old), "{listed}");
    let iso = text(tool("bsdtar").arg("-tvf").arg(made.at("build/edge.iso")));
    assert!(iso.contains("2023") && !iso.contains("2026"), "{iso}");
}

#[test]
fn the_size_check_is_an_iso_when_its_program_is_there() {
    require!("bsdtar", "mdir");
    let Some(made) = Made::new() else { return };
    let small = ["--EFI_MAX_SIZE=40", "--EFI_IMG_SIZE=44"];
    let refused = made.output(&["+iso-efi-size-check", small[0], small[1]]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(printed(&refused).contains("cargo build"), "{}", printed(&refused));
    let program = "efi-size-check/target/x86_64-unknown-uefi/debug/efi-size-check.efi";
    made.write(program, &fs::read(LOADER).unwrap());
    made.built(&["+iso-efi-size-check", small[0], small[1]]);
    let image = made.folder.path().join("fat.img");
    let bytes = on_medium(&made.at("build/efi-size-check.iso"), "fat.img");
    assert_eq!(bytes.len(), 44 << 20);
    File::create(&image).unwrap().write_all(&bytes).unwrap();
    let listed = text(tool("mdir").arg("-i").arg(&image).arg("::"));
    assert!(listed.contains("ABC"), "{listed}");
    let aws = made.output(&["+aws-cloud-image"]);
    assert!(printed(&aws).contains("+cloud-image"), "{}", printed(&aws));
}
