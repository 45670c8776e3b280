//! Names of images in registries, by the grammar of the distribution project's `reference`.

use std::fmt;
use std::str::FromStr;

use crate::digest::ContentDigest;

/// What a name without a host belongs to.
const DEFAULT_HOST: &str = "docker.io";
/// Where the default host keeps images whose name has one component.
const OFFICIAL: &str = "library";
/// Bytes of host and repository together.
const NAME_MAX: usize = 255;
const TAG_MAX: usize = 128;

/// `HOST[:PORT]/REPOSITORY[:TAG][@DIGEST]`, complete: what a short name leaves out has been added
/// (`docker.io`, `library/`, `latest`), and [`Display`](fmt::Display) shows all of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ImageName {
    host: String,
    repository: String,
    tag: Option<String>,
    digest: Option<ContentDigest>,
}

/// Why a text names no image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} names no image: {problem}")]
pub struct NameError {
    /// The text, shortened when it is long.
    pub found: String,
    /// What is wrong with it.
    pub problem: &'static str,
}

impl ImageName {
    /// The registry's host, with its port when one was given.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The repository within the registry.
    #[must_use]
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag; `latest` when neither tag nor digest was given.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest of the manifest or index. It counts more than the tag.
    #[must_use]
    pub fn digest(&self) -> Option<&ContentDigest> {
        self.digest.as_ref()
    }

    /// The same repository's image with this digest, whatever its tag.
    #[must_use]
    pub fn with_digest(&self, digest: ContentDigest) -> Self {
        Self { tag: None, digest: Some(digest), ..self.clone() }
    }

    /// What a registry is asked for: the digest, else the tag.
    #[cfg(feature = "registry")]
    pub(crate) fn wanted(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => digest.to_string(),
            (None, Some(tag)) => tag.clone(),
            (None, None) => "latest".to_owned(),
        }
    }
}

impl FromStr for ImageName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let wrong = |problem| NameError { found: text.chars().take(200).collect(), problem };
        let (rest, digest) = match text.split_once('@') {
            None => (text, None),
            Some((rest, digest)) => {
                let digest = digest.parse().map_err(|_| {
                    wrong("what follows @ is not sha256: and 64 lower-case hex digits, nor sha512: and 128")
                })?;
                (rest, Some(digest))
            }
        };
        // A colon before the last slash belongs to the host.
        let name_end = rest.rfind('/').map_or(0, |slash| slash + 1);
        let (name, tag) = match rest[name_end..].split_once(':') {
            None => (rest, None),
            Some((last, tag)) => (&rest[..name_end + last.len()], Some(tag)),
        };
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(wrong(
                "a tag has letters, digits, _, . and -, at most 128 of them, and starts with none of the last two",
            ));
        }
        let (host, path) = split_host(name);
        if !is_host(&host) {
            return Err(wrong("its host is not HOST, HOST:PORT or [IPV6]:PORT"));
        }
        if !path.split('/').all(is_component) {
            return Err(wrong(
                "a repository has lower-case letters and digits, with ., _, __ or dashes between them and slashes between its parts",
            ));
        }
        let official = host == DEFAULT_HOST && !path.contains('/');
        let repository = if official { format!("{OFFICIAL}/{path}") } else { path.to_owned() };
        if host.len() + 1 + repository.len() > NAME_MAX {
            return Err(wrong("host and repository have more than 255 bytes"));
        }
        let tag = tag.map(str::to_owned).or(digest.is_none().then(|| "latest".to_owned()));
        Ok(Self { host, repository, tag, digest })
    }
}

/// The first part is a host when it cannot be a repository's, or is `localhost`.
fn split_host(name: &str) -> (String, &str) {
    match name.split_once('/') {
        Some((first, path))
            if first.contains(['.', ':'])
                || first == "localhost"
                || first.bytes().any(|byte| byte.is_ascii_uppercase()) =>
        {
            // One that only its capitals tell from a repository keeps them.
            let keeps = !first.contains(['.', ':']);
            let host = if keeps { first.to_owned() } else { first.to_ascii_lowercase() };
            (if host == "index.docker.io" { DEFAULT_HOST.to_owned() } else { host }, path)
        }
        _ => (DEFAULT_HOST.to_owned(), name),
    }
}

