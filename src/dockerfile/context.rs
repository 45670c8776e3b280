//! The context: a folder of the build host as a tree.
//!
//! Files belong to 0:0 and keep mode and time, so nothing depends on who checked them out; the
//! umask of whoever did is part of the input. Symbolic links are nodes of the tree and resolved in
//! it, so that none leads out of the folder. Hard links of the host become separate files, since a
//! checkout does not keep them. Extended attributes are left behind.

use std::ffi::OsString;
use std::fs::{self, Metadata as HostMetadata};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use bootwright_image::{Blob, Device, FileTree, InodeId, Kind, Metadata, Observer, Timestamp};

use super::error::Problem;
use super::ignore::Ignore;

/// Files and folders of one context.
const ENTRIES_MAX: usize = 4 << 20;
/// Folders below each other.
const DEPTH_MAX: usize = 1024;

/// Lists a folder without what `ignore` leaves out. Contents stay where they are.
pub(crate) fn load(
    root: &Path,
    ignore: &Ignore,
    observer: &dyn Observer,
) -> Result<FileTree, Problem> {
    let host = fs::metadata(root).map_err(failed(root))?;
    if !host.is_dir() {
        return Err(failed(root)(io::ErrorKind::NotADirectory.into()));
    }
    let mut tree = FileTree::new(metadata(&host));
    let mut open = vec![(Vec::new(), tree.root())];
    while let Some((path, at)) = open.pop() {
        if observer.cancelled() {
            return Err(Problem::Cancelled);
        }
        if path.iter().filter(|byte| **byte == b'/').count() >= DEPTH_MAX {
            return Err(failed(&below(root, &path))(io::Error::other("too many folders deep")));
        }
        for name in names(&below(root, &path))? {
            let path =
                if path.is_empty() { name.clone() } else { [&path, &b"/"[..], &name].concat() };
            let left_out = ignore.leaves_out(&String::from_utf8_lossy(&path));
            let host = below(root, &path);
            let metadata = fs::symlink_metadata(&host).map_err(failed(&host))?;
            if left_out && !(metadata.is_dir() && ignore.may_keep()) {
                continue;
            }
            if let Some(folder) = add(&mut tree, at, &name, &host, &metadata)? {
                open.push((path, folder));
            }
            if tree.capacity() > ENTRIES_MAX {
                return Err(failed(root)(io::Error::other("more than 4194304 files")));
            }
        }
    }
    if ignore.may_keep() {
        prune(&mut tree, ignore);
    }
    Ok(tree)
}

/// Adds what is at `host`; the folder if it is one.
fn add(
    tree: &mut FileTree,
    at: InodeId,
    name: &[u8],
    host: &Path,
    host_metadata: &HostMetadata,
) -> Result<Option<InodeId>, Problem> {
    let kind = host_metadata.file_type();
    let kind = if kind.is_dir() {
        let added = tree.add_directory(at, name, metadata(host_metadata));
        return added.map(Some).map_err(|error| failed(host)(io::Error::other(error)));
    } else if kind.is_symlink() {
        let target = fs::read_link(host).map_err(failed(host))?;
        Kind::Symlink(target.as_os_str().as_bytes().into())
    } else if kind.is_file() {
        Kind::File(Blob::host_file(host.into(), 0, host_metadata.len()))
    } else if kind.is_fifo() {
        Kind::Fifo
    } else if kind.is_socket() {
        Kind::Socket
    } else {
        // Refused when it is copied; the numbers do not matter.
        Kind::CharDevice(Device { major: 0, minor: 0 })
    };
    tree.add(at, name, metadata(host_metadata), kind)
        .map_err(|error| failed(host)(io::Error::other(error)))?;
    Ok(None)
}

/// Takes away folders that are left out and in which nothing was kept.
fn prune(tree: &mut FileTree, ignore: &Ignore) {
    let folders: Vec<_> = tree
        .walk()
        .filter(|walked| tree.inode(walked.id).as_directory().is_some())
        .map(|walked| walked.path)
        .collect();
    for path in folders.iter().rev() {
        let empty = tree.lookup(path).is_some_and(|id| tree.children(id).next().is_none());
        if empty && ignore.leaves_out(&String::from_utf8_lossy(path)) {
            let slash = path.iter().rposition(|byte| *byte == b'/');
            let (parent, name) =
                slash.map_or((&b""[..], &path[..]), |at| (&path[..at], &path[at + 1..]));
            if let Some(parent) = tree.lookup(parent) {
                tree.remove(parent, name);
            }
        }
    }
}

fn names(folder: &Path) -> Result<Vec<Vec<u8>>, Problem> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed(folder))? {
        names.push(entry.map_err(failed(folder))?.file_name().into_vec());
    }
    names.sort_unstable();
    Ok(names)
}

fn metadata(host: &HostMetadata) -> Metadata {
    Metadata {
        mode: u16::try_from(host.mode() & 0o7777).unwrap_or_default(),
        mtime: Timestamp(host.mtime()),
        ..Metadata::default()
    }
}

fn below(root: &Path, path: &[u8]) -> std::path::PathBuf {
    root.join(OsString::from_vec(path.to_vec()))
}

fn failed(path: &Path) -> impl Fn(io::Error) -> Problem {
    move |source| Problem::Io { path: path.to_owned(), source }
}
