//! Walks all directories of a volume and checks chains and names on the way.

use std::collections::BTreeSet;
use std::io::{self, Read, Seek};

use super::format::{
    DIRECTORY_ENTRIES_MAX, ENTRY_LEN, FIRST_CLUSTER, FatType, MEDIA, attribute, entry, fs_info,
    long,
};
use super::name::{self, Short};
use super::read::{Finding, FoundEntry, Volume, label_text};
use super::time::DosTime;
use crate::bytes::{array, u16_at, u32_at};

/// Bytes of the longest path that is followed.
const PATH_MAX: usize = 4096;
/// Set in `CASE` when the base, and when the extension, is shown in lower case.
const LOWER_BASE: u8 = 0x08;
const LOWER_EXTENSION: u8 = 0x10;

/// What a walk brought.
#[derive(Debug, Default)]
pub(super) struct Walk {
    pub(super) entries: Vec<FoundEntry>,
    pub(super) findings: Vec<Finding>,
    pub(super) label: Option<String>,
    pub(super) free: u32,
    /// By cluster: whether a chain had it.
    used: Vec<bool>,
    /// Directories still to read, with their first clusters and those of their parents.
    open: Vec<(String, u32, u32)>,
}

pub(super) fn walk<R: Read + Seek>(volume: &mut Volume<R>) -> io::Result<Walk> {
    let layout = volume.layout.clone();
    let mut walk = Walk { used: vec![false; layout.clusters as usize + 2], ..Walk::default() };
    let expected = layout.fat_type.end_of_chain() & !0xFF | u32::from(MEDIA);
    walk.field("media type", layout.media.into(), MEDIA.into());
    walk.field("first FAT entry", volume.next(0).into(), expected.into());

    let root = match layout.fat_type {
        FatType::Fat32 => walk.chain_bytes(volume, layout.root_cluster, "")?,
        _ => volume.bytes(layout.root_offset(), layout.root_len)?,
    };
    walk.directory("", 0, &root, volume);
    while let Some((path, cluster, parent)) = walk.open.pop() {
        let bytes = walk.chain_bytes(volume, cluster, &path)?;
        walk.dots(&path, &bytes, cluster, parent);
        let rest = bytes.get(2 * ENTRY_LEN..).unwrap_or_default();
        walk.directory(&path, cluster, rest, volume);
    }
    // Found last in, first out; told depth first.
    walk.entries.sort_by(|a, b| a.path.split('/').cmp(b.path.split('/')));
    walk.totals(volume)?;
    Ok(walk)
}

impl Walk {
    fn field(&mut self, field: &'static str, found: u64, expected: u64) {
        if found != expected {
            self.findings.push(Finding::Field { field, found, expected });
        }
    }

    fn problem(&mut self, path: &str, problem: &'static str) {
        self.findings.push(Finding::Entry { path: path.to_owned(), problem });
    }

    /// The clusters of a chain that no other chain has.
    fn chain<R>(&mut self, volume: &Volume<R>, first: u32, path: &str) -> Vec<u32> {
        let mut chain = Vec::new();
        let mut cluster = first;
        loop {
            let index = cluster as usize;
            if cluster < FIRST_CLUSTER || index >= self.used.len() {
                // Eight numbers end a chain; one more marks a bad cluster.
                let end = volume.layout.fat_type.end_of_chain();
                if chain.is_empty() || cluster < end - 7 {
                    self.problem(path, "cluster chain leaves the volume");
                }
                return chain;
            }
            if self.used[index] {
                self.problem(path, "cluster chain runs into another or itself");
                return chain;
            }
            self.used[index] = true;
            chain.push(cluster);
            cluster = volume.next(cluster);
        }
    }

