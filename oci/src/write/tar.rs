//! The members of a layer, as their contents come.

use std::collections::BTreeMap;
use std::io::{self, Write};

use bootwright_image::{
    BoxError, ContentSink, FileTree, InodeId, Kind, Metadata, Observer, Origin, Phase, Sink,
    Streams, deliver,
};

use super::header::{BLOCK, Header, flag};
use super::{Changes, WriteError};
use crate::error::escape;

/// Writes the tar of a layer to `output`: markers, directories, links and nodes, then the files
/// as their contents come. An inode's other names follow its first at once.
///
/// # Errors
/// [`WriteError`].
pub(crate) fn write(
    changes: &Changes,
    tree: &FileTree,
    streams: &dyn Streams,
    output: &mut dyn Write,
    observer: &dyn Observer,
) -> Result<(), WriteError> {
    check(changes, tree)?;
    for path in &changes.left_out {
        observer.warn(format_args!("{:?}: a layer cannot hold a socket: left out", escape(path)));
    }
    let is_file = |id: InodeId| tree.inode(id).as_file();
    let files: Vec<_> =
        changes.inodes.iter().filter(|(id, _)| is_file(*id).is_some()).map(|(id, _)| *id).collect();
    let total = files.iter().filter_map(|id| is_file(*id)).map(bootwright_image::Blob::len).sum();
    let mut writer =
        Writer { tree, output: Sink::new(output), files: BTreeMap::new(), current: None, observer };
    writer.without_contents(changes)?;
    observer.begin(Phase::Compress, Some(total));
    deliver(tree, streams, files, &mut writer, observer)?;
    writer.finish()?;
    observer.end(Phase::Compress);
    Ok(())
}

/// Refuses what would only show after much was written.
fn check(changes: &Changes, tree: &FileTree) -> Result<(), WriteError> {
    let inodes = changes.inodes.iter().filter_map(|(id, paths)| Some((paths.first()?, *id)));
    for (path, id) in inodes.chain(changes.directories.iter().map(|(path, id)| (path, *id))) {
        let inode = tree.inode(id);
        if inode.as_file().is_some_and(|blob| matches!(blob.origin(), Origin::Deferred)) {
            return Err(WriteError::Deferred { path: escape(path) });
        }
        // In an extended header, the name of a value ends at the first of these.
        if let Some((name, _)) = inode.metadata.xattrs.iter().find(|(name, _)| name.contains(&b'='))
        {
            return Err(WriteError::XattrName { path: escape(path), name: escape(name) });
        }
    }
    Ok(())
}

struct Writer<'a> {
    tree: &'a FileTree,
    output: Sink<&'a mut dyn Write>,
    /// Files whose contents are still to come.
    files: BTreeMap<InodeId, &'a [Vec<u8>]>,
    /// The file that is being written, and the bytes still to come.
    current: Option<(InodeId, &'a [Vec<u8>], u64)>,
    observer: &'a dyn Observer,
}

impl<'a> Writer<'a> {
    fn without_contents(&mut self, changes: &'a Changes) -> io::Result<()> {
        let marker = Metadata::file(0);
        for path in &changes.whiteouts {
            let fields = Header {
                name: path,
                link: b"",
                flag: flag::FILE,
                size: 0,
                device: (0, 0),
                metadata: &marker,
            };
            self.output.write_all(&fields.encode())?;
        }
        for (path, id) in &changes.directories {
            let name = if path.is_empty() { b"./".to_vec() } else { [path, &b"/"[..]].concat() };
            self.member(&name, b"", *id)?;
        }
        for (id, paths) in &changes.inodes {
            match self.tree.inode(*id).as_file() {
                Some(_) => {
                    self.files.insert(*id, paths);
                }
                None => self.names(*id, paths)?,
            }
        }
        Ok(())
    }

    /// An inode without content, under all its names.
    fn names(&mut self, id: InodeId, paths: &[Vec<u8>]) -> io::Result<()> {
        if let Some(path) = paths.first() {
            let target = match self.tree.inode(id).kind() {
                Kind::Symlink(target) => target,
                _ => &b""[..],
            };
            self.member(path, target, id)?;
        }
        self.links(id, paths)
    }

