//! What an installer makes of `user-data`, found out while it is built and not on the machine.
//!
//! The file goes onto every medium byte for byte; nothing here changes it. No value is ever quoted:
//! tokens, passwords and keys stand in this file.

mod schema;

use super::nearest::suggestion;
use super::problem::{Place, Position, Problem, Problems, Severity};
use super::yaml::{self, Entry, Node, Value};
use schema::{ROOT, STAGES, Shape};

/// The installer reads no larger file, in bytes.
pub const MAX_LEN: usize = 1 << 20;
/// Lines in which the installer looks for a header.
const HEADER_LINES: usize = 10;
const HEADERS: [&[u8]; 3] = [b"#cloud-config", b"#kairos-config", b"#node-config"];
/// Keys that hold a password.
const PASSWORDS: [&str; 3] = ["passwd", "plain_text_passwd", "hashed_passwd"];
/// Passwords that whoever attacks a machine tries first.
const WELL_KNOWN: [&str; 9] =
    ["kairos", "admin", "root", "password", "changeme", "spectro", "palette", "ubuntu", "123456"];

/// Checks the content of a file that messages call `file`.
#[must_use]
pub fn check(file: &str, text: &[u8]) -> Problems {
    let mut checker = Checker { file, problems: Problems::default() };
    checker.whole(text);
    checker.problems
}

struct Checker<'a> {
    file: &'a str,
    problems: Problems,
}

