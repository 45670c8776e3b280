//! Where partitions and tables go.

use std::fmt;

use crate::{Guid, SectorSize, Size, gpt, mbr};

/// Partitions begin at multiples of this many bytes, and an automatic size is one.
pub const ALIGNMENT: u64 = 1 << 20;

/// A partition to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Its name in the table.
    pub name: String,
    /// What is in it, see [`gpt::types`].
    pub type_guid: Guid,
    /// Its own GUID.
    pub guid: Guid,
    /// Attribute bits.
    pub attributes: u64,
    /// Its length in bytes, rounded up to whole sectors.
    pub len: u64,
}

impl Partition {
    /// A partition without attributes.
    #[must_use]
    pub fn new(name: &str, type_guid: Guid, guid: Guid, len: u64) -> Self {
        Self { name: name.to_owned(), type_guid, guid, attributes: 0, len }
    }
}

/// An entry of the MBR beside the protective one, for firmware that does not know GPT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hybrid {
    /// The partition, counted from 0.
    pub partition: usize,
    /// Its type there, see [`mbr::types`].
    pub kind: u8,
    /// Whether boot code starts it.
    pub active: bool,
}

/// A disk to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    /// The disk's sectors.
    pub sector_size: SectorSize,
    /// The disk's GUID.
    pub guid: Guid,
    /// The partitions, in the order of their places and numbers.
    pub partitions: Vec<Partition>,
    /// How large the disk is. Headroom stays behind the last partition.
    pub size: Size,
    /// Entries of the MBR, at most three.
    pub hybrid: Vec<Hybrid>,
    /// Code that a BIOS starts.
    pub boot_code: [u8; mbr::BOOT_CODE_LEN],
}

impl Disk {
    /// Sectors of 512 bytes, as small as its partitions, no boot code.
    #[must_use]
    pub fn new(guid: Guid, partitions: Vec<Partition>) -> Self {
        Self {
            sector_size: SectorSize::B512,
            guid,
            partitions,
            size: Size::Auto { headroom: 0 },
            hybrid: Vec::new(),
            boot_code: [0; mbr::BOOT_CODE_LEN],
        }
    }
}

/// Why there cannot be such a disk.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// The table refuses.
    #[error(transparent)]
    Table(#[from] gpt::PlanError),
    /// The partitions and tables do not fit.
    #[error("a disk of {given} bytes is too small: {needed} are needed")]
    TooSmall {
        /// The size given.
        given: u64,
        /// The size needed.
        needed: u64,
    },
    /// The size is not made of whole sectors.
    #[error("a disk of {len} bytes: must be a multiple of the sectors' {sector} bytes")]
    Sectors {
        /// The size given.
        len: u64,
        /// Bytes in a sector.
        sector: u64,
    },
    /// All partitions together are longer than 63 bits count.
    #[error("the partitions are too large for a disk")]
    TooLarge,
    /// A partition is empty.
    #[error("partition {number} has no bytes")]
    Empty {
        /// The partition, counted from 1.
        number: usize,
    },
    /// An entry of the MBR that cannot be.
    #[error("mbr entry for partition {number} {problem}")]
    Hybrid {
        /// The partition, counted from 1.
        number: usize,
        /// What is wrong.
        problem: &'static str,
    },
}

/// A partition's place on the disk, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Its first byte.
    pub offset: u64,
    /// Its length, whole sectors.
    pub len: u64,
}

/// A disk whose every byte but the partitions' is fixed.
#[derive(Clone, Debug)]
pub struct Plan {
    pub(super) len: u64,
    pub(super) slots: Vec<Slot>,
    pub(super) table: gpt::Plan,
    pub(super) mbr: mbr::Mbr,
    names: Vec<String>,
}

