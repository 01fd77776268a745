//! Work on a chain that nobody serves: opening it, stopping when told to, saying how far it is.

use std::{
    fmt,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use alloy_primitives::B256;
use ethrex_chain::Chain;
use ethrex_stf::check_start;
use ethrex_storage::{Durability, Storage};
use ethrex_types::{ChainSpec, Genesis};
use eyre::{Result, WrapErr};

use crate::{config::Layout, data::Data, l1::rules};

/// Time between two reports of how far the work is.
const REPORT_EVERY: Duration = Duration::from_secs(8);

/// Opens the chain of an L1 without a pool. Its commits outlive the process, and the machine once the chain is closed.
pub(crate) fn open_offline(genesis: Genesis, data: &Data) -> Result<Chain> {
    ethrex_types::crypto::install();
    let spec = ChainSpec::new(genesis)?;
    check_start(&spec)?;
    let rules = rules(&spec)?;
    let storage = match data.path(|layout: Layout<'_>| layout.chain()) {
        Some(path) => Storage::open_with(&path, &spec, Durability::Checkpoints)?,
        None => Storage::memory(&spec)?,
    };
    Ok(Chain::open_unwitnessed(spec, rules, storage)?)
}

/// Runs `work` on a thread of its own. It is told to stop with `shutdown`, and waited for.
pub(crate) async fn until<T: Send + 'static>(
    shutdown: impl Future<Output = ()>,
    work: impl FnOnce(&AtomicBool) -> Result<T> + Send + 'static,
) -> Result<T> {
    let stop = Arc::new(AtomicBool::new(false));
    let told = stop.clone();
    let mut working = tokio::task::spawn_blocking(move || work(&told));
    let done = tokio::select! {
        done = &mut working => done,
        () = shutdown => {
            stop.store(true, Ordering::Relaxed);
            working.await
        }
    };
    done.wrap_err("the work panicked")?
}

/// The state root that a genesis file gives.
///
/// # Errors
/// If the genesis makes no sense.
pub fn genesis_state_root(genesis: Genesis) -> Result<B256> {
    let spec = ChainSpec::new(genesis)?;
    Ok(ethrex_trie::state_root_of(&spec.genesis_diff()).root)
}

/// How far long work is, said every few seconds.
#[derive(Debug)]
pub(crate) struct Progress {
    start: Instant,
    /// When it was said last, and how much gas had been used by then.
    last: (Instant, u64),
}

/// What a report says.
#[derive(Debug)]
pub(crate) struct Pace {
    pub(crate) mgas_per_second: Shown,
    pub(crate) done: Shown,
    pub(crate) left: Shown,
}

/// A figure, as people read it.
#[derive(Debug)]
pub(crate) enum Shown {
    Rate(f64),
    Share(f64),
    Seconds(f64),
}

impl Progress {
    pub(crate) fn start() -> Self {
        let now = Instant::now();
        Self { start: now, last: (now, 0) }
    }

    /// Something to say, if it is time: `done` of `whole` is behind us, and so much gas was used so far.
    pub(crate) fn due(&mut self, done: u64, whole: u64, gas: u64) -> Option<Pace> {
        let (at, before) = self.last;
        if at.elapsed() < REPORT_EVERY {
            return None;
        }
        let share = share(done, whole);
        let pace = Pace {
            mgas_per_second: Shown::Rate(per_second(gas - before, at.elapsed()) / 1e6),
            done: Shown::Share(share),
            left: Shown::Seconds(self.start.elapsed().as_secs_f64() * (1.0 / share - 1.0)),
        };
        self.last = (Instant::now(), gas);
        Some(pace)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn share(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
pub(crate) fn per_second(count: u64, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64().max(f64::EPSILON)
}

impl fmt::Display for Shown {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "casts of floats saturate, and the figure is for people"
    )]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rate(rate) => write!(f, "{rate:.1}"),
            Self::Share(share) => write!(f, "{:.1} %", share * 100.0),
            Self::Seconds(seconds) => {
                let seconds = *seconds as u64;
                write!(f, "{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_well() {
        let check = |shown: Shown, text| assert_eq!(shown.to_string(), text);
        check(Shown::Seconds(3_725.9), "1:02:05");
        check(Shown::Seconds(f64::NAN), "0:00:00");
        check(Shown::Share(0.1234), "12.3 %");
        check(Shown::Rate(733.04), "733.0");
    }
}
