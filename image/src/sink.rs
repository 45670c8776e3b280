//! Planned regions and the check that what was written is what was planned.

use std::io::{self, Write};

/// A named range of bytes of an image, fixed by its plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// The specification's word for what lies there.
    pub name: &'static str,
    /// First byte.
    pub offset: u64,
    /// Length in bytes.
    pub len: u64,
}

/// Why an image could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmitError {
    /// The output refused the bytes.
    #[error("cannot write the image")]
    Io(#[from] io::Error),
    /// A defect of the writer: it did not follow its own plan.
    #[error(
        "BUG: {region}: planned {planned_len} bytes at {planned_offset}, wrote {len} at {offset}"
    )]
    PlanMismatch {
        /// The region's name.
        region: &'static str,
        /// Where the plan put it.
        planned_offset: u64,
        /// The planned length.
        planned_len: u64,
        /// Where it was written.
        offset: u64,
        /// The length written.
        len: u64,
    },
}

/// Counts the bytes of an image as it is written front to back.
#[derive(Debug)]
pub struct Sink<W> {
    inner: W,
    position: u64,
}

impl<W: Write> Sink<W> {
    /// Starts at position zero of the image.
    pub fn new(inner: W) -> Self {
        Self { inner, position: 0 }
    }

    /// Bytes written so far.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The output.
    pub fn into_inner(self) -> W {
        self.inner
    }

    /// Fills with zeros up to `offset`; does nothing when that is not ahead.
    ///
    /// # Errors
    /// What the output reports.
    pub fn zeros_until(&mut self, offset: u64) -> io::Result<()> {
        const ZEROS: [u8; 16384] = [0; 16384];
        while self.position < offset {
            let gap = usize::try_from(offset - self.position).unwrap_or(usize::MAX);
            self.write_all(&ZEROS[..gap.min(ZEROS.len())])?;
        }
        Ok(())
    }

    /// Fills up to the region and lets `body` write it.
    ///
    /// # Errors
    /// [`EmitError::PlanMismatch`] when the region does not lie ahead or `body` writes another
    /// length than planned, and whatever `body` returns.
    pub fn region<E: From<EmitError>>(
        &mut self,
        region: &Region,
        body: impl FnOnce(&mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        self.zeros_until(region.offset).map_err(EmitError::from)?;
        let start = self.position;
        body(self)?;
        let len = self.position - start;
        if start == region.offset && len == region.len {
            return Ok(());
        }
        Err(EmitError::PlanMismatch {
            region: region.name,
            planned_offset: region.offset,
            planned_len: region.len,
            offset: start,
            len,
        }
        .into())
    }
}

impl<W: Write> Write for Sink<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(buffer)?;
        self.position += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(region: Region, bytes: &[u8], sink: &mut Sink<Vec<u8>>) -> Result<(), EmitError> {
        sink.region(&region, |sink| Ok(sink.write_all(bytes)?))
    }

    #[test]
    fn gaps_are_zeros_and_a_wrong_length_or_place_is_an_error() {
        let mut sink = Sink::new(Vec::new());
        write(Region { name: "head", offset: 2, len: 3 }, b"abc", &mut sink).unwrap();
        let wrong = write(Region { name: "body", offset: 6, len: 2 }, b"x", &mut sink);
        assert_eq!(wrong.unwrap_err().to_string(), "BUG: body: planned 2 bytes at 6, wrote 1 at 6");
        let behind = write(Region { name: "tail", offset: 1, len: 1 }, b"x", &mut sink);
        assert_eq!(
            behind.unwrap_err().to_string(),
            "BUG: tail: planned 1 bytes at 1, wrote 1 at 7"
        );
        assert_eq!(sink.into_inner(), b"\0\0abc\0xx");
    }
}
