//! What an image says about its processes (OCI image specification, "Image Configuration", and
//! Docker's additions).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Deserializer};

use super::instruction::{Command, Healthcheck};

/// The part of an image's config that a Dockerfile changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Names and values, in the order in which they were first set.
    pub env: Vec<(String, String)>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// `ENTRYPOINT`, a shell's words before a text.
    pub entrypoint: Option<Vec<String>>,
    /// `CMD`, likewise.
    pub cmd: Option<Vec<String>>,
    /// `USER`; empty for root.
    pub user: String,
    /// `WORKDIR`; empty for the root.
    pub working_dir: String,
    /// Ports with their protocol: `80/tcp`.
    pub exposed_ports: BTreeSet<String>,
    /// Paths.
    pub volumes: BTreeSet<String>,
    /// `STOPSIGNAL`.
    pub stop_signal: Option<String>,
    /// `SHELL`.
    pub shell: Option<Vec<String>>,
    /// `HEALTHCHECK`.
    pub healthcheck: Option<Healthcheck>,
    /// `MAINTAINER`.
    pub author: Option<String>,
    /// What the Dockerfile did, one line for each instruction.
    pub history: Vec<HistoryLine>,
}

/// An instruction that was carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryLine {
    /// Its text.
    pub created_by: String,
    /// Whether it changed the config only.
    pub empty_layer: bool,
}

impl Config {
    /// What `scratch` has: where programs are looked for, and the root to work in.
    pub(crate) fn scratch() -> Self {
        const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        Self {
            env: vec![("PATH".to_owned(), PATH.to_owned())],
            working_dir: "/".to_owned(),
            ..Self::default()
        }
    }

    /// The words that a command becomes: the shell's before a text.
    pub(crate) fn words(&self, command: &Command) -> Vec<String> {
        match command {
            Command::Exec(words) => words.clone(),
            Command::Shell(text) => {
                let default = || vec!["/bin/sh".to_owned(), "-c".to_owned()];
                let mut words = self.shell.clone().unwrap_or_else(default);
                words.push(text.clone());
                words
            }
        }
    }

    /// The value of a variable.
    #[must_use]
    pub fn env_value(&self, name: &str) -> Option<&str> {
        self.env.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Sets a variable, where it stands when it was there.
    pub fn set_env(&mut self, name: &str, value: &str) {
        match self.env.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => value.clone_into(old),
            None => self.env.push((name.to_owned(), value.to_owned())),
        }
    }

    /// Reads a config's JSON; what `ONBUILD` left in it comes beside.
    pub(crate) fn parse(document: &[u8]) -> Result<(Self, Vec<String>), serde_json::Error> {
        let document: Document = serde_json::from_slice(document)?;
        let fields = document.config;
        let pair = |entry: String| match entry.split_once('=') {
            Some((name, value)) => (name.to_owned(), value.to_owned()),
            None => (entry, String::new()),
        };
        let config = Self {
            env: fields.env.into_iter().map(pair).collect(),
            labels: fields.labels,
            entrypoint: fields.entrypoint,
            cmd: fields.cmd,
            user: fields.user,
            working_dir: fields.working_dir,
            exposed_ports: fields.exposed_ports.into_keys().collect(),
            volumes: fields.volumes.into_keys().collect(),
            stop_signal: fields.stop_signal,
            shell: fields.shell,
            healthcheck: fields.healthcheck.map(|check| Healthcheck {
                test: check.test,
                interval: check.interval,
                timeout: check.timeout,
                start_period: check.start_period,
                start_interval: check.start_interval,
                retries: check.retries,
            }),
            author: document.author,
            history: Vec::new(),
        };
        Ok((config, fields.on_build))
    }
}

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    author: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    config: Fields,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Fields {
    #[serde(deserialize_with = "or_default")]
    env: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    labels: BTreeMap<String, String>,
    entrypoint: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
    #[serde(deserialize_with = "or_default")]
    user: String,
    #[serde(deserialize_with = "or_default")]
    working_dir: String,
    #[serde(deserialize_with = "or_default")]
    exposed_ports: BTreeMap<String, serde_json::Value>,
    #[serde(deserialize_with = "or_default")]
    volumes: BTreeMap<String, serde_json::Value>,
    stop_signal: Option<String>,
    shell: Option<Vec<String>>,
    healthcheck: Option<Check>,
    #[serde(deserialize_with = "or_default")]
    on_build: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Check {
    test: Vec<String>,
    interval: u64,
    timeout: u64,
    start_period: u64,
    start_interval: u64,
    retries: u32,
}

/// Go writes null for what is empty.
fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
