//! Runs a block: opening system calls, transactions one by one, closing system calls and requests.

use std::borrow::Cow;

use alloy_eips::{eip4895::Withdrawal, eip7002, eip7251, eip7685::Requests};
use alloy_evm::{
    Evm as _, EvmEnv,
    block::{
        BlockExecutionError, BlockExecutor as _, BlockValidationError, InternalBlockExecutionError,
    },
    eth::{
        EthBlockExecutionCtx, EthBlockExecutor,
        receipt_builder::{ReceiptBuilder, ReceiptBuilderCtx},
    },
};
use alloy_primitives::{Address, Bytes};
use ethrex_types::{
    ChainSpec, Header, Receipt, StateDiff, StateError, StateReader, Tx, TxType,
    account::KECCAK_EMPTY, alloy_consensus::transaction::Recovered,
};
use revm::{
    Database as _,
    context::result::InvalidTransaction,
    database::{State, states::bundle_state::BundleRetention},
    inspector::NoOpInspector,
};

use crate::{
    db::{Accesses, Fault, StateDb},
    deposits,
    diff::state_diff,
    evm::RulesEvm,
    rules::TxRules,
    spec::ExecutorSpec,
};

/// What a block is executed under, besides its transactions.
#[derive(Debug, Clone)]
pub struct BlockContext<'a> {
    /// The header. Of a block being built, only what is known before execution counts: parent, beneficiary, number, gas limit,
    /// timestamp, mix hash, base fee, excess blob gas, parent beacon block root.
    pub header: &'a Header,
    /// Withdrawals, from Shanghai on.
    pub withdrawals: Option<&'a [Withdrawal]>,
}

/// Why a transaction cannot stand at this place in the block. The block executor's state is unchanged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTx {
    /// Its gas limit exceeds what is left in the block.
    #[error("gas limit {limit} exceeds the {available} gas left in the block")]
    BlockFull {
        /// The transaction's gas limit.
        limit: u64,
        /// Gas left in the block.
        available: u64,
    },
    /// Its nonce was used before.
    #[error("nonce too low: next nonce {state}, tx nonce {tx}")]
    NonceTooLow {
        /// The sender's next nonce.
        state: u64,
        /// The transaction's nonce.
        tx: u64,
    },
    /// A transaction before it is missing.
    #[error("nonce too high: next nonce {state}, tx nonce {tx}")]
    NonceTooHigh {
        /// The sender's next nonce.
        state: u64,
        /// The transaction's nonce.
        tx: u64,
    },
    /// Everything else that revm checks before execution.
    #[error("{0}")]
    Other(InvalidTransaction),
}

/// A system call that the block's validity depends on did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum SystemCallFailed {
    /// The contract has no code although its fork is active (EIP-7002, EIP-7251).
    #[error("system contract {0} has no code")]
    NoCode(Address),
    /// A deposit event is not laid out as the deposit contract does it (EIP-6110).
    #[error("deposit event has an invalid layout")]
    DepositLayout,
    /// The call or the decoding of its result failed.
    #[error(transparent)]
    Failed(BlockValidationError),
}

/// What a block left behind.
#[derive(Debug, Clone)]
pub struct Closed {
    /// One receipt per transaction.
    pub receipts: Vec<Receipt>,
    /// EIP-7685 requests; empty before Prague.
    pub requests: Requests,
    /// Gas used.
    pub gas_used: u64,
    /// Blob gas used.
    pub blob_gas_used: u64,
    /// Changes of state.
    pub diff: StateDiff,
    /// What was read from the state before the block.
    pub accesses: Accesses,
}

/// A verdict on what was run, or a fault that left it undecided.
#[derive(Debug, thiserror::Error)]
pub enum RunError<V> {
    /// What was run is wrong.
    #[error(transparent)]
    Invalid(V),
    /// The state could not be read.
    #[error(transparent)]
    Fault(StateError),
}

#[derive(Debug, Clone, Copy)]
struct Receipts;

impl ReceiptBuilder for Receipts {
    type Transaction = Tx;
    type Receipt = Receipt;

    fn build_receipt<E: alloy_evm::Evm>(&self, ctx: ReceiptBuilderCtx<'_, TxType, E>) -> Receipt {
        Receipt {
            tx_type: ctx.tx_type,
            success: ctx.result.is_success(),
            cumulative_gas_used: ctx.cumulative_gas_used,
            logs: ctx.result.into_logs(),
        }
    }
}

type Inner<'a> =
    EthBlockExecutor<'a, RulesEvm<'a, State<StateDb<'a>>, NoOpInspector>, ExecutorSpec, Receipts>;

/// Executes one block on a state, transaction by transaction.
pub struct BlockExecutor<'a> {
    inner: Inner<'a>,
    prague: bool,
    fault: Fault,
}

impl std::fmt::Debug for BlockExecutor<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BlockExecutor").finish_non_exhaustive()
    }
}

