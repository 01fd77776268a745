//! Building the next block, transaction by transaction.

use alloy_eips::{eip4895::Withdrawals, eip7685::Requests};
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_rlp::Encodable;
use ethrex_evm::{
    AccessLimits, Accesses, BlockContext, BlockExecutor, Closed, InvalidTx, RunError, Touched,
};
use ethrex_types::{
    Block, BlockAccessList, BlockBody, ChainSpec, Fork, Header, Receipt, SealedBlock, SealedHeader,
    StateDiff, StateReader, Tx,
    alloy_consensus::{
        EMPTY_OMMER_ROOT_HASH, Transaction,
        proofs::{calculate_transaction_root, calculate_withdrawals_root},
    },
};

use crate::{
    InvalidBlock, Rules,
    access_list::{check_items, hash, items_for_transactions},
    execute::{MAX_RLP_BLOCK_SIZE, commit_receipts, system_call},
    header::{GAS_LIMIT_BOUND_DIVISOR, next_base_fee, next_excess_blob_gas},
};

/// What whoever asks for a block decides about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockAttributes {
    /// Seconds since the epoch; after the parent's.
    pub timestamp: u64,
    /// Receives the priority fees.
    pub fee_recipient: Address,
    /// RANDAO mix, or zero on a chain without one.
    pub prev_randao: B256,
    /// Withdrawals, from Shanghai on.
    pub withdrawals: Option<Withdrawals>,
    /// Parent beacon block root, from Cancun on.
    pub parent_beacon_block_root: Option<B256>,
    /// Slot number, from Amsterdam on (EIP-7843).
    pub slot_number: Option<u64>,
    /// Gas limit to move towards; the step is bounded by 1/1024 of the parent's.
    pub desired_gas_limit: u64,
    /// Free text, at most 32 bytes.
    pub extra_data: Bytes,
}

/// A block that lacks only its state root.
#[derive(Debug, Clone)]
pub struct BuiltBlock {
    header: Header,
    body: BlockBody,
    /// The sender of each transaction.
    pub senders: Vec<Address>,
    /// One receipt per transaction.
    pub receipts: Vec<Receipt>,
    /// EIP-7685 requests.
    pub requests: Requests,
    /// Wei burned.
    pub burned_fees: U256,
    /// Changes of state.
    pub diff: StateDiff,
    /// What was read from the state before.
    pub accesses: Accesses,
    /// What the block touched and changed (EIP-7928), from Amsterdam on.
    pub block_access_list: Option<BlockAccessList>,
}

impl BuiltBlock {
    /// Finishes the block with the state root over [`Self::diff`].
    #[must_use]
    pub fn seal(&self, state_root: B256) -> SealedBlock {
        let header = Header { state_root, ..self.header.clone() };
        SealedBlock::seal(Block { header, body: self.body.clone() })
    }
}

/// Why a transaction was not put into the block.
#[derive(Debug, thiserror::Error)]
pub enum NotIncluded {
    /// The chain does not carry this kind.
    #[error(transparent)]
    Rejected(crate::Rejected),
    /// It cannot run here.
    #[error(transparent)]
    Invalid(InvalidTx),
    /// The block has no room left for its blobs.
    #[error("no room for {0} blobs in the block")]
    Blobs(u64),
    /// The block would become larger than EIP-7934 allows.
    #[error("block would exceed {MAX_RLP_BLOCK_SIZE} bytes")]
    Size,
}

/// Bytes kept free for the header and list prefixes when the size limit of a block is watched.
const HEADER_ROOM: usize = 2 * 1024;

/// A block under construction.
pub struct BlockBuilder<'a> {
    executor: BlockExecutor<'a>,
    rules: &'a dyn Rules,
    context: &'a BuildContext,
    transactions: Vec<Tx>,
    senders: Vec<Address>,
    bytes: usize,
}

impl std::fmt::Debug for BlockBuilder<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BlockBuilder")
            .field("number", &self.context.header.number)
            .field("transactions", &self.transactions.len())
            .finish_non_exhaustive()
    }
}

/// What is fixed about a block before its first transaction.
#[derive(Debug, Clone)]
pub struct BuildContext {
    spec: ChainSpec,
    header: Header,
    withdrawals: Option<Withdrawals>,
}

impl BuildContext {
    /// Derives the header of the block after `parent`.
    #[must_use]
    pub fn new(spec: &ChainSpec, parent: &SealedHeader, attributes: &BlockAttributes) -> Self {
        let timestamp = attributes.timestamp;
        let fork = spec.fork_at(parent.number + 1, timestamp);
        let header = Header {
            parent_hash: parent.hash(),
            ommers_hash: EMPTY_OMMER_ROOT_HASH,
            beneficiary: attributes.fee_recipient,
            number: parent.number + 1,
            gas_limit: next_gas_limit(parent.gas_limit, attributes.desired_gas_limit),
            timestamp,
            extra_data: attributes.extra_data.clone(),
            mix_hash: attributes.prev_randao,
            base_fee_per_gas: next_base_fee(parent),
            excess_blob_gas: next_excess_blob_gas(spec, parent, timestamp),
            parent_beacon_block_root: (fork >= Fork::Cancun)
                .then(|| attributes.parent_beacon_block_root.unwrap_or_default()),
            slot_number: (fork >= Fork::Amsterdam)
                .then(|| attributes.slot_number.unwrap_or_default()),
            ..Header::default()
        };
        let withdrawals =
            (fork >= Fork::Shanghai).then(|| attributes.withdrawals.clone().unwrap_or_default());
        Self { spec: spec.clone(), header, withdrawals }
    }

    /// The header as far as it is known: parent, number, time, base fee, gas limit.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }
}

