//! Requests of one pull or push: redirects, authentication, repetition, the wish to stop.

use std::collections::BTreeSet;
use std::fmt::Arguments;
use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bootwright_image::Observer;
use ureq::http::header::{AUTHORIZATION, CONTENT_LENGTH, DATE, LOCATION, RETRY_AFTER};
use ureq::http::{HeaderMap, HeaderValue, Method, Request, Response, Uri};
use ureq::{Body, SendBody};

use super::ask::{Ask, Payload};
use super::endpoint::Endpoint;
use super::error::{Again, Failure, RegistryError, printable};
use super::location::{resolve, same_origin};
use super::reply::{explain, message};
use super::retry::retry_after;
use super::settings::Settings;
use super::token::{Authorization, Tokens};
use super::transport::Transport;

/// Redirects that are followed for one request.
const REDIRECTS_MAX: usize = 5;
/// How often the wish to stop is looked at.
const TICK: Duration = Duration::from_millis(50);
/// Waits that are worth telling about.
const LONG_WAIT: Duration = Duration::from_secs(2);
/// Attempts at a mirror after the first one: there is another place to ask.
const MIRROR_ATTEMPTS: u32 = 1;

/// The state that all requests of one pull or push share.
pub(super) struct Session<'a> {
    pub(super) settings: &'a Settings,
    pub(super) observer: &'a dyn Observer,
    transport: Transport<'a>,
    tokens: Mutex<Tokens>,
    /// Held while a token is asked for, so that only one thread does.
    asking: Mutex<()>,
    stop: AtomicBool,
    /// Mirrors that cannot be reached.
    dead: Mutex<BTreeSet<String>>,
}

