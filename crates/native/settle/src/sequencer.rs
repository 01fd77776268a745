//! What goes into the sequencer's next block, and when an item begins and ends.
//!
//! A block begins with what tells the rollup of L1 and with messages of L1, then come the forced transactions that are due
//! and the pool's best. An item is what shares one view of L1: it ends when L1 has something new to tell, when it is old or
//! large, and only while no other one waits to be posted.
//!
//! Not here: the loop ([`crate::driver`]), posting ([`crate::Poster`]).

use std::{collections::HashSet, time::Duration};

use alloy_primitives::{Address, B256, keccak256};
use alloy_sol_types::SolCall;
use ethrex_evm::{Call, CallError, Overrides, call::CallEnd, simulate};
use ethrex_execute::{
    derive::{DeriveError, Offer, OpenBlock},
    stream::{MAX_BLOCK_LEN, StreamBlock},
};
use ethrex_stf::{InvalidTx, NotIncluded, next_base_fee};
use ethrex_txpool::Pool;
use ethrex_types::{SealedHeader, StateReader, Tx};

use crate::{
    bindings::{INativeMessenger, Item, L1Context, Message},
    blocks::{Blocks, BlocksError, Made},
    derivation::{Cursor, Parent, Plan, attributes},
    driver::View,
    operator::{ClaimPolicy, MESSENGER, Operator, Terms},
    own::{Block, Own},
    settler::Size,
    tree::Path,
};

/// Most bytes of transactions in an item. With the ABI around them they fit into an L1 transaction.
const ITEM_BYTES: usize = 96 * 1024;
/// Most blocks of an item; a stream holds no more.
const ITEM_BLOCKS: usize = 120;
/// Messages delivered in one block at most.
const CLAIMS: usize = 8;
/// Messages of which it is asked for one block whether they are delivered; the next block goes on behind them.
const LOOKED_AT: u64 = 1_024;
/// Gas below which a block counts as full: no transaction needs less.
const LEAST_TX_GAS: u64 = 21_000;
/// Gas for asking whether a message is delivered.
const VIEW_GAS: u64 = 1_000_000;

/// What the sequencer needs to know.
#[derive(Debug, Clone)]
pub struct SequencerConfig {
    /// Time between two blocks.
    pub block_time: Duration,
    /// Time after which an item is closed.
    pub item_time: Duration,
    /// Time without a block after which there is an empty one; `None` for never.
    pub idle_time: Option<Duration>,
    /// Receives the priority fees.
    pub fee_recipient: Address,
    /// Which messages of L1 are delivered.
    pub claims: ClaimPolicy,
}

/// What the next block is built from.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) blocks: Blocks,
    pub(crate) pool: Pool,
    pub(crate) view: View,
    pub(crate) operator: Operator,
    pub(crate) claims: ClaimPolicy,
    /// Messages that were tried in vain.
    pub(crate) set_aside: HashSet<u64>,
    /// All messages before this one are delivered, or are not for us to deliver.
    pub(crate) next_claim: u64,
    /// Where the block stands.
    pub(crate) at: Cursor,
    /// The time on L1: a block of another time would come out differently.
    pub(crate) time: u64,
    /// The item it belongs to.
    pub(crate) context: L1Context,
    /// Receives its fees.
    pub(crate) fee_recipient: Address,
    /// Whether a block without transactions is wanted all the same.
    pub(crate) heartbeat: bool,
}

/// A block of the sequencer's choice, not stored yet.
#[derive(Debug)]
pub(crate) struct Choice {
    pub(crate) made: Made,
    pub(crate) digest: B256,
    pub(crate) block: Block,
    /// Messages that it tried to deliver and could not.
    pub(crate) failed: Vec<u64>,
}

/// What building came to.
#[derive(Debug)]
pub(crate) struct Built {
    /// `None` if there is nothing to put into a block.
    pub(crate) choice: Option<Choice>,
    /// All messages before this one are delivered, or are not for us to deliver.
    pub(crate) next_claim: u64,
}

/// What the pool gave.
#[derive(Debug)]
struct Filled {
    /// Transactions that were included.
    taken: usize,
    /// Nothing was refused.
    clean: bool,
    /// A transaction that touches more than the block has left.
    heavy: Option<B256>,
}

