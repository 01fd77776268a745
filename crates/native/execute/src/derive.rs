//! The one block that follows from posted data: a total function, the same in EXECUTE and in every node.
//!
//! Transactions come in two lanes, forced ones first. Whatever does not decode, is invalid where it stands, or does not fit is left out; nothing
//! that is posted can keep the block from being made. What the block touches is bounded ([`crate::meter`]), so that whoever wants to prove
//! it can.

use alloy_eips::eip2718::{Decodable2718, Encodable2718};
use alloy_primitives::{Address, B256, Bytes};
use ethrex_stateless::{ExecutionWitness, record, ssz::schema_of};
use ethrex_stf::{
    AccessLimits, Accesses, BlockAttributes, BlockBuilder, BuildContext, BuiltBlock, InvalidBlock,
    InvalidTx, NotIncluded, Rules, RunError, check_header,
};
use ethrex_trie::{NodeSource, StateUpdate, update_state};
use ethrex_types::{
    ChainSpec, Header, SealedBlock, SealedHeader, StateError, StateReader, Tx,
    alloy_consensus::{Transaction, transaction::SignerRecoverable},
};

use crate::{
    config::Caps,
    envelope::{Attributes, DeriveInput},
    gas::reserved,
    meter::{Meter, Usage},
    roots::keccak_chain,
    stream::{MAX_BLOCK_LEN, MAX_BLOCK_TXS},
};

/// Forced transactions of one block at most.
pub const FORCED_LANE_TXS: usize = 32;
/// Bytes of the forced transactions of one block at most.
pub const FORCED_LANE_LEN: usize = 24_576;
/// Bytes of one forced transaction at most.
pub const FORCED_TX_LEN: usize = 16_384;

/// Bytes of a code that a transaction may create. Code that is longer could not be read afterwards without passing the caps by much.
pub const MAX_DERIVED_CODE: usize = 24_576;

/// What is left to the executor, which alone sees what a transaction makes; all else is counted here.
const CREATED_CODE_ONLY: AccessLimits =
    AccessLimits { items: usize::MAX, code_bytes: usize::MAX, created_code: MAX_DERIVED_CODE };

/// The block to come: all that is fixed before its first transaction.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// The chain.
    pub spec: &'a ChainSpec,
    /// Its rules.
    pub rules: &'a dyn Rules,
    /// What a block may touch.
    pub caps: Caps,
    /// The block before.
    pub parent: &'a SealedHeader,
    /// What the producer decided.
    pub attributes: &'a Attributes,
}

/// The state after the parent, and where it comes from.
#[derive(Clone, Copy)]
pub struct ParentState<'a> {
    /// Serves code and block hashes.
    pub reader: &'a dyn StateReader,
    /// The tries, which serve accounts and slots: their paths are counted.
    pub nodes: &'a dyn NodeSource,
}

impl std::fmt::Debug for ParentState<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ParentState").finish_non_exhaustive()
    }
}

/// What came of posted data.
#[derive(Debug, Clone)]
pub struct Derived {
    /// The block, which lacks only its state root.
    pub built: BuiltBlock,
    /// Forced transactions that are done with, whether in the block or not: a prefix of those given.
    pub forced_count: usize,
    /// The posted transactions. Of a block that was filled: those to post.
    pub posted: Vec<Bytes>,
    /// Transactions in the block.
    pub included_count: usize,
    /// Transactions that are done with and not in it.
    pub dropped_count: usize,
    /// Chain over all forced transactions that were given.
    pub forced_root: B256,
    /// Chain over [`Self::posted`].
    pub posted_root: B256,
    /// What a witness of the derivation must contain, beside what computing the state root reads.
    pub needed: Accesses,
    /// What transactions touched, as it counts towards the caps.
    pub usage: Usage,
    /// The lowest `gas_bound` with which EXECUTE derives this block.
    pub gas_bound: u64,
}

/// Why there is no block. Nothing of it can come from what is posted.
#[derive(Debug, thiserror::Error)]
pub enum DeriveError {
    /// The attributes make no header that may follow the parent, or the chain's system contracts do not work.
    #[error("no block can be made: {0}")]
    Unbuildable(InvalidBlock),
    /// More gas would be executed than the caller declared.
    #[error("a transaction could use more gas than the declared {0}")]
    GasBound(u64),
    /// The state cannot be read.
    #[error(transparent)]
    State(StateError),
}

