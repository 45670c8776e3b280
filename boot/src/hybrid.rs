//! Partition tables that let an ISO image boot from a USB stick: master boot record and GPT in the
//! system area, the backup GPT in the last sectors.

use bootwright_partitions::gpt::{self, ATTRIBUTE_READ_ONLY, ATTRIBUTE_REQUIRED};
use bootwright_partitions::{Guid, SectorSize, mbr};

use crate::iso9660::{Hybrid, WriteError};

/// Bytes of a sector of the partition tables.
const SECTOR: u64 = 512;
/// Sectors in a block of the ISO image.
const SECTORS_PER_BLOCK: u64 = 4;
/// Where GRUB's hybrid boot code keeps the sector of the core that it loads.
const GRUB2_MBR_OFFSET: usize = 0x1B0;
/// Most bytes of an image of a whole boot sector.
const BOOT_CODE_IMAGE_MAX: usize = 512;
/// First sector after the system area, where partitions may begin.
const FIRST_USABLE: u64 = 64;
/// Bytes of the backup GPT: room for 128 entries, and the header.
pub(crate) const BACKUP_LEN: u64 = 33 * SECTOR;

/// The partition table of a hybrid image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PartitionTable {
    /// GPT behind a protective MBR: the ISO as a data partition (when it has a view of its own,
    /// see [`Options::partition_view`](crate::iso9660::Options)), and the EFI system partition.
    Gpt {
        /// GUIDs of the disk and its partitions are derived from these bytes and nothing else: a
        /// digest of the contents makes equal images equal and others differ.
        seed: [u8; 32],
    },
    /// A master boot record with the EFI system partition as type 0xEF.
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
}

/// Bytes of a partition table and where they go in the image.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) name: &'static str,
    pub(crate) offset: u64,
    pub(crate) bytes: Vec<u8>,
}

/// The tables of `disk`, in the order of their places.
pub(crate) fn emit(hybrid: &Hybrid, disk: &Disk) -> Result<Vec<Part>, WriteError> {
    // Some BIOSes boot no stick without an active entry, others none whose active entry is
    // protective: an active one of type 0, which is no partition, suits both.
    let active = mbr::Entry { status: mbr::ACTIVE, kind: mbr::types::EMPTY, start: 0, count: 1 };
    match &hybrid.table {
        PartitionTable::Mbr => {
            let record = record(hybrid, disk, [Some(esp_entry(disk)?), Some(active)])?;
            Ok(vec![record])
        }
        PartitionTable::Gpt { seed } => {
            let table = table(seed, disk);
            if table.entries.is_empty() {
                let problem = "a GPT needs an EFI system partition or a partition view";
                return Err(WriteError::Boot { problem });
            }
            let plan = table.plan()?;
            let protective = mbr::Entry::protective(disk.sectors());
            let record = record(hybrid, disk, [Some(protective), Some(active)])?;
            let part = |name, offset, bytes| Part { name, offset, bytes };
            Ok(vec![
                record,
                part("primary GPT", plan.primary_offset(), plan.primary()),
                part("backup GPT", plan.backup_offset(), plan.backup()),
            ])
        }
    }
}

fn record(
    hybrid: &Hybrid,
    disk: &Disk,
    [first, second]: [Option<mbr::Entry>; 2],
) -> Result<Part, WriteError> {
    let mut record = mbr::Mbr::new([first, second, None, None]);
    record.geometry = mbr::Geometry::MIB_CYLINDERS;
    record.disk_signature = hybrid.disk_signature;
    if let Some(code) = &hybrid.boot_code {
        if code.len() > BOOT_CODE_IMAGE_MAX {
            return Err(WriteError::BootCode { len: code.len() });
        }
        let used = code.len().min(mbr::BOOT_CODE_LEN);
        record.boot_code[..used].copy_from_slice(&code[..used]);
        if let Some(block) = disk.bios_block {
            // The sector after cdboot.img, which is for CDs only.
            let sector = (u64::from(block) * SECTORS_PER_BLOCK + 4).to_le_bytes();
            record.boot_code[GRUB2_MBR_OFFSET..][..sector.len()].copy_from_slice(&sector);
        }
    }
    Ok(Part { name: "master boot record", offset: 0, bytes: record.to_bytes().to_vec() })
}

fn esp_entry(disk: &Disk) -> Result<mbr::Entry, WriteError> {
    let missing =
        WriteError::Boot { problem: "a partition table without GPT needs an EFI system partition" };
    let (first, last) = disk.esp_sectors().ok_or(missing)?;
    let sectors = u32::try_from(first).ok().zip(u32::try_from(last + 1 - first).ok());
    let (start, count) = sectors.ok_or(WriteError::BeyondMbr { first, last })?;
    Ok(mbr::Entry { status: 0, kind: mbr::types::EFI_SYSTEM, start, count })
}

fn table(seed: &[u8; 32], disk: &Disk) -> gpt::Table {
    let guid = |of: &str| Guid::from_content(&[seed, of.as_bytes()]);
    let mut entries = Vec::new();
    if disk.data_partition {
        let last = (u64::from(disk.data_end) * SECTORS_PER_BLOCK).saturating_sub(1);
        let mut data =
            gpt::Entry::new(gpt::types::BASIC_DATA, guid("data"), FIRST_USABLE..=last, "ISO9660");
        data.attributes = ATTRIBUTE_REQUIRED | ATTRIBUTE_READ_ONLY;
        entries.push(data);
    }
    if let Some((first, last)) = disk.esp_sectors() {
        let name = "EFI system partition";
        entries.push(gpt::Entry::new(gpt::types::EFI_SYSTEM, guid("esp"), first..=last, name));
    }
    let mut table = gpt::Table::new(SectorSize::B512, disk.sectors(), guid("disk"), entries);
    table.first_usable = Some(FIRST_USABLE);
    table
}
