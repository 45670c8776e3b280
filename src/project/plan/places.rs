//! Where the files of a project end up, for each kind of result.

use super::super::files::ProjectFile;
use super::super::image_name::ImageName;
use super::super::load::Project;
use super::input::{BUNDLE, CLUSTER, EDGE};
use super::supplied::{self, Supplied};
use super::{Composite, Disk, Input, ProviderImage, RootFs, Source, Step, UkiInstaller};

const PRODUCT: &str = "/opt/spectrocloud";

/// Everything that goes into a step.
pub(super) fn inputs(step: &Step, project: &Project) -> Vec<Input> {
    let of = Of { project };
    match step {
        Step::Iso(step) => [of.root(&step.root), of.medium(), of.local_ui("the root's ")].concat(),
        Step::UkiIso(step) => of.uki(step),
        Step::InstallerImage(root, _) => of.root(root),
        Step::ProviderImage(step) => of.provider(step),
        Step::TrustedBootImage(step) => of.signed(step),
        Step::IsoDiskImage(step) => {
            let iso = &step.iso;
            let file = ProjectFile { path: format!("build/{iso}.iso").into(), len: 0 };
            // It is made by the step before, so that it has no digest yet.
            let name = ImageName::new(&format!("dir:{}", file.path.display()));
            vec![Input::image("ISO", &name, &format!("/disk/{iso}.iso"))]
        }
        Step::RawDisk(step) => of.disk(step),
        Step::Maas(step) => {
            let mut inputs = of.composite(&step.composite, "spc.tgz");
            inputs.push(Input::image(
                "cloud root file system",
                &step.cloud_rootfs,
                "UBUNTU_ROOTFS",
            ));
            inputs
        }
        Step::Cloud(step) => {
            let name = step.cluster_config.as_ref().and_then(|path| path.file_name());
            of.composite(step, &name.unwrap_or_default().to_string_lossy())
        }
        Step::Genkey(step) => {
            let keys = of.project.files.secure_boot.iter().filter(|file| {
                let folder = if step.present {
                    "secure-boot/public-keys"
                } else {
                    "secure-boot/exported-keys"
                };
                file.path.starts_with(folder)
            });
            let mut inputs: Vec<Input> =
                keys.map(|file| Input::file("keys", file, "what firmware trusts")).collect();
            inputs.extend(
                step.extension_certificate
                    .iter()
                    .map(|image| Input::image("certificate of extensions", image, "db")),
            );
            inputs
        }
        Step::ValidateUserData => of.one("user-data", &project.files.user_data, "checked only"),
        Step::StylusPack(pack) => vec![Input::image("agent", &pack.image, "the archive")],
        Step::EfiSizeCheck { .. } => {
            of.one("test program", &project.files.size_check, "EFI/BOOT/BOOTX64.EFI")
        }
        Step::SecureBootDirs | Step::AwsImage => Vec::new(),
    }
}

struct Of<'a> {
    project: &'a Project,
}

