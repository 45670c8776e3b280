//! Where images are written to.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::{WriteError, WrittenImage};
use crate::digest::{ContentDigest, Hasher};

/// What a blob is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BlobRole {
    /// An image's config.
    Config,
    /// An image's manifest.
    Manifest,
    /// A layer that is a plain tar.
    PlainLayer,
    /// A layer compressed with gzip.
    GzipLayer,
    /// A layer compressed with Zstandard.
    ZstdLayer,
}

/// A blob that was stored (OCI image specification, "Content Descriptors").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// What it is.
    pub media_type: String,
    /// The digest of its bytes.
    pub digest: ContentDigest,
    /// Its length in bytes.
    pub size: u64,
}

impl Descriptor {
    pub(super) fn to_json(&self) -> Value {
        json!({
            "mediaType": self.media_type,
            "digest": self.digest.to_string(),
            "size": self.size,
        })
    }
}

/// Writes the bytes of a blob; called once.
pub type Fill<'a> = dyn FnMut(&mut dyn Write) -> Result<(), WriteError> + 'a;

/// Holds the blobs of images, each once, and the images' names.
pub trait ImageStore {
    /// Whether the blob is there already.
    fn contains(&self, digest: &ContentDigest, size: u64) -> bool;

    /// Takes the blob that `fill` writes; its digest and length are found on the way, and compared
    /// with those that are `expected`. Nothing is left of it after an error.
    ///
    /// # Errors
    /// What `fill` reports, and what the output does; [`WriteError::Digest`],
    /// [`WriteError::Size`].
    fn store(
        &mut self,
        role: BlobRole,
        expected: Option<(ContentDigest, u64)>,
        fill: &mut Fill<'_>,
    ) -> Result<(ContentDigest, u64), WriteError>;

    /// Gives a complete image names; other images lose them. Without a name it is there all the
    /// same.
    ///
    /// # Errors
    /// What the output reports.
    fn name(&mut self, image: &WrittenImage, names: &[String]) -> Result<(), WriteError>;
}

/// Counts and digests what is written.
pub(super) struct Digesting<'a> {
    output: &'a mut dyn Write,
    hasher: Hasher,
    size: u64,
}

impl<'a> Digesting<'a> {
    pub(super) fn new(output: &'a mut dyn Write, expected: Option<(ContentDigest, u64)>) -> Self {
        let digest = expected.map(|(digest, _)| digest);
        Self { output, hasher: Hasher::like(digest.as_ref()), size: 0 }
    }

    /// Digest and length, when they are those that are expected.
    pub(super) fn finish(
        self,
        expected: Option<(ContentDigest, u64)>,
    ) -> Result<(ContentDigest, u64), WriteError> {
        let (digest, size) = (self.hasher.finish(), self.size);
        let Some((wanted, len)) = expected else { return Ok((digest, size)) };
        let blob = wanted.to_string();
        if len != size {
            return Err(WriteError::Size { blob, expected: len, actual: size });
        }
        if wanted != digest {
            let (expected, actual) = (Box::new(wanted), Box::new(digest));
            return Err(WriteError::Digest { blob, expected, actual });
        }
        Ok((digest, size))
    }
}

impl Write for Digesting<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.output.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}
