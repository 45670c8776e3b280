//! From a project to steps.

use std::collections::BTreeMap;
use std::path::PathBuf;

use bootwright_uki::keys::MicrosoftSet;
use bootwright_uki::unified::names::Enroll;

use super::super::arguments::Arguments;
use super::super::files::ProjectFile;
use super::super::image_name::ImageName;
use super::super::load::Project;
use super::super::problem::{Place, Problem, Problems, Severity};
use super::super::profile::profile;
use super::super::target::Target;
use super::super::user_data;
use super::super::versions::versions;
use super::{
    Composite, Disk, Genkey, Installer, Plan, Planned, ProviderImage, RootFs, Step, UkiInstaller,
};
use crate::recipe::Architecture;
use crate::recipe::iso::MenuEdits;

/// What a target means for a project. Nothing is read or written.
#[must_use]
pub fn plan(project: &Project, target: Target) -> Plan {
    let mut planner = Planner { project, problems: Problems::default(), steps: Vec::new() };
    planner.add(target);
    let profile = target.shows_profile().then(|| profile(&project.arguments));
    Plan { target, steps: planner.steps, problems: planner.problems, profile }
}

struct Planner<'a> {
    project: &'a Project,
    problems: Problems,
    steps: Vec<Planned>,
}

impl Planner<'_> {
    fn arguments(&self) -> &Arguments {
        &self.project.arguments
    }

    fn add(&mut self, target: Target) {
        let uki = self.arguments().flag("IS_UKI");
        match target {
            Target::BuildAllImages => {
                self.provider_images(None);
                self.installer_image();
                self.add(Target::Iso);
            }
            Target::BuildProviderImages | Target::BuildProviderImagesFips => {
                self.provider_images(None);
            }
            Target::ProviderImage => self.provider_images(Some(false)),
            Target::UkiProviderImage => self.provider_images(Some(true)),
            Target::Iso if uki => self.add(Target::UkiIso),
            Target::Iso => {
                let installer = self.installer(false);
                self.push(Step::Iso(installer));
            }
            Target::UkiIso => {
                let step = self.uki_installer();
                self.push(Step::UkiIso(step));
            }
            Target::IsoImage => self.installer_image(),
            Target::IsoDiskImage => self.iso_disk_image(),
            Target::KairosRawImage => {
                let disk = self.disk("kairos");
                self.push(Step::RawDisk(disk));
            }
            Target::MaasImage => self.maas(),
            Target::CloudImage => {
                let composite = self.composite("kairos");
                self.push(Step::Cloud(composite));
            }
            Target::AwsCloudImage => {
                let text = "+aws-cloud-image uploads to AWS, which bootwright does not do";
                let help = "build +cloud-image and import the disk with the tools of AWS";
                self.problems.push(Problem::error(None, text).help(help));
                self.push(Step::AwsImage);
            }
            Target::UkiGenkey => self.genkey(),
            Target::SecureBootDirs => self.push(Step::SecureBootDirs),
            Target::ValidateUserData => self.push(Step::ValidateUserData),
            Target::StylusImagePack => {
                let image = ImageName::new(self.arguments().get("STYLUS_PACKAGE_BASE"));
                self.push(Step::StylusPack(image));
            }
            Target::BuildProviderTrustedbootImage => {
                let step = self.uki_installer();
                self.push(Step::TrustedBootImage(step));
            }
            Target::IsoEfiSizeCheck => {
                let number = |key| self.arguments().get(key).parse().unwrap_or_default();
                let (file, partition) = (number("EFI_MAX_SIZE"), number("EFI_IMG_SIZE"));
                self.push(Step::EfiSizeCheck { file, partition });
            }
        }
    }

    fn push(&mut self, step: Step) {
        self.user_data(&step);
        self.content(&step);
        let inputs = super::places::inputs(&step, self.project);
        let programs = match &step {
            Step::Iso(_)
            | Step::UkiIso(_)
            | Step::InstallerImage(..)
            | Step::RawDisk(_)
            | Step::Maas(_)
            | Step::Cloud(_) => programs(self.arguments(), false),
            Step::ProviderImage(_) => programs(self.arguments(), true),
            _ => Vec::new(),
        };
        self.steps.push(Planned { step, inputs, programs });
    }

    /// Mistakes in `user-data`, where it is taken in. Recipes warn about the rest themselves.
    fn user_data(&mut self, step: &Step) {
        let (taken, warned) = match step {
            Step::Iso(_) | Step::UkiIso(_) => (true, true),
            Step::RawDisk(_) | Step::Maas(_) | Step::Cloud(_) | Step::ValidateUserData => {
                (true, false)
            }
            _ => (false, false),
        };
        let text = self.project.user_data.as_deref().filter(|_| taken);
        let Some(text) = text else { return };
        let found = user_data::check("user-data", text);
        self.problems.extend(
            found.into_iter().filter(|problem| !warned || problem.severity == Severity::Error),
        );
    }

    /// Content bundles that would have one name, and files beside them, which the installer does
    /// not look at.
    fn content(&mut self, step: &Step) {
        if !matches!(step, Step::Iso(_) | Step::UkiIso(_)) {
            return;
        }
        let mut names = BTreeMap::new();
        for ProjectFile { path, .. } in &self.project.files.content {
            if let Some(first) = names.insert(path.file_name(), path) {
                let text = format!(
                    "{} has the same name, and all bundles lie in one folder of the medium",
                    first.display()
                );
                let problem = Problem::error(Place::file(&path.to_string_lossy()), text);
                self.problems.push(problem.help("rename one of the two"));
            }
        }
        for other in &self.project.files.content_others {
            let place = Place::file(&other.to_string_lossy());
            let text = "left out: content bundles are files *.zst in the folder itself";
            self.problems.push(Problem::warning(place, text));
        }
    }

    fn root(&self, uki: bool) -> RootFs {
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
            uki,
            stylus: ImageName::new(arguments.get("STYLUS_BASE")),
            overlay: (!files.overlay.is_empty()).then(|| "overlay/files".into()),
            local_ui: path(files.local_ui.as_ref()),
        }
    }

    fn installer(&self, uki: bool) -> Installer {
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

    fn uki_installer(&mut self) -> UkiInstaller {
        if !has_keys(&self.project.files.secure_boot) {
            let text = "trusted boot needs the keys db.key and tpm2-pcr-private.pem in secure-boot/private-keys";
            let help = "make keys with bootwright +uki-genkey --MY_ORG=\"...\"";
            self.problems.push(Problem::error(Place::file("secure-boot"), text).help(help));
        }
        let arguments = self.arguments();
        UkiInstaller {
            installer: self.installer(true),
            keys: "secure-boot".into(),
            cmdline: arguments.get("CMDLINE").into(),
            branding: arguments.get("BRANDING").into(),
            enroll: match arguments.flag("AUTO_ENROLL_SECUREBOOT_KEYS") {
                true => Enroll::Force,
                false => Enroll::IfSafe,
            },
            stylus_package: ImageName::new(arguments.get("STYLUS_PACKAGE_BASE")),
        }
    }

    fn installer_image(&mut self) {
        let name = match self.arguments().flag("IS_MAAS") {
            true => "palette-installer-image:latest".into(),
            false => format!("palette-installer-image:{}", self.arguments().image_tag()),
        };
        let root = self.root(self.arguments().flag("IS_UKI"));
        self.push(Step::InstallerImage(root, name));
    }

    fn iso_disk_image(&mut self) {
        self.add(Target::Iso);
        self.need(&["IMAGE_REGISTRY", "IMAGE_REPO"]);
        let arguments = self.arguments();
        let [registry, repository, iso] =
            ["IMAGE_REGISTRY", "IMAGE_REPO", "ISO_NAME"].map(|key| arguments.get(key));
        let image = format!("{registry}/{repository}/{iso}:{}", arguments.image_tag());
        let capital = iso.chars().any(|c| c.is_ascii_uppercase());
        let iso = iso.to_owned();
        if capital {
            let text = "ISO_NAME becomes part of an image's name, which has no capitals";
            let problem = self.arguments().wrong("ISO_NAME", text);
            self.problems.push(problem);
        }
        self.push(Step::IsoDiskImage { image, iso });
    }

    fn provider_images(&mut self, uki: Option<bool>) {
        let arguments = self.arguments();
        let trusted = uki.unwrap_or_else(|| arguments.flag("IS_UKI"));
        let one = uki.is_some();
        if one && arguments.some("K8S_VERSION").is_none() {
            let text = "K8S_VERSION is not set; this target makes one image";
            let help = "add --K8S_VERSION=..., or build +build-provider-images";
            let problem = arguments.wrong("K8S_VERSION", text).help(help);
            self.problems.push(problem);
        }
        self.need(&["IMAGE_REGISTRY", "IMAGE_REPO"]);
        let versions = match versions(self.arguments(), self.project.versions.as_deref()) {
            Ok(versions) => versions,
            Err(problem) => return self.problems.push(problem),
        };
        let trusted = trusted.then(|| self.uki_installer());
        for kubernetes in versions {
            let step = self.provider_image(kubernetes, trusted.clone());
            self.push(Step::ProviderImage(Box::new(step)));
        }
    }

    fn provider_image(&self, kubernetes: String, trusted: Option<UkiInstaller>) -> ProviderImage {
        let arguments = self.arguments();
        let files = &self.project.files;
        ProviderImage {
            root: self.root(trusted.is_some()),
            name: arguments.image_path(&kubernetes),
            package: arguments.kubernetes_package(&kubernetes),
            kubernetes_distribution: arguments.get("K8S_DISTRIBUTION").into(),
            kubernetes,
            luet_repository: arguments.luet_repository(),
            luet_auth: path(files.luet_auth.as_ref()),
            provider: ImageName::new(&arguments.provider_base()),
            edge_config: path(files.edge_config.as_ref()),
            bundle: arguments.flag("BUNDLE_K8S_AND_AGENT_PROVIDER"),
            trusted,
        }
    }

    fn disk(&self, name: &str) -> Disk {
        let user_data = path(self.project.files.user_data.as_ref());
        Disk { root: self.root(false), name: name.into(), user_data }
    }

    fn composite(&self, name: &str) -> Composite {
        let files = &self.project.files;
        Composite {
            disk: self.disk(name),
            content: files.content_folders.clone(),
            cluster_config: path(files.cluster_config.as_ref()),
            edge_config: path(files.edge_config.as_ref()),
        }
    }

    fn maas(&mut self) {
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
        let mut composite = self.composite(arguments.get("MAAS_IMAGE_NAME"));
        composite.disk.root.maas = true;
        self.problems.extend(problems);
        self.push(Step::Maas(composite));
    }

    fn genkey(&mut self) {
        let arguments = self.arguments();
        let present = arguments.flag("UKI_BRING_YOUR_OWN_KEYS");
        let there = |name: &str| {
            self.project.files.secure_boot.iter().any(|file| file.path.ends_with(name))
        };
        let mut problems = Vec::new();
        if present {
            let names = [
                "private-keys/PK.key",
                "private-keys/KEK.key",
                "private-keys/db.key",
                "private-keys/tpm2-pcr-private.pem",
                "public-keys/PK.pem",
                "public-keys/KEK.pem",
                "public-keys/db.pem",
            ];
            let lacking: Vec<&str> = names.into_iter().filter(|name| !there(name)).collect();
            if !lacking.is_empty() {
                let text = format!(
                    "UKI_BRING_YOUR_OWN_KEYS is true, and secure-boot/ lacks {}",
                    lacking.join(", ")
                );
                problems.push(
                    arguments
                        .wrong("UKI_BRING_YOUR_OWN_KEYS", text)
                        .help("copy the files there, or set it to false for new keys"),
                );
            }
        }
        let genkey = Genkey {
            folder: "secure-boot".into(),
            organisation: arguments.get("MY_ORG").into(),
            days: arguments.get("EXPIRATION_IN_DAYS").parse().unwrap_or_default(),
            microsoft: match arguments.flag("INCLUDE_MS_SECUREBOOT_KEYS") {
                true => MicrosoftSet::All,
                false => MicrosoftSet::None,
            },
            exported: (there("exported-keys/KEK") && there("exported-keys/db"))
                .then(|| "secure-boot/exported-keys".into()),
            present,
            extension_certificate: arguments
                .flag("ENROLL_SPECTRO_EXTENSION_CERT")
                .then(|| ImageName::new(arguments.get("SPECTRO_EXTENSION_CERT_IMAGE"))),
        };
        self.problems.extend(problems);
        self.push(Step::Genkey(genkey));
    }

    /// Keys that must have a value.
    fn need(&mut self, keys: &[&str]) {
        for key in keys {
            if self.arguments().some(key).is_none() {
                let text = format!("{key} is not set; it is a part of the image's name");
                let problem =
                    self.arguments().wrong(key, text).help(format!("add {key}=... to .arg"));
                self.problems.push(problem);
            }
        }
    }
}