impl Job {
    /// Builds the block. CPU-bound.
    pub(crate) fn run(self) -> Result<Built, BlocksError> {
        let parent = self.blocks.header(self.at.parent.hash)?;
        let (config, forced) = self.view.read(|follower| {
            let derivation = follower.derivation();
            let forced = derivation.lane(self.at.forced, self.context.forcedCount);
            (derivation.deployment().config.clone(), forced)
        });
        let item = Item {
            position: self.at.position,
            feeRecipient: self.fee_recipient,
            ctx: self.context.clone(),
            ..Item::default()
        };
        let timestamp = self.time.max(parent.timestamp.saturating_add(config.minBlockTime.max(1)));
        let attributes = attributes(&config, &item, timestamp);
        let base_fee = next_base_fee(&parent).unwrap_or_default();
        let (mut claims, next_claim) = self.claims(&parent)?;
        let mut own = self.operator_txs(&parent, base_fee, &claims)?;

        let mut most = usize::MAX;
        loop {
            let (mut clean, mut taken, mut delivered, mut heavy) = (true, 0, 0, None);
            let mut made = self.blocks.make(parent.hash(), &attributes, |open| {
                open.force(&forced)?;
                for (index, tx) in own.iter().enumerate() {
                    match open.offer(tx, self.operator.address())? {
                        Offer::Included(_) => delivered += usize::from(index >= own.len() - claims.len()),
                        Offer::NoRoom => {}
                        Offer::Refused(why) => {
                            tracing::warn!(%why, operator = %self.operator.address(), "the rollup does not take a transaction of its operator");
                            clean = false;
                        }
                        Offer::Heavy => clean = false,
                    }
                }
                let filled = self.fill(open, base_fee, most)?;
                (taken, clean) = (filled.taken, clean && filled.clean);
                heavy = filled.heavy;
                Ok(())
            })?;
            if let Some(hash) = heavy.filter(|_| taken == 0) {
                if !own.is_empty() {
                    // What we send beside it may have been too much: it gets a block to itself.
                    (own, claims) = (Vec::new(), Vec::new());
                    continue;
                }
                if forced.is_empty() {
                    // It would keep the others out for ever.
                    tracing::warn!(%hash, "a transaction touches more than a block may; it is dropped");
                    self.pool.remove(hash);
                }
            }
            let worth = taken + delivered > 0 || made.block.forced > 0 || self.heartbeat;
            if !worth {
                return Ok(Built { choice: None, next_claim });
            }
            let plan = Plan {
                at: self.at,
                dt: timestamp - parent.timestamp,
                blocks: u64::MAX,
                attributes: attributes.clone(),
                forced: forced.clone(),
                posted: made.posted.clone(),
            };
            if !clean {
                // What was refused has left its traces in the witness. L1 will not see it.
                made = self.blocks.execute(&plan)?;
            }
            // Nothing is promised that L1 would not verify.
            let envelope = self.blocks.envelope_of(&plan, &made)?;
            let checked = self.blocks.check(&envelope, &made)?;
            if checked.is_err() || !Size::of_step(&envelope, &plan).fits() {
                match relief(taken, !own.is_empty(), !forced.is_empty()) {
                    Relief::Fewer(taken) => {
                        most = taken;
                        continue;
                    }
                    Relief::WithoutOwn => {
                        (own, claims) = (Vec::new(), Vec::new());
                        continue;
                    }
                    Relief::Drop => {
                        if let Some(raw) = made.posted.last() {
                            let hash = keccak256(raw);
                            tracing::error!(%hash, ?checked, "L1 would not verify a block with this transaction; it is dropped");
                            self.pool.remove(hash);
                        }
                        continue;
                    }
                    Relief::Nothing => {
                        if let Err(why) = checked {
                            let number = parent.number + 1;
                            return Err(BlocksError::SelfCheck { number, why: Box::new(why) });
                        }
                        // No block of anybody's is without its forced transactions: were it not made, whoever forced them would
                        // have stopped this sequencer.
                        let bytes = envelope.len();
                        tracing::warn!(
                            bytes,
                            "a block of forced transactions alone is larger than public pools of L1 take"
                        );
                    }
                }
            }
            let failed = failed_claims(&made, &own, &claims);
            let after = Parent { hash: made.block.hash, number: parent.number + 1, timestamp };
            let posted = StreamBlock { dt: plan.dt, transactions: plan.posted.clone() };
            let block = Block { after, forced: self.at.forced + made.block.forced, posted };
            let digest = plan.digest();
            return Ok(Built { choice: Some(Choice { made, digest, block, failed }), next_claim });
        }
    }

