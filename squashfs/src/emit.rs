//! The writer: contents in, image out.

use std::fmt;
use std::io::{self, Seek, SeekFrom, Write};

use bootwright_image::{
    Blob, BoxError, ContentSink, Digest, FileTree, InodeId, Observer, Origin, Phase, Streams,
    deliver,
};

use serde::{Deserialize, Serialize};

use crate::blocks::{Blocks, open_output};
use crate::codec::identify;
use crate::error::{WriteError, boxed, path_of};
use crate::format::{DEVICE_BLOCK, METADATA_STORED, PutFields, SUPERBLOCK_LEN, Superblock};
use crate::options::{Fragments, Options};
use crate::plan::Plan;
use crate::reuse::{Index, Reuse};
use crate::supply::{Supply, blob_digest};
use crate::tables;

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Summary {
    /// Length of the image in bytes without padding, as in its superblock.
    pub bytes_used: u64,
    /// Length in bytes with padding: the next multiple of 4096.
    pub padded_len: u64,
    /// Inodes of all kinds.
    pub inodes: u32,
    /// Regular files; a hard-linked one counts once.
    pub files: u64,
    /// Directories with the root.
    pub directories: u64,
    /// Fragment blocks.
    pub fragments: u64,
    /// Stored data blocks with the fragment blocks.
    pub blocks: u64,
    /// Files whose content another file has as well.
    pub duplicate_files: u64,
    /// The bytes of those.
    pub duplicate_bytes: u64,
    /// Bytes of blocks of zeros, which are not stored.
    pub holes: u64,
    /// Bytes of the stored blocks before compression.
    pub uncompressed: u64,
    /// Bytes of the stored blocks.
    pub compressed: u64,
    /// How many of those came from a donor.
    pub reused: u64,
}

/// Writes one image. Feed it the contents of [`wanted`](Self::wanted), in any order, then
/// [`finish`](Self::finish). Blocks lie in the image in the order of the contents.
///
/// Progress is told as [`Phase::Compress`], [`content_bytes`](Self::content_bytes) in all; to begin
/// and end the phase is the caller's part.
pub struct Writer<'a, W: Write + Seek> {
    plan: Plan<'a>,
    options: Options,
    observer: &'a dyn Observer,
    blocks: Blocks<'a, W>,
    current: Option<Current>,
    supply: Supply,
}

/// The content that is coming in.
struct Current {
    inode: InodeId,
    content: u32,
    len: u64,
    left: u64,
    block: Vec<u8>,
    /// Of a host file whose digest goes into the index: it may have changed since it was read.
    hasher: Option<blake3::Hasher>,
}

impl<'a, W: Write + Seek> Writer<'a, W> {
    /// Plans the image of `tree` and writes its first bytes. Byte zero of the image is position
    /// zero of `output`, which is never read and whose other bytes are left alone.
    ///
    /// Contents in memory and in host files whose lengths are equal are read here to find equal
    /// ones, unless their digests are known or they fit in fragments.
    ///
    /// # Errors
    /// [`WriteError`]: what the format cannot hold, and what the output reports.
    pub fn new(
        tree: &'a FileTree,
        options: Options,
        output: W,
        observer: &'a dyn Observer,
    ) -> Result<Self, WriteError> {
        Self::reusing(tree, options, Reuse::default(), output, observer)
    }

