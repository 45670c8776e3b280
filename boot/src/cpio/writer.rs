//! Writes an archive as its contents come.

use std::io::{self, Write};

use bootwright_image::{
    BoxError, ContentSink, FileTree, InodeId, Observer, Phase, Sink, Streams, deliver,
};

use super::error::text;
use super::format::{Record, TRAILER, padding};
use super::plan::Plan;
use super::{Options, WriteError};

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Length of the archive in bytes, before compression.
    pub len: u64,
    /// Records, the one at the end not counted: names.
    pub records: u64,
}

/// Writes an archive. Folders, links and nodes are written at once, regular files as their
/// contents come, each with all its names: it is a [`ContentSink`] that wants
/// [`inodes`](Self::inodes).
#[derive(Debug)]
pub struct Writer<W> {
    output: Sink<W>,
    plan: Plan,
    records: u64,
    /// The file that is being written: its other names and the bytes still to come.
    current: Option<(Record, Vec<Vec<u8>>, u64)>,
}

impl<W: Write> Writer<W> {
    /// Plans the archive of `tree` and writes what has no content. What the format cannot hold is
    /// told to `observer`: extended attributes, among them file capabilities.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn new(
        tree: &FileTree,
        options: Options,
        output: W,
        observer: &dyn Observer,
    ) -> Result<Self, WriteError> {
        let plan = Plan::new(tree, options)?;
        for path in &plan.with_xattrs {
            let path = text(path);
            observer.warn(format_args!("{path:?}: an initramfs has no extended attributes"));
        }
        let mut writer = Self { output: Sink::new(output), plan, records: 0, current: None };
        for (record, path, content) in std::mem::take(&mut writer.plan.first) {
            writer.record(&record, &path)?;
            writer.output.write_all(&content)?;
            writer.output.write_all(padding(content.len() as u64))?;
        }
        Ok(writer)
    }

    /// The regular files whose contents are to come, in order of paths.
    #[must_use]
    pub fn inodes(&self) -> Vec<InodeId> {
        self.plan.order.clone()
    }

    /// Ends the archive.
    ///
    /// # Errors
    /// [`WriteError::Content`] when a content did not come.
    pub fn finish(mut self) -> Result<(W, Summary), WriteError> {
        if let Some((_, paths)) = self.plan.files.values().next() {
            let path = paths.first().map_or_else(String::new, |path| text(path));
            return Err(WriteError::Content { path, problem: "it did not come" });
        }
        self.output.write_all(&Record { links: 1, ..Record::default() }.encode(TRAILER))?;
        let len = self.output.position();
        if len != self.plan.len {
            let path = String::new();
            return Err(WriteError::Content { path, problem: "the archive's length differs" });
        }
        Ok((self.output.into_inner(), Summary { len, records: self.records }))
    }

    fn record(&mut self, record: &Record, path: &[u8]) -> io::Result<()> {
        self.records += 1;
        self.output.write_all(&record.encode(path))
    }

    fn take(&mut self, len: u64) -> Result<(), WriteError> {
        let left = self.current.as_mut().map(|(_, paths, left)| (paths, left));
        match left {
            Some((_, left)) if *left >= len => {
                *left -= len;
                Ok(())
            }
            Some((paths, _)) => Err(wrong(paths, "more bytes came than planned")),
            None => Err(wrong(&[], "it came without a beginning")),
        }
    }
}

fn wrong(paths: &[Vec<u8>], problem: &'static str) -> WriteError {
    WriteError::Content { path: paths.first().map_or_else(String::new, |path| text(path)), problem }
}

impl<W: Write> ContentSink for Writer<W> {
    fn begin(&mut self, inode: InodeId, len: u64) -> Result<(), BoxError> {
        let (record, paths) = self
            .plan
            .files
            .remove(&inode)
            .ok_or_else(|| wrong(&[], "it was not asked for, or came twice"))?;
        if u64::from(record.len) != len {
            return Err(wrong(&paths, "another length than planned").into());
        }
        if let Some(path) = paths.first() {
            self.record(&record, path)?;
        }
        self.current = Some((record, paths, len));
        Ok(())
    }

    fn data(&mut self, bytes: &[u8]) -> Result<(), BoxError> {
        self.take(bytes.len() as u64)?;
        Ok(self.output.write_all(bytes)?)
    }

    fn hole(&mut self, len: u64) -> Result<(), BoxError> {
        self.take(len)?;
        Ok(self.output.zeros_until(self.output.position() + len)?)
    }

    fn end(&mut self) -> Result<(), BoxError> {
        let (record, paths, left) =
            self.current.take().ok_or_else(|| wrong(&[], "it ended without a beginning"))?;
        if left != 0 {
            return Err(wrong(&paths, "fewer bytes came than planned").into());
        }
        self.output.write_all(padding(record.len.into()))?;
        // The other names come without the content: the kernel links them to the first.
        for path in &paths[1..] {
            self.record(&Record { len: 0, ..record }, path)?;
        }
        Ok(())
    }
}

/// Tells an observer how far the contents have come.
struct Progress<'a, W> {
    writer: Writer<W>,
    observer: &'a dyn Observer,
}

impl<W: Write> ContentSink for Progress<'_, W> {
    fn begin(&mut self, inode: InodeId, len: u64) -> Result<(), BoxError> {
        self.writer.begin(inode, len)
    }

    fn data(&mut self, bytes: &[u8]) -> Result<(), BoxError> {
        self.observer.advance(Phase::Compress, bytes.len() as u64);
        self.writer.data(bytes)
    }

    fn hole(&mut self, len: u64) -> Result<(), BoxError> {
        self.observer.advance(Phase::Compress, len);
        self.writer.hole(len)
    }

    fn end(&mut self) -> Result<(), BoxError> {
        self.writer.end()
    }
}

/// Writes the archive of `tree` to `output`.
///
/// # Errors
/// [`WriteError`].
pub fn write<W: Write>(
    tree: &FileTree,
    streams: &dyn Streams,
    options: Options,
    output: W,
    observer: &dyn Observer,
) -> Result<Summary, WriteError> {
    let writer = Writer::new(tree, options, output, observer)?;
    observer.begin(Phase::Compress, Some(writer.plan.len));
    let inodes = writer.inodes();
    let mut progress = Progress { writer, observer };
    deliver(tree, streams, inodes, &mut progress, observer)?;
    let (_, summary) = progress.writer.finish()?;
    observer.end(Phase::Compress);
    Ok(summary)
}
