//! State and block overrides of simulated calls.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_rpc_types_eth::{BlockOverrides, state::StateOverride};
use ethrex_evm::{Overrides, call::AccountOverride};
use ethrex_types::{AccountInfo, ChainSpec, Fork, Header, StateError, StateReader};

use crate::{RpcError, error::CallRefused};

/// Checks state overrides and brings them into the form the EVM takes.
pub(super) fn state_overrides(wanted: StateOverride) -> Result<Overrides, RpcError> {
    let mut accounts = BTreeMap::new();
    for (address, over) in wanted {
        if over.state.is_some() && over.state_diff.is_some() {
            return Err(CallRefused::TwoStates(address).into());
        }
        if over.move_precompile_to.is_some() {
            return Err(CallRefused::MovedPrecompile(address).into());
        }
        let words = |slots: alloy_primitives::map::B256HashMap<B256>| {
            slots.into_iter().map(|(slot, value)| (slot, U256::from_be_bytes(value.0))).collect()
        };
        let over = AccountOverride {
            balance: over.balance,
            nonce: over.nonce,
            code: over.code,
            state: over.state.map(words),
            state_diff: over.state_diff.map(words).unwrap_or_default(),
        };
        accounts.insert(address, over);
    }
    Ok(Overrides { accounts })
}

/// Changes the environment of a call.
pub(super) fn override_header(
    spec: &ChainSpec,
    header: &mut Header,
    wanted: &BlockOverrides,
) -> Result<(), RpcError> {
    let word = |value: U256| {
        u64::try_from(value).map_err(|_| RpcError::InvalidParams("block override exceeds 64 bits"))
    };
    if let Some(number) = wanted.number {
        header.number = word(number)?;
    }
    if let Some(time) = wanted.time {
        header.timestamp = time;
    }
    if let Some(gas_limit) = wanted.gas_limit {
        header.gas_limit = gas_limit;
    }
    if let Some(coinbase) = wanted.coinbase {
        header.beneficiary = coinbase;
    }
    if let Some(random) = wanted.random {
        header.mix_hash = random;
    }
    if let Some(difficulty) = wanted.difficulty {
        header.difficulty = difficulty;
    }
    if let Some(base_fee) = wanted.base_fee {
        header.base_fee_per_gas = Some(word(base_fee)?);
    }
    if let Some(fee) = wanted.blob_base_fee {
        let excess = excess_for(spec, header.timestamp, fee);
        header.excess_blob_gas = Some(excess.ok_or(CallRefused::BlobBaseFee(fee))?);
    }
    settle_fork(spec, header)
}

/// Moved to another height and time, a block must still have what the rules there need of it.
fn settle_fork(spec: &ChainSpec, header: &mut Header) -> Result<(), RpcError> {
    let fork = spec.fork_at(header.number, header.timestamp);
    // Forks before the merge go by height, those after it by time.
    if fork >= Fork::Shanghai && spec.fork_at(header.number, 0) < Fork::Paris {
        return Err(RpcError::InvalidParams("block number before the merge at a time after it"));
    }
    if fork >= Fork::Cancun {
        header.excess_blob_gas.get_or_insert_default();
    }
    if fork >= Fork::London {
        header.base_fee_per_gas.get_or_insert_default();
    }
    Ok(())
}

/// The excess blob gas that makes blob gas cost exactly `fee`. The fee grows with the excess, by jumps where it is high.
fn excess_for(spec: &ChainSpec, timestamp: u64, fee: U256) -> Option<u64> {
    let params = spec.blob_params_at(timestamp)?;
    let fee = u128::try_from(fee).ok()?;
    // Beyond this excess the fee exceeds what any balance can pay, and its computation grows slow.
    const HIGHEST: u64 = 1 << 30;
    let (mut low, mut high) = (0, HIGHEST);
    while low < high {
        let middle = low + (high - low) / 2;
        if params.calc_blob_fee(middle) < fee { low = middle + 1 } else { high = middle }
    }
    (params.calc_blob_fee(low) == fee).then_some(low)
}

/// A state as a block at another height sees it: `BLOCKHASH` answers some numbers differently, and zero for those that no
/// block has.
pub(super) struct WithHashes<'a> {
    pub(super) state: &'a dyn StateReader,
    pub(super) hashes: &'a BTreeMap<u64, B256>,
}

impl StateReader for WithHashes<'_> {
    fn account(&self, address: Address) -> Result<Option<AccountInfo>, StateError> {
        self.state.account(address)
    }

    fn storage(&self, address: Address, slot: B256) -> Result<U256, StateError> {
        self.state.storage(address, slot)
    }

    fn code(&self, hash: B256) -> Result<Option<Bytes>, StateError> {
        self.state.code(hash)
    }

    fn block_hash(&self, number: u64) -> Result<Option<B256>, StateError> {
        match self.hashes.get(&number) {
            Some(hash) => Ok(Some(*hash)),
            None => Ok(Some(self.state.block_hash(number)?.unwrap_or_default())),
        }
    }

    fn has_storage(&self, address: Address) -> Result<bool, StateError> {
        self.state.has_storage(address)
    }
}
