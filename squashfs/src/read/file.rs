//! Contents of files.

use std::io::{self, Read, Seek};

use super::metadata::Cursor;
use super::{Image, Inode, Kind, ReadError, corrupt};
use crate::format::DATA_STORED;

/// One block of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Where it is stored; of a hole, where the next stored block is.
    pub offset: u64,
    /// Stored bytes; zero for a hole.
    pub stored: u32,
    /// Whether it is stored as it is.
    pub raw: bool,
    /// Bytes of the file.
    pub len: u32,
    /// The fragment it lies in, with the place in it. The other places are the fragment's then.
    pub fragment: Option<(u32, u32)>,
}

/// The blocks of a file, read bit by bit; see [`Image::block_list`].
#[derive(Clone, Debug)]
pub struct BlockList {
    list: Cursor,
    offset: u64,
    left: u64,
    block_size: u32,
    fragment: Option<(u32, u32)>,
}

impl BlockList {
    /// The next block, or `None` at the end of the file.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn next<R: Read + Seek>(
        &mut self,
        image: &mut Image<R>,
    ) -> Result<Option<Block>, ReadError> {
        if self.left == 0 {
            return Ok(None);
        }
        let full = self.left >= u64::from(self.block_size);
        let len = if full { self.block_size } else { u32::try_from(self.left).unwrap_or(0) };
        self.left -= u64::from(len);
        if let (false, Some((index, _))) = (full, self.fragment) {
            let (offset, size) = image.fragment_entry(index)?;
            let (stored, raw) = image.block_size_field(size, offset)?;
            return Ok(Some(Block { offset, stored, raw, len, fragment: self.fragment }));
        }
        let size = u32::from_le_bytes(image.metadata_array(&mut self.list)?);
        let (stored, raw) = image.block_size_field(size, self.offset)?;
        let block = Block { offset: self.offset, stored, raw, len, fragment: None };
        self.offset += u64::from(stored);
        Ok(Some(block))
    }

    /// Where the list ends once it was read.
    pub(crate) fn end(&self) -> Cursor {
        self.list
    }
}

impl<R: Read + Seek> Image<R> {
    /// The blocks of a file; none for other inodes.
    pub fn block_list(&self, file: &Inode) -> BlockList {
        let (left, offset, fragment) = match file.kind {
            Kind::File { len, start, fragment, .. } => (len, start, fragment),
            _ => (0, 0, None),
        };
        let block_size = self.superblock.block_size;
        BlockList { list: file.rest, offset, left, block_size, fragment }
    }

    /// Reads a file.
    pub fn open_file(&mut self, file: &Inode) -> FileReader<'_, R> {
        let list = self.block_list(file);
        FileReader { image: self, list, block: Vec::new(), position: 0, zeros: 0 }
    }

    /// The stored length and whether the block is stored as it is, both checked.
    pub(crate) fn block_size_field(
        &self,
        size: u32,
        offset: u64,
    ) -> Result<(u32, bool), ReadError> {
        let (stored, raw) = (size & !DATA_STORED, size & DATA_STORED != 0);
        let inside = offset
            .checked_add(u64::from(stored))
            .is_some_and(|end| end <= self.superblock.bytes_used);
        if stored > self.superblock.block_size || !inside {
            return Err(corrupt("a data block of a wrong length", offset));
        }
        Ok((stored, raw))
    }

    /// Decompresses a stored block to `room` bytes or fewer.
    pub(crate) fn data_block(
        &mut self,
        block: &Block,
        room: u32,
        output: &mut Vec<u8>,
    ) -> Result<(), ReadError> {
        let wrong = || corrupt("a data block that cannot be decompressed", block.offset);
        let mut stored = vec![0; block.stored as usize];
        self.read_at(block.offset, &mut stored)?;
        if block.raw {
            if block.stored > room {
                return Err(wrong());
            }
            *output = stored;
            return Ok(());
        }
        output.clear();
        output.resize(room as usize, 0);
        let len = self.decoder.decode(&stored, output).ok_or_else(wrong)?;
        output.truncate(len);
        Ok(())
    }

    /// The part of a fragment that a block of a file is.
    fn fragment_part(
        &mut self,
        block: &Block,
        (index, offset): (u32, u32),
        output: &mut Vec<u8>,
    ) -> Result<(), ReadError> {
        if self.fragment.as_ref().is_none_or(|(known, _)| *known != index) {
            let mut bytes = Vec::new();
            self.data_block(block, self.superblock.block_size, &mut bytes)?;
            self.fragment = Some((index, bytes));
        }
        let part = self
            .fragment
            .as_ref()
            .and_then(|(_, bytes)| bytes.get(offset as usize..)?.get(..block.len as usize))
            .ok_or(corrupt("a file beyond its fragment", block.offset))?;
        output.clear();
        output.extend_from_slice(part);
        Ok(())
    }
}

/// Reads the content of a file front to back; see [`Image::open_file`]. Its I/O errors carry a
/// [`ReadError`].
#[derive(Debug)]
pub struct FileReader<'a, R> {
    image: &'a mut Image<R>,
    list: BlockList,
    block: Vec<u8>,
    position: usize,
    /// Zeros to come after the block.
    zeros: u32,
}

impl<R: Read + Seek> FileReader<'_, R> {
    /// The next piece of the content: bytes, then a number of zeros; `None` at the end. Holes
    /// come as zeros without bytes, so that files of many terabytes can be gone through.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn next_piece(&mut self) -> Result<Option<(&[u8], u32)>, ReadError> {
        let Some(block) = self.list.next(self.image)? else { return Ok(None) };
        match block.fragment {
            Some(place) => self.image.fragment_part(&block, place, &mut self.block)?,
            None if block.stored == 0 => self.block.clear(),
            None => self.image.data_block(&block, block.len, &mut self.block)?,
        }
        // A block may unpack to less than its length; zeros follow then.
        let zeros = block.len - u32::try_from(self.block.len()).unwrap_or(block.len);
        Ok(Some((&self.block, zeros)))
    }
}

impl<R: Read + Seek> Read for FileReader<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.position == self.block.len() && self.zeros == 0 {
            self.position = 0;
            match self.next_piece().map_err(io::Error::other)? {
                Some((_, zeros)) => self.zeros = zeros,
                None => {
                    self.block.clear();
                    return Ok(0);
                }
            }
        }
        let rest = &self.block[self.position..];
        if rest.is_empty() {
            let len = (self.zeros as usize).min(buffer.len());
            buffer[..len].fill(0);
            self.zeros -= u32::try_from(len).unwrap_or(self.zeros);
            return Ok(len);
        }
        let len = rest.len().min(buffer.len());
        buffer[..len].copy_from_slice(&rest[..len]);
        self.position += len;
        Ok(len)
    }
}
