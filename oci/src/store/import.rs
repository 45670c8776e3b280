//! Copies local images into the store, byte by byte: nothing is compressed anew.

use std::io::Read;

use bootwright_image::Observer;
use serde_json::json;

use super::error::StoreError;
use super::walk::{Item, Selection, Walker, media_type};
use super::{Store, StoredImage};
use crate::archive::{Archive, Store as Files};
use crate::compression::{Compression, MAGIC_LEN, read_up_to};
use crate::digest::{ContentDigest, Hasher};
use crate::docker;
use crate::error::{DocumentProblem, Error};
use crate::image::Reader;
use crate::json::{self, Index};
use crate::layout::{check_mark, choose_name, choose_platform};
use crate::name::ImageName;
use crate::reference::Reference;
use crate::source::{Location, TarSource};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
/// Bytes copied at once.
const CHUNK: usize = 1 << 18;

impl Store {
    /// Copies a local image into the store under `name`. Of an image for several platforms those
    /// that `selection` means are copied, and the index as it is. A docker archive gets a manifest;
    /// its layers stay as they are, compressed or not.
    ///
    /// # Errors
    /// [`StoreError`] when the image is damaged, is none or lacks parts, or cannot be written.
    pub fn import(
        &self,
        reference: &Reference,
        name: &ImageName,
        selection: &Selection,
        observer: &dyn Observer,
    ) -> Result<StoredImage, StoreError> {
        let limits = self.limits();
        let files = match reference {
            Reference::Layout { dir, .. } => Files::Folder(dir.clone()),
            Reference::OciArchive { file, .. } | Reference::DockerArchive { file, .. } => {
                Files::Archive(Archive::open(file, limits)?)
            }
            Reference::Registry(name) => {
                return Err(Error::NotLocal { name: Box::new(name.clone()) }.into());
            }
            Reference::Directory(_) | Reference::Tar(_) => {
                return Err(StoreError::NoImage { reference: reference.to_string() });
            }
        };
        let architecture = match selection {
            Selection::Architecture(architecture) => architecture,
            Selection::All => "",
        };
        let reader = Reader { store: files, name: reference.to_string(), architecture, limits };
        let import = Import { store: self, reader: &reader, observer };
        let root = match reference {
            Reference::DockerArchive { name, .. } => import.archive(name.as_deref())?,
            Reference::Layout { tag, .. } | Reference::OciArchive { tag, .. } => {
                import.layout(tag.as_deref(), selection)?
            }
            _ => return Err(StoreError::NoImage { reference: reference.to_string() }),
        };
        self.set_name(name, &root)?;
        Ok(self.stored(name, root.digest))
    }
}

struct Import<'a> {
    store: &'a Store,
    reader: &'a Reader<'a>,
    observer: &'a dyn Observer,
}

