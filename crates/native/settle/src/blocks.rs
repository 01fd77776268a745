//! Blocks of the rollup: made from plans or from what a sequencer chooses, kept, and wrapped for L1.
//!
//! Everything here is CPU-bound or waits for a disk: async callers run it on a blocking thread.

use alloy_primitives::{B256, Bytes};
use alloy_rlp::Encodable;
use ethrex_chain::{BuildError, Chain, Prepared};
use ethrex_execute::{
    ExecuteConfig, ExecuteResult, FailureClass,
    config::Caps,
    derive::{Derivation, DeriveError, Frame, OpenBlock, ParentState},
    envelope::{Attributes, DeriveInput, Flags, Header, Mode},
};
use ethrex_stateless::{ExecutionWitness, ssz::SCHEMA_AMSTERDAM};
use ethrex_storage::StorageError;
use ethrex_store::{DerivedBlock, Store, StoreError};
use ethrex_types::{ChainSpec, Genesis, SealedHeader, StateError};

use crate::derivation::Plan;

/// More gas than any envelope costs.
const ALL_GAS: u64 = 1 << 40;

/// Why a block could not be made or found.
#[derive(Debug, thiserror::Error)]
pub enum BlocksError {
    /// The chain's database failed.
    #[error("storage")]
    Storage(#[from] StorageError),
    /// The store failed.
    #[error("store")]
    Store(#[from] StoreError),
    /// The state root could not be computed.
    #[error("complete a block")]
    Build(#[from] BuildError),
    /// No block can be made on this parent at all.
    #[error("derive a block")]
    Derive(#[source] DeriveError),
    /// A block is not in the database.
    #[error("block {0} is not stored")]
    UnknownBlock(B256),
    /// A block's state is older than those that are kept.
    #[error(
        "the state after block {0} is no longer kept; remove the database to derive the chain from the beginning"
    )]
    NoState(B256),
    /// A block of ours would not be verified on L1, and no transaction is to blame.
    #[error("block {number} of ours fails its own check")]
    SelfCheck {
        /// Its number.
        number: u64,
        /// What EXECUTE said.
        #[source]
        why: Box<FailureClass>,
    },
    /// EXECUTE cannot be run here.
    #[error("run EXECUTE")]
    Execute(#[source] StateError),
    /// The witness of a block is gone.
    #[error("the witness of block {0} is no longer kept")]
    NoWitness(B256),
}

impl From<DeriveError> for BlocksError {
    fn from(error: DeriveError) -> Self {
        Self::Derive(error)
    }
}

/// A block that was made and is not stored yet.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) prepared: Prepared,
    pub(crate) block: DerivedBlock,
    /// The posted transactions it came from.
    pub(crate) posted: Vec<Bytes>,
}

impl Made {
    /// The header of the block.
    pub(crate) fn header(&self) -> SealedHeader {
        self.prepared.block.sealed().sealed_header()
    }
}

/// Makes and finds blocks. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Blocks {
    chain: Chain,
    store: Store,
    caps: Caps,
    level: u8,
}

impl Blocks {
    /// Blocks of this chain, which L1 knows at this level; `caps` are those of L1.
    #[must_use]
    pub const fn new(chain: Chain, store: Store, caps: Caps, level: u8) -> Self {
        Self { chain, store, caps, level }
    }

    /// The chain.
    #[must_use]
    pub const fn chain(&self) -> &Chain {
        &self.chain
    }

    pub(crate) const fn store(&self) -> &Store {
        &self.store
    }

    /// The header of a stored block.
    ///
    /// # Errors
    /// If it is not stored.
    pub fn header(&self, hash: B256) -> Result<SealedHeader, BlocksError> {
        self.chain.storage().header(hash)?.ok_or(BlocksError::UnknownBlock(hash))
    }

    /// What a plan gave, if it was executed before and the block is still of use: part of the chain, or one to build on.
    ///
    /// # Errors
    /// If a database fails.
    pub fn known(&self, plan: &Plan) -> Result<Option<DerivedBlock>, BlocksError> {
        let Some(block) = self.store.native_derived(plan.digest())? else { return Ok(None) };
        let storage = self.chain.storage();
        let stands = storage.has_state(block.hash)
            || storage.canonical_hash(plan.at.parent.number + 1)? == Some(block.hash);
        Ok(stands.then_some(block))
    }

    /// The block of a plan, stored. Executes it only where that was not done before.
    ///
    /// # Errors
    /// If it cannot be executed here.
    pub fn derive(&self, plan: &Plan) -> Result<DerivedBlock, BlocksError> {
        if let Some(block) = self.known(plan)? {
            return Ok(block);
        }
        let made = self.execute(plan)?;
        let block = made.block;
        self.keep(plan.digest(), made)?;
        Ok(block)
    }

