//! dpkg's status: stanzas of fields (deb822(5), dpkg(1)).

use super::component::{Component, Ecosystem};

/// The installed packages of `status`, or of a file of `status.d`, where a package is there because
/// its file is.
pub(super) fn parse(bytes: &[u8]) -> Vec<Component> {
    let text = String::from_utf8_lossy(bytes);
    let mut found = Vec::new();
    let mut stanza = Stanza::default();
    for line in text.lines().chain([""]) {
        if line.trim().is_empty() {
            found.extend(std::mem::take(&mut stanza).component());
        } else if !line.starts_with([' ', '\t', '#'])
            && let Some((field, value)) = line.split_once(':')
        {
            stanza.field(field, value.trim());
        }
    }
    found
}

#[derive(Default)]
struct Stanza<'a> {
    name: &'a str,
    version: &'a str,
    architecture: &'a str,
    status: Option<&'a str>,
    source: &'a str,
    maintainer: &'a str,
    homepage: &'a str,
}

impl<'a> Stanza<'a> {
    fn field(&mut self, field: &str, value: &'a str) {
        let is = |name: &str| field.eq_ignore_ascii_case(name);
        if is("Status") {
            self.status = Some(value);
            return;
        }
        let place = match field {
            _ if is("Package") => &mut self.name,
            _ if is("Version") => &mut self.version,
            _ if is("Architecture") => &mut self.architecture,
            _ if is("Source") => &mut self.source,
            _ if is("Maintainer") => &mut self.maintainer,
            _ if is("Homepage") => &mut self.homepage,
            _ => return,
        };
        *place = value;
    }

    fn component(self) -> Option<Component> {
        // What was removed keeps a stanza while its configuration is there.
        let installed =
            self.status.is_none_or(|status| status.split(' ').nth(2) == Some("installed"));
        if !installed || self.name.is_empty() || self.version.is_empty() {
            return None;
        }
        let source = match self.source.split_once('(') {
            Some((name, version)) => {
                format!("{}@{}", name.trim(), version.trim_end_matches(')').trim())
            }
            None => self.source.to_owned(),
        };
        Some(Component {
            name: self.name.to_owned(),
            version: self.version.to_owned(),
            architecture: self.architecture.to_owned(),
            source,
            supplier: self.maintainer.to_owned(),
            homepage: self.homepage.to_owned(),
            ..Component::new(Ecosystem::Deb)
        })
    }
}
