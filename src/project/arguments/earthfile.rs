//! The defaults in a project's own `Earthfile`: they change from release to release.

use super::super::problem::Position;

/// An `ARG NAME=VALUE` before the first target.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Default {
    pub(super) name: String,
    pub(super) value: String,
    pub(super) position: Position,
}

/// Reads the arguments at the left margin before the first target. Those in conditions depend on
/// other values and those with commands on a shell; both are left to what is known here.
pub(super) fn defaults(text: &[u8]) -> Vec<Default> {
    let text = String::from_utf8_lossy(text);
    let mut defaults = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if is_target(line) {
            break;
        }
        let Some(rest) = line.strip_prefix("ARG ") else { continue };
        let words = rest.trim_start().trim_start_matches("--global ").trim();
        let Some((name, value)) = words.split_once('=') else { continue };
        let Some(value) = plain(value.trim()) else { continue };
        let column = u32::try_from(line.len() - rest.len() + 1).unwrap_or(1);
        let position = Position { line: number, column };
        defaults.push(Default { name: name.trim().into(), value, position });
    }
    defaults
}

/// `name:` at the left margin.
fn is_target(line: &str) -> bool {
    let name = line.trim_end().strip_suffix(':');
    name.is_some_and(|name| {
        name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    })
}

fn plain(value: &str) -> Option<String> {
    let inner =
        ['"', '\''].into_iter().find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote));
    let value = inner.unwrap_or(value);
    (!value.contains(['"', '\'', '`', '\\']) && !value.contains("$(")).then(|| value.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_before_the_first_target_are_defaults() {
        let text = "VERSION 0.6\nARG TARGETOS\nARG PE_VERSION=v4.4.12\n  ARG IN=block\nARG A=$(date)\n\
                    ARG --global BRANDING=\"Palette eXtended\"\nARG X=$Y\n\nbuild:\n    ARG Z=1\nARG W=1\n";
        let read = defaults(text.as_bytes());
        let read: Vec<_> =
            read.iter().map(|d| (d.name.as_str(), d.value.as_str(), d.position.line)).collect();
        let expected =
            [("PE_VERSION", "v4.4.12", 3), ("BRANDING", "Palette eXtended", 6), ("X", "$Y", 7)];
        assert_eq!(read, expected);
    }
}
