//! The rollup's contract on L1, to be asked.
//!
//! Every answer is of the newest L1 block.

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::SolCall;
use ethrex_l1::{Client, L1Error, Revert};

use crate::{
    bindings::{Head, INativeRollup, Proposal},
    derivation::Deployment,
};

/// The contract at an address. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Contract {
    client: Client,
    address: Address,
}

impl Contract {
    /// The contract at this address.
    #[must_use]
    pub const fn new(client: Client, address: Address) -> Self {
        Self { client, address }
    }

    /// The client that asks.
    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// Where it stands.
    #[must_use]
    pub const fn address(&self) -> Address {
        self.address
    }

    /// What the rollup is. It never changes.
    ///
    /// # Errors
    /// If L1 does not answer, or no such contract stands there.
    pub async fn deployment(&self) -> Result<Deployment, L1Error> {
        let config = self.view(&INativeRollup::configCall {}, "read the rollup's configuration");
        let config = config.await?;
        let l1_chain_id = self.client.chain_id().await?;
        Ok(Deployment { config, rollup: self.address, l1_chain_id })
    }

    /// Where settlement stands.
    ///
    /// # Errors
    /// If L1 does not answer.
    pub async fn head(&self) -> Result<Head, L1Error> {
        self.view(&INativeRollup::headCall {}, "read the settled head").await
    }

    /// The position that the next proposal must be for.
    ///
    /// # Errors
    /// If L1 does not answer.
    pub async fn next_proposal(&self) -> Result<u64, L1Error> {
        self.view(&INativeRollup::nextProposalCall {}, "read the next proposal's position").await
    }

    /// The proposal at a position, as the contract keeps it.
    ///
    /// # Errors
    /// If L1 does not answer.
    pub async fn proposal(&self, position: u64) -> Result<Proposal, L1Error> {
        self.view(&INativeRollup::proposalCall { position }, "read a proposal").await
    }

    /// How many items were ever posted.
    ///
    /// # Errors
    /// If L1 does not answer.
    pub async fn item_count(&self) -> Result<u64, L1Error> {
        self.view(&INativeRollup::itemCountCall {}, "count items").await
    }

    /// Whether anyone may post.
    ///
    /// # Errors
    /// If L1 does not answer.
    pub async fn is_open(&self) -> Result<bool, L1Error> {
        self.view(&INativeRollup::isOpenCall {}, "read whether anyone may post").await
    }

    /// Root of the tree of messages to L1 after a block; zero if it was not proven yet.
    ///
    /// # Errors
    /// If L1 does not answer.
    pub async fn outbox_root(&self, number: u64) -> Result<B256, L1Error> {
        self.view(&INativeRollup::outboxRootCall { number }, "read an outbox root").await
    }

    /// Whether a message of L2 was delivered.
    ///
    /// # Errors
    /// If L1 does not answer.
    pub async fn is_claimed(&self, index: u64) -> Result<bool, L1Error> {
        self.view(&INativeRollup::isClaimedCall { index }, "read whether a message is claimed")
            .await
    }

    /// What an account may withdraw: bonds, rewards and fees of forced transactions.
    ///
    /// # Errors
    /// If L1 does not answer.
    pub async fn credit(&self, account: Address) -> Result<U256, L1Error> {
        self.view(&INativeRollup::creditCall { account }, "read a credit").await
    }

    /// Whether a call would work now, and why not.
    ///
    /// # Errors
    /// If L1 does not answer.
    pub async fn would_work(&self, call: &impl SolCall) -> Result<Result<(), Revert>, L1Error> {
        let answer = self.client.call(self.address, Bytes::from(call.abi_encode())).await?;
        Ok(answer.map(drop))
    }

    /// Whether a call would work now with so much gas, and why not. Gas that does not suffice is a reason without data, or one
    /// that the contract gives for it.
    ///
    /// # Errors
    /// If L1 does not answer.
    pub async fn would_work_within(
        &self,
        call: &impl SolCall,
        gas: u64,
    ) -> Result<Result<(), Revert>, L1Error> {
        let data = Bytes::from(call.abi_encode());
        let answer = self.client.call_within(self.address, data, gas).await?;
        Ok(answer.map(drop))
    }

    async fn view<C: SolCall>(&self, call: &C, doing: &'static str) -> Result<C::Return, L1Error> {
        match self.client.call(self.address, Bytes::from(call.abi_encode())).await? {
            Ok(data) => {
                C::abi_decode_returns(&data).map_err(|source| L1Error::Decode { doing, source })
            }
            Err(revert) => Err(L1Error::ViewReverted { doing, revert }),
        }
    }
}
