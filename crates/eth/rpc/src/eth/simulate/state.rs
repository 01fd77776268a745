//! The state that simulated calls see: the chain's, under overrides and what was simulated before.

use std::collections::{BTreeMap, HashSet};

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_rpc_types_eth::state::{AccountOverride, StateOverride};
use ethrex_evm::{TxRules, is_precompile};
use ethrex_types::{
    AccountDiff, AccountInfo, ChainSpec, Header, StateDiff, StateError, StateReader,
    account::KECCAK_EMPTY,
};

use crate::{RpcError, error::SimulationRefused};

/// A state, and changes above it.
pub(super) struct Layered<'a> {
    base: &'a dyn StateReader,
    diff: StateDiff,
    hashes: BTreeMap<u64, B256>,
}

impl<'a> Layered<'a> {
    pub(super) fn new(base: &'a dyn StateReader) -> Self {
        Self { base, diff: StateDiff::default(), hashes: BTreeMap::new() }
    }

    /// Everything that differs from the base.
    pub(super) const fn diff(&self) -> &StateDiff {
        &self.diff
    }

    /// Puts the changes of a block above those before.
    pub(super) fn merge(&mut self, diff: StateDiff) {
        for (address, new) in diff.accounts {
            let account = self.diff.accounts.entry(address).or_default();
            account.info = new.info;
            if new.wiped {
                account.wiped = true;
                account.storage = new.storage;
            } else {
                account.storage.extend(new.storage);
            }
        }
        self.diff.codes.extend(diff.codes);
    }

    /// What `BLOCKHASH` answers for a simulated block.
    pub(super) fn remember(&mut self, number: u64, hash: B256) {
        self.hashes.insert(number, hash);
    }
}

impl StateReader for Layered<'_> {
    fn account(&self, address: Address) -> Result<Option<AccountInfo>, StateError> {
        match self.diff.accounts.get(&address) {
            Some(account) => Ok(account.info),
            None => self.base.account(address),
        }
    }

    fn storage(&self, address: Address, slot: B256) -> Result<U256, StateError> {
        match self.diff.accounts.get(&address) {
            Some(account) => match account.storage.get(&slot) {
                Some(value) => Ok(*value),
                None if account.wiped => Ok(U256::ZERO),
                None => self.base.storage(address, slot),
            },
            None => self.base.storage(address, slot),
        }
    }

    fn code(&self, hash: B256) -> Result<Option<Bytes>, StateError> {
        match self.diff.codes.get(&hash) {
            Some(code) => Ok(Some(code.clone())),
            None => self.base.code(hash),
        }
    }

    fn block_hash(&self, number: u64) -> Result<Option<B256>, StateError> {
        match self.hashes.get(&number) {
            Some(hash) => Ok(Some(*hash)),
            None => Ok(Some(self.base.block_hash(number)?.unwrap_or_default())),
        }
    }

    fn has_storage(&self, address: Address) -> Result<bool, StateError> {
        let Some(account) = self.diff.accounts.get(&address) else {
            return self.base.has_storage(address);
        };
        if account.storage.values().any(|value| !value.is_zero()) {
            return Ok(true);
        }
        if account.wiped { Ok(false) } else { self.base.has_storage(address) }
    }
}

/// What becomes of precompiles at whose address something is overridden.
#[derive(Debug, Default)]
pub(super) struct Precompiles {
    pub(super) moved: Vec<(Address, Address)>,
    pub(super) replaced: Vec<Address>,
}

/// Overrides a state.
pub(super) fn apply(
    spec: &ChainSpec,
    rules: &dyn TxRules,
    header: &Header,
    wanted: StateOverride,
    state: &mut Layered<'_>,
) -> Result<Precompiles, RpcError> {
    let mut precompiles = Precompiles::default();
    let overridden: HashSet<_> = wanted.keys().copied().collect();
    let mut targets = HashSet::new();
    for (address, over) in wanted {
        let is_precompile = is_precompile(spec, rules, header, address);
        match over.move_precompile_to {
            Some(_) if !is_precompile => {
                return Err(SimulationRefused::NoPrecompile(address).into());
            }
            Some(to) if overridden.contains(&to) || !targets.insert(to) => {
                return Err(SimulationRefused::Overridden(to).into());
            }
            Some(to) => precompiles.moved.push((address, to)),
            None if is_precompile => precompiles.replaced.push(address),
            None => {}
        }
        if let Some(diff) = account_diff(address, over, state)? {
            state.merge(diff);
        }
    }
    Ok(precompiles)
}

/// What an override changes; `None` where that is nothing.
fn account_diff(
    address: Address,
    over: AccountOverride,
    state: &Layered<'_>,
) -> Result<Option<StateDiff>, RpcError> {
    if over.state.is_some() && over.state_diff.is_some() {
        return Err(SimulationRefused::TwoStates(address).into());
    }
    let AccountOverride { balance, nonce, code, state: all, state_diff: some, .. } = over;
    if balance.is_none() && nonce.is_none() && code.is_none() && all.is_none() && some.is_none() {
        return Ok(None);
    }
    let mut info = state.account(address)?.unwrap_or_default();
    info.balance = balance.unwrap_or(info.balance);
    info.nonce = nonce.unwrap_or(info.nonce);
    let mut diff = StateDiff::default();
    if let Some(code) = code {
        info.code_hash = if code.is_empty() { KECCAK_EMPTY } else { keccak256(&code) };
        diff.codes.insert(info.code_hash, code);
    }
    let wiped = all.is_some();
    let storage = all.or(some).into_iter().flatten();
    let storage = storage
        .map(|(slot, value)| (slot, U256::from_be_bytes(value.0)))
        .filter(|(_, value)| !(wiped && value.is_zero()))
        .collect();
    diff.accounts.insert(address, AccountDiff { info: Some(info), wiped, storage });
    Ok(Some(diff))
}
