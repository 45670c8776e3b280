//! The one edit with `sed` that is understood: text put at the end of a quoted value,
//! `s|\(BEFORE"[^"]*\)"|\1TEXT"|` with any character for `|`.

use crate::recipe::steps::bootargs::append_to_quoted;

/// Such an edit.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Append<'a> {
    /// What stands before the value, its quote included.
    before: &'a str,
    /// What is added.
    text: &'a str,
}

impl<'a> Append<'a> {
    pub(super) fn parse(script: &'a str) -> Option<Self> {
        let rest = script.strip_prefix('s')?;
        let delimiter = rest.chars().next().filter(|c| !c.is_alphanumeric() && *c != '\\')?;
        let mut parts = rest[delimiter.len_utf8()..].split(delimiter);
        let (pattern, replacement, flags) = (parts.next()?, parts.next()?, parts.next()?);
        let before = pattern.strip_prefix("\\(")?.strip_suffix("[^\"]*\\)\"")?;
        let text = replacement.strip_prefix("\\1")?.strip_suffix('"')?;
        let plain = |text: &str| !text.contains(['\\', '*', '.', '[', ']', '^', '$', '&', '\n']);
        let whole = parts.next().is_none() && flags.is_empty() && before.ends_with('"');
        (whole && plain(before) && !text.contains(['\\', '&', '\n']))
            .then_some(Self { before, text })
    }

    /// Edits the first match of each line.
    pub(super) fn apply(&self, content: &[u8]) -> Vec<u8> {
        append_to_quoted(content, self.before.as_bytes(), self.text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_goes_to_the_end_of_the_value() {
        let edit = Append::parse(r#"s|\(set cmd="[^"]*\)"|\1 more=1"|"#).unwrap();
        let text = b"# set cmd\nset cmd=\"a b\"\n  set cmd=\"\" \"x\"\nset cmd=\"open\n";
        let edited =
            b"# set cmd\nset cmd=\"a b more=1\"\n  set cmd=\" more=1\" \"x\"\nset cmd=\"open\n";
        assert_eq!(edit.apply(text), edited);
    }

    #[test]
    fn other_scripts_are_left_alone() {
        for script in [
            "s/a/b/",
            "d",
            r#"s|\(set cmd="[^"]*\)"|\1 more=1"|g"#,
            r#"s|\(set.cmd="[^"]*\)"|\1 more=1"|"#,
            r#"s|\(set cmd="[^"]*\)"|\1 more&"|"#,
            "",
        ] {
            assert_eq!(Append::parse(script), None, "{script}");
        }
    }
}
