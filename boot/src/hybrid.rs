//! Partition tables that let an ISO image boot from a USB stick: master boot record and GPT in the
//! system area, the backup GPT in the last sectors.

use crate::iso9660::{Hybrid, WriteError};

/// Bytes of a sector of the partition tables.
pub(crate) const SECTOR: u64 = 512;
/// Sectors in a block of the ISO image.
pub(crate) const SECTORS_PER_BLOCK: u64 = 4;
/// Where GRUB's hybrid boot code keeps the address of the CD boot image.
const GRUB2_MBR_OFFSET: usize = 0x1B0;
/// Bytes of boot code in a master boot record.
const CODE_LEN: usize = 440;
/// Most bytes of an image of a whole boot sector.
const CODE_IMAGE_MAX: usize = 512;
/// Entries of the partition entry array, and its sectors.
const ENTRIES: usize = 128;
const ENTRY_SECTORS: u64 = 32;
/// Sectors of the backup table: array and header.
pub(crate) const BACKUP_SECTORS: u64 = ENTRY_SECTORS + 1;
/// First sector after the system area, where partitions may begin.
const FIRST_USABLE: u64 = 64;

const TYPE_BASIC_DATA: [u8; 16] = guid(0xEBD0_A0A2, 0xB9E5, 0x4433, 0x87C0_68B6_B726_99C7);
const TYPE_ESP: [u8; 16] = guid(0xC12A_7328, 0xF81F, 0x11D2, 0xBA4B_00A0_C93E_C93B);
/// Required, and (for basic data) read-only.
const DATA_ATTRIBUTES: u64 = 1 | 1 << 60;

/// The partition table of a hybrid image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PartitionTable {
    /// GPT behind a protective MBR: the ISO as a data partition (when it has a view of its own,
    /// see [`Options::partition_view`](crate::iso9660::Options)), the EFI system partition.
    Gpt {
        /// GUIDs of the disk and its partitions are derived from these bytes and nothing else;
        /// a digest of the content makes equal images equal and others differ.
        seed: [u8; 32],
    },
    /// An MBR with the EFI system partition as type 0xEF.
    Mbr,
}

/// The image as a disk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Disk {
    /// Blocks of 2048 bytes in all.
    pub(crate) blocks: u32,
    /// First block after the data partition.
    pub(crate) data_end: u32,
    /// Whether block 16 on has a view of its own that can be mounted.
    pub(crate) data_partition: bool,
    /// First block of the BIOS boot image.
    pub(crate) bios_block: Option<u32>,
    /// First block and length in bytes of the EFI system partition.
    pub(crate) esp: Option<(u32, u64)>,
}

impl Disk {
    fn sectors(&self) -> u64 {
        u64::from(self.blocks) * SECTORS_PER_BLOCK
    }

    /// First and last sector of the EFI system partition.
    fn esp_sectors(&self) -> Option<(u64, u64)> {
        self.esp.map(|(block, len)| {
            let first = u64::from(block) * SECTORS_PER_BLOCK;
            (first, first + len.div_ceil(SECTOR) - 1)
        })
    }

    /// Where the backup GPT begins, in bytes.
    pub(crate) fn backup_offset(&self, hybrid: Option<&Hybrid>) -> Option<u64> {
        let gpt = hybrid.is_some_and(Hybrid::is_gpt);
        gpt.then(|| (self.sectors() - BACKUP_SECTORS) * SECTOR)
    }
}

impl Hybrid {
    /// Whether there is a GPT.
    pub(crate) fn is_gpt(&self) -> bool {
        matches!(self.table, PartitionTable::Gpt { .. })
    }
}

/// The tables and where they go, in bytes.
pub(crate) fn emit(
    hybrid: Option<&Hybrid>,
    disk: &Disk,
) -> Result<Vec<(u64, Vec<u8>)>, WriteError> {
    let Some(hybrid) = hybrid else { return Ok(Vec::new()) };
    let mut parts = vec![(0, mbr(hybrid, disk)?)];
    if let PartitionTable::Gpt { seed } = &hybrid.table {
        let (primary, backup) = gpt(seed, disk);
        parts.push((SECTOR, primary));
        parts.push(((disk.sectors() - BACKUP_SECTORS) * SECTOR, backup));
    }
    Ok(parts)
}

