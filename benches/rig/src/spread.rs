//! Medians and ranges.

/// The middle and the ends of some figures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The middle one, or the mean of the two in the middle.
    pub median: f64,
    /// The least.
    pub least: f64,
    /// The most.
    pub most: f64,
}

impl Spread {
    /// `None` when there are no figures.
    pub fn of(figures: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut figures: Vec<f64> = figures.into_iter().collect();
        figures.sort_by(f64::total_cmp);
        let (least, most) = (*figures.first()?, *figures.last()?);
        let middle = figures.len() / 2;
        let median = match figures.len() % 2 {
            0 => f64::midpoint(figures[middle - 1], figures[middle]),
            _ => figures[middle],
        };
        Some(Self { median, least, most })
    }
}

/// Bytes in mebibytes, for people.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "shown with few digits")]
pub fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(Spread::of([]), None);
        let one = Spread { median: 2.0, least: 2.0, most: 2.0 };
        assert_eq!(Spread::of([2.0]), Some(one));
        let even = Spread { median: 2.5, least: 1.0, most: 9.0 };
        assert_eq!(Spread::of([9.0, 1.0, 2.0, 3.0]), Some(even));
    }
}
