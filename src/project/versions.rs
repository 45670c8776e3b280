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
                "lists of versions under names of distributions are needed".to_owned()
            }
            _ => {
                let reason = error.to_string();
                format!("not JSON: {}", reason.split(" at line ").next().unwrap_or_default())
            }
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
            let message = format!("{distribution} has the version {version:?}; {needed}");
            return Err(Problem::error(place_of(version, text), message));
        }
        if !versions.contains(version) {
            versions.push(version.clone());
        }
    }
    Ok(versions)
}

/// Where a version first stands in the file.
fn place_of(version: &str, text: &[u8]) -> Place {
    let quoted = format!("\"{version}\"");
    let at = text.windows(quoted.len()).position(|window| window == quoted.as_bytes());
    let Some(before) = at.map(|at| &text[..at]) else { return Place::file(FILE) };
    let line = before.iter().filter(|byte| **byte == b'\n').count();
    let column = before.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    let column = String::from_utf8_lossy(column).chars().count();
    let number = |count: usize| u32::try_from(count + 1).unwrap_or(u32::MAX);
    Place::at(FILE, Position { line: number(line), column: number(column) })
}
