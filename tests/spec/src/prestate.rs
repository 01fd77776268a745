//! Real blocks of mainnet with the part of the state before them that they touch, and no proof of it.
//!
//! What can be compared is what transactions do: gas used, receipts and logs. Before Byzantium a receipts root commits to states
//! that are not there.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, U256, b256};
use ethrex_evm::{BlockContext, BlockExecutor, RunError};
use ethrex_stf::{Ethereum, check_body, commit_receipts};
use ethrex_types::block::InvalidSignature;
use ethrex_types::{
    AccountInfo, Fork, Missing, RecoveredBlock, StateError, StateReader, account::KECCAK_EMPTY,
};
use serde::Deserialize;

use crate::blocks::{self, RpcBlock};
use crate::forks::{self, ForkError};

/// Blocks that other blocks ask for, though their files do not have them. The hashes are named by the transactions that compare them: a
/// bet that block 7279999 settles, and an output of a rollup proposed in block 19923400.
const ANCESTORS: [(u64, B256); 2] = [
    (7_279_997, b256!("22e1ad76886bb312065b4206f3755dbdf2e74fe2b2aaeba679b87a769ac68699")),
    (19_923_393, b256!("b91858aa079ffdb2fe737b2d2b9cd5c66b12de3a7bd0ba67f7590645cf6362d7")),
];

/// A block with its state.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PrestateBlock {
    block: RpcBlock,
    pre_state: BTreeMap<Address, PreAccount>,
    codes: BTreeMap<B256, Code>,
}

#[derive(Debug, Deserialize)]
struct PreAccount {
    balance: U256,
    nonce: u64,
    code_hash: Option<B256>,
    #[serde(default)]
    storage: BTreeMap<U256, U256>,
}

#[derive(Debug, Deserialize)]
struct Code {
    bytecode: Bytes,
}

/// How a block was not met.
#[derive(Debug, thiserror::Error)]
pub enum Unmet {
    /// Mainnet makes no chain.
    #[error("mainnet")]
    Mainnet(#[from] ForkError),
    /// The block is not what it says.
    #[error(transparent)]
    Block(#[from] blocks::Unmet),
    /// Nobody signed a transaction.
    #[error(transparent)]
    Signature(#[from] InvalidSignature),
    /// The block was refused.
    #[error("refused: {0}")]
    Refused(String),
    /// The state could not be read.
    #[error("fault")]
    Fault(#[source] StateError),
    /// Another amount of gas was used.
    #[error("gas used is {ours}, the header says {theirs}")]
    Gas {
        /// As executed.
        ours: u64,
        /// In the header.
        theirs: u64,
    },
    /// Something else came of it.
    #[error("other {0}")]
    Different(&'static str),
}

impl PrestateBlock {
    /// The fork of the block.
    #[must_use]
    pub fn fork(&self) -> String {
        let header = &self.block.header;
        forks::mainnet().map_or_else(
            |_| "unknown".into(),
            |spec| format!("{:?}", spec.fork_at(header.number, header.timestamp)),
        )
    }

    /// Executes the block.
    ///
    /// # Errors
    /// The first thing that differs.
    pub fn run(&self) -> Result<(), Unmet> {
        let spec = forks::mainnet()?;
        let header = &self.block.header;
        let sealed = self.block.sealed()?;
        let fork = spec.fork_at(header.number, header.timestamp);
        if header.ommers_hash == ethrex_types::alloy_consensus::EMPTY_OMMER_ROOT_HASH {
            check_body(&spec, sealed.block()).map_err(|why| Unmet::Refused(why.to_string()))?;
        }
        let block = RecoveredBlock::recover_at(fork, sealed)?;
        let withdrawals = block.sealed().body().withdrawals.as_ref().map(|list| list.as_slice());
        let context = BlockContext { header, ommers: &[], withdrawals };
        let mut executor =
            BlockExecutor::open(&spec, &Ethereum, &context, self).map_err(refused)?;
        for (tx, sender) in block.transactions() {
            executor.run(tx, sender).map_err(refused)?;
        }
        let closed = executor.close().map_err(refused)?;
        let (root, bloom) = commit_receipts(&closed.receipts);
        if closed.gas_used != header.gas_used {
            return Err(Unmet::Gas { ours: closed.gas_used, theirs: header.gas_used });
        }
        if bloom != header.logs_bloom {
            return Err(Unmet::Different("logs"));
        }
        if fork >= Fork::Byzantium && root != header.receipts_root {
            return Err(Unmet::Different("receipts"));
        }
        Ok(())
    }
}

fn refused<V: std::fmt::Display>(error: RunError<V>) -> Unmet {
    match error {
        RunError::Invalid(why) => Unmet::Refused(why.to_string()),
        RunError::Fault(fault) => Unmet::Fault(fault),
    }
}

impl StateReader for PrestateBlock {
    fn account(&self, address: Address) -> Result<Option<AccountInfo>, StateError> {
        Ok(self.pre_state.get(&address).map(|account| AccountInfo {
            nonce: account.nonce,
            balance: account.balance,
            code_hash: account.code_hash.unwrap_or(KECCAK_EMPTY),
        }))
    }

    fn storage(&self, address: Address, slot: B256) -> Result<U256, StateError> {
        let account = self.pre_state.get(&address);
        let value = account.and_then(|account| account.storage.get(&U256::from_be_bytes(slot.0)));
        Ok(value.copied().unwrap_or_default())
    }

    fn code(&self, hash: B256) -> Result<Option<Bytes>, StateError> {
        Ok(self.codes.get(&hash).map(|code| code.bytecode.clone()))
    }

    fn block_hash(&self, number: u64) -> Result<Option<B256>, StateError> {
        if self.block.header.number.checked_sub(1) == Some(number) {
            return Ok(Some(self.block.header.parent_hash));
        }
        let known = ANCESTORS.iter().find(|(known, _)| *known == number);
        let missing = StateError::Missing(Missing::BlockHash(number));
        known.map(|(_, hash)| Some(*hash)).ok_or(missing)
    }

    fn has_storage(&self, address: Address) -> Result<bool, StateError> {
        let account = self.pre_state.get(&address);
        Ok(account.is_some_and(|account| account.storage.values().any(|value| !value.is_zero())))
    }
}
