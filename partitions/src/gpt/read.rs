//! Reads tables back and says what is wrong with them. Nothing here shares code with the
//! encoder but the offsets of the fields.

use std::io::{self, Read, Seek, SeekFrom};

use super::format::{
    ENTRY_LEN, HEADER_LEN, NAME_MAX, PRIMARY_LBA, REVISION, SIGNATURE, entry, header,
};
use super::plan::Entry;
use crate::bytes::{array, u16_at, u32_at, u64_at};
use crate::{Guid, SectorSize, mbr};

/// The most bytes of entries that are read: far more than any tool makes.
const ENTRIES_LEN_MAX: u64 = 1 << 22;

/// Why no table could be read at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The disk could not be read.
    #[error("cannot read the disk")]
    Io(#[from] io::Error),
    /// Neither a primary nor a backup header.
    #[error("no GUID partition table")]
    NoTable,
}

/// Something wrong with a table. `copy` is `primary` or `backup`; partitions count from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Finding {
    /// No header where there should be one.
    #[error("{copy} gpt: no header at sector {lba}")]
    Missing {
        /// Which table.
        copy: &'static str,
        /// The sector.
        lba: u64,
    },
    /// A CRC does not fit its bytes.
    #[error("{copy} gpt: crc of the {what} is {computed:#010x}, the header says {stored:#010x}")]
    Crc {
        /// Which table.
        copy: &'static str,
        /// `header` or `entries`.
        what: &'static str,
        /// What the header says.
        stored: u32,
        /// What the bytes give.
        computed: u32,
    },
    /// A field of a header has a wrong value.
    #[error("{copy} gpt: {field} is {found}, expected {expected}")]
    Field {
        /// Which table.
        copy: &'static str,
        /// The field.
        field: &'static str,
        /// Its value.
        found: u64,
        /// The value it should have.
        expected: u64,
    },
    /// The array of entries is not on the disk, or too large to read.
    #[error("{copy} gpt: {len} bytes of entries at sector {lba} cannot be read")]
    Entries {
        /// Which table.
        copy: &'static str,
        /// Where they should be.
        lba: u64,
        /// How many bytes.
        len: u64,
    },
    /// The two tables differ.
    #[error("the primary and the backup gpt differ in {what}")]
    Differ {
        /// In what.
        what: &'static str,
    },
    /// A partition is empty or reaches out of the usable sectors.
    #[error("partition {number}: sectors {first} to {last} are not within {min} to {max}")]
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
        /// The one that begins earlier.
        first: usize,
        /// The other.
        second: usize,
        /// The first sector they share.
        lba: u64,
    },
    /// Two partitions have one GUID.
    #[error("partitions {first} and {second} have the same GUID {guid}")]
    SameGuid {
        /// One of them.
        first: usize,
        /// The other.
        second: usize,
        /// The GUID.
        guid: Guid,
    },
    /// The master boot record in front has no protective entry over the disk.
    #[error("protective mbr: {problem}")]
    ProtectiveMbr {
        /// What is wrong.
        problem: String,
    },
}

/// One of a disk's two tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    /// The sector its header says it stands in.
    pub my_lba: u64,
    /// Where it says the other header is.
    pub alternate_lba: u64,
    /// The first sector for partitions.
    pub first_usable: u64,
    /// The last sector for partitions.
    pub last_usable: u64,
    /// The disk's GUID.
    pub disk_guid: Guid,
    /// Where the entries are.
    pub entries_lba: u64,
    /// How many there is room for.
    pub entry_count: u32,
    /// The entries in use with their numbers, in order of these.
    pub entries: Vec<(usize, Entry)>,
}

/// What was found on a disk.
#[derive(Clone, Debug)]
pub struct Found {
    /// The disk's sectors.
    pub sector_size: SectorSize,
    /// The table at the start.
    pub primary: Option<Copy>,
    /// The table at the end.
    pub backup: Option<Copy>,
    /// Everything that is wrong; empty for a sound disk.
    pub findings: Vec<Finding>,
}

impl Found {
    /// The table to go by: the primary one, else the backup.
    #[must_use]
    pub fn table(&self) -> Option<&Copy> {
        self.primary.as_ref().or(self.backup.as_ref())
    }
}

/// Reads both tables of the disk `source`, whose length is that of the stream. The sector size is
/// the one for which a header stands in sector 1 (or, if there is none, in the last sector).
///
/// # Errors
/// [`ReadError`]; a damaged table is no error as long as there is a header.
pub fn read<R: Read + Seek>(source: &mut R) -> Result<Found, ReadError> {
    let len = source.seek(SeekFrom::End(0))?;
    let mut disk = Disk::with_header(source, len)?.ok_or(ReadError::NoTable)?;

    let mut findings = Vec::new();
    disk.check_mbr(&mut findings)?;
    let primary = disk.copy("primary", PRIMARY_LBA, &mut findings)?;
    let backup = disk.copy("backup", disk.last(), &mut findings)?;
    let found = Found { sector_size: disk.size, primary, backup, findings };
    Ok(found.checked(disk.last()))
}

