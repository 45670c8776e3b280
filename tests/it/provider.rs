//! Provider images: made from stand-ins in a store, read by other people's tools.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::fixture::BOOTWRIGHT;
use crate::small;
use crate::stand_ins::{put, put_packages};
use crate::tools::{names, printed, require, run, text, tool};

pub(crate) const FIRST: &str = "ttl.sh/ubuntu:k3s-1.26.4-v4.4.12-demo";
pub(crate) const SECOND: &str = "ttl.sh/ubuntu:k3s-1.27.2-v4.4.12-demo";
/// The registry of the names, which nobody asks.
const HOST: &str = "reg.example";
const BOOTARGS: &str = "function set_it {\n  set baseCmd=\"root=LABEL=$label selinux=1\"\n}\n";
const DOCKERFILE: &str = "ARG BASE\nFROM $BASE\nARG OS_DISTRIBUTION\nARG PROXY_CERT_PATH\n\
    ENV OS=$OS_DISTRIBUTION\nLABEL site=edge\nCOPY bootargs.cfg /etc/cos/bootargs.cfg\n\
    RUN if [ \"$OS_DISTRIBUTION\" = \"ubuntu\" ]; then mkdir -p /etc/site; fi\n";

/// What the steps of CanvOS do to a root file system, as far as they are file work.
const STEPS: &str = r#"
mkdir -p etc/cos etc/site; cp "$P/bootargs.cfg" etc/cos/
k=$(ls boot/vmlinuz-* | tail -n1); ln -sf "${k#boot/}" boot/vmlinuz
ln -s /usr/sbin/grub-editenv usr/bin/grub2-editenv
mkdir -p etc/dracut.conf.d
printf '%s\n' 'hostonly="no"' 'add_drivers+=" xhci_pci_renesas "' \
  'force_drivers+=" xhci_pci_renesas "' > etc/dracut.conf.d/99-usb-media.conf
sed -i -e 's/^KAIROS_NAME=.*/KAIROS_NAME="kairos-core-ubuntu-22.04"/' etc/kairos-release
sed -i -e 's/security=selinux //g' -e 's/selinux=1/selinux=0/g' etc/cos/bootargs.cfg
echo 'KAIROS_IMAGE_LABEL="22.04-standard-amd64-generic"' >> etc/kairos-release
n='rd.driver.blacklist=nouveau modprobe.blacklist=nouveau nouveau.modeset=0'
sed -i "s|\(set baseCmd=\"[^\"]*\)\"|\1 systemd.unified_cgroup_hierarchy=1 $n\"|" etc/cos/bootargs.cfg
cp "$P"/overlay/files/etc/motd etc/
mkdir -p system/providers etc/spectro-sysext etc/kairos/branding etc/elemental oem usr/local/system
echo provider > system/providers/agent-provider-k3s; chmod 755 system/providers/agent-provider-k3s
: > etc/spectro-sysext/k8s-and-agent-provider-bundled
echo brand > etc/kairos/branding/logo; echo stylus > etc/kairos/branding/stylus_config.yaml
echo elemental > etc/elemental/config.yaml
cp "$P/.edge-custom-config.yaml" oem/.edge_custom_config.yaml
echo etcdctl > usr/bin/etcdctl; printf 1.26.4-k3s1 > usr/bin/k3s; chmod 755 usr/bin/etcdctl usr/bin/k3s
: > etc/machine-id; chmod 444 etc/machine-id
"#;

/// A project and a store with stand-ins for all images that it names.
pub(crate) struct Made {
    pub(crate) folder: tempfile::TempDir,
    base: PathBuf,
}

impl Made {
    pub(crate) fn new() -> Option<Self> {
        Self::of_host(HOST)
    }

    /// With the names of this registry.
    pub(crate) fn of_host(host: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let base = small::base_image(folder.path())?;
        let made = Self { folder, base };
        made.write_project(host);
        let store = made.store();
        put(
            &store,
            &format!("{host}/edge/kairos-io/provider-k3s:v1"),
            &[("usr/local/system/providers/agent-provider-k3s", 0o755, b"provider\n")],
        );
        put(
            &store,
            &format!("{host}/stylus:1"),
            &[
                ("etc/kairos/branding/logo", 0o644, b"brand\n"),
                ("oem/stylus_config.yaml", 0o644, b"stylus\n"),
                ("etc/elemental/config.yaml", 0o644, b"elemental\n"),
                ("opt/spectrocloud/bin/agent", 0o755, b"not here\n"),
            ],
        );
        let etcdctl = "binaries/etcdctl/latest/palette/amd64/etcdctl";
        put(&store, &format!("{host}/third-party:1"), &[(etcdctl, 0o755, b"etcdctl\n")]);
        put_packages(&store, host, &["1.26.4-k3s1", "1.27.2-k3s1"]);
        Some(made)
    }

