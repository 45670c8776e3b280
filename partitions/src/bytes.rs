//! Little-endian fields at fixed offsets.

/// Puts `value` at `offset`.
///
/// # Panics
/// When it does not fit: offsets are constants of a format.
pub(crate) fn put(buffer: &mut [u8], offset: usize, value: &[u8]) {
    buffer[offset..offset + value.len()].copy_from_slice(value);
}

/// The `N` bytes at `offset`, if there are as many.
pub(crate) fn array<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..)?.first_chunk().copied()
}

/// The 16-bit field at `offset`; zero beyond the end.
pub(crate) fn u16_at(bytes: &[u8], offset: usize) -> u16 {
    array(bytes, offset).map_or(0, u16::from_le_bytes)
}

/// The 32-bit field at `offset`; zero beyond the end.
pub(crate) fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    array(bytes, offset).map_or(0, u32::from_le_bytes)
}

/// The 64-bit field at `offset`; zero beyond the end.
pub(crate) fn u64_at(bytes: &[u8], offset: usize) -> u64 {
    array(bytes, offset).map_or(0, u64::from_le_bytes)
}
