//! Contents from nothing: endless bytes that compress about as well as programs and text do.

use std::io::{self, Read};

/// Bytes of one chunk.
const CHUNK: usize = 4096;
/// Chunks to choose from: together more than the windows of deflate and LZ4.
const CHUNKS: usize = 256;

/// A reader without an end. The same seed gives the same bytes.
///
/// Chunks of 4 KiB, words and some noise, follow each other in an order of chance; each starts with
/// its number, so that no two are equal.
#[derive(Debug)]
pub struct Prose {
    pool: Vec<u8>,
    state: u64,
    number: u64,
    chunk: Vec<u8>,
    read: usize,
}

impl Prose {
    /// Bytes of one sequence of many.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut state = 0x9e37_79b9_7f4a_7c15 ^ seed;
        let mut pool = Vec::with_capacity(CHUNKS * CHUNK);
        let words: Vec<[u8; 6]> = (0..512).map(|_| word(&mut state)).collect();
        while pool.len() < CHUNKS * CHUNK {
            let random = next(&mut state).to_le_bytes();
            pool.extend_from_slice(&words[usize::from(random[0]) * 2]);
            pool.extend_from_slice(&random[1..4]);
        }
        Self { pool, state, number: 0, chunk: Vec::new(), read: 0 }
    }

    fn refill(&mut self) {
        let [.., pick] = next(&mut self.state).to_le_bytes();
        let start = usize::from(pick) % CHUNKS * CHUNK;
        self.chunk.clear();
        self.chunk.extend_from_slice(&self.number.to_le_bytes());
        self.chunk.extend_from_slice(&self.pool[start + 8..start + CHUNK]);
        self.number += 1;
        self.read = 0;
    }
}

impl Read for Prose {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.read == self.chunk.len() {
            self.refill();
        }
        let rest = &self.chunk[self.read..];
        let len = rest.len().min(buffer.len());
        buffer[..len].copy_from_slice(&rest[..len]);
        self.read += len;
        Ok(len)
    }
}

fn word(state: &mut u64) -> [u8; 6] {
    let mut word = [b' '; 6];
    for (letter, random) in word[..5].iter_mut().zip(next(state).to_le_bytes()) {
        *letter = b'a' + random % 26;
    }
    word
}

/// The next number of a sequence (xorshift64).
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}
