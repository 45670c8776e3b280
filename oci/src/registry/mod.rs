//! A client for container registries (OCI distribution specification 1.1).
//!
//! ```text
//!   Client::pull ──▶ manifest or index ──▶ what is missing? ──▶ blobs, several at a time ──▶ Store
//!                        │                                          │
//!                        ▼                                          ▼
//!       Session: mirrors, repetition, tokens, redirects    *.partial: resumed by Range, hashed anew
//!                        │
//!                        ▼
//!       Transport: TLS, proxies, time-outs (ureq, rustls)
//! ```
//!
//! Everything that decides anything comes in as [`Settings`]; nothing is read from the environment
//! and no other program is run. With [`Settings::offline`] there is no socket: everything is
//! answered from the [`Store`], and what it lacks is listed in one error.
//!
//! Secrets are overwritten when they are dropped and never shown; copies in the buffers of HTTP and
//! TLS live as long as their connections.

mod ask;
mod authfile;
mod blob;
mod challenge;
mod credentials;
mod endpoint;
mod error;
pub(crate) mod fuzzing;
mod issuer;
mod location;
mod proxy;
mod pull;
mod push;
mod reply;
mod retry;
mod secret;
mod session;
mod settings;
mod token;
mod transport;
mod upload;

pub use authfile::{AuthEntry, AuthFile};
pub use credentials::{Credential, CredentialHelper, Credentials};
pub use endpoint::{Mirror, Mirrors};
pub use error::{MissingImage, RegistryError};
pub use proxy::{NoProxy, Proxies, Proxy};
pub use push::Pushed;
pub use retry::Retry;
pub use secret::Secret;
pub use settings::{Identity, Settings, SettingsError, Trust};

use bootwright_image::Observer;

use crate::digest::ContentDigest;
use crate::name::ImageName;
use crate::store::{Lookup, Selection, Store, StoredImage};
use pull::Pull;
use push::Push;
use session::Session;

/// Pulls images into stores and pushes them from there.
#[derive(Clone, Debug)]
pub struct Client {
    settings: Settings,
}

impl Client {
    /// A client that talks as the settings say. Nothing is connected yet.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self { settings }
    }

    /// Brings images into the store, as far as they are not there, and gives back where they are
    /// read. Names with a digest that the store has need no connection; others are asked for at the
    /// registry, unless this client is offline.
    ///
    /// The observer is told bytes of blobs as [`Phase::Fetch`](bootwright_image::Phase::Fetch).
    ///
    /// # Errors
    /// [`RegistryError`]. Offline, [`RegistryError::Missing`] lists everything that is missing for
    /// any of the images.
    pub fn pull(
        &self,
        names: &[ImageName],
        selection: &Selection,
        store: &Store,
        observer: &dyn Observer,
    ) -> Result<Vec<StoredImage>, RegistryError> {
        if self.settings.offline {
            return from_store(names, selection, store);
        }
        Session::run(&self.settings, observer, |session| {
            names.iter().map(|name| self.pull_one(name, selection, store, session)).collect()
        })
    }

    /// The digest that a name means at its registry now: that of its manifest or index. Nothing
    /// comes into the store.
    ///
    /// # Errors
    /// [`RegistryError`]; [`RegistryError::Offline`] when this client may not connect.
    pub fn digest(
        &self,
        name: &ImageName,
        store: &Store,
        observer: &dyn Observer,
    ) -> Result<ContentDigest, RegistryError> {
        if self.settings.offline {
            let host = name.host().to_owned();
            return Err(RegistryError::Offline { host, what: "asked" });
        }
        Session::run(&self.settings, observer, |session| Pull::new(session, store, name).digest())
    }

    /// Sends an image of the store to a registry: what is there already is left alone, blobs that
    /// another repository of the same registry has are mounted, the manifest goes last. Of an index
    /// one architecture is sent by its own manifest, or everything.
    ///
    /// The observer is told bytes of blobs as [`Phase::Push`](bootwright_image::Phase::Push).
    ///
    /// # Errors
    /// [`RegistryError`]; [`RegistryError::Offline`] when this client may not connect.
    pub fn push(
        &self,
        source: &ImageName,
        target: &ImageName,
        selection: &Selection,
        store: &Store,
        observer: &dyn Observer,
    ) -> Result<Pushed, RegistryError> {
        if self.settings.offline {
            let host = target.host().to_owned();
            return Err(RegistryError::Offline { host, what: "sent" });
        }
        Session::run(&self.settings, observer, |session| {
            Push::new(session, store, target)?.run(source, target, selection)
        })
    }

    fn pull_one(
        &self,
        name: &ImageName,
        selection: &Selection,
        store: &Store,
        session: &Session<'_>,
    ) -> Result<StoredImage, RegistryError> {
        if name.digest().is_some()
            && let Lookup::Complete(image) = store.find(name, selection)?
        {
            return Ok(*image);
        }
        Pull::new(session, store, name).run(selection)
    }
}

fn from_store(
    names: &[ImageName],
    selection: &Selection,
    store: &Store,
) -> Result<Vec<StoredImage>, RegistryError> {
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for name in names {
        match store.find(name, selection)? {
            Lookup::Complete(image) => found.push(*image),
            Lookup::Incomplete(blobs) => missing.push(MissingImage { name: name.clone(), blobs }),
            Lookup::Absent => missing.push(MissingImage { name: name.clone(), blobs: Vec::new() }),
        }
    }
    if missing.is_empty() { Ok(found) } else { Err(RegistryError::Missing(missing)) }
}
