//! `bootwright.lock`: what the names of a project's images mean.
//!
//! ```text
//! # Made by `bootwright fetch`; `bootwright fetch --update` asks registries anew.
//! lock 1
//! docker.io/library/ubuntu:22.04 amd64 sha256:5c8b...
//! ```
//!
//! A line for each image, sorted by name and architecture, so that the same images give the same
//! bytes and changes are easy to read. Names with digests of their own are not in it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use bootwright_oci::{ContentDigest, ImageName};

use super::load::read_if_there;
use crate::output::{OutputError, Staged};

/// Its name in the project's folder.
pub const LOCK_FILE: &str = "bootwright.lock";

const HEAD: &str =
    "# Made by `bootwright fetch`; `bootwright fetch --update` asks registries anew.\n";
/// The first line that counts: the format's version.
const VERSION: &str = "lock 1";

/// What names mean, by name and architecture (its OCI name).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lock {
    entries: BTreeMap<(ImageName, String), ContentDigest>,
}

/// Why a lock file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// It cannot be read.
    #[error("cannot read the lock file")]
    Read(#[from] io::Error),
    /// It does not say what it should.
    #[error("{}:{line}: {problem}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
}

impl Lock {
    /// Reads the project's lock file; without one, nothing is locked.
    ///
    /// # Errors
    /// [`LockError`].
    pub fn read(folder: &Path) -> Result<Self, LockError> {
        let path = folder.join(LOCK_FILE);
        let Some(text) = read_if_there(&path)? else { return Ok(Self::default()) };
        Self::parse(&text).map_err(|(line, problem)| LockError::Line { path, line, problem })
    }

    /// Reads the file's content.
    ///
    /// # Errors
    /// The line, from 1, and what is wrong with it.
    pub fn parse(text: &[u8]) -> Result<Self, (usize, String)> {
        let text = std::str::from_utf8(text).map_err(|_| (1, "it is not UTF-8".to_owned()))?;
        let mut lock = Self::default();
        let mut version = None;
        for (number, line) in text.lines().enumerate().map(|(number, line)| (number + 1, line)) {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = |problem: String| (number, problem);
            if version.is_none() {
                if line != VERSION {
                    return Err(wrong(format!("{VERSION:?} has to come first, not {line:?}")));
                }
                version = Some(());
                continue;
            }
            let (key, digest) = entry(line).map_err(wrong)?;
            if lock.entries.insert(key, digest).is_some() {
                return Err(wrong("the image is in it twice".to_owned()));
            }
        }
        match version {
            Some(()) => Ok(lock),
            None => Err((1, format!("it has no line {VERSION:?}"))),
        }
    }

    /// The file's content.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("{HEAD}{VERSION}\n");
        for ((name, architecture), digest) in &self.entries {
            // Writing into a String does not fail.
            let _ = writeln!(text, "{name} {architecture} {digest}");
        }
        text
    }

    /// Writes the file into the project's folder, where it appears when it is complete. One that
    /// says the same is left alone.
    ///
    /// # Errors
    /// [`OutputError`].
    pub fn write(&self, folder: &Path) -> Result<(), OutputError> {
        let path = folder.join(LOCK_FILE);
        let text = self.text();
        if std::fs::read(&path).is_ok_and(|old| old == text.as_bytes()) {
            return Ok(());
        }
        let staged = Staged::new(&path)?;
        let finish = |source| OutputError::Finish { path: path.clone(), source };
        staged.file().write_all(text.as_bytes()).map_err(finish)?;
        staged.publish()
    }

    /// Images that meant something else before: name, architecture, what it was and what it is.
    pub fn changes<'a>(
        &'a self,
        before: &'a Self,
    ) -> impl Iterator<Item = (&'a ImageName, &'a str, ContentDigest, ContentDigest)> {
        self.entries.iter().filter_map(|(key, now)| {
            let was = before.entries.get(key).filter(|was| *was != now)?;
            Some((&key.0, key.1.as_str(), *was, *now))
        })
    }

    /// Whether nothing is locked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What a name without a digest means.
    #[must_use]
    pub fn get(&self, name: &ImageName, architecture: &str) -> Option<ContentDigest> {
        self.entries.get(&(name.clone(), architecture.to_owned())).copied()
    }

    /// Lets a name mean an image. A name with a digest says that itself and is left out.
    pub fn set(&mut self, name: &ImageName, architecture: &str, digest: ContentDigest) {
        if name.digest().is_none() {
            self.entries.insert((name.clone(), architecture.to_owned()), digest);
        }
    }
}

