//! Orders of magnitude of a measurement.

use std::time::Duration;

/// The value below which `percent` of the values lie, by the nearest rank; zero of none.
#[must_use]
pub fn percentile<T: Copy + Default + PartialOrd>(values: &[T], percent: usize) -> T {
    let mut sorted = values.to_vec();
    sorted.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

/// In the middle of all.
#[must_use]
pub fn median(times: &[Duration]) -> Duration {
    percentile(times, 50)
}

/// Of all, the least.
#[must_use]
pub fn least(times: &[Duration]) -> Duration {
    percentile(times, 0)
}

/// For tables.
#[must_use]
pub fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let values: Vec<u64> = (1..=10).rev().collect();
        assert_eq!(
            [1, 50, 51, 99, 100].map(|percent| percentile(&values, percent)),
            [1, 5, 6, 10, 10]
        );
        assert_eq!(percentile(&[7], 99), 7);
        assert_eq!(percentile::<u64>(&[], 50), 0);
    }
}
