//! Where the images of a project are: the one place that knows.
//!
//! A name that says where the image is (`oci:DIR`, `docker-archive:FILE`) is taken at its word. Any
//! other is looked up in the store, and what the store has is used as it is; what it lacks comes
//! from a registry, if there may be a connection.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use bootwright_image::{BoxError, Observer};
use bootwright_oci::store::{Lookup, StoreError};
use bootwright_oci::{ImageName as RegistryName, Reference, ReferenceError, Selection, Store};

use super::image_name::ImageName;
use super::luet;
use crate::dockerfile::{self, Platform};

/// Brings images from registries into a store.
pub type Fetch = Arc<
    dyn Fn(&[RegistryName], &Selection, &Store, &dyn Observer) -> Result<(), BoxError>
        + Send
        + Sync,
>;

/// What stands behind the names of images.
#[derive(Clone, Default)]
pub struct Images {
    /// The store.
    pub store: Option<Store>,
    /// Who asks registries; nobody when no connection may be made.
    pub fetch: Option<Fetch>,
}

impl fmt::Debug for Images {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Images")
            .field("store", &self.store)
            .field("fetches", &self.fetch.is_some())
            .finish()
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
    /// The store.
    #[error("cannot use the image store")]
    Store(#[from] StoreError),
    /// A registry.
    #[error("cannot get images from registries")]
    Registry(#[source] BoxError),
}

fn missing(names: &[String]) -> String {
    let what = if names.len() == 1 { "an image is" } else { "images are" };
    let list: String = names.iter().map(|name| format!("\n  {name}")).collect();
    format!("{what} missing:{list}")
}

/// Finds images for one project and one architecture.
pub(super) struct Finder<'a> {
    pub(super) images: &'a Images,
    /// What relative paths are meant from.
    pub(super) folder: &'a Path,
    /// Whose image of several is taken, by its OCI name.
    pub(super) architecture: String,
    pub(super) observer: &'a dyn Observer,
}

impl Finder<'_> {
    /// Where all of these are.
    ///
    /// # Errors
    /// [`ImagesError::Missing`] with everything that is missing, not the first of it.
    pub(super) fn all(
        &self,
        names: &[ImageName],
    ) -> Result<BTreeMap<ImageName, Reference>, ImagesError> {
        let mut found = BTreeMap::new();
        let (mut remote, mut absent) = (Vec::new(), Vec::new());
        for name in names {
            match self.reference(name)? {
                Reference::Registry(wanted) => match self.stored(&wanted)? {
                    Some(reference) => drop(found.insert(name.clone(), reference)),
                    None => remote.push((name, wanted)),
                },
                local if is_there(&local) => drop(found.insert(name.clone(), local)),
                _ => absent.push(name.to_string()),
            }
        }
        if let (Some(fetch), Some(store), true) =
            (&self.images.fetch, &self.images.store, absent.is_empty() && !remote.is_empty())
        {
            let wanted: Vec<_> = remote.iter().map(|(_, name)| name.clone()).collect();
            fetch(&wanted, &self.selection(), store, self.observer)
                .map_err(ImagesError::Registry)?;
        }
        let may_fetch = self.images.fetch.is_some() && !absent.is_empty();
        for (name, wanted) in remote {
            match self.stored(&wanted)? {
                Some(reference) => drop(found.insert(name.clone(), reference)),
                None if may_fetch => {}
                None => absent.push(format!("docker://{wanted}")),
            }
        }
        absent.sort();
        absent.dedup();
        if absent.is_empty() { Ok(found) } else { Err(ImagesError::Missing(absent)) }
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

    fn stored(&self, name: &RegistryName) -> Result<Option<Reference>, ImagesError> {
        let Some(store) = &self.images.store else { return Ok(None) };
        Ok(match store.find(name, &self.selection())? {
            Lookup::Complete(image) => Some(image.reference),
            _ => None,
        })
    }

    fn selection(&self) -> Selection {
        Selection::Architecture(self.architecture.clone())
    }
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
}
