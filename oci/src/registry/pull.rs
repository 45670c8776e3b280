//! From a registry into a store.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use bootwright_image::Phase;
use ureq::http::header::{ACCEPT, CONTENT_TYPE};
use ureq::http::{HeaderMap, Method};

use super::ask::Ask;
use super::endpoint::Endpoint;
use super::error::{Failure, RegistryError};
use super::reply::{Unread, document};
use super::session::{Session, lock};
use crate::digest::ContentDigest;
use crate::name::ImageName;
use crate::store::{Item, Parts, Selection, Store, StoredImage, Walker, media_type};

/// The documents that are understood.
const MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, \
    application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.docker.distribution.manifest.v2+json";
/// Where registries tell a manifest's digest.
const DIGEST: &str = "docker-content-digest";

/// One image on its way.
pub(super) struct Pull<'a> {
    pub(super) session: &'a Session<'a>,
    pub(super) store: &'a Store,
    pub(super) name: &'a ImageName,
    pub(super) places: Vec<Endpoint>,
}

impl<'a> Pull<'a> {
    pub(super) fn new(session: &'a Session<'a>, store: &'a Store, name: &'a ImageName) -> Self {
        let places = Endpoint::all(session.settings, name.host(), name.repository());
        Self { session, store, name, places }
    }

    /// What a token has to allow at a place.
    pub(super) fn scope(place: &Endpoint) -> String {
        format!("repository:{}:pull", place.repository)
    }

    /// Brings what is missing into the store and gives it its name.
    pub(super) fn run(&self, selection: &Selection) -> Result<StoredImage, RegistryError> {
        let (root, bytes) = self.root()?;
        let image = self.name.to_string();
        let load = &mut |item: &Item| self.child(item).map(Some);
        let walker = Walker { image: &image, selection, limits: self.store.limits(), load };
        let parts = walker.walk(root.clone(), bytes)?;
        self.blobs(&parts)?;
        for (item, bytes) in &parts.documents {
            self.store.put(item, bytes, &|| self.session.stopped())?;
        }
        self.store.set_name(self.name, &root)?;
        Ok(self.store.stored(self.name, root.digest))
    }

    /// What the name means at the registry now.
    pub(super) fn digest(&self) -> Result<ContentDigest, RegistryError> {
        Ok(self.root()?.0.digest)
    }

    /// The manifest or index that the name means. One that is named by its digest and is in the
    /// store is not asked for.
    fn root(&self) -> Result<(Item, Vec<u8>), RegistryError> {
        if self.name.digest().is_some()
            && let Some(item) = self.store.root(self.name)?
            && let Some(bytes) = self.store.document(&item)?
        {
            return Ok((item, bytes));
        }
        let wanted = self.name.wanted();
        let what = format!("{}:{wanted}", self.name.repository());
        let what = if self.name.digest().is_some() { what.replacen(':', "@", 1) } else { what };
        let limit = self.store.limits().document_bytes;
        let (bytes, headers) = self.document(&wanted, &what, limit, self.name.digest())?;
        let promised = header(&headers, DIGEST).and_then(|text| text.parse().ok());
        let kind = promised.unwrap_or(ContentDigest::Sha256([0; 32]));
        let digest = self.name.digest().copied().unwrap_or(kind.of_same_kind(&bytes));
        if promised.is_some_and(|promised| promised.of_same_kind(&bytes) != promised) {
            let problem = "the manifest does not have the digest in the reply's head".to_owned();
            let host = self.name.host().to_owned();
            return Err(RegistryError::Protocol { host, what, problem });
        }
        let own = media_type(&bytes, &what)?;
        let kind = header(&headers, CONTENT_TYPE.as_str()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        let known = MANIFESTS.split(", ").any(|known| known == kind);
        let media_type = if known { kind.to_owned() } else { own };
        Ok((Item { media_type, digest, size: bytes.len() as u64 }, bytes))
    }

    /// A manifest that an index refers to.
    fn child(&self, item: &Item) -> Result<Vec<u8>, RegistryError> {
        if let Some(bytes) = self.store.document(item)? {
            return Ok(bytes);
        }
        let what = format!("manifest {}", item.digest);
        let limit = self.store.limits().document_bytes;
        if item.size > limit {
            let host = self.name.host().to_owned();
            return Err(RegistryError::TooLarge { host, what, limit });
        }
        let digest = item.digest.to_string();
        Ok(self.document(&digest, &what, item.size, Some(&item.digest))?.0)
    }

    /// A document of at most `limit` bytes, with the digest if that is known, from anywhere.
    fn document(
        &self,
        reference: &str,
        what: &str,
        limit: u64,
        digest: Option<&ContentDigest>,
    ) -> Result<(Vec<u8>, HeaderMap), RegistryError> {
        self.session.anywhere(&self.places, |place| {
            let mut ask = Ask::new(Method::GET, place.url(&format!("manifests/{reference}")), what);
            ask.headers.push((ACCEPT, MANIFESTS.to_owned()));
            let mut reply = self.session.exchange(place, &Self::scope(place), &ask)?;
            let bytes =
                document(&mut reply, &place.host, what, limit).map_err(|unread| match unread {
                    Unread::Broken(error) => self.session.broken(&place.host, what, error.into()),
                    Unread::Useless(error) => error.into(),
                })?;
            if let Some(expected) = digest {
                let actual = expected.of_same_kind(&bytes);
                if actual != *expected {
                    let problem = format!("its digest is {actual}");
                    let (host, what) = (place.host.clone(), what.to_owned());
                    return Err(RegistryError::Protocol { host, what, problem }.into());
                }
            }
            Ok((bytes, reply.headers().clone()))
        })
    }

    /// Brings all blobs, several at a time. Of several errors that of the first blob counts.
    fn blobs(&self, parts: &Parts) -> Result<(), RegistryError> {
        let missing: Vec<_> = parts.blobs.iter().filter(|item| !self.store.has(item)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let total = missing.iter().map(|item| item.size).fold(0, u64::saturating_add);
        let observer = self.session.observer;
        observer.begin(Phase::Fetch, Some(total));
        let next = AtomicUsize::new(0);
        let failures = Mutex::new(Vec::new());
        let work = || {
            while let Some((index, item)) = next_item(&next, &missing) {
                if self.session.stopped() {
                    break;
                }
                if let Err(error) = self.blob(item) {
                    lock(&failures).push((index, error));
                    self.session.stop();
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..self.session.settings.parallel.get().min(missing.len()) {
                scope.spawn(work);
            }
            work();
        });
        observer.end(Phase::Fetch);
        let mut failures = lock(&failures);
        failures.sort_by_key(|(index, error)| (matches!(error, RegistryError::Cancelled), *index));
        if failures.is_empty() { Ok(()) } else { Err(failures.swap_remove(0).1) }
    }
}

/// The next thing to do of a list that several threads share.
pub(super) fn next_item<'a, T>(next: &AtomicUsize, all: &[&'a T]) -> Option<(usize, &'a T)> {
    let index = next.fetch_add(1, Ordering::Relaxed);
    all.get(index).map(|item| (index, *item))
}

/// A header's value, if it is text.
pub(super) fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

impl From<Failure> for RegistryError {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}
