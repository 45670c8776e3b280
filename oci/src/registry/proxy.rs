//! Which proxy a host is reached through.

use std::fmt;
use std::net::IpAddr;

use ureq::http::Uri;

use super::secret::Secret;
use super::settings::SettingsError;
use crate::name::split_port;

/// Proxies by scheme, and hosts that are reached without one. Connections go through them with
/// `CONNECT`, those without TLS too. Loopback addresses never use a proxy.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    /// For `http:` URLs.
    pub http: Option<Proxy>,
    /// For `https:` URLs.
    pub https: Option<Proxy>,
    /// What is reached without a proxy.
    pub except: NoProxy,
}

/// `http://[USER:PASSWORD@]HOST[:PORT]`, or `https://` for TLS to the proxy itself.
#[derive(Clone)]
pub struct Proxy {
    url: Secret,
    shown: String,
}

impl Proxy {
    /// Reads a proxy's URL; without a scheme it is `http:`.
    ///
    /// # Errors
    /// [`SettingsError::Proxy`].
    pub fn parse(text: &str) -> Result<Self, SettingsError> {
        let full = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let shown = match full.rsplit_once('@') {
            Some((_, host)) => host.to_owned(),
            None => full.split_once("://").map_or(full.as_str(), |(_, rest)| rest).to_owned(),
        };
        let wrong = || SettingsError::Proxy { shown: shown.chars().take(200).collect() };
        if !full.starts_with("http://") && !full.starts_with("https://") {
            return Err(wrong());
        }
        ureq::Proxy::new(&full).map_err(|_| wrong())?;
        Ok(Self { url: Secret::new(full), shown })
    }

    pub(super) fn url(&self) -> &str {
        self.url.reveal()
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({})", self.shown)
    }
}

impl Proxies {
    /// The proxy for a URL.
    pub(super) fn of(&self, url: &Uri) -> Option<&Proxy> {
        let host = url.host()?.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        let is_https = url.scheme_str() == Some("https");
        let port = url.port_u16().unwrap_or(if is_https { 443 } else { 80 });
        let loopback = host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        if loopback || host == "localhost" || self.except.has(&host, port) {
            return None;
        }
        if is_https { self.https.as_ref() } else { self.http.as_ref() }
    }
}

/// The rules of `NO_PROXY`: `*`, `HOST` (and all below it), `.DOMAIN` and `*.DOMAIN` (only what is
/// below it), IP addresses, `ADDRESS/BITS`, each of the names and addresses with an optional `:PORT`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NoProxy(Vec<Rule>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Rule {
    All,
    Network(IpAddr, u32),
    Address(IpAddr, Option<u16>),
    Host { name: String, below_only: bool, port: Option<u16> },
}

impl NoProxy {
    /// Reads rules with commas or blanks between them; what is no rule never fits.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let words = text.split([',', ' ', '\t']).filter(|word| !word.is_empty());
        Self(words.map(|word| rule(&word.to_ascii_lowercase())).collect())
    }

    /// Whether `host` (in lower case, without brackets) is reached without a proxy.
    #[must_use]
    pub fn has(&self, host: &str, port: u16) -> bool {
        let address = host.parse::<IpAddr>().ok();
        self.0.iter().any(|rule| match rule {
            Rule::All => true,
            Rule::Network(network, bits) => {
                address.is_some_and(|address| prefix(address, *bits) == prefix(*network, *bits))
            }
            Rule::Address(wanted, only) => {
                address == Some(*wanted) && only.is_none_or(|only| only == port)
            }
            Rule::Host { name, below_only, port: only } => {
                let below = host.strip_suffix(name.as_str());
                let below = below.is_some_and(|rest| rest.ends_with('.'));
                let fits = below || (!below_only && host == name);
                fits && only.is_none_or(|only| only == port)
            }
        })
    }
}

fn rule(word: &str) -> Rule {
    if word == "*" {
        return Rule::All;
    }
    if let Some((address, bits)) = word.split_once('/')
        && let (Ok(address), Ok(bits)) = (address.parse::<IpAddr>(), bits.parse())
    {
        return Rule::Network(address, bits);
    }
    if let Ok(address) = word.parse::<IpAddr>() {
        return Rule::Address(address, None);
    }
    let (name, port) = split_port(word);
    let port = port.and_then(|port| port.parse().ok());
    if let Ok(address) = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        return Rule::Address(address, port);
    }
    let below = name.strip_prefix("*.").or_else(|| name.strip_prefix('.'));
    Rule::Host { name: below.unwrap_or(name).to_owned(), below_only: below.is_some(), port }
}

/// The leading bits of an address; addresses of different families have nothing in common.
fn prefix(address: IpAddr, bits: u32) -> (bool, u128) {
    match address {
        IpAddr::V4(address) => {
            let shift = 32_u32.saturating_sub(bits);
            (false, u128::from(address.to_bits()).checked_shr(shift).unwrap_or(0))
        }
        IpAddr::V6(address) => {
            let shift = 128_u32.saturating_sub(bits);
            (true, address.to_bits().checked_shr(shift).unwrap_or(0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exceptions_fit_as_usual() {
        for (rules, host, port, expected) in [
            ("*", "a.b", 443, true),
            ("", "a.b", 443, false),
            ("a.b", "a.b", 443, true),
            ("a.b", "x.a.b", 443, true),
            ("a.b", "xa.b", 443, false),
            (".a.b", "a.b", 443, false),
            (".a.b", "x.a.b", 443, true),
            ("*.a.b", "x.y.a.b", 443, true),
            ("A.B:5000", "a.b", 5000, true),
            ("a.b:5000", "a.b", 443, false),
            ("x, 10.0.0.0/8 y", "10.1.2.3", 443, true),
            ("10.0.0.0/8", "11.1.2.3", 443, false),
            ("10.0.0.0/8", "10.a", 443, false),
            ("0.0.0.0/0", "1.2.3.4", 443, true),
            ("0.0.0.0/0", "::1", 443, false),
            ("fd00::/8", "fd12::1", 443, true),
            ("10.1.2.3", "10.1.2.3", 443, true),
            ("10.1.2.3:80", "10.1.2.3", 443, false),
            ("[fe80::1]:80", "fe80::1", 80, true),
            ("10.1.2.3/99", "10.1.2.3", 443, true),
        ] {
            assert_eq!(NoProxy::parse(rules).has(host, port), expected, "{rules} {host}:{port}");
        }
    }

    #[test]
    fn proxies_are_chosen_by_scheme_and_never_for_loopback() {
        let proxy = |text| Some(Proxy::parse(text).unwrap());
        let proxies = Proxies {
            http: proxy("plain.proxy:3128"),
            https: proxy("http://user:secret@tls.proxy:3128"),
            except: NoProxy::parse("inner.net"),
        };
        let of = |url: &str| proxies.of(&url.parse().unwrap()).map(|proxy| format!("{proxy:?}"));
        assert_eq!(of("https://r.io/v2/").as_deref(), Some("Proxy(tls.proxy:3128)"));
        assert_eq!(of("http://r.io/v2/").as_deref(), Some("Proxy(plain.proxy:3128)"));
        for direct in [
            "https://x.inner.net/",
            "http://127.0.0.1:5000/",
            "http://[::1]:5/",
            "http://localhost/",
        ] {
            assert_eq!(of(direct), None, "{direct}");
        }
        assert!(!format!("{proxies:?}").contains("secret"));
        for wrong in ["socks5://x:1", "http://", "ftp://u:secret@x"] {
            let error = Proxy::parse(wrong).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
