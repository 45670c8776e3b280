//! The bytes, front to back, as the contents come in.

use std::fmt;

use bootwright_image::{
    BoxError, ContentSink, InodeId, Observer, Phase, Streams, deliver, is_zero,
};

use super::checksum::inode_seed;
use super::error::EmitError;
use super::format::SUPERBLOCK_OFFSET;
use super::geometry::{Area, Fixture};
use super::mapping::{Mapped, Mapping};
use super::nodes::{Content, Node};
use super::plan::Plan;
use super::{extents, indirect};
use crate::SparseWrite;

/// Inodes encoded at once.
const INODES_AT_ONCE: u64 = 1024;

/// Writes a volume front to back. It wants the contents of [`Plan::wanted`] in that order, then
/// [`finish`](Self::finish). What stands between them, tables and directories, it writes itself
/// when their turn comes. Progress is told as [`Phase::Write`], in bytes of contents.
pub struct Writer<'p, 'a, W> {
    pub(super) plan: &'p Plan<'a>,
    output: W,
    observer: &'p dyn Observer,
    /// Bytes written.
    position: u64,
    /// The next of the geometry's areas.
    area: usize,
    /// The next of the plan's contents.
    next: usize,
    current: Option<Current<'p>>,
}

/// The content that is coming in.
struct Current<'p> {
    inode: usize,
    node: &'p Node,
    mapped: Mapped,
    /// The first extent that is not complete.
    extent: usize,
    len: u64,
    /// Bytes that have come.
    at: u64,
}

/// A piece of a content.
#[derive(Clone, Copy)]
pub(super) enum Piece<'a> {
    Data(&'a [u8]),
    Zeros(u64),
}

impl Piece<'_> {
    fn len(self) -> u64 {
        match self {
            Self::Data(bytes) => bytes.len() as u64,
            Self::Zeros(len) => len,
        }
    }

    fn split_at(self, at: u64) -> (Self, Self) {
        match self {
            Self::Data(bytes) => {
                let at = usize::try_from(at).map_or(bytes.len(), |at| at.min(bytes.len()));
                let (head, tail) = bytes.split_at(at);
                (Self::Data(head), Self::Data(tail))
            }
            Self::Zeros(len) => (Self::Zeros(at.min(len)), Self::Zeros(len.saturating_sub(at))),
        }
    }
}

impl<'a> Plan<'a> {
    /// Writes everything in front of the first content. Byte zero of the volume is the output's
    /// next.
    ///
    /// # Errors
    /// [`EmitError`].
    pub fn writer<'p, W: SparseWrite>(
        &'p self,
        output: W,
        observer: &'p dyn Observer,
    ) -> Result<Writer<'p, 'a, W>, EmitError> {
        let mut writer =
            Writer { plan: self, output, observer, position: 0, area: 0, next: 0, current: None };
        writer.put(Piece::Zeros(self.geometry.first_block * self.block_size()))?;
        writer.put_small()?;
        Ok(writer)
    }
}

impl Plan<'_> {
    /// Writes the whole volume, with the contents of `streams`. Gives the output back, not flushed.
    ///
    /// # Errors
    /// [`EmitError`]; [`EmitError::Length`] for a deferred content, which takes a
    /// [`writer`](Self::writer).
    pub fn emit<W: SparseWrite>(
        &self,
        streams: &dyn Streams,
        output: W,
        observer: &dyn Observer,
    ) -> Result<W, EmitError> {
        let mut writer = self.writer(output, observer)?;
        deliver(self.nodes.tree, streams, self.wanted(), &mut writer, observer)?;
        writer.finish()
    }
}

impl<W: SparseWrite> Writer<'_, '_, W> {
    /// Writes what stands behind the last content, up to the volume's full length, and gives the
    /// output back.
    ///
    /// # Errors
    /// [`EmitError::Length`] when contents are missing.
    pub fn finish(mut self) -> Result<W, EmitError> {
        if let Some(node) = self.plan.contents.get(self.next) {
            let node = &self.plan.nodes.nodes[*node];
            let inode = node.id.map_or(0, InodeId::index);
            let Content::File { len: planned } = node.content else { unreachable!("BUG: no file") };
            return Err(EmitError::Length { inode, len: 0, planned });
        }
        // Here, what stands next is not written yet: it may begin right where the contents end.
        if self.position != self.plan.placed.end * self.plan.block_size() {
            return Err(self.mismatch("end", self.plan.placed.end));
        }
        while let Some(area) = self.plan.geometry.areas.get(self.area) {
            let start = area.start * self.plan.block_size();
            self.put(Piece::Zeros(start - self.position))?;
            self.put_areas()?;
        }
        self.put(Piece::Zeros(self.plan.len() - self.position))?;
        Ok(self.output)
    }

