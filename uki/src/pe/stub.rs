//! The image that sections are added to.

use super::error::text;
use super::format::{coff, debug, optional};
use super::headers::{Headers, SectionHeader, u32_at};
use super::{Machine, WriteError};

/// More than any section of a stub has in memory.
const SECTION_LEN_MAX: usize = 1 << 24;

/// An unsigned image to which sections can be added: `systemd-stub`.
#[derive(Clone, Debug)]
pub struct Stub {
    pub(crate) headers: Headers,
    /// In the order of the section table, each with its content padded to `FileAlignment`.
    pub(crate) sections: Vec<(SectionHeader, Vec<u8>)>,
}

impl Stub {
    /// Takes an image apart. What firmware does not load is left out: a COFF symbol table, and
    /// what a linker put behind the sections of an image that lies in the file as in memory.
    ///
    /// # Errors
    /// [`WriteError::Signed`]; [`WriteError::Malformed`] and [`WriteError::Section`] for an image
    /// that breaks the format.
    pub fn parse(file: &[u8]) -> Result<Self, WriteError> {
        let mut headers = Headers::parse(file)?;
        if headers.directory(optional::SECURITY) != (0, 0) {
            return Err(WriteError::Signed);
        }
        for field in [optional::FILE_ALIGNMENT, optional::SECTION_ALIGNMENT] {
            if !headers.optional(field).is_power_of_two() || headers.optional(field) > 1 << 16 {
                return Err(WriteError::Malformed {
                    problem: "an alignment that is no power of two up to 65536",
                });
            }
        }
        let known = headers.sections();
        check_tail(&headers, &known, file)?;
        headers.clear_symbols();
        let alignment = headers.optional(optional::FILE_ALIGNMENT) as usize;
        let sections = known.into_iter().map(|section| {
            let mut content = raw(file, &section)?.to_vec();
            content.resize(content.len().next_multiple_of(alignment), 0);
            Ok((section, content))
        });
        let sections: Vec<_> = sections.collect::<Result<_, WriteError>>()?;
        if sections.is_empty() {
            return Err(WriteError::Malformed { problem: "no sections" });
        }
        Ok(Self { headers, sections })
    }

    /// The content of a section as it is in memory: padded with zeros to its virtual size, 16 MiB
    /// at most.
    #[must_use]
    pub fn section(&self, name: &str) -> Option<Vec<u8>> {
        let (header, content) = self.sections.iter().find(|(s, _)| s.name() == name.as_bytes())?;
        let mut content = content.clone();
        content.resize((header.virtual_size as usize).min(SECTION_LEN_MAX), 0);
        Some(content)
    }

    /// Replaces a section's content where that fits: into its bytes of the file, and in memory
    /// before the section that follows. Otherwise the section is taken out, to be declared as a
    /// new one; then the result is `false`.
    pub fn replace_section(&mut self, name: &str, content: &[u8]) -> bool {
        let Some(index) = self.sections.iter().position(|(s, _)| s.name() == name.as_bytes())
        else {
            return false;
        };
        let start = self.sections[index].0.virtual_address;
        let others = self.sections.iter().map(|(section, _)| section.virtual_address);
        let room =
            others.filter(|other| *other > start).min().map_or(u32::MAX, |next| next - start);
        let (header, raw) = &mut self.sections[index];
        match u32::try_from(content.len()) {
            Ok(len) if len <= room && content.len() <= raw.len() => {
                header.virtual_size = len;
                raw[..content.len()].copy_from_slice(content);
                raw[content.len()..].fill(0);
                true
            }
            _ => {
                self.sections.remove(index);
                false
            }
        }
    }

    /// The machine it is for.
    #[must_use]
    pub fn machine(&self) -> Machine {
        self.headers.machine().into()
    }

    /// The image is not to be marked as one whose pages are never writable and executable at
    /// once, because a part of it is not.
    pub fn clear_nx_compat(&mut self) {
        let value = self.headers.dll_characteristics() & !optional::NX_COMPAT;
        self.headers.set_dll_characteristics(value);
    }

