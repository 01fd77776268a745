//! Transactions by themselves: which bytes are one that could stand in a block of a fork, and whose.

use std::collections::BTreeMap;

use alloy_eips::eip2718::Decodable2718;
use alloy_primitives::{Address, B256, Bytes, U64, U256};
use ethrex_evm::{BlockContext, BlockExecutor, RunError, TxBounds};
use ethrex_stf::{Ethereum, Rules};
use ethrex_types::alloy_consensus::Transaction;
use ethrex_types::testing::DiffState;
use ethrex_types::{AccountInfo, Block, Fork, Header, RecoveredBlock, SealedBlock, StateError, Tx};
use serde::Deserialize;

use crate::forks::{self, ForkError};

/// A file of transaction tests, by name.
pub type TransactionTests = BTreeMap<String, TransactionTest>;

/// One test.
#[derive(Debug, Deserialize)]
pub struct TransactionTest {
    txbytes: Bytes,
    result: BTreeMap<String, Expected>,
}

/// What the bytes are in one fork. The aliases are go-ethereum's names.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Expected {
    #[serde(alias = "error")]
    exception: Option<String>,
    hash: Option<B256>,
    #[serde(alias = "address")]
    sender: Option<Address>,
    intrinsic_gas: Option<U64>,
}

/// How a test was not met.
#[derive(Debug, thiserror::Error)]
pub enum Unmet {
    /// The fork is not one we know.
    #[error("the fork")]
    Fork(#[from] ForkError),
    /// The test has no such fork.
    #[error("the test has no such fork")]
    NoFork,
    /// A valid transaction was refused.
    #[error("valid but refused: {0}")]
    Refused(String),
    /// An invalid transaction was taken.
    #[error("taken in spite of {0}")]
    Taken(String),
    /// Something about it is different.
    #[error("other {0}")]
    Different(&'static str),
    /// The state could not be read.
    #[error("fault")]
    Fault(#[source] StateError),
}

impl TransactionTest {
    /// The forks that the test has results for.
    pub fn forks(&self) -> impl Iterator<Item = &str> {
        self.result.keys().map(String::as_str)
    }

    /// Judges the transaction in one fork.
    ///
    /// # Errors
    /// If it is judged otherwise.
    pub fn run(&self, fork: &str) -> Result<(), Unmet> {
        self.result.get(fork).ok_or(Unmet::NoFork)?.run(fork, &self.txbytes)
    }
}

/// A transaction with its sender by the rules of a fork; `None` where nobody signed it.
pub(crate) fn recover(fork: Fork, tx: Tx) -> Option<(Tx, Address)> {
    let mut block = Block::default();
    block.body.transactions = vec![tx];
    let recovered = RecoveredBlock::recover_at(fork, SealedBlock::seal(block)).ok()?;
    let (tx, sender) = recovered.transactions().next()?;
    Some((tx.clone(), sender))
}

impl Expected {
    /// Judges these bytes.
    pub(crate) fn run(&self, fork: &str, txbytes: &Bytes) -> Result<(), Unmet> {
        match (self.judge(fork, txbytes), &self.exception) {
            (Ok(()), Some(exception)) => Err(Unmet::Taken(exception.clone())),
            (Err(Unmet::Refused(_)), Some(_)) => Ok(()),
            (judged, _) => judged,
        }
    }

    fn judge(&self, fork: &str, txbytes: &Bytes) -> Result<(), Unmet> {
        let refused = |why: String| Unmet::Refused(why);
        let spec = forks::fixture(fork, 1, &BTreeMap::new())?;
        let at = spec.fork_at(1, 1);
        let tx = Tx::decode_2718_exact(txbytes).map_err(|why| refused(why.to_string()))?;
        Ethereum.admit(&tx).map_err(|why| refused(why.to_string()))?;
        let (tx, sender) = recover(at, tx).ok_or_else(|| refused("no signature".into()))?;
        let header = Header {
            number: 1,
            timestamp: 1,
            gas_limit: u64::MAX,
            base_fee_per_gas: (at >= Fork::London).then_some(0),
            excess_blob_gas: (at >= Fork::Cancun).then_some(0),
            ..Header::default()
        };
        let context = BlockContext { header: &header, ommers: &[], withdrawals: None };
        // One account that can pay for anything, and has sent everything before.
        let (nonce, balance) = (tx.nonce(), U256::MAX);
        let rich = AccountInfo { nonce, balance, ..AccountInfo::default() };
        let state = DiffState::of(sender, rich);
        let mut executor = BlockExecutor::open_bare(&spec, &Ethereum, &context, &state);
        executor.run(&tx, sender).map_err(|error| match error {
            RunError::Invalid(why) => refused(why.to_string()),
            RunError::Fault(fault) => Unmet::Fault(fault),
        })?;
        if self.exception.is_some() {
            return Ok(());
        }
        if self.hash.is_some_and(|hash| hash != tx.hash()) {
            return Err(Unmet::Different("hash"));
        }
        if self.sender.is_some_and(|expected| expected != sender) {
            return Err(Unmet::Different("sender"));
        }
        let gas = TxBounds::at(&spec, 1, 1).initial_gas(&tx, sender).intrinsic;
        if self.intrinsic_gas.is_some_and(|expected| expected.to::<u64>() != gas) {
            return Err(Unmet::Different("intrinsic gas"));
        }
        Ok(())
    }
}