impl Checker<'_> {
    fn whole(&mut self, text: &[u8]) {
        if text.len() > MAX_LEN {
            let text = "larger than 1 MiB; the installer will pass over it";
            return self.problems.push(Problem::error(Place::file(self.file), text));
        }
        let has_header = text
            .split(|byte| *byte == b'\n')
            .take(HEADER_LINES)
            .any(|line| HEADERS.contains(&line.trim_ascii_end()));
        if !has_header {
            let text = "no line #cloud-config among its first ten; the installer will pass over it";
            let problem = Problem::error(Place::file(self.file), text);
            self.problems.push(problem.help("make #cloud-config the first line"));
        }
        let Ok(text) = std::str::from_utf8(text) else {
            return self.problems.push(Problem::error(Place::file(self.file), "it is not UTF-8"));
        };
        match yaml::read(text) {
            Err(error) => {
                let help = "look at the indentation and the quotes up to here";
                self.add(
                    Severity::Error,
                    error.position,
                    format!("not YAML: {}", error.message),
                    help,
                );
            }
            Ok(None) => {
                self.problems.push(Problem::warning(Place::file(self.file), "it says nothing"));
            }
            Ok(Some(root)) => self.document(&root),
        }
    }

    fn document(&mut self, root: &Node) {
        let Value::Map(_) = &root.value else {
            let text = "a mapping is needed: keys such as stylus, install and stages";
            return self.add(Severity::Error, root.position, text.into(), "");
        };
        self.shape("", root, Shape::Map(ROOT));
        if let Some(stages) = root.get("stages") {
            self.stages(&stages.value);
        }
        self.agent(root);
        self.network(root);
        self.logins(root);
    }

    /// Compares a value and all below it with what they have to be.
    fn shape(&mut self, path: &str, node: &Node, shape: Shape) {
        if node.is_null() {
            return;
        }
        match (shape, &node.value) {
            (Shape::Any, _)
            | (Shape::Text | Shape::Secret | Shape::Texts, Value::Scalar { .. }) => {}
            (Shape::Flag, Value::Scalar { text, plain: true }) if is_old_flag(text) => {
                let text = format!("{path} is written as YAML 1.1 did");
                self.add(Severity::Warning, node.position, text, "write true or false");
            }
            (Shape::Flag, Value::Scalar { text, plain: true })
                if matches!(text.to_lowercase().as_str(), "true" | "false") => {}
            (Shape::Number, Value::Scalar { text, .. }) if text.parse::<i64>().is_ok() => {}
            (Shape::OneOf(names), Value::Scalar { text, .. }) if names.contains(&text.as_str()) => {
            }
            (Shape::Texts, Value::List(items)) => {
                for item in items {
                    self.shape(path, item, Shape::Text);
                }
            }
            (Shape::List(each), Value::List(items)) => {
                for item in items {
                    self.shape(path, item, *each);
                }
            }
            (Shape::Map(fields), Value::Map(entries)) => {
                for entry in entries {
                    self.field(path, entry, fields);
                }
            }
            (Shape::MapOf(each), Value::Map(entries)) => {
                for entry in entries {
                    self.shape(&join(path, &entry.key), &entry.value, *each);
                }
            }
            _ => {
                let text = format!("{path} needs {}", needed(shape));
                self.add(Severity::Error, node.position, text, hint(shape, node));
            }
        }
    }

    fn field(&mut self, path: &str, entry: &Entry, fields: &[(&'static str, Shape)]) {
        let name = join(path, &entry.key);
        match fields.iter().find(|field| field.0 == entry.key) {
            Some((_, shape)) => self.shape(&name, &entry.value, *shape),
            None => {
                let guess = suggestion(&entry.key, fields.iter().map(|field| field.0));
                let text = format!("{name} is no key that is known here{guess}");
                self.add(Severity::Warning, entry.key_position, text, "");
            }
        }
    }

    fn stages(&mut self, stages: &Node) {
        for entry in stages.entries() {
            let name =
                entry.key.strip_suffix(".before").or_else(|| entry.key.strip_suffix(".after"));
            let known = |name: &str| STAGES.contains(&name);
            if !known(&entry.key) && !name.is_some_and(known) {
                let guess = suggestion(&entry.key, STAGES.iter().copied());
                let text = format!(
                    "stages.{} is no stage of Kairos; nothing will run it{guess}",
                    entry.key
                );
                self.add(Severity::Warning, entry.key_position, text, "");
            }
        }
    }

    /// What the agent needs to register.
    fn agent(&mut self, root: &Node) {
        let Some(stylus) = root.get("stylus") else { return };
        let Some(site) = stylus.value.get("site") else { return };
        for key in ["paletteEndpoint"] {
            let Some(entry) = site.value.get(key) else { continue };
            if entry.value.text().is_some_and(|text| text.contains("://")) {
                let text = format!("stylus.site.{key} needs a host without https://");
                self.add(
                    Severity::Error,
                    entry.value.position,
                    text,
                    "write it as api.spectrocloud.com",
                );
            }
        }
        if let Some(entry) = site.value.get("edgeHostToken")
            && entry
                .value
                .text()
                .is_some_and(|text| text.is_empty() || text.starts_with(['[', '$', '<']))
        {
            let text = "stylus.site.edgeHostToken holds no token but a placeholder";
            self.add(
                Severity::Error,
                entry.value.position,
                text.into(),
                "put a registration token of the tenant there",
            );
        }
    }

    fn network(&mut self, root: &Node) {
        let network = root
            .get("stylus")
            .and_then(|entry| entry.value.get("site"))
            .and_then(|entry| entry.value.get("network"));
        let Some(interfaces) = network.and_then(|entry| entry.value.get("interfaces")) else {
            return;
        };
        for interface in interfaces.value.entries() {
            let text = |key: &str| interface.value.get(key).and_then(|entry| entry.value.text());
            let name = format!("stylus.site.network.interfaces.{}", interface.key);
            if text("type") == Some("static") && text("ipAddress").is_none() {
                let text = format!("{name} is static and has no ipAddress");
                self.add(
                    Severity::Error,
                    interface.key_position,
                    text,
                    "add ipAddress: ADDRESS/LENGTH",
                );
            }
            let address = interface.value.get("ipAddress");
            if let Some(address) = address.filter(|address| !is_network(address.value.text())) {
                let text =
                    format!("{name}.ipAddress needs an address with the length of its network");
                self.add(
                    Severity::Error,
                    address.value.position,
                    text,
                    "write it as 10.0.10.25/24",
                );
            }
        }
    }

    /// Whether anybody can log in, and how easily.
    fn logins(&mut self, root: &Node) {
        let mut found = root.get("ssh_authorized_keys").is_some();
        for user in root.get("users").map_or(&[][..], |users| users.value.items()) {
            let name = user.get("name").and_then(|entry| entry.value.text()).unwrap_or_default();
            found |= self.user("users", name, user);
        }
        for stage in root.get("stages").map_or(&[][..], |stages| stages.value.entries()) {
            for step in stage.value.items() {
                found |= step.get("authorized_keys").is_some();
                let users = step.get("users").map_or(&[][..], |users| users.value.entries());
                for user in users {
                    let place = format!("stages.{}.users", stage.key);
                    found |= self.user(&place, &user.key, &user.value);
                }
            }
        }
        if !found {
            let text = "nobody can log in: no user with a password or an SSH key";
            let problem = Problem::warning(Place::file(self.file), text);
            self.problems
                .push(problem.help("add a user with ssh_authorized_keys, in users or in a stage"));
        }
    }

    /// Whether a user can log in; well-known passwords are warned about.
    fn user(&mut self, place: &str, name: &str, user: &Node) -> bool {
        let mut found =
            user.get("ssh_authorized_keys").is_some() || user.get("ssh_import_id").is_some();
        for key in PASSWORDS {
            let Some(entry) = user.get(key) else { continue };
            let password = entry.value.text().unwrap_or_default();
            found |= !password.is_empty();
            if !password.is_empty() && (password == name || WELL_KNOWN.contains(&password)) {
                let text = format!("{place}: the {key} of {name} is one that everybody knows");
                let help = "take another one, hashed (openssl passwd -6), or an SSH key and lock_passwd: true";
                self.add(Severity::Warning, entry.value.position, text, help);
            }
        }
        found
    }

    fn add(&mut self, severity: Severity, position: Position, message: String, help: &str) {
        let place = Some(Place::at(self.file, position));
        let help = Some(help.to_owned()).filter(|help| !help.is_empty());
        self.problems.push(Problem { severity, place, message, help });
    }
}

/// Words that Go's reader still takes for flags, and others do not.
fn is_old_flag(text: &str) -> bool {
    ["yes", "no", "on", "off", "y", "n"].contains(&text.to_lowercase().as_str())
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.into() } else { format!("{path}.{key}") }
}

