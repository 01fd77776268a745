//! The genesis files that are built into the binary, in geth's format.
//!
//! `node contracts/tools/build.mjs` writes [`L2`] from the contracts.

/// The development L1: chain id 9, Osaka, the rich accounts funded.
pub const L1: &str = include_str!("../genesis/l1.json");

/// The rollup: chain id 65536999, Osaka, the system contracts, nobody funded.
pub const L2: &str = include_str!("../genesis/l2.json");

#[cfg(test)]
mod tests {
    use alloy_genesis::{Genesis, GenesisAccount};
    use alloy_primitives::{Address, B256, Bytes, U256, b256};

    use super::*;
    use crate::artifacts::{Artifact, COMMON_BRIDGE_L2, MESSENGER, SYSTEM_PROXY};

    const IMPLEMENTATION_SLOT: B256 =
        b256!("0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc");
    const ADMIN_SLOT: B256 =
        b256!("0xb53127684a568b3173ae13b9f8a6016e243e63b6e8ee1178d6a717850b5d6103");

    fn parse(json: &str) -> Genesis {
        serde_json::from_str(json).unwrap()
    }

    fn at(genesis: &Genesis, low: u64) -> &GenesisAccount {
        &genesis.alloc[&Address::left_padding_from(&low.to_be_bytes())]
    }

    fn slot(account: &GenesisAccount, slot: B256) -> U256 {
        account.storage.as_ref().and_then(|s| s.get(&slot)).copied().unwrap_or_default().into()
    }

    #[test]
    fn both_parse_and_start_at_osaka() {
        for (json, chain_id) in [(L1, 9), (L2, 65_536_999)] {
            let genesis = parse(json);
            assert_eq!(genesis.config.chain_id, chain_id);
            assert_eq!(genesis.config.osaka_time, Some(0));
            assert_eq!(genesis.timestamp, 1_718_040_081);
        }
    }

    #[test]
    fn nobody_is_funded_on_the_rollup() {
        assert!(parse(L2).alloc.values().all(|account| account.balance.is_zero()));
    }

    #[test]
    fn every_reserved_address_is_a_proxy() {
        let genesis = parse(L2);
        for low in 0xff00..=0xffff {
            let account = at(&genesis, low);
            assert_eq!(account.code, Some(SYSTEM_PROXY.runtime_code()));
            assert_eq!(slot(account, ADMIN_SLOT), U256::from(0xf000));
        }
    }

    #[test]
    fn system_contracts_stand_behind_their_proxies() {
        let genesis = parse(L2);
        let check = |low: u64, artifact: Artifact| {
            let implementation = low - 0x1000;
            assert_eq!(slot(at(&genesis, low), IMPLEMENTATION_SLOT), U256::from(implementation));
            assert_eq!(at(&genesis, implementation).code, Some(artifact.runtime_code()));
        };
        check(0xffff, COMMON_BRIDGE_L2);
        check(0xfffe, MESSENGER);
    }

    #[test]
    fn the_contracts_of_ethereum_are_those_of_the_l1() {
        let (l1, l2) = (parse(L1), parse(L2));
        let shared: Vec<(&Address, &Option<Bytes>)> = l1
            .alloc
            .iter()
            .filter(|(address, account)| {
                account.code.as_ref().is_some_and(|code| !code.is_empty())
                    && l2.alloc.contains_key(*address)
            })
            .map(|(address, account)| (address, &account.code))
            .collect();
        assert_eq!(shared.len(), 5, "4788, 2935, 7002, 7251 and the deterministic deployer");
        for (address, code) in shared {
            assert_eq!(&l2.alloc[address].code, code);
        }
    }
}
