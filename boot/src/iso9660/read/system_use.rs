//! System use entries of a record, through all its continuation areas, and what Rock Ridge's say.

use std::io::{Read, Seek};

use bootwright_image::{Device, Timestamp};

use super::source::{Source, array, twice32};
use super::{EntryKind, Posix, ReadError, corrupt};
use crate::iso9660::format::{BLOCK, parse_record_date};

/// Continuation areas of one record.
const AREAS_MAX: usize = 32;
/// Bytes of a name or a link's target, far beyond what a system takes.
const TEXT_MAX: usize = 1 << 16;

/// An entry's signature and what follows its version.
pub(in crate::iso9660) type SystemUseEntry = ([u8; 2], Vec<u8>);

/// All entries of a record and the continuation areas they were found in.
#[derive(Debug, Default)]
pub(in crate::iso9660) struct SystemUse {
    pub(in crate::iso9660) entries: Vec<SystemUseEntry>,
    /// Places in bytes: first, length.
    pub(in crate::iso9660) areas: Vec<(u64, u64)>,
}

impl SystemUse {
    /// Reads the entries of `area`, which lies at byte `at`, and of its continuation areas.
    pub(super) fn read<R: Read + Seek>(
        source: &mut Source<R>,
        area: &[u8],
        at: u64,
        base: u32,
    ) -> Result<Self, ReadError> {
        let mut found = Self::default();
        let mut area = area.to_vec();
        let mut at = at;
        loop {
            let Some((block, offset, len)) = found.area(&area, at)? else { return Ok(found) };
            if found.areas.len() == AREAS_MAX {
                return Err(ReadError::Limit { what: "continuation areas", limit: AREAS_MAX });
            }
            at = (u64::from(block) + u64::from(base)) * BLOCK + u64::from(offset);
            if u64::from(offset) + u64::from(len) > BLOCK {
                return Err(corrupt("a continuation area crosses the end of its block", at));
            }
            area = source.bytes(at, len.into())?;
            found.areas.push((at, len.into()));
        }
    }

    /// Takes the entries of one area and returns where CE says that more are.
    fn area(&mut self, area: &[u8], at: u64) -> Result<Option<(u32, u32, u32)>, ReadError> {
        let mut next = None;
        let mut left = area;
        // Fewer bytes than an entry's head, or a zero length, are padding.
        while let [a, b, len, _version, ..] = left {
            let signature = [*a, *b];
            let len = usize::from(*len);
            if len == 0 {
                break;
            }
            let here = at + (area.len() - left.len()) as u64;
            let broken = || corrupt("a system use entry has a wrong length", here);
            let data = left.get(4..len).ok_or_else(broken)?;
            match &signature {
                b"CE" => {
                    let field = |at| twice32(data, at);
                    let fields = field(0).zip(field(8)).zip(field(16));
                    let ((block, offset), len) = fields
                        .filter(|_| data.len() == 24)
                        .ok_or_else(|| corrupt("a CE entry contradicts itself", here))?;
                    next = Some((block, offset, len));
                }
                b"ST" => return Ok(next),
                _ => {}
            }
            self.entries.push((signature, data.to_vec()));
            left = &left[len..];
        }
        Ok(next)
    }
}

/// What the Rock Ridge entries of a record say.
#[derive(Debug, Default)]
pub(super) struct RockRidge {
    pub(super) posix: Option<Posix>,
    pub(super) name: Option<Vec<u8>>,
    pub(super) target: Option<Vec<u8>>,
    pub(super) mtime: Option<Timestamp>,
    device: Option<(u32, u32)>,
}