    /// Like [`new`](Self::new), with a donor that gives its blocks, and an index recorded for later.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn reusing(
        tree: &'a FileTree,
        options: Options,
        reuse: Reuse,
        output: W,
        observer: &'a dyn Observer,
    ) -> Result<Self, WriteError> {
        let plan = Plan::new(tree, &options, observer)?;
        let mut output = open_output(output).map_err(WriteError::Output)?;
        let mut head = vec![0; SUPERBLOCK_LEN];
        if let (_, Some(record)) = identify(options.compression, options.block_size) {
            head.u16(u16::try_from(record.len()).expect("BUG: 8 bytes") | METADATA_STORED);
            head.extend_from_slice(&record);
        }
        output.write_all(&head).map_err(WriteError::Output)?;
        let supply = Supply::new(&plan, reuse.donor.as_deref());
        let blocks = Blocks::new(output, plan.contents.delivered.len(), &options, reuse, observer);
        Ok(Self { plan, options, observer, blocks, current: None, supply })
    }

    /// The inodes whose contents are to be delivered, in the order of their first names: one for
    /// each group of files that are known to be equal, none for empty files and for what a donor
    /// supplies.
    #[must_use]
    pub fn wanted(&self) -> &[InodeId] {
        self.supply.wanted()
    }

    /// The inode that the content of `inode` is delivered as; `None` when that has none.
    #[must_use]
    pub fn delivered_as(&self, inode: InodeId) -> Option<InodeId> {
        self.plan.contents.delivered_as(inode)
    }

    /// Bytes of all contents, delivered or supplied by a donor.
    #[must_use]
    pub fn content_bytes(&self) -> u64 {
        let len = |inode: &InodeId| self.plan.tree.inode(*inode).as_file().map_or(0, Blob::len);
        self.plan.contents.delivered.iter().map(len).fold(0, u64::saturating_add)
    }

    /// Writes the tables, the padding and, last, the superblock.
    ///
    /// # Errors
    /// [`WriteError`]; also when a wanted content did not come.
    pub fn finish(self) -> Result<Summary, WriteError> {
        self.finish_recorded().map(|(summary, _)| summary)
    }

    /// Like [`finish`](Self::finish); returns the index, too, if it was asked for.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn finish_recorded(mut self) -> Result<(Summary, Option<Index>), WriteError> {
        let tree = self.plan.tree;
        if let Some(current) = self.current.take() {
            let path = path_of(tree, current.inode);
            return Err(WriteError::Delivery { path, problem: "was begun and not ended" });
        }
        self.take_supplied(u32::MAX)?;
        if let Some(content) = self.blocks.files.missing().next() {
            let path = path_of(tree, self.plan.contents.delivered[content]);
            return Err(WriteError::Delivery { path, problem: "did not come" });
        }
        self.blocks.finish()?;
        let superblock = tables::emit(&self.plan, &mut self.blocks, &self.options, self.observer)?;
        let output = &mut self.blocks.output;
        let padded_len = superblock.bytes_used.next_multiple_of(DEVICE_BLOCK);
        output.zeros_until(padded_len).map_err(WriteError::Output)?;
        let summary = self.summarize(&superblock, padded_len);
        let digests = self.plan.contents.delivered.iter().map(|inode| blob_digest(tree, *inode));
        let index = self.blocks.index(&self.options, digests);
        self.emit_superblock(&superblock).map_err(WriteError::Output)?;
        Ok((summary, index))
    }

    /// Puts in what the donor supplies of the contents that are delivered before `rank`.
    fn take_supplied(&mut self, rank: u32) -> Result<(), WriteError> {
        while let Some(content) = self.supply.next_before(rank) {
            let inode = self.plan.contents.delivered[content as usize];
            let (digest, len) = blob_digest(self.plan.tree, inode);
            if let Some(digest) = digest.filter(|_| self.blocks.files.begin(content)) {
                self.blocks.take(content, digest, len)?;
            }
        }
        Ok(())
    }

    fn emit_superblock(self, superblock: &Superblock) -> io::Result<()> {
        let gathered = self.blocks.output.into_inner();
        let mut output = gathered.into_inner().map_err(io::IntoInnerError::into_error)?;
        output.seek(SeekFrom::Start(0))?;
        output.write_all(&superblock.to_bytes())?;
        output.flush()
    }

    fn summarize(&self, superblock: &Superblock, padded_len: u64) -> Summary {
        let (plan, counts) = (&self.plan, self.blocks.counts);
        Summary {
            bytes_used: superblock.bytes_used,
            padded_len,
            inodes: plan.inode_count,
            files: plan.files,
            directories: plan.directories,
            fragments: self.blocks.fragments.len() as u64,
            blocks: counts.blocks,
            duplicate_files: plan.contents.duplicate_files + counts.shared_tails,
            duplicate_bytes: plan.contents.duplicate_bytes + counts.shared_tail_bytes,
            holes: counts.holes,
            uncompressed: counts.uncompressed,
            compressed: counts.compressed,
            reused: counts.reused,
        }
    }

    /// Takes `len` bytes off what is left of the current content.
    fn take(&mut self, len: u64) -> Result<&mut Current, WriteError> {
        let tree = self.plan.tree;
        let Some(current) = &mut self.current else {
            let path = String::new();
            return Err(WriteError::Delivery { path, problem: "came before it was announced" });
        };
        let Some(left) = current.left.checked_sub(len) else {
            return Err(WriteError::ContentLen {
                path: path_of(tree, current.inode),
                planned: current.len,
                delivered: (current.len - current.left).saturating_add(len),
            });
        };
        current.left = left;
        Ok(current)
    }

    /// Hands the current block on when it is full.
    fn block_if_full(&mut self) -> Result<(), WriteError> {
        let block_size = self.options.block_size.len();
        if let Some(current) = &mut self.current
            && current.block.len() == block_size
        {
            let next = self.blocks.buffer();
            let block = std::mem::replace(&mut current.block, next);
            self.blocks.block(current.content, block)?;
        }
        Ok(())
    }

    fn try_begin(&mut self, inode: InodeId, len: u64) -> Result<(), WriteError> {
        let tree = self.plan.tree;
        let failed = |problem| WriteError::Delivery { path: path_of(tree, inode), problem };
        if self.current.is_some() {
            return Err(failed("was begun before another one was ended"));
        }
        let content = self
            .plan
            .contents
            .of(inode)
            .filter(|_| self.delivered_as(inode) == Some(inode))
            .ok_or_else(|| failed("was not asked for"))?;
        let planned = tree.inode(inode).as_file().map_or(0, Blob::len);
        if planned != len {
            let path = path_of(tree, inode);
            return Err(WriteError::ContentLen { path, planned, delivered: len });
        }
        if let Some(rank) = self.supply.rank(content) {
            self.take_supplied(rank)?;
        }
        if !self.blocks.files.begin(content) {
            return Err(failed("came twice"));
        }
        let block = self.blocks.buffer();
        let blob = tree.inode(inode).as_file();
        let at_risk = |blob: &&Blob| {
            blob.digest().is_some() && matches!(blob.origin(), Origin::HostFile { .. })
        };
        let hasher = blob.filter(at_risk).filter(|_| self.blocks.records());
        let hasher = hasher.map(|_| blake3::Hasher::new());
        self.current = Some(Current { inode, content, len, left: len, block, hasher });
        Ok(())
    }

    fn try_data(&mut self, mut bytes: &[u8]) -> Result<(), WriteError> {
        let block_size = self.options.block_size.len();
        if let Some(hasher) = &mut self.take(bytes.len() as u64)?.hasher {
            hasher.update(bytes);
        }
        while let Some(current) = &mut self.current
            && !bytes.is_empty()
        {
            let (now, later) = bytes.split_at(bytes.len().min(block_size - current.block.len()));
            current.block.extend_from_slice(now);
            self.block_if_full()?;
            bytes = later;
        }
        Ok(())
    }

    fn try_hole(&mut self, mut len: u64) -> Result<(), WriteError> {
        let block_size = self.options.block_size.len();
        let current = self.take(len)?;
        if !current.block.is_empty() {
            let room = block_size - current.block.len();
            let now = usize::try_from(len).unwrap_or(usize::MAX).min(room);
            current.block.resize(current.block.len() + now, 0);
            len -= now as u64;
            self.block_if_full()?;
        }
        let Some(current) = &mut self.current else { return Ok(()) };
        let rest = len % block_size as u64;
        let whole = len - rest;
        if whole > 0 {
            self.blocks.hole(current.content, whole / block_size as u64, whole);
        }
        let rest = usize::try_from(rest).expect("BUG: less than a block");
        current.block.resize(current.block.len() + rest, 0);
        Ok(())
    }

    fn try_end(&mut self) -> Result<(), WriteError> {
        let current = self.take(0)?;
        if current.left > 0 {
            let (inode, planned) = (current.inode, current.len);
            let delivered = planned - current.left;
            let path = path_of(self.plan.tree, inode);
            return Err(WriteError::ContentLen { path, planned, delivered });
        }
        let Some(Current { inode, content, len, block, hasher, .. }) = self.current.take() else {
            return Ok(());
        };
        if let Some(hasher) = hasher {
            let (digest, _) = blob_digest(self.plan.tree, inode);
            if digest != Some(Digest(*hasher.finalize().as_bytes())) {
                return Err(WriteError::Changed { path: path_of(self.plan.tree, inode) });
            }
        }
        if block.is_empty() {
            self.blocks.recycle(block);
            return Ok(());
        }
        let alone = len == block.len() as u64;
        match self.options.fragments {
            Fragments::SmallFiles if !alone => self.blocks.block(content, block),
            Fragments::SmallFiles | Fragments::Always => {
                let (digest, _) = blob_digest(self.plan.tree, inode);
                self.blocks.tail(content, block, alone, digest)
            }
            Fragments::Never => self.blocks.block(content, block),
        }
    }
}