/// What became of a transaction that a sequencer offers.
#[derive(Debug)]
pub enum Offer {
    /// It is in the block, and used this much gas.
    Included(u64),
    /// It may be tried again in the next block: there is no room left for it in this one.
    NoRoom,
    /// It cannot run where it stands.
    Refused(NotIncluded),
    /// It touches more than this block has left. Nothing more is taken: the caps are spent on what it touched.
    Heavy,
}

/// Derives the block.
///
/// # Errors
/// Only for what the caller controls or for a state that cannot be read; see [`DeriveError`].
pub fn derive(
    frame: &Frame<'_>,
    state: ParentState<'_>,
    forced: &[Bytes],
    posted: &[Bytes],
    gas_bound: Option<u64>,
) -> Result<Derived, DeriveError> {
    Derivation::prepare(frame, state)?.derive(forced, posted, gas_bound)
}

/// The longest prefix of due entries that one block takes.
#[must_use]
pub fn forced_lane(due: &[Bytes]) -> &[Bytes] {
    let mut room = FORCED_LANE_LEN;
    let fits = |raw: &&Bytes| match room.checked_sub(raw.len()) {
        Some(left) => {
            room = left;
            true
        }
        None => false,
    };
    let count = due.iter().take(FORCED_LANE_TXS).take_while(fits).count();
    &due[..count]
}

impl Derived {
    /// Computes the state root on the parent's tries, and finishes the block.
    ///
    /// # Errors
    /// If a node is missing.
    pub fn seal(
        &self,
        nodes: &dyn NodeSource,
        parent: &SealedHeader,
    ) -> Result<(SealedBlock, StateUpdate), StateError> {
        let update = update_state(nodes, parent.state_root, &self.built.diff)?;
        Ok((self.built.seal(update.root), update))
    }

    /// What EXECUTE needs to derive the same block, with the canonical witness. Its `gas_bound` must be [`Self::gas_bound`] or more.
    ///
    /// `headers` are the ancestors from the oldest that `BLOCKHASH` asked for ([`Self::needed`], at least the parent) to the parent.
    ///
    /// # Errors
    /// If the state cannot be read.
    ///
    /// # Panics
    /// If there are no headers, or the fork of the block has no schema.
    pub fn input(
        &self,
        frame: &Frame<'_>,
        forced: &[Bytes],
        nodes: &dyn NodeSource,
        headers: &[Header],
    ) -> Result<DeriveInput, StateError> {
        let (witness, _) =
            record(nodes, frame.parent.state_root, &self.needed, &self.built.diff, headers)?;
        let fork = frame.spec.fork_at(frame.parent.number + 1, frame.attributes.timestamp);
        let ExecutionWitness { state, codes, headers: mut ancestors, .. } = witness;
        let parent_header = ancestors.pop().expect("the parent is among the headers");
        Ok(DeriveInput {
            schema_id: schema_of(fork).expect("blocks are derived at forks that have a schema"),
            chain_id: frame.spec.chain_id(),
            parent_header,
            ancestors,
            attributes: frame.attributes.clone(),
            forced: forced.to_vec(),
            posted: self.posted.clone(),
            witness: ExecutionWitness { state, codes, ..ExecutionWitness::default() },
        })
    }
}

/// A derivation about to begin: it owns what the block under construction borrows.
pub struct Derivation<'a> {
    frame: Frame<'a>,
    context: BuildContext,
    meter: Meter<'a>,
}

impl std::fmt::Debug for Derivation<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Derivation").field("frame", &self.frame).finish_non_exhaustive()
    }
}

