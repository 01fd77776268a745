//! What a transaction needs before its first instruction runs, for who admits transactions without running them.

use alloy_evm::{FromRecoveredTx, spec_by_timestamp_and_block_number};
use alloy_primitives::Address;
use ethrex_types::{ChainSpec, Tx};
use revm::{
    context::{Cfg, CfgEnv, Transaction},
    context_interface::cfg::gas_params::Eip2780TxInfo,
};

use crate::{spec::ExecutorSpec, tx_env::TxEnv};

/// Bounds that the rules of one block set to every transaction in it.
#[derive(Debug, Clone)]
pub struct TxBounds(CfgEnv);

/// Gas that a transaction's limit must cover before anything runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InitialGas {
    /// Charged before execution: base, call data, access list, authorizations, creation.
    pub intrinsic: u64,
    /// Paid at least, for call data alone (EIP-7623, EIP-7976); zero before Prague.
    pub floor: u64,
}

impl TxBounds {
    /// The bounds of the block with this number and time.
    #[must_use]
    pub fn at(spec: &ChainSpec, number: u64, timestamp: u64) -> Self {
        let id = spec_by_timestamp_and_block_number(
            &ExecutorSpec::at(spec, number, timestamp),
            timestamp,
            number,
        );
        Self(CfgEnv::new_with_spec(id))
    }

    /// The initial gas of a transaction.
    #[must_use]
    pub fn initial_gas(&self, tx: &Tx, sender: Address) -> InitialGas {
        let tx = TxEnv::from_recovered_tx(tx, sender);
        let eip2780 = self.0.is_amsterdam_eip2780_enabled().then(|| Eip2780TxInfo {
            value: tx.value(),
            is_self_transfer: tx.kind().to() == Some(&sender),
        });
        let gas = self.0.gas_params().initial_tx_gas_for_tx(&tx, eip2780);
        InitialGas { intrinsic: gas.initial_total_gas(), floor: gas.floor_gas() }
    }

    /// Bytes of init code a creation may carry (EIP-3860, EIP-7954).
    #[must_use]
    pub fn max_init_code(&self) -> usize {
        self.0.max_initcode_size()
    }

    /// Largest gas limit of a transaction (EIP-7825). Under EIP-8037 the cap binds regular gas alone and the limit may exceed it.
    #[must_use]
    pub fn max_gas_limit(&self) -> u64 {
        if self.0.is_amsterdam_eip8037_enabled() { u64::MAX } else { self.0.tx_gas_limit_cap() }
    }

    /// Largest initial gas, intrinsic or floor, that the cap on regular gas leaves room for.
    #[must_use]
    pub fn max_initial_gas(&self) -> u64 {
        self.0.tx_gas_limit_cap()
    }
}

#[cfg(test)]
mod tests {
    use alloy_eips::eip2930::AccessList;
    use alloy_primitives::{B256, Signature, TxKind, U256};
    use ethrex_types::{
        Genesis,
        alloy_consensus::{Signed, TxEip1559},
        testing::DiffState,
    };
    use proptest::prelude::*;

    use super::*;
    use crate::{Call, CallError, EthereumTxRules, Overrides, simulate};

    fn spec(amsterdam: bool) -> ChainSpec {
        let mut genesis = Genesis::default();
        let config = &mut genesis.config;
        config.chain_id = 1;
        config.london_block = Some(0);
        config.terminal_total_difficulty = Some(U256::ZERO);
        config.shanghai_time = Some(0);
        config.cancun_time = Some(0);
        config.prague_time = Some(0);
        config.osaka_time = Some(0);
        config.amsterdam_time = amsterdam.then_some(0);
        ChainSpec::new(genesis).unwrap()
    }

    /// Whether the EVM starts this call with this gas.
    fn starts(spec: &ChainSpec, call: &Call) -> bool {
        let header = spec.genesis_header(B256::ZERO);
        let overrides = Overrides::default();
        match simulate(spec, &EthereumTxRules, &header, &DiffState::default(), call, &overrides) {
            Ok(_) => true,
            Err(CallError::Invalid(_)) => false,
            Err(CallError::Fault(fault)) => panic!("{fault}"),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn initial_gas_is_exactly_what_the_evm_asks_for(
            amsterdam: bool,
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
            let spec = spec(amsterdam);
            let gas = TxBounds::at(&spec, 1, 1).initial_gas(&tx, Address::ZERO);
            let needed = gas.intrinsic.max(gas.floor);
            let with = |gas_limit| starts(&spec, &Call { gas_limit, ..call.clone() });
            prop_assert!(with(needed));
            prop_assert!(!with(needed - 1));
        }
    }
}
