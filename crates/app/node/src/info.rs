//! What a development node tells whoever starts it: one screen for people, one JSON file for programs.

use std::{
    fmt::Write as _,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use alloy_primitives::{Address, B256};
use ethrex_deploy::{
    dev::RICH,
    native::{NativeContracts, NativeMode},
};
use ethrex_l1::Contracts;
use ethrex_types::ChainSpec;
use eyre::{Context, Result};
use serde::Serialize;

/// A funded account of a development chain. Its key is public: whatever it owns on another chain is lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RichAccount {
    /// Its address.
    pub address: Address,
    /// Its private key.
    pub private_key: B256,
}

/// Endpoints, addresses and accounts of a running node. Fields that a node does not have are absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Info {
    /// JSON-RPC of the L1.
    pub l1_rpc: String,
    /// Where the L1's blobs are read, in the shape of the beacon API.
    pub beacon: String,
    /// Chain id of the L1.
    pub chain_id_l1: u64,
    /// The validity rollup on it.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub rollup: Option<RollupInfo>,
    /// The native rollup on it.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub native: Option<NativeInfo>,
    /// Accounts with funds on every chain listed here.
    pub rich_accounts: Vec<RichAccount>,
}

/// Endpoints and addresses of a rollup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RollupInfo {
    /// JSON-RPC of the L2.
    pub l2_rpc: String,
    /// Chain id of the L2.
    pub chain_id_l2: u64,
    /// `CommonBridge` on L1.
    pub bridge: Address,
    /// `OnChainProposer` on L1.
    pub on_chain_proposer: Address,
    /// `Timelock` on L1.
    pub timelock: Address,
    /// `host:port` of the proof coordinator.
    pub proof_coordinator: String,
}

impl RollupInfo {
    /// Of a rollup that answers at these addresses.
    #[must_use]
    pub fn new(
        l2: SocketAddr,
        spec: &ChainSpec,
        contracts: &Contracts,
        coordinator: SocketAddr,
    ) -> Self {
        Self {
            l2_rpc: format!("http://{l2}"),
            chain_id_l2: spec.chain_id(),
            bridge: contracts.bridge,
            on_chain_proposer: contracts.on_chain_proposer,
            timelock: contracts.timelock,
            proof_coordinator: coordinator.to_string(),
        }
    }
}

/// Endpoints and addresses of a native rollup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NativeInfo {
    /// JSON-RPC of the L2.
    pub l2_rpc: String,
    /// Chain id of the L2.
    pub chain_id_l2: u64,
    /// `NativeRollup` on L1.
    pub native_rollup: Address,
    /// `TokenBridge` on L1.
    pub token_bridge: Address,
    /// How blocks come to count: `inline` or `optimistic`.
    pub mode: &'static str,
    /// The genesis file of the L2, which other nodes of it need. Absent where everything is in memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub l2_genesis: Option<PathBuf>,
}

impl NativeInfo {
    /// Of a native rollup that answers at this address.
    #[must_use]
    pub fn new(
        l2: SocketAddr,
        spec: &ChainSpec,
        contracts: &NativeContracts,
        mode: NativeMode,
    ) -> Self {
        Self {
            l2_rpc: format!("http://{l2}"),
            chain_id_l2: spec.chain_id(),
            native_rollup: contracts.rollup,
            token_bridge: contracts.token_bridge,
            mode: match mode {
                NativeMode::Inline => "inline",
                NativeMode::Optimistic => "optimistic",
            },
            l2_genesis: None,
        }
    }
}

impl Info {
    /// Of a development L1 that answers at `address`.
    #[must_use]
    pub fn of_l1(address: SocketAddr, spec: &ChainSpec) -> Self {
        let url = format!("http://{address}");
        let funded = |account: &Address| {
            spec.genesis().alloc.get(account).is_some_and(|state| !state.balance.is_zero())
        };
        Self {
            beacon: url.clone(),
            l1_rpc: url,
            chain_id_l1: spec.chain_id(),
            rollup: None,
            native: None,
            rich_accounts: RICH
                .iter()
                .filter(|rich| funded(&rich.address))
                .map(|rich| RichAccount {
                    address: rich.address,
                    private_key: rich.private_key.parse().expect("a constant key is 32 bytes"),
                })
                .collect(),
        }
    }

