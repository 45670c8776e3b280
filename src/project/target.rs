//! What can be built.

use std::fmt;

use super::nearest::suggestion;

/// What a project can be asked for; the names are CanvOS's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Target {
    /// Provider images, and the installer as image and ISO.
    BuildAllImages,
    /// A provider image for each version of Kubernetes.
    BuildProviderImages,
    /// The same; FIPS builds come from `FIPS_ENABLED`.
    BuildProviderImagesFips,
    /// The provider image for `K8S_VERSION`.
    ProviderImage,
    /// The provider image for `K8S_VERSION` and trusted boot.
    UkiProviderImage,
    /// The installer ISO; with `IS_UKI` that for trusted boot.
    Iso,
    /// The installer ISO for trusted boot.
    UkiIso,
    /// The installer as container image.
    IsoImage,
    /// A container image that holds the ISO.
    IsoDiskImage,
    /// A disk that installs itself at its first boot.
    KairosRawImage,
    /// A disk for MAAS.
    MaasImage,
    /// A disk for clouds.
    CloudImage,
    /// A machine image in AWS.
    AwsCloudImage,
    /// Secure Boot keys.
    UkiGenkey,
    /// Folders for Secure Boot keys.
    SecureBootDirs,
    /// A check of `user-data`.
    ValidateUserData,
    /// The agent as an archive for trusted-boot ISOs.
    StylusImagePack,
    /// The signed image in a trusted-boot provider image.
    BuildProviderTrustedbootImage,
    /// An ISO that shows how large an EFI system partition firmware takes.
    IsoEfiSizeCheck,
}

impl Target {
    /// All of them, with what they make.
    pub const ALL: [(Self, &'static str, &'static str); 19] = [
        (Self::BuildAllImages, "build-all-images", "provider images and the installer ISO"),
        (
            Self::BuildProviderImages,
            "build-provider-images",
            "a provider image for each version of Kubernetes",
        ),
        (Self::BuildProviderImagesFips, "build-provider-images-fips", "the same"),
        (Self::ProviderImage, "provider-image", "the provider image for K8S_VERSION"),
        (Self::UkiProviderImage, "uki-provider-image", "the same for trusted boot"),
        (Self::Iso, "iso", "build/ISO_NAME.iso; with IS_UKI=true for trusted boot"),
        (Self::UkiIso, "uki-iso", "build/ISO_NAME.iso for trusted boot"),
        (Self::IsoImage, "iso-image", "the installer as container image"),
        (Self::IsoDiskImage, "iso-disk-image", "a container image that holds the ISO"),
        (Self::KairosRawImage, "kairos-raw-image", "build/kairos.raw, which installs itself"),
        (Self::MaasImage, "maas-image", "build/MAAS_IMAGE_NAME.raw.gz"),
        (Self::CloudImage, "cloud-image", "a disk for clouds"),
        (Self::AwsCloudImage, "aws-cloud-image", "a machine image in AWS"),
        (Self::UkiGenkey, "uki-genkey", "Secure Boot keys in secure-boot/"),
        (Self::SecureBootDirs, "secure-boot-dirs", "the folders of secure-boot/"),
        (Self::ValidateUserData, "validate-user-data", "a check of user-data"),
        (Self::StylusImagePack, "stylus-image-pack", "build/stylus-image.tar"),
        (
            Self::BuildProviderTrustedbootImage,
            "build-provider-trustedboot-image",
            "trusted-boot/*.tar",
        ),
        (Self::IsoEfiSizeCheck, "iso-efi-size-check", "build/efi-size-check.iso"),
    ];

    /// Its name, without the plus sign.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|known| known.0 == self).map_or("", |known| known.1)
    }

    /// The target with a name, which may begin with a plus sign.
    ///
    /// # Errors
    /// [`UnknownTarget`].
    pub fn parse(name: &str) -> Result<Self, UnknownTarget> {
        let name = name.strip_prefix('+').unwrap_or(name);
        let known = Self::ALL.iter().find(|known| known.1 == name);
        known.map(|known| known.0).ok_or_else(|| UnknownTarget { name: name.into() })
    }

    /// Whether the cluster profile is shown at the end.
    #[must_use]
    pub fn shows_profile(self) -> bool {
        matches!(
            self,
            Self::BuildAllImages | Self::BuildProviderImages | Self::BuildProviderImagesFips
        )
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+{}", self.name())
    }
}

/// A name that no target has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownTarget {
    /// The name.
    pub name: String,
}

impl std::error::Error for UnknownTarget {}

impl fmt::Display for UnknownTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Target::ALL.iter().map(|known| known.1);
        let guess = suggestion(&self.name, names).replace("mean ", "mean +");
        write!(f, "there is no target +{}{guess}", self.name)?;
        list(f)
    }
}

/// One line for each target.
fn list(f: &mut impl fmt::Write) -> fmt::Result {
    Target::ALL.iter().try_for_each(|(_, name, about)| write!(f, "\n  +{name:33} {about}"))
}

/// The targets as a list for people.
#[must_use]
pub fn overview() -> String {
    let mut text = String::from("targets:");
    // Writing into a String does not fail.
    let _ = list(&mut text);
    text.push('\n');
    text
}