    fn chain_bytes<R: Read + Seek>(
        &mut self,
        volume: &mut Volume<R>,
        first: u32,
        path: &str,
    ) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        for cluster in self.chain(volume, first, path) {
            let Some(offset) = volume.layout.cluster_offset(cluster) else { break };
            bytes.extend(volume.bytes(offset, volume.layout.cluster_len)?);
            if bytes.len() as u64 > DIRECTORY_ENTRIES_MAX * ENTRY_LEN as u64 {
                self.problem(path, "directory of more than 2 MiB");
                break;
            }
        }
        Ok(bytes)
    }

    fn dots(&mut self, path: &str, bytes: &[u8], cluster: u32, parent: u32) {
        for (index, name, wanted) in [(0, b".          ", cluster), (1, b"..         ", parent)] {
            let entry = bytes.get(index * ENTRY_LEN..(index + 1) * ENTRY_LEN).unwrap_or_default();
            if !entry.starts_with(name) || first_cluster(entry) != wanted {
                self.problem(path, "wrong . or .. entry");
            }
        }
    }

    /// Reads the entries of a directory: `cluster` is its first one, 0 for the root.
    fn directory<R>(&mut self, path: &str, cluster: u32, bytes: &[u8], volume: &Volume<R>) {
        let mut long = LongName::default();
        let (mut names, mut shorts) = (BTreeSet::new(), BTreeSet::new());
        for bytes in bytes.chunks_exact(ENTRY_LEN) {
            let attributes = bytes[entry::ATTRIBUTES] & attribute::MASK;
            match bytes[0] {
                0 => break,
                0xE5 => long = LongName::default(),
                _ if attributes == attribute::LONG_NAME => long.push(bytes),
                _ if attributes & attribute::VOLUME_LABEL != 0 => {
                    if path.is_empty() {
                        self.label(label_text(&bytes[..11]), &volume.layout.label);
                    }
                }
                _ => {
                    let short: Short = array(bytes, entry::NAME).unwrap_or_default();
                    let text = std::mem::take(&mut long).text(&short);
                    let text = match text {
                        Ok(text) => text.unwrap_or_else(|| shown(&short, bytes[entry::CASE])),
                        Err(text) => {
                            self.problem(path, "long name that belongs to no entry");
                            text
                        }
                    };
                    if !names.insert(name::folded(&text)) || !shorts.insert(short) {
                        self.problem(path, "holds a name twice");
                    }
                    self.entry((path, cluster), &text, bytes, volume);
                }
            }
        }
    }

    fn label(&mut self, root: String, boot: &str) {
        if root != boot {
            self.findings.push(Finding::Label { boot: boot.to_owned(), root: root.clone() });
        }
        self.label = Some(root);
    }

    fn entry<R>(
        &mut self,
        (parent, parent_cluster): (&str, u32),
        name: &str,
        bytes: &[u8],
        volume: &Volume<R>,
    ) {
        let path = if parent.is_empty() { name.to_owned() } else { format!("{parent}/{name}") };
        if path.len() > PATH_MAX {
            self.problem(parent, "path too long to follow");
            return;
        }
        let is_directory = bytes[entry::ATTRIBUTES] & attribute::DIRECTORY != 0;
        let (cluster, len) = (first_cluster(bytes), u32_at(bytes, entry::LEN));
        if is_directory {
            self.open.push((path.clone(), cluster, parent_cluster));
        } else {
            self.file_chain(&path, cluster, len.into(), volume);
        }
        let modified = DosTime {
            date: u16_at(bytes, entry::MODIFIED_DATE),
            time: u16_at(bytes, entry::MODIFIED_TIME),
        };
        self.entries.push(FoundEntry {
            path,
            short_name: name::shown(&array(bytes, entry::NAME).unwrap_or_default()),
            is_directory,
            len,
            modified: modified.timestamp(),
            cluster,
        });
    }

    fn file_chain<R>(&mut self, path: &str, cluster: u32, len: u64, volume: &Volume<R>) {
        let chain = if cluster == 0 { 0 } else { self.chain(volume, cluster, path).len() };
        if len.div_ceil(volume.layout.cluster_len) != chain as u64 {
            let path = path.to_owned();
            self.findings.push(Finding::Length { path, clusters: chain as u64, len });
        }
    }

    fn totals<R: Read + Seek>(&mut self, volume: &mut Volume<R>) -> io::Result<()> {
        let mut lost = 0;
        for cluster in FIRST_CLUSTER..volume.layout.clusters + FIRST_CLUSTER {
            match (volume.next(cluster), self.used[cluster as usize]) {
                (0, false) => self.free += 1,
                (value, false) if value != volume.layout.fat_type.end_of_chain() - 8 => lost += 1,
                _ => {}
            }
        }
        if lost > 0 {
            self.findings.push(Finding::Lost { count: lost });
        }
        let (layout, at) = (&volume.layout, volume.layout.fs_info * volume.layout.sector_len);
        if layout.fat_type == FatType::Fat32 && at > 0 && at < layout.reserved {
            let sector = volume.bytes(volume.layout.start + at, 512)?;
            for (offset, signature) in [fs_info::LEAD, fs_info::STRUCT, fs_info::TRAIL] {
                let found = u32_at(&sector, offset);
                self.field("FSInfo signature", found.into(), signature.into());
            }
            let free = u32_at(&sector, fs_info::FREE);
            // All ones: not known.
            if free != u32::MAX {
                self.field("FSInfo free clusters", free.into(), self.free.into());
            }
        }
        Ok(())
    }
}

fn first_cluster(entry: &[u8]) -> u32 {
    u32::from(u16_at(entry, entry::CLUSTER_HIGH)) << 16
        | u32::from(u16_at(entry, entry::CLUSTER_LOW))
}

/// A short name as it is shown.
fn shown(short: &Short, case: u8) -> String {
    let mut short = *short;
    if case & LOWER_BASE != 0 {
        short[..8].make_ascii_lowercase();
    }
    if case & LOWER_EXTENSION != 0 {
        short[8..].make_ascii_lowercase();
    }
    name::shown(&short).replace('/', "_")
}

/// The pieces of a long name, which come last first.
#[derive(Debug, Default)]
struct LongName {
    units: Vec<u16>,
    /// The order of the piece that came last.
    order: u8,
    checksum: u8,
    broken: bool,
}

impl LongName {
    fn push(&mut self, bytes: &[u8]) {
        let (order, checksum) = (bytes[long::ORDER], bytes[long::CHECKSUM]);
        let number = order & !long::LAST;
        if order & long::LAST != 0 {
            let broken = self.order != 0;
            *self = Self { units: Vec::new(), order: number, checksum, broken };
        } else {
            self.broken |= self.order != number + 1 || self.checksum != checksum;
            self.order = number;
        }
        self.broken |= !(1..=20).contains(&number);
        let mut piece: Vec<u16> = long::UNITS.iter().map(|at| u16_at(bytes, *at)).collect();
        piece.append(&mut self.units);
        self.units = piece;
        // No more than a name can have, however many pieces a damaged directory holds.
        self.units.truncate(20 * name::UNITS);
    }

    /// The long name of the entry `short`; none without pieces; the short name as an error when
    /// the pieces do not belong to it.
    fn text(self, short: &Short) -> Result<Option<String>, String> {
        if self.units.is_empty() {
            return Ok(None);
        }
        let end = self.units.iter().position(|unit| *unit == 0).unwrap_or(self.units.len());
        let text = String::from_utf16_lossy(&self.units[..end]);
        let wrong = self.broken || self.order != 1 || self.checksum != name::checksum(short);
        if wrong || text.is_empty() || text.contains('/') {
            return Err(shown(short, 0));
        }
        Ok(Some(text))
    }
}
