//! Docker's `config.json` and podman's `auth.json` (containers-auth.json(5)).

use std::collections::BTreeMap;

use base64ct::{Base64, Base64Unpadded, Encoding};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::credentials::Credential;
use super::secret::Secret;
use super::settings::SettingsError;

/// Bytes of an auth file; those of people with many registries have a few thousand.
const FILE_MAX: usize = 4 << 20;

/// The part of an auth file that says who one is.
#[derive(Clone, Debug, Default)]
pub struct AuthFile {
    auths: BTreeMap<String, AuthEntry>,
    helpers: BTreeMap<String, String>,
    default_helper: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    #[serde(default)]
    auths: BTreeMap<String, AuthEntry>,
    #[serde(default)]
    cred_helpers: BTreeMap<String, String>,
    #[serde(default)]
    creds_store: Option<String>,
}

/// What an auth file says about one place. Of what is given, the last field counts most.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct AuthEntry {
    /// The user.
    #[serde(default)]
    pub username: Option<String>,
    /// The user's password.
    #[serde(default)]
    pub password: Option<Secret>,
    /// `USER:PASSWORD` in Base64.
    #[serde(default)]
    pub auth: Option<Secret>,
    /// A token that another is got for.
    #[serde(default)]
    pub identitytoken: Option<Secret>,
    /// A token that is sent as it is.
    #[serde(default)]
    pub registrytoken: Option<Secret>,
}

impl AuthFile {
    /// Reads a file's content. An empty one says nothing.
    ///
    /// # Errors
    /// [`SettingsError::AuthFile`] with a position, never with a part of the content.
    pub fn parse(text: &[u8]) -> Result<Self, SettingsError> {
        let failed = |problem| SettingsError::AuthFile { problem };
        if text.len() > FILE_MAX {
            return Err(failed(format!("it has more than {FILE_MAX} bytes")));
        }
        if text.trim_ascii().is_empty() {
            return Ok(Self::default());
        }
        // The parser's own message may quote a value.
        let file: File = serde_json::from_slice(text).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            let kind = if error.is_data() { "it is no auth file" } else { "it is no JSON" };
            failed(format!("{kind} (line {line}, column {column})"))
        })?;
        let keyed = |(key, value): (String, AuthEntry)| (normal(&key), value);
        Ok(Self {
            auths: file.auths.into_iter().map(keyed).collect(),
            helpers: file.cred_helpers.into_iter().map(|(k, v)| (normal(&k), v)).collect(),
            default_helper: file.creds_store.filter(|name| !name.is_empty()),
        })
    }

    /// One entry, for `HOST[/PATH]` and all below it.
    #[must_use]
    pub fn single(place: &str, entry: AuthEntry) -> Self {
        Self { auths: BTreeMap::from([(normal(place), entry)]), ..Self::default() }
    }

    /// The entry for the longest part of `HOST/REPOSITORY` that has one. Entries that say nothing
    /// are what a helper leaves behind and do not count.
    pub(crate) fn entry(&self, host: &str, repository: &str) -> Option<Credential> {
        let mut key = format!("{host}/{repository}");
        loop {
            if let Some(found) = self.auths.get(&key).and_then(AuthEntry::credential) {
                return Some(found);
            }
            key.truncate(key.rfind('/')?);
        }
    }

    /// The program that knows the credentials for `host`, and whether it was named for this host.
    pub(crate) fn helper(&self, host: &str) -> Option<(&str, bool)> {
        let own = self.helpers.get(host).filter(|name| !name.is_empty());
        own.map(|name| (name.as_str(), true))
            .or(self.default_helper.as_deref().map(|name| (name, false)))
    }
}

impl AuthEntry {
    fn credential(&self) -> Option<Credential> {
        let given = |secret: &Option<Secret>| secret.clone().filter(|s| !s.reveal().is_empty());
        if let Some(token) = given(&self.registrytoken) {
            return Some(Credential::RegistryToken(token));
        }
        if let Some(token) = given(&self.identitytoken) {
            return Some(Credential::IdentityToken(token));
        }
        if let Some(pair) = given(&self.auth).and_then(|auth| decode(auth.reveal())) {
            return Some(pair);
        }
        let username = self.username.clone().filter(|name| !name.is_empty())?;
        Some(Credential::Password { username, password: given(&self.password)? })
    }
}

