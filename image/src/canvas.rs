//! One output, several writers, each in its own place.

use std::fmt;
use std::io::{self, Seek, SeekFrom, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A seekable output on which several writers draw: the ISO's head, the squashfs in its extent,
/// the kernel in another. Cloning shares the output. Gaps that nobody writes read as zeros when
/// the output is a new file.
pub struct Canvas<W>(Arc<Mutex<Inner<W>>>);

struct Inner<W> {
    output: W,
    /// Where the next byte would land; `None` when unknown after an error.
    position: Option<u64>,
    /// The end of the bytes written so far.
    end: u64,
}

impl<W: Write + Seek> Canvas<W> {
    /// Byte zero of the image is byte zero of `output`.
    pub fn new(output: W) -> Self {
        Self(Arc::new(Mutex::new(Inner { output, position: None, end: 0 })))
    }

    /// A place of its own for one writer: its byte zero is byte `base` of the canvas.
    #[must_use]
    pub fn window(&self, base: u64) -> Window<W> {
        Window { canvas: self.clone(), base, position: 0 }
    }

    /// Writes all of `bytes` at byte `offset`.
    ///
    /// # Errors
    /// What the output reports.
    pub fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut inner = self.lock();
        if inner.position != Some(offset) {
            inner.position = None;
            inner.output.seek(SeekFrom::Start(offset))?;
        }
        inner.position = None;
        inner.output.write_all(bytes)?;
        let position = offset + bytes.len() as u64;
        inner.position = Some(position);
        inner.end = inner.end.max(position);
        Ok(())
    }

    /// The end of the bytes written so far.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.lock().end
    }

    /// Flushes the output.
    ///
    /// # Errors
    /// What the output reports.
    pub fn flush(&self) -> io::Result<()> {
        self.lock().output.flush()
    }

    /// The output, once every window and clone is gone; the canvas itself otherwise.
    ///
    /// # Errors
    /// The canvas, when it is still shared.
    pub fn try_into_inner(self) -> Result<W, Self> {
        match Arc::try_unwrap(self.0) {
            Ok(mutex) => Ok(mutex.into_inner().unwrap_or_else(PoisonError::into_inner).output),
            Err(shared) => Err(Self(shared)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner<W>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W> Clone for Canvas<W> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<W> fmt::Debug for Canvas<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Canvas").finish_non_exhaustive()
    }
}

/// A writer's own place on a [`Canvas`], with a position of its own. Seeking from the end is not
/// supported, since a place has no end.
#[derive(Debug)]
pub struct Window<W> {
    canvas: Canvas<W>,
    base: u64,
    position: u64,
}

impl<W> Window<W> {
    /// Where the window's byte zero is on the canvas.
    #[must_use]
    pub fn base(&self) -> u64 {
        self.base
    }
}

impl<W: Write + Seek> Write for Window<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let offset = self.base.checked_add(self.position).ok_or_else(beyond)?;
        self.canvas.write_at(offset, bytes)?;
        self.position += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.canvas.flush()
    }
}

impl<W> Seek for Window<W> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.position = match to {
            SeekFrom::Start(position) => position,
            SeekFrom::Current(by) => self.position.checked_add_signed(by).ok_or_else(beyond)?,
            SeekFrom::End(_) => {
                return Err(io::Error::new(io::ErrorKind::Unsupported, "a window has no end"));
            }
        };
        Ok(self.position)
    }
}

fn beyond() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "position outside the output")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    #[test]
    fn windows_write_in_their_own_places() {
        let canvas = Canvas::new(Cursor::new(Vec::new()));
        let mut a = canvas.window(0);
        let mut b = canvas.window(8);
        b.write_all(b"bb").unwrap();
        a.write_all(b"aaa").unwrap();
        b.write_all(b"BB").unwrap();
        a.seek(SeekFrom::Start(1)).unwrap();
        a.write_all(b"A").unwrap();
        assert_eq!(canvas.end(), 12);
        drop((a, b));
        let bytes = canvas.try_into_inner().unwrap().into_inner();
        assert_eq!(bytes, b"aAa\0\0\0\0\0bbBB");
    }

    #[test]
    fn a_shared_canvas_is_given_back() {
        let canvas = Canvas::new(Cursor::new(Vec::new()));
        let window = canvas.window(0);
        let canvas = canvas.try_into_inner().unwrap_err();
        drop(window);
        assert!(canvas.try_into_inner().is_ok());
    }
}
