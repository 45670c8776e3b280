//! Tars as streams, written member by member (POSIX.1-2017, `pax`, "ustar Interchange Format").

use std::io::{self, Read, Write};

const BLOCK: usize = 512;
/// What a name may have: no prefix field is written.
const NAME_MAX: usize = 100;

/// Writes a tar: every member root's, of time 1700000000.
#[derive(Debug)]
pub struct Members<W> {
    output: W,
}

impl<W: Write> Members<W> {
    /// Begins a tar.
    pub fn new(output: W) -> Self {
        Self { output }
    }

    /// Adds a directory, whose name ends in a slash or not.
    ///
    /// # Errors
    /// A name of more than 100 bytes; what the output reports.
    pub fn directory(&mut self, name: &str) -> io::Result<()> {
        self.header(name, b'5', 0o755, 0)
    }

    /// Adds a file whose content is the next `len` bytes of `content`.
    ///
    /// # Errors
    /// As [`directory`](Self::directory); a content that ends early.
    pub fn file(&mut self, name: &str, len: u64, content: &mut impl Read) -> io::Result<()> {
        self.header(name, b'0', 0o644, len)?;
        let copied = io::copy(&mut content.take(len), &mut self.output)?;
        if copied != len {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the content ends early"));
        }
        let padding = len.next_multiple_of(BLOCK as u64) - len;
        io::copy(&mut io::repeat(0).take(padding), &mut self.output)?;
        Ok(())
    }

    /// Ends the tar and returns the output.
    ///
    /// # Errors
    /// What the output reports.
    pub fn finish(mut self) -> io::Result<W> {
        self.output.write_all(&[0; 2 * BLOCK])?;
        Ok(self.output)
    }

    fn header(&mut self, name: &str, flag: u8, mode: u64, len: u64) -> io::Result<()> {
        if name.len() > NAME_MAX {
            let reason = format!("{name}: longer than {NAME_MAX} bytes");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
        }
        let mut block = [0; BLOCK];
        block[..name.len()].copy_from_slice(name.as_bytes());
        number(&mut block[100..108], mode);
        number(&mut block[108..116], 0);
        number(&mut block[116..124], 0);
        number(&mut block[124..136], len);
        number(&mut block[136..148], 1_700_000_000);
        block[156] = flag;
        block[257..265].copy_from_slice(b"ustar\x0000");
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.output.write_all(&block)
    }
}

/// Octal digits and a NUL, or base 256 (GNU tar manual, "Basic Tar Format") when they are too many.
fn number(field: &mut [u8], value: u64) {
    let digits = format!("{value:0width$o}", width = field.len() - 1);
    if digits.len() < field.len() {
        field[..digits.len()].copy_from_slice(digits.as_bytes());
    } else {
        let start = field.len() - 8;
        field[start..].copy_from_slice(&value.to_be_bytes());
        field[0] |= 0x80;
    }
}
