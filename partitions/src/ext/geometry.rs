//! Block groups: how many, how large, and where their tables stand.

use super::format::{SUPERBLOCK_LEN, descriptor};

/// Groups whose tables stand together in the first of them.
const FLEX_GROUPS: u64 = 16;
/// Blocks that the last group must have beyond its tables to be worth having; as mke2fs does.
const LAST_GROUP_MIN: u64 = 50;
/// How many times its size a volume can be grown; what the reserved descriptors are for.
const GROWTH: u64 = 1024;
/// The most blocks of a volume: block numbers of 32 bits.
pub(super) const BLOCKS_MAX: u64 = 0xFFFF_FFFF;

/// What a geometry is made from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// Bytes in a block.
    pub(super) block_size: u64,
    /// Bytes in an inode.
    pub(super) inode_size: u64,
    /// Bytes of the volume for each inode.
    pub(super) inode_ratio: u64,
    /// Inodes there must be at least.
    pub(super) inodes_min: u64,
    /// Descriptors of 64 bytes, tables gathered over several groups.
    pub(super) flexible: bool,
}

/// What stands at a fixed place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fixture {
    Superblock,
    Descriptors,
    ReservedDescriptors,
    BlockBitmap,
    InodeBitmap,
    InodeTable,
}

/// A fixture and its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Area {
    pub(super) start: u64,
    pub(super) len: u64,
    pub(super) fixture: Fixture,
    /// Whose it is.
    pub(super) group: u64,
}

impl Area {
    pub(super) fn end(&self) -> u64 {
        self.start + self.len
    }
}

/// Where a group's tables stand.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tables {
    pub(super) block_bitmap: u64,
    pub(super) inode_bitmap: u64,
    pub(super) inode_table: u64,
}

/// Consecutive blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) start: u64,
    pub(super) len: u64,
}

impl Run {
    pub(super) fn end(&self) -> u64 {
        self.start + self.len
    }
}

/// The groups of a volume.
#[derive(Clone, Debug)]
pub(super) struct Geometry {
    pub(super) shape: Shape,
    /// 1 when a block is as small as the boot block in front of the superblock, else 0.
    pub(super) first_block: u64,
    /// The volume's blocks, those in front of the first group counted.
    pub(super) blocks: u64,
    pub(super) blocks_per_group: u64,
    pub(super) groups: u64,
    pub(super) inodes_per_group: u64,
    /// Blocks of one inode table.
    pub(super) table_blocks: u64,
    /// Blocks of all descriptors.
    pub(super) descriptor_blocks: u64,
    /// Blocks reserved behind them.
    pub(super) reserved_descriptor_blocks: u64,
    pub(super) tables: Vec<Tables>,
    /// Everything at a fixed place, in order.
    pub(super) areas: Vec<Area>,
    /// The same, neighbours joined.
    taken: Vec<Run>,
}

impl Geometry {
    /// The groups of a volume of at most `blocks` blocks; the last are left out when they do not
    /// make a group. `None` when there is no room for the tables at all.
    pub(super) fn new(shape: Shape, blocks: u64) -> Option<Self> {
        let inodes = (blocks * shape.block_size / shape.inode_ratio).max(shape.inodes_min);
        let bare = Self::count(shape, blocks.min(BLOCKS_MAX), inodes)?;
        let last = bare.group_blocks(bare.groups - 1);
        let needed = bare.backup_blocks(bare.groups - 1) + 2 + bare.table_blocks + LAST_GROUP_MIN;
        let mut geometry = match bare.groups {
            1 if last < needed => return None,
            groups if groups > 1 && last < needed => {
                Self::count(shape, bare.blocks - last, inodes)?
            }
            _ => bare,
        };
        geometry.place_tables();
        Some(geometry)
    }

    /// The number of blocks beyond `self` at which there is one more group.
    pub(super) fn next_group(&self) -> u64 {
        let more = Self { groups: self.groups + 1, ..self.bare() };
        more.backup_blocks(self.groups) + 2 + self.table_blocks + LAST_GROUP_MIN
    }

    fn bare(&self) -> Self {
        Self { tables: Vec::new(), areas: Vec::new(), taken: Vec::new(), ..*self }
    }

