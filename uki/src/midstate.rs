//! SHA-256 that can be stopped, written down and taken up elsewhere (FIPS 180-4, section 6.2).

use sha2::block_api::compress256;

const BLOCK_LEN: usize = 64;
/// Where the message's length in bits is in its last block.
const LENGTH_AT: usize = 56;

/// The state after whole blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Midstate {
    words: [u32; 8],
    len: u64,
}

impl Midstate {
    /// Of no blocks yet.
    pub(crate) fn new() -> Self {
        let words = [
            0x6A09_E667,
            0xBB67_AE85,
            0x3C6E_F372,
            0xA54F_F53A,
            0x510E_527F,
            0x9B05_688C,
            0x1F83_D9AB,
            0x5BE0_CD19,
        ];
        Self { words, len: 0 }
    }

    /// As it was written down: 32 bytes, and how many bytes went in.
    pub(crate) fn from_parts(state: [u8; 32], len: u64) -> Self {
        let mut words = [0; 8];
        for (word, bytes) in words.iter_mut().zip(state.as_chunks::<4>().0) {
            *word = u32::from_be_bytes(*bytes);
        }
        Self { words, len }
    }

    /// The state as bytes.
    pub(crate) fn state(&self) -> [u8; 32] {
        let mut state = [0; 32];
        for (bytes, word) in state.as_chunks_mut::<4>().0.iter_mut().zip(self.words) {
            *bytes = word.to_be_bytes();
        }
        state
    }

    /// Bytes that went in, a multiple of 64.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Takes as many whole blocks as there are; returns what is left.
    pub(crate) fn update<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let (blocks, rest) = bytes.as_chunks::<BLOCK_LEN>();
        compress256(&mut self.words, blocks);
        self.len += (blocks.len() * BLOCK_LEN) as u64;
        rest
    }

    /// The digest of all that went in, and `tail`.
    pub(crate) fn finish(mut self, tail: &[u8]) -> [u8; 32] {
        let rest = self.update(tail);
        let bits = (self.len + rest.len() as u64) * 8;
        let mut last = rest.to_vec();
        last.push(0x80);
        let padded = (last.len() + 8).next_multiple_of(BLOCK_LEN) - (BLOCK_LEN - LENGTH_AT);
        last.resize(padded, 0);
        last.extend(bits.to_be_bytes());
        self.update(&last);
        self.state()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::sha256;

    #[test]
    fn a_digest_goes_on_elsewhere() {
        let bytes: Vec<u8> = (0..=u8::MAX).cycle().step_by(31).take(1000).collect();
        for len in [0, 1, 55, 56, 63, 64, 65, 119, 120, 128, 1000] {
            let mut state = Midstate::new();
            let rest = state.update(&bytes[..len]);
            let elsewhere = Midstate::from_parts(state.state(), state.len());
            assert_eq!(elsewhere.finish(rest), sha256(&[&bytes[..len]]), "{len}");
        }
    }
}