    /// Takes the pool's best.
    fn fill(
        &self,
        open: &mut OpenBlock<'_, '_>,
        base_fee: u64,
        most: usize,
    ) -> Result<Filled, DeriveError> {
        let mut best = self.pool.best(base_fee, None);
        let mut filled = Filled { taken: 0, clean: true, heavy: None };
        while filled.taken < most && open.gas_left() >= LEAST_TX_GAS {
            let Some(tx) = best.next() else { break };
            match open.offer(tx.tx(), tx.sender())? {
                Offer::Included(_) => filled.taken += 1,
                // It has not been looked at.
                Offer::NoRoom => best.skip_sender(),
                Offer::Refused(NotIncluded::Invalid(InvalidTx::NonceTooLow { .. })) => {
                    filled.clean = false;
                }
                Offer::Refused(_) => {
                    filled.clean = false;
                    best.skip_sender();
                }
                Offer::Heavy => {
                    filled.clean = false;
                    filled.heavy = Some(tx.hash());
                    break;
                }
            }
        }
        Ok(filled)
    }

    /// What is sent beside the pool: the context, where this is an item's first block, and messages.
    fn operator_txs(
        &self,
        parent: &SealedHeader,
        base_fee: u64,
        claims: &[(Message, Path)],
    ) -> Result<Vec<Tx>, BlocksError> {
        let storage = self.blocks.chain().storage();
        let state = storage.state_at(parent.hash())?.ok_or(BlocksError::NoState(parent.hash()))?;
        let account = state.account(self.operator.address()).map_err(DeriveError::State)?;
        let Some(account) = account else { return Ok(Vec::new()) };
        let mut terms = Terms { nonce: account.nonce, base_fee };
        let mut txs = Vec::new();
        if self.at.index == 0 {
            txs.push(self.operator.open(terms, &self.context));
            terms.nonce += 1;
        }
        for (message, path) in claims {
            txs.push(self.operator.claim(terms, message, path));
            terms.nonce += 1;
        }
        Ok(txs)
    }

    /// The messages to deliver in this block, and the first one that later blocks are to look at. Those that we never deliver,
    /// because they pay too little or were tried in vain, are not looked at again: there may be any number of them.
    fn claims(&self, parent: &SealedHeader) -> Result<(Vec<(Message, Path)>, u64), BlocksError> {
        let count = self.context.msgCount;
        let end = count.min(self.next_claim.saturating_add(LOOKED_AT));
        let (mut claims, mut first) = (Vec::new(), None);
        for index in self.next_claim..end {
            if claims.len() == CLAIMS {
                break;
            }
            let message = self.view.read(|follower| {
                let message = &follower.derivation().message(index)?.message;
                self.claims.takes(message).then(|| message.clone())
            });
            let Some(message) = message.filter(|_| !self.set_aside.contains(&index)) else {
                continue;
            };
            if self.is_claimed(parent, index)? {
                continue;
            }
            let path = self.view.read(|follower| follower.derivation().message_path(index, count));
            if let Some((path, _)) = path {
                first.get_or_insert(index);
                claims.push((message, path));
            }
        }
        Ok((claims, first.unwrap_or(end.max(self.next_claim))))
    }

    /// Asks the messenger on the newest state.
    fn is_claimed(&self, parent: &SealedHeader, index: u64) -> Result<bool, BlocksError> {
        let chain = self.blocks.chain();
        let state = chain.storage().state_at(parent.hash())?;
        let state = state.ok_or(BlocksError::NoState(parent.hash()))?;
        let call = Call {
            to: MESSENGER.into(),
            gas_limit: VIEW_GAS,
            input: INativeMessenger::isClaimedCall { index }.abi_encode().into(),
            ..Call::default()
        };
        let (spec, rules) = (chain.spec(), chain.rules().as_ref());
        match simulate(spec, rules, parent, &state, &call, &Overrides::default()) {
            Ok(outcome) if outcome.end == CallEnd::Success => {
                Ok(INativeMessenger::isClaimedCall::abi_decode_returns(&outcome.output)
                    .unwrap_or(false))
            }
            // A rollup without a messenger delivers nothing.
            Ok(_) | Err(CallError::Invalid(_)) => Ok(true),
            Err(CallError::Fault(fault)) => Err(DeriveError::State(fault).into()),
        }
    }
}

