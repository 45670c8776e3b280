//! A folder of images that stands in for any registry.
//!
//! ```text
//!   oci-layout                     an OCI image layout like any other
//!   index.json                     full name -> manifest or index
//!   index.json.lock                held while the index is changed
//!   blobs/sha256/<hex>             complete: compared with digest and size before it got its name
//!   partial/<hex>.partial          on its way; locked by the process that writes it
//! ```
//!
//! Several processes may use one store at the same time.

mod error;
mod import;
mod index;
mod partial;
mod walk;

use std::path::{Path, PathBuf};

pub use error::StoreError;
pub(crate) use partial::Partial;
pub use walk::Selection;
pub(crate) use walk::{Item, Parts, Walker, media_type};

use crate::archive::read_document;
use crate::digest::ContentDigest;
use crate::error::Error;
use crate::limits::Limits;
use crate::name::ImageName;
use crate::reference::Reference;
use crate::source::Location;

/// An image store; see the [module](self).
#[derive(Clone, Debug)]
pub struct Store {
    dir: PathBuf,
    limits: Limits,
}

/// An image that is in the store with all its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredImage {
    /// Its name, complete.
    pub name: ImageName,
    /// The digest of its manifest, or of its index when it has one.
    pub digest: ContentDigest,
    /// Where [`Stack::add_image`](crate::Stack::add_image) reads it. It names the digest, so it
    /// stays the same image when another process gives the name to a newer one.
    pub reference: Reference,
}

/// What the store knows about a name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lookup {
    /// All of it is there.
    Complete(Box<StoredImage>),
    /// The name is known, but these parts are missing.
    Incomplete(Vec<ContentDigest>),
    /// The name is not known.
    Absent,
}

/// A name in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// The name as the index has it.
    pub name: String,
    /// The digest of its manifest or index.
    pub digest: ContentDigest,
}

