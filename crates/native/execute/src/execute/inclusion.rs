//! Inclusion lists: whether a block could have left out what somebody wanted in it (EIP-7805).

use alloy_eips::{
    eip2718::Decodable2718,
    eip7702::constants::{EIP7702_CLEARED_DELEGATION, EIP7702_DELEGATION_DESIGNATOR},
};
use alloy_primitives::{Address, B256, Bytes, U256};
use ethrex_evm::TxBounds;
use ethrex_stateless::{StatelessInput, Verified, Witness};
use ethrex_stf::Rules;
use ethrex_types::{
    AccountInfo, ChainSpec, Missing, StateError, StateReader, Tx,
    account::KECCAK_EMPTY,
    alloy_consensus::{Transaction, transaction::SignerRecoverable},
    eip7928::AccountChanges,
};

use super::{Context, Stop, rollup};
use crate::failure::FailureClass;

/// Whether every transaction of the list is in the block, or could not have been appended to it.
///
/// What could not: bytes that are no transaction of this chain, a gas limit above what is left in the block, and whatever the state after the block
/// makes invalid. The witness must contain the senders that this looks at.
pub(super) fn is_satisfied(
    context: &Context<'_>,
    input: &StatelessInput,
    verified: &Verified,
    witness: &Witness,
    list: &[Bytes],
) -> Result<bool, Stop> {
    let (spec, rules) = rollup(context, input.chain_id)?;
    let header = verified.block.sealed().header();
    let parent_hash = header.parent_hash;
    let parent = witness.header(parent_hash).ok_or(FailureClass::NoParent)?;
    let state = witness.state_after(parent);
    let gas_left = header.gas_limit.saturating_sub(header.gas_used);
    let included = &input.request.payload.transactions;
    for raw in list.iter().filter(|raw| !included.contains(raw)) {
        let Ok(tx) = Tx::decode_2718_exact(raw) else { continue };
        let Ok(sender) = tx.recover_signer() else { continue };
        if rules.admit(&tx).is_err() || tx.gas_limit() > gas_left {
            continue;
        }
        let before = state.account(sender)?.unwrap_or_default();
        let changes = list_of(verified).iter().find(|changes| changes.address == sender);
        let account = AccountInfo {
            nonce: changes.and_then(|changes| changes.nonce_post_state()).unwrap_or(before.nonce),
            balance: changes
                .and_then(|changes| changes.balance_post_state())
                .unwrap_or(before.balance),
            ..before
        };
        let code = match changes.and_then(|changes| changes.code_post_state()) {
            Some(code) => code.clone(),
            None => code(&state, before.code_hash)?,
        };
        let sends = code.is_empty() || is_delegation(&code);
        if sends && could_follow(&spec, header, &tx, sender, &account) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What is checked of a transaction before it runs, beside the sender's code.
fn could_follow(
    spec: &ChainSpec,
    header: &ethrex_types::Header,
    tx: &Tx,
    sender: Address,
    account: &AccountInfo,
) -> bool {
    let bounds = TxBounds::at(spec, header.number, header.timestamp);
    let gas = bounds.initial_gas(tx, sender);
    let needed = gas.intrinsic.max(gas.floor);
    let fee = tx.max_fee_per_gas();
    let cost =
        U256::from(tx.gas_limit()).saturating_mul(U256::from(fee)).saturating_add(tx.value());
    let creates_too_much = tx.is_create() && tx.input().len() > bounds.max_init_code();
    let authorized = tx.authorization_list().is_none_or(|list| !list.is_empty() && !tx.is_create());
    tx.chain_id().is_none_or(|id| id == spec.chain_id())
        && tx.nonce() == account.nonce
        && tx.nonce() < u64::MAX
        && fee >= u128::from(header.base_fee_per_gas.unwrap_or_default())
        && tx.max_priority_fee_per_gas().is_none_or(|tip| tip <= fee)
        && cost <= account.balance
        && needed <= tx.gas_limit().min(bounds.max_initial_gas())
        && tx.gas_limit() <= bounds.max_gas_limit()
        && !creates_too_much
        && authorized
}

/// What the block changed, which says how accounts stand after it.
fn list_of(verified: &Verified) -> &[AccountChanges] {
    verified.validated.block_access_list.as_deref().unwrap_or_default()
}

fn code(state: &dyn StateReader, hash: B256) -> Result<Bytes, StateError> {
    if hash == KECCAK_EMPTY {
        return Ok(Bytes::new());
    }
    state.code(hash)?.ok_or(StateError::Missing(Missing::Code(hash)))
}

/// Whether code is a delegation (EIP-7702), so that its account may send for all that.
fn is_delegation(code: &[u8]) -> bool {
    code.len() == EIP7702_CLEARED_DELEGATION.len()
        && code.starts_with(&EIP7702_DELEGATION_DESIGNATOR)
}
