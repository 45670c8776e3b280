//! An image: layers and a config become a manifest.

use std::io::{self, Read};

use bootwright_image::{ContentError, Observer, Phase};
use serde_json::{Value, json};

use super::{
    BlobRole, Descriptor, HistoryEntry, ImageConfig, ImageStore, NewLayer, WriteError, base,
};
use crate::digest::ContentDigest;
use crate::limits::Limits;
use crate::reference::Reference;

/// Bytes copied at once.
const CHUNK: usize = 1 << 20;

/// Whose words a manifest is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ManifestFormat {
    /// OCI image manifest, version 1.
    Oci,
    /// Docker image manifest, version 2, schema 2.
    Docker,
}

impl ManifestFormat {
    pub(super) fn media_type(self, role: BlobRole) -> &'static str {
        match (self, role) {
            (Self::Oci, BlobRole::Config) => "application/vnd.oci.image.config.v1+json",
            (Self::Oci, BlobRole::Manifest) => "application/vnd.oci.image.manifest.v1+json",
            (Self::Oci, BlobRole::PlainLayer) => "application/vnd.oci.image.layer.v1.tar",
            (Self::Oci, BlobRole::GzipLayer) => "application/vnd.oci.image.layer.v1.tar+gzip",
            (Self::Oci, BlobRole::ZstdLayer) => "application/vnd.oci.image.layer.v1.tar+zstd",
            (Self::Docker, BlobRole::Config) => "application/vnd.docker.container.image.v1+json",
            (Self::Docker, BlobRole::Manifest) => {
                "application/vnd.docker.distribution.manifest.v2+json"
            }
            (Self::Docker, BlobRole::PlainLayer) => "application/vnd.docker.image.rootfs.diff.tar",
            (Self::Docker, BlobRole::GzipLayer) => {
                "application/vnd.docker.image.rootfs.diff.tar.gzip"
            }
            (Self::Docker, BlobRole::ZstdLayer) => {
                "application/vnd.docker.image.rootfs.diff.tar.zstd"
            }
        }
    }
}

/// An image that is being made: layers from a base image and new ones, and a config.
#[derive(Clone, Debug)]
pub struct NewImage {
    /// The config, to be edited. The layers' digests go in when the image is written.
    pub config: ImageConfig,
    pub(super) format: ManifestFormat,
    pub(super) layers: Vec<NewLayer>,
}

/// An image in a store.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WrittenImage {
    /// Its manifest.
    pub manifest: Descriptor,
    /// Its config, whose digest is the image id.
    pub config: Descriptor,
    /// Its layers, bottom first, and what they are.
    pub layers: Vec<(BlobRole, Descriptor)>,
    /// What it is for: architecture and operating system.
    pub platform: (String, String),
}

impl NewImage {
    /// An image without layers.
    #[must_use]
    pub fn scratch(architecture: &str) -> Self {
        let config = ImageConfig::new(architecture);
        Self { config, format: ManifestFormat::Oci, layers: Vec::new() }
    }

    /// An image like the one at `reference`, whose layers are kept byte for byte. Of several, the
    /// one for `architecture` is taken. One from a docker archive becomes an OCI image; its
    /// layers keep their bytes too, compressed or not.
    ///
    /// # Errors
    /// [`WriteError`], when the image cannot be read, or `reference` leads to a folder or a tar.
    pub fn on_base(
        reference: &Reference,
        architecture: &str,
        limits: &Limits,
    ) -> Result<Self, WriteError> {
        base::read(reference, architecture, limits)
    }

    /// Puts a layer on top.
    pub fn push(&mut self, layer: NewLayer, history: &HistoryEntry) {
        self.config.pad_history(self.layers.len());
        self.config.add_history(history);
        self.layers.push(layer);
    }

    /// The layers, bottom first.
    #[must_use]
    pub fn layers(&self) -> &[NewLayer] {
        &self.layers
    }

    /// Writes what `store` does not have yet, base layers included, and gives the image its
    /// names. The names show it when it is complete.
    ///
    /// # Errors
    /// [`WriteError`], also when a base layer is not what its digest promises.
    pub fn write(
        &self,
        store: &mut dyn ImageStore,
        names: &[String],
        observer: &dyn Observer,
    ) -> Result<WrittenImage, WriteError> {
        let mut layers = Vec::new();
        for layer in &self.layers {
            copy_layer(layer, store, observer)?;
            let (digest, size) = (layer.digest, layer.size);
            let default = || self.format.media_type(layer.role).to_owned();
            let media_type = layer.media_type.clone().unwrap_or_else(default);
            layers.push((layer.role, Descriptor { media_type, digest, size }));
        }
        let diff_ids: Vec<ContentDigest> = self.layers.iter().map(|layer| layer.diff_id).collect();
        let config = self.document(store, BlobRole::Config, &self.config.to_bytes(&diff_ids))?;
        let manifest = manifest(self.format, &config, &layers);
        let manifest = self.document(store, BlobRole::Manifest, &manifest)?;
        let platform = self.config.platform();
        let image = WrittenImage { manifest, config, layers, platform };
        store.name(&image, names)?;
        Ok(image)
    }

    fn document(
        &self,
        store: &mut dyn ImageStore,
        role: BlobRole,
        bytes: &[u8],
    ) -> Result<Descriptor, WriteError> {
        let media_type = self.format.media_type(role).to_owned();
        let (digest, size) = (ContentDigest::of(bytes), bytes.len() as u64);
        if !store.contains(&digest, size) {
            store.store(role, Some((digest, size)), &mut |output| Ok(output.write_all(bytes)?))?;
        }
        Ok(Descriptor { media_type, digest, size })
    }
}

/// Copies the layer of a base image unless it is there.
fn copy_layer(
    layer: &NewLayer,
    store: &mut dyn ImageStore,
    observer: &dyn Observer,
) -> Result<(), WriteError> {
    let Some(source) = &layer.source else { return Ok(()) };
    if store.contains(&layer.digest, layer.size) {
        return Ok(());
    }
    let location = &source.location;
    let expected = Some((layer.digest, layer.size));
    store.store(layer.role, expected, &mut |output| {
        let mut input = location.open().map_err(|error| location.error(error))?;
        let mut buffer = vec![0; CHUNK];
        loop {
            if observer.cancelled() {
                return Err(ContentError::Cancelled.into());
            }
            let read = match input.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(location.error(error).into()),
            };
            output.write_all(&buffer[..read])?;
            observer.advance(Phase::Write, read as u64);
        }
    })?;
    Ok(())
}

fn manifest(
    format: ManifestFormat,
    config: &Descriptor,
    layers: &[(BlobRole, Descriptor)],
) -> Vec<u8> {
    let layers: Vec<Value> = layers.iter().map(|(_, layer)| layer.to_json()).collect();
    let document = json!({
        "schemaVersion": 2,
        "mediaType": format.media_type(BlobRole::Manifest),
        "config": config.to_json(),
        "layers": layers,
    });
    document.to_string().into_bytes()
}
