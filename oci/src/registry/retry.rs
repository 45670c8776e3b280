//! When an attempt is repeated.

use std::time::Duration;

/// How often and when failed attempts are repeated. The schedule is fixed: the same failures lead
/// to the same requests.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retry {
    /// Attempts after the first one that bring no progress.
    pub attempts: u32,
    /// Time before the second attempt; it doubles with each further one.
    pub first: Duration,
    /// The longest time between two attempts.
    pub longest: Duration,
    /// The longest time that a registry may ask to wait for (`Retry-After`).
    pub longest_asked: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts: 5,
            first: Duration::from_millis(500),
            longest: Duration::from_secs(30),
            longest_asked: Duration::from_secs(120),
        }
    }
}

impl Retry {
    /// The time before attempt `number` (the first repetition is 1), given what the registry asks.
    #[must_use]
    pub fn delay(&self, number: u32, asked: Option<Duration>) -> Duration {
        let doubled = 1_u32.checked_shl(number.saturating_sub(1)).unwrap_or(u32::MAX);
        let own = self.first.saturating_mul(doubled).min(self.longest);
        asked.map_or(own, |asked| asked.min(self.longest_asked).max(own))
    }
}

/// `Retry-After` (RFC 9110 section 10.2.3): seconds, or a date, which is compared with the reply's
/// own `Date`, since no clock is read here.
pub(super) fn retry_after(value: &str, date: Option<&str>) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<u32>() {
        return Some(Duration::from_secs(seconds.into()));
    }
    let (then, now) = (http_date(value)?, http_date(date?)?);
    Some(Duration::from_secs(u64::try_from(then.saturating_sub(now)).unwrap_or(0)))
}

/// Seconds since 1970 of an `IMF-fixdate` (RFC 9110 section 5.6.7), by way of RFC 3339.
fn http_date(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (_, rest) = text.trim().strip_suffix(" GMT")?.split_once(", ")?;
    let mut fields = rest.split(' ');
    let (day, month, year) = (fields.next()?, fields.next()?, fields.next()?);
    let time = fields.next()?;
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    crate::time::parse(&format!("{year}-{month:02}-{day}T{time}Z")).map(|time| time.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_a_limit_and_heed_the_registry_within_bounds() {
        let retry = Retry::default();
        let ms = |number, asked| retry.delay(number, asked).as_millis();
        assert_eq!(
            [1, 2, 3, 4, 5, 7, 8].map(|n| ms(n, None)),
            [500, 1000, 2000, 4000, 8000, 30000, 30000]
        );
        assert_eq!(ms(u32::MAX, None), 30000);
        assert_eq!(ms(1, Some(Duration::from_secs(7))), 7000);
        assert_eq!(ms(1, Some(Duration::from_secs(1 << 30))), 120_000);
        assert_eq!(ms(4, Some(Duration::ZERO)), 4000);
    }

    #[test]
    fn the_registry_says_how_long_to_wait() {
        let date = Some("Fri, 20 Nov 2026 08:00:00 GMT");
        let seconds = |value, date| retry_after(value, date).map(|time| time.as_secs());
        assert_eq!(seconds("17", None), Some(17));
        assert_eq!(seconds("Fri, 20 Nov 2026 08:01:30 GMT", date), Some(90));
        assert_eq!(seconds("Fri, 20 Nov 2026 07:01:30 GMT", date), Some(0));
        assert_eq!(seconds("Fri, 20 Nov 2026 08:01:30 GMT", None), None);
        for wrong in ["", "-1", "soon", "1.5", "Fri, 20 Foo 2026 08:01:30 GMT", "99999999999"] {
            assert_eq!(seconds(wrong, date), None, "{wrong}");
        }
    }
}
