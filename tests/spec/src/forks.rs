//! Fork schedules of fixtures, named as the data names them.

use std::collections::BTreeMap;

use alloy_primitives::{Address, U64, address};
use ethrex_types::{ChainSpec, Genesis};
use serde::Deserialize;
use serde_json::{Value, json};

/// Where all test networks and mainnet take deposits (EIP-6110).
pub(crate) const DEPOSIT_CONTRACT: Address = address!("00000000219ab540356cbb839cbe05303d7705fa");
/// Forks by block with the keys that schedule them in a genesis file, oldest first, named as fixtures name them.
const BLOCKS: [(&str, &[&str]); 14] = [
    ("Frontier", &[]),
    ("Homestead", &["homesteadBlock"]),
    ("Dao", &["daoForkBlock"]),
    ("EIP150", &["eip150Block"]),
    ("EIP158", &["eip155Block", "eip158Block"]),
    ("Byzantium", &["byzantiumBlock"]),
    ("Constantinople", &["constantinopleBlock"]),
    ("ConstantinopleFix", &["petersburgBlock"]),
    ("Istanbul", &["istanbulBlock"]),
    ("MuirGlacier", &["muirGlacierBlock"]),
    ("Berlin", &["berlinBlock"]),
    ("London", &["londonBlock"]),
    ("ArrowGlacier", &["arrowGlacierBlock"]),
    ("GrayGlacier", &["grayGlacierBlock"]),
];
/// A block that no chain here reaches.
const NEVER: u64 = 1 << 40;

/// Timestamp forks with the key that schedules them in a genesis file, oldest first.
const TIMED: [(&str, &str); 7] = [
    ("Shanghai", "shanghaiTime"),
    ("Cancun", "cancunTime"),
    ("Prague", "pragueTime"),
    ("Osaka", "osakaTime"),
    ("BPO1", "bpo1Time"),
    ("BPO2", "bpo2Time"),
    ("Amsterdam", "amsterdamTime"),
];

/// Blob parameters of one fork, as a fixture or a genesis file writes them.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Blobs {
    target: U64,
    max: U64,
    base_fee_update_fraction: U64,
}

