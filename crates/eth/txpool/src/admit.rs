//! Which transactions may enter: first what needs no state, then what does.

use alloy_eips::{
    eip4844::BLOB_TX_MIN_BLOB_GASPRICE, eip7702::constants::EIP7702_DELEGATION_DESIGNATOR,
};
use ethrex_evm::{InitialGas, TxBounds};
use ethrex_stf::Rules;
use ethrex_types::{
    AccountInfo, ChainSpec, Fork, Missing, PooledTx, StateError, StateReader, Tx,
    account::KECCAK_EMPTY,
    alloy_consensus::{Transaction, Typed2718},
};

use crate::{
    AddError, PoolConfig, PoolTx, Refused, account::Account, blobs, config::MAX_BLOB_TX_BYTES,
    pool::Head, price::tip_cap,
};

/// Everything but the sender's account. Proofs of blobs come last: they take longest.
///
/// # Errors
/// The first rule it breaks.
pub(crate) fn admit(
    config: &PoolConfig,
    spec: &ChainSpec,
    rules: &dyn Rules,
    head: &Head,
    pooled: PooledTx,
    seq: u64,
) -> Result<PoolTx, Refused> {
    let size = alloy_eips::eip2718::Encodable2718::encode_2718_len(&pooled);
    let limit = if pooled.is_eip4844() { MAX_BLOB_TX_BYTES } else { config.max_tx_bytes };
    if size > limit {
        return Err(Refused::Oversized { size, limit });
    }
    if pooled.nonce() == u64::MAX {
        return Err(Refused::NonceMax);
    }
    check_chain_id(spec, &pooled)?;
    let tx = PoolTx::recover(pooled, seq)?;
    rules.admit(tx.tx())?;
    check_fees(config, tx.tx())?;
    check_at(&tx, spec, head)?;
    if let Some(sidecar) = tx.sidecar() {
        let hashes = tx.tx().blob_versioned_hashes().unwrap_or_default();
        blobs::check_sidecar(sidecar, hashes).map_err(Refused::Sidecar)?;
    }
    Ok(tx)
}

fn check_chain_id(spec: &ChainSpec, tx: &PooledTx) -> Result<(), Refused> {
    match tx.chain_id() {
        Some(have) if have != spec.chain_id() => {
            Err(Refused::ChainId { have, want: spec.chain_id() })
        }
        _ => Ok(()),
    }
}

fn check_fees(config: &PoolConfig, tx: &Tx) -> Result<(), Refused> {
    if tx.max_fee_per_gas() < tip_cap(tx) {
        return Err(Refused::TipAboveFee);
    }
    let (tip, needed) = (tip_cap(tx), config.min_tip);
    if tip < needed {
        return Err(Refused::TipTooLow { tip, needed });
    }
    match tx.max_fee_per_blob_gas() {
        Some(fee) if fee < BLOB_TX_MIN_BLOB_GASPRICE => {
            Err(Refused::BlobFeeTooLow { fee, needed: BLOB_TX_MIN_BLOB_GASPRICE })
        }
        _ => Ok(()),
    }
}

