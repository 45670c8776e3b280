//! Members, one after another.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::BLOCK;
use super::header::{Header, text};
use super::pax::{Pax, unsigned};
use super::sparse::{Extent, Map, real_size};
use crate::error::{Error, Problem, escape};
use crate::feed::Feed;
use crate::limits::Limits;

/// Digits of a number in the map of a sparse file of format 1.0.
const MAP_DIGITS: usize = 20;

/// What a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MemberKind {
    File,
    Link,
    Symlink,
    CharDevice,
    BlockDevice,
    Directory,
    Fifo,
}

/// A member as its headers describe it. Its name is as stored.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) path: Vec<u8>,
    pub(crate) link: Vec<u8>,
    pub(crate) kind: MemberKind,
    pub(crate) mode: u16,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) mtime: i64,
    /// Major and minor number, not checked.
    pub(crate) device: (u64, u64),
    pub(crate) xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Names of attributes that cannot be kept.
    pub(crate) dropped: BTreeSet<Vec<u8>>,
    /// Length of the file, holes included.
    pub(crate) size: u64,
    /// Where in the stream its stored content begins.
    pub(crate) offset: u64,
    /// What is stored of a sparse file.
    pub(crate) extents: Option<Box<[Extent]>>,
}

/// Reads a tar stream front to back.
pub(crate) struct Reader<'a, F> {
    feed: F,
    input: Arc<str>,
    limits: &'a Limits,
    position: u64,
    /// Bytes of the current content that have not been read.
    content: u64,
    /// Bytes after it that fill its last block.
    padding: u64,
    globals: Pax,
    ended: bool,
}

/// What precedes a member's own header.
#[derive(Default)]
struct Prelude {
    pax: Option<Pax>,
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    /// What is wrong with the extended header, until the member is known by name.
    fault: Option<Problem>,
}

impl<'a, F: Feed> Reader<'a, F> {
    /// `input` names the stream in errors.
    pub(crate) fn new(feed: F, input: Arc<str>, limits: &'a Limits) -> Self {
        Self {
            feed,
            input,
            limits,
            position: 0,
            content: 0,
            padding: 0,
            globals: Pax::default(),
            ended: false,
        }
    }

    /// The next member; `None` at the end of the archive, behind which the stream may have more.
    pub(crate) fn next(&mut self) -> Result<Option<Member>, Error> {
        if self.ended {
            return Ok(None);
        }
        let left = self.content.saturating_add(self.padding);
        (self.content, self.padding) = (0, 0);
        self.skip(left)?;
        let mut prelude = Prelude::default();
        loop {
            let offset = self.position;
            let block = self.block()?;
            let Some(block) = block.filter(|block| !Header(block).is_zero()) else {
                // The archive ends with two blocks of zeros; some writers stop after one or none.
                let lone =
                    block.is_some() && self.block()?.is_some_and(|next| !Header(&next).is_zero());
                if lone {
                    return Err(self.fault(offset, Problem::LoneZeroBlock));
                }
                if prelude.pax.is_some() || prelude.name.is_some() || prelude.link.is_some() {
                    return Err(self.fault(offset, Problem::ExtendedHeaderAlone));
                }
                self.ended = true;
                return Ok(None);
            };
            let header = Header(&block);
            header.verify().map_err(|problem| self.fault(offset, problem))?;
            match header.flag() {
                b'x' => {
                    let records = self.extended(&header, offset)?;
                    let pax = prelude.pax.get_or_insert_with(|| self.globals.clone());
                    if let Err(problem) = pax.parse(&records, self.limits) {
                        prelude.fault.get_or_insert(problem);
                    }
                }
                b'g' => {
                    let records = self.extended(&header, offset)?;
                    let parsed = self.globals.parse(&records, self.limits);
                    parsed.map_err(|problem| self.fault(offset, problem))?;
                }
                b'L' => prelude.name = Some(text(&self.extended(&header, offset)?).to_vec()),
                b'K' => prelude.link = Some(text(&self.extended(&header, offset)?).to_vec()),
                _ => return self.member(&header, prelude).map(Some),
            }
        }
    }

