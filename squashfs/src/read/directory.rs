//! Listings and directory indexes.

use std::io::{Read, Seek};

use super::inode::{le16, le32};
use super::metadata::Cursor;
use super::{Image, Inode, Kind, ReadError, corrupt};
use crate::MetadataRef;
use crate::format::{DIRECTORY_ENTRY_LEN, DIRECTORY_HEADER_LEN, HEADER_ENTRIES, NAME_MAX};

/// An entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: Vec<u8>,
    /// Where its inode is in the inode table.
    pub inode: MetadataRef,
    /// The inode's number according to the entry.
    pub number: u32,
    /// The number of the inode's basic type.
    pub inode_type: u16,
}

/// What the entries below a directory header share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header {
    pub(crate) count: u32,
    pub(crate) block: u32,
    pub(crate) number: u32,
}

/// Iterator of [`Image::entries`]. It ends after an error.
#[derive(Debug)]
pub struct Entries<'a, R> {
    image: &'a mut Image<R>,
    cursor: Cursor,
    /// Bytes of the listing that are left.
    left: u32,
    header: Header,
    /// Entries left below the header.
    below: u32,
    last: Vec<u8>,
}

impl<R: Read + Seek> Image<R> {
    /// The entries of a directory, in the order of their names; none for other inodes. Names out
    /// of order, twice there or not allowed are errors.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn entries(&mut self, directory: &Inode) -> Result<Entries<'_, R>, ReadError> {
        let (listing, left) = match directory.kind {
            Kind::Directory { listing, len, .. } => (listing, len),
            _ => (MetadataRef(0), 0),
        };
        let cursor = self.directory_cursor(listing);
        let header = Header { count: 0, block: 0, number: 0 };
        Ok(Entries { image: self, cursor, left, header, below: 0, last: Vec::new() })
    }

    pub(crate) fn directory_cursor(&self, place: MetadataRef) -> Cursor {
        let table = self.superblock.directory_table;
        Cursor::new(table + place.block(), place.offset(), self.superblock.bytes_used)
    }

    pub(crate) fn directory_header(&mut self, cursor: &mut Cursor) -> Result<Header, ReadError> {
        let bytes: [u8; DIRECTORY_HEADER_LEN] = self.metadata_array(cursor)?;
        let count = le32(&bytes, 0).saturating_add(1);
        if count as usize > HEADER_ENTRIES {
            return Err(corrupt("a directory header of too many entries", cursor.block));
        }
        Ok(Header { count, block: le32(&bytes, 4), number: le32(&bytes, 8) })
    }

    pub(crate) fn directory_entry(
        &mut self,
        cursor: &mut Cursor,
        header: Header,
    ) -> Result<Entry, ReadError> {
        let bytes: [u8; DIRECTORY_ENTRY_LEN] = self.metadata_array(cursor)?;
        let len = usize::from(le16(&bytes, 6)) + 1;
        if len > NAME_MAX {
            return Err(corrupt("a name that is too long", cursor.block));
        }
        let delta = i16::from_le_bytes([bytes[2], bytes[3]]);
        let number = header.number.checked_add_signed(i32::from(delta));
        Ok(Entry {
            name: self.read_metadata_vec(cursor, len)?,
            inode: MetadataRef::new(u64::from(header.block), le16(&bytes, 0)),
            number: number.ok_or(corrupt("an inode number out of range", cursor.block))?,
            inode_type: le16(&bytes, 4),
        })
    }

    /// The directory index of an inode: for each entry the offset in the listing, the metadata
    /// block and the first name there.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn directory_index(
        &mut self,
        directory: &Inode,
    ) -> Result<Vec<(u32, u32, Vec<u8>)>, ReadError> {
        let Kind::Directory { index, .. } = directory.kind else { return Ok(Vec::new()) };
        let mut cursor = directory.rest;
        self.directory_index_at(&mut cursor, index)
    }

    pub(crate) fn directory_index_at(
        &mut self,
        cursor: &mut Cursor,
        count: u16,
    ) -> Result<Vec<(u32, u32, Vec<u8>)>, ReadError> {
        let mut entries = Vec::new();
        for _ in 0..count {
            let bytes: [u8; 12] = self.metadata_array(cursor)?;
            let len = le32(&bytes, 8) as usize;
            if len >= NAME_MAX {
                return Err(corrupt("a name that is too long", cursor.block));
            }
            let name = self.read_metadata_vec(cursor, len + 1)?;
            entries.push((le32(&bytes, 0), le32(&bytes, 4), name));
        }
        Ok(entries)
    }
}

impl<R: Read + Seek> Entries<'_, R> {
    /// The image, to read something else before the next entry.
    pub fn image(&mut self) -> &mut Image<R> {
        self.image
    }

    fn read(&mut self) -> Result<Option<Entry>, ReadError> {
        if self.below == 0 {
            if self.left == 0 {
                return Ok(None);
            }
            self.take(DIRECTORY_HEADER_LEN)?;
            self.header = self.image.directory_header(&mut self.cursor)?;
            self.below = self.header.count;
        }
        let entry = self.image.directory_entry(&mut self.cursor, self.header)?;
        self.take(DIRECTORY_ENTRY_LEN + entry.name.len())?;
        self.below -= 1;
        let allowed = !matches!(&*entry.name, b"." | b"..")
            && !entry.name.iter().any(|byte| matches!(byte, b'/' | 0));
        if !allowed {
            return Err(corrupt("a name that is not allowed", self.cursor.block));
        }
        if !self.last.is_empty() && self.last >= entry.name {
            return Err(corrupt("names out of order", self.cursor.block));
        }
        self.last.clone_from(&entry.name);
        Ok(Some(entry))
    }

    fn take(&mut self, len: usize) -> Result<(), ReadError> {
        let left = u32::try_from(len).ok().and_then(|len| self.left.checked_sub(len));
        self.left = left.ok_or(corrupt("a listing longer than its length", self.cursor.block))?;
        Ok(())
    }
}

impl<R: Read + Seek> Iterator for Entries<'_, R> {
    type Item = Result<Entry, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let read = self.read().transpose();
        if let Some(Err(_)) = read {
            (self.left, self.below) = (0, 0);
        }
        read
    }
}
