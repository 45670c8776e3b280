//! A layer: its tar, compressed, with both digests found on the way.

use std::io::{self, Write};
use std::num::NonZeroUsize;

use bootwright_gzip::{Gzip, Options as GzipOptions};
use bootwright_image::{FileTree, Observer, Streams};

use super::{BlobRole, Changes, ImageStore, WriteError, tar};
use crate::digest::{ContentDigest, Hasher};
use crate::source::TarSource;

/// How a new layer is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LayerCompression {
    /// Not at all.
    None,
    /// gzip, one member, with libdeflate's level 1 to 12.
    Gzip {
        /// The level.
        level: u8,
    },
}

/// How a new layer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerOptions {
    /// How it is compressed.
    pub compression: LayerCompression,
    /// Threads that compress; the bytes do not depend on them.
    pub jobs: NonZeroUsize,
    /// Bytes of memory that what is being compressed may take.
    pub memory: u64,
}

impl LayerOptions {
    /// gzip 6, at most 64 MiB.
    #[must_use]
    pub fn new(jobs: NonZeroUsize) -> Self {
        Self { compression: LayerCompression::Gzip { level: 6 }, jobs, memory: 64 << 20 }
    }
}

/// A layer of an image that is being made.
#[derive(Clone, Debug)]
pub struct NewLayer {
    pub(super) role: BlobRole,
    /// The digest and the length of the stored bytes.
    pub(super) digest: ContentDigest,
    pub(super) size: u64,
    pub(super) diff_id: ContentDigest,
    /// The media type, when the base image gives one.
    pub(super) media_type: Option<String>,
    /// Where a base image has it; none for one that lies in the store.
    pub(super) source: Option<TarSource>,
}

impl NewLayer {
    /// The digest of the stored bytes.
    #[must_use]
    pub fn digest(&self) -> ContentDigest {
        self.digest
    }

    /// The digest of the uncompressed bytes.
    #[must_use]
    pub fn diff_id(&self) -> ContentDigest {
        self.diff_id
    }

    /// The length of the stored bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }
}

/// Writes a layer into `store`. `tree` and `streams` have the contents of what `changes` tells;
/// the tree is the one that `changes` was made from. Sockets are left out, and the observer told.
///
/// # Errors
/// [`WriteError`].
pub fn write_layer(
    store: &mut dyn ImageStore,
    changes: &Changes,
    tree: &FileTree,
    streams: &dyn Streams,
    options: LayerOptions,
    observer: &dyn Observer,
) -> Result<NewLayer, WriteError> {
    let mut diff_id = None;
    let (role, level) = match options.compression {
        LayerCompression::None => (BlobRole::PlainLayer, None),
        LayerCompression::Gzip { level } => (BlobRole::GzipLayer, Some(level)),
    };
    let (digest, size) = store.store(role, None, &mut |output| {
        let Some(level) = level else {
            return tar::write(changes, tree, streams, output, observer);
        };
        let options = GzipOptions { jobs: options.jobs, level, memory: options.memory };
        let gzip = Gzip::new(output, options);
        let mut tee = Tee { gzip, hasher: Hasher::like(None) };
        tar::write(changes, tree, streams, &mut tee, observer)?;
        tee.gzip.finish()?;
        diff_id = Some(tee.hasher.finish());
        Ok(())
    })?;
    let diff_id = diff_id.unwrap_or(digest);
    Ok(NewLayer { role, digest, size, diff_id, media_type: None, source: None })
}

/// Digests what goes on to the compressor.
struct Tee<W: Write> {
    gzip: Gzip<W>,
    hasher: Hasher,
}

impl<W: Write> Write for Tee<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.gzip.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.gzip.flush()
    }
}
