//! The inode table and the directory table, which refer to each other's compressed blocks and so
//! grow side by side.

use std::collections::BTreeMap;
use std::io::Write;

use bootwright_image::{FileTree, Inode, InodeId, Kind, Observer};

use crate::block_list::FileTable;
use crate::error::{WriteError, path_of};
use crate::format::{
    DIRECTORY_SIZE_EXTRA, InodeType, NO_FRAGMENT, NO_XATTR, PutFields, encode_device,
};
use crate::listing::{Entry, Listing, ListingWriter};
use crate::metadata::{MetadataRef, MetadataWriter};
use crate::plan::Plan;

/// Marks an inode that was not written yet.
const PENDING: MetadataRef = MetadataRef(u64::MAX);

/// Writes all inodes and listings, and returns where each inode is, by its number less one; the
/// root is the first.
///
/// Directories are finished before their parents. The inodes of a directory's entries are written
/// one after the other, just before its listing, so that few headers describe them.
pub(crate) fn emit<I: Write, D: Write>(
    plan: &Plan<'_>,
    files: &FileTable,
    inodes: &mut MetadataWriter<I>,
    directories: &mut MetadataWriter<D>,
    observer: &dyn Observer,
) -> Result<Vec<MetadataRef>, WriteError> {
    let tree = plan.tree;
    let mut emitter = Emitter {
        plan,
        files,
        inodes,
        directories,
        places: vec![PENDING; plan.inode_count as usize],
        listings: BTreeMap::new(),
        buffer: Vec::new(),
    };
    let mut open = vec![(tree.root(), subdirectories(tree, tree.root()))];
    while let Some((directory, left)) = open.last_mut() {
        if let Some(child) = left.next() {
            open.push((child, subdirectories(tree, child)));
            continue;
        }
        if observer.cancelled() {
            return Err(WriteError::Cancelled);
        }
        emitter.directory(*directory)?;
        open.pop();
    }
    emitter.inode(tree.root())?;
    Ok(emitter.places)
}

fn subdirectories(tree: &FileTree, directory: InodeId) -> impl Iterator<Item = InodeId> {
    let is_directory = |id: &InodeId| tree.inode(*id).as_directory().is_some();
    tree.children(directory).map(|(_, id)| id).filter(is_directory)
}

struct Emitter<'a, I, D> {
    plan: &'a Plan<'a>,
    files: &'a FileTable,
    inodes: &'a mut MetadataWriter<I>,
    directories: &'a mut MetadataWriter<D>,
    places: Vec<MetadataRef>,
    /// Listings of directories whose own inodes are not written yet.
    listings: BTreeMap<InodeId, Listing>,
    buffer: Vec<u8>,
}