impl<W: Write + Seek> ContentSink for Writer<'_, W> {
    fn begin(&mut self, inode: InodeId, len: u64) -> Result<(), BoxError> {
        boxed(self.try_begin(inode, len))
    }

    fn data(&mut self, bytes: &[u8]) -> Result<(), BoxError> {
        boxed(self.try_data(bytes))
    }

    fn hole(&mut self, len: u64) -> Result<(), BoxError> {
        boxed(self.try_hole(len))
    }

    fn end(&mut self) -> Result<(), BoxError> {
        boxed(self.try_end())
    }
}

impl<W: Write + Seek> fmt::Debug for Writer<'_, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("options", &self.options).finish_non_exhaustive()
    }
}

/// Writes the image of `tree` to `output`, whose position zero is byte zero of the image.
///
/// # Errors
/// [`WriteError`].
pub fn write<W: Write + Seek>(
    tree: &FileTree,
    streams: &dyn Streams,
    options: Options,
    output: W,
    observer: &dyn Observer,
) -> Result<Summary, WriteError> {
    let mut writer = Writer::new(tree, options, output, observer)?;
    observer.begin(Phase::Compress, Some(writer.content_bytes()));
    let wanted = writer.wanted().to_vec();
    deliver(tree, streams, wanted, &mut writer, observer).map_err(WriteError::from_delivery)?;
    let summary = writer.finish()?;
    observer.end(Phase::Compress);
    Ok(summary)
}