/// What makes a block smaller that L1 would not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relief {
    /// So many transactions of the pool at most.
    Fewer(usize),
    /// None of what we send ourselves.
    WithoutOwn,
    /// Without the one transaction of the pool, which is to blame: it is alone.
    Drop,
    /// Nothing: there are only forced transactions in it.
    Nothing,
}

fn relief(taken: usize, own: bool, forced: bool) -> Relief {
    match taken {
        0 | 1 if own => Relief::WithoutOwn,
        0 => Relief::Nothing,
        1 if !forced => Relief::Drop,
        _ => Relief::Fewer(taken / 2),
    }
}

/// Messages whose delivery is in the block and failed.
fn failed_claims(made: &Made, own: &[Tx], claims: &[(Message, Path)]) -> Vec<u64> {
    let included = &made.prepared.block.sealed().body().transactions;
    let receipts = &made.prepared.receipts;
    let failed = |tx: &Tx| {
        let at = included.iter().position(|other| other.hash() == tx.hash());
        at.and_then(|at| receipts.get(at)).is_some_and(|receipt| !receipt.success())
    };
    // The claims are the last ones of what we send.
    let txs = own.iter().skip(own.len().saturating_sub(claims.len()));
    txs.zip(claims).filter(|(tx, _)| failed(tx)).map(|(_, (message, _))| message.index).collect()
}

impl Own {
    /// Whether it takes no further block, whatever waits.
    pub(crate) fn is_full(&self) -> bool {
        self.blocks.len() >= ITEM_BLOCKS || self.bytes() >= ITEM_BYTES - MAX_BLOCK_LEN
    }
}

/// What is to become of the item that takes blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It takes more.
    Open,
    /// It is complete.
    Close,
}

/// What decides about the end of an item.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Age {
    /// Time since it began.
    pub(crate) open_for: Duration,
    /// Time after which it ends.
    pub(crate) item_time: Duration,
    /// Another one waits to be posted.
    pub(crate) waiting: bool,
    /// L1 has something to tell that its context does not.
    pub(crate) stale: bool,
}

/// Whether an item ends. One that is posted while another waits would only wait too, so it goes on growing.
pub(crate) fn ending(own: &Own, age: &Age) -> Ending {
    let due = age.stale || age.open_for >= age.item_time;
    if own.is_full() || (!own.blocks.is_empty() && due && !age.waiting) {
        Ending::Close
    } else {
        Ending::Open
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::Bytes;

    use super::*;

    fn own(blocks: usize, bytes: usize) -> Own {
        let block = Block {
            after: Parent { hash: B256::ZERO, number: 1, timestamp: 1 },
            forced: 0,
            posted: StreamBlock { dt: 1, transactions: vec![Bytes::from(vec![0; bytes])] },
        };
        Own {
            position: 0,
            context: L1Context::default(),
            header: Bytes::new(),
            fee_recipient: Address::ZERO,
            closed: false,
            blocks: vec![block; blocks],
        }
    }

    #[test]
    fn a_transaction_is_to_blame_for_a_large_block_only_where_it_is_alone() {
        assert_eq!(relief(9, true, true), Relief::Fewer(4));
        assert_eq!(relief(1, true, false), Relief::WithoutOwn);
        assert_eq!(relief(1, false, true), Relief::Fewer(0), "others have forced what is large");
        assert_eq!(relief(1, false, false), Relief::Drop);
        assert_eq!(relief(0, true, true), Relief::WithoutOwn);
        assert_eq!(relief(0, false, true), Relief::Nothing);
    }

    #[track_caller]
    fn check(own: &Own, seconds: u64, waiting: bool, stale: bool, expected: Ending) {
        let open_for = Duration::from_secs(seconds);
        let age = Age { open_for, item_time: Duration::from_secs(5), waiting, stale };
        assert_eq!(ending(own, &age), expected);
    }

    #[test]
    fn an_item_ends_by_age_or_news_unless_another_one_waits() {
        check(&own(1, 10), 4, false, false, Ending::Open);
        check(&own(1, 10), 5, false, false, Ending::Close);
        check(&own(1, 10), 5, true, false, Ending::Open);
        check(&own(1, 10), 0, false, true, Ending::Close);
        check(&own(0, 0), 50, false, true, Ending::Open);
    }

    #[test]
    fn an_item_that_is_full_ends_in_any_case() {
        check(&own(ITEM_BLOCKS, 0), 0, true, false, Ending::Close);
        check(&own(3, 32 * 1024), 0, true, false, Ending::Close);
        check(&own(1, 32 * 1024), 0, true, false, Ending::Open);
    }
}
