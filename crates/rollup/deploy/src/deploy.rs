//! Puts the contracts on L1, or finds them there.
//!
//! Everything is sent at once and then awaited. What exists already is left alone, so a deployment that was
//! interrupted is finished by running it again; the addresses commit to everything the contracts were told
//! ([`crate::plan`]), so what is found is what was asked for.

use std::{sync::Arc, time::Duration};

use alloy_primitives::{Address, U256};
use ethrex_l1::{
    Client, Contracts, MemoryOutbox, Outcome, Pending, Policy, Purpose, Sender, SenderConfig,
    SigningKey, TxRequest,
};
use ethrex_types::{Genesis, Network};
use tokio_util::sync::CancellationToken;

use crate::{
    check,
    config::{DeployConfig, Deposit},
    deposits::{await_deposit, unmade},
    dev::is_dev_account,
    env_file::EnvFile,
    error::{DeployError, Role},
    plan::{self, DETERMINISTIC_DEPLOYER, Part, Plan, Step, Terms},
};

/// How long transactions of the deployer that are under way are waited for.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(60);
/// Time between two looks at them.
const SETTLE_POLL: Duration = Duration::from_millis(200);
/// Time between two looks of a sender that lives for one deployment.
const SENDER_POLL: Duration = Duration::from_millis(500);
/// Transactions under way at once in one deployment: all steps and the ten deposits of a development chain.
const IN_FLIGHT: usize = 16;
/// Base fee is counted this many times when the deployer's balance is judged, as the sender offers that much.
const BASE_FEE_HEADROOM: u128 = 2;

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
    let l1_chain_id = fit(l1, config.l1_chain_id, config.roles()).await?;
    let terms = config.terms()?;
    let plan = Plan::new(&terms, config.salt);
    let bridge = plan.contracts.bridge;

    let mut owed = Owed::look(l1, sender.address(), &plan, &config.deposits).await?;
    if !owed.is_empty() {
        // A former run may have died with some of it under way, which then comes by itself.
        settled(l1, sender.address()).await?;
        owed = Owed::look(l1, sender.address(), &plan, &config.deposits).await?;
    }
    let created = owed.proxies();
    funded(l1, sender.address(), owed.requests(bridge)).await?;
    let Owed { steps, deposits } = owed;

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

/// Runs `work` beside the loop of a new sender.
pub(crate) async fn with_sender<T>(
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

/// Checks what must hold before anything is sent. Returns L1's chain id.
pub(crate) async fn fit(
    l1: &Client,
    expected: Option<u64>,
    mut roles: impl Iterator<Item = (Role, Address)>,
) -> Result<u64, DeployError> {
    if let Some(expected) = expected {
        l1.expect_chain(expected).await?;
    }
    let chain_id = l1.chain_id().await?;
    // Where value is public, no account with a public key may have power.
    if Network::of_chain_id(chain_id).is_some()
        && let Some((role, account)) = roles.find(|(_, account)| is_dev_account(*account))
    {
        return Err(DeployError::PublicKey { role, account, chain_id });
    }
    if l1.code(DETERMINISTIC_DEPLOYER).await?.is_empty() {
        return Err(DeployError::NoDeterministicDeployer);
    }
    Ok(chain_id)
}

/// What is not on L1 yet.
#[derive(Debug)]
struct Owed {
    steps: Vec<Step>,
    /// With their places in the configuration, which name their purposes.
    deposits: Vec<(usize, Deposit)>,
}

impl Owed {
    async fn look(
        l1: &Client,
        depositor: Address,
        plan: &Plan,
        deposits: &[Deposit],
    ) -> Result<Self, DeployError> {
        let all = deposits.iter().copied().enumerate().collect();
        let fresh = Self { steps: missing(l1, &plan.steps).await?, deposits: all };
        if fresh.proxies() {
            return Ok(fresh);
        }
        let deposits = unmade(l1, depositor, plan.contracts.bridge, fresh.deposits).await?;
        Ok(Self { deposits, ..fresh })
    }

    fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.deposits.is_empty()
    }

    fn requests(&self, bridge: Address) -> impl Iterator<Item = TxRequest> {
        let deposits =
            self.deposits.iter().map(move |(_, d)| plan::deposit(bridge, d.recipient, d.amount));
        self.steps.iter().map(|step| step.request.clone()).chain(deposits)
    }

    /// Whether the proxies are still to be created.
    fn proxies(&self) -> bool {
        self.steps.iter().any(|step| step.part == Part::Proxies)
    }
}

/// The steps whose contracts do not stand yet.
pub(crate) async fn missing(l1: &Client, steps: &[Step]) -> Result<Vec<Step>, DeployError> {
    let mut missing = Vec::new();
    for step in steps {
        if l1.code(step.creates).await?.is_empty() {
            missing.push(step.clone());
        } else {
            tracing::debug!(part = %step.part, address = %step.creates, "found");
        }
    }
    Ok(missing)
}

/// Whether the deployer can pay for everything at today's prices.
pub(crate) async fn funded(
    l1: &Client,
    account: Address,
    requests: impl Iterator<Item = TxRequest>,
) -> Result<(), DeployError> {
    let (gas, value) = requests.fold(
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

/// Waits for the outcome of a creation. Returns the block it was mined in, if it was ours.
pub(crate) async fn await_step(
    l1: &Client,
    step: Step,
    pending: Pending,
) -> Result<Option<u64>, DeployError> {
    let part = step.part;
    match pending.await? {
        Outcome::Mined(mined) => Ok(Some(mined.block)),
        // Somebody else may have sent the same creation first: the result is the same.
        Outcome::Reverted(..) | Outcome::WouldRevert(_)
            if !l1.code(step.creates).await?.is_empty() =>
        {
            Ok(None)
        }
        Outcome::Reverted(_, revert) | Outcome::WouldRevert(revert) => {
            Err(DeployError::CreationReverted { part, revert })
        }
        Outcome::Refused(refusal) => Err(DeployError::CreationRefused { part, refusal }),
    }
}

/// Waits until all transactions of an account that L1 knows are mined.
pub(crate) async fn settled(l1: &Client, account: Address) -> Result<(), DeployError> {
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
