//! The project in `examples/canvos`, built from its stand-ins: what the README's section about
//! CanvOS projects promises. Other people's tools read the images, and the provider image is what
//! CanvOS's steps make of the same inputs (`tests/peer/canvos`).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::fixture::{BOOTWRIGHT, project};
use crate::network::Registry;
use crate::small;
use crate::tools::{names, require, require_root, run, sha256, skip, text, tool};
use crate::walk::{Entry, assert_same, walk};

const PROVIDER: &str = "registry.example.com/ubuntu:k3s-1.31.4-v4.4.12-demo";
const STUBS: &str = "/usr/lib/systemd/boot/efi";
/// What the script and builds make; a checkout does not have it.
const MADE: [&str; 5] = ["build", "store", "secure-boot", "spc.tgz", "store.new"];

/// A copy of the sample with stand-ins on a small system.
struct Sample {
    folder: tempfile::TempDir,
}

impl Sample {
    /// `None` after saying what is missing.
    fn new() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let small = small::base_image(folder.path())?;
        if !Path::new(STUBS).is_dir() {
            skip(&format!("{STUBS} not found"));
            return None;
        }
        let sample = Self { folder };
        copy(&project().join("examples/canvos"), &sample.project());
        sample.make_base(&small);
        let mut stand_ins = Command::new(sample.project().join("stand-ins"));
        stand_ins.arg("--base").arg(sample.at("base")).args(["--boot-efi", STUBS]);
        run(&mut stand_ins);
        Some(sample)
    }

    /// The small system with what the steps of CanvOS work on.
    fn make_base(&self, small: &Path) {
        let (base, bundle) = (self.at("base"), self.at("base-bundle"));
        let image = format!("{}:base", base.display());
        let (from, to) = (format!("oci:{}", small.display()), format!("oci:{image}"));
        run(tool("skopeo").args(["copy", &from, &to]));
        run(tool("umoci").args(["unpack", "--image", &image]).arg(&bundle));
        run(Command::new(peer("base")).arg(bundle.join("rootfs")));
        run(tool("umoci").args(["repack", "--image", &image]).arg(&bundle));
        run(tool("umoci").args(["gc", "--layout"]).arg(&base));
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn project(&self) -> PathBuf {
        self.at("project")
    }

    fn build(&self, name: &str) -> PathBuf {
        self.project().join("build").join(name)
    }

    /// As the README says it.
    fn built(&self, words: &[&str]) -> String {
        let mut command = Command::new(BOOTWRIGHT);
        command.args(words).args(["--store", "store", "--offline"]);
        text(command.current_dir(self.project()))
    }

    /// The root file system of an image of a layout, unpacked by umoci.
    fn unpacked(&self, layout: &Path, name: &str, to: &str) -> PathBuf {
        let image = format!("{}:{name}", layout.display());
        run(tool("umoci").args(["unpack", "--image", &image]).arg(self.at(to)));
        self.at(to).join("rootfs")
    }

    /// The root file system of one of the stand-ins.
    fn stand_in(&self, name: &str, to: &str) -> PathBuf {
        let name = format!("registry.example.com/{name}");
        self.unpacked(&self.project().join("store"), &name, to)
    }
}

fn peer(name: &str) -> PathBuf {
    project().join("tests/peer/canvos").join(name)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for name in names(from) {
        let (source, target) = (from.join(&name), to.join(&name));
        if MADE.contains(&name.as_str()) || name.ends_with(".crt") || name.ends_with(".zst") {
            continue;
        }
        match source.is_dir() {
            true => copy(&source, &target),
            false => drop(fs::copy(&source, &target).unwrap()),
        }
    }
}

/// A tree without times: those of what a shell makes are now.
fn timeless(root: &Path) -> BTreeMap<PathBuf, Entry> {
    let timeless = |(path, entry)| (path, Entry { mtime: None, ..entry });
    walk(root).into_iter().map(timeless).collect()
}

#[test]
fn the_provider_image_is_what_the_steps_of_canvos_give() {
    require!("python3", "openssl", "skopeo", "umoci");
    require_root!();
    let Some(sample) = Sample::new() else { return };
    sample.built(&["+provider-image", "--K8S_VERSION=1.31.4"]);
    let ours = sample.unpacked(&sample.build("provider-images"), PROVIDER, "ours");
    let theirs = sample.stand_in("edge/kairos-ubuntu:22.04-core-amd64-generic-v0.17.1", "theirs");
    let mut steps = Command::new(peer("provider-image"));
    steps.arg(&theirs).arg(sample.project());
    for (name, to) in [
        ("edge/stylus-framework-linux-amd64:v4.4.12", "agent"),
        ("edge/kairos-io/provider-k3s:v4.10.3", "provider"),
        ("luet-repo-amd:k3s-k8s-1.31.4-k3s1", "kubernetes"),
        ("third-party/spectro-third-party:4.8", "programs"),
    ] {
        steps.arg(sample.stand_in(name, to));
    }
    run(&mut steps);
    assert_same(("bootwright", &timeless(&ours)), ("CanvOS's steps", &timeless(&theirs)));
}

