//! Proofs of the outbox's root, kept for the blocks that L1 can be asked about.
//!
//! L1 accepts a proof on the state of a settled block. The database keeps the states of the newest blocks only, and
//! settlement may come hours later. So the proof is made while the state is there, for the last block of each item: of an
//! optimistic rollup L1 knows no other, and of any rollup one of these is close behind the settled block.
//!
//! A proof is on disk before its item can be posted, or else it is made when the walk comes by again, after a restart at the
//! latest. It is dropped once its block is gone, and once a later block is settled for good: L1 is always shown the newest.

use alloy_primitives::{B256, Bytes};
use alloy_rlp::{Decodable, Encodable, RlpDecodable, RlpEncodable};
use ethrex_chain::Chain;
use ethrex_storage::{StateView, StorageError};
use ethrex_store::{Store, StoreError, StoredOutboxProof};
use ethrex_types::StateError;

use crate::{derivation::Cursor, operator::MESSENGER};

/// Where the messenger keeps the root of its outbox.
const ROOT_SLOT: B256 = B256::ZERO;
/// Items with a proof at most: the contract's ring of items that wait to be settled (`Inbox.RING`) has no room for more.
const MAX_PROOFS: u64 = 65_536;
/// Blocks behind the settled one whose state root the contract still knows (`RollupBase.ROOT_HISTORY`).
const ROOT_HISTORY: u64 = 8_191;

/// Why a proof could not be made, kept or read.
#[derive(Debug, thiserror::Error)]
pub enum OutboxProofError {
    /// The chain's database failed.
    #[error("storage")]
    Storage(#[from] StorageError),
    /// The state could not be read.
    #[error("prove the outbox")]
    State(#[from] StateError),
    /// The store failed.
    #[error("store")]
    Store(#[from] StoreError),
    /// A stored proof is not what was stored.
    #[error("the stored outbox proof of item {position} is damaged")]
    Damaged {
        /// The item's position.
        position: u64,
    },
}

/// The way from the state root of a block to the root of its outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RootProof {
    /// The block.
    pub(crate) number: u64,
    /// The root of its outbox; zero before the first message.
    pub(crate) root: B256,
    pub(crate) nodes: Nodes,
}

/// Trie nodes, as they are stored.
#[derive(Debug, Clone, Default, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub(crate) struct Nodes {
    /// From the state root to the messenger.
    pub(crate) account: Vec<Bytes>,
    /// From the messenger's storage root to the outbox's.
    pub(crate) storage: Vec<Bytes>,
}

/// Gives proofs, from the state where that is kept. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct RootProofs {
    chain: Chain,
    store: Store,
}

impl RootProofs {
    pub(crate) const fn new(chain: Chain, store: Store) -> Self {
        Self { chain, store }
    }

    /// The proof for a settled block, or for the newest one before it that there is a proof for and whose state root the
    /// contract knows.
    pub(crate) fn upto(&self, settled: u64) -> Result<Option<RootProof>, OutboxProofError> {
        let storage = self.chain.storage();
        let Some(hash) = storage.canonical_hash(settled)? else { return Ok(None) };
        if let Some(state) = storage.state_at(hash)? {
            return Ok(Some(prove(&state)?));
        }
        let mut upto = settled;
        while let Some(kept) = self.store.outbox_proof_upto(upto)? {
            let StoredOutboxProof { position, number, hash, root, proof } = kept;
            if settled - number >= ROOT_HISTORY {
                break;
            }
            if storage.canonical_hash(number)? == Some(hash) {
                let damaged = |_| OutboxProofError::Damaged { position };
                let nodes = Nodes::decode(&mut proof.as_slice()).map_err(damaged)?;
                return Ok(Some(RootProof { number, root, nodes }));
            }
            let Some(below) = number.checked_sub(1) else { break };
            upto = below;
        }
        Ok(None)
    }

