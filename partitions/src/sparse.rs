//! Outputs that can be told of zeros instead of being given them.

use std::fmt;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};

use bootwright_image::{ContentSink, SparseWrite, is_zero, write_zeros};

/// Data is looked at in pieces of this many bytes, aligned in the output: the block size of the
/// file systems that hold images.
const PIECE: usize = 4096;
/// Writes are gathered to this many bytes. As much at once is not copied: contents are read in
/// pieces of at least this length.
const GATHER: usize = 1 << 18;

/// Any output; zeros are written.
#[derive(Debug)]
pub struct Dense<W>(pub W);

impl<W: Write> Write for Dense<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl<W: Write> SparseWrite for Dense<W> {
    fn zeros(&mut self, len: u64) -> io::Result<()> {
        write_zeros(&mut self.0, len)
    }
}

/// A seekable output whose bytes are zeros where nobody writes, such as a new file: zeros, told of
/// or found in the data, are skipped and become holes.
#[derive(Debug)]
pub struct SparseFile<W: Write + Seek> {
    output: BufWriter<W>,
    /// Bytes taken, with those that are skipped.
    position: u64,
    /// Zeros in front of `position` that were skipped but not yet seeked over.
    skipped: u64,
}

impl<W: Write + Seek> SparseFile<W> {
    /// Writes from the output's position on.
    pub fn new(output: W) -> Self {
        Self { output: BufWriter::with_capacity(GATHER, output), position: 0, skipped: 0 }
    }

    /// Writes what is buffered and, when the last bytes were zeros, the very last one of them, so
    /// that the output is as long as it should be.
    ///
    /// # Errors
    /// What the output reports.
    pub fn finish(mut self) -> io::Result<W> {
        if self.skipped > 0 {
            self.skipped -= 1;
            self.store(&[0])?;
        }
        self.output.into_inner().map_err(io::IntoInnerError::into_error)
    }

    fn store(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.skipped > 0 {
            let distance = i64::try_from(self.skipped).map_err(io::Error::other)?;
            self.output.seek(SeekFrom::Current(distance))?;
            self.skipped = 0;
        }
        self.output.write_all(bytes)
    }
}

impl<W: Write + Seek> Write for SparseFile<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let into_piece = usize::try_from(self.position % PIECE as u64).unwrap_or(0);
        let (first, rest) = bytes.split_at(bytes.len().min((PIECE - into_piece) % PIECE));
        let mut pieces = std::iter::once(first).chain(rest.chunks(PIECE)).peekable();
        // Neighbouring pieces of data go out together.
        let mut start = 0;
        let mut end = 0;
        while let Some(piece) = pieces.next() {
            let zero = is_zero(piece);
            if !zero {
                end += piece.len();
            }
            if (zero || pieces.peek().is_none()) && start < end {
                self.store(&bytes[start..end])?;
            }
            if zero {
                self.skipped += piece.len() as u64;
                end += piece.len();
                start = end;
            }
        }
        self.position += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

impl<W: Write + Seek> SparseWrite for SparseFile<W> {
    fn zeros(&mut self, len: u64) -> io::Result<()> {
        self.position += len;
        self.skipped += len;
        Ok(())
    }
}

/// What is written becomes a content: of a file in an outer volume, say. The caller begins and
/// ends it.
pub struct ContentWriter<'a>(&'a mut dyn ContentSink);

impl<'a> ContentWriter<'a> {
    /// Goes on with the content that `sink` is taking.
    pub fn new(sink: &'a mut dyn ContentSink) -> Self {
        Self(sink)
    }
}

impl Write for ContentWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.data(bytes).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl SparseWrite for ContentWriter<'_> {
    fn zeros(&mut self, len: u64) -> io::Result<()> {
        self.0.hole(len).map_err(io::Error::other)
    }
}

impl fmt::Debug for ContentWriter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContentWriter").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    #[test]
    fn zeros_are_skipped_and_the_length_is_kept() {
        let mut expected = vec![7; 100];
        expected.extend([0; 9000]);
        expected.extend([8; 5000]);
        expected.extend([0; 20000]);
        let mut sparse = SparseFile::new(Cursor::new(Vec::new()));
        for piece in expected[..14100].chunks(333) {
            sparse.write_all(piece).unwrap();
        }
        sparse.zeros(20000).unwrap();
        assert_eq!(sparse.finish().unwrap().into_inner(), expected);
        let mut dense = Dense(Vec::new());
        dense.write_all(&expected[..9100]).unwrap();
        dense.write_all(&expected[9100..14100]).unwrap();
        dense.zeros(20000).unwrap();
        assert_eq!(dense.0, expected);
    }

    #[test]
    fn zeros_in_data_become_holes_of_whole_pieces() {
        /// Counts what is really written.
        struct Counting(Cursor<Vec<u8>>, usize);
        impl Write for Counting {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.1 += bytes.len();
                self.0.write(bytes)
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        impl Seek for Counting {
            fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
                self.0.seek(to)
            }
        }
        let mut data = vec![1; PIECE];
        data.resize(4 * PIECE, 0);
        data.extend(vec![2; PIECE / 2]);
        let mut sparse = SparseFile::new(Counting(Cursor::new(Vec::new()), 0));
        sparse.write_all(&data).unwrap();
        let Counting(output, written) = sparse.finish().unwrap();
        assert_eq!(output.into_inner(), data);
        assert_eq!(written, PIECE + PIECE / 2);
    }
}
