//! Settles the rollup's blocks on L1: every one is executed there.
//!
//! Anyone may do so with any key. Who is too late loses the gas of looking at the head, and mostly not even that, because
//! the call is tried before it is sent.
//!
//! Not here: rollups whose blocks are proposed and disputed ([`crate::Challenger`]).

use std::time::Duration;

use alloy_primitives::Bytes;
use alloy_sol_types::SolCall;
use ethrex_execute::{gas, roots::merkle_path, stream};
use ethrex_l1::{KzgError, L1Error, Outcome, Reaction, Revert, Sender, SenderStopped, TxRequest};
use parking_lot::Mutex;
use tokio::{
    task::JoinError,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use crate::{
    bindings::{Head, INativeRollup, Step},
    blocks::{Blocks, BlocksError},
    contract::Contract,
    derivation::{Next, Plan, PostedItem},
    driver::View,
    follower::Walked,
    metrics,
    poster::purpose,
};

/// Most bytes of call data. Pools take transactions of 128 KiB.
const MAX_CALLDATA: usize = 126 * 1024;
/// Gas of a transaction at most (EIP-7825).
const MAX_TX_GAS: u64 = gas::MAX_TX_GAS;
/// Gas of every transaction.
pub(crate) const TX_GAS: u64 = 21_000;
/// Gas of a byte of call data.
pub(crate) const CALLDATA_GAS: u64 = 16;
/// Least gas of a byte of call data (EIP-7976).
pub(crate) const CALLDATA_FLOOR_GAS: u64 = 64;
/// Gas of what the contract does for a block beside EXECUTE, with three slots that were never used (EIP-8037).
const STEP_GAS: u64 = 450_000;
/// Gas of reading an entry of the forced queue: two slots.
const ENTRY_GAS: u64 = 6_000;
/// Gas of refuting a proposal beside what its block takes: reading it, burning half of the bond, an account without credit.
pub(crate) const REFUTE_GAS: u64 = 400_000;
/// Bytes of an ABI-encoded step beside its envelope and path.
const STEP_BYTES: usize = 1_200;
/// Bytes of the call beside its steps.
const CALL_BYTES: usize = 132;
/// Steps looked at for one transaction.
const MAX_STEPS: usize = 64;
/// A call passes on all but a 64th of its gas.
pub(crate) const CALL_KEEPS: u64 = 63;

/// What settling some blocks takes of L1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Size {
    bytes: usize,
    gas: u64,
}

impl Size {
    /// Of one block with this envelope.
    pub(crate) fn of_step(envelope: &[u8], plan: &Plan) -> Self {
        Self::of(envelope, plan.forced.len(), plan.posted.len(), 10)
    }

    fn of(envelope: &[u8], forced: usize, posted: usize, path: usize) -> Self {
        let bytes = STEP_BYTES + path * 32 + envelope.len().next_multiple_of(32);
        let bound = gas_bound(envelope);
        let execute = match bound {
            Some(bound) => gas::envelope(envelope.len(), bound)
                .saturating_add((forced + posted) as u64 * gas::DROP_GAS),
            None => 0,
        };
        // What is forwarded to EXECUTE is what is left of all gas but a 64th.
        let execute = execute.saturating_add(execute / CALL_KEEPS);
        let contract = STEP_GAS + forced as u64 * ENTRY_GAS;
        Self {
            bytes,
            gas: execute.saturating_add(contract).saturating_add(bytes as u64 * CALLDATA_GAS),
        }
    }

    fn with(self, more: Self) -> Self {
        Self { bytes: self.bytes + more.bytes, gas: self.gas.saturating_add(more.gas) }
    }

    /// Gas of a transaction of this size.
    pub(crate) fn tx_gas(self) -> u64 {
        // Call data is copied to memory twice on its way to EXECUTE.
        let words = (2 * self.bytes as u64).div_ceil(32);
        let memory = 3 * words + words * words / 512;
        let floor = TX_GAS + self.bytes as u64 * CALLDATA_FLOOR_GAS;
        TX_GAS.saturating_add(self.gas).saturating_add(memory).max(floor)
    }

