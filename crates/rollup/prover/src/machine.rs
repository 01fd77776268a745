//! Decides which prover gets which batch. No clock, no network, no disk.
//!
//! A prover that asks gets the first batch after the last verified one that has no proof of its kind and is not being proven.
//! What is verified, sealed and proven is told anew each time ([`View`]), so a proof that gets lost is made again, and a batch
//! whose proof is stored is never proven twice. A prover that does not answer in time loses its batch to the next one that asks.

use std::{collections::BTreeMap, time::Duration};

use ethrex_protocol::BatchNumber;

use crate::message::ProverType;

/// How far the world is, for one kind of prover.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    /// The last batch L1 has verified.
    pub(crate) verified: BatchNumber,
    /// The last batch that is sealed.
    pub(crate) sealed: BatchNumber,
    /// The batches above `verified` with a stored proof of this kind, in order.
    pub(crate) proven: &'a [BatchNumber],
}

/// Who works on what.
#[derive(Debug)]
pub(crate) struct Machine {
    /// How long a prover may take.
    timeout: Duration,
    /// When each batch was last handed out; an entry outlives the timeout, so that a late proof is still welcome.
    assigned: BTreeMap<(BatchNumber, ProverType), Duration>,
}

impl Machine {
    pub(crate) const fn new(timeout: Duration) -> Self {
        Self { timeout, assigned: BTreeMap::new() }
    }

    /// The batch for a prover that asks now.
    pub(crate) fn assign(
        &mut self,
        now: Duration,
        prover: ProverType,
        view: View<'_>,
    ) -> Option<BatchNumber> {
        self.assigned.retain(|(batch, _), _| view.verified < *batch && *batch <= view.sealed);
        let free = |since: &Duration| now.saturating_sub(*since) >= self.timeout;
        let batch = (view.verified.0 + 1..=view.sealed.0).map(BatchNumber).find(|batch| {
            view.proven.binary_search(batch).is_err()
                && self.assigned.get(&(*batch, prover)).is_none_or(free)
        })?;
        self.assigned.insert((batch, prover), now);
        Some(batch)
    }

    /// Whether a prover of this kind was given the batch.
    pub(crate) fn is_assigned(&self, batch: BatchNumber, prover: ProverType) -> bool {
        self.assigned.contains_key(&(batch, prover))
    }

    /// The proof is stored, or nobody will bring one: the next prover that asks may get the batch, if it still lacks a proof.
    pub(crate) fn release(&mut self, batch: BatchNumber, prover: ProverType) {
        self.assigned.remove(&(batch, prover));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(600);
    const EXEC: ProverType = ProverType::Exec;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn view(verified: u64, sealed: u64, proven: &[BatchNumber]) -> View<'_> {
        View { verified: BatchNumber(verified), sealed: BatchNumber(sealed), proven }
    }

    /// Asks and shows the number.
    fn ask(machine: &mut Machine, now: u64, prover: ProverType, view: View<'_>) -> Option<u64> {
        machine.assign(at(now), prover, view).map(|batch| batch.0)
    }

    #[test]
    fn batches_are_handed_out_in_order_and_once() {
        let mut machine = Machine::new(TIMEOUT);
        let seen: Vec<_> =
            (0..4).map(|now| ask(&mut machine, now, EXEC, view(2, 5, &[]))).collect();
        assert_eq!(seen, [Some(3), Some(4), Some(5), None]);
    }

    #[test]
    fn nothing_sealed_is_nothing_to_do() {
        assert_eq!(ask(&mut Machine::new(TIMEOUT), 0, EXEC, view(0, 0, &[])), None);
        assert_eq!(ask(&mut Machine::new(TIMEOUT), 0, EXEC, view(4, 3, &[])), None);
    }

    #[test]
    fn each_kind_of_prover_gets_every_batch() {
        let mut machine = Machine::new(TIMEOUT);
        assert_eq!(ask(&mut machine, 0, ProverType::Sp1, view(0, 1, &[])), Some(1));
        assert_eq!(ask(&mut machine, 0, ProverType::Risc0, view(0, 1, &[])), Some(1));
        assert_eq!(ask(&mut machine, 0, ProverType::Sp1, view(0, 1, &[])), None);
    }

    #[test]
    fn a_silent_prover_loses_its_batch_but_may_still_bring_the_proof() {
        let mut machine = Machine::new(TIMEOUT);
        assert_eq!(ask(&mut machine, 0, EXEC, view(0, 1, &[])), Some(1));
        assert_eq!(ask(&mut machine, 599, EXEC, view(0, 1, &[])), None);
        assert!(machine.is_assigned(BatchNumber(1), EXEC));
        assert_eq!(ask(&mut machine, 600, EXEC, view(0, 1, &[])), Some(1));
        assert_eq!(ask(&mut machine, 1_000, EXEC, view(0, 1, &[])), None, "the time starts anew");
        assert!(machine.is_assigned(BatchNumber(1), EXEC));
    }

