//! Executing a block that came from elsewhere, and comparing what it did with what its header says.

use alloy_eips::eip7685::Requests;
use alloy_primitives::{B256, Bloom, U256};
use alloy_rlp::Encodable;
use ethrex_evm::{Accesses, BlockContext, BlockExecutor, Closed, Codes, RunError};
use ethrex_types::{
    Block, BlockAccessList, ChainSpec, Fork, Header, Receipt, RecoveredBlock, StateDiff,
    StateError, StateReader,
    alloy_consensus::{
        EMPTY_OMMER_ROOT_HASH, Transaction, TxReceipt,
        proofs::{
            calculate_ommers_root, calculate_receipt_root, calculate_transaction_root,
            calculate_withdrawals_root,
        },
    },
};

use crate::{InvalidBlock, Rules, access_list};

/// Largest RLP block from Osaka on, in bytes: 10 MiB less a margin of 2 MiB for the beacon block (EIP-7934).
pub const MAX_RLP_BLOCK_SIZE: usize = 8 * 1024 * 1024;

/// Regular gas that one transaction may use at most (EIP-7825).
pub const MAX_TX_GAS: u64 = 1 << 24;

/// What a valid block did. Its state root is still to be compared.
#[derive(Debug, Clone)]
pub struct Executed {
    /// One receipt per transaction.
    pub receipts: Vec<Receipt>,
    /// EIP-7685 requests.
    pub requests: Requests,
    /// Gas used.
    pub gas_used: u64,
    /// Wei burned.
    pub burned_fees: U256,
    /// Gas charged by injected precompiles.
    pub precompile_gas_used: u64,
    /// Changes of state.
    pub diff: StateDiff,
    /// What was read from the state before.
    pub accesses: Accesses,
    /// What the block touched and changed (EIP-7928), from Amsterdam on.
    pub block_access_list: Option<BlockAccessList>,
}

/// Checks that a body is the one its header commits to, and what of it needs no state.
///
/// # Errors
/// The first rule it breaks.
pub fn check_body(spec: &ChainSpec, block: &Block) -> Result<(), InvalidBlock> {
    let (header, body) = (&block.header, &block.body);
    root(
        "transactions root",
        header.transactions_root,
        calculate_transaction_root(&body.transactions),
    )?;
    check_ommers_hash(spec, block)?;
    if let (Some(want), Some(withdrawals)) = (&header.withdrawals_root, &body.withdrawals) {
        root("withdrawals root", *want, calculate_withdrawals_root(withdrawals))?;
    }
    check_content(spec, block)
}

/// The same for a block whose header was made from its body: its commitments are not computed a second time.
///
/// # Errors
/// The first rule it breaks.
pub fn check_content(spec: &ChainSpec, block: &Block) -> Result<(), InvalidBlock> {
    let (header, body) = (&block.header, &block.body);
    check_ommers_hash(spec, block)?;
    match (&header.withdrawals_root, &body.withdrawals) {
        (Some(_), None) => return Err(InvalidBlock::MissingField("withdrawals")),
        (None, Some(_)) => return Err(InvalidBlock::UnexpectedField("withdrawals")),
        (Some(_), Some(_)) | (None, None) => {}
    }
    if spec.fork_at(header.number, header.timestamp) >= Fork::Osaka {
        let size = block.length();
        if size > MAX_RLP_BLOCK_SIZE {
            return Err(InvalidBlock::Size { got: size, max: MAX_RLP_BLOCK_SIZE });
        }
    }
    if let Some(got) = header.blob_gas_used {
        let want = body.transactions.iter().filter_map(Transaction::blob_gas_used).sum();
        if got != want {
            return Err(InvalidBlock::BlobGasUsed { got, want });
        }
    }
    Ok(())
}

/// From the merge on there are no ommers (EIP-3675).
fn check_ommers_hash(spec: &ChainSpec, block: &Block) -> Result<(), InvalidBlock> {
    let (got, ommers) = (block.header.ommers_hash, &block.body.ommers);
    if !spec.is_merged(&block.header) {
        return root("ommers hash", got, calculate_ommers_root(ommers));
    }
    let none = ommers.is_empty() && got == EMPTY_OMMER_ROOT_HASH;
    if none { Ok(()) } else { Err(InvalidBlock::Ommers) }
}

/// Executes a block on the state after its parent and compares everything with its header but the state root.
///
/// The header and the body must have been checked: [`crate::check_header`], [`check_body`].
///
/// # Errors
/// A verdict where the block is invalid, a fault where the state cannot be read.
pub fn execute(
    spec: &ChainSpec,
    rules: &dyn Rules,
    block: &RecoveredBlock,
    state: &dyn StateReader,
) -> Result<Executed, RunError<InvalidBlock>> {
    execute_within(spec, rules, block, state, Means::default())
}

