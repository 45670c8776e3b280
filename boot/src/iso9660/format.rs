//! On-disk numbers, dates and constants of ECMA-119.

use bootwright_image::Timestamp;

/// Bytes of a logical block and of a logical sector.
pub(crate) const BLOCK: u64 = 2048;
/// [`BLOCK`] as a length in memory.
pub(crate) const BLOCK_LEN: usize = 2048;
/// The block of the first volume descriptor (ECMA-119 6.2.1: blocks 0 to 15 are the system area).
pub(crate) const DESCRIPTORS: u32 = 16;
/// The first block of the view that partition 1 shows: its block 0.
pub(crate) const PARTITION_BASE: u32 = 16;
/// The descriptors of that view: block 16 of the partition.
pub(crate) const PARTITION_DESCRIPTORS: u32 = PARTITION_BASE + DESCRIPTORS;
/// The longest piece of a file in several extents: 4 GiB less one block, the most that keeps every
/// piece but the last a whole number of blocks.
pub(crate) const PIECE_MAX: u32 = 0xFFFF_F800;
/// [`PIECE_MAX`] in blocks.
pub(crate) const PIECE_BLOCKS: u32 = PIECE_MAX / 2048;

/// File flag: a directory (ECMA-119 9.1.6).
pub(crate) const FLAG_DIRECTORY: u8 = 0x02;
/// File flag: this is not the final directory record of the file.
pub(crate) const FLAG_MULTI_EXTENT: u8 = 0x80;

/// Standard identifier of every volume descriptor.
pub(crate) const STANDARD_ID: &[u8; 5] = b"CD001";
/// Escape sequence of Joliet, UCS-2 level 3.
pub(crate) const JOLIET_ESCAPE: &[u8; 3] = b"%/E";

/// A 16-bit number in both byte orders (ECMA-119 7.2.3).
pub(crate) fn both16(value: u16) -> [u8; 4] {
    let ([a, b], [c, d]) = (value.to_le_bytes(), value.to_be_bytes());
    [a, b, c, d]
}

/// A 32-bit number in both byte orders (ECMA-119 7.3.3).
pub(crate) fn both32(value: u32) -> [u8; 8] {
    let ([a, b, c, d], [e, f, g, h]) = (value.to_le_bytes(), value.to_be_bytes());
    [a, b, c, d, e, f, g, h]
}

/// A calendar date and time of day in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Civil {
    year: i64,
    month: u8,
    day: u8,
    hour: u8,
    minute: u8,
    second: u8,
}

const DAY: i64 = 86_400;

/// Days from 1970-01-01 to a date of the proleptic Gregorian calendar. Years are counted from
/// March, so that the leap day is the last of its year.
const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The nearest time from the first second of `first` to the last of `last`, as a date.
fn civil(time: Timestamp, first: i64, last: i64) -> Civil {
    let earliest = days_from_civil(first, 1, 1) * DAY;
    let latest = days_from_civil(last + 1, 1, 1) * DAY - 1;
    let seconds = time.0.clamp(earliest, latest);
    let (days, second) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let small = |value: i64| u8::try_from(value).expect("BUG: part of a date beyond 255");
    Civil {
        year: year_of_era + era * 400 + i64::from(month <= 2),
        month: small(month),
        day: small(day_of_year - (153 * from_march + 2) / 5 + 1),
        hour: small(second / 3_600),
        minute: small(second / 60 % 60),
        second: small(second % 60),
    }
}

/// The date of a directory record (ECMA-119 9.1.5), in UTC; years outside 1900 to 2155 become the
/// first or last moment of these.
pub(crate) fn record_date(time: Timestamp) -> [u8; 7] {
    let date = civil(time, 1900, 2155);
    let year = u8::try_from(date.year - 1900).expect("BUG: year not clamped");
    [year, date.month, date.day, date.hour, date.minute, date.second, 0]
}

