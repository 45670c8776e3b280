//! A part of a file as a file of its own.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// `len` bytes of a file from `start` on. It has a position of its own; clones share the bytes.
#[derive(Clone, Debug)]
pub(super) struct Span {
    file: Arc<File>,
    start: u64,
    len: u64,
    at: u64,
}

impl Span {
    pub(super) fn new(file: Arc<File>, start: u64, len: u64) -> Self {
        Self { file, start, len, at: 0 }
    }

    fn room(&self, wanted: usize) -> usize {
        usize::try_from(self.len.saturating_sub(self.at)).unwrap_or(usize::MAX).min(wanted)
    }
}

impl Read for Span {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = self.room(buffer.len());
        let read = self.file.read_at(&mut buffer[..most], self.start + self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Write for Span {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let most = self.room(bytes.len());
        let written = self.file.write_at(&bytes[..most], self.start + self.at)?;
        self.at += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Span {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.len.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_ends_where_it_was_said_to() {
        let file = Arc::new(tempfile::tempfile().unwrap());
        file.write_at(b"0123456789", 0).unwrap();
        let mut span = Span::new(Arc::clone(&file), 2, 4);
        let mut text = String::new();
        span.read_to_string(&mut text).unwrap();
        assert_eq!(text, "2345");
        span.seek(SeekFrom::End(-1)).unwrap();
        assert_eq!(span.write(b"xyz").unwrap(), 1);
        assert!(span.write_all(b"y").is_err());
        span.rewind().unwrap();
        let mut head = [0; 4];
        span.read_exact(&mut head).unwrap();
        assert_eq!(&head, b"234x");
    }
}
