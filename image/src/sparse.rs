//! Outputs that can be told of zeros instead of being given them.

use std::io::{self, Write};

/// An output that is written front to back and takes runs of zeros by their length. A sparse file
/// turns them into holes, a compressor has them ready, a plain output writes them.
pub trait SparseWrite: Write {
    /// The next `len` bytes are zeros.
    ///
    /// # Errors
    /// What the output reports.
    fn zeros(&mut self, len: u64) -> io::Result<()>;
}

impl<W: SparseWrite + ?Sized> SparseWrite for &mut W {
    fn zeros(&mut self, len: u64) -> io::Result<()> {
        (**self).zeros(len)
    }
}

impl SparseWrite for Vec<u8> {
    fn zeros(&mut self, len: u64) -> io::Result<()> {
        write_zeros(self, len)
    }
}

/// Writes `len` bytes of zeros.
///
/// # Errors
/// What the output reports.
pub fn write_zeros(output: &mut (impl Write + ?Sized), mut len: u64) -> io::Result<()> {
    static ZEROS: [u8; 1 << 16] = [0; 1 << 16];
    while len > 0 {
        let piece = usize::try_from(len).unwrap_or(usize::MAX).min(ZEROS.len());
        output.write_all(&ZEROS[..piece])?;
        len -= piece as u64;
    }
    Ok(())
}

/// Whether all bytes are zeros.
#[must_use]
pub fn is_zero(bytes: &[u8]) -> bool {
    let (chunks, rest) = bytes.as_chunks::<64>();
    chunks.iter().all(|chunk| chunk.iter().fold(0, |all, byte| all | byte) == 0)
        && rest.iter().all(|byte| *byte == 0)
}