impl RockRidge {
    /// Understands the entries of a record at byte `at`.
    pub(super) fn parse(entries: &[SystemUseEntry], at: u64) -> Result<Self, ReadError> {
        let mut rock = Self::default();
        let mut separator = false;
        for (signature, data) in entries {
            match (signature, data.as_slice()) {
                (b"PX", _) => rock.posix = Some(posix(data).ok_or_else(|| px_broken(at))?),
                (b"PN", _) => rock.device = twice32(data, 0).zip(twice32(data, 8)),
                (b"NM", [flags, text @ ..]) if flags & 0x06 == 0 => {
                    append(rock.name.get_or_insert_default(), text)?;
                }
                (b"SL", [_, components @ ..]) => {
                    let target = rock.target.get_or_insert_default();
                    link(target, components, &mut separator, at)?;
                }
                (b"TF", [flags, dates @ ..]) => rock.mtime = modified(*flags, dates).or(rock.mtime),
                _ => {}
            }
        }
        Ok(rock)
    }

    /// What the entry is, by its mode.
    pub(super) fn kind(&self, at: u64) -> Result<Option<EntryKind>, ReadError> {
        let Some(posix) = self.posix else { return Ok(None) };
        let device = || {
            let (high, low) =
                self.device.ok_or_else(|| corrupt("a device without PN entry", at))?;
            // As Linux does it.
            Ok::<_, ReadError>(match (high, low) {
                (0, 0x100..) => Device { major: low >> 8, minor: low & 0xFF },
                (major, minor) => Device { major, minor },
            })
        };
        Ok(Some(match posix.mode & 0o170_000 {
            0o040_000 => EntryKind::Directory,
            0o100_000 => EntryKind::File,
            0o120_000 => EntryKind::Symlink(self.target.clone().unwrap_or_default()),
            0o020_000 => EntryKind::CharDevice(device()?),
            0o060_000 => EntryKind::BlockDevice(device()?),
            0o010_000 => EntryKind::Fifo,
            0o140_000 => EntryKind::Socket,
            _ => return Err(corrupt("a file mode of no known type", at)),
        }))
    }
}

fn px_broken(at: u64) -> ReadError {
    corrupt("a PX entry contradicts itself", at)
}

fn posix(data: &[u8]) -> Option<Posix> {
    let field = |at| twice32(data, at);
    let serial = if data.len() >= 40 { Some(field(32)?) } else { None };
    (data.len() >= 32).then_some(())?;
    Some(Posix { mode: field(0)?, nlink: field(8)?, uid: field(16)?, gid: field(24)?, serial })
}

fn append(text: &mut Vec<u8>, more: &[u8]) -> Result<(), ReadError> {
    if text.len() + more.len() > TEXT_MAX {
        return Err(ReadError::Limit { what: "bytes in a name", limit: TEXT_MAX });
    }
    text.extend_from_slice(more);
    Ok(())
}

/// Joins component records; `separator` says that a slash goes before the next one.
fn link(
    target: &mut Vec<u8>,
    components: &[u8],
    separator: &mut bool,
    at: u64,
) -> Result<(), ReadError> {
    let mut left = components;
    while let [flags, len, rest @ ..] = left {
        let text = rest.get(..usize::from(*len));
        let text = text.ok_or_else(|| corrupt("an SL entry has a wrong length", at))?;
        if std::mem::replace(separator, flags & 0x09 == 0) {
            append(target, b"/")?;
        }
        append(
            target,
            match flags & 0x0E {
                0x02 => b".",
                0x04 => b"..",
                0x08 => b"/",
                _ => text,
            },
        )?;
        left = &rest[text.len()..];
    }
    Ok(())
}

/// The modification time of a TF entry: after the creation time if that is there.
fn modified(flags: u8, dates: &[u8]) -> Option<Timestamp> {
    let long = flags & 0x80 != 0;
    let at = if flags & 1 == 0 { 0 } else { 7 };
    (flags & 2 != 0 && !long && dates.len() >= at + 7)
        .then(|| parse_record_date(array(dates, at)))
        .flatten()
}

/// Whether a directory was moved because it lies too deep; such trees are not read.
pub(super) fn relocated(entries: &[SystemUseEntry]) -> bool {
    entries.iter().any(|(signature, _)| matches!(signature, b"CL" | b"RE"))
}
