//! `--NAME=VALUE` before an instruction's words.

use super::error::Problem;

/// Nanoseconds in the units of Go's durations, longest names first.
const UNITS: [(&str, f64); 7] =
    [("ns", 1.0), ("us", 1e3), ("µs", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 60e9), ("h", 3600e9)];

/// The flags of one instruction, in their order. A flag without a value has an empty one; values
/// are as they stand, quotes and variables included.
#[derive(Debug, Default)]
pub(crate) struct Flags(Vec<(String, String)>);

impl Flags {
    /// Cuts flags off the front; `--` alone ends them.
    pub(crate) fn cut(mut text: &str, escape: char) -> (Self, &str) {
        let mut flags = Vec::new();
        while let Some(rest) = text.strip_prefix("--") {
            let end = end_of_word(rest, escape);
            let (word, after) = rest.split_at(end);
            text = after.trim_start();
            if word.is_empty() {
                break;
            }
            let (name, value) = word.split_once('=').unwrap_or((word, ""));
            flags.push((name.to_owned(), value.to_owned()));
        }
        (Self(flags), text)
    }

    pub(crate) fn all(&self) -> &[(String, String)] {
        &self.0
    }

    pub(crate) fn values(&self, name: &'static str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(flag, _)| flag == name).map(|(_, value)| value.as_str())
    }

    /// The last value of a flag.
    pub(crate) fn value(&self, name: &'static str) -> Option<&str> {
        self.values(name).last()
    }

    /// Refuses flags that the instruction does not have, and most of those that stand twice.
    pub(crate) fn check(
        &self,
        instruction: &'static str,
        allowed: &'static [&'static str],
    ) -> Result<(), Problem> {
        for (at, (name, value)) in self.0.iter().enumerate() {
            let flag = name.clone();
            if !allowed.contains(&name.as_str()) {
                return Err(Problem::Flag { instruction, flag, allowed });
            }
            let repeatable = matches!(name.as_str(), "exclude" | "mount" | "device");
            if !repeatable && self.0[..at].iter().any(|(other, _)| other == name) {
                let (value, expected) = (value.clone(), "the flag stands twice");
                return Err(Problem::FlagValue { flag, value, expected });
            }
        }
        Ok(())
    }

    /// A flag that is true when it has no value.
    pub(crate) fn is_set(&self, name: &'static str) -> Result<bool, Problem> {
        match self.value(name) {
            None | Some("false") => Ok(false),
            Some("" | "true") => Ok(true),
            Some(value) => Err(Problem::FlagValue {
                flag: name.to_owned(),
                value: value.to_owned(),
                expected: "true or false is needed",
            }),
        }
    }

    /// A duration such as `1m30s` in nanoseconds; 0 when the flag is missing.
    pub(crate) fn duration(&self, name: &'static str) -> Result<u64, Problem> {
        let Some(value) = self.value(name) else { return Ok(0) };
        duration(value).ok_or_else(|| Problem::FlagValue {
            flag: name.to_owned(),
            value: value.to_owned(),
            expected: "a duration is needed, such as 30s or 1m30s",
        })
    }
}

/// Where the first word ends; white space in quotes does not end it.
fn end_of_word(text: &str, escape: char) -> usize {
    let mut quote = None;
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            char if quote.is_none() && char.is_whitespace() => return at,
            '\'' | '"' if quote.is_none() => quote = Some(char),
            char if quote == Some(char) => quote = None,
            char if char == escape && quote != Some('\'') => {
                chars.next();
            }
            _ => {}
        }
    }
    text.len()
}

fn duration(text: &str) -> Option<u64> {
    if text == "0" {
        return Some(0);
    }
    let mut rest = text;
    let mut sum = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let end = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let (_, scale) = UNITS.iter().find(|(name, _)| *name == &rest[..end])?;
        sum += number * scale;
        rest = &rest[end..];
    }
    let whole = !text.is_empty() && (0.0..9.0e18).contains(&sum);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in range")]
    whole.then_some(sum as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_gos() {
        for (text, expected) in [
            ("30s", Some(30_000_000_000)),
            ("1m30s", Some(90_000_000_000)),
            ("1.5ms", Some(1_500_000)),
            ("0", Some(0)),
            ("", None),
            ("5", None),
            ("s", None),
            ("1d", None),
            ("-1s", None),
        ] {
            assert_eq!(duration(text), expected, "{text:?}");
        }
    }

    #[test]
    fn flags_end_at_two_dashes_or_the_first_word() {
        let (flags, rest) = Flags::cut("--a=1 --b --c=\"x y\" -- --d", '\\');
        assert_eq!(rest, "--d");
        let all = [("a", "1"), ("b", ""), ("c", "\"x y\"")];
        assert!(flags.all().iter().map(|(a, b)| (a.as_str(), b.as_str())).eq(all));
        let (flags, rest) = Flags::cut("x --a", '\\');
        assert!(flags.all().is_empty());
        assert_eq!(rest, "x --a");
    }
}
