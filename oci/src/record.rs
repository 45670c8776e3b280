//! What the scan of a layer found, kept between runs.
//!
//! A layer that an image's manifest names by its digest never changes, so what its first pass
//! finds is worth keeping: with it, a later run reads the layer only when it needs its contents.

use std::sync::Arc;

use bootwright_image::{Blob, Device, Digest, Origin, StreamKey, Xattrs};
use serde::{Deserialize, Serialize};

use crate::digest::ContentDigest;
use crate::entry::{Budget, Entry, Layer, Names, Span, What};
use crate::error::Error;
use crate::limits::Limits;
use crate::scan::{Scanned, Stored};
use crate::source::TarSource;
use crate::tar::Extent;

/// Changes when records mean something else than before.
const VERSION: &str = "bootwright layer record 1";

/// Keeps records between runs. What comes back is only used when it is whole; to notice damage is
/// the implementation's part.
pub trait Records: Sync {
    /// The record kept under `key`.
    fn load(&self, key: &[u8; 32]) -> Option<Vec<u8>>;

    /// Keeps a record. A failure costs time later and nothing else.
    fn save(&self, key: &[u8; 32], record: &[u8]);
}

/// The key of a layer's record: its digests and everything else that a scan depends on. `None`
/// when nothing is promised about the layer.
pub(crate) fn key(source: &TarSource, whiteouts: bool, limits: &Limits) -> Option<[u8; 32]> {
    let promised = source.digest.or(source.diff_id)?;
    let mut hasher = blake3::Hasher::new();
    hasher.update(VERSION.as_bytes());
    let (len, diff_id) = (source.location.len, source.diff_id);
    hasher.update(format!("\n{promised}\n{len}\n{diff_id:?}\n{whiteouts}\n{limits:?}").as_bytes());
    Some(*hasher.finalize().as_bytes())
}

#[derive(Serialize, Deserialize)]
struct Record {
    digest: String,
    names: Vec<u8>,
    /// The different sets of extended attributes.
    xattrs: Vec<Vec<(Vec<u8>, Vec<u8>)>>,
    entries: Vec<RecordEntry>,
    stored: Vec<RecordStored>,
}

#[derive(Serialize, Deserialize)]
struct RecordEntry {
    path: (u64, u32),
    what: RecordWhat,
    mode: u16,
    uid: u32,
    gid: u32,
    mtime: i64,
    /// The number of the set plus one; zero for none.
    xattrs: u32,
    dropped: Option<String>,
}

#[derive(Serialize, Deserialize)]
enum RecordWhat {
    Directory,
    Empty,
    /// The member's number among those that are stored.
    File(u32),
    Symlink((u64, u32)),
    HardLink((u64, u32)),
    CharDevice(u32, u32),
    BlockDevice(u32, u32),
    Fifo,
    Socket,
    Whiteout,
    Opaque,
}

#[derive(Serialize, Deserialize)]
struct RecordStored {
    offset: u64,
    len: u64,
    extents: Option<Vec<(u64, u64)>>,
    digest: Option<[u8; 32]>,
}

/// The record of a scan.
pub(crate) fn write(scanned: &Scanned, digest: ContentDigest) -> Vec<u8> {
    let mut sets: Vec<&Xattrs> = Vec::new();
    let entries = scanned.layer.entries.iter().map(|entry| {
        // Neighbours mostly have the same.
        let known = sets.iter().rposition(|set| **set == entry.xattrs);
        let xattrs = match known {
            _ if entry.xattrs.is_empty() => 0,
            Some(index) => index + 1,
            None => {
                sets.push(&entry.xattrs);
                sets.len()
            }
        };
        let xattrs = u32::try_from(xattrs).expect("BUG: fewer than entries");
        write_entry(entry, xattrs)
    });
    let entries = entries.collect();
    let owned = |set: &&Xattrs| {
        set.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect::<Vec<_>>()
    };
    let stored = scanned.stored.iter().map(|stored| RecordStored {
        offset: stored.offset,
        len: stored.len,
        extents: stored
            .extents
            .as_ref()
            .map(|extents| extents.iter().map(|extent| (extent.offset, extent.len)).collect()),
        digest: stored.digest.map(|digest| digest.0),
    });
    let record = Record {
        digest: digest.to_string(),
        names: scanned.layer.names.bytes().to_vec(),
        xattrs: sets.iter().map(owned).collect(),
        entries,
        stored: stored.collect(),
    };
    postcard::to_stdvec(&record).expect("BUG: plain data in memory can be written")
}

