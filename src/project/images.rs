//! Where the images of a project are: the one place that knows.
//!
//! A name that says where the image is (`oci:DIR`, `docker-archive:FILE`) is taken at its word. Any
//! other means what the project's lock says. It is looked up in the store, and what the store has is
//! used as it is; what it lacks comes from a registry, if there may be a connection.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use bootwright_image::{BoxError, Observer};
use bootwright_oci::store::{Lookup, StoreError, StoredImage};
use bootwright_oci::{
    ContentDigest, ImageName as RegistryName, Reference, ReferenceError, Selection, Store,
};

use super::image_name::ImageName;
use super::load::Project;
use super::lock::{LOCK_FILE, Lock};
use super::luet;
use super::run::Settings;
use crate::dockerfile::{self, Platform};
use crate::recipe::Architecture;

/// Asks registries.
pub trait Registries: Send + Sync {
    /// Brings images into a store.
    ///
    /// # Errors
    /// Why one cannot be had.
    fn pull(
        &self,
        names: &[RegistryName],
        selection: &Selection,
        store: &Store,
        observer: &dyn Observer,
    ) -> Result<(), BoxError>;

    /// What a name means now.
    ///
    /// # Errors
    /// Why that is not known.
    fn digest(
        &self,
        name: &RegistryName,
        store: &Store,
        observer: &dyn Observer,
    ) -> Result<ContentDigest, BoxError>;
}

/// What stands behind the names of images.
#[derive(Clone, Default)]
pub struct Images {
    /// The store.
    pub store: Option<Store>,
    /// Who asks registries; nobody when no connection may be made.
    pub registries: Option<Arc<dyn Registries>>,
    /// What names mean, whatever the store or registries say.
    pub lock: Lock,
    /// Whether a name that the lock does not have is an error.
    pub locked: bool,
}

impl fmt::Debug for Images {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Images")
            .field("store", &self.store)
            .field("asks_registries", &self.registries.is_some())
            .field("locked", &self.locked)
            .finish_non_exhaustive()
    }
}

/// Why images are not at hand.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImagesError {
    /// A name that is none.
    #[error("{name:?} cannot be used")]
    Name {
        /// The name.
        name: String,
        /// The cause.
        source: ReferenceError,
    },
    /// Images that are nowhere.
    #[error("{}", missing(.0))]
    Missing(Vec<String>),
    /// Images that the lock should have.
    #[error("{LOCK_FILE} lacks{}", lines(.0))]
    NotLocked(Vec<String>),
    /// The store.
    #[error("cannot use the image store")]
    Store(#[from] StoreError),
    /// A registry.
    #[error("cannot get images from registries")]
    Registry(#[source] BoxError),
}

fn missing(names: &[String]) -> String {
    let what = if names.len() == 1 { "an image is" } else { "images are" };
    format!("{what} missing:{}", lines(names))
}

fn lines(names: &[String]) -> String {
    names.iter().map(|name| format!("\n  {name}")).collect()
}

/// Finds images for one project and one architecture.
pub(super) struct Finder<'a> {
    pub(super) images: &'a Images,
    /// What relative paths are meant from.
    pub(super) folder: &'a Path,
    /// Whose image of several is taken, by its OCI name.
    pub(super) architecture: String,
    /// Whether registries are asked for names that are not locked, even if the store has them.
    pub(super) renews: bool,
    pub(super) observer: &'a dyn Observer,
    /// What names turned out to mean.
    pub(super) seen: RefCell<BTreeMap<RegistryName, ContentDigest>>,
}

impl<'a> Finder<'a> {
    /// For a project's images of one architecture.
    pub(super) fn new(
        project: &'a Project,
        settings: &'a Settings,
        architecture: Architecture,
        observer: &'a dyn Observer,
    ) -> Self {
        Self {
            images: &settings.images,
            folder: &project.folder,
            architecture: architecture.oci_name().to_owned(),
            renews: false,
            observer,
            seen: RefCell::default(),
        }
    }
}

/// A name that is looked for.
struct Wanted<'n> {
    name: &'n ImageName,
    /// As the project says it.
    given: RegistryName,
    /// With its digest, where that is known.
    meant: RegistryName,
}

