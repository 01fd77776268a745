//! The whole round of money: L1 → L2, about on L2, and back.

use std::time::Duration;

use alloy_primitives::{Address, B256, U256, address, utils::parse_ether};
use serde::Deserialize;

use crate::wait::{self, TooLate};
use crate::{Cast, CastError, Receipt};

/// The system contract on L2 that takes withdrawals.
pub const COMMON_BRIDGE_L2: Address = address!("000000000000000000000000000000000000ffff");
/// A contract that counts: empty call data adds one, any other data reads.
///
/// `CALLDATASIZE PUSH1 0e JUMPI | PUSH1 0 SLOAD PUSH1 1 ADD PUSH1 0 SSTORE STOP | JUMPDEST PUSH1 0 SLOAD … RETURN`
pub const COUNTER: &str =
    "0x601a80600b6000396000f336600e57600054600101600055005b60005460005260206000f3";
/// What L1 and L2 may need to settle, on a machine that does other things too.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// The two chains and the contracts between them.
#[derive(Debug)]
pub struct Chains {
    /// Where money comes from.
    pub l1: Cast,
    /// Where it goes.
    pub l2: Cast,
    /// `CommonBridge` on the L1.
    pub bridge: Address,
    /// `OnChainProposer` on the L1.
    pub on_chain_proposer: Address,
}

/// An account with its key.
#[derive(Debug, Clone, Copy)]
pub struct Account {
    /// Its address.
    pub address: Address,
    /// Its key.
    pub key: B256,
}

/// A step of the round that failed.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// cast could not do it.
    #[error(transparent)]
    Cast(#[from] CastError),
    /// It did not happen in time.
    #[error(transparent)]
    Late(#[from] TooLate),
}

/// `ethrex_getL1MessageProof`, one message.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct MessageProof {
    /// The batch it is in.
    pub batch_number: u64,
    /// Its id on the messenger.
    pub message_id: U256,
    /// What was sent.
    pub message_hash: B256,
    /// The way to the batch's root.
    pub merkle_proof: Vec<B256>,
}

impl Chains {
    /// Sends ETH to the bridge, without call data.
    pub fn deposit(&self, from: &Account, wei: U256) -> Result<Receipt, StepError> {
        Ok(self.l1.send(&from.key, &[&self.bridge.to_string(), "--value", &wei.to_string()])?)
    }

    /// Waits until an account has exactly this much on L2.
    pub fn credited(&self, who: Address, wei: U256) -> Result<(), StepError> {
        let ask = || Ok::<_, CastError>((self.l2.balance(who)? == wei).then_some(()));
        Ok(wait::until("the deposit is credited on L2", PATIENCE, ask)?)
    }

    /// Asks the L2 bridge to pay the sender on L1.
    pub fn withdraw(&self, from: &Account, wei: U256) -> Result<Receipt, StepError> {
        let (to, who) = (COMMON_BRIDGE_L2.to_string(), from.address.to_string());
        Ok(self
            .l2
            .send(&from.key, &[&to, "withdraw(address)", &who, "--value", &wei.to_string()])?)
    }

    /// Waits until the withdrawal of this transaction can be claimed.
    pub fn claimable(&self, withdrawal: B256) -> Result<MessageProof, StepError> {
        let hash = withdrawal.to_string();
        let proof = wait::until("the withdrawal is in a batch", PATIENCE, || {
            let proofs: Option<Vec<MessageProof>> =
                self.l2.rpc("ethrex_getL1MessageProof", &[&hash])?;
            Ok::<_, CastError>(proofs.and_then(|proofs| proofs.into_iter().next()))
        })?;
        wait::until("the batch is verified", PATIENCE, || {
            let verified =
                self.l1.call(self.on_chain_proposer, "lastVerifiedBatch()(uint256)", &[])?;
            Ok::<_, CastError>((verified >= U256::from(proof.batch_number)).then_some(()))
        })?;
        Ok(proof)
    }

    /// Claims a withdrawal on L1.
    pub fn claim(
        &self,
        by: &Account,
        wei: U256,
        proof: &MessageProof,
    ) -> Result<Receipt, StepError> {
        let path: Vec<String> = proof.merkle_proof.iter().map(ToString::to_string).collect();
        let (bridge, wei) = (self.bridge.to_string(), wei.to_string());
        let (batch, id) = (proof.batch_number.to_string(), proof.message_id.to_string());
        let path = format!("[{}]", path.join(","));
        let signature = "claimWithdrawal(uint256,uint256,uint256,bytes32[])";
        Ok(self.l1.send(&by.key, &[&bridge, signature, &wei, &batch, &id, &path])?)
    }

    /// The whole round for one account, every step checked. Returns the batch it settled in.
    ///
    /// # Panics
    /// If an amount is not what it must be.
    pub fn round(&self, who: &Account) -> Result<u64, StepError> {
        let ether = |text: &str| parse_ether(text).expect("a constant");
        let before = self.l2.balance(who.address)?;
        self.deposit(who, ether("5"))?;
        self.credited(who.address, before + ether("5"))?;

        let friend = Address::repeat_byte(0xf1);
        let had = self.l2.balance(friend)?;
        self.l2.send(&who.key, &[&friend.to_string(), "--value", &ether("0.25").to_string()])?;
        assert_eq!(self.l2.balance(friend)?, had + ether("0.25"), "the friend got what was sent");

        let created = self.l2.send(&who.key, &["--create", COUNTER])?;
        let counter = created.contract_address.expect("a creation has an address");
        self.l2.send(&who.key, &[&counter.to_string()])?;
        assert_eq!(
            self.l2.call_raw(counter, "0x01")?,
            U256::from(1),
            "the contract counted the call"
        );

        let amount = ether("1.5");
        let withdrawal = self.withdraw(who, amount)?;
        let proof = self.claimable(withdrawal.transaction_hash)?;
        let poor = self.l1.balance(who.address)?;
        let claim = self.claim(who, amount, &proof)?;
        assert_eq!(
            self.l1.balance(who.address)?,
            poor + amount - claim.fee(),
            "the claim paid the amount"
        );
        let again = self.claim(who, amount, &proof);
        assert!(
            matches!(again, Err(StepError::Cast(CastError::Failed { .. }))),
            "a claim pays once: {again:?}"
        );
        Ok(proof.batch_number)
    }
}
