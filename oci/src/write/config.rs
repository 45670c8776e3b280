//! The config of an image (OCI image specification, "Image Configuration").

use bootwright_image::Timestamp;
use serde_json::{Map, Value, json};

use super::WriteError;
use crate::digest::ContentDigest;
use crate::time;

/// One line of an image's history.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HistoryEntry {
    /// What made the layer.
    pub created_by: String,
    /// A remark, unless empty.
    pub comment: String,
    /// Whether it changed the config only and has no layer.
    pub empty_layer: bool,
}

/// A config, to be edited. What is not edited, also what is not known here, stays as the base
/// image has it.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageConfig {
    document: Map<String, Value>,
}

impl ImageConfig {
    /// The config of an image without layers, for Linux.
    #[must_use]
    pub fn new(architecture: &str) -> Self {
        let mut document = Map::new();
        document.insert("architecture".into(), architecture.into());
        document.insert("os".into(), "linux".into());
        document.insert("config".into(), json!({}));
        document.insert("rootfs".into(), json!({"type": "layers", "diff_ids": []}));
        document.insert("history".into(), json!([]));
        Self { document }
    }

    /// Reads a config; `name` is for errors.
    pub(super) fn parse(bytes: &[u8], name: &str) -> Result<Self, WriteError> {
        let mut document: Map<String, Value> = crate::json::parse(bytes, name)?;
        // Go writes null where there is nothing.
        document.retain(|_, value| !value.is_null());
        let wrong = |field, expected| WriteError::Field { document: name.into(), field, expected };
        for field in ["config", "rootfs"] {
            if document.get(field).is_some_and(|value| !value.is_object()) {
                return Err(wrong(field, "an object"));
            }
        }
        if document.get("history").is_some_and(|value| !value.is_array()) {
            return Err(wrong("history", "a list"));
        }
        Ok(Self { document })
    }

    /// The architecture by its OCI name; empty when nothing is said.
    #[must_use]
    pub fn architecture(&self) -> &str {
        self.document.get("architecture").and_then(Value::as_str).unwrap_or_default()
    }

    pub(super) fn platform(&self) -> (String, String) {
        let os = self.document.get("os").and_then(Value::as_str).unwrap_or("linux");
        (self.architecture().to_owned(), os.to_owned())
    }

    /// Sets architecture and operating system; a variant of another architecture goes.
    pub fn set_platform(&mut self, architecture: &str, os: &str) {
        if self.architecture() != architecture {
            self.document.shift_remove("variant");
        }
        self.document.insert("architecture".into(), architecture.into());
        self.document.insert("os".into(), os.into());
    }

    /// Sets when the image was made.
    pub fn set_created(&mut self, time: Timestamp) {
        self.document.insert("created".into(), time::format(time).into());
    }

    /// The environment, `NAME=VALUE` each, in its order.
    pub fn env(&self) -> impl Iterator<Item = &str> {
        let env = self.field("Env").and_then(Value::as_array);
        env.into_iter().flatten().filter_map(Value::as_str)
    }

    /// The value of a variable, if it is set.
    #[must_use]
    pub fn env_value(&self, name: &str) -> Option<&str> {
        self.env().find_map(|entry| entry.split_once('=').filter(|(n, _)| *n == name)).map(|e| e.1)
    }

    /// Sets a variable, where it stands when it was there.
    pub fn set_env(&mut self, name: &str, value: &str) {
        let entry = format!("{name}={value}");
        let mut env: Vec<String> = self.env().map(str::to_owned).collect();
        let is_it = |entry: &&mut String| entry.split('=').next() == Some(name);
        match env.iter_mut().find(is_it) {
            Some(found) => *found = entry,
            None => env.push(entry),
        }
        self.set("Env", env.into());
    }

    /// Sets a label.
    pub fn set_label(&mut self, name: &str, value: &str) {
        self.entry_of("Labels").insert(name.to_owned(), value.into());
    }

    /// Sets the entrypoint; none at all for an empty one. As with `docker build`, the command stays.
    pub fn set_entrypoint(&mut self, words: &[String]) {
        self.set_list("Entrypoint", words);
    }

    /// Sets the command; none at all for an empty one.
    pub fn set_cmd(&mut self, words: &[String]) {
        self.set_list("Cmd", words);
    }

    /// Sets the shell of commands that are one text (Docker's extension).
    pub fn set_shell(&mut self, words: &[String]) {
        self.set_list("Shell", words);
    }

    /// Sets whom the command runs as: `USER[:GROUP]`.
    pub fn set_user(&mut self, user: &str) {
        self.set("User", user.into());
    }

    /// The working directory; empty when nothing is said.
    #[must_use]
    pub fn working_dir(&self) -> &str {
        self.field("WorkingDir").and_then(Value::as_str).unwrap_or_default()
    }

    /// Sets the working directory.
    pub fn set_working_dir(&mut self, path: &str) {
        self.set("WorkingDir", path.into());
    }

    /// Adds a port, such as `80/tcp`.
    pub fn expose(&mut self, port: &str) {
        self.entry_of("ExposedPorts").insert(port.to_owned(), json!({}));
    }

    /// Adds a volume.
    pub fn add_volume(&mut self, path: &str) {
        self.entry_of("Volumes").insert(path.to_owned(), json!({}));
    }

    /// Sets the signal that stops a container.
    pub fn set_stop_signal(&mut self, signal: &str) {
        self.set("StopSignal", signal.into());
    }

    /// Sets how health is checked (Docker's extension), as it stands in a config: times in
    /// nanoseconds.
    pub fn set_healthcheck(&mut self, check: Value) {
        self.set("Healthcheck", check);
    }

