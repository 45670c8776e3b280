//! Gives files their places, then writes the tables that describe them.

use std::io::{Seek, Write};

use bootwright_image::{
    Blob, BoxError, Canvas, ContentError, ContentSink, FileTree, InodeId, Kind, Observer, Origin,
    Phase, Region, Window, deliver,
};

use super::directory::{Extent, Hierarchy, Namespace};
use super::format::BLOCK;
use super::plan::Plan;
use super::{Options, WriteError, descriptor, path_of, rock_ridge};

/// Writes one ISO image. The head (descriptors, path tables, directories) has a fixed length from
/// the start on and is written last; files are placed behind it one after another, in the order
/// of the calls:
///
/// - contents in memory or in host files by [`write_contents`](Self::write_contents);
/// - deferred contents, and those of streams, by the caller through a [`Window`] from
///   [`place`](Self::place), [`place_aligned`](Self::place_aligned) or, when the length is not
///   known yet, [`begin_open`](Self::begin_open).
///
/// The output must be empty; what nobody writes must read as zeros. Each inode is stored once,
/// under all its names; different inodes never share a place, since readers take files in one
/// place for hard links.
#[derive(Debug)]
pub struct Writer<W> {
    pub(super) tree: FileTree,
    pub(super) options: Options,
    pub(super) canvas: Canvas<W>,
    pub(super) hierarchies: Vec<Hierarchy>,
    /// File serial number of each inode, from 1 in the order of the tree; 0 for unreachable ones.
    pub(super) serials: Vec<u32>,
    pub(super) plan: Plan,
    pub(super) files: Files,
}

/// Where the regular files lie, and what is free behind them.
#[derive(Debug)]
pub(super) struct Files {
    /// By inode index.
    places: Vec<Option<Extent>>,
    /// The first free block.
    pub(super) next: u32,
    open: Option<InodeId>,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// Length of the image in bytes: a multiple of 32 KiB.
    pub len: u64,
    /// The parts of the image in order, without the padding between them.
    pub regions: Vec<Region>,
}

impl<W: Write + Seek> Writer<W> {
    /// Plans the head of an image of `tree`. Deferred files may get shorter than their blobs say,
    /// never longer.
    ///
    /// # Errors
    /// [`WriteError`] when the tree or the options hold something that ISO 9660 cannot.
    pub fn new(tree: FileTree, options: Options, output: W) -> Result<Self, WriteError> {
        descriptor::check(&options)?;
        let mut namespaces =
            vec![if options.rock_ridge { Namespace::RockRidge } else { Namespace::Plain }];
        if options.joliet {
            namespaces.push(Namespace::Joliet);
        }
        let serials = serials(&tree)?;
        let hierarchies: Vec<_> =
            namespaces.into_iter().map(|namespace| Hierarchy::new(&tree, namespace)).collect();
        let plan = Plan::new(&tree, &hierarchies, &serials, options.partition_view)?;
        let files = Files { places: vec![None; tree.capacity()], next: plan.end, open: None };
        Ok(Self { tree, options, canvas: Canvas::new(output), hierarchies, serials, plan, files })
    }

    /// The output, shared.
    #[must_use]
    pub fn canvas(&self) -> &Canvas<W> {
        &self.canvas
    }

    /// The tree, as it will be on the medium.
    #[must_use]
    pub fn tree(&self) -> &FileTree {
        &self.tree
    }

    /// Gives a deferred file its content after all, to be written by
    /// [`write_contents`](Self::write_contents).
    ///
    /// # Errors
    /// [`WriteError`] when `inode` is no file of the tree, has a place, or was planned shorter.
    pub fn set_content(&mut self, inode: InodeId, blob: Blob) -> Result<(), WriteError> {
        self.check_len(inode, blob.len())?;
        let path = |this: &Self| path_of(&this.tree, inode);
        if self.files.places[inode.index()].is_some() {
            return Err(WriteError::Placed { path: path(self) });
        }
        let set = self.tree.set_content(inode, blob);
        set.map_err(|_| WriteError::NotAFile { path: path(self) })
    }

