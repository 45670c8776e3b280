//! Maps of sparse files (GNU tar manual, "Sparse Formats").

use super::header::{Header, number};
use super::{BLOCK, header};
use crate::error::{Problem, escape};

/// A range of a file that its archive stores; what lies between extents is zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    /// First byte within the file.
    pub(crate) offset: u64,
    /// Length in bytes.
    pub(crate) len: u64,
}

/// A map while it is read.
#[derive(Clone, Debug)]
pub(super) struct Map {
    extents: Vec<Extent>,
    limit: usize,
}

impl Map {
    pub(super) fn new(limit: usize) -> Self {
        Self { extents: Vec::new(), limit }
    }

    pub(super) fn push(&mut self, offset: u64, len: u64) -> Result<(), Problem> {
        if self.extents.len() == self.limit {
            return Err(Problem::SparseMapTooLarge { limit: self.limit });
        }
        self.extents.push(Extent { offset, len });
        Ok(())
    }

    /// Takes the four extents of an old GNU header; returns whether extension blocks follow.
    pub(super) fn push_header(&mut self, header: &Header<'_>) -> Result<bool, Problem> {
        self.push_old(&header.0[386..482])?;
        Ok(header.0[482] != 0)
    }

    /// Takes an extension block of an old GNU header; returns whether another follows.
    pub(super) fn push_extension(&mut self, block: &[u8; BLOCK]) -> Result<bool, Problem> {
        self.push_old(&block[..504])?;
        Ok(block[504] != 0)
    }

    fn push_old(&mut self, pairs: &[u8]) -> Result<(), Problem> {
        for pair in pairs.chunks_exact(24) {
            if pair[0] == 0 && pair[12] == 0 {
                break;
            }
            self.push(old_number(&pair[..12])?, old_number(&pair[12..])?)?;
        }
        Ok(())
    }

    /// The finished map of a file of `len` bytes, of which `stored` are in the archive. Empty
    /// extents are left out.
    pub(super) fn finish(self, len: u64, stored: u64) -> Result<Box<[Extent]>, Problem> {
        let wrong = |what| Problem::SparseMap { what };
        let (mut end, mut sum) = (0u64, 0u64);
        for extent in &self.extents {
            if extent.offset < end {
                return Err(wrong("extents overlap or are out of order"));
            }
            end = extent.offset.checked_add(extent.len).ok_or(wrong("an extent is too long"))?;
            sum += extent.len;
        }
        if end > len {
            return Err(wrong("an extent ends beyond the file"));
        }
        if sum != stored {
            return Err(wrong("its extents hold more or less than what is stored"));
        }
        Ok(self.extents.into_iter().filter(|extent| extent.len > 0).collect())
    }
}

/// The size of the expanded file in an old GNU header.
pub(super) fn real_size(header: &Header<'_>) -> Result<u64, Problem> {
    old_number(&header.0[483..495])
}

fn old_number(field: &[u8]) -> Result<u64, Problem> {
    number(field)
        .and_then(|value| u64::try_from(value).ok())
        .ok_or_else(|| Problem::Number { field: "sparse map", found: escape(header::text(field)) })
}
