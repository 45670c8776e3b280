//! All keys, with what they take and what they are when nobody says.

use super::kind::Kind::{
    self, FileName, Flag, Hosts, Image, Kubernetes, Number, OneOf, Path, Proxy, Registry, Release,
    Repository, Tag, Text,
};

/// One key of `.arg`.
#[derive(Debug, PartialEq, Eq)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What values it takes.
    pub kind: Kind,
    /// Its value when nobody says; `$NAME` stands for the value of a key above it.
    pub default: &'static str,
    /// Whether its value must not be shown.
    pub secret: bool,
    /// What it is for.
    pub about: &'static str,
}

/// Distributions of Kubernetes.
pub const KUBERNETES: &[&str] = &["k3s", "rke2", "kubeadm", "kubeadm-fips", "nodeadm", "canonical"];

const fn key(name: &'static str, kind: Kind, default: &'static str, about: &'static str) -> Key {
    Key { name, kind, default, secret: false, about }
}

const fn secret(name: &'static str, about: &'static str) -> Key {
    Key { secret: true, ..key(name, Text, "", about) }
}

/// The keys in the order in which they are shown; those that a default names come first.
pub const KEYS: &[Key] = &[
    key("CUSTOM_TAG", Tag, "", "end of the provider images' tags"),
    key("IMAGE_REGISTRY", Registry, "", "registry of the provider images"),
    key(
        "OS_DISTRIBUTION",
        Repository,
        "",
        "ubuntu, opensuse-leap, or with BASE_IMAGE rhel, sles and others",
    ),
    key("IMAGE_REPO", Repository, "$OS_DISTRIBUTION", "repository of the provider images"),
    key("OS_VERSION", Release, "", "release of the distribution"),
    key("K8S_DISTRIBUTION", OneOf(KUBERNETES), "", "distribution of Kubernetes"),
    key("K8S_VERSION", Kubernetes, "", "version of Kubernetes; without it all of k8s_version.json"),
    key("ISO_NAME", FileName, "installer", "name of the installer ISO"),
    key("ARCH", OneOf(&["amd64", "arm64"]), "amd64", "architecture"),
    key("BASE_IMAGE", Image, "", "image of the operating system, in place of the derived one"),
    key("PE_VERSION", Text, "v4.10.0-rc.2", "version of the Palette agent"),
    key("FIPS_ENABLED", Flag, "false", "FIPS builds of the agent"),
    key("HTTP_PROXY", Proxy, "", "proxy for http"),
    key("HTTPS_PROXY", Proxy, "", "proxy for https"),
    key("NO_PROXY", Hosts, "", "hosts that are reached without proxy"),
    key("http_proxy", Proxy, "$HTTP_PROXY", "proxy for http"),
    key("https_proxy", Proxy, "$HTTPS_PROXY", "proxy for https"),
    key("no_proxy", Hosts, "$NO_PROXY", "hosts that are reached without proxy"),
    key("PROXY_CERT_PATH", Path, "", "certificate of a proxy; the folder certs/ takes several"),
    key("UPDATE_KERNEL", Flag, "false", "newest kernel of the distribution"),
    key("DISABLE_SELINUX", Flag, "true", "selinux=0 on the kernel command line"),
    key("CIS_HARDENING", Flag, "false", "hardening after the CIS benchmark"),
    key("UBUNTU_PRO_ATTACH", Flag, "false", "Ubuntu Pro while the image is built"),
    secret("UBUNTU_PRO_KEY", "token of Ubuntu Pro; belongs into the environment"),
    key("CLUSTERCONFIG", Path, "", "cluster configuration (spc.tgz)"),
    key("EDGE_CUSTOM_CONFIG", Path, ".edge-custom-config.yaml", "edge configuration"),
    key("FORCE_INTERACTIVE_INSTALL", Flag, "false", "the menu's third entry starts by itself"),
    key("DEBUG", Flag, "false", "more words from the installer's initrd"),
    key("IS_UKI", Flag, "false", "trusted boot: unified kernel images"),
    key(
        "CMDLINE",
        Text,
        "stylus.registration",
        "words on the command line of unified kernel images",
    ),
    key("BRANDING", Text, "Palette eXtended Kubernetes Edge", "what boot menus call the system"),
    key("MY_ORG", Text, "ACME Corp", "organisation in new certificates"),
    key("EXPIRATION_IN_DAYS", Number(1, 36_500), "5475", "days that new certificates are valid"),
    key("UKI_BRING_YOUR_OWN_KEYS", Flag, "false", "keys in secure-boot/ in place of new ones"),
    key("INCLUDE_MS_SECUREBOOT_KEYS", Flag, "true", "Microsoft's certificates too"),
    key(
        "AUTO_ENROLL_SECUREBOOT_KEYS",
        Flag,
        "false",
        "machines in Setup Mode enrol the keys by themselves",
    ),
    key("ENROLL_SPECTRO_EXTENSION_CERT", Flag, "true", "certificate of system extensions too"),
    key(
        "SPECTRO_EXTENSION_CERT_IMAGE",
        Image,
        "us-east1-docker.pkg.dev/spectro-images/dev/arun/sysext/palette-sysext-cert:latest",
        "image with that certificate",
    ),
    key(
        "BUNDLE_K8S_AND_AGENT_PROVIDER",
        Flag,
        "false",
        "Kubernetes in the image even if systemd can extend it",
    ),
    key("IS_MAAS", Flag, "false", "images for MAAS"),
    key("MAAS_IMAGE_NAME", FileName, "kairos-ubuntu-maas", "name of the MAAS image"),
    key(
        "MAAS_CLOUD_ROOTFS",
        Image,
        "",
        "cloud root file system that the MAAS image boots first: tar:FILE or an image",
    ),
    key("TWO_NODE", Flag, "false", "clusters of two nodes"),
    key("KINE_VERSION", Text, "0.15.0", "version of kine"),
    key("ETCD_VERSION", Text, "v3.5.13", "version of etcdctl"),
    key("EFI_MAX_SIZE", Number(1, 65_536), "2048", "MiB of the test file of +iso-efi-size-check"),
    key("EFI_IMG_SIZE", Number(1, 65_536), "2200", "MiB of the partition of +iso-efi-size-check"),
    key("INSTALL_NVIDIA_GPU_DRIVERS", Flag, "false", "drivers for NVIDIA"),
    key("NVIDIA_DRIVER_BRANCH", Number(1, 9999), "580", "branch of the drivers"),
    key("NVIDIA_DRIVER_TYPE", OneOf(&["open", "proprietary"]), "open", "kind of the drivers"),
    key("NVIDIA_USE_CUDA_REPO", Flag, "true", "drivers from the CUDA repository"),
    key("NVIDIA_INSTALL_FABRICMANAGER", Flag, "true", "the fabric manager"),
    key("NVIDIA_INSTALL_IMEX", Flag, "true", "the IMEX service"),
    key("NVIDIA_INSTALL_CONTAINER_TOOLKIT", Flag, "false", "the container toolkit"),
    key("NVIDIA_REBUILD_INITRD", Flag, "true", "drivers in the initrd"),
    key("INSTALL_AMD_GPU_DRIVERS", Flag, "false", "drivers for AMD"),
    key("AMDGPU_DRIVER_SOURCE", OneOf(&["dkms", "inbox"]), "dkms", "source of the drivers"),
    key("AMDGPU_DRIVER_RELEASE", Text, "31.40", "release of the drivers"),
    key("AMDGPU_ARTIFACT_PATH", Path, "", "drivers made before"),
    key("AMDGPU_REBUILD_INITRD", Flag, "false", "drivers in the initrd"),
    key("AMDGPU_INSTALL_SMI", Flag, "true", "the management program"),
    key("DRBD_VERSION", Text, "9.2.13", "version of DRBD for the Dockerfile"),
    key("REGION", Text, "", "region of +aws-cloud-image"),
    key("S3_BUCKET", Text, "", "bucket of +aws-cloud-image"),
    secret("S3_KEY", "object in the bucket"),
    key(
        "SPECTRO_PUB_REPO",
        Registry,
        "us-docker.pkg.dev/palette-images",
        "where Spectro Cloud's images are",
    ),
    key("BUILDER_3RDPARTY_VERSION", Text, "4.8", "version of the third-party programs"),
    key(
        "SPECTRO_THIRD_PARTY_IMAGE",
        Image,
        "us-docker.pkg.dev/palette-images/third-party/spectro-third-party:$BUILDER_3RDPARTY_VERSION",
        "image with third-party programs",
    ),
    key(
        "UBUNTU_IMAGE",
        Image,
        "$SPECTRO_PUB_REPO/third-party/ubuntu:22.04",
        "image below trusted-boot provider images; empty: none",
    ),
    key("ALPINE_TAG", Text, "3.20", "tag of the helper image"),
    key(
        "ALPINE_IMG",
        Image,
        "$SPECTRO_PUB_REPO/edge/canvos/alpine:$ALPINE_TAG",
        "helper image; not needed here",
    ),
    key(
        "SPECTRO_LUET_REPO",
        Registry,
        "us-docker.pkg.dev/palette-images/edge",
        "where the Kubernetes packages are",
    ),
    key(
        "KAIROS_BASE_IMAGE_URL",
        Registry,
        "$SPECTRO_PUB_REPO/edge",
        "where the derived base images are",
    ),
    key("KAIROS_VERSION", Text, "v4.1.2", "version of Kairos; not needed here"),
    key("KAIROS_INIT_VERSION", Text, "v0.17.1", "end of the derived base image's tag"),
    key("K3S_FLAVOR_TAG", Text, "k3s1", "end of the version of k3s packages"),
    key("RKE2_FLAVOR_TAG", Text, "rke2r1", "end of the version of rke2 packages"),
    key("BASE_IMAGE_URL", Registry, "quay.io/kairos", "not used"),
    key("OSBUILDER_VERSION", Text, "v0.400.3", "not needed here"),
    key(
        "OSBUILDER_IMAGE",
        Image,
        "quay.io/kairos/osbuilder-tools:$OSBUILDER_VERSION",
        "not needed here",
    ),
    key("AURORABOOT_VERSION", Text, "v0.26.2", "not needed here"),
    key(
        "AURORABOOT_IMAGE",
        Image,
        "quay.io/kairos/auroraboot:$AURORABOOT_VERSION",
        "not needed here",
    ),
    key("K3S_PROVIDER_VERSION", Text, "v4.10.3", "version of the Kairos provider for k3s"),
    key("KUBEADM_PROVIDER_VERSION", Text, "v4.10.1", "version of the Kairos provider for kubeadm"),
    key("RKE2_PROVIDER_VERSION", Text, "v4.10.3", "version of the Kairos provider for rke2"),
    key("NODEADM_PROVIDER_VERSION", Text, "v4.9.3", "version of the Kairos provider for nodeadm"),
    key(
        "CANONICAL_PROVIDER_VERSION",
        Text,
        "v4.10.1",
        "version of the Kairos provider for canonical",
    ),
    key(
        "STYLUS_BASE",
        Image,
        "$SPECTRO_PUB_REPO/edge/stylus-framework-linux-$ARCH:$PE_VERSION",
        "image of the agent's framework",
    ),
    key(
        "STYLUS_PACKAGE_BASE",
        Image,
        "$SPECTRO_PUB_REPO/edge/stylus-linux-$ARCH:$PE_VERSION",
        "image of the agent",
    ),
    key("GOLANG_VERSION", Text, "1.23", "not needed here"),
    key("platform", OneOf(&["linux/amd64", "linux/arm64"]), "linux/$ARCH", "platform of images"),
];

/// The key with a name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_defaults_name_keys_above() {
        for (index, key) in KEYS.iter().enumerate() {
            let above = &KEYS[..index];
            assert!(above.iter().all(|other| other.name != key.name), "{}", key.name);
            for name in key.default.split('$').skip(1) {
                let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
                let name = &name[..end.unwrap_or(name.len())];
                assert!(above.iter().any(|other| other.name == name), "{}: {name}", key.name);
            }
            if !key.default.is_empty() && !key.default.contains('$') {
                assert_eq!(key.kind.check(key.default), Ok(()), "{}", key.name);
            }
        }
    }
}
