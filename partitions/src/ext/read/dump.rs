//! A volume as text: for snapshots, and to look at.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::io::{Read, Seek};

use super::super::format::{kind, number, superblock as field};
use super::inode::Inode;
use super::{ReadError, Volume};
use crate::bytes::{u16_at, u32_at};

/// Fields of the superblock worth seeing, of two and of four bytes.
const SHORTS: [(&str, usize); 4] = [
    ("state", field::STATE),
    ("inode size", field::INODE_SIZE),
    ("reserved descriptors", field::RESERVED_DESCRIPTORS),
    ("descriptor length", field::DESCRIPTOR_LEN),
];
const WORDS: [(&str, usize); 16] = [
    ("inodes", field::INODES),
    ("blocks", field::BLOCKS),
    ("reserved blocks", field::RESERVED_BLOCKS),
    ("free blocks", field::FREE_BLOCKS),
    ("free inodes", field::FREE_INODES),
    ("first block", field::FIRST_DATA_BLOCK),
    ("blocks per group", field::BLOCKS_PER_GROUP),
    ("inodes per group", field::INODES_PER_GROUP),
    ("compatible features", field::COMPAT),
    ("incompatible features", field::INCOMPAT),
    ("read-only features", field::RO_COMPAT),
    ("mount options", field::MOUNT_OPTIONS),
    ("made", field::MADE),
    ("written", field::WRITTEN),
    ("journal inode", field::JOURNAL_INODE),
    ("flags", field::FLAGS),
];

/// Superblock, inode tables and, for each name, the inode with all it has but its content.
///
/// # Errors
/// [`ReadError`].
pub fn dump<R: Read + Seek>(volume: &mut Volume<R>) -> Result<String, ReadError> {
    let mut text = String::new();
    let bytes = volume.superblock.bytes.clone();
    let shorts = SHORTS.map(|(name, at)| (name, u32::from(u16_at(&bytes, at))));
    let words = WORDS.map(|(name, at)| (name, u32_at(&bytes, at)));
    for (name, value) in words.into_iter().chain(shorts) {
        let _ = writeln!(text, "{name}: {value} ({value:#x})");
    }
    let _ = writeln!(text, "label: {:?}", volume.label());
    let _ = writeln!(text, "uuid: {}", hex(&volume.uuid()));
    let tables: Vec<u64> = volume.tables.iter().map(|tables| tables.inode_table).collect();
    let _ = writeln!(text, "inode tables: {tables:?}");
    for reserved in [number::RESIZE, number::JOURNAL] {
        let inode = volume.read_inode(reserved)?;
        if inode.links() > 0 {
            describe(volume, &inode, &format!("<{reserved}>"), &mut text)?;
        }
    }
    let root = volume.read_inode(number::ROOT)?;
    let mut open = vec![(root, String::new())];
    let mut seen = BTreeSet::from([number::ROOT]);
    while let Some((inode, path)) = open.pop() {
        describe(volume, &inode, if path.is_empty() { "/" } else { &path }, &mut text)?;
        if inode.mode() & 0xF000 != kind::DIRECTORY {
            continue;
        }
        let mut below = Vec::new();
        for (name, number) in volume.read_directory(&inode)? {
            let path = format!("{path}/{}", String::from_utf8_lossy(&name));
            if seen.insert(number) {
                below.push((volume.read_inode(number)?, path));
            } else {
                let _ = writeln!(text, "{path}: inode {number} once more");
            }
        }
        open.extend(below.into_iter().rev());
    }
    Ok(text)
}

fn describe<R: Read + Seek>(
    volume: &mut Volume<R>,
    inode: &Inode,
    path: &str,
    text: &mut String,
) -> Result<(), ReadError> {
    let _ = write!(
        text,
        "{path}: inode {} mode {:o} owner {}:{} links {} length {} flags {:#x} time {}",
        inode.number,
        inode.mode(),
        inode.uid(),
        inode.gid(),
        inode.links(),
        inode.len(),
        inode.flags(),
        inode.mtime().0
    );
    match inode.mode() & 0xF000 {
        kind::CHAR_DEVICE | kind::BLOCK_DEVICE => {
            let device = inode.device();
            let _ = write!(text, " device {}:{}", device.major, device.minor);
        }
        kind::SYMLINK if inode.len() < 60 => {
            let target = inode.block().split(|byte| *byte == 0).next().unwrap_or_default();
            let _ = write!(text, " -> {}", String::from_utf8_lossy(target));
        }
        // Its map begins far behind the length of the volume.
        _ if inode.number == number::RESIZE => {}
        _ => {
            let mut budget = volume.superblock.blocks;
            std::mem::swap(&mut budget, &mut volume.budget);
            let extents = volume.read_map(inode);
            volume.budget = budget;
            for extent in extents? {
                let _ = write!(text, " {}+{}@{}", extent.logical, extent.len, extent.physical);
            }
        }
    }
    if inode.xattr_block() != 0 {
        let _ = write!(text, " attributes@{}", inode.xattr_block());
    }
    text.push('\n');
    for (name, value) in volume.read_xattrs(inode)?.iter() {
        let _ = writeln!(text, "  {} = {}", String::from_utf8_lossy(name), hex(value));
    }
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
