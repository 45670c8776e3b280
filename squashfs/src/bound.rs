//! How long an image can become.

use bootwright_image::{FileTree, InodeId, Kind};

use crate::format::{
    DEVICE_BLOCK, DIRECTORY_ENTRY_LEN, DIRECTORY_HEADER_LEN, METADATA_BLOCK, SUPERBLOCK_LEN,
    TABLE_ENTRY_LEN,
};
use crate::options::Options;

/// The most a compressor's options record takes with its header.
const RECORD: u64 = 10;
/// The longest fields of any inode but its variable part: those of an extended file.
const INODE: u64 = 56;

/// A length in bytes that the padded image of `tree` does not exceed, whatever its contents are.
/// Nothing is read. Holes and equal files count in full.
#[must_use]
pub fn upper_bound(tree: &FileTree, options: &Options) -> u64 {
    let block_size = u64::from(options.block_size.bytes());
    let mut seen = vec![false; tree.capacity()];
    let (mut data, mut inodes, mut listings, mut count, mut xattrs) = (0_u64, 0_u64, 0, 0_u64, 0);
    let mut add_inode = |id: InodeId| {
        if std::mem::replace(&mut seen[id.index()], true) {
            return;
        }
        let inode = tree.inode(id);
        let variable = match inode.kind() {
            Kind::File(blob) => {
                // A block that does not shrink is stored as it is.
                data = data.saturating_add(blob.len());
                blob.len().div_ceil(block_size).saturating_mul(4)
            }
            Kind::Symlink(target) => target.len() as u64,
            _ => 0,
        };
        inodes = variable.saturating_add(inodes).saturating_add(INODE);
        count += 1;
        if !inode.metadata.xattrs.is_empty() {
            let pairs = inode.metadata.xattrs.iter();
            xattrs += pairs.map(|(name, value)| 8 + (name.len() + value.len()) as u64).sum::<u64>();
            xattrs += TABLE_ENTRY_LEN as u64;
        }
    };
    add_inode(tree.root());
    for walked in tree.walk() {
        add_inode(walked.id);
        let name = walked.path.rsplit(|byte| *byte == b'/').next().map_or(0, <[u8]>::len);
        // Every entry may need a header and an entry of the directory index, which is in the
        // inode table.
        listings += (2 * (DIRECTORY_HEADER_LEN + name) + DIRECTORY_ENTRY_LEN) as u64;
    }
    // Fragments, references and ids of every inode.
    let tables = count.saturating_mul(TABLE_ENTRY_LEN as u64 + 8 + 8);
    let metadata = [inodes, listings, tables, xattrs].into_iter().fold(0, u64::saturating_add);
    // A header and a pointer for each metadata block, and one block more for each table.
    let blocks = (metadata / METADATA_BLOCK as u64).saturating_add(8).saturating_mul(2 + 8);
    [SUPERBLOCK_LEN as u64 + RECORD + 16, data, metadata, blocks, DEVICE_BLOCK]
        .into_iter()
        .fold(0, u64::saturating_add)
}
