//! When EXECUTE exists, and how much a chain allows of it: fields of the genesis config.

use ethrex_types::{ChainSpec, Genesis};
use serde::de::DeserializeOwned;

/// Lowest level on which EXECUTE is an ordinary empty account.
pub const MAX_LEVEL: u8 = 3;

/// `executeTime` and the limits that go with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecuteConfig {
    /// Seconds since the epoch from which blocks have EXECUTE.
    pub time: u64,
    /// Most gas that EXECUTE may charge in one block.
    pub cumulative_gas_limit: u64,
    /// Caps of a block that is derived.
    pub caps: Caps,
}

/// What a derived block may touch of the state before it, so that its witness fits in one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    /// Accounts and storage slots.
    pub items: usize,
    /// Bytes of code.
    pub code_bytes: usize,
    /// Bytes of trie nodes, code and headers of ancestors, and an allowance for each item.
    pub witness_bytes: usize,
}

impl Default for Caps {
    fn default() -> Self {
        Self { items: 64, code_bytes: 49_152, witness_bytes: 57_344 }
    }
}

impl Caps {
    /// What the forced transactions of a block may use of them. Code is bounded by the witness alone.
    #[must_use]
    pub const fn forced(self) -> Self {
        Self { items: self.items / 2, witness_bytes: self.witness_bytes / 2, ..self }
    }
}

/// A genesis config whose fields for EXECUTE make no sense.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A field is not a number of the right size.
    #[error("genesis config: {field} is not a number that fits")]
    Field {
        /// Which one.
        field: &'static str,
        /// What the parser said.
        source: serde_json::Error,
    },
    /// The chain that verifies others without being verified itself has an id that says otherwise.
    #[error("genesis config: chain id {0} of an L1 with EXECUTE must be below 2^40")]
    ChainId(u64),
}

impl ExecuteConfig {
    /// EXECUTE from this time on, with the default limits.
    #[must_use]
    pub fn from_time(time: u64) -> Self {
        Self { time, cumulative_gas_limit: 60_000_000, caps: Caps::default() }
    }

    /// Reads the config of a genesis; `None` where it has no `executeTime`.
    ///
    /// # Errors
    /// If a field is not what it must be.
    pub fn from_genesis(genesis: &Genesis) -> Result<Option<Self>, ConfigError> {
        let Some(time) = field(genesis, "executeTime")? else { return Ok(None) };
        let default = Self::from_time(time);
        let caps = Caps {
            items: field(genesis, "executeItemCap")?.unwrap_or(default.caps.items),
            code_bytes: field(genesis, "executeCodeCap")?.unwrap_or(default.caps.code_bytes),
            witness_bytes: field(genesis, "executeWitnessCap")?
                .unwrap_or(default.caps.witness_bytes),
        };
        let cumulative_gas_limit =
            field(genesis, "executeCumulativeGasLimit")?.unwrap_or(default.cumulative_gas_limit);
        Ok(Some(Self { time, cumulative_gas_limit, caps }))
    }
}

/// The level of a chain below an L1, as its id says it: 1 for ordinary ids.
#[must_use]
pub const fn level_of(chain_id: u64) -> u16 {
    1 + ((chain_id >> 40) & 0xff) as u16
}

/// The chain with another id and the same schedule: a rollup upgrades with the chain that verifies it.
#[must_use]
pub(crate) fn with_chain_id(spec: &ChainSpec, chain_id: u64) -> Option<ChainSpec> {
    let mut config = spec.genesis().config.clone();
    config.chain_id = chain_id;
    ChainSpec::new(Genesis { config, ..Genesis::default() }).ok()
}

fn field<T: DeserializeOwned>(
    genesis: &Genesis,
    field: &'static str,
) -> Result<Option<T>, ConfigError> {
    genesis
        .config
        .extra_fields
        .get_deserialized::<T>(field)
        .transpose()
        .map_err(|source| ConfigError::Field { field, source })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(config: serde_json::Value) -> Result<Option<ExecuteConfig>, ConfigError> {
        let config = serde_json::from_value(config).unwrap();
        ExecuteConfig::from_genesis(&Genesis { config, ..Genesis::default() })
    }

    #[test]
    fn a_genesis_says_when_execute_begins() {
        assert_eq!(read(json!({ "chainId": 9 })).unwrap(), None);
        let default = read(json!({ "chainId": 9, "executeTime": 5 })).unwrap();
        assert_eq!(default, Some(ExecuteConfig::from_time(5)));
        let all = json!({
            "chainId": 9, "executeTime": 0, "executeCumulativeGasLimit": 1, "executeItemCap": 2, "executeCodeCap": 3,
            "executeWitnessCap": 4,
        });
        let caps = Caps { items: 2, code_bytes: 3, witness_bytes: 4 };
        let expected = ExecuteConfig { time: 0, cumulative_gas_limit: 1, caps };
        assert_eq!(read(all).unwrap(), Some(expected));
    }

    #[test]
    fn a_field_that_is_no_number_is_named() {
        let error = read(json!({ "chainId": 9, "executeTime": "soon" })).unwrap_err();
        assert!(matches!(error, ConfigError::Field { field: "executeTime", .. }));
        assert!(read(json!({ "chainId": 9, "executeTime": 0, "executeItemCap": -1 })).is_err());
    }

    #[test]
    fn the_level_is_in_the_chain_id() {
        assert_eq!(level_of(9), 1);
        assert_eq!(level_of(80_790_001), 1);
        assert_eq!(level_of(1 << 40), 2);
        assert_eq!(level_of((2 << 40) | 7), 3);
        assert_eq!(level_of(u64::MAX), 256);
        assert_eq!(level_of(1 << 48), 1);
    }
}
