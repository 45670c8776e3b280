//! As much of ELF as GRUB's kernel needs: 32-bit, little-endian, linked to a fixed address.

use super::GrubError;

/// A section that takes memory, and lies in the file unless it is all zeros.
const ALLOC: u32 = 2;
const NOBITS: u32 = 8;

/// Offsets in the header.
const SECTIONS_OFFSET: usize = 32;
const SECTION_LEN: usize = 46;
const SECTION_COUNT: usize = 48;

/// A kernel as it lies in memory.
#[derive(Debug)]
pub(super) struct Loaded {
    /// The bytes from the link address on.
    pub(super) image: Vec<u8>,
    /// Bytes from the link address to the end of the memory that starts as zeros.
    pub(super) memory_len: u32,
}

/// Puts the sections of `elf` where they belong. `base` is the address of the first byte;
/// nothing may reach `limit`.
pub(super) fn load(elf: &[u8], base: u32, limit: u32) -> Result<Loaded, GrubError> {
    let wrong = |problem| GrubError::File { file: "kernel.img", problem };
    if !elf.starts_with(b"\x7FELF\x01\x01\x01") {
        return Err(wrong("is no 32-bit little-endian ELF file"));
    }
    let half = |at: usize| -> Option<u16> {
        elf.get(at..)?.first_chunk().copied().map(u16::from_le_bytes)
    };
    let word = |at: usize| -> Option<usize> {
        let value = elf.get(at..)?.first_chunk().copied().map(u32::from_le_bytes)?;
        usize::try_from(value).ok()
    };
    let table = word(SECTIONS_OFFSET).unwrap_or(0);
    let entry_len = usize::from(half(SECTION_LEN).unwrap_or(0));
    let mut image = Vec::new();
    let mut end = base;
    for index in 0..usize::from(half(SECTION_COUNT).unwrap_or(0)) {
        let section =
            |field: usize| word(table.checked_add(index * entry_len)?.checked_add(field)?);
        let fields = [4, 8, 12, 16, 20].map(section);
        let [Some(kind), Some(flags), Some(address), Some(offset), Some(len)] = fields else {
            return Err(wrong("has a section table that is cut off"));
        };
        if flags & ALLOC as usize == 0 {
            continue;
        }
        let outside = || wrong("has a section outside of the memory for it");
        let start = address.checked_sub(base as usize).ok_or_else(outside)?;
        let stop = start.checked_add(len).ok_or_else(outside)?;
        let last = u32::try_from(stop).ok().and_then(|stop| base.checked_add(stop));
        let last = last.filter(|last| *last <= limit).ok_or_else(outside)?;
        end = end.max(last);
        if kind != NOBITS as usize {
            let content = offset.checked_add(len).and_then(|stop| elf.get(offset..stop));
            let content = content.ok_or_else(|| wrong("has a section that is cut off"))?;
            image.resize(image.len().max(stop), 0);
            image[start..stop].copy_from_slice(content);
        }
    }
    if image.is_empty() {
        return Err(wrong("has no sections"));
    }
    Ok(Loaded { image, memory_len: end - base })
}
