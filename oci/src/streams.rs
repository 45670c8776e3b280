//! The second pass: contents out of the layers, in the layers' own order.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::Arc;

use bootwright_image::{
    BoxError, ContentError, ContentSink, Digest, InodeId, Observer, Streams, Wanted,
};

use crate::digest::ContentDigest;
use crate::error::Error;
use crate::feed::Feed;
use crate::pipe::{Pipe, pipe, pump};
use crate::scan::Stored;
use crate::source::TarSource;

/// Buffers of 1 MiB that each layer may be ahead.
const BUFFERS: usize = 8;
/// Which part of a layer's bytes is worth reading all of it.
const BRIEF: u64 = 4;
/// Layers decompressed at the same time.
const AHEAD: usize = 4;
/// The largest content, in bytes, that is kept to be delivered several times in one pass.
const REPEATED: u64 = 8 << 20;

/// The contents of all layers and archives of a stack, or of several that share one space of keys;
/// see [`Stack::finish_into`](crate::Stack::finish_into).
///
/// [`deliver`](Streams::deliver) reads each layer that holds something wanted once, front to back.
/// It reads to the layer's end and compares the layer's digest with that of the first pass. When
/// less than a quarter of a layer's bytes is wanted, it compares the digests of these contents
/// instead and stops behind the last. Up to four layers, one for each job, are decompressed in
/// threads of their own, each up to 8 MiB ahead.
///
/// A content that is wanted several times is kept in memory while it is handed over if it has at
/// most 8 MiB and no holes; otherwise each further time takes one more pass over its layer.
#[derive(Debug)]
pub struct LayerStreams {
    pub(crate) sources: Vec<Source>,
    pub(crate) jobs: usize,
}

/// A layer after its first pass.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) tar: TarSource,
    /// Where the files lie, by member number.
    pub(crate) stored: Vec<Stored>,
    /// Whether `.wh.` names had their meaning: it decides which members have contents.
    whiteouts: bool,
    /// Bytes of all contents together.
    len: u64,
}

impl Source {
    /// `digest` is what the first pass found, and what the second must find again.
    pub(crate) fn new(
        tar: TarSource,
        digest: ContentDigest,
        stored: Vec<Stored>,
        whiteouts: bool,
    ) -> Self {
        let len = stored.iter().fold(0u64, |len, stored| len.saturating_add(stored.len));
        Self { tar: TarSource { digest: Some(digest), ..tar }, stored, whiteouts, len }
    }

    /// Whether reading these bytes that way finds the same members.
    pub(crate) fn is(&self, digest: &ContentDigest, whiteouts: bool) -> bool {
        self.tar.digest.as_ref() == Some(digest) && self.whiteouts == whiteouts
    }

    /// Whether so little is wanted that the contents' own digests serve better than the layer's.
    fn is_brief(&self, wanted: &[Wanted]) -> bool {
        let len = wanted.iter().fold(0u64, |len, want| len.saturating_add(want.len));
        let known = |want: &Wanted| self.stored[want.key.member as usize].digest.is_some();
        len < self.len / BRIEF && wanted.iter().all(known)
    }
}

impl Streams for LayerStreams {
    fn deliver(
        &self,
        wanted: &[Wanted],
        sink: &mut dyn ContentSink,
        observer: &dyn Observer,
    ) -> Result<(), ContentError> {
        let runs = self.runs(wanted)?;
        std::thread::scope(|scope| {
            let mut open = VecDeque::new();
            let mut coming = runs.iter();
            for (source, wanted) in &runs {
                while open.len() < AHEAD.min(self.jobs) {
                    let Some((next, _)) = coming.next() else { break };
                    let (outlet, pipe) = pipe(BUFFERS, &next.tar.name);
                    scope.spawn(move || pump(&next.tar, &outlet, &|_| ()));
                    open.push_back(pipe);
                }
                let pipe = open.pop_front().expect("BUG: a run without its pipe");
                Run { pipe, position: 0, source, observer, hasher: None }.deliver(wanted, sink)?;
            }
            Ok(())
        })
    }
}

impl LayerStreams {
    /// Streams without a source, to be filled by [`Stack::finish_into`](crate::Stack::finish_into).
    /// Up to `jobs` layers are decompressed at the same time.
    #[must_use]
    pub fn new(jobs: NonZeroUsize) -> Self {
        Self { sources: Vec::new(), jobs: jobs.get() }
    }

    /// Cuts `wanted` into runs that one pass over a layer can serve.
    fn runs<'a>(
        &'a self,
        wanted: &'a [Wanted],
    ) -> Result<Vec<(&'a Source, &'a [Wanted])>, ContentError> {
        let mut runs = Vec::new();
        let same_run = |a: &Wanted, b: &Wanted| {
            a.key.source == b.key.source && (a.key < b.key || self.is_repeatable(a))
        };
        for run in wanted.chunk_by(same_run) {
            let lost = |want: &Wanted| ContentError::Undeliverable { inode: want.inode.index() };
            let first = &run[0];
            let source = usize::try_from(first.key.source).ok();
            let source =
                source.and_then(|number| self.sources.get(number)).ok_or_else(|| lost(first))?;
            for want in run {
                let stored = source.stored.get(want.key.member as usize);
                if stored.is_none_or(|stored| stored.len != want.len) {
                    return Err(lost(want));
                }
            }
            runs.push((source, run));
        }
        Ok(runs)
    }

    /// Whether one pass can deliver a content more than once.
    fn is_repeatable(&self, want: &Wanted) -> bool {
        let source = usize::try_from(want.key.source).ok().and_then(|at| self.sources.get(at));
        let stored = source.and_then(|source| source.stored.get(want.key.member as usize));
        stored.is_some_and(|stored| stored.extents.is_none() && stored.len <= REPEATED)
    }
}

