//! Where the tables at the head of the image lie.

use bootwright_image::{FileTree, InodeId, Region};

use super::directory::{Extent, Hierarchy, Records};
use super::format::{BLOCK, DESCRIPTORS, PARTITION_BASE, PARTITION_DESCRIPTORS, PIECE_MAX};
use super::susp::Continuation;
use super::{WriteError, path_of, path_table};

/// Most directories of a hierarchy: path tables number parents with 16 bits.
const DIRECTORIES_MAX: usize = 65_535;

/// The head of an image: everything before the first file.
#[derive(Debug)]
pub(super) struct Plan {
    /// Block of the boot catalog.
    pub(super) catalog: u32,
    /// The whole image, and optionally what partition 1 shows.
    pub(super) views: Vec<View>,
    /// A block of zeros that empty files point to: some readers refuse one that points before
    /// its continuation area.
    pub(super) empty: u32,
    /// First block after the head.
    pub(super) end: u32,
}

/// One set of volume descriptors with its tables.
#[derive(Debug)]
pub(super) struct View {
    /// The block of the image that is block 0 of the view.
    pub(super) base: u32,
    /// First descriptor, a block of the image.
    pub(super) descriptors: u32,
    /// Tables of each hierarchy.
    pub(super) tables: Vec<Tables>,
}

/// The tables of one hierarchy in one view. All blocks are the image's.
#[derive(Debug)]
pub(super) struct Tables {
    pub(super) path_table_len: u32,
    pub(super) path_table_l: u32,
    pub(super) path_table_m: u32,
    /// Each directory, in the order of the path table; the first follows the path tables.
    pub(super) directories: Vec<Place>,
}

/// Where a directory lies. Its continuation areas follow it at once, before any directory below
/// it: readers that go through an image front to back (libarchive) need the names in them first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// First block of its extent.
    pub(super) block: u32,
    /// First block of its continuation areas.
    pub(super) areas: u32,
    /// First block after these.
    pub(super) end: u32,
}

impl Plan {
    /// Plans for files of the lengths in the tree, deferred ones at their largest.
    pub(super) fn new(
        tree: &FileTree,
        hierarchies: &[Hierarchy],
        serials: &[u32],
        partition_view: bool,
    ) -> Result<Self, WriteError> {
        let mut sizes = Vec::new();
        for hierarchy in hierarchies {
            sizes.push(Sizes::new(tree, hierarchy, serials)?);
        }
        let mut views = vec![(0, DESCRIPTORS)];
        // The boot record must be at block 17; two more follow it at most.
        let mut next = DESCRIPTORS + 4;
        if partition_view {
            views.push((PARTITION_BASE, PARTITION_DESCRIPTORS));
            next = PARTITION_DESCRIPTORS + 3;
        }
        let catalog = next;
        next += 1;
        let mut placed = Vec::new();
        for (base, descriptors) in views {
            let tables =
                sizes.iter().map(|sizes| sizes.place(&mut next)).collect::<Result<_, _>>()?;
            placed.push(View { base, descriptors, tables });
        }
        let empty = reserve(&mut next, BLOCK)?;
        Ok(Self { catalog, views: placed, empty, end: next })
    }

    /// The parts of the head, as planned.
    pub(super) fn regions(&self) -> Vec<Region> {
        let region = |name, from: u32, to: u32| Region {
            name,
            offset: u64::from(from) * BLOCK,
            len: u64::from(to - from) * BLOCK,
        };
        let mut regions = Vec::new();
        for view in &self.views {
            let count = 3 + u32::from(view.base == 0);
            let (from, to) = (view.descriptors, view.descriptors + count);
            regions.push(region("volume descriptors", from, to));
        }
        regions.push(region("boot catalog", self.catalog, self.catalog + 1));
        for tables in self.views.iter().flat_map(|view| &view.tables) {
            let root = tables.root();
            let end = tables.directories.last().map_or(root.end, |last| last.end);
            regions.push(region("path table L", tables.path_table_l, tables.path_table_m));
            regions.push(region("path table M", tables.path_table_m, root.block));
            regions.push(region("directories", root.block, end));
        }
        regions.push(region("content of empty files", self.empty, self.empty + 1));
        regions
    }
}

impl Tables {
    /// The root directory.
    pub(super) fn root(&self) -> Place {
        *self.directories.first().expect("BUG: a hierarchy without root")
    }
}

/// Lengths of a hierarchy's tables.
struct Sizes {
    path_table: u64,
    directories: Vec<Lens>,
}

/// Lengths in bytes of a directory's extent and of its continuation areas.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lens {
    pub(super) extent: u32,
    areas: u64,
}

impl Sizes {
    fn new(tree: &FileTree, hierarchy: &Hierarchy, serials: &[u32]) -> Result<Self, WriteError> {
        let count = hierarchy.directories.len();
        if count > DIRECTORIES_MAX {
            return Err(WriteError::TooManyDirectories { count });
        }
        let files = |inode: InodeId| {
            let len = tree.inode(inode).as_file().map(bootwright_image::Blob::len);
            len.map(|len| Extent { block: 0, len })
        };
        let directories = measure(tree, hierarchy, serials, &files)?;
        Ok(Self { path_table: path_table::len(hierarchy), directories })
    }

    fn place(&self, next: &mut u32) -> Result<Tables, WriteError> {
        let path_table_len = u32::try_from(self.path_table).map_err(|_| too_large())?;
        let path_table_l = reserve(next, self.path_table)?;
        let path_table_m = reserve(next, self.path_table)?;
        let mut directories = Vec::with_capacity(self.directories.len());
        for lens in &self.directories {
            let block = reserve(next, lens.extent.into())?;
            let areas = reserve(next, lens.areas)?;
            directories.push(Place { block, areas, end: *next });
        }
        Ok(Tables { path_table_len, path_table_l, path_table_m, directories })
    }
}

/// The length of each directory.
pub(super) fn measure(
    tree: &FileTree,
    hierarchy: &Hierarchy,
    serials: &[u32],
    files: &dyn Fn(InodeId) -> Option<Extent>,
) -> Result<Vec<Lens>, WriteError> {
    let records = Records { tree, hierarchy, serials, directories: &|_| (0, 0), files };
    let mut buffer = Vec::new();
    let mut lens = Vec::with_capacity(hierarchy.directories.len());
    for (index, directory) in hierarchy.directories.iter().enumerate() {
        let mut areas = Continuation::new(0);
        records.directory(index, &mut areas, &mut buffer);
        let extent = u32::try_from(buffer.len()).ok().filter(|len| *len <= PIECE_MAX);
        let path = || path_of(tree, directory.inode);
        let extent = extent.ok_or_else(|| WriteError::DirectoryTooLarge { path: path() })?;
        lens.push(Lens { extent, areas: areas.bytes().len() as u64 });
    }
    Ok(lens)
}

/// The next free block, moved on by the blocks that `len` bytes take.
fn reserve(next: &mut u32, len: u64) -> Result<u32, WriteError> {
    let at = *next;
    let blocks = u32::try_from(len.div_ceil(BLOCK)).ok();
    *next = blocks.and_then(|blocks| at.checked_add(blocks)).ok_or_else(too_large)?;
    Ok(at)
}

fn too_large() -> WriteError {
    WriteError::TooLarge { what: "the directories".into() }
}
