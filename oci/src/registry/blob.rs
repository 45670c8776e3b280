//! One blob on its way in: resumed where it stopped, checked while it comes.

use std::io::Read;

use bootwright_image::Phase;
use ureq::Body;
use ureq::http::header::{CONTENT_RANGE, RANGE};
use ureq::http::{Method, Response};

use super::ask::Ask;
use super::endpoint::Endpoint;
use super::error::{Again, Failure, RegistryError};
use super::pull::{Pull, header};
use super::session::Session;
use crate::store::{Item, Partial, StoreError};

/// Bytes moved at once.
const CHUNK: usize = 128 << 10;
/// An attempt that brings this many bytes counts as progress.
const PROGRESS: u64 = 64 << 10;

/// How much of a blob the observer has been told.
struct Told<'a> {
    session: &'a Session<'a>,
    len: u64,
}

impl Told<'_> {
    /// Bytes that come a second time do not count.
    fn reach(&mut self, len: u64) {
        if len > self.len {
            self.session.observer.advance(Phase::Fetch, len - self.len);
            self.len = len;
        }
    }
}

impl Pull<'_> {
    /// Brings one blob into the store.
    pub(super) fn blob(&self, item: &Item) -> Result<(), RegistryError> {
        let mut told = Told { session: self.session, len: 0 };
        self.session.anywhere(&self.places, |place| {
            // Released between attempts, so that another process may go on.
            let Some(mut partial) = self.store.begin(item, &|| self.session.stopped())? else {
                told.reach(item.size);
                return Ok(());
            };
            told.reach(partial.len());
            let before = partial.len();
            match self.rest(place, item, &mut partial, &mut told) {
                Ok(()) => partial.finish().map_err(|error| doubt(error, before)),
                Err(failure) => {
                    if matches!(failure.error, RegistryError::Store(StoreError::Size { .. })) {
                        partial.restart()?;
                    }
                    let progressed = partial.len() >= before.saturating_add(PROGRESS);
                    let again = match failure.again {
                        Again::Later(None) if progressed => Again::Progressed,
                        again => again,
                    };
                    Err(Failure { again, ..failure })
                }
            }
        })
    }

    /// Asks for what is missing of a blob and appends it.
    fn rest(
        &self,
        place: &Endpoint,
        item: &Item,
        partial: &mut Partial,
        told: &mut Told<'_>,
    ) -> Result<(), Failure> {
        if partial.len() == item.size {
            return Ok(());
        }
        let what = format!("blob {}", item.digest);
        let url = place.url(&format!("blobs/{}", item.digest));
        let mut ask = Ask::new(Method::GET, url, &what);
        if partial.len() > 0 {
            ask.headers.push((RANGE, format!("bytes={}-", partial.len())));
            ask.allowed = &[416];
        }
        let mut reply = self.session.exchange(place, &Self::scope(place), &ask)?;
        self.place_of(&reply, place, item, partial, &what)?;
        let mut input = reply.body_mut().as_reader();
        let mut buffer = vec![0; CHUNK];
        while partial.len() < item.size {
            if self.session.stopped() {
                return Err(RegistryError::Cancelled.into());
            }
            let read = input
                .read(&mut buffer)
                .map_err(|error| self.session.broken(&place.host, &what, error.into()))?;
            if read == 0 {
                let early = std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
                return Err(self.session.broken(&place.host, &what, early.into()));
            }
            partial.append(&buffer[..read])?;
            told.reach(partial.len());
        }
        // One byte more would be too many.
        match input.read(&mut buffer[..1]) {
            Ok(1) => Err(size(item, item.size + 1)),
            _ => Ok(()),
        }
    }

    /// Makes sure that what comes belongs where the partial blob ends.
    fn place_of(
        &self,
        reply: &Response<Body>,
        place: &Endpoint,
        item: &Item,
        partial: &mut Partial,
        what: &str,
    ) -> Result<(), Failure> {
        let status = reply.status().as_u16();
        if status == 206 {
            let range = header(reply.headers(), CONTENT_RANGE.as_str()).and_then(content_range);
            if let Some((start, total)) = range
                && start == partial.len()
            {
                return match total {
                    Some(total) if total != item.size => Err(size(item, total)),
                    _ => Ok(()),
                };
            }
        }
        let offset = partial.len();
        partial.restart()?;
        match status {
            // It has all of the blob, whatever was asked for.
            200 => match header(reply.headers(), "content-length").and_then(|len| len.parse().ok())
            {
                Some(len) if len != item.size => Err(size(item, len)),
                _ => Ok(()),
            },
            416 | 206 => {
                let problem = format!("it does not continue at byte {offset}");
                let (host, what) = (place.host.clone(), what.to_owned());
                let error = RegistryError::Protocol { host, what, problem };
                Err(Failure { error, again: Again::Later(None) })
            }
            _ => {
                let (host, what) = (place.host.clone(), what.to_owned());
                let message = String::new();
                Err(RegistryError::Status { host, what, status, message }.into())
            }
        }
    }
}

/// A wrong digest may be the fault of whoever sent the first part, which is gone now.
fn doubt(error: StoreError, before: u64) -> Failure {
    let again = match error {
        StoreError::Digest { .. } if before > 0 => Again::Later(None),
        _ => Again::Never,
    };
    Failure { error: error.into(), again }
}

fn size(item: &Item, actual: u64) -> Failure {
    let (digest, expected) = (Box::new(item.digest), item.size);
    StoreError::Size { digest, expected, actual }.into()
}

/// The first byte and the whole length in `bytes FIRST-LAST/LENGTH` (RFC 9110 section 14.4).
pub(crate) fn content_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last) = (first.trim().parse().ok()?, last.trim().parse::<u64>().ok()?);
    let total = if total == "*" { None } else { Some(total.trim().parse().ok()?) };
    (first <= last && total.is_none_or(|total| last < total)).then_some((first, total))
}
