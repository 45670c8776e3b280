//! Whether the parts of an image agree with each other.

use std::collections::BTreeMap;
use std::io::{Read, Seek};

use super::directory::{Record, entries, records};
use super::source::{Source, array, le16, le32};
use super::{ENTRIES_MAX, Extent, Info, ReadError, Volume, corrupt};
use crate::boot_info;
use crate::el_torito::Platform;
use crate::iso9660::format::{BLOCK, DESCRIPTORS};

/// Bytes of padding looked at in one go.
const CHUNK: u64 = 1 << 16;
/// Path table records that a reader remembers: more than their numbers' 16 bits.
const DIRECTORIES_MAX: usize = 1 << 20;
/// Largest BIOS boot image whose checksum is looked at.
const BIOS_IMAGE_MAX: u64 = 32 << 20;

/// See [`super::Image::check`].
pub(super) fn check<R: Read + Seek>(source: &mut Source<R>, info: &Info) -> Result<(), ReadError> {
    let mut files = BTreeMap::new();
    for volume in info.volumes.iter().chain(&info.partition_view) {
        let at = u64::from(volume.block) * BLOCK + 80;
        let end = (u64::from(volume.base) + u64::from(volume.blocks)) * BLOCK;
        if end > info.len {
            return Err(corrupt("the volume is larger than the image", at));
        }
        if volume.base == 0 {
            check_padding(source, end)?;
        }
        // Reads what the records say beyond ECMA-119.
        entries(source, volume)?;
        check_hierarchy(source, volume, end, &mut files)?;
    }
    check_overlaps(&files)?;
    check_boot(source, info, &files)?;
    check_tables(info)
}

/// Others pad images beyond the volume; whatever else is there would be lost in a copy of it.
fn check_padding<R: Read + Seek>(source: &mut Source<R>, from: u64) -> Result<(), ReadError> {
    let mut at = from;
    while at < source.len() {
        let bytes = source.bytes(at, CHUNK.min(source.len() - at))?;
        if bytes.iter().any(|byte| *byte != 0) {
            return Err(corrupt("the image goes on behind the end of the volume", from));
        }
        at += bytes.len() as u64;
    }
    Ok(())
}

/// A directory of the path table.
struct Listed {
    block: u64,
    parent: usize,
    identifier: Vec<u8>,
    at: u64,
}

fn path_table<R: Read + Seek>(
    source: &mut Source<R>,
    volume: &Volume,
    big: bool,
) -> Result<Vec<Listed>, ReadError> {
    let block = if big { volume.path_table_m } else { volume.path_table_l };
    let at = block.saturating_mul(BLOCK);
    let bytes = source.bytes(at, volume.path_table_len.into())?;
    let (mut listed, mut from) = (Vec::new(), 0);
    while let Some(len) = bytes.get(from).copied() {
        let here = at + from as u64;
        let identifier = bytes.get(from + 8..from + 8 + usize::from(len));
        let identifier = identifier
            .filter(|id| !id.is_empty())
            .ok_or_else(|| corrupt("a path table record has a wrong length", here))?;
        let (place, parent) = match big {
            true => {
                let place = u32::from_be_bytes(array(&bytes, from + 2));
                (place, u16::from_be_bytes(array(&bytes, from + 6)))
            }
            false => (le32(&bytes, from + 2), le16(&bytes, from + 6)),
        };
        if listed.len() == DIRECTORIES_MAX {
            return Err(ReadError::Limit { what: "directories", limit: DIRECTORIES_MAX });
        }
        listed.push(Listed {
            block: u64::from(place) + u64::from(volume.base),
            parent: usize::from(parent),
            identifier: identifier.to_vec(),
            at: here,
        });
        from += 8 + usize::from(len).next_multiple_of(2);
    }
    Ok(listed)
}

/// Walks the hierarchy in the order that the path table must have, and notes every file's place.
fn check_hierarchy<R: Read + Seek>(
    source: &mut Source<R>,
    volume: &Volume,
    end: u64,
    files: &mut BTreeMap<u64, u64>,
) -> Result<(), ReadError> {
    let listed = path_table(source, volume, false)?;
    let big = path_table(source, volume, true)?;
    let same = |(a, b): (&Listed, &Listed)| {
        (a.block, a.parent, &a.identifier) == (b.block, b.parent, &b.identifier)
    };
    if listed.len() != big.len() || !listed.iter().zip(&big).all(same) {
        return Err(corrupt("the path tables differ", volume.path_table_l.saturating_mul(BLOCK)));
    }
    // Each with its number in the path table, its parent's extent and its parent's record of it.
    let mut directories = vec![(1, volume.root, volume.root, None)];
    let (mut at, mut count) = (0, 0);
    while let Some((parent_number, extent, parent, known)) = directories.get(at).cloned() {
        let number = at + 1;
        at += 1;
        let records = records(source, extent, volume.base)?;
        count += records.len();
        if count > ENTRIES_MAX {
            return Err(ReadError::Limit { what: "directory records", limit: ENTRIES_MAX });
        }
        check_own(&records, extent, parent, known.as_ref())?;
        let expected = listed.get(number - 1);
        let expected = expected.filter(|listed| {
            listed.block == extent.block
                && listed.parent == parent_number
                && known
                    .as_ref()
                    .is_none_or(|record: &Record| record.identifier == listed.identifier)
        });
        if expected.is_none() {
            return Err(corrupt("the path table and a directory differ", records[0].at));
        }
        check_order(&records, volume.joliet)?;
        for record in &records[2..] {
            if record.is_directory() {
                // A loop would go on for ever, were it not longer than the path table.
                directories.push((number, record.extent, extent, Some(record.clone())));
            } else if record.extent.len > 0 {
                note_file(record, end, files)?;
            }
        }
    }
    match listed.get(directories.len()) {
        Some(more) => Err(corrupt("the path table has a directory that does not exist", more.at)),
        None => Ok(()),
    }
}

