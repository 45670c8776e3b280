//! Where an image is: the command line's `oci:DIR[:TAG]` and its kin.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::str::FromStr;

use crate::name::{ImageName, NameError};

/// Where an image or a root file system is. Paths may hold any bytes; see [`parse`](Self::parse).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reference {
    /// `oci:DIR[:TAG]`: an OCI image layout in a folder.
    Layout {
        /// The folder.
        dir: PathBuf,
        /// The image's name in the layout (`org.opencontainers.image.ref.name`), or `@` and the
        /// digest of its manifest or index.
        tag: Option<String>,
    },
    /// `oci-archive:FILE[:TAG]`: an OCI image layout in a tar.
    OciArchive {
        /// The archive.
        file: PathBuf,
        /// The image's name in the layout.
        tag: Option<String>,
    },
    /// `docker-archive:FILE[:NAME:TAG]`: what `docker save` writes.
    DockerArchive {
        /// The archive.
        file: PathBuf,
        /// The image's name, such as `ubuntu:22.04`.
        name: Option<String>,
    },
    /// `dir:DIR`: a root file system in a folder, where `.wh.` names are names like others.
    Directory(PathBuf),
    /// `tar:FILE`: a root file system in a tar, plain or compressed with gzip, zstd or xz, where
    /// `.wh.` names are names like others.
    Tar(PathBuf),
    /// `docker://HOST/REPOSITORY[:TAG][@DIGEST]`: an image in a registry. It is read from a
    /// [`Store`](crate::Store), into which the registry client brings it.
    Registry(ImageName),
}

/// Why a text is no reference to an image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReferenceError {
    /// Neither a known scheme nor one that is planned.
    #[error(
        "{found:?} does not start with oci:, oci-archive:, docker-archive:, docker://, dir: or tar:"
    )]
    Scheme {
        /// The text.
        found: String,
    },
    /// What follows `docker://`.
    #[error(transparent)]
    Name(#[from] NameError),
    /// No path, or nothing after the colon that announces a name.
    #[error("{found:?} lacks {what}")]
    Incomplete {
        /// The text.
        found: String,
        /// What is not there.
        what: &'static str,
    },
    /// The name within the image is not UTF-8.
    #[error("{found:?}: the image's name is not UTF-8")]
    NameNotUtf8 {
        /// The text, escaped.
        found: String,
    },
}

impl Reference {
    /// Reads a reference. In those that may end in a name, the path ends at the first colon after
    /// the scheme, so such a path cannot have one.
    ///
    /// # Errors
    /// [`ReferenceError`].
    pub fn parse(text: &OsStr) -> Result<Self, ReferenceError> {
        let bytes = text.as_bytes();
        let found = || text.to_string_lossy().into_owned();
        let colon = bytes.iter().position(|byte| *byte == b':');
        let (scheme, rest) = match colon {
            Some(at) => (&bytes[..at], &bytes[at + 1..]),
            None => return Err(ReferenceError::Scheme { found: found() }),
        };
        let whole = || {
            if rest.is_empty() {
                return Err(ReferenceError::Incomplete { found: found(), what: "a path" });
            }
            Ok(PathBuf::from(OsString::from_vec(rest.to_vec())))
        };
        match scheme {
            b"docker" => registry(rest, found),
            b"dir" => whole().map(Self::Directory),
            b"tar" => whole().map(Self::Tar),
            b"oci" => split(rest, found).map(|(dir, tag)| Self::Layout { dir, tag }),
            b"oci-archive" => split(rest, found).map(|(file, tag)| Self::OciArchive { file, tag }),
            b"docker-archive" => {
                split(rest, found).map(|(file, name)| Self::DockerArchive { file, name })
            }
            _ => Err(ReferenceError::Scheme { found: found() }),
        }
    }
}

fn registry(rest: &[u8], found: impl Fn() -> String) -> Result<Reference, ReferenceError> {
    let Some(name) = rest.strip_prefix(b"//") else {
        return Err(ReferenceError::Incomplete { found: found(), what: "// after docker:" });
    };
    match std::str::from_utf8(name) {
        Ok(name) => Ok(Reference::Registry(name.parse()?)),
        Err(_) => Err(ReferenceError::NameNotUtf8 { found: found() }),
    }
}

