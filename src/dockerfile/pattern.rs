//! Patterns of paths: those of sources (Go's `filepath.Match`) and of `.dockerignore`, which have
//! `**` as well.

use super::error::Problem;

/// A compiled pattern. Matching takes time in proportion to pattern and path, whatever they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern(Vec<Token>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Char(char),
    /// `?`: one character but a slash.
    One,
    /// `*`: any characters but slashes.
    Many,
    /// `**/`: nothing, or any folders with the slash behind them.
    Folders,
    /// `**` elsewhere: any characters.
    All,
    /// `[...]`.
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Pattern {
    /// A pattern of `*`, `?`, `[...]` and escapes, none of which crosses a slash.
    pub(crate) fn source(text: &str) -> Result<Self, Problem> {
        compile(text, false)
    }

    /// The same with `**` across slashes.
    pub(crate) fn ignore(text: &str) -> Result<Self, Problem> {
        compile(text, true)
    }

    pub(crate) fn matches(&self, path: &str) -> bool {
        let path: Vec<char> = path.chars().collect();
        // reached[n]: the tokens so far match the first n characters.
        let mut reached = vec![false; path.len() + 1];
        reached[0] = true;
        for token in &self.0 {
            token.step(&path, &mut reached);
        }
        reached[path.len()]
    }
}

impl Token {
    fn step(&self, path: &[char], reached: &mut [bool]) {
        match self {
            Self::Many => {
                for at in 0..path.len() {
                    reached[at + 1] |= reached[at] && path[at] != '/';
                }
            }
            Self::All => {
                let first = reached.iter().position(|is| *is).unwrap_or(reached.len());
                reached[first..].fill(true);
            }
            Self::Folders => {
                let first = reached.iter().position(|is| *is).unwrap_or(reached.len());
                for at in first..path.len() {
                    reached[at + 1] |= path[at] == '/';
                }
            }
            one => {
                for at in (0..path.len()).rev() {
                    reached[at + 1] = reached[at] && one.is(path[at]);
                }
                reached[0] = false;
            }
        }
    }

    fn is(&self, char: char) -> bool {
        match self {
            Self::Char(wanted) => *wanted == char,
            Self::One => char != '/',
            Self::Class { negated, ranges } => {
                let within = ranges.iter().any(|(low, high)| (*low..=*high).contains(&char));
                char != '/' && within != *negated
            }
            Self::Many | Self::All | Self::Folders => false,
        }
    }
}

/// Whether a text has anything that a pattern gives a meaning.
pub(crate) fn is_pattern(text: &str) -> bool {
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        match char {
            '\\' => {
                chars.next();
            }
            '*' | '?' | '[' => return true,
            _ => {}
        }
    }
    false
}

/// A text without the escapes of a pattern.
pub(crate) fn unescape(text: &str) -> String {
    let mut plain = String::new();
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        plain.extend(if char == '\\' { chars.next() } else { Some(char) });
    }
    plain
}

fn compile(text: &str, deep: bool) -> Result<Pattern, Problem> {
    let fail = |problem| Problem::Pattern { pattern: text.to_owned(), problem };
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        tokens.push(match char {
            '*' if deep && chars.next_if_eq(&'*').is_some() => {
                while chars.next_if_eq(&'*').is_some() {}
                if chars.next_if_eq(&'/').is_some() { Token::Folders } else { Token::All }
            }
            '*' => Token::Many,
            '?' => Token::One,
            '[' => {
                class(&mut chars).ok_or_else(|| fail("[ is not closed, or has nothing in it"))?
            }
            '\\' => Token::Char(chars.next().ok_or_else(|| fail("nothing follows its last \\"))?),
            char => Token::Char(char),
        });
    }
    Ok(Pattern(tokens))
}

fn class(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<Token> {
    let negated = chars.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    loop {
        if chars.peek() == Some(&']') && !ranges.is_empty() {
            chars.next();
            return Some(Token::Class { negated, ranges });
        }
        let low = member(chars)?;
        let high = if chars.next_if_eq(&'-').is_some() { member(chars)? } else { low };
        ranges.push((low, high));
    }
}

fn member(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<char> {
    match chars.next()? {
        '\\' => chars.next(),
        '-' | ']' => None,
        char => Some(char),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_match_as_filepath_match_does() {
        for (pattern, path, expected) in [
            ("*.txt", "a.txt", true),
            ("*.txt", "d/a.txt", false),
            ("a?c", "abc", true),
            ("a?c", "a/c", false),
            ("[a-c]x", "bx", true),
            ("[^a-c]x", "bx", false),
            ("[^a-c]x", "/x", false),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("**", "a/b", false),
            ("ä?", "äö", true),
            ("", "", true),
            ("*", "", true),
        ] {
            assert_eq!(
                Pattern::source(pattern).unwrap().matches(path),
                expected,
                "{pattern} {path}"
            );
        }
        for wrong in ["[", "[]", "[a", "[-a]", "a\\", "[a-]"] {
            assert!(Pattern::source(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn two_stars_cross_folders() {
        for (pattern, path, expected) in [
            ("**/a", "a", true),
            ("**/a", "x/y/a", true),
            ("**/a", "xa", false),
            ("a/**", "a/b/c", true),
            ("a/**", "a", false),
            ("**", "a/b", true),
            ("a/**/b", "a/b", true),
            ("a/**/b", "a/x/y/b", true),
            ("**.go", "x/y.go", true),
        ] {
            assert_eq!(
                Pattern::ignore(pattern).unwrap().matches(path),
                expected,
                "{pattern} {path}"
            );
        }
    }

    #[test]
    fn a_hostile_pattern_takes_no_time() {
        let pattern = Pattern::source(&"*a".repeat(500)).unwrap();
        assert!(!pattern.matches(&"a".repeat(499)));
        assert!(pattern.matches(&"a".repeat(2000)));
    }
}
