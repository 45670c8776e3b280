//! Dates and times of directory entries.

use bootwright_image::Timestamp;

const DAY: i64 = 86400;
/// 1980-01-01 00:00:00 UTC.
const FIRST: i64 = 315_532_800;
/// 2107-12-31 23:59:58 UTC.
const LAST: i64 = 4_354_819_198;

/// A time as a directory entry stores it: UTC, even seconds, 1980 to 2107.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DosTime {
    pub(super) date: u16,
    pub(super) time: u16,
}

impl From<Timestamp> for DosTime {
    fn from(time: Timestamp) -> Self {
        let seconds = time.0.clamp(FIRST, LAST);
        let (year, month, day) = civil(seconds / DAY);
        let second = seconds % DAY;
        let field =
            |value: i64| u16::try_from(value).expect("BUG: clamped to what the field holds");
        Self {
            date: field((year - 1980) << 9 | month << 5 | day),
            time: field((second / 3600) << 11 | (second / 60 % 60) << 5 | (second % 60 / 2)),
        }
    }
}

impl DosTime {
    /// The time it stands for; `None` when a field is out of its range.
    pub(super) fn timestamp(self) -> Option<Timestamp> {
        let field = |value: u16, shift: u32, mask: u16| i64::from(value >> shift & mask);
        let (year, month, day) =
            (1980 + field(self.date, 9, 0x7F), field(self.date, 5, 0xF), field(self.date, 0, 0x1F));
        let (hour, minute, second) =
            (field(self.time, 11, 0x1F), field(self.time, 5, 0x3F), field(self.time, 0, 0x1F) * 2);
        if !(1..=12).contains(&month) || day == 0 || hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let days = days(year, month, day);
        (civil(days) == (year, month, day))
            .then(|| Timestamp(days * DAY + hour * 3600 + minute * 60 + second))
    }
}

/// Days from 1970-01-01 to a date of the Gregorian calendar. Years begin in March here, so that
/// the leap day is the last of its year.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    let leap_days = year / 4 - year / 100 + year / 400;
    year * 365 + leap_days + (153 * month + 2) / 5 + day - 1 - 719_468
}

/// The date that lies `days` after 1970-01-01.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_cut_to_the_years_and_seconds_there_are() {
        for (seconds, date, time, back) in [
            (i64::MIN, 0x0021, 0, FIRST),
            (0, 0x0021, 0, FIRST),
            (FIRST, 0x0021, 0, FIRST),
            // 2000-02-29 23:59:59
            (951_868_799, 20 << 9 | 2 << 5 | 29, 23 << 11 | 59 << 5 | 29, 951_868_798),
            // 2100 is no leap year: 2100-03-01 00:00:01
            (4_107_542_401, 120 << 9 | 3 << 5 | 1, 0, 4_107_542_400),
            (i64::MAX, 0xFF9F, 0xBF7D, LAST),
        ] {
            let dos = DosTime::from(Timestamp(seconds));
            assert_eq!(dos, DosTime { date, time }, "{seconds}");
            assert_eq!(dos.timestamp(), Some(Timestamp(back)), "{seconds}");
        }
    }

    #[test]
    fn every_day_comes_back_and_impossible_ones_do_not() {
        for day in (FIRST / DAY)..=(LAST / DAY) {
            let time = Timestamp(day * DAY + 12 * 3600);
            assert_eq!(DosTime::from(time).timestamp(), Some(time));
        }
        for (date, time) in [(0, 0), (0x21, 0xFFFF), (2 << 5 | 30, 0), (13 << 5 | 1, 0)] {
            assert_eq!(DosTime { date, time }.timestamp(), None);
        }
    }
}
