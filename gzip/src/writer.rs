//! Pieces through the compressors and out in order.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Write};
use std::num::NonZeroUsize;

use bootwright_image::{Pool, SparseWrite, is_zero};

use crate::piece::Compressor;

/// Bytes of a piece.
const PIECE: usize = 1 << 20;
/// Deflate, no name, no time, system unknown (RFC 1952, 2.3).
const HEADER: [u8; 10] = [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 0xFF];
/// Fixed codes, the last block, nothing in it.
const END: [u8; 2] = [0x03, 0x00];
/// Memory for each piece on its way: as it came and compressed.
const PIECE_MEMORY: u64 = 2 * PIECE as u64 + (PIECE as u64 >> 3);

/// How to compress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Threads that compress.
    pub jobs: NonZeroUsize,
    /// libdeflate's level, 1 to 12. At 6, the default, the output is smaller than that of
    /// `gzip -6`.
    pub level: u8,
    /// Bytes that pieces on their way may take; at least one piece is always allowed.
    pub memory: u64,
}

impl Options {
    /// Level 6, at most 64 MiB.
    #[must_use]
    pub fn new(jobs: NonZeroUsize) -> Self {
        Self { jobs, level: 6, memory: 64 << 20 }
    }
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// Bytes that came in, zeros counted.
    pub uncompressed: u64,
    /// Bytes that went out.
    pub compressed: u64,
}

/// Compresses what is written to it. Without [`finish`](Self::finish) the output is not complete.
pub struct Gzip<W> {
    output: W,
    pool: Pool<Job, Done>,
    /// What goes out next, in order.
    queue: VecDeque<Next>,
    max_in_flight: usize,
    /// The piece that is being filled.
    piece: Vec<u8>,
    zeros: Zeros,
    crc: crc32fast::Hasher,
    summary: Summary,
    /// Jobs that are done, for their buffers.
    idle: Vec<Job>,
}

/// What goes out next.
enum Next {
    /// The pool's oldest result.
    Piece,
    /// Pieces of zeros.
    Zeros(u64),
}

/// A piece, and the buffer for its compressed form.
#[derive(Default)]
struct Job {
    input: Vec<u8>,
    output: Vec<u8>,
}

/// A compressed piece.
struct Done {
    job: Job,
    /// Bytes of its compressed form.
    compressed: usize,
    crc: crc32fast::Hasher,
}

impl<W: Write> Gzip<W> {
    /// Starts the threads. Nothing is written yet.
    pub fn new(output: W, options: Options) -> Self {
        let level = i32::from(options.level.clamp(1, 12));
        let pool = Pool::new(options.jobs, move || {
            let mut compressor = Compressor::new(level);
            move |mut job: Job| {
                let compressed = compressor.piece(&job.input, &mut job.output);
                let mut crc = crc32fast::Hasher::new();
                crc.update(&job.input);
                Done { job, compressed, crc }
            }
        });
        let affordable = usize::try_from(options.memory / PIECE_MEMORY).unwrap_or(usize::MAX);
        Self {
            output,
            pool,
            queue: VecDeque::new(),
            max_in_flight: affordable.clamp(1, options.jobs.get().saturating_mul(4)),
            piece: Vec::with_capacity(PIECE),
            zeros: Zeros::new(level),
            crc: crc32fast::Hasher::new(),
            summary: Summary::default(),
            idle: Vec::new(),
        }
    }

    /// Writes what is left and gives the output back, not flushed.
    ///
    /// # Errors
    /// What the output reports.
    pub fn finish(mut self) -> io::Result<(W, Summary)> {
        if !self.piece.is_empty() {
            self.submit()?;
        }
        while !self.queue.is_empty() {
            self.retire()?;
        }
        self.put_header()?;
        self.put(&END)?;
        let crc = self.crc.clone().finalize();
        self.put(&crc.to_le_bytes())?;
        // The length modulo 2^32.
        let len = self.summary.uncompressed.to_le_bytes();
        self.put(&len[..4])?;
        Ok((self.output, self.summary))
    }

