//! The content of a regular file, by reference.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

/// A digest of a blob's bytes (BLAKE3). Two blobs of the same length with the same digest have the
/// same bytes; equal bytes may carry different digests (a sparse file and its expanded twin), so
/// it serves to find duplicates, never to prove a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Digest(pub [u8; 32]);

/// Which member of which forward-only source holds a content. Keys are unique within one tree
/// unless two files really share a content. Sources deliver in ascending order of their keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StreamKey {
    /// The source, e.g. the number of a layer.
    pub source: u32,
    /// The member's number in its source.
    pub member: u32,
}

/// Where a content comes from.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Origin {
    /// Bytes in memory.
    Bytes(Arc<[u8]>),
    /// A range of a file of the build host, which is opened only while it is read.
    HostFile {
        /// The file.
        path: Arc<Path>,
        /// The first byte of the content in the file.
        offset: u64,
    },
    /// A member of a source that can only be read front to back; see [`Streams`](crate::Streams).
    Stream(StreamKey),
    /// Bytes that the caller of a writer puts in place itself, at a time of its own; the blob's
    /// length is then an upper bound.
    Deferred,
}

/// The content of a regular file: its length in bytes and where to find it.
#[derive(Clone, Debug)]
pub struct Blob {
    len: u64,
    origin: Origin,
    digest: Option<Box<Digest>>,
}

impl Blob {
    /// `len` bytes from `path`, starting at byte `offset` of it.
    #[must_use]
    pub fn host_file(path: Arc<Path>, offset: u64, len: u64) -> Self {
        Self { len, origin: Origin::HostFile { path, offset }, digest: None }
    }

    /// `len` bytes that a [`Streams`](crate::Streams) delivers under `key`.
    #[must_use]
    pub fn stream(key: StreamKey, len: u64, digest: Option<Digest>) -> Self {
        Self { len, origin: Origin::Stream(key), digest: digest.map(Box::new) }
    }

    /// At most `max_len` bytes that the caller of a writer will put in place itself.
    #[must_use]
    pub fn deferred(max_len: u64) -> Self {
        Self { len: max_len, origin: Origin::Deferred, digest: None }
    }

    /// The same content with its digest, for writers to find equal ones by.
    #[must_use]
    pub fn with_digest(self, digest: Digest) -> Self {
        Self { digest: Some(Box::new(digest)), ..self }
    }

    /// Length in bytes (of a deferred blob: the most it can be).
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether the content has no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Where the content comes from.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The digest, when whoever made the blob knows it.
    #[must_use]
    pub fn digest(&self) -> Option<Digest> {
        self.digest.as_deref().copied()
    }

    /// Opens a content that can be read at any time. Exactly [`len`](Self::len) bytes follow; a
    /// host file that ends early gives [`io::ErrorKind::UnexpectedEof`].
    ///
    /// # Errors
    /// What the file system reports; [`io::ErrorKind::Unsupported`] for a stream's member or a
    /// deferred content.
    pub fn open(&self) -> io::Result<BlobReader> {
        let source = match &self.origin {
            Origin::Bytes(bytes) => Source::Bytes(Cursor::new(Arc::clone(bytes))),
            Origin::HostFile { path, offset } => {
                let mut file = File::open(path)?;
                if *offset != 0 {
                    file.seek(SeekFrom::Start(*offset))?;
                }
                Source::File(file)
            }
            Origin::Stream(_) | Origin::Deferred => {
                return Err(io::Error::new(
                    io::ErrorKind::Unsupported,
                    "content can only be delivered in its source's order",
                ));
            }
        };
        Ok(BlobReader { source, left: self.len })
    }
}

impl From<Vec<u8>> for Blob {
    fn from(bytes: Vec<u8>) -> Self {
        Self { len: bytes.len() as u64, origin: Origin::Bytes(bytes.into()), digest: None }
    }
}

impl From<&[u8]> for Blob {
    fn from(bytes: &[u8]) -> Self {
        bytes.to_vec().into()
    }
}

impl From<&str> for Blob {
    fn from(text: &str) -> Self {
        text.as_bytes().into()
    }
}

/// Reads a [`Blob`]; see [`Blob::open`].
#[derive(Debug)]
pub struct BlobReader {
    source: Source,
    left: u64,
}

#[derive(Debug)]
enum Source {
    Bytes(Cursor<Arc<[u8]>>),
    File(File),
}

impl Read for BlobReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        if most == 0 {
            return Ok(0);
        }
        let read = match &mut self.source {
            Source::Bytes(cursor) => cursor.read(&mut buffer[..most])?,
            Source::File(file) => file.read(&mut buffer[..most])?,
        };
        if read == 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!("content ends {} bytes early", self.left),
            ));
        }
        self.left -= read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_a_host_file_is_read_and_a_short_file_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, b"0123456789").unwrap();
        let path: Arc<Path> = path.into();

        let mut text = String::new();
        Blob::host_file(Arc::clone(&path), 3, 4).open().unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "3456");

        let error =
            Blob::host_file(path, 8, 4).open().unwrap().read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(error.to_string(), "content ends 2 bytes early");
    }

    #[test]
    fn stream_members_cannot_be_opened() {
        let blob = Blob::stream(StreamKey { source: 0, member: 0 }, 1, None);
        assert_eq!(blob.open().unwrap_err().kind(), io::ErrorKind::Unsupported);
    }
}
