//! The compiled contracts, embedded, and the byte code that deploys them.
//!
//! `node contracts/tools/build.mjs` writes the artifacts; `cargo xtask ci` rebuilds and compares them.
//! How to call a contract is in [`ethrex_protocol::contracts`].

use alloy_primitives::{Address, Bytes};
use alloy_sol_types::{SolCall, SolConstructor};
use ethrex_protocol::contracts::ERC1967Proxy;
use serde::Deserialize;

/// `OnChainProposer`, the implementation behind its proxy.
pub const ON_CHAIN_PROPOSER: Artifact =
    Artifact::new(include_str!("../../../../contracts/artifacts/OnChainProposer.json"));
/// `CommonBridge`, the implementation behind its proxy.
pub const COMMON_BRIDGE: Artifact =
    Artifact::new(include_str!("../../../../contracts/artifacts/CommonBridge.json"));
/// `Timelock`, the implementation behind its proxy.
pub const TIMELOCK: Artifact =
    Artifact::new(include_str!("../../../../contracts/artifacts/Timelock.json"));
/// The proxy of each L1 contract; see [`proxy_init_code`].
pub const ERC1967_PROXY: Artifact =
    Artifact::new(include_str!("../../../../contracts/artifacts/ERC1967Proxy.json"));
/// `CommonBridgeL2`, the implementation at `0x…efff`.
pub const COMMON_BRIDGE_L2: Artifact =
    Artifact::new(include_str!("../../../../contracts/artifacts/CommonBridgeL2.json"));
/// `Messenger`, the implementation at `0x…effe`.
pub const MESSENGER: Artifact =
    Artifact::new(include_str!("../../../../contracts/artifacts/Messenger.json"));
/// The proxy of each L2 system contract, which only a genesis installs.
pub const SYSTEM_PROXY: Artifact =
    Artifact::new(include_str!("../../../../contracts/artifacts/UpgradeableSystemContract.json"));
/// `NativeRollup`, which settles a native rollup.
pub const NATIVE_ROLLUP: Artifact =
    Artifact::new(include_str!("../../../../contracts/artifacts/NativeRollup.json"));
/// `TokenBridge`, which locks the tokens of a native rollup.
pub const TOKEN_BRIDGE: Artifact =
    Artifact::new(include_str!("../../../../contracts/artifacts/TokenBridge.json"));
/// `L1Anchor`, the predeploy of a native rollup that keeps what it knows of L1.
pub const L1_ANCHOR: Artifact =
    Artifact::new(include_str!("../../../../contracts/artifacts/L1Anchor.json"));
/// `NativeMessenger`, the predeploy of a native rollup that delivers and collects messages.
pub const NATIVE_MESSENGER: Artifact =
    Artifact::new(include_str!("../../../../contracts/artifacts/NativeMessenger.json"));
/// `TokenFactory`, the predeploy of a native rollup that makes tokens of L1.
pub const TOKEN_FACTORY: Artifact =
    Artifact::new(include_str!("../../../../contracts/artifacts/TokenFactory.json"));
/// `BridgedToken`, the code behind every token of the factory.
pub const BRIDGED_TOKEN: Artifact =
    Artifact::new(include_str!("../../../../contracts/artifacts/BridgedToken.json"));

/// One compiled contract.
#[derive(Debug, Clone, Copy)]
pub struct Artifact {
    json: &'static str,
}

impl Artifact {
    const fn new(json: &'static str) -> Self {
        Self { json }
    }

    /// What creates the contract, constructor arguments still to be appended. None of the L1 implementations takes any.
    #[must_use]
    pub fn init_code(&self) -> Bytes {
        self.parse().bytecode
    }

    /// What stands at the contract's address. Immutables are zero in it.
    #[must_use]
    pub fn runtime_code(&self) -> Bytes {
        self.parse().deployed_bytecode
    }

    /// The ABI, as the compiler wrote it.
    #[must_use]
    pub fn abi(&self) -> serde_json::Value {
        self.parse().abi
    }

    fn parse(&self) -> Parsed {
        serde_json::from_str(self.json).expect("the embedded artifacts are what build.mjs wrote")
    }
}