/// The first two records against what the parent says.
fn check_own(
    records: &[Record],
    extent: Extent,
    parent: Extent,
    known: Option<&Record>,
) -> Result<(), ReadError> {
    let (own, up) = (&records[0], &records[1]);
    if own.extent != extent {
        return Err(corrupt("a directory's own record gives another place", own.at));
    }
    if up.extent != parent {
        return Err(corrupt("a directory's record of its parent gives another place", up.at));
    }
    let attributes = |record: &Record| {
        // PX stands first in what we write and wherever Linux looks for it.
        let area = record.system_use.0.as_slice();
        area.starts_with(b"PX").then(|| area.get(..36).map(<[u8]>::to_vec)).flatten()
    };
    let differ =
        known.is_some_and(|known| known.date != own.date || attributes(known) != attributes(own));
    if differ {
        return Err(corrupt("a directory's own record differs from its parent's", own.at));
    }
    Ok(())
}

/// Identifiers ascend (ECMA-119 9.3); only pieces of a file share one.
fn check_order(records: &[Record], joliet: bool) -> Result<(), ReadError> {
    let key = |record: &Record| {
        let id = &record.identifier;
        if joliet {
            return vec![id.strip_suffix(b"\0;\x001").unwrap_or(id).to_vec()];
        }
        let id = id.strip_suffix(b";1").unwrap_or(id);
        id.splitn(2, |byte| *byte == b'.').map(<[u8]>::to_vec).collect()
    };
    let keys: Vec<Vec<Vec<u8>>> = records[2..].iter().map(key).collect();
    for (pair, keys) in records[2..].windows(2).zip(keys.windows(2)) {
        let ordered = if pair[0].continues() { keys[0] == keys[1] } else { keys[0] < keys[1] };
        if !ordered {
            return Err(corrupt("directory records are not in order", pair[1].at));
        }
    }
    Ok(())
}

fn note_file(record: &Record, end: u64, files: &mut BTreeMap<u64, u64>) -> Result<(), ReadError> {
    let start = record.extent.block.saturating_mul(BLOCK);
    if start.saturating_add(record.extent.len) > end {
        return Err(corrupt("a file lies beyond the end of the volume", record.at));
    }
    if files
        .insert(record.extent.block, record.extent.len)
        .is_some_and(|len| len != record.extent.len)
    {
        return Err(corrupt("two files share a place but not a length", record.at));
    }
    Ok(())
}

fn check_overlaps(files: &BTreeMap<u64, u64>) -> Result<(), ReadError> {
    for ((block, len), (next, _)) in files.iter().zip(files.iter().skip(1)) {
        if block + len.div_ceil(BLOCK) > *next {
            return Err(corrupt("two files overlap", next * BLOCK));
        }
    }
    Ok(())
}

fn check_boot<R: Read + Seek>(
    source: &mut Source<R>,
    info: &Info,
    files: &BTreeMap<u64, u64>,
) -> Result<(), ReadError> {
    for entry in &info.boot_entries {
        let block = u64::from(entry.block);
        let at = block * BLOCK;
        let end = at + u64::from(entry.sectors) * 512;
        if at >= info.len || end > info.len {
            return Err(corrupt("a boot image lies beyond the image's end", at));
        }
        let Some(len) = files.get(&block) else { continue };
        if entry.platform == Platform::EFI
            && entry.sectors > 1
            && end - at != len.next_multiple_of(512)
        {
            return Err(corrupt(
                "the boot catalog and a file differ in the length of the image",
                at,
            ));
        }
        if entry.platform == Platform::BIOS && (boot_info::TABLE_MIN..=BIOS_IMAGE_MAX).contains(len)
        {
            check_boot_info(source, entry.block, *len)?;
        }
    }
    Ok(())
}

/// Checks the boot information table of an image that seems to have one.
fn check_boot_info<R: Read + Seek>(
    source: &mut Source<R>,
    block: u32,
    len: u64,
) -> Result<(), ReadError> {
    let at = u64::from(block) * BLOCK;
    let bytes = source.bytes(at, len)?;
    let field = |n: usize| le32(&bytes, 8 + 4 * n);
    if field(0) != DESCRIPTORS || field(1) != block {
        return Ok(());
    }
    let checksum = boot_info::checksum(&mut bytes.as_slice(), &[])?;
    if u64::from(field(2)) != len || field(3) != checksum {
        return Err(corrupt("a boot information table is wrong", at + boot_info::TABLE_OFFSET));
    }
    Ok(())
}

fn check_tables(info: &Info) -> Result<(), ReadError> {
    let finding = |finding: String| ReadError::PartitionTable { finding };
    if let Some(wrong) = info.gpt.as_ref().and_then(|found| found.findings.first()) {
        return Err(finding(wrong.to_string()));
    }
    let wrong = info.mbr.as_ref().and_then(|mbr| mbr.check(info.len / 512).into_iter().next());
    wrong.map_or(Ok(()), |wrong| Err(finding(wrong.to_string())))
}
