//! What the scan of an input leaves in memory: one compact entry for each of its members.

use bootwright_image::{Blob, Device, NAME_MAX, SYMLINK_MAX, Xattrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Problem};
use crate::limits::Limits;

/// Bytes in an input's [`Names`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    start: u64,
    len: u32,
}

impl Span {
    /// Start and length, to be kept.
    pub(crate) fn parts(self) -> (u64, u32) {
        (self.start, self.len)
    }
}

/// Names and link targets of one input, one behind another.
#[derive(Debug, Default)]
pub(crate) struct Names(Vec<u8>);

impl Names {
    pub(crate) fn push(&mut self, name: &[u8]) -> Span {
        let start = self.0.len() as u64;
        self.0.extend_from_slice(name);
        Span { start, len: u32::try_from(name.len()).expect("BUG: names are checked") }
    }

    pub(crate) fn get(&self, span: Span) -> &[u8] {
        let start = usize::try_from(span.start).expect("BUG: a span of other names");
        &self.0[start..start + span.len as usize]
    }

    /// A span that was kept; `None` when these are other names.
    pub(crate) fn span(&self, (start, len): (u64, u32)) -> Option<Span> {
        let end = start.checked_add(u64::from(len))?;
        (end <= self.0.len() as u64).then_some(Span { start, len })
    }

    /// All names.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for Names {
    fn from(names: Vec<u8>) -> Self {
        Self(names)
    }
}

/// What an entry does to the tree.
#[derive(Clone, Debug)]
pub(crate) enum What {
    Directory,
    File(Blob),
    Symlink(Span),
    HardLink(Span),
    CharDevice(Device),
    BlockDevice(Device),
    Fifo,
    Socket,
    /// Hides the name in lower layers.
    Whiteout,
    /// Hides what lower layers have in the directory.
    Opaque,
}

/// One member. Its path is relative to the root and clean; the root itself has none.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) path: Span,
    pub(crate) what: What,
    pub(crate) mode: u16,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) mtime: i64,
    pub(crate) xattrs: Xattrs,
    /// Names of attributes that could not be kept, for a warning.
    pub(crate) dropped: Option<Arc<str>>,
}

/// All members of one input, in its order.
#[derive(Debug)]
pub(crate) struct Layer {
    /// How errors name the input.
    pub(crate) name: Arc<str>,
    pub(crate) names: Names,
    pub(crate) entries: Vec<Entry>,
}

/// What all inputs together may still use.
#[derive(Debug)]
pub(crate) struct Budget {
    entries: Counter,
    metadata: Counter,
    inflated: Counter,
}

#[derive(Debug)]
struct Counter {
    used: AtomicU64,
    limit: u64,
    what: &'static str,
}

impl Counter {
    fn new(limit: u64, what: &'static str) -> Self {
        Self { used: AtomicU64::new(0), limit, what }
    }

    fn spend(&self, amount: u64) -> Result<(), Error> {
        let before = self.used.fetch_add(amount, Ordering::Relaxed);
        if before.saturating_add(amount) > self.limit {
            return Err(Error::Limit { what: self.what, limit: self.limit });
        }
        Ok(())
    }
}

impl Budget {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            entries: Counter::new(limits.entries, "members"),
            metadata: Counter::new(
                limits.metadata_bytes,
                "bytes of names, link targets, extended attributes and sparse maps",
            ),
            inflated: Counter::new(limits.inflated_bytes, "bytes in their uncompressed layers"),
        }
    }

    pub(crate) fn entry(&self, metadata_bytes: usize) -> Result<(), Error> {
        self.entries.spend(1)?;
        self.metadata.spend(metadata_bytes as u64)
    }

    pub(crate) fn inflated(&self, bytes: usize) -> Result<(), Error> {
        self.inflated.spend(bytes as u64)
    }
}

/// A member's name as a path from the root: components without empty ones and `.`, joined by
/// slashes. Empty for the root.
pub(crate) fn clean(path: &[u8], limits: &Limits) -> Result<Vec<u8>, Problem> {
    if path.is_empty() {
        return Err(Problem::EmptyName);
    }
    if path.contains(&0) {
        return Err(Problem::Nul { what: "name" });
    }
    if path.len() > limits.path_bytes {
        return Err(Problem::PathTooLong { len: path.len(), limit: limits.path_bytes });
    }
    let mut clean = Vec::with_capacity(path.len());
    let mut depth = 0;
    for component in path.split(|byte| *byte == b'/') {
        match component {
            b"" | b"." => continue,
            b".." => return Err(Problem::DotDot),
            long if long.len() > NAME_MAX => {
                return Err(Problem::ComponentTooLong { len: long.len(), limit: NAME_MAX });
            }
            _ => {}
        }
        depth += 1;
        if depth > limits.depth {
            return Err(Problem::TooDeep { limit: limits.depth });
        }
        if !clean.is_empty() {
            clean.push(b'/');
        }
        clean.extend_from_slice(component);
    }
    Ok(clean)
}

/// Refuses targets that no file system holds.
pub(crate) fn check_target(target: &[u8]) -> Result<(), Problem> {
    if target.is_empty() || target.len() > SYMLINK_MAX {
        return Err(Problem::TargetLength { len: target.len(), limit: SYMLINK_MAX });
    }
    if target.contains(&0) {
        return Err(Problem::Nul { what: "link target" });
    }
    Ok(())
}

/// Device numbers within Linux's 12 and 20 bits.
pub(crate) fn device(major: u64, minor: u64) -> Result<Device, Problem> {
    match (u32::try_from(major), u32::try_from(minor)) {
        (Ok(major @ 0..=0xfff), Ok(minor @ 0..=0xf_ffff)) => Ok(Device { major, minor }),
        _ => Err(Problem::Device { major, minor }),
    }
}

/// The part before the last slash, and the part after it.
pub(crate) fn split_parent(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (b"", path),
    }
}
