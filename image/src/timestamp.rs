//! Times as file systems keep them.

/// Seconds since 1970-01-01 00:00:00 UTC; negative before it. Fractions are dropped towards the
/// past before a time gets here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The nearest time that an unsigned 32-bit field of seconds can hold: 1970-01-01 to
    /// 2106-02-07.
    #[must_use]
    pub fn clamp_to_u32(self) -> u32 {
        u32::try_from(self.0.max(0)).unwrap_or(u32::MAX)
    }

    /// Whether [`clamp_to_u32`](Self::clamp_to_u32) keeps the time as it is.
    #[must_use]
    pub fn fits_u32(self) -> bool {
        u32::try_from(self.0).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_cut_to_what_32_bits_hold() {
        for (seconds, field, fits) in [
            (-1, 0, false),
            (0, 0, true),
            (i64::from(u32::MAX), u32::MAX, true),
            (i64::from(u32::MAX) + 1, u32::MAX, false),
            (i64::MIN, 0, false),
            (i64::MAX, u32::MAX, false),
        ] {
            assert_eq!(Timestamp(seconds).clamp_to_u32(), field, "{seconds}");
            assert_eq!(Timestamp(seconds).fits_u32(), fits, "{seconds}");
        }
    }
}