    /// Gives a file its place at the next free block and returns the window to write its `len`
    /// bytes through, now or later. An empty file takes no place.
    ///
    /// # Errors
    /// [`WriteError`] when `inode` is no file of the tree, has a place, was planned shorter, or
    /// does not fit; also while another file is open.
    pub fn place(&mut self, inode: InodeId, len: u64) -> Result<Window<W>, WriteError> {
        self.place_aligned(inode, len, BLOCK)
    }

    /// The same as [`place`](Self::place), at the next free multiple of `align` bytes: a power
    /// of two, 2048 at least.
    ///
    /// # Errors
    /// As [`place`](Self::place); [`WriteError::Alignment`].
    pub fn place_aligned(
        &mut self,
        inode: InodeId,
        len: u64,
        align: u64,
    ) -> Result<Window<W>, WriteError> {
        self.check_len(inode, len)?;
        let offset = self.files.place(&self.tree, inode, len, align)?;
        Ok(self.canvas.window(offset))
    }

    /// Gives a file whose length is not known yet its place at the next free multiple of `align`
    /// bytes. Nothing else can be placed until [`end_open`](Self::end_open) says where it ends.
    ///
    /// # Errors
    /// As [`place_aligned`](Self::place_aligned).
    pub fn begin_open(&mut self, inode: InodeId, align: u64) -> Result<Window<W>, WriteError> {
        self.check_len(inode, 0)?;
        self.files.check_free(&self.tree, inode)?;
        let start = self.files.aligned(align)?;
        let too_large = |_| WriteError::TooLarge { what: path_of(&self.tree, inode) };
        self.files.next = u32::try_from(start).map_err(too_large)?;
        self.files.open = Some(inode);
        Ok(self.canvas.window(start * BLOCK))
    }

    /// Ends the open file `inode` at `len` bytes.
    ///
    /// # Errors
    /// [`WriteError`] when it is not open, was planned shorter, or does not fit.
    pub fn end_open(&mut self, inode: InodeId, len: u64) -> Result<(), WriteError> {
        if self.files.open != Some(inode) {
            return Err(WriteError::NotOpen { path: path_of(&self.tree, inode) });
        }
        self.check_len(inode, len)?;
        self.files.open = None;
        self.files.place(&self.tree, inode, len, BLOCK).map(|_| ())
    }

    /// Writes every content that is in memory or in a host file and has no place yet, in the
    /// order of the tree, at the next free blocks. Advances [`Phase::Write`] by the bytes.
    ///
    /// # Errors
    /// [`WriteError`] when a content cannot be read, does not fit or cannot be written; also
    /// while a file is open.
    pub fn write_contents(&mut self, observer: &dyn Observer) -> Result<(), WriteError> {
        let mut seen = vec![false; self.tree.capacity()];
        let mut wanted = Vec::new();
        for walked in self.tree.walk() {
            let here = self.tree.inode(walked.id).as_file().is_some_and(|blob| {
                matches!(blob.origin(), Origin::Bytes(_) | Origin::HostFile { .. })
            });
            let first = !std::mem::replace(&mut seen[walked.id.index()], true);
            if here && first && self.files.places[walked.id.index()].is_none() {
                wanted.push(walked.id);
            }
        }
        let mut contents = Contents {
            tree: &self.tree,
            files: &mut self.files,
            canvas: &self.canvas,
            observer,
            position: 0,
        };
        deliver(&self.tree, &(), wanted, &mut contents, observer).map_err(|error| match error {
            ContentError::Cancelled => WriteError::Cancelled,
            ContentError::Sink(cause) => match cause.downcast::<WriteError>() {
                Ok(error) => *error,
                Err(cause) => ContentError::Sink(cause).into(),
            },
            error => error.into(),
        })
    }

