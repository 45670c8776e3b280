//! The landing partition: what curtin needs is there and runs, and its hooks keep what MAAS says.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use super::cut;
use crate::disk::{GRUB, bootwright, debugfs, inputs};
use crate::fixture::{BOOTWRIGHT, project};
use crate::tools::{find, printed, require, require_root, run, sha256, skip, text, tool};

/// A disk with a landing partition; what was said.
pub(crate) fn landing(base: &Path, folder: &Path, more: &[&str]) -> Output {
    let mut maas = Command::new(BOOTWRIGHT);
    maas.arg("maas").arg("--base").arg(format!("oci:{}", base.display()));
    maas.arg("--overlay-rootfs").arg(folder.join("overlay")).arg("--landing").args(more);
    maas.arg("--output").arg(folder).args(["--name", "edge"]).output().unwrap()
}

/// The static busybox of this machine; `None` after saying that there is none.
pub(crate) fn busybox() -> Option<PathBuf> {
    let found = find("busybox").filter(|path| {
        let told = Command::new("ldd").arg(path).output().map(|told| printed(&told));
        told.is_ok_and(|told| told.contains("not a dynamic executable"))
    });
    if found.is_none() {
        skip("no static busybox");
    }
    found
}

#[test]
fn curtin_lands_on_a_partition_of_its_own() {
    require!("debugfs", "e2fsck", "zcat", "blkid");
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (Some(base), Some(busybox)) = (inputs(folder), busybox()) else { return };
    let none = landing(&base, folder, &[]);
    assert_eq!(none.status.code(), Some(1));
    let said = printed(&none);
    assert!(said.contains("needs a static busybox") && said.contains("--busybox"), "{said}");
    let other = landing(&base, folder, &["--busybox", GRUB]);
    assert!(printed(&other).contains("is no 64-bit ELF program"), "{}", printed(&other));
    let shell = find("sh").unwrap();
    let dynamic = landing(&base, folder, &["--busybox", shell.to_str().unwrap()]);
    assert!(printed(&dynamic).contains("needs shared libraries"), "{}", printed(&dynamic));

    let made = landing(&base, folder, &["--busybox", busybox.to_str().unwrap()]);
    assert!(made.status.success(), "{}", printed(&made));
    let first = sha256(&folder.join("edge.raw.gz"));
    // The same from the base image itself.
    let inside = folder.join("overlay/bin");
    fs::create_dir_all(&inside).unwrap();
    fs::copy(&busybox, inside.join("busybox")).unwrap();
    let made = landing(&base, folder, &[]);
    assert!(made.status.success(), "{}", printed(&made));
    assert_ne!(sha256(&folder.join("edge.raw.gz")), first, "another base image");

    let verified = bootwright("verify", &folder.join("edge.raw.gz"), &[]);
    let said = printed(&verified);
    assert!(verified.status.success(), "{said}");
    assert!(said.contains("one partition for curtin, with hooks"), "{said}");
    assert!(!said.contains("recent releases look for"), "{said}");
    assert!(said.contains("filetype=ddgz"), "{said}");

    let found = cut(&folder.join("edge.raw.gz"), folder);
    let order: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(order, ["efi", "curtin", "oem", "recovery"]);
    let (curtin, oem) = (&found[1].1, &found[2].1);
    assert_eq!(fs::metadata(curtin).unwrap().len(), 64 << 20);
    run(tool("e2fsck").args(["-f", "-n"]).arg(curtin));
    let told = text(tool("blkid").args(["-o", "export"]).arg(curtin));
    assert!(told.contains("LABEL=COS_CURTIN") && told.contains("TYPE=ext2"), "{told}");
    for (path, mode) in [
        ("/curtin/curtin-hooks", "0750"),
        ("/bin/busybox", "0755"),
        ("/usr/bin/bash", "0755"),
        ("/usr/bin/cloud-init", "0755"),
        ("/usr/bin/netplan", "0755"),
        ("/tmp", "01777"),
        ("/proc", "0555"),
    ] {
        let told = debugfs(curtin, &format!("stat {path}"));
        assert!(told.contains(&format!("Mode:  {mode}")), "{path}: {told}");
    }
    assert!(debugfs(oem, "cat /grubenv").contains("\nnext_entry=recovery\n"));
    assert!(!debugfs(oem, "ls -p /").contains("grubcustom"));
}

