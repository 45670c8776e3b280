//! From a store into a registry.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;

use bootwright_image::Phase;
use ureq::http::Method;
use ureq::http::header::CONTENT_TYPE;

use super::ask::{Ask, Payload};
use super::endpoint::Endpoint;
use super::error::RegistryError;
use super::pull::next_item;
use super::session::{Session, lock};
use crate::digest::ContentDigest;
use crate::name::ImageName;
use crate::store::{Item, Parts, Selection, Store, StoreError, media_type};

/// What a push did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pushed {
    /// The digest of the manifest or index.
    pub digest: Option<ContentDigest>,
    /// Blobs that were sent.
    pub sent: usize,
    /// Blobs that the registry took from another repository.
    pub mounted: usize,
    /// Blobs that were there.
    pub present: usize,
    /// Bytes of blobs that were sent.
    pub bytes: u64,
}

/// How a blob got to its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    Present,
    Mounted,
    Sent,
}

/// One image on its way out.
pub(super) struct Push<'a> {
    pub(super) session: &'a Session<'a>,
    pub(super) store: &'a Store,
    pub(super) place: Endpoint,
    /// Repositories of the same registry that should have a blob.
    pub(super) elsewhere: BTreeMap<ContentDigest, String>,
}

impl<'a> Push<'a> {
    pub(super) fn new(
        session: &'a Session<'a>,
        store: &'a Store,
        target: &ImageName,
    ) -> Result<Self, RegistryError> {
        let place = Endpoint::origin(session.settings, target.host(), target.repository());
        let elsewhere = elsewhere(store, target)?;
        Ok(Self { session, store, place, elsewhere })
    }

    /// What a token has to allow.
    pub(super) fn scope(&self) -> String {
        format!("repository:{}:pull,push", self.place.repository)
    }

    /// Sends what the registry lacks: blobs, then manifests, at last the one that is named.
    pub(super) fn run(
        &self,
        source: &ImageName,
        target: &ImageName,
        selection: &Selection,
    ) -> Result<Pushed, RegistryError> {
        let parts = self.parts(source, selection)?;
        let mut pushed = self.blobs(&parts.blobs)?;
        let Some(((root, bytes), children)) = parts.documents.split_last() else {
            return Ok(pushed);
        };
        for (item, bytes) in children {
            self.manifest(item, bytes, &item.digest.to_string())?;
        }
        let reference = target.tag().map_or_else(|| root.digest.to_string(), str::to_owned);
        self.manifest(root, bytes, &reference)?;
        pushed.digest = Some(root.digest);
        Ok(pushed)
    }

    /// The parts to send. An architecture of an index is sent alone, by its own manifest, since a
    /// registry takes no index whose images it lacks.
    fn parts(&self, source: &ImageName, selection: &Selection) -> Result<Parts, RegistryError> {
        let image = source.to_string();
        let incomplete = |first: ContentDigest, count: usize| StoreError::Incomplete {
            image: image.clone(),
            first: Box::new(first),
            count,
        };
        let root = self
            .store
            .root(source)?
            .ok_or_else(|| StoreError::Unknown { name: Box::new(source.clone()) })?;
        let mut parts = self.store.parts(&root, &image, selection)?;
        if *selection != Selection::All && parts.documents.len() > 1 {
            parts.documents.pop();
        }
        let lacking: Vec<_> = parts.blobs.iter().filter(|item| !self.store.has(item)).collect();
        let missing = parts.missing.iter().chain(lacking);
        let missing: Vec<_> = missing.map(|item| item.digest).collect();
        match missing.first() {
            Some(first) => Err(incomplete(*first, missing.len()).into()),
            None if parts.documents.is_empty() => Err(incomplete(root.digest, 1).into()),
            None => Ok(parts),
        }
    }

    fn blobs(&self, blobs: &[Item]) -> Result<Pushed, RegistryError> {
        let all: Vec<_> = blobs.iter().collect();
        let total = all.iter().map(|item| item.size).fold(0, u64::saturating_add);
        let observer = self.session.observer;
        observer.begin(Phase::Push, Some(total));
        let (next, results) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        let work = || {
            while let Some((index, item)) = next_item(&next, &all) {
                if self.session.stopped() {
                    break;
                }
                let result = self.blob(item);
                if result.is_err() {
                    self.session.stop();
                }
                lock(&results).push((index, result));
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..self.session.settings.parallel.get().min(all.len()) {
                scope.spawn(work);
            }
            work();
        });
        observer.end(Phase::Push);
        let mut results = results.into_inner().unwrap_or_default();
        let cancelled = |result: &Result<_, _>| matches!(result, Err(RegistryError::Cancelled));
        results.sort_by_key(|(index, result)| (cancelled(result), *index));
        let mut pushed = Pushed::default();
        for (index, result) in results {
            match result? {
                Arrival::Present => pushed.present += 1,
                Arrival::Mounted => pushed.mounted += 1,
                Arrival::Sent => {
                    pushed.sent += 1;
                    pushed.bytes += blobs[index].size;
                }
            }
        }
        Ok(pushed)
    }

    fn manifest(&self, item: &Item, bytes: &[u8], reference: &str) -> Result<(), RegistryError> {
        let what = format!("manifest {reference}");
        let mut ask =
            Ask::new(Method::PUT, self.place.url(&format!("manifests/{reference}")), &what);
        let typed = if item.media_type.is_empty() {
            media_type(bytes, &what)?
        } else {
            item.media_type.clone()
        };
        ask.headers.push((CONTENT_TYPE, typed));
        ask.payload = Payload::Bytes(bytes);
        self.session.repeated(self.session.settings.retry.attempts, || {
            self.session.exchange(&self.place, &self.scope(), &ask).map(drop)
        })
    }
}

/// Which blobs of the store should be in which other repository of the target's registry, by the
/// names that the store knows. Images that cannot be read are of no help.
fn elsewhere(
    store: &Store,
    target: &ImageName,
) -> Result<BTreeMap<ContentDigest, String>, RegistryError> {
    let mut found = BTreeMap::new();
    for entry in store.list()? {
        let Ok(name) = entry.name.parse::<ImageName>() else { continue };
        if name.host() != target.host() || name.repository() == target.repository() {
            continue;
        }
        let Ok(Some(root)) = store.root(&name) else { continue };
        let Ok(parts) = store.parts(&root, &entry.name, &Selection::All) else { continue };
        for item in parts.blobs {
            found.entry(item.digest).or_insert_with(|| name.repository().to_owned());
        }
    }
    Ok(found)
}
