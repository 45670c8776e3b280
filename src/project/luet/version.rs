//! Versions, ordered as luet orders them: by Debian's rules (deb-version(7)) after a little
//! tidying.

use std::cmp::Ordering;

/// A package's version. Two that are spelled differently may be equal.
#[derive(Clone, Debug)]
pub struct Version {
    text: String,
    epoch: u64,
    upstream: String,
    revision: String,
    /// Whether Debian's rules know such a version; all others come before it.
    sound: bool,
}

impl Version {
    /// Reads a version. Underscores count as dashes, and a `v` before a digit does not count.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let tidy = text.trim().replace('_', "-");
        let rest = tidy.strip_prefix(['v', 'V']).filter(|rest| starts_with_digit(rest));
        let rest = rest.unwrap_or(&tidy);
        let (epoch, rest) = match rest.split_once(':') {
            Some((epoch, rest)) => (epoch.parse().ok(), rest),
            None => (Some(0), rest),
        };
        let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
        let known = |c: char| c.is_ascii_alphanumeric() || ".+~-:".contains(c);
        let sound = epoch.is_some() && starts_with_digit(upstream) && rest.chars().all(known);
        Self {
            text: text.to_owned(),
            epoch: epoch.unwrap_or(0),
            upstream: upstream.to_owned(),
            revision: revision.to_owned(),
            sound,
        }
    }

    /// The version as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

fn starts_with_digit(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.sound.cmp(&other.sound).then_with(|| {
            if !self.sound {
                return self.text.cmp(&other.text);
            }
            let upstream = || compare(self.upstream.as_bytes(), other.upstream.as_bytes());
            let revision = || compare(self.revision.as_bytes(), other.revision.as_bytes());
            self.epoch.cmp(&other.epoch).then_with(upstream).then_with(revision)
        })
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Version {}

/// Runs of other characters and runs of digits in turn: those by the order of characters, these by
/// their value.
fn compare(mut a: &[u8], mut b: &[u8]) -> Ordering {
    while !a.is_empty() || !b.is_empty() {
        let (mut words, mut numbers) = (Ordering::Equal, Ordering::Equal);
        let (word_a, rest_a) = split(a, |byte| !byte.is_ascii_digit());
        let (word_b, rest_b) = split(b, |byte| !byte.is_ascii_digit());
        for at in 0..word_a.len().max(word_b.len()) {
            words = words.then(weight(word_a.get(at)).cmp(&weight(word_b.get(at))));
        }
        let (number_a, rest_a) = split(rest_a, u8::is_ascii_digit);
        let (number_b, rest_b) = split(rest_b, u8::is_ascii_digit);
        let value = |number: &[u8]| {
            let zeros = number.iter().take_while(|digit| **digit == b'0').count();
            (number.len() - zeros, number[zeros..].to_vec())
        };
        numbers = numbers.then_with(|| value(number_a).cmp(&value(number_b)));
        let order = words.then(numbers);
        if order != Ordering::Equal {
            return order;
        }
        (a, b) = (rest_a, rest_b);
    }
    Ordering::Equal
}

fn split(bytes: &[u8], belongs: impl Fn(&u8) -> bool) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| !belongs(byte)).unwrap_or(bytes.len());
    bytes.split_at(end)
}

/// A tilde comes even before the end, letters come before everything else.
fn weight(byte: Option<&u8>) -> u16 {
    match byte {
        Some(b'~') => 0,
        None => 1,
        Some(letter) if letter.is_ascii_alphabetic() => 2 + u16::from(*letter),
        Some(other) => 300 + u16::from(*other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_as_debian_does() {
        let order = [
            "latest",
            "1.0~rc1",
            "1.0",
            "1.0a",
            "1.0+1",
            "1.0+2",
            "1.0+10",
            "1.0.1",
            "1.1~",
            "1.1",
            "1.1-1",
            "1.2.9-k3s1",
            "1.2.10-k3s1",
            "1.2.10-k3s2",
            "1.30.4-k3s1",
            "1.30.10-k3s1",
            "1:0.1",
        ];
        for (number, a) in order.iter().enumerate() {
            for (other, b) in order.iter().enumerate() {
                let (a, b) = (Version::new(a), Version::new(b));
                assert_eq!(a.cmp(&b), number.cmp(&other), "{} {}", a.as_str(), b.as_str());
            }
        }
        for (a, b) in [("1.0", "v1.00"), ("1.0_1", "1.0-1"), ("0:1", "1"), ("1.0-0", "1.0")] {
            assert_eq!(Version::new(a), Version::new(b));
        }
        // Longer than any number that a machine counts with.
        assert!(Version::new(&"9".repeat(60)) > Version::new(&"8".repeat(60)));
    }
}
