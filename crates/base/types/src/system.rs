//! The contracts that blocks themselves call, and their code for genesis files.

use alloy_eips::{eip2935, eip4788, eip7002, eip7251, eip8282};
use alloy_genesis::{Genesis, GenesisAccount};
use alloy_primitives::{Address, Bytes};

use crate::Fork;

/// A contract that every block calls from a fork on.
#[derive(Debug, Clone, Copy)]
pub struct SystemContract {
    /// Where it is.
    pub address: Address,
    /// The first fork whose blocks call it.
    pub since: Fork,
    /// Its code.
    pub code: &'static Bytes,
    /// Whether it gathers requests (EIP-7685). Without such a contract no block is valid; the call of another is left out.
    pub requests: bool,
}

/// All of them, oldest first.
pub static CONTRACTS: [SystemContract; 6] = [
    SystemContract {
        address: eip4788::BEACON_ROOTS_ADDRESS,
        since: Fork::Cancun,
        code: &eip4788::BEACON_ROOTS_CODE,
        requests: false,
    },
    SystemContract {
        address: eip2935::HISTORY_STORAGE_ADDRESS,
        since: Fork::Prague,
        code: &eip2935::HISTORY_STORAGE_CODE,
        requests: false,
    },
    SystemContract {
        address: eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS,
        since: Fork::Prague,
        code: &eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_CODE,
        requests: true,
    },
    SystemContract {
        address: eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS,
        since: Fork::Prague,
        code: &eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_CODE,
        requests: true,
    },
    SystemContract {
        address: eip8282::BUILDER_DEPOSIT_CONTRACT_ADDRESS,
        since: Fork::Amsterdam,
        code: &eip8282::BUILDER_DEPOSIT_CONTRACT_CODE,
        requests: true,
    },
    SystemContract {
        address: eip8282::BUILDER_EXIT_CONTRACT_ADDRESS,
        since: Fork::Amsterdam,
        code: &eip8282::BUILDER_EXIT_CONTRACT_CODE,
        requests: true,
    },
];

/// Those that a block at `fork` calls.
pub fn contracts(fork: Fork) -> impl Iterator<Item = &'static SystemContract> {
    CONTRACTS.iter().filter(move |contract| fork >= contract.since)
}

/// Puts those that blocks at `fork` call into a genesis, where it has none at their address.
pub fn install(genesis: &mut Genesis, fork: Fork) {
    for contract in contracts(fork) {
        genesis.alloc.entry(contract.address).or_insert_with(|| GenesisAccount {
            nonce: Some(1),
            code: Some(contract.code.clone()),
            ..GenesisAccount::default()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_genesis_gets_the_contracts_of_its_fork_and_keeps_its_own() {
        let mut genesis = Genesis::default();
        let own = GenesisAccount { code: Some(Bytes::from_static(&[0])), ..Default::default() };
        genesis.alloc.insert(eip4788::BEACON_ROOTS_ADDRESS, own.clone());
        install(&mut genesis, Fork::Prague);
        assert_eq!(genesis.alloc.len(), 4);
        assert_eq!(genesis.alloc[&eip4788::BEACON_ROOTS_ADDRESS], own);
        install(&mut genesis, Fork::Amsterdam);
        assert_eq!(genesis.alloc.len(), 6);
        let exit = &genesis.alloc[&eip8282::BUILDER_EXIT_CONTRACT_ADDRESS];
        assert_eq!(exit.nonce, Some(1));
        assert_eq!(exit.code.as_ref(), Some(&eip8282::BUILDER_EXIT_CONTRACT_CODE));
    }
}