impl Disk {
    /// Checks everything and fixes all places.
    ///
    /// # Errors
    /// [`PlanError`].
    pub fn plan(&self) -> Result<Plan, PlanError> {
        let sector = self.sector_size.bytes();
        let slots = self.slots()?;
        let end = slots.last().map_or(ALIGNMENT, |slot| slot.offset + slot.len);
        let backup = gpt_backup_len(self.sector_size);
        let needed = end.checked_add(backup).ok_or(PlanError::TooLarge)?;
        let len = match self.size {
            Size::Exact(len) if len % sector != 0 => {
                return Err(PlanError::Sectors { len, sector });
            }
            Size::Exact(given) if given < needed => {
                return Err(PlanError::TooSmall { given, needed });
            }
            Size::Exact(len) => len,
            Size::Auto { headroom } => needed
                .checked_add(headroom)
                .and_then(|len| len.checked_next_multiple_of(ALIGNMENT))
                .ok_or(PlanError::TooLarge)?,
        };
        let entries = self.partitions.iter().zip(&slots).map(|(partition, slot)| gpt::Entry {
            type_guid: partition.type_guid,
            guid: partition.guid,
            first_lba: slot.offset / sector,
            last_lba: (slot.offset + slot.len) / sector - 1,
            attributes: partition.attributes,
            name: partition.name.clone(),
        });
        let table =
            gpt::Table::new(self.sector_size, len / sector, self.guid, entries.collect()).plan()?;
        let mbr = self.mbr(&table, &slots)?;
        let names = self.partitions.iter().map(|partition| partition.name.clone()).collect();
        Ok(Plan { len, slots, table, mbr, names })
    }

    fn slots(&self) -> Result<Vec<Slot>, PlanError> {
        let mut end = ALIGNMENT;
        let mut slots = Vec::new();
        for (index, partition) in self.partitions.iter().enumerate() {
            if partition.len == 0 {
                return Err(PlanError::Empty { number: index + 1 });
            }
            let slot = slot(end, partition.len, self.sector_size).ok_or(PlanError::TooLarge)?;
            end = slot.offset + slot.len;
            slots.push(slot);
        }
        Ok(slots)
    }

    fn mbr(&self, table: &gpt::Plan, slots: &[Slot]) -> Result<mbr::Mbr, PlanError> {
        let mut mbr = table.protective_mbr();
        mbr.boot_code = self.boot_code;
        for (index, hybrid) in self.hybrid.iter().enumerate() {
            let refuse = |problem| PlanError::Hybrid { number: hybrid.partition + 1, problem };
            let slot = slots.get(hybrid.partition).ok_or_else(|| refuse("names no partition"))?;
            let place =
                mbr.entries.get_mut(index + 1).ok_or_else(|| refuse("is more than the third"))?;
            let sectors = |bytes: u64| {
                u32::try_from(bytes / self.sector_size.bytes())
                    .map_err(|_| refuse("lies beyond what 32 bits of sectors reach"))
            };
            *place = Some(mbr::Entry {
                status: if hybrid.active { mbr::ACTIVE } else { 0 },
                kind: hybrid.kind,
                start: sectors(slot.offset)?,
                count: sectors(slot.len)?,
            });
        }
        // The protective entry must not overlap the others: it covers what is in front of them.
        let first = mbr.entries[1..].iter().flatten().map(|entry| entry.start).min();
        if let (Some(first), Some(protective)) = (first, &mut mbr.entries[0]) {
            protective.count = first - protective.start;
        }
        Ok(mbr)
    }
}

/// The place of `len` bytes behind `end`; `None` when it lies beyond what 63 bits count.
fn slot(end: u64, len: u64, sector_size: SectorSize) -> Option<Slot> {
    let offset = end.checked_next_multiple_of(ALIGNMENT)?;
    let len = len.checked_next_multiple_of(sector_size.bytes())?;
    offset.checked_add(len).filter(|end| *end <= i64::MAX.unsigned_abs())?;
    Some(Slot { offset, len })
}

/// Bytes of the backup table: its entries and its header.
fn gpt_backup_len(sector_size: SectorSize) -> u64 {
    (u64::from(gpt::ENTRY_COUNT_MIN) * gpt::ENTRY_LEN as u64).next_multiple_of(sector_size.bytes())
        + sector_size.bytes()
}

impl Plan {
    /// Length of the disk in bytes.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a disk has at least its tables")]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// The places of the partitions, in order.
    #[must_use]
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "disk of {} bytes", self.len)?;
        for (number, (slot, name)) in (1..).zip(self.slots.iter().zip(&self.names)) {
            writeln!(f, "{:>14} {:>14} {number} {name}", slot.offset, slot.len)?;
        }
        Ok(())
    }
}