    /// Executes a plan.
    pub(crate) fn execute(&self, plan: &Plan) -> Result<Made, BlocksError> {
        self.make(plan.at.parent.hash, &plan.attributes, |open| {
            open.force(&plan.forced)?;
            open.post(&plan.posted)
        })
    }

    /// Makes a block on a stored one.
    pub(crate) fn make(
        &self,
        parent: B256,
        attributes: &Attributes,
        fill: impl FnOnce(&mut OpenBlock<'_, '_>) -> Result<(), DeriveError>,
    ) -> Result<Made, BlocksError> {
        let chain = &self.chain;
        let parent = self.header(parent)?;
        let state = chain.storage().state_at(parent.hash())?;
        let state = state.ok_or(BlocksError::NoState(parent.hash()))?;
        let (spec, rules) = (chain.spec(), chain.rules().as_ref());
        let frame = Frame { spec, rules, caps: self.caps, parent: &parent, attributes };
        let parent_state = ParentState { reader: &state, nodes: &state };
        let derivation = Derivation::prepare(&frame, parent_state)?;
        let mut open = derivation.open(None)?;
        fill(&mut open)?;
        let derived = open.finish()?;
        // The witness must hold what was touched and rolled back too, which the block itself does not show.
        let mut built = derived.built;
        built.accesses = derived.needed;
        let prepared = chain.complete(&parent, &state, built)?;
        let block = DerivedBlock {
            hash: prepared.block.sealed().hash(),
            forced: derived.forced_count as u64,
            gas_bound: derived.gas_bound,
        };
        Ok(Made { prepared, block, posted: derived.posted })
    }

    /// Stores a block, and remembers which plan it came from.
    pub(crate) fn keep(&self, digest: B256, made: Made) -> Result<(), BlocksError> {
        self.chain.store(made.prepared)?;
        self.store.put_native_derived(digest, &made.block)?;
        Ok(())
    }

    /// What L1 is called with to derive a block.
    ///
    /// # Errors
    /// If the block or its witness is gone.
    pub fn envelope(&self, plan: &Plan, block: &DerivedBlock) -> Result<Vec<u8>, BlocksError> {
        let witness = self.chain.witness(block.hash)?;
        let witness = witness.ok_or(BlocksError::NoWitness(block.hash))?;
        self.wrap(plan, block.gas_bound, witness)
    }

    /// The same for a block that is not stored yet.
    pub(crate) fn envelope_of(&self, plan: &Plan, made: &Made) -> Result<Vec<u8>, BlocksError> {
        let witness = made.prepared.witness.clone();
        let witness = witness.ok_or(BlocksError::NoWitness(made.block.hash))?;
        self.wrap(plan, made.block.gas_bound, witness)
    }

    /// Asks EXECUTE, as L1 will, whether an envelope gives this block. The outcome is that of any node, at no cost on L1.
    pub(crate) fn check(
        &self,
        envelope: &[u8],
        made: &Made,
    ) -> Result<Result<(), FailureClass>, BlocksError> {
        let header = made.header();
        let above = self.level.saturating_sub(1);
        let config = ExecuteConfig { caps: self.caps, ..ExecuteConfig::from_time(0) };
        let verifier = self.verifier();
        let outcome =
            ethrex_execute::execute(&config, &verifier, above, header.timestamp, ALL_GAS, envelope)
                .map_err(BlocksError::Execute)?;
        Ok(outcome.result.map(|output| {
            let found = ExecuteResult::decode(&output).map(|result| result.block_hash);
            assert_eq!(found.ok(), Some(header.hash()), "deriving is the same here and in EXECUTE");
        }))
    }

    /// The schedule of L1, which is ours, under an id that is not ours.
    fn verifier(&self) -> ChainSpec {
        let mut config = self.chain.spec().genesis().config.clone();
        config.chain_id = config.chain_id.checked_add(1).unwrap_or_default();
        ChainSpec::new(Genesis { config, ..Genesis::default() })
            .expect("a schedule that is consistent stays so under another id")
    }

    fn wrap(
        &self,
        plan: &Plan,
        gas_bound: u64,
        witness: ExecutionWitness,
    ) -> Result<Vec<u8>, BlocksError> {
        let mut parent_header = Vec::new();
        self.header(plan.at.parent.hash)?.inner().encode(&mut parent_header);
        let ExecutionWitness { state, codes, headers: mut ancestors, .. } = witness;
        // The last one is the parent, which stands by itself.
        ancestors.pop();
        let input = DeriveInput {
            schema_id: SCHEMA_AMSTERDAM,
            chain_id: self.chain.spec().chain_id(),
            parent_header: parent_header.into(),
            ancestors,
            attributes: plan.attributes.clone(),
            forced: plan.forced.clone(),
            posted: plan.posted.clone(),
            witness: ExecutionWitness { state, codes, ..ExecutionWitness::default() },
        };
        let header =
            Header { mode: Mode::Derive, level: self.level, flags: Flags::NONE, gas_bound };
        Ok(header.wrap(&input.encode()))
    }
}