struct Disk<'a, R> {
    source: &'a mut R,
    size: SectorSize,
    total: u64,
}

impl<'a, R: Read + Seek> Disk<'a, R> {
    /// The disk with the sector size for which it has a primary header, else a backup header.
    fn with_header(source: &'a mut R, len: u64) -> io::Result<Option<Self>> {
        let disk = |size: SectorSize| (size, len / size.bytes());
        let sizes = [SectorSize::B512, SectorSize::B4096].map(disk);
        let primary = sizes.map(|(size, total)| (size, total, PRIMARY_LBA));
        let backup = sizes.map(|(size, total)| (size, total, total.saturating_sub(1)));
        for (size, total, lba) in primary.into_iter().chain(backup) {
            let mut disk = Disk { source: &mut *source, size, total };
            if disk.has_header(lba)? {
                return Ok(Some(Self { source, size, total }));
            }
        }
        Ok(None)
    }

    fn last(&self) -> u64 {
        self.total.saturating_sub(1)
    }

    /// `len` bytes from sector `lba`, if the disk has them.
    fn bytes(&mut self, lba: u64, len: u64) -> io::Result<Option<Vec<u8>>> {
        let Some(offset) = lba.checked_mul(self.size.bytes()) else { return Ok(None) };
        let fits = offset.checked_add(len).is_some_and(|end| end <= self.total * self.size.bytes());
        if !fits || len > ENTRIES_LEN_MAX {
            return Ok(None);
        }
        self.source.seek(SeekFrom::Start(offset))?;
        let mut bytes = Vec::new();
        self.source.take(len).read_to_end(&mut bytes)?;
        Ok((bytes.len() as u64 == len).then_some(bytes))
    }

    fn has_header(&mut self, lba: u64) -> io::Result<bool> {
        let sector = self.bytes(lba, self.size.bytes())?;
        Ok(sector.is_some_and(|sector| sector.starts_with(SIGNATURE)))
    }

    fn check_mbr(&mut self, findings: &mut Vec<Finding>) -> io::Result<()> {
        let sector = self.bytes(0, mbr::LEN as u64)?.unwrap_or_default();
        let wanted = mbr::Entry::protective(self.total);
        let problem = match mbr::Mbr::read(&sector) {
            Err(error) => error.to_string(),
            Ok(mbr) => match mbr.entries.iter().flatten().find(|e| e.kind == wanted.kind) {
                None => "no entry of type 0xee".to_owned(),
                Some(entry) if (entry.start, entry.count) == (wanted.start, wanted.count) => {
                    return Ok(());
                }
                Some(entry) => format!(
                    "{} sectors from {} instead of {} from {}",
                    entry.count, entry.start, wanted.count, wanted.start
                ),
            },
        };
        findings.push(Finding::ProtectiveMbr { problem });
        Ok(())
    }

    fn copy(
        &mut self,
        copy: &'static str,
        lba: u64,
        findings: &mut Vec<Finding>,
    ) -> io::Result<Option<Copy>> {
        let sector = self.bytes(lba, self.size.bytes())?.unwrap_or_default();
        if !sector.starts_with(SIGNATURE) {
            findings.push(Finding::Missing { copy, lba });
            return Ok(None);
        }
        check_header(copy, &sector, lba, findings);
        let mut table = Copy {
            my_lba: u64_at(&sector, header::MY_LBA),
            alternate_lba: u64_at(&sector, header::ALTERNATE_LBA),
            first_usable: u64_at(&sector, header::FIRST_USABLE),
            last_usable: u64_at(&sector, header::LAST_USABLE),
            disk_guid: Guid(array(&sector, header::DISK_GUID).unwrap_or_default()),
            entries_lba: u64_at(&sector, header::ENTRIES_LBA),
            entry_count: u32_at(&sector, header::ENTRY_COUNT),
            entries: Vec::new(),
        };
        let entry_len = u32_at(&sector, header::ENTRY_LEN);
        let len = u64::from(table.entry_count) * u64::from(entry_len);
        match self.bytes(table.entries_lba, len)? {
            Some(bytes) if entry_len as usize >= ENTRY_LEN => {
                let stored = u32_at(&sector, header::ENTRIES_CRC);
                check_crc(copy, "entries", stored, &bytes, findings);
                table.entries = decode_entries(&bytes, entry_len as usize);
            }
            _ => findings.push(Finding::Entries { copy, lba: table.entries_lba, len }),
        }
        Ok(Some(table))
    }
}

