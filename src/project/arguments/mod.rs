//! What a build is told: keys with values, and where each value comes from.
//!
//! The command line wins over `EARTHLY_BUILD_ARGS`, that over `.arg`, that over the defaults of the
//! project's own `Earthfile`, those over the defaults known here.

mod check;
mod derive;
mod earthfile;
mod file;
mod keys;
mod kind;
mod resolve;
#[cfg(test)]
mod table;

use std::collections::BTreeMap;
use std::fmt;

use super::problem::{Place, Position};

pub use file::{Environment, Parsed, parse, quote};
pub use keys::{KEYS, KUBERNETES, Key, find};
pub use kind::Kind;
pub use resolve::Sources;

/// The file with the project's values.
pub const ARG_FILE: &str = ".arg";
pub(super) const COMMAND_LINE: &str = "command line";
pub(super) const BUILD_ARGS: &str = "EARTHLY_BUILD_ARGS";

/// A key and a value as they were written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The key, known or not.
    pub name: String,
    /// Where the key stands, in a file.
    pub name_place: Option<Place>,
    /// The value.
    pub value: String,
    /// Where the value stands, in a file.
    pub place: Option<Place>,
}

/// Who said what a value is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// `--KEY=VALUE`.
    CommandLine,
    /// The variable `EARTHLY_BUILD_ARGS`.
    Environment,
    /// The project's `.arg`.
    ArgFile(Position),
    /// The project's `Earthfile`.
    Earthfile(Position),
    /// The tag of the checkout.
    Tag,
    /// Nobody: the default.
    Default,
    /// Other keys.
    Derived(&'static str),
    /// Nobody, and there is no default.
    Unset,
}

impl Origin {
    /// The place to name in a message about the value.
    #[must_use]
    pub fn place(&self) -> Option<Place> {
        match self {
            Self::CommandLine => Some(Place::file(COMMAND_LINE)),
            Self::Environment => Some(Place::file(BUILD_ARGS)),
            Self::ArgFile(position) => Some(Place::at(ARG_FILE, *position)),
            Self::Earthfile(position) => Some(Place::at("Earthfile", *position)),
            _ => None,
        }
    }

    /// Whether a person set the value for this project.
    #[must_use]
    pub fn is_given(&self) -> bool {
        matches!(self, Self::CommandLine | Self::Environment | Self::ArgFile(_))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CommandLine => f.write_str(COMMAND_LINE),
            Self::Environment => f.write_str(BUILD_ARGS),
            Self::ArgFile(position) => write!(f, "{ARG_FILE}:{}", position.line),
            Self::Earthfile(position) => write!(f, "Earthfile:{}", position.line),
            Self::Tag => f.write_str("the checkout's tag"),
            Self::Default => f.write_str("default"),
            Self::Derived(from) => write!(f, "from {from}"),
            Self::Unset => f.write_str("not set"),
        }
    }
}

/// A key's value and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The value; empty for none.
    pub value: String,
    /// Who said so.
    pub origin: Origin,
}

/// The values of all keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arguments {
    settings: BTreeMap<&'static str, Setting>,
    /// Unknown keys, which may mean something to the project's Dockerfile.
    others: Vec<Assignment>,
}

/// What stands for values that must not be shown.
pub const HIDDEN: &str = "(hidden)";

impl Arguments {
    /// The value of a key; empty where it has none.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        self.settings.get(name).map_or("", |setting| &setting.value)
    }

    /// The value of a key, if it has one.
    #[must_use]
    pub fn some(&self, name: &str) -> Option<&str> {
        Some(self.get(name)).filter(|value| !value.is_empty())
    }

    /// Whether a flag is `true`.
    #[must_use]
    pub fn flag(&self, name: &str) -> bool {
        self.get(name) == "true"
    }

    /// Who set a key.
    #[must_use]
    pub fn origin(&self, name: &str) -> &Origin {
        self.settings.get(name).map_or(&Origin::Unset, |setting| &setting.origin)
    }

    /// The keys that are not known, as they were given.
    #[must_use]
    pub fn others(&self) -> &[Assignment] {
        &self.others
    }

    /// Name, value for people, and origin of every key, secrets hidden.
    pub fn shown(&self) -> impl Iterator<Item = (&'static str, String, &Origin)> {
        KEYS.iter().map(|key| {
            let value = shown(key, self.get(key.name));
            (key.name, value, self.origin(key.name))
        })
    }
}

/// A value as it may be shown: secrets and passwords in URLs are hidden.
#[must_use]
pub fn shown(key: &Key, value: &str) -> String {
    if value.is_empty() {
        return String::new();
    }
    if key.secret {
        return HIDDEN.into();
    }
    match key.kind {
        Kind::Image | Kind::Path => value.into(),
        Kind::Text if !value.contains("://") => value.into(),
        _ => without_password(value),
    }
}

/// Hides what stands between the scheme and the last `@` of the host.
fn without_password(value: &str) -> String {
    let start = value.find("://").map_or(0, |at| at + 3);
    match value.rfind('@') {
        Some(at) if at >= start => format!("{}{HIDDEN}{}", &value[..start], &value[at..]),
        _ => value.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_and_secrets_are_hidden() {
        let show = |name, value| shown(find(name).unwrap(), value);
        assert_eq!(show("HTTP_PROXY", "http://me:p@ss@proxy:3128/"), "http://(hidden)@proxy:3128/");
        assert_eq!(show("HTTP_PROXY", "me:pass@proxy:3128"), "(hidden)@proxy:3128");
        assert_eq!(show("HTTP_PROXY", "http://proxy"), "http://proxy");
        assert_eq!(show("UBUNTU_PRO_KEY", "C1234"), HIDDEN);
        assert_eq!(show("UBUNTU_PRO_KEY", ""), "");
        assert_eq!(show("BASE_IMAGE", "a/b@sha256:00"), "a/b@sha256:00");
        assert_eq!(show("CMDLINE", "x=https://u:p@h"), "x=https://(hidden)@h");
        assert_eq!(show("MY_ORG", "me@example.org"), "me@example.org");
    }
}
