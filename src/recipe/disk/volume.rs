//! Partitions and the file systems in them.

use bootwright_image::{ContentSink, FileTree, InodeId, Observer, Streams, deliver};
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
    fn emit<W: SparseWrite>(&self, output: W, observer: &dyn Observer) -> Result<W, RecipeError> {
        let mut writer = self.plan.writer(output, observer)?;
        let known = self.plan.wanted().filter(|id| self.nested.as_ref().is_none_or(|n| n.0 != *id));
        deliver(self.tree, self.streams, known, &mut writer, observer)?;
        if let Some((inode, nested)) = &self.nested {
            let failed = bootwright_image::ContentError::Sink;
            writer.begin(*inode, nested.plan.len()).map_err(failed)?;
            nested.emit_into(&mut writer, observer)?;
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