impl Of<'_> {
    fn one(&self, role: &'static str, file: &Option<ProjectFile>, place: &str) -> Vec<Input> {
        file.iter().map(|file| Input::file(role, file, place)).collect()
    }

    fn root(&self, root: &RootFs) -> Vec<Input> {
        let mut inputs = self.base(root);
        inputs.push(Input::image("agent's framework", &root.stylus, "the root's /"));
        inputs.extend(below(
            "overlay",
            &self.project.files.overlay,
            "overlay/files",
            "the root's ",
        ));
        inputs.extend(self.supplied(supplied::for_installer(root)));
        inputs
    }

    /// Files of the checkout itself.
    fn supplied<'s>(&self, wanted: impl Iterator<Item = &'s Supplied>) -> Vec<Input> {
        let there = &self.project.files.supplied;
        let of = |wanted: &Supplied| {
            let file = there.iter().find(|file| file.path.as_os_str() == wanted.from)?;
            Some(Input::file("file of CanvOS", file, format!("the root's {}", wanted.to)))
        };
        wanted.filter_map(of).collect()
    }

    fn base(&self, root: &RootFs) -> Vec<Input> {
        let files = &self.project.files;
        let mut inputs = vec![Input::image("base image", &root.base, "the root's /")];
        inputs.extend(self.one("Dockerfile", &files.dockerfile, "applied to the base image"));
        inputs.extend(below(
            "certificate",
            &files.certificates,
            "certs",
            "the root's trusted certificates",
        ));
        inputs.extend(self.supplied(supplied::for_base(root)));
        inputs
    }

    fn local_ui(&self, whose: &str) -> Vec<Input> {
        self.one(
            "local user interface",
            &self.project.files.local_ui,
            &format!("unpacked into {whose}{PRODUCT}"),
        )
    }

    /// What lies on the medium of an installer.
    fn medium(&self) -> Vec<Input> {
        let files = &self.project.files;
        let mut inputs =
            below("overlay of the medium", &files.overlay_iso, "overlay/files-iso", "");
        inputs.extend(self.one("user-data", &files.user_data, "/config.yaml"));
        inputs.extend(self.one(EDGE, &files.edge_config, "/.edge_custom_config.yaml"));
        inputs.extend(self.one(
            CLUSTER,
            &files.cluster_config,
            "/opt/spectrocloud/clusterconfig/spc.tgz",
        ));
        inputs.extend(files.content.iter().map(|file| {
            let name = file.path.file_name().unwrap_or_default().to_string_lossy();
            Input::file(BUNDLE, file, format!("{PRODUCT}/content/{name}_part00..."))
        }));
        inputs
    }

    fn uki(&self, step: &UkiInstaller) -> Vec<Input> {
        let mut inputs = self.root(&step.installer.root);
        inputs.extend(self.medium());
        inputs.extend(self.local_ui("the medium's "));
        inputs.push(Input::image("agent", &step.pack.image, "/stylus-image.tar"));
        inputs.push(Input::image("third-party programs", &step.luet.image, "/luet"));
        inputs.extend(self.keys());
        inputs
    }

    fn keys(&self) -> Vec<Input> {
        let shown = |file: &&ProjectFile| {
            file.path.starts_with("secure-boot/enrollment")
                || file.path.starts_with("secure-boot/public-keys")
        };
        let keys = self.project.files.secure_boot.iter().filter(shown);
        keys.map(|file| Input::file("keys", file, "the EFI system partition's loader/keys"))
            .collect()
    }

    fn provider(&self, step: &ProviderImage) -> Vec<Input> {
        let mut inputs = self.signed(step);
        if let Some(trusted) = &step.trusted {
            inputs.push(Input::image("image below", &trusted.below, "/"));
            inputs.push(Input::image("third-party programs", &trusted.luet.image, "/usr/bin/luet"));
        }
        inputs
    }

    /// What the system in a provider image is made from.
    fn signed(&self, step: &ProviderImage) -> Vec<Input> {
        let files = &self.project.files;
        let mut inputs = self.base(&step.root);
        inputs.push(Input::image(
            "agent's framework",
            &step.root.stylus,
            "/etc/kairos, /oem, /etc/elemental",
        ));
        inputs.push(Input::image("Kairos provider", &step.provider, "/system/providers"));
        inputs.push(Input::image("third-party programs", &step.etcdctl.image, "/usr/bin/etcdctl"));
        let etc: Vec<ProjectFile> = files
            .overlay
            .iter()
            .filter(|file| file.path.starts_with("overlay/files/etc"))
            .cloned()
            .collect();
        inputs.extend(below("overlay", &etc, "overlay/files", ""));
        inputs.extend(self.one(EDGE, &files.edge_config, "/oem/.edge_custom_config.yaml"));
        let source = Source::Package {
            name: step.package.clone(),
            repository: step.luet_repository.clone(),
        };
        let place = if step.trusted.is_some() { "/k8s" } else { "/" };
        inputs.push(Input { role: "Kubernetes", source, place: place.into() });
        if step.trusted.is_some() {
            inputs.extend(self.keys());
        }
        inputs
    }

    fn disk(&self, step: &Disk) -> Vec<Input> {
        let mut inputs = self.root(&step.root);
        inputs.extend(self.local_ui("the root's "));
        inputs.extend(self.one(
            "user-data",
            &self.project.files.user_data,
            "COS_OEM/90_custom.yaml",
        ));
        inputs
    }

    fn composite(&self, step: &Composite, cluster_config: &str) -> Vec<Input> {
        let files = &self.project.files;
        let mut inputs = self.disk(&step.disk);
        inputs.extend(files.content.iter().map(|file| {
            let name = file.path.file_name().unwrap_or_default().to_string_lossy();
            Input::file(BUNDLE, file, format!("COS_CONTENT/bundle-content/{name}"))
        }));
        let place = format!("COS_CONTENT/spc-config/{cluster_config}");
        inputs.extend(self.one(CLUSTER, &files.cluster_config, &place));
        inputs.extend(self.one(
            EDGE,
            &files.edge_config,
            "COS_CONTENT/edge-config/.edge_custom_config.yaml",
        ));
        inputs
    }
}

/// Files with their place below another folder.
fn below(role: &'static str, files: &[ProjectFile], prefix: &str, place: &str) -> Vec<Input> {
    let moved = |file: &ProjectFile| {
        let rest = file.path.strip_prefix(prefix).unwrap_or(&file.path);
        let source = Source::File { file: file.clone(), sha256: None };
        Input { role, source, place: format!("{place}/{}", rest.display()) }
    };
    files.iter().map(moved).collect()
}
