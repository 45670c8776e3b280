//! Directories, read as lists: the nodes of a hash tree look empty.

use std::io::{Read, Seek};

use super::super::checksum::crc32c;
use super::super::format::directory::{ENTRY_LEN, TAIL_LEN, TAIL_TYPE};
use super::super::format::inode as flag;
use super::inode::Inode;
use super::{ReadError, Volume};
use crate::bytes::{u16_at, u32_at};

/// A name and the inode it leads to.
pub(super) type Name = (Vec<u8>, u32);

impl<R: Read + Seek> Volume<R> {
    /// The names in a directory but `.` and `..`.
    pub(super) fn read_directory(&mut self, inode: &Inode) -> Result<Vec<Name>, ReadError> {
        let block_size = self.superblock.block_size;
        let blocks = inode.len().div_ceil(block_size);
        let mut names = Vec::new();
        for extent in self.read_map(inode)? {
            for offset in 0..extent.len {
                if extent.logical + offset >= blocks {
                    break;
                }
                let block = self.read_block(extent.physical + offset)?;
                check_tail(inode, &block)?;
                take_names(inode, &block, &mut names)?;
            }
        }
        Ok(names)
    }
}

fn take_names(inode: &Inode, block: &[u8], names: &mut Vec<Name>) -> Result<(), ReadError> {
    let mut at = 0;
    while at < block.len() {
        let rest = &block[at..];
        let number = u32_at(rest, 0);
        let len = match u16_at(rest, 4) {
            // A block of 64 KiB.
            0 | 0xFFFF => rest.len(),
            len => usize::from(len),
        };
        let name_len = usize::from(rest.get(6).copied().unwrap_or(0));
        if len < ENTRY_LEN || len % 4 != 0 || len > rest.len() || ENTRY_LEN + name_len > len {
            return Err(inode.corrupt("a directory entry does not fit in its block"));
        }
        let name = &rest[ENTRY_LEN..ENTRY_LEN + name_len];
        if number != 0 && name != b"." && name != b".." {
            names.push((name.to_vec(), number));
        }
        at += len;
    }
    Ok(())
}

/// The checksum at the end of a block of names. The nodes of a hash tree have theirs elsewhere;
/// nothing is read from them.
fn check_tail(inode: &Inode, block: &[u8]) -> Result<(), ReadError> {
    let Some(seed) = inode.seed else { return Ok(()) };
    let end = block.len() - TAIL_LEN;
    let tail = &block[end..];
    let has_tail =
        u32_at(tail, 0) == 0 && usize::from(u16_at(tail, 4)) == TAIL_LEN && tail[7] == TAIL_TYPE;
    if !has_tail {
        let is_tree = inode.flags() & flag::INDEX != 0;
        return if is_tree { Ok(()) } else { Err(inode.corrupt("a directory lacks its checksum")) };
    }
    if crc32c(seed, &block[..end]) != u32_at(tail, ENTRY_LEN) {
        let number = inode.number.into();
        return Err(ReadError::Checksum { what: "directory of inode", number });
    }
    Ok(())
}