/// What depends on the fork and the gas limit of the next block, and so may change while a transaction is in the pool.
///
/// # Errors
/// The first rule it breaks.
pub(crate) fn check_at(tx: &PoolTx, spec: &ChainSpec, head: &Head) -> Result<(), Refused> {
    let (fork, pooled, tx) = (head.fork, tx, tx.tx());
    let kind = tx.ty();
    let since = match tx {
        Tx::Legacy(_) | Tx::Privileged(_) => Fork::Frontier,
        Tx::Eip2930(_) => Fork::Berlin,
        Tx::Eip1559(_) => Fork::London,
        Tx::Eip4844(_) => Fork::Cancun,
        Tx::Eip7702(_) => Fork::Prague,
    };
    if fork < since {
        return Err(Refused::TypeNotActive { kind, fork: since });
    }
    let gas = tx.gas_limit();
    if gas > head.gas_limit {
        return Err(Refused::BlockGasLimit);
    }
    let bounds = TxBounds::at(spec, head.header.number + 1, head.next_timestamp);
    let cap = bounds.max_gas_limit();
    if gas > cap {
        return Err(Refused::GasCap { cap, gas });
    }
    let (size, limit) = (tx.input().len(), bounds.max_init_code());
    if fork >= Fork::Shanghai && tx.is_create() && size > limit {
        return Err(Refused::InitCodeSize { size, limit });
    }
    let InitialGas { intrinsic, floor } = bounds.initial_gas(tx, pooled.sender());
    if gas < intrinsic {
        return Err(Refused::IntrinsicGas { gas, needed: intrinsic });
    }
    if gas < floor {
        return Err(Refused::FloorGas { gas, needed: floor });
    }
    let (needed, cap) = (intrinsic.max(floor), bounds.max_initial_gas());
    if needed > cap {
        return Err(Refused::GasCap { cap, gas: needed });
    }
    if tx.authorization_list().is_some_and(<[_]>::is_empty) {
        return Err(Refused::NoAuthorization);
    }
    if let Some(hashes) = tx.blob_versioned_hashes() {
        let have = hashes.len() as u64;
        let limit =
            spec.blob_params_at(head.next_timestamp).map_or(0, |params| params.max_blobs_per_tx);
        if have == 0 {
            return Err(Refused::NoBlobs);
        }
        if have > limit {
            return Err(Refused::TooManyBlobs { have, limit });
        }
    }
    pooled.sidecar().map_or(Ok(()), |sidecar| blobs::check_version(sidecar, fork))
}

/// Checks a transaction against its sender's account in the state.
///
/// # Errors
/// The first rule it breaks, or a fault of the state.
pub(crate) fn check_sender(
    tx: &PoolTx,
    info: &AccountInfo,
    account: &Account,
    state: &dyn StateReader,
) -> Result<(), AddError> {
    let mut delegated = false;
    if info.code_hash != KECCAK_EMPTY {
        // The account names this code: its absence is a hole in the state and never "no code".
        let missing = StateError::Missing(Missing::Code(info.code_hash));
        let code = state.code(info.code_hash)?.ok_or(missing)?;
        delegated = code.len() == 23 && code.starts_with(&EIP7702_DELEGATION_DESIGNATOR);
        if !delegated && !code.is_empty() {
            return Err(Refused::SenderHasCode { address: tx.sender(), len: code.len() }.into());
        }
    }
    let (nonce, next) = (tx.nonce(), account.nonce());
    if nonce < next {
        return Err(Refused::NonceTooLow { next, nonce }.into());
    }
    if delegated {
        check_delegated(tx, account)?;
    }
    let (gap, known) = (account.next_nonce(), account.get(nonce));
    if tx.sidecar().is_some() && nonce > gap && known.is_none() {
        return Err(Refused::BlobNonceGap { nonce, gap }.into());
    }
    let (balance, cost) = (account.balance(), tx.cost());
    if cost > balance {
        return Err(Refused::Funds { balance, cost }.into());
    }
    // What waits behind a gap costs nothing before the gap closes.
    let replaced = known.filter(|_| nonce < gap).map_or_else(Default::default, |old| old.cost());
    let queued = account.spent().saturating_sub(replaced);
    if nonce <= gap && queued.saturating_add(cost) > balance {
        return Err(Refused::FundsAfterQueue { balance, queued, cost }.into());
    }
    Ok(())
}

/// Whoever calls a delegated account may move its funds, and with one transaction make all of its own worthless: so it may have one in
/// the pool (EIP-7702), which another one may replace.
fn check_delegated(tx: &PoolTx, account: &Account) -> Result<(), Refused> {
    if tx.nonce() > account.next_nonce() {
        return Err(Refused::DelegatedNonceGap);
    }
    let others = account.ready_len() + account.waiting_len();
    if others > usize::from(account.get(tx.nonce()).is_some()) {
        return Err(Refused::DelegatedLimit);
    }
    Ok(())
}