    fn write_project(&self, host: &str) {
        let arg = format!(
            "IMAGE_REGISTRY=ttl.sh\nIMAGE_REPO=ubuntu\nCUSTOM_TAG=demo\nPE_VERSION=v4.4.12\n\
             OS_DISTRIBUTION=ubuntu\nOS_VERSION=22.04\nARCH=amd64\nK8S_DISTRIBUTION=k3s\n\
             BASE_IMAGE=oci:{}\nSPECTRO_PUB_REPO={host}\nSPECTRO_LUET_REPO={host}\n\
             STYLUS_BASE={host}/stylus:1\nSPECTRO_THIRD_PARTY_IMAGE={host}/third-party:1\nK3S_PROVIDER_VERSION=v1\nK3S_FLAVOR_TAG=k3s1\n",
            self.base.display()
        );
        for (name, content) in [
            (".arg", arg.as_str()),
            ("Dockerfile", DOCKERFILE),
            ("bootargs.cfg", BOOTARGS),
            (".edge-custom-config.yaml", "signing:\n  publicKey: abc\n"),
            ("overlay/files/etc/motd", "hello\n"),
            ("overlay/files/opt/not-here", "x\n"),
            ("k8s_version.json", "{\"k3s\": [\"1.26.4\", \"1.27.2\"]}"),
        ] {
            let path = self.project().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, content).unwrap();
            fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
        }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn project(&self) -> PathBuf {
        self.folder.path().join("project")
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    pub(crate) fn layout(&self) -> PathBuf {
        self.project().join("build/provider-images")
    }

    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(BOOTWRIGHT);
        command.args(words).current_dir(self.project());
        command.arg("--offline").arg("--store").arg(self.store());
        command
    }

