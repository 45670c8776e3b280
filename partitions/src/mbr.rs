//! Master boot records (UEFI 2.11, chapter 5.2).

use crate::bytes::{array, put, u32_at};

/// Bytes of a master boot record.
pub const LEN: usize = 512;
/// Bytes of boot code in front of the disk signature.
pub const BOOT_CODE_LEN: usize = 440;

const DISK_SIGNATURE: usize = 440;
const ENTRIES: usize = 446;
const ENTRY_LEN: usize = 16;
const BOOT_SIGNATURE: usize = 510;
const CYLINDER_MAX: u64 = 1023;

/// Partition types.
pub mod types {
    /// Unused.
    pub const EMPTY: u8 = 0x00;
    /// Linux file system.
    pub const LINUX: u8 = 0x83;
    /// Covers a disk with a GPT, so that old tools keep off.
    pub const PROTECTIVE: u8 = 0xEE;
    /// EFI system partition.
    pub const EFI_SYSTEM: u8 = 0xEF;
}

/// Status of a partition that boot code starts.
pub const ACTIVE: u8 = 0x80;

/// The heads and sectors a BIOS counts with; only the CHS fields depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Heads per cylinder, 1 to 255.
    pub heads: u8,
    /// Sectors per track, 1 to 63.
    pub sectors: u8,
}

impl Geometry {
    /// 255 heads, 63 sectors: what BIOSes assume of disks.
    pub const DISK: Self = Self { heads: 255, sectors: 63 };
    /// 64 heads, 32 sectors: a cylinder is 1 MiB; usual for hybrid ISOs.
    pub const MIB_CYLINDERS: Self = Self { heads: 64, sectors: 32 };

    /// Head, sector with the high bits of the cylinder, low bits of the cylinder; the last
    /// address there is when `lba` lies beyond it.
    fn chs(self, lba: u64) -> Option<[u8; 3]> {
        let (heads, sectors) = (u64::from(self.heads.max(1)), u64::from(self.sectors.max(1)));
        let (track, sector) = (lba / sectors, lba % sectors + 1);
        let (cylinder, head) = (track / heads, track % heads);
        if cylinder > CYLINDER_MAX {
            return None;
        }
        let byte = |value: u64| u8::try_from(value).ok();
        Some([byte(head)?, byte(sector | (cylinder >> 8) << 6)?, byte(cylinder & 0xFF)?])
    }

    /// What stands for an address beyond the last cylinder.
    fn beyond(self) -> [u8; 3] {
        [self.heads.max(1) - 1, self.sectors.max(1) | 0xC0, 0xFF]
    }
}

/// A partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// [`ACTIVE`] or 0.
    pub status: u8,
    /// See [`types`].
    pub kind: u8,
    /// Its first sector.
    pub start: u32,
    /// Its sectors.
    pub count: u32,
}

impl Entry {
    /// The entry that covers a disk of `total_sectors` from sector 1 on, as far as 32 bits reach.
    #[must_use]
    pub fn protective(total_sectors: u64) -> Self {
        let count = u32::try_from(total_sectors.saturating_sub(1)).unwrap_or(u32::MAX);
        Self { status: 0, kind: types::PROTECTIVE, start: 1, count }
    }

    /// The sector behind the partition.
    #[must_use]
    pub fn end(&self) -> u64 {
        u64::from(self.start) + u64::from(self.count)
    }

    fn encode(self, geometry: Geometry) -> [u8; ENTRY_LEN] {
        // UEFI 2.11, table 5.4: the protective entry has its own value for "beyond".
        let beyond = if self.kind == types::PROTECTIVE { [0xFF; 3] } else { geometry.beyond() };
        let chs = |lba| geometry.chs(lba).unwrap_or(beyond);
        let mut bytes = [0; ENTRY_LEN];
        bytes[0] = self.status;
        put(&mut bytes, 1, &chs(u64::from(self.start)));
        bytes[4] = self.kind;
        put(&mut bytes, 5, &chs(self.end().saturating_sub(1)));
        put(&mut bytes, 8, &self.start.to_le_bytes());
        put(&mut bytes, 12, &self.count.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let used = bytes.iter().any(|byte| *byte != 0);
        used.then(|| Self {
            status: bytes[0],
            kind: bytes[4],
            start: u32_at(bytes, 8),
            count: u32_at(bytes, 12),
        })
    }
}

/// A master boot record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mbr {
    /// Code that a BIOS starts; all zeros for none. Offset 0x1B0, where GRUB's hybrid code keeps
    /// a sector number, lies in it.
    pub boot_code: [u8; BOOT_CODE_LEN],
    /// Identifies the disk to some systems; 0 for none.
    pub disk_signature: u32,
    /// The partitions.
    pub entries: [Option<Entry>; 4],
    /// What the CHS fields count with.
    pub geometry: Geometry,
}

