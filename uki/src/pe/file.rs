//! Sections of an image that is too large for memory.

use std::io::{self, Read, Seek, SeekFrom, Write};

use super::format::section::COUNT_MAX;
use super::headers::Headers;
use super::{Machine, WriteError};

/// More than any image's headers have.
const HEADERS_LEN_MAX: u64 = 1 << 20;

/// Zeros that a section has in memory only, at most. Sections that are measured have none.
const ZEROS_MAX: u64 = 1 << 20;

/// Where a section lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SectionInfo {
    /// Its name.
    pub name: String,
    /// First byte of its content in the file.
    pub offset: u64,
    /// Bytes in the file, padding included.
    pub raw_len: u32,
    /// Bytes in memory. Where this is less than `raw_len`, the rest is padding; where it is more,
    /// zeros follow.
    pub virtual_size: u32,
    /// Where it goes, from the image's base.
    pub virtual_address: u32,
    /// Its characteristics.
    pub flags: u32,
}

/// An image in a file, of which only the headers are held.
#[derive(Debug)]
pub struct File<F> {
    file: F,
    headers: Headers,
    sections: Vec<SectionInfo>,
}

impl<F: Read + Seek> File<F> {
    /// Reads the headers of the image in the first `len` bytes of `file`.
    ///
    /// # Errors
    /// [`WriteError::Malformed`], and [`WriteError::Section`] for a section that is cut off.
    pub fn open(mut file: F, len: u64) -> Result<Self, WriteError> {
        file.seek(SeekFrom::Start(0))?;
        let mut head = Vec::new();
        file.by_ref().take(len.min(HEADERS_LEN_MAX)).read_to_end(&mut head)?;
        let headers = Headers::parse(&head)?;
        if headers.section_count() > COUNT_MAX {
            return Err(WriteError::SectionCount { count: headers.section_count() });
        }
        let sections = headers.sections().into_iter().map(|section| {
            let name = super::error::text(section.name());
            if section.raw_end() > len && section.raw_len != 0 {
                return Err(WriteError::Section { name, problem: "reaches behind the file's end" });
            }
            Ok(SectionInfo {
                name,
                offset: section.raw_offset.into(),
                raw_len: section.raw_len,
                virtual_size: section.virtual_size,
                virtual_address: section.virtual_address,
                flags: section.flags,
            })
        });
        let sections = sections.collect::<Result<_, _>>()?;
        Ok(Self { file, headers, sections })
    }

    /// The sections, in the order of the section table.
    #[must_use]
    pub fn sections(&self) -> &[SectionInfo] {
        &self.sections
    }

    /// The machine the image is for.
    #[must_use]
    pub fn machine(&self) -> Machine {
        self.headers.machine().into()
    }

    /// Copies a section's content, as much as its virtual size says, to `output`.
    ///
    /// # Errors
    /// What the file and the output report.
    pub fn copy(&mut self, section: &SectionInfo, output: &mut dyn Write) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(section.offset))?;
        let stored = section.virtual_size.min(section.raw_len);
        let copied = io::copy(&mut self.file.by_ref().take(stored.into()), output)?;
        if copied != u64::from(stored) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let zeros = u64::from(section.virtual_size - stored);
        if zeros > ZEROS_MAX {
            let problem = format!("section {} has {zeros} zeros that are not stored", section.name);
            return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
        }
        io::copy(&mut io::repeat(0).take(zeros), output)?;
        Ok(())
    }

    /// The content of a section that has at most `limit` bytes.
    ///
    /// # Errors
    /// What the file reports; [`io::ErrorKind::InvalidData`] when the section is longer.
    pub fn read(&mut self, section: &SectionInfo, limit: u32) -> io::Result<Vec<u8>> {
        if section.virtual_size > limit {
            let problem = format!(
                "section {} has {} bytes: at most {limit} are read",
                section.name, section.virtual_size
            );
            return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
        }
        let mut content = Vec::new();
        self.copy(section, &mut content)?;
        Ok(content)
    }
}