/// The date of a volume descriptor (ECMA-119 8.4.26.1), in UTC; years outside 1 to 9999 become
/// the first or last moment of these.
pub(crate) fn volume_date(time: Timestamp) -> [u8; 17] {
    let date = civil(time, 1, 9999);
    let text = format!(
        "{:04}{:02}{:02}{:02}{:02}{:02}00\0",
        date.year, date.month, date.day, date.hour, date.minute, date.second
    );
    text.as_bytes().try_into().expect("BUG: a volume date is not 17 bytes")
}

/// A volume descriptor's date that says "not given".
pub(crate) const NO_DATE: [u8; 17] = *b"0000000000000000\0";

/// The time in a directory record's date; `None` when it is no date.
pub(crate) fn parse_record_date(bytes: [u8; 7]) -> Option<Timestamp> {
    let [year, month, day, hour, minute, second, offset] = bytes;
    let date = (1900 + i64::from(year), month, day, hour, minute, second);
    from_parts(date, offset)
}

/// The time in a volume descriptor's date; `None` when it is not given or no date.
pub(crate) fn parse_volume_date(bytes: [u8; 17]) -> Option<Timestamp> {
    let number = |from: usize, len: usize| {
        std::str::from_utf8(&bytes[from..from + len]).ok()?.parse::<u16>().ok()
    };
    let small = |from| u8::try_from(number(from, 2)?).ok();
    let date = (i64::from(number(0, 4)?), small(4)?, small(6)?, small(8)?, small(10)?, small(12)?);
    from_parts(date, bytes[16])
}

fn from_parts(date: (i64, u8, u8, u8, u8, u8), offset: u8) -> Option<Timestamp> {
    let (year, month, day, hour, minute, second) = date;
    let valid = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    let days = days_from_civil(year, month.into(), day.into());
    let quarters = i64::from(offset.cast_signed());
    let of_day = i64::from(hour) * 3_600 + i64::from(minute) * 60 + i64::from(second);
    valid.then_some(Timestamp(days * DAY + of_day - quarters * 900))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_in_both_byte_orders() {
        assert_eq!(both16(0x1234), [0x34, 0x12, 0x12, 0x34]);
        assert_eq!(both32(0x1234_5678), [0x78, 0x56, 0x34, 0x12, 0x12, 0x34, 0x56, 0x78]);
    }

    #[test]
    fn dates_are_exact_and_cut_to_the_years_a_field_holds() {
        for (seconds, expected) in [
            (0, [70, 1, 1, 0, 0, 0, 0]),
            (951_782_400, [100, 2, 29, 0, 0, 0, 0]),
            (1_709_251_199, [124, 2, 29, 23, 59, 59, 0]),
            (-1, [69, 12, 31, 23, 59, 59, 0]),
            (-2_208_988_800, [0, 1, 1, 0, 0, 0, 0]),
            (-2_208_988_801, [0, 1, 1, 0, 0, 0, 0]),
            (5_869_583_999, [255, 12, 31, 23, 59, 59, 0]),
            (5_869_584_000, [255, 12, 31, 23, 59, 59, 0]),
            (i64::MIN, [0, 1, 1, 0, 0, 0, 0]),
            (i64::MAX, [255, 12, 31, 23, 59, 59, 0]),
        ] {
            assert_eq!(record_date(Timestamp(seconds)), expected, "{seconds}");
        }
        assert_eq!(&volume_date(Timestamp(951_782_461)), b"2000022900010100\0");
        assert_eq!(&volume_date(Timestamp(i64::MIN)), b"0001010100000000\0");
        assert_eq!(&volume_date(Timestamp(i64::MAX)), b"9999123123595900\0");
    }

    #[test]
    fn dates_read_back() {
        for seconds in (-2_208_988_800_i64..5_869_584_000).step_by(7_654_321) {
            let time = Timestamp(seconds);
            assert_eq!(parse_record_date(record_date(time)), Some(time));
            assert_eq!(parse_volume_date(volume_date(time)), Some(time));
        }
        assert_eq!(parse_record_date([70, 1, 1, 1, 0, 0, 4]), Some(Timestamp(0)));
        assert_eq!(parse_record_date([70, 13, 1, 0, 0, 0, 0]), None);
        assert_eq!(parse_volume_date(NO_DATE), None);
        assert_eq!(parse_volume_date([0xFF; 17]), None);
    }
}
