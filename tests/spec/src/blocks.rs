//! Real blocks by themselves: what their headers commit to.

use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, hex, keccak256};
use alloy_rlp::Decodable;
use ethrex_stf::{check_body, commit_receipts};
use ethrex_types::alloy_consensus::EMPTY_OMMER_ROOT_HASH;
use ethrex_types::alloy_consensus::proofs::{
    calculate_ommers_root, calculate_transaction_root, calculate_withdrawals_root,
};
use ethrex_types::block::InvalidSignature;
use ethrex_types::{Block, BlockBody, Header, Receipt, RecoveredBlock, SealedBlock, Tx};
use serde::Deserialize;

use crate::forks::{self, ForkError};

/// Header, body and receipts of a block, in RLP: as the portal network stores them.
#[derive(Debug)]
pub struct StoredBlock {
    header: Bytes,
    body: Bytes,
    receipts: Bytes,
}

/// An answer to `eth_getBlockByNumber`, maybe with the envelope it came in.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Shown<T> {
    /// In its envelope.
    Answer {
        /// What it carries.
        result: T,
    },
    /// By itself.
    Bare(T),
}

/// A block as `eth_getBlockByNumber` shows it.
#[derive(Debug, Deserialize)]
pub struct RpcBlock {
    pub(crate) hash: B256,
    #[serde(flatten)]
    pub(crate) header: Header,
    pub(crate) transactions: Vec<RpcTx>,
    pub(crate) withdrawals: Option<Vec<alloy_eips::eip4895::Withdrawal>>,
}

/// A transaction in such a block.
#[derive(Debug, Deserialize)]
pub(crate) struct RpcTx {
    from: Address,
    /// With its hash as shown, which the root does not depend on.
    #[serde(flatten)]
    pub(crate) tx: Tx,
}

