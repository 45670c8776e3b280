//! A stub and new sections become one image, written front to back, headers last.

use std::io::{self, Seek, SeekFrom, Write};

use super::error::text;
use super::format::{optional, section as section_format};
use super::headers::SectionHeader;
use super::{IMAGE_LEN_MAX, Stub, WriteError};

/// A section that will be added. Its length is learnt when it comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// Its name, 1 to 8 bytes.
    pub name: String,
    /// Whether it is code. Only `.linux` is.
    pub code: bool,
}

/// Where a section of a finished image lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Its name.
    pub name: String,
    /// First byte of its content in the file.
    pub offset: u64,
    /// Bytes of content, which is its virtual size.
    pub len: u32,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Length of the image in bytes.
    pub len: u64,
    /// The new sections, in order.
    pub sections: Vec<Placed>,
}

/// Writes an image: for each declared section [`begin`](Self::begin), its content through
/// [`Write`], [`end`](Self::end); then [`finish`](Self::finish). Nothing is held in memory but the
/// stub, so a section may have any length that fits an image.
///
/// The `CheckSum` field is left zero; [`seal`](crate::authenticode::seal) and signing set it.
#[derive(Debug)]
pub struct Writer<W> {
    output: W,
    base: u64,
    position: u64,
    stub: Stub,
    declared: std::vec::IntoIter<Declared>,
    /// The section that is being written.
    current: Option<Declared>,
    placed: Vec<Placed>,
    table: Vec<SectionHeader>,
    /// First address behind all sections.
    memory_end: u64,
}

impl<W: Write + Seek> Writer<W> {
    /// Begins an image at the output's current position: room for the headers, then the stub's
    /// own sections. When the stub's headers have no room for the new sections, its contents are
    /// moved back in the file, which changes nothing in memory.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn new(mut stub: Stub, declared: Vec<Declared>, mut output: W) -> Result<Self, WriteError> {
        if let Some(Declared { name, .. }) = declared
            .iter()
            .find(|section| !(1..=section_format::NAME_LEN).contains(&section.name.len()))
        {
            return Err(WriteError::Name { name: name.clone(), len: name.len() });
        }
        stub.lay_out(headers_len(&stub, stub.sections.len() + declared.len())?)?;
        let table: Vec<SectionHeader> = stub.sections.iter().map(|(header, _)| *header).collect();
        let ends = table.iter().map(|s| u64::from(s.virtual_address) + u64::from(s.virtual_size));
        let memory_end = ends.max().unwrap_or(0);
        let base = output.stream_position()?;
        output.write_all(stub.headers.as_bytes())?;
        let mut position = stub.headers.len() as u64;
        let mut order: Vec<_> = stub.sections.iter().filter(|(_, c)| !c.is_empty()).collect();
        order.sort_by_key(|(header, _)| header.raw_offset);
        for (_, content) in order {
            output.write_all(content)?;
            position += content.len() as u64;
        }
        Ok(Self {
            output,
            base,
            position,
            stub,
            declared: declared.into_iter(),
            current: None,
            placed: Vec::new(),
            table,
            memory_end,
        })
    }

    /// Bytes of the image so far.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The content of the next declared section follows.
    ///
    /// # Errors
    /// [`WriteError::Order`] when it is another one, or the one before has not ended.
    pub fn begin(&mut self, name: &str) -> Result<(), WriteError> {
        let order = |declared: &str| WriteError::Order {
            came: name.to_owned(),
            declared: declared.to_owned(),
        };
        if let Some(open) = &self.current {
            return Err(order(&open.name));
        }
        match self.declared.next() {
            Some(next) if next.name == name => self.current = Some(next),
            Some(next) => return Err(order(&next.name)),
            None => return Err(order("")),
        }
        self.placed.push(Placed { name: name.to_owned(), offset: self.position, len: 0 });
        Ok(())
    }

    /// The section's content is complete.
    ///
    /// # Errors
    /// [`WriteError::Section`] for a section without content; [`WriteError::TooLarge`].
    pub fn end(&mut self) -> Result<(), WriteError> {
        let (Some(declared), Some(placed)) = (self.current.take(), self.placed.last_mut()) else {
            return Err(WriteError::Order { came: "end".to_owned(), declared: String::new() });
        };
        let len = self.position - placed.offset;
        if len == 0 {
            return Err(WriteError::Section { name: declared.name, problem: "has no content" });
        }
        let memory_alignment = self.stub.headers.optional(optional::SECTION_ALIGNMENT);
        let address = self.memory_end.next_multiple_of(memory_alignment.into());
        let file_alignment = self.stub.headers.optional(optional::FILE_ALIGNMENT);
        let padded = len.next_multiple_of(file_alignment.into());
        let reach = (address + len).next_multiple_of(memory_alignment.into());
        let reach = reach.max(placed.offset + padded);
        if reach >= IMAGE_LEN_MAX {
            let (name, limit) = (declared.name, IMAGE_LEN_MAX);
            return Err(WriteError::TooLarge { name, len: reach, limit });
        }
        // All of them are below the limit.
        let [virtual_size, virtual_address, raw_len, raw_offset] =
            [len, address, padded, placed.offset].map(|n| u32::try_from(n).unwrap_or(u32::MAX));
        let mut name = [0; section_format::NAME_LEN];
        name[..declared.name.len()].copy_from_slice(declared.name.as_bytes());
        let flags = if declared.code { section_format::CODE } else { section_format::DATA };
        placed.len = virtual_size;
        self.memory_end = address + len;
        self.table.push(SectionHeader {
            name,
            virtual_size,
            virtual_address,
            raw_len,
            raw_offset,
            flags,
        });
        self.pad(padded - len)
    }

    /// A whole section from memory.
    ///
    /// # Errors
    /// As [`begin`](Self::begin), [`end`](Self::end) and writing.
    pub fn section(&mut self, name: &str, content: &[u8]) -> Result<(), WriteError> {
        self.begin(name)?;
        self.write_all(content)?;
        self.end()
    }

    /// Writes the headers and gives the output back, positioned behind the image.
    ///
    /// # Errors
    /// [`WriteError::Order`] when a declared section did not come.
    pub fn finish(mut self) -> Result<(W, Written), WriteError> {
        let missing = self.current.take().or_else(|| self.declared.next());
        if let Some(Declared { name, .. }) = missing {
            return Err(WriteError::Order { came: "the end".to_owned(), declared: name });
        }
        let headers = &mut self.stub.headers;
        headers.set_sections(&self.table);
        let new = &self.table[self.stub.sections.len()..];
        let data = new.iter().filter(|section| section.flags == section_format::DATA);
        let data: u32 = data.map(|section| section.virtual_size).sum();
        let before = headers.optional(optional::INITIALIZED_DATA);
        headers.set_optional(optional::INITIALIZED_DATA, before.saturating_add(data));
        let alignment = headers.optional(optional::SECTION_ALIGNMENT);
        let image_len = self.memory_end.next_multiple_of(alignment.into());
        headers.set_optional(optional::IMAGE_LEN, u32::try_from(image_len).unwrap_or(u32::MAX));
        headers.set_optional(optional::CHECKSUM, 0);
        self.output.seek(SeekFrom::Start(self.base))?;
        self.output.write_all(self.stub.headers.as_bytes())?;
        self.output.seek(SeekFrom::Start(self.base + self.position))?;
        Ok((self.output, Written { len: self.position, sections: self.placed }))
    }

    fn pad(&mut self, len: u64) -> Result<(), WriteError> {
        io::copy(&mut io::Read::take(io::repeat(0), len), &mut self.output)?;
        self.position += len;
        Ok(())
    }
}

