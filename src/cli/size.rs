//! Sizes as people write them.

/// Parses `4096`, `128K`, `1M`, `2G`, `128KiB`, `1MiB` or `2GiB` into bytes; `K`, `M` and `G` are
/// powers of 1024 as in `mksquashfs -b`.
pub(crate) fn parse(text: &str) -> Result<u64, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let shift = match unit {
        "" => 0,
        "K" | "KiB" => 10,
        "M" | "MiB" => 20,
        "G" | "GiB" => 30,
        _ => return Err(format!("unknown unit {unit:?}; use K, M, G, KiB, MiB or GiB")),
    };
    let number: u64 = match number.parse() {
        Ok(number) => number,
        Err(_) if number.is_empty() => return Err("no number".into()),
        Err(_) => return Err(format!("{number} does not fit in 64 bits")),
    };
    number.checked_mul(1 << shift).ok_or_else(|| format!("{text} does not fit in 64 bits"))
}

/// A number of bytes for people: three significant digits and a binary unit.
pub(crate) fn human(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let magnitude = (bytes.ilog2() / 10).min(6);
    // Tenths, computed in integers so that the text never depends on rounding modes.
    let tenths = (u128::from(bytes) * 10) >> (10 * magnitude);
    let unit = UNITS[magnitude as usize - 1];
    if tenths >= 1000 {
        format!("{} {unit}", tenths / 10)
    } else {
        format!("{}.{} {unit}", tenths / 10, tenths % 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_binary_units() {
        for (text, bytes) in [
            ("0", 0),
            ("4096", 4096),
            ("128K", 128 << 10),
            ("1MiB", 1 << 20),
            ("3G", 3 << 30),
            ("17179869183G", 17_179_869_183 << 30),
        ] {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
        for (text, message) in [
            ("", "no number"),
            ("M", "no number"),
            ("1MB", "unknown unit \"MB\"; use K, M, G, KiB, MiB or GiB"),
            ("-1", "unknown unit \"-1\"; use K, M, G, KiB, MiB or GiB"),
            ("17179869184G", "17179869184G does not fit in 64 bits"),
            ("99999999999999999999", "99999999999999999999 does not fit in 64 bits"),
        ] {
            assert_eq!(parse(text).unwrap_err(), message);
        }
    }

    #[test]
    fn human_sizes_keep_three_digits() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (350_000_000, "333 MiB"),
            (u64::MAX, "15.9 EiB"),
        ] {
            assert_eq!(human(bytes), text);
        }
    }
}
