//! Decides which blocks form a batch. No clock, no network, no disk.
//!
//! The machine asks for blocks one by one ([`Machine::wants`], [`Machine::push`]) while a batch is open, and for none
//! while one is under way; so it holds sizes, never blocks. A batch closes when the timer fires ([`Machine::tick`]) and
//! has a block, or when the next block would overfill it.
//!
//! Not here: what a batch commits to (`seal`), sending (`ethrex_l1`), where to go on after a restart (`resume`).

use std::time::Duration;

use ethrex_protocol::{
    BatchNumber, L2Height,
    blob::{MAX_PAYLOAD_LEN, PayloadSize},
    constants::PRIVILEGED_TX_BUDGET,
};

/// Most bytes of witness in one batch; a single block may exceed it.
///
/// A prover reads its input as JSON, hex and at once: a batch of many blocks that each read much state would be more than it
/// takes, and could never be proven.
const MAX_WITNESS_LEN: usize = 64 * 1024 * 1024;

/// What the machine knows of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) height: L2Height,
    /// Bytes of its RLP.
    pub(crate) block_len: usize,
    /// Bytes of its fee config.
    pub(crate) fee_len: usize,
    /// Privileged transactions in it.
    pub(crate) privileged: usize,
    /// Gas it used.
    pub(crate) gas: u64,
    /// Bytes of its witness.
    pub(crate) witness_len: usize,
}

/// Consecutive blocks that form a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) number: BatchNumber,
    pub(crate) first: L2Height,
    pub(crate) last: L2Height,
    pub(crate) why: &'static str,
}

/// A block that no batch can hold: its builder did not keep the limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "block {height} cannot be settled: with {bytes} bytes of payload (at most {MAX_PAYLOAD_LEN}) and {privileged} \
     privileged transactions (at most {PRIVILEGED_TX_BUDGET}) it fits in no batch"
)]
pub struct FitsNowhere {
    /// The block.
    pub height: L2Height,
    /// Length of a payload with this block alone.
    pub bytes: usize,
    /// Its privileged transactions.
    pub privileged: usize,
}

/// When batches close.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Time between two batches, if there are blocks.
    pub(crate) every: Duration,
    /// Most gas in one batch, which bounds the work of the prover; a single block may exceed it.
    pub(crate) gas: u64,
}

#[derive(Debug, Clone, Copy)]
struct Open {
    last: L2Height,
    size: PayloadSize,
    privileged: usize,
    gas: u64,
    witness_len: usize,
}

#[derive(Debug)]
enum Stage {
    /// The batch takes blocks; `None` = it has none yet.
    Filling(Option<Open>),
    /// The batch is closed and waits to be sealed and committed.
    Closed(Span),
}

/// The batch that is open or under way.
#[derive(Debug)]
pub(crate) struct Machine {
    limits: Limits,
    number: BatchNumber,
    first: L2Height,
    due: Duration,
    stage: Stage,
}

impl Machine {
    /// Opens batch `number`, which starts with block `first`.
    pub(crate) fn new(limits: Limits, now: Duration, number: BatchNumber, first: L2Height) -> Self {
        Self { limits, number, first, due: now + limits.every, stage: Stage::Filling(None) }
    }

    /// The next block to push, while the batch is open and `head` is the last published one.
    pub(crate) fn wants(&self, head: L2Height) -> Option<L2Height> {
        let Stage::Filling(open) = &self.stage else { return None };
        let next = open.map_or(self.first, |open| open.last.next());
        (next <= head).then_some(next)
    }

