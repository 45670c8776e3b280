//! URLs in replies (RFC 3986 sections 5.2 and 5.3, as far as `http` and `https` go).

use ureq::http::Uri;

/// Longer ones are nonsense.
const URL_MAX: usize = 16 << 10;

/// What a reference in the reply to a request for `base` means: a URL with scheme and host.
pub(crate) fn resolve(base: &Uri, reference: &str) -> Option<Uri> {
    if reference.is_empty() || reference.len() > URL_MAX {
        return None;
    }
    let reference = reference.split('#').next()?;
    let (scheme, authority) = (base.scheme_str()?, base.authority()?);
    let full = if has_scheme(reference) {
        reference.to_owned()
    } else if let Some(rest) = reference.strip_prefix("//") {
        format!("{scheme}://{rest}")
    } else if reference.starts_with('/') {
        format!("{scheme}://{authority}{reference}")
    } else if reference.starts_with('?') {
        format!("{scheme}://{authority}{}{reference}", base.path())
    } else {
        let folder = &base.path()[..=base.path().rfind('/')?];
        format!("{scheme}://{authority}{folder}{reference}")
    };
    let url: Uri = full.parse().ok()?;
    let usable = matches!(url.scheme_str(), Some("http" | "https"))
        && url.authority().is_some_and(|it| !it.as_str().contains('@') && !it.host().is_empty());
    usable.then_some(url)
}

fn has_scheme(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, _)| {
        !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

/// Whether two URLs lead to the same server.
pub(crate) fn same_origin(a: &Uri, b: &Uri) -> bool {
    let port = |url: &Uri| {
        url.port_u16().unwrap_or(if url.scheme_str() == Some("https") { 443 } else { 80 })
    };
    let host = |url: &Uri| url.host().map(str::to_ascii_lowercase);
    a.scheme() == b.scheme() && host(a) == host(b) && port(a) == port(b)
}

/// Adds a parameter to a URL's query.
pub(crate) fn with_query(url: &str, name: &str, value: &str) -> String {
    let join = if url.contains('?') { '&' } else { '?' };
    format!("{url}{join}{name}={}", encode(value))
}

/// Percent-encodes everything but what never needs it (RFC 3986 section 2.3).
pub(crate) fn encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_resolved() {
        let base: Uri = "https://r.io:5000/v2/x/blobs?a=b".parse().unwrap();
        for (reference, expected) in [
            ("https://s3.io/k?sig=1", Some("https://s3.io/k?sig=1")),
            ("//s3.io/k", Some("https://s3.io/k")),
            ("/v2/y", Some("https://r.io:5000/v2/y")),
            ("?c=d", Some("https://r.io:5000/v2/x/blobs?c=d")),
            ("up/loads", Some("https://r.io:5000/v2/x/up/loads")),
            ("/k#part", Some("https://r.io:5000/k")),
            ("ftp://s3.io/k", None),
            ("file:///etc/passwd", None),
            ("https://user@s3.io/", None),
            ("https:///k", None),
            ("/a b", None),
            ("", None),
        ] {
            let found = resolve(&base, reference).map(|url| url.to_string());
            assert_eq!(found.as_deref(), expected, "{reference}");
        }
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let same = |a: &str, b: &str| same_origin(&a.parse().unwrap(), &b.parse().unwrap());
        assert!(same("https://R.io/a", "https://r.io:443/b"));
        assert!(!same("https://r.io", "http://r.io"));
        assert!(!same("https://r.io", "https://r.io:444"));
        assert!(!same("https://r.io", "https://x.r.io"));
    }

    #[test]
    fn queries_are_encoded() {
        assert_eq!(with_query("a?b=c", "d", "e f&"), "a?b=c&d=e%20f%26");
        assert_eq!(with_query("a", "d", "ü"), "a?d=%C3%BC");
    }
}
