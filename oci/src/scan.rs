//! The first pass over a layer or archive: checks its bytes, keeps its entries.

use std::path::Path;
use std::sync::Arc;

use bootwright_image::{Blob, Digest, Observer, Phase, StreamKey, Xattrs};

use crate::digest::{ContentDigest, Hasher};
use crate::entry::{Budget, Entry, Layer, Names, What, check_target, clean, device};
use crate::error::{Error, Problem, escape};
use crate::feed::Feed;
use crate::limits::Limits;
use crate::pipe::{Pipe, pipe, pump};
use crate::source::TarSource;
use crate::tar::{Extent, Member, MemberKind, Reader};
use crate::whiteout::Marker;

/// Buffers of 1 MiB between decompression and parsing.
const BUFFERS: usize = 4;

/// Where the second pass finds a file's content in the uncompressed stream.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) offset: u64,
    /// Length of the file, holes included.
    pub(crate) len: u64,
    /// What is stored of a sparse file; a plain one is stored whole.
    pub(crate) extents: Option<Box<[Extent]>>,
    /// The digest of a content that is stored whole.
    pub(crate) digest: Option<Digest>,
}

/// What a scan finds.
#[derive(Debug)]
pub(crate) struct Scanned {
    pub(crate) layer: Layer,
    pub(crate) stored: Vec<Stored>,
}

/// What applies to all scans of one stack.
pub(crate) struct Context<'a> {
    pub(crate) limits: &'a Limits,
    pub(crate) budget: &'a Budget,
    pub(crate) observer: &'a dyn Observer,
    /// Tells that the result is not needed any more.
    pub(crate) stopped: &'a (dyn Fn() -> bool + Sync),
}

/// Reads all of `source`, and returns the digest of its stored bytes, too. `number` is the source's in [`StreamKey`]; `whiteouts` tells whether
/// names that begin with `.wh.` have their meaning.
pub(crate) fn scan(
    source: &TarSource,
    number: u32,
    whiteouts: bool,
    context: &Context<'_>,
) -> Result<(Scanned, ContentDigest), Error> {
    let progress = |bytes| context.observer.advance(Phase::Scan, bytes);
    std::thread::scope(|scope| {
        let (outlet, pipe) = pipe(BUFFERS, &source.name);
        scope.spawn(move || pump(source, &outlet, &progress));
        let mut checked = Checked { pipe, source, context, hasher: None };
        let result = read_members(&mut checked, &source.name, number, whiteouts, context);
        match result {
            Ok(scanned) => Ok((scanned, checked.drain()?)),
            // Damage mostly shows as a broken tar first; the digest tells what is really wrong.
            Err(error @ (Error::Tar { .. } | Error::Member { .. })) => {
                Err(checked.pipe.give_up().unwrap_or(error))
            }
            Err(error) => Err(error),
        }
    })
}

/// Reads the members of a tar stream up to its end.
pub(crate) fn read_members(
    feed: &mut impl Feed,
    name: &Arc<str>,
    number: u32,
    whiteouts: bool,
    context: &Context<'_>,
) -> Result<Scanned, Error> {
    let layer = Layer { name: Arc::clone(name), names: Names::default(), entries: Vec::new() };
    let mut scan = Scan {
        scanned: Scanned { layer, stored: Vec::new() },
        number,
        whiteouts,
        context,
        xattrs: Xattrs::default(),
    };
    let mut reader = Reader::new(feed, Arc::clone(name), context.limits);
    while let Some(member) = reader.next()? {
        let digest = content_digest(&mut reader, &member)?;
        let fault = |problem| Error::Member {
            input: Arc::clone(name),
            member: escape(&member.path),
            problem,
        };
        let entry = scan.entry(&member, digest).map_err(|fault_| match fault_ {
            Refusal::Problem(problem) => fault(problem),
            Refusal::Error(error) => error,
        })?;
        scan.scanned.layer.entries.extend(entry);
    }
    Ok(scan.scanned)
}

/// The digest of a content that is stored whole. That of a sparse file would differ from the one
/// of its expanded twin, and expanding it here might take forever.
fn content_digest<F: Feed>(
    reader: &mut Reader<'_, F>,
    member: &Member,
) -> Result<Option<Digest>, Error> {
    if member.extents.is_some() || member.kind != MemberKind::File {
        reader.content(member, |_| ())?;
        return Ok(None);
    }
    let mut hasher = blake3::Hasher::new();
    reader.content(member, |bytes| {
        hasher.update(bytes);
    })?;
    Ok(Some(Digest(*hasher.finalize().as_bytes())))
}

struct Scan<'a> {
    scanned: Scanned,
    number: u32,
    whiteouts: bool,
    context: &'a Context<'a>,
    /// Those of the member before: neighbours mostly have the same.
    xattrs: Xattrs,
}

