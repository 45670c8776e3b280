//! What boot images for BIOS are told about the medium: the boot information table of isolinux
//! and GRUB's own block address.

use std::io::{self, Read};

/// Where the table lies in a boot image.
pub(crate) const TABLE_OFFSET: u64 = 8;
/// Bytes of the table; its checksum covers what follows it.
const TABLE_LEN: usize = 56;
/// First byte that the checksum covers.
const SUMMED_FROM: usize = 64;
/// Where a GRUB image for CDs keeps the address of its compressed part.
pub(crate) const GRUB2_OFFSET: u64 = 2548;
/// The smallest image with a boot information table.
pub(crate) const TABLE_MIN: u64 = SUMMED_FROM as u64;
/// The smallest image with room for GRUB's address.
pub(crate) const GRUB2_MIN: u64 = GRUB2_OFFSET + 8;

/// GRUB's address: the 512-byte sector after `cdboot.img` (2048 bytes) and the first sector of the
/// core, in which it is written.
pub(crate) fn grub2_address(block: u32) -> [u8; 8] {
    (u64::from(block) * 4 + 5).to_le_bytes()
}

/// The boot information table of an image at `block` with `len` bytes and `checksum`.
pub(crate) fn table(descriptor: u32, block: u32, len: u32, checksum: u32) -> [u8; TABLE_LEN] {
    let mut table = [0; TABLE_LEN];
    let fields = [descriptor, block, len, checksum];
    for (bytes, field) in table.as_chunks_mut::<4>().0.iter_mut().zip(fields) {
        *bytes = field.to_le_bytes();
    }
    table
}

/// The sum of an image's 32-bit words from byte 64 on, the last one padded with zeros. `patches`
/// replace bytes of the image as they will be on the medium.
pub(crate) fn checksum(image: &mut dyn Read, patches: &[(u64, [u8; 8])]) -> io::Result<u32> {
    let mut bytes = Vec::new();
    image.read_to_end(&mut bytes)?;
    for (offset, patch) in patches {
        let at = usize::try_from(*offset).unwrap_or(usize::MAX);
        if let Some(place) = bytes.get_mut(at..).and_then(|rest| rest.get_mut(..patch.len())) {
            place.copy_from_slice(patch);
        }
    }
    let summed = bytes.get(SUMMED_FROM..).unwrap_or_default();
    let word = |chunk: &[u8]| {
        let mut word = [0; 4];
        word[..chunk.len()].copy_from_slice(chunk);
        u32::from_le_bytes(word)
    };
    Ok(summed.chunks(4).map(word).fold(0, u32::wrapping_add))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_sees_patches_and_pads_the_last_word() {
        let mut image = vec![0xFF; 64];
        image.extend_from_slice(&[1, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 5]);
        assert_eq!(checksum(&mut &image[..], &[]).unwrap(), 5);
        assert_eq!(checksum(&mut &image[..], &[(64, [2, 0, 0, 0, 3, 0, 0, 0])]).unwrap(), 10);
        assert_eq!(checksum(&mut &image[..10], &[]).unwrap(), 0);
    }

    #[test]
    fn addresses_count_512_byte_sectors() {
        assert_eq!(grub2_address(40), 165_u64.to_le_bytes());
        assert_eq!(grub2_address(u32::MAX), (4 * 0xFFFF_FFFF_u64 + 5).to_le_bytes());
        let table = table(16, 40, 197_444, 7);
        assert_eq!(table[..16], [16, 0, 0, 0, 40, 0, 0, 0, 0x44, 3, 3, 0, 7, 0, 0, 0]);
        assert_eq!(table[16..], [0; 40]);
    }
}