fn write_entry(entry: &Entry, xattrs: u32) -> RecordEntry {
    let what = match &entry.what {
        What::Directory => RecordWhat::Directory,
        What::File(blob) => match blob.origin() {
            Origin::Stream(key) => RecordWhat::File(key.member),
            _ => RecordWhat::Empty,
        },
        What::Symlink(target) => RecordWhat::Symlink(target.parts()),
        What::HardLink(target) => RecordWhat::HardLink(target.parts()),
        What::CharDevice(device) => RecordWhat::CharDevice(device.major, device.minor),
        What::BlockDevice(device) => RecordWhat::BlockDevice(device.major, device.minor),
        What::Fifo => RecordWhat::Fifo,
        What::Socket => RecordWhat::Socket,
        What::Whiteout => RecordWhat::Whiteout,
        What::Opaque => RecordWhat::Opaque,
    };
    RecordEntry {
        path: entry.path.parts(),
        what,
        mode: entry.mode,
        uid: entry.uid,
        gid: entry.gid,
        mtime: entry.mtime,
        xattrs,
        dropped: entry.dropped.as_ref().map(ToString::to_string),
    }
}

/// The scan that a record tells of, as source `number` with the name `name`; `None` when the bytes
/// are no such record.
///
/// # Errors
/// [`Error::Limit`]: members count, wherever they come from.
pub(crate) fn read(
    bytes: &[u8],
    name: &Arc<str>,
    number: u32,
    budget: &Budget,
) -> Result<Option<(Scanned, ContentDigest)>, Error> {
    let Ok(record) = postcard::from_bytes::<Record>(bytes) else { return Ok(None) };
    let Ok(digest) = record.digest.parse() else { return Ok(None) };
    let Record { names, xattrs, entries, stored, .. } = record;
    budget.inflated(usize::try_from(stored.last().map_or(0, |last| last.offset)).unwrap_or(0))?;
    let names = Names::from(names);
    let xattrs: Vec<Xattrs> = xattrs.iter().map(|set| xattr_set(set)).collect();
    let stored: Vec<Stored> = stored.into_iter().map(stored_from).collect();
    let mut layer = Layer { name: Arc::clone(name), names, entries: Vec::new() };
    layer.entries.reserve_exact(entries.len());
    for entry in entries {
        let Some(entry) = read_entry(entry, &layer.names, &xattrs, &stored, number) else {
            return Ok(None);
        };
        let before = layer.entries.last().map(|entry| &entry.xattrs);
        budget.entry(metadata_bytes(&entry, before, &stored))?;
        layer.entries.push(entry);
    }
    Ok(Some((Scanned { layer, stored }, digest)))
}

