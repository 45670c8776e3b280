//! Checks of a whole image.

use std::collections::BTreeMap;
use std::io::{Read, Seek};

use super::{Image, Inode, Kind, ReadError, corrupt};
use crate::MetadataRef;
use crate::format::{METADATA_BLOCK, NO_TABLE};

/// What [`Image::verify`] went through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verified {
    /// Inodes.
    pub inodes: u64,
    /// Names without the root.
    pub names: u64,
    /// Bytes of the contents of files with holes; zero when they were not read.
    pub bytes: u64,
}

/// What is known of an inode.
struct Known {
    place: MetadataRef,
    names: u32,
    links: u32,
    is_directory: bool,
    subdirectories: u32,
}

impl<R: Read + Seek> Image<R> {
    /// Goes through the whole tree and checks that inode numbers, link counts, parents, the
    /// export table, directory indexes and extended attributes agree with it. With `contents` it
    /// decompresses every file as well. `go_on` is asked before each inode.
    ///
    /// # Errors
    /// [`ReadError`]; [`ReadError::Cancelled`] when `go_on` says no.
    pub fn verify(
        &mut self,
        contents: bool,
        go_on: &dyn Fn() -> bool,
    ) -> Result<Verified, ReadError> {
        let mut verified = Verified::default();
        let mut known: BTreeMap<u32, Known> = BTreeMap::new();
        self.visit(&mut |image, visited| {
            if !go_on() {
                return Err(ReadError::Cancelled);
            }
            let inode = visited.inode;
            let at = image.superblock.inode_table + inode.place.block();
            let is_directory = matches!(inode.kind, Kind::Directory { .. });
            if let Some(parent) = visited.parent {
                verified.names += 1;
                if let Kind::Directory { parent: stored, .. } = inode.kind
                    && stored != parent
                {
                    return Err(corrupt("a directory with a wrong parent", at));
                }
                if let Some(parent) = known.get_mut(&parent) {
                    parent.subdirectories += u32::from(is_directory);
                }
            }
            if let Some(known) = known.get_mut(&inode.number) {
                known.names = known.names.saturating_add(1);
                if known.place == inode.place {
                    return Ok(());
                }
                return Err(corrupt("two inodes with one number", at));
            }
            let (place, links) = (inode.place, inode.links);
            let new = Known { place, names: 1, links, is_directory, subdirectories: 0 };
            known.insert(inode.number, new);
            image.verify_inode(inode, at)?;
            if contents {
                verified.bytes += image.verify_content(inode)?;
            }
            Ok(())
        })?;
        verified.inodes = known.len() as u64;
        if verified.inodes != u64::from(self.superblock.inode_count) {
            return Err(corrupt("a number of inodes unlike the superblock's", 4));
        }
        for inode in known.into_values() {
            let links = if inode.is_directory {
                inode.subdirectories.saturating_add(2)
            } else {
                inode.names
            };
            if links != inode.links {
                let at = self.superblock.inode_table + inode.place.block();
                return Err(corrupt("a wrong number of links", at));
            }
        }
        Ok(verified)
    }

    fn verify_inode(&mut self, inode: &Inode, at: u64) -> Result<(), ReadError> {
        if self.superblock.export_table != NO_TABLE && self.exported(inode.number)? != inode.place {
            return Err(corrupt("an inode unlike its export table entry", at));
        }
        if let Some(set) = inode.xattr {
            self.xattrs(set)?;
        }
        let Kind::Directory { listing, len, .. } = inode.kind else { return Ok(()) };
        let wrong = || corrupt("a directory index unlike its listing", at);
        for (offset, block, name) in self.directory_index(inode)? {
            if offset >= len {
                return Err(wrong());
            }
            let within = (u64::from(listing.offset()) + u64::from(offset)) % METADATA_BLOCK as u64;
            let within = u16::try_from(within).map_err(|_| wrong())?;
            let mut cursor = self.directory_cursor(MetadataRef::new(u64::from(block), within));
            let header = self.directory_header(&mut cursor)?;
            if self.directory_entry(&mut cursor, header)?.name != name {
                return Err(wrong());
            }
        }
        Ok(())
    }

    fn verify_content(&mut self, inode: &Inode) -> Result<u64, ReadError> {
        let mut len = 0_u64;
        let mut file = self.open_file(inode);
        while let Some((bytes, zeros)) = file.next_piece()? {
            len = len.saturating_add(bytes.len() as u64 + u64::from(zeros));
        }
        Ok(len)
    }
}
