//! One zstd frame, compressed on several threads.
//!
//! The kernel ends an archive where a frame ends, so an archive must be one frame
//! (`init/initramfs.c`: what follows a compressed stream is a new archive). zstd's own threads split the input into jobs of a
//! fixed size and put the results together in order: bytes depend on the input, the level, the job
//! size and zstd's version. One thread is a worker as well, never zstd's mode without workers,
//! whose bytes are others.

use std::io::{self, Write};
use std::num::NonZeroU32;
use std::ops::RangeInclusive;

use zstd::stream::write::Encoder;
use zstd::zstd_safe::CParameter;

use super::WriteError;

/// Bytes of input in each job. A worker holds about one and a half of it beside its tables.
pub const JOB_SIZE: u32 = 32 << 20;

/// Levels that can be asked for: those whose window has 8 MiB at most, which every kernel takes.
pub const LEVELS: RangeInclusive<i32> = 1..=19;

/// Compresses what is written to it into one zstd frame.
pub struct Compressor<W: Write>(Encoder<'static, W>);

impl<W: Write> Compressor<W> {
    /// Compresses on `jobs` threads. The bytes do not depend on their number.
    ///
    /// # Errors
    /// [`WriteError::Level`]; [`WriteError::Output`] when threads cannot be made.
    pub fn new(output: W, level: i32, jobs: NonZeroU32) -> Result<Self, WriteError> {
        if !LEVELS.contains(&level) {
            return Err(WriteError::Level { level });
        }
        let mut encoder = Encoder::new(output, level)?;
        encoder.multithread(jobs.get())?;
        encoder.set_parameter(CParameter::JobSize(JOB_SIZE))?;
        encoder.include_checksum(false)?;
        Ok(Self(encoder))
    }

    /// Ends the frame and gives the output back.
    ///
    /// # Errors
    /// What the output reports.
    pub fn finish(self) -> io::Result<W> {
        self.0.finish()
    }
}

impl<W: Write> Write for Compressor<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    /// Does nothing: to force compressed bytes out would end a job early and change the frame.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<W: Write> std::fmt::Debug for Compressor<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Compressor").finish_non_exhaustive()
    }
}
