//! A folder on this machine as a list of entries that can be compared.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::tools::sha256;

/// All that an image has to keep of one file. Times of directories are not in it: the image
/// specification leaves those of parents that change to the unpacker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) kind: char,
    pub(crate) mode: u32,
    pub(crate) owner: (u32, u32),
    pub(crate) size: u64,
    pub(crate) mtime: Option<i64>,
    pub(crate) links: u64,
    pub(crate) device: u64,
    pub(crate) target: Option<PathBuf>,
    pub(crate) sha256: Option<String>,
    pub(crate) xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// Every entry below `root`, by its path from there.
pub(crate) fn walk(root: &Path) -> BTreeMap<PathBuf, Entry> {
    let mut entries = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for child in fs::read_dir(&folder).unwrap() {
            let path = child.unwrap().path();
            let entry = read(&path);
            if entry.kind == 'd' {
                folders.push(path.clone());
            }
            entries.insert(path.strip_prefix(root).unwrap().to_owned(), entry);
        }
    }
    entries
}

fn read(path: &Path) -> Entry {
    let metadata = fs::symlink_metadata(path).unwrap();
    let kind = kind(&metadata);
    let directory = kind == 'd';
    Entry {
        kind,
        mode: metadata.mode() & 0o7777,
        owner: (metadata.uid(), metadata.gid()),
        size: if directory { 0 } else { metadata.size() },
        mtime: (!directory).then(|| metadata.mtime()),
        links: if directory { 0 } else { metadata.nlink() },
        device: metadata.rdev(),
        target: (kind == 'l').then(|| fs::read_link(path).unwrap()),
        sha256: (kind == 'f').then(|| sha256(path)),
        xattrs: xattrs(path),
    }
}

fn kind(metadata: &Metadata) -> char {
    let kind = metadata.file_type();
    match () {
        () if kind.is_dir() => 'd',
        () if kind.is_symlink() => 'l',
        () if kind.is_file() => 'f',
        () if kind.is_char_device() => 'c',
        () if kind.is_block_device() => 'b',
        () if kind.is_fifo() => 'p',
        () => 's',
    }
}

/// Those that a squashfs can hold: POSIX ACLs (`system.`) are not among them.
fn xattrs(path: &Path) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut names = vec![0; 64 << 10];
    let length = rustix::fs::llistxattr(path, &mut names).unwrap();
    names[..length]
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty() && !name.starts_with(b"system."))
        .map(|name| {
            let mut value = vec![0; 64 << 10];
            let length = rustix::fs::lgetxattr(path, name, &mut value).unwrap();
            value.truncate(length);
            (name.to_vec(), value)
        })
        .collect()
}

/// Fails with the differences, at most a screenful, when two folders differ.
pub(crate) fn assert_same(
    left: (&str, &BTreeMap<PathBuf, Entry>),
    right: (&str, &BTreeMap<PathBuf, Entry>),
) {
    let paths: std::collections::BTreeSet<_> = left.1.keys().chain(right.1.keys()).collect();
    let differences: Vec<String> = paths
        .into_iter()
        .filter(|path| left.1.get(*path) != right.1.get(*path))
        .map(|path| {
            let name = String::from_utf8_lossy(path.as_os_str().as_bytes());
            format!(
                "{name}\n  {}: {:?}\n  {}: {:?}",
                left.0,
                left.1.get(path),
                right.0,
                right.1.get(path)
            )
        })
        .collect();
    assert!(
        differences.is_empty(),
        "{} entries differ:\n{}",
        differences.len(),
        differences.iter().take(20).cloned().collect::<Vec<_>>().join("\n")
    );
}