impl Store {
    /// Opens the store in `dir`, making what is missing.
    ///
    /// # Errors
    /// [`StoreError::Io`] when the folder cannot be made or written to.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        for folder in ["blobs/sha256", "blobs/sha512", "partial"] {
            let path = dir.join(folder);
            std::fs::create_dir_all(&path).map_err(StoreError::io("make", &path))?;
        }
        let mark = dir.join("oci-layout");
        if !mark.exists() {
            let text = r#"{"imageLayoutVersion":"1.0.0"}"#;
            std::fs::write(&mark, text).map_err(StoreError::io("write", &mark))?;
        }
        index::create(dir)?;
        Ok(Self { dir: dir.to_owned(), limits: Limits::default() })
    }

    /// The folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// All names, sorted.
    ///
    /// # Errors
    /// [`StoreError`] when the index cannot be read.
    pub fn list(&self) -> Result<Vec<Entry>, StoreError> {
        let named = index::read(&self.dir, &self.limits)?;
        let mut entries: Vec<_> =
            named.into_iter().map(|(name, item)| Entry { name, digest: item.digest }).collect();
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    /// Looks an image up. A name with a digest means that content, whatever name it came with.
    ///
    /// # Errors
    /// [`StoreError`] when index, manifest or blobs cannot be read or are damaged, or when there is
    /// no image for the architecture.
    pub fn find(&self, name: &ImageName, selection: &Selection) -> Result<Lookup, StoreError> {
        let Some(root) = self.root(name)? else { return Ok(Lookup::Absent) };
        let parts = self.parts(&root, &name.to_string(), selection)?;
        let lacking = parts.blobs.iter().filter(|item| !self.has(item)).chain(&parts.missing);
        let missing: Vec<_> = lacking.map(|item| item.digest).collect();
        if missing.is_empty() && !parts.documents.is_empty() {
            return Ok(Lookup::Complete(Box::new(self.stored(name, root.digest))));
        }
        Ok(Lookup::Incomplete(if missing.is_empty() { vec![root.digest] } else { missing }))
    }

    /// Lets a name mean content that is there already. Gives back whether it is.
    ///
    /// # Errors
    /// [`StoreError`] when the content is damaged or the index cannot be changed.
    pub fn give_name(&self, name: &ImageName, digest: ContentDigest) -> Result<bool, StoreError> {
        let Some(root) = self.root(&name.with_digest(digest))? else { return Ok(false) };
        self.set_name(name, &root)?;
        Ok(true)
    }

    /// Makes a name unknown. Blobs stay.
    ///
    /// # Errors
    /// [`StoreError`] when the index cannot be changed.
    pub fn remove(&self, name: &ImageName) -> Result<(), StoreError> {
        index::set(&self.dir, &name.to_string(), None, &self.limits)
    }

    /// Lets a name mean an image whose parts are in the store.
    pub(crate) fn set_name(&self, name: &ImageName, item: &Item) -> Result<(), StoreError> {
        index::set(&self.dir, &name.to_string(), Some(item), &self.limits)
    }

    pub(crate) fn stored(&self, name: &ImageName, digest: ContentDigest) -> StoredImage {
        let tag = Some(format!("@{digest}"));
        let reference = Reference::Layout { dir: self.dir.clone(), tag };
        StoredImage { name: name.clone(), digest, reference }
    }

    /// The manifest or index that a name means.
    pub(crate) fn root(&self, name: &ImageName) -> Result<Option<Item>, StoreError> {
        let Some(digest) = name.digest() else {
            let text = name.to_string();
            let named = index::read(&self.dir, &self.limits)?;
            let found = named.into_iter().find(|(known, _)| *known == text);
            return Ok(found.map(|(_, item)| item));
        };
        let Ok(blob) = std::fs::metadata(self.blob_path(digest)) else { return Ok(None) };
        let mut item = Item { media_type: String::new(), digest: *digest, size: blob.len() };
        if let Some(bytes) = self.document(&item)? {
            item.media_type = media_type(&bytes, &name.to_string())?;
        }
        Ok(Some(item))
    }

    /// What the image consists of, as far as its documents are there.
    pub(crate) fn parts(
        &self,
        root: &Item,
        image: &str,
        selection: &Selection,
    ) -> Result<Parts, StoreError> {
        let Some(bytes) = self.document(root)? else { return Ok(Parts::default()) };
        let load = &mut |item: &Item| self.document(item);
        Walker { image, selection, limits: &self.limits, load }.walk(root.clone(), bytes)
    }

    /// A document's bytes, compared with size and digest; `None` when it is not there.
    pub(crate) fn document(&self, item: &Item) -> Result<Option<Vec<u8>>, StoreError> {
        if !self.has(item) {
            return Ok(None);
        }
        let title = format!("{}: {}", self.dir.display(), item.digest);
        let location = Location::file(&self.blob_path(&item.digest))?;
        let bytes = read_document(&location, &title, &self.limits)?;
        let actual = item.digest.of_same_kind(&bytes);
        if actual != item.digest {
            let (expected, actual) = (Box::new(item.digest), Box::new(actual));
            return Err(Error::Digest { blob: title, expected, actual }.into());
        }
        Ok(Some(bytes))
    }

    /// Whether a blob is there with the right size.
    pub(crate) fn has(&self, item: &Item) -> bool {
        partial::is_complete(&self.blob_path(&item.digest), item)
    }

    /// Keeps a document whose digest is known to be right.
    pub(crate) fn put(
        &self,
        item: &Item,
        bytes: &[u8],
        cancelled: &dyn Fn() -> bool,
    ) -> Result<(), StoreError> {
        if let Some(mut blob) = self.begin(item, cancelled)? {
            blob.restart()?;
            blob.append(bytes)?;
            blob.finish()?;
        }
        Ok(())
    }

    /// Starts or continues a blob; `None` when it is complete.
    pub(crate) fn begin(
        &self,
        item: &Item,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Option<Partial>, StoreError> {
        let name = item.digest.to_string();
        let hex = name.split_once(':').map_or(name.as_str(), |(_, hex)| hex);
        let path = self.dir.join("partial").join(format!("{hex}.partial"));
        Partial::open(path, self.blob_path(&item.digest), item, cancelled)
    }

    pub(crate) fn blob_path(&self, digest: &ContentDigest) -> PathBuf {
        self.dir.join(digest.blob_path())
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }
}
