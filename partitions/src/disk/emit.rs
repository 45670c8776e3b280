//! The bytes, front to back.

use std::io::{self, Write};

use super::plan::Plan;
use crate::SparseWrite;

/// Why a disk could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmitError {
    /// The output refused the bytes.
    #[error("cannot write the disk")]
    Output(#[from] io::Error),
    /// More was written to a partition than it has room for.
    #[error("partition {number} got {written} bytes: it has {len}")]
    Overrun {
        /// The partition, counted from 1.
        number: usize,
        /// The bytes.
        written: u64,
        /// Its length.
        len: u64,
    },
}

impl From<EmitError> for io::Error {
    fn from(error: EmitError) -> Self {
        match error {
            EmitError::Output(error) => error,
            error @ EmitError::Overrun { .. } => Self::other(error),
        }
    }
}

/// A partition while it is written: byte zero is its first. What is left when it is given back
/// becomes zeros; more than its length is refused.
#[derive(Debug)]
pub struct Place<'a, W> {
    output: &'a mut W,
    number: usize,
    len: u64,
    written: u64,
}

impl<W> Place<'_, W> {
    /// The partition's length in bytes.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a partition has at least a sector")]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Counts `more` bytes, if they fit.
    fn count(&mut self, more: u64) -> Result<(), EmitError> {
        let written = self.written.saturating_add(more);
        if written > self.len {
            return Err(EmitError::Overrun { number: self.number, written, len: self.len });
        }
        self.written = written;
        Ok(())
    }
}

impl<W: Write> Write for Place<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.count(bytes.len() as u64)?;
        self.output.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

impl<W: SparseWrite> SparseWrite for Place<'_, W> {
    fn zeros(&mut self, len: u64) -> io::Result<()> {
        self.count(len)?;
        self.output.zeros(len)
    }
}

impl Plan {
    /// Writes the disk: tables, each partition by `draw`, which is called with the partition's
    /// index from 0 on, in order, and the backup table. Gives the output back, not flushed.
    ///
    /// # Errors
    /// [`EmitError`], and what `draw` returns.
    pub fn emit<W: SparseWrite, E: From<EmitError>>(
        &self,
        mut output: W,
        mut draw: impl FnMut(usize, &mut Place<'_, W>) -> Result<(), E>,
    ) -> Result<W, E> {
        let mut position = 0;
        self.put(&mut output, &mut position, 0, &self.mbr.to_bytes())?;
        let primary = self.table.primary_offset();
        self.put(&mut output, &mut position, primary, &self.table.primary())?;
        for (index, slot) in self.slots.iter().enumerate() {
            self.put(&mut output, &mut position, slot.offset, &[])?;
            let mut place =
                Place { output: &mut output, number: index + 1, len: slot.len, written: 0 };
            draw(index, &mut place)?;
            let left = slot.len - place.written;
            output.zeros(left).map_err(EmitError::from)?;
            position += slot.len;
        }
        let backup = self.table.backup_offset();
        self.put(&mut output, &mut position, backup, &self.table.backup())?;
        Ok(output)
    }

    /// Fills with zeros up to `offset` and writes `bytes` there.
    fn put(
        &self,
        output: &mut impl SparseWrite,
        position: &mut u64,
        offset: u64,
        bytes: &[u8],
    ) -> Result<(), EmitError> {
        output.zeros(offset - *position)?;
        output.write_all(bytes)?;
        *position = offset + bytes.len() as u64;
        Ok(())
    }
}
