//! Reads tables back and says what is wrong with them. Nothing here shares code with the
//! encoder but the offsets of the fields.

mod check;
mod finding;

use std::io::{self, Read, Seek, SeekFrom};

use super::format::{ENTRY_LEN, NAME_MAX, PRIMARY_LBA, SIGNATURE, entry, header};
use super::plan::Entry;
use crate::bytes::{array, u16_at, u32_at, u64_at};
use crate::{Guid, SectorSize, mbr};
use check::{check_crc, check_header};
pub use finding::Finding;

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