fn entry(line: &str) -> Result<((ImageName, String), ContentDigest), String> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let [name, architecture, digest] = words[..] else {
        return Err("NAME ARCHITECTURE DIGEST is needed".to_owned());
    };
    let found: ImageName =
        name.parse().map_err(|error: bootwright_oci::NameError| error.to_string())?;
    if found.digest().is_some() {
        return Err(format!("{name:?} has a digest; a tag is needed"));
    }
    let known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    if architecture.is_empty() || !architecture.bytes().all(known) {
        return Err(format!("{architecture:?} is no architecture"));
    }
    let digest = digest.parse().map_err(|_| format!("{digest:?} is no digest"))?;
    Ok(((found, architecture.to_owned()), digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(digit: char) -> ContentDigest {
        format!("sha256:{}", digit.to_string().repeat(64)).parse().unwrap()
    }

    #[test]
    fn what_is_written_is_read_in_the_order_of_names() {
        let mut lock = Lock::default();
        let [b, a]: [ImageName; 2] = ["r.io/b:1", "r.io/a:2"].map(|name| name.parse().unwrap());
        lock.set(&b, "amd64", digest('1'));
        lock.set(&a, "arm64", digest('2'));
        lock.set(&a, "amd64", digest('3'));
        lock.set(&a.with_digest(digest('4')), "amd64", digest('4'));
        let text = lock.text();
        let ones = |digit: &str| digit.repeat(64);
        let expected = format!(
            "{HEAD}lock 1\nr.io/a:2 amd64 sha256:{}\nr.io/a:2 arm64 sha256:{}\n\
             r.io/b:1 amd64 sha256:{}\n",
            ones("3"),
            ones("2"),
            ones("1")
        );
        assert_eq!(text, expected);
        assert_eq!(Lock::parse(text.as_bytes()), Ok(lock.clone()));
        assert_eq!(lock.get(&a, "arm64"), Some(digest('2')));
        assert_eq!(lock.get(&b, "arm64"), None);
    }

    #[test]
    fn mistakes_are_told_with_their_line() {
        let hex = "a".repeat(64);
        for (text, line, words) in [
            (String::new(), 1, "no line \"lock 1\""),
            ("# x\n\nlock 2\n".into(), 3, "not \"lock 2\""),
            ("lock 1\nr.io/a:1 amd64\n".into(), 2, "NAME ARCHITECTURE DIGEST"),
            (format!("lock 1\nr.io/A:1 amd64 sha256:{hex}\n"), 2, "names no image"),
            (format!("lock 1\nr.io/a:1@sha256:{hex} amd64 sha256:{hex}\n"), 2, "a tag is needed"),
            (format!("lock 1\nr.io/a:1 AMD sha256:{hex}\n"), 2, "no architecture"),
            ("lock 1\nr.io/a:1 amd64 sha256:a\n".into(), 2, "no digest"),
            (format!("lock 1\n{0}{0}", format!("r.io/a:1 amd64 sha256:{hex}\n")), 3, "twice"),
        ] {
            let (at, problem) = Lock::parse(text.as_bytes()).unwrap_err();
            assert!(at == line && problem.contains(words), "{text:?}: {at}: {problem}");
        }
        assert_eq!(Lock::parse(b"\xff").unwrap_err().0, 1);
    }
}
