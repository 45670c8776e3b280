//! `k8s_version.json`: the versions of Kubernetes that provider images are made for.

use std::collections::BTreeMap;

use super::arguments::{Arguments, Kind};
use super::nearest::suggestion;
use super::problem::{Place, Position, Problem};

const FILE: &str = "k8s_version.json";

/// The versions to build: `K8S_VERSION`, else all that the file has for `K8S_DISTRIBUTION`.
///
/// # Errors
/// The mistake that leaves nothing to build; CanvOS would succeed without an image.
pub fn versions(arguments: &Arguments, file: Option<&[u8]>) -> Result<Vec<String>, Problem> {
    let distribution = arguments.get("K8S_DISTRIBUTION");
    if distribution.is_empty() {
        let text = "K8S_DISTRIBUTION is not set; provider images are made for one";
        return Err(arguments
            .wrong("K8S_DISTRIBUTION", text)
            .help("set it to k3s, rke2, kubeadm, kubeadm-fips, nodeadm or canonical"));
    }
    if let Some(version) = arguments.some("K8S_VERSION") {
        return Ok(vec![version.into()]);
    }
    let Some(text) = file else {
        let text = format!("K8S_VERSION is not set, and there is no {FILE}");
        return Err(arguments
            .wrong("K8S_VERSION", text)
            .help("set K8S_VERSION, or restore the file"));
    };
    let list: BTreeMap<String, Vec<String>> = serde_json::from_slice(text).map_err(|error| {
        let line = u32::try_from(error.line()).unwrap_or(u32::MAX);
        let column = u32::try_from(error.column()).unwrap_or(u32::MAX);
        let place = Place::at(FILE, Position { line: line.max(1), column: column.max(1) });
        let what = match error.classify() {
            serde_json::error::Category::Data => {
                "lists of versions under names of distributions are needed"
            }
            _ => "not JSON",
        };
        Problem::error(place, what).help(r#"write {"k3s": ["1.30.4"]}"#)
    })?;
    let found =
        list.get(distribution).filter(|versions| !versions.is_empty()).ok_or_else(|| {
            let guess = suggestion(distribution, list.keys().map(String::as_str));
            let text = format!("no versions for K8S_DISTRIBUTION {distribution:?}{guess}");
            Problem::error(Place::file(FILE), text)
                .help("add a list of versions, or set K8S_VERSION")
        })?;
    let mut versions: Vec<String> = Vec::new();
    for version in found {
        if let Err(needed) = Kind::Kubernetes.check(version) {
            let text = format!("{distribution} has the version {version:?}; {needed}");
            return Err(Problem::error(Place::file(FILE), text));
        }
        if !versions.contains(version) {
            versions.push(version.clone());
        }
    }
    Ok(versions)
}
