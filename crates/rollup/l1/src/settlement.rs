//! Views of the rollup's contracts on L1.
//!
//! Every answer is of the newest L1 block; a caller that needs two answers of one block must not be here.

use alloy_primitives::{Address, B256, U256};
use alloy_sol_types::SolCall;
use ethrex_protocol::{
    BatchNumber,
    contracts::{
        CommonBridge,
        OnChainProposer::{self, batchCommitmentsReturn},
        Timelock,
    },
};

use crate::{client::Client, error::L1Error};

/// Where the rollup's contracts are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contracts {
    /// Takes `commitBatch` and `verifyBatches` from sequencers and passes them to the proposer.
    pub timelock: Address,
    /// Keeps the batches.
    pub on_chain_proposer: Address,
    /// Keeps deposits and withdrawals.
    pub bridge: Address,
}

/// The rollup's contracts, to be asked.
#[derive(Debug, Clone)]
pub struct Settlement {
    client: Client,
    contracts: Contracts,
}

impl Settlement {
    /// The contracts at these addresses.
    pub const fn new(client: Client, contracts: Contracts) -> Self {
        Self { client, contracts }
    }

    /// The client that asks.
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// Where the contracts are.
    pub const fn contracts(&self) -> &Contracts {
        &self.contracts
    }

    /// The last batch that is committed; 0 = genesis.
    pub async fn last_committed(&self) -> Result<BatchNumber, L1Error> {
        let call = OnChainProposer::lastCommittedBatchCall {};
        self.number(&call, "read the last committed batch").await
    }

    /// The last batch that is verified; 0 = genesis.
    pub async fn last_verified(&self) -> Result<BatchNumber, L1Error> {
        let call = OnChainProposer::lastVerifiedBatchCall {};
        self.number(&call, "read the last verified batch").await
    }

    async fn number<C: SolCall<Return = U256>>(
        &self,
        call: &C,
        doing: &'static str,
    ) -> Result<BatchNumber, L1Error> {
        let number = self.view(self.contracts.on_chain_proposer, call, doing).await?;
        let number = u64::try_from(number)
            .map_err(|_| L1Error::Decode { doing, source: alloy_sol_types::Error::Overrun })?;
        Ok(BatchNumber(number))
    }

    /// What L1 stores of a batch; `None` if it is not committed, or is deleted because its successor is verified.
    ///
    /// The two lists of its commitment are not stored: those who need them have them from the batch itself.
    pub async fn committed(
        &self,
        batch: BatchNumber,
    ) -> Result<Option<batchCommitmentsReturn>, L1Error> {
        let call = OnChainProposer::batchCommitmentsCall { batchNumber: U256::from(batch.0) };
        let proposer = self.contracts.on_chain_proposer;
        let found = self.view(proposer, &call, "read the commitment of a batch").await?;
        // Every committed batch has a state root, the genesis included.
        Ok((!found.newStateRoot.is_zero()).then_some(found))
    }

    /// Chain id of the rollup, as its proposer knows it.
    pub async fn rollup_chain_id(&self) -> Result<U256, L1Error> {
        let call = OnChainProposer::CHAIN_IDCall {};
        self.view(self.contracts.on_chain_proposer, &call, "read the rollup's chain id").await
    }

    /// The bridge whose messages and withdrawals the proposer settles.
    pub async fn bridge_of_proposer(&self) -> Result<Address, L1Error> {
        let call = OnChainProposer::BRIDGECall {};
        self.view(self.contracts.on_chain_proposer, &call, "read the proposer's bridge").await
    }

    /// The proposer that the Timelock passes commitments to.
    pub async fn proposer_of_timelock(&self) -> Result<Address, L1Error> {
        let call = Timelock::onChainProposerCall {};
        self.view(self.contracts.timelock, &call, "read the proposer of the Timelock").await
    }

    /// Whether the deployment requires proofs: RISC0, SP1, TDX.
    pub async fn required_proofs(&self) -> Result<[bool; 3], L1Error> {
        let proposer = self.contracts.on_chain_proposer;
        let doing = "read which proofs are required";
        Ok([
            self.view(proposer, &OnChainProposer::REQUIRE_RISC0_PROOFCall {}, doing).await?,
            self.view(proposer, &OnChainProposer::REQUIRE_SP1_PROOFCall {}, doing).await?,
            self.view(proposer, &OnChainProposer::REQUIRE_TDX_PROOFCall {}, doing).await?,
        ])
    }

    /// Whether a privileged transaction waits for longer than the bridge allows.
    pub async fn has_expired_privileged(&self) -> Result<bool, L1Error> {
        let call = CommonBridge::hasExpiredPrivilegedTransactionsCall {};
        self.view(self.contracts.bridge, &call, "ask for expired privileged transactions").await
    }

    /// Versioned hash of the first `count` queued privileged transactions after those of unverified batches.
    pub async fn pending_privileged_hash(&self, skip: U256, count: u16) -> Result<B256, L1Error> {
        let call =
            CommonBridge::getPendingTransactionsVersionedHashAfterCall { skip, number: count };
        self.view(self.contracts.bridge, &call, "read the hash of queued transactions").await
    }

    /// Id of the next privileged transaction: how many were ever sent.
    pub async fn privileged_sent(&self) -> Result<U256, L1Error> {
        let call = CommonBridge::transactionIdCall {};
        self.view(self.contracts.bridge, &call, "read the number of privileged transactions").await
    }

    /// The L1 block of the deployment: no event of the bridge is older.
    pub async fn deployed_at(&self) -> Result<U256, L1Error> {
        let call = CommonBridge::lastFetchedL1BlockCall {};
        self.view(self.contracts.bridge, &call, "read the block of the deployment").await
    }

    /// Whether an account may commit and verify.
    pub async fn is_sequencer(&self, account: Address) -> Result<bool, L1Error> {
        let call = Timelock::isSequencerCall { account };
        self.view(self.contracts.timelock, &call, "ask who may commit").await
    }

    async fn view<C: SolCall>(
        &self,
        contract: Address,
        call: &C,
        doing: &'static str,
    ) -> Result<C::Return, L1Error> {
        let answer = self
            .client
            .call(contract, call.abi_encode().into())
            .await?
            .map_err(|revert| L1Error::ViewReverted { doing, revert })?;
        C::abi_decode_returns(&answer).map_err(|source| L1Error::Decode { doing, source })
    }
}
