//! Waiting for conditions: ask again until one holds, or fail when the deadline has passed.

use std::fmt::Display;
use std::thread;
use std::time::{Duration, Instant};

/// Between two questions. Short beside what is waited for (blocks, batches), long beside what a question costs.
const PAUSE: Duration = Duration::from_millis(100);

/// A condition did not hold in time.
#[derive(Debug, thiserror::Error)]
#[error("not within {} s: {what}{}", patience.as_secs(), last.as_ref().map(|why| format!(" ({why})")).unwrap_or_default())]
pub struct TooLate {
    what: &'static str,
    patience: Duration,
    last: Option<String>,
}

/// Asks until the answer is `Some`. An error counts as "not yet" and is told if the time runs out.
pub fn until<T, E: Display>(
    what: &'static str,
    patience: Duration,
    mut ask: impl FnMut() -> Result<Option<T>, E>,
) -> Result<T, TooLate> {
    let deadline = Instant::now() + patience;
    loop {
        let last = match ask() {
            Ok(Some(answer)) => return Ok(answer),
            Ok(None) => None,
            Err(why) => Some(why.to_string()),
        };
        if Instant::now() >= deadline {
            return Err(TooLate { what, patience, last });
        }
        thread::sleep(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_not_yet_and_is_told_in_the_end() {
        let mut turn = 0;
        let answer = until("third time lucky", Duration::from_secs(5), || {
            turn += 1;
            if turn < 3 { Err("down") } else { Ok(Some(turn)) }
        });
        assert_eq!(answer.unwrap(), 3);
        let never = until("never", Duration::ZERO, || Err::<Option<()>, _>("down")).unwrap_err();
        assert_eq!(never.to_string(), "not within 0 s: never (down)");
    }
}
