//! The `CheckSum` field: a 16-bit one's complement sum of the file, and the file's length.

/// The sum in the making. The field itself counts as zeros.
#[derive(Clone, Copy, Debug, Default)]
pub struct Checksum {
    sum: u64,
    len: u64,
}

impl Checksum {
    /// The next bytes of the file, in pieces of any length.
    pub fn update(&mut self, bytes: &[u8]) {
        let odd = usize::from(!self.len.is_multiple_of(2) && !bytes.is_empty());
        let (first, rest) = bytes.split_at(odd);
        if let [high] = first {
            self.sum += u64::from(*high) << 8;
        }
        let (words, last) = rest.as_chunks::<2>();
        self.sum += words.iter().map(|word| u64::from(u16::from_le_bytes(*word))).sum::<u64>();
        self.sum += last.first().map_or(0, |low| u64::from(*low));
        self.len += bytes.len() as u64;
    }

    /// Puts words where zeros were counted before: the length does not change.
    pub(crate) fn add_words(&mut self, bytes: &[u8]) {
        let len = self.len;
        self.len = 0;
        self.update(bytes);
        self.len = len;
    }

    /// The value of the field.
    #[must_use]
    pub fn finish(self) -> u32 {
        let mut sum = self.sum;
        while sum > 0xFFFF {
            sum = (sum & 0xFFFF) + (sum >> 16);
        }
        // Images have less than 4 GiB, so nothing is cut.
        u32::try_from(sum + self.len).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_do_not_change_the_sum() {
        let bytes: Vec<u8> = (0..=u8::MAX).cycle().step_by(7).take(999).collect();
        let mut whole = Checksum::default();
        whole.update(&bytes);
        for piece in [1, 2, 3, 64] {
            let mut pieces = Checksum::default();
            bytes.chunks(piece).for_each(|chunk| pieces.update(chunk));
            assert_eq!(pieces.finish(), whole.finish(), "{piece}");
        }
        let mut carry = Checksum::default();
        carry.update(&[0xFF, 0xFF, 0x02, 0x00, 0x01]);
        assert_eq!(carry.finish(), 3 + 5);
    }
}