    #[test]
    fn a_batch_with_a_stored_proof_is_not_proven_again() {
        let mut machine = Machine::new(TIMEOUT);
        let proven = [BatchNumber(1), BatchNumber(3)];
        assert_eq!(ask(&mut machine, 0, EXEC, view(0, 3, &proven)), Some(2));
        assert_eq!(ask(&mut machine, 9_999, EXEC, view(0, 3, &proven[..1])), Some(2));
    }

    #[test]
    fn a_proof_that_is_lost_is_made_again() {
        let mut machine = Machine::new(TIMEOUT);
        assert_eq!(ask(&mut machine, 0, EXEC, view(0, 1, &[])), Some(1));
        machine.release(BatchNumber(1), EXEC);
        assert_eq!(ask(&mut machine, 1, EXEC, view(0, 1, &[BatchNumber(1)])), None);
        assert_eq!(ask(&mut machine, 2, EXEC, view(0, 1, &[])), Some(1));
    }

    #[test]
    fn a_released_batch_is_handed_out_at_once() {
        let mut machine = Machine::new(TIMEOUT);
        assert_eq!(ask(&mut machine, 0, EXEC, view(0, 2, &[])), Some(1));
        machine.release(BatchNumber(1), EXEC);
        assert!(!machine.is_assigned(BatchNumber(1), EXEC));
        assert_eq!(ask(&mut machine, 0, EXEC, view(0, 2, &[])), Some(1));
    }

    #[test]
    fn verified_and_reverted_batches_are_forgotten() {
        let mut machine = Machine::new(TIMEOUT);
        for _ in 0..3 {
            ask(&mut machine, 0, EXEC, view(0, 3, &[]));
        }
        assert_eq!(ask(&mut machine, 1, EXEC, view(1, 2, &[])), None);
        assert!(!machine.is_assigned(BatchNumber(1), EXEC));
        assert!(machine.is_assigned(BatchNumber(2), EXEC));
        assert!(!machine.is_assigned(BatchNumber(3), EXEC));
        assert_eq!(ask(&mut machine, 2, EXEC, view(1, 3, &[])), Some(3));
    }

    #[derive(Debug, Clone)]
    enum Act {
        Ask(u64),
        Prove(u64),
        Lose(u64),
        Verify(u64),
        Seal,
    }

    fn any_act() -> impl Strategy<Value = Act> {
        prop_oneof![
            (0_u64..900).prop_map(Act::Ask),
            (0_u64..8).prop_map(Act::Prove),
            (0_u64..8).prop_map(Act::Lose),
            (0_u64..3).prop_map(Act::Verify),
            Just(Act::Seal),
        ]
    }

    proptest! {
        /// Whatever happens: never a verified, proven or unsealed batch, and after a timeout every open batch is handed out.
        #[test]
        fn it_never_gets_stuck_and_never_wastes_work(acts in proptest::collection::vec(any_act(), 0..60)) {
            let mut machine = Machine::new(TIMEOUT);
            let (mut now, mut verified, mut sealed) = (0, 0, 0);
            let mut proven = std::collections::BTreeSet::new();
            for act in acts {
                match act {
                    Act::Ask(wait) => {
                        now += wait;
                        let list: Vec<_> = proven.iter().copied().map(BatchNumber).collect();
                        if let Some(batch) = ask(&mut machine, now, EXEC, view(verified, sealed, &list)) {
                            prop_assert!(verified < batch && batch <= sealed && !proven.contains(&batch));
                        }
                    }
                    Act::Prove(ahead) => {
                        let batch = verified + 1 + ahead;
                        if machine.is_assigned(BatchNumber(batch), EXEC) && batch <= sealed {
                            machine.release(BatchNumber(batch), EXEC);
                            proven.insert(batch);
                        }
                    }
                    Act::Lose(ahead) => { proven.remove(&(verified + 1 + ahead)); }
                    Act::Verify(count) => {
                        for _ in 0..count {
                            if proven.remove(&(verified + 1)) { verified += 1 }
                        }
                    }
                    Act::Seal => sealed += 1,
                }
            }
            let list: Vec<_> = proven.iter().copied().map(BatchNumber).collect();
            let open = (verified + 1..=sealed).filter(|batch| !proven.contains(batch));
            for batch in open {
                prop_assert_eq!(ask(&mut machine, now + 600, EXEC, view(verified, sealed, &list)), Some(batch));
            }
        }
    }
}
