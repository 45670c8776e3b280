//! The steps of a plan, with everything that whoever carries them out has to know. Paths are meant
//! from the project's folder on.

use std::path::PathBuf;

use bootwright_uki::keys::MicrosoftSet;
use bootwright_uki::unified::names::Enroll;

use super::super::image_name::ImageName;
use crate::recipe::Architecture;
use crate::recipe::iso::MenuEdits;

/// One thing to do.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Step {
    /// The installer ISO.
    Iso(Installer),
    /// The installer ISO for trusted boot.
    UkiIso(UkiInstaller),
    /// The installer as container image with this name.
    InstallerImage(RootFs, String),
    /// A provider image.
    ProviderImage(Box<ProviderImage>),
    /// A container image that holds an ISO.
    IsoDiskImage(Box<IsoDiskImage>),
    /// A disk that installs itself at its first boot.
    RawDisk(Disk),
    /// A disk for MAAS.
    Maas(Box<MaasDisk>),
    /// A disk for clouds.
    Cloud(Composite),
    /// Secure Boot keys.
    Genkey(Genkey),
    /// The folders of `secure-boot/`.
    SecureBootDirs,
    /// A check of `user-data`.
    ValidateUserData,
    /// The agent as an archive.
    StylusPack(AgentPack),
    /// The signed files of a trusted-boot provider image.
    TrustedBootImage(Box<ProviderImage>),
    /// An ISO that tells how large a partition firmware takes.
    EfiSizeCheck {
        /// The program that firmware starts.
        program: Option<PathBuf>,
        /// MiB of the file in the partition.
        file: u32,
        /// MiB of the partition.
        partition: u32,
    },
    /// An image in AWS.
    AwsImage,
}

/// A root file system: what installers, provider images and disks have in common.
#[derive(Clone, Debug)]
pub struct RootFs {
    /// The image of the operating system.
    pub base: ImageName,
    /// Its architecture.
    pub architecture: Architecture,
    /// The project's Dockerfile, to be applied to the base image.
    pub dockerfile: Option<PathBuf>,
    /// Certificates to trust.
    pub certificates: Vec<PathBuf>,
    /// The distribution, by which the place of certificates is known.
    pub distribution: String,
    /// `KAIROS_NAME` and `KAIROS_IMAGE_LABEL` for `/etc/kairos-release`.
    pub kairos: (String, String),
    /// Whether the boot arguments get `selinux=0`.
    pub disable_selinux: bool,
    /// Whether it is for NVIDIA's Jetson boards.
    pub jetson: bool,
    /// Whether it is for MAAS.
    pub maas: bool,
    /// Whether it is for clouds.
    pub cloud: bool,
    /// Whether it is for unified kernel images.
    pub uki: bool,
    /// The image whose files are copied over the root.
    pub stylus: ImageName,
    /// A folder laid over the root.
    pub overlay: Option<PathBuf>,
    /// An archive unpacked into `/opt/spectrocloud`.
    pub local_ui: Option<PathBuf>,
}

impl RootFs {
    /// Whether the steps up to CanvOS's target `base-image` are the same for both.
    #[must_use]
    pub fn has_base_of(&self, other: &Self) -> bool {
        let base = |root: &Self| {
            let kinds = (root.disable_selinux, root.jetson, root.maas, root.uki);
            (root.base.clone(), root.architecture, root.dockerfile.clone(), kinds)
        };
        base(self) == base(other) && self.kairos == other.kairos
    }
}

/// An installer ISO.
#[derive(Clone, Debug)]
pub struct Installer {
    /// The root file system.
    pub root: RootFs,
    /// The ISO's name, without suffix.
    pub name: String,
    /// A folder laid over the medium.
    pub overlay_iso: Option<PathBuf>,
    /// Cloud-config for the installer.
    pub user_data: Option<PathBuf>,
    /// Folders with content bundles.
    pub content: Vec<PathBuf>,
    /// Cluster configuration.
    pub cluster_config: Option<PathBuf>,
    /// Edge configuration.
    pub edge_config: Option<PathBuf>,
    /// What becomes of the menu.
    pub menu: MenuEdits,
}

