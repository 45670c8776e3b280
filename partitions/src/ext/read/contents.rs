//! The contents of a volume's files, delivered in the order in which they lie in it.

use std::fmt;
use std::io::{Read, Seek, SeekFrom};
use std::sync::{Mutex, PoisonError};

use bootwright_image::{ContentError, ContentSink, InodeId, Observer, Streams, Wanted};

use super::super::mapping::Extent;
use super::super::options::Holes;

/// Bytes read at once.
const CHUNK: usize = 1 << 20;

/// The content of one file.
#[derive(Clone, Debug)]
pub(super) struct Content {
    pub(super) len: u64,
    pub(super) extents: Vec<Extent>,
}

/// The contents of the files of a volume, as [`Volume::into_tree`](super::Volume::into_tree) gives
/// them.
pub struct Contents<R> {
    reader: Mutex<R>,
    offset: u64,
    block_size: u64,
    source: u32,
    files: Vec<(InodeId, Content)>,
}

impl<R> Contents<R> {
    pub(super) fn new(
        reader: R,
        offset: u64,
        block_size: u64,
        source: u32,
        files: Vec<(InodeId, Content)>,
    ) -> Self {
        Self { reader: Mutex::new(reader), offset, block_size, source, files }
    }

    /// The reader, where the volume begins, the length of its blocks, and the files.
    pub(super) fn into_parts(self) -> (R, u64, u64, Vec<(InodeId, Content)>) {
        let reader = self.reader.into_inner().unwrap_or_else(PoisonError::into_inner);
        (reader, self.offset, self.block_size, self.files)
    }

    /// Where the files have holes, for a volume that shall have them too.
    #[must_use]
    pub fn holes(&self) -> Holes {
        let mut holes = Holes::new();
        for (id, content) in &self.files {
            let mut at = 0;
            let mut ranges = Vec::new();
            for (start, end) in self.data(content).chain([(content.len, content.len)]) {
                if at < start {
                    ranges.push(at..start);
                }
                at = end;
            }
            if !ranges.is_empty() {
                holes.insert(*id, ranges);
            }
        }
        holes
    }

    /// The bytes of a content that are stored.
    fn data(&self, content: &Content) -> impl Iterator<Item = (u64, u64)> {
        let (block_size, len) = (self.block_size, content.len);
        content
            .extents
            .iter()
            .map(move |extent| (extent.logical * block_size, (extent.end() * block_size).min(len)))
    }
}

impl<R: Read + Seek> Contents<R> {
    fn deliver_one(
        &self,
        content: &Content,
        reader: &mut R,
        sink: &mut dyn ContentSink,
        observer: &dyn Observer,
    ) -> Result<(), ContentError> {
        let mut buffer = vec![0; usize::try_from(content.len).unwrap_or(CHUNK).min(CHUNK)];
        let failed = |error| ContentError::Source(Box::new(error));
        let mut done = 0;
        for ((start, end), extent) in self.data(content).zip(&content.extents) {
            if done < start {
                sink.hole(start - done).map_err(ContentError::Sink)?;
            }
            let physical = self.offset + extent.physical * self.block_size;
            reader.seek(SeekFrom::Start(physical)).map_err(failed)?;
            done = start;
            while done < end {
                if observer.cancelled() {
                    return Err(ContentError::Cancelled);
                }
                let piece = usize::try_from(end - done).map_or(CHUNK, |left| left.min(CHUNK));
                reader.read_exact(&mut buffer[..piece]).map_err(failed)?;
                sink.data(&buffer[..piece]).map_err(ContentError::Sink)?;
                done += piece as u64;
            }
        }
        if done < content.len {
            sink.hole(content.len - done).map_err(ContentError::Sink)?;
        }
        Ok(())
    }
}

impl<R: Read + Seek> Streams for Contents<R> {
    fn deliver(
        &self,
        wanted: &[Wanted],
        sink: &mut dyn ContentSink,
        observer: &dyn Observer,
    ) -> Result<(), ContentError> {
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        for want in wanted {
            let member = usize::try_from(want.key.member).ok();
            let content = member.and_then(|member| self.files.get(member));
            let Some((_, content)) = content.filter(|_| want.key.source == self.source) else {
                return Err(ContentError::Undeliverable { inode: want.inode.index() });
            };
            sink.begin(want.inode, content.len).map_err(ContentError::Sink)?;
            self.deliver_one(content, &mut reader, sink, observer)?;
            sink.end().map_err(ContentError::Sink)?;
        }
        Ok(())
    }
}

impl<R> fmt::Debug for Contents<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contents").field("files", &self.files.len()).finish_non_exhaustive()
    }
}
