//! The settlement contracts as a Rust value: Timelock, OnChainProposer and CommonBridge behind one address.
//!
//! It has the rules that batcher and prover rely on (order, blobs, the queue of privileged transactions), and no
//! proofs: `verifyBatches` takes any bytes.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, LogData, U256, address, keccak256};
use alloy_sol_types::{SolCall, SolError, SolEvent, SolInterface, SolValue};
use ethrex_protocol::{
    BatchNumber,
    constants::{BRIDGE_L2, DEPOSIT_GAS_LIMIT},
    contracts::{
        CommonBridge::{CommonBridgeCalls, PrivilegedTxSent, depositCall},
        CommonBridgeL2::mintETHCall,
        OnChainProposer::{self, OnChainProposerCalls},
    },
    deposit::PrivilegedMessage,
    public_inputs::Commitment,
    rolling,
};

use super::{Call, Contract, FakeL1, Ran};
use crate::settlement::Contracts;

/// Where [`FakeL1::deploy_settlement`] puts the contracts.
pub const SETTLEMENT: Address = address!("00000000000000000000000000000000005e771e");

/// What the contracts hold.
#[derive(Debug, Clone)]
pub struct SettlementModel {
    /// Chain id of the rollup.
    pub chain_id: u64,
    /// Commitments by batch; verified ones but the last are deleted.
    pub commitments: BTreeMap<u64, Commitment>,
    /// The last committed batch.
    pub last_committed: u64,
    /// The last verified batch.
    pub last_verified: u64,
    /// Every privileged transaction ever sent.
    pub queue: Vec<B256>,
    /// How many of them are in verified batches.
    pub removed: usize,
    /// What every commit fails with, if set.
    pub refuse: Option<Bytes>,
}

impl SettlementModel {
    /// A rollup at its genesis.
    pub fn new(chain_id: u64, genesis_state_root: B256) -> Self {
        let genesis = Commitment { state_root: genesis_state_root, ..Commitment::default() };
        Self {
            chain_id,
            commitments: BTreeMap::from([(0, genesis)]),
            last_committed: 0,
            last_verified: 0,
            queue: Vec::new(),
            removed: 0,
            refuse: None,
        }
    }

    /// Privileged transactions in committed batches that are not verified.
    fn unverified(&self) -> usize {
        let committed = self.commitments.range(self.last_verified + 1..);
        committed.map(|(_, c)| usize::from(rolling::count(c.l1_in_rolling_hash))).sum()
    }

    fn proposer(&mut self, call: &Call, asked: OnChainProposerCalls) -> Ran {
        let word = |number: u64| Ok((U256::from(number).abi_encode().into(), vec![]));
        match asked {
            OnChainProposerCalls::commitBatch(commit) => self.commit(call, &commit),
            OnChainProposerCalls::verifyBatches(verify) => self.verify(&verify),
            OnChainProposerCalls::lastCommittedBatch(_) => word(self.last_committed),
            OnChainProposerCalls::lastVerifiedBatch(_) => word(self.last_verified),
            OnChainProposerCalls::unverifiedPrivilegedTransactions(_) => {
                word(self.unverified() as u64)
            }
            OnChainProposerCalls::CHAIN_ID(_) => word(self.chain_id),
            OnChainProposerCalls::batchCommitments(asked) => {
                let number = u64::try_from(asked.batchNumber).unwrap_or(u64::MAX);
                let stored = self.commitments.get(&number).cloned().unwrap_or_default();
                let words = (
                    stored.state_root,
                    stored.blob_versioned_hash,
                    stored.l1_in_rolling_hash,
                    stored.l1_out_root,
                    stored.last_block_hash,
                    U256::from(stored.non_privileged_count),
                    stored.commit_hash,
                );
                Ok((words.abi_encode_params().into(), vec![]))
            }
            OnChainProposerCalls::REQUIRE_RISC0_PROOF(_)
            | OnChainProposerCalls::REQUIRE_SP1_PROOF(_)
            | OnChainProposerCalls::REQUIRE_TDX_PROOF(_)
            | OnChainProposerCalls::VALIDIUM(_)
            | OnChainProposerCalls::paused(_) => word(0),
            _ => Err(Bytes::new()),
        }
    }