    /// Everything but the places. `inodes` are those wanted.
    fn count(shape: Shape, blocks: u64, inodes: u64) -> Option<Self> {
        let block_size = shape.block_size;
        let first_block = u64::from(block_size == SUPERBLOCK_LEN as u64);
        let blocks_per_group = 8 * block_size;
        let groups = blocks.checked_sub(first_block)?.div_ceil(blocks_per_group).max(1);
        let descriptor_len = if shape.flexible { descriptor::LEN_64 } else { descriptor::LEN };
        let per_block = block_size / descriptor_len as u64;
        let descriptor_blocks = groups.div_ceil(per_block);
        let grown = blocks.saturating_mul(GROWTH).min(BLOCKS_MAX) - first_block;
        let reserved = grown.div_ceil(blocks_per_group).div_ceil(per_block) - descriptor_blocks;
        let inodes_per_group = inodes_per_group(shape, groups, inodes).min(8 * block_size);
        Some(Self {
            shape,
            first_block,
            blocks,
            blocks_per_group,
            groups,
            inodes_per_group,
            table_blocks: (inodes_per_group * shape.inode_size).div_ceil(block_size),
            descriptor_blocks,
            reserved_descriptor_blocks: reserved.min(block_size / 4),
            tables: Vec::new(),
            areas: Vec::new(),
            taken: Vec::new(),
        })
    }

    fn place_tables(&mut self) {
        let backups: Vec<Area> = (0..self.groups).flat_map(|group| self.backup(group)).collect();
        let mut joined = join(&backups);
        let flex = if self.shape.flexible { FLEX_GROUPS } else { 1 };
        let mut areas = backups;
        let mut tables = vec![Tables::default(); usize::try_from(self.groups).unwrap_or(0)];
        for first in (0..self.groups).step_by(usize::try_from(flex).unwrap_or(1)) {
            let groups = first..(first + flex).min(self.groups);
            let mut at = self.group_start(first);
            let mut place = |fixture, group, len| {
                at = fit(&joined, at, len);
                areas.push(Area { start: at, len, fixture, group });
                at += len;
                at - len
            };
            let index = |group| usize::try_from(group).unwrap_or(0);
            for group in groups.clone() {
                tables[index(group)].block_bitmap = place(Fixture::BlockBitmap, group, 1);
            }
            for group in groups.clone() {
                tables[index(group)].inode_bitmap = place(Fixture::InodeBitmap, group, 1);
            }
            for group in groups {
                let table = place(Fixture::InodeTable, group, self.table_blocks);
                tables[index(group)].inode_table = table;
            }
        }
        areas.sort_by_key(|area| area.start);
        joined = join(&areas);
        (self.areas, self.tables, self.taken) = (areas, tables, joined);
    }

    /// The superblock and what follows it in a group that has a copy.
    fn backup(&self, group: u64) -> impl Iterator<Item = Area> + use<> {
        let parts = [
            (Fixture::Superblock, 1),
            (Fixture::Descriptors, self.descriptor_blocks),
            (Fixture::ReservedDescriptors, self.reserved_descriptor_blocks),
        ];
        let mut start = self.group_start(group);
        let has_copy = has_backup(group);
        parts.into_iter().filter(move |(_, len)| has_copy && *len > 0).map(move |(fixture, len)| {
            start += len;
            Area { start: start - len, len, fixture, group }
        })
    }

    fn backup_blocks(&self, group: u64) -> u64 {
        if !has_backup(group) {
            return 0;
        }
        1 + self.descriptor_blocks + self.reserved_descriptor_blocks
    }

    /// A group's first block.
    pub(super) fn group_start(&self, group: u64) -> u64 {
        self.first_block + group * self.blocks_per_group
    }

    /// A group's blocks.
    pub(super) fn group_blocks(&self, group: u64) -> u64 {
        self.blocks_per_group.min(self.blocks - self.group_start(group))
    }

    /// All inodes.
    pub(super) fn inodes(&self) -> u64 {
        self.inodes_per_group * self.groups
    }

