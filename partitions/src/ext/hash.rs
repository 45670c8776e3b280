//! The hash of names in a directory's tree: half MD4, names as signed characters.

/// The value that ends a directory when it is listed; no name may have it.
const END: u32 = 0xFFFF_FFFE;

/// The hash of a name, its lowest bit clear, and a second one that orders equal hashes.
pub(super) fn half_md4(name: &[u8], seed: [u32; 4]) -> (u32, u32) {
    let mut state = seed;
    if state == [0; 4] {
        state = [0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476];
    }
    let mut rest = name;
    while !rest.is_empty() {
        state = transform(state, words(rest));
        rest = rest.get(32..).unwrap_or_default();
    }
    let hash = state[1] & !1;
    (if hash == END { END - 2 } else { hash }, state[2])
}

/// Up to 32 bytes as eight words, filled with the length of what is left of the name.
fn words(bytes: &[u8]) -> [u32; 8] {
    let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let half = len | len << 8;
    let pad = half | half << 16;
    let mut words = [pad; 8];
    for (word, four) in words.iter_mut().zip(bytes.chunks(4)) {
        for byte in four {
            let signed = i32::from(byte.cast_signed()).cast_unsigned();
            *word = signed.wrapping_add(*word << 8);
        }
    }
    words
}

/// MD4 with half its steps (RFC 1320 has the functions and the constants).
fn transform(state: [u32; 4], input: [u32; 8]) -> [u32; 4] {
    const ORDERS: [[usize; 8]; 3] =
        [[0, 1, 2, 3, 4, 5, 6, 7], [1, 3, 5, 7, 0, 2, 4, 6], [3, 7, 2, 6, 1, 5, 0, 4]];
    const SHIFTS: [[u32; 4]; 3] = [[3, 7, 11, 19], [3, 5, 9, 13], [3, 9, 11, 15]];
    const CONSTANTS: [u32; 3] = [0, 0x5A82_7999, 0x6ED9_EBA1];
    let mix = [
        |x: u32, y: u32, z: u32| z ^ (x & (y ^ z)),
        |x: u32, y: u32, z: u32| (x & y).wrapping_add((x ^ y) & z),
        |x: u32, y: u32, z: u32| x ^ y ^ z,
    ];
    let [mut a, mut b, mut c, mut d] = state;
    for round in 0..3 {
        for (step, word) in ORDERS[round].iter().enumerate() {
            let sum = a
                .wrapping_add(mix[round](b, c, d))
                .wrapping_add(input[*word])
                .wrapping_add(CONSTANTS[round]);
            let rotated = sum.rotate_left(SHIFTS[round][step % 4]);
            (a, b, c, d) = (d, rotated, b, c);
        }
    }
    let [s0, s1, s2, s3] = state;
    [s0.wrapping_add(a), s1.wrapping_add(b), s2.wrapping_add(c), s3.wrapping_add(d)]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `debugfs -R 'dx_hash -h half_md4 [-s SEED] NAME'`.
    #[test]
    fn hashes_are_those_of_debugfs() {
        for (name, seed, expected) in [
            ("a", [0; 4], (0xD5FA_7D7A, 0xACB4_8187)),
            ("hello", [0; 4], (0x1746_DA32, 0x4200_13B5)),
            ("hello", [1, 2, 3, 4], (0xA3E1_1884, 0x6E19_E2C7)),
            ("a name that is longer than thirty-two bytes", [0; 4], (0x2865_35EA, 0x81FC_0AA0)),
            ("näme", [0; 4], (0x6E9A_D2FE, 0x41CE_F794)),
        ] {
            assert_eq!(half_md4(name.as_bytes(), seed), expected, "{name:?}");
        }
    }
}