impl<'a> Session<'a> {
    /// Runs `work` with a session whose connections break when the observer wants to stop.
    pub(super) fn run<T>(
        settings: &'a Settings,
        observer: &'a dyn Observer,
        work: impl FnOnce(&Self) -> Result<T, RegistryError>,
    ) -> Result<T, RegistryError> {
        let session = Self {
            settings,
            observer,
            transport: Transport::new(settings),
            tokens: Mutex::default(),
            asking: Mutex::default(),
            stop: AtomicBool::new(false),
            dead: Mutex::default(),
        };
        let done = AtomicBool::new(false);
        let result = std::thread::scope(|scope| {
            let watcher = scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    if session.stopped() {
                        session.transport.shut_down();
                    }
                    std::thread::park_timeout(TICK);
                }
            });
            let result = work(&session);
            done.store(true, Ordering::Relaxed);
            watcher.thread().unpark();
            result
        });
        if observer.cancelled() { Err(RegistryError::Cancelled) } else { result }
    }

    /// Whether there is no point in going on.
    pub(super) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.observer.cancelled()
    }

    /// Lets all threads give up.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    pub(super) fn warn(&self, text: Arguments<'_>) {
        self.observer.warn(text);
    }

    /// Asks each place in turn until one gives an answer. The failure of the last one counts.
    pub(super) fn anywhere<T>(
        &self,
        places: &[Endpoint],
        mut attempt: impl FnMut(&Endpoint) -> Result<T, Failure>,
    ) -> Result<T, RegistryError> {
        let dead = |place: &Endpoint| lock(&self.dead).contains(&place.base);
        let mut last = None;
        for place in places {
            if !place.is_origin && dead(place) {
                continue;
            }
            let attempts =
                if place.is_origin { self.settings.retry.attempts } else { MIRROR_ATTEMPTS };
            match self.repeated(attempts, || attempt(place)) {
                Err(RegistryError::Cancelled) => return Err(RegistryError::Cancelled),
                Err(error) if place.is_origin => last = Some(error),
                Err(error) => {
                    let unreachable = matches!(error, RegistryError::Connection { .. });
                    if !unreachable || lock(&self.dead).insert(place.base.clone()) {
                        self.warn(format_args!("mirror {}: {}", place.host, chain(&error)));
                    }
                }
                found => return found,
            }
        }
        Err(last.unwrap_or(RegistryError::Cancelled))
    }

    /// Repeats an attempt by the settings' schedule.
    pub(super) fn repeated<T>(
        &self,
        attempts: u32,
        mut attempt: impl FnMut() -> Result<T, Failure>,
    ) -> Result<T, RegistryError> {
        let mut number = 0;
        loop {
            let Failure { error, again } = match attempt() {
                Ok(value) => return Ok(value),
                Err(failure) => failure,
            };
            if self.stopped() {
                return Err(RegistryError::Cancelled);
            }
            let asked = match again {
                Again::Never => return Err(error),
                Again::Progressed => {
                    number = 0;
                    None
                }
                Again::Later(asked) => asked,
            };
            if number >= attempts {
                return Err(error);
            }
            number += 1;
            let delay = self.settings.retry.delay(number, asked);
            if delay >= LONG_WAIT {
                let seconds = delay.as_secs();
                self.warn(format_args!("{}: trying again in {seconds} s", chain(&error)));
            }
            self.sleep(delay)?;
        }
    }

    fn sleep(&self, delay: Duration) -> Result<(), RegistryError> {
        let start = Instant::now();
        while start.elapsed() < delay {
            if self.stopped() {
                return Err(RegistryError::Cancelled);
            }
            std::thread::sleep(TICK.min(delay.saturating_sub(start.elapsed())));
        }
        Ok(())
    }

    /// Sends a request, authenticated as the registry wants it, and gives back a reply with a
    /// status that the caller can use.
    pub(super) fn exchange(
        &self,
        place: &Endpoint,
        scope: &str,
        ask: &Ask<'_>,
    ) -> Result<Response<Body>, Failure> {
        let known = lock(&self.tokens).get(&place.host, scope);
        let mut reply = self.follow(ask, known.as_ref())?;
        if reply.status() == 401 {
            let anew = self.authorize(place, scope, ask.what, known.as_ref(), &reply)?;
            reply = self.follow(ask, Some(&anew))?;
            if reply.status() == 401 {
                lock(&self.tokens).refuse(&place.host, scope, &anew);
                let message = message(&mut reply);
                let (host, what) = (place.host.clone(), ask.what.to_owned());
                return Err(RegistryError::Denied { host, what, anonymous: false, message }.into());
            }
        }
        let status = reply.status();
        if status.is_success() || ask.allowed.contains(&status.as_u16()) {
            return Ok(reply);
        }
        let again = match status.as_u16() {
            408 | 425 | 429 | 500 | 502 | 503 | 504 => Again::Later(asked_delay(reply.headers())),
            _ => Again::Never,
        };
        Err(Failure { error: explain(&mut reply, &place.host, ask.what), again })
    }

    /// A new authorization after a 401. Whoever else found one meanwhile shares it.
    fn authorize(
        &self,
        place: &Endpoint,
        scope: &str,
        what: &str,
        refused: Option<&Authorization>,
        reply: &Response<Body>,
    ) -> Result<Authorization, Failure> {
        let _asking = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(refused) = refused {
            lock(&self.tokens).refuse(&place.host, scope, refused);
        }
        if let Some(found) = lock(&self.tokens).get(&place.host, scope) {
            return Ok(found);
        }
        let found = self.obtain(place, scope, what, reply)?;
        lock(&self.tokens).set(&place.host, scope, found.clone());
        Ok(found)
    }

    /// Sends a request and follows redirects. Only the host that was asked first sees
    /// `Authorization` and the client's certificate.
    pub(super) fn follow(
        &self,
        ask: &Ask<'_>,
        authorization: Option<&Authorization>,
    ) -> Result<Response<Body>, Failure> {
        let host = |url: &Uri| url.authority().map(ToString::to_string).unwrap_or_default();
        let protocol = |url: &Uri, problem: String| RegistryError::Protocol {
            host: host(url),
            what: ask.what.to_owned(),
            problem,
        };
        let first: Uri = ask.url.parse().map_err(|_| RegistryError::Protocol {
            host: String::new(),
            what: ask.what.to_owned(),
            problem: format!("{:?} is no URL", printable(&ask.url)),
        })?;
        let mut url = first.clone();
        for _ in 0..=REDIRECTS_MAX {
            let at_home = same_origin(&first, &url);
            let reply = self.once(ask, &url, authorization.filter(|_| at_home), at_home)?;
            let repeats = matches!(ask.method, Method::GET | Method::HEAD);
            let target = match (reply.status().as_u16(), reply.headers().get(LOCATION)) {
                (301..=303, Some(target)) if repeats => target,
                (307 | 308, Some(target)) => target,
                _ => return Ok(reply),
            };
            let target = target.to_str().ok().and_then(|target| resolve(&url, target));
            let Some(target) = target else {
                return Err(protocol(&url, "its redirect leads to no URL".into()).into());
            };
            if !self.may_go(&first, &target) {
                let problem = format!("it redirects from TLS to plain HTTP ({})", host(&target));
                return Err(protocol(&url, problem).into());
            }
            url = target;
        }
        Err(protocol(&first, format!("more than {REDIRECTS_MAX} redirects")).into())
    }

    /// From TLS there is no way to plain HTTP, except to hosts for which the caller allows it.
    fn may_go(&self, from: &Uri, to: &Uri) -> bool {
        let allowed = |url: &Uri| {
            url.authority().is_some_and(|it| self.settings.plain_http.contains(it.as_str()))
        };
        to.scheme_str() == Some("https") || from.scheme_str() == Some("http") || allowed(to)
    }

    fn once(
        &self,
        ask: &Ask<'_>,
        url: &Uri,
        authorization: Option<&Authorization>,
        at_home: bool,
    ) -> Result<Response<Body>, Failure> {
        if self.stopped() {
            return Err(RegistryError::Cancelled.into());
        }
        let mut request = Request::builder().method(ask.method.clone()).uri(url);
        for (name, value) in &ask.headers {
            request = request.header(name, value);
        }
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization.value());
        }
        let host = url.authority().map(ToString::to_string).unwrap_or_default();
        let unsendable = |error: ureq::http::Error| RegistryError::Protocol {
            host: host.clone(),
            what: ask.what.to_owned(),
            problem: error.to_string(),
        };
        let (len, mut stream): (u64, Box<dyn Read + '_>) = match &ask.payload {
            Payload::None => {
                let request = request.body(SendBody::none()).map_err(unsendable)?;
                let sent = self.transport.send(request, at_home);
                return sent.map_err(|error| self.broken(&host, ask.what, error));
            }
            Payload::Bytes(bytes) => (bytes.len() as u64, Box::new(*bytes)),
            Payload::Stream(len, open) => (*len, open()?),
        };
        let request = request
            .header(CONTENT_LENGTH, len)
            .body(SendBody::from_reader(&mut stream))
            .map_err(unsendable)?;
        let sent = self.transport.send(request, at_home);
        sent.map_err(|error| self.broken(&host, ask.what, error))
    }

    /// A connection that was not made or broke. What cannot get better by itself is not tried
    /// again.
    pub(super) fn broken(&self, host: &str, what: &str, error: ureq::Error) -> Failure {
        if self.stopped() {
            return RegistryError::Cancelled.into();
        }
        let again = if is_lasting(&error) { Again::Never } else { Again::Later(None) };
        let (host, what, source) = (host.to_owned(), what.to_owned(), Box::new(error));
        Failure { error: RegistryError::Connection { host, what, source }, again }
    }
}

/// Whether a certificate, a name or a proxy is the reason.
fn is_lasting(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::Io(error) => is_tls(error.get_ref()),
        ureq::Error::Rustls(_)
        | ureq::Error::Tls(_)
        | ureq::Error::Pem(_)
        | ureq::Error::HostNotFound
        | ureq::Error::BadUri(_)
        | ureq::Error::Http(_)
        | ureq::Error::InvalidProxyUrl
        | ureq::Error::ConnectProxyFailed(_)
        | ureq::Error::LargeResponseHeader(..) => true,
        _ => false,
    }
}

fn is_tls(cause: Option<&(dyn std::error::Error + Send + Sync + 'static)>) -> bool {
    cause.is_some_and(<dyn std::error::Error + Send + Sync>::is::<rustls::Error>)
}

fn asked_delay(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    retry_after(text(RETRY_AFTER)?, text(DATE))
}

/// An error with all its causes in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