/// `NAME`, `NAME:PORT`, `[IPV6]` or `[IPV6]:PORT`.
pub(crate) fn is_host(text: &str) -> bool {
    let (host, port) = split_port(text);
    if port.is_some_and(|port| port.parse::<u16>().is_err() || port.starts_with('+')) {
        return false;
    }
    if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return address.parse::<std::net::Ipv6Addr>().is_ok();
    }
    host.split('.').all(|label| {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    })
}

/// Cuts a port off; colons within brackets belong to the address.
pub(crate) fn split_port(text: &str) -> (&str, Option<&str>) {
    let address_end = text.rfind(']').map_or(0, |bracket| bracket + 1);
    match text[address_end..].split_once(':') {
        Some((end, port)) => (&text[..address_end + end.len()], Some(port)),
        None => (text, None),
    }
}

/// `[a-z0-9]+(([.]|_|__|-+)[a-z0-9]+)*`
pub(crate) fn is_component(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else { return false };
    word(*first)
        && word(*last)
        && bytes
            .split(|byte| word(*byte))
            .all(|gap| matches!(gap, b"" | b"." | b"_" | b"__") || gap.iter().all(|b| *b == b'-'))
}

fn is_tag(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (1..=TAG_MAX).contains(&text.len())
        && text.bytes().next().is_some_and(word)
        && text.bytes().all(|byte| word(byte) || matches!(byte, b'.' | b'-'))
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.host, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        self.digest.map_or(Ok(()), |digest| write!(f, "@{digest}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_are_completed() {
        let hex = "ab".repeat(32);
        for (short, full) in [
            ("ubuntu", "docker.io/library/ubuntu:latest"),
            ("ubuntu:22.04", "docker.io/library/ubuntu:22.04"),
            ("docker.io/ubuntu", "docker.io/library/ubuntu:latest"),
            ("index.docker.io/a/b", "docker.io/a/b:latest"),
            ("a/b:1", "docker.io/a/b:1"),
            ("localhost/x", "localhost/x:latest"),
            ("Host/x", "Host/x:latest"),
            ("R.io/x", "r.io/x:latest"),
            ("quay.io:443/x/y/z:v1.2_3-a", "quay.io:443/x/y/z:v1.2_3-a"),
            ("127.0.0.1:5000/a__b.c-d---e", "127.0.0.1:5000/a__b.c-d---e:latest"),
            ("[::1]:5000/x:y", "[::1]:5000/x:y"),
            ("[fe80::2]/x", "[fe80::2]/x:latest"),
            (&format!("r.io/x@sha256:{hex}"), &format!("r.io/x@sha256:{hex}")),
            (&format!("r.io/x:t@sha256:{hex}"), &format!("r.io/x:t@sha256:{hex}")),
        ] {
            let name: ImageName = short.parse().unwrap();
            assert_eq!(name.to_string(), full);
            assert_eq!(full.parse::<ImageName>().unwrap(), name);
        }
    }

    #[test]
    fn what_the_grammar_does_not_have_is_refused() {
        let long = format!("r.io/{}", "a".repeat(251));
        let tag = format!("r.io/x:{}", "t".repeat(129));
        for wrong in [
            "",
            "/",
            "r.io/",
            "r.io//x",
            "r.io/X",
            "r.io/x/",
            "r.io/x:",
            "r.io/x:-a",
            "r.io/x:a b",
            "r.io/x@",
            "r.io/x@sha256:ab",
            "r.io/a___b",
            "r.io/a..b",
            "r.io/a._b",
            "r.io/-a",
            "r.io/../a",
            "r.io:99999/x",
            "r.io:/x",
            "r.io:+1/x",
            "-r.io/x",
            "r..io/x",
            "[::1/x",
            "[::g]/x",
            "[1.2.3.4]/x",
            "user@r.io/x",
            "r.io:1:2/x",
            "r.io/x?y=z",
            "r.io/x\r\nHost: y",
            &long,
            &tag,
        ] {
            assert!(wrong.parse::<ImageName>().is_err(), "{wrong:?}");
        }
        assert!(long[..255].parse::<ImageName>().is_ok());
        assert!(tag[..tag.len() - 1].parse::<ImageName>().is_ok());
    }
}
