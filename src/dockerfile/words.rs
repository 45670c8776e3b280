//! Words of a Dockerfile: quotes, escapes, variables (the Dockerfile reference's "Environment
//! replacement"; POSIX parameter expansion for what it has in common with shells).

use std::iter::Peekable;
use std::str::Chars;

/// Expansions within expansions before a word is refused.
const DEPTH_MAX: usize = 32;
/// The longest expanded word, in bytes.
const LENGTH_MAX: usize = 1 << 20;

/// Why a word cannot be expanded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WordError {
    /// A quote that is opened and not closed.
    #[error("a {quote} quote is not closed")]
    Quote {
        /// Which.
        quote: &'static str,
    },
    /// `${` without its `}`.
    #[error("${{ is not closed")]
    Brace,
    /// Braces around no name.
    #[error("no variable's name behind ${{")]
    Name,
    /// What follows the name in braces is not known.
    #[error("${{{name}{modifier} is not known: allowed are :- :+ :? - + ? # ## % %% / and //")]
    Modifier {
        /// The variable.
        name: String,
        /// What follows it.
        modifier: char,
    },
    /// `${NAME:?MESSAGE}` of a variable that is not set.
    #[error("{name}: {message}")]
    Required {
        /// The variable.
        name: String,
        /// The message.
        message: String,
    },
    /// A bomb.
    #[error("it expands to more than {LENGTH_MAX} bytes")]
    TooLong,
    /// Expansions in expansions without end.
    #[error("more than {DEPTH_MAX} expansions within each other")]
    TooDeep,
}

/// Expands the variables of `text` and takes quotes and escapes away.
pub(crate) fn expand(
    text: &str,
    escape: char,
    variables: &dyn Fn(&str) -> Option<String>,
) -> Result<String, WordError> {
    Ok(run(text, escape, variables, Keep::Nothing)?.text)
}

/// Expands and splits at white space that is neither quoted nor escaped.
pub(crate) fn expand_words(
    text: &str,
    escape: char,
    variables: &dyn Fn(&str) -> Option<String>,
) -> Result<Vec<String>, WordError> {
    Ok(run(text, escape, variables, Keep::Nothing)?.words)
}

/// Expands variables only, as in a here-document: quotes are text.
pub(crate) fn expand_text(
    text: &str,
    escape: char,
    variables: &dyn Fn(&str) -> Option<String>,
) -> Result<String, WordError> {
    Ok(run(text, escape, variables, Keep::Quotes)?.text)
}

/// What stays in the text beside the variables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keep {
    Nothing,
    Quotes,
}

fn run(
    text: &str,
    escape: char,
    variables: &dyn Fn(&str) -> Option<String>,
    keep: Keep,
) -> Result<Expanded, WordError> {
    let mut expander =
        Expander { chars: text.chars().peekable(), escape, variables, keep, depth: 0 };
    expander.until(None, false)
}

#[derive(Debug, Default)]
struct Expanded {
    text: String,
    words: Vec<String>,
    word: String,
    in_word: bool,
}

impl Expanded {
    /// Text that white space does not split.
    fn push_quoted(&mut self, text: &str) -> Result<(), WordError> {
        self.in_word = true;
        self.word.push_str(text);
        self.text.push_str(text);
        if self.text.len() > LENGTH_MAX { Err(WordError::TooLong) } else { Ok(()) }
    }

    fn push(&mut self, text: &str) -> Result<(), WordError> {
        for char in text.chars() {
            if char.is_whitespace() {
                self.text.push(char);
                self.end_word();
            } else {
                self.push_quoted(char.encode_utf8(&mut [0; 4]))?;
            }
        }
        Ok(())
    }

    fn end_word(&mut self) {
        if self.in_word && !self.word.is_empty() {
            self.words.push(std::mem::take(&mut self.word));
        }
        self.in_word = false;
    }
}

struct Expander<'a> {
    chars: Peekable<Chars<'a>>,
    escape: char,
    variables: &'a dyn Fn(&str) -> Option<String>,
    keep: Keep,
    depth: usize,
}

