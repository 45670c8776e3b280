//! A project with something in every place that targets take from, and its store.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use super::{LOADER, USER_DATA};
use crate::fixture::BOOTWRIGHT;
use crate::small;
use crate::stand_ins::{put, put_packages, tar};
use crate::tools::{run, skip, text, tool};

const STUB: &str = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub";
const GRUB: &str = "/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed";
const DOCKERFILE: &str = "ARG BASE\nFROM $BASE\nCOPY root /\n";
const UKI_CONFIG: &str = "#cloud-config\nstages: {}\n";

/// A project with its store.
pub(super) struct Made {
    pub(super) folder: tempfile::TempDir,
}

impl Made {
    /// `None` after saying what is missing.
    pub(super) fn new() -> Option<Self> {
        if let Some(missing) = [STUB, LOADER, GRUB].iter().find(|path| !Path::new(path).is_file()) {
            skip(&format!("{missing} not found"));
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let base = small::base_image(folder.path())?;
        let made = Self { folder };
        made.write_project(&base);
        made.fill_store();
        Some(made)
    }

    fn write_project(&self, base: &Path) {
        let arg = format!(
            "IMAGE_REGISTRY=ttl.sh\nIMAGE_REPO=ubuntu\nCUSTOM_TAG=demo\nPE_VERSION=v4.4.12\n\
             OS_DISTRIBUTION=ubuntu\nOS_VERSION=22.04\nARCH=amd64\nK8S_DISTRIBUTION=k3s\n\
             K8S_VERSION=1.26.4\nBASE_IMAGE=oci:{}\nISO_NAME=edge\nMAAS_IMAGE_NAME=metal\n\
             MAAS_CLOUD_ROOTFS=tar:cloud.tar\n\
             SPECTRO_PUB_REPO=reg.example\nSPECTRO_LUET_REPO=reg.example\n\
             SPECTRO_THIRD_PARTY_IMAGE=reg.example/third-party:1\nUBUNTU_IMAGE=reg.example/below:1\n\
             STYLUS_BASE=reg.example/stylus:1\nSTYLUS_PACKAGE_BASE=reg.example/agent:1\n\
             K3S_PROVIDER_VERSION=v1\nK3S_FLAVOR_TAG=k3s1\nCLUSTERCONFIG=\n",
            base.display()
        );
        for (name, content) in [
            (".arg", arg.as_str()),
            ("Dockerfile", DOCKERFILE),
            ("root/etc/cos/bootargs.cfg", "set baseCmd=\"selinux=1\"\n"),
            ("root/etc/cos/grub.cfg", "menu\n"),
            ("root/usr/bin/kairos-agent", "agent of kairos\n"),
            ("root/usr/bin/immucore", "starts\n"),
            (".edge-custom-config.yaml", "signing:\n  publicKey: abc\n"),
            ("user-data", USER_DATA),
            ("overlay/files/etc/motd", "hello\n"),
            ("overlay/files-iso/readme", "on the medium\n"),
            ("cloudconfigs/80_stylus_uki.yaml", UKI_CONFIG),
            ("cloudconfigs/80_stylus_maas.yaml", "#cloud-config\n"),
            ("cloudconfigs/maas-content.sh", "#!/bin/sh\n"),
            ("cloudconfigs/cloud-content.sh", "#!/bin/sh\n"),
            ("cloud-images/workaround/grubmenu.cfg", "cloud menu\n"),
            ("cloud-images/workaround/custom-post-reset.yaml", "#cloud-config\n"),
        ] {
            self.write(name, content.as_bytes());
        }
        for (from, to) in [
            (STUB, "root/usr/lib/systemd/boot/efi/linuxx64.efi.stub"),
            (LOADER, "root/usr/lib/systemd/boot/efi/systemd-bootx64.efi"),
            (GRUB, "root/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed"),
            // Something that firmware starts, as it does a kernel.
            (LOADER, "root/boot/vmlinuz-6.1.0"),
        ] {
            self.write(to, &fs::read(from).unwrap());
        }
        // A zstd frame with one raw block, "x".
        self.write("content-one/a.zst", &[0x28, 0xB5, 0x2F, 0xFD, 0x20, 1, 9, 0, 0, b'x']);
        self.write("local-ui.tar", &tar("local-ui/index.html", b"<html>\n"));
        self.write("cloud.tar", &cloud_rootfs());
    }

    fn fill_store(&self) {
        let store = &self.store();
        put(
            store,
            "reg.example/edge/kairos-io/provider-k3s:v1",
            &[("usr/local/system/providers/agent-provider-k3s", 0o755, b"provider\n")],
        );
        put(
            store,
            "reg.example/stylus:1",
            &[
                ("etc/kairos/80_stylus.yaml", 0o644, b"stylus\n"),
                ("etc/kairos/branding/logo", 0o644, b"brand\n"),
                ("opt/spectrocloud/bin/agent-provider-stylus", 0o755, b"provider of stylus\n"),
                ("opt/spectrocloud/bin/stylus-agent", 0o755, b"agent of stylus\n"),
            ],
        );
        put(store, "reg.example/agent:1", &[("opt/spectrocloud/bin/x", 0o755, b"packed agent\n")]);
        put(
            store,
            "reg.example/third-party:1",
            &[
                ("binaries/luet/latest/palette/amd64/luet", 0o755, b"luet\n"),
                ("binaries/etcdctl/latest/palette/amd64/etcdctl", 0o755, b"etcdctl\n"),
            ],
        );
        put(store, "reg.example/below:1", &[("etc/os-release", 0o644, b"ID=ubuntu\n")]);
        put_packages(store, "reg.example", &["1.26.4-k3s1"]);
    }

    pub(super) fn write(&self, name: &str, content: &[u8]) {
        let path = self.at(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
    }

    pub(super) fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join("project").join(name)
    }

    pub(super) fn store(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    pub(super) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(BOOTWRIGHT);
        command.args(words).current_dir(self.at(""));
        command.arg("--offline").arg("--store").arg(self.store());
        command
    }

    pub(super) fn output(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    pub(super) fn built(&self, words: &[&str]) -> String {
        text(&mut self.command(words))
    }

    /// The same with keys, which are made first.
    pub(super) fn with_keys(self) -> Self {
        self.built(&["+uki-genkey", "--ENROLL_SPECTRO_EXTENSION_CERT=false"]);
        self
    }

    pub(super) fn manifest(&self, name: &str) -> Value {
        let path = self.at(name);
        serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
    }

    /// An image of the layout, unpacked.
    pub(super) fn unpacked(&self, name: &str) -> PathBuf {
        let to = self.folder.path().join("unpacked");
        let image = format!("{}:{name}", self.at("build/provider-images").display());
        run(tool("umoci").args(["unpack", "--rootless", "--image"]).arg(image).arg(&to));
        to.join("rootfs")
    }
}

/// A cloud root file system, as small as the search for its kernel lets it be.
fn cloud_rootfs() -> Vec<u8> {
    let mut builder = ::tar::Builder::new(Vec::new());
    for (path, content) in [
        ("boot/vmlinuz-6.8", &b"kernel"[..]),
        ("boot/initrd.img-6.8", b"initrd"),
        ("usr/bin/bash", b"sh"),
    ] {
        let mut header = ::tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o755);
        builder.append_data(&mut header, path, content).unwrap();
    }
    builder.into_inner().unwrap()
}
