//! Tokens: asking for them, keeping them, throwing them away in time
//! (distribution's token authentication specification; OAuth 2 for refresh tokens).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use base64ct::{Base64, Encoding};
use serde::Deserialize;
use ureq::http::HeaderValue;
use zeroize::Zeroizing;

use super::secret::Secret;

/// How long a token lives when its issuer does not say.
const DEFAULT_LIFE: Duration = Duration::from_secs(60);
/// A token is renewed this long before it dies.
const MARGIN: Duration = Duration::from_secs(5);
/// Longer promises are not relied upon.
const LONGEST_LIFE: Duration = Duration::from_secs(24 * 3600);

/// An issuer's answer.
#[derive(Debug, Deserialize)]
pub(crate) struct TokenReply {
    #[serde(default)]
    token: Option<Secret>,
    #[serde(default)]
    access_token: Option<Secret>,
    #[serde(default)]
    expires_in: Option<f64>,
}

impl TokenReply {
    /// The token, and how long it lives.
    pub(crate) fn into_token(self) -> Option<(Secret, Duration)> {
        let given = |secret: &Secret| !secret.reveal().is_empty();
        let token = self.token.filter(given).or(self.access_token.filter(given))?;
        let life = self.expires_in.filter(|seconds| seconds.is_finite() && *seconds >= 0.0);
        let life = life.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        Some((token, life.unwrap_or(DEFAULT_LIFE).min(LONGEST_LIFE)))
    }
}

/// A value for `Authorization`, and when it stops being good.
#[derive(Clone, Debug)]
pub(super) struct Authorization {
    value: HeaderValue,
    until: Option<Instant>,
}

impl Authorization {
    /// `Basic` with a user name and a password.
    pub(super) fn basic(username: &str, password: &Secret) -> Option<Self> {
        let pair = Zeroizing::new(format!("{username}:{}", password.reveal()));
        let encoded = Zeroizing::new(Base64::encode_string(pair.as_bytes()));
        Self::new("Basic", &encoded, None)
    }

    /// `Bearer` with a token that was asked for at `asked`.
    pub(super) fn bearer(token: &Secret, asked: Instant, life: Option<Duration>) -> Option<Self> {
        let until = life.map(|life| asked + life.saturating_sub(MARGIN));
        Self::new("Bearer", token.reveal(), until)
    }

    fn new(scheme: &str, secret: &str, until: Option<Instant>) -> Option<Self> {
        let text = Zeroizing::new(format!("{scheme} {secret}"));
        let mut value = HeaderValue::from_str(&text).ok()?;
        value.set_sensitive(true);
        Some(Self { value, until })
    }

    pub(super) fn value(&self) -> HeaderValue {
        self.value.clone()
    }
}

/// What is good for each host and scope.
#[derive(Debug, Default)]
pub(super) struct Tokens(BTreeMap<(String, String), Authorization>);

impl Tokens {
    pub(super) fn get(&mut self, host: &str, scope: &str) -> Option<Authorization> {
        let key = (host.to_owned(), scope.to_owned());
        let good = |found: &&Authorization| found.until.is_none_or(|until| until > Instant::now());
        self.0.get(&key).filter(good).cloned()
    }

    pub(super) fn set(&mut self, host: &str, scope: &str, authorization: Authorization) {
        self.0.insert((host.to_owned(), scope.to_owned()), authorization);
    }

    /// Forgets one that the registry refuses, unless it has been replaced meanwhile.
    pub(super) fn refuse(&mut self, host: &str, scope: &str, refused: &Authorization) {
        let key = (host.to_owned(), scope.to_owned());
        if self.0.get(&key).is_some_and(|known| known.value == refused.value) {
            self.0.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<(String, u64)> {
        let reply: TokenReply = serde_json::from_str(text).unwrap();
        reply.into_token().map(|(token, life)| (token.reveal().to_owned(), life.as_secs()))
    }

    #[test]
    fn replies_are_read_with_sane_lives() {
        assert_eq!(read(r#"{"token":"a"}"#), Some(("a".into(), 60)));
        assert_eq!(read(r#"{"access_token":"b","expires_in":300}"#), Some(("b".into(), 300)));
        assert_eq!(read(r#"{"token":"","access_token":"b"}"#), Some(("b".into(), 60)));
        assert_eq!(read(r#"{"token":"a","expires_in":-5}"#), Some(("a".into(), 60)));
        assert_eq!(read(r#"{"token":"a","expires_in":1e300}"#), Some(("a".into(), 60)));
        assert_eq!(read(r#"{"token":"a","expires_in":1e9}"#), Some(("a".into(), 86400)));
        assert_eq!(read("{}"), None);
    }

    #[test]
    fn dead_and_refused_tokens_are_not_used() {
        let mut tokens = Tokens::default();
        let secret = Secret::new("t".into());
        let now = Instant::now();
        tokens.set("h", "s", Authorization::bearer(&secret, now, Some(MARGIN)).unwrap());
        assert!(tokens.get("h", "s").is_none());
        let good = Authorization::bearer(&secret, now, Some(DEFAULT_LIFE)).unwrap();
        tokens.set("h", "s", good.clone());
        assert!(tokens.get("h", "s").is_some() && tokens.get("h", "other").is_none());
        let other = Authorization::basic("u", &secret).unwrap();
        tokens.refuse("h", "s", &other);
        assert!(tokens.get("h", "s").is_some());
        tokens.refuse("h", "s", &good);
        assert!(tokens.get("h", "s").is_none());
        assert!(!format!("{good:?}").contains("Bearer"));
        assert!(Authorization::bearer(&Secret::new("a\r\nb".into()), now, None).is_none());
    }
}
