//! What to deploy, and the presets of a development rollup.

use std::time::Duration;

use alloy_primitives::{Address, B256, U256, keccak256};
use ethrex_trie::state_root_of;
use ethrex_types::{ChainSpec, Genesis};

use crate::{
    dev,
    error::{DeployError, Role},
    genesis,
    plan::Terms,
};

/// Version of the program that proves batches: contracts, batches and provers of one binary agree on it.
pub const PROGRAM_VERSION: &str = env!("CARGO_PKG_VERSION");

/// What to deploy.
#[derive(Debug, Clone)]
pub struct DeployConfig {
    /// The chain id L1 must have; `None` = any.
    pub l1_chain_id: Option<u64>,
    /// Genesis of the rollup. The contracts are told its state root and chain id.
    pub l2_genesis: Genesis,
    /// Moves all addresses. Zero gives the same ones for the same terms.
    pub salt: B256,
    /// May commit and verify batches.
    pub sequencers: Vec<Address>,
    /// Governance and security council of the Timelock, which owns the proposer.
    pub owner: Address,
    /// Owner of the bridge.
    pub bridge_owner: Address,
    /// Within this time the rollup must process a privileged transaction.
    pub inclusion_max_wait: Duration,
    /// keccak256 of the version of the program that proves batches.
    pub commit_hash: B256,
    /// Deposits the deployer makes.
    pub deposits: Vec<Deposit>,
}

/// ETH that arrives on the rollup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Deposit {
    /// Who has it there.
    pub recipient: Address,
    /// How much, in wei.
    pub amount: U256,
}

impl DeployConfig {
    /// The documented waiting time of a privileged transaction.
    pub const INCLUSION_MAX_WAIT: Duration = Duration::from_secs(3_000);

    /// A development rollup: public keys hold every role, no proof is required, and the first ten rich accounts get
    /// 1,000 ETH each.
    pub fn dev(commit_hash: B256) -> Self {
        let thousand_ether = U256::from(1_000) * U256::from(10).pow(U256::from(18));
        Self {
            l1_chain_id: None,
            l2_genesis: embedded_l2_genesis(),
            salt: B256::ZERO,
            sequencers: vec![dev::DEPLOYER.address, dev::PROOF_SENDER.address],
            owner: dev::OWNER.address,
            bridge_owner: dev::OWNER.address,
            inclusion_max_wait: Self::INCLUSION_MAX_WAIT,
            commit_hash,
            deposits: dev::RICH
                .iter()
                .map(|rich| Deposit { recipient: rich.address, amount: thousand_ether })
                .collect(),
        }
    }

    /// What the contracts will be told.
    ///
    /// # Errors
    /// If the genesis is not one, or an argument makes no sense.
    pub fn terms(&self) -> Result<Terms, DeployError> {
        let spec = ChainSpec::new(self.l2_genesis.clone())?;
        for (role, account) in self.roles() {
            if account.is_zero() {
                return Err(DeployError::NoAccount { role });
            }
        }
        if self.sequencers.is_empty() {
            return Err(DeployError::NoAccount { role: Role::Sequencer });
        }
        if self.inclusion_max_wait.as_secs() == 0 {
            return Err(DeployError::NoInclusionWait);
        }
        Ok(Terms {
            sequencers: self.sequencers.clone(),
            owner: self.owner,
            bridge_owner: self.bridge_owner,
            inclusion_max_wait: self.inclusion_max_wait,
            commit_hash: self.commit_hash,
            genesis_state_root: state_root_of(&spec.genesis_diff()).root,
            l2_chain_id: spec.chain_id(),
        })
    }

    /// Who gets power over the deployment.
    pub(crate) fn roles(&self) -> impl Iterator<Item = (Role, Address)> {
        let sequencers = self.sequencers.iter().map(|account| (Role::Sequencer, *account));
        sequencers.chain([(Role::Owner, self.owner), (Role::BridgeOwner, self.bridge_owner)])
    }
}

/// The genesis of the rollup that is built in.
pub fn embedded_l2_genesis() -> Genesis {
    serde_json::from_str(genesis::L2).expect("the embedded genesis is what build.mjs wrote")
}

/// The genesis of the development L1 that is built in.
pub fn embedded_l1_genesis() -> Genesis {
    serde_json::from_str(genesis::L1).expect("the embedded genesis is a copy of a valid one")
}

/// The hash by which the contracts know a version of the proven program.
pub fn commit_hash(program_version: &str) -> B256 {
    keccak256(program_version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_development_terms_are_those_of_the_embedded_genesis() {
        let terms = DeployConfig::dev(commit_hash("v1")).terms().unwrap();
        assert_eq!(terms.l2_chain_id, 65_536_999);
        assert_eq!(terms.commit_hash, keccak256("v1"));
        assert_ne!(terms.genesis_state_root, B256::ZERO);
    }

    #[test]
    fn accounts_of_nobody_are_refused() {
        let check = |config: DeployConfig, role: Role| {
            let error = config.terms().unwrap_err();
            assert!(
                matches!(error, DeployError::NoAccount { role: found } if found == role),
                "{error}"
            );
        };
        let dev = || DeployConfig::dev(B256::repeat_byte(1));
        check(DeployConfig { owner: Address::ZERO, ..dev() }, Role::Owner);
        check(DeployConfig { bridge_owner: Address::ZERO, ..dev() }, Role::BridgeOwner);
        check(DeployConfig { sequencers: vec![], ..dev() }, Role::Sequencer);
        check(DeployConfig { sequencers: vec![Address::ZERO], ..dev() }, Role::Sequencer);
        let hasty = DeployConfig { inclusion_max_wait: Duration::from_millis(900), ..dev() };
        assert!(matches!(hasty.terms(), Err(DeployError::NoInclusionWait)));
    }
}