    fn output(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    pub(crate) fn built(&self, words: &[&str]) -> String {
        text(&mut self.command(words))
    }

    fn manifest(&self, name: &str) -> Value {
        let image = format!("oci:{}:{name}", self.layout().display());
        serde_json::from_str(&text(tool("skopeo").arg("inspect").arg("--raw").arg(image))).unwrap()
    }
}

fn layers(manifest: &Value) -> Vec<String> {
    let layers = manifest["layers"].as_array().unwrap();
    layers.iter().map(|layer| layer["digest"].as_str().unwrap().to_owned()).collect()
}

/// Unpacks an image of a layout and gives its root file system.
fn unpacked(layout: &Path, name: &str, to: &Path) -> PathBuf {
    let image = format!("{}:{name}", layout.display());
    run(tool("umoci").args(["unpack", "--rootless", "--image"]).arg(image).arg(to));
    to.join("rootfs")
}

/// Kind, mode and content by path.
fn facts(root: &Path) -> BTreeMap<String, String> {
    let mut facts = BTreeMap::new();
    let mut open = vec![root.to_owned()];
    while let Some(folder) = open.pop() {
        for name in names(&folder) {
            let path = folder.join(name);
            let metadata = path.symlink_metadata().unwrap();
            let mode = metadata.permissions().mode() & 0o7777;
            let fact = if metadata.is_symlink() {
                format!("-> {}", fs::read_link(&path).unwrap().display())
            } else if metadata.is_dir() {
                open.push(path.clone());
                format!("{mode:04o} /")
            } else {
                let content = fs::read(&path).unwrap();
                let shown =
                    String::from_utf8_lossy(&content[..content.len().min(400)]).into_owned();
                format!("{mode:04o} {} {shown:?}", content.len())
            };
            facts.insert(path.strip_prefix(root).unwrap().display().to_string(), fact);
        }
    }
    facts
}

#[test]
fn versions_share_the_base_image() {
    require!("skopeo");
    let Some(made) = Made::new() else { return };
    let printed = made.built(&["+build-provider-images"]);
    assert!(printed.contains(FIRST) && printed.contains(SECOND), "{printed}");
    assert!(printed.contains("system.uri"), "{printed}");
    let base: Value = {
        let image = format!("oci:{}", made.base.display());
        serde_json::from_str(&text(tool("skopeo").args(["inspect", "--raw"]).arg(image))).unwrap()
    };
    let (first, second) = (layers(&made.manifest(FIRST)), layers(&made.manifest(SECOND)));
    assert_eq!((first.len(), second.len()), (2, 2));
    assert_eq!(first[..1], layers(&base)[..]);
    assert_eq!(second[..1], layers(&base)[..]);
    assert_ne!(first[1], second[1]);
    // Two manifests, two configs, two layers and the one of the base image.
    assert_eq!(names(&made.layout().join("blobs/sha256")).len(), 7);
    let image = format!("oci:{}:{FIRST}", made.layout().display());
    let config = text(tool("skopeo").args(["inspect", "--config"]).arg(image));
    let config: Value = serde_json::from_str(&config).unwrap();
    assert_eq!(config["config"]["Labels"]["site"], "edge");
    assert_eq!(config["config"]["Env"].as_array().unwrap().last().unwrap(), "OS=ubuntu");
    assert_eq!(config["created"], "2026-01-02T03:04:05Z");

    let path = made.project().join("build/k3s-1.26.4-v4.4.12-demo.manifest.json");
    let manifest: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(manifest["artefact"]["name"], FIRST);
    let inputs = manifest["inputs"].as_array().unwrap();
    assert!(inputs.iter().any(|input| input["file"] == "Dockerfile"), "{manifest}");
}

#[test]
fn the_tree_is_what_the_steps_give() {
    require!("skopeo", "umoci", "sh");
    let Some(made) = Made::new() else { return };
    made.built(&["+provider-image", "--K8S_VERSION=1.26.4"]);
    let at = |name: &str| made.folder.path().join(name);
    let ours = unpacked(&made.layout(), FIRST, &at("ours"));
    let copy = at("copy");
    run(tool("skopeo")
        .arg("copy")
        .arg(format!("oci:{}", made.base.display()))
        .arg(format!("oci:{}:base", copy.display())));
    let theirs = unpacked(&copy, "base", &at("theirs"));
    let script = format!("set -e; umask 022\n{STEPS}");
    run(tool("sh").arg("-c").arg(script).current_dir(&theirs).env("P", made.project()));
    let (ours, theirs) = (facts(&ours), facts(&theirs));
    let differ = |path: &&String| ours.get(*path) != theirs.get(*path);
    let paths: BTreeSet<_> = ours.keys().chain(theirs.keys()).filter(differ).collect();
    let shown: Vec<_> = paths.iter().map(|p| (*p, ours.get(*p), theirs.get(*p))).collect();
    assert!(shown.is_empty(), "{shown:#?}");
}

#[test]
fn all_images_are_made_together() {
    require!("skopeo", "umoci");
    let Some(made) = Made::new() else { return };
    let printed = made.built(&["+build-all-images", "--ISO_NAME=edge"]);
    let installer = "palette-installer-image:v4.4.12-demo";
    for part in [FIRST, SECOND, installer, "edge.iso"] {
        assert!(printed.contains(part), "{part} is not in {printed}");
    }
    assert!(made.project().join("build/edge.iso").is_file());
    assert!(made.project().join("build/palette-installer-image.manifest.json").is_file());
    let root = unpacked(&made.layout(), installer, &made.folder.path().join("unpacked"));
    assert!(root.join("opt/spectrocloud/bin/agent").is_file());
    assert!(root.join("opt/not-here").is_file() && !root.join("usr/bin/k3s").exists());
}

#[test]
fn the_bytes_depend_on_the_inputs_alone() {
    let Some(made) = Made::new() else { return };
    made.built(&["+build-provider-images", "--jobs=1"]);
    let layout = made.layout();
    let blobs = || names(&layout.join("blobs/sha256"));
    let index = || fs::read(layout.join("index.json")).unwrap();
    let (first, listed) = (blobs(), index());
    made.built(&["+build-provider-images", "--jobs=3"]);
    assert_eq!((blobs(), index()), (first.clone(), listed));
    fs::remove_dir_all(&layout).unwrap();
    made.built(&["+build-provider-images", "--jobs=2"]);
    assert_eq!(blobs(), first);
}

#[test]
fn all_that_is_missing_is_told_at_once() {
    let Some(made) = Made::new() else { return };
    fs::remove_dir_all(made.store()).unwrap();
    let output = made.output(&["+build-provider-images", "--BASE_IMAGE=oci:nowhere:1"]);
    assert_eq!(output.status.code(), Some(1));
    let said = printed(&output);
    for name in [
        "oci:nowhere:1",
        "docker://reg.example/edge/kairos-io/provider-k3s:v1",
        "docker://reg.example/luet-repo-amd:repository.yaml",
        "docker://reg.example/stylus:1",
    ] {
        assert!(said.contains(name), "{name} is not in {said}");
    }
    assert!(!made.project().join("build").exists());
}

#[test]
fn no_connection_is_made() {
    require!("strace");
    let Some(made) = Made::new() else { return };
    let log = made.folder.path().join("trace");
    let built = made.command(&["+provider-image", "--K8S_VERSION=1.27.2"]);
    let mut traced = tool("strace");
    traced.args(["-f", "-e", "trace=socket,connect", "-o"]).arg(&log).arg(built.get_program());
    run(traced.args(built.get_args()).current_dir(made.project()));
    let log = fs::read_to_string(log).unwrap();
    assert!(!log.contains("socket("), "{log}");
}