    /// Whether one transaction settles it.
    pub(crate) fn fits(self) -> bool {
        self.bytes + CALL_BYTES <= MAX_CALLDATA && self.tx_gas() <= MAX_TX_GAS
    }
}

/// The gas bound in the header of an envelope.
fn gas_bound(envelope: &[u8]) -> Option<u64> {
    let bytes = envelope.get(6..14)?;
    Some(u64::from_be_bytes(bytes.try_into().ok()?))
}

/// Why settling, proposing, disputing or forcing stopped.
#[derive(Debug, thiserror::Error)]
pub enum SettlerError {
    /// L1 cannot be used at all.
    #[error("settle on L1")]
    L1(#[from] L1Error),
    /// The sender has ended.
    #[error(transparent)]
    Sender(#[from] SenderStopped),
    /// A database failed.
    #[error(transparent)]
    Blocks(#[from] BlocksError),
    /// The KZG library failed.
    #[error("open a blob")]
    Kzg(#[from] KzgError),
    /// A thread of ours ended early.
    #[error("a worker ended early")]
    Worker(#[from] JoinError),
}

/// Some blocks to settle in one transaction.
#[derive(Debug)]
struct Batch {
    steps: Vec<Step>,
    size: Size,
}

/// Settles blocks as they become part of the walk.
#[derive(Debug)]
pub struct Settler {
    contract: Contract,
    sender: Sender,
    blocks: Blocks,
    view: View,
    /// Time between two looks at L1.
    every: Duration,
    /// The block that it was last said of that L1 refuses it.
    stuck: Mutex<Option<(u64, u64)>>,
}

impl Settler {
    /// A settler that signs with `sender`.
    #[must_use]
    pub const fn new(
        contract: Contract,
        sender: Sender,
        blocks: Blocks,
        view: View,
        every: Duration,
    ) -> Self {
        Self { contract, sender, blocks, view, every, stuck: Mutex::new(None) }
    }

    /// Runs until stopped. An L1 that is down is waited for.
    ///
    /// # Errors
    /// What an operator has to look at.
    pub async fn run(self, stop: CancellationToken) -> Result<(), SettlerError> {
        every(self.every, stop, || self.turn()).await
    }

    /// Settles all there is, one transaction after the other.
    async fn turn(&self) -> Result<(), SettlerError> {
        let (mut last, mut most) = (None, MAX_STEPS);
        loop {
            let head = self.contract.head().await?;
            // An endpoint may lag behind the one that took the transaction.
            if last.replace((head.position, head.index)) == Some((head.position, head.index)) {
                return Ok(());
            }
            let (blocks, view) = (self.blocks.clone(), self.view.clone());
            let from = head.clone();
            let batch = move || batch(&blocks, &view, &from, most);
            let batch = tokio::task::spawn_blocking(batch).await??;
            let Some(Batch { steps, size }) = batch else { return Ok(()) };
            let count = steps.len();
            let call = INativeRollup::advanceCall { steps };
            // With the gas that is signed for: what runs out of it would be paid for again and again.
            let tried =
                gas_that_works(&self.contract, &call, size.tx_gas(), |why| !is_late(why)).await?;
            let gas_limit = match tried {
                Ok(gas_limit) => gas_limit,
                // One of several may hold up the others.
                Err(why) if count > 1 && !is_late(&why) => {
                    (last, most) = (None, count / 2);
                    continue;
                }
                Err(why) => {
                    self.refused(&head, &why);
                    return Ok(());
                }
            };
            let data = call.abi_encode();
            let bytes = data.len();
            let purpose = purpose("advance", head.position, &data);
            let request = TxRequest {
                gas_limit: Some(gas_limit),
                ..TxRequest::call(self.contract.address(), data)
            };
            match self.sender.submit(purpose, request).await?.await? {
                Outcome::Mined(mined) => {
                    metrics::settled(count, bytes, mined.gas_used);
                    tracing::info!(
                        first = head.number + 1,
                        steps = count,
                        bytes,
                        gas = mined.gas_used,
                        l1_block = mined.block,
                        "settled"
                    );
                }
                // It worked in the block before: somebody else's came first in the same block.
                Outcome::Reverted(mined, why)
                    if why.data.is_empty() && mined.gas_used < gas_limit =>
                {
                    metrics::refused("advance");
                    tracing::debug!(position = head.position, "somebody else was faster");
                    return Ok(());
                }
                Outcome::Reverted(_, why) | Outcome::WouldRevert(why) => {
                    self.refused(&head, &why);
                    return Ok(());
                }
                Outcome::Refused(why) => {
                    metrics::refused("advance");
                    tracing::warn!(%why, "L1 does not take a settlement");
                    return Ok(());
                }
            }
        }
    }

    /// L1 does not settle the blocks behind `head`. Being late is a part of the game; all else holds the rollup up, most of all
    /// a call that runs out of gas, and is said once for each place.
    fn refused(&self, head: &Head, why: &Revert) {
        metrics::refused("advance");
        let (position, index) = (head.position, head.index);
        if is_late(why) {
            tracing::debug!(%why, position, index, "somebody else was faster");
        } else if self.stuck.lock().replace((position, index)) != Some((position, index)) {
            let out_of_gas = why.data.is_empty();
            tracing::warn!(%why, position, index, out_of_gas, "L1 refuses to settle a block; trying again");
        }
    }
}

/// Whether a settlement failed because L1 is past it, or has gone another way. A call that ran out of gas says nothing at all.
fn is_late(why: &Revert) -> bool {
    why.is::<INativeRollup::NotTheNextBlock>() || why.is::<INativeRollup::NotTheItem>()
}

/// The gas with which a call would work now: what it is thought to take, or else all that a transaction may have, where `more`
/// says of the reason that it may be want of gas.
pub(crate) async fn gas_that_works(
    contract: &Contract,
    call: &impl SolCall,
    thought: u64,
    more: impl Fn(&Revert) -> bool,
) -> Result<Result<u64, Revert>, SettlerError> {
    let thought = thought.min(MAX_TX_GAS);
    let Err(why) = contract.would_work_within(call, thought).await? else {
        return Ok(Ok(thought));
    };
    if thought == MAX_TX_GAS || !more(&why) {
        return Ok(Err(why));
    }
    let again = contract.would_work_within(call, MAX_TX_GAS).await?;
    Ok(again.map(|()| MAX_TX_GAS))
}

/// Takes turns until stopped. An L1 that is down is waited for.
pub(crate) async fn every<F: Future<Output = Result<(), SettlerError>>>(
    time: Duration,
    stop: CancellationToken,
    mut turn: impl FnMut() -> F,
) -> Result<(), SettlerError> {
    let mut tick = interval(time);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let turned = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            turned = async { tick.tick().await; turn().await } => turned,
        };
        match turned {
            Ok(()) => {}
            Err(SettlerError::L1(error)) if error.reaction() != Reaction::Stop => {
                tracing::debug!(%error, "L1 does not answer; trying again");
            }
            // The sender ends by the same token, and may be faster.
            Err(SettlerError::Sender(_)) if stop.is_cancelled() => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

/// The steps behind `head` that fit into one transaction, so many at most; `None` if there are none.
fn batch(
    blocks: &Blocks,
    view: &View,
    head: &Head,
    most: usize,
) -> Result<Option<Batch>, BlocksError> {
    let mut batch = Batch { steps: Vec::new(), size: Size::default() };
    let walked: Vec<Walked> = view.read(|follower| {
        let steps = follower.steps_from(head.position, head.index);
        steps.map(|steps| steps.take(most).copied().collect()).unwrap_or_default()
    });
    for walked in walked {
        let Some((step, size)) = step(blocks, view, &walked)? else { break };
        let together = batch.size.with(size);
        // A block that fits into no transaction is tried alone: some endpoint may take it.
        if !together.fits() && !batch.steps.is_empty() {
            break;
        }
        batch.size = together;
        batch.steps.push(step);
    }
    Ok((!batch.steps.is_empty()).then_some(batch))
}

/// What the contract is told to settle or to dispute a step of the walk; `None` where L1 or we cannot say yet what it is.
///
/// # Errors
/// If a database fails, or the witness of the block is gone.
pub fn settlement_step(
    blocks: &Blocks,
    view: &View,
    walked: &Walked,
) -> Result<Option<Step>, BlocksError> {
    Ok(step(blocks, view, walked)?.map(|(step, _)| step))
}

/// One step of the walk for the contract, with its envelope; `None` where L1 or we cannot say yet what it is.
pub(crate) fn step(
    blocks: &Blocks,
    view: &View,
    walked: &Walked,
) -> Result<Option<(Step, Size)>, BlocksError> {
    let found = view.read(|follower| {
        let derivation = follower.derivation();
        let posted = derivation.item(walked.at.position)?;
        Some((frame(posted, walked.at.index)?, derivation.next(&walked.at)))
    });
    let Some((mut step, next)) = found else { return Ok(None) };
    let (mut forced, mut posted) = (0, 0);
    if let Next::Block(plan) = next {
        let known = blocks.known(&plan)?.filter(|block| Some(block.hash) == walked.block);
        let Some(block) = known else { return Ok(None) };
        step.envelope = Bytes::from(blocks.envelope(&plan, &block)?);
        (forced, posted) = (plan.forced.len(), plan.posted.len());
    }
    let size = Size::of(&step.envelope, forced, posted, step.path.len());
    Ok(Some((step, size)))
}

/// Block `k` of an item as the contract knows it; `None` where its contents are not proven, or it has no such block.
fn frame(posted: &PostedItem, k: u64) -> Option<Step> {
    let blocks = posted.blocks.as_ref().filter(|_| posted.is_proven())?;
    let mut step = Step { item: posted.item.clone(), k, ..Step::default() };
    if blocks.is_empty() {
        return (k == 0).then_some(step);
    }
    let index = usize::try_from(k).ok()?;
    let block = blocks.get(index)?;
    step.dt = block.dt;
    step.postedRoot = stream::posted_root(&block.transactions);
    step.nTx = block.transactions.len() as u64;
    step.path = merkle_path(&stream::leaves(blocks), index)?;
    Some(step)
}

#[cfg(test)]
mod tests {
    use alloy_sol_types::SolError;

    use super::*;

    /// An envelope of this length that declares this bound.
    fn envelope(len: usize, bound: u64) -> Vec<u8> {
        let mut envelope = vec![0; len];
        envelope[6..14].copy_from_slice(&bound.to_be_bytes());
        envelope
    }

    #[test]
    fn the_largest_block_that_is_made_fits_alone_and_two_do_not() {
        // Honest blocks stay within 120 KiB; 9,000,000 is the gas limit of a development rollup.
        let one = Size::of(&envelope(120 * 1024, 9_000_000), 32, 160, 7);
        assert!(one.fits(), "{} gas", one.tx_gas());
        assert!(!one.with(one).fits());
        let small = Size::of(&envelope(20 * 1024, 1_000_000), 2, 3, 7);
        assert!(small.with(small).with(small).with(small).fits());
    }

    #[test]
    fn only_a_late_settlement_is_no_reason_to_worry() {
        let late = INativeRollup::NotTheNextBlock { position: 1, k: 2 }.abi_encode();
        assert!(is_late(&Revert { data: late.into() }));
        let failed = INativeRollup::ExecuteFailed {}.abi_encode();
        assert!(!is_late(&Revert { data: failed.into() }));
        assert!(!is_late(&Revert::default()), "out of gas");
    }

    #[test]
    fn neither_gas_nor_bytes_may_be_more_than_a_transaction_has() {
        assert!(!Size::of(&envelope(1_000, 17_000_000), 0, 0, 0).fits());
        assert!(!Size::of(&envelope(128 * 1024, 0), 0, 0, 0).fits());
        assert!(!Size::of(&envelope(1_000, u64::MAX), 0, 0, 0).fits());
        assert!(Size::of(&[], 0, 0, 7).fits());
    }
}