    fn commit(&mut self, call: &Call, commit: &OnChainProposer::commitBatchCall) -> Ran {
        if let Some(error) = &self.refuse {
            return Err(error.clone());
        }
        let number = u64::try_from(commit.batchNumber).unwrap_or(u64::MAX);
        if number != self.last_committed + 1 {
            return revert(&OnChainProposer::BatchNumberNotSuccessor {});
        }
        let Some(&blob) = call.blobs.first() else {
            return revert(&OnChainProposer::RollupBlobNotPublished {});
        };
        let Ok(commitment) = Commitment::of_call(commit, blob) else { return Err(Bytes::new()) };
        let rolling_hash = commitment.l1_in_rolling_hash;
        let from = self.removed + self.unverified();
        let taken = usize::from(rolling::count(rolling_hash));
        let expected = self.queue.get(from..from + taken).map(rolling::versioned_hash);
        if expected != Some(Ok(rolling_hash)) {
            return revert(&OnChainProposer::InvalidPrivilegedTransactionLogs {});
        }
        self.commitments.insert(number, commitment);
        self.last_committed = number;
        let event = OnChainProposer::BatchCommitted { newStateRoot: commit.newStateRoot };
        Ok((Bytes::new(), vec![event.encode_log_data()]))
    }

    fn verify(&mut self, verify: &OnChainProposer::verifyBatchesCall) -> Ran {
        if verify.firstBatchNumber != U256::from(self.last_verified + 1) {
            return revert(&OnChainProposer::BatchNotSequential {});
        }
        let mut logs = Vec::new();
        for _ in &verify.risc0Proofs {
            let number = self.last_verified + 1;
            let Some(commitment) = self.commitments.get(&number) else {
                return revert(&OnChainProposer::BatchNotCommitted {});
            };
            self.removed += usize::from(rolling::count(commitment.l1_in_rolling_hash));
            self.commitments.remove(&self.last_verified);
            self.last_verified = number;
            let event = OnChainProposer::BatchVerified { lastVerifiedBatch: U256::from(number) };
            logs.push(event.encode_log_data());
        }
        Ok((Bytes::new(), logs))
    }

    fn bridge(&mut self, call: &Call, asked: &CommonBridgeCalls) -> Ran {
        match asked {
            CommonBridgeCalls::deposit(depositCall { l2Recipient: to }) => {
                Ok((Bytes::new(), vec![self.deposit(call, *to)]))
            }
            CommonBridgeCalls::transactionId(_) => {
                Ok((U256::from(self.queue.len()).abi_encode().into(), vec![]))
            }
            CommonBridgeCalls::lastFetchedL1Block(_)
            | CommonBridgeCalls::hasExpiredPrivilegedTransactions(_) => {
                Ok((U256::ZERO.abi_encode().into(), vec![]))
            }
            _ => Err(Bytes::new()),
        }
    }

    fn deposit(&mut self, call: &Call, to: Address) -> LogData {
        let id = self.queue.len() as u64;
        let message = PrivilegedMessage::eth_deposit(self.chain_id, id, to, call.value);
        self.queue.push(message.hash());
        let event = PrivilegedTxSent {
            l1From: call.from,
            from: BRIDGE_L2,
            to: BRIDGE_L2,
            transactionId: U256::from(id),
            value: call.value,
            gasLimit: U256::from(DEPOSIT_GAS_LIMIT),
            data: mintETHCall { to }.abi_encode().into(),
        };
        event.encode_log_data()
    }
}

impl Contract for SettlementModel {
    fn run(&mut self, call: &Call) -> Ran {
        if let Ok(asked) = OnChainProposerCalls::abi_decode(&call.data) {
            return self.proposer(call, asked);
        }
        match CommonBridgeCalls::abi_decode(&call.data) {
            Ok(asked) => self.bridge(call, &asked),
            Err(_) => Err(Bytes::new()),
        }
    }

    fn copy(&self) -> Box<dyn Contract> {
        Box::new(self.clone())
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

fn revert<E: SolError>(error: &E) -> Ran {
    Err(error.abi_encode().into())
}

impl FakeL1 {
    /// Installs the settlement contracts of a rollup.
    pub fn deploy_settlement(&self, model: SettlementModel) -> Contracts {
        self.install(SETTLEMENT, model);
        Contracts { timelock: SETTLEMENT, on_chain_proposer: SETTLEMENT, bridge: SETTLEMENT }
    }

    /// What the settlement contracts hold in the newest block.
    pub fn settlement(&self) -> SettlementModel {
        self.inspect(SETTLEMENT, SettlementModel::clone)
    }

    /// Changes what the settlement contracts hold in the newest block.
    pub fn change_settlement(&self, change: impl FnOnce(&mut SettlementModel)) {
        let mut model = self.settlement();
        change(&mut model);
        self.install(SETTLEMENT, model);
    }

    /// The commitment of a batch, if it is there.
    pub fn commitment(&self, batch: BatchNumber) -> Option<Commitment> {
        self.settlement().commitments.get(&batch.0).cloned()
    }

    /// Queues a deposit of no ether for `to`, as a user does; it is mined with the next block.
    pub async fn deposit(&self, to: Address) {
        let call = depositCall { l2Recipient: to };
        super::send(self, SETTLEMENT, call.abi_encode().into()).await;
    }
}

/// A state root that stands for block `number` in tests without execution.
pub fn state_root(number: u64) -> B256 {
    keccak256(number.to_be_bytes())
}