impl Expander<'_> {
    /// Up to `end`, or the end of the text. In a pattern, escapes stay for the pattern.
    fn until(&mut self, end: Option<char>, pattern: bool) -> Result<Expanded, WordError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(WordError::TooDeep);
        }
        let mut out = Expanded::default();
        loop {
            let Some(char) = self.chars.next() else {
                if end.is_some() {
                    return Err(WordError::Brace);
                }
                break;
            };
            match char {
                char if Some(char) == end => break,
                '$' => {
                    let value = self.dollar()?;
                    out.push(&value)?;
                }
                '\'' if self.keep == Keep::Nothing => {
                    let text = self.single_quoted()?;
                    out.push_quoted(&text)?;
                }
                '"' if self.keep == Keep::Nothing => {
                    let text = self.double_quoted()?;
                    out.push_quoted(&text)?;
                }
                char if char == self.escape => match self.chars.next() {
                    None => break,
                    Some(next) => {
                        let literal =
                            self.keep == Keep::Quotes && next != '$' && next != self.escape;
                        if pattern || literal {
                            out.push_quoted(char.encode_utf8(&mut [0; 4]))?;
                        }
                        out.push_quoted(next.encode_utf8(&mut [0; 4]))?;
                    }
                },
                char => out.push(char.encode_utf8(&mut [0; 4]))?,
            }
        }
        self.depth -= 1;
        out.end_word();
        Ok(out)
    }

    fn single_quoted(&mut self) -> Result<String, WordError> {
        let mut text = String::new();
        loop {
            match self.chars.next() {
                None => return Err(WordError::Quote { quote: "single" }),
                Some('\'') => return Ok(text),
                Some(char) => text.push(char),
            }
        }
    }

    fn double_quoted(&mut self) -> Result<String, WordError> {
        let mut text = String::new();
        loop {
            match self.chars.next() {
                None => return Err(WordError::Quote { quote: "double" }),
                Some('"') => return Ok(text),
                Some('$') => text.push_str(&self.dollar()?),
                Some(char) if char == self.escape => match self.chars.peek() {
                    Some(&next) if next == '"' || next == '$' || next == self.escape => {
                        text.push(next);
                        self.chars.next();
                    }
                    Some(_) => text.push(char),
                    None => {}
                },
                Some(char) => text.push(char),
            }
            if text.len() > LENGTH_MAX {
                return Err(WordError::TooLong);
            }
        }
    }

    /// What follows a dollar sign.
    fn dollar(&mut self) -> Result<String, WordError> {
        if self.chars.peek() != Some(&'{') {
            let name = self.name();
            return Ok(match name.as_str() {
                "" => "$".to_owned(),
                name => (self.variables)(name).unwrap_or_default(),
            });
        }
        self.chars.next();
        let name = self.name();
        if name.is_empty() {
            return Err(if self.chars.peek().is_some() {
                WordError::Name
            } else {
                WordError::Brace
            });
        }
        let value = (self.variables)(&name);
        let Some(modifier) = self.chars.next() else { return Err(WordError::Brace) };
        match modifier {
            '}' => Ok(value.unwrap_or_default()),
            ':' => {
                let Some(modifier) = self.chars.next() else { return Err(WordError::Brace) };
                if !matches!(modifier, '-' | '+' | '?') {
                    return Err(WordError::Modifier { name, modifier });
                }
                self.default(name, value.filter(|value| !value.is_empty()), modifier, "empty")
            }
            '-' | '+' | '?' => self.default(name, value, modifier, "unset"),
            '#' | '%' => self.trimmed(&value.unwrap_or_default(), modifier),
            '/' => self.replaced(&value.unwrap_or_default()),
            modifier => Err(WordError::Modifier { name, modifier }),
        }
    }

    /// `-`, `+` and `?` and the word behind them.
    fn default(
        &mut self,
        name: String,
        value: Option<String>,
        modifier: char,
        lack: &str,
    ) -> Result<String, WordError> {
        let word = self.until(Some('}'), false)?.text;
        match (modifier, value) {
            ('-', value) => Ok(value.unwrap_or(word)),
            ('+', value) => Ok(value.map(|_| word).unwrap_or_default()),
            (_, Some(value)) => Ok(value),
            (_, None) => {
                let message = if word.is_empty() { format!("must not be {lack}") } else { word };
                Err(WordError::Required { name, message })
            }
        }
    }

    /// `#` and `%`: the shortest match at an end taken away, the longest when doubled.
    fn trimmed(&mut self, value: &str, modifier: char) -> Result<String, WordError> {
        let longest = self.chars.next_if_eq(&modifier).is_some();
        let pattern = self.until(Some('}'), true)?.text;
        let cuts: Vec<usize> =
            value.char_indices().map(|(at, _)| at).chain([value.len()]).collect();
        let matches = |cut: &&usize| {
            let (head, tail) = value.split_at(**cut);
            matches(&pattern, self.escape, if modifier == '#' { head } else { tail })
        };
        // A short head ends early, a short tail begins late.
        let found = match (modifier, longest) {
            ('#', false) | ('%', true) => cuts.iter().find(matches),
            _ => cuts.iter().rev().find(matches),
        };
        let Some(cut) = found else { return Ok(value.to_owned()) };
        let (head, tail) = value.split_at(*cut);
        Ok(if modifier == '#' { tail } else { head }.to_owned())
    }

    /// `/`: the first match replaced, all of them when doubled; each as long as possible.
    fn replaced(&mut self, value: &str) -> Result<String, WordError> {
        let all = self.chars.next_if_eq(&'/').is_some();
        let pattern = self.until(Some('/'), true)?.text;
        let replacement = self.until(Some('}'), false)?.text;
        let mut out = String::new();
        let mut rest = value;
        let mut done = false;
        while !rest.is_empty() {
            let ends = rest.char_indices().map(|(at, char)| at + char.len_utf8());
            let found = (!done)
                .then(|| ends.rev().find(|end| matches(&pattern, self.escape, &rest[..*end])))
                .flatten();
            let end = match found {
                Some(end) => {
                    out.push_str(&replacement);
                    done = !all;
                    end
                }
                None => {
                    let end = rest.chars().next().map_or(0, char::len_utf8);
                    out.push_str(&rest[..end]);
                    end
                }
            };
            rest = &rest[end..];
            if out.len() > LENGTH_MAX {
                return Err(WordError::TooLong);
            }
        }
        Ok(out)
    }

    fn name(&mut self) -> String {
        let mut name = String::new();
        match self.chars.peek() {
            Some(digit) if digit.is_ascii_digit() => {
                while let Some(digit) = self.chars.next_if(char::is_ascii_digit) {
                    name.push(digit);
                }
            }
            Some('@' | '*' | '#' | '?' | '-' | '$' | '!') => name.extend(self.chars.next()),
            _ => {
                while let Some(char) = self.chars.next_if(|c| c.is_alphanumeric() || *c == '_') {
                    name.push(char);
                }
            }
        }
        name
    }
}