/// An installer ISO for trusted boot.
#[derive(Clone, Debug)]
pub struct UkiInstaller {
    /// The installer.
    pub installer: Installer,
    /// The folder with the keys.
    pub keys: PathBuf,
    /// Words behind the base command line.
    pub cmdline: String,
    /// What menus call the system.
    pub branding: String,
    /// When keys are enrolled.
    pub enroll: Enroll,
    /// The agent, which goes onto the medium as an archive.
    pub pack: AgentPack,
    /// What unpacks the archive on the machine: `/luet`.
    pub luet: Program,
}

/// The agent as an archive.
#[derive(Clone, Debug)]
pub struct AgentPack {
    /// The image of the agent.
    pub image: ImageName,
    /// What the archive calls itself.
    pub name: String,
    /// For which architecture.
    pub architecture: Architecture,
}

/// A program that comes in an image.
#[derive(Clone, Debug)]
pub struct Program {
    /// The image.
    pub image: ImageName,
    /// Its path there.
    pub path: String,
}

/// A provider image.
#[derive(Clone, Debug)]
pub struct ProviderImage {
    /// The root file system; of its overlay only `etc` counts.
    pub root: RootFs,
    /// Its name, `REGISTRY/REPOSITORY:TAG`.
    pub name: String,
    /// The version of Kubernetes.
    pub kubernetes: String,
    /// The distribution of Kubernetes.
    pub kubernetes_distribution: String,
    /// The package with it, `k8s/NAME@VERSION`.
    pub package: String,
    /// The repository with the package.
    pub luet_repository: String,
    /// Credentials for that repository, needed while building only.
    pub luet_auth: Option<PathBuf>,
    /// The image of the Kairos provider.
    pub provider: ImageName,
    /// Edge configuration: `/oem/.edge_custom_config.yaml`.
    pub edge_config: Option<PathBuf>,
    /// What shows and mends the cluster's database: `/usr/bin/etcdctl`.
    pub etcdctl: Program,
    /// Whether Kubernetes is in the image even if its systemd knows extensions.
    pub bundle: bool,
    /// What makes it one for trusted boot.
    pub trusted: Option<Trusted>,
}

/// What provider images for trusted boot take beside the system that is signed.
#[derive(Clone, Debug)]
pub struct Trusted {
    /// The folder with the keys.
    pub keys: PathBuf,
    /// The image below, which is no part of what boots.
    pub below: ImageName,
    /// What unpacks archives during an upgrade: `/usr/bin/luet`.
    pub luet: Program,
}

/// A container image that holds the ISO of the step before.
#[derive(Clone, Debug)]
pub struct IsoDiskImage {
    /// The root file system of the ISO.
    pub root: RootFs,
    /// The image's name, `REGISTRY/REPOSITORY:TAG`.
    pub image: String,
    /// The ISO's name, without suffix.
    pub iso: String,
}

/// A disk.
#[derive(Clone, Debug)]
pub struct Disk {
    /// The root file system.
    pub root: RootFs,
    /// Its name, without suffix.
    pub name: String,
    /// Cloud-config: `/90_custom.yaml` of the OEM partition.
    pub user_data: Option<PathBuf>,
}

/// A disk with a partition for content.
#[derive(Clone, Debug)]
pub struct Composite {
    /// The disk.
    pub disk: Disk,
    /// Folders with content bundles: `bundle-content/`.
    pub content: Vec<PathBuf>,
    /// Cluster configuration: `spc-config/`.
    pub cluster_config: Option<PathBuf>,
    /// Edge configuration: `edge-config/.edge_custom_config.yaml`.
    pub edge_config: Option<PathBuf>,
}

/// A disk for MAAS.
#[derive(Clone, Debug)]
pub struct MaasDisk {
    /// The disk.
    pub composite: Composite,
    /// The root file system of a cloud image, which boots first.
    pub cloud_rootfs: ImageName,
}

