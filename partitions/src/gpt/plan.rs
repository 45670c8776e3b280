//! What goes into a table, whether it can be, and its bytes.

use std::ops::RangeInclusive;

use super::format::{
    ENTRY_LEN, HEADER_LEN, NAME_MAX, PRIMARY_ENTRIES_LBA, PRIMARY_LBA, REVISION, SIGNATURE, entry,
    header,
};
use crate::bytes::put;
use crate::{Guid, SectorSize, mbr};

/// The fewest entries a table has room for (UEFI asks for 16384 bytes).
pub const ENTRY_COUNT_MIN: u32 = 128;
/// The most entries this encoder makes room for: 128 KiB, the size up to which readers cope.
pub const ENTRY_COUNT_MAX: u32 = 1024;

/// A partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// What is in it, see [`types`](super::types); [`Guid::NIL`] leaves the entry unused.
    pub type_guid: Guid,
    /// The partition's own GUID.
    pub guid: Guid,
    /// Its first sector.
    pub first_lba: u64,
    /// Its last sector, which belongs to it.
    pub last_lba: u64,
    /// Attribute bits.
    pub attributes: u64,
    /// Its name, at most [`NAME_MAX`] UTF-16 units.
    pub name: String,
}

impl Entry {
    /// A partition without attributes.
    #[must_use]
    pub fn new(type_guid: Guid, guid: Guid, sectors: RangeInclusive<u64>, name: &str) -> Self {
        let (first_lba, last_lba) = sectors.into_inner();
        Self { type_guid, guid, first_lba, last_lba, attributes: 0, name: name.to_owned() }
    }
}

/// A partition table to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// The disk's sectors.
    pub sector_size: SectorSize,
    /// The disk's length in sectors. The backup header stands in the last.
    pub total_sectors: u64,
    /// The disk's GUID.
    pub disk_guid: Guid,
    /// The partitions; the first is number 1. An entry of type [`Guid::NIL`] keeps its number
    /// free.
    pub entries: Vec<Entry>,
    /// Entries there is room for, [`ENTRY_COUNT_MIN`] to [`ENTRY_COUNT_MAX`].
    pub entry_count: u32,
    /// The first sector for partitions; `None`: the first behind the entries.
    pub first_usable: Option<u64>,
}

/// Why there cannot be such a table. Partitions are named by their numbers, from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// The number of entries is out of bounds.
    #[error(
        "room for {count} partition entries: at least {ENTRY_COUNT_MIN}, at most {ENTRY_COUNT_MAX}"
    )]
    EntryCount {
        /// The number asked for.
        count: u32,
    },
    /// More partitions than there is room for.
    #[error("{given} partitions do not fit into {count} entries")]
    TooManyEntries {
        /// The partitions.
        given: usize,
        /// The room.
        count: u32,
    },
    /// The disk has no room for both tables and one sector between them.
    #[error("a disk of {total} sectors is too small: {needed} are needed")]
    DiskTooSmall {
        /// The disk's sectors.
        total: u64,
        /// The fewest that do.
        needed: u64,
    },
    /// The disk's length in bytes does not fit into 63 bits.
    #[error("a disk of {total} sectors is too large")]
    DiskTooLarge {
        /// The disk's sectors.
        total: u64,
    },
    /// The first usable sector lies in a table.
    #[error("first usable sector {given}: at least {min}, at most {max}")]
    FirstUsable {
        /// The sector asked for.
        given: u64,
        /// The first behind the primary table.
        min: u64,
        /// The last before the backup table.
        max: u64,
    },
    /// A partition is empty or reaches out of the usable sectors.
    #[error("partition {number} from sector {first} to {last}: must lie within {min} to {max}")]
    Bounds {
        /// The partition.
        number: usize,
        /// Its first sector.
        first: u64,
        /// Its last sector.
        last: u64,
        /// The first usable sector.
        min: u64,
        /// The last usable sector.
        max: u64,
    },
    /// Two partitions share sectors.
    #[error("partitions {first} and {second} overlap at sector {lba}")]
    Overlap {
        /// The partition that begins earlier.
        first: usize,
        /// The other.
        second: usize,
        /// The first sector they share.
        lba: u64,
    },
    /// A GUID is all zeros or used twice.
    #[error("the GUID {guid} of {owner} is nil or used twice")]
    GuidNotUnique {
        /// The GUID.
        guid: Guid,
        /// Whose it is: `the disk` or `partition N`.
        owner: String,
    },
    /// A name is too long or has a NUL.
    #[error(
        "name {name:?} of partition {number} has {units} UTF-16 units or a NUL: at most {NAME_MAX}, no NUL"
    )]
    Name {
        /// The partition.
        number: usize,
        /// The name.
        name: String,
        /// Its length.
        units: usize,
    },
}