#[test]
fn the_sample_is_built_as_the_readme_says() {
    require!("python3", "openssl", "skopeo", "umoci", "bsdtar", "sha256sum", "docker-registry");
    let Some(sample) = Sample::new() else { return };
    sample.built(&["+uki-genkey", "--MY_ORG=ACME Corp"]);
    let printed = sample.built(&["+build-all-images"]);
    for line in ["system.registry: registry.example.com", "system.osVersion: 22"] {
        assert!(printed.contains(&format!("\n  {line}\n")), "{printed}");
    }
    assert_eq!(
        names(&sample.build("")),
        [
            "k3s-1.31.4-v4.4.12-demo.cdx.json",
            "k3s-1.31.4-v4.4.12-demo.manifest.json",
            "k3s-1.32.1-v4.4.12-demo.cdx.json",
            "k3s-1.32.1-v4.4.12-demo.manifest.json",
            "palette-edge-installer.cdx.json",
            "palette-edge-installer.iso",
            "palette-edge-installer.iso.sha256",
            "palette-edge-installer.manifest.json",
            "palette-installer-image.cdx.json",
            "palette-installer-image.manifest.json",
            "provider-images",
        ]
    );
    check_iso(&sample);
    check_images(&sample);
}

fn check_iso(sample: &Sample) {
    let iso = sample.build("palette-edge-installer.iso");
    run(Command::new(BOOTWRIGHT).arg("verify").arg(&iso));
    let mut check = tool("sha256sum");
    run(check.args(["--check", "palette-edge-installer.iso.sha256"]).current_dir(sample.build("")));
    for (path, file) in [
        ("config.yaml", "user-data"),
        (".edge_custom_config.yaml", ".edge-custom-config.yaml"),
        ("opt/spectrocloud/clusterconfig/spc.tgz", "spc.tgz"),
        ("opt/spectrocloud/content/demo.zst_part00", "content-demo/demo.zst"),
    ] {
        let there = run(tool("bsdtar").arg("-xOf").arg(&iso).arg(path)).stdout;
        assert_eq!(there, fs::read(sample.project().join(file)).unwrap(), "{path}");
    }
    let menu = text(tool("bsdtar").arg("-xOf").arg(&iso).arg("boot/grub2/grub.cfg"));
    assert!(menu.contains("\nset default=0\n"), "{menu}");
}

/// skopeo reads every image, umoci lists them, and a registry takes and gives them.
fn check_images(sample: &Sample) {
    let layout = sample.build("provider-images");
    let listed = text(tool("umoci").args(["list", "--layout"]).arg(&layout));
    let second = PROVIDER.replace("1.31.4", "1.32.1");
    let images = [PROVIDER, &second, "palette-installer-image:v4.4.12-demo"];
    let registry = Registry::start(sample.folder.path(), "");
    for name in images {
        assert!(listed.lines().any(|line| line == name), "{name} is not in {listed}");
        let image = format!("oci:{}:{name}", layout.display());
        let config = text(tool("skopeo").args(["inspect", "--config", &image]));
        let config: Value = serde_json::from_str(&config).unwrap();
        assert_eq!(config["architecture"], "amd64", "{name}");

        let (_, tag) = name.rsplit_once(':').unwrap();
        let target = registry.image(&format!("edge/os:{tag}"));
        let mut push = Command::new(BOOTWRIGHT);
        push.args(["push", &image, &target, "--insecure-registry", &registry.host]);
        run(push.arg("--store").arg(sample.at("empty")));
        let digest = |image: &str| {
            let inspect = ["inspect", "--tls-verify=false", "--format", "{{.Digest}}", image];
            text(tool("skopeo").args(inspect))
        };
        assert_eq!(digest(&target), digest(&image), "{name}");
    }
}

#[test]
fn the_stand_ins_are_the_same_each_time() {
    require!("python3", "openssl", "skopeo", "umoci");
    let Some(sample) = Sample::new() else { return };
    let index = sample.project().join("store/index.json");
    // The certificate of system extensions is a new one each time; the rest stays.
    let manifests = || -> Vec<Value> {
        let index: Value = serde_json::from_slice(&fs::read(&index).unwrap()).unwrap();
        let manifests = index["manifests"].as_array().unwrap().clone();
        manifests.into_iter().filter(|manifest| !manifest.to_string().contains("sysext")).collect()
    };
    let (first, authority) = (manifests(), sample.project().join("certs/site-authority.crt"));
    let certificate = sha256(&authority);
    let mut again = Command::new(sample.project().join("stand-ins"));
    run(again.arg("--base").arg(sample.at("base")).args(["--boot-efi", STUBS]));
    assert_eq!((manifests(), sha256(&authority)), (first, certificate));
}
