//! Images in one tar: OCI layouts, and what `docker load` reads.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{BufWriter, Seek, SeekFrom, Write};

use serde_json::{Map, Value, json};

use super::header::{BLOCK, late_header};
use super::layout::{MARK, add_to_index, empty_index};
use super::store::Digesting;
use super::{BlobRole, Fill, ImageStore, WriteError, WrittenImage};
use crate::digest::ContentDigest;

/// Writes are gathered to this many bytes.
const GATHER: usize = 1 << 20;

/// What kind of archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArchiveFormat {
    /// An OCI image layout in a tar (`oci-archive:`).
    Oci,
    /// What `docker save` writes and `docker load` reads (`docker-archive:`): config and layers by
    /// their digests, and `manifest.json`.
    Docker,
}

/// Images in a tar, with the layers that they share once. It is written front to back, but for
/// the header of each blob, which is written when the blob's length is known. Without
/// [`finish`](Self::finish) the archive is not complete.
pub struct ImageArchive<W: Write + Seek> {
    output: BufWriter<W>,
    format: ArchiveFormat,
    /// Bytes written.
    position: u64,
    /// What is in the archive, by digest and the name that this has there.
    blobs: BTreeMap<ContentDigest, String>,
    index: Map<String, Value>,
    /// Images for `manifest.json`.
    images: Vec<Value>,
}

impl<W: Write + Seek> ImageArchive<W> {
    /// Begins at the output's position.
    pub fn new(output: W, format: ArchiveFormat) -> Self {
        Self {
            output: BufWriter::with_capacity(GATHER, output),
            format,
            position: 0,
            blobs: BTreeMap::new(),
            index: empty_index(),
            images: Vec::new(),
        }
    }

    /// Writes what tells of the images and gives the output back, not flushed to the disk.
    ///
    /// # Errors
    /// What the output reports.
    pub fn finish(mut self) -> Result<W, WriteError> {
        match self.format {
            ArchiveFormat::Oci => {
                let index = Value::from(std::mem::take(&mut self.index)).to_string();
                self.document("index.json", index.as_bytes())?;
                self.document("oci-layout", MARK.as_bytes())?;
            }
            ArchiveFormat::Docker => {
                let images = Value::from(std::mem::take(&mut self.images)).to_string();
                self.document("manifest.json", images.as_bytes())?;
            }
        }
        self.output.write_all(&[0; 2 * BLOCK])?;
        Ok(self.output.into_inner().map_err(std::io::IntoInnerError::into_error)?)
    }

    fn document(&mut self, name: &str, bytes: &[u8]) -> Result<(), WriteError> {
        self.output.write_all(&late_header(name, bytes.len() as u64))?;
        self.output.write_all(bytes)?;
        self.pad(bytes.len() as u64)
    }

    /// Counts a member and fills its last block.
    fn pad(&mut self, size: u64) -> Result<(), WriteError> {
        let padded = size.next_multiple_of(BLOCK as u64);
        let gap = usize::try_from(padded - size).unwrap_or(0);
        self.output.write_all(&[0; BLOCK][..gap])?;
        self.position += BLOCK as u64 + padded;
        Ok(())
    }

    fn name_of(&self, role: BlobRole, digest: &ContentDigest) -> String {
        let text = digest.to_string();
        let hex = text.split_once(':').map_or(&text[..], |(_, hex)| hex);
        match (self.format, role) {
            (ArchiveFormat::Oci, _) => digest.blob_path(),
            (_, BlobRole::Config | BlobRole::Manifest) => format!("{hex}.json"),
            (_, BlobRole::PlainLayer) => format!("{hex}.tar"),
            (_, BlobRole::GzipLayer) => format!("{hex}.tar.gz"),
            (_, BlobRole::ZstdLayer) => format!("{hex}.tar.zst"),
        }
    }

    /// Goes back from where the blob of this length ends to its header, and returns.
    fn put_header(&mut self, name: &str, size: u64) -> Result<(), WriteError> {
        let content = size.next_multiple_of(BLOCK as u64);
        let whole = i64::try_from(BLOCK as u64 + content).map_err(std::io::Error::other)?;
        let content = i64::try_from(content).map_err(std::io::Error::other)?;
        self.output.seek(SeekFrom::Current(-whole))?;
        self.output.write_all(&late_header(name, size))?;
        self.output.seek(SeekFrom::Current(content))?;
        Ok(())
    }
}

impl<W: Write + Seek> ImageStore for ImageArchive<W> {
    fn contains(&self, digest: &ContentDigest, _: u64) -> bool {
        self.blobs.contains_key(digest)
    }

    /// After an error the archive is of no use.
    fn store(
        &mut self,
        role: BlobRole,
        expected: Option<(ContentDigest, u64)>,
        fill: &mut Fill<'_>,
    ) -> Result<(ContentDigest, u64), WriteError> {
        if role == BlobRole::Manifest && self.format == ArchiveFormat::Docker {
            let mut nowhere = std::io::sink();
            let mut digesting = Digesting::new(&mut nowhere, expected);
            fill(&mut digesting)?;
            return digesting.finish(expected);
        }
        self.output.write_all(&[0; BLOCK])?;
        let mut digesting = Digesting::new(&mut self.output, expected);
        fill(&mut digesting)?;
        let (digest, size) = digesting.finish(expected)?;
        let name = self.name_of(role, &digest);
        self.pad(size)?;
        self.put_header(&name, size)?;
        self.blobs.insert(digest, name);
        Ok((digest, size))
    }

    fn name(&mut self, image: &WrittenImage, names: &[String]) -> Result<(), WriteError> {
        add_to_index(&mut self.index, image, names).expect("BUG: the index was made here");
        let name = |digest| self.blobs.get(digest).cloned().unwrap_or_default();
        let layers: Vec<_> = image.layers.iter().map(|(_, layer)| name(&layer.digest)).collect();
        let config = name(&image.config.digest);
        self.images.push(json!({"Config": config, "RepoTags": names, "Layers": layers}));
        Ok(())
    }
}

impl<W: Write + Seek> fmt::Debug for ImageArchive<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImageArchive")
            .field("format", &self.format)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}