fn mbr(hybrid: &Hybrid, disk: &Disk) -> Result<Vec<u8>, WriteError> {
    let mut sector = vec![0; 512];
    if let Some(code) = &hybrid.boot_code {
        if code.len() > CODE_IMAGE_MAX {
            return Err(WriteError::BootCode { len: code.len() });
        }
        let used = code.len().min(CODE_LEN);
        sector[..used].copy_from_slice(&code[..used]);
        if let Some(block) = disk.bios_block {
            // GRUB's boot_hybrid.img loads the core from here: the sector after cdboot.img.
            let address = (u64::from(block) * SECTORS_PER_BLOCK + 4).to_le_bytes();
            sector[GRUB2_MBR_OFFSET..GRUB2_MBR_OFFSET + 8].copy_from_slice(&address);
        }
    }
    sector[440..444].copy_from_slice(&hybrid.disk_signature.to_le_bytes());
    let entry = |status: u8, chs: [u8; 3], kind: u8, end: [u8; 3], start: u32, count: u32| {
        let mut entry = vec![status];
        entry.extend_from_slice(&chs);
        entry.push(kind);
        entry.extend_from_slice(&end);
        entry.extend_from_slice(&start.to_le_bytes());
        entry.extend_from_slice(&count.to_le_bytes());
        entry
    };
    match hybrid.table {
        PartitionTable::Gpt { .. } => {
            let size = u32::try_from(disk.sectors() - 1).unwrap_or(u32::MAX);
            let entry = entry(0, [0, 2, 0], 0xEE, [0xFF; 3], 1, size);
            sector[446..462].copy_from_slice(&entry);
        }
        PartitionTable::Mbr => {
            let (first, last) = disk.esp_sectors().ok_or(WriteError::Boot {
                problem: "a master boot record without GPT needs an EFI system partition",
            })?;
            let field = |value: u64| {
                u32::try_from(value)
                    .map_err(|_| WriteError::PartitionTable { what: "the EFI system partition" })
            };
            let (start, count) = (field(first)?, field(last + 1 - first)?);
            let entry = entry(0, [0xFE, 0xFF, 0xFF], 0xEF, [0xFE, 0xFF, 0xFF], start, count);
            sector[446..462].copy_from_slice(&entry);
        }
    }
    // Some BIOSes boot no stick without an active entry, others none whose active entry is
    // protective: an active entry of type 0 that says nothing suits both.
    sector[462..478].copy_from_slice(&entry(0x80, [0, 1, 0], 0, [0, 1, 0], 0, 1));
    sector[510..].copy_from_slice(&[0x55, 0xAA]);
    Ok(sector)
}

/// Header with entry array, and the backup's array with header.
fn gpt(seed: &[u8; 32], disk: &Disk) -> (Vec<u8>, Vec<u8>) {
    let sectors = disk.sectors();
    let mut array = Vec::new();
    let mut add = |kind: [u8; 16], label: &str, first: u64, last: u64, attributes: u64| {
        array.extend_from_slice(&kind);
        array.extend_from_slice(&derived_guid(seed, label));
        for field in [first, last, attributes] {
            array.extend_from_slice(&field.to_le_bytes());
        }
        let mut name: Vec<u8> = label.encode_utf16().flat_map(u16::to_le_bytes).collect();
        name.resize(72, 0);
        array.extend_from_slice(&name);
    };
    if disk.data_partition {
        let last = u64::from(disk.data_end) * SECTORS_PER_BLOCK - 1;
        add(TYPE_BASIC_DATA, "ISO9660", FIRST_USABLE, last, DATA_ATTRIBUTES);
    }
    if let Some((first, last)) = disk.esp_sectors() {
        add(TYPE_ESP, "EFI system", first, last, 0);
    }
    array.resize(ENTRIES * 128, 0);
    let disk_guid = derived_guid(seed, "disk");
    let header = |own: u64, other: u64, entries: u64| {
        let mut header = vec![0; 512];
        header[..8].copy_from_slice(b"EFI PART");
        header[8..16].copy_from_slice(&[0, 0, 1, 0, 92, 0, 0, 0]);
        for (at, field) in
            [(24, own), (32, other), (40, FIRST_USABLE), (48, sectors - BACKUP_SECTORS - 1)]
        {
            header[at..at + 8].copy_from_slice(&field.to_le_bytes());
        }
        header[56..72].copy_from_slice(&disk_guid);
        header[72..80].copy_from_slice(&entries.to_le_bytes());
        header[80..84].copy_from_slice(&128_u32.to_le_bytes());
        header[84..88].copy_from_slice(&128_u32.to_le_bytes());
        header[88..92].copy_from_slice(&crc32fast::hash(&array).to_le_bytes());
        let crc = crc32fast::hash(&header[..92]);
        header[16..20].copy_from_slice(&crc.to_le_bytes());
        header
    };
    let backup_at = sectors - 1;
    let primary = [header(1, backup_at, 2), array.clone()].concat();
    let backup = [array.clone(), header(backup_at, 1, backup_at - ENTRY_SECTORS)].concat();
    (primary, backup)
}

/// A GUID (RFC 9562 version 8) that depends on `seed` and `label` only, in the bytes of a GPT.
fn derived_guid(seed: &[u8; 32], label: &str) -> [u8; 16] {
    let hash = blake3::keyed_hash(seed, label.as_bytes());
    let mut guid = [0; 16];
    guid.copy_from_slice(&hash.as_bytes()[..16]);
    guid[7] = guid[7] & 0x0F | 0x80;
    guid[8] = guid[8] & 0x3F | 0x80;
    guid
}

/// A GUID in the mixed byte order of a GPT.
const fn guid(a: u32, b: u16, c: u16, d: u64) -> [u8; 16] {
    let ([a0, a1, a2, a3], [b0, b1], [c0, c1]) =
        (a.to_le_bytes(), b.to_le_bytes(), c.to_le_bytes());
    let [d0, d1, d2, d3, d4, d5, d6, d7] = d.to_be_bytes();
    [a0, a1, a2, a3, b0, b1, c0, c1, d0, d1, d2, d3, d4, d5, d6, d7]
}
