//! The headers of a PE image as bytes that can be changed in place.

use super::WriteError;
use super::format::{
    DOS_MAGIC, NT_OFFSET_AT, NT_SIGNATURE, coff, optional, section as section_format,
};

/// The headers, `SizeOfHeaders` bytes of them, and where in them things are. Every place was
/// checked to lie within.
#[derive(Clone, Debug)]
pub(crate) struct Headers {
    bytes: Vec<u8>,
    nt: usize,
    directories: usize,
    directory_count: usize,
    table: usize,
}

/// A section header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SectionHeader {
    pub(crate) name: [u8; section_format::NAME_LEN],
    pub(crate) virtual_size: u32,
    pub(crate) virtual_address: u32,
    pub(crate) raw_len: u32,
    pub(crate) raw_offset: u32,
    pub(crate) flags: u32,
}

impl SectionHeader {
    /// The name without the zeros behind it.
    pub(crate) fn name(&self) -> &[u8] {
        let len = self.name.iter().position(|byte| *byte == 0).unwrap_or(self.name.len());
        &self.name[..len]
    }

    /// First byte of the file behind its content, if it has any.
    pub(crate) fn raw_end(&self) -> u64 {
        u64::from(self.raw_offset) + u64::from(self.raw_len)
    }
}

fn malformed(problem: &'static str) -> WriteError {
    WriteError::Malformed { problem }
}

