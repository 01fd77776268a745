//! A call may ask for anything: the answer is an outcome or a refusal, never a panic.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use alloy_eips::{
    eip2930::AccessList,
    eip7702::{Authorization, SignedAuthorization},
};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, keccak256};
use ethrex_evm::{Call, CallError, EthereumTxRules, Overrides, call::AccountOverride, simulate};
use ethrex_types::{ChainSpec, Fork, Genesis, Header, testing::DiffState};

fn spec(fork: Fork) -> ChainSpec {
    let mut genesis = Genesis::default();
    let config = &mut genesis.config;
    config.chain_id = 1;
    config.london_block = Some(0);
    config.terminal_total_difficulty = Some(U256::ZERO);
    config.shanghai_time = Some(0);
    if fork >= Fork::Osaka {
        config.cancun_time = Some(0);
        config.prague_time = Some(0);
        config.osaka_time = Some(0);
    }
    config.amsterdam_time = (fork >= Fork::Amsterdam).then_some(0);
    ChainSpec::new(genesis).unwrap()
}

const FROM: Address = Address::repeat_byte(1);
const TO: Address = Address::repeat_byte(2);
/// SELFDESTRUCT to the caller; CREATE with all balance; CREATE2; a call with all balance to a precompile.
const CODES: [&[u8]; 5] = [
    &[],
    &[0x33, 0xff],
    &[0x5f, 0x5f, 0x47, 0xf0, 0x00],
    &[0x5f, 0x5f, 0x5f, 0x5f, 0x47, 0x60, 0x0a, 0x5a, 0xf1, 0x00],
    // Not a delegation although it starts like one.
    &[0xef, 0x01, 0x00, 1, 2],
];

fn calls() -> impl Iterator<Item = Call> {
    let gas = [0, 21_000, 30_000_000, u64::MAX];
    let prices = [0, 1, u128::from(u64::MAX), u128::MAX];
    let tips = [None, Some(0), Some(u128::MAX)];
    let values = [U256::ZERO, U256::MAX];
    let kinds = [TxKind::Call(TO), TxKind::Create, TxKind::Call(Address::with_last_byte(10))];
    let nonces = [None, Some(0), Some(u64::MAX)];
    gas.into_iter().flat_map(move |gas_limit| {
        prices.into_iter().flat_map(move |gas_price| {
            tips.into_iter().flat_map(move |max_priority_fee_per_gas| {
                values.into_iter().flat_map(move |value| {
                    kinds.into_iter().flat_map(move |to| {
                        nonces.into_iter().map(move |nonce| Call {
                            from: FROM,
                            to,
                            gas_limit,
                            gas_price,
                            max_priority_fee_per_gas,
                            value,
                            nonce,
                            ..Call::default()
                        })
                    })
                })
            })
        })
    })
}

fn variants(call: Call) -> [Call; 4] {
    let authorization = SignedAuthorization::new_unchecked(
        Authorization { chain_id: U256::MAX, address: TO, nonce: u64::MAX },
        255,
        U256::MAX,
        U256::MAX,
    );
    let listed = Call { access_list: AccessList::default(), ..call.clone() };
    let blobs = Call {
        blob_versioned_hashes: vec![B256::repeat_byte(1); 9],
        max_fee_per_blob_gas: u128::MAX,
        ..call.clone()
    };
    let set_code = Call { authorization_list: vec![authorization], ..call.clone() };
    [call, listed, blobs, set_code]
}

#[test]
fn each_account_runs_the_code_that_replaces_its_own() {
    let spec = spec(Fork::Osaka);
    let header = spec.genesis_header(B256::ZERO);
    let other = Address::repeat_byte(3);
    // EXTCODEHASH of the other account, MSTORE, RETURN.
    let mut asks = vec![0x73];
    asks.extend(other);
    asks.extend([0x3f, 0x5f, 0x52, 0x60, 0x20, 0x5f, 0xf3]);
    // ADDRESS, MSTORE, RETURN.
    let tells = vec![0x30, 0x5f, 0x52, 0x60, 0x20, 0x5f, 0xf3];
    let account = |code: &[u8]| AccountOverride {
        code: Some(Bytes::copy_from_slice(code)),
        ..AccountOverride::default()
    };
    let overrides = Overrides { accounts: [(TO, account(&asks)), (other, account(&tells))].into() };
    let run = |to| {
        let call = Call { to: TxKind::Call(to), gas_limit: 100_000, ..Call::default() };
        simulate(&spec, &EthereumTxRules, &header, &DiffState::default(), &call, &overrides)
            .unwrap()
            .output
    };
    assert_eq!(run(TO), Bytes::copy_from_slice(keccak256(&tells).as_slice()));
    assert_eq!(run(other), Bytes::copy_from_slice(other.into_word().as_slice()));
}

#[test]
fn no_call_panics() {
    for fork in [Fork::Shanghai, Fork::Osaka, Fork::Amsterdam] {
        let spec = spec(fork);
        let plain = spec.genesis_header(B256::ZERO);
        let extreme = Header {
            number: u64::MAX,
            timestamp: u64::MAX,
            gas_limit: u64::MAX,
            base_fee_per_gas: Some(u64::MAX),
            excess_blob_gas: plain.excess_blob_gas.map(|_| u64::MAX),
            beneficiary: FROM,
            ..plain.clone()
        };
        for header in [&plain, &extreme] {
            for code in CODES {
                let account = |nonce, code: &[u8]| AccountOverride {
                    balance: Some(U256::MAX),
                    nonce: Some(nonce),
                    code: Some(Bytes::copy_from_slice(code)),
                    ..AccountOverride::default()
                };
                for nonce in [0, u64::MAX] {
                    let overrides = Overrides {
                        accounts: [(FROM, account(nonce, &[])), (TO, account(nonce, code))].into(),
                    };
                    for call in calls().flat_map(variants) {
                        let result = simulate(
                            &spec,
                            &EthereumTxRules,
                            header,
                            &DiffState::default(),
                            &call,
                            &overrides,
                        );
                        if let Err(CallError::Fault(fault)) = result {
                            panic!("{fault}: {call:?}");
                        }
                    }
                }
            }
        }
    }
}
