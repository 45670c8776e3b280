//! Trusted boot: keys, and what is signed with them.

use bootwright_uki::keys::MicrosoftSet;
use bootwright_uki::unified::names::Enroll;

use super::super::super::files::ProjectFile;
use super::super::super::image_name::ImageName;
use super::super::super::problem::{Place, Problem};
use super::super::{AgentPack, Genkey, Program, Step, Trusted, UkiInstaller};
use super::Planner;

impl Planner<'_> {
    pub(super) fn uki_installer(&mut self) -> UkiInstaller {
        self.need_keys();
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
            pack: self.agent_pack(),
            luet: self.program("luet"),
        }
    }

    pub(super) fn need_keys(&mut self) {
        if !has_keys(&self.project.files.secure_boot) {
            let text = "trusted boot needs the keys db.key and tpm2-pcr-private.pem in secure-boot/private-keys";
            let help = "make keys with bootwright +uki-genkey --MY_ORG=\"...\"";
            self.problems.push(Problem::error(Place::file("secure-boot"), text).help(help));
        }
    }

    pub(super) fn agent_pack(&self) -> AgentPack {
        let arguments = self.arguments();
        AgentPack {
            image: ImageName::new(arguments.get("STYLUS_PACKAGE_BASE")),
            name: arguments.get("STYLUS_BASE").into(),
            architecture: self.root(true).architecture,
        }
    }

    /// One of the third-party programs.
    pub(super) fn program(&self, name: &str) -> Program {
        let image = ImageName::new(self.arguments().get("SPECTRO_THIRD_PARTY_IMAGE"));
        Program { image, path: self.arguments().program_path(name) }
    }

    pub(super) fn trusted(&mut self) -> Trusted {
        self.need_keys();
        let below = ImageName::new(self.arguments().get("UBUNTU_IMAGE"));
        Trusted { keys: "secure-boot".into(), below, luet: self.program("luet") }
    }

    pub(super) fn genkey(&mut self) {
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
}

fn has_keys(files: &[ProjectFile]) -> bool {
    ["private-keys/db.key", "private-keys/tpm2-pcr-private.pem"]
        .iter()
        .all(|name| files.iter().any(|file| file.path.ends_with(name)))
}