impl Table {
    /// A table with room for 128 entries, the usable sectors beginning right behind it.
    #[must_use]
    pub fn new(
        sector_size: SectorSize,
        total_sectors: u64,
        disk_guid: Guid,
        entries: Vec<Entry>,
    ) -> Self {
        Self {
            sector_size,
            total_sectors,
            disk_guid,
            entries,
            entry_count: ENTRY_COUNT_MIN,
            first_usable: None,
        }
    }

    /// Checks everything and fixes where the tables go.
    ///
    /// # Errors
    /// [`PlanError`].
    pub fn plan(&self) -> Result<Plan, PlanError> {
        if !(ENTRY_COUNT_MIN..=ENTRY_COUNT_MAX).contains(&self.entry_count) {
            return Err(PlanError::EntryCount { count: self.entry_count });
        }
        if self.entries.len() as u64 > u64::from(self.entry_count) {
            return Err(PlanError::TooManyEntries {
                given: self.entries.len(),
                count: self.entry_count,
            });
        }
        let (first_usable, last_usable) = self.usable()?;
        self.check_bounds(first_usable, last_usable)?;
        self.check_overlaps()?;
        self.check_guids()?;
        self.check_names()?;
        let entries = self.encode_entries();
        Ok(Plan { table: self.clone(), entries, first_usable, last_usable })
    }

    /// Sectors of one array of entries.
    fn entry_sectors(&self) -> u64 {
        (u64::from(self.entry_count) * ENTRY_LEN as u64).div_ceil(self.sector_size.bytes())
    }

    fn usable(&self) -> Result<(u64, u64), PlanError> {
        let min = PRIMARY_ENTRIES_LBA + self.entry_sectors();
        // The backup takes one sector for its header; one sector is left to use.
        let needed = min + 1 + self.entry_sectors() + 1;
        let total = self.total_sectors;
        if total < needed {
            return Err(PlanError::DiskTooSmall { total, needed });
        }
        if total > i64::MAX.unsigned_abs() / self.sector_size.bytes() {
            return Err(PlanError::DiskTooLarge { total });
        }
        let max = total - 1 - self.entry_sectors() - 1;
        let first = self.first_usable.unwrap_or(min);
        if !(min..=max).contains(&first) {
            return Err(PlanError::FirstUsable { given: first, min, max });
        }
        Ok((first, max))
    }

    /// The entries in use, with their numbers.
    fn used(&self) -> impl Iterator<Item = (usize, &Entry)> {
        self.entries
            .iter()
            .enumerate()
            .filter(|(_, entry)| !entry.type_guid.is_nil())
            .map(|(index, entry)| (index + 1, entry))
    }

    fn check_bounds(&self, min: u64, max: u64) -> Result<(), PlanError> {
        for (number, entry) in self.used() {
            let (first, last) = (entry.first_lba, entry.last_lba);
            if first > last || first < min || last > max {
                return Err(PlanError::Bounds { number, first, last, min, max });
            }
        }
        Ok(())
    }

    fn check_overlaps(&self) -> Result<(), PlanError> {
        let mut sorted: Vec<_> = self.used().collect();
        sorted.sort_by_key(|(number, entry)| (entry.first_lba, *number));
        for pair in sorted.windows(2) {
            let ((first, earlier), (second, later)) = (pair[0], pair[1]);
            if later.first_lba <= earlier.last_lba {
                return Err(PlanError::Overlap { first, second, lba: later.first_lba });
            }
        }
        Ok(())
    }

    fn check_guids(&self) -> Result<(), PlanError> {
        let disk = (self.disk_guid, "the disk".to_owned());
        let partitions =
            self.used().map(|(number, entry)| (entry.guid, format!("partition {number}")));
        let mut seen = vec![Guid::NIL];
        for (guid, owner) in std::iter::once(disk).chain(partitions) {
            if seen.contains(&guid) {
                return Err(PlanError::GuidNotUnique { guid, owner });
            }
            seen.push(guid);
        }
        Ok(())
    }

    fn check_names(&self) -> Result<(), PlanError> {
        for (number, entry) in self.used() {
            let units = entry.name.encode_utf16().count();
            if units > NAME_MAX || entry.name.contains('\0') {
                return Err(PlanError::Name { number, name: entry.name.clone(), units });
            }
        }
        Ok(())
    }

    /// The array of entries without the padding to whole sectors.
    fn encode_entries(&self) -> Vec<u8> {
        let mut array = vec![0; self.entry_count as usize * ENTRY_LEN];
        for ((_, entry), place) in
            self.entries.iter().enumerate().zip(array.chunks_exact_mut(ENTRY_LEN))
        {
            if !entry.type_guid.is_nil() {
                encode_entry(entry, place);
            }
        }
        array
    }
}