/// Why bytes are no master boot record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// Too few bytes.
    #[error("a master boot record has {LEN} bytes, there are {len}")]
    Short {
        /// The bytes there are.
        len: usize,
    },
    /// The last two bytes are wrong.
    #[error("boot signature {found:#06x} instead of 0xaa55")]
    Signature {
        /// What stands there.
        found: u16,
    },
}

/// What is wrong with a master boot record that can be read. Entries are counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Finding {
    /// A status other than 0 and 0x80.
    #[error("mbr entry {number}: status {status:#04x} is neither 0x00 nor 0x80")]
    Status {
        /// The entry.
        number: usize,
        /// Its status.
        status: u8,
    },
    /// The partition ends behind the disk.
    #[error("mbr entry {number}: ends at sector {end}, the disk has {total}")]
    Beyond {
        /// The entry.
        number: usize,
        /// The sector behind it.
        end: u64,
        /// The disk's sectors.
        total: u64,
    },
    /// The partition has no sectors.
    #[error("mbr entry {number}: no sectors")]
    Empty {
        /// The entry.
        number: usize,
    },
    /// Two partitions share sectors.
    #[error("mbr entries {first} and {second} overlap")]
    Overlap {
        /// One of them.
        first: usize,
        /// The other.
        second: usize,
    },
    /// More than one partition is active.
    #[error("mbr entries {first} and {second} are both active")]
    Active {
        /// One of them.
        first: usize,
        /// The other.
        second: usize,
    },
}

impl Mbr {
    /// No boot code, no signature, the geometry of disks.
    #[must_use]
    pub fn new(entries: [Option<Entry>; 4]) -> Self {
        Self { boot_code: [0; BOOT_CODE_LEN], disk_signature: 0, entries, geometry: Geometry::DISK }
    }