    /// Hands the stored content of `member`, which [`next`](Self::next) returned last, to `each`
    /// piece by piece.
    pub(crate) fn content(
        &mut self,
        member: &Member,
        mut each: impl FnMut(&[u8]),
    ) -> Result<(), Error> {
        while self.content > 0 {
            let bytes = self.feed.fill()?;
            let take = usize::try_from(self.content).unwrap_or(usize::MAX).min(bytes.len());
            if take == 0 {
                return Err(self.member_fault(&member.path, Problem::Truncated));
            }
            each(&bytes[..take]);
            self.feed.consume(take);
            self.position += take as u64;
            self.content -= take as u64;
        }
        Ok(())
    }

    fn member(&mut self, header: &Header<'_>, prelude: Prelude) -> Result<Member, Error> {
        let mut pax = prelude.pax.unwrap_or_else(|| self.globals.clone());
        let path = pax.sparse.name.take().filter(|name| !name.is_empty());
        let path = path.or(pax.path.take()).or(prelude.name).unwrap_or_else(|| header.name());
        let link = pax.link.take().or(prelude.link).unwrap_or_else(|| header.link_name());
        if let Some(problem) = prelude.fault {
            return Err(self.member_fault(&path, problem));
        }
        match self.describe(header, pax, &path) {
            Ok(member) => Ok(Member { path, link, ..member }),
            Err(Fault::Problem(problem)) => Err(self.member_fault(&path, problem)),
            Err(Fault::Error(error)) => Err(error),
        }
    }

    fn describe(&mut self, header: &Header<'_>, pax: Pax, path: &[u8]) -> Result<Member, Fault> {
        let kind = kind(header.flag(), path)?;
        let has_content = kind == MemberKind::File || matches!(header.flag(), 0 | b'0' | b'7');
        let header_size = pax.size.map_or_else(|| header.size(), Ok)?;
        // As in Go's archive/tar, which container tools use, only files have contents.
        let stored = if has_content { header_size } else { 0 };
        let (mut size, mut extents) = (stored, None);
        if header.flag() == b'S' {
            size = real_size(header)?;
            let map = self.old_map(header)?;
            self.start_content(stored)?;
            extents = Some(map.finish(size, stored)?);
        } else {
            self.start_content(stored)?;
            if kind == MemberKind::File && (pax.sparse.map_in_content || pax.sparse.map.is_some()) {
                let what = "the file's size is missing";
                size = pax.sparse.real_size.ok_or(Problem::SparseMap { what })?;
                let map = match pax.sparse.map {
                    Some(map) if !pax.sparse.map_in_content => map,
                    _ => self.map_in_content()?,
                };
                extents = Some(map.finish(size, self.content)?);
            }
        }
        if size > self.limits.file_bytes {
            return Err(Problem::FileTooLarge { len: size, limit: self.limits.file_bytes }.into());
        }
        Ok(Member {
            path: Vec::new(),
            link: Vec::new(),
            kind,
            mode: header.mode()?,
            uid: pax.uid.map_or_else(|| header.uid(), Ok)?,
            gid: pax.gid.map_or_else(|| header.gid(), Ok)?,
            mtime: pax.mtime.map_or_else(|| header.mtime(), Ok)?,
            device: match kind {
                MemberKind::CharDevice | MemberKind::BlockDevice => header.device()?,
                _ => (0, 0),
            },
            xattrs: pax.xattrs,
            dropped: pax.dropped,
            size,
            offset: self.position,
            extents,
        })
    }

    fn start_content(&mut self, stored: u64) -> Result<(), Problem> {
        if stored > self.limits.file_bytes {
            return Err(Problem::FileTooLarge { len: stored, limit: self.limits.file_bytes });
        }
        self.content = stored;
        self.padding = stored.wrapping_neg() % BLOCK as u64;
        Ok(())
    }

    /// The map in an old GNU header and the extension blocks behind it.
    fn old_map(&mut self, header: &Header<'_>) -> Result<Map, Fault> {
        let mut map = Map::new(self.limits.sparse_extents);
        let mut more = map.push_header(header)?;
        while more {
            let block = self.block()?.ok_or(Problem::Truncated)?;
            more = map.push_extension(&block)?;
        }
        Ok(map)
    }

    /// The map of format 1.0: decimal numbers, one a line, in the first blocks of the content:
    /// how many extents there are, then the offset and the length of each.
    fn map_in_content(&mut self) -> Result<Map, Fault> {
        let mut map = Map::new(self.limits.sparse_extents);
        let mut numbers = Lines::default();
        let count = self.map_number(&mut numbers)?;
        for _ in 0..count {
            let offset = self.map_number(&mut numbers)?;
            let len = self.map_number(&mut numbers)?;
            map.push(offset, len)?;
        }
        Ok(map)
    }

