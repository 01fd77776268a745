//! The public networks: their genesis and their forks, as data.

use std::{collections::BTreeMap, str::FromStr};

use alloy_genesis::{Genesis, GenesisAccount};
use alloy_primitives::{Address, B256, U256, b256};
use alloy_rlp::{Decodable, RlpDecodable};

/// A public network that is known by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Network {
    /// Ethereum itself.
    Mainnet,
    /// The test network for applications.
    Sepolia,
    /// The test network for validators before Hoodi; it was shut down after Osaka, and its chain remains.
    Holesky,
    /// The test network for validators.
    Hoodi,
}

/// A name that no network has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown network: want mainnet, sepolia, holesky or hoodi")]
pub struct UnknownNetwork;

/// A balance at the genesis of mainnet, where nothing else was given.
#[derive(RlpDecodable)]
struct Balance {
    address: Address,
    balance: U256,
}

impl Network {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Mainnet, Self::Sepolia, Self::Holesky, Self::Hoodi];

    /// The name, in lower case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mainnet => "mainnet",
            Self::Sepolia => "sepolia",
            Self::Holesky => "holesky",
            Self::Hoodi => "hoodi",
        }
    }

    /// The network with this chain id, if there is one.
    #[must_use]
    pub fn of_chain_id(chain_id: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|network| network.chain_id() == chain_id)
    }

    /// The chain id (EIP-155).
    #[must_use]
    pub const fn chain_id(self) -> u64 {
        match self {
            Self::Mainnet => 1,
            Self::Sepolia => 11_155_111,
            Self::Holesky => 17_000,
            Self::Hoodi => 560_048,
        }
    }

    /// The hash of the first block.
    #[must_use]
    pub const fn genesis_hash(self) -> B256 {
        match self {
            Self::Mainnet => {
                b256!("0xd4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3")
            }
            Self::Sepolia => {
                b256!("0x25a5cc106eea7138acab33231d7160d69cb777ee0c2c553fcddf5138993e6dd9")
            }
            Self::Holesky => {
                b256!("0xb5f7f912443c940f21fd611f12828d75b534364ed9e95ca4e307729a4661bde4")
            }
            Self::Hoodi => {
                b256!("0xbbe312868b376a3001692a646dd2d7d1e4406380dfd86b98aa8a34d1557c971b")
            }
        }
    }

    /// The genesis with the fork schedule.
    ///
    /// # Panics
    /// If the data that is part of this program is damaged.
    #[must_use]
    pub fn genesis(self) -> Genesis {
        let (file, balances): (&str, &[u8]) = match self {
            Self::Mainnet => (
                include_str!("../networks/mainnet.json"),
                include_bytes!("../networks/mainnet.alloc.rlp"),
            ),
            Self::Sepolia => (include_str!("../networks/sepolia.json"), &[]),
            Self::Holesky => (include_str!("../networks/holesky.json"), &[]),
            Self::Hoodi => (include_str!("../networks/hoodi.json"), &[]),
        };
        let mut genesis: Genesis =
            serde_json::from_str(file).expect("the genesis files of networks are well formed");
        genesis.alloc.extend(decode(balances));
        genesis
    }

    /// Nodes that tell a newcomer about others, as enode URLs: `enode://` and the 64 bytes of an uncompressed public key of
    /// secp256k1, `@`, IP address and TCP port. The UDP port is the same, or that of `?discport=`; a TCP port of 0 says that
    /// the node is there for discovery alone.
    ///
    /// They are data: nothing in this workspace dials them, as there is no peer-to-peer network yet.
    pub fn bootnodes(self) -> impl Iterator<Item = &'static str> {
        let file = match self {
            Self::Mainnet => include_str!("../networks/mainnet.bootnodes"),
            Self::Sepolia => include_str!("../networks/sepolia.bootnodes"),
            Self::Holesky => include_str!("../networks/holesky.bootnodes"),
            Self::Hoodi => include_str!("../networks/hoodi.bootnodes"),
        };
        file.lines()
    }
}

