//! Fork schedules of fixtures, named as the data names them.

use std::collections::BTreeMap;

use alloy_primitives::{Address, U64, address};
use ethrex_types::{ChainSpec, Genesis};
use serde::Deserialize;
use serde_json::{Value, json};

/// Where all test networks and mainnet take deposits (EIP-6110).
pub(crate) const DEPOSIT_CONTRACT: Address = address!("00000000219ab540356cbb839cbe05303d7705fa");
/// When the fork of a `…AtTime15k` network happens.
const TRANSITION_TIME: u64 = 15_000;

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
    /// The network is not one of the post-merge forks.
    #[error("unknown network")]
    Unknown,
    /// The schedule is not a genesis configuration.
    #[error("the schedule is not a genesis")]
    Encoding(#[from] serde_json::Error),
    /// The schedule contradicts itself.
    #[error("the schedule is not a chain")]
    Genesis(#[from] ethrex_types::chain_spec::GenesisError),
}

/// The chain of a fixture: every fork up to the named one from the start, or a transition at 15,000 s.
pub fn fixture(
    network: &str,
    chain_id: u64,
    schedule: &BTreeMap<String, Blobs>,
) -> Result<ChainSpec, ForkError> {
    let (before, at_15k) = match network.split_once("To") {
        Some((before, after)) => {
            (before, Some(after.strip_suffix("AtTime15k").ok_or(ForkError::Unknown)?))
        }
        None => (network, None),
    };
    let mut config = config(chain_id, before)?;
    if let Some(fork) = at_15k {
        config[key(fork)?] = json!(TRANSITION_TIME);
    }
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

/// A public network at one fork; mainnet's blob parameters hold on the test networks too.
pub fn public(chain_id: u64, fork: &str) -> Result<ChainSpec, ForkError> {
    let mut config = config(chain_id, fork)?;
    config["blobSchedule"] = json!({
        "cancun": {"target": 3, "max": 6, "baseFeeUpdateFraction": 3_338_477},
        "prague": {"target": 6, "max": 9, "baseFeeUpdateFraction": 5_007_716},
        "osaka": {"target": 6, "max": 9, "baseFeeUpdateFraction": 5_007_716},
        "bpo1": {"target": 10, "max": 15, "baseFeeUpdateFraction": 8_346_193},
        "bpo2": {"target": 14, "max": 21, "baseFeeUpdateFraction": 11_684_671},
    });
    chain(&config)
}

/// Everything up to and with `fork` from the start.
fn config(chain_id: u64, fork: &str) -> Result<Value, ForkError> {
    let mut config = json!({
        "chainId": chain_id,
        "homesteadBlock": 0, "eip150Block": 0, "eip155Block": 0, "eip158Block": 0, "byzantiumBlock": 0,
        "constantinopleBlock": 0, "petersburgBlock": 0, "istanbulBlock": 0, "berlinBlock": 0, "londonBlock": 0,
        "mergeNetsplitBlock": 0, "terminalTotalDifficulty": 0, "terminalTotalDifficultyPassed": true,
        "depositContractAddress": DEPOSIT_CONTRACT,
    });
    if fork == "Paris" {
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
    fn another_network_is_refused() {
        for network in ["Berlin", "Bogota", "PragueToOsakaAtTime5k", ""] {
            assert!(
                matches!(fixture(network, 1, &BTreeMap::new()), Err(ForkError::Unknown)),
                "{network}"
            );
        }
    }
}