    fn member(&mut self, name: &[u8], link: &[u8], id: InodeId) -> io::Result<()> {
        let inode = self.tree.inode(id);
        let (flag, size, device) = match inode.kind() {
            Kind::Directory(_) => (flag::DIRECTORY, 0, None),
            Kind::File(blob) => (flag::FILE, blob.len(), None),
            Kind::Symlink(_) => (flag::SYMLINK, 0, None),
            Kind::CharDevice(device) => (flag::CHAR, 0, Some(device)),
            Kind::BlockDevice(device) => (flag::BLOCK, 0, Some(device)),
            Kind::Fifo | Kind::Socket => (flag::FIFO, 0, None),
        };
        let device = device.map_or((0, 0), |device| (device.major, device.minor));
        let fields = Header { name, link, flag, size, device, metadata: &inode.metadata };
        self.output.write_all(&fields.encode())
    }

    /// The names after the first. Owner and attributes stand in each, since some unpackers set
    /// the owner anew for each, and with that the kernel takes a file's capabilities away.
    fn links(&mut self, id: InodeId, paths: &[Vec<u8>]) -> io::Result<()> {
        let Some((first, others)) = paths.split_first() else { return Ok(()) };
        let metadata = &self.tree.inode(id).metadata;
        for name in others {
            let fields =
                Header { name, link: first, flag: flag::LINK, size: 0, device: (0, 0), metadata };
            self.output.write_all(&fields.encode())?;
        }
        Ok(())
    }

    /// Two blocks of zeros end a tar.
    fn finish(mut self) -> Result<(), WriteError> {
        if let Some(paths) = self.files.values().next() {
            return Err(wrong(paths, "it did not come"));
        }
        self.output.write_all(&[0; 2 * BLOCK])?;
        Ok(())
    }

    fn take(&mut self, len: u64) -> Result<(), WriteError> {
        self.observer.advance(Phase::Compress, len);
        match &mut self.current {
            Some((.., left)) if *left >= len => {
                *left -= len;
                Ok(())
            }
            Some((_, paths, _)) => Err(wrong(paths, "more bytes came than planned")),
            None => Err(wrong(&[], "it came without a beginning")),
        }
    }
}

fn wrong(paths: &[Vec<u8>], problem: &'static str) -> WriteError {
    let path = paths.first().map_or_else(String::new, |path| escape(path));
    WriteError::Content { path, problem }
}

impl ContentSink for Writer<'_> {
    fn begin(&mut self, inode: InodeId, len: u64) -> Result<(), BoxError> {
        let unwanted = || wrong(&[], "it was not asked for, or came twice");
        let paths = self.files.remove(&inode).ok_or_else(unwanted)?;
        if self.tree.inode(inode).as_file().map(bootwright_image::Blob::len) != Some(len) {
            return Err(wrong(paths, "another length than planned").into());
        }
        if let Some(path) = paths.first() {
            self.member(path, b"", inode)?;
        }
        self.current = Some((inode, paths, len));
        Ok(())
    }

    fn data(&mut self, bytes: &[u8]) -> Result<(), BoxError> {
        self.take(bytes.len() as u64)?;
        Ok(self.output.write_all(bytes)?)
    }

    fn hole(&mut self, len: u64) -> Result<(), BoxError> {
        self.take(len)?;
        Ok(self.output.zeros_until(self.output.position() + len)?)
    }

    fn end(&mut self) -> Result<(), BoxError> {
        let without = || wrong(&[], "it ended without a beginning");
        let (inode, paths, left) = self.current.take().ok_or_else(without)?;
        if left != 0 {
            return Err(wrong(paths, "fewer bytes came than planned").into());
        }
        let end = self.output.position().next_multiple_of(BLOCK as u64);
        self.output.zeros_until(end)?;
        Ok(self.links(inode, paths)?)
    }
}