fn decode(mut balances: &[u8]) -> BTreeMap<Address, GenesisAccount> {
    if balances.is_empty() {
        return BTreeMap::new();
    }
    let balances = Vec::<Balance>::decode(&mut balances).expect("the list is well formed");
    let account = |row: Balance| {
        (row.address, GenesisAccount { balance: row.balance, ..GenesisAccount::default() })
    };
    balances.into_iter().map(account).collect()
}

impl FromStr for Network {
    type Err = UnknownNetwork;

    fn from_str(name: &str) -> Result<Self, UnknownNetwork> {
        Self::ALL.into_iter().find(|network| network.name() == name).ok_or(UnknownNetwork)
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, net::SocketAddr};

    use alloy_hardforks::EthereumHardforks as _;

    use super::*;
    use crate::{ChainSpec, Fork, chain_spec::TIMED};

    #[test]
    fn a_network_is_found_by_name_and_by_chain_id() {
        for network in Network::ALL {
            assert_eq!(network.name().parse(), Ok(network));
            assert_eq!(Network::of_chain_id(network.chain_id()), Some(network));
            assert_eq!(network.genesis().config.chain_id, network.chain_id());
        }
        assert_eq!("ropsten".parse::<Network>(), Err(UnknownNetwork));
    }

    #[test]
    fn mainnet_has_every_balance_of_its_sale() {
        let genesis = Network::Mainnet.genesis();
        let total: U256 = genesis.alloc.values().map(|account| account.balance).sum();
        assert_eq!(genesis.alloc.len(), 8_893);
        assert_eq!(total.to_string(), "72009990499480000000000000");
    }

    #[track_caller]
    fn check(network: Network, number: u64, timestamp: u64, fork: Fork, hash: &str, next: u64) {
        let spec = ChainSpec::new(network.genesis()).unwrap();
        assert_eq!(spec.fork_at(number, timestamp), fork);
        let id = spec.fork_id(network.genesis_hash(), number, timestamp);
        assert_eq!((hex(id.hash.0).as_str(), id.next), (hash, next), "{network:?} at {number}");
    }

    fn hex(bytes: [u8; 4]) -> String {
        alloy_primitives::hex::encode(bytes)
    }

    #[test]
    fn mainnet_goes_through_its_forks() {
        let (check, paris) = (|n, t, f, h, x| check(Network::Mainnet, n, t, f, h, x), 15_537_394);
        check(0, 0, Fork::Frontier, "fc64ec04", 1_150_000);
        check(1_149_999, 0, Fork::Frontier, "fc64ec04", 1_150_000);
        check(1_150_000, 0, Fork::Homestead, "97c2c34c", 1_920_000);
        check(1_920_000, 0, Fork::Homestead, "91d1f948", 2_463_000);
        check(2_463_000, 0, Fork::Tangerine, "7a64da13", 2_675_000);
        check(2_675_000, 0, Fork::SpuriousDragon, "3edd5b10", 4_370_000);
        check(4_370_000, 0, Fork::Byzantium, "a00bc324", 7_280_000);
        check(7_280_000, 0, Fork::Petersburg, "668db0af", 9_069_000);
        check(9_069_000, 0, Fork::Istanbul, "879d6e30", 9_200_000);
        check(9_200_000, 0, Fork::MuirGlacier, "e029e991", 12_244_000);
        check(12_244_000, 0, Fork::Berlin, "0eb440f6", 12_965_000);
        check(12_965_000, 0, Fork::London, "b715077d", 13_773_000);
        check(13_773_000, 0, Fork::ArrowGlacier, "20c327fc", 15_050_000);
        check(15_050_000, 0, Fork::GrayGlacier, "f0afd0e3", 1_681_338_455);
        check(paris, 0, Fork::Paris, "f0afd0e3", 1_681_338_455);
        check(paris + 1, 1_681_338_455, Fork::Shanghai, "dce96c2d", 1_710_338_135);
        check(paris + 1, 1_710_338_135, Fork::Cancun, "9f3d2254", 1_746_612_311);
        check(paris + 1, 1_746_612_311, Fork::Prague, "c376cf8b", 1_764_798_551);
        check(paris + 1, 1_764_798_551, Fork::Osaka, "5167e2a6", 1_765_290_071);
        check(paris + 1, 1_765_290_071, Fork::Bpo1, "cba2a1c0", 1_767_747_671);
        check(paris + 1, 1_767_747_671, Fork::Bpo2, "07c9462e", 0);
    }

