//! Folders of the build host: a root file system, or an overlay over one.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, FileType};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bootwright_image::{Blob, Xattrs};
use rustix::fs::{Access, access, lgetxattr, lgetxattr_query, llistxattr, llistxattr_query};

use crate::entry::{Entry, Layer, Names, Span, What, check_target, device};
use crate::error::{Error, Problem, escape};
use crate::scan::Context;
use crate::tar::{Fate, check_xattr};

/// What a folder is to become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// A root file system, kept as it is.
    Root,
    /// Files laid over a root. They belong to 0:0 and have no attributes but `security.capability`,
    /// so that whoever checked them out leaves no trace; only what a checkout can hold is accepted.
    Overlay,
}

/// Lists everything below `root`, parents first and siblings in order of their names. Contents
/// stay where they are.
pub(crate) fn scan(
    root: &Path,
    name: Arc<str>,
    role: Role,
    context: &Context<'_>,
) -> Result<Layer, Error> {
    let layer = Layer { name, names: Names::default(), entries: Vec::new() };
    let mut scan = Scan { layer, root, role, context, links: BTreeMap::new() };
    let metadata = fs::metadata(root).map_err(failed(root))?;
    if !metadata.is_dir() {
        return Err(failed(root)(io::ErrorKind::NotADirectory.into()));
    }
    let entry = scan.entry(b"", root, &metadata)?;
    scan.layer.entries.push(entry);
    let mut open = vec![(Vec::new(), scan.list(root)?)];
    while let Some((parent, names)) = open.last_mut() {
        if context.observer.cancelled() || (context.stopped)() {
            return Err(Error::Cancelled);
        }
        let Some(name) = names.pop() else {
            open.pop();
            continue;
        };
        let mut path = parent.clone();
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(name.as_bytes());
        let host = scan.root.join(OsString::from_vec(path.clone()));
        let metadata = fs::symlink_metadata(&host).map_err(failed(&host))?;
        let entry = scan.entry(&path, &host, &metadata)?;
        scan.layer.entries.push(entry);
        if metadata.is_dir() {
            if open.len() >= context.limits.depth {
                let problem = Problem::TooDeep { limit: context.limits.depth };
                return Err(scan.fault(&path, problem));
            }
            open.push((path, scan.list(&host)?));
        }
    }
    Ok(scan.layer)
}

struct Scan<'a> {
    layer: Layer,
    root: &'a Path,
    role: Role,
    context: &'a Context<'a>,
    /// The first name of each inode that has several, by device and inode number.
    links: BTreeMap<(u64, u64), Span>,
}

