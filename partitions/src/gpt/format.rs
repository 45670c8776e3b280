//! The header and the entries on disk (UEFI 2.11, tables 5.5 and 5.6).

/// Bytes of a header that its CRC covers; the rest of the sector is zero.
pub(super) const HEADER_LEN: usize = 92;
/// Bytes of a partition entry.
pub const ENTRY_LEN: usize = 128;
/// UTF-16 units that a partition's name has room for.
pub const NAME_MAX: usize = 36;
/// Where the header of the primary table is.
pub(super) const PRIMARY_LBA: u64 = 1;
/// Where the entries of the primary table are.
pub(super) const PRIMARY_ENTRIES_LBA: u64 = 2;

pub(super) const SIGNATURE: &[u8; 8] = b"EFI PART";
/// Revision 1.0, the only one.
pub(super) const REVISION: u32 = 0x0001_0000;

/// Attribute bit 0: the platform needs the partition, leave it alone.
pub const ATTRIBUTE_REQUIRED: u64 = 1;
/// Attribute bit 2: legacy BIOS boot code may boot it.
pub const ATTRIBUTE_LEGACY_BIOS_BOOTABLE: u64 = 1 << 2;
/// Attribute bit 60 of basic data partitions: read only.
pub const ATTRIBUTE_READ_ONLY: u64 = 1 << 60;

/// Offsets of the header's fields.
pub(super) mod header {
    pub(in super::super) const REVISION: usize = 8;
    pub(in super::super) const SIZE: usize = 12;
    pub(in super::super) const CRC: usize = 16;
    pub(in super::super) const MY_LBA: usize = 24;
    pub(in super::super) const ALTERNATE_LBA: usize = 32;
    pub(in super::super) const FIRST_USABLE: usize = 40;
    pub(in super::super) const LAST_USABLE: usize = 48;
    pub(in super::super) const DISK_GUID: usize = 56;
    pub(in super::super) const ENTRIES_LBA: usize = 72;
    pub(in super::super) const ENTRY_COUNT: usize = 80;
    pub(in super::super) const ENTRY_LEN: usize = 84;
    pub(in super::super) const ENTRIES_CRC: usize = 88;
}

/// Offsets of an entry's fields.
pub(super) mod entry {
    pub(in super::super) const TYPE: usize = 0;
    pub(in super::super) const GUID: usize = 16;
    pub(in super::super) const FIRST_LBA: usize = 32;
    pub(in super::super) const LAST_LBA: usize = 40;
    pub(in super::super) const ATTRIBUTES: usize = 48;
    pub(in super::super) const NAME: usize = 56;
}
