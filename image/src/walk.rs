//! Every name of a tree, in a fixed order.

use crate::inode::Entries;
use crate::{FileTree, InodeId};

/// Iterator of [`FileTree::walk`].
#[derive(Clone, Debug)]
pub struct Walk<'a> {
    pub(crate) tree: &'a FileTree,
    /// For each open directory the length of its path and what is left of its entries.
    pub(crate) stack: Vec<(usize, Entries<'a>)>,
    pub(crate) path: Vec<u8>,
}

/// One name found by [`FileTree::walk`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Walked {
    /// The path from the root, without a leading slash.
    pub path: Vec<u8>,
    /// The inode.
    pub id: InodeId,
}

impl Iterator for Walk<'_> {
    type Item = Walked;

    fn next(&mut self) -> Option<Walked> {
        loop {
            let (len, entries) = self.stack.last_mut()?;
            self.path.truncate(*len);
            let Some((name, &id)) = entries.next() else {
                self.stack.pop();
                continue;
            };
            if !self.path.is_empty() {
                self.path.push(b'/');
            }
            self.path.extend_from_slice(name);
            if let Some(directory) = self.tree.inode(id).as_directory() {
                self.stack.push((self.path.len(), directory.iter()));
            }
            return Some(Walked { path: self.path.clone(), id });
        }
    }
}
