//! Finds the last block of a deflate stream and its end (RFC 1951).

/// Codes of literals and lengths, at most; and of distances.
const LITERALS: usize = 288;
const DISTANCES: usize = 32;
/// Bits of the longest code.
const CODE_MAX: usize = 15;
/// Bits of a length and a distance, at most: their codes and what follows these.
const MATCH_MAX: usize = CODE_MAX + 5 + CODE_MAX + 13;
/// Bits that a look ahead gives at least.
const PEEK: usize = 56;
/// The symbol that ends a block.
const END: usize = 256;
/// The order in which a block tells the lengths of its codes' codes (RFC 1951, 3.2.7).
const LENGTH_ORDER: [usize; 19] =
    [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// Where the last block of a deflate stream begins and where it ends, in bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LastBlock {
    /// The bit that says it is the last.
    pub(crate) start: usize,
    /// The bit behind it.
    pub(crate) end: usize,
}

/// The last block of a complete deflate stream; `None` when it is none.
pub(crate) fn last_block(stream: &[u8]) -> Option<LastBlock> {
    let mut bits = Bits { bytes: stream, at: 0 };
    loop {
        let start = bits.at;
        let last = bits.take(1)?;
        match bits.take(2)? {
            0 => bits.skip_stored()?,
            1 => bits.skip_symbols(&fixed()?)?,
            2 => {
                let codes = bits.read_codes()?;
                bits.skip_symbols(&codes)?;
            }
            _ => return None,
        }
        if last == 1 {
            return Some(LastBlock { start, end: bits.at });
        }
    }
}

struct Bits<'a> {
    bytes: &'a [u8],
    /// Bits taken.
    at: usize,
}

impl Bits<'_> {
    /// At least [`PEEK`] bits from here on; zeros beyond the end.
    fn peek(&self) -> u64 {
        let from = self.at / 8;
        let word = match self.bytes.get(from..).and_then(<[u8]>::first_chunk) {
            Some(eight) => u64::from_le_bytes(*eight),
            None => {
                let rest = self.bytes.get(from..).unwrap_or_default();
                let mut eight = [0; 8];
                eight[..rest.len()].copy_from_slice(rest);
                u64::from_le_bytes(eight)
            }
        };
        word >> (self.at % 8)
    }

    fn skip(&mut self, count: usize) -> Option<()> {
        self.at += count;
        (self.at <= self.bytes.len() * 8).then_some(())
    }

    fn take(&mut self, count: usize) -> Option<usize> {
        let value = self.peek() & ((1 << count) - 1);
        self.skip(count)?;
        usize::try_from(value).ok()
    }

    fn skip_stored(&mut self) -> Option<()> {
        self.at = self.at.next_multiple_of(8);
        let len = self.take(16)?;
        self.take(16)?;
        self.skip(len * 8)
    }

    fn skip_symbols(&mut self, codes: &Codes) -> Option<()> {
        loop {
            // Several literals to each look: this runs once for every symbol of a disk.
            let (mut word, mut left) = (self.peek(), PEEK);
            while left >= CODE_MAX {
                let found = codes.literals.find(word);
                let mut bits = usize::from(found.bits);
                match found.kind {
                    Kind::Literal => {}
                    Kind::Match if left < MATCH_MAX => break,
                    Kind::Match => {
                        let distance = codes.distances.find(word >> bits);
                        if distance.kind == Kind::Unused {
                            return None;
                        }
                        bits += usize::from(distance.bits);
                    }
                    Kind::End => return self.skip(bits),
                    Kind::Unused => return None,
                }
                self.skip(bits)?;
                word >>= bits;
                left = left.saturating_sub(bits);
            }
        }
    }

    /// The codes in front of a block that brings its own.
    fn read_codes(&mut self) -> Option<Codes> {
        let literals = self.take(5)? + 257;
        let distances = self.take(5)? + 1;
        let count = self.take(4)? + 4;
        let mut lengths = [0; LENGTH_ORDER.len()];
        for symbol in &LENGTH_ORDER[..count] {
            lengths[*symbol] = u8::try_from(self.take(3)?).ok()?;
        }
        let table = Table::new(&lengths, |_| (Kind::Literal, 0))?;
        let mut lengths: Vec<u8> = Vec::with_capacity(literals + distances);
        while lengths.len() < literals + distances {
            let found = table.find(self.peek());
            if found.kind == Kind::Unused {
                return None;
            }
            self.skip(found.bits.into())?;
            let (value, times) = match found.symbol {
                16 => (*lengths.last()?, 3 + self.take(2)?),
                17 => (0, 3 + self.take(3)?),
                18 => (0, 11 + self.take(7)?),
                length => (length, 1),
            };
            lengths.resize(lengths.len() + times, value);
        }
        let (literals, rest) = lengths.split_at(literals);
        Codes::new(literals, rest.get(..distances)?)
    }
}

/// The codes of a block.
struct Codes {
    literals: Table,
    distances: Table,
}

impl Codes {
    fn new(literals: &[u8], distances: &[u8]) -> Option<Self> {
        let literals = Table::new(literals, |symbol| match symbol {
            ..END => (Kind::Literal, 0),
            END => (Kind::End, 0),
            _ => (Kind::Match, length_bits(symbol)),
        })?;
        let distances = Table::new(distances, |symbol| (Kind::Match, distance_bits(symbol)))?;
        Some(Self { literals, distances })
    }
}

