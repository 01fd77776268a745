//! Puts the contracts on L1, or finds them there.
//!
//! Everything is sent at once and then awaited. What exists already is left alone, so a deployment that was
//! interrupted is finished by running it again; the addresses commit to everything the contracts were told
//! ([`crate::plan`]), so what is found is what was asked for.

use std::{collections::HashMap, sync::Arc, time::Duration};

use alloy_primitives::{Address, B256, U256, keccak256};
use alloy_rpc_types_eth::Filter;
use alloy_sol_types::{SolCall, SolEvent};
use ethrex_l1::{
    Client, Contracts, MemoryOutbox, Outcome, Pending, Policy, Purpose, Sender, SenderConfig,
    SigningKey, TxRequest,
};
use ethrex_protocol::{
    constants::BRIDGE_L2,
    contracts::{CommonBridge, CommonBridgeL2},
};
use ethrex_trie::state_root_of;
use ethrex_types::{ChainSpec, Genesis};
use tokio_util::sync::CancellationToken;

use crate::{
    check,
    dev::{self, is_dev_account},
    env_file::EnvFile,
    error::{DeployError, Role},
    genesis,
    plan::{self, DETERMINISTIC_DEPLOYER, Part, Plan, Step, Terms},
};

/// Chains of public value, on which no account with a public key may have power: mainnet, Sepolia, Holesky, Hoodi.
const PUBLIC_CHAINS: [u64; 4] = [1, 11_155_111, 17_000, 560_048];
/// Most blocks asked for at once when deposits are looked for; many endpoints refuse more.
const LOG_STEP: u64 = 5_000;
/// How long transactions of the deployer that are under way are waited for.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(60);
/// Time between two looks at them.
const SETTLE_POLL: Duration = Duration::from_millis(200);
/// Time between two looks of a sender that lives for one deployment.
const SENDER_POLL: Duration = Duration::from_millis(500);
/// Transactions under way at once in one deployment: all steps and the ten deposits of a development chain.
const IN_FLIGHT: usize = 16;
/// Keys that deposit at the same time.
const DEPOSITORS: usize = 16;
/// Base fee is counted this many times when the deployer's balance is judged, as the sender offers that much.
const BASE_FEE_HEADROOM: u128 = 2;

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

    fn roles(&self) -> impl Iterator<Item = (Role, Address)> {
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

/// Version of the program that proves batches: contracts, batches and provers of one binary agree on it.
pub const PROGRAM_VERSION: &str = env!("CARGO_PKG_VERSION");

/// The hash by which the contracts know a version of the proven program.
pub fn commit_hash(program_version: &str) -> B256 {
    keccak256(program_version)
}

/// A deployment that stands.
#[derive(Debug, Clone)]
pub struct Deployed {
    /// Where the contracts are.
    pub contracts: Contracts,
    /// Chain id of the L1 they are on.
    pub l1_chain_id: u64,
    /// What they were told.
    pub terms: Terms,
    /// Genesis of the rollup.
    pub l2_genesis: Genesis,
    /// Whether this run has created the proxies; `false` = they were there.
    pub created: bool,
    /// Deposits this run has made.
    pub deposited: usize,
    /// The addresses as environment variables.
    pub env: EnvFile,
}

/// Deploys through a sender whose loop runs elsewhere, and returns when everything is mined and checked.
///
/// # Errors
/// If L1 is not fit for it, the deployer cannot pay, or a transaction fails. Running it again continues.
pub async fn deploy(
    l1: &Client,
    sender: &Sender,
    config: DeployConfig,
) -> Result<Deployed, DeployError> {
    let l1_chain_id = fit(l1, &config).await?;
    let terms = config.terms()?;
    let plan = Plan::new(&terms, config.salt);
    let bridge = plan.contracts.bridge;

    // A former run may have died with transactions under way; they are part of what is found.
    settled(l1, sender.address()).await?;
    let steps = missing(l1, &plan).await?;
    let created = steps.iter().any(|step| step.part == Part::Proxies);
    let deposits = config.deposits.into_iter().enumerate().collect();
    let deposits =
        if created { deposits } else { unmade(l1, sender.address(), bridge, deposits).await? };
    funded(l1, sender.address(), &steps, bridge, &deposits).await?;

    let mut sent = Vec::new();
    for step in steps {
        let purpose = Purpose::new(format!("deploy:{}", step.creates));
        sent.push((step.clone(), sender.submit(purpose, step.request).await?));
    }
    let mut paid = Vec::new();
    for (index, deposit) in &deposits {
        let purpose = format!("deposit:{bridge}:{index}:{}", deposit.recipient);
        let request = plan::deposit(bridge, deposit.recipient, deposit.amount);
        paid.push((deposit, sender.submit(Purpose::new(purpose), request).await?));
    }
    tracing::info!(%l1_chain_id, steps = sent.len(), deposits = paid.len(), "deploying the contracts");
    for (step, pending) in sent {
        await_step(l1, step, pending).await?;
    }
    for (deposit, pending) in paid {
        await_deposit(deposit.recipient, pending).await?;
    }

    check::check(l1, &plan.contracts, &terms, created).await?;
    tracing::info!(created, on_chain_proposer = %plan.contracts.on_chain_proposer, timelock = %plan.contracts.timelock, bridge = %bridge, "the contracts stand");
    Ok(Deployed {
        contracts: plan.contracts,
        l1_chain_id,
        terms,
        l2_genesis: config.l2_genesis,
        created,
        deposited: deposits.len(),
        env: EnvFile::new(&plan.contracts),
    })
}

/// Deploys with a sender that lives as long as the deployment: for tools.
///
/// # Errors
/// As [`deploy`].
pub async fn deploy_once(
    l1: &Client,
    deployer: SigningKey,
    policy: Policy,
    config: DeployConfig,
) -> Result<Deployed, DeployError> {
    with_sender(l1, deployer, policy, async |sender| Box::pin(deploy(l1, &sender, config)).await)
        .await
}

/// Deposits half of what each key has, from and to its own account. Keys that have deposited before are left out.
///
/// Returns how many have deposited now.
///
/// # Errors
/// If L1 cannot be asked, or a transaction fails. Running it again continues.
pub async fn deposit_rich(
    l1: &Client,
    keys: Vec<SigningKey>,
    policy: &Policy,
    bridge: Address,
) -> Result<usize, DeployError> {
    let made = deposits_to(l1, bridge, None).await?;
    let rich: Vec<_> = keys
        .into_iter()
        .filter(|key| !made.keys().any(|deposit| deposit.recipient == key.address()))
        .collect();
    for keys in rich.chunks(DEPOSITORS) {
        let deposits = keys.iter().map(|key| deposit_half(l1, key.clone(), policy, bridge));
        futures::future::try_join_all(deposits).await?;
    }
    Ok(rich.len())
}

async fn deposit_half(
    l1: &Client,
    key: SigningKey,
    policy: &Policy,
    bridge: Address,
) -> Result<(), DeployError> {
    let recipient = key.address();
    let amount = l1.balance(recipient).await? / U256::from(2);
    with_sender(l1, key, policy.clone(), async |sender| {
        let purpose = Purpose::new(format!("deposit:{bridge}:{recipient}"));
        let pending = sender.submit(purpose, plan::deposit(bridge, recipient, amount)).await?;
        await_deposit(recipient, pending).await
    })
    .await
}

/// Runs `work` beside the loop of a new sender.
async fn with_sender<T>(
    l1: &Client,
    key: SigningKey,
    policy: Policy,
    work: impl AsyncFnOnce(Sender) -> Result<T, DeployError>,
) -> Result<T, DeployError> {
    let policy = Policy { max_in_flight: policy.max_in_flight.max(IN_FLIGHT), ..policy };
    let config = SenderConfig { policy, every: SENDER_POLL };
    let (sender, task) = Sender::new(l1.clone(), key, Arc::new(MemoryOutbox::default()), config);
    tokio::select! {
        done = work(sender) => done,
        ended = task.run(CancellationToken::new()) => {
            ended?;
            Err(DeployError::SenderStopped)
        }
    }
}

/// Checks what must hold before anything is sent.
async fn fit(l1: &Client, config: &DeployConfig) -> Result<u64, DeployError> {
    if let Some(expected) = config.l1_chain_id {
        l1.expect_chain(expected).await?;
    }
    let chain_id = l1.chain_id().await?;
    if PUBLIC_CHAINS.contains(&chain_id)
        && let Some((role, account)) = config.roles().find(|(_, account)| is_dev_account(*account))
    {
        return Err(DeployError::PublicKey { role, account, chain_id });
    }
    if l1.code(DETERMINISTIC_DEPLOYER).await?.is_empty() {
        return Err(DeployError::NoDeterministicDeployer);
    }
    Ok(chain_id)
}

/// The steps whose contracts do not stand yet.
async fn missing(l1: &Client, plan: &Plan) -> Result<Vec<Step>, DeployError> {
    let mut missing = Vec::new();
    for step in &plan.steps {
        if l1.code(step.creates).await?.is_empty() {
            missing.push(step.clone());
        } else {
            tracing::info!(part = %step.part, address = %step.creates, "found");
        }
    }
    Ok(missing)
}

/// Whether the deployer can pay for everything at today's prices.
async fn funded(
    l1: &Client,
    account: Address,
    steps: &[Step],
    bridge: Address,
    deposits: &[(usize, Deposit)],
) -> Result<(), DeployError> {
    let requests = deposits.iter().map(|(_, d)| plan::deposit(bridge, d.recipient, d.amount));
    let (gas, value) = steps.iter().map(|step| step.request.clone()).chain(requests).fold(
        (0_u64, U256::ZERO),
        |(gas, value), TxRequest { gas_limit, value: sent, .. }| {
            (gas.saturating_add(gas_limit.unwrap_or_default()), value.saturating_add(sent))
        },
    );
    if gas == 0 {
        return Ok(());
    }
    let market = l1.market().await?;
    let price = market.base_fee.saturating_mul(BASE_FEE_HEADROOM).saturating_add(market.tip);
    let needs = U256::from(gas).saturating_mul(U256::from(price)).saturating_add(value);
    let has = l1.balance(account).await?;
    if has < needs { Err(DeployError::Unfunded { account, has, needs }) } else { Ok(()) }
}

async fn await_step(l1: &Client, step: Step, pending: Pending) -> Result<(), DeployError> {
    let part = step.part;
    match pending.await? {
        Outcome::Mined(_) => Ok(()),
        // Somebody else may have sent the same creation first: the result is the same.
        Outcome::Reverted(..) | Outcome::WouldRevert(_)
            if !l1.code(step.creates).await?.is_empty() =>
        {
            Ok(())
        }
        Outcome::Reverted(_, revert) | Outcome::WouldRevert(revert) => {
            Err(DeployError::CreationReverted { part, revert })
        }
        Outcome::Refused(refusal) => Err(DeployError::CreationRefused { part, refusal }),
    }
}

async fn await_deposit(recipient: Address, pending: Pending) -> Result<(), DeployError> {
    match pending.await? {
        Outcome::Mined(_) => Ok(()),
        Outcome::Reverted(_, revert) | Outcome::WouldRevert(revert) => {
            Err(DeployError::DepositReverted { recipient, revert })
        }
        Outcome::Refused(refusal) => Err(DeployError::DepositRefused { recipient, refusal }),
    }
}

/// The deposits that an account has not made yet, with their places in the list, which name their purposes.
async fn unmade(
    l1: &Client,
    depositor: Address,
    bridge: Address,
    deposits: Vec<(usize, Deposit)>,
) -> Result<Vec<(usize, Deposit)>, DeployError> {
    if deposits.is_empty() {
        return Ok(deposits);
    }
    let mut made = deposits_to(l1, bridge, Some(depositor)).await?;
    let unmade = deposits.into_iter().filter(|(_, deposit)| match made.get_mut(deposit) {
        Some(count) if *count > 0 => {
            *count -= 1;
            false
        }
        _ => true,
    });
    Ok(unmade.collect())
}

/// Waits until all transactions of an account that L1 knows are mined.
async fn settled(l1: &Client, account: Address) -> Result<(), DeployError> {
    let settled = async {
        while l1.mined_nonce(account).await? < l1.pending_nonce(account).await? {
            tokio::time::sleep(SETTLE_POLL).await;
        }
        Ok(())
    };
    match tokio::time::timeout(SETTLE_TIMEOUT, settled).await {
        Ok(settled) => settled,
        Err(_) => Err(DeployError::Unsettled { account }),
    }
}

/// How often each deposit was made, by anybody or by one account.
async fn deposits_to(
    l1: &Client,
    bridge: Address,
    depositor: Option<Address>,
) -> Result<HashMap<Deposit, usize>, DeployError> {
    let first = check::view(l1, bridge, &CommonBridge::lastFetchedL1BlockCall {}).await?;
    let first = U256::from_be_bytes(first.0).saturating_to::<u64>();
    let head = l1.head().await?.number;
    let mut made = HashMap::new();
    for from in (first..=head).step_by(LOG_STEP as usize) {
        let mut filter = Filter::new()
            .address(bridge)
            .event_signature(CommonBridge::PrivilegedTxSent::SIGNATURE_HASH)
            .from_block(from)
            .to_block(head.min(from + LOG_STEP - 1));
        if let Some(depositor) = depositor {
            filter = filter.topic1(depositor.into_word());
        }
        for log in l1.logs(&filter).await? {
            if let Some(deposit) = deposit_in(&log.inner) {
                *made.entry(deposit).or_default() += 1;
            }
        }
    }
    Ok(made)
}

/// The deposit that an event of the bridge tells of, if it does.
fn deposit_in(log: &alloy_primitives::Log) -> Option<Deposit> {
    let event = CommonBridge::PrivilegedTxSent::decode_log(log).ok()?.data;
    if event.from != BRIDGE_L2 || event.to != BRIDGE_L2 {
        return None;
    }
    let mint = CommonBridgeL2::mintETHCall::abi_decode(&event.data).ok()?;
    Some(Deposit { recipient: mint.to, amount: event.value })
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

    #[test]
    fn only_deposits_count_as_deposits() {
        let event = |from, data: Vec<u8>| {
            let event = CommonBridge::PrivilegedTxSent {
                l1From: Address::ZERO,
                from,
                to: BRIDGE_L2,
                transactionId: U256::ZERO,
                value: U256::from(5),
                gasLimit: U256::from(1),
                data: data.into(),
            };
            alloy_primitives::Log { address: Address::ZERO, data: event.encode_log_data() }
        };
        let recipient = Address::repeat_byte(3);
        let mint = CommonBridgeL2::mintETHCall { to: recipient }.abi_encode();
        let deposit = Deposit { recipient, amount: U256::from(5) };
        assert_eq!(deposit_in(&event(BRIDGE_L2, mint.clone())), Some(deposit));
        assert_eq!(deposit_in(&event(recipient, mint)), None);
        assert_eq!(deposit_in(&event(BRIDGE_L2, vec![1, 2, 3, 4])), None);
    }
}