fn needed(shape: Shape) -> String {
    match shape {
        Shape::Any => "a value".into(),
        Shape::Text | Shape::Secret => "a text".into(),
        Shape::Flag => "true or false".into(),
        Shape::Number => "a whole number".into(),
        Shape::OneOf(names) => names.join(" or "),
        Shape::Texts | Shape::List(_) => "a list".into(),
        Shape::Map(_) | Shape::MapOf(_) => "a mapping".into(),
    }
}

fn hint(shape: Shape, node: &Node) -> &'static str {
    match (shape, &node.value) {
        (Shape::Flag, Value::Scalar { .. }) => "write it without quotes",
        (Shape::List(_), Value::Map(_)) => "put a - and a space before the first key of each item",
        (Shape::Map(_) | Shape::MapOf(_), Value::List(_)) => "remove the - before the keys",
        (Shape::Map(_) | Shape::MapOf(_), _) => "put its keys on lines of their own, indented",
        _ => "",
    }
}

/// `ADDRESS/LENGTH`.
fn is_network(text: Option<&str>) -> bool {
    let Some((address, length)) = text.and_then(|text| text.split_once('/')) else { return false };
    let most = match address.parse() {
        Ok(std::net::IpAddr::V4(_)) => 32,
        Ok(std::net::IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    length.parse::<u8>().is_ok_and(|length| length <= most)
}