impl Headers {
    /// The headers that `file`, an image or the beginning of one, starts with.
    pub(crate) fn parse(file: &[u8]) -> Result<Self, WriteError> {
        let cut = || malformed("the headers are cut off");
        if file.get(..2) != Some(&DOS_MAGIC) {
            return Err(malformed("no DOS header"));
        }
        let nt = u32_at(file, NT_OFFSET_AT).ok_or_else(cut)? as usize;
        if file.get(nt..nt.saturating_add(4)) != Some(&NT_SIGNATURE) {
            return Err(malformed("no PE signature where the DOS header points to"));
        }
        let optional_at = nt + coff::LEN;
        let optional_len = usize::from(u16_at(file, nt + coff::OPTIONAL_LEN).ok_or_else(cut)?);
        let wide = match u16_at(file, optional_at + optional::MAGIC).ok_or_else(cut)? {
            optional::MAGIC_32 => 0,
            optional::MAGIC_64 => 1,
            _ => return Err(malformed("an optional header of unknown kind")),
        };
        let count_at = optional_at + optional::DIRECTORY_COUNT[wide];
        let directory_count = u32_at(file, count_at).ok_or_else(cut)? as usize;
        let directories = count_at + 4;
        let table = optional_at + optional_len;
        let directories_len = directory_count.saturating_mul(optional::DIRECTORY_LEN);
        if directories.saturating_add(directories_len) > table {
            return Err(malformed("more data directories than the optional header has room for"));
        }
        let headers_len = u32_at(file, optional_at + optional::HEADERS_LEN).ok_or_else(cut)?;
        let bytes = file.get(..headers_len as usize).ok_or_else(cut)?.to_vec();
        let headers = Self { bytes, nt, directories, directory_count, table };
        if headers.table_end() > headers.bytes.len() {
            return Err(malformed("the section table does not fit into SizeOfHeaders"));
        }
        Ok(headers)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// `SizeOfHeaders`.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Makes room, or takes the spare away, and says so in `SizeOfHeaders`.
    pub(crate) fn resize(&mut self, len: u32) {
        self.bytes.resize(len as usize, 0);
        self.set_optional(optional::HEADERS_LEN, len);
    }

    /// The number of the machine the image is for.
    pub(crate) fn machine(&self) -> u16 {
        u16_at(&self.bytes, self.nt + coff::MACHINE).unwrap_or_default()
    }

    /// Whether the image's pages are never writable and executable at once.
    pub(crate) fn is_nx_compat(&self) -> bool {
        self.dll_characteristics() & optional::NX_COMPAT != 0
    }

    pub(crate) fn section_count(&self) -> usize {
        usize::from(u16_at(&self.bytes, self.nt + coff::SECTION_COUNT).unwrap_or_default())
    }

    /// First byte behind the section table.
    pub(crate) fn table_end(&self) -> usize {
        self.table_end_with(self.section_count())
    }

    /// The same if there were `count` sections.
    pub(crate) fn table_end_with(&self, count: usize) -> usize {
        self.table + count * section_format::LEN
    }

    pub(crate) fn sections(&self) -> Vec<SectionHeader> {
        let table = &self.bytes[self.table..self.table_end()];
        let number = |header: &[u8], at| u32_at(header, at).unwrap_or_default();
        table
            .chunks_exact(section_format::LEN)
            .map(|header| SectionHeader {
                name: header.first_chunk().copied().unwrap_or_default(),
                virtual_size: number(header, section_format::VIRTUAL_SIZE),
                virtual_address: number(header, section_format::VIRTUAL_ADDRESS),
                raw_len: number(header, section_format::RAW_LEN),
                raw_offset: number(header, section_format::RAW_OFFSET),
                flags: number(header, section_format::FLAGS),
            })
            .collect()
    }

    /// Writes the section table. The headers were made long enough for it before.
    pub(crate) fn set_sections(&mut self, sections: &[SectionHeader]) {
        let (old_end, table) = (self.table_end(), self.table);
        self.bytes[table..old_end].fill(0);
        let count = u16::try_from(sections.len()).unwrap_or(u16::MAX);
        put(&mut self.bytes, self.nt + coff::SECTION_COUNT, &count.to_le_bytes());
        for (index, section) in sections.iter().enumerate() {
            let at = table + index * section_format::LEN;
            put(&mut self.bytes, at, &section.name);
            for (field, value) in [
                (section_format::VIRTUAL_SIZE, section.virtual_size),
                (section_format::VIRTUAL_ADDRESS, section.virtual_address),
                (section_format::RAW_LEN, section.raw_len),
                (section_format::RAW_OFFSET, section.raw_offset),
                (section_format::FLAGS, section.flags),
            ] {
                put(&mut self.bytes, at + field, &value.to_le_bytes());
            }
        }
    }

    /// A 32-bit field of the optional header.
    pub(crate) fn optional(&self, field: usize) -> u32 {
        u32_at(&self.bytes, self.optional_at(field)).unwrap_or_default()
    }

    pub(crate) fn set_optional(&mut self, field: usize, value: u32) {
        let at = self.optional_at(field);
        put(&mut self.bytes, at, &value.to_le_bytes());
    }

    /// Where in the file a field of the optional header is.
    pub(crate) fn optional_at(&self, field: usize) -> usize {
        self.nt + coff::LEN + field
    }

    pub(crate) fn dll_characteristics(&self) -> u16 {
        u16_at(&self.bytes, self.optional_at(optional::DLL_CHARACTERISTICS)).unwrap_or_default()
    }

    pub(crate) fn set_dll_characteristics(&mut self, value: u16) {
        let at = self.optional_at(optional::DLL_CHARACTERISTICS);
        put(&mut self.bytes, at, &value.to_le_bytes());
    }

    /// Offset and number of entries of the COFF symbol table.
    pub(crate) fn symbols(&self) -> (u32, u32) {
        let number = |field| u32_at(&self.bytes, self.nt + field).unwrap_or_default();
        (number(coff::SYMBOL_TABLE), number(coff::SYMBOL_COUNT))
    }

    pub(crate) fn clear_symbols(&mut self) {
        put(&mut self.bytes, self.nt + coff::SYMBOL_TABLE, &[0; 8]);
    }

    /// Where in the file data directory `index` is, if the image has that many.
    pub(crate) fn directory_at(&self, index: usize) -> Option<usize> {
        (index < self.directory_count).then(|| self.directories + index * optional::DIRECTORY_LEN)
    }

    /// Address and length of data directory `index`; zeros where there is none.
    pub(crate) fn directory(&self, index: usize) -> (u32, u32) {
        let number = |at| u32_at(&self.bytes, at).unwrap_or_default();
        self.directory_at(index).map_or((0, 0), |at| (number(at), number(at + 4)))
    }

    /// Changes data directory `index`, if the image has that many.
    pub(crate) fn set_directory(&mut self, index: usize, address: u32, len: u32) {
        if let Some(at) = self.directory_at(index) {
            put(&mut self.bytes, at, &address.to_le_bytes());
            put(&mut self.bytes, at + 4, &len.to_le_bytes());
        }
    }
}

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().copied().map(u16::from_le_bytes)
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_le_bytes)
}

fn put(bytes: &mut [u8], at: usize, field: &[u8]) {
    bytes[at..at + field.len()].copy_from_slice(field);
}