/// What whoever executes a block has for it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Means<'a> {
    /// The most gas that was paid for: each transaction runs only if what ran before it and what it may use at most are within
    /// this, so that never more is executed, whatever the header says.
    pub gas_bound: Option<u64>,
    /// Codes of the state, as far as they are known beforehand.
    pub codes: Option<&'a Codes>,
}

/// The same for a caller with other means.
///
/// # Errors
/// As [`execute`], and [`InvalidBlock::GasBound`].
pub fn execute_within(
    spec: &ChainSpec,
    rules: &dyn Rules,
    block: &RecoveredBlock,
    state: &dyn StateReader,
    means: Means<'_>,
) -> Result<Executed, RunError<InvalidBlock>> {
    let header = block.sealed().header();
    for (index, (tx, _)) in block.transactions().enumerate() {
        rules
            .admit(tx)
            .map_err(|reason| RunError::Invalid(InvalidBlock::Rejected { index, reason }))?;
    }
    let fork = spec.fork_at(header.number, header.timestamp);
    if fork < Fork::Byzantium && state.running_root().is_none() {
        return Err(RunError::Fault(StateError::NoRoot));
    }
    let context = BlockContext {
        header,
        ommers: &block.sealed().body().ommers,
        withdrawals: block.sealed().body().withdrawals.as_ref().map(|list| list.as_slice()),
    };
    rules.prepare(&block.sealed().body().transactions, header.timestamp);
    let mut executor = BlockExecutor::open(spec, rules, &context, state).map_err(system_call)?;
    executor.set_codes(means.codes);
    for (index, (tx, sender)) in block.transactions().enumerate() {
        let most = executor.regular_gas_used().saturating_add(tx.gas_limit().min(MAX_TX_GAS));
        if let Some(bound) = means.gas_bound.filter(|bound| most > *bound) {
            return Err(RunError::Invalid(InvalidBlock::GasBound { index, bound }));
        }
        executor.run(tx, sender).map_err(|error| match error {
            RunError::Invalid(reason) => {
                RunError::Invalid(InvalidBlock::Transaction { index, reason })
            }
            RunError::Fault(fault) => RunError::Fault(fault),
        })?;
    }
    let closed = executor.close().map_err(system_call)?;
    check_outcome(header, &closed).map_err(RunError::Invalid)?;
    Ok(Executed {
        receipts: closed.receipts,
        requests: closed.requests,
        gas_used: closed.gas_used,
        burned_fees: closed.burned_fees,
        precompile_gas_used: closed.precompile_gas_used,
        diff: closed.diff,
        accesses: closed.accesses,
        block_access_list: closed.block_access_list,
    })
}

pub(crate) fn system_call(error: RunError<ethrex_evm::SystemCallFailed>) -> RunError<InvalidBlock> {
    match error {
        RunError::Invalid(failed) => RunError::Invalid(InvalidBlock::SystemCall(failed)),
        RunError::Fault(fault) => RunError::Fault(fault),
    }
}

fn check_outcome(header: &Header, closed: &Closed) -> Result<(), InvalidBlock> {
    if header.gas_used != closed.gas_used {
        return Err(InvalidBlock::GasUsed { got: header.gas_used, want: closed.gas_used });
    }
    let (receipts_root, bloom) = commit_receipts(&closed.receipts);
    root("receipts root", header.receipts_root, receipts_root)?;
    if header.logs_bloom != bloom {
        return Err(InvalidBlock::LogsBloom {
            got: Box::new(header.logs_bloom),
            want: Box::new(bloom),
        });
    }
    if let Some(hash) = header.requests_hash {
        root("requests hash", hash, closed.requests.requests_hash())?;
    }
    if let (Some(got), Some(list)) = (header.block_access_list_hash, &closed.block_access_list) {
        access_list::check_items(list, header.gas_limit)?;
        let want = access_list::hash(list);
        if got != want {
            return Err(InvalidBlock::BlockAccessList { got, want });
        }
    }
    Ok(())
}

/// The receipts root and the logs bloom of a block.
#[must_use]
pub fn commit_receipts(receipts: &[Receipt]) -> (B256, Bloom) {
    let with_bloom: Vec<_> = receipts.iter().map(TxReceipt::with_bloom_ref).collect();
    let bloom = with_bloom.iter().fold(Bloom::ZERO, |all, one| all | one.logs_bloom);
    (calculate_receipt_root(&with_bloom), bloom)
}

fn root(what: &'static str, got: B256, want: B256) -> Result<(), InvalidBlock> {
    if got == want { Ok(()) } else { Err(InvalidBlock::Root { what, got, want }) }
}