impl<'a> Derivation<'a> {
    /// Checks the attributes.
    ///
    /// # Errors
    /// If no block with them may follow the parent.
    pub fn prepare(frame: &Frame<'a>, state: ParentState<'a>) -> Result<Self, DeriveError> {
        let Attributes { timestamp, gas_limit, .. } = *frame.attributes;
        let unbuildable = |why| Err(DeriveError::Unbuildable(why));
        if timestamp <= frame.parent.timestamp {
            let parent = frame.parent.timestamp;
            return unbuildable(InvalidBlock::Timestamp { got: timestamp, parent });
        }
        if frame.parent.number == u64::MAX {
            return unbuildable(InvalidBlock::Number { got: u64::MAX, want: u64::MAX });
        }
        let context =
            BuildContext::new(frame.spec, frame.parent, &block_attributes(frame.attributes));
        if context.header().gas_limit != gas_limit {
            let parent = frame.parent.gas_limit;
            return unbuildable(InvalidBlock::GasLimit { got: gas_limit, parent });
        }
        Ok(Self {
            frame: *frame,
            context,
            meter: Meter::new(
                state.reader,
                state.nodes,
                frame.parent,
                frame.attributes.fee_recipient,
            ),
        })
    }

    /// Derives the block, as the function [`derive()`] does.
    ///
    /// # Errors
    /// As that.
    pub fn derive(
        &self,
        forced: &[Bytes],
        posted: &[Bytes],
        gas_bound: Option<u64>,
    ) -> Result<Derived, DeriveError> {
        let mut open = self.open(gas_bound)?;
        open.force(forced)?;
        open.post(posted)?;
        open.finish()
    }

    /// Finishes the block that this derived, on the tries that it read: what [`Derived::seal`] gives, for whoever wants no nodes.
    ///
    /// # Errors
    /// If a node is missing.
    pub fn seal(self, derived: &Derived) -> Result<SealedBlock, StateError> {
        let root = self.meter.root_after(&derived.built.diff)?;
        Ok(derived.built.seal(root))
    }

    /// Opens the block: makes the opening system calls. `gas_bound` is what EXECUTE was paid for; a node that derives for itself has none.
    ///
    /// # Errors
    /// If the system calls fail, or the state cannot be read.
    pub fn open<'d>(&'d self, gas_bound: Option<u64>) -> Result<OpenBlock<'d, 'a>, DeriveError> {
        let mut builder = BlockBuilder::open(&self.context, self.frame.rules, &self.meter)
            .map_err(unbuildable)?;
        builder.set_access_limits(Some(CREATED_CODE_ONLY));
        // Counted from the start, so that paying the fee recipient never is the access that passes a cap.
        self.meter.start(Caps { items: 1, witness_bytes: usize::MAX, ..self.frame.caps });
        let recipient = self.meter.account(self.frame.attributes.fee_recipient);
        self.meter.stop();
        recipient.map_err(DeriveError::State)?;
        Ok(OpenBlock {
            derivation: self,
            builder,
            caps: self.frame.caps,
            gas_bound,
            gas_needed: 0,
            burnt: 0,
            forced_count: 0,
            forced_root: B256::ZERO,
            posted: Vec::new(),
            posted_len: 0,
            dropped_count: 0,
            closed: false,
        })
    }
}

/// A block that is being derived, or filled by a sequencer.
pub struct OpenBlock<'d, 'a> {
    derivation: &'d Derivation<'a>,
    builder: BlockBuilder<'d>,
    caps: Caps,
    gas_bound: Option<u64>,
    gas_needed: u64,
    /// Regular gas of transactions that were stopped and rolled back.
    burnt: u64,
    forced_count: usize,
    forced_root: B256,
    posted: Vec<Bytes>,
    posted_len: usize,
    dropped_count: usize,
    closed: bool,
}

impl std::fmt::Debug for OpenBlock<'_, '_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenBlock").field("builder", &self.builder).finish_non_exhaustive()
    }
}

/// What became of a transaction that decodes and has room.
enum Run {
    Included(u64),
    Refused(NotIncluded),
    /// Stopped and rolled back; what it touched until then counts.
    Stopped,
}