/// Why a member is refused.
enum Refusal {
    Problem(Problem),
    Error(Error),
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl Scan<'_> {
    /// The entry for a member; `None` for one that means nothing.
    fn entry(&mut self, member: &Member, digest: Option<Digest>) -> Result<Option<Entry>, Refusal> {
        let limits = self.context.limits;
        let mut path = clean(&member.path, limits)?;
        let mut whiteout = None;
        if self.whiteouts {
            match Marker::of(&path)? {
                Marker::Nothing => return Ok(None),
                Marker::None => {}
                Marker::Opaque(dir) => {
                    whiteout = Some(What::Opaque);
                    path = dir;
                }
                Marker::Hides(hidden) => {
                    whiteout = Some(What::Whiteout);
                    path = hidden;
                }
            }
        }
        let link = match member.kind {
            _ if whiteout.is_some() => Vec::new(),
            MemberKind::Link => clean(&member.link, limits)?,
            MemberKind::Symlink => {
                check_target(&member.link)?;
                member.link.clone()
            }
            _ => Vec::new(),
        };
        if path.is_empty() && whiteout.is_none() && member.kind != MemberKind::Directory {
            return Err(Problem::RootKind.into());
        }
        let xattr_bytes = self.keep_xattrs(member);
        let dropped = dropped(member);
        let dropped_bytes = dropped.as_ref().map_or(0, |names| names.len());
        let extents = member.extents.as_ref().map_or(0, |extents| size_of_val(&**extents));
        self.context
            .budget
            .entry(path.len() + link.len() + xattr_bytes + dropped_bytes + extents)?;
        let names = &mut self.scanned.layer.names;
        let path = names.push(&path);
        let what = match whiteout {
            Some(what) => what,
            None => match member.kind {
                MemberKind::Directory => What::Directory,
                MemberKind::File => What::File(self.file(member, digest)?),
                MemberKind::Symlink => What::Symlink(names.push(&link)),
                MemberKind::Link => What::HardLink(names.push(&link)),
                MemberKind::CharDevice => What::CharDevice(numbers(member)?),
                MemberKind::BlockDevice => What::BlockDevice(numbers(member)?),
                MemberKind::Fifo => What::Fifo,
            },
        };
        Ok(Some(Entry {
            path,
            what,
            mode: member.mode,
            uid: member.uid,
            gid: member.gid,
            mtime: member.mtime,
            xattrs: self.xattrs.clone(),
            dropped,
        }))
    }

    fn file(&mut self, member: &Member, digest: Option<Digest>) -> Result<Blob, Refusal> {
        if member.size == 0 {
            return Ok(Blob::from(&[][..]));
        }
        let stored = &mut self.scanned.stored;
        let number = u32::try_from(stored.len())
            .map_err(|_| Error::Limit { what: "files in one layer", limit: u64::from(u32::MAX) })?;
        stored.push(Stored {
            offset: member.offset,
            len: member.size,
            extents: member.extents.clone(),
            digest,
        });
        let key = StreamKey { source: self.number, member: number };
        Ok(Blob::stream(key, member.size, digest))
    }

    /// Makes the attributes of `member` the current ones; returns the memory they take anew.
    fn keep_xattrs(&mut self, member: &Member) -> usize {
        let wanted = || member.xattrs.iter().map(|(name, value)| (&name[..], &value[..]));
        if self.xattrs.iter().eq(wanted()) {
            return 0;
        }
        let mut xattrs = Xattrs::default();
        let mut bytes = 0;
        for (name, value) in wanted() {
            bytes += name.len() + value.len();
            xattrs.insert(name, value);
        }
        self.xattrs = xattrs;
        bytes
    }
}

fn dropped(member: &Member) -> Option<Arc<str>> {
    if member.dropped.is_empty() {
        return None;
    }
    let names: Vec<_> = member.dropped.iter().map(|name| escape(name)).collect();
    Some(names.join(", ").into())
}

fn numbers(member: &Member) -> Result<bootwright_image::Device, Problem> {
    device(member.device.0, member.device.1)
}

/// A pipe whose uncompressed bytes are counted and, for the `diff_id`, hashed.
struct Checked<'a> {
    pipe: Pipe,
    source: &'a TarSource,
    context: &'a Context<'a>,
    /// `None` until the first buffer came.
    hasher: Option<Hasher>,
}

impl Checked<'_> {
    fn advance(&mut self) -> Result<bool, Error> {
        if self.context.observer.cancelled() || (self.context.stopped)() {
            return Err(Error::Cancelled);
        }
        if !self.pipe.advance()? {
            return Ok(false);
        }
        let bytes = self.pipe.rest();
        self.context.budget.inflated(bytes.len())?;
        if let Some(diff_id) = self.separate_diff_id() {
            self.hasher.get_or_insert_with(|| Hasher::like(Some(&diff_id))).update(bytes);
        }
        Ok(true)
    }

    /// The digest of the uncompressed bytes, unless that of the stored ones says the same.
    fn separate_diff_id(&self) -> Option<ContentDigest> {
        let compression = self.pipe.compression();
        let same = compression.is_some_and(|found| self.source.diff_id_is_digest(found));
        self.source.diff_id.filter(|_| !same)
    }

    /// Reads on to the end and compares the digests.
    fn drain(&mut self) -> Result<ContentDigest, Error> {
        self.pipe.consume(self.pipe.rest().len());
        while self.advance()? {
            self.pipe.consume(self.pipe.rest().len());
        }
        let lost = || Error::ThreadLost { input: Arc::clone(&self.source.name) };
        let digest = self.pipe.digest().ok_or_else(lost)?;
        if let Some(expected) = self.separate_diff_id() {
            let hasher = self.hasher.take().unwrap_or_else(|| Hasher::like(Some(&expected)));
            let actual = hasher.finish();
            if actual != expected {
                let layer = self.source.name.to_string();
                let (expected, actual) = (Box::new(expected), Box::new(actual));
                return Err(Error::DiffId { layer, expected, actual });
            }
        }
        Ok(digest)
    }
}

impl Feed for Checked<'_> {
    fn fill(&mut self) -> Result<&[u8], Error> {
        while self.pipe.rest().is_empty() {
            if !self.advance()? {
                break;
            }
        }
        Ok(self.pipe.rest())
    }

    fn consume(&mut self, count: usize) {
        self.pipe.consume(count);
    }
}

/// A tar file with nothing promised about it.
pub(crate) fn bare(path: &Path, name: Arc<str>) -> Result<TarSource, Error> {
    let location = crate::source::Location::file(path)?;
    Ok(TarSource { name, location, digest: None, diff_id: None })
}