#[test]
fn what_curtin_runs_in_its_target_runs_there() {
    require_root!();
    require!("debugfs", "zcat", "chroot");
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (Some(base), Some(busybox)) = (inputs(folder), busybox()) else { return };
    let made = landing(&base, folder, &["--busybox", busybox.to_str().unwrap()]);
    assert!(made.status.success(), "{}", printed(&made));
    let found = cut(&folder.join("edge.raw.gz"), folder);
    let target = folder.join("target");
    fs::create_dir(&target).unwrap();
    debugfs(&found[1].1, &format!("rdump / {}", target.display()));
    let script = "command -v cloud-init && netplan apply && echo \"in $0 $1\"";
    let mut chroot = tool("chroot");
    chroot.arg(&target).args(["bash", "-c", script, "the", "target"]);
    let said = text(chroot.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"));
    assert_eq!(said, "/usr/bin/cloud-init\nin the target\n");
}

/// Programs and modules that the hooks of a landing partition ask, and what they are told.
const ASKED: [(&str, &str); 6] = [
    ("bin/findmnt", "#!/bin/sh\necho /dev/vda2\n"),
    (
        "bin/lsblk",
        "#!/bin/sh\ncase \"$*\" in\n*PKNAME*) echo vda ;;\n*) echo '{\"blockdevices\": [{\"name\": \
         \"/dev/vda\", \"children\": [{\"name\": \"/dev/vda1\", \"label\": \"COS_GRUB\"}, \
         {\"name\": \"/dev/vda3\", \"label\": \"COS_OEM\"}]}]}' ;;\nesac\n",
    ),
    // What was mounted is kept when it goes.
    ("bin/mount", "#!/bin/sh\necho \"$1\" >\"$KEPT/mounted\"\n"),
    ("bin/umount", "#!/bin/sh\ncp -a \"$1/.\" \"$KEPT/oem\"\nfind \"$1\" -mindepth 1 -delete\n"),
    ("curtin/__init__.py", ""),
    ("curtin/util.py", "def load_command_environment():\n    return {\"target\": \"/target\"}\n"),
];
const SETTINGS: &str = "\
def load_command_config(args, state):
    return {
        \"cloudconfig\": {
            \"maas-cloud-config\": {
                \"content\": \"#cloud-config\\ndatasource:\\n  MAAS: {token_secret: s3cret}\\n\",
                \"path\": \"/etc/cloud/cloud.cfg.d/90_maas_cloud_config.cfg\",
            },
            \"maas-datasource\": {\"content\": \"datasource_list: [ MAAS ]\"},
        },
        \"network\": {\"version\": 2, \"ethernets\": {\"eth0\": {\"dhcp4\": True}}},
    }
";

#[test]
fn the_landing_partitions_hooks_keep_what_maas_says() {
    require!("python3");
    if !run_python("import yaml") {
        skip("python3 has no yaml");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (path, text) in ASKED.into_iter().chain([("curtin/config.py", SETTINGS)]) {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let hooks = project().join("src/recipe/disk/maas/landing/curtin-hooks");
    let path = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", folder.join("bin").display());
    let mut python = tool("python3");
    python.arg("-B").arg(hooks).env("PYTHONPATH", folder).env("PATH", path).env("KEPT", folder);
    run(&mut python);
    let read = |path: &str| fs::read_to_string(folder.join(path)).unwrap();
    assert_eq!(read("mounted"), "/dev/vda3\n");
    let source: Value = serde_json::from_str(&read("oem/maas/datasource.yaml")).unwrap();
    assert_eq!(source["datasource"]["MAAS"]["token_secret"], "s3cret");
    assert_eq!(source["datasource_list"][0], "MAAS");
    let network = read("oem/90_maas_network.yaml");
    let stage = network.strip_prefix("#cloud-config\n").unwrap();
    let stage: Value = serde_json::from_str(stage).unwrap();
    let file = &stage["stages"]["initramfs"][0]["files"][0];
    assert_eq!(file["path"], "/etc/netplan/90-maas.yaml");
    assert_eq!(file["permissions"], 0o600);
    assert!(file["content"].as_str().unwrap().contains("\"dhcp4\": true"), "{network}");
    for path in ["oem/maas/datasource.yaml", "oem/90_maas_network.yaml"] {
        assert_eq!(fs::metadata(folder.join(path)).unwrap().mode() & 0o777, 0o600);
    }
}

fn run_python(program: &str) -> bool {
    tool("python3").args(["-c", program]).output().unwrap().status.success()
}