impl Import<'_> {
    fn layout(&self, tag: Option<&str>, selection: &Selection) -> Result<Item, StoreError> {
        let reader = self.reader;
        check_mark(reader)?;
        let root = self.root(tag)?;
        let load_document = |item: &Item| -> Result<Vec<u8>, StoreError> {
            let promised = Some((&item.digest, Some(item.size)));
            let title = format!("manifest {}", item.digest);
            Ok(reader.document(&item.digest.blob_path(), &title, promised)?)
        };
        let bytes = load_document(&root)?;
        let root = match root.media_type.as_str() {
            "" => Item { media_type: media_type(&bytes, &reader.name)?, ..root },
            _ => root,
        };
        let load = &mut |item: &Item| load_document(item).map(Some);
        let walker = Walker { image: &reader.name, selection, limits: reader.limits, load };
        let parts = walker.walk(root.clone(), bytes)?;
        for item in &parts.blobs {
            let path = item.digest.blob_path();
            let location = reader.store.find(&path, &reader.name, reader.limits)?;
            self.copy(item, &location)?;
        }
        for (item, bytes) in &parts.documents {
            self.store.put(item, bytes, &|| self.observer.cancelled())?;
        }
        Ok(root)
    }

    /// The manifest or index that a layout means by `tag`.
    fn root(&self, tag: Option<&str>) -> Result<Item, StoreError> {
        let reader = self.reader;
        let bytes = reader.document("index.json", "index.json", None)?;
        let index: Index = json::parse(&bytes, &format!("{}: index.json", reader.name))?;
        if let Some(digest) = tag.and_then(|tag| tag.strip_prefix('@')) {
            let digest = json::digest(digest, &reader.name)?;
            let size = reader.store.find(&digest.blob_path(), &reader.name, reader.limits)?.len;
            return Ok(Item { media_type: String::new(), digest, size });
        }
        let found = choose_name(&index.manifests, tag)
            .and_then(|named| choose_platform(&named, reader.architecture))
            .map_err(|problem| reader.problem("index.json", problem))?;
        let digest = json::digest(&found.digest, &reader.name)?;
        Ok(Item { media_type: found.media_type, digest, size: found.size })
    }

    fn archive(&self, name: Option<&str>) -> Result<Item, StoreError> {
        let image = docker::read(self.reader, name)?;
        for warning in &image.warnings {
            self.observer.warn(format_args!("{warning}"));
        }
        let (config, bytes) = docker::config(self.reader, name)?;
        let config =
            Item { media_type: CONFIG.to_owned(), digest: config, size: bytes.len() as u64 };
        self.store.put(&config, &bytes, &|| self.observer.cancelled())?;
        let mut layers = Vec::new();
        for layer in &image.layers {
            let item = self.layer(layer)?;
            self.copy(&item, &layer.location)?;
            layers.push(descriptor(&item));
        }
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": descriptor(&config),
            "layers": layers
        });
        let bytes = manifest.to_string().into_bytes();
        let digest = ContentDigest::Sha256([0; 32]).of_same_kind(&bytes);
        let root = Item { media_type: MANIFEST.to_owned(), digest, size: bytes.len() as u64 };
        self.store.put(&root, &bytes, &|| self.observer.cancelled())?;
        Ok(root)
    }

    /// What a layer of a docker archive is called by its bytes.
    fn layer(&self, layer: &TarSource) -> Result<Item, StoreError> {
        let mut head = [0; MAGIC_LEN];
        let mut hasher = Hasher::like(None);
        let mut input = layer.location.open().map_err(|error| layer.location.error(error))?;
        let len = read_up_to(&mut input, &mut head).map_err(|error| layer.location.error(error))?;
        hasher.update(&head[..len]);
        let mut add = |bytes: &[u8]| -> Result<(), StoreError> {
            hasher.update(bytes);
            Ok(())
        };
        self.pump(&mut input, &layer.location, &mut add)?;
        let suffix = match Compression::detect(&head[..len]) {
            Compression::None => "",
            Compression::Gzip => "+gzip",
            Compression::Zstd => "+zstd",
            Compression::Xz => {
                let problem = DocumentProblem::MediaType {
                    found: "an xz stream".to_owned(),
                    expected: "a layer that is a tar, plain or compressed with gzip or zstd",
                };
                return Err(self.reader.problem(&layer.name, problem).into());
            }
        };
        let media_type = format!("{LAYER}{suffix}");
        Ok(Item { media_type, digest: hasher.finish(), size: layer.location.len })
    }

    fn copy(&self, item: &Item, location: &Location) -> Result<(), StoreError> {
        let Some(mut blob) = self.store.begin(item, &|| self.observer.cancelled())? else {
            return Ok(());
        };
        blob.restart()?;
        let mut input = location.open().map_err(|error| location.error(error))?;
        self.pump(&mut input, location, &mut |bytes| blob.append(bytes))?;
        blob.finish()
    }

    fn pump(
        &self,
        input: &mut dyn Read,
        location: &Location,
        sink: &mut dyn FnMut(&[u8]) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut buffer = vec![0; CHUNK];
        loop {
            if self.observer.cancelled() {
                return Err(StoreError::Cancelled);
            }
            match input.read(&mut buffer).map_err(|error| location.error(error))? {
                0 => return Ok(()),
                read => sink(&buffer[..read])?,
            }
        }
    }
}

fn descriptor(item: &Item) -> serde_json::Value {
    json!({
        "mediaType": item.media_type,
        "digest": item.digest.to_string(),
        "size": item.size
    })
}