    fn check_len(&self, inode: InodeId, len: u64) -> Result<(), WriteError> {
        let path = || path_of(&self.tree, inode);
        let blob = self.tree.inode(inode).as_file().filter(|_| self.serials[inode.index()] != 0);
        let limit = blob.ok_or_else(|| WriteError::NotAFile { path: path() })?.len();
        if len > limit {
            return Err(WriteError::LongerThanPlanned { path: path(), len, limit });
        }
        Ok(())
    }
}

impl Files {
    /// A file's place; `None` before it has one.
    pub(super) fn extent(&self, inode: InodeId) -> Option<Extent> {
        self.places[inode.index()]
    }

    /// The file of unknown length that was not ended.
    pub(super) fn open(&self) -> Option<InodeId> {
        self.open
    }

    fn check_free(&self, tree: &FileTree, inode: InodeId) -> Result<(), WriteError> {
        if let Some(open) = self.open {
            let (path, open) = (path_of(tree, inode), path_of(tree, open));
            return Err(WriteError::Open { path, open });
        }
        match self.places[inode.index()] {
            Some(_) => Err(WriteError::Placed { path: path_of(tree, inode) }),
            None => Ok(()),
        }
    }

    /// The next free block at a multiple of `align` bytes.
    fn aligned(&self, align: u64) -> Result<u64, WriteError> {
        if !align.is_power_of_two() || align < BLOCK {
            return Err(WriteError::Alignment { align });
        }
        Ok(u64::from(self.next).next_multiple_of(align / BLOCK))
    }

    /// Reserves `len` bytes and returns their offset in the image.
    fn place(
        &mut self,
        tree: &FileTree,
        inode: InodeId,
        len: u64,
        align: u64,
    ) -> Result<u64, WriteError> {
        self.check_free(tree, inode)?;
        let start = self.aligned(align)?;
        if len == 0 {
            self.places[inode.index()] = Some(Extent { block: 0, len });
            return Ok(u64::from(self.next) * BLOCK);
        }
        let end = start.checked_add(len.div_ceil(BLOCK));
        let too_large = || WriteError::TooLarge { what: path_of(tree, inode) };
        self.next = end.and_then(|end| u32::try_from(end).ok()).ok_or_else(too_large)?;
        let block = u32::try_from(start).map_err(|_| too_large())?;
        self.places[inode.index()] = Some(Extent { block, len });
        Ok(start * BLOCK)
    }
}

/// Places contents as they come and writes them.
struct Contents<'a, W> {
    tree: &'a FileTree,
    files: &'a mut Files,
    canvas: &'a Canvas<W>,
    observer: &'a dyn Observer,
    position: u64,
}

impl<W: Write + Seek> ContentSink for Contents<'_, W> {
    fn begin(&mut self, inode: InodeId, len: u64) -> Result<(), BoxError> {
        self.position = self.files.place(self.tree, inode, len, BLOCK)?;
        Ok(())
    }

    fn data(&mut self, bytes: &[u8]) -> Result<(), BoxError> {
        self.canvas.write_at(self.position, bytes).map_err(WriteError::Io)?;
        self.hole(bytes.len() as u64)
    }

    fn hole(&mut self, len: u64) -> Result<(), BoxError> {
        self.position += len;
        self.observer.advance(Phase::Write, len);
        Ok(())
    }

    fn end(&mut self) -> Result<(), BoxError> {
        Ok(())
    }
}

/// Numbers the inodes in the order of the tree and checks what only Rock Ridge stores.
fn serials(tree: &FileTree) -> Result<Vec<u32>, WriteError> {
    let mut serials = vec![0; tree.capacity()];
    serials[tree.root().index()] = 1;
    let mut last = 1;
    for walked in tree.walk() {
        let serial = &mut serials[walked.id.index()];
        if *serial != 0 {
            continue;
        }
        last += 1;
        *serial = last;
        if let Kind::CharDevice(device) | Kind::BlockDevice(device) = tree.inode(walked.id).kind()
            && !rock_ridge::holds_device(*device)
        {
            let (path, major, minor) = (path_of(tree, walked.id), device.major, device.minor);
            return Err(WriteError::Device { path, major, minor });
        }
    }
    Ok(serials)
}
