//! Extended attributes.

use std::io::{Read, Seek};

use super::inode::{le16, le32, le64};
use super::metadata::Cursor;
use super::{Image, ReadError, corrupt};
use crate::MetadataRef;
use crate::format::{NO_TABLE, TABLE_ENTRY_LEN, XATTR_OUT_OF_LINE, XATTR_PREFIXES};

/// Most bytes of names and values that are read for one inode.
const LIMIT: u64 = 64 << 20;

/// Names and values of extended attributes.
pub type XattrPairs = Vec<(Vec<u8>, Vec<u8>)>;

/// A set of attributes in the xattr id table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Set {
    pub(crate) place: MetadataRef,
    pub(crate) count: u32,
    pub(crate) len: u32,
}

impl<R: Read + Seek> Image<R> {
    /// Offset of the first metadata block of key-value pairs and the number of sets.
    pub(crate) fn xattr_header(&mut self) -> Result<Option<(u64, u32)>, ReadError> {
        let table = self.superblock.xattr_table;
        if table == NO_TABLE {
            return Ok(None);
        }
        let mut header = [0; TABLE_ENTRY_LEN];
        self.read_at(table, &mut header)?;
        Ok(Some((le64(&header, 0), le32(&header, 8))))
    }

    pub(crate) fn xattr_set(&mut self, index: u32) -> Result<Set, ReadError> {
        let table = self.superblock.xattr_table;
        match self.xattr_header()? {
            Some((_, count)) if index < count => {
                let pointers = table + TABLE_ENTRY_LEN as u64;
                let entry = self.table_entry::<TABLE_ENTRY_LEN>(pointers, index)?;
                let place = MetadataRef(le64(&entry, 0));
                Ok(Set { place, count: le32(&entry, 8), len: le32(&entry, 12) })
            }
            _ => Err(corrupt("an xattr set that is not in the table", table)),
        }
    }

    /// The names and values of a set of extended attributes, [`Inode::xattr`](super::Inode), in
    /// the order of the image.
    ///
    /// # Errors
    /// [`ReadError`]; [`ReadError::Limit`] beyond 64 MiB.
    pub fn xattrs(&mut self, index: u32) -> Result<XattrPairs, ReadError> {
        let set = self.xattr_set(index)?;
        let (base, _) = self.xattr_header()?.unwrap_or_default();
        let place = |image: &Self, place: MetadataRef| {
            let block = base.checked_add(place.block());
            let block =
                block.ok_or(corrupt("an offset too large", image.superblock.xattr_table))?;
            Ok(Cursor::new(block, place.offset(), image.superblock.xattr_table))
        };
        let mut cursor = place(self, set.place)?;
        let mut pairs = Vec::new();
        let mut total = 0;
        for _ in 0..set.count {
            let head: [u8; 4] = self.metadata_array(&mut cursor)?;
            let (number, name_len) = (le16(&head, 0), le16(&head, 2));
            let prefix = XATTR_PREFIXES.iter().find(|(n, _)| *n == number & !XATTR_OUT_OF_LINE);
            let (_, prefix) = prefix.ok_or(corrupt("an unknown xattr prefix", cursor.block))?;
            let suffix = self.read_metadata_vec(&mut cursor, usize::from(name_len))?;
            let name = [prefix, &*suffix].concat();
            let mut len = u32::from_le_bytes(self.metadata_array(&mut cursor)?);
            let mut value_at = cursor;
            if number & XATTR_OUT_OF_LINE != 0 {
                let to = MetadataRef(u64::from_le_bytes(self.metadata_array(&mut cursor)?));
                value_at = place(self, to)?;
                len = u32::from_le_bytes(self.metadata_array(&mut value_at)?);
            }
            total += 32 + u64::from(name_len) + u64::from(len);
            if total > LIMIT {
                return Err(ReadError::Limit { what: "an inode's attributes", limit: LIMIT });
            }
            let value = self.read_metadata_vec(&mut value_at, len as usize)?;
            if number & XATTR_OUT_OF_LINE == 0 {
                cursor = value_at;
            }
            pairs.push((name, value));
        }
        Ok(pairs)
    }
}
