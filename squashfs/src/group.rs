//! Which files have the same content, decided before anything is compressed.

use std::io::{self, Read};

use bootwright_image::{Blob, Digest, FileTree, InodeId, Observer, Origin, StreamKey};

use crate::error::{WriteError, path_of};
use crate::options::{Fragments, Options};

/// No content: a directory, an empty file, an inode without a name.
const NONE: u32 = u32::MAX;

/// The different contents of a tree's files.
pub(crate) struct Contents {
    /// For each inode's index the number of its content.
    of_inode: Vec<u32>,
    /// For each content the inode that it is delivered as, in the order of the first names.
    pub(crate) delivered: Vec<InodeId>,
    /// Files whose content is delivered as another one's.
    pub(crate) duplicate_files: u64,
    /// Their bytes.
    pub(crate) duplicate_bytes: u64,
}

impl Contents {
    /// Groups `files`, which are not empty and come once each, in the order of their first names.
    pub(crate) fn group(
        tree: &FileTree,
        files: &[(u64, InodeId)],
        options: &Options,
        observer: &dyn Observer,
    ) -> Result<Self, WriteError> {
        let mut contents = Self {
            of_inode: vec![NONE; tree.capacity()],
            delivered: Vec::new(),
            duplicate_files: 0,
            duplicate_bytes: 0,
        };
        let first = first_of_each(tree, files, options, observer)?;
        for (&(len, inode), &first) in files.iter().zip(&first) {
            let (_, first) = files[first as usize];
            contents.of_inode[inode.index()] = if first == inode {
                contents.delivered.push(inode);
                u32::try_from(contents.delivered.len() - 1).expect("BUG: fewer than inodes")
            } else {
                contents.duplicate_files += 1;
                contents.duplicate_bytes += len;
                contents.of_inode[first.index()]
            };
        }
        Ok(contents)
    }

    /// The number of an inode's content.
    pub(crate) fn of(&self, inode: InodeId) -> Option<u32> {
        self.of_inode.get(inode.index()).copied().filter(|content| *content != NONE)
    }

    /// The inode that `inode`'s content is delivered as.
    pub(crate) fn delivered_as(&self, inode: InodeId) -> Option<InodeId> {
        self.of(inode).and_then(|content| self.delivered.get(content as usize)).copied()
    }
}

/// For each file the index of the first file with the same content.
fn first_of_each(
    tree: &FileTree,
    files: &[(u64, InodeId)],
    options: &Options,
    observer: &dyn Observer,
) -> Result<Vec<u32>, WriteError> {
    let count = u32::try_from(files.len()).expect("BUG: a tree has fewer than 2^32 inodes");
    let mut first: Vec<u32> = (0..count).collect();
    let mut by_len = first.clone();
    by_len.sort_by_key(|index| files[*index as usize].0);
    let mut identities = Vec::new();
    for run in by_len.chunk_by(|a, b| files[*a as usize].0 == files[*b as usize].0) {
        if run.len() == 1 {
            continue;
        }
        identities.clear();
        for &index in run {
            let (_, inode) = files[index as usize];
            if let Some(identity) = identity(tree, inode, options, observer)? {
                identities.push((identity, index));
            }
        }
        identities.sort_unstable();
        for equal in identities.chunk_by(|a, b| a.0 == b.0) {
            for (_, index) in equal {
                first[*index as usize] = equal[0].1;
            }
        }
    }
    Ok(first)
}

/// What tells that two contents of one length are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Identity {
    Digest(Digest),
    Stream(StreamKey),
}

/// The identity of a content, read if need be. `None` when that is impossible, or not worth it: a
/// content that fits in a fragment is compared when it gets there, without reading it twice.
fn identity(
    tree: &FileTree,
    inode: InodeId,
    options: &Options,
    observer: &dyn Observer,
) -> Result<Option<Identity>, WriteError> {
    let Some(blob) = tree.inode(inode).as_file() else { return Ok(None) };
    let compared_later =
        options.fragments != Fragments::Never && blob.len() < u64::from(options.block_size.bytes());
    match blob.origin() {
        _ if blob.digest().is_some() => Ok(blob.digest().map(Identity::Digest)),
        Origin::Stream(key) => Ok(Some(Identity::Stream(*key))),
        Origin::Bytes(_) | Origin::HostFile { .. } if !compared_later => {
            match read_digest(blob, observer) {
                Ok(Some(digest)) => Ok(Some(Identity::Digest(digest))),
                Ok(None) => Err(WriteError::Cancelled),
                Err(source) => Err(WriteError::Read { path: path_of(tree, inode), source }),
            }
        }
        _ => Ok(None),
    }
}

/// `None` when cancelled.
fn read_digest(blob: &Blob, observer: &dyn Observer) -> io::Result<Option<Digest>> {
    let mut hasher = blake3::Hasher::new();
    if let Origin::Bytes(bytes) = blob.origin() {
        hasher.update(bytes);
        return Ok(Some(Digest(*hasher.finalize().as_bytes())));
    }
    let mut reader = blob.open()?;
    let mut buffer = vec![0; 1 << 18];
    loop {
        if observer.cancelled() {
            return Ok(None);
        }
        match reader.read(&mut buffer)? {
            0 => return Ok(Some(Digest(*hasher.finalize().as_bytes()))),
            len => hasher.update(&buffer[..len]),
        };
    }
}
