//! The irregular state change of the DAO fork (EIP-779), before the first transaction of its block.

use alloy_evm::eth::dao_fork::{DAO_HARDFORK_ACCOUNTS, DAO_HARDFORK_BENEFICIARY};
use alloy_primitives::U256;
use revm::{
    Database,
    state::{Account, EvmState, TransactionId},
};

/// Whether a block is the one in which the funds move.
pub(crate) fn is_fork_block(spec: &ethrex_types::ChainSpec, number: u64) -> bool {
    spec.dao_fork() == Some((number, true))
}

/// What moves: everything that the accounts of the list have, to one contract.
pub(crate) fn changes<DB: Database>(db: &mut DB) -> Result<EvmState, DB::Error> {
    let mut changes = EvmState::default();
    let mut moved = U256::ZERO;
    for address in DAO_HARDFORK_ACCOUNTS {
        let mut account = load(db, address)?;
        moved = moved.saturating_add(std::mem::take(&mut account.info.balance));
        changes.insert(address, account);
    }
    let mut beneficiary = load(db, DAO_HARDFORK_BENEFICIARY)?;
    beneficiary.info.balance = beneficiary.info.balance.saturating_add(moved);
    changes.insert(DAO_HARDFORK_BENEFICIARY, beneficiary);
    for account in changes.values_mut() {
        account.mark_touch();
        // Before EIP-161 an account that is touched exists, even if it is empty.
        if account.is_empty() {
            account.mark_created();
        }
    }
    Ok(changes)
}

fn load<DB: Database>(
    db: &mut DB,
    address: alloy_primitives::Address,
) -> Result<Account, DB::Error> {
    let info = db.basic(address)?;
    Ok(info.map_or_else(|| Account::new_not_existing(TransactionId::ZERO), Account::from))
}
