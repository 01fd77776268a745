//! The gas a transaction needs before its first instruction runs.

use alloy_eips::{
    eip2930::AccessList,
    eip7623::{STANDARD_TOKEN_COST, tokens_in_calldata, transaction_floor_cost},
    eip7702::constants::PER_EMPTY_ACCOUNT_COST,
};
use ethrex_types::{Fork, Tx, alloy_consensus::Transaction};

const TRANSACTION: u64 = 21_000;
/// EIP-2.
const CREATION: u64 = 32_000;
/// EIP-3860.
const INIT_CODE_WORD: u64 = 2;
/// EIP-2930.
const ACCESS_LIST_ADDRESS: u64 = 2_400;
/// EIP-2930.
const ACCESS_LIST_SLOT: u64 = 1_900;

/// Longest init code (EIP-3860).
pub(crate) const MAX_INIT_CODE: usize = 2 * 24_576;

/// Gas that is charged before execution.
pub(crate) fn intrinsic_gas(tx: &Tx, fork: Fork) -> u64 {
    let mut gas = TRANSACTION + STANDARD_TOKEN_COST * tokens_in_calldata(tx.input());
    if tx.is_create() {
        gas += CREATION;
        if fork >= Fork::Shanghai {
            gas += INIT_CODE_WORD * (tx.input().len() as u64).div_ceil(32);
        }
    }
    let authorizations = tx.authorization_list().map_or(0, <[_]>::len) as u64;
    gas + tx.access_list().map_or(0, access_list_gas) + PER_EMPTY_ACCOUNT_COST * authorizations
}

fn access_list_gas(list: &AccessList) -> u64 {
    let slots: u64 = list.iter().map(|item| item.storage_keys.len() as u64).sum();
    ACCESS_LIST_ADDRESS * list.len() as u64 + ACCESS_LIST_SLOT * slots
}

/// Gas that a transaction pays for its call data at least (EIP-7623); zero before Prague.
pub(crate) fn floor_gas(tx: &Tx, fork: Fork) -> u64 {
    if fork >= Fork::Prague { transaction_floor_cost(tokens_in_calldata(tx.input())) } else { 0 }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256};
    use ethrex_evm::{Call, CallError, EthereumTxRules, Overrides, simulate};
    use ethrex_types::{
        AccountInfo, ChainSpec, Genesis, StateError, StateReader,
        alloy_consensus::{Signed, TxEip1559},
    };
    use proptest::prelude::*;

    use super::*;

    struct Empty;

    impl StateReader for Empty {
        fn account(&self, _: Address) -> Result<Option<AccountInfo>, StateError> {
            Ok(None)
        }
        fn storage(&self, _: Address, _: B256) -> Result<U256, StateError> {
            Ok(U256::ZERO)
        }
        fn code(&self, _: B256) -> Result<Option<Bytes>, StateError> {
            Ok(None)
        }
        fn block_hash(&self, _: u64) -> Result<Option<B256>, StateError> {
            Ok(None)
        }
    }

    fn osaka() -> ChainSpec {
        let mut genesis = Genesis::default();
        let config = &mut genesis.config;
        config.chain_id = 1;
        config.london_block = Some(0);
        config.terminal_total_difficulty = Some(U256::ZERO);
        config.shanghai_time = Some(0);
        config.cancun_time = Some(0);
        config.prague_time = Some(0);
        config.osaka_time = Some(0);
        ChainSpec::new(genesis).unwrap()
    }

    /// Whether the EVM starts this call with this gas.
    fn starts(call: &Call) -> bool {
        let spec = osaka();
        let header = spec.genesis_header(B256::ZERO);
        let overrides = Overrides::default();
        match simulate(&spec, &EthereumTxRules, &header, &Empty, call, &overrides) {
            Ok(_) => true,
            Err(CallError::Invalid(_)) => false,
            Err(CallError::Fault(fault)) => panic!("{fault}"),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn the_pool_asks_for_exactly_what_the_evm_asks_for(
            input in proptest::collection::vec(prop_oneof![Just(0u8), any::<u8>()], 0..600),
            create: bool,
            slots in proptest::collection::vec(0usize..4, 0..4),
        ) {
            let access_list = AccessList(
                slots
                    .iter()
                    .map(|slots| alloy_eips::eip2930::AccessListItem {
                        address: Address::repeat_byte(7),
                        storage_keys: vec![B256::ZERO; *slots],
                    })
                    .collect(),
            );
            let to = if create { TxKind::Create } else { TxKind::Call(Address::repeat_byte(9)) };
            let tx = TxEip1559 { to, input: input.into(), access_list, ..TxEip1559::default() };
            let call = Call {
                to,
                input: tx.input.clone(),
                access_list: tx.access_list.clone(),
                max_priority_fee_per_gas: Some(0),
                ..Call::default()
            };
            let tx = Tx::Eip1559(Signed::new_unhashed(tx, Signature::test_signature()));
            let needed = intrinsic_gas(&tx, Fork::Osaka).max(floor_gas(&tx, Fork::Osaka));
            let with = |gas_limit| starts(&Call { gas_limit, ..call.clone() });
            prop_assert!(with(needed));
            prop_assert!(!with(needed - 1));
        }
    }
}