    #[test]
    fn sepolia_merged_before_the_block_that_split_its_network() {
        let check = |n, t, f, h, x| check(Network::Sepolia, n, t, f, h, x);
        check(0, 0, Fork::London, "fe3366e7", 1_735_371);
        check(1_450_408, 0, Fork::London, "fe3366e7", 1_735_371);
        check(1_450_409, 0, Fork::Paris, "fe3366e7", 1_735_371);
        check(1_735_371, 0, Fork::Paris, "b96cbd13", 1_677_557_088);
        check(1_735_372, 1_677_557_088, Fork::Shanghai, "f7f9bc08", 1_706_655_072);
        check(1_735_372, 1_706_655_072, Fork::Cancun, "88cf81d9", 1_741_159_776);
        check(1_735_372, 1_741_159_776, Fork::Prague, "ed88b5fd", 1_760_427_360);
        check(1_735_372, 1_760_427_360, Fork::Osaka, "e2ae4999", 1_761_017_184);
        check(1_735_372, 1_761_017_184, Fork::Bpo1, "56078a1e", 1_761_607_008);
        check(1_735_372, 1_761_607_008, Fork::Bpo2, "268956b6", 1_791_294_816);
        check(1_735_372, 1_791_294_816, Fork::Amsterdam, "6c1d9423", 0);
    }

    #[test]
    fn holesky_had_no_proof_of_work() {
        let check = |n, t, f, h, x| check(Network::Holesky, n, t, f, h, x);
        check(0, 1_695_902_100, Fork::Paris, "c61a6098", 1_696_000_704);
        check(123, 1_696_000_703, Fork::Paris, "c61a6098", 1_696_000_704);
        check(123, 1_696_000_704, Fork::Shanghai, "fd4f016b", 1_707_305_664);
        check(123, 1_707_305_664, Fork::Cancun, "9b192ad0", 1_740_434_112);
        check(123, 1_740_434_112, Fork::Prague, "dfbd9bed", 1_759_308_480);
        check(123, 1_759_308_480, Fork::Osaka, "783def52", 1_759_800_000);
        check(123, 1_759_800_000, Fork::Bpo1, "a280a45c", 1_760_389_824);
        check(123, 1_760_389_824, Fork::Bpo2, "9bc6cb31", 0);
    }

    #[test]
    fn hoodi_began_with_cancun() {
        let check = |n, t, f, h, x| check(Network::Hoodi, n, t, f, h, x);
        check(0, 1_742_212_800, Fork::Cancun, "bef71d30", 1_742_999_832);
        check(123, 1_742_999_832, Fork::Prague, "0929e24e", 1_761_677_592);
        check(123, 1_761_677_592, Fork::Osaka, "e7e0e7ff", 1_762_365_720);
        check(123, 1_762_365_720, Fork::Bpo1, "3893353e", 1_762_955_544);
        check(123, 1_762_955_544, Fork::Bpo2, "23aa1351", 0);
    }

    #[test]
    fn blobs_are_as_many_on_all_networks() {
        const FORKS: [(Fork, u64, u64, u128); 5] = [
            (Fork::Cancun, 3, 6, 3_338_477),
            (Fork::Prague, 6, 9, 5_007_716),
            (Fork::Osaka, 6, 9, 5_007_716),
            (Fork::Bpo1, 10, 15, 8_346_193),
            (Fork::Bpo2, 14, 21, 11_684_671),
        ];
        for network in Network::ALL {
            let spec = ChainSpec::new(network.genesis()).unwrap();
            let (_, times) = spec.fork_points();
            for time in times {
                let fork = spec.fork_at(u64::MAX, time);
                // What the last fork in the list set remains.
                let expected = FORKS.iter().rfind(|row| row.0 <= fork);
                let params = spec.blob_params_at(time);
                let params =
                    params.map(|it| (it.target_blob_count, it.max_blob_count, it.update_fraction));
                let expected = expected.map(|row| (row.1, row.2, row.3));
                assert_eq!(params, expected, "{} at {fork:?}", network.name());
            }
        }
    }

