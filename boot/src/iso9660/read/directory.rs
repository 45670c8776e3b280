//! Directory records (ECMA-119 9.1) and the walk through a hierarchy.

use std::collections::BTreeSet;
use std::io::{Read, Seek};

use super::source::{Source, array, twice16, twice32};
use super::system_use::{RockRidge, SystemUse, relocated};
use super::volume::utf16;
use super::{ENTRIES_MAX, Entry, EntryKind, Extent, PATHS_MAX, ReadError, Volume, corrupt};
use crate::iso9660::format::{
    BLOCK, BLOCK_LEN, FLAG_DIRECTORY, FLAG_MULTI_EXTENT, parse_record_date,
};

/// Bytes of a record before its identifier.
const HEAD: usize = 33;

/// A directory record.
#[derive(Clone, Debug)]
pub(in crate::iso9660) struct Record {
    /// Byte of the image at which it lies.
    pub(in crate::iso9660) at: u64,
    /// Its place in the image.
    pub(in crate::iso9660) extent: Extent,
    pub(in crate::iso9660) date: [u8; 7],
    pub(in crate::iso9660) flags: u8,
    pub(in crate::iso9660) identifier: Vec<u8>,
    /// The system use area, and the byte of the image at which it begins.
    pub(in crate::iso9660) system_use: (Vec<u8>, u64),
}

impl Record {
    /// The record at `at` within a block, and its length; `None` for the padding at a block's
    /// end.
    fn parse(
        block: &[u8],
        within: usize,
        at: u64,
        base: u32,
    ) -> Result<Option<(Self, usize)>, ReadError> {
        let len = block.get(within).copied().map_or(0, usize::from);
        if len == 0 {
            return Ok(None);
        }
        let broken = |problem| corrupt(problem, at);
        let bytes = block
            .get(within..within + len)
            .filter(|bytes| bytes.len() > HEAD)
            .ok_or_else(|| broken("a directory record has a wrong length"))?;
        let disagree = || broken("a number of a directory record differs between byte orders");
        let start = twice32(bytes, 2).ok_or_else(disagree)?;
        let data_len = twice32(bytes, 10).ok_or_else(disagree)?;
        twice16(bytes, 28).ok_or_else(disagree)?;
        if bytes[1] != 0 || bytes[26] != 0 || bytes[27] != 0 {
            return Err(broken("extended attribute records and interleaving are not supported"));
        }
        let id_len = usize::from(bytes[32]);
        let identifier = bytes.get(HEAD..HEAD + id_len).filter(|id| !id.is_empty());
        let identifier =
            identifier.ok_or_else(|| broken("an identifier is longer than its record"))?;
        let system_use = (HEAD + id_len).next_multiple_of(2);
        let record = Self {
            at,
            extent: Extent { block: u64::from(start) + u64::from(base), len: data_len.into() },
            date: array(bytes, 18),
            flags: bytes[25],
            identifier: identifier.to_vec(),
            system_use: (
                bytes.get(system_use..).unwrap_or_default().to_vec(),
                at + system_use as u64,
            ),
        };
        Ok(Some((record, len)))
    }

    pub(in crate::iso9660) fn is_directory(&self) -> bool {
        self.flags & FLAG_DIRECTORY != 0
    }

    /// Whether more records of the same file follow.
    pub(in crate::iso9660) fn continues(&self) -> bool {
        self.flags & FLAG_MULTI_EXTENT != 0
    }

    /// The system use entries, without the `skip` bytes that others use.
    pub(in crate::iso9660) fn entries<R: Read + Seek>(
        &self,
        source: &mut Source<R>,
        skip: usize,
        base: u32,
    ) -> Result<SystemUse, ReadError> {
        let (area, at) = &self.system_use;
        SystemUse::read(source, area.get(skip..).unwrap_or_default(), at + skip as u64, base)
    }
}

/// The records of the directory at `extent`, the two of itself and its parent first.
pub(in crate::iso9660) fn records<R: Read + Seek>(
    source: &mut Source<R>,
    extent: Extent,
    base: u32,
) -> Result<Vec<Record>, ReadError> {
    let start = extent.block.saturating_mul(BLOCK);
    if !extent.len.is_multiple_of(BLOCK) || extent.len == 0 {
        return Err(corrupt("a directory is not a whole number of blocks", start));
    }
    if start.saturating_add(extent.len) > source.len() {
        return Err(corrupt("a directory lies beyond the image's end", start));
    }
    let mut records = Vec::new();
    for number in 0..extent.len / BLOCK {
        let offset = start + number * BLOCK;
        let block = source.bytes(offset, BLOCK)?;
        let mut within = 0;
        while within < BLOCK_LEN {
            let at = offset + within as u64;
            let Some((record, len)) = Record::parse(&block, within, at, base)? else { break };
            if records.len() == ENTRIES_MAX {
                return Err(ReadError::Limit { what: "directory records", limit: ENTRIES_MAX });
            }
            records.push(record);
            within += len;
        }
    }
    match records.as_slice() {
        [own, parent, ..] if own.identifier == [0] && parent.identifier == [1] => Ok(records),
        _ => {
            Err(corrupt("a directory does not begin with records of itself and its parent", start))
        }
    }
}

