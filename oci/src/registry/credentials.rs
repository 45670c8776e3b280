//! Who the client is for a registry.

use std::fmt;
use std::sync::Arc;

use super::authfile::AuthFile;
use super::error::{RegistryError, printable};
use super::secret::Secret;

/// How Docker's helpers know the default registry.
const DOCKER_SERVER: &str = "https://index.docker.io/v1/";
/// The user name that announces an identity token in a helper's answer.
const TOKEN_USER: &str = "<token>";

/// What proves who one is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Credential {
    /// A user name and a password or an access token that is used like one.
    Password {
        /// The user.
        username: String,
        /// The password.
        password: Secret,
    },
    /// A refresh token for the issuer of tokens (OAuth 2).
    IdentityToken(Secret),
    /// A token that the registry itself takes.
    RegistryToken(Secret),
}

/// Asks another program for credentials, by Docker's protocol for credential helpers. bootwright
/// runs no other program unless its caller supplies one of these.
pub trait CredentialHelper: Send + Sync {
    /// What `docker-credential-NAME get` answers for `server`: a user name and a secret, or `None`
    /// when it knows none.
    ///
    /// # Errors
    /// A text for people, without secrets.
    fn get(&self, name: &str, server: &str) -> Result<Option<(String, Secret)>, String>;
}

/// Where credentials come from.
#[derive(Clone, Default)]
pub struct Credentials {
    /// Auth files; the first one that knows a host counts.
    pub files: Vec<AuthFile>,
    /// Runs the helpers that the files name.
    pub helper: Option<Arc<dyn CredentialHelper>>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let helper = self.helper.as_ref().map(|_| "helper");
        f.debug_struct("Credentials").field("files", &self.files).field("helper", &helper).finish()
    }
}

impl Credentials {
    /// What is known for a repository. A helper that is named for the host has to be asked; one
    /// that is named for all hosts may be left out, with a warning.
    pub(super) fn find(
        &self,
        host: &str,
        repository: &str,
        warn: &dyn Fn(fmt::Arguments<'_>),
    ) -> Result<Option<Credential>, RegistryError> {
        for file in &self.files {
            let helper = file.helper(host);
            if let Some((name, true)) = helper
                && let Some(found) = self.ask(name, host)?
            {
                return Ok(Some(found));
            }
            if let Some(found) = file.entry(host, repository) {
                return Ok(Some(found));
            }
            match helper {
                Some((name, false)) if self.helper.is_none() => warn(format_args!(
                    "{host}: credential helper {name:?} is not run: going on without it"
                )),
                Some((name, false)) => {
                    if let Some(found) = self.ask(name, host)? {
                        return Ok(Some(found));
                    }
                }
                _ => {}
            }
        }
        Ok(None)
    }

    fn ask(&self, name: &str, host: &str) -> Result<Option<Credential>, RegistryError> {
        let failed = |problem: &str| RegistryError::Helper {
            host: host.to_owned(),
            helper: printable(name),
            problem: printable(problem),
        };
        if name.is_empty()
            || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        {
            return Err(failed("its name is no name of a program"));
        }
        let helper = self.helper.as_ref().ok_or_else(|| failed("running it is not allowed"))?;
        let server = if host == "docker.io" { DOCKER_SERVER } else { host };
        let found = helper.get(name, server).map_err(|problem| failed(&problem))?;
        Ok(found.map(|(username, secret)| match username.as_str() {
            TOKEN_USER => Credential::IdentityToken(secret),
            _ => Credential::Password { username, password: secret },
        }))
    }
}
