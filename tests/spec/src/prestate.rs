//! Real blocks of mainnet with the part of the state before them that they touch, and no proof of it.
//!
//! What can be compared is what transactions do: gas used, receipts and logs. Before Byzantium a receipts root commits to states
//! that are not there.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, U256};
use ethrex_evm::{BlockContext, BlockExecutor, RunError};
use ethrex_stf::{Ethereum, check_body, commit_receipts};
use ethrex_types::block::InvalidSignature;
use ethrex_types::{
    AccountInfo, Block, BlockBody, ChainSpec, Fork, Genesis, Header, RecoveredBlock, SealedBlock,
    StateError, StateReader, Tx, account::KECCAK_EMPTY,
};
use serde::Deserialize;
use serde_json::json;

/// A block with its state.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PrestateBlock {
    block: RpcBlock,
    pre_state: BTreeMap<Address, PreAccount>,
    codes: BTreeMap<B256, Code>,
}

/// A block as `eth_getBlockByNumber` shows it.
#[derive(Debug, Deserialize)]
struct RpcBlock {
    hash: B256,
    #[serde(flatten)]
    header: Header,
    transactions: Vec<Tx>,
    withdrawals: Option<Vec<alloy_eips::eip4895::Withdrawal>>,
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
    Mainnet(#[from] ethrex_types::chain_spec::GenesisError),
    /// Its schedule is not one.
    #[error("the schedule of mainnet")]
    Schedule(#[from] serde_json::Error),
    /// The block hashes to something else.
    #[error("the block hashes to {0}")]
    Hash(B256),
    /// Nobody signed a transaction.
    #[error(transparent)]
    Signature(#[from] InvalidSignature),
    /// The block was refused.
    #[error("refused: {0}")]
    Refused(String),
    /// The state could not be read.
    #[error("fault")]
    Fault(#[source] StateError),
    /// Something else came of it.
    #[error("other {0}")]
    Different(&'static str),
}

impl PrestateBlock {
    /// The fork of the block.
    #[must_use]
    pub fn fork(&self) -> String {
        let header = &self.block.header;
        mainnet().map_or_else(
            |_| "unknown".into(),
            |spec| format!("{:?}", spec.fork_at(header.number, header.timestamp)),
        )
    }

    /// Executes the block.
    ///
    /// # Errors
    /// The first thing that differs.
    pub fn run(&self) -> Result<(), Unmet> {
        let spec = mainnet()?;
        let header = &self.block.header;
        let body = BlockBody {
            transactions: self.block.transactions.clone(),
            ommers: Vec::new(),
            withdrawals: self.block.withdrawals.clone().map(Into::into),
        };
        let sealed = SealedBlock::seal(Block { header: header.clone(), body });
        if sealed.hash() != self.block.hash {
            return Err(Unmet::Hash(sealed.hash()));
        }
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
            return Err(Unmet::Different("amount of gas used"));
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

/// Mainnet as far as the blocks go.
fn mainnet() -> Result<ChainSpec, Unmet> {
    let genesis = json!({
        "config": {
            "chainId": 1, "homesteadBlock": 1_150_000, "daoForkBlock": 1_920_000, "daoForkSupport": true,
            "eip150Block": 2_463_000, "eip155Block": 2_675_000, "eip158Block": 2_675_000,
            "byzantiumBlock": 4_370_000, "constantinopleBlock": 7_280_000, "petersburgBlock": 7_280_000,
            "istanbulBlock": 9_069_000, "muirGlacierBlock": 9_200_000, "berlinBlock": 12_244_000,
            "londonBlock": 12_965_000, "arrowGlacierBlock": 13_773_000, "grayGlacierBlock": 15_050_000,
            "terminalTotalDifficulty": "0xc70d808a128d7380000", "shanghaiTime": 1_681_338_455,
            "cancunTime": 1_710_338_135,
        },
        "gasLimit": "0x0", "difficulty": "0x0", "alloc": {},
    });
    Ok(ChainSpec::new(serde_json::from_value::<Genesis>(genesis)?)?)
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
        // The parent's alone is known.
        let parent = self.block.header.number.checked_sub(1) == Some(number);
        Ok(Some(if parent { self.block.header.parent_hash } else { B256::ZERO }))
    }

    fn has_storage(&self, address: Address) -> Result<bool, StateError> {
        let account = self.pre_state.get(&address);
        Ok(account.is_some_and(|account| account.storage.values().any(|value| !value.is_zero())))
    }
}
