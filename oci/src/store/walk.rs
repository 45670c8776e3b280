//! What an image consists of, from its manifest or index down.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::digest::ContentDigest;
use crate::error::{DocumentProblem, Error};
use crate::json::{self, Descriptor, MediaType};
use crate::layout::choose_platform;
use crate::limits::Limits;

/// Indexes within indexes.
const DEPTH_MAX: usize = 4;
/// Manifests and indexes of one image.
const DOCUMENTS_MAX: usize = 1024;
/// Configs and layers of one image for all platforms.
const BLOBS_MAX: usize = 16384;

/// Which images of an index are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Selection {
    /// The one for Linux on this architecture, by its OCI (Go) name. An image that is alone is
    /// meant whatever it is for.
    Architecture(String),
    /// All, with what describes them.
    All,
}

/// A blob as a descriptor promises it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) media_type: String,
    pub(crate) digest: ContentDigest,
    pub(crate) size: u64,
}

/// The parts of an image.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    /// Manifests and indexes with their bytes, those that are referred to first.
    pub(crate) documents: Vec<(Item, Vec<u8>)>,
    /// Configs and layers, each once.
    pub(crate) blobs: Vec<Item>,
    /// Documents that could not be looked at.
    pub(crate) missing: Vec<Item>,
}

/// A manifest or an index; which one is told by what it has.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    #[serde(default)]
    schema_version: Option<u64>,
    #[serde(default)]
    media_type: Option<String>,
    #[serde(default)]
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Vec<Descriptor>,
    #[serde(default)]
    manifests: Vec<Descriptor>,
}

/// Gives the bytes of a document.
type Load<'a, E> = dyn FnMut(&Item) -> Result<Option<Vec<u8>>, E> + 'a;

/// Walks through an image.
pub(crate) struct Walker<'a, E> {
    /// Its name in errors.
    pub(crate) image: &'a str,
    pub(crate) selection: &'a Selection,
    pub(crate) limits: &'a Limits,
    /// Gives a document's bytes, already compared with digest and size; `None` when it is missing
    /// and that is no reason to stop.
    pub(crate) load: &'a mut Load<'a, E>,
}

impl<E: From<Error>> Walker<'_, E> {
    /// Finds all parts of the image whose manifest or index is `root`.
    pub(crate) fn walk(mut self, root: Item, bytes: Vec<u8>) -> Result<Parts, E> {
        let (mut parts, mut seen) = (Parts::default(), BTreeSet::new());
        self.visit(root, bytes, 0, &mut parts, &mut seen)?;
        Ok(parts)
    }

    fn visit(
        &mut self,
        item: Item,
        bytes: Vec<u8>,
        depth: usize,
        parts: &mut Parts,
        seen: &mut BTreeSet<ContentDigest>,
    ) -> Result<(), E> {
        let title = format!("{}: manifest {}", self.image, item.digest);
        let document: Document = json::parse(&bytes, &title)?;
        if let Some(version) = document.schema_version.filter(|version| *version != 2) {
            let problem = DocumentProblem::Version { found: version.to_string(), expected: "2" };
            return Err(Error::Document { document: title, problem }.into());
        }
        let typed = document.media_type.as_deref().unwrap_or(&item.media_type);
        let is_index = match MediaType::of(typed) {
            MediaType::Index => true,
            MediaType::Manifest => false,
            _ => !document.manifests.is_empty(),
        };
        if is_index {
            for child in self.chosen(&document, &title, depth)? {
                let child = self.item(&child, &title)?;
                if !seen.insert(child.digest) {
                    continue;
                }
                if seen.len() > DOCUMENTS_MAX {
                    let limit = DOCUMENTS_MAX as u64;
                    return Err(Error::Limit { what: "manifests", limit }.into());
                }
                match (self.load)(&child)? {
                    Some(bytes) => self.visit(child, bytes, depth + 1, parts, seen)?,
                    None => parts.missing.push(child),
                }
            }
        } else {
            self.add_blobs(&document, &title, parts, seen)?;
        }
        parts.documents.push((item, bytes));
        Ok(())
    }

    fn chosen(
        &self,
        index: &Document,
        title: &str,
        depth: usize,
    ) -> Result<Vec<Descriptor>, Error> {
        let failed = |problem| Error::Document { document: title.to_owned(), problem };
        match self.selection {
            Selection::All if depth < DEPTH_MAX => Ok(index.manifests.clone()),
            Selection::Architecture(architecture) if depth == 0 => {
                let all: Vec<_> = index.manifests.iter().collect();
                Ok(vec![choose_platform(&all, architecture).map_err(failed)?])
            }
            _ => Err(failed(DocumentProblem::NestedIndex { digest: title.to_owned() })),
        }
    }

    fn add_blobs(
        &self,
        manifest: &Document,
        title: &str,
        parts: &mut Parts,
        seen: &mut BTreeSet<ContentDigest>,
    ) -> Result<(), Error> {
        let failed = |problem| Error::Document { document: title.to_owned(), problem };
        let (layers, limit) = (manifest.layers.len(), self.limits.layers);
        if layers > limit {
            return Err(failed(DocumentProblem::TooManyLayers { layers, limit }));
        }
        let Some(config) = &manifest.config else {
            let found = manifest.media_type.clone().unwrap_or_default();
            let expected = "an image manifest or an image index";
            return Err(failed(DocumentProblem::MediaType { found, expected }));
        };
        for descriptor in std::iter::once(config).chain(&manifest.layers) {
            let item = self.item(descriptor, title)?;
            if seen.insert(item.digest) {
                parts.blobs.push(item);
            }
        }
        if parts.blobs.len() > BLOBS_MAX {
            return Err(Error::Limit { what: "blobs", limit: BLOBS_MAX as u64 });
        }
        Ok(())
    }

    fn item(&self, descriptor: &Descriptor, title: &str) -> Result<Item, Error> {
        let digest = json::digest(&descriptor.digest, title)?;
        Ok(Item { media_type: descriptor.media_type.clone(), digest, size: descriptor.size })
    }
}

/// The media type that a manifest or index gives itself, or that its content suggests.
pub(crate) fn media_type(bytes: &[u8], title: &str) -> Result<String, Error> {
    let document: Document = json::parse(bytes, title)?;
    let guess = if document.manifests.is_empty() { "manifest" } else { "index" };
    Ok(document.media_type.unwrap_or_else(|| format!("application/vnd.oci.image.{guess}.v1+json")))
}