fn path(file: Option<&ProjectFile>) -> Option<PathBuf> {
    file.map(|file| file.path.clone())
}

fn has_keys(files: &[ProjectFile]) -> bool {
    ["private-keys/db.key", "private-keys/tpm2-pcr-private.pem"]
        .iter()
        .all(|name| files.iter().any(|file| file.path.ends_with(name)))
}

/// What the values ask for that only programs in the image can do.
fn programs(arguments: &Arguments, provider: bool) -> Vec<(&'static str, &'static str)> {
    let asked = [
        ("UPDATE_KERNEL", "installs a kernel"),
        ("CIS_HARDENING", "runs a script for hardening"),
        ("UBUNTU_PRO_ATTACH", "runs pro attach"),
        ("INSTALL_NVIDIA_GPU_DRIVERS", "installs drivers"),
        ("INSTALL_AMD_GPU_DRIVERS", "installs drivers"),
        ("TWO_NODE", "installs a database"),
    ];
    let mut programs: Vec<_> = asked.into_iter().filter(|(key, _)| arguments.flag(key)).collect();
    if provider && arguments.get("K8S_DISTRIBUTION") == "nodeadm" {
        programs.push(("K8S_DISTRIBUTION=nodeadm", "runs nodeadm install"));
    }
    programs
}
