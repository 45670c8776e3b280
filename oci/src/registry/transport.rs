//! Connections: TLS, proxies, time-outs. No policy of registries.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use rustls::crypto::aws_lc_rs;
use ureq::http::{Request, Response, Uri};
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig, TlsProvider};
use ureq::{Agent, Body, SendBody};

use super::settings::Settings;

/// Bytes of all headers of a reply.
const HEADERS_MAX: usize = 64 << 10;
/// Bytes moved at once.
const BUFFER: usize = 128 << 10;

/// Connections of one pull or push, kept for further requests.
pub(super) struct Transport<'a> {
    settings: &'a Settings,
    /// By proxy, and by whether the client's certificate is shown.
    agents: Mutex<BTreeMap<(Option<String>, bool), Agent>>,
}

impl<'a> Transport<'a> {
    pub(super) fn new(settings: &'a Settings) -> Self {
        Self { settings, agents: Mutex::default() }
    }

    /// Sends one request and waits for the head of the reply, whatever its status.
    pub(super) fn send(
        &self,
        request: Request<SendBody<'_>>,
        show_identity: bool,
    ) -> Result<Response<Body>, ureq::Error> {
        self.agent(request.uri(), show_identity)?.run(request)
    }

    /// Breaks all connections; those who wait for them get errors.
    pub(super) fn shut_down(&self) {
        for agent in self.agents.lock().unwrap_or_else(PoisonError::into_inner).values() {
            agent.clone().shutdown();
        }
    }

    fn agent(&self, url: &Uri, show_identity: bool) -> Result<Agent, ureq::Error> {
        let proxy = self.settings.proxies.of(url);
        let key = (proxy.map(|proxy| proxy.url().to_owned()), show_identity);
        let mut agents = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(agent) = agents.get(&key) {
            return Ok(agent.clone());
        }
        let proxy = key.0.as_deref().map(ureq::Proxy::new).transpose()?;
        let settings = self.settings;
        let agent: Agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(proxy)
            .tls_config(self.tls(show_identity)?)
            .timeout_connect(Some(settings.connect_timeout))
            .timeout_resolve(Some(settings.connect_timeout))
            .timeout_per_read(Some(settings.stall_timeout))
            .timeout_per_write(Some(settings.stall_timeout))
            .max_response_header_size(HEADERS_MAX)
            .input_buffer_size(BUFFER)
            .output_buffer_size(BUFFER)
            .max_idle_connections_per_host(settings.parallel.get())
            .user_agent(settings.user_agent.as_str())
            .accept_encoding("identity")
            .build()
            .into();
        agents.insert(key, agent.clone());
        Ok(agent)
    }

    fn tls(&self, show_identity: bool) -> Result<TlsConfig, ureq::Error> {
        let roots = &self.settings.trust.0;
        let roots: Vec<_> =
            roots.iter().map(|root| Certificate::from_der(root).to_owned()).collect();
        let mut tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .unversioned_rustls_crypto_provider(aws_lc_rs::default_provider().into())
            .root_certs(RootCerts::new_with_certs(&roots));
        if let Some(identity) = self.settings.identity.as_ref().filter(|_| show_identity) {
            let chain: Vec<_> =
                identity.chain.iter().map(|one| Certificate::from_der(one).to_owned()).collect();
            let key = PrivateKey::from_pem(&identity.key)?;
            tls = tls.client_cert(Some(ClientCert::new_with_certs(&chain, key)));
        }
        Ok(tls.build())
    }
}
