//! How a figure grows with a size: the exponent on logarithmic axes. 1 is linear.

/// The exponent between two points of size and figure.
pub(crate) fn between(a: (f64, f64), b: (f64, f64)) -> f64 {
    (b.1 / a.1).ln() / (b.0 / a.0).ln()
}

/// The exponent of the line with the least squares; `None` for less than two points.
pub(crate) fn fitted(points: &[(f64, f64)]) -> Option<f64> {
    if points.len() < 2 {
        return None;
    }
    let logs: Vec<_> = points.iter().map(|(size, figure)| (size.ln(), figure.ln())).collect();
    let count = f64::from(u32::try_from(logs.len()).unwrap_or(u32::MAX));
    let mean = |of: fn(&(f64, f64)) -> f64| logs.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let covariance: f64 = logs.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    let variance: f64 = logs.iter().map(|point| (point.0 - x).powi(2)).sum();
    Some(covariance / variance)
}
