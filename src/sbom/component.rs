//! A package, whatever installed it.

use std::fmt::Write;

use super::OsRelease;

/// Whose package it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ecosystem {
    /// dpkg.
    Deb,
    /// apk of Alpine.
    Apk,
    /// rpm.
    Rpm,
}

/// An installed package. Fields that the database does not have are empty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Component {
    /// Whose package it is.
    pub ecosystem: Ecosystem,
    /// The name.
    pub name: String,
    /// The version, with the release and without the epoch where these are fields of their own.
    pub version: String,
    /// The epoch of an rpm package.
    pub epoch: Option<u32>,
    /// The architecture as the database has it.
    pub architecture: String,
    /// The source package: `name`, `name@version` or the file's name of a source rpm.
    pub source: String,
    /// The licence in the packager's words.
    pub licence: String,
    /// Who made it.
    pub supplier: String,
    /// The project's place in the web.
    pub homepage: String,
}

impl Component {
    pub(super) fn new(ecosystem: Ecosystem) -> Self {
        Self {
            ecosystem,
            name: String::new(),
            version: String::new(),
            epoch: None,
            architecture: String::new(),
            source: String::new(),
            licence: String::new(),
            supplier: String::new(),
            homepage: String::new(),
        }
    }

    /// The package URL (purl), by which scanners look for known weaknesses.
    #[must_use]
    pub fn purl(&self, os: &OsRelease) -> String {
        let (kind, fallback) = match self.ecosystem {
            Ecosystem::Deb => ("deb", "debian"),
            Ecosystem::Apk => ("apk", "alpine"),
            Ecosystem::Rpm => ("rpm", "redhat"),
        };
        let vendor = if os.id.is_empty() { fallback } else { &os.id };
        let mut purl = format!("pkg:{kind}/{}/", encode(&vendor.to_lowercase()));
        purl += &format!("{}@{}", encode(&self.name), encode(&self.version));
        let distro = match (os.id.as_str(), os.version_id.as_str()) {
            ("", _) => String::new(),
            (id, "") => id.to_owned(),
            (id, version) => format!("{id}-{version}"),
        };
        let epoch = self.epoch.map(|epoch| epoch.to_string()).unwrap_or_default();
        let qualifiers = [
            ("arch", &self.architecture),
            ("distro", &distro),
            ("epoch", &epoch),
            ("upstream", &self.source),
        ];
        let mut mark = '?';
        for (key, value) in qualifiers.into_iter().filter(|(_, value)| !value.is_empty()) {
            purl += &format!("{mark}{key}={}", encode(value));
            mark = '&';
        }
        purl
    }
}

/// Percent-encodes what may not stand in a package URL.
fn encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b'~' | b':' => {
                encoded.push(char::from(byte));
            }
            _ => {
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
    }
    encoded
}
