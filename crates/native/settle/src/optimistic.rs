//! Rollups whose blocks count unless someone disputes them: who proposes, and who watches.
//!
//! A proposal is a list of hashes with a bond. A false one is refuted with one call, which executes its first false block:
//! derivation gives every block exactly one right hash, so there is nothing to argue about.
//!
//! Not here: what the right blocks are ([`crate::Follower`]).

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use alloy_primitives::{B256, Bytes, U256};
use alloy_rlp::Encodable;
use alloy_sol_types::SolCall;
use ethrex_l1::{Outcome, Purpose, Sender, TxRequest};
use tokio_util::sync::CancellationToken;

use crate::{
    bindings::INativeRollup,
    blocks::{Blocks, BlocksError},
    contract::Contract,
    derivation::Proposal,
    driver::View,
    follower::Walked,
    metrics,
    poster::purpose,
    settler::{REFUTE_GAS, SettlerError, every, gas_that_works, step},
};

/// Proposals made final in one transaction.
const MAX_FINALIZED: u64 = 16;

/// What a proposal for an item must say.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Truth {
    hashes: Vec<B256>,
    forced_after: Vec<u64>,
}

impl Truth {
    fn of(steps: &[Walked], blocks: u64) -> Self {
        // An item without blocks is one step of the walk, and no entry of a proposal.
        let steps = steps.iter().take(usize::try_from(blocks).unwrap_or(usize::MAX));
        let (hashes, forced_after) =
            steps.map(|walked| (walked.after.parent.hash, walked.after.forced)).unzip();
        Self { hashes, forced_after }
    }

    /// The first block that a proposal is wrong about.
    fn first_false(&self, proposal: &Proposal) -> Option<usize> {
        (0..self.hashes.len()).find(|&k| {
            proposal.hashes.get(k) != self.hashes.get(k)
                || proposal.forced_after.get(k) != self.forced_after.get(k)
        })
    }
}

/// The oldest proposal that is false, with its first false block.
#[derive(Debug)]
struct Lie {
    position: u64,
    k: usize,
    proposal: std::sync::Arc<Proposal>,
    walked: Walked,
}

/// Looks for a false proposal among those that stand. One on an item that is not walked over yet cannot be judged, nor what
/// stands on it.
fn find_lie(view: &View) -> Option<Lie> {
    view.read(|follower| {
        let (standing, first) = follower.derivation().proposals();
        for (position, proposal) in standing.range(first..) {
            let steps = follower.steps_of(*position)?;
            let item = follower.derivation().item(*position)?;
            let truth = Truth::of(&steps, item.item.blocks);
            if let Some(k) = truth.first_false(proposal) {
                let (position, proposal) = (*position, proposal.clone());
                return Some(Lie { position, k, proposal, walked: steps[k] });
            }
        }
        None
    })
}

/// Watches proposals, and refutes false ones.
#[derive(Debug)]
pub struct Challenger {
    contract: Contract,
    sender: Sender,
    blocks: Blocks,
    view: View,
    /// Time between two looks.
    every: Duration,
}

impl Challenger {
    /// A challenger that signs with `sender`.
    #[must_use]
    pub const fn new(
        contract: Contract,
        sender: Sender,
        blocks: Blocks,
        view: View,
        every: Duration,
    ) -> Self {
        Self { contract, sender, blocks, view, every }
    }

    /// Runs until stopped. An L1 that is down is waited for.
    ///
    /// # Errors
    /// What an operator has to look at.
    pub async fn run(self, stop: CancellationToken) -> Result<(), SettlerError> {
        every(self.every, stop, || self.turn()).await
    }

