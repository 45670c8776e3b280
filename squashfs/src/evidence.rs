//! Cheap evidence that a block will not compress.

/// Bytes looked at: 64 pieces spread evenly over the block.
const SAMPLE: usize = 1 << 16;
const PIECES: usize = 64;
/// The sum over all byte values of the squared distance from an even distribution, up to which
/// the sample counts as noise. Noise itself has about 2^16; what gzip, xz and zstd make stays
/// below 2^19. Here it is what leaves an ideal order-0 coder 0.02 bits a byte, a quarter of a
/// percent: 2 ln 2 * 65536 * 256 * 0.02.
const NOISE: u64 = 465_000;

/// Whether a block is most likely compressed already: its bytes are spread evenly, and hardly any
/// of them repeat what came before. The answer depends on the block alone and is computed with
/// integers, so it is the same everywhere.
///
/// A compressor spends as long on such a block as on others and saves less than 0.7 % of it.
pub(crate) fn is_compressed(block: &[u8]) -> bool {
    block.len() >= 2 * SAMPLE && spread(block) <= NOISE && !repeats(block)
}

/// Whether one in a hundred eight-byte strings comes again, at whatever distance. Only the strings
/// whose own bits say so are compared, one in 64: that picks the same ones wherever they lie.
fn repeats(block: &[u8]) -> bool {
    let mut picked: Vec<u64> = block
        .windows(8)
        .map(|eight| u64::from_le_bytes(eight.try_into().expect("BUG: eight bytes")))
        .filter(|string| string.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58 == 0)
        .collect();
    let all = picked.len();
    picked.sort_unstable();
    picked.dedup();
    (all - picked.len()) * 100 > all
}

fn spread(block: &[u8]) -> u64 {
    // Four tables, so that equal neighbours do not wait for each other.
    let mut counts = [[0_u32; 256]; 4];
    let stride = block.len() / PIECES;
    for piece in 0..PIECES {
        let start = piece * stride;
        for four in block[start..start + SAMPLE / PIECES].as_chunks::<4>().0 {
            for (table, byte) in counts.iter_mut().zip(four) {
                table[usize::from(*byte)] += 1;
            }
        }
    }
    const EVEN: i64 = 1 << 8;
    const _: () = assert!(SAMPLE == 256 << 8);
    (0..256)
        .map(|byte| {
            let count: i64 = counts.iter().map(|table| i64::from(table[byte])).sum();
            (count - EVEN).unsigned_abs().pow(2)
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        blake3::Hasher::new().finalize_xof().fill(&mut bytes);
        bytes
    }

    #[test]
    fn noise_is_known_and_nothing_else() {
        let noise = noise(1 << 20);
        assert!(is_compressed(&noise));
        assert!(is_compressed(&noise[..2 * SAMPLE]));
        assert!(!is_compressed(&noise[..2 * SAMPLE - 1]));
        // Even, but the second half repeats the first.
        let twice = noise[..1 << 19].repeat(2);
        assert!(spread(&twice) < NOISE);
        assert!(!is_compressed(&twice));
        let mut partly = noise.clone();
        partly.copy_within(..1 << 15, 1 << 19);
        assert!(!is_compressed(&partly));
        // One byte value comes too often.
        let tilted: Vec<u8> = noise
            .iter()
            .enumerate()
            .map(|(at, byte)| if at % 40 == 0 { 0 } else { *byte })
            .collect();
        assert!(!is_compressed(&tilted));
        assert!(!is_compressed(&vec![0; 1 << 20]));
    }
}