/// Whether a shell pattern of `*`, `?` and escapes matches all of `text`.
fn matches(pattern: &str, escape: char, text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    // Which prefixes of the text the pattern so far matches.
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    let mut chars = pattern.chars();
    while let Some(char) = chars.next() {
        if char == '*' {
            let first = reached.iter().position(|is| *is).unwrap_or(reached.len());
            reached[first..].fill(true);
            continue;
        }
        let literal = if char == escape { chars.next() } else { Some(char) };
        let any = char == '?';
        for at in (0..text.len()).rev() {
            reached[at + 1] = reached[at] && (any || literal == Some(text[at]));
        }
        reached[0] = false;
    }
    reached[text.len()]
}

/// Splits at white space outside quotes; quotes and escapes stay.
pub(crate) fn split_raw(text: &str, escape: char) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        match char {
            char if quote.is_none() && char.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                continue;
            }
            '\'' | '"' if quote.is_none() => quote = Some(char),
            char if quote == Some(char) => quote = None,
            char if char == escape && quote != Some('\'') => {
                word.push(char);
                word.extend(chars.next());
                continue;
            }
            _ => {}
        }
        word.push(char);
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// A here-document that a word announces.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct HeredocName {
    pub(crate) name: String,
    pub(crate) strip_tabs: bool,
    pub(crate) expand: bool,
}

/// `<<NAME`, `<<-NAME`, `<<"NAME"`, with a file descriptor before it or not.
pub(crate) fn heredoc_name(word: &str, escape: char) -> Option<HeredocName> {
    let rest = word.trim_start_matches(|c: char| c.is_ascii_digit()).strip_prefix("<<")?;
    let (rest, strip_tabs) = match rest.strip_prefix('-') {
        Some(rest) => (rest, true),
        None => (rest, false),
    };
    if rest.is_empty() || rest.contains('<') {
        return None;
    }
    let name = expand(rest, escape, &|name| Some(format!("${name}"))).ok()?;
    let valid = !name.is_empty() && !name.contains(['\n', '\r']);
    valid.then(|| HeredocName { expand: name == rest, name, strip_tabs })
}