    async fn turn(&self) -> Result<(), SettlerError> {
        let Some(Lie { position, k, proposal, walked }) = find_lie(&self.view) else {
            return Ok(());
        };
        let (blocks, view) = (self.blocks.clone(), self.view.clone());
        let made = tokio::task::spawn_blocking(move || {
            let step = step(&blocks, &view, &walked)?;
            let parent =
                if k == 0 { Bytes::new() } else { header(&blocks, walked.at.parent.hash)? };
            Ok::<_, BlocksError>(step.map(|(step, size)| (step, size, parent)))
        });
        let Some((step, size, parent)) = made.await?? else { return Ok(()) };
        tracing::error!(position, k, proposer = %proposal.proposer, "a proposal is false; disputing it");
        let call = INativeRollup::challengeCall {
            k: k as u64,
            step,
            hashes: proposal.hashes.clone(),
            forcedAfter: proposal.forced_after.clone(),
            parentHeader: parent,
        };
        let extra = REFUTE_GAS + (proposal.hashes.len() * 64) as u64 * 64;
        let thought = size.tx_gas().saturating_add(extra);
        let gas_limit = match gas_that_works(&self.contract, &call, thought, |_| true).await? {
            Ok(gas_limit) => gas_limit,
            Err(why) => {
                metrics::refused("challenge");
                tracing::warn!(%why, position, k, "the dispute would not work now");
                return Ok(());
            }
        };
        let data = call.abi_encode();
        // The same lie may be told again, and is refuted again.
        let purpose =
            purpose("challenge", position, &[&data, proposal.l1.hash.as_slice()].concat());
        let request = TxRequest {
            gas_limit: Some(gas_limit),
            ..TxRequest::call(self.contract.address(), data)
        };
        match self.sender.submit(purpose, request).await?.await? {
            Outcome::Mined(mined) => {
                metrics::challenged();
                tracing::info!(
                    position,
                    k,
                    gas = mined.gas_used,
                    l1_block = mined.block,
                    "refuted a false proposal"
                );
            }
            Outcome::Reverted(_, why) | Outcome::WouldRevert(why) => {
                metrics::refused("challenge");
                tracing::warn!(%why, position, k, "a dispute was lost; somebody else may have been faster");
            }
            Outcome::Refused(why) => {
                metrics::refused("challenge");
                tracing::error!(%why, position, k, "L1 does not take a dispute");
            }
        }
        Ok(())
    }
}

/// Proposes what the walk finds, and makes proposals final.
#[derive(Debug)]
pub struct Proposer {
    contract: Contract,
    sender: Sender,
    blocks: Blocks,
    view: View,
    bond: U256,
    challenge_period: u64,
    /// Time between two looks.
    every: Duration,
    /// It was said that the account cannot pay for a bond.
    poor: AtomicBool,
}

impl Proposer {
    /// A proposer that signs with `sender`, and risks a bond with each proposal.
    #[must_use]
    pub fn new(
        contract: Contract,
        sender: Sender,
        blocks: Blocks,
        view: View,
        every: Duration,
    ) -> Self {
        let poor = AtomicBool::new(false);
        let (bond, challenge_period) = view.read(|follower| {
            let config = &follower.derivation().deployment().config;
            (config.bond, config.challengePeriod)
        });
        Self { contract, sender, blocks, view, bond, challenge_period, every, poor }
    }

    /// Runs until stopped. An L1 that is down is waited for.
    ///
    /// # Errors
    /// What an operator has to look at.
    pub async fn run(self, stop: CancellationToken) -> Result<(), SettlerError> {
        every(self.every, stop, || self.turn()).await
    }

    async fn turn(&self) -> Result<(), SettlerError> {
        let next = self.contract.next_proposal().await?;
        self.finalize(next).await?;
        // What stands on a lie falls with it.
        if find_lie(&self.view).is_some() {
            return Ok(());
        }
        self.propose(next).await
    }

    async fn propose(&self, position: u64) -> Result<(), SettlerError> {
        let found = self.view.read(|follower| {
            let item = follower.derivation().item(position).filter(|item| item.is_proven())?;
            let steps = follower.steps_of(position)?;
            let before = steps.first()?.at;
            let refuted = follower.derivation().last_refuted();
            Some((item.item.clone(), Truth::of(&steps, item.item.blocks), before, refuted))
        });
        let Some((item, truth, before, refuted)) = found else { return Ok(()) };
        if truth.hashes.len() as u64 != item.blocks {
            return Ok(()); // it was cut short, and settlement is past it
        }
        if !self.has_bond().await? {
            return Ok(());
        }
        let last = truth.hashes.last().copied().filter(|last| *last != before.parent.hash);
        let blocks = self.blocks.clone();
        let last_header = match last {
            Some(last) => tokio::task::spawn_blocking(move || header(&blocks, last)).await??,
            None => Bytes::new(),
        };
        let call = INativeRollup::proposeCall {
            item,
            // What is stated is true on this place only: on another it could be refuted.
            parentHash: before.parent.hash,
            parentForced: before.forced,
            hashes: truth.hashes,
            forcedAfter: truth.forced_after,
            lastHeader: last_header,
        };
        let data = call.abi_encode();
        // What stood on a lie has fallen with it, and is proposed again.
        let purpose = purpose("propose", position, &[&data[..], &refuted.to_be_bytes()].concat());
        let request = TxRequest::call(self.contract.address(), data).value(self.bond);
        self.send("propose", position, purpose, request).await
    }

