//! Transactions the sequencer sends on its own rollup: they tell it of L1, and deliver messages of L1.
//!
//! They are ordinary transactions of an ordinary account; anyone may send the same.

use alloy_primitives::{Address, TxKind, U256, address};
use alloy_sol_types::SolCall;
use ethrex_l1::SigningKey;
use ethrex_types::{
    Tx,
    alloy_consensus::{SignableTransaction, TxEip1559},
};

use crate::{
    bindings::{IL1Anchor, INativeMessenger, L1Context, Message},
    tree::Path,
};

/// The predeploy that keeps what the rollup knows of L1.
pub const L1_ANCHOR: Address = address!("0x4E52000000000000000000000000000000000001");
/// The predeploy that delivers and collects messages.
pub const MESSENGER: Address = address!("0x4E52000000000000000000000000000000000002");
/// The predeploy that makes tokens of L1.
pub const TOKEN_FACTORY: Address = address!("0x4E52000000000000000000000000000000000003");

/// Gas for opening a context.
const OPEN_GAS: u64 = 3_000_000;
/// Gas for delivering a message, beside what the message asks for.
const CLAIM_GAS: u64 = 1_500_000;

/// Which messages the sequencer delivers. The others wait for someone who does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimPolicy {
    /// Every message.
    All,
    /// Those that pay at least this many wei.
    Paying(U256),
    /// None.
    Nothing,
}

impl ClaimPolicy {
    /// Whether this message is delivered.
    #[must_use]
    pub fn takes(&self, message: &Message) -> bool {
        match self {
            Self::All => true,
            Self::Paying(least) => message.fee >= *least,
            Self::Nothing => false,
        }
    }
}

/// The account that signs them.
#[derive(Debug, Clone)]
pub struct Operator {
    key: SigningKey,
    chain_id: u64,
}

/// On what terms a transaction is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// Nonce of the account.
    pub nonce: u64,
    /// Wei per gas: the block's base fee.
    pub base_fee: u64,
}

impl Operator {
    /// The account of this key on the rollup with this chain id.
    #[must_use]
    pub const fn new(key: SigningKey, chain_id: u64) -> Self {
        Self { key, chain_id }
    }

    /// The account.
    #[must_use]
    pub const fn address(&self) -> Address {
        self.key.address()
    }

    /// Tells the rollup what its newest block knows of L1.
    #[must_use]
    pub fn open(&self, terms: Terms, context: &L1Context) -> Tx {
        let call = IL1Anchor::open_0Call { ctx: context.clone() };
        self.sign(terms, L1_ANCHOR, OPEN_GAS, call.abi_encode())
    }

    /// Delivers a message of L1, and earns its fee.
    #[must_use]
    pub fn claim(&self, terms: Terms, message: &Message, path: &Path) -> Tx {
        // A call keeps back a 64th of the gas, so the claim needs more than the message asks for.
        let gas = message.gasLimit.saturating_add(message.gasLimit / 63).saturating_add(CLAIM_GAS);
        let call = INativeMessenger::claimCall {
            message: message.clone(),
            path: path.to_vec(),
            feeRecipient: self.address(),
        };
        self.sign(terms, MESSENGER, gas, call.abi_encode())
    }

    fn sign(&self, terms: Terms, to: Address, gas_limit: u64, input: Vec<u8>) -> Tx {
        let tx = TxEip1559 {
            chain_id: self.chain_id,
            nonce: terms.nonce,
            gas_limit,
            max_fee_per_gas: terms.base_fee.into(),
            max_priority_fee_per_gas: 0,
            to: TxKind::Call(to),
            value: U256::ZERO,
            access_list: Default::default(),
            input: input.into(),
        };
        let signature = self.key.sign_hash(&tx.signature_hash());
        Tx::Eip1559(tx.into_signed(signature))
    }
}

#[cfg(test)]
mod tests {
    use ethrex_types::alloy_consensus::transaction::SignerRecoverable;

    use super::*;

    #[test]
    fn its_transactions_are_its_own() {
        let key = "0x385c546456b6a603a1cfcaa9ec9494ba4832da08dd6bcf4de9a71e4a01b74924";
        let operator = Operator::new(key.parse().unwrap(), 80_790_001);
        let terms = Terms { nonce: 3, base_fee: 7 };
        let message = Message { gasLimit: 63_000, ..Message::default() };
        for tx in [
            operator.open(terms, &L1Context::default()),
            operator.claim(terms, &message, &[Default::default(); 32]),
        ] {
            assert_eq!(tx.recover_signer().unwrap(), operator.address());
        }
    }

    #[test]
    fn messages_that_do_not_pay_wait() {
        let message = Message { fee: U256::from(5), ..Message::default() };
        let takes = |policy: ClaimPolicy| policy.takes(&message);
        assert!(takes(ClaimPolicy::All) && takes(ClaimPolicy::Paying(U256::from(5))));
        assert!(!takes(ClaimPolicy::Paying(U256::from(6))) && !takes(ClaimPolicy::Nothing));
    }
}
