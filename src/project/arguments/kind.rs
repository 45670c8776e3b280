//! What values a key takes.

/// What values a key takes. An empty value is allowed for every kind: it stands for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Flag,
    /// One of these.
    OneOf(&'static [&'static str]),
    /// A part of an image's tag.
    Tag,
    /// An image repository's host with an optional path, without scheme.
    Registry,
    /// An image repository's path.
    Repository,
    /// An image: see the command line's IMAGE; without a scheme it is in a registry.
    Image,
    /// The name of a file in `build/`, without suffix.
    FileName,
    /// The path of a file.
    Path,
    /// The URL of a proxy.
    Proxy,
    /// Hosts, domains and address ranges with commas between them.
    Hosts,
    /// A distribution's release: `22.04`, `15.6`.
    Release,
    /// A version of Kubernetes: `1.30.4`.
    Kubernetes,
    /// A number from the first to the second.
    Number(u32, u32),
    /// Any text without line ends.
    Text,
}

impl Kind {
    /// Checks a value that is not empty.
    ///
    /// # Errors
    /// Says what is needed, to go on after "NAME is VALUE; ".
    pub(in crate::project) fn check(self, value: &str) -> Result<(), String> {
        if value.chars().any(char::is_control) {
            return Err("line ends and other control characters cannot be used".into());
        }
        let all = |extra: &str| value.chars().all(|c| is_lower(c) || extra.contains(c));
        match self {
            Self::Text => Ok(()),
            Self::Flag => one_of(value, &["true", "false"]),
            Self::OneOf(names) => one_of(value, names),
            Self::Tag => tag(value),
            Self::Registry => registry(value),
            Self::Repository => match value {
                _ if !all("._-/") => {
                    Err("lower-case letters, digits and . _ - / are allowed".into())
                }
                _ if value.split('/').any(|part| !part.starts_with(is_lower)) => {
                    Err("each part between slashes begins with a letter or a digit".into())
                }
                _ => Ok(()),
            },
            Self::Image => image(value),
            Self::FileName => file_name(value),
            Self::Path if value.ends_with('/') => Err("the path of a file is needed".into()),
            Self::Path => Ok(()),
            Self::Proxy => proxy(value),
            Self::Hosts => match value {
                _ if value.contains("://") => {
                    Err("hosts, domains and address ranges are needed, without http://".into())
                }
                _ if value.contains(char::is_whitespace) => {
                    Err("commas without spaces stand between hosts".into())
                }
                _ => Ok(()),
            },
            Self::Release if all(".-") => Ok(()),
            Self::Release => Err("a release such as 22.04 or 15.6 is needed".into()),
            Self::Kubernetes => kubernetes(value),
            Self::Number(least, most) => match value.parse::<u32>() {
                Ok(number) if (least..=most).contains(&number) => Ok(()),
                _ => Err(format!("a number from {least} to {most} is needed")),
            },
        }
    }
}

