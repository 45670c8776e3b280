//! Where a registry is asked: its mirrors, then itself.

use std::collections::BTreeMap;

use super::settings::{Settings, SettingsError};
use crate::name::{is_component, is_host};

/// What the default registry's host answers to.
const DOCKER: (&str, &str) = ("docker.io", "registry-1.docker.io");

/// `HOST[:PORT][/PREFIX]`: a registry that has another one's images, below a prefix if given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror {
    host: String,
    prefix: String,
}

impl std::str::FromStr for Mirror {
    type Err = SettingsError;

    fn from_str(text: &str) -> Result<Self, SettingsError> {
        let (host, prefix) = text.split_once('/').unwrap_or((text, ""));
        let prefix = prefix.trim_end_matches('/');
        if !is_host(host) || !(prefix.is_empty() || prefix.split('/').all(is_component)) {
            let found = text.chars().take(200).collect();
            return Err(SettingsError::Host { found });
        }
        Ok(Self { host: host.to_ascii_lowercase(), prefix: prefix.to_owned() })
    }
}

/// Mirrors of each registry, in the order in which they are asked.
pub type Mirrors = BTreeMap<String, Vec<Mirror>>;

/// One place that may have an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// The host as names have it; credentials belong to it.
    pub(super) host: String,
    /// `https://HOST[:PORT]/v2/`, in front of repositories.
    pub(super) base: String,
    /// The repository at this place.
    pub(super) repository: String,
    /// Whether it is the registry that the name names.
    pub(super) is_origin: bool,
}

impl Endpoint {
    /// The place that `host` itself is.
    pub(super) fn origin(settings: &Settings, host: &str, repository: &str) -> Self {
        let scheme = if settings.plain_http.contains(host) { "http" } else { "https" };
        let api = if host == DOCKER.0 { DOCKER.1 } else { host };
        Self {
            host: host.to_owned(),
            base: format!("{scheme}://{api}/v2/"),
            repository: repository.to_owned(),
            is_origin: true,
        }
    }

    /// All places to pull from, in order.
    pub(super) fn all(settings: &Settings, host: &str, repository: &str) -> Vec<Self> {
        let mirrors = settings.mirrors.get(host).map(Vec::as_slice).unwrap_or_default();
        let mut all: Vec<_> = mirrors
            .iter()
            .map(|mirror| {
                let slash = if mirror.prefix.is_empty() { "" } else { "/" };
                let repository = format!("{}{slash}{repository}", mirror.prefix);
                let place = Self::origin(settings, &mirror.host, &repository);
                Self { is_origin: false, ..place }
            })
            .collect();
        all.push(Self::origin(settings, host, repository));
        all
    }

    /// The URL of something in the repository.
    pub(super) fn url(&self, rest: &str) -> String {
        format!("{}{}/{rest}", self.base, self.repository)
    }
}