impl<W: Write> Write for Writer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.current.is_none() {
            return Err(io::Error::other("BUG: content outside a section"));
        }
        let room = usize::try_from(IMAGE_LEN_MAX - self.position.min(IMAGE_LEN_MAX));
        if room.is_ok_and(|room| room < bytes.len()) {
            let name = text(self.current.as_ref().map_or(b"", |section| section.name.as_bytes()));
            return Err(io::Error::other(WriteError::TooLarge {
                name,
                len: self.position + bytes.len() as u64,
                limit: IMAGE_LEN_MAX,
            }));
        }
        let written = self.output.write(bytes)?;
        self.position += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

/// `SizeOfHeaders` for that many sections.
fn headers_len(stub: &Stub, count: usize) -> Result<u32, WriteError> {
    if count > section_format::COUNT_MAX {
        return Err(WriteError::SectionCount { count });
    }
    let headers = &stub.headers;
    let addresses = stub.sections.iter().map(|(section, _)| section.virtual_address);
    let limit = addresses.min().unwrap_or(0);
    let needed = headers.table_end_with(count).max(headers.len()) as u64;
    let alignment = headers.optional(optional::FILE_ALIGNMENT);
    let needed = needed.next_multiple_of(alignment.into());
    let taken = headers.table_end()..headers.table_end_with(count).min(headers.len());
    if !is_filler(headers.as_bytes().get(taken).unwrap_or_default()) {
        return Err(WriteError::Malformed { problem: "data behind the section table" });
    }
    match u32::try_from(needed) {
        Ok(needed) if needed <= limit => Ok(needed),
        _ => Err(WriteError::HeaderRoom { count, needed, limit: limit.into() }),
    }
}

/// Zeros, or instructions that do nothing: in Debian 12's programs for arm64 the headers come from
/// an assembler.
fn is_filler(bytes: &[u8]) -> bool {
    const NOP: [u8; 4] = 0xD503_201F_u32.to_le_bytes();
    bytes.chunks(NOP.len()).all(|chunk| chunk == NOP || chunk.iter().all(|byte| *byte == 0))
}
