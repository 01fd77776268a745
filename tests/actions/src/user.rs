//! People with keys.

use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_signer_local::PrivateKeySigner;
use alloy_sol_types::SolCall;
use ethrex_chain::Chain;
use ethrex_deploy::dev::DevAccount;
use ethrex_rules::testing::signed;
use ethrex_txpool::{AddError, Pool};
use ethrex_types::{StateReader, alloy_consensus::TxEip1559};

/// More than any call of these tests needs.
const GAS: u64 = 400_000;

/// So much ether, in wei.
#[must_use]
pub fn ether(amount: u64) -> U256 {
    U256::from(amount) * U256::from(1_000_000_000_000_000_000_u64)
}

/// Balance of an account at the head of a chain.
pub(crate) fn balance(chain: &Chain, address: Address) -> U256 {
    account(chain, address).0
}

/// Nonce of an account at the head of a chain.
pub(crate) fn nonce(chain: &Chain, address: Address) -> u64 {
    account(chain, address).1
}

/// Balance and nonce of an account at the head of a chain.
fn account(chain: &Chain, address: Address) -> (U256, u64) {
    let state = chain.storage().state_at(chain.head().hash()).expect("the database answers");
    let account = state.expect("the head has a state").account(address).expect("it is readable");
    account.map_or((U256::ZERO, 0), |account| (account.balance, account.nonce))
}

/// A person who is rich on L1.
#[derive(Debug, Clone)]
pub struct User {
    signer: PrivateKeySigner,
}

impl User {
    /// The holder of a development account.
    ///
    /// # Panics
    /// If its key is not one.
    #[must_use]
    pub fn new(account: &DevAccount) -> Self {
        Self { signer: account.private_key.parse().expect("development keys are keys") }
    }

    /// Their address on both chains.
    #[must_use]
    pub const fn address(&self) -> Address {
        self.signer.address()
    }

    /// Sends a transaction into a pool and returns its hash.
    ///
    /// # Errors
    /// If the pool does not want it.
    pub fn send(
        &self,
        chain: &Chain,
        pool: &Pool,
        change: impl FnOnce(&mut TxEip1559),
    ) -> Result<B256, AddError> {
        let nonce = pool.pending_nonce(self.address());
        let nonce = nonce.unwrap_or_else(|| self::nonce(chain, self.address()));
        let tx = signed(&self.signer, |tx| {
            tx.chain_id = chain.spec().chain_id();
            tx.nonce = nonce;
            tx.gas_limit = GAS;
            tx.max_priority_fee_per_gas = 1_000_000_000;
            change(tx);
        });
        pool.add_raw(&tx.encoded_2718())
    }

    /// Calls a contract.
    ///
    /// # Panics
    /// If the pool does not want the transaction.
    pub fn call(
        &self,
        chain: &Chain,
        pool: &Pool,
        to: Address,
        value: U256,
        call: &impl SolCall,
    ) -> B256 {
        let input = Bytes::from(call.abi_encode());
        self.send(chain, pool, |tx| {
            (tx.to, tx.value, tx.input) = (to.into(), value, input);
        })
        .expect("the pool takes it")
    }
}
