//! The image to build upon.

use super::{BlobRole, ImageConfig, ManifestFormat, NewImage, NewLayer, WriteError};
use crate::archive::{Archive, Store};
use crate::compression::{Compression, MAGIC_LEN, read_up_to};
use crate::digest::{ContentDigest, Hasher};
use crate::image::Reader;
use crate::limits::Limits;
use crate::reference::Reference;
use crate::source::TarSource;
use crate::{docker, layout};

pub(super) fn read(
    reference: &Reference,
    architecture: &str,
    limits: &Limits,
) -> Result<NewImage, WriteError> {
    let reader = |store| Reader { store, name: reference.to_string(), architecture, limits };
    let archive = |file| Ok::<_, WriteError>(Store::Archive(Archive::open(file, limits)?));
    let (image, documents) = match reference {
        Reference::Layout { dir, tag } => {
            let reader = reader(Store::Folder(dir.clone()));
            layout::read_with_documents(&reader, tag.as_deref())?
        }
        Reference::OciArchive { file, tag } => {
            layout::read_with_documents(&reader(archive(file)?), tag.as_deref())?
        }
        Reference::DockerArchive { file, name } => {
            docker::read_with_documents(&reader(archive(file)?), name.as_deref())?
        }
        _ => return Err(WriteError::NoImage { reference: reference.to_string() }),
    };
    let config = ImageConfig::parse(&image.info.config_document, &format!("{reference}: config"))?;
    let format = match documents.manifest_type.as_str() {
        "application/vnd.docker.distribution.manifest.v2+json" => ManifestFormat::Docker,
        _ => ManifestFormat::Oci,
    };
    let mut layers = Vec::new();
    for (source, info) in image.layers.into_iter().zip(image.info.layers) {
        layers.push(layer(source, info.media_type.filter(|text| !text.is_empty()))?);
    }
    Ok(NewImage { config, format, layers })
}

fn layer(source: TarSource, media_type: Option<String>) -> Result<NewLayer, WriteError> {
    let failed = |error| WriteError::Base(source.location.error(error));
    let mut head = [0; MAGIC_LEN];
    let mut input = source.location.open().map_err(failed)?;
    let len = read_up_to(&mut input, &mut head).map_err(failed)?;
    let role = match Compression::detect(&head[..len]) {
        Compression::None => BlobRole::PlainLayer,
        Compression::Gzip => BlobRole::GzipLayer,
        Compression::Zstd => BlobRole::ZstdLayer,
        compression @ Compression::Xz => {
            return Err(WriteError::Compression { layer: source.name.to_string(), compression });
        }
    };
    let diff_id = source.diff_id;
    // A plain tar's bytes are what the config promises a digest of.
    let promised = source.digest.or(diff_id.filter(|_| role == BlobRole::PlainLayer));
    let digest = match promised {
        Some(digest) => digest,
        None => digest_of(&source)?,
    };
    let size = source.location.len;
    let diff_id = diff_id.unwrap_or(digest);
    Ok(NewLayer { role, digest, size, diff_id, media_type, source: Some(source) })
}

/// Reads a layer that nobody told the digest of.
fn digest_of(source: &TarSource) -> Result<ContentDigest, WriteError> {
    let failed = |error| WriteError::Base(source.location.error(error));
    let mut input = source.location.open().map_err(failed)?;
    let (mut hasher, mut buffer) = (Hasher::like(None), vec![0; 1 << 20]);
    loop {
        let read = read_up_to(&mut input, &mut buffer).map_err(failed)?;
        hasher.update(&buffer[..read]);
        if read < buffer.len() {
            return Ok(hasher.finish());
        }
    }
}
