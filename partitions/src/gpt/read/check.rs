//! Checks of what was read: each header by itself, both tables together, the partitions.

use super::super::format::{ENTRY_LEN, HEADER_LEN, PRIMARY_LBA, REVISION, header};
use super::{Copy, Finding, Found};
use crate::bytes::{u32_at, u64_at};

/// Checks what a header says of itself; `lba` is where it stands.
pub(super) fn check_header(
    copy: &'static str,
    sector: &[u8],
    lba: u64,
    findings: &mut Vec<Finding>,
) {
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

pub(super) fn check_crc(
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

impl Found {
    /// With the checks that need both tables or the partitions.
    pub(super) fn checked(mut self, last_lba: u64) -> Self {
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
