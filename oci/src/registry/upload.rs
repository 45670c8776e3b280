//! One blob on its way out (OCI distribution specification, "Pushing blobs").

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use bootwright_image::Phase;
use ureq::Body;
use ureq::http::header::{CONTENT_RANGE, CONTENT_TYPE, LOCATION, RANGE};
use ureq::http::{Method, Response, Uri};

use super::ask::{Ask, Payload};
use super::error::{Again, Failure, RegistryError};
use super::location::{resolve, with_query};
use super::pull::header;
use super::push::{Arrival, Push};
use super::session::Session;
use crate::store::{Item, StoreError};

/// Blobs up to this size are sent in one request with no chance to resume.
const SMALL: u64 = 1 << 20;
/// How a registry tells the smallest part that it takes.
const MIN_LENGTH: &str = "oci-chunk-min-length";
/// The media type of parts of blobs.
const OCTETS: &str = "application/octet-stream";

/// An upload that a registry has begun.
struct Upload {
    url: String,
    /// Bytes that the registry has.
    done: u64,
    /// Bytes of each part.
    part: u64,
    /// Whether a request failed, so that the registry has to be asked how far it came.
    interrupted: bool,
}

impl Push<'_> {
    /// Makes sure that the registry has a blob.
    pub(super) fn blob(&self, item: &Item) -> Result<Arrival, RegistryError> {
        let attempts = self.session.settings.retry.attempts;
        let what = format!("blob {}", item.digest);
        let scope = self.scope();
        let here = self.place.url(&format!("blobs/{}", item.digest));
        let mut ask = Ask::new(Method::HEAD, here, &what);
        ask.allowed = &[404];
        let reply = self.session.repeated(attempts, || {
            self.session.exchange(&self.place, &scope, &ask).map(|reply| reply.status())
        })?;
        if reply.is_success() {
            self.session.observer.advance(Phase::Push, item.size);
            return Ok(Arrival::Present);
        }
        let (mut upload, mut told) = (None, 0);
        if let Some(repository) = self.elsewhere.get(&item.digest) {
            match self.mount(item, repository, &what) {
                Ok(None) => {
                    self.session.observer.advance(Phase::Push, item.size);
                    return Ok(Arrival::Mounted);
                }
                Ok(begun) => upload = begun,
                // It may be a repository that this user does not see: an upload is always allowed.
                Err(
                    RegistryError::Denied { .. }
                    | RegistryError::NotFound { .. }
                    | RegistryError::Status { .. },
                ) => {}
                Err(error) => return Err(error),
            }
        }
        self.session.repeated(attempts, || {
            let running = match upload.take() {
                Some(Upload { interrupted: true, .. }) if self.has_arrived(&ask)? => return Ok(()),
                Some(known) if known.interrupted => self.resumed(known, item, &what)?,
                Some(fresh) => fresh,
                None => self.begin(&what)?,
            };
            self.send(item, running, &mut upload, &mut told, &what)
        })?;
        Ok(Arrival::Sent)
    }

    /// Whether the blob is there now, perhaps by a request whose reply was lost.
    fn has_arrived(&self, ask: &Ask<'_>) -> Result<bool, Failure> {
        let reply = self.session.exchange(&self.place, &self.scope(), ask)?;
        Ok(reply.status().is_success())
    }

    /// Asks the registry to take a blob from another repository. When it does not, it has begun an
    /// upload instead.
    fn mount(&self, item: &Item, from: &str, what: &str) -> Result<Option<Upload>, RegistryError> {
        let url = self.place.url("blobs/uploads/");
        let url = with_query(&with_query(&url, "mount", &item.digest.to_string()), "from", from);
        let scope = format!("{} repository:{from}:pull", self.scope());
        self.session.repeated(self.session.settings.retry.attempts, || {
            let mut ask = Ask::new(Method::POST, url.clone(), what);
            ask.payload = Payload::Bytes(b"");
            let reply = self.session.exchange(&self.place, &scope, &ask)?;
            if reply.status() == 201 { Ok(None) } else { self.begun(&url, &reply, what).map(Some) }
        })
    }

    /// Sends a blob or the rest of it. A failed attempt leaves the upload in `kept` for the next one
    /// to go on with.
    fn send(
        &self,
        item: &Item,
        mut running: Upload,
        kept: &mut Option<Upload>,
        told: &mut u64,
        what: &str,
    ) -> Result<(), Failure> {
        let before = running.done;
        let result = loop {
            let small = item.size <= SMALL && running.done == 0;
            if small || running.done == item.size {
                break self.finish(item, &running, told, what);
            }
            match self.part(item, &running, told, what) {
                Ok(next) => running = next,
                Err(failure) => break Err(failure),
            }
        };
        result.map_err(|failure| {
            let progressed = running.done > before;
            *kept = Some(Upload { interrupted: true, ..running });
            match failure.again {
                Again::Later(None) if progressed => Failure { again: Again::Progressed, ..failure },
                _ => failure,
            }
        })
    }

    fn begin(&self, what: &str) -> Result<Upload, Failure> {
        let url = self.place.url("blobs/uploads/");
        let mut ask = Ask::new(Method::POST, url.clone(), what);
        ask.payload = Payload::Bytes(b"");
        let reply = self.session.exchange(&self.place, &self.scope(), &ask)?;
        self.begun(&url, &reply, what)
    }

    /// Where the upload that `reply` begins goes on.
    fn begun(&self, asked: &str, reply: &Response<Body>, what: &str) -> Result<Upload, Failure> {
        let least = header(reply.headers(), MIN_LENGTH).and_then(|text| text.parse().ok());
        let part = self.session.settings.chunk.unwrap_or(u64::MAX).max(least.unwrap_or(1)).max(1);
        let url = self.next(asked, reply, what)?;
        Ok(Upload { url, done: 0, part, interrupted: false })
    }

    /// The URL in `Location`. Credentials go there only if it is the registry's own.
    fn next(&self, asked: &str, reply: &Response<Body>, what: &str) -> Result<String, Failure> {
        let location = header(reply.headers(), LOCATION.as_str());
        let base = asked.parse::<Uri>().ok();
        let next = location.zip(base).and_then(|(location, base)| resolve(&base, location));
        let usable = next.filter(|next| {
            next.scheme_str() == Some("https") || self.place.base.starts_with("http://")
        });
        usable.map(|next| next.to_string()).ok_or_else(|| {
            let problem = "it does not say where the upload goes on".to_owned();
            let (host, what) = (self.place.host.clone(), what.to_owned());
            RegistryError::Protocol { host, what, problem }.into()
        })
    }

    /// How far an upload has come; a new one when the registry has forgotten it, or has too little
    /// of it to tell.
    fn resumed(&self, upload: Upload, item: &Item, what: &str) -> Result<Upload, Failure> {
        let mut ask = Ask::new(Method::GET, upload.url.clone(), what);
        ask.allowed = &[400, 404, 405, 416];
        let reply = self.session.exchange(&self.place, &self.scope(), &ask)?;
        let done = header(reply.headers(), RANGE.as_str()).and_then(uploaded);
        match done.filter(|done| reply.status() == 204 && *done <= item.size) {
            Some(done) => {
                let url = self.next(&upload.url, &reply, what).unwrap_or(upload.url);
                Ok(Upload { url, done, part: upload.part, interrupted: false })
            }
            None => self.begin(what),
        }
    }

    /// Sends the next part.
    fn part(
        &self,
        item: &Item,
        upload: &Upload,
        told: &mut u64,
        what: &str,
    ) -> Result<Upload, Failure> {
        let len = upload.part.min(item.size - upload.done);
        let end = upload.done + len;
        let mut ask = Ask::new(Method::PATCH, upload.url.clone(), what);
        ask.headers.push((CONTENT_TYPE, OCTETS.to_owned()));
        if len < item.size {
            ask.headers.push((CONTENT_RANGE, format!("{}-{}", upload.done, end - 1)));
        }
        ask.allowed = &[416];
        let open = || self.open(item, upload.done, len);
        ask.payload = Payload::Stream(len, &open);
        let reply = self.session.exchange(&self.place, &self.scope(), &ask)?;
        if reply.status() == 416 {
            let problem = "it wants another part of the blob".to_owned();
            let (host, what) = (self.place.host.clone(), what.to_owned());
            let error = RegistryError::Protocol { host, what, problem };
            return Err(Failure { error, again: Again::Later(None) });
        }
        let url = self.next(&upload.url, &reply, what)?;
        self.tell(told, end);
        Ok(Upload { url, done: end, part: upload.part, interrupted: false })
    }

    /// Ends an upload, with all of the blob if nothing has been sent.
    fn finish(
        &self,
        item: &Item,
        upload: &Upload,
        told: &mut u64,
        what: &str,
    ) -> Result<(), Failure> {
        let url = with_query(&upload.url, "digest", &item.digest.to_string());
        let mut ask = Ask::new(Method::PUT, url, what);
        ask.headers.push((CONTENT_TYPE, OCTETS.to_owned()));
        let len = item.size - upload.done;
        let open = || self.open(item, upload.done, len);
        ask.payload = if len == 0 { Payload::Bytes(b"") } else { Payload::Stream(len, &open) };
        self.session.exchange(&self.place, &self.scope(), &ask)?;
        self.tell(told, item.size);
        Ok(())
    }

    fn tell(&self, told: &mut u64, done: u64) {
        self.session.observer.advance(Phase::Push, done.saturating_sub(*told));
        *told = done.max(*told);
    }

    fn open(
        &self,
        item: &Item,
        offset: u64,
        len: u64,
    ) -> Result<Box<dyn Read + '_>, RegistryError> {
        let path = self.store.blob_path(&item.digest);
        let failed = StoreError::io("read", &path);
        let opened = File::open(&path).and_then(|mut file| {
            file.seek(SeekFrom::Start(offset))?;
            Ok(file)
        });
        let file = opened.map_err(failed)?;
        Ok(Box::new(Watched { input: file.take(len), session: self.session }))
    }
}

/// Bytes of a file, until somebody wants to stop.
struct Watched<'a, R> {
    input: R,
    session: &'a Session<'a>,
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.session.stopped() {
            return Err(std::io::Error::other("stopped"));
        }
        self.input.read(buffer)
    }
}

/// The number of bytes in `Range: 0-LAST`. `0-0` means one byte or none, so it says nothing.
pub(crate) fn uploaded(text: &str) -> Option<u64> {
    let (first, last) = text.strip_prefix("bytes=").unwrap_or(text).split_once('-')?;
    let last = last.trim().parse::<u64>().ok().filter(|last| *last > 0)?;
    if first.trim() == "0" { last.checked_add(1) } else { None }
}
