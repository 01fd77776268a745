//! Whether the contracts on L1 are those of this rollup.

use std::time::Duration;

use alloy_primitives::{Address, B256, U256};
use ethrex_l1::{Contracts, L1Error, Reaction, Settlement};
use ethrex_protocol::BatchNumber;
use ethrex_store::{Identity, Store, StoreError};
use ethrex_types::ChainSpec;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Time between two looks at an L1 that does not answer.
const RETRY: Duration = Duration::from_secs(2);

/// What the check needs to know.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    pub(crate) settlement: Settlement,
    pub(crate) spec: ChainSpec,
    pub(crate) store: Store,
    pub(crate) committer: Address,
    pub(crate) proof_sender: Address,
}

/// The contracts are ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Checked {
    /// The L1 block in which the bridge was made: no message is older.
    pub(crate) deployed_at: u64,
}

impl Checked {
    /// Waits for the check to pass; `None` if the node stops before.
    pub(crate) async fn wait(
        mut ready: watch::Receiver<Option<Self>>,
        stop: &CancellationToken,
    ) -> Option<Self> {
        tokio::select! {
            () = stop.cancelled() => None,
            checked = ready.wait_for(Option::is_some) => checked.ok().and_then(|checked| *checked),
        }
    }
}

/// Why this rollup cannot be settled on that L1.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    #[error("ask L1")]
    L1(#[source] L1Error),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(
        "there is no {what} at {address} on L1 (chain id {chain_id}); check {flag}, or deploy with `ethrex l2 deploy`"
    )]
    NoContract { what: &'static str, address: Address, chain_id: u64, flag: &'static str },
    #[error(
        "OnChainProposer {address} serves chain id {theirs}, but this rollup's genesis has {ours}; check --network and --l1.on-chain-proposer-address"
    )]
    OtherChain { address: Address, theirs: U256, ours: u64 },
    #[error(
        "OnChainProposer {address} was made for the genesis state root {theirs}, but this rollup's genesis has {ours}; check --network"
    )]
    OtherGenesis { address: Address, theirs: B256, ours: B256 },
    #[error(
        "OnChainProposer {proposer} settles the bridge {theirs}, not {ours}; check --l1.bridge-address and --l1.on-chain-proposer-address"
    )]
    OtherBridge { proposer: Address, theirs: Address, ours: Address },
    #[error(
        "Timelock {timelock} commits to OnChainProposer {theirs}, not to {ours}; check --l1.timelock-address and --l1.on-chain-proposer-address"
    )]
    OtherProposer { timelock: Address, theirs: Address, ours: Address },
    #[error(
        "a contract on L1 does not answer as it should; are --l1.bridge-address, --l1.on-chain-proposer-address and --l1.timelock-address mixed up?"
    )]
    Contracts(#[source] L1Error),
    #[error(
        "OnChainProposer {address} requires proofs of {required}, and this version makes none of them; deploy one that does not"
    )]
    ProofsRequired { address: Address, required: String },
    #[error(
        "{account} ({role}) is no sequencer of Timelock {timelock}; grant it the role, or check {flag}"
    )]
    NotSequencer { account: Address, role: &'static str, timelock: Address, flag: &'static str },
    #[error("{account} ({role}) has no ETH on L1 to pay for transactions; fund it")]
    Unfunded { account: Address, role: &'static str },
}

impl From<L1Error> for LinkError {
    fn from(error: L1Error) -> Self {
        match error {
            L1Error::ViewReverted { .. } | L1Error::Decode { .. } => Self::Contracts(error),
            other => Self::L1(other),
        }
    }
}

impl LinkError {
    const fn is_transient(&self) -> bool {
        matches!(self, Self::L1(error) if matches!(error.reaction(), Reaction::Retry))
    }
}