    fn map_number(&mut self, lines: &mut Lines) -> Result<u64, Fault> {
        loop {
            if let Some(number) = lines.next_number()? {
                return Ok(number);
            }
            if self.content < BLOCK as u64 {
                return Err(Problem::SparseMap { what: "it does not end" }.into());
            }
            let block = self.block()?.ok_or(Problem::Truncated)?;
            self.content -= BLOCK as u64;
            lines.refill(&block);
        }
    }

    /// The content of an extended header or long name, without its padding.
    fn extended(&mut self, header: &Header<'_>, offset: u64) -> Result<Vec<u8>, Error> {
        let size = header.size().map_err(|problem| self.fault(offset, problem))?;
        let limit = self.limits.header_bytes;
        let len = usize::try_from(size).ok().filter(|_| size <= limit).ok_or_else(|| {
            self.fault(offset, Problem::ExtendedHeaderTooLarge { len: size, limit })
        })?;
        let mut bytes = Vec::new();
        while bytes.len() < len {
            let block = self.block()?.ok_or_else(|| self.fault(offset, Problem::Truncated))?;
            bytes.extend_from_slice(&block[..(len - bytes.len()).min(BLOCK)]);
        }
        Ok(bytes)
    }

    /// The next block; `None` at the end of the stream.
    fn block(&mut self) -> Result<Option<[u8; BLOCK]>, Error> {
        let mut block = [0; BLOCK];
        let mut filled = 0;
        while filled < BLOCK {
            let bytes = self.feed.fill()?;
            let take = bytes.len().min(BLOCK - filled);
            if take == 0 && filled == 0 {
                return Ok(None);
            }
            if take == 0 {
                return Err(self.fault(self.position, Problem::Truncated));
            }
            block[filled..filled + take].copy_from_slice(&bytes[..take]);
            self.feed.consume(take);
            filled += take;
        }
        self.position += BLOCK as u64;
        Ok(Some(block))
    }

    fn skip(&mut self, count: u64) -> Result<(), Error> {
        let skipped = self.feed.skip(count)?;
        self.position += skipped;
        if skipped == count {
            return Ok(());
        }
        Err(self.fault(self.position, Problem::Truncated))
    }

    fn fault(&self, offset: u64, problem: Problem) -> Error {
        Error::Tar { input: Arc::clone(&self.input), offset, problem }
    }

    fn member_fault(&self, path: &[u8], problem: Problem) -> Error {
        Error::Member { input: Arc::clone(&self.input), member: escape(path), problem }
    }
}

/// A problem whose member is still to be named, or an error that is complete.
enum Fault {
    Problem(Problem),
    Error(Error),
}

impl From<Problem> for Fault {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

fn kind(flag: u8, path: &[u8]) -> Result<MemberKind, Problem> {
    Ok(match flag {
        // v7 knew directories by their names only.
        0 | b'0' | b'7' if path.ends_with(b"/") => MemberKind::Directory,
        0 | b'0' | b'7' | b'S' => MemberKind::File,
        b'1' => MemberKind::Link,
        b'2' => MemberKind::Symlink,
        b'3' => MemberKind::CharDevice,
        b'4' => MemberKind::BlockDevice,
        b'5' => MemberKind::Directory,
        b'6' => MemberKind::Fifo,
        other => return Err(Problem::Type { flag: escape(&[other]) }),
    })
}

/// Cuts blocks into lines of digits.
#[derive(Default)]
struct Lines {
    line: Vec<u8>,
    block: Vec<u8>,
    at: usize,
}

impl Lines {
    fn refill(&mut self, block: &[u8]) {
        self.block.clear();
        self.block.extend_from_slice(block);
        self.at = 0;
    }

    /// The next number; `None` when its line does not end in this block.
    fn next_number(&mut self) -> Result<Option<u64>, Problem> {
        while let Some(byte) = self.block.get(self.at) {
            self.at += 1;
            if *byte == b'\n' {
                let number = unsigned("sparse map", &self.line)?;
                self.line.clear();
                return Ok(Some(number));
            }
            if self.line.len() == MAP_DIGITS {
                return Err(Problem::SparseMap { what: "it has a number of more than 20 digits" });
            }
            self.line.push(*byte);
        }
        Ok(None)
    }
}