/// Cuts `PATH[:NAME]` at its first colon.
fn split(
    rest: &[u8],
    found: impl Fn() -> String,
) -> Result<(PathBuf, Option<String>), ReferenceError> {
    let mut parts = rest.splitn(2, |byte| *byte == b':');
    let path = parts.next().unwrap_or_default();
    if path.is_empty() {
        return Err(ReferenceError::Incomplete { found: found(), what: "a path" });
    }
    let name = match parts.next() {
        None => None,
        Some(b"") => {
            return Err(ReferenceError::Incomplete {
                found: found(),
                what: "a name after its last colon",
            });
        }
        Some(name) => match std::str::from_utf8(name) {
            Ok(name) => Some(name.to_owned()),
            Err(_) => return Err(ReferenceError::NameNotUtf8 { found: found() }),
        },
    };
    Ok((OsString::from_vec(path.to_vec()).into(), name))
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        Self::parse(OsStr::new(text))
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, path, name) = match self {
            Self::Layout { dir, tag } => ("oci", dir, tag.as_ref()),
            Self::OciArchive { file, tag } => ("oci-archive", file, tag.as_ref()),
            Self::DockerArchive { file, name } => ("docker-archive", file, name.as_ref()),
            Self::Directory(dir) => ("dir", dir, None),
            Self::Tar(file) => ("tar", file, None),
            Self::Registry(name) => return write!(f, "docker://{name}"),
        };
        write!(f, "{scheme}:{}", path.display())?;
        name.map_or(Ok(()), |name| write!(f, ":{name}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_read_and_shown() {
        let layout = |dir: &str, tag: Option<&str>| Reference::Layout {
            dir: dir.into(),
            tag: tag.map(Into::into),
        };
        for (text, reference) in [
            ("oci:/a/b", layout("/a/b", None)),
            ("oci:rel:v1", layout("rel", Some("v1"))),
            ("oci:rel:host/name:v1", layout("rel", Some("host/name:v1"))),
            (
                "oci-archive:x.tar:v1",
                Reference::OciArchive { file: "x.tar".into(), tag: Some("v1".into()) },
            ),
            (
                "docker-archive:x.tar:ubuntu:22.04",
                Reference::DockerArchive {
                    file: "x.tar".into(),
                    name: Some("ubuntu:22.04".into()),
                },
            ),
            ("dir:a:b", Reference::Directory("a:b".into())),
            ("tar:-", Reference::Tar("-".into())),
            ("docker://quay.io/x:v1", Reference::Registry("quay.io/x:v1".parse().unwrap())),
        ] {
            assert_eq!(text.parse(), Ok(reference.clone()), "{text}");
            assert_eq!(reference.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_reference_is_refused_with_a_reason() {
        for (text, message) in [
            (
                "ubuntu",
                r#""ubuntu" does not start with oci:, oci-archive:, docker-archive:, docker://, dir: or tar:"#,
            ),
            (
                "http://x",
                r#""http://x" does not start with oci:, oci-archive:, docker-archive:, docker://, dir: or tar:"#,
            ),
            ("docker:quay.io/x:v1", r#""docker:quay.io/x:v1" lacks // after docker:"#),
            (
                "docker://quay.io:x/y",
                r#""quay.io:x/y" names no image: its host is not HOST, HOST:PORT or [IPV6]:PORT"#,
            ),
            ("oci:", r#""oci:" lacks a path"#),
            ("oci::v1", r#""oci::v1" lacks a path"#),
            ("tar:", r#""tar:" lacks a path"#),
            ("oci:dir:", r#""oci:dir:" lacks a name after its last colon"#),
        ] {
            assert_eq!(text.parse::<Reference>().unwrap_err().to_string(), message);
        }
        let path = OsStr::from_bytes(b"dir:/\xff");
        let reference = Reference::parse(path).unwrap();
        assert_eq!(reference, Reference::Directory(OsStr::from_bytes(b"/\xff").into()));
        let name = OsStr::from_bytes(b"oci:x:\xff");
        assert!(matches!(Reference::parse(name), Err(ReferenceError::NameNotUtf8 { .. })));
    }
}