    /// The map's blocks, which stand behind the data.
    pub(super) fn put_map(&mut self, number: u32, mapped: &Mapped) -> Result<(), EmitError> {
        let (plan, block_size) = (self.plan, self.plan.block_size());
        match plan.mapping() {
            Mapping::Indirect => {
                indirect::for_each_block(&mapped.extents, &mapped.map, block_size, |block| {
                    self.put(Piece::Data(block))
                })
            }
            Mapping::Extents => {
                let seed = plan.seed().map(|seed| inode_seed(seed, number, 0));
                extents::blocks(&mapped.extents, &mapped.map, block_size, seed)
                    .iter()
                    .try_for_each(|block| self.put(Piece::Data(block)))
            }
        }
    }

    /// Writes a piece to free blocks, and in front of it whatever stands in the way.
    pub(super) fn put(&mut self, mut piece: Piece<'_>) -> Result<(), EmitError> {
        while piece.len() > 0 {
            self.put_areas()?;
            let next = self.plan.geometry.areas.get(self.area);
            let room =
                next.map_or(u64::MAX, |area| area.start * self.plan.block_size() - self.position);
            let (now, rest) = piece.split_at(room);
            match now {
                Piece::Data(bytes) => self.output.write_all(bytes)?,
                Piece::Zeros(len) => self.output.zeros(len)?,
            }
            self.position += now.len();
            piece = rest;
        }
        Ok(())
    }

    /// Writes the areas that begin here.
    fn put_areas(&mut self) -> Result<(), EmitError> {
        let plan = self.plan;
        while let Some(area) = plan.geometry.areas.get(self.area)
            && area.start * plan.block_size() == self.position
        {
            self.area += 1;
            let end = area.end() * plan.block_size();
            self.put_area(area)?;
            if self.position > end {
                return Err(self.mismatch("fixed area", area.start));
            }
            self.output.zeros(end - self.position)?;
            self.position = end;
        }
        Ok(())
    }

    fn put_area(&mut self, area: &Area) -> Result<(), EmitError> {
        let plan = self.plan;
        match area.fixture {
            Fixture::Superblock => {
                // In the first group it stands behind room for boot code, unless that is a block
                // of its own.
                let first = area.group == 0 && plan.geometry.first_block == 0;
                let before = if first { SUPERBLOCK_OFFSET } else { 0 };
                self.raw_zeros(before)?;
                let bytes = plan.encode_superblock(area.group);
                self.raw(&bytes)
            }
            Fixture::Descriptors => self.raw(&plan.encode_descriptors()),
            Fixture::ReservedDescriptors if area.group == 0 => (0..area.len)
                .try_for_each(|index| self.raw(&plan.encode_reserved_descriptors(index))),
            Fixture::ReservedDescriptors => Ok(()),
            Fixture::BlockBitmap => self.raw(&plan.encode_block_bitmap(area.group)),
            Fixture::InodeBitmap => self.raw(&plan.encode_inode_bitmap(area.group)),
            Fixture::InodeTable => self.put_inode_table(area.group),
        }
    }

    fn put_inode_table(&mut self, group: u64) -> Result<(), EmitError> {
        let first = group * self.plan.geometry.inodes_per_group + 1;
        let end = first + self.plan.inodes_used_in(group);
        let mut at = first;
        while at < end {
            let count = (end - at).min(INODES_AT_ONCE);
            let number = |value| u32::try_from(value).expect("BUG: inodes have 32 bits");
            self.raw(&self.plan.encode_inodes(number(at), number(count)))?;
            at += count;
        }
        Ok(())
    }

