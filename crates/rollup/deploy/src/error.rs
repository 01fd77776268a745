//! Why a deployment stops, and what to do about it.

use std::fmt;

use alloy_primitives::{Address, B256, U256, utils::format_ether};
use ethrex_l1::{L1Error, NodeError, Revert, SenderError, SenderStopped};
use ethrex_types::chain_spec::GenesisError;

use crate::{
    native::PREMINT,
    plan::{DETERMINISTIC_DEPLOYER, Part},
};

/// Why a deployment stops. Running it again, when the cause is gone, continues where it stopped.
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    /// The L2 genesis is not one.
    #[error("the L2 genesis cannot be used")]
    Genesis(#[from] GenesisError),
    /// A role is given to nobody.
    #[error("the {role} must be an account, not address zero")]
    NoAccount {
        /// The role.
        role: Role,
    },
    /// The waiting time of privileged transactions is zero.
    #[error("privileged transactions need at least one second to be processed; 3000 is usual")]
    NoInclusionWait,
    /// A role is given to an account whose key everybody knows, on a chain of value.
    #[error(
        "the {role} would be {account}, whose private key is public, on chain {chain_id}: name an account of your own"
    )]
    PublicKey {
        /// The role.
        role: Role,
        /// The account.
        account: Address,
        /// The chain.
        chain_id: u64,
    },
    /// L1 cannot be asked.
    #[error("deploy to L1")]
    L1(#[from] L1Error),
    /// The deterministic deployer does not exist on this L1.
    #[error(
        "L1 has no code at {DETERMINISTIC_DEPLOYER}, the deterministic deployer: put it into the genesis of a private chain, or send its keyless transaction (github.com/Arachnid/deterministic-deployment-proxy)"
    )]
    NoDeterministicDeployer,
    /// The deployer cannot pay.
    #[error(
        "the deployer {account} has {} ETH on L1 and needs about {} ETH: send it some",
        format_ether(*has),
        format_ether(*needs)
    )]
    Unfunded {
        /// The deployer.
        account: Address,
        /// Its balance in wei.
        has: U256,
        /// What everything costs at present, in wei.
        needs: U256,
    },
    /// Transactions of the deployer are neither mined nor gone.
    #[error(
        "transactions of {account} are still not mined on L1: wait for them or replace them, then run this again"
    )]
    Unsettled {
        /// The deployer.
        account: Address,
    },
    /// A creation was mined and failed.
    #[error("creating the {part} reverted ({revert})")]
    CreationReverted {
        /// What was created.
        part: Part,
        /// Why, as far as L1 said.
        revert: Revert,
    },
    /// No node takes a creation.
    #[error("L1 refuses the transaction that creates the {part}: {refusal}")]
    CreationRefused {
        /// What was created.
        part: Part,
        /// What the node said.
        refusal: NodeError,
    },
    /// A deposit was mined and failed.
    #[error("the deposit for {recipient} reverted ({revert})")]
    DepositReverted {
        /// For whom.
        recipient: Address,
        /// Why, as far as L1 said.
        revert: Revert,
    },
    /// No node takes a deposit.
    #[error("L1 refuses the deposit for {recipient}: {refusal}")]
    DepositRefused {
        /// For whom.
        recipient: Address,
        /// What the node said.
        refusal: NodeError,
    },
    /// The sender of L1 transactions ended before the deployment did.
    #[error("the L1 sender has stopped")]
    SenderStopped,
    /// The sender of L1 transactions failed.
    #[error("send the transactions of the deployment")]
    Sender(#[from] SenderError),
    /// A contract has no code although its creation was mined.
    #[error("{contract} has no code at {address}: does the L1 endpoint serve the chain it says?")]
    NoCode {
        /// Its name.
        contract: &'static str,
        /// Where it should be.
        address: Address,
    },
    /// A fork schedule was copied from another L1 than the one that is deployed to.
    #[error(
        "L1's first block is {found}, that of --genesis-l1-path is {expected}: an L2's forks are those of its L1, so name the genesis of this L1"
    )]
    OtherL1 {
        /// The genesis block whose schedule was copied.
        expected: B256,
        /// What L1 has.
        found: B256,
    },
    /// L1 cannot verify blocks.
    #[error(
        "this L1 has no EXECUTE: its genesis sets no executeTime, or one that has not come; a native rollup needs it"
    )]
    NoExecute,
    /// The genesis of a native rollup does not account for its ether.
    #[error(
        "the L2 genesis gives out {given} wei and its Messenger holds {held}: together they must be {PREMINT}, as no other ether may exist there"
    )]
    NotPreminted {
        /// What accounts have.
        given: U256,
        /// What the messenger has.
        held: U256,
    },
    /// A native rollup was told something else.
    #[error("NativeRollup {address} was not told what it was to be told: do not use it")]
    NativeDiffers {
        /// The contract.
        address: Address,
    },
    /// A native rollup holds less than its genesis gives out.
    #[error(
        "NativeRollup {address} was created with {found} wei, but the L2 genesis gives out {expected}: do not use it, and deploy at a new address"
    )]
    Underfunded {
        /// The contract.
        address: Address,
        /// What its genesis gives out.
        expected: U256,
        /// What it was created with.
        found: U256,
    },
    /// A new contract is not as it was told to be.
    #[error("{contract}.{field} is {found}, expected {expected}: do not use this deployment")]
    Differs {
        /// Its name.
        contract: &'static str,
        /// What was asked.
        field: &'static str,
        /// What was told.
        expected: B256,
        /// What it says.
        found: B256,
    },
}

impl From<SenderStopped> for DeployError {
    fn from(SenderStopped: SenderStopped) -> Self {
        Self::SenderStopped
    }
}

/// What an account may do with a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Commits and verifies batches.
    Sequencer,
    /// Governs the proposer.
    Owner,
    /// Owns the bridge.
    BridgeOwner,
    /// Orders the transactions of a native rollup.
    NativeSequencer,
    /// Has ether on a native rollup from its genesis.
    Funded,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sequencer => "committer or proof sender",
            Self::Owner => "owner of OnChainProposer",
            Self::BridgeOwner => "owner of CommonBridge",
            Self::NativeSequencer => "sequencer of NativeRollup",
            Self::Funded => "account that the L2 genesis funds",
        })
    }
}