    /// The sector.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; LEN] {
        let mut bytes = [0; LEN];
        put(&mut bytes, 0, &self.boot_code);
        put(&mut bytes, DISK_SIGNATURE, &self.disk_signature.to_le_bytes());
        for (index, entry) in self.entries.iter().enumerate() {
            if let Some(entry) = entry {
                put(&mut bytes, ENTRIES + index * ENTRY_LEN, &entry.encode(self.geometry));
            }
        }
        put(&mut bytes, BOOT_SIGNATURE, &[0x55, 0xAA]);
        bytes
    }

    /// Reads the first sector of a disk; entries of zeros are unused. The geometry is not in it.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn read(sector: &[u8]) -> Result<Self, ReadError> {
        let (Some(boot_code), Some(signature)) = (array(sector, 0), array(sector, BOOT_SIGNATURE))
        else {
            return Err(ReadError::Short { len: sector.len() });
        };
        let found = u16::from_le_bytes(signature);
        if found != 0xAA55 {
            return Err(ReadError::Signature { found });
        }
        let entry = |index| {
            let at = ENTRIES + index * ENTRY_LEN;
            Entry::decode(&sector[at..at + ENTRY_LEN])
        };
        Ok(Self {
            boot_code,
            disk_signature: u32_at(sector, DISK_SIGNATURE),
            entries: [entry(0), entry(1), entry(2), entry(3)],
            geometry: Geometry::DISK,
        })
    }

    /// What is wrong with the entries on a disk of `total_sectors`. An entry of type 0 is a
    /// marker, not a partition, and may lie over others.
    #[must_use]
    pub fn check(&self, total_sectors: u64) -> Vec<Finding> {
        let mut findings = Vec::new();
        let used: Vec<_> = self
            .entries
            .iter()
            .enumerate()
            .filter_map(|(index, entry)| entry.map(|entry| (index + 1, entry)))
            .collect();
        for (number, entry) in &used {
            let (number, status, end) = (*number, entry.status, entry.end());
            if !matches!(status, 0 | ACTIVE) {
                findings.push(Finding::Status { number, status });
            }
            if entry.count == 0 && entry.kind != types::EMPTY {
                findings.push(Finding::Empty { number });
            }
            // A protective entry of the greatest length stands for "to the end".
            if end > total_sectors && entry.count != u32::MAX {
                findings.push(Finding::Beyond { number, end, total: total_sectors });
            }
        }
        for (at, (first, a)) in used.iter().enumerate() {
            for (second, b) in &used[at + 1..] {
                let (first, second) = (*first, *second);
                if a.status == ACTIVE && b.status == ACTIVE {
                    findings.push(Finding::Active { first, second });
                }
                let partitions = a.kind != types::EMPTY && b.kind != types::EMPTY;
                if partitions && u64::from(a.start) < b.end() && u64::from(b.start) < a.end() {
                    findings.push(Finding::Overlap { first, second });
                }
            }
        }
        findings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hybrid_isos_record_is_byte_for_byte_what_xorriso_writes() {
        let mut mbr = Mbr::new([
            Some(Entry::protective(72016)),
            Some(Entry { status: ACTIVE, kind: types::EMPTY, start: 0, count: 1 }),
            None,
            None,
        ]);
        mbr.geometry = Geometry::MIB_CYLINDERS;
        mbr.boot_code[0x1B0..0x1B8].copy_from_slice(&268u64.to_le_bytes());
        let bytes = mbr.to_bytes();
        assert_eq!(
            bytes[446..462],
            [0, 0, 2, 0, 0xEE, 0x0A, 0x10, 0x23, 1, 0, 0, 0, 0x4F, 0x19, 1, 0]
        );
        assert_eq!(bytes[462..478], [0x80, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0]);
        assert_eq!(bytes[0x1B0..0x1B4], [12, 1, 0, 0]);
        let read = Mbr::read(&bytes).unwrap();
        assert_eq!(read, Mbr { geometry: Geometry::DISK, ..mbr });
        assert_eq!(read.check(72016), []);
    }

    #[test]
    fn addresses_beyond_the_last_cylinder_are_saturated() {
        let mut mbr = Mbr::new([
            Some(Entry::protective(u64::MAX)),
            Some(Entry { status: 0, kind: types::LINUX, start: 16_450_559, count: 2 }),
            None,
            None,
        ]);
        let bytes = mbr.to_bytes();
        assert_eq!(bytes[451..454], [0xFF; 3]);
        assert_eq!(bytes[458..462], [0xFF; 4]);
        // The last address there is, and the one behind it.
        assert_eq!(bytes[463..466], [0xFE, 0xFF, 0xFF]);
        assert_eq!(bytes[467..470], [0xFE, 0xFF, 0xFF]);
        mbr.geometry = Geometry { heads: 0, sectors: 0 };
        assert_eq!(mbr.to_bytes()[447..450], [0, 1, 1]);
    }

    #[test]
    fn other_sectors_are_refused_and_wrong_entries_found() {
        assert_eq!(
            Mbr::read(&[0; 511]).unwrap_err().to_string(),
            "a master boot record has 512 bytes, there are 511"
        );
        assert_eq!(
            Mbr::read(&[0; 512]).unwrap_err().to_string(),
            "boot signature 0x0000 instead of 0xaa55"
        );
        let entry = |status, start, count| Some(Entry { status, kind: types::LINUX, start, count });
        let mbr = Mbr::new([
            entry(ACTIVE, 10, 10),
            entry(ACTIVE, 19, 2),
            entry(1, 30, 80),
            entry(0, 5, 0),
        ]);
        let findings: Vec<_> = mbr.check(100).iter().map(ToString::to_string).collect();
        assert_eq!(
            findings,
            [
                "mbr entry 3: status 0x01 is neither 0x00 nor 0x80",
                "mbr entry 3: ends at sector 110, the disk has 100",
                "mbr entry 4: no sectors",
                "mbr entries 1 and 2 are both active",
                "mbr entries 1 and 2 overlap",
            ]
        );
    }
}