impl Finder<'_> {
    /// Where all of these are.
    ///
    /// # Errors
    /// [`ImagesError::Missing`] with everything that is missing, not the first of it;
    /// [`ImagesError::NotLocked`] likewise.
    pub(super) fn all(
        &self,
        names: &[ImageName],
    ) -> Result<BTreeMap<ImageName, Reference>, ImagesError> {
        let mut found = BTreeMap::new();
        let (mut remote, mut absent, mut unlocked) = (Vec::new(), Vec::new(), Vec::new());
        for name in names {
            let given = match self.reference(name)? {
                Reference::Registry(given) => given,
                local if is_there(&local) => {
                    found.insert(name.clone(), local);
                    continue;
                }
                _ => {
                    absent.push(name.to_string());
                    continue;
                }
            };
            let Some(meant) = self.meant(&given) else {
                unlocked.push(format!("docker://{given}"));
                continue;
            };
            let renew = self.renews && meant.digest().is_none() && self.images.registries.is_some();
            match if renew { None } else { self.stored(&meant)? } {
                Some(image) => drop(found.insert(name.clone(), self.note(&given, image))),
                None => remote.push(Wanted { name, given, meant }),
            }
        }
        if !unlocked.is_empty() {
            return Err(ImagesError::NotLocked(sorted(unlocked)));
        }
        let fetches = self.images.registries.is_some();
        if fetches && absent.is_empty() {
            self.pull(&remote)?;
        }
        for wanted in &remote {
            // While something else is missing, what can be fetched is not.
            let may_come = fetches && !absent.is_empty();
            match self.stored(&wanted.meant)? {
                Some(image) => {
                    found.insert(wanted.name.clone(), self.note(&wanted.given, image));
                }
                None if may_come => {}
                None => absent.push(self.describe(wanted)?),
            }
        }
        if absent.is_empty() { Ok(found) } else { Err(ImagesError::Missing(sorted(absent))) }
    }

    /// The name with the digest that it means; as it is if nothing is said about it, `None` if
    /// something should be.
    fn meant(&self, given: &RegistryName) -> Option<RegistryName> {
        let images = self.images;
        let seen = self.seen.borrow().get(given).copied();
        if let Some(digest) = seen.or_else(|| images.lock.get(given, &self.architecture)) {
            return Some(given.with_digest(digest));
        }
        if given.digest().is_none() && images.locked {
            return None;
        }
        if given.digest().is_none() && !images.lock.is_empty() && !self.renews {
            let text = "bootwright fetch adds what it means";
            self.observer.warn(format_args!("{given} is not in {LOCK_FILE}: {text}"));
        }
        Some(given.clone())
    }

    fn pull(&self, wanted: &[Wanted<'_>]) -> Result<(), ImagesError> {
        let (Some(registries), Some(store)) = (&self.images.registries, &self.images.store) else {
            return Ok(());
        };
        let names: Vec<_> = wanted.iter().map(|wanted| wanted.meant.clone()).collect();
        if names.is_empty() {
            return Ok(());
        }
        registries
            .pull(&names, &self.selection(), store, self.observer)
            .map_err(ImagesError::Registry)
    }

    /// Remembers what a name means.
    fn note(&self, given: &RegistryName, image: StoredImage) -> Reference {
        self.seen.borrow_mut().insert(given.clone(), image.digest);
        image.reference
    }

    /// What is missing, in words.
    fn describe(&self, wanted: &Wanted<'_>) -> Result<String, ImagesError> {
        let given = &wanted.given;
        let Some(digest) = wanted.meant.digest().filter(|_| given.digest().is_none()) else {
            return Ok(format!("docker://{given}"));
        };
        let other = self.stored(given)?.map(|image| format!("; the store has {}", image.digest));
        Ok(format!("docker://{given} as {digest}{}", other.unwrap_or_default()))
    }

    /// Where this one is.
    pub(super) fn one(&self, name: &ImageName) -> Result<Reference, ImagesError> {
        let found = self.all(std::slice::from_ref(name))?;
        let reference = found.into_values().next();
        reference.ok_or_else(|| ImagesError::Missing(vec![name.to_string()]))
    }

    fn reference(&self, name: &ImageName) -> Result<Reference, ImagesError> {
        let wrong = |source| ImagesError::Name { name: name.to_string(), source };
        name.reference(self.folder).map_err(wrong)
    }

    pub(super) fn stored(&self, name: &RegistryName) -> Result<Option<StoredImage>, ImagesError> {
        let Some(store) = &self.images.store else { return Ok(None) };
        Ok(match store.find(name, &self.selection())? {
            Lookup::Complete(image) => Some(*image),
            _ => None,
        })
    }

    fn selection(&self) -> Selection {
        Selection::Architecture(self.architecture.clone())
    }
}

fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort();
    names.dedup();
    names
}

fn is_there(reference: &Reference) -> bool {
    let path = match reference {
        Reference::Layout { dir, .. } => dir,
        Reference::OciArchive { file, .. } | Reference::DockerArchive { file, .. } => file,
        Reference::Directory(path) | Reference::Tar(path) => path,
        _ => return false,
    };
    path.exists()
}

impl dockerfile::Images for Finder<'_> {
    fn image(&self, name: &str, _: &Platform) -> Result<Reference, BoxError> {
        Ok(self.one(&ImageName::new(name))?)
    }
}

impl luet::Images for Finder<'_> {
    fn image(&self, name: &str) -> Result<Reference, BoxError> {
        Ok(self.one(&ImageName::new(name))?)
    }

    fn need(&self, names: &[String]) -> Result<(), BoxError> {
        let names: Vec<_> = names.iter().map(|name| ImageName::new(name)).collect();
        Ok(self.all(&names).map(drop)?)
    }
}
