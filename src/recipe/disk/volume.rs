//! Partitions and the file systems in them.

use std::fmt;

use bootwright_image::{Blob, ContentSink, FileTree, InodeId, Observer, Streams, deliver};
use bootwright_partitions::disk::{self, Disk, Partition};
use bootwright_partitions::{ContentWriter, Guid, SectorSize, Size, SparseWrite, ext, fat};
use sha2::{Digest, Sha256};

use crate::recipe::RecipeError;

/// An ext file system: its plan and where contents come from.
pub(super) struct Ext<'t> {
    pub(super) plan: ext::Plan<'t>,
    pub(super) tree: &'t FileTree,
    pub(super) streams: &'t dyn Streams,
    /// A file that is itself such a file system.
    pub(super) nested: Option<(InodeId, Box<Ext<'t>>)>,
}

pub(super) enum Volume<'t> {
    Fat(fat::Plan),
    Ext(Box<Ext<'t>>),
}

impl Volume<'_> {
    pub(super) fn len(&self) -> u64 {
        match self {
            Self::Fat(plan) => plan.len(),
            Self::Ext(ext) => ext.plan.len(),
        }
    }

    /// Bytes of contents to be written; [`emit`](Self::emit) tells the observer of each once.
    fn work(&self) -> u64 {
        match self {
            Self::Fat(_) => 0,
            Self::Ext(ext) => ext.work(),
        }
    }

    pub(super) fn emit<W: SparseWrite>(
        &self,
        mut output: W,
        observer: &dyn Observer,
    ) -> Result<(), RecipeError> {
        match self {
            Self::Fat(plan) => Ok(plan.emit(&mut output)?),
            Self::Ext(ext) => ext.emit(output, observer).map(|_| ()),
        }
    }
}

impl Ext<'_> {
    fn work(&self) -> u64 {
        if let Some((_, nested)) = &self.nested {
            return nested.work();
        }
        let lens = self.plan.wanted().filter_map(|id| self.tree.inode(id).as_file().map(Blob::len));
        lens.fold(0, u64::saturating_add)
    }

    fn emit<W: SparseWrite>(&self, output: W, observer: &dyn Observer) -> Result<W, RecipeError> {
        // What lies in the nested volume is written once, though two writers see it.
        let (counting, uncounted) = (observer, Uncounted(observer));
        let observer: &dyn Observer = if self.nested.is_some() { &uncounted } else { counting };
        let mut writer = self.plan.writer(output, observer)?;
        let known = self.plan.wanted().filter(|id| self.nested.as_ref().is_none_or(|n| n.0 != *id));
        deliver(self.tree, self.streams, known, &mut writer, observer)?;
        if let Some((inode, nested)) = &self.nested {
            let failed = bootwright_image::ContentError::Sink;
            writer.begin(*inode, nested.plan.len()).map_err(failed)?;
            nested.emit_into(&mut writer, counting)?;
            writer.end().map_err(failed)?;
        }
        Ok(writer.finish()?)
    }

    fn emit_into(
        &self,
        outer: &mut dyn ContentSink,
        observer: &dyn Observer,
    ) -> Result<(), RecipeError> {
        self.emit(ContentWriter::new(outer), observer).map(|_| ())
    }
}

/// An observer that learns nothing of progress.
struct Uncounted<'a>(&'a dyn Observer);

impl Observer for Uncounted<'_> {
    fn warn(&self, text: fmt::Arguments<'_>) {
        self.0.warn(text);
    }

    fn cancelled(&self) -> bool {
        self.0.cancelled()
    }
}

/// A partition to be.
pub(super) struct Part<'t> {
    pub(super) name: &'static str,
    pub(super) kind: Guid,
    pub(super) attributes: u64,
    pub(super) volume: Volume<'t>,
}

/// How the disk is laid out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) sector_size: SectorSize,
    /// The disk's length in bytes; `None`: what its partitions take.
    pub(super) size: Option<u64>,
    /// What all identifiers come from.
    pub(super) seed: [u8; 32],
}

impl Shape {
    /// The identifier of a part of the disk.
    pub(super) fn guid(&self, what: &str) -> Guid {
        Guid::from_content(&[&self.seed, what.as_bytes()])
    }

    /// The same as bytes in text order.
    pub(super) fn uuid(&self, what: &str) -> [u8; 16] {
        let mut bytes = [0; 16];
        let hash = Sha256::new().chain_update(self.seed).chain_update(what).finalize();
        bytes.copy_from_slice(&hash[..16]);
        // A name-based UUID of our own making: version 8 (RFC 9562, section 5.8).
        bytes[6] = bytes[6] & 0x0F | 0x80;
        bytes[8] = bytes[8] & 0x3F | 0x80;
        bytes
    }

    pub(super) fn plan(&self, parts: &[Part<'_>]) -> Result<disk::Plan, RecipeError> {
        let partitions = parts
            .iter()
            .map(|part| Partition {
                attributes: part.attributes,
                ..Partition::new(part.name, part.kind, self.guid(part.name), part.volume.len())
            })
            .collect();
        let size = self.size.map_or(Size::Auto { headroom: 0 }, Size::Exact);
        let disk = Disk {
            sector_size: self.sector_size,
            size,
            ..Disk::new(self.guid("disk"), partitions)
        };
        Ok(disk.plan()?)
    }
}

/// Bytes of contents that partitions take in.
pub(super) fn work(parts: &[Part<'_>]) -> u64 {
    parts.iter().map(|part| part.volume.work()).fold(0, u64::saturating_add)
}

/// Writes the disk front to back and gives the output back.
pub(super) fn emit<W: SparseWrite>(
    plan: &disk::Plan,
    parts: &[Part<'_>],
    output: W,
    observer: &dyn Observer,
) -> Result<W, RecipeError> {
    plan.emit(output, |index, place| match parts.get(index) {
        Some(part) => part.volume.emit(place, observer),
        None => Ok(()),
    })
}
