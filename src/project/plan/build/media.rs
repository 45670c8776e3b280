//! What media and disks are made from.

use super::super::super::image_name::ImageName;
use super::super::{Composite, Disk, Installer, MaasDisk, RootFs, Step};
use super::{Planner, path};
use crate::recipe::Architecture;
use crate::recipe::iso::MenuEdits;

impl Planner<'_> {
    pub(super) fn root(&self, uki: bool) -> RootFs {
        let arguments = self.arguments();
        let files = &self.project.files;
        RootFs {
            base: ImageName::new(arguments.get("BASE_IMAGE")),
            architecture: match arguments.get("ARCH") {
                "arm64" => Architecture::Arm64,
                _ => Architecture::Amd64,
            },
            dockerfile: path(files.dockerfile.as_ref()),
            certificates: files.certificates.iter().map(|file| file.path.clone()).collect(),
            distribution: arguments.get("OS_DISTRIBUTION").into(),
            kairos: (arguments.kairos_name(), arguments.kairos_image_label()),
            disable_selinux: arguments.flag("DISABLE_SELINUX"),
            jetson: arguments.is_jetson(),
            maas: arguments.flag("IS_MAAS"),
            cloud: false,
            uki,
            stylus: ImageName::new(arguments.get("STYLUS_BASE")),
            overlay: (!files.overlay.is_empty()).then(|| "overlay/files".into()),
            local_ui: path(files.local_ui.as_ref()),
        }
    }

    pub(super) fn installer(&self, uki: bool) -> Installer {
        let files = &self.project.files;
        let arguments = self.arguments();
        Installer {
            root: self.root(uki),
            name: arguments.get("ISO_NAME").into(),
            overlay_iso: (!files.overlay_iso.is_empty()).then(|| "overlay/files-iso".into()),
            user_data: path(files.user_data.as_ref()),
            content: files.content.iter().map(|file| file.path.clone()).collect(),
            cluster_config: path(files.cluster_config.as_ref()),
            edge_config: path(files.edge_config.as_ref()),
            menu: MenuEdits {
                default_entry: if arguments.flag("FORCE_INTERACTIVE_INSTALL") { 2 } else { 0 },
                debug: arguments.flag("DEBUG"),
            },
        }
    }

    pub(super) fn disk(&self, name: &str) -> Disk {
        let user_data = path(self.project.files.user_data.as_ref());
        Disk { root: self.root(false), name: name.into(), user_data }
    }

    pub(super) fn composite(&self, name: &str) -> Composite {
        let files = &self.project.files;
        Composite {
            disk: self.disk(name),
            content: files.content_folders.clone(),
            cluster_config: path(files.cluster_config.as_ref()),
            edge_config: path(files.edge_config.as_ref()),
        }
    }

    pub(super) fn maas(&mut self) {
        let arguments = self.arguments();
        let distribution = arguments.get("OS_DISTRIBUTION");
        let mut problems = Vec::new();
        if distribution != "ubuntu" {
            let is = if distribution.is_empty() {
                "not set".into()
            } else {
                format!("{distribution:?}")
            };
            let text = format!("OS_DISTRIBUTION is {is}; MAAS images are made of ubuntu alone");
            problems
                .push(arguments.wrong("OS_DISTRIBUTION", text).help("set OS_DISTRIBUTION=ubuntu"));
        }
        if arguments.flag("IS_UKI") {
            let text = "IS_UKI is true; MAAS images boot with GRUB";
            problems.push(arguments.wrong("IS_UKI", text).help("set IS_UKI=false"));
        }
        if arguments.some("MAAS_CLOUD_ROOTFS").is_none() {
            let text = "MAAS_CLOUD_ROOTFS is not set; a cloud root file system boots first and \
                        keeps what MAAS says";
            let help = "take one with kernel, initrd and cloud-init, and add \
                        MAAS_CLOUD_ROOTFS=tar:FILE, oci:FOLDER or an image of a registry to .arg";
            problems.push(arguments.wrong("MAAS_CLOUD_ROOTFS", text).help(help));
        }
        let mut composite = self.composite(arguments.get("MAAS_IMAGE_NAME"));
        let root = &mut composite.disk.root;
        root.maas = true;
        if !root.kairos.1.ends_with("-maas") {
            root.kairos.1.push_str("-maas");
        }
        let cloud_rootfs = ImageName::new(arguments.get("MAAS_CLOUD_ROOTFS"));
        self.problems.extend(problems);
        self.push(Step::Maas(Box::new(MaasDisk { composite, cloud_rootfs })));
    }

    pub(super) fn cloud(&mut self) {
        let mut composite = self.composite("kairos");
        composite.disk.root.cloud = true;
        self.push(Step::Cloud(composite));
    }
}