/// Secure Boot keys.
#[derive(Clone, Debug)]
pub struct Genkey {
    /// Where they go.
    pub folder: PathBuf,
    /// The organisation in new certificates.
    pub organisation: String,
    /// Days that new certificates are valid.
    pub days: u32,
    /// Microsoft's certificates that are trusted too.
    pub microsoft: MicrosoftSet,
    /// A folder with lists exported from firmware.
    pub exported: Option<PathBuf>,
    /// Whether the keys are there already.
    pub present: bool,
    /// The image with a certificate that `db` trusts too.
    pub extension_certificate: Option<ImageName>,
}

impl ProviderImage {
    /// The tag of its name.
    #[must_use]
    pub fn tag(&self) -> &str {
        let last = self.name.rsplit('/').next().unwrap_or_default();
        last.split_once(':').map_or(last, |(_, tag)| tag)
    }
}

impl Step {
    /// What it does, in a few words.
    #[must_use]
    pub fn title(&self) -> String {
        match self {
            Self::Iso(step) => format!("installer ISO for {}", step.root.architecture),
            Self::UkiIso(_) => "installer ISO for trusted boot".into(),
            Self::InstallerImage(..) => "installer as container image".into(),
            Self::ProviderImage(step) => {
                format!("provider image with {} {}", step.kubernetes_distribution, step.kubernetes)
            }
            Self::IsoDiskImage(step) => format!("container image with {}.iso", step.iso),
            Self::RawDisk(_) => "disk image".into(),
            Self::Maas(_) => "disk image for MAAS".into(),
            Self::Cloud(_) => "disk image for clouds".into(),
            Self::Genkey(step) if step.present => "enrolment of the keys that are there".into(),
            Self::Genkey(step) => {
                format!("Secure Boot keys of {:?} for {} days", step.organisation, step.days)
            }
            Self::SecureBootDirs => "folders for Secure Boot keys".into(),
            Self::ValidateUserData => "check of user-data".into(),
            Self::StylusPack(_) => "archive of the agent".into(),
            Self::TrustedBootImage(_) => "signed image for the provider image".into(),
            Self::EfiSizeCheck { file, partition, .. } => {
                format!("ISO with {file} MiB in an EFI system partition of {partition} MiB")
            }
            Self::AwsImage => "machine image in AWS".into(),
        }
    }

    /// What is there when it is done.
    #[must_use]
    pub fn outputs(&self) -> Vec<String> {
        let with_sum = |name: String| vec![name.clone(), format!("{name}.sha256")];
        match self {
            Self::Iso(step) => with_sum(format!("build/{}.iso", step.name)),
            Self::UkiIso(step) => with_sum(format!("build/{}.iso", step.installer.name)),
            Self::InstallerImage(_, image) => vec![image.clone()],
            Self::IsoDiskImage(step) => vec![step.image.clone()],
            Self::ProviderImage(step) => vec![step.name.clone()],
            Self::RawDisk(step) => vec![format!("build/{}.raw", step.name)],
            Self::Maas(step) => with_sum(format!("build/{}.raw.gz", step.composite.disk.name)),
            Self::Cloud(step) => vec![format!("build/{}.raw", step.disk.name)],
            Self::Genkey(step) => {
                let all = ["enrollment", "private-keys", "public-keys"];
                let made = if step.present { &all[..1] } else { &all[..] };
                made.iter().map(|name| step.folder.join(name).display().to_string()).collect()
            }
            Self::SecureBootDirs => {
                super::super::run::SECURE_BOOT.map(|(name, _)| name.into()).into()
            }
            Self::ValidateUserData => Vec::new(),
            Self::StylusPack(_) => with_sum("build/stylus-image.tar".into()),
            Self::TrustedBootImage(step) => with_sum(format!("trusted-boot/{}.tar", step.tag())),
            Self::EfiSizeCheck { .. } => with_sum("build/efi-size-check.iso".into()),
            Self::AwsImage => vec!["a machine image in AWS".into()],
        }
    }
}
