//! `bootwright fetch` in a project: fills the store with everything that targets take, and notes
//! in the lock what the names mean.

use bootwright_image::Observer;
use bootwright_oci::{ContentDigest, ImageName as RegistryName};

use super::images::ImagesError;
use super::load::Project;
use super::lock::Lock;
use super::plan::{Plan, Planned};
use super::run::{RunError, Settings, gather};

/// What was fetched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fetched {
    /// The images, sorted: name, architecture, digest.
    pub images: Vec<(RegistryName, String, ContentDigest)>,
    /// Names that mean something else at their registry than the lock says: name and what it means
    /// there.
    pub moved: Vec<(RegistryName, ContentDigest)>,
}

impl Fetched {
    /// The lock with what was fetched. What else was locked before stays: it may be another
    /// target's.
    #[must_use]
    pub fn lock(&self, before: &Lock) -> Lock {
        let mut lock = before.clone();
        for (name, architecture, digest) in &self.images {
            lock.set(name, architecture, *digest);
        }
        lock
    }
}

/// Brings everything that the plans take into the store. What `settings` have locked stays what it
/// is, even if its name means something else by now; other names are asked for at their registries.
/// Without registries, the store has to have everything.
///
/// # Errors
/// [`RunError`]; what is missing is told at once.
pub fn fetch(
    project: &Project,
    plans: &[Plan],
    settings: &Settings,
    observer: &dyn Observer,
) -> Result<Fetched, RunError> {
    let steps: Vec<&Planned> = plans.iter().flat_map(|plan| &plan.steps).collect();
    let gathered = gather(project, &steps, settings, true, observer)?;
    let images = &settings.images;
    let mut fetched = Fetched::default();
    for ((name, architecture), digest) in gathered.meanings {
        if let Some(store) = &images.store
            && name.digest().is_none()
            && !store.list().map_err(ImagesError::from)?.iter().any(|e| e.name == name.to_string())
        {
            store.give_name(&name, digest).map_err(ImagesError::from)?;
        }
        if images.lock.get(&name, &architecture).is_some()
            && let Some(now) = meaning(&name, settings, observer)?.filter(|now| *now != digest)
        {
            fetched.moved.push((name.clone(), now));
        }
        fetched.images.push((name, architecture, digest));
    }
    Ok(fetched)
}

/// What a name means at its registry. One that cannot be asked is no reason to stop: the image is
/// there.
fn meaning(
    name: &RegistryName,
    settings: &Settings,
    observer: &dyn Observer,
) -> Result<Option<ContentDigest>, RunError> {
    let images = &settings.images;
    let (Some(registries), Some(store)) = (&images.registries, &images.store) else {
        return Ok(None);
    };
    if observer.cancelled() {
        let error = "stopped; what has come so far is kept for the next time";
        return Err(ImagesError::Registry(error.into()).into());
    }
    match registries.digest(name, store, observer) {
        Ok(digest) => Ok(Some(digest)),
        Err(error) => {
            observer.warn(format_args!("{name} cannot be compared with its registry: {error}"));
            Ok(None)
        }
    }
}