    /// Whether the account can pay for a bond. Others may propose meanwhile, and what they propose is still made final.
    async fn has_bond(&self) -> Result<bool, SettlerError> {
        let account = self.sender.address();
        let funds = self.contract.client().balance(account).await?;
        let poor = funds < self.bond;
        if poor && !self.poor.swap(poor, Ordering::Relaxed) {
            tracing::warn!(%account, %funds, bond = %self.bond, "this account cannot pay for the bond of a proposal; send ETH to it, or leave proposing to others");
        }
        self.poor.store(poor, Ordering::Relaxed);
        Ok(!poor)
    }

    async fn finalize(&self, next: u64) -> Result<(), SettlerError> {
        let position = self.contract.head().await?.position;
        if position >= next {
            return Ok(());
        }
        let made = self.contract.proposal(position).await?.time;
        let now = self.contract.client().head().await?.timestamp;
        if now <= made.saturating_add(self.challenge_period) {
            return Ok(());
        }
        let call = INativeRollup::finalizeCall { max: U256::from(MAX_FINALIZED) };
        let purpose = Purpose::new(format!("finalize:{position}:{made}"));
        let request = TxRequest::call(self.contract.address(), call.abi_encode());
        self.send("finalize", position, purpose, request).await
    }

    async fn send(
        &self,
        what: &'static str,
        position: u64,
        purpose: Purpose,
        request: TxRequest,
    ) -> Result<(), SettlerError> {
        match self.sender.submit(purpose, request).await?.await? {
            Outcome::Mined(mined) => {
                tracing::info!(
                    what,
                    position,
                    gas = mined.gas_used,
                    l1_block = mined.block,
                    "settlement goes on"
                );
            }
            Outcome::Reverted(_, why) | Outcome::WouldRevert(why) => {
                metrics::refused(what);
                tracing::debug!(%why, what, position, "L1 does not take it now");
            }
            Outcome::Refused(why) => {
                metrics::refused(what);
                tracing::warn!(%why, what, position, "L1 does not take it");
            }
        }
        Ok(())
    }
}

/// The header of a block in RLP.
fn header(blocks: &Blocks, hash: B256) -> Result<Bytes, BlocksError> {
    let mut rlp = Vec::new();
    blocks.header(hash)?.inner().encode(&mut rlp);
    Ok(rlp.into())
}

#[cfg(test)]
mod tests {
    use alloy_primitives::Address;

    use super::*;
    use crate::derivation::L1Block;

    fn hash(byte: u8) -> B256 {
        B256::repeat_byte(byte)
    }

    fn proposal(hashes: &[u8], forced_after: &[u64]) -> Proposal {
        Proposal {
            proposer: Address::ZERO,
            hashes: hashes.iter().copied().map(hash).collect(),
            forced_after: forced_after.to_vec(),
            l1: L1Block { number: 1, hash: B256::ZERO, timestamp: 1 },
        }
    }

    #[test]
    fn c07_the_first_false_block_is_found() {
        let truth = Truth { hashes: vec![hash(1), hash(2), hash(2)], forced_after: vec![0, 1, 1] };
        let check = |hashes: &[u8], forced: &[u64], expected| {
            assert_eq!(truth.first_false(&proposal(hashes, forced)), expected);
        };
        check(&[1, 2, 2], &[0, 1, 1], None);
        check(&[9, 2, 2], &[0, 1, 1], Some(0));
        check(&[1, 9, 9], &[0, 1, 1], Some(1));
        check(&[1, 2, 9], &[0, 1, 1], Some(2));
        check(&[1, 2, 2], &[0, 2, 1], Some(1));
        check(&[1, 2], &[0, 1], Some(2));
    }
}
