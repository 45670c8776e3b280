//! Values that follow from others.

use super::{Arguments, Origin, Setting};

const PUBLIC: &str = "us-docker.pkg.dev/palette-images";
const PUBLIC_FIPS: &str = "us-docker.pkg.dev/palette-images-fips";
/// The one release of openSUSE Leap that CanvOS documents; its projects need not name it.
const LEAP: &str = "15.6";

/// Puts values in place of `$NAME` and `${NAME}`.
pub(super) fn fill(template: &str, arguments: &Arguments) -> String {
    let mut pieces = template.split('$');
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (name, rest) = match piece.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
            Some(split) => split,
            None => {
                let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
                piece.split_at(piece.find(|c| !word(c)).unwrap_or(piece.len()))
            }
        };
        text.push_str(arguments.get(name));
        text.push_str(rest);
    }
    text
}

/// FIPS builds take images of their own, if nobody named others.
pub(super) fn fips(key: &str, arguments: &mut Arguments) {
    if !arguments.flag("FIPS_ENABLED") {
        return;
    }
    let own = match key {
        "SPECTRO_PUB_REPO" if arguments.get(key) == PUBLIC => {
            ("SPECTRO_PUB_REPO", PUBLIC_FIPS.into())
        }
        "UBUNTU_IMAGE" => {
            let host = arguments.get("SPECTRO_PUB_REPO");
            ("UBUNTU_IMAGE", format!("{host}/third-party/ubuntu-fips:22.04"))
        }
        _ => return,
    };
    let origin = Origin::Derived("FIPS_ENABLED");
    arguments.settings.insert(own.0, Setting { value: own.1, origin });
}

/// Adds what is derived once all other keys have their values.
pub(super) fn add(arguments: &mut Arguments) {
    if arguments.some("BASE_IMAGE").is_none()
        && let Some(value) = base_image(arguments)
    {
        let origin = Origin::Derived("OS_DISTRIBUTION, OS_VERSION, ARCH, KAIROS_INIT_VERSION");
        arguments.settings.insert("BASE_IMAGE", Setting { value, origin });
    }
    let name = arguments.get("MAAS_IMAGE_NAME");
    let stem = name.strip_suffix(".gz").unwrap_or(name);
    let stem = stem.strip_suffix(".raw").unwrap_or(name).to_owned();
    if let Some(setting) = arguments.settings.get_mut("MAAS_IMAGE_NAME") {
        setting.value = stem;
    }
}

fn base_image(arguments: &Arguments) -> Option<String> {
    let [host, arch, version] =
        ["KAIROS_BASE_IMAGE_URL", "ARCH", "KAIROS_INIT_VERSION"].map(|name| arguments.get(name));
    let release = arguments.some("OS_VERSION");
    let (name, release, end) = match arguments.get("OS_DISTRIBUTION") {
        "ubuntu" => {
            let release = release?;
            // CanvOS has no trusted-boot image under the short names.
            let uki = arguments.flag("IS_UKI") && !matches!(release, "20" | "22");
            ("ubuntu:", release_of_ubuntu(release), if uki { "-uki" } else { "" })
        }
        "opensuse-leap" => ("opensuse:leap-", release.unwrap_or(LEAP).to_owned(), ""),
        _ => return None,
    };
    Some(format!("{host}/kairos-{name}{release}-core-{arch}-generic-{version}{end}"))
}

/// `22` for `22.04`, and the like.
fn release_of_ubuntu(release: &str) -> String {
    match release {
        "20" | "22" | "24" => format!("{release}.04"),
        _ => release.into(),
    }
}

impl Arguments {
    /// Where a program is in the image with third-party programs.
    #[must_use]
    pub fn program_path(&self, name: &str) -> String {
        let kind = if self.flag("FIPS_ENABLED") { "vertex" } else { "palette" };
        format!("/binaries/{name}/latest/{kind}/{}/{name}", self.get("ARCH"))
    }

    /// The end of the provider images' tags: `PE_VERSION[-CUSTOM_TAG]`.
    #[must_use]
    pub fn image_tag(&self) -> String {
        let version = self.get("PE_VERSION");
        self.some("CUSTOM_TAG").map_or_else(|| version.into(), |tag| format!("{version}-{tag}"))
    }

    /// The name of the provider image for a version of Kubernetes:
    /// `REGISTRY/REPOSITORY:DISTRIBUTION-VERSION-TAG`.
    #[must_use]
    pub fn image_path(&self, kubernetes: &str) -> String {
        let (registry, repository) = (self.get("IMAGE_REGISTRY"), self.get("IMAGE_REPO"));
        let distribution = self.get("K8S_DISTRIBUTION");
        format!("{registry}/{repository}:{distribution}-{kubernetes}-{}", self.image_tag())
    }

    /// The package with a version of Kubernetes: `k8s/NAME@VERSION`.
    #[must_use]
    pub fn kubernetes_package(&self, kubernetes: &str) -> String {
        let distribution = self.get("K8S_DISTRIBUTION");
        let flavour = match distribution {
            "k3s" => format!("-{}", self.get("K3S_FLAVOR_TAG")),
            "rke2" => format!("-{}", self.get("RKE2_FLAVOR_TAG")),
            _ => String::new(),
        };
        format!("k8s/{distribution}@{kubernetes}{flavour}")
    }

    /// The repository of luet with those packages.
    #[must_use]
    pub fn luet_repository(&self) -> String {
        let arch = if self.get("ARCH") == "arm64" { "arm" } else { "amd" };
        format!("{}/luet-repo-{arch}", self.get("SPECTRO_LUET_REPO"))
    }

    /// The image of the Kairos provider for the distribution of Kubernetes.
    #[must_use]
    pub fn provider_base(&self) -> String {
        let distribution = self.get("K8S_DISTRIBUTION");
        let name = distribution.strip_suffix("-fips").unwrap_or(distribution);
        let version = format!("{}_PROVIDER_VERSION", name.to_uppercase());
        let host = self.get("SPECTRO_PUB_REPO");
        format!("{host}/edge/kairos-io/provider-{name}:{}", self.get(&version))
    }

    /// `KAIROS_IMAGE_LABEL` of `/etc/kairos-release`.
    #[must_use]
    pub fn kairos_image_label(&self) -> String {
        let release = match self.get("OS_DISTRIBUTION") {
            "ubuntu" => release_of_ubuntu(self.get("OS_VERSION")),
            _ => self.get("OS_VERSION").to_owned(),
        };
        let maas = if self.flag("IS_MAAS") { "-maas" } else { "" };
        format!("{release}-standard-{}-generic{maas}", self.get("ARCH"))
    }

    /// `KAIROS_NAME` of `/etc/kairos-release`.
    #[must_use]
    pub fn kairos_name(&self) -> String {
        format!("kairos-core-{}-{}", self.get("OS_DISTRIBUTION"), self.get("OS_VERSION"))
    }

    /// Whether the base image is for NVIDIA's Jetson boards.
    #[must_use]
    pub fn is_jetson(&self) -> bool {
        self.get("BASE_IMAGE").contains("nvidia-jetson-agx-orin")
    }

    /// Release of the distribution as cluster profiles show it: Ubuntu's long-term releases by
    /// their year, `22` for `22.04`.
    #[must_use]
    pub fn profile_os_version(&self) -> &str {
        let release = self.get("OS_VERSION");
        match self.get("OS_DISTRIBUTION") {
            "ubuntu" => release.strip_suffix(".04").unwrap_or(release),
            _ => release,
        }
    }
}