impl OpenBlock<'_, '_> {
    /// Runs the forced lane. Must come before any other transaction.
    ///
    /// # Errors
    /// If the gas bound does not cover a transaction, or the state cannot be read.
    pub fn force(&mut self, forced: &[Bytes]) -> Result<(), DeriveError> {
        self.forced_root = keccak_chain(forced);
        let at_start = self.usage();
        let gas_cap = self.gas_limit() / 2;
        for decoded in decode_all(self.derivation.frame.rules, forced) {
            let Some((tx, sender)) = decoded.filter(|(tx, _)| tx.gas_limit() <= gas_cap) else {
                self.drop_forced();
                continue;
            };
            if tx.gas_limit() > gas_cap.saturating_sub(self.gas_spent()) {
                break;
            }
            let before = self.usage();
            match self.run(tx, sender, self.caps.forced())? {
                Run::Included(_) => self.forced_count += 1,
                Run::Refused(_) => self.drop_forced(),
                Run::Stopped => {
                    // Alone it is too heavy for any block. Behind others it may have been they who spent the caps.
                    if before == at_start {
                        self.drop_forced();
                    }
                    break;
                }
            }
        }
        Ok(())
    }

    /// Runs the posted lane.
    ///
    /// # Errors
    /// If the gas bound does not cover a transaction, or the state cannot be read.
    pub fn post(&mut self, posted: &[Bytes]) -> Result<(), DeriveError> {
        self.posted = posted.to_vec();
        let before = self.builder.transactions().len();
        for decoded in decode_all(self.derivation.frame.rules, posted) {
            let Some((tx, sender)) = decoded else { continue };
            if tx.gas_limit() > self.gas_left() {
                continue;
            }
            if let Run::Stopped = self.run(tx, sender, self.caps)? {
                break;
            }
        }
        self.dropped_count += posted.len() - (self.builder.transactions().len() - before);
        self.closed = true;
        Ok(())
    }

    /// Lowers the caps for what a sequencer offers from now on. The block is derivable all the same.
    pub fn tighten(&mut self, caps: Caps) {
        self.caps = Caps {
            items: self.caps.items.min(caps.items),
            code_bytes: self.caps.code_bytes.min(caps.code_bytes),
            witness_bytes: self.caps.witness_bytes.min(caps.witness_bytes),
        };
    }

    /// Puts a transaction of a sequencer's choice into the block, if it fits. Posting those that were included derives this very block.
    ///
    /// # Errors
    /// If the state cannot be read.
    pub fn offer(&mut self, tx: &Tx, sender: Address) -> Result<Offer, DeriveError> {
        let raw: Bytes = tx.encoded_2718().into();
        let posted_len = self.posted_len + raw.len();
        let full = posted_len > MAX_BLOCK_LEN || self.posted.len() == MAX_BLOCK_TXS;
        if self.closed || full || tx.gas_limit() > self.gas_left() {
            return Ok(Offer::NoRoom);
        }
        Ok(match self.run(tx.clone(), sender, self.caps)? {
            Run::Included(gas) => {
                self.posted.push(raw);
                self.posted_len = posted_len;
                Offer::Included(gas)
            }
            Run::Refused(why) => Offer::Refused(why),
            Run::Stopped => {
                self.closed = true;
                Offer::Heavy
            }
        })
    }

    /// Gas that a transaction's limit may be at most.
    #[must_use]
    pub fn gas_left(&self) -> u64 {
        self.gas_limit().saturating_sub(self.gas_spent())
    }

