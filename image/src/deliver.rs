//! Contents on their way from where they are to the writer that wants them.

use std::error::Error;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use crate::{FileTree, InodeId, Observer, Origin, StreamKey};

/// Bytes handed over at once when a content is read from a file.
const CHUNK: usize = 1 << 20;

/// An error of a writer or a source behind a trait.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// Why contents could not be delivered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContentError {
    /// A file of the build host could not be read, or is shorter than it was when it was listed.
    #[error("cannot read {path:?}")]
    HostFile {
        /// The file.
        path: Arc<Path>,
        /// The cause.
        source: io::Error,
    },
    /// A source failed.
    #[error("cannot read an input's contents")]
    Source(#[source] BoxError),
    /// The writer failed.
    #[error("cannot store a content")]
    Sink(#[source] BoxError),
    /// A defect: a content was asked for that nobody can deliver.
    #[error("BUG: nothing delivers the content of inode {inode}")]
    Undeliverable {
        /// The inode's index.
        inode: usize,
    },
    /// The observer asked to stop.
    #[error("cancelled")]
    Cancelled,
}

/// Takes contents, one after another: `begin`, then `data` and `hole` until `len` bytes have
/// come, then `end`.
pub trait ContentSink {
    /// The content of `inode` follows.
    ///
    /// # Errors
    /// What the writer reports; delivery stops.
    fn begin(&mut self, inode: InodeId, len: u64) -> Result<(), BoxError>;

    /// The next bytes.
    ///
    /// # Errors
    /// What the writer reports; delivery stops.
    fn data(&mut self, bytes: &[u8]) -> Result<(), BoxError>;

    /// The next `len` bytes are zeros that the source does not store. Zeros may come as data too.
    ///
    /// # Errors
    /// What the writer reports; delivery stops.
    fn hole(&mut self, len: u64) -> Result<(), BoxError>;

    /// The content is complete.
    ///
    /// # Errors
    /// What the writer reports; delivery stops.
    fn end(&mut self) -> Result<(), BoxError>;
}

/// A content that a [`Streams`] is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wanted {
    /// Where it is.
    pub key: StreamKey,
    /// Whose it is.
    pub inode: InodeId,
    /// Its length in bytes.
    pub len: u64,
}

/// Sources that can only be read front to back, such as the layers of a container image.
pub trait Streams {
    /// Delivers every wanted content once. `wanted` is sorted by key; the contents come in that
    /// order. Two entries with one key get the content one after the other.
    ///
    /// # Errors
    /// [`ContentError`]; also when a source no longer gives what it gave when it was scanned.
    fn deliver(
        &self,
        wanted: &[Wanted],
        sink: &mut dyn ContentSink,
        observer: &dyn Observer,
    ) -> Result<(), ContentError>;
}

/// Trees whose contents are all in memory or in host files need no streams.
impl Streams for () {
    fn deliver(
        &self,
        wanted: &[Wanted],
        _: &mut dyn ContentSink,
        _: &dyn Observer,
    ) -> Result<(), ContentError> {
        match wanted.first() {
            None => Ok(()),
            Some(first) => Err(ContentError::Undeliverable { inode: first.inode.index() }),
        }
    }
}

/// Delivers the contents of the regular files `inodes` of `tree`: first those in memory and in
/// host files, in the order given, then those of `streams` in the order of their keys. The order
/// depends on the arguments alone. Inodes that are no regular files, and deferred contents, are
/// left out.
///
/// # Errors
/// [`ContentError`].
pub fn deliver(
    tree: &FileTree,
    streams: &dyn Streams,
    inodes: impl IntoIterator<Item = InodeId>,
    sink: &mut dyn ContentSink,
    observer: &dyn Observer,
) -> Result<(), ContentError> {
    let (at_hand, wanted) = in_order(tree, inodes);
    let mut buffer = Vec::new();
    for inode in at_hand {
        let Some(blob) = tree.inode(inode).as_file() else { continue };
        match blob.origin() {
            Origin::Stream(_) | Origin::Deferred => {}
            Origin::Bytes(bytes) => {
                sink.begin(inode, blob.len()).map_err(ContentError::Sink)?;
                sink.data(bytes).map_err(ContentError::Sink)?;
                sink.end().map_err(ContentError::Sink)?;
            }
            Origin::HostFile { path, .. } => {
                let failed = |source| ContentError::HostFile { path: Arc::clone(path), source };
                let mut reader = blob.open().map_err(failed)?;
                sink.begin(inode, blob.len()).map_err(ContentError::Sink)?;
                buffer.resize(CHUNK, 0);
                loop {
                    if observer.cancelled() {
                        return Err(ContentError::Cancelled);
                    }
                    match reader.read(&mut buffer).map_err(failed)? {
                        0 => break,
                        read => sink.data(&buffer[..read]).map_err(ContentError::Sink)?,
                    }
                }
                sink.end().map_err(ContentError::Sink)?;
            }
        }
    }
    if wanted.is_empty() { Ok(()) } else { streams.deliver(&wanted, sink, observer) }
}

/// The inodes that [`deliver`] delivers, in its order.
pub fn delivery_order(
    tree: &FileTree,
    inodes: impl IntoIterator<Item = InodeId>,
) -> impl Iterator<Item = InodeId> {
    let (at_hand, wanted) = in_order(tree, inodes);
    at_hand.into_iter().chain(wanted.into_iter().map(|want| want.inode))
}