impl<I: Write, D: Write> Emitter<'_, I, D> {
    /// Writes the inodes of a directory's entries, then its listing.
    fn directory(&mut self, directory: InodeId) -> Result<(), WriteError> {
        let tree = self.plan.tree;
        for (_, inode) in tree.children(directory) {
            self.inode(inode)?;
        }
        let mut listing = ListingWriter::new(self.directories);
        for (name, inode) in tree.children(directory) {
            let number = self.plan.number(inode);
            let place = self.places[number as usize - 1];
            let kind = inode_type(tree.inode(inode).kind());
            listing.add(&Entry { name, number, place, kind })?;
        }
        let listing = listing.finish()?;
        let limit = u64::from(u32::MAX - DIRECTORY_SIZE_EXTRA);
        if listing.len > limit {
            let path = path_of(tree, directory);
            return Err(WriteError::Listing { path, len: listing.len });
        }
        self.listings.insert(directory, listing);
        Ok(())
    }

    /// Writes an inode unless another name of it came before.
    fn inode(&mut self, id: InodeId) -> Result<(), WriteError> {
        let number = self.plan.number(id);
        let index = number as usize - 1;
        if self.places[index] != PENDING {
            return Ok(());
        }
        self.places[index] = self.inodes.position();
        self.buffer.clear();
        let inode = self.plan.tree.inode(id);
        let xattr = self.plan.xattrs.number(&inode.metadata.xattrs).unwrap_or(NO_XATTR);
        match inode.kind() {
            Kind::Directory(_) => self.encode_directory(id, inode, xattr)?,
            Kind::File(blob) => return self.file(id, inode, blob.len(), xattr),
            kind => {
                self.encode_head(id, inode, xattr != NO_XATTR);
                self.buffer.u32(inode.names());
                match kind {
                    Kind::Symlink(target) => {
                        let len = u32::try_from(target.len()).expect("BUG: at most 4095 bytes");
                        self.buffer.u32(len);
                        self.buffer.extend_from_slice(target);
                    }
                    Kind::CharDevice(device) | Kind::BlockDevice(device) => {
                        self.buffer.u32(encode_device(device.major, device.minor));
                    }
                    Kind::Directory(_) | Kind::File(_) | Kind::Fifo | Kind::Socket => {}
                }
                if xattr != NO_XATTR {
                    self.buffer.u32(xattr);
                }
            }
        }
        self.inodes.write(&self.buffer)
    }

    fn encode_head(&mut self, id: InodeId, inode: &Inode, extended: bool) {
        let (kind, metadata) = (inode_type(inode.kind()), &inode.metadata);
        let out = &mut self.buffer;
        out.u16(if extended { kind.extended() } else { kind.basic() });
        out.u16(metadata.mode & 0o7777);
        out.u16(self.plan.id_index(metadata.uid));
        out.u16(self.plan.id_index(metadata.gid));
        out.u32(metadata.mtime.clamp_to_u32());
        out.u32(self.plan.number(id));
    }

    fn encode_directory(
        &mut self,
        id: InodeId,
        inode: &Inode,
        xattr: u32,
    ) -> Result<(), WriteError> {
        let tree = self.plan.tree;
        let listing = self.listings.remove(&id).expect("BUG: a listing comes before its inode");
        let size = u32::try_from(listing.len).expect("BUG: checked with the listing");
        let size = size + DIRECTORY_SIZE_EXTRA;
        let links = u32::try_from(subdirectories(tree, id).count())
            .expect("BUG: fewer than inodes")
            .saturating_add(2);
        let parent = match inode.as_directory() {
            Some(directory) if id != tree.root() => self.plan.number(directory.parent()),
            _ => self.plan.inode_count + 1,
        };
        let block = table_offset("directory table", listing.place.block())?;
        let short = u16::try_from(size).ok();
        match short.filter(|_| listing.index.is_empty() && xattr == NO_XATTR) {
            Some(size) => {
                self.encode_head(id, inode, false);
                self.buffer.u32(block);
                self.buffer.u32(links);
                self.buffer.u16(size);
                self.buffer.u16(listing.place.offset());
                self.buffer.u32(parent);
            }
            None => {
                self.encode_head(id, inode, true);
                let count = u16::try_from(listing.index.len()).expect("BUG: an index is cut off");
                self.buffer.u32(links);
                self.buffer.u32(size);
                self.buffer.u32(block);
                self.buffer.u32(parent);
                self.buffer.u16(count);
                self.buffer.u16(listing.place.offset());
                self.buffer.u32(xattr);
                for entry in &listing.index {
                    self.buffer.u32(entry.offset);
                    self.buffer.u32(table_offset("directory table", entry.block)?);
                    let name_len = u32::try_from(entry.name.len()).expect("BUG: at most 256");
                    self.buffer.u32(name_len - 1);
                    self.buffer.extend_from_slice(&entry.name);
                }
            }
        }
        Ok(())
    }

    fn file(&mut self, id: InodeId, inode: &Inode, len: u64, xattr: u32) -> Result<(), WriteError> {
        let located = self.plan.contents.of(id).and_then(|content| self.files.located(content));
        let (start, sparse) = located.map_or((0, 0), |file| (file.start, file.sparse));
        let (fragment, offset) = located.and_then(|file| file.fragment).unwrap_or((NO_FRAGMENT, 0));
        let short = u32::try_from(start).ok().zip(u32::try_from(len).ok());
        let basic = inode.names() == 1 && sparse == 0 && xattr == NO_XATTR;
        match short.filter(|_| basic) {
            Some((start, len)) => {
                self.encode_head(id, inode, false);
                self.buffer.u32(start);
                self.buffer.u32(fragment);
                self.buffer.u32(offset);
                self.buffer.u32(len);
            }
            None => {
                self.encode_head(id, inode, true);
                self.buffer.u64(start);
                self.buffer.u64(len);
                // A file of nothing but holes still shows one allocated block, as mksquashfs has
                // it.
                self.buffer.u64(sparse.min(len.saturating_sub(1)));
                self.buffer.u32(inode.names());
                self.buffer.u32(fragment);
                self.buffer.u32(offset);
                self.buffer.u32(xattr);
            }
        }
        self.inodes.write(&self.buffer)?;
        let Some(file) = located else { return Ok(()) };
        for (size, mut count) in self.files.sizes(file) {
            const ZEROS: [u8; 4096] = [0; 4096];
            if size != 0 {
                self.inodes.write(&size.to_le_bytes())?;
                continue;
            }
            while count > 0 {
                let now = count.min(1024);
                self.inodes.write(&ZEROS[..4 * now as usize])?;
                count -= now;
            }
        }
        Ok(())
    }
}

fn inode_type(kind: &Kind) -> InodeType {
    match kind {
        Kind::Directory(_) => InodeType::Directory,
        Kind::File(_) => InodeType::File,
        Kind::Symlink(_) => InodeType::Symlink,
        Kind::BlockDevice(_) => InodeType::BlockDevice,
        Kind::CharDevice(_) => InodeType::CharDevice,
        Kind::Fifo => InodeType::Fifo,
        Kind::Socket => InodeType::Socket,
    }
}

/// Offsets into tables have 32 bits in directory inodes and headers.
pub(crate) fn table_offset(table: &'static str, offset: u64) -> Result<u32, WriteError> {
    u32::try_from(offset).map_err(|_| WriteError::Table { table, len: offset })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_end_where_32_bits_end() {
        assert_eq!(table_offset("inode table", u64::from(u32::MAX)).unwrap(), u32::MAX);
        let error = table_offset("inode table", 1 << 32).unwrap_err();
        let message = "the inode table reaches 4294967296 bytes: 4294967295 is the limit";
        assert_eq!(error.to_string(), message);
    }
}