    /// Adds the wanted block, or closes the batch before it.
    ///
    /// # Panics
    /// If it is not the block that [`Self::wants`] names.
    pub(crate) fn push(&mut self, block: &Facts) -> Result<(), FitsNowhere> {
        assert_eq!(self.wants(block.height), Some(block.height), "blocks come in order");
        let Stage::Filling(open) = &mut self.stage else { return Ok(()) };
        let before = open.unwrap_or(Open {
            last: block.height,
            size: PayloadSize::EMPTY,
            privileged: 0,
            gas: 0,
            witness_len: 0,
        });
        let after = Open {
            last: block.height,
            size: before.size.with(block.block_len, block.fee_len),
            privileged: before.privileged + block.privileged,
            gas: before.gas.saturating_add(block.gas),
            witness_len: before.witness_len.saturating_add(block.witness_len),
        };
        let full = if !after.size.fits() {
            Some("size")
        } else if after.privileged > PRIVILEGED_TX_BUDGET {
            Some("privileged")
        } else if after.gas > self.limits.gas && open.is_some() {
            Some("gas")
        } else if after.witness_len > MAX_WITNESS_LEN && open.is_some() {
            Some("witness")
        } else {
            None
        };
        match full {
            None => *open = Some(after),
            Some(why) if open.is_some() => self.close(why),
            Some(_) => {
                return Err(FitsNowhere {
                    height: block.height,
                    bytes: after.size.bytes(),
                    privileged: after.privileged,
                });
            }
        }
        Ok(())
    }

    /// Closes the batch if it is due and has a block.
    pub(crate) fn tick(&mut self, now: Duration) {
        if now >= self.due {
            self.close("timer");
        }
    }

    fn close(&mut self, why: &'static str) {
        if let Stage::Filling(Some(open)) = self.stage {
            let span = Span { number: self.number, first: self.first, last: open.last, why };
            self.stage = Stage::Closed(span);
        }
    }

    /// The batch that is closed, if one is.
    pub(crate) const fn closed(&self) -> Option<Span> {
        match &self.stage {
            Stage::Closed(span) => Some(*span),
            Stage::Filling(_) => None,
        }
    }