/// One pass over one layer.
struct Run<'a> {
    pipe: Pipe,
    position: u64,
    source: &'a Source,
    observer: &'a dyn Observer,
    /// Of the current content, when its digest is to be compared.
    hasher: Option<blake3::Hasher>,
}

impl Run<'_> {
    fn deliver(
        mut self,
        wanted: &[Wanted],
        sink: &mut dyn ContentSink,
    ) -> Result<(), ContentError> {
        let brief = self.source.is_brief(wanted);
        for same in wanted.chunk_by(|a, b| a.key == b.key) {
            let stored = &self.source.stored[same[0].key.member as usize];
            self.skip_to(stored.offset)?;
            self.hasher = brief.then(blake3::Hasher::new);
            match same {
                [want] => {
                    sink.begin(want.inode, want.len).map_err(ContentError::Sink)?;
                    self.content(stored, sink)?;
                    self.compare(stored)?;
                    sink.end().map_err(ContentError::Sink)?;
                }
                _ => {
                    let mut kept = Kept::default();
                    self.content(stored, &mut kept)?;
                    self.compare(stored)?;
                    kept.repeat(same, sink).map_err(ContentError::Sink)?;
                }
            }
        }
        if brief { Ok(()) } else { self.skip_to(u64::MAX) }
    }

    /// Hands over one content, holes included.
    fn content(&mut self, stored: &Stored, sink: &mut dyn ContentSink) -> Result<(), ContentError> {
        let Some(extents) = &stored.extents else { return self.data(stored.len, sink) };
        let mut at = 0;
        for extent in extents {
            hole(extent.offset - at, sink)?;
            self.data(extent.len, sink)?;
            at = extent.offset + extent.len;
        }
        hole(stored.len - at, sink)
    }

    /// Compares the content just read with what the first pass saw.
    fn compare(&mut self, stored: &Stored) -> Result<(), ContentError> {
        let Some(hasher) = self.hasher.take() else { return Ok(()) };
        let digest = Digest(*hasher.finalize().as_bytes());
        if stored.digest == Some(digest) {
            return Ok(());
        }
        let input = Arc::clone(&self.source.tar.name);
        Err(ContentError::Source(Box::new(Error::Changed { input })))
    }

    /// Goes ahead to `offset`, or to the end of the stream when that comes first.
    fn skip_to(&mut self, offset: u64) -> Result<(), ContentError> {
        while self.position < offset {
            let take = self.available(offset - self.position)?;
            if take == 0 {
                break;
            }
            self.consume(take);
        }
        Ok(())
    }

    fn data(&mut self, len: u64, sink: &mut dyn ContentSink) -> Result<(), ContentError> {
        let mut left = len;
        while left > 0 {
            let take = self.available(left)?;
            if take == 0 {
                let input = Arc::clone(&self.source.tar.name);
                return Err(ContentError::Source(Box::new(Error::Changed { input })));
            }
            let bytes = &self.pipe.rest()[..take];
            if let Some(hasher) = &mut self.hasher {
                hasher.update(bytes);
            }
            sink.data(bytes).map_err(ContentError::Sink)?;
            self.consume(take);
            left -= take as u64;
        }
        Ok(())
    }

    /// How many of `wanted` bytes are at hand; none at the end of the stream only.
    fn available(&mut self, wanted: u64) -> Result<usize, ContentError> {
        if self.observer.cancelled() {
            return Err(ContentError::Cancelled);
        }
        let available = self.pipe.fill().map_err(|error| match error {
            Error::Cancelled => ContentError::Cancelled,
            error => ContentError::Source(BoxError::from(error)),
        })?;
        Ok(usize::try_from(wanted).unwrap_or(usize::MAX).min(available.len()))
    }

    fn consume(&mut self, count: usize) {
        self.pipe.consume(count);
        self.position += count as u64;
    }
}

/// A small content that several inodes want.
#[derive(Default)]
struct Kept(Vec<u8>);

impl Kept {
    fn repeat(&self, same: &[Wanted], sink: &mut dyn ContentSink) -> Result<(), BoxError> {
        for want in same {
            sink.begin(want.inode, want.len)?;
            if !self.0.is_empty() {
                sink.data(&self.0)?;
            }
            sink.end()?;
        }
        Ok(())
    }
}

impl ContentSink for Kept {
    fn begin(&mut self, _: InodeId, _: u64) -> Result<(), BoxError> {
        Ok(())
    }

    fn data(&mut self, bytes: &[u8]) -> Result<(), BoxError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn hole(&mut self, len: u64) -> Result<(), BoxError> {
        self.0.resize(self.0.len() + usize::try_from(len)?, 0);
        Ok(())
    }

    fn end(&mut self) -> Result<(), BoxError> {
        Ok(())
    }
}

fn hole(len: u64, sink: &mut dyn ContentSink) -> Result<(), ContentError> {
    if len == 0 { Ok(()) } else { sink.hole(len).map_err(ContentError::Sink) }
}