fn is_lower(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit()
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.len() < 10 && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn one_of(value: &str, names: &[&str]) -> Result<(), String> {
    if names.contains(&value) {
        return Ok(());
    }
    let (last, others) = names.split_last().unwrap_or((&"", &[]));
    let list =
        if others.is_empty() { (*last).into() } else { format!("{} or {last}", others.join(", ")) };
    let guess = match value.to_lowercase().as_str() {
        "1" | "yes" | "on" | "y" if names.contains(&"true") => Some("true"),
        "0" | "no" | "off" | "n" if names.contains(&"true") => Some("false"),
        "x86" | "x86_64" | "x64" if names.contains(&"amd64") => Some("amd64"),
        "aarch64" if names.contains(&"arm64") => Some("arm64"),
        _ => super::super::nearest::nearest(value, names.iter().copied()),
    };
    let guess = guess.map(|name| format!("; did you mean {name}?")).unwrap_or_default();
    Err(format!("{list} is needed{guess}"))
}

fn tag(value: &str) -> Result<(), String> {
    let allowed = |c: char| is_lower(c) || "._-".contains(c);
    if let Some(c) = value.chars().find(|c| !allowed(*c)) {
        let what =
            if c.is_ascii_uppercase() { format!("the capital {c}") } else { format!("{c:?}") };
        return Err(format!("lower-case letters, digits and . _ - are allowed, not {what}"));
    }
    if value.len() > 63 {
        return Err(format!("it has {} characters; 63 is the limit", value.len()));
    }
    Ok(())
}

fn registry(value: &str) -> Result<(), String> {
    if value.contains("://") {
        return Err("the host is needed, without https://".into());
    }
    if value.ends_with('/') || value.starts_with('/') || value.contains("//") {
        return Err("HOST or HOST/PATH is needed, without a slash at either end".into());
    }
    let (host, path) = value.split_once('/').unwrap_or((value, ""));
    let (name, port) = host.split_once(':').map_or((host, None), |(name, port)| (name, Some(port)));
    if port.is_some_and(|port| port.parse::<u16>().is_err()) {
        return Err("a number is needed as port".into());
    }
    if name.contains('_') {
        return Err("a host has no underscore".into());
    }
    if !name.chars().all(|c| is_lower(c) || c == '.' || c == '-') {
        return Err("lower-case letters, digits, dots and - are allowed in a host".into());
    }
    if !path.chars().all(|c| is_lower(c) || "._-/".contains(c)) {
        return Err("lower-case letters, digits and . _ - / are allowed in the path".into());
    }
    Ok(())
}

fn image(value: &str) -> Result<(), String> {
    if value.contains("://") && !value.starts_with("docker://") {
        return Err(
            "HOST/REPOSITORY:TAG is needed, or a form that `bootwright iso --help` lists".into()
        );
    }
    if value.contains(char::is_whitespace) {
        return Err("an image's name has no spaces".into());
    }
    Ok(())
}

fn file_name(value: &str) -> Result<(), String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if value.contains('/') {
        return Err("a name without folders is needed; results are in build/".into());
    }
    if value.starts_with(['.', '-']) || !value.chars().all(allowed) {
        return Err("letters, digits, - and _ are allowed".into());
    }
    if value.len() > 200 {
        return Err(format!("it has {} characters; 200 is the limit", value.len()));
    }
    Ok(())
}

fn proxy(value: &str) -> Result<(), String> {
    let rest = value.strip_prefix("http://").or_else(|| value.strip_prefix("https://"));
    match rest {
        Some(rest) if !rest.is_empty() && !value.contains(char::is_whitespace) => Ok(()),
        _ => Err("a URL such as http://proxy.example.com:3128 is needed".into()),
    }
}

fn kubernetes(value: &str) -> Result<(), String> {
    if value.split('.').count() == 3 && value.split('.').all(is_number) {
        return Ok(());
    }
    let rest = value.strip_prefix('v').unwrap_or(value);
    let plain = rest.split(['+', '-']).next().unwrap_or_default();
    if plain != value && plain.split('.').count() == 3 && plain.split('.').all(is_number) {
        return Err(format!("major.minor.patch is needed; write {plain}"));
    }
    Err("major.minor.patch is needed, such as 1.30.4".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sound_values_pass() {
        for (kind, values) in [
            (Kind::Flag, &["true", "false"][..]),
            (Kind::Tag, &["demo", "palette-learn", "1.2_3"]),
            (
                Kind::Registry,
                &[
                    "ttl.sh",
                    "spectrocloud",
                    "docker.io/me/x_y",
                    "localhost:5000",
                    "10.0.0.1:5000/a",
                ],
            ),
            (Kind::Repository, &["ubuntu", "opensuse-leap", "a/b.c"]),
            (
                Kind::Image,
                &[
                    "quay.io/kairos/ubuntu:20.04-core",
                    "oci:build/base",
                    "docker://h/r@sha256:0",
                    "dir:/x",
                ],
            ),
            (Kind::FileName, &["palette-edge-installer", "a_b", "Installer.1"]),
            (Kind::Proxy, &["http://proxy.example.com", "https://u:p@h:3128/"]),
            (Kind::Hosts, &["10.10.128.10,10.0.0.0/8,.local", "*"]),
            (Kind::Release, &["22", "22.04", "15.6"]),
            (Kind::Kubernetes, &["1.27.2", "1.30.10"]),
            (Kind::Number(1, 9), &["1", "9"]),
        ] {
            for value in values {
                assert_eq!(kind.check(value), Ok(()), "{value}");
            }
        }
    }

    #[test]
    fn limits_are_exact() {
        assert!(Kind::Tag.check(&"a".repeat(63)).is_ok());
        assert!(Kind::Tag.check(&"a".repeat(64)).is_err());
        assert!(Kind::FileName.check(&"a".repeat(200)).is_ok());
        assert!(Kind::FileName.check(&"a".repeat(201)).is_err());
        for value in ["0", "10", "-1", "x", "99999999999"] {
            assert!(Kind::Number(1, 9).check(value).is_err(), "{value}");
        }
        assert!(Kind::Registry.check("h:65535").is_ok());
        assert!(Kind::Registry.check("h:65536").is_err());
    }
}
