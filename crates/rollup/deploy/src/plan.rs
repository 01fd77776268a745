//! Which transactions make a deployment, and what they create. No network, no randomness.
//!
//! All contracts are created through the deterministic deployer, so their addresses follow from their code, their
//! arguments and a salt alone. A plan made again from the same terms has the same addresses; a plan with any other
//! argument has others, so an existing deployment is never mistaken for another one.
//!
//! Not here: sending ([`crate::deploy()`]), byte code ([`crate::artifacts`]).

use std::{fmt, time::Duration};

use alloy_primitives::{Address, B256, Bytes, U256, address};
use ethrex_l1::{Contracts, TxRequest};
use ethrex_protocol::contracts::{CommonBridge, OnChainProposer, Timelock};

use crate::{
    artifacts::{self, Artifact, proxy_init_code},
    founding::{self, child_address, placeholder},
};

/// The deterministic deployer, which most chains have: it creates the contract that follows a salt in its call data.
pub const DETERMINISTIC_DEPLOYER: Address = address!("4e59b44847b379578588920cA78FbF26c0B4956C");
/// How long an operation that governance scheduled waits before it can be executed.
pub const TIMELOCK_MIN_DELAY: Duration = Duration::from_secs(30);

/// Places of the proxies in the order in which the founder creates them.
const TIMELOCK: usize = 0;
const ON_CHAIN_PROPOSER: usize = 1;
const BRIDGE: usize = 2;

/// Gas of a creation for each byte of init code: call data (16), stored code (200) and hashing (1), with reserve.
const GAS_PER_INIT_BYTE: u64 = 250;
/// Gas of a creation that does not depend on the length of its code.
const GAS_PER_CREATION: u64 = 500_000;
/// Gas of initialising the three proxies: some forty new storage slots.
const GAS_OF_FOUNDING: u64 = 2_000_000;
/// Gas of granting a role to one more sequencer.
const GAS_PER_SEQUENCER: u64 = 60_000;
/// Gas of a deposit: it queues a hash, its deadline and an amount.
const GAS_PER_DEPOSIT: u64 = 300_000;

/// Everything the contracts are told when they are initialised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// May commit and verify batches, through the Timelock.
    pub sequencers: Vec<Address>,
    /// Governance and security council of the Timelock, which owns the proposer.
    pub owner: Address,
    /// Owner of the bridge.
    pub bridge_owner: Address,
    /// Within this time the rollup must process a privileged transaction; whole seconds count.
    pub inclusion_max_wait: Duration,
    /// keccak256 of the version of the program that proves batches.
    pub commit_hash: B256,
    /// State root of the L2 genesis.
    pub genesis_state_root: B256,
    /// Chain id of the rollup.
    pub l2_chain_id: u64,
}

/// What a step is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The implementation of the Timelock.
    TimelockImplementation,
    /// The implementation of OnChainProposer.
    OnChainProposerImplementation,
    /// The implementation of CommonBridge.
    BridgeImplementation,
    /// The proxies of all three, initialised.
    Proxies,
    /// The contract that settles a native rollup.
    NativeRollup,
    /// The contract that locks the tokens of a native rollup.
    TokenBridge,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TimelockImplementation => "Timelock implementation",
            Self::OnChainProposerImplementation => "OnChainProposer implementation",
            Self::BridgeImplementation => "CommonBridge implementation",
            Self::Proxies => "proxies of Timelock, OnChainProposer and CommonBridge",
            Self::NativeRollup => "NativeRollup",
            Self::TokenBridge => "TokenBridge",
        })
    }
}

/// One transaction of a deployment.
#[derive(Debug, Clone)]
pub struct Step {
    /// What it creates.
    pub part: Part,
    /// Where code stands once it is done.
    pub creates: Address,
    /// The transaction. In a [`Plan`] its gas limit is set: no step needs another one to be mined before it is sent.
    pub request: TxRequest,
}

/// The whole deployment.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The transactions in the order in which they must be mined.
    pub steps: [Step; 4],
    /// Where the proxies are: the addresses everybody uses.
    pub contracts: Contracts,
}

