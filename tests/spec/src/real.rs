//! Stateless validation: real blocks with the witness they came with, and our own blocks with a witness of ours.

use alloy_primitives::{B256, Bytes, b256};
use alloy_rlp::Decodable;
use ethrex_stateless::{
    ExecutionWitness, Recording, ValidateError, Validated, Witness, WitnessError, record, validate,
};
use ethrex_stf::{Ethereum, execute};
use ethrex_types::block::InvalidSignature;
use ethrex_types::{Block, ChainSpec, Fork, RecoveredBlock, SealedBlock, StateError};
use serde::Deserialize;

use crate::blocks::{self, RpcBlock};
use crate::forks::{self, ForkError};
use crate::ledger::{Imported, Ledger};

/// A block of a public network with its execution witness.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RealBlock {
    /// The fork it was made under.
    pub fork: String,
    chain_id: u64,
    block_hash: B256,
    state_root: B256,
    gas_used: u64,
    block_rlp: Bytes,
    execution_witness: ExecutionWitness,
}

/// How stateless validation was wrong.
#[derive(Debug, thiserror::Error)]
pub enum Untrue {
    /// The network has no schedule here.
    #[error("the network")]
    Fork(#[from] ForkError),
    /// A file is not what RPC shows.
    #[error("the file")]
    Json(#[from] serde_json::Error),
    /// What RPC shows is no block.
    #[error("the block")]
    Block(#[from] blocks::Unmet),
    /// The block does not decode.
    #[error("the block")]
    Encoding(alloy_rlp::Error),
    /// The block has another hash.
    #[error("the block hashes to {0}")]
    Hash(B256),
    /// A sender cannot be recovered.
    #[error(transparent)]
    Signature(#[from] InvalidSignature),
    /// The witness does not decode.
    #[error("the witness")]
    Witness(#[from] WitnessError),
    /// No witness could be recorded.
    #[error("record a witness")]
    Record(#[source] StateError),
    /// A valid block was not found valid.
    #[error("a valid block")]
    Refused(#[from] ValidateError),
    /// Something else was computed.
    #[error("{what} is {ours}, the data says {theirs}")]
    Different {
        /// Which value.
        what: &'static str,
        /// As computed.
        ours: B256,
        /// As given.
        theirs: B256,
    },
    /// Another amount of gas was used.
    #[error("gas used is {ours}, the data says {theirs}")]
    Gas {
        /// As computed.
        ours: u64,
        /// As given.
        theirs: u64,
    },
    /// A witness without the state root's node was enough.
    #[error("accepted without the root node of the state")]
    AcceptedWithoutRoot,
    /// A witness that is known to be incomplete was enough.
    #[error("the witness is known to be incomplete, and was enough")]
    Complete,
    /// A witness without something it needs was enough.
    #[error("accepted without entry {0} of the canonical witness")]
    AcceptedIncomplete(usize),
    /// A witness without some node made the block invalid instead of undecided.
    #[error("called invalid for want of node {index}")]
    Blamed {
        /// Position in the witness.
        index: usize,
        /// The verdict.
        #[source]
        why: ValidateError,
    },
    /// The witness recorded while the block ran is not the one recorded afterwards.
    #[error("recorded while the block runs, its witness is another one")]
    Timing,
    /// A block with a wrong root was not called invalid.
    #[error("a wrong {0} went unnoticed")]
    WrongRoot(&'static str),
}

/// Blocks whose source gives less than a validator needs. They are undecided, and must not be called invalid.
const INCOMPLETE: [B256; 3] = [
    // Holesky 2971844: no header of its parent, which validation starts from.
    b256!("22090c119caba6f15b0595e3662136ae87df24131daaba5c779482faad947182"),
    // Holesky 2971845: BLOCKHASH looks at ancestors of which there are only hashes, and a hash is no proof.
    b256!("64c44fdc52a8c624eb09dac656cfb5ffe430633572de87c5dff5cd8fc57f8bc4"),
    // Hoodi 1151683: no path to an account that the block looks up (0x00d8…5c20).
    b256!("678e9770bebc2ecc6db9919b052da83c01b9360d8222eda5242e87c19ca288cd"),
];

/// How many nodes are taken away, one at a time, from the witness of a real block.
const NODES_TRIED: usize = 8;

impl RealBlock {
    /// A block of mainnet as RPC shows it, and a witness.
    ///
    /// # Errors
    /// If they do not decode.
    pub fn shown(fork: &str, block: &[u8], witness: &[u8]) -> Result<Self, Untrue> {
        let block: RpcBlock = serde_json::from_slice(block)?;
        let sealed = block.sealed()?;
        Ok(Self {
            fork: fork.into(),
            chain_id: 1,
            block_hash: sealed.hash(),
            state_root: sealed.header().state_root,
            gas_used: sealed.header().gas_used,
            block_rlp: alloy_rlp::encode(sealed.block()).into(),
            execution_witness: serde_json::from_slice(witness)?,
        })
    }

    /// The block, and its network at the block's fork.
    pub fn open(&self) -> Result<(ChainSpec, SealedBlock), Untrue> {
        let spec = forks::public(self.chain_id, &self.fork)?;
        let block = Block::decode(&mut self.block_rlp.as_ref()).map_err(Untrue::Encoding)?;
        let sealed = SealedBlock::seal(block);
        if sealed.hash() == self.block_hash {
            Ok((spec, sealed))
        } else {
            Err(Untrue::Hash(sealed.hash()))
        }
    }

    /// The witness as its source made it, in no canonical form.
    #[must_use]
    pub const fn witness(&self) -> &ExecutionWitness {
        &self.execution_witness
    }

    /// The block is valid by its witness; undecided where a node is missing; invalid where a root is wrong.
    pub fn run(&self) -> Result<(), Untrue> {
        let (spec, sealed) = self.open()?;
        let block = sealed.block().clone();
        let header = sealed.header();
        let fork = spec.fork_at(header.number, header.timestamp);
        let recovered = RecoveredBlock::recover_at(fork, sealed)?;
        let witness = Witness::decode(&self.execution_witness)?;
        let judged = validate(&spec, &Ethereum, &recovered, &witness);
        if INCOMPLETE.contains(&self.block_hash) {
            return match judged {
                Err(ValidateError::Witness(_) | ValidateError::NoParent(_)) => Ok(()),
                Err(why) => Err(why.into()),
                Ok(_) => Err(Untrue::Complete),
            };
        }
        let validated = judged?;
        self.compare(&validated)?;
        self.with_a_node_less(&spec, &recovered, validated.parent_state_root)?;
        self.in_canonical_form(&spec, &recovered, &witness)?;
        with_wrong_roots(&spec, &block, recovered.senders(), &witness)
    }

    fn compare(&self, validated: &Validated) -> Result<(), Untrue> {
        if validated.state_root != self.state_root {
            return Err(Untrue::Different {
                what: "the state root",
                ours: validated.state_root,
                theirs: self.state_root,
            });
        }
        if validated.gas_used != self.gas_used {
            return Err(Untrue::Gas { ours: validated.gas_used, theirs: self.gas_used });
        }
        Ok(())
    }

    /// Some sources carry nodes that nothing reads, so only the root's absence must be noticed.
    fn with_a_node_less(
        &self,
        spec: &ChainSpec,
        block: &RecoveredBlock,
        root: B256,
    ) -> Result<(), Untrue> {
        let nodes = &self.execution_witness.state;
        let top = nodes.iter().position(|node| alloy_primitives::keccak256(node) == root);
        let spread = (0..NODES_TRIED).map(|turn| turn * nodes.len() / NODES_TRIED);
        for index in spread.chain(top) {
            let mut less = self.execution_witness.clone();
            less.state.remove(index);
            match validate(spec, &Ethereum, block, &Witness::decode(&less)?) {
                Ok(_) if Some(index) == top => return Err(Untrue::AcceptedWithoutRoot),
                Err(why @ ValidateError::Invalid(_)) => return Err(Untrue::Blamed { index, why }),
                Ok(_) | Err(_) => {}
            }
        }
        Ok(())
    }
}

impl RealBlock {
    /// The witness without its surplus, sorted: sufficient, and everything in it is needed.
    fn in_canonical_form(
        &self,
        spec: &ChainSpec,
        block: &RecoveredBlock,
        witness: &Witness,
    ) -> Result<(), Untrue> {
        let hash = block.sealed().header().parent_hash;
        let parent = witness.header(hash).ok_or(ValidateError::NoParent(hash))?;
        let state = witness.state_after(parent);
        let recording = Recording::of(witness.nodes(), parent.state_root);
        let executed = recording
            .watch(&state, |state| execute(spec, &Ethereum, block, state))
            .map_err(ValidateError::from)?;
        let oldest = executed.accesses.oldest_block_hash.unwrap_or(parent.number);
        let mut headers = vec![parent.inner().clone()];
        while let Some(last) = headers.last().filter(|last| last.number > oldest) {
            let hash = last.parent_hash;
            let next = witness.header(hash).ok_or(ValidateError::NoParent(hash))?;
            headers.push(next.inner().clone());
        }
        headers.reverse();
        let (accesses, diff) = (&executed.accesses, &executed.diff);
        let (canonical, update) =
            recording.finish(accesses, diff, &headers).map_err(Untrue::Record)?;
        let afterwards = record(witness.nodes(), parent.state_root, accesses, diff, &headers)
            .map_err(Untrue::Record)?;
        if afterwards.0 != canonical {
            return Err(Untrue::Timing);
        }
        if update.root != self.state_root {
            return Err(Untrue::Different {
                what: "the state root",
                ours: update.root,
                theirs: self.state_root,
            });
        }
        validate(spec, &Ethereum, block, &Witness::decode_canonical(&canonical, hash)?)?;
        let spread =
            |len: usize| (0..NODES_TRIED.min(len)).map(move |turn| turn * len / NODES_TRIED);
        for index in spread(canonical.state.len()) {
            let mut less = canonical.clone();
            less.state.remove(index);
            judged_insufficient(spec, block, &less, index)?;
        }
        for index in spread(canonical.codes.len()) {
            let mut less = canonical.clone();
            less.codes.remove(index);
            judged_insufficient(spec, block, &less, index)?;
        }
        Ok(())
    }
}

fn judged_insufficient(
    spec: &ChainSpec,
    block: &RecoveredBlock,
    witness: &ExecutionWitness,
    index: usize,
) -> Result<(), Untrue> {
    let parent = block.sealed().header().parent_hash;
    match validate(spec, &Ethereum, block, &Witness::decode_canonical(witness, parent)?) {
        Err(ValidateError::Witness(_)) => Ok(()),
        Err(why) => Err(Untrue::Blamed { index, why }),
        Ok(_) => Err(Untrue::AcceptedIncomplete(index)),
    }
}

fn with_wrong_roots(
    spec: &ChainSpec,
    block: &Block,
    senders: &[alloy_primitives::Address],
    witness: &Witness,
) -> Result<(), Untrue> {
    let wrong = B256::repeat_byte(0x5a);
    let judge = |what: &'static str, change: &dyn Fn(&mut Block)| {
        let mut block = block.clone();
        change(&mut block);
        let block = RecoveredBlock::new_unchecked(SealedBlock::seal(block), senders.to_vec());
        match validate(spec, &Ethereum, &block, witness) {
            Err(ValidateError::Invalid(_)) => Ok(()),
            _ => Err(Untrue::WrongRoot(what)),
        }
    };
    judge("state root", &|block| block.header.state_root = wrong)?;
    judge("receipts root", &|block| block.header.receipts_root = wrong)?;
    judge("transactions root", &|block| block.header.transactions_root = wrong)?;
    judge("gas used", &|block| block.header.gas_used += 1)
}

/// Validates a block that `ledger` has imported again, from a witness recorded out of what it read.
///
/// Not so a block whose receipts name states in between, of which a witness shows none, and one with ommers.
pub fn revalidate(ledger: &Ledger, imported: &Imported) -> Result<(), Untrue> {
    let (parent, header) = (&imported.parent, imported.block.header());
    let fork = ledger.spec().fork_at(header.number, header.timestamp);
    if fork < Fork::Byzantium || !imported.block.body().ommers.is_empty() {
        return Ok(());
    }
    let accesses = &imported.executed.accesses;
    let oldest = accesses.oldest_block_hash.unwrap_or(parent.number).min(parent.number);
    let headers = ledger.headers(oldest, parent);
    let (witness, _) =
        record(ledger.nodes(), parent.state_root, accesses, &imported.executed.diff, &headers)
            .map_err(Untrue::Record)?;
    let block = RecoveredBlock::new_unchecked(imported.block.clone(), imported.senders.clone());
    let witness = Witness::decode_canonical(&witness, parent.hash())?;
    let validated = validate(ledger.spec(), &Ethereum, &block, &witness)?;
    let theirs = imported.block.header().state_root;
    if validated.state_root == theirs {
        Ok(())
    } else {
        Err(Untrue::Different { what: "the state root", ours: validated.state_root, theirs })
    }
}
