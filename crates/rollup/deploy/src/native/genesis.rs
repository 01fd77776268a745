//! The first state of a native rollup: the forks of its L1, four contracts, and all ether there will ever be.

use std::collections::BTreeMap;

use alloy_primitives::{Address, U256, address};
use ethrex_types::{Fork, Genesis, GenesisAccount, system};

use super::{MESSENGER, PREMINT};
use crate::{
    artifacts::{self, Artifact},
    plan::DETERMINISTIC_DEPLOYER,
};

/// The predeploy that keeps what the rollup knows of L1.
pub const L1_ANCHOR: Address = address!("4e52000000000000000000000000000000000001");
/// The predeploy that makes tokens of L1.
pub const TOKEN_FACTORY: Address = address!("4e52000000000000000000000000000000000003");
/// The code behind every token of the factory.
pub const BRIDGED_TOKEN: Address = address!("4e52000000000000000000000000000000000004");

/// Base fee of the first block: one gwei.
const BASE_FEE: u128 = 1_000_000_000;

/// Why there can be no such rollup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NativeGenesisError {
    /// It would have its L1's chain id.
    #[error("the rollup would have chain id {0}, which is that of its L1: give it one of its own")]
    SameChainId(u64),
    /// More ether would be given out than exists.
    #[error("the accounts of the genesis would have more ether than there is: {PREMINT} wei")]
    TooMuch,
    /// A contract of the rollup would be an account of somebody.
    #[error("{0} is a contract of the rollup and cannot be given ether: name an account")]
    Reserved(Address),
}

/// The genesis of a rollup on this L1, with ether for some accounts.
///
/// Its forks, blob parameters and EXECUTE are those of the L1: EXECUTE verifies its blocks by them.
///
/// # Errors
/// If the rollup could not be told from its L1, or the ether does not exist.
pub fn l2_genesis(
    l1: &Genesis,
    chain_id: u64,
    gas_limit: u64,
    funded: &[(Address, U256)],
) -> Result<Genesis, NativeGenesisError> {
    if chain_id == l1.config.chain_id {
        return Err(NativeGenesisError::SameChainId(chain_id));
    }
    let mut config = l1.config.clone();
    config.chain_id = chain_id;
    let mut genesis = Genesis {
        config,
        timestamp: l1.timestamp,
        gas_limit,
        base_fee_per_gas: Some(BASE_FEE),
        ..Genesis::default()
    };
    // Those of later forks are there from the start: nobody could put them there when the fork comes.
    system::install(&mut genesis, Fork::Amsterdam);
    if let Some(deployer) = l1.alloc.get(&DETERMINISTIC_DEPLOYER) {
        let deployer = GenesisAccount { balance: U256::ZERO, ..deployer.clone() };
        genesis.alloc.insert(DETERMINISTIC_DEPLOYER, deployer);
    }
    for (address, artifact) in [
        (L1_ANCHOR, artifacts::L1_ANCHOR),
        (MESSENGER, artifacts::NATIVE_MESSENGER),
        (TOKEN_FACTORY, artifacts::TOKEN_FACTORY),
        (BRIDGED_TOKEN, artifacts::BRIDGED_TOKEN),
    ] {
        genesis.alloc.insert(address, contract(artifact));
    }
    let given = give(&mut genesis, funded)?;
    let held = PREMINT.checked_sub(given).ok_or(NativeGenesisError::TooMuch)?;
    genesis.alloc.entry(MESSENGER).and_modify(|messenger| messenger.balance = held);
    Ok(genesis)
}

fn contract(artifact: Artifact) -> GenesisAccount {
    GenesisAccount {
        nonce: Some(1),
        code: Some(artifact.runtime_code()),
        ..GenesisAccount::default()
    }
}

/// Gives accounts their ether. Returns how much it is.
fn give(genesis: &mut Genesis, funded: &[(Address, U256)]) -> Result<U256, NativeGenesisError> {
    let mut accounts = BTreeMap::new();
    let mut given = U256::ZERO;
    for (account, wei) in funded {
        if genesis.alloc.contains_key(account) {
            return Err(NativeGenesisError::Reserved(*account));
        }
        given = given.checked_add(*wei).ok_or(NativeGenesisError::TooMuch)?;
        *accounts.entry(*account).or_insert(U256::ZERO) += *wei;
    }
    let accounts = accounts.into_iter().map(|(account, balance)| {
        (account, GenesisAccount { balance, ..GenesisAccount::default() })
    });
    genesis.alloc.extend(accounts);
    Ok(given)
}

#[cfg(test)]
mod tests {
    use ethrex_types::ChainSpec;

    use super::*;
    use crate::native::{NativeDeployConfig, NativeMode, l1_genesis};

    const WHO: Address = Address::repeat_byte(7);

    fn make(funded: &[(Address, U256)]) -> Result<Genesis, NativeGenesisError> {
        l2_genesis(&l1_genesis(), 80_790_001, 9_000_000, funded)
    }

    #[test]
    fn blocks_can_follow_it() {
        let genesis = make(&[]).unwrap();
        ethrex_stf::check_genesis(&ChainSpec::new(genesis).unwrap()).unwrap();
    }

    #[test]
    fn its_forks_are_those_of_its_l1() {
        let (l1, l2) = (l1_genesis(), make(&[]).unwrap());
        assert_eq!(l2.config.chain_id, 80_790_001);
        let mut config = l2.config;
        config.chain_id = l1.config.chain_id;
        assert_eq!(config, l1.config);
    }

    #[test]
    fn all_ether_is_accounted_for() {
        let genesis = make(&[(WHO, U256::from(3)), (WHO, U256::from(4))]).unwrap();
        assert_eq!(genesis.alloc[&WHO].balance, U256::from(7));
        let all = genesis.alloc.values().map(|account| account.balance).sum::<U256>();
        assert_eq!(all, PREMINT);
        let deploy = NativeDeployConfig::dev(genesis, NativeMode::Inline, WHO);
        assert!(deploy.terms().is_ok());
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        assert_eq!(make(&[(WHO, U256::MAX)]), Err(NativeGenesisError::TooMuch));
        let twice = [(WHO, U256::MAX), (WHO, U256::MAX)];
        assert_eq!(make(&twice), Err(NativeGenesisError::TooMuch));
        let reserved = Err(NativeGenesisError::Reserved(MESSENGER));
        assert_eq!(make(&[(MESSENGER, U256::from(1))]), reserved);
        let same = l2_genesis(&l1_genesis(), 9, 9_000_000, &[]);
        assert_eq!(same, Err(NativeGenesisError::SameChainId(9)));
    }
}
