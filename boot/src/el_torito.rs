//! El Torito boot catalog: which images firmware may boot from the medium (El Torito 1.0 section
//! 2, UEFI 2.11 section 13.3).

/// Bytes of one catalog entry.
const ENTRY: usize = 32;
/// Boot indicator of an entry that can be booted.
const BOOTABLE: u8 = 0x88;
/// Indicator of the final section header.
const FINAL_HEADER: u8 = 0x91;
/// Sectors an image may count before its count is given as zero.
const SECTORS_MAX: u64 = 0xFFFF;

/// The firmware a boot image is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Platform(
    /// The platform identifier of El Torito and UEFI.
    pub u8,
);

impl Platform {
    /// PC BIOS.
    pub const BIOS: Self = Self(0x00);
    /// UEFI.
    pub const EFI: Self = Self(0xEF);
}

/// A boot image, booted without emulation of a floppy or hard disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BootEntry {
    /// The firmware it is for.
    pub platform: Platform,
    /// Sectors of 512 bytes that firmware loads; for EFI the size of the image, or 0 where that
    /// does not fit.
    pub sectors: u16,
    /// The image's first block of 2048 bytes.
    pub block: u32,
}

impl BootEntry {
    /// An entry for an EFI system partition of `len` bytes. Its sectors are counted in 16 bits;
    /// a larger image has count 0, which UEFI reads as "to the end of the medium".
    #[must_use]
    pub fn efi(block: u32, len: u64) -> Self {
        let sectors = len.div_ceil(512);
        let sectors = if sectors <= SECTORS_MAX { u16::try_from(sectors).unwrap_or(0) } else { 0 };
        Self { platform: Platform::EFI, sectors, block }
    }
}

/// The boot catalog's block: validation entry, `default` entry, and a section for each further
/// one.
pub(crate) fn catalog(default: &BootEntry, others: &[BootEntry]) -> Vec<u8> {
    let mut block = validation(default.platform).to_vec();
    block.extend_from_slice(&entry(default));
    for (n, other) in others.iter().enumerate() {
        let mut header = [0; ENTRY];
        header[0] = if n + 1 == others.len() { FINAL_HEADER } else { FINAL_HEADER - 1 };
        header[1] = other.platform.0;
        header[2] = 1;
        block.extend_from_slice(&header);
        block.extend_from_slice(&entry(other));
    }
    block.resize(2048, 0);
    block
}

fn validation(platform: Platform) -> [u8; ENTRY] {
    let mut entry = [0; ENTRY];
    entry[0] = 1;
    entry[1] = platform.0;
    entry[30..].copy_from_slice(&[0x55, 0xAA]);
    let checksum = sum(&entry).wrapping_neg();
    entry[28..30].copy_from_slice(&checksum.to_le_bytes());
    entry
}

fn entry(of: &BootEntry) -> [u8; ENTRY] {
    let mut entry = [0; ENTRY];
    entry[0] = BOOTABLE;
    entry[6..8].copy_from_slice(&of.sectors.to_le_bytes());
    entry[8..12].copy_from_slice(&of.block.to_le_bytes());
    entry
}

/// The sum of an entry's 16-bit words; zero for a valid validation entry.
fn sum(entry: &[u8; ENTRY]) -> u16 {
    let words = entry.as_chunks::<2>().0.iter().map(|word| u16::from_le_bytes(*word));
    words.fold(0, u16::wrapping_add)
}

/// Why a boot catalog cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogError {
    /// The first entry is no validation entry, or its checksum is wrong.
    #[error("boot catalog has no valid validation entry")]
    Validation,
}

/// The bootable entries of a catalog, in order. Entries of a kind we do not know, and those not
/// bootable, are left out.
///
/// # Errors
/// [`CatalogError`] when the validation entry does not hold.
pub fn read_catalog(catalog: &[u8]) -> Result<Vec<BootEntry>, CatalogError> {
    let mut entries = catalog.as_chunks::<ENTRY>().0.iter();
    let first = entries.next().ok_or(CatalogError::Validation)?;
    if first[0] != 1 || first[30..] != [0x55, 0xAA] || sum(first) != 0 {
        return Err(CatalogError::Validation);
    }
    let mut found = Vec::new();
    let mut platform = Platform(first[1]);
    found.extend(entries.next().and_then(|entry| parse(entry, platform)));
    let mut last = false;
    while let Some(header) = entries.next().filter(|_| !last) {
        if !matches!(header[0], 0x90 | 0x91) {
            break;
        }
        last = header[0] == FINAL_HEADER;
        platform = Platform(header[1]);
        for _ in 0..u16::from_le_bytes([header[2], header[3]]) {
            let Some(entry) = entries.next() else { return Ok(found) };
            found.extend(parse(entry, platform));
        }
    }
    Ok(found)
}

fn parse(entry: &[u8; ENTRY], platform: Platform) -> Option<BootEntry> {
    let sectors = u16::from_le_bytes([entry[6], entry[7]]);
    let block = u32::from_le_bytes([entry[8], entry[9], entry[10], entry[11]]);
    (entry[0] == BOOTABLE).then_some(BootEntry { platform, sectors, block })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BIOS: BootEntry = BootEntry { platform: Platform::BIOS, sectors: 4, block: 40 };

    #[test]
    fn catalogs_read_back() {
        let efi = BootEntry::efi(512, 4 << 20);
        let block = catalog(&BIOS, &[efi]);
        assert_eq!(block.len(), 2048);
        assert_eq!(block[28..32], [0xAA, 0x55, 0x55, 0xAA]);
        assert_eq!(block[64..68], [0x91, 0xEF, 1, 0]);
        assert_eq!(read_catalog(&block), Ok(vec![BIOS, efi]));

        let alone = catalog(&efi, &[]);
        assert_eq!(alone[1], 0xEF);
        assert_eq!(read_catalog(&alone), Ok(vec![efi]));

        let three = catalog(&BIOS, &[efi, efi]);
        assert_eq!((three[64], three[128]), (0x90, 0x91));
        assert_eq!(read_catalog(&three), Ok(vec![BIOS, efi, efi]));
    }

    #[test]
    fn a_count_that_does_not_fit_is_zero() {
        for (len, sectors) in
            [(1, 1), (0xFFFF * 512, 0xFFFF), (0xFFFF * 512 + 1, 0), (64 << 20, 0), (u64::MAX, 0)]
        {
            assert_eq!(BootEntry::efi(1, len).sectors, sectors, "{len}");
        }
    }

    #[test]
    fn damaged_catalogs_are_refused() {
        let mut block = catalog(&BIOS, &[]);
        block[5] ^= 1;
        assert_eq!(read_catalog(&block), Err(CatalogError::Validation));
        assert_eq!(read_catalog(&[]), Err(CatalogError::Validation));
    }
}
