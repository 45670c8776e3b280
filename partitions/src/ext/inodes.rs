//! Inodes and their tables.

use bootwright_image::{Device, Inode, Kind, Timestamp};

use super::checksum::{crc32c, inode_seed};
use super::format::{DIRECT, inode as field, number};
use super::mapping::{Mapped, Mapping};
use super::nodes::{Content, Node, mode_kind};
use super::plan::Plan;
use super::{extents, indirect};
use crate::bytes::put;

/// The unit in which inodes count their blocks.
const SECTOR: u64 = 512;

impl Plan<'_> {
    /// `count` inodes from number `first` on, which must be in use.
    pub(super) fn encode_inodes(&self, first: u32, count: u32) -> Vec<u8> {
        (first..first + count).flat_map(|number| self.encode_inode(number)).collect()
    }

    fn encode_inode(&self, number: u32) -> Vec<u8> {
        let mut bytes = vec![0; self.options.inode_size as usize];
        match number {
            number::ROOT | number::FIRST.. => self.put_node(&mut bytes, number),
            number::RESIZE if self.placed.resize_map > 0 => self.put_resize(&mut bytes),
            number::JOURNAL if self.placed.journal_blocks > 0 => self.put_journal(&mut bytes),
            _ => {}
        }
        if let Some(seed) = self.seed() {
            let checksum = crc32c(inode_seed(seed, number, 0), &bytes).to_le_bytes();
            put(&mut bytes, field::CHECKSUM, &checksum[..2]);
            if bytes.len() > field::LEN_OLD && bytes[field::EXTRA_ISIZE] > 0 {
                put(&mut bytes, field::CHECKSUM_HIGH, &checksum[2..]);
            }
        }
        bytes
    }

    fn put_node(&self, bytes: &mut [u8], number: u32) {
        let first = usize::try_from(number.saturating_sub(number::FIRST)).unwrap_or(0);
        let index = if number == number::ROOT { 0 } else { first + 1 };
        let node = &self.nodes.nodes[index];
        let Some(id) = node.id else {
            self.put_head(bytes, 0o4_0700, self.options.time, node.links);
            self.put_content(bytes, node, None);
            return;
        };
        let inode = self.nodes.tree.inode(id);
        let metadata = &inode.metadata;
        self.put_head(
            bytes,
            mode_kind(inode.kind()) | metadata.mode & 0o7777,
            metadata.mtime,
            node.links,
        );
        for (low, high, value) in [
            (field::UID, field::UID_HIGH, metadata.uid.to_le_bytes()),
            (field::GID, field::GID_HIGH, metadata.gid.to_le_bytes()),
        ] {
            put(bytes, low, &value[..2]);
            put(bytes, high, &value[2..]);
        }
        self.put_content(bytes, node, Some(inode));
        let inner =
            self.nodes.split(inode).unwrap_or_default().behind_inode(self.nodes.inner_len());
        put(bytes, bytes.len() - inner.len(), &inner);
    }

    fn put_head(&self, bytes: &mut [u8], mode: u16, time: Timestamp, links: u16) {
        put(bytes, field::MODE, &mode.to_le_bytes());
        put(bytes, field::LINKS, &links.to_le_bytes());
        let wide = bytes.len() > field::LEN_OLD;
        let (low, extra) = encode_time(time, wide);
        for at in [field::ATIME, field::CTIME, field::MTIME] {
            put(bytes, at, &low);
        }
        if wide {
            put(bytes, field::EXTRA_ISIZE, &field::EXTRA_LEN.to_le_bytes());
            put(bytes, field::CRTIME, &low);
            for at in
                [field::ATIME_EXTRA, field::CTIME_EXTRA, field::MTIME_EXTRA, field::CRTIME_EXTRA]
            {
                put(bytes, at, &extra);
            }
        }
    }

    fn put_content(&self, bytes: &mut [u8], node: &Node, inode: Option<&Inode>) {
        let mut sectors = 0;
        if let Some(index) = node.xattrs {
            sectors += self.block_size() / SECTOR;
            let block = self.xattr_block(index).to_le_bytes();
            put(bytes, field::XATTR_BLOCK, &block[..4]);
            put(bytes, field::XATTR_BLOCK_HIGH, &block[4..6]);
        }
        let (len, flags) = match node.content {
            Content::Directory { blocks, tree } => {
                (blocks * self.block_size(), if tree { field::INDEX } else { 0 })
            }
            Content::File { len } | Content::Target { len } => (len, 0),
            Content::None => {
                let len = put_special(&mut bytes[field::BLOCK..], inode);
                put_len(bytes, len, sectors);
                return;
            }
        };
        let mapped = self.map(node);
        sectors += mapped.blocks() * self.block_size() / SECTOR;
        self.put_map(bytes, &mapped, flags);
        put_len(bytes, len, sectors);
    }

    fn put_map(&self, bytes: &mut [u8], mapped: &Mapped, flags: u32) {
        let (extents, map, block_size) = (&mapped.extents, &mapped.map, self.block_size());
        let (root, kind) = match self.mapping() {
            Mapping::Indirect => (indirect::root(extents, map, block_size), 0),
            Mapping::Extents => (extents::root(extents, map, block_size), field::EXTENTS),
        };
        put(bytes, field::BLOCK, &root);
        put(bytes, field::FLAGS, &(flags | kind).to_le_bytes());
    }

    /// The inode that keeps the reserved descriptors: a file of which only second-level maps are
    /// used. Entry `n` of the top map is the `n`-th block of descriptors; the block it names lists
    /// that block's copies in other groups.
    fn put_resize(&self, bytes: &mut [u8]) {
        let geometry = &self.geometry;
        self.put_head(bytes, 0o10_0600, self.options.time, 1);
        let numbers = self.block_size() / 4;
        let len = (DIRECT + numbers + numbers * numbers) * self.block_size();
        let copies = geometry.backup_groups().count() as u64 + 1;
        let blocks = 1 + geometry.reserved_descriptor_blocks * copies;
        put(bytes, field::BLOCK + 4 * 13, &self.placed.resize_map.to_le_bytes()[..4]);
        put_len(bytes, len, blocks * self.block_size() / SECTOR);
    }

    /// The top map of that inode.
    pub(super) fn encode_resize_map(&self) -> Vec<u8> {
        let geometry = &self.geometry;
        let numbers = self.block_size() / 4;
        let mut bytes = vec![0; self.nodes.style.block_len];
        let first = geometry.first_block + 1 + geometry.descriptor_blocks;
        for index in 0..geometry.reserved_descriptor_blocks {
            let slot = (geometry.descriptor_blocks + index) % numbers;
            let slot = usize::try_from(slot).expect("BUG: a slot lies in its block");
            put(&mut bytes, 4 * slot, &(first + index).to_le_bytes()[..4]);
        }
        bytes
    }

    /// The `index`-th reserved block of descriptors in the first group.
    pub(super) fn encode_reserved_descriptors(&self, index: u64) -> Vec<u8> {
        let geometry = &self.geometry;
        let mut bytes = vec![0; self.nodes.style.block_len];
        let offset = 1 + geometry.descriptor_blocks + index;
        for (group, place) in geometry.backup_groups().zip(bytes.chunks_exact_mut(4)) {
            place.copy_from_slice(&(geometry.group_start(group) + offset).to_le_bytes()[..4]);
        }
        bytes
    }

    fn put_journal(&self, bytes: &mut [u8]) {
        self.put_head(bytes, 0o10_0600, self.options.time, 1);
        let mapped = self.map_journal();
        self.put_map(bytes, &mapped, 0);
        let len = self.placed.journal_blocks * self.block_size();
        put_len(bytes, len, mapped.blocks() * self.block_size() / SECTOR);
    }

    /// The block map of the journal's inode.
    pub(super) fn journal_root(&self) -> [u8; field::BLOCK_LEN] {
        let mapped = self.map_journal();
        extents::root(&mapped.extents, &mapped.map, self.block_size())
    }
}