    #[test]
    fn deposits_are_made_where_each_network_takes_them() {
        for (network, contract) in [
            (Network::Mainnet, "0x00000000219ab540356cBB839Cbe05303d7705Fa"),
            (Network::Sepolia, "0x7f02C3E3c98b133055B8B348B2Ac625669Ed295D"),
            (Network::Holesky, "0x4242424242424242424242424242424242424242"),
            (Network::Hoodi, "0x00000000219ab540356cBB839Cbe05303d7705Fa"),
        ] {
            let spec = ChainSpec::new(network.genesis()).unwrap();
            assert_eq!(spec.deposit_contract(), Some(contract.parse().unwrap()));
        }
    }

    /// Key, address and UDP port of an enode URL.
    fn enode(url: &str) -> Option<(String, SocketAddr, u16)> {
        let (key, rest) = url.strip_prefix("enode://")?.split_once('@')?;
        let (at, udp) = rest.split_once("?discport=").unwrap_or((rest, ""));
        let at: SocketAddr = at.parse().ok()?;
        let udp = if udp.is_empty() { at.port() } else { udp.parse().ok()? };
        Some((key.to_owned(), at, udp))
    }

    /// Whether this is a point of secp256k1: y² = x³ + 7 over its field (SEC 2, 2.4.1).
    fn is_public_key(key: &str) -> bool {
        let field = U256::MAX - U256::from((1_u64 << 32) + 976);
        let Ok(key) = alloy_primitives::hex::decode(key) else { return false };
        if key.len() != 64 {
            return false;
        }
        let (x, y) = (U256::from_be_slice(&key[..32]), U256::from_be_slice(&key[32..]));
        let cube = x.mul_mod(x, field).mul_mod(x, field);
        x < field && y < field && y.mul_mod(y, field) == cube.add_mod(U256::from(7), field)
    }

    #[test]
    fn bootnodes_can_be_reached_and_have_keys() {
        let mut keys = BTreeSet::new();
        for network in Network::ALL {
            assert!(network.bootnodes().count() >= 2, "{}", network.name());
            for url in network.bootnodes() {
                let (key, at, udp) = enode(url).unwrap_or_else(|| panic!("{url}"));
                assert!(is_public_key(&key), "{url}");
                assert!(udp > 0 && !at.ip().is_unspecified() && !at.ip().is_loopback(), "{url}");
                assert!(keys.insert(key), "{url} is there twice");
            }
        }
        // The generator of the curve is a key, and its neighbour is none.
        let generator = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798\
                         483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8";
        assert!(is_public_key(generator));
        assert!(!is_public_key(&generator.replace("b8", "b9")));
    }

    #[test]
    fn the_page_about_networks_is_true() {
        const PAGE: &str = include_str!("../../../../docs/networks.md");
        let says = |row: String| assert!(PAGE.contains(&row), "docs/networks.md lacks {row}");
        let specs = Network::ALL.map(|network| ChainSpec::new(network.genesis()).unwrap());
        for network in Network::ALL {
            let (name, id, hash) = (network.name(), network.chain_id(), network.genesis_hash());
            says(format!("| `{name}` | {id} | `{hash}` | {} |", network.bootnodes().count()));
        }
        for fork in TIMED {
            let times = specs.each_ref().map(|spec| spec.ethereum_fork_activation(fork));
            let cells =
                times.map(|time| time.as_timestamp().map_or("–".into(), |t| t.to_string()));
            if cells.iter().any(|cell| cell != "–") {
                says(format!("| {fork:?} | {} |", cells.join(" | ")));
            }
        }
    }
}
