//! What a header says about the block access list (EIP-7928).

use alloy_primitives::B256;
use ethrex_types::eip7928::{
    AccountChanges, compute_block_access_list_hash, constants::ITEM_COST, total_bal_items,
};

use crate::InvalidBlock;

/// The hash a header has for this list.
#[must_use]
pub fn hash(list: &[AccountChanges]) -> B256 {
    compute_block_access_list_hash(list)
}

/// Addresses and slots that the list of a block with this gas limit may have at most.
#[must_use]
pub const fn max_items(gas_limit: u64) -> u64 {
    gas_limit / ITEM_COST as u64
}

/// Items kept free for what closes a block: up to 64 builder deposits of 6 slots, 16 builder exits and 16 withdrawal requests of
/// 3, and 2 consolidations of 4 leave their queues (EIP-8282, EIP-7002, EIP-7251), each contract has 4 slots of its own, and
/// 16 withdrawals are paid (EIP-4895).
const CLOSING_ITEMS: u64 = 64 * 6 + 2 * 16 * 3 + 2 * 4 + 4 * (1 + 4) + 16;

/// Items that transactions may use of a block with this gas limit.
pub(crate) const fn items_for_transactions(gas_limit: u64) -> u64 {
    max_items(gas_limit).saturating_sub(CLOSING_ITEMS)
}

/// Checks that the list is not longer than its block's gas limit allows.
///
/// # Errors
/// If it is.
pub fn check_items(list: &[AccountChanges], gas_limit: u64) -> Result<(), InvalidBlock> {
    let (got, max) = (total_bal_items(list), max_items(gas_limit));
    if got > max { Err(InvalidBlock::BlockAccessListItems { got, max }) } else { Ok(()) }
}