impl Link {
    /// Looks once. `None` where L1 does not answer: then nothing is known.
    pub(crate) async fn look(&self) -> Result<Option<Checked>, LinkError> {
        match self.check().await {
            Ok(checked) => Ok(Some(checked)),
            Err(error) if error.is_transient() => {
                tracing::debug!(?error, "L1 does not answer");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Looks until the check has passed, then waits for the end.
    pub(crate) async fn watch(
        self,
        gate: watch::Sender<Option<Checked>>,
        stop: CancellationToken,
    ) -> Result<(), LinkError> {
        if gate.borrow().is_none() {
            tracing::warn!("L1 does not answer; the L2 goes on and settles later");
        }
        while gate.borrow().is_none() {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(RETRY) => {}
            }
            if let Some(checked) = self.look().await? {
                tracing::info!("L1 answers; settlement starts");
                gate.send_replace(Some(checked));
            }
        }
        stop.cancelled().await;
        Ok(())
    }

    async fn check(&self) -> Result<Checked, LinkError> {
        let client = self.settlement.client();
        let contracts = *self.settlement.contracts();
        let chain_id = client.chain_id().await?;
        for (what, address, flag) in [
            ("OnChainProposer", contracts.on_chain_proposer, "--l1.on-chain-proposer-address"),
            ("CommonBridge", contracts.bridge, "--l1.bridge-address"),
            ("Timelock", contracts.timelock, "--l1.timelock-address"),
        ] {
            if client.code(address).await?.is_empty() {
                return Err(LinkError::NoContract { what, address, chain_id, flag });
            }
        }
        self.check_belonging(&contracts).await?;
        self.check_rollup(contracts.on_chain_proposer).await?;
        for (account, role, flag) in [
            (self.committer, "committer", "--committer.l1-private-key"),
            (self.proof_sender, "proof sender", "--proof-coordinator.l1-private-key"),
        ] {
            if !self.settlement.is_sequencer(account).await? {
                let timelock = contracts.timelock;
                return Err(LinkError::NotSequencer { account, role, timelock, flag });
            }
            if client.balance(account).await?.is_zero() {
                return Err(LinkError::Unfunded { account, role });
            }
        }
        self.store.expect_identity(&Identity {
            l1_chain_id: chain_id,
            l2_chain_id: self.spec.chain_id(),
            on_chain_proposer: contracts.on_chain_proposer,
        })?;
        let deployed_at = self.settlement.deployed_at().await?;
        Ok(Checked { deployed_at: u64::try_from(deployed_at).unwrap_or(0) })
    }

    /// Messages of another rollup's bridge would be executed here, and never be settled.
    async fn check_belonging(&self, contracts: &Contracts) -> Result<(), LinkError> {
        let &Contracts { timelock, on_chain_proposer, bridge } = contracts;
        let theirs = self.settlement.proposer_of_timelock().await?;
        if theirs != on_chain_proposer {
            return Err(LinkError::OtherProposer { timelock, theirs, ours: on_chain_proposer });
        }
        let theirs = self.settlement.bridge_of_proposer().await?;
        if theirs != bridge {
            return Err(LinkError::OtherBridge {
                proposer: on_chain_proposer,
                theirs,
                ours: bridge,
            });
        }
        Ok(())
    }

    async fn check_rollup(&self, address: Address) -> Result<(), LinkError> {
        let theirs = self.settlement.rollup_chain_id().await?;
        let ours = self.spec.chain_id();
        if theirs != U256::from(ours) {
            return Err(LinkError::OtherChain { address, theirs, ours });
        }
        // Batch 0 is the genesis, and is forgotten once batch 1 is verified; the store's identity covers what comes after.
        if let Some(genesis) = self.settlement.committed(BatchNumber(0)).await? {
            let ours = ethrex_trie::state_root_of(&self.spec.genesis_diff()).root;
            if genesis.newStateRoot != ours {
                let theirs = genesis.newStateRoot;
                return Err(LinkError::OtherGenesis { address, theirs, ours });
            }
        }
        let required: Vec<_> = ["RISC0", "SP1", "TDX"]
            .into_iter()
            .zip(self.settlement.required_proofs().await?)
            .filter_map(|(name, required)| required.then_some(name))
            .collect();
        if !required.is_empty() {
            return Err(LinkError::ProofsRequired { address, required: required.join(", ") });
        }
        Ok(())
    }
}