    /// L1 has taken the closed batch; the next one opens. It is due one period after this one was.
    pub(crate) fn committed(&mut self, now: Duration) {
        if let Stage::Closed(span) = self.stage {
            self.number = span.number.next();
            self.first = span.last.next();
            self.due = (self.due + self.limits.every).max(now);
            self.stage = Stage::Filling(None);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: Limits = Limits { every: Duration::from_secs(60), gas: 1_000 };

    fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn block(height: u64) -> Facts {
        Facts {
            height: L2Height(height),
            block_len: 600,
            fee_len: 2,
            privileged: 0,
            gas: 10,
            witness_len: 1_000,
        }
    }

    fn machine() -> Machine {
        Machine::new(LIMITS, secs(0), BatchNumber(1), L2Height(1))
    }

    #[track_caller]
    fn closed(machine: &Machine) -> (u64, u64, u64, &'static str) {
        let span = machine.closed().expect("a batch is closed");
        (span.number.0, span.first.0, span.last.0, span.why)
    }

    #[test]
    fn a_batch_closes_on_the_timer_and_the_next_one_starts_after_it() {
        let mut machine = machine();
        machine.push(&block(1)).unwrap();
        machine.push(&block(2)).unwrap();
        machine.tick(secs(59));
        assert_eq!(machine.closed(), None);
        machine.tick(secs(60));
        assert_eq!(closed(&machine), (1, 1, 2, "timer"));
        assert_eq!(machine.wants(L2Height(9)), None, "nothing joins a closed batch");
        machine.committed(secs(62));
        assert_eq!(machine.wants(L2Height(9)), Some(L2Height(3)));
        machine.push(&block(3)).unwrap();
        machine.tick(secs(119));
        assert_eq!(machine.closed(), None);
        machine.tick(secs(120));
        assert_eq!(closed(&machine), (2, 3, 3, "timer"));
    }

    #[test]
    fn the_timer_closes_nothing_without_a_new_block() {
        let mut machine = machine();
        machine.tick(secs(1_000));
        assert_eq!(machine.closed(), None);
        assert_eq!(machine.wants(L2Height(0)), None);
        machine.push(&block(1)).unwrap();
        machine.tick(secs(1_000));
        assert_eq!(closed(&machine), (1, 1, 1, "timer"));
    }

    #[test]
    fn a_block_that_would_overfill_the_blob_opens_the_next_batch() {
        let mut machine = machine();
        let big = |height| Facts { block_len: 60_000, ..block(height) };
        machine.push(&big(1)).unwrap();
        machine.push(&big(2)).unwrap();
        machine.push(&big(3)).unwrap();
        assert_eq!(closed(&machine), (1, 1, 2, "size"));
        machine.committed(secs(1));
        assert_eq!(machine.wants(L2Height(3)), Some(L2Height(3)));
    }

    #[test]
    fn an_exact_fit_stays_and_one_byte_more_does_not() {
        let exact = MAX_PAYLOAD_LEN - 8 - 2 - 602;
        for (extra, fits) in [(0, true), (1, false)] {
            let mut machine = machine();
            machine.push(&block(1)).unwrap();
            machine.push(&Facts { block_len: exact + extra, ..block(2) }).unwrap();
            assert_eq!(machine.closed().is_none(), fits, "{extra} bytes more");
        }
    }

    #[test]
    fn the_privileged_budget_and_the_gas_limit_close_a_batch() {
        let mut machine = machine();
        machine.push(&Facts { privileged: 200, ..block(1) }).unwrap();
        machine.push(&Facts { privileged: 100, ..block(2) }).unwrap();
        machine.push(&Facts { privileged: 1, ..block(3) }).unwrap();
        assert_eq!(closed(&machine), (1, 1, 2, "privileged"));

        let mut machine = Machine::new(LIMITS, secs(0), BatchNumber(1), L2Height(1));
        machine.push(&Facts { gas: 5_000, ..block(1) }).unwrap();
        assert_eq!(machine.closed(), None, "a single block may exceed the gas limit");
        machine.push(&block(2)).unwrap();
        assert_eq!(closed(&machine), (1, 1, 1, "gas"));
    }

    #[test]
    fn a_batch_closes_before_its_witness_is_more_than_a_prover_takes() {
        let greedy = |height| Facts { witness_len: MAX_WITNESS_LEN / 2, ..block(height) };
        let mut machine = machine();
        for height in 1..=3 {
            machine.push(&greedy(height)).unwrap();
        }
        assert_eq!(closed(&machine), (1, 1, 2, "witness"));

        let mut machine = Machine::new(LIMITS, secs(0), BatchNumber(1), L2Height(1));
        machine.push(&Facts { witness_len: usize::MAX, ..block(1) }).unwrap();
        machine.push(&block(2)).unwrap();
        assert_eq!(closed(&machine), (1, 1, 1, "witness"), "a single block may have more");
    }

    #[test]
    fn a_block_that_fits_in_no_batch_is_named() {
        let error = machine().push(&Facts { block_len: MAX_PAYLOAD_LEN, ..block(1) }).unwrap_err();
        assert_eq!(error.height, L2Height(1));
        assert!(error.to_string().contains("cannot be settled"));
    }

    proptest! {
        #[test]
        fn batches_partition_the_chain_and_keep_the_limits(
            blocks in proptest::collection::vec((1usize..100_000, 0usize..300, 0u64..900, 0u64..40), 1..80)
        ) {
            let mut machine = machine();
            let mut now = secs(0);
            let head = L2Height(blocks.len() as u64);
            let fact = |height: L2Height| {
                let (block_len, privileged, gas, _) = blocks[height.0 as usize - 1];
                Facts { height, block_len, fee_len: 2, privileged, gas, witness_len: 0 }
            };
            let (mut number, mut next) = (1, 1);
            loop {
                while let Some(height) = machine.wants(head) {
                    now += secs(blocks[height.0 as usize - 1].3);
                    machine.push(&fact(height)).unwrap();
                    machine.tick(now);
                }
                now += LIMITS.every;
                machine.tick(now);
                let Some(span) = machine.closed() else { break };
                prop_assert_eq!((span.number.0, span.first.0), (number, next));
                let inside: Vec<Facts> = (span.first.0..=span.last.0).map(|h| fact(L2Height(h))).collect();
                let payload: usize = 8 + inside.iter().map(|b| b.block_len + b.fee_len).sum::<usize>();
                prop_assert!(payload <= MAX_PAYLOAD_LEN);
                prop_assert!(inside.iter().map(|b| b.privileged).sum::<usize>() <= PRIVILEGED_TX_BUDGET);
                prop_assert!(inside.len() == 1 || inside.iter().map(|b| b.gas).sum::<u64>() <= LIMITS.gas);
                (number, next) = (number + 1, span.last.0 + 1);
                machine.committed(now);
            }
            prop_assert_eq!(next, head.0 + 1);
        }
    }
}
