//! Whether a volume's books agree with what is in it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Seek};

use super::super::format::{compat, descriptor, number, ro_compat, superblock as field};
use super::{ReadError, Tables, Volume};
use crate::bytes::u32_at;

/// What is wrong with a volume that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Finding {
    /// A block belongs to two.
    #[error("block {block} is claimed twice")]
    Shared {
        /// The block.
        block: u64,
    },
    /// A bitmap of blocks differs from what is in use.
    #[error("block bitmap of group {group}: block {block} should be {}", used(*in_use))]
    BlockBitmap {
        /// The group.
        group: u64,
        /// The first block that differs.
        block: u64,
        /// Whether something is in it.
        in_use: bool,
    },
    /// A bitmap of inodes differs from what is in use.
    #[error("inode bitmap of group {group}: inode {inode} should be {}", used(*in_use))]
    InodeBitmap {
        /// The group.
        group: u64,
        /// The first inode that differs.
        inode: u64,
        /// Whether it has a name.
        in_use: bool,
    },
    /// The number of free blocks is wrong.
    #[error("{stored} free blocks in the superblock, {counted} counted")]
    FreeBlocks {
        /// The number stored.
        stored: u64,
        /// The number found.
        counted: u64,
    },
    /// The number of free inodes is wrong.
    #[error("{stored} free inodes in the superblock, {counted} counted")]
    FreeInodes {
        /// The number stored.
        stored: u64,
        /// The number found.
        counted: u64,
    },
    /// An inode counts its names wrongly.
    #[error("inode {inode} says {stored} links, {counted} counted")]
    Links {
        /// The inode.
        inode: u32,
        /// The number stored.
        stored: u64,
        /// The number found.
        counted: u64,
    },
}

fn used(in_use: bool) -> &'static str {
    if in_use { "in use" } else { "free" }
}

/// Blocks in use, and those that are so twice.
#[derive(Clone, Debug)]
pub(super) struct Claims {
    bits: Vec<u8>,
    /// Blocks that inodes may share.
    shared: BTreeSet<u64>,
    twice: Option<u64>,
}

impl Claims {
    fn new(blocks: u64) -> Self {
        let bytes = usize::try_from(blocks.div_ceil(8)).unwrap_or(usize::MAX);
        Self { bits: vec![0; bytes], shared: BTreeSet::new(), twice: None }
    }

    /// Blocks beyond the volume do not count: whoever claims them reports that.
    pub(super) fn add(&mut self, start: u64, len: u64) {
        for block in start..start.saturating_add(len) {
            let byte = usize::try_from(block / 8).ok().and_then(|at| self.bits.get_mut(at));
            let Some(byte) = byte else { return };
            let bit = 1 << (block % 8);
            if *byte & bit != 0 {
                self.twice.get_or_insert(block);
            }
            *byte |= bit;
        }
    }

    /// A block that several may have.
    pub(super) fn share(&mut self, block: u64) {
        if self.shared.insert(block) {
            self.add(block, 1);
        }
    }

    fn has(&self, block: u64) -> bool {
        let byte = usize::try_from(block / 8).ok().and_then(|at| self.bits.get(at));
        byte.is_some_and(|byte| byte >> (block % 8) & 1 == 1)
    }
}

impl<R: Read + Seek> Volume<R> {
    /// Reads everything but contents and compares it with the bitmaps and the counts. Of each
    /// bitmap only the first difference is told. Groups whose bitmaps were never written, and
    /// volumes with clusters of several blocks, are not compared.
    ///
    /// # Errors
    /// [`ReadError`] when the volume cannot be read.
    pub fn check(mut self) -> Result<Vec<Finding>, ReadError> {
        let mut claims = Claims::new(self.superblock.blocks);
        self.claim_tables(&mut claims);
        self.claims = Some(claims);
        let mut findings = Vec::new();
        let links = self.check_links(&mut findings)?;
        let Some(claims) = self.claims.take() else { return Ok(findings) };
        findings.extend(claims.twice.map(|block| Finding::Shared { block }));
        if !self.superblock.has_ro_compat(ro_compat::CLUSTERS) {
            self.check_blocks(&claims, &mut findings)?;
        }
        self.check_inodes(&links, &mut findings)?;
        Ok(findings)
    }

    /// What stands at fixed places.
    fn claim_tables(&self, claims: &mut Claims) {
        let superblock = &self.superblock;
        claims.add(0, superblock.first_block);
        let table = u64::from(superblock.inodes_per_group) * superblock.inode_size as u64;
        let per_block = superblock.block_size / superblock.descriptor_len as u64;
        for (group, tables) in (0..).zip(&self.tables) {
            let start = superblock.first_block + group * superblock.blocks_per_group;
            if superblock.has_copy(group) {
                claims.add(start, 1);
            }
            for (at, len) in superblock.descriptors_in(group, start, per_block) {
                claims.add(at, len);
            }
            claims.add(tables.block_bitmap, 1);
            claims.add(tables.inode_bitmap, 1);
            claims.add(tables.inode_table, table.div_ceil(superblock.block_size));
        }
    }

