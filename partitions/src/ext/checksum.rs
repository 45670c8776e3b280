//! CRC-32C as the metadata uses it: without the final inversion.

/// Continues `seed` with `bytes`.
pub(super) fn crc32c(seed: u32, bytes: &[u8]) -> u32 {
    !crc32c::crc32c_append(!seed, bytes)
}

/// What every checksum of a volume begins with.
pub(super) fn volume_seed(uuid: &[u8; 16]) -> u32 {
    crc32c(u32::MAX, uuid)
}

/// What the checksums of an inode and of its blocks begin with.
pub(super) fn inode_seed(volume: u32, number: u32, generation: u32) -> u32 {
    crc32c(crc32c(volume, &number.to_le_bytes()), &generation.to_le_bytes())
}