    /// Puts the sections' contents one after another behind headers of `headers_len` bytes, and
    /// corrects the entries of the debug directory, which name places in the file.
    pub(crate) fn lay_out(&mut self, headers_len: u32) -> Result<(), WriteError> {
        let old: Vec<SectionHeader> = self.sections.iter().map(|(section, _)| *section).collect();
        let mut order: Vec<usize> = (0..self.sections.len()).collect();
        order.sort_by_key(|index| (old[*index].raw_offset, *index));
        let mut at = headers_len;
        for index in order {
            let (section, content) = &mut self.sections[index];
            let len = u32::try_from(content.len()).unwrap_or(u32::MAX);
            section.raw_len = len;
            section.raw_offset = if len == 0 { 0 } else { at };
            at = at.saturating_add(len);
        }
        self.move_debug_entries(&old);
        self.headers.resize(headers_len);
        Ok(())
    }

    fn move_debug_entries(&mut self, old: &[SectionHeader]) {
        let (address, len) = self.headers.directory(optional::DEBUG);
        let moved: Vec<(SectionHeader, u32)> =
            old.iter().zip(&self.sections).map(|(old, (new, _))| (*old, new.raw_offset)).collect();
        let home = old.iter().position(|section| {
            section.virtual_address <= address
                && address - section.virtual_address < section.virtual_size
        });
        let Some(home) = home else { return };
        let start = (address - old[home].virtual_address) as usize;
        let content = &mut self.sections[home].1;
        let end = start.saturating_add(len as usize).min(content.len());
        let Some(entries) = content.get_mut(start..end) else { return };
        for entry in entries.chunks_exact_mut(debug::LEN) {
            let Some(place) = u32_at(entry, debug::RAW_OFFSET) else { continue };
            let owner = moved.iter().find(|(old, _)| {
                old.raw_offset <= place && u64::from(place) < old.raw_end() && place != 0
            });
            if let Some((old, new)) = owner {
                let place = place - old.raw_offset + new;
                entry[debug::RAW_OFFSET..][..4].copy_from_slice(&place.to_le_bytes());
            }
        }
    }
}

fn raw<'a>(file: &'a [u8], section: &SectionHeader) -> Result<&'a [u8], WriteError> {
    let wrong = |problem| WriteError::Section { name: text(section.name()), problem };
    if section.raw_len == 0 {
        return Ok(&[]);
    }
    let end = usize::try_from(section.raw_end()).unwrap_or(usize::MAX);
    file.get(section.raw_offset as usize..end).ok_or_else(|| wrong("reaches behind the file's end"))
}

/// Behind the sections only what is known not to be needed can be left out: a symbol table, zeros,
/// and the rest of a memory image. Such are Debian 12's programs for arm64, whose `SizeOfImage`
/// ends in front of it.
fn check_tail(
    headers: &Headers,
    sections: &[SectionHeader],
    file: &[u8],
) -> Result<(), WriteError> {
    let end = sections.iter().map(SectionHeader::raw_end).max().unwrap_or(0);
    let is_memory_image = sections.iter().all(|s| s.raw_offset == s.virtual_address)
        && u64::from(headers.optional(optional::IMAGE_LEN)) <= end;
    let (symbols, count) = headers.symbols();
    let end = usize::try_from(end).unwrap_or(usize::MAX).max(headers.len());
    let tail = file.get(end..).unwrap_or_default();
    let symbols_len = u64::from(count) * coff::SYMBOL_LEN;
    let is_symbols = symbols != 0
        && u64::from(symbols) >= end as u64
        && u64::from(symbols) + symbols_len <= file.len() as u64;
    if is_symbols || is_memory_image || tail.iter().all(|byte| *byte == 0) {
        Ok(())
    } else {
        Err(WriteError::Malformed { problem: "data behind the last section" })
    }
}