/// A network that this runner has no schedule for, or a schedule that makes no chain.
#[derive(Debug, thiserror::Error)]
pub enum ForkError {
    /// The network is not one we know.
    #[error("unknown network")]
    Unknown,
    /// The schedule is not a genesis configuration.
    #[error("the schedule is not a genesis")]
    Encoding(#[from] serde_json::Error),
    /// The schedule contradicts itself.
    #[error("the schedule is not a chain")]
    Genesis(#[from] ethrex_types::chain_spec::GenesisError),
}

/// The chain of a fixture: every fork up to the named one from the start, or a transition at a block, a time, or a total
/// difficulty (`…At5`, `…AtTime15k`, `…AtDiffC0000`).
pub fn fixture(
    network: &str,
    chain_id: u64,
    schedule: &BTreeMap<String, Blobs>,
) -> Result<ChainSpec, ForkError> {
    let transition = network.split_once("At").and_then(|(forks, at)| {
        let (before, after) = forks.split_once("To")?;
        Some((before, after, at))
    });
    let mut config = match transition {
        Some((before, after, at)) => transition_config(chain_id, before, after, at)?,
        None => config(chain_id, network)?,
    };
    let schedule = schedule.iter().map(|(fork, blobs)| {
        let blobs = json!({
            "target": blobs.target.to::<u64>(),
            "max": blobs.max.to::<u64>(),
            "baseFeeUpdateFraction": blobs.base_fee_update_fraction.to::<u64>(),
        });
        (fork.to_lowercase(), blobs)
    });
    config["blobSchedule"] = Value::Object(schedule.collect());
    chain(&config)
}

fn transition_config(
    chain_id: u64,
    before: &str,
    after: &str,
    at: &str,
) -> Result<Value, ForkError> {
    let mut config = config(chain_id, before)?;
    if let Some(time) = at.strip_prefix("Time") {
        let seconds = time.strip_suffix('k').and_then(|thousands| thousands.parse::<u64>().ok());
        let seconds = seconds.ok_or(ForkError::Unknown)?.saturating_mul(1_000);
        config[key(after)?] = json!(seconds);
    } else if let Some(total) = at.strip_prefix("Diff") {
        let total = u64::from_str_radix(total, 16).map_err(|_| ForkError::Unknown)?;
        config["terminalTotalDifficulty"] = json!(total);
    } else {
        let block: u64 = at.parse().map_err(|_| ForkError::Unknown)?;
        let place = |name| BLOCKS.iter().position(|(known, _)| *known == name);
        let (before, after) = (place(before), place(after));
        let (before, after) = before.zip(after).ok_or(ForkError::Unknown)?;
        for key in BLOCKS[before + 1..=after].iter().flat_map(|(_, keys)| *keys) {
            // The forks between the two may lie on the way.
            if BLOCKS[after].1.contains(key) || *key != "daoForkBlock" {
                config[*key] = json!(block);
            }
        }
    }
    Ok(config)
}

/// A public network at one fork; mainnet's blob parameters hold on the test networks too.
pub fn public(chain_id: u64, fork: &str) -> Result<ChainSpec, ForkError> {
    let mut config = config(chain_id, fork)?;
    config["blobSchedule"] = mainnet_blobs();
    chain(&config)
}

/// Ropsten as long as it made blocks by work under early forks.
pub fn ropsten() -> Result<ChainSpec, ForkError> {
    chain(&json!({
        "chainId": 3, "homesteadBlock": 0, "eip150Block": 0, "eip155Block": 10, "eip158Block": 10,
        "byzantiumBlock": 1_700_000, "constantinopleBlock": 4_230_000,
        "petersburgBlock": 4_939_394,
    }))
}

fn mainnet_blobs() -> Value {
    json!({
        "cancun": {"target": 3, "max": 6, "baseFeeUpdateFraction": 3_338_477},
        "prague": {"target": 6, "max": 9, "baseFeeUpdateFraction": 5_007_716},
        "osaka": {"target": 6, "max": 9, "baseFeeUpdateFraction": 5_007_716},
        "bpo1": {"target": 10, "max": 15, "baseFeeUpdateFraction": 8_346_193},
        "bpo2": {"target": 14, "max": 21, "baseFeeUpdateFraction": 11_684_671},
    })
}

/// Mainnet with all its forks.
pub fn mainnet() -> Result<ChainSpec, ForkError> {
    chain(&json!({
        "chainId": 1, "depositContractAddress": DEPOSIT_CONTRACT, "homesteadBlock": 1_150_000,
        "daoForkBlock": 1_920_000, "daoForkSupport": true, "eip150Block": 2_463_000,
        "eip155Block": 2_675_000, "eip158Block": 2_675_000, "byzantiumBlock": 4_370_000,
        "constantinopleBlock": 7_280_000, "petersburgBlock": 7_280_000, "istanbulBlock": 9_069_000,
        "muirGlacierBlock": 9_200_000, "berlinBlock": 12_244_000, "londonBlock": 12_965_000,
        "arrowGlacierBlock": 13_773_000, "grayGlacierBlock": 15_050_000,
        "terminalTotalDifficulty": "0xc70d808a128d7380000", "shanghaiTime": 1_681_338_455,
        "cancunTime": 1_710_338_135, "pragueTime": 1_746_612_311, "osakaTime": 1_764_798_551,
        "bpo1Time": 1_765_290_071, "bpo2Time": 1_767_747_671, "blobSchedule": mainnet_blobs(),
    }))
}

/// Everything up to and with `fork` from the start.
fn config(chain_id: u64, fork: &str) -> Result<Value, ForkError> {
    let mut config = json!({
        "chainId": chain_id,
        "daoForkSupport": true,
        "depositContractAddress": DEPOSIT_CONTRACT,
    });
    let last = BLOCKS.iter().position(|(name, _)| *name == fork);
    for (name, keys) in &BLOCKS[..=last.unwrap_or(BLOCKS.len() - 1)] {
        for key in keys.iter().filter(|_| *name != "Dao") {
            config[*key] = json!(0);
        }
    }
    if last.is_some() {
        if fork == "Constantinople" {
            // Left out, it would come with Constantinople.
            config["petersburgBlock"] = json!(NEVER);
        }
        return Ok(config);
    }
    config["terminalTotalDifficulty"] = json!(0);
    config["terminalTotalDifficultyPassed"] = json!(true);
    if matches!(fork, "Paris" | "Merge") {
        return Ok(config);
    }
    let last = TIMED.iter().position(|(name, _)| *name == fork).ok_or(ForkError::Unknown)?;
    for (_, key) in &TIMED[..=last] {
        config[*key] = json!(0);
    }
    Ok(config)
}

fn key(fork: &str) -> Result<&'static str, ForkError> {
    TIMED.iter().find(|(name, _)| *name == fork).map(|(_, key)| *key).ok_or(ForkError::Unknown)
}

fn chain(config: &Value) -> Result<ChainSpec, ForkError> {
    let genesis = json!({"config": config, "gasLimit": "0x0", "difficulty": "0x0", "alloc": {}});
    Ok(ChainSpec::new(serde_json::from_value::<Genesis>(genesis)?)?)
}

#[cfg(test)]
mod tests {
    use alloy_primitives::U256;
    use ethrex_types::Fork;