/// How many bytes of each system use area are others', when the root's own record says that the
/// sharing protocol is in use.
pub(in crate::iso9660) fn sharing(root: &Record) -> Option<usize> {
    match root.system_use.0.as_slice() {
        [b'S', b'P', 7, 1, 0xBE, 0xEF, skip, ..] => Some(usize::from(*skip)),
        _ => None,
    }
}

/// See [`super::Image::entries`].
pub(super) fn entries<R: Read + Seek>(
    source: &mut Source<R>,
    volume: &Volume,
) -> Result<Vec<Entry>, ReadError> {
    let root = records(source, volume.root, volume.base)?;
    let mut walk = Walk {
        skip: sharing(&root[0]),
        volume,
        seen: BTreeSet::from([volume.root.block]),
        entries: Vec::new(),
        paths: 0,
    };
    let own = walk.entry(source, std::slice::from_ref(&root[0]), Vec::new())?;
    walk.entries.push(own);
    let mut below = walk.directory(source, 0, &root)?;
    let mut waiting = Vec::new();
    loop {
        waiting.extend(below.into_iter().rev());
        let Some((parent, extent)) = waiting.pop() else { break };
        let records = records(source, extent, volume.base)?;
        below = walk.directory(source, parent, &records)?;
    }
    Ok(walk.entries)
}

struct Walk<'a> {
    volume: &'a Volume,
    /// Bytes of a system use area to skip; `None` without Rock Ridge.
    skip: Option<usize>,
    /// First blocks of the directories met.
    seen: BTreeSet<u64>,
    entries: Vec<Entry>,
    /// Bytes of all paths.
    paths: usize,
}

impl Walk<'_> {
    /// Takes the entries of a directory, and returns the directories among them.
    fn directory<R: Read + Seek>(
        &mut self,
        source: &mut Source<R>,
        parent: usize,
        records: &[Record],
    ) -> Result<Vec<(usize, Extent)>, ReadError> {
        let mut below = Vec::new();
        let mut left = records.get(2..).unwrap_or_default();
        while let Some(first) = left.first() {
            let same = |record: &&Record| record.continues();
            let count = left.iter().take_while(same).count() + 1;
            let (file, rest) = left.split_at(count.min(left.len()));
            if file.iter().any(|record| record.identifier != first.identifier) {
                return Err(corrupt("the records of a file in pieces differ in name", first.at));
            }
            left = rest;
            let path = self.entries[parent].path.clone();
            let entry = self.entry(source, file, path)?;
            if entry.kind == EntryKind::Directory {
                if !self.seen.insert(first.extent.block) {
                    return Err(corrupt("a directory occurs twice", first.at));
                }
                below.push((self.entries.len(), first.extent));
            }
            self.paths += entry.path.len();
            if self.paths > PATHS_MAX {
                return Err(ReadError::Limit { what: "bytes of paths", limit: PATHS_MAX });
            }
            if self.entries.len() == ENTRIES_MAX {
                return Err(ReadError::Limit { what: "names", limit: ENTRIES_MAX });
            }
            self.entries.push(entry);
        }
        Ok(below)
    }

    /// The entry that `records` describe, in the directory `path`.
    fn entry<R: Read + Seek>(
        &self,
        source: &mut Source<R>,
        records: &[Record],
        mut path: Vec<u8>,
    ) -> Result<Entry, ReadError> {
        let first = &records[0];
        let rock = match self.skip {
            Some(skip) => {
                // The root's own record begins with SP itself, which comes before any skipping.
                let skip = if first.identifier == [0] { 0 } else { skip };
                let found = first.entries(source, skip, self.volume.base)?;
                if relocated(&found.entries) {
                    return Err(corrupt("relocated directories are not supported", first.at));
                }
                RockRidge::parse(&found.entries, first.at)?
            }
            None => RockRidge::default(),
        };
        let plain = if first.is_directory() { EntryKind::Directory } else { EntryKind::File };
        let kind = rock.kind(first.at)?.unwrap_or_else(|| plain.clone());
        if (kind == EntryKind::Directory) != (plain == EntryKind::Directory) {
            return Err(corrupt(
                "a record and its PX entry differ in what is a directory",
                first.at,
            ));
        }
        if first.identifier != [0] {
            let name = rock.name.unwrap_or_else(|| self.name(first));
            if name.is_empty() || name == b"." || name == b".." || name.contains(&b'/') {
                return Err(corrupt("a name that no directory entry can have", first.at));
            }
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(&name);
        }
        let regular = kind == EntryKind::File;
        let extents = records.iter().map(|record| record.extent);
        let extents = extents.filter(|extent| regular && extent.len > 0).collect();
        let mtime = rock.mtime.or_else(|| parse_record_date(first.date));
        Ok(Entry { path, kind, posix: rock.posix, mtime, extents })
    }

    /// The identifier as a name: in UTF-8, without version.
    fn name(&self, record: &Record) -> Vec<u8> {
        let id = &record.identifier;
        let mut name = if self.volume.joliet { utf16(id).into_bytes() } else { id.clone() };
        if !record.is_directory() && name.ends_with(b";1") {
            name.truncate(name.len() - 2);
        }
        name
    }
}