fn read_entry(
    entry: RecordEntry,
    names: &Names,
    xattrs: &[Xattrs],
    stored: &[Stored],
    number: u32,
) -> Option<Entry> {
    let span = |parts: (u64, u32)| names.span(parts);
    let what = match entry.what {
        RecordWhat::Directory => What::Directory,
        RecordWhat::Empty => What::File(Blob::from(&[][..])),
        RecordWhat::File(member) => {
            let Stored { len, digest, .. } = stored.get(member as usize)?;
            What::File(Blob::stream(StreamKey { source: number, member }, *len, *digest))
        }
        RecordWhat::Symlink(target) => What::Symlink(span(target)?),
        RecordWhat::HardLink(target) => What::HardLink(span(target)?),
        RecordWhat::CharDevice(major, minor) => What::CharDevice(Device { major, minor }),
        RecordWhat::BlockDevice(major, minor) => What::BlockDevice(Device { major, minor }),
        RecordWhat::Fifo => What::Fifo,
        RecordWhat::Socket => What::Socket,
        RecordWhat::Whiteout => What::Whiteout,
        RecordWhat::Opaque => What::Opaque,
    };
    let set = (entry.xattrs as usize).checked_sub(1);
    let xattrs = set.map_or(Some(Xattrs::default()), |index| xattrs.get(index).cloned())?;
    Some(Entry {
        path: span(entry.path)?,
        what,
        mode: entry.mode,
        uid: entry.uid,
        gid: entry.gid,
        mtime: entry.mtime,
        xattrs,
        dropped: entry.dropped.map(Into::into),
    })
}

/// What a scan counts for an entry: names, link targets, attributes unless the entry before has the
/// same, and the map of a sparse file.
fn metadata_bytes(entry: &Entry, before: Option<&Xattrs>, stored: &[Stored]) -> usize {
    let len = |span: &Span| span.parts().1 as usize;
    let more = match &entry.what {
        What::Symlink(target) | What::HardLink(target) => len(target),
        What::File(blob) => match blob.origin() {
            Origin::Stream(key) => stored
                .get(key.member as usize)
                .and_then(|stored| stored.extents.as_ref())
                .map_or(0, |extents| size_of_val(&**extents)),
            _ => 0,
        },
        _ => 0,
    };
    let is_new = before.map_or(!entry.xattrs.is_empty(), |before| *before != entry.xattrs);
    let xattrs = entry.xattrs.iter().filter(|_| is_new);
    let xattrs: usize = xattrs.map(|(name, value)| name.len() + value.len()).sum();
    len(&entry.path) + more + xattrs + entry.dropped.as_ref().map_or(0, |names| names.len())
}

fn xattr_set(set: &[(Vec<u8>, Vec<u8>)]) -> Xattrs {
    let mut xattrs = Xattrs::default();
    for (name, value) in set {
        xattrs.insert(name, value);
    }
    xattrs
}

fn stored_from(stored: RecordStored) -> Stored {
    Stored {
        offset: stored.offset,
        len: stored.len,
        extents: stored.extents.map(|extents| {
            extents.into_iter().map(|(offset, len)| Extent { offset, len }).collect()
        }),
        digest: stored.digest.map(Digest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_record_points_to_must_be_in_it() {
        let entry = |what, path| RecordEntry {
            path,
            what,
            mode: 0o644,
            uid: 1,
            gid: 2,
            mtime: -3,
            xattrs: 0,
            dropped: None,
        };
        let record = |entry| Record {
            digest: ContentDigest::Sha256([0; 32]).to_string(),
            names: b"name".to_vec(),
            xattrs: Vec::new(),
            entries: vec![entry],
            stored: Vec::new(),
        };
        let budget = Budget::new(&Limits::default());
        let found = |record: &Record| {
            let bytes = postcard::to_stdvec(record).unwrap();
            read(&bytes, &"layer".into(), 0, &budget).unwrap().is_some()
        };
        assert!(found(&record(entry(RecordWhat::Directory, (0, 4)))));
        assert!(!found(&record(entry(RecordWhat::Directory, (1, 4)))));
        assert!(!found(&record(entry(RecordWhat::Directory, (u64::MAX, 4)))));
        assert!(!found(&record(entry(RecordWhat::File(0), (0, 4)))));
        let with_set = RecordEntry { xattrs: 1, ..entry(RecordWhat::Fifo, (0, 4)) };
        assert!(!found(&record(with_set)));
        assert!(read(b"no record", &"layer".into(), 0, &budget).unwrap().is_none());
    }
}