    /// Groups other than the first that have copies of the superblock.
    pub(super) fn backup_groups(&self) -> impl Iterator<Item = u64> + use<> {
        (1..self.groups).filter(|group| has_backup(*group))
    }

    /// `len` blocks from `start` on, without those at fixed places. They may lie beyond the end.
    pub(super) fn free_runs(&self, start: u64, len: u64) -> FreeRuns<'_> {
        let next = self.taken.partition_point(|run| run.end() <= start);
        FreeRuns { taken: &self.taken[next..], at: start, left: len }
    }

    /// The block behind the last of [`free_runs`](Self::free_runs); `start` when there are none.
    pub(super) fn end_of(&self, start: u64, len: u64) -> u64 {
        self.free_runs(start, len).last().map_or(start, |run| run.end())
    }

    /// Blocks at fixed places in `from..to`.
    pub(super) fn taken_within(&self, from: u64, to: u64) -> u64 {
        let first = self.taken.partition_point(|run| run.end() <= from);
        self.taken[first..]
            .iter()
            .take_while(|run| run.start < to)
            .map(|run| run.end().min(to) - run.start.max(from))
            .sum()
    }

    /// Blocks at fixed places that lie in `group`, as ranges within the group.
    pub(super) fn taken_in_group(&self, group: u64) -> impl Iterator<Item = (u64, u64)> {
        let start = self.group_start(group);
        let end = start + self.group_blocks(group);
        let first = self.taken.partition_point(|run| run.end() <= start);
        self.taken[first..]
            .iter()
            .take_while(move |run| run.start < end)
            .map(move |run| (run.start.max(start) - start, run.end().min(end) - start))
    }

    /// Whether there are inodes enough, and all tables lie within the volume.
    pub(super) fn is_sound(&self) -> bool {
        self.inodes() >= self.shape.inodes_min
            && self.taken.last().is_none_or(|run| run.end() <= self.blocks)
            && self.backup_blocks(0) + 2 + self.table_blocks < self.blocks_per_group
    }
}

/// Inodes of a group: they fill blocks, and bytes of bitmaps, down to which mke2fs rounds.
fn inodes_per_group(shape: Shape, groups: u64, inodes: u64) -> u64 {
    let per_block = shape.block_size / shape.inode_size;
    let filled = inodes.div_ceil(groups).next_multiple_of(per_block);
    let rounded = (filled & !7).max(8);
    if rounded * groups >= shape.inodes_min { rounded } else { rounded + 8 }
}

/// See [`Geometry::free_runs`].
#[derive(Clone, Debug)]
pub(super) struct FreeRuns<'a> {
    taken: &'a [Run],
    at: u64,
    left: u64,
}

impl Iterator for FreeRuns<'_> {
    type Item = Run;

    fn next(&mut self) -> Option<Run> {
        if self.left == 0 {
            return None;
        }
        while let Some((first, rest)) = self.taken.split_first()
            && first.start <= self.at
        {
            self.at = self.at.max(first.end());
            self.taken = rest;
        }
        let room = self.taken.first().map_or(u64::MAX, |next| next.start - self.at);
        let run = Run { start: self.at, len: self.left.min(room) };
        self.at += run.len;
        self.left -= run.len;
        Some(run)
    }
}

/// Groups 0 and 1 and the powers of 3, 5 and 7 (`sparse_super`).
fn has_backup(group: u64) -> bool {
    let power_of = |base: u64| {
        let mut power = base;
        while power < group {
            power *= base;
        }
        power == group
    };
    group <= 1 || power_of(3) || power_of(5) || power_of(7)
}

/// The first place from `at` on where `len` blocks follow each other.
fn fit(taken: &[Run], mut at: u64, len: u64) -> u64 {
    let next = taken.partition_point(|run| run.end() <= at);
    for run in &taken[next..] {
        if at + len <= run.start {
            break;
        }
        at = run.end();
    }
    at
}

/// Areas in order, neighbours joined.
fn join(areas: &[Area]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for area in areas {
        match runs.last_mut() {
            Some(last) if last.end() == area.start => last.len += area.len,
            _ => runs.push(Run { start: area.start, len: area.len }),
        }
    }
    runs
}
