//! `spectro-luet-auth.yaml`: who reads a repository.

use std::fmt;

use serde::Deserialize;

use super::LuetError;
use super::metadata::parse;

/// What a registry is told to let the packages be read; fields that are not given are empty. It is
/// never shown.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Auth {
    /// The user.
    pub username: String,
    /// The user's password.
    pub password: String,
    /// The registry's host; not needed where the repository's name has it.
    pub serveraddress: String,
    /// User and password in one, as docker's files have it (base64).
    pub auth: String,
    /// Not looked at by registries.
    pub email: String,
    /// A token that another is got for.
    pub identitytoken: String,
    /// A token that is sent as it is.
    pub registrytoken: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    auth: Auth,
}

impl Auth {
    /// Reads the file. `name` is for errors, which never quote it.
    ///
    /// # Errors
    /// [`LuetError::Auth`].
    pub fn parse(text: &[u8], name: &str) -> Result<Self, LuetError> {
        match parse::<Document>(text, name) {
            Ok(document) => Ok(document.auth),
            Err(_) => Err(LuetError::Auth { document: name.to_owned() }),
        }
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth").field("serveraddress", &self.serveraddress).finish_non_exhaustive()
    }
}