/// What is in memory or in host files, as given, and what streams deliver, in their order.
fn in_order(
    tree: &FileTree,
    inodes: impl IntoIterator<Item = InodeId>,
) -> (Vec<InodeId>, Vec<Wanted>) {
    let (mut at_hand, mut wanted) = (Vec::new(), Vec::new());
    for inode in inodes {
        let Some(blob) = tree.inode(inode).as_file() else { continue };
        match blob.origin() {
            Origin::Stream(key) => wanted.push(Wanted { key: *key, inode, len: blob.len() }),
            Origin::Bytes(_) | Origin::HostFile { .. } => at_hand.push(inode),
            Origin::Deferred => {}
        }
    }
    wanted.sort_unstable();
    (at_hand, wanted)
}

/// Reads the contents of a few small files into memory, in the order of `inodes`.
///
/// # Errors
/// [`ContentError`]; [`ContentError::Sink`] when together they have more than `limit` bytes.
pub fn collect(
    tree: &FileTree,
    streams: &dyn Streams,
    inodes: &[InodeId],
    limit: u64,
    observer: &dyn Observer,
) -> Result<Vec<Vec<u8>>, ContentError> {
    let mut collector =
        Collector { inodes, contents: vec![Vec::new(); inodes.len()], current: 0, left: limit };
    let mut unique = inodes.to_vec();
    unique.sort_unstable();
    unique.dedup();
    deliver(tree, streams, unique, &mut collector, observer)?;
    let Collector { mut contents, .. } = collector;
    for (index, inode) in inodes.iter().enumerate() {
        if let Some(first) = inodes[..index].iter().position(|other| other == inode) {
            contents[index] = contents[first].clone();
        }
    }
    Ok(contents)
}

/// The sink of [`collect`].
struct Collector<'a> {
    inodes: &'a [InodeId],
    contents: Vec<Vec<u8>>,
    current: usize,
    left: u64,
}

#[derive(Debug, thiserror::Error)]
#[error("contents to hold in memory exceed the limit by {excess} bytes")]
struct TooLarge {
    excess: u64,
}

impl ContentSink for Collector<'_> {
    fn begin(&mut self, inode: InodeId, len: u64) -> Result<(), BoxError> {
        self.left =
            self.left.checked_sub(len).ok_or_else(|| TooLarge { excess: len - self.left })?;
        self.current = self
            .inodes
            .iter()
            .position(|wanted| *wanted == inode)
            .ok_or_else(|| format!("BUG: inode {} was not asked for", inode.index()))?;
        Ok(())
    }

    fn data(&mut self, bytes: &[u8]) -> Result<(), BoxError> {
        self.contents[self.current].extend_from_slice(bytes);
        Ok(())
    }

    fn hole(&mut self, len: u64) -> Result<(), BoxError> {
        let content = &mut self.contents[self.current];
        content.resize(content.len() + usize::try_from(len)?, 0);
        Ok(())
    }

    fn end(&mut self) -> Result<(), BoxError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Blob, Metadata, Silent};

    /// Member `n` of source 0 is `n` zeros and one `m`.
    struct Numbers;

    impl Streams for Numbers {
        fn deliver(
            &self,
            wanted: &[Wanted],
            sink: &mut dyn ContentSink,
            _: &dyn Observer,
        ) -> Result<(), ContentError> {
            assert!(wanted.is_sorted());
            for want in wanted {
                sink.begin(want.inode, want.len).map_err(ContentError::Sink)?;
                sink.hole(u64::from(want.key.member)).map_err(ContentError::Sink)?;
                sink.data(b"m").map_err(ContentError::Sink)?;
                sink.end().map_err(ContentError::Sink)?;
            }
            Ok(())
        }
    }

    fn tree() -> (FileTree, Vec<InodeId>, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("host");
        std::fs::write(&path, "host").unwrap();
        let mut tree = FileTree::new(Metadata::default());
        let root = tree.root();
        let stream =
            |member| Blob::stream(StreamKey { source: 0, member }, u64::from(member) + 1, None);
        let blobs = [stream(2), "bytes".into(), stream(0), Blob::host_file(path.into(), 0, 4)];
        let ids = blobs
            .into_iter()
            .enumerate()
            .map(|(n, blob)| {
                tree.add_file(root, format!("{n}").as_bytes(), Metadata::default(), blob).unwrap()
            })
            .collect();
        (tree, ids, dir)
    }

    #[test]
    fn contents_arrive_whatever_their_origin() {
        let (tree, mut ids, _dir) = tree();
        ids.push(ids[0]);
        let contents = collect(&tree, &Numbers, &ids, 16, &Silent).unwrap();
        assert_eq!(contents, [&b"\0\0m"[..], b"bytes", b"m", b"host", b"\0\0m"]);
    }

    #[test]
    fn limits_missing_files_and_missing_sources_are_errors() {
        let (mut tree, ids, _dir) = tree();
        let error = collect(&tree, &Numbers, &ids, 12, &Silent).unwrap_err();
        let cause = error.source().unwrap().to_string();
        assert_eq!(cause, "contents to hold in memory exceed the limit by 1 bytes");
        let error = collect(&tree, &(), &ids, 64, &Silent).unwrap_err();
        assert_eq!(error.to_string(), "BUG: nothing delivers the content of inode 3");
        let missing = Blob::host_file(Path::new("/nonexistent/file").into(), 0, 1);
        let id = tree.add_file(tree.root(), b"missing", Metadata::default(), missing).unwrap();
        let error = collect(&tree, &Numbers, &[id], 64, &Silent).unwrap_err();
        assert_eq!(error.to_string(), r#"cannot read "/nonexistent/file""#);
    }

    #[test]
    fn cancelling_stops_between_chunks() {
        struct Stop;
        impl Observer for Stop {
            fn cancelled(&self) -> bool {
                true
            }
        }
        let (tree, ids, _dir) = tree();
        let error = collect(&tree, &Numbers, &ids, 64, &Stop).unwrap_err();
        assert!(matches!(error, ContentError::Cancelled));
    }
}
