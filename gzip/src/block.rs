//! Finds the last block of a deflate stream and its end (RFC 1951).

/// Codes of literals and lengths, at most; and of distances.
const LITERALS: usize = 288;
const DISTANCES: usize = 32;
/// Bits of the longest code.
const CODE_MAX: usize = 15;
/// Bits that tables are asked about at once. Longer codes are rare.
const LOOK: usize = 11;
/// Of a step: its bits, at most those of the symbols looked at and 13 behind the last of them.
const BITS: u8 = 0x3F;
/// Of a step: a distance follows.
const MATCH: u8 = 1 << MATCH_SHIFT;
const MATCH_SHIFT: u32 = 7;
/// Of a step: a long code, the end of the block, or none.
const RARE: u8 = 0x40;
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
    /// At least 57 bits from here on; zeros beyond the end.
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

    /// Skips to the end of a block. This runs once for every few symbols of a disk: it has no
    /// branch that depends on what comes, but for what is rare.
    fn skip_symbols(&mut self, codes: &Codes) -> Option<()> {
        loop {
            let word = self.peek();
            let step = codes.steps[look(word)];
            let bits = usize::from(step & BITS);
            // All ones behind a length, else zeros.
            let mask = 0_u8.wrapping_sub(step >> MATCH_SHIFT);
            let distance = codes.distance_steps[look(word >> bits)] & mask;
            if (step | distance) & RARE == 0 {
                self.skip(bits + usize::from(distance))?;
            } else if self.skip_symbol(codes)? == END {
                return Some(());
            }
        }
    }

    /// Skips a single symbol, with the distance behind a length, and tells it.
    fn skip_symbol(&mut self, codes: &Codes) -> Option<usize> {
        let found = codes.literals.find(self.peek())?;
        self.skip(found.bits() + length_bits(found.symbol()))?;
        if found.symbol() > END {
            let distance = codes.distances.find(self.peek())?;
            self.skip(distance.bits() + distance_bits(distance.symbol()))?;
        }
        Some(found.symbol())
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
        let code = Code::new(&lengths)?;
        let mut lengths: Vec<u8> = Vec::with_capacity(literals + distances);
        while lengths.len() < literals + distances {
            let found = code.find(self.peek())?;
            self.skip(found.bits())?;
            let (value, times) = match found.symbol() {
                16 => (*lengths.last()?, 3 + self.take(2)?),
                17 => (0, 3 + self.take(3)?),
                18 => (0, 11 + self.take(7)?),
                length => (u8::try_from(length).ok()?, 1),
            };
            lengths.resize(lengths.len() + times, value);
        }
        let (literals, rest) = lengths.split_at(literals);
        Codes::new(literals, rest.get(..distances)?)
    }
}

/// The codes of a block.
struct Codes {
    literals: Code,
    distances: Code,
    /// For the next bits, how many belong to symbols that are whole among them: literals, behind
    /// them a length perhaps ([`MATCH`]). [`RARE`] when there is none.
    steps: [u8; 1 << LOOK],
    /// The same for a distance.
    distance_steps: [u8; 1 << LOOK],
}

impl Codes {
    fn new(literals: &[u8], distances: &[u8]) -> Option<Self> {
        let (literals, distances) = (Code::new(literals)?, Code::new(distances)?);
        let mut steps = [RARE; 1 << LOOK];
        for (next, step) in steps.iter_mut().enumerate() {
            *step = literal_step(&literals, next);
        }
        let mut distance_steps = [RARE; 1 << LOOK];
        for (found, step) in distances.short.iter().zip(&mut distance_steps) {
            if found.bits() > 0 {
                *step = (found.bits() + distance_bits(found.symbol())).to_le_bytes()[0];
            }
        }
        Some(Self { literals, distances, steps, distance_steps })
    }
}