fn encode_entry(from: &Entry, to: &mut [u8]) {
    put(to, entry::TYPE, &from.type_guid.0);
    put(to, entry::GUID, &from.guid.0);
    put(to, entry::FIRST_LBA, &from.first_lba.to_le_bytes());
    put(to, entry::LAST_LBA, &from.last_lba.to_le_bytes());
    put(to, entry::ATTRIBUTES, &from.attributes.to_le_bytes());
    for (unit, place) in from.name.encode_utf16().zip(to[entry::NAME..].chunks_exact_mut(2)) {
        place.copy_from_slice(&unit.to_le_bytes());
    }
}

/// A checked table.
#[derive(Clone, Debug)]
pub struct Plan {
    table: Table,
    entries: Vec<u8>,
    first_usable: u64,
    last_usable: u64,
}

impl Plan {
    /// The first sector that partitions may take.
    #[must_use]
    pub fn first_usable(&self) -> u64 {
        self.first_usable
    }

    /// The last sector that partitions may take.
    #[must_use]
    pub fn last_usable(&self) -> u64 {
        self.last_usable
    }

    /// What goes at byte [`primary_offset`](Self::primary_offset), behind the protective MBR:
    /// header and entries, whole sectors.
    #[must_use]
    pub fn primary(&self) -> Vec<u8> {
        let mut bytes = self.header(PRIMARY_LBA, self.last_lba(), PRIMARY_ENTRIES_LBA);
        bytes.extend(self.padded_entries());
        bytes
    }

    /// Where [`primary`](Self::primary) goes, in bytes from the start of the disk.
    #[must_use]
    pub fn primary_offset(&self) -> u64 {
        PRIMARY_LBA * self.table.sector_size.bytes()
    }

    /// What goes at byte [`backup_offset`](Self::backup_offset), up to the end of the disk:
    /// entries and header, whole sectors.
    #[must_use]
    pub fn backup(&self) -> Vec<u8> {
        let mut bytes = self.padded_entries();
        bytes.extend(self.header(self.last_lba(), PRIMARY_LBA, self.last_usable + 1));
        bytes
    }

    /// Where [`backup`](Self::backup) goes, in bytes from the start of the disk.
    #[must_use]
    pub fn backup_offset(&self) -> u64 {
        (self.last_usable + 1) * self.table.sector_size.bytes()
    }

    /// The MBR of this disk with nothing but the protective entry. An ISO adds boot code and a
    /// second entry to it.
    #[must_use]
    pub fn protective_mbr(&self) -> mbr::Mbr {
        mbr::Mbr::new([Some(mbr::Entry::protective(self.table.total_sectors)), None, None, None])
    }

    fn last_lba(&self) -> u64 {
        self.table.total_sectors - 1
    }

    fn padded_entries(&self) -> Vec<u8> {
        let mut bytes = self.entries.clone();
        bytes.resize(bytes.len().next_multiple_of(self.table.sector_size.len()), 0);
        bytes
    }

    fn header(&self, my_lba: u64, alternate_lba: u64, entries_lba: u64) -> Vec<u8> {
        let entry_len = u32::try_from(ENTRY_LEN).expect("BUG: entry length");
        let header_len = u32::try_from(HEADER_LEN).expect("BUG: header length");
        let mut bytes = vec![0; self.table.sector_size.len()];
        put(&mut bytes, 0, SIGNATURE);
        put(&mut bytes, header::REVISION, &REVISION.to_le_bytes());
        put(&mut bytes, header::SIZE, &header_len.to_le_bytes());
        put(&mut bytes, header::MY_LBA, &my_lba.to_le_bytes());
        put(&mut bytes, header::ALTERNATE_LBA, &alternate_lba.to_le_bytes());
        put(&mut bytes, header::FIRST_USABLE, &self.first_usable.to_le_bytes());
        put(&mut bytes, header::LAST_USABLE, &self.last_usable.to_le_bytes());
        put(&mut bytes, header::DISK_GUID, &self.table.disk_guid.0);
        put(&mut bytes, header::ENTRIES_LBA, &entries_lba.to_le_bytes());
        put(&mut bytes, header::ENTRY_COUNT, &self.table.entry_count.to_le_bytes());
        put(&mut bytes, header::ENTRY_LEN, &entry_len.to_le_bytes());
        put(&mut bytes, header::ENTRIES_CRC, &crc32fast::hash(&self.entries).to_le_bytes());
        let crc = crc32fast::hash(&bytes[..HEADER_LEN]);
        put(&mut bytes, header::CRC, &crc.to_le_bytes());
        bytes
    }
}