impl<'a> BlockExecutor<'a> {
    /// Starts a block on the state after its parent, and makes the opening system calls (EIP-2935, EIP-4788).
    pub fn open(
        spec: &ChainSpec,
        rules: &'a dyn TxRules,
        block: &BlockContext<'a>,
        state: &'a dyn StateReader,
    ) -> Result<Self, RunError<SystemCallFailed>> {
        let header = block.header;
        let spec = ExecutorSpec(spec.clone());
        let state = StateDb::new(state);
        let fault = state.fault();
        let db = State::builder().with_database(state).with_bundle_update().build();
        let evm = RulesEvm::new(db, block_env(&spec, header), rules, NoOpInspector {}, false);
        let ctx = EthBlockExecutionCtx {
            parent_hash: header.parent_hash,
            parent_beacon_block_root: header.parent_beacon_block_root,
            ommers: &[],
            withdrawals: block.withdrawals.map(Cow::Borrowed),
            extra_data: Bytes::new(),
            tx_count_hint: None,
            slot_number: None,
        };
        let prague = alloy_hardforks::EthereumHardforks::is_prague_active_at_timestamp(
            &spec,
            header.timestamp,
        );
        let mut inner = EthBlockExecutor::new(evm, ctx, spec, Receipts);
        inner.apply_pre_execution_changes().map_err(|error| system_call_error(error, &fault))?;
        Ok(Self { inner, prague, fault })
    }

    /// Runs the next transaction. On a verdict or a fault nothing has changed.
    ///
    /// Returns the gas used.
    pub fn run(&mut self, tx: &Tx, sender: Address) -> Result<u64, RunError<InvalidTx>> {
        match self.inner.execute_transaction(Recovered::new_unchecked(tx, sender)) {
            Ok(gas) => Ok(gas.tx_gas_used()),
            Err(error) => Err(match self.fault.take() {
                Some(fault) => RunError::Fault(fault),
                None => RunError::Invalid(invalid_tx(error)),
            }),
        }
    }

    /// Gas used by the transactions so far.
    #[must_use]
    pub fn gas_used(&self) -> u64 {
        self.inner.cumulative_tx_gas_used
    }

    /// Blob gas used by the transactions so far.
    #[must_use]
    pub fn blob_gas_used(&self) -> u64 {
        self.inner.blob_gas_used
    }

    /// Receipts of the transactions so far.
    #[must_use]
    pub fn receipts(&self) -> &[Receipt] {
        &self.inner.receipts
    }

    /// Makes the closing system calls, pays withdrawals and gathers requests.
    pub fn close(mut self) -> Result<Closed, RunError<SystemCallFailed>> {
        if self.prague {
            self.require_code(eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS)?;
            self.require_code(eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS)?;
            if let Some(contract) = self.inner.spec.0.deposit_contract()
                && !deposits::are_well_formed(contract, self.receipts())
            {
                return Err(RunError::Invalid(SystemCallFailed::DepositLayout));
            }
        }
        let (evm, result) =
            self.inner.finish().map_err(|error| system_call_error(error, &self.fault))?;
        let mut db = evm.into_db();
        db.merge_transitions(BundleRetention::PlainState);
        let diff = state_diff(db.take_bundle());
        Ok(Closed {
            receipts: result.receipts,
            requests: result.requests,
            gas_used: result.gas_used,
            blob_gas_used: result.blob_gas_used,
            diff,
            accesses: db.database.accesses,
        })
    }

    /// alloy-evm treats a missing request contract as one that returns nothing; the EIPs call such a block invalid.
    fn require_code(&mut self, address: Address) -> Result<(), RunError<SystemCallFailed>> {
        match self.inner.evm.db_mut().basic(address) {
            Ok(Some(account)) if account.code_hash != KECCAK_EMPTY => Ok(()),
            Ok(_) => Err(RunError::Invalid(SystemCallFailed::NoCode(address))),
            Err(_) => Err(RunError::Fault(
                self.fault.take().expect("an account read fails only by a read fault"),
            )),
        }
    }
}

fn system_call_error(error: BlockExecutionError, fault: &Fault) -> RunError<SystemCallFailed> {
    if let Some(fault) = fault.take() {
        return RunError::Fault(fault);
    }
    RunError::Invalid(SystemCallFailed::Failed(match error {
        BlockExecutionError::Validation(error) => error,
        BlockExecutionError::Internal(error) => internal(&error),
    }))
}

fn invalid_tx(error: BlockExecutionError) -> InvalidTx {
    match error {
        BlockExecutionError::Validation(
            BlockValidationError::TransactionGasLimitMoreThanAvailableBlockGas {
                transaction_gas_limit,
                block_available_gas,
            },
        ) => InvalidTx::BlockFull { limit: transaction_gas_limit, available: block_available_gas },
        BlockExecutionError::Validation(BlockValidationError::InvalidTx { error, .. }) => {
            match error.as_invalid_tx_err().expect("our EVM reports revm's own error") {
                InvalidTransaction::NonceTooLow { tx, state } => {
                    InvalidTx::NonceTooLow { tx: *tx, state: *state }
                }
                InvalidTransaction::NonceTooHigh { tx, state } => {
                    InvalidTx::NonceTooHigh { tx: *tx, state: *state }
                }
                other => InvalidTx::Other(other.clone()),
            }
        }
        other => {
            panic!("running a transaction can only fail by a verdict or a read fault: {other}")
        }
    }
}

/// Without a read fault, what alloy-evm calls internal can only be a defect of this program.
fn internal(error: &InternalBlockExecutionError) -> BlockValidationError {
    panic!("block execution failed without a read fault: {error}")
}

/// The EVM environment of a block.
pub(crate) fn block_env(spec: &ExecutorSpec, header: &Header) -> EvmEnv {
    let blobs = spec.0.blob_params_at(header.timestamp);
    EvmEnv::for_eth_block(header, spec, spec.0.chain_id(), blobs)
}
