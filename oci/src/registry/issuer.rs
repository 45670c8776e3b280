//! Getting an authorization, from what is known or from an issuer of tokens.

use std::time::Instant;

use ureq::Body;
use ureq::http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use ureq::http::{Method, Response, Uri};
use zeroize::Zeroizing;

use super::ask::{Ask, Payload};
use super::challenge::{self, Challenge};
use super::credentials::Credential;
use super::endpoint::Endpoint;
use super::error::{Again, Failure, RegistryError};
use super::location::{encode, resolve, with_query};
use super::reply::{Unread, document, message};
use super::secret::Secret;
use super::session::Session;
use super::token::{Authorization, TokenReply};

/// Bytes of an issuer's answer.
const TOKEN_MAX: u64 = 1 << 20;
/// How the client calls itself where issuers insist on a name.
const CLIENT_ID: &str = "bootwright";

impl Session<'_> {
    /// The authorization that a 401 asks for.
    pub(super) fn obtain(
        &self,
        place: &Endpoint,
        scope: &str,
        what: &str,
        reply: &Response<Body>,
    ) -> Result<Authorization, Failure> {
        let (host, repository) = (place.host.as_str(), place.repository.as_str());
        let credentials = &self.settings.credentials;
        let credential = credentials.find(host, repository, &|text| self.warn(text))?;
        let denied = |message: &str| -> Failure {
            let (host, what) = (host.to_owned(), what.to_owned());
            let anonymous = credential.is_none();
            RegistryError::Denied { host, what, anonymous, message: message.to_owned() }.into()
        };
        if let Some(Credential::RegistryToken(token)) = &credential {
            let authorization = Authorization::bearer(token, Instant::now(), None);
            return authorization.ok_or_else(|| denied("the token in the auth file is damaged"));
        }
        let values = reply.headers().get_all(WWW_AUTHENTICATE).iter();
        let challenges: Vec<_> =
            values.filter_map(|value| value.to_str().ok()).flat_map(challenge::parse).collect();
        let bearer = challenges.iter().find(|challenge| **challenge != Challenge::Basic);
        match (bearer, challenges.first(), &credential) {
            (Some(Challenge::Bearer { realm, service, scope: more }), ..) => {
                let scopes = all_scopes(scope, more.as_deref());
                let issuer = Issuer { realm, service: service.as_deref(), scopes: &scopes, what };
                self.repeated(self.settings.retry.attempts, || {
                    self.token(place, &issuer, credential.as_ref())
                })
                .map_err(Failure::from)
            }
            (_, Some(_), Some(Credential::Password { username, password })) => {
                Authorization::basic(username, password)
                    .ok_or_else(|| denied("user name or password cannot be sent"))
            }
            (_, Some(_), None) => Err(denied("")),
            (_, Some(_), Some(_)) => Err(denied("it wants a password, and a token is known")),
            (_, None, _) => Err(denied("it does not say how to authenticate")),
        }
    }

    fn token(
        &self,
        place: &Endpoint,
        issuer: &Issuer<'_>,
        credential: Option<&Credential>,
    ) -> Result<Authorization, Failure> {
        let protocol = |problem: &str| RegistryError::Protocol {
            host: place.host.clone(),
            what: issuer.what.to_owned(),
            problem: problem.to_owned(),
        };
        let base: Uri = place.base.parse().map_err(|_| protocol("its address is no URL"))?;
        let realm = resolve(&base, issuer.realm)
            .ok_or_else(|| protocol("its issuer of tokens has no usable URL"))?;
        let host = realm.authority().map(ToString::to_string).unwrap_or_default();
        if realm.scheme_str() != Some("https") && !self.settings.plain_http.contains(&host) {
            return Err(protocol("its issuer of tokens does without TLS").into());
        }
        let asked = Instant::now();
        let mut reply = match credential {
            Some(Credential::IdentityToken(token)) => self.refresh(&realm, issuer, token)?,
            Some(Credential::Password { username, password }) => {
                let basic = Authorization::basic(username, password);
                self.grant(&realm, issuer, Some(username), basic.as_ref())?
            }
            _ => self.grant(&realm, issuer, None, None)?,
        };
        let status = reply.status().as_u16();
        if matches!(status, 400 | 401 | 403) {
            let (host, what) = (place.host.clone(), issuer.what.to_owned());
            let (anonymous, message) = (credential.is_none(), message(&mut reply));
            return Err(RegistryError::Denied { host, what, anonymous, message }.into());
        }
        if status != 200 {
            let error = super::reply::explain(&mut reply, &host, "a token");
            let later = matches!(status, 408 | 429 | 500..);
            let again = if later { Again::Later(None) } else { Again::Never };
            return Err(Failure { error, again });
        }
        let bytes =
            document(&mut reply, &host, "token", TOKEN_MAX).map_err(|unread| match unread {
                Unread::Broken(error) => self.broken(&host, "a token", error.into()),
                Unread::Useless(error) => error.into(),
            })?;
        let bytes = Zeroizing::new(bytes);
        let token = serde_json::from_slice::<TokenReply>(&bytes).ok();
        let authorization = token
            .and_then(TokenReply::into_token)
            .and_then(|(token, life)| Authorization::bearer(&token, asked, Some(life)));
        authorization.ok_or_else(|| protocol("its issuer's answer holds no token").into())
    }

    /// Asks as a user with a password, or as nobody.
    fn grant(
        &self,
        realm: &Uri,
        issuer: &Issuer<'_>,
        account: Option<&str>,
        basic: Option<&Authorization>,
    ) -> Result<Response<Body>, Failure> {
        let mut url = realm.to_string();
        for (name, value) in issuer.parameters() {
            url = with_query(&url, name, value);
        }
        if let Some(account) = account {
            url = with_query(&url, "account", account);
        }
        self.follow(&Ask::new(Method::GET, url, "a token"), basic)
    }

    /// Asks with a refresh token (RFC 6749 section 6).
    fn refresh(
        &self,
        realm: &Uri,
        issuer: &Issuer<'_>,
        token: &Secret,
    ) -> Result<Response<Body>, Failure> {
        let scopes = issuer.scopes.join(" ");
        let mut form = Zeroizing::new(format!(
            "grant_type=refresh_token&client_id={CLIENT_ID}&scope={}",
            encode(&scopes)
        ));
        if let Some(service) = issuer.service {
            form.push_str(&format!("&service={}", encode(service)));
        }
        form.push_str("&refresh_token=");
        form.push_str(&Zeroizing::new(encode(token.reveal())));
        let kind = "application/x-www-form-urlencoded".to_owned();
        let mut ask = Ask::new(Method::POST, realm.to_string(), "a token");
        ask.headers.push((CONTENT_TYPE, kind));
        ask.payload = Payload::Bytes(form.as_bytes());
        self.follow(&ask, None)
    }
}

/// Who issues tokens, and for what.
struct Issuer<'a> {
    realm: &'a str,
    service: Option<&'a str>,
    scopes: &'a [String],
    what: &'a str,
}

impl Issuer<'_> {
    fn parameters(&self) -> impl Iterator<Item = (&str, &str)> {
        let service = self.service.map(|service| ("service", service));
        service.into_iter().chain(self.scopes.iter().map(|scope| ("scope", scope.as_str())))
    }
}

/// What is needed and what the registry asks for, each once.
fn all_scopes(needed: &str, more: Option<&str>) -> Vec<String> {
    let mut scopes: Vec<String> = needed.split_ascii_whitespace().map(str::to_owned).collect();
    for scope in more.unwrap_or_default().split_ascii_whitespace() {
        // Less of the same repository adds nothing.
        let covered = scopes.iter().any(|known| known.starts_with(scope));
        if !covered && scopes.len() < 8 {
            scopes.push(scope.to_owned());
        }
    }
    scopes
}