    use super::*;

    #[test]
    fn a_network_has_all_forks_up_to_its_name() {
        let chain = fixture("Prague", 1, &BTreeMap::new()).unwrap();
        assert_eq!(chain.fork_at(1, 1), Fork::Prague);
        assert_eq!(chain.deposit_contract(), Some(DEPOSIT_CONTRACT));
    }

    #[test]
    fn a_transition_happens_at_15000() {
        let chain = fixture("PragueToOsakaAtTime15k", 1, &BTreeMap::new()).unwrap();
        assert_eq!(chain.fork_at(1, 14_999), Fork::Prague);
        assert_eq!(chain.fork_at(1, 15_000), Fork::Osaka);
    }

    #[test]
    fn a_public_network_has_the_blob_parameters_of_its_fork() {
        let chain = public(1, "BPO2").unwrap();
        assert_eq!(chain.blob_params_at(1).unwrap().max_blob_count, 21);
        let chain = public(17_000, "Cancun").unwrap();
        assert_eq!(chain.blob_params_at(1).unwrap().max_blob_count, 6);
    }

    #[test]
    fn a_fork_by_block_happens_at_its_block() {
        let at = |network: &str, number| {
            fixture(network, 1, &BTreeMap::new()).unwrap().fork_at(number, 0)
        };
        assert_eq!(at("HomesteadToEIP150At5", 4), Fork::Homestead);
        assert_eq!(at("HomesteadToEIP150At5", 5), Fork::Tangerine);
        assert_eq!(at("ByzantiumToConstantinopleFixAt5", 5), Fork::Petersburg);
        assert_eq!(at("Constantinople", 5), Fork::Constantinople);
        assert_eq!(at("Frontier", 5), Fork::Frontier);
        let dao = fixture("HomesteadToDaoAt5", 1, &BTreeMap::new()).unwrap();
        assert_eq!(dao.dao_fork(), Some((5, true)));
        let merge = fixture("ArrowGlacierToParisAtDiffC0000", 1, &BTreeMap::new()).unwrap();
        assert_eq!(merge.terminal_total_difficulty(), Some(U256::from(0xc0000)));
    }

    #[test]
    fn another_network_is_refused() {
        for network in ["Bogota", "PragueToOsakaAtTime5", "BerlinToBogotaAt5", ""] {
            assert!(
                matches!(fixture(network, 1, &BTreeMap::new()), Err(ForkError::Unknown)),
                "{network}"
            );
        }
    }
}
