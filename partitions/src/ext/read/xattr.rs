//! Extended attributes behind an inode and in a block.

use std::io::{Read, Seek};

use bootwright_image::Xattrs;

use super::super::acl;
use super::super::checksum::crc32c;
use super::super::format::inode as field;
use super::super::format::xattr::{CHECKSUM, ENTRY_LEN, HEADER_LEN, MAGIC, PREFIXES};
use super::inode::Inode;
use super::{ReadError, Volume};
use crate::bytes::{u16_at, u32_at};

impl<R: Read + Seek> Volume<R> {
    pub(super) fn read_xattrs(&mut self, inode: &Inode) -> Result<Xattrs, ReadError> {
        let mut xattrs = match inode.xattr_block() {
            0 => Xattrs::default(),
            number => self.read_xattr_block(inode, number)?,
        };
        let behind = inode.bytes.get(field::LEN_OLD + inode.extra_len()..).unwrap_or_default();
        if inode.bytes.len() > field::LEN_OLD && behind.len() > 4 && u32_at(behind, 0) == MAGIC {
            take_entries(inode, &behind[4..], 0, &mut xattrs)?;
        }
        Ok(xattrs)
    }

    /// The attributes in a block, which inodes may share.
    fn read_xattr_block(&mut self, inode: &Inode, number: u64) -> Result<Xattrs, ReadError> {
        if let Some((known, xattrs)) = &self.last_xattrs
            && *known == number
        {
            return Ok(xattrs.clone());
        }
        let block = self.read_block(number)?;
        if let Some(claims) = &mut self.claims {
            claims.share(number);
        }
        if u32_at(&block, 0) != MAGIC || u32_at(&block, 8) != 1 {
            return Err(inode.corrupt("its extended attributes are none"));
        }
        if let Some(seed) = self.superblock.seed {
            let mut zeroed = block.clone();
            zeroed[CHECKSUM..CHECKSUM + 4].fill(0);
            let checksum = crc32c(crc32c(seed, &number.to_le_bytes()), &zeroed);
            if checksum != u32_at(&block, CHECKSUM) {
                return Err(ReadError::Checksum { what: "extended attributes in block", number });
            }
        }
        let mut xattrs = Xattrs::default();
        take_entries(inode, &block, HEADER_LEN, &mut xattrs)?;
        self.last_xattrs = Some((number, xattrs.clone()));
        Ok(xattrs)
    }
}

/// Entries from `at` on until an empty one; values are told by their offset in `bytes`.
fn take_entries(
    inode: &Inode,
    bytes: &[u8],
    mut at: usize,
    xattrs: &mut Xattrs,
) -> Result<(), ReadError> {
    let broken = || inode.corrupt("its extended attributes reach beyond their place");
    while u32_at(bytes, at) != 0 {
        let entry = bytes.get(at..at + ENTRY_LEN).ok_or_else(broken)?;
        let (name_len, prefix) = (usize::from(entry[0]), entry[1]);
        let name = bytes.get(at + ENTRY_LEN..).and_then(|rest| rest.get(..name_len));
        let name = name.ok_or_else(broken)?;
        if u32_at(entry, 4) != 0 {
            return Err(ReadError::Unsupported { what: "an extended attribute in its own inode" });
        }
        let len = usize::try_from(u32_at(entry, 8)).map_err(|_| broken())?;
        let from = usize::from(u16_at(entry, 2));
        let value = if len == 0 {
            &[][..]
        } else {
            bytes.get(from..).and_then(|rest| rest.get(..len)).ok_or_else(broken)?
        };
        insert(inode, prefix, name, value, xattrs)?;
        at += ENTRY_LEN + name_len.next_multiple_of(4);
    }
    Ok(())
}

fn insert(
    inode: &Inode,
    prefix: u8,
    name: &[u8],
    value: &[u8],
    xattrs: &mut Xattrs,
) -> Result<(), ReadError> {
    let found = PREFIXES.iter().find(|(number, _)| *number == prefix);
    let Some((_, text)) = found else {
        return Err(ReadError::Unsupported { what: "the prefix of an extended attribute" });
    };
    let value = if matches!(prefix, 2 | 3) {
        let list = acl::to_seen(value);
        list.ok_or_else(|| inode.corrupt("its access control list is none"))?
    } else {
        value.to_vec()
    };
    xattrs.insert(&[text, name].concat(), &value);
    Ok(())
}
