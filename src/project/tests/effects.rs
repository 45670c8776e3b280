//! What each documented key of `.arg` changes: a value that is not the default, and its trace in
//! the plan of a target, where the default leaves none.

use super::*;

/// Key, value, a target, and what its plan has then.
type Row = (&'static str, &'static str, Target, &'static str);

const ROWS: &[Row] = &[
    ("CUSTOM_TAG", "site", Target::ProviderImage, "ttl.sh/ubuntu:k3s-1.27.2-v4.10.0-rc.2-site"),
    ("IMAGE_REGISTRY", "docker.io/me", Target::ProviderImage, "docker.io/me/ubuntu:k3s-1.27.2"),
    ("OS_DISTRIBUTION", "opensuse-leap", Target::Iso, "kairos-opensuse:leap-22.04-core-amd64"),
    ("OS_DISTRIBUTION", "opensuse-leap", Target::Iso, "\"kairos-core-opensuse-leap-22.04\""),
    ("OS_DISTRIBUTION", "opensuse-leap", Target::ProviderImage, "ttl.sh/opensuse-leap:k3s-1.27.2"),
    ("IMAGE_REPO", "edge", Target::ProviderImage, "ttl.sh/edge:k3s-1.27.2"),
    ("OS_VERSION", "20", Target::Iso, "kairos-ubuntu:20.04-core-amd64-generic"),
    ("OS_VERSION", "20", Target::Iso, "\"20.04-standard-amd64-generic\""),
    ("K8S_DISTRIBUTION", "rke2", Target::ProviderImage, "k8s/rke2@1.27.2-rke2r1"),
    ("K8S_DISTRIBUTION", "kubeadm", Target::ProviderImage, "kairos-io/provider-kubeadm:"),
    ("K8S_DISTRIBUTION", "kubeadm-fips", Target::ProviderImage, "k8s/kubeadm-fips@1.27.2"),
    ("K8S_DISTRIBUTION", "canonical", Target::ProviderImage, "kairos-io/provider-canonical:"),
    ("K8S_DISTRIBUTION", "nodeadm", Target::ProviderImage, "runs nodeadm install"),
    ("K8S_VERSION", "1.30.4", Target::ProviderImage, "ttl.sh/ubuntu:k3s-1.30.4-v4"),
    ("ISO_NAME", "edge", Target::Iso, "name: \"edge\""),
    ("ARCH", "arm64", Target::Iso, "kairos-ubuntu:22.04-core-arm64-generic"),
    ("ARCH", "arm64", Target::Iso, "stylus-framework-linux-arm64:"),
    ("ARCH", "arm64", Target::ProviderImage, "palette-images/edge/luet-repo-arm"),
    ("BASE_IMAGE", "oci:my-base", Target::Iso, "ImageName(\"oci:my-base\")"),
    ("BASE_IMAGE", "a/nvidia-jetson-agx-orin:1", Target::Iso, "jetson: true"),
    ("FIPS_ENABLED", "true", Target::Iso, "palette-images-fips/edge/stylus-framework-"),
    ("UPDATE_KERNEL", "true", Target::Iso, "installs a kernel"),
    ("DISABLE_SELINUX", "false", Target::Iso, "disable_selinux: false"),
    ("CLUSTERCONFIG", "spc.tgz", Target::Iso, "cluster_config: Some(\"spc.tgz\")"),
    ("IS_UKI", "true", Target::Iso, "UkiIso("),
    ("IS_UKI", "true", Target::Iso, "generic-v0.17.1-uki\""),
    ("UKI_BRING_YOUR_OWN_KEYS", "true", Target::UkiGenkey, "present: true"),
    ("INCLUDE_MS_SECUREBOOT_KEYS", "false", Target::UkiGenkey, "microsoft: None"),
    ("AUTO_ENROLL_SECUREBOOT_KEYS", "true", Target::UkiIso, "enroll: Force"),
    ("EDGE_CUSTOM_CONFIG", "edge.yaml", Target::Iso, "edge_config: Some(\"edge.yaml\")"),
    ("MAAS_IMAGE_NAME", "own.raw.gz", Target::MaasImage, "name: \"own\""),
    ("IS_MAAS", "true", Target::Iso, "22.04-standard-amd64-generic-maas"),
    ("MY_ORG", "ACME", Target::UkiGenkey, "organisation: \"ACME\""),
    ("EXPIRATION_IN_DAYS", "30", Target::UkiGenkey, "days: 30"),
    ("FORCE_INTERACTIVE_INSTALL", "true", Target::Iso, "default_entry: 2"),
];

const ARG: &str = "CUSTOM_TAG=demo\nIMAGE_REGISTRY=ttl.sh\nOS_DISTRIBUTION=ubuntu\nOS_VERSION=22.04\n\
    K8S_DISTRIBUTION=k3s\nK8S_VERSION=1.27.2\nISO_NAME=palette-edge-installer\n";

/// The plan's steps with all their values, by a line of `.arg` or by the command line.
fn steps(line: &str, words: &[&str], target: Target) -> String {
    let text = format!("{ARG}{line}\n");
    let files = [(".arg", text.as_str()), ("spc.tgz", "1"), ("edge.yaml", "signing:\n")];
    let (_folder, project) = project(&files, words);
    format!("{:?}", plan(&project, target).steps)
}

#[test]
fn each_documented_key_has_its_effect() {
    for (key, value, target, effect) in ROWS {
        let given = format!("{key}={value}");
        let before = steps("", &[], *target);
        assert!(!before.contains(effect), "{target} without {given} has {effect}: {before}");
        for after in [steps(&given, &[], *target), steps("", &[&given], *target)] {
            assert!(after.contains(effect), "{target} with {given} lacks {effect}: {after}");
        }
    }
}

/// Proxies have no place in results; programs look for them under two names.
#[test]
fn proxies_are_known_by_both_names() {
    for (key, lower, value) in [
        ("HTTP_PROXY", "http_proxy", "http://proxy.example.com:3128"),
        ("HTTPS_PROXY", "https_proxy", "http://proxy.example.com:3128"),
        ("NO_PROXY", "no_proxy", "10.0.0.0/8,.local"),
    ] {
        let text = format!("{ARG}{key}={value}\n");
        let (_folder, project) = project(&[(".arg", &text)], &[]);
        assert_eq!(project.arguments.get(lower), value);
        assert!(!project.arguments.origin(lower).is_given());
    }
    let text = format!("{ARG}PROXY_CERT_PATH=/etc/ssl/proxy.pem\n");
    let (_folder, project) = project(&[(".arg", &text)], &[]);
    let told: Vec<String> = project.problems.warnings().map(ToString::to_string).collect();
    assert!(told.iter().any(|text| text.contains("folder certs/")), "{told:?}");
}