/// The codes of blocks that bring none (RFC 1951, 3.2.6).
fn fixed() -> Option<Codes> {
    let mut literals = [8; LITERALS];
    literals[144..256].fill(9);
    literals[256..280].fill(7);
    Codes::new(&literals, &[5; DISTANCES])
}

/// Bits behind the code of a length.
fn length_bits(symbol: usize) -> u8 {
    match symbol {
        265..=284 => ((symbol - 261) / 4).to_le_bytes()[0],
        _ => 0,
    }
}

/// Bits behind the code of a distance.
fn distance_bits(symbol: usize) -> u8 {
    (symbol / 2).saturating_sub(1).to_le_bytes()[0]
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// No code begins like this.
    Unused,
    /// Nothing follows.
    Literal,
    /// A length, behind which a distance follows.
    Match,
    /// The end of the block.
    End,
}

/// What a code says.
#[derive(Clone, Copy, Debug)]
struct Found {
    kind: Kind,
    /// Bits of the code and of what belongs to it.
    bits: u8,
    /// The symbol's low byte.
    symbol: u8,
}

/// For every value of as many bits as the longest code has, what begins like this.
struct Table {
    entries: Vec<Found>,
    mask: u64,
}

impl Table {
    /// `lengths` has the length of each symbol's code; `meaning` a symbol's kind and the bits that
    /// follow its code. `None` when the codes contradict each other.
    fn new(lengths: &[u8], meaning: impl Fn(usize) -> (Kind, u8)) -> Option<Self> {
        let longest = lengths.iter().copied().max().unwrap_or(0).max(1);
        if usize::from(longest) > CODE_MAX {
            return None;
        }
        let size = 1_usize << longest;
        let unused = Found { kind: Kind::Unused, bits: 0, symbol: 0 };
        let mut entries = vec![unused; size];
        let mut code = 0_usize;
        for bits in 1..=longest {
            let symbols = lengths.iter().enumerate().filter(|(_, length)| **length == bits);
            for (symbol, _) in symbols {
                if code >> bits != 0 {
                    return None;
                }
                // Codes stand in the stream with their highest bit first.
                let first = code.reverse_bits() >> (usize::BITS - u32::from(bits));
                let (kind, extra) = meaning(symbol);
                let found = Found { kind, bits: bits + extra, symbol: symbol.to_le_bytes()[0] };
                entries[first..].iter_mut().step_by(1 << bits).for_each(|entry| *entry = found);
                code += 1;
            }
            code <<= 1;
        }
        Some(Self { entries, mask: size as u64 - 1 })
    }

    fn find(&self, word: u64) -> Found {
        usize::try_from(word & self.mask)
            .ok()
            .and_then(|index| self.entries.get(index).copied())
            .unwrap_or(Found { kind: Kind::Unused, bits: 0, symbol: 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::piece::Compressor;

    #[test]
    fn streams_end_where_their_last_block_ends() {
        for (stream, start, end) in [
            // Fixed codes, nothing but the end.
            (&[0x03, 0x00][..], 0, 10),
            // Stored, two bytes.
            (&[0x01, 2, 0, 0xFD, 0xFF, 7, 7], 0, 56),
            // Stored, not the last, then the first of these.
            (&[0x00, 0, 0, 0xFF, 0xFF, 0x03, 0x00], 40, 50),
        ] {
            assert_eq!(last_block(stream), Some(LastBlock { start, end }));
            for len in 0..stream.len() {
                assert_eq!(last_block(&stream[..len]), None, "{stream:?} {len}");
            }
        }
        assert_eq!(last_block(&[0x07]), None);
    }

    #[test]
    fn codes_longer_than_the_tables_are_found() {
        // Each literal half as often as the one before: codes of 1 to 14 bits.
        let skewed: Vec<u8> =
            (1..1_u32 << 18).map(|n| n.trailing_zeros().to_le_bytes()[0] * 7).collect();
        // Matches at distances of every length.
        let mut far = Vec::new();
        for n in 0..40_000_u32 {
            let word = n.wrapping_mul(0x9E37_79B9).to_le_bytes();
            let back = (1 << (n.trailing_zeros() + 4)).min(far.len());
            far.extend(word);
            far.extend_from_within(far.len() - back..far.len() - back + back.min(6));
        }
        for input in [skewed, far] {
            let stream = Compressor::new(6).deflate(&input);
            let LastBlock { start, end } = last_block(&stream).unwrap();
            assert_eq!(end.div_ceil(8), stream.len());
            assert_eq!(stream[start / 8] >> (start % 8) & 1, 1);
        }
    }

    #[test]
    fn whatever_the_bytes_nothing_panics() {
        let input: Vec<u8> = (0..20_000_u32).flat_map(|n| (n * n / 7).to_le_bytes()).collect();
        let mut stream = Compressor::new(6).deflate(&input);
        let LastBlock { end, .. } = last_block(&stream).unwrap();
        assert_eq!(end.div_ceil(8), stream.len());
        for at in 0..stream.len().min(3000) {
            let good = std::mem::replace(&mut stream[at], (at * 37).to_le_bytes()[0]);
            let _ = last_block(&stream);
            stream[at] = good;
        }
    }
}