    /// What transactions have touched so far.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.derivation.meter.used()
    }

    /// Transactions in the block so far.
    #[must_use]
    pub fn transactions(&self) -> &[Tx] {
        self.builder.transactions()
    }

    /// Closes the block.
    ///
    /// # Errors
    /// If the closing system calls fail, or the state cannot be read.
    pub fn finish(self) -> Result<Derived, DeriveError> {
        let included_count = self.builder.transactions().len();
        let built = self.builder.finish().map_err(unbuildable)?;
        let Derivation { frame, meter, .. } = self.derivation;
        let header = built.seal(B256::ZERO);
        check_header(frame.spec, header.header(), frame.parent)
            .map_err(DeriveError::Unbuildable)?;
        Ok(Derived {
            built,
            forced_count: self.forced_count,
            posted_root: keccak_chain(&self.posted),
            posted: self.posted,
            included_count,
            dropped_count: self.dropped_count,
            forced_root: self.forced_root,
            needed: meter.needed(),
            usage: meter.used(),
            gas_bound: self.gas_needed,
        })
    }

    fn drop_forced(&mut self) {
        self.forced_count += 1;
        self.dropped_count += 1;
    }

    fn gas_limit(&self) -> u64 {
        self.derivation.context.header().gas_limit
    }

    /// Of the scarcer kind, with what was rolled back.
    fn gas_spent(&self) -> u64 {
        let used = self.builder.regular_gas_used().max(self.builder.state_gas_used());
        used.saturating_add(self.burnt)
    }

    fn run(&mut self, tx: Tx, sender: Address, caps: Caps) -> Result<Run, DeriveError> {
        let reserve = reserved(tx.gas_limit());
        let executed = self.builder.regular_gas_used().saturating_add(self.burnt);
        let needed = executed.saturating_add(reserve);
        self.gas_needed = self.gas_needed.max(needed);
        if let Some(bound) = self.gas_bound.filter(|bound| needed > *bound) {
            return Err(DeriveError::GasBound(bound));
        }
        let meter = &self.derivation.meter;
        meter.start(caps);
        let result = self.builder.push(tx, sender);
        let stopped = meter.stop();
        debug_assert!(!stopped || result.is_err(), "a stopped transaction never stands");
        match result {
            Ok(gas) => Ok(Run::Included(gas)),
            // These are found out only by running: what that took counts, whoever in the block spent the limit.
            Err(RunError::Invalid(NotIncluded::Invalid(
                InvalidTx::PrecompileGas { .. }
                | InvalidTx::AccessLimit { .. }
                | InvalidTx::AccessListFull { .. }
                | InvalidTx::DepositLayout,
            ))) => {
                self.burnt = self.burnt.saturating_add(reserve);
                Ok(Run::Stopped)
            }
            Err(RunError::Invalid(why)) => Ok(Run::Refused(why)),
            Err(RunError::Fault(_)) if stopped => {
                self.burnt = self.burnt.saturating_add(reserve);
                Ok(Run::Stopped)
            }
            Err(RunError::Fault(fault)) => Err(DeriveError::State(fault)),
        }
    }
}

/// Each transaction with its sender, where it may stand on this chain: what can be said of it wherever it stands. Whoever has it derived has
/// paid for all of them, so they are decoded beforehand, on all cores.
#[cfg(feature = "parallel")]
fn decode_all(rules: &dyn Rules, raw: &[Bytes]) -> impl Iterator<Item = Option<(Tx, Address)>> {
    use rayon::prelude::*;
    // Recovering so many senders takes longer than waking another thread.
    const LEAST_PER_THREAD: usize = 2;
    let decoded: Vec<_> =
        raw.par_iter().with_min_len(LEAST_PER_THREAD).map(|raw| decode(rules, raw)).collect();
    decoded.into_iter()
}

/// Each transaction with its sender, where it may stand on this chain.
#[cfg(not(feature = "parallel"))]
fn decode_all(rules: &dyn Rules, raw: &[Bytes]) -> impl Iterator<Item = Option<(Tx, Address)>> {
    raw.iter().map(|raw| decode(rules, raw))
}

fn decode(rules: &dyn Rules, raw: &Bytes) -> Option<(Tx, Address)> {
    let tx = Tx::decode_2718_exact(raw).ok()?;
    let admitted = tx.encoded_2718() == raw[..] && rules.admit(&tx).is_ok();
    let sender = if admitted { tx.recover_signer().ok()? } else { return None };
    Some((tx, sender))
}

fn block_attributes(attributes: &Attributes) -> BlockAttributes {
    BlockAttributes {
        timestamp: attributes.timestamp,
        fee_recipient: attributes.fee_recipient,
        prev_randao: attributes.prev_randao,
        withdrawals: None,
        parent_beacon_block_root: Some(attributes.anchor),
        slot_number: Some(attributes.slot_number),
        desired_gas_limit: attributes.gas_limit,
        extra_data: attributes.extra_data.clone(),
    }
}

fn unbuildable(error: RunError<InvalidBlock>) -> DeriveError {
    match error {
        RunError::Invalid(why) => DeriveError::Unbuildable(why),
        RunError::Fault(fault) => DeriveError::State(fault),
    }
}