fn put_len(bytes: &mut [u8], len: u64, sectors: u64) {
    let (len, sectors) = (len.to_le_bytes(), sectors.to_le_bytes());
    put(bytes, field::SIZE, &len[..4]);
    put(bytes, field::SIZE_HIGH, &len[4..]);
    put(bytes, field::SECTORS, &sectors[..4]);
    put(bytes, field::SECTORS_HIGH, &sectors[4..6]);
}

/// What stands in place of a block map: a short target or a device's numbers. Returns the length.
fn put_special(block: &mut [u8], inode: Option<&Inode>) -> u64 {
    match inode.map(Inode::kind) {
        Some(Kind::Symlink(target)) => {
            put(block, 0, target);
            target.len() as u64
        }
        Some(Kind::CharDevice(device) | Kind::BlockDevice(device)) => {
            put_device(block, *device);
            0
        }
        _ => 0,
    }
}

/// Small numbers in the first word, others in the second.
fn put_device(block: &mut [u8], Device { major, minor }: Device) {
    if major < 256 && minor < 256 {
        put(block, 0, &(major << 8 | minor).to_le_bytes());
    } else {
        let both = minor & 0xFF | major << 8 | (minor & !0xFF) << 12;
        put(block, 4, &both.to_le_bytes());
    }
}

/// Seconds as 32 signed bits and, where there is room, two bits above them: 1901 to 2446.
fn encode_time(Timestamp(seconds): Timestamp, wide: bool) -> ([u8; 4], [u8; 4]) {
    let min = i64::from(i32::MIN);
    let max = i64::from(i32::MAX) + if wide { 3 << 32 } else { 0 };
    let seconds = seconds.clamp(min, max);
    let mut low = [0; 4];
    low.copy_from_slice(&seconds.to_le_bytes()[..4]);
    let epoch = (seconds - i64::from(i32::from_le_bytes(low))) >> 32;
    let mut extra = [0; 4];
    extra[0] = epoch.to_le_bytes()[0];
    (low, extra)
}