    /// Bytes of an area.
    fn raw(&mut self, bytes: &[u8]) -> Result<(), EmitError> {
        self.output.write_all(bytes)?;
        self.position += bytes.len() as u64;
        Ok(())
    }

    fn raw_zeros(&mut self, len: u64) -> Result<(), EmitError> {
        self.output.zeros(len)?;
        self.position += len;
        Ok(())
    }

    /// What is written next must land at block `planned`.
    pub(super) fn check_position(
        &mut self,
        what: &'static str,
        planned: u64,
    ) -> Result<(), EmitError> {
        self.put_areas()?;
        if planned * self.plan.block_size() == self.position {
            return Ok(());
        }
        Err(self.mismatch(what, planned))
    }

    fn begin_content(&mut self, inode: InodeId, len: u64) -> Result<(), EmitError> {
        let plan = self.plan;
        let next = plan.contents.get(self.next).map(|index| &plan.nodes.nodes[*index]);
        let number = inode.index();
        let node = match next {
            Some(node) if node.id == Some(inode) && self.current.is_none() => node,
            _ => return Err(EmitError::Order { inode: number }),
        };
        let Content::File { len: planned } = node.content else { unreachable!("BUG: no file") };
        if len != planned {
            return Err(EmitError::Length { inode: number, len, planned });
        }
        let mapped = plan.map(node);
        if let Some(first) = mapped.extents.first() {
            self.check_position("content", first.physical)?;
        }
        self.current = Some(Current { inode: number, node, mapped, extent: 0, len, at: 0 });
        Ok(())
    }

    fn content(&mut self, mut piece: Piece<'_>) -> Result<(), EmitError> {
        let block_size = self.plan.block_size();
        self.observer.advance(Phase::Write, piece.len());
        while piece.len() > 0 {
            let Some(current) = &mut self.current else {
                return Err(EmitError::Order { inode: 0 });
            };
            let (at, inode) = (current.at, current.inode);
            if at + piece.len() > current.len {
                let len = at + piece.len();
                return Err(EmitError::Length { inode, len, planned: current.len });
            }
            let (is_data, until) = match current.mapped.extents.get(current.extent) {
                Some(extent) if extent.logical * block_size <= at => {
                    (true, extent.end() * block_size)
                }
                Some(extent) => (false, extent.logical * block_size),
                None => (false, u64::MAX),
            };
            let (now, rest) = piece.split_at(until - at);
            current.at += now.len();
            current.extent += usize::from(is_data && current.at == until);
            match now {
                _ if is_data => self.put(now)?,
                Piece::Data(bytes) if !is_zero(bytes) => {
                    let before = bytes.iter().position(|byte| *byte != 0).unwrap_or(0);
                    return Err(EmitError::Hole { inode, offset: at + before as u64 });
                }
                _ => {}
            }
            piece = rest;
        }
        Ok(())
    }

    fn end_content(&mut self) -> Result<(), EmitError> {
        let Some(current) = self.current.take() else {
            return Err(EmitError::Order { inode: 0 });
        };
        let Current { inode, node, mapped, extent, len, at } = current;
        if at != len {
            return Err(EmitError::Length { inode, len: at, planned: len });
        }
        if let Some(extent) = mapped.extents.get(extent) {
            self.put(Piece::Zeros(extent.end() * self.plan.block_size() - at))?;
        }
        self.next += 1;
        self.put_map(node.number, &mapped)
    }

    fn mismatch(&self, what: &'static str, planned: u64) -> EmitError {
        EmitError::PlanMismatch { what, planned, position: self.position }
    }
}

impl<W: SparseWrite> ContentSink for Writer<'_, '_, W> {
    fn begin(&mut self, inode: InodeId, len: u64) -> Result<(), BoxError> {
        Ok(self.begin_content(inode, len)?)
    }

    fn data(&mut self, bytes: &[u8]) -> Result<(), BoxError> {
        Ok(self.content(Piece::Data(bytes))?)
    }

    fn hole(&mut self, len: u64) -> Result<(), BoxError> {
        Ok(self.content(Piece::Zeros(len))?)
    }

    fn end(&mut self) -> Result<(), BoxError> {
        Ok(self.end_content()?)
    }
}

impl<W> fmt::Debug for Writer<'_, '_, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("position", &self.position).finish_non_exhaustive()
    }
}
