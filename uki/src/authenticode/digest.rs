//! The digest of an image, read front to back.

use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;

use super::{AuthenticodeError, TABLE_LEN_MAX};
use crate::hash::{Hash, Hasher};
use crate::pe::format::{certificate, optional};
use crate::pe::headers::Headers;
use crate::pe::{Checksum, WriteError};

/// Bytes read at once.
const CHUNK: usize = 1 << 20;
/// More than any image's headers have.
const HEADERS_LEN_MAX: u64 = 1 << 20;

/// An image in a file, and where in it the things are that signing changes.
#[derive(Debug)]
pub(super) struct Map {
    pub(super) headers: Headers,
    pub(super) file_len: u64,
    /// The certificate table; empty, at the file's end, when there is none.
    pub(super) table: Range<u64>,
}

impl Map {
    pub(super) fn read<F: Read + Seek>(
        file: &mut F,
        file_len: u64,
    ) -> Result<Self, AuthenticodeError> {
        file.seek(SeekFrom::Start(0))?;
        let mut head = Vec::new();
        file.by_ref().take(HEADERS_LEN_MAX.min(file_len)).read_to_end(&mut head)?;
        let headers = Headers::parse(&head)?;
        if headers.directory_at(optional::SECURITY).is_none() {
            let problem = "no place for a certificate table";
            return Err(WriteError::Malformed { problem }.into());
        }
        let (offset, len) = headers.directory(optional::SECURITY);
        let (offset, len) = (u64::from(offset), u64::from(len));
        let table = if len == 0 { file_len..file_len } else { offset..offset + len };
        let wrong = |problem| AuthenticodeError::Table { problem, offset, len, file_len };
        if table.end.next_multiple_of(certificate::ALIGNMENT) < file_len || table.end > file_len {
            return Err(wrong("it is not the end of the file"));
        }
        if len > TABLE_LEN_MAX {
            return Err(wrong("it is longer than 1 MiB"));
        }
        if table.start < headers.len() as u64 {
            return Err(wrong("it lies in the headers"));
        }
        let map = Self { headers, file_len, table };
        map.check_gaps()?;
        Ok(map)
    }

    /// The sections must follow the headers and each other without gaps and overlaps: firmware
    /// hashes section by section and takes it for granted that this is the file.
    fn check_gaps(&self) -> Result<(), AuthenticodeError> {
        let mut sections = self.headers.sections();
        sections.retain(|section| section.raw_len != 0);
        sections.sort_by_key(|section| section.raw_offset);
        let mut at = self.headers.len() as u64;
        for section in sections {
            let offset = u64::from(section.raw_offset);
            if offset != at {
                let problem = if offset > at { "a gap" } else { "overlapping sections" };
                return Err(AuthenticodeError::Gap { problem, offset: at.min(offset) });
            }
            at = section.raw_end();
        }
        if at > self.table.start {
            return Err(AuthenticodeError::Gap {
                problem: "a section that is cut off",
                offset: self.table.start,
            });
        }
        Ok(())
    }

    fn checksum_at(&self) -> u64 {
        self.headers.optional_at(optional::CHECKSUM) as u64
    }

    fn directory_at(&self) -> u64 {
        self.headers.directory_at(optional::SECURITY).unwrap_or_default() as u64
    }

    /// The parts of the file that are hashed, in order: all but the checksum, the directory entry
    /// of the certificate table, and that table.
    fn hashed(&self) -> [Range<u64>; 3] {
        let (checksum, directory) = (self.checksum_at(), self.directory_at());
        let entry = directory + optional::DIRECTORY_LEN as u64;
        [0..checksum, checksum + 4..directory, entry..self.table.start]
    }

    /// Zeros that a file has to get before a table can follow.
    pub(super) fn padding(&self) -> usize {
        let padded = self.table.start.next_multiple_of(certificate::ALIGNMENT);
        usize::try_from(padded - self.table.start).unwrap_or_default()
    }

    /// Hands over all that is hashed, in order, each piece with its place in the file: also the
    /// zeros that a file gets before a table can follow.
    pub(super) fn visit<F: Read + Seek>(
        &self,
        file: &mut F,
        visitor: &mut dyn FnMut(u64, &[u8]),
    ) -> Result<(), AuthenticodeError> {
        let mut buffer = vec![0; usize::try_from(self.file_len).unwrap_or(CHUNK).min(CHUNK)];
        for part in self.hashed() {
            file.seek(SeekFrom::Start(part.start))?;
            let mut at = part.start;
            while at < part.end {
                let len = usize::try_from(part.end - at).unwrap_or(CHUNK).min(CHUNK);
                file.read_exact(&mut buffer[..len])?;
                visitor(at, &buffer[..len]);
                at += len as u64;
            }
        }
        visitor(self.table.start, &[0; 8][..self.padding()]);
        Ok(())
    }

    /// The digest, and the checksum of the same bytes in their places. Both are of the file
    /// padded to eight bytes.
    pub(super) fn digest<F: Read + Seek>(
        &self,
        file: &mut F,
        hash: Hash,
    ) -> Result<(Vec<u8>, Checksum), AuthenticodeError> {
        let mut hasher = Hasher::new(hash);
        let mut checksum = Checksum::default();
        let mut position = 0;
        self.visit(file, &mut |at, bytes| {
            // What is left out counts as zeros.
            let hole = usize::try_from(at - position).unwrap_or_default();
            checksum.update(&[0; 8][..hole]);
            hasher.update(bytes);
            checksum.update(bytes);
            position = at + bytes.len() as u64;
        })?;
        Ok((hasher.finish(), checksum))
    }
}

/// Hands over all that an image's digest is of; see [`Map::visit`].
pub(crate) fn visit_hashed<F: Read + Seek>(
    file: &mut F,
    len: u64,
    visitor: &mut dyn FnMut(u64, &[u8]),
) -> Result<(), AuthenticodeError> {
    Map::read(file, len)?.visit(file, visitor)
}

/// The Authenticode digest of an image that has no gaps: the first `len` bytes of `file`.
///
/// # Errors
/// [`AuthenticodeError`].
pub fn image_digest<F: Read + Seek>(
    file: &mut F,
    len: u64,
    hash: Hash,
) -> Result<Vec<u8>, AuthenticodeError> {
    Ok(Map::read(file, len)?.digest(file, hash)?.0)
}
