//! How values fit together.

use super::super::nearest::suggestion;
use super::super::problem::{Problem, Problems};
use super::Arguments;

/// Longest tag of an image (OCI distribution specification).
const LONGEST_TAG: usize = 128;
const RELEASES: [&str; 6] = ["20", "22", "24", "20.04", "22.04", "24.04"];
const DISTRIBUTIONS: [&str; 4] = ["ubuntu", "opensuse-leap", "rhel", "sles"];

impl Arguments {
    /// Checks combinations of values that hold for every target.
    #[must_use]
    pub fn check(&self) -> Problems {
        let mut problems = Problems::default();
        self.exclusions(&mut problems);
        self.operating_system(&mut problems);
        self.proxies(&mut problems);
        let tag = format!("{}-00.00.00-rke2r1-{}", self.get("K8S_DISTRIBUTION"), self.image_tag());
        if tag.len() > LONGEST_TAG {
            let text = format!(
                "PE_VERSION and CUSTOM_TAG make tags of more than {LONGEST_TAG} characters"
            );
            problems.push(self.wrong("CUSTOM_TAG", text).help("shorten CUSTOM_TAG"));
        }
        let version = self.get("PE_VERSION");
        if version.is_empty()
            || !version.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
        {
            let text = format!("PE_VERSION is {version:?}; a version such as v4.4.12 is needed");
            problems.push(self.wrong("PE_VERSION", text));
        }
        problems
    }

    /// An error at the place of a key's value.
    pub(in crate::project) fn wrong(&self, key: &str, text: impl Into<String>) -> Problem {
        Problem::error(self.origin(key).place(), text)
    }

    fn exclusions(&self, problems: &mut Problems) {
        for (one, two, why) in [
            (
                "INSTALL_AMD_GPU_DRIVERS",
                "INSTALL_NVIDIA_GPU_DRIVERS",
                "one image has drivers for one vendor",
            ),
            ("UPDATE_KERNEL", "FIPS_ENABLED", "the certified kernel must stay"),
        ] {
            if self.flag(one) && self.flag(two) {
                let text = format!("{one} and {two} are both true; {why}");
                let help = format!("set one of them to false ({two}: {})", self.origin(two));
                problems.push(self.wrong(one, text).help(help));
            }
        }
        if self.flag("IS_UKI") && self.get("ARCH") == "arm64" {
            let text = "IS_UKI is true and ARCH is arm64; CanvOS has trusted boot for amd64 alone";
            problems.push(self.wrong("IS_UKI", text).help("set IS_UKI=false for arm64"));
        }
        if self.flag("FIPS_ENABLED") && self.get("K8S_DISTRIBUTION") == "k3s" {
            let text = "FIPS_ENABLED is true, but k3s has no FIPS build";
            let warning = Problem::warning(self.origin("K8S_DISTRIBUTION").place(), text);
            problems.push(warning.help("take rke2, or kubeadm-fips"));
        }
        let number = |key| self.get(key).parse::<u32>().unwrap_or_default();
        if number("EFI_IMG_SIZE") <= number("EFI_MAX_SIZE") {
            let (img, max) = (self.get("EFI_IMG_SIZE"), self.get("EFI_MAX_SIZE"));
            let text = format!(
                "EFI_IMG_SIZE is {img}; more than EFI_MAX_SIZE ({max}) is needed, the file lies in it"
            );
            problems.push(self.wrong("EFI_IMG_SIZE", text));
        }
    }

    fn operating_system(&self, problems: &mut Problems) {
        if self.some("ARCH").is_none() {
            problems.push(self.wrong("ARCH", "ARCH is empty; amd64 or arm64 is needed"));
        }
        if self.origin("BASE_IMAGE").is_given() && self.some("BASE_IMAGE").is_some() {
            return;
        }
        let (distribution, release) = (self.get("OS_DISTRIBUTION"), self.get("OS_VERSION"));
        match distribution {
            "ubuntu" if release.is_empty() => {
                let text = "OS_VERSION is not set; the base image of ubuntu depends on it";
                problems.push(
                    self.wrong("OS_DISTRIBUTION", text)
                        .help("set OS_VERSION=22.04, or name the image with BASE_IMAGE"),
                );
            }
            "ubuntu" if !RELEASES.contains(&release) => {
                let guess =
                    suggestion(release, RELEASES.into_iter().filter(|known| known.contains('.')));
                let text = format!(
                    "OS_VERSION is {release:?}; there are base images for ubuntu {}{guess}",
                    RELEASES.join(", ")
                );
                problems.push(
                    self.wrong("OS_VERSION", text)
                        .help("another release needs its image in BASE_IMAGE"),
                );
            }
            "opensuse-leap" if release.is_empty() => {
                let text = "OS_VERSION is not set; the base image is that of openSUSE Leap 15.6";
                problems.push(Problem::warning(self.origin("OS_DISTRIBUTION").place(), text));
            }
            "ubuntu" | "opensuse-leap" => {}
            "" => {
                let text = "neither OS_DISTRIBUTION nor BASE_IMAGE is set; there is no system to build from";
                let help = "set OS_DISTRIBUTION=ubuntu and OS_VERSION=22.04, or name an image with BASE_IMAGE";
                problems.push(self.wrong("OS_DISTRIBUTION", text).help(help));
            }
            other => {
                let guess = suggestion(other, DISTRIBUTIONS);
                let text = format!(
                    "OS_DISTRIBUTION is {other:?}, for which no base image is known{guess}"
                );
                problems.push(self.wrong("OS_DISTRIBUTION", text).help("build one with the distribution's folder of CanvOS and name it with BASE_IMAGE"));
            }
        }
    }

    fn proxies(&self, problems: &mut Problems) {
        for (upper, lower) in
            [("HTTP_PROXY", "http_proxy"), ("HTTPS_PROXY", "https_proxy"), ("NO_PROXY", "no_proxy")]
        {
            if self.origin(lower).is_given() && self.get(upper) != self.get(lower) {
                let text = format!("{upper} and {lower} differ; programs look at one or the other");
                problems.push(self.wrong(lower, text).help(format!("leave {lower} out")));
            }
        }
        if self.some("PROXY_CERT_PATH").is_some() {
            let text = "PROXY_CERT_PATH takes one certificate, and newer releases do without it";
            let place = self.origin("PROXY_CERT_PATH").place();
            problems.push(
                Problem::warning(place, text).help("put certificates into the folder certs/"),
            );
        }
    }
}