fn check_header(copy: &'static str, sector: &[u8], lba: u64, findings: &mut Vec<Finding>) {
    let size = u32_at(sector, header::SIZE);
    let covered = usize::try_from(size).ok().filter(|size| *size >= HEADER_LEN);
    match covered.and_then(|size| sector.get(..size)) {
        Some(covered) => {
            let mut covered = covered.to_vec();
            covered[header::CRC..header::CRC + 4].fill(0);
            check_crc(copy, "header", u32_at(sector, header::CRC), &covered, findings);
        }
        None => findings.push(Finding::Field {
            copy,
            field: "header size",
            found: size.into(),
            expected: HEADER_LEN as u64,
        }),
    }
    for (field, found, expected) in [
        ("revision", u32_at(sector, header::REVISION).into(), REVISION.into()),
        ("my lba", u64_at(sector, header::MY_LBA), lba),
        ("entry size", u32_at(sector, header::ENTRY_LEN).into(), ENTRY_LEN as u64),
    ] {
        if found != expected {
            findings.push(Finding::Field { copy, field, found, expected });
        }
    }
}

fn check_crc(
    copy: &'static str,
    what: &'static str,
    stored: u32,
    bytes: &[u8],
    findings: &mut Vec<Finding>,
) {
    let computed = crc32fast::hash(bytes);
    if computed != stored {
        findings.push(Finding::Crc { copy, what, stored, computed });
    }
}

fn decode_entries(bytes: &[u8], entry_len: usize) -> Vec<(usize, Entry)> {
    let guid = |bytes: &[u8], at| Guid(array(bytes, at).unwrap_or_default());
    bytes
        .chunks_exact(entry_len)
        .enumerate()
        .filter(|(_, bytes)| !guid(bytes, entry::TYPE).is_nil())
        .map(|(index, bytes)| {
            let units = (0..NAME_MAX).map(|unit| u16_at(bytes, entry::NAME + unit * 2));
            let name: Vec<u16> = units.take_while(|unit| *unit != 0).collect();
            let entry = Entry {
                type_guid: guid(bytes, entry::TYPE),
                guid: guid(bytes, entry::GUID),
                first_lba: u64_at(bytes, entry::FIRST_LBA),
                last_lba: u64_at(bytes, entry::LAST_LBA),
                attributes: u64_at(bytes, entry::ATTRIBUTES),
                name: String::from_utf16_lossy(&name),
            };
            (index + 1, entry)
        })
        .collect()
}

impl Found {
    /// With the checks that need both tables or the partitions.
    fn checked(mut self, last_lba: u64) -> Self {
        let mut findings = Vec::new();
        if let Some(primary) = &self.primary
            && primary.alternate_lba != last_lba
        {
            findings.push(Finding::Field {
                copy: "primary",
                field: "alternate lba",
                found: primary.alternate_lba,
                expected: last_lba,
            });
        }
        if let Some(backup) = &self.backup
            && backup.alternate_lba != PRIMARY_LBA
        {
            findings.push(Finding::Field {
                copy: "backup",
                field: "alternate lba",
                found: backup.alternate_lba,
                expected: PRIMARY_LBA,
            });
        }
        if let (Some(a), Some(b)) = (&self.primary, &self.backup) {
            for (what, same) in [
                ("the disk's GUID", a.disk_guid == b.disk_guid),
                (
                    "the usable sectors",
                    (a.first_usable, a.last_usable) == (b.first_usable, b.last_usable),
                ),
                ("the entries", a.entries == b.entries),
            ] {
                if !same {
                    findings.push(Finding::Differ { what });
                }
            }
        }
        if let Some(table) = self.table() {
            table.check_partitions(&mut findings);
        }
        self.findings.extend(findings);
        self
    }
}

impl Copy {
    fn check_partitions(&self, findings: &mut Vec<Finding>) {
        let (min, max) = (self.first_usable, self.last_usable);
        for (number, entry) in &self.entries {
            let (first, last) = (entry.first_lba, entry.last_lba);
            if first > last || first < min || last > max {
                findings.push(Finding::Bounds { number: *number, first, last, min, max });
            }
        }
        let mut sorted: Vec<_> = self.entries.iter().collect();
        sorted.sort_by_key(|(number, entry)| (entry.first_lba, *number));
        for pair in sorted.windows(2) {
            let ((first, earlier), (second, later)) = (pair[0], pair[1]);
            if later.first_lba <= earlier.last_lba {
                let (first, second) = (*first, *second);
                findings.push(Finding::Overlap { first, second, lba: later.first_lba });
            }
        }
        sorted.sort_by_key(|(number, entry)| (entry.guid, *number));
        for pair in sorted.windows(2) {
            let ((first, a), (second, b)) = (pair[0], pair[1]);
            if a.guid == b.guid {
                findings.push(Finding::SameGuid { first: *first, second: *second, guid: a.guid });
            }
        }
    }
}
