//! The cluster profile that matches the provider images.

use super::arguments::Arguments;

/// Characters of the line around the heading.
const WIDTH: usize = 99;

/// The values of the operating system's pack. They are those of the artefacts, and nothing else is
/// asked for them. Without `CUSTOM_TAG` the image's address ends with the agent's version, as the
/// tags do, and the profile has no `system.customTag`.
#[must_use]
pub fn profile(arguments: &Arguments) -> String {
    let macros =
        |name: &str| format!("{{{{ .spectro.pack.edge-native-byoi.options.system.{name} }}}}");
    let [registry, repo, distribution, version, tag] =
        ["registry", "repo", "k8sDistribution", "peVersion", "customTag"].map(macros);
    let tag = arguments.some("CUSTOM_TAG").map(|_| format!("-{tag}")).unwrap_or_default();
    let kubernetes = "{{ .spectro.system.kubernetes.version }}";
    let mut text = format!(
        "{PACK}options:\n  system.uri: \"{registry}/{repo}:{distribution}-{kubernetes}-{version}{tag}\"\n\n"
    );
    for (name, value) in [
        ("registry", arguments.get("IMAGE_REGISTRY")),
        ("repo", arguments.get("IMAGE_REPO")),
        ("k8sDistribution", arguments.get("K8S_DISTRIBUTION")),
        ("osName", arguments.get("OS_DISTRIBUTION")),
        ("peVersion", arguments.get("PE_VERSION")),
        ("customTag", arguments.get("CUSTOM_TAG")),
        ("osVersion", arguments.profile_os_version()),
    ] {
        if name != "customTag" || !value.is_empty() {
            text.push_str(format!("  system.{name}: {value}").trim_end());
            text.push('\n');
        }
    }
    text
}

/// The profile under a heading of comments, so that all of it can be pasted.
#[must_use]
pub fn with_heading(profile: &str) -> String {
    let line = "#".repeat(WIDTH);
    format!(
        "{line}\n# For the cluster profile in Palette: the values of the pack in its OS layer\n{line}\n{profile}"
    )
}

const PACK: &str = r#"pack:
  content:
    images:
      - image: "{{.spectro.pack.edge-native-byoi.options.system.uri}}"
  # Below config is default value, please uncomment if you want to modify default values
  #drain:
    #cordon: true
    #timeout: 60 # The length of time to wait before giving up, zero means infinite
    #gracePeriod: 60 # Period of time in seconds given to each pod to terminate gracefully. If negative, the default value specified in the pod will be used
    #ignoreDaemonSets: true
    #deleteLocalData: true # Continue even if there are pods using emptyDir (local data that will be deleted when the node is drained)
    #force: true # Continue even if there are pods that do not declare a controller
    #disableEviction: false # Force drain to use delete, even if eviction is supported. This will bypass checking PodDisruptionBudgets, use with caution
    #skipWaitForDeleteTimeout: 60 # If pod DeletionTimestamp older than N seconds, skip waiting for the pod. Seconds must be greater than 0 to skip.
"#;
