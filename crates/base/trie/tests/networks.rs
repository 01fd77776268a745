//! The first blocks of the public networks, whose state roots are computed from all that their genesis files say.

use ethrex_trie::state_root_of;
use ethrex_types::{ChainSpec, Network};

#[test]
fn every_public_network_has_its_genesis_hash() {
    for network in Network::ALL {
        let spec = ChainSpec::new(network.genesis()).unwrap();
        let state = state_root_of(&spec.genesis_diff());
        let hash = spec.genesis_header(state.root).hash_slow();
        assert_eq!(hash, network.genesis_hash(), "{}", network.name());
    }
}