/// What is whole among the next [`LOOK`] bits.
fn literal_step(literals: &Code, next: usize) -> u8 {
    let mut bits = 0;
    loop {
        let found = literals.short[next >> bits];
        let whole = found.bits() > 0 && bits + found.bits() <= LOOK;
        if whole && found.symbol() < END {
            bits += found.bits();
        } else if whole && found.symbol() > END {
            return (bits + found.bits() + length_bits(found.symbol())).to_le_bytes()[0] | MATCH;
        } else {
            return if bits > 0 { bits.to_le_bytes()[0] } else { RARE };
        }
    }
}

/// The codes of blocks that bring none (RFC 1951, 3.2.6).
fn fixed() -> Option<Codes> {
    let mut literals = [8; LITERALS];
    literals[144..256].fill(9);
    literals[256..280].fill(7);
    Codes::new(&literals, &[5; DISTANCES])
}

/// Bits behind the code of a length; none behind a literal's.
fn length_bits(symbol: usize) -> usize {
    match symbol {
        265..=284 => (symbol - 261) / 4,
        _ => 0,
    }
}

/// Bits behind the code of a distance.
fn distance_bits(symbol: usize) -> usize {
    (symbol / 2).saturating_sub(1)
}

/// The next bits, as tables take them.
fn look(word: u64) -> usize {
    const MASK: u64 = (1 << LOOK) - 1;
    usize::try_from(word & MASK).unwrap_or(0)
}

/// A symbol, and the bits of its code.
#[derive(Clone, Copy, Debug, Default)]
struct Found {
    bits: u8,
    symbol: u16,
}

impl Found {
    /// `None` for numbers that no code has.
    fn new(bits: usize, symbol: usize) -> Option<Self> {
        Some(Self { bits: u8::try_from(bits).ok()?, symbol: u16::try_from(symbol).ok()? })
    }

    fn bits(self) -> usize {
        self.bits.into()
    }

    fn symbol(self) -> usize {
        self.symbol.into()
    }
}

/// A prefix code (RFC 1951, 3.2.2).
struct Code {
    /// What the next bits begin with; no bits: nothing, or a longer code.
    short: [Found; 1 << LOOK],
    /// For each number of bits the first code and how many there are.
    ranges: [(usize, usize); CODE_MAX + 1],
    /// The symbols in the order of their codes.
    symbols: Vec<usize>,
}

impl Code {
    /// `lengths` has the length of each symbol's code. `None` when they contradict each other.
    fn new(lengths: &[u8]) -> Option<Self> {
        let mut this = Self {
            short: [Found::default(); 1 << LOOK],
            ranges: [(0, 0); CODE_MAX + 1],
            symbols: Vec::with_capacity(lengths.len()),
        };
        if lengths.iter().any(|length| usize::from(*length) > CODE_MAX) {
            return None;
        }
        let mut code = 0_usize;
        for bits in 1..=CODE_MAX {
            let first = code;
            let symbols = lengths.iter().enumerate().filter(|(_, len)| usize::from(**len) == bits);
            for (symbol, _) in symbols {
                if code >> bits != 0 {
                    return None;
                }
                this.symbols.push(symbol);
                // Codes stand in the stream with their highest bit first.
                let start = code.reverse_bits() >> (usize::BITS as usize - bits);
                let places = this.short.iter_mut().skip(start).step_by(1 << bits);
                if bits <= LOOK {
                    let found = Found::new(bits, symbol)?;
                    places.for_each(|place| *place = found);
                }
                code += 1;
            }
            this.ranges[bits] = (first, code - first);
            code <<= 1;
        }
        Some(this)
    }

    /// The symbol that `word` begins with.
    fn find(&self, word: u64) -> Option<Found> {
        let short = self.short[look(word)];
        if short.bits > 0 {
            return Some(short);
        }
        let ahead = word.reverse_bits();
        let mut before = 0;
        for (bits, (first, count)) in self.ranges.iter().enumerate().skip(1) {
            let code = usize::try_from(ahead >> (64 - bits)).ok()?;
            if let Some(index) = code.checked_sub(*first).filter(|index| index < count) {
                return Found::new(bits, self.symbols[before + index]);
            }
            before += count;
        }
        None
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