    /// Adds a line of history, with the time that [`set_created`](Self::set_created) set.
    pub fn add_history(&mut self, entry: &HistoryEntry) {
        let mut line = Map::new();
        if let Some(created) = self.document.get("created") {
            line.insert("created".into(), created.clone());
        }
        line.insert("created_by".into(), entry.created_by.clone().into());
        if !entry.comment.is_empty() {
            line.insert("comment".into(), entry.comment.clone().into());
        }
        if entry.empty_layer {
            line.insert("empty_layer".into(), true.into());
        }
        self.history().push(line.into());
    }

    /// Adds lines until there are as many with a layer as the image has layers: some tools
    /// compare the two.
    pub(super) fn pad_history(&mut self, layers: usize) {
        let empty = |line: &&Value| line.get("empty_layer") == Some(&Value::Bool(true));
        let history = self.history();
        let there = history.iter().filter(|line| !empty(line)).count();
        history.extend((there..layers).map(|_| json!({})));
    }

    /// The document's bytes, with these layers.
    pub(super) fn to_bytes(&self, diff_ids: &[ContentDigest]) -> Vec<u8> {
        let diff_ids: Vec<_> = diff_ids.iter().map(ToString::to_string).collect();
        let mut document = self.document.clone();
        document.insert("rootfs".into(), json!({"type": "layers", "diff_ids": diff_ids}));
        Value::from(document).to_string().into_bytes()
    }

    fn history(&mut self) -> &mut Vec<Value> {
        let history = self.document.entry("history").or_insert_with(|| json!([]));
        history.as_array_mut().expect("BUG: the kind of a field is checked")
    }

    fn config(&mut self) -> &mut Map<String, Value> {
        let config = self.document.entry("config").or_insert_with(|| json!({}));
        config.as_object_mut().expect("BUG: the kind of a field is checked")
    }

    fn field(&self, name: &str) -> Option<&Value> {
        self.document.get("config")?.get(name)
    }

    fn set(&mut self, field: &str, value: Value) {
        self.config().insert(field.to_owned(), value);
    }

    fn set_list(&mut self, field: &str, words: &[String]) {
        if words.is_empty() {
            self.config().shift_remove(field);
        } else {
            self.set(field, words.into());
        }
    }

    /// The object in `field`, made when there is none.
    fn entry_of(&mut self, field: &str) -> &mut Map<String, Value> {
        let value = self.config().entry(field).or_insert(Value::Null);
        if !value.is_object() {
            *value = json!({});
        }
        value.as_object_mut().expect("BUG: it was made an object")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn edits_keep_what_they_do_not_touch() {
        let base = r#"{"architecture":"arm64","variant":"v8","os":"linux","author":"A","config":{"Env":["PATH=/bin","A=1","B"],"Cmd":["sh"],"Labels":null,"Volumes":{"/v":{}}},"rootfs":{"type":"layers","diff_ids":[]},"history":null}"#;
        let mut config = ImageConfig::parse(base.as_bytes(), "config").unwrap();
        config.set_created(Timestamp(0));
        config.set_env("A", "2=3");
        config.set_env("C", "");
        config.set_label("l", "x");
        config.set_entrypoint(&words(&["/init", "-v"]));
        config.set_cmd(&[]);
        config.set_user("1000:0");
        config.set_working_dir("/w");
        config.expose("80/tcp");
        config.add_volume("/u");
        config.set_stop_signal("SIGRTMIN+3");
        config.set_shell(&words(&["/bin/bash", "-c"]));
        config.set_healthcheck(json!({"Test": ["NONE"]}));
        config.pad_history(1);
        config.add_history(&HistoryEntry {
            created_by: "ENV A".into(),
            comment: "c".into(),
            empty_layer: true,
        });
        assert_eq!((config.env_value("A"), config.env_value("B")), (Some("2=3"), None));
        assert_eq!((config.working_dir(), config.architecture()), ("/w", "arm64"));
        config.set_platform("amd64", "linux");
        let text =
            String::from_utf8(config.to_bytes(&[ContentDigest::Sha256([0xab; 32])])).unwrap();
        let digest = "ab".repeat(32);
        assert_eq!(
            text,
            format!(
                r#"{{"architecture":"amd64","os":"linux","author":"A","config":{{"Env":["PATH=/bin","A=2=3","B","C="],"Labels":{{"l":"x"}},"Volumes":{{"/v":{{}},"/u":{{}}}},"Entrypoint":["/init","-v"],"User":"1000:0","WorkingDir":"/w","ExposedPorts":{{"80/tcp":{{}}}},"StopSignal":"SIGRTMIN+3","Shell":["/bin/bash","-c"],"Healthcheck":{{"Test":["NONE"]}}}},"rootfs":{{"type":"layers","diff_ids":["sha256:{digest}"]}},"created":"1970-01-01T00:00:00Z","history":[{{}},{{"created":"1970-01-01T00:00:00Z","created_by":"ENV A","comment":"c","empty_layer":true}}]}}"#
            )
        );
    }

    #[test]
    fn configs_of_other_shapes_are_refused() {
        for (text, message) in [
            (r#"{"config":[]}"#, r#"c: its field "config" is not an object"#),
            (r#"{"rootfs":"x"}"#, r#"c: its field "rootfs" is not an object"#),
            (r#"{"history":{}}"#, r#"c: its field "history" is not a list"#),
            ("[]", "c: cannot be understood"),
        ] {
            let error = ImageConfig::parse(text.as_bytes(), "c").unwrap_err();
            assert_eq!(error.to_string(), message);
        }
    }
}
