//! Durations as Go writes them, in which callers say how long a trace may take.

use std::time::Duration;

/// Reads `1m30s`, `1.5s` and the like; `None` where it is no duration, or a negative one.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    let mut sum = None;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(end);
        let end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let part =
            Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds(unit)?).ok()?;
        sum = Some(sum.unwrap_or(Duration::ZERO).checked_add(part)?);
        rest = after;
    }
    sum
}

fn seconds(unit: &str) -> Option<f64> {
    Some(match unit {
        "ns" => 1e-9,
        "us" | "µs" | "μs" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3_600.0,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<u64>) {
        assert_eq!(parse(text), expected.map(Duration::from_millis), "{text}");
    }

    #[test]
    fn durations_of_go_are_read() {
        check("5s", Some(5_000));
        check("1m30s", Some(90_000));
        check("1.5s", Some(1_500));
        check("300ms", Some(300));
        check("2h", Some(7_200_000));
        check("5000us", Some(5));
        check("0", Some(0));
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in [
            "",
            "5",
            "s",
            "-5s",
            "5 s",
            "5parsecs",
            "1..2s",
            ".",
            "1e400s",
            "99999999999999999999h",
        ] {
            check(text, None);
        }
    }
}