pub(crate) fn heredoc_names(text: &str, escape: char) -> Vec<HeredocName> {
    split_raw(text, escape).iter().filter_map(|word| heredoc_name(word, escape)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(name: &str) -> Option<String> {
        match name {
            "A" => Some("one two".to_owned()),
            "EMPTY" => Some(String::new()),
            "P" => Some("a/b.tar.gz".to_owned()),
            _ => None,
        }
    }

    #[test]
    fn variables_quotes_and_escapes() {
        for (text, expected) in [
            ("$A", "one two"),
            ("${A}x", "one twox"),
            ("'$A'", "$A"),
            ("\"$A\"", "one two"),
            (r"\$A", "$A"),
            (r#""\$A \x""#, r"$A \x"),
            ("$NONE-", "-"),
            ("$", "$"),
            ("a$ b", "a$ b"),
            ("${NONE:-x}", "x"),
            ("${EMPTY:-x}", "x"),
            ("${EMPTY-x}", ""),
            ("${EMPTY:+x}", ""),
            ("${EMPTY+x}", "x"),
            ("${NONE:-${A}}", "one two"),
            ("${NONE:-\"}\"}", "}"),
            ("${P#*/}", "b.tar.gz"),
            ("${P%.*}", "a/b.tar"),
            ("${P%%.*}", "a/b"),
            ("${P##*.}", "gz"),
            ("${P//a/X}", "X/b.tXr.gz"),
            ("${P/a/X}", "X/b.tar.gz"),
            ("${P/\\//-}", "a-b.tar.gz"),
            ("${A:?gone}", "one two"),
            ("$1x", "x"),
        ] {
            assert_eq!(expand(text, '\\', &variables).unwrap(), expected, "{text}");
        }
        assert_eq!(expand("`$A", '`', &variables).unwrap(), "$A");
        assert_eq!(expand_text("\"$A\" \\n \\$A", '\\', &variables).unwrap(), "\"one two\" \\n $A");
    }

    #[test]
    fn words_split_outside_quotes_and_after_expansion() {
        let words = expand_words("$A 'x  y' z\\ z \"\" \"$A\"", '\\', &variables).unwrap();
        assert_eq!(words, ["one", "two", "x  y", "z z", "one two"]);
        assert_eq!(split_raw("a=\"b c\" 'd e'f  g\\ h", '\\'), ["a=\"b c\"", "'d e'f", "g\\ h"]);
    }

    #[test]
    fn mistakes_are_named() {
        for (text, expected) in [
            ("'x", "a single quote is not closed"),
            ("\"x", "a double quote is not closed"),
            ("${A", "${ is not closed"),
            ("${", "${ is not closed"),
            ("${}", "no variable's name behind ${"),
            ("${A:x}", "${Ax is not known: allowed are :- :+ :? - + ? # ## % %% / and //"),
            ("${A^}", "${A^ is not known: allowed are :- :+ :? - + ? # ## % %% / and //"),
            ("${NONE:?say it}", "NONE: say it"),
            ("${NONE?}", "NONE: must not be unset"),
        ] {
            assert_eq!(expand(text, '\\', &variables).unwrap_err().to_string(), expected, "{text}");
        }
        let deep = "${NONE:-".repeat(1000);
        assert_eq!(expand(&deep, '\\', &variables), Err(WordError::TooDeep));
        let bomb = |_: &str| Some("x".repeat(1 << 16));
        assert_eq!(expand(&"$A".repeat(100), '\\', &bomb), Err(WordError::TooLong));
    }

    #[test]
    fn here_documents_are_announced() {
        let name = |word| heredoc_name(word, '\\').map(|n| (n.name, n.strip_tabs, n.expand));
        assert_eq!(name("<<EOF"), Some(("EOF".into(), false, true)));
        assert_eq!(name("3<<-'E F'"), Some(("E F".into(), true, false)));
        assert_eq!(name("<<\"EOF\""), Some(("EOF".into(), false, false)));
        for none in ["<<<x", "<<", "a<<b", "< <x"] {
            assert_eq!(name(none), None, "{none}");
        }
    }
}
