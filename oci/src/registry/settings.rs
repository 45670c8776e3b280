//! How registries are talked to. All of it comes from the caller.

use std::collections::BTreeSet;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

use super::credentials::Credentials;
use super::endpoint::Mirrors;
use super::proxy::Proxies;
use super::retry::Retry;

/// How registries are talked to. Nothing is trusted, known or allowed by default: not even the
/// system's certificates.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// Opens no connection whatsoever: everything has to be in the store.
    pub offline: bool,
    /// The certificate authorities that are trusted.
    pub trust: Trust,
    /// The certificate that this client shows to registries and mirrors that ask for one; others,
    /// to which they redirect, do not get it.
    pub identity: Option<Identity>,
    /// Proxies, and what is reached without them.
    pub proxies: Proxies,
    /// Mirrors, by the host that they mirror.
    pub mirrors: Mirrors,
    /// Hosts (with their ports, as names have them) that are talked to without TLS.
    pub plain_http: BTreeSet<String>,
    /// Who this client is for each registry.
    pub credentials: Credentials,
    /// Blobs transferred at the same time.
    pub parallel: NonZeroUsize,
    /// When failed attempts are repeated.
    pub retry: Retry,
    /// Time to connect, TLS included.
    pub connect_timeout: Duration,
    /// Time without a single byte after which a connection counts as broken.
    pub stall_timeout: Duration,
    /// Bytes of each request that uploads a part of a blob; none uploads a blob in one request.
    pub chunk: Option<u64>,
    /// How the client calls itself.
    pub user_agent: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            offline: false,
            trust: Trust::default(),
            identity: None,
            proxies: Proxies::default(),
            mirrors: Mirrors::default(),
            plain_http: BTreeSet::new(),
            credentials: Credentials::default(),
            parallel: NonZeroUsize::MIN.saturating_add(3),
            retry: Retry::default(),
            connect_timeout: Duration::from_secs(30),
            stall_timeout: Duration::from_secs(60),
            chunk: None,
            user_agent: concat!("bootwright/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

/// A setting that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// A certificate or a key.
    #[error("{what} cannot be used: {problem}")]
    Pem {
        /// What the text should be.
        what: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// A proxy.
    #[error("{shown:?} is no proxy: http://[USER:PASSWORD@]HOST[:PORT] or https://… is needed")]
    Proxy {
        /// The text, without user and password.
        shown: String,
    },
    /// A host.
    #[error("{found:?} is no registry: HOST[:PORT][/PREFIX] is needed")]
    Host {
        /// The text.
        found: String,
    },
    /// An auth file.
    #[error("{problem}")]
    AuthFile {
        /// What is wrong; never what stands in the file.
        problem: String,
    },
}

/// Certificate authorities.
#[derive(Clone, Default)]
pub struct Trust(pub(super) Vec<CertificateDer<'static>>);

impl Trust {
    /// Trusts one certificate authority, given as DER. One that cannot be read is found out about
    /// when nothing is trusted because of it: systems have old ones that nobody needs.
    pub fn add_der(&mut self, certificate: Vec<u8>) {
        self.0.push(CertificateDer::from(certificate));
    }

    /// Trusts all certificates in a PEM text.
    ///
    /// # Errors
    /// [`SettingsError::Pem`] when there is none or one is damaged.
    pub fn add_pem(&mut self, text: &[u8]) -> Result<(), SettingsError> {
        let failed = |problem: String| SettingsError::Pem { what: "CA file", problem };
        let before = self.0.len();
        for certificate in CertificateDer::pem_slice_iter(text) {
            let certificate = certificate.map_err(|error| failed(error.to_string()))?;
            let mut probe = rustls::RootCertStore::empty();
            probe.add(certificate.clone()).map_err(|error| failed(error.to_string()))?;
            self.0.push(certificate);
        }
        if self.0.len() == before {
            return Err(failed("it holds no certificate in PEM".to_owned()));
        }
        Ok(())
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Trust({} authorities)", self.0.len())
    }
}

/// A client certificate with its key.
#[derive(Clone)]
pub struct Identity {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: Arc<Zeroizing<Vec<u8>>>,
}

impl Identity {
    /// Reads a certificate chain, the client's own first, and its private key.
    ///
    /// # Errors
    /// [`SettingsError::Pem`] when one cannot be read or they do not belong together.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, SettingsError> {
        let failed = |what, problem: String| SettingsError::Pem { what, problem };
        let chain: Vec<_> = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<_, _>>()
            .map_err(|error| failed("client certificate", error.to_string()))?;
        if chain.is_empty() {
            return Err(failed("client certificate", "it is no certificate in PEM".to_owned()));
        }
        let parsed = PrivateKeyDer::from_pem_slice(key)
            .map_err(|error| failed("client key", error.to_string()))?;
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let pair = rustls::sign::CertifiedKey::from_der(chain.clone(), parsed, &provider)
            .map_err(|error| failed("client key", error.to_string()))?;
        pair.keys_match().map_err(|error| failed("client key", error.to_string()))?;
        Ok(Self { chain, key: Arc::new(Zeroizing::new(key.to_vec())) })
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({} certificates)", self.chain.len())
    }
}