/// `USER:PASSWORD` in Base64; Docker has written trailing zeros.
fn decode(text: &str) -> Option<Credential> {
    let unpadded = text.trim().trim_end_matches('=');
    let bytes = Base64Unpadded::decode_vec(unpadded).or_else(|_| Base64::decode_vec(text)).ok()?;
    let bytes = Zeroizing::new(bytes);
    let text = std::str::from_utf8(&bytes).ok()?;
    let (username, password) = text.trim_end_matches('\0').split_once(':')?;
    let password = Secret::new(password.to_owned());
    Some(Credential::Password { username: username.to_owned(), password })
}

/// A key as it is looked up: old ones are URLs, of which the host counts, and the default registry
/// has several names.
fn normal(key: &str) -> String {
    let key = match key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")) {
        Some(url) => url.split('/').next().unwrap_or_default(),
        None => key.trim_end_matches('/'),
    };
    let (host, path) = key.split_once('/').unwrap_or((key, ""));
    let host = match host.to_ascii_lowercase().as_str() {
        "index.docker.io" | "registry-1.docker.io" => "docker.io".to_owned(),
        host => host.to_owned(),
    };
    if path.is_empty() || path == "v1" { host } else { format!("{host}/{path}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> AuthFile {
        AuthFile::parse(text.as_bytes()).unwrap()
    }

    fn password(username: &str, password: &str) -> Option<Credential> {
        let password = Secret::new(password.to_owned());
        Some(Credential::Password { username: username.to_owned(), password })
    }

    #[test]
    fn the_longest_key_counts() {
        let file = parse(
            r#"{"auths":{
                "r.io":{"auth":"YTpi"},
                "r.io/x":{"auth":"Yzpk"},
                "r.io/x/empty":{},
                "https://index.docker.io/v1/":{"auth":"ZTpmOmc="},
                "plain.io":{"username":"u","password":"p"},
                "nul.io":{"auth":"YTpiAAA="}
            }}"#,
        );
        assert_eq!(file.entry("r.io", "y"), password("a", "b"));
        assert_eq!(file.entry("r.io", "x/z"), password("c", "d"));
        assert_eq!(file.entry("r.io", "x/empty"), password("c", "d"));
        assert_eq!(file.entry("r.io", "xy"), password("a", "b"));
        assert_eq!(file.entry("docker.io", "library/x"), password("e", "f:g"));
        assert_eq!(file.entry("plain.io", "x"), password("u", "p"));
        assert_eq!(file.entry("nul.io", "x"), password("a", "b"));
        assert_eq!(file.entry("other.io", "x"), None);
    }

    #[test]
    fn tokens_and_helpers_are_known() {
        let file = parse(
            r#"{"auths":{"a.io":{"identitytoken":"t","auth":"PHRva2VuPjo="},
                "b.io":{"registrytoken":"r"}},
                "credHelpers":{"c.io":"one"},"credsStore":"two","HttpHeaders":{"x":"y"}}"#,
        );
        let token = |text: &str| Secret::new(text.to_owned());
        assert_eq!(file.entry("a.io", "x"), Some(Credential::IdentityToken(token("t"))));
        assert_eq!(file.entry("b.io", "x"), Some(Credential::RegistryToken(token("r"))));
        assert_eq!(file.helper("c.io"), Some(("one", true)));
        assert_eq!(file.helper("d.io"), Some(("two", false)));
        assert_eq!(parse("").helper("d.io"), None);
    }

    #[test]
    fn secrets_are_never_shown() {
        let file = parse(r#"{"auths":{"a.io":{"auth":"aHVudGVyOmh1bnRlcjI="}}}"#);
        let shown = format!("{file:?}{:?}", file.entry("a.io", "x"));
        assert!(!shown.contains("aHVudGVy") && !shown.contains("hunter2"), "{shown}");
        for wrong in [r#"{"auths":"hunter2"}"#, r#"{"auths":{"a":"hunter2"}}"#, "hunter2", "{"] {
            let error = AuthFile::parse(wrong.as_bytes()).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        }
    }
}