/// How a block was not met.
#[derive(Debug, thiserror::Error)]
pub enum Unmet {
    /// The network is not one we know.
    #[error("mainnet")]
    Fork(#[from] ForkError),
    /// The file is not what RPC shows.
    #[error("the file")]
    Json(#[from] serde_json::Error),
    /// The file lacks a line.
    #[error("no {0} in the file")]
    Missing(&'static str),
    /// A line is no bytes.
    #[error("a line of the file")]
    Hex(#[from] hex::FromHexError),
    /// A part does not decode.
    #[error("the {what}")]
    Encoding {
        /// Which part.
        what: &'static str,
        /// Why.
        #[source]
        why: alloy_rlp::Error,
    },
    /// A part is written otherwise than it is given.
    #[error("the {0} encodes to something else")]
    Reencoded(&'static str),
    /// Nobody signed a transaction.
    #[error(transparent)]
    Signature(#[from] InvalidSignature),
    /// The body was refused.
    #[error("refused: {0}")]
    Refused(String),
    /// The header commits to something else.
    #[error("other {0}")]
    Different(&'static str),
}

impl StoredBlock {
    /// Reads one line for each part, `name: 0x…`.
    ///
    /// # Errors
    /// Where a part is missing or is no bytes.
    pub fn parse(text: &str) -> Result<Self, Unmet> {
        let part = |name: &'static str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            let hex = line.ok_or(Unmet::Missing(name))?.trim_matches(['"', '\'', ' ']);
            Ok::<_, Unmet>(Bytes::from(hex::decode(hex)?))
        };
        Ok(Self { header: part("header")?, body: part("body")?, receipts: part("receipts")? })
    }

    /// The parts decode and encode to the same, and belong together.
    ///
    /// # Errors
    /// The first thing that is otherwise.
    pub fn run(&self) -> Result<(), Unmet> {
        let header: Header = decode(&self.header, "header")?;
        let body: BlockBody = decode(&self.body, "body")?;
        let receipts: Vec<Receipt> = decode(&self.receipts, "receipts")?;
        for (what, ours, theirs) in [
            ("header", alloy_rlp::encode(&header), &self.header),
            ("body", alloy_rlp::encode(&body), &self.body),
            ("receipts", alloy_rlp::encode(&receipts), &self.receipts),
        ] {
            if ours != *theirs {
                return Err(Unmet::Reencoded(what));
            }
        }
        commits_to_receipts(&header, &receipts)?;
        commits_to_body(SealedBlock::seal(Block { header, body })).map(drop)
    }
}

/// Blocks one after another, of which each names the one before it: they decode and encode to the same, and their headers commit to
/// their bodies.
///
/// # Errors
/// The first thing that is otherwise.
pub fn row(bytes: &[u8]) -> Result<(), Unmet> {
    let mut rest = bytes;
    let mut last: Option<SealedBlock> = None;
    while !rest.is_empty() {
        let before = rest;
        let encoding = |why| Unmet::Encoding { what: "block", why };
        let block = SealedBlock::seal(Block::decode(&mut rest).map_err(encoding)?);
        if alloy_rlp::encode(block.block()) != before[..before.len() - rest.len()] {
            return Err(Unmet::Reencoded("block"));
        }
        if last.is_some_and(|last| last.hash() != block.header().parent_hash) {
            return Err(Unmet::Different("parent"));
        }
        has_roots(&block)?;
        last = Some(RecoveredBlock::recover(block)?.sealed().clone());
    }
    Ok(())
}

/// One RLP item and nothing after it.
fn decode<T: Decodable>(mut bytes: &[u8], what: &'static str) -> Result<T, Unmet> {
    let encoding = |why| Unmet::Encoding { what, why };
    let decoded = T::decode(&mut bytes).map_err(encoding)?;
    if bytes.is_empty() { Ok(decoded) } else { Err(encoding(alloy_rlp::Error::UnexpectedLength)) }
}

impl<T> Shown<T> {
    /// Without the envelope.
    pub fn into_inner(self) -> T {
        match self {
            Self::Answer { result: inner } | Self::Bare(inner) => inner,
        }
    }
}

impl RpcBlock {
    /// The block without its ommers, of which only hashes are shown.
    ///
    /// # Errors
    /// If it does not hash to what it says.
    pub(crate) fn sealed(&self) -> Result<SealedBlock, Unmet> {
        let body = BlockBody {
            transactions: self.transactions.iter().map(|shown| shown.tx.clone()).collect(),
            ommers: Vec::new(),
            withdrawals: self.withdrawals.clone().map(Into::into),
        };
        let sealed = SealedBlock::seal(Block { header: self.header.clone(), body });
        if sealed.hash() == self.hash { Ok(sealed) } else { Err(Unmet::Different("block hash")) }
    }

    /// Hashes, roots and senders are as shown.
    ///
    /// # Errors
    /// The first thing that is otherwise.
    pub fn run(&self) -> Result<(), Unmet> {
        let block = commits_to_body(self.sealed()?)?;
        for ((tx, sender), shown) in block.transactions().zip(&self.transactions) {
            if tx.hash() != keccak256(tx.encoded_2718()) {
                return Err(Unmet::Different("transaction hash"));
            }
            if sender != shown.from {
                return Err(Unmet::Different("sender"));
            }
        }
        Ok(())
    }
}

/// The block, as `eth_getBlockByNumber` shows it, is whole, and its header commits to the receipts, as `eth_getBlockReceipts` does.
///
/// # Errors
/// If it does not.
pub fn has_receipts(block: &[u8], receipts: &[u8]) -> Result<(), Unmet> {
    let block = serde_json::from_slice::<Shown<RpcBlock>>(block)?.into_inner();
    let receipts = serde_json::from_slice::<Shown<Vec<Receipt>>>(receipts)?.into_inner();
    block.run()?;
    commits_to_receipts(&block.header, &receipts)
}

fn commits_to_receipts(header: &Header, receipts: &[Receipt]) -> Result<(), Unmet> {
    let (root, bloom) = commit_receipts(receipts);
    if root != header.receipts_root {
        return Err(Unmet::Different("receipts root"));
    }
    if bloom != header.logs_bloom {
        return Err(Unmet::Different("logs"));
    }
    if receipts.last().map_or(0, |last| last.cumulative_gas_used) != header.gas_used {
        return Err(Unmet::Different("amount of gas used"));
    }
    Ok(())
}

/// The roots of the header are those of the body, whose transactions are signed. Ommers may be missing.
fn commits_to_body(sealed: SealedBlock) -> Result<RecoveredBlock, Unmet> {
    let spec = forks::mainnet()?;
    has_roots(&sealed)?;
    let (header, body) = (sealed.header(), sealed.body());
    if header.ommers_hash == EMPTY_OMMER_ROOT_HASH || !body.ommers.is_empty() {
        check_body(&spec, sealed.block()).map_err(|why| Unmet::Refused(why.to_string()))?;
    }
    let fork = spec.fork_at(header.number, header.timestamp);
    Ok(RecoveredBlock::recover_at(fork, sealed)?)
}

fn has_roots(sealed: &SealedBlock) -> Result<(), Unmet> {
    let (header, body) = (sealed.header(), sealed.body());
    if calculate_transaction_root(&body.transactions) != header.transactions_root {
        return Err(Unmet::Different("transactions root"));
    }
    let withdrawals = body.withdrawals.as_ref().map(|list| calculate_withdrawals_root(list));
    if withdrawals != header.withdrawals_root {
        return Err(Unmet::Different("withdrawals root"));
    }
    if !body.ommers.is_empty() && calculate_ommers_root(&body.ommers) != header.ommers_hash {
        return Err(Unmet::Different("ommers"));
    }
    Ok(())
}
