//! `eth_config` (EIP-7910): which fork is active, which comes next, and what they bring.

use std::collections::{BTreeMap, BTreeSet};

use alloy_eips::eip2124::ForkHash;
use alloy_primitives::{Address, B256, FixedBytes, U64};
use ethrex_types::{ChainSpec, Fork, system};
use serde_json::{Value, json};

use crate::{Args, Context, RpcError};

pub(super) fn config(context: &Context, _: &mut Args) -> Result<Value, RpcError> {
    let spec = context.chain().spec();
    let genesis = spec.genesis();
    let hash = context.canonical(genesis.number.unwrap_or_default())?;
    let hash = hash.ok_or(RpcError::HeaderNotFound)?;
    let now = context.chain().head().timestamp;
    let times = times(spec);
    let current = times.range(..=now).next_back().copied().unwrap_or(genesis.timestamp);
    let next = times.range(now.saturating_add(1)..).next();
    let last = next.and(times.last());
    let at = |time: &u64| fork(spec, hash, *time);
    Ok(json!({"current": at(&current), "next": next.map(at), "last": last.map(at)}))
}

/// When forks become active that go by time.
fn times(spec: &ChainSpec) -> BTreeSet<u64> {
    let config = &spec.genesis().config;
    let times = [
        config.shanghai_time,
        config.cancun_time,
        config.prague_time,
        config.osaka_time,
        config.bpo1_time,
        config.bpo2_time,
        config.bpo3_time,
        config.bpo4_time,
        config.bpo5_time,
        config.amsterdam_time,
    ];
    times.into_iter().flatten().collect()
}

fn fork(spec: &ChainSpec, genesis: B256, time: u64) -> Value {
    let fork = spec.fork_at(u64::MAX, time);
    let blobs = spec.blob_params_at(time).map(|params| {
        json!({
            "target": params.target_blob_count,
            "max": params.max_blob_count,
            "baseFeeUpdateFraction": params.update_fraction,
        })
    });
    json!({
        "activationTime": time,
        "blobSchedule": blobs,
        "chainId": U64::from(spec.chain_id()),
        "forkId": FixedBytes::<4>(fork_hash(spec, genesis, time).0),
        "precompiles": precompiles(fork),
        "systemContracts": system_contracts(spec, fork),
    })
}

/// The checksum over genesis and all forks up to a time (EIP-2124, EIP-6122).
fn fork_hash(spec: &ChainSpec, genesis: B256, time: u64) -> ForkHash {
    let config = &spec.genesis().config;
    let heights = [
        config.homestead_block,
        config.dao_fork_block,
        config.eip150_block,
        config.eip155_block,
        config.eip158_block,
        config.byzantium_block,
        config.constantinople_block,
        config.petersburg_block,
        config.istanbul_block,
        config.muir_glacier_block,
        config.berlin_block,
        config.london_block,
        config.arrow_glacier_block,
        config.gray_glacier_block,
        config.merge_netsplit_block,
    ];
    let heights: BTreeSet<_> = heights.into_iter().flatten().filter(|height| *height > 0).collect();
    let times = times(spec);
    let times = times.range(..=time).filter(|time| **time > spec.genesis().timestamp);
    let mut hash = ForkHash::from(genesis);
    heights.iter().chain(times).for_each(|fork| hash += *fork);
    hash
}

/// By the names that EIP-7910 and the EIPs after it give them.
fn precompiles(fork: Fork) -> BTreeMap<&'static str, Address> {
    const ALL: [(&str, u16, Fork); 18] = [
        ("ECREC", 0x01, Fork::Frontier),
        ("SHA256", 0x02, Fork::Frontier),
        ("RIPEMD160", 0x03, Fork::Frontier),
        ("ID", 0x04, Fork::Frontier),
        ("MODEXP", 0x05, Fork::Byzantium),
        ("BN254_ADD", 0x06, Fork::Byzantium),
        ("BN254_MUL", 0x07, Fork::Byzantium),
        ("BN254_PAIRING", 0x08, Fork::Byzantium),
        ("BLAKE2F", 0x09, Fork::Istanbul),
        ("KZG_POINT_EVALUATION", 0x0a, Fork::Cancun),
        ("BLS12_G1ADD", 0x0b, Fork::Prague),
        ("BLS12_G1MSM", 0x0c, Fork::Prague),
        ("BLS12_G2ADD", 0x0d, Fork::Prague),
        ("BLS12_G2MSM", 0x0e, Fork::Prague),
        ("BLS12_PAIRING_CHECK", 0x0f, Fork::Prague),
        ("BLS12_MAP_FP_TO_G1", 0x10, Fork::Prague),
        ("BLS12_MAP_FP2_TO_G2", 0x11, Fork::Prague),
        ("P256VERIFY", 0x0100, Fork::Osaka),
    ];
    let active = ALL.into_iter().filter(|(_, _, since)| fork >= *since);
    active.map(|(name, at, _)| (name, Address::left_padding_from(&at.to_be_bytes()))).collect()
}

fn system_contracts(spec: &ChainSpec, fork: Fork) -> BTreeMap<&'static str, Address> {
    use alloy_eips::{eip2935, eip4788, eip7002, eip7251, eip8282};
    let name = |address| match address {
        eip4788::BEACON_ROOTS_ADDRESS => Some("BEACON_ROOTS_ADDRESS"),
        eip2935::HISTORY_STORAGE_ADDRESS => Some("HISTORY_STORAGE_ADDRESS"),
        eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS => {
            Some("WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS")
        }
        eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS => {
            Some("CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS")
        }
        eip8282::BUILDER_DEPOSIT_CONTRACT_ADDRESS => Some("BUILDER_DEPOSIT_CONTRACT_ADDRESS"),
        eip8282::BUILDER_EXIT_CONTRACT_ADDRESS => Some("BUILDER_EXIT_CONTRACT_ADDRESS"),
        _ => None,
    };
    let called = system::contracts(fork).map(|contract| contract.address);
    let mut contracts: BTreeMap<_, _> =
        called.filter_map(|address| Some((name(address)?, address))).collect();
    if fork >= Fork::Prague {
        let deposits = spec.deposit_contract().unwrap_or_default();
        contracts.insert("DEPOSIT_CONTRACT_ADDRESS", deposits);
    }
    contracts
}