    /// Keeps the proof for the last block of an item. Whether it is kept: of an old state there is none.
    fn keep(&self, position: u64, number: u64, hash: B256) -> Result<bool, OutboxProofError> {
        if self.store.has_outbox_proof(number, hash)? {
            return Ok(true);
        }
        let Some(state) = self.chain.storage().state_at(hash)? else { return Ok(false) };
        let RootProof { root, nodes, .. } = prove(&state)?;
        let mut proof = Vec::new();
        nodes.encode(&mut proof);
        self.store.put_outbox_proof(&StoredOutboxProof { position, number, hash, root, proof })?;
        Ok(true)
    }

    /// Forgets the proofs for blocks above this one that the chain no longer has.
    fn retract(&self, above: u64) -> Result<(), OutboxProofError> {
        let mut gone = Vec::new();
        for of in self.store.outbox_proofs_above(above)? {
            if self.chain.storage().canonical_hash(of.number)? != Some(of.hash) {
                gone.push(of.position);
            }
        }
        if !gone.is_empty() {
            self.store.drop_outbox_proofs(&gone)?;
        }
        Ok(())
    }
}

fn prove(state: &StateView) -> Result<RootProof, OutboxProofError> {
    let proof = state.proof(MESSENGER, &[ROOT_SLOT])?;
    let slot = proof.slots.into_iter().next();
    let (root, storage) =
        slot.map_or_else(Default::default, |slot| (slot.value.into(), slot.proof));
    let nodes = Nodes { account: proof.proof, storage };
    Ok(RootProof { number: state.block().number, root, nodes })
}

/// Keeps proofs as the chain moves.
#[derive(Debug)]
pub(crate) struct Keeper {
    proofs: RootProofs,
    /// The item that the walk was in when last seen.
    position: u64,
    /// The newest block whose state was too old to be proven.
    missed: u64,
    /// The block up to which settlement is not taken back.
    settled: u64,
}

impl Keeper {
    /// Goes on where an earlier run has left off.
    ///
    /// # Errors
    /// If a database fails.
    pub(crate) fn open(proofs: RootProofs) -> Result<Self, OutboxProofError> {
        // It may have ended between leaving a block and forgetting its proof.
        proofs.retract(0)?;
        Ok(Self { proofs, position: 0, missed: 0, settled: 0 })
    }

    /// An item of ours takes no more blocks after this one. To be called before it may be posted.
    ///
    /// # Errors
    /// If a database fails.
    pub(crate) fn on_close(
        &self,
        position: u64,
        number: u64,
        hash: B256,
    ) -> Result<(), OutboxProofError> {
        self.proofs.keep(position, number, hash).map(drop)
    }

    /// The walk stands here: the block before is the last one of its item, if that has just been left.
    ///
    /// # Errors
    /// If a database fails.
    pub(crate) fn on_walk(&mut self, tip: &Cursor) -> Result<(), OutboxProofError> {
        let left = std::mem::replace(&mut self.position, tip.position) != tip.position;
        let Some(ended) = tip.position.checked_sub(1).filter(|_| left && tip.parent.number > 0)
        else {
            return Ok(());
        };
        if !self.proofs.keep(ended, tip.parent.number, tip.parent.hash)? {
            self.missed = tip.parent.number;
        }
        Ok(())
    }

    /// The chain has left its blocks above this one.
    ///
    /// # Errors
    /// If a database fails.
    pub(crate) fn on_reorg(&self, to: u64) -> Result<(), OutboxProofError> {
        self.proofs.retract(to)
    }

    /// L1 will not take back that this block is settled.
    ///
    /// # Errors
    /// If a database fails.
    pub(crate) fn on_settled(&mut self, settled: u64) -> Result<(), OutboxProofError> {
        if settled <= self.settled {
            return Ok(());
        }
        self.settled = settled;
        let oldest = self.position.saturating_sub(MAX_PROOFS);
        Ok(self.proofs.store.prune_outbox_proofs(oldest, settled)?)
    }

    /// Says so once if there are blocks that are not settled and cannot be proven then. A later one will be.
    pub(crate) fn report(&mut self, settled: u64) {
        let missed = std::mem::take(&mut self.missed);
        if missed > settled {
            tracing::warn!(
                upto = missed,
                "the states of some blocks are gone and their outboxes were not kept; withdrawals in them can be claimed once a later block is settled, or after deriving the chain anew with an empty database"
            );
        }
    }
}
