//! The accounts of a development chain. Their keys are public: whatever they own on another chain is lost.

use alloy_primitives::{Address, address};

/// An account whose private key everybody knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DevAccount {
    /// Its address.
    pub address: Address,
    /// Its private key, in hex.
    pub private_key: &'static str,
}

const fn account(address: Address, private_key: &'static str) -> DevAccount {
    DevAccount { address, private_key }
}

/// Deploys the contracts and commits batches.
pub const DEPLOYER: DevAccount = account(
    address!("3d1e15a1a55578f7c920884a9943b3b35d0d885b"),
    "0x385c546456b6a603a1cfcaa9ec9494ba4832da08dd6bcf4de9a71e4a01b74924",
);

/// Sends proofs. It is also the third of [`RICH`].
pub const PROOF_SENDER: DevAccount = RICH[2];

/// Owns the contracts. It is also the first of [`RICH`].
pub const OWNER: DevAccount = RICH[0];

/// The first ten rich accounts: the genesis of the development L1 funds them.
pub const RICH: [DevAccount; 10] = [
    account(
        address!("4417092B70a3E5f10Dc504d0947DD256B965fc62"),
        "0x941e103320615d394a55708be13e45994c7d93b932b064dbcb2b511fe3254e2e",
    ),
    account(
        address!("8943545177806ED17B9F23F0a21ee5948eCaa776"),
        "0xbcdf20249abf0ed6d944c0288fad489e33f66b3960d9e6229c1cd214ed3bbe31",
    ),
    account(
        address!("E25583099BA105D9ec0A67f5Ae86D90e50036425"),
        "0x39725efee3fb28614de3bacaffe4cc4bd8c436257e2c8bb887c4b5c4be45e76d",
    ),
    account(
        address!("614561D2d143621E126e87831AEF287678B442b8"),
        "0x53321db7c1e331d93a11a41d16f004d7ff63972ec8ec7c25db329728ceeb1710",
    ),
    account(
        address!("f93Ee4Cf8c6c40b329b0c0626F28333c132CF241"),
        "0xab63b23eb7941c1251757e24b3d2350d2bc05c3c388d06f8fe6feafefb1e8c70",
    ),
    account(
        address!("802dCbE1B1A97554B4F50DB5119E37E8e7336417"),
        "0x5d2344259f42259f82d2c140aa66102ba89b57b4883ee441a8b312622bd42491",
    ),
    account(
        address!("Ae95d8DA9244C37CaC0a3e16BA966a8e852Bb6D6"),
        "0x27515f805127bebad2fb9b183508bdacb8c763da16f54e0678b16e8f28ef3fff",
    ),
    account(
        address!("2c57d1CFC6d5f8E4182a56b4cf75421472eBAEa4"),
        "0x7ff1a4c1d57e5e784d327c4c7651e952350bc271f156afb3d00d20f5ef924856",
    ),
    account(
        address!("741bFE4802cE1C4b5b00F9Df2F5f179A1C89171A"),
        "0x3a91003acaf4c21b3953d94fa4a6db694fa69e5242b2e37be05dd82761058899",
    ),
    account(
        address!("c3913d4D8bAb4914328651C2EAE817C8b78E1f4c"),
        "0xbb1d0f125b4fb2bb173c318cdead45468474ca71474e2247776b2b4c0fa2d3f5",
    ),
];

/// Whether everybody knows the key of an account.
pub fn is_dev_account(address: Address) -> bool {
    address == DEPLOYER.address || RICH.iter().any(|rich| rich.address == address)
}

#[cfg(test)]
mod tests {
    use ethrex_l1::SigningKey;
    use ethrex_types::Genesis;

    use super::*;
    use crate::genesis;

    #[test]
    fn every_key_is_that_of_its_address() {
        for account in RICH.into_iter().chain([DEPLOYER]) {
            let key: SigningKey = account.private_key.parse().unwrap();
            assert_eq!(key.address(), account.address);
        }
    }

    #[test]
    fn the_development_l1_funds_every_account() {
        let l1: Genesis = serde_json::from_str(genesis::L1).unwrap();
        for account in RICH.into_iter().chain([DEPLOYER]) {
            assert!(!l1.alloc[&account.address].balance.is_zero(), "{}", account.address);
        }
    }
}