impl Scan<'_> {
    /// The names in a folder, last first.
    fn list(&self, folder: &Path) -> Result<Vec<OsString>, Error> {
        let mut names = Vec::new();
        for entry in fs::read_dir(folder).map_err(failed(folder))? {
            names.push(entry.map_err(failed(folder))?.file_name());
            if names.len() as u64 > self.context.limits.entries {
                let limit = self.context.limits.entries;
                return Err(Error::Limit { what: "members", limit });
            }
        }
        names.sort_unstable_by(|a, b| b.as_bytes().cmp(a.as_bytes()));
        Ok(names)
    }

    fn entry(&mut self, path: &[u8], host: &Path, metadata: &fs::Metadata) -> Result<Entry, Error> {
        let (xattrs, dropped, xattr_bytes) = self.xattrs(path, host)?;
        self.context.budget.entry(path.len() + xattr_bytes)?;
        let path_span = self.layer.names.push(path);
        let what = self.what(path, path_span, host, metadata)?;
        let (uid, gid) = match self.role {
            Role::Root => (metadata.uid(), metadata.gid()),
            Role::Overlay => (0, 0),
        };
        Ok(Entry {
            path: path_span,
            what,
            mode: u16::try_from(metadata.mode() & 0o7777).unwrap_or_default(),
            uid,
            gid,
            mtime: metadata.mtime(),
            xattrs,
            dropped,
        })
    }

    fn what(
        &mut self,
        path: &[u8],
        span: Span,
        host: &Path,
        metadata: &fs::Metadata,
    ) -> Result<What, Error> {
        let kind = metadata.file_type();
        if kind.is_dir() {
            return Ok(What::Directory);
        }
        if metadata.nlink() > 1 {
            let inode = (metadata.dev(), metadata.ino());
            if let Some(first) = self.links.get(&inode) {
                return Ok(What::HardLink(*first));
            }
            self.links.insert(inode, span);
        }
        if kind.is_symlink() {
            let target = fs::read_link(host).map_err(failed(host))?;
            let target = target.as_os_str().as_bytes();
            check_target(target).map_err(|problem| self.fault(path, problem))?;
            return Ok(What::Symlink(self.layer.names.push(target)));
        }
        if kind.is_file() {
            return self.file(path, host, metadata);
        }
        self.special(kind, metadata).map_err(|problem| self.fault(path, problem))
    }

    fn file(&self, path: &[u8], host: &Path, metadata: &fs::Metadata) -> Result<What, Error> {
        let (len, limit) = (metadata.len(), self.context.limits.file_bytes);
        if len > limit {
            return Err(self.fault(path, Problem::FileTooLarge { len, limit }));
        }
        // Better to fail now than after minutes of compression.
        access(host, Access::READ_OK).map_err(|errno| failed(host)(errno.into()))?;
        Ok(What::File(Blob::host_file(host.into(), 0, len)))
    }

    fn special(&self, kind: FileType, metadata: &fs::Metadata) -> Result<What, Problem> {
        let (what, shown) = if kind.is_char_device() || kind.is_block_device() {
            let number = metadata.rdev();
            let (major, minor) = (rustix::fs::major(number), rustix::fs::minor(number));
            let device = device(major.into(), minor.into())?;
            if kind.is_char_device() {
                (What::CharDevice(device), "character device")
            } else {
                (What::BlockDevice(device), "block device")
            }
        } else if kind.is_fifo() {
            (What::Fifo, "named pipe")
        } else {
            (What::Socket, "socket")
        };
        match self.role {
            Role::Root => Ok(what),
            Role::Overlay => Err(Problem::OverlayKind { kind: shown }),
        }
    }

    /// What is kept of the attributes, the names of those that cannot be, and the bytes they take.
    fn xattrs(&self, path: &[u8], host: &Path) -> Result<(Xattrs, Option<Arc<str>>, usize), Error> {
        let mut kept = Xattrs::default();
        let mut dropped = Vec::new();
        let mut bytes = 0;
        for name in xattr_names(host)? {
            let fate = match self.role {
                Role::Overlay if name != b"security.capability" => Fate::Ignore,
                _ => Fate::of(&name),
            };
            match fate {
                Fate::Keep => {
                    let value = xattr_value(host, &name)?;
                    check_xattr(&name, &value, self.context.limits)
                        .map_err(|problem| self.fault(path, problem))?;
                    bytes += name.len() + value.len();
                    kept.insert(&name, &value);
                }
                Fate::Drop => dropped.push(escape(&name)),
                Fate::Ignore => {}
            }
        }
        dropped.sort();
        let dropped = (!dropped.is_empty()).then(|| dropped.join(", ").into());
        Ok((kept, dropped, bytes))
    }

    fn fault(&self, path: &[u8], problem: Problem) -> Error {
        Error::Member { input: Arc::clone(&self.layer.name), member: escape(path), problem }
    }
}

fn xattr_names(host: &Path) -> Result<Vec<Vec<u8>>, Error> {
    let list = match grow(|buffer| llistxattr(host, buffer), || llistxattr_query(host)) {
        Err(rustix::io::Errno::NOTSUP) => return Ok(Vec::new()),
        result => result.map_err(|errno| failed(host)(errno.into()))?,
    };
    let names = list.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    Ok(names.map(<[u8]>::to_vec).collect())
}

fn xattr_value(host: &Path, name: &[u8]) -> Result<Vec<u8>, Error> {
    grow(|buffer| lgetxattr(host, name, buffer), || lgetxattr_query(host, name))
        .map_err(|errno| failed(host)(errno.into()))
}

/// Calls with a buffer of the size that was asked for before, again if that grew meanwhile.
fn grow(
    mut call: impl FnMut(&mut [u8]) -> rustix::io::Result<usize>,
    mut query: impl FnMut() -> rustix::io::Result<usize>,
) -> rustix::io::Result<Vec<u8>> {
    loop {
        let mut buffer = vec![0; query()?];
        if buffer.is_empty() {
            return Ok(buffer);
        }
        match call(&mut buffer) {
            Ok(len) => {
                buffer.truncate(len);
                return Ok(buffer);
            }
            Err(rustix::io::Errno::RANGE) => {}
            Err(errno) => return Err(errno),
        }
    }
}

fn failed(path: &Path) -> impl Fn(io::Error) -> Error {
    move |source| Error::Io { path: PathBuf::from(path), source }
}
