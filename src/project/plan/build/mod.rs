//! From a project to steps.

mod images;
mod media;
mod trusted;

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::super::arguments::Arguments;
use super::super::files::ProjectFile;
use super::super::load::Project;
use super::super::problem::{Place, Problem, Problems, Severity};
use super::super::profile::profile;
use super::super::target::Target;
use super::super::user_data;
use super::{Plan, Planned, Step, supplied};

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
            Target::CloudImage => self.cloud(),
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
                let pack = self.agent_pack();
                self.push(Step::StylusPack(pack));
            }
            Target::BuildProviderTrustedbootImage => self.signed_files(),
            Target::IsoEfiSizeCheck => {
                let number = |key| self.arguments().get(key).parse().unwrap_or_default();
                let (file, partition) = (number("EFI_MAX_SIZE"), number("EFI_IMG_SIZE"));
                let program = path(self.project.files.size_check.as_ref());
                self.push(Step::EfiSizeCheck { program, file, partition });
            }
        }
    }

    fn push(&mut self, step: Step) {
        self.user_data(&step);
        self.supplied(&step);
        self.content(&step);
        let inputs = super::places::inputs(&step, self.project);
        let programs = match &step {
            Step::Iso(_)
            | Step::UkiIso(_)
            | Step::InstallerImage(..)
            | Step::RawDisk(_)
            | Step::Maas(_)
            | Step::Cloud(_) => programs(self.arguments(), false),
            Step::ProviderImage(_) | Step::TrustedBootImage(_) => programs(self.arguments(), true),
            _ => Vec::new(),
        };
        self.steps.push(Planned { step, inputs, programs });
    }

    /// Files of CanvOS's own that are missing. Each is told once.
    fn supplied(&mut self, step: &Step) {
        let (root, installer) = match step {
            Step::Iso(step) => (&step.root, true),
            Step::UkiIso(step) => (&step.installer.root, true),
            Step::InstallerImage(root, _) => (root, true),
            Step::RawDisk(disk) => (&disk.root, true),
            Step::Maas(step) => (&step.composite.disk.root, true),
            Step::Cloud(step) => (&step.disk.root, true),
            Step::ProviderImage(step) | Step::TrustedBootImage(step) => (&step.root, false),
            _ => return,
        };
        let missing = supplied::missing(root, &self.project.files.supplied, installer);
        let known = |problem: &Problem| self.problems.iter().any(|known| known == problem);
        let new: Vec<_> = missing.into_iter().filter(|problem| !known(problem)).collect();
        self.problems.extend(new);
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