/// What creates a proxy of `implementation` that is initialised in the same transaction.
///
/// A proxy that is initialised later can be taken over in between, so the contract refuses to be created with empty
/// call data.
#[must_use]
pub fn proxy_init_code(implementation: Address, initialize: &impl SolCall) -> Bytes {
    let arguments =
        ERC1967Proxy::constructorCall { implementation, data: initialize.abi_encode().into() };
    [ERC1967_PROXY.init_code().as_ref(), &arguments.abi_encode()].concat().into()
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Parsed {
    abi: serde_json::Value,
    bytecode: Bytes,
    deployed_bytecode: Bytes,
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use alloy_json_abi::JsonAbi;
    use alloy_primitives::Selector;
    use alloy_sol_types::SolValue;
    use ethrex_protocol::contracts::{
        CommonBridge, CommonBridgeL2, Messenger, OnChainProposer, Ownable, SystemProxy, Timelock,
    };

    use super::*;

    fn abi(artifact: Artifact) -> JsonAbi {
        serde_json::from_value(artifact.abi()).unwrap()
    }

    /// Every function, error and event that a binding names exists in the contract with the same signature.
    #[track_caller]
    fn check(artifact: Artifact, calls: &[[u8; 4]], errors: &[[u8; 4]], events: &[[u8; 32]]) {
        let abi = abi(artifact);
        let has: HashSet<Selector> = abi.functions().map(|f| f.selector()).collect();
        for call in calls {
            assert!(has.contains(call), "no function {}", Bytes::copy_from_slice(call));
        }
        let has: HashSet<Selector> = abi.errors().map(|e| e.selector()).collect();
        for error in errors {
            assert!(has.contains(error), "no error {}", Bytes::copy_from_slice(error));
        }
        let has: HashSet<_> = abi.events().map(|e| e.selector().0).collect();
        for event in events {
            assert!(has.contains(event), "no event {}", Bytes::copy_from_slice(event));
        }
    }

    #[test]
    fn the_proposer_is_as_bound() {
        use OnChainProposer::{OnChainProposerCalls, OnChainProposerErrors, OnChainProposerEvents};
        check(
            ON_CHAIN_PROPOSER,
            OnChainProposerCalls::SELECTORS,
            OnChainProposerErrors::SELECTORS,
            OnChainProposerEvents::SELECTORS,
        );
        check(
            ON_CHAIN_PROPOSER,
            Ownable::OwnableCalls::SELECTORS,
            Ownable::OwnableErrors::SELECTORS,
            &[],
        );
    }

    #[test]
    fn the_bridge_is_as_bound() {
        use CommonBridge::{CommonBridgeCalls, CommonBridgeErrors, CommonBridgeEvents};
        check(
            COMMON_BRIDGE,
            CommonBridgeCalls::SELECTORS,
            CommonBridgeErrors::SELECTORS,
            CommonBridgeEvents::SELECTORS,
        );
        check(
            COMMON_BRIDGE,
            Ownable::OwnableCalls::SELECTORS,
            Ownable::OwnableErrors::SELECTORS,
            &[],
        );
    }

    #[test]
    fn the_timelock_is_as_bound() {
        use Timelock::{TimelockCalls, TimelockErrors, TimelockEvents};
        check(
            TIMELOCK,
            TimelockCalls::SELECTORS,
            TimelockErrors::SELECTORS,
            TimelockEvents::SELECTORS,
        );
    }

    #[test]
    fn a_native_rollup_is_told_what_it_takes() {
        let arguments = |artifact: Artifact| {
            let constructor = abi(artifact).constructor.unwrap();
            let inputs: Vec<_> =
                constructor.inputs.iter().map(|input| input.selector_type().into_owned()).collect();
            inputs.join(",")
        };
        assert_eq!(
            arguments(NATIVE_ROLLUP),
            "(uint64,uint8,uint64,bytes32,bytes32,uint64,uint8,address,uint64,uint64,uint64,uint256,uint256,uint64,uint64)"
        );
        assert_eq!(arguments(TOKEN_BRIDGE), "address");
    }

    #[test]
    fn the_system_contracts_are_as_bound() {
        use CommonBridgeL2::{CommonBridgeL2Calls, CommonBridgeL2Errors, CommonBridgeL2Events};
        use Messenger::{MessengerCalls, MessengerErrors, MessengerEvents};
        let unserved = CommonBridgeL2::crosschainMintERC20Call::SELECTOR;
        let calls: Vec<_> = CommonBridgeL2Calls::SELECTORS
            .iter()
            .copied()
            .filter(|call| *call != unserved)
            .collect();
        check(
            COMMON_BRIDGE_L2,
            &calls,
            CommonBridgeL2Errors::SELECTORS,
            CommonBridgeL2Events::SELECTORS,
        );
        check(
            MESSENGER,
            MessengerCalls::SELECTORS,
            MessengerErrors::SELECTORS,
            MessengerEvents::SELECTORS,
        );
    }

    #[test]
    fn implementations_take_no_constructor_arguments() {
        for artifact in [ON_CHAIN_PROPOSER, COMMON_BRIDGE, TIMELOCK, COMMON_BRIDGE_L2, MESSENGER] {
            let arguments = abi(artifact).constructor.map_or(0, |c| c.inputs.len());
            assert_eq!(arguments, 0);
        }
    }

    #[test]
    fn a_proxy_carries_its_initialisation() {
        let call = SystemProxy::upgradeToAndCallCall {
            newImplementation: Address::repeat_byte(2),
            data: Bytes::new(),
        };
        let code = proxy_init_code(Address::repeat_byte(1), &call);
        let arguments = code.strip_prefix(ERC1967_PROXY.init_code().as_ref()).unwrap();
        let decoded = <(Address, Bytes)>::abi_decode_params(arguments).unwrap();
        assert_eq!(decoded, (Address::repeat_byte(1), call.abi_encode().into()));
    }
}