    /// Hands on the piece that was being filled.
    fn submit(&mut self) -> io::Result<()> {
        if self.piece.len() == PIECE && is_zero(&self.piece) {
            self.piece.clear();
            return self.zero_pieces(1);
        }
        while self.pool.in_flight() >= self.max_in_flight {
            self.retire()?;
        }
        let mut job = self.idle.pop().unwrap_or_default();
        job.input.clear();
        std::mem::swap(&mut job.input, &mut self.piece);
        self.pool.submit(job);
        self.queue.push_back(Next::Piece);
        Ok(())
    }

    fn zero_pieces(&mut self, count: u64) -> io::Result<()> {
        match self.queue.back_mut() {
            Some(Next::Zeros(before)) => *before += count,
            _ => self.queue.push_back(Next::Zeros(count)),
        }
        if self.pool.in_flight() == 0 {
            self.retire()?;
        }
        Ok(())
    }

    /// Writes what is next.
    fn retire(&mut self) -> io::Result<()> {
        match self.queue.pop_front() {
            None => Ok(()),
            Some(Next::Zeros(count)) => {
                self.put_header()?;
                for _ in 0..count {
                    self.output.write_all(&self.zeros.piece)?;
                }
                self.summary.compressed += count * self.zeros.piece.len() as u64;
                self.zeros.add_to(&mut self.crc, count);
                self.summary.uncompressed += count * PIECE as u64;
                Ok(())
            }
            Some(Next::Piece) => {
                let done = self.pool.retire().map_err(io::Error::other)?;
                let Some(Done { job, compressed, crc }) = done else { return Ok(()) };
                self.put_header()?;
                self.put(&job.output[..compressed])?;
                self.summary.uncompressed += job.input.len() as u64;
                self.crc.combine(&crc);
                self.idle.push(job);
                Ok(())
            }
        }
    }

    fn put_header(&mut self) -> io::Result<()> {
        if self.summary.compressed == 0 { self.put(&HEADER) } else { Ok(()) }
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.output.write_all(bytes)?;
        self.summary.compressed += bytes.len() as u64;
        Ok(())
    }
}

impl<W: Write> Write for Gzip<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(PIECE - self.piece.len());
        self.piece.extend_from_slice(&bytes[..taken]);
        if self.piece.len() == PIECE {
            self.submit()?;
        }
        Ok(taken)
    }

    /// Writes whole pieces only: what is left of the last has to wait.
    fn flush(&mut self) -> io::Result<()> {
        while !self.queue.is_empty() {
            self.retire()?;
        }
        self.output.flush()
    }
}

impl<W: Write> SparseWrite for Gzip<W> {
    fn zeros(&mut self, mut len: u64) -> io::Result<()> {
        while len > 0 {
            if self.piece.is_empty() && len >= PIECE as u64 {
                self.zero_pieces(len / PIECE as u64)?;
                len %= PIECE as u64;
                continue;
            }
            let room = PIECE - self.piece.len();
            let taken = usize::try_from(len).map_or(room, |len| len.min(room));
            self.piece.resize(self.piece.len() + taken, 0);
            len -= taken as u64;
            if self.piece.len() == PIECE {
                self.submit()?;
            }
        }
        Ok(())
    }
}

impl<W> fmt::Debug for Gzip<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gzip").field("summary", &self.summary).finish_non_exhaustive()
    }
}

/// Pieces of zeros, made once.
struct Zeros {
    piece: Vec<u8>,
    /// The checksums of 1, 2, 4 … pieces.
    powers: Vec<crc32fast::Hasher>,
}

impl Zeros {
    fn new(level: i32) -> Self {
        let zeros = vec![0; PIECE];
        let mut crc = crc32fast::Hasher::new();
        crc.update(&zeros);
        let mut piece = Vec::new();
        let len = Compressor::new(level).piece(&zeros, &mut piece);
        piece.truncate(len);
        Self { piece, powers: vec![crc] }
    }

    /// Continues `crc` with as many pieces.
    fn add_to(&mut self, crc: &mut crc32fast::Hasher, count: u64) {
        for power in 0..64_usize.saturating_sub(count.leading_zeros() as usize) {
            if power == self.powers.len() {
                let mut twice = self.powers[power - 1].clone();
                twice.combine(&self.powers[power - 1]);
                self.powers.push(twice);
            }
            if count >> power & 1 == 1 {
                crc.combine(&self.powers[power]);
            }
        }
    }
}
