//! apk's `installed`: stanzas of lines that begin with a letter (apk-tools, "Installed database").

use super::component::{Component, Ecosystem};

/// The installed packages.
pub(super) fn parse(bytes: &[u8]) -> Vec<Component> {
    let text = String::from_utf8_lossy(bytes);
    let mut found = Vec::new();
    let mut package = Component::new(Ecosystem::Apk);
    for line in text.lines().chain([""]) {
        if line.is_empty() {
            let package = std::mem::replace(&mut package, Component::new(Ecosystem::Apk));
            if !package.name.is_empty() && !package.version.is_empty() {
                found.push(package);
            }
            continue;
        }
        let Some((letter, value)) = line.split_once(':') else { continue };
        let field = match letter {
            "P" => &mut package.name,
            "V" => &mut package.version,
            "A" => &mut package.architecture,
            "o" => &mut package.source,
            "L" => &mut package.licence,
            "m" => &mut package.supplier,
            "U" => &mut package.homepage,
            _ => continue,
        };
        value.clone_into(field);
    }
    found
}