    /// Writes the file that programs read. It appears whole or not at all.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, file: &Path) -> Result<()> {
        let json = serde_json::to_vec_pretty(self).expect("plain fields serialise");
        let part = file.with_extension("part");
        std::fs::write(&part, json)
            .and_then(|()| std::fs::rename(&part, file))
            .wrap_err_with(|| format!("cannot write --dev.info-file {}", file.display()))
    }

    /// The screen that people read.
    #[must_use]
    pub fn screen(&self) -> String {
        let mut out = String::from("\n");
        line(&mut out, "L1 RPC", &format!("{} (chain id {})", self.l1_rpc, self.chain_id_l1));
        line(
            &mut out,
            "L1 blobs",
            &format!("{}/eth/v1/beacon/blobs/{{block number}}", self.beacon),
        );
        if let Some(rollup) = &self.rollup {
            line(
                &mut out,
                "L2 RPC",
                &format!("{} (chain id {})", rollup.l2_rpc, rollup.chain_id_l2),
            );
            line(&mut out, "Proof coordinator", &rollup.proof_coordinator);
            line(&mut out, "CommonBridge", &rollup.bridge.to_string());
            line(&mut out, "OnChainProposer", &rollup.on_chain_proposer.to_string());
            line(&mut out, "Timelock", &rollup.timelock.to_string());
        }
        if let Some(native) = &self.native {
            line(
                &mut out,
                "L2 RPC",
                &format!("{} (chain id {})", native.l2_rpc, native.chain_id_l2),
            );
            let rollup = format!("{} ({} settlement)", native.native_rollup, native.mode);
            line(&mut out, "NativeRollup", &rollup);
            line(&mut out, "TokenBridge", &native.token_bridge.to_string());
            if let Some(genesis) = &native.l2_genesis {
                line(&mut out, "L2 genesis", &genesis.display().to_string());
            }
        }
        out.push_str("\n  Funded accounts (their keys are public: never use them elsewhere)\n");
        for rich in &self.rich_accounts {
            let _ = writeln!(out, "    {}  {}", rich.address, rich.private_key);
        }
        out.push_str(&self.next_steps());
        out
    }

    fn next_steps(&self) -> String {
        let Some(rich) = self.rich_accounts.first() else { return String::new() };
        if let Some(native) = &self.native {
            return format!(
                "\n  L1 executes every block that counts: anybody may post, settle, force and claim.\n\
                 \n  Next: deposit   rex l2 deposit 1000000000000000000 --l1-rpc-url {l1} --rpc-url {l2} -k {key}\
                 \n        transfer  cast send --rpc-url {l2} --private-key {key} --value 1ether 0x…\
                 \n        withdraw  rex l2 withdraw 1000000000000000000 --rpc-url {l2} -k {key}\
                 \n        claim     rex l2 claim 1000000000000000000 0x… --wait 60 --l1-rpc-url {l1} --rpc-url {l2} -k {key}\n",
                l1 = self.l1_rpc,
                l2 = native.l2_rpc,
                key = rich.private_key,
            );
        }
        match &self.rollup {
            None => format!(
                "\n  Next: cast send --rpc-url {} --private-key {} --value 1ether 0x…\n",
                self.l1_rpc, rich.private_key
            ),
            Some(rollup) => format!(
                "\n  This deployment requires no proof: whoever holds a sequencer key decides what is verified.\n\
                 \n  Next: deposit   cast send --rpc-url {l1} --private-key {key} --value 1ether {bridge}\
                 \n        transfer  cast send --rpc-url {l2} --private-key {key} --value 1ether 0x…\
                 \n        withdraw  rex l2 withdraw 1000000000000000000 --rpc-url {l2} -k {key}\n",
                l1 = self.l1_rpc,
                l2 = rollup.l2_rpc,
                bridge = rollup.bridge,
                key = rich.private_key,
            ),
        }
    }
}

fn line(out: &mut String, name: &str, value: &str) {
    let _ = writeln!(out, "  {name:<18} {value}");
}

/// Shows the screen on standard output.
#[expect(clippy::print_stdout, reason = "the start screen is the command's output, not a log line")]
pub(crate) fn announce(info: &Info) {
    println!("{}", info.screen());
}

#[cfg(test)]
mod tests {
    use ethrex_deploy::{embedded_l1_genesis, embedded_l2_genesis};

    use super::*;

    fn info() -> Info {
        let spec = ChainSpec::new(embedded_l1_genesis()).unwrap();
        let l2 = ChainSpec::new(embedded_l2_genesis()).unwrap();
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let contracts = Contracts {
            timelock: Address::repeat_byte(1),
            on_chain_proposer: Address::repeat_byte(2),
            bridge: Address::repeat_byte(3),
        };
        let rollup = Some(RollupInfo::new(at(2), &l2, &contracts, at(3)));
        Info { rollup, ..Info::of_l1(at(1), &spec) }
    }

    #[test]
    fn the_file_has_one_flat_object() {
        let json = serde_json::to_value(info()).unwrap();
        for key in ["l1_rpc", "l2_rpc", "beacon", "bridge", "timelock", "proof_coordinator"] {
            assert!(json[key].is_string(), "{key}");
        }
        assert_eq!(json["chain_id_l1"], 9);
        assert_eq!(json["chain_id_l2"], 65_536_999);
        assert_eq!(json["rich_accounts"].as_array().unwrap().len(), 10);
    }

    #[test]
    fn a_native_rollup_is_told_in_the_same_object() {
        let spec = ChainSpec::new(ethrex_deploy::native::l1_genesis()).unwrap();
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let contracts = NativeContracts {
            rollup: Address::repeat_byte(1),
            token_bridge: Address::repeat_byte(2),
        };
        let native = NativeInfo::new(at(2), &spec, &contracts, NativeMode::Inline);
        let info = Info { native: Some(native), ..Info::of_l1(at(1), &spec) };
        let json = serde_json::to_value(&info).unwrap();
        assert_eq!(json["l2_rpc"], "http://127.0.0.1:2");
        assert_eq!(json["mode"], "inline");
        assert!(json["native_rollup"].is_string() && json.get("bridge").is_none());
        assert!(info.screen().contains("rex l2 claim"), "{}", info.screen());
    }

    #[test]
    fn the_screen_says_that_no_proof_is_required() {
        assert!(info().screen().contains("requires no proof"));
    }
}