impl Plan {
    /// Plans the deployment with these terms.
    pub fn new(terms: &Terms, salt: B256) -> Self {
        let implementation =
            |part, artifact: Artifact| create(part, salt, &artifact.init_code(), GAS_PER_CREATION);
        let timelock = implementation(Part::TimelockImplementation, artifacts::TIMELOCK);
        let proposer =
            implementation(Part::OnChainProposerImplementation, artifacts::ON_CHAIN_PROPOSER);
        let bridge = implementation(Part::BridgeImplementation, artifacts::COMMON_BRIDGE);

        let founder = founding::init_code(&[
            proxy_init_code(timelock.creates, &initialize_timelock(terms)),
            proxy_init_code(proposer.creates, &initialize_proposer(terms)),
            proxy_init_code(bridge.creates, &initialize_bridge(terms)),
        ]);
        let sequencers = terms.sequencers.len() as u64;
        let gas = GAS_PER_CREATION + GAS_OF_FOUNDING + sequencers * GAS_PER_SEQUENCER;
        let proxies = create(Part::Proxies, salt, &founder, gas);
        let contracts = Contracts {
            timelock: child_address(proxies.creates, TIMELOCK),
            on_chain_proposer: child_address(proxies.creates, ON_CHAIN_PROPOSER),
            bridge: child_address(proxies.creates, BRIDGE),
        };
        Self { steps: [timelock, proposer, bridge, proxies], contracts }
    }
}

/// A deposit for `recipient`, paid by whoever sends it.
pub fn deposit(bridge: Address, recipient: Address, amount: U256) -> TxRequest {
    let call = CommonBridge::depositCall { l2Recipient: recipient };
    let request = TxRequest::call(bridge, alloy_sol_types::SolCall::abi_encode(&call));
    TxRequest { gas_limit: Some(GAS_PER_DEPOSIT), ..request.value(amount) }
}

fn create(part: Part, salt: B256, init_code: &Bytes, gas: u64) -> Step {
    let Step { part, creates, request } = create_estimated(part, salt, init_code, U256::ZERO);
    let gas_limit = Some(gas + GAS_PER_INIT_BYTE * init_code.len() as u64);
    Step { part, creates, request: TxRequest { gas_limit, ..request } }
}

/// A creation whose gas is estimated when it is sent, and that gets `value` wei.
pub(crate) fn create_estimated(part: Part, salt: B256, init_code: &Bytes, value: U256) -> Step {
    let creates = DETERMINISTIC_DEPLOYER.create2_from_code(salt.0, init_code);
    let data = [salt.as_slice(), init_code].concat();
    Step { part, creates, request: TxRequest::call(DETERMINISTIC_DEPLOYER, data).value(value) }
}

fn initialize_timelock(terms: &Terms) -> Timelock::initializeCall {
    Timelock::initializeCall {
        minDelay: U256::from(TIMELOCK_MIN_DELAY.as_secs()),
        sequencers: terms.sequencers.clone(),
        governance: terms.owner,
        securityCouncil: terms.owner,
        onChainProposer: placeholder(ON_CHAIN_PROPOSER),
    }
}

/// No proof is required: there is no prover yet whose proofs a contract could verify.
fn initialize_proposer(terms: &Terms) -> OnChainProposer::initializeCall {
    OnChainProposer::initializeCall {
        validium: false,
        timelockOwner: placeholder(TIMELOCK),
        requireRisc0: false,
        requireSp1: false,
        requireTdx: false,
        aligned: false,
        risc0Verifier: Address::ZERO,
        sp1Verifier: Address::ZERO,
        tdxVerifier: Address::ZERO,
        alignedAggregator: Address::ZERO,
        sp1VerificationKey: B256::ZERO,
        risc0VerificationKey: B256::ZERO,
        commitHash: terms.commit_hash,
        genesisStateRoot: terms.genesis_state_root,
        chainId: U256::from(terms.l2_chain_id),
        bridge: placeholder(BRIDGE),
    }
}

fn initialize_bridge(terms: &Terms) -> CommonBridge::initializeCall {
    CommonBridge::initializeCall {
        owner: terms.bridge_owner,
        onChainProposer: placeholder(ON_CHAIN_PROPOSER),
        inclusionMaxWait: U256::from(terms.inclusion_max_wait.as_secs()),
        sharedBridgeRouter: Address::ZERO,
        chainId: U256::from(terms.l2_chain_id),
    }
}

#[cfg(test)]
mod tests;
