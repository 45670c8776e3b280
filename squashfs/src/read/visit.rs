//! The whole tree.

use std::collections::BTreeSet;
use std::io::{Read, Seek};

use super::{Entry, Image, Inode, Kind, ReadError, corrupt};
use crate::MetadataRef;

/// A name that [`Image::visit`] came to.
#[derive(Debug)]
pub struct Visited<'a> {
    /// The path from the root without a leading slash; empty for the root.
    pub path: &'a [u8],
    /// The number of the directory that has the name; `None` for the root.
    pub parent: Option<u32>,
    /// The inode.
    pub inode: &'a Inode,
}

impl<R: Read + Seek> Image<R> {
    /// Goes through the tree, the root first and directories before their entries, and checks
    /// that entries agree with their inodes and that no directory comes twice. `visitor` may read
    /// on from the image.
    ///
    /// # Errors
    /// [`ReadError`], and whatever `visitor` returns.
    pub fn visit<E: From<ReadError>>(
        &mut self,
        visitor: &mut dyn FnMut(&mut Self, &Visited<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let root = self.root()?;
        visitor(self, &Visited { path: b"", parent: None, inode: &root })?;
        let mut known = BTreeSet::from([root.place]);
        // Directories to list: where they are and their paths.
        let mut open: Vec<(MetadataRef, Vec<u8>)> = vec![(root.place, Vec::new())];
        while let Some((place, mut path)) = open.pop() {
            let directory = self.inode(place)?;
            let below = open.len();
            let prefix = path.len();
            let mut entries = self.entries(&directory)?;
            // The image is needed for the inodes between the entries, so the iterator gives it
            // back after each.
            while let Some(entry) = entries.next().transpose()? {
                path.truncate(prefix);
                if prefix > 0 {
                    path.push(b'/');
                }
                path.extend_from_slice(&entry.name);
                let image = entries.image();
                let inode = image.inode(entry.inode)?;
                agree(&entry, &inode)?;
                let parent = Some(directory.number);
                visitor(image, &Visited { path: &path, parent, inode: &inode })?;
                if matches!(inode.kind, Kind::Directory { .. }) {
                    if !known.insert(inode.place) {
                        Err(corrupt("a directory of two names", inode.place.block()))?;
                    }
                    open.push((inode.place, path.clone()));
                }
            }
            open[below..].reverse();
        }
        Ok(())
    }
}

fn agree(entry: &Entry, inode: &Inode) -> Result<(), ReadError> {
    let same = entry.number == inode.number && entry.inode_type == inode.kind.inode_type().basic();
    if same { Ok(()) } else { Err(corrupt("an entry unlike its inode", inode.place.block())) }
}
