//! One file of a volume, read at any place: to look at a volume that lies in a file of another.

use std::fmt;
use std::io::{self, Read, Seek, SeekFrom};

use bootwright_image::InodeId;

use super::contents::{Content, Contents};

/// The content of a file as a stream that can be sought in; holes read as zeros.
pub struct FileReader<R> {
    reader: R,
    /// Where the volume begins.
    offset: u64,
    block_size: u64,
    content: Content,
    position: u64,
}

impl<R> Contents<R> {
    /// Reads the content of `inode` alone from now on; `None` when it is none of the files that
    /// have contents in the volume.
    #[must_use]
    pub fn into_file(self, inode: InodeId) -> Option<FileReader<R>> {
        let (reader, offset, block_size, files) = self.into_parts();
        let (_, content) = files.into_iter().find(|(id, _)| *id == inode)?;
        Some(FileReader { reader, offset, block_size, content, position: 0 })
    }
}

impl<R> FileReader<R> {
    /// Where the next bytes stand, `None` for a hole, and how many of them follow each other.
    fn place(&self) -> (Option<u64>, u64) {
        let block = self.position / self.block_size;
        let extents = &self.content.extents;
        let next = extents.partition_point(|extent| extent.end() <= block);
        let (place, end) = match extents.get(next) {
            Some(extent) if extent.logical <= block => {
                let into = self.position - extent.logical * self.block_size;
                let at = self.offset + extent.physical * self.block_size + into;
                (Some(at), extent.end() * self.block_size)
            }
            Some(extent) => (None, extent.logical * self.block_size),
            None => (None, self.content.len),
        };
        (place, end.min(self.content.len).saturating_sub(self.position))
    }
}

impl<R: Read + Seek> Read for FileReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (place, there) = self.place();
        let most = usize::try_from(there).map_or(buffer.len(), |there| there.min(buffer.len()));
        let buffer = &mut buffer[..most];
        let read = match place {
            _ if most == 0 => 0,
            None => {
                buffer.fill(0);
                most
            }
            Some(at) => {
                self.reader.seek(SeekFrom::Start(at))?;
                self.reader.read(buffer)?
            }
        };
        self.position += read as u64;
        Ok(read)
    }
}

impl<R> Seek for FileReader<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(by) => self.content.len.checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

impl<R> fmt::Debug for FileReader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileReader").field("len", &self.content.len).finish_non_exhaustive()
    }
}
