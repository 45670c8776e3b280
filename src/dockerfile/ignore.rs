//! `.dockerignore`: which files of the context are not there.

use super::error::{DockerfileError, Problem};
use super::pattern::Pattern;

/// The rules of a `.dockerignore`, in their order: the last one that matches a path, or a folder
/// above it, decides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ignore {
    rules: Vec<Rule>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    pattern: Pattern,
    /// `!`: the file is there after all.
    keeps: bool,
}

impl Ignore {
    /// Reads the file; `name` is what errors call it.
    ///
    /// # Errors
    /// [`DockerfileError`], when a line is no pattern.
    pub fn parse(name: &str, bytes: &[u8]) -> Result<Self, DockerfileError> {
        let mut rules = Vec::new();
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        for (number, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
            let fail =
                |text, problem: Problem| DockerfileError::new(name, number + 1, text, problem);
            let line = std::str::from_utf8(line).map_err(|_| fail("", Problem::NotText))?;
            if line.starts_with('#') {
                continue;
            }
            let text = line.trim();
            let (keeps, pattern) = match text.strip_prefix('!') {
                Some(rest) => (true, rest.trim()),
                None => (false, text),
            };
            let pattern = clean(pattern);
            if !pattern.is_empty() {
                let pattern = Pattern::ignore(&pattern).map_err(|problem| fail(text, problem))?;
                rules.push(Rule { pattern, keeps });
            } else if keeps {
                let problem = "nothing follows the !";
                return Err(fail(text, Problem::Pattern { pattern: text.to_owned(), problem }));
            }
        }
        Ok(Self { rules })
    }

    /// The same rules from patterns that are at hand, such as those of `--exclude`.
    pub(crate) fn of(patterns: &[String]) -> Result<Self, Problem> {
        let mut rules = Vec::new();
        for text in patterns {
            let (keeps, pattern) = match text.strip_prefix('!') {
                Some(rest) => (true, rest),
                None => (false, text.as_str()),
            };
            rules.push(Rule { pattern: Pattern::ignore(&clean(pattern))?, keeps });
        }
        Ok(Self { rules })
    }

    /// Whether the file or folder at `path` (without a leading slash) is left out.
    #[must_use]
    pub fn leaves_out(&self, path: &str) -> bool {
        let above = path.match_indices('/').map(|(at, _)| &path[..at]);
        let ways: Vec<&str> = above.chain([path]).collect();
        let matches = |rule: &&Rule| ways.iter().any(|way| rule.pattern.matches(way));
        self.rules.iter().rev().find(matches).is_some_and(|rule| !rule.keeps)
    }

    /// Whether something below a folder that is left out may be there after all.
    pub(crate) fn may_keep(&self) -> bool {
        self.rules.iter().any(|rule| rule.keeps)
    }
}

/// A pattern as a clean path from the root of the context (Go's `filepath.Clean`).
fn clean(pattern: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in pattern.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ignore(text: &str) -> Ignore {
        Ignore::parse(".dockerignore", text.as_bytes()).unwrap()
    }

    #[test]
    fn the_last_rule_that_matches_decides() {
        let ignore = ignore("# *\n\n*.md\n!README*.md\nREADME-secret.md\n/build/\n**/*.o\n");
        for (path, out) in [
            ("a.md", true),
            ("README.md", false),
            ("README-secret.md", true),
            ("build", true),
            ("build/x/y", true),
            ("src/build", false),
            ("src/x.o", true),
            ("d/a.md", false),
            ("# *", false),
        ] {
            assert_eq!(ignore.leaves_out(path), out, "{path}");
        }
    }

    #[test]
    fn a_folder_that_is_left_out_can_have_files_that_are_not() {
        let ignore = ignore("*\n!overlay\n!certs/*.pem\n");
        for (path, out) in [
            ("x", true),
            ("overlay/a/b", false),
            ("certs", true),
            ("certs/a.pem", false),
            ("certs/b.key", true),
        ] {
            assert_eq!(ignore.leaves_out(path), out, "{path}");
        }
        assert!(ignore.may_keep());
    }

    #[test]
    fn wrong_lines_are_named() {
        let error = Ignore::parse(".dockerignore", b"a\n[\n").unwrap_err();
        assert_eq!(
            error.to_string(),
            ".dockerignore:2: \"[\" is not a pattern: [ is not closed, or has nothing in it, in \"[\""
        );
        assert!(Ignore::parse(".dockerignore", b"!").is_err());
        assert!(Ignore::parse(".dockerignore", b"\xff").is_err());
    }
}