    /// Claims all blocks of all inodes; returns the inodes with names.
    fn check_links(
        &mut self,
        findings: &mut Vec<Finding>,
    ) -> Result<BTreeMap<u32, u64>, ReadError> {
        for reserved in (1..number::FIRST).filter(|number| *number != number::ROOT) {
            self.claim_reserved(reserved)?;
        }
        // The root's own `.` and its parent's name for it, which is its own too.
        let mut links = BTreeMap::from([(number::ROOT, 2)]);
        if self.superblock.has_compat(compat::ORPHAN_FILE) {
            let orphans = u32_at(&self.superblock.bytes, field::ORPHAN_FILE);
            self.claim_reserved(orphans)?;
            links.insert(orphans, 1);
        }
        let mut open = vec![number::ROOT];
        while let Some(number) = open.pop() {
            let inode = self.read_inode(number)?;
            self.read_xattrs(&inode)?;
            if !inode.is_directory() {
                if inode.has_map() {
                    self.read_map(&inode)?;
                }
                continue;
            }
            for (_, below) in self.read_directory(&inode)? {
                let is_directory = self.read_inode(below)?.is_directory();
                let own = u64::from(is_directory);
                if let Some(known) = links.get_mut(&below) {
                    *known += 1;
                    continue;
                }
                links.insert(below, 1 + own);
                open.push(below);
                if is_directory && let Some(parent) = links.get_mut(&number) {
                    *parent += 1;
                }
            }
        }
        for (number, counted) in &links {
            let inode = self.read_inode(*number)?;
            let (stored, counted) = (u64::from(inode.links()), *counted);
            // Directories with too many subdirectories stop counting.
            let stopped = inode.is_directory() && stored == 1 && counted > 65000;
            if stored != counted && !stopped {
                findings.push(Finding::Links { inode: *number, stored, counted });
            }
        }
        Ok(links)
    }

    /// The blocks of the journal and the like. Those of the inode that keeps the reserved
    /// descriptors are among the descriptors, so that only its map is new.
    fn claim_reserved(&mut self, reserved: u32) -> Result<(), ReadError> {
        let inode = self.read_inode(reserved)?;
        if inode.links() == 0 {
            return Ok(());
        }
        if reserved == number::RESIZE {
            let map = u64::from(u32_at(inode.block(), 4 * 13));
            return self.claim(reserved, map, 1);
        }
        self.read_map(&inode).map(|_| ())
    }

    fn check_blocks(
        &mut self,
        claims: &Claims,
        findings: &mut Vec<Finding>,
    ) -> Result<(), ReadError> {
        let (blocks, first) = (self.superblock.blocks, self.superblock.first_block);
        let per_group = self.superblock.blocks_per_group;
        for group in 0..self.superblock.groups {
            let Some(bitmap) = self.read_bitmap(
                group,
                |tables| tables.block_bitmap,
                descriptor::BLOCKS_UNWRITTEN,
            )?
            else {
                continue;
            };
            let start = first + group * per_group;
            let range = start..(start + per_group).min(blocks);
            let differs = |block: &u64| bit(&bitmap, block - start) != claims.has(*block);
            if let Some(block) = range.clone().find(differs) {
                let in_use = claims.has(block);
                findings.push(Finding::BlockBitmap { group, block, in_use });
            }
        }
        let counted = (first..blocks).filter(|block| !claims.has(*block)).count() as u64;
        let stored = self.superblock.free_blocks();
        if stored != counted {
            findings.push(Finding::FreeBlocks { stored, counted });
        }
        Ok(())
    }

    fn check_inodes(
        &mut self,
        links: &BTreeMap<u32, u64>,
        findings: &mut Vec<Finding>,
    ) -> Result<(), ReadError> {
        let per_group = u64::from(self.superblock.inodes_per_group);
        let first = u64::from(u32_at(&self.superblock.bytes, field::FIRST_INODE)).max(11);
        let in_use = |inode: u64| {
            inode < first || u32::try_from(inode).is_ok_and(|inode| links.contains_key(&inode))
        };
        for group in 0..self.superblock.groups {
            let Some(bitmap) = self.read_bitmap(
                group,
                |tables| tables.inode_bitmap,
                descriptor::INODES_UNWRITTEN,
            )?
            else {
                continue;
            };
            let start = group * per_group + 1;
            let differs = |inode: &u64| bit(&bitmap, inode - start) != in_use(*inode);
            if let Some(inode) = (start..start + per_group).find(differs) {
                findings.push(Finding::InodeBitmap { group, inode, in_use: in_use(inode) });
            }
        }
        let named = links.keys().filter(|inode| u64::from(**inode) >= first).count() as u64;
        let counted = u64::from(self.superblock.inodes).saturating_sub(first - 1 + named);
        let stored = u64::from(u32_at(&self.superblock.bytes, field::FREE_INODES));
        if stored != counted {
            findings.push(Finding::FreeInodes { stored, counted });
        }
        Ok(())
    }

    /// A group's bitmap, unless the group's `flag` says that it was never written.
    fn read_bitmap(
        &mut self,
        group: u64,
        which: impl Fn(&Tables) -> u64,
        flag: u16,
    ) -> Result<Option<Vec<u8>>, ReadError> {
        let tables = usize::try_from(group).ok().and_then(|group| self.tables.get(group));
        match tables {
            Some(tables) if tables.flags & flag == 0 => {
                let block = which(tables);
                self.read_block(block).map(Some)
            }
            _ => Ok(None),
        }
    }
}

fn bit(bitmap: &[u8], index: u64) -> bool {
    let byte = usize::try_from(index / 8).ok().and_then(|at| bitmap.get(at));
    byte.is_some_and(|byte| byte >> (index % 8) & 1 == 1)
}