impl<'a> BlockBuilder<'a> {
    /// Opens the block: makes the opening system calls.
    ///
    /// # Errors
    /// A verdict where a system call fails (the chain's state is broken), a fault where the state cannot be read.
    pub fn open(
        context: &'a BuildContext,
        rules: &'a dyn Rules,
        state: &'a dyn StateReader,
    ) -> Result<Self, RunError<InvalidBlock>> {
        let block = BlockContext {
            header: &context.header,
            ommers: &[],
            withdrawals: context.withdrawals.as_ref().map(|list| list.as_slice()),
        };
        let mut executor =
            BlockExecutor::open(&context.spec, rules, &block, state).map_err(system_call)?;
        executor.set_list_limit(Some(items_for_transactions(context.header.gas_limit)));
        let bytes = HEADER_ROOM + context.withdrawals.as_ref().map_or(0, Encodable::length);
        Ok(Self { executor, rules, context, transactions: Vec::new(), senders: Vec::new(), bytes })
    }

    /// Appends a transaction, and returns the gas it used. Where it is not included, nothing has changed but what
    /// [`Self::touched`] says.
    ///
    /// # Errors
    /// Why it is not included, or a fault.
    pub fn push(&mut self, tx: Tx, sender: Address) -> Result<u64, RunError<NotIncluded>> {
        let not = |reason| Err(RunError::Invalid(reason));
        if let Err(reason) = self.rules.admit(&tx) {
            return not(NotIncluded::Rejected(reason));
        }
        if let (Some(blobs), Some(params)) =
            (tx.blob_count(), self.context.spec.blob_params_at(self.context.header.timestamp))
        {
            let after = self.executor.blob_gas_used() + tx.blob_gas_used().unwrap_or_default();
            if after > params.max_blob_gas_per_block() {
                return not(NotIncluded::Blobs(blobs));
            }
        }
        let bytes = self.bytes + tx.length();
        if bytes > MAX_RLP_BLOCK_SIZE {
            return not(NotIncluded::Size);
        }
        match self.executor.run(&tx, sender) {
            Ok(gas) => {
                self.bytes = bytes;
                self.transactions.push(tx);
                self.senders.push(sender);
                Ok(gas)
            }
            Err(RunError::Invalid(reason)) => not(NotIncluded::Invalid(reason)),
            Err(RunError::Fault(fault)) => Err(RunError::Fault(fault)),
        }
    }

    /// What is fixed about the block.
    #[must_use]
    pub const fn context(&self) -> &BuildContext {
        self.context
    }

    /// Transactions so far.
    #[must_use]
    pub fn transactions(&self) -> &[Tx] {
        &self.transactions
    }

    /// Receipts so far.
    #[must_use]
    pub fn receipts(&self) -> &[Receipt] {
        self.executor.receipts()
    }

    /// Gas that is left in the block: from Amsterdam on, of what is scarcer, regular or state gas (EIP-8037).
    #[must_use]
    pub fn gas_left(&self) -> u64 {
        self.context.header.gas_limit.saturating_sub(self.executor.gas_used())
    }

    /// Regular gas used so far, before refunds.
    #[must_use]
    pub fn regular_gas_used(&self) -> u64 {
        self.executor.regular_gas_used()
    }

    /// State gas used so far (EIP-8037).
    #[must_use]
    pub fn state_gas_used(&self) -> u64 {
        self.executor.state_gas_used()
    }

    /// Limits what transactions may touch of the state before the block, from the next one on. What was touched before
    /// counts.
    pub fn set_access_limits(&mut self, limits: Option<AccessLimits>) {
        self.executor.set_access_limits(limits);
    }

    /// What transactions have touched of the state before the block, those included that were not put into it.
    #[must_use]
    pub fn touched(&self) -> Touched {
        self.executor.touched()
    }

    /// Closes the block: closing system calls, withdrawals, every header field but the state root.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn finish(self) -> Result<BuiltBlock, RunError<InvalidBlock>> {
        let closed = self.executor.close().map_err(system_call)?;
        let Closed { receipts, requests, gas_used, blob_gas_used, burned_fees, .. } = closed;
        let (diff, accesses, block_access_list) =
            (closed.diff, closed.accesses, closed.block_access_list);
        if let Some(list) = &block_access_list {
            check_items(list, self.context.header.gas_limit).map_err(RunError::Invalid)?;
        }
        let (receipts_root, logs_bloom) = commit_receipts(&receipts);
        let context = self.context;
        let fork = context.spec.fork_at(context.header.number, context.header.timestamp);
        let header = Header {
            transactions_root: calculate_transaction_root(&self.transactions),
            receipts_root,
            logs_bloom,
            gas_used,
            withdrawals_root: context
                .withdrawals
                .as_ref()
                .map(|list| calculate_withdrawals_root(list)),
            blob_gas_used: (fork >= Fork::Cancun).then_some(blob_gas_used),
            requests_hash: (fork >= Fork::Prague).then(|| requests.requests_hash()),
            block_access_list_hash: block_access_list.as_deref().map(hash),
            ..context.header.clone()
        };
        let body = BlockBody {
            transactions: self.transactions,
            ommers: Vec::new(),
            withdrawals: context.withdrawals.clone(),
        };
        Ok(BuiltBlock {
            header,
            body,
            senders: self.senders,
            receipts,
            requests,
            burned_fees,
            diff,
            accesses,
            block_access_list,
        })
    }
}

/// The gas limit nearest to `desired` that may follow `parent`.
#[must_use]
pub fn next_gas_limit(parent: u64, desired: u64) -> u64 {
    let step = (parent / GAS_LIMIT_BOUND_DIVISOR).saturating_sub(1);
    desired.clamp(parent.saturating_sub(step), parent.saturating_add(step))
}
