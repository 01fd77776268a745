//! Puts the contracts of a native rollup on L1, or finds them there.

use alloy_primitives::{Address, B256, Bytes, U256, hex};
use alloy_rpc_types_eth::TransactionRequest;
use alloy_sol_types::{SolCall, SolConstructor};
use ethrex_l1::{Client, L1Error, Policy, Purpose, Sender, SigningKey, TxRequest};

use super::{
    DeployedNative, NativeContracts, NativeDeployConfig, Terms,
    bindings::{NativeRollup, TokenBridge},
};
use crate::{
    artifacts,
    deploy::{await_step, fit, funded, missing, settled, with_sender},
    env_file::EnvFile,
    error::DeployError,
    plan::{self, DETERMINISTIC_DEPLOYER, Part, Step},
};

/// A creation that succeeds where EXECUTE exists: the precompile refuses a single byte, and an empty account would take it.
///
/// `STATICCALL(gas: 50000, 0x0101, input: 1 byte) PUSH1 17 JUMPI | STOP | JUMPDEST REVERT`
const PROBE: [u8; 21] = hex!("5f5f60015f6101016200c350fa601157005b5f5ffd");

/// The creations, one after the other.
#[derive(Debug)]
struct Plan {
    steps: [Step; 2],
    contracts: NativeContracts,
}

impl Plan {
    fn new(terms: &Terms, salt: B256) -> Self {
        let code = artifacts::NATIVE_ROLLUP.init_code();
        let arguments = NativeRollup::constructorCall { config: terms.config.clone() }.abi_encode();
        let init_code: Bytes = [code.as_ref(), &arguments].concat().into();
        // What code costs to store differs between the L1s of today and of Amsterdam.
        let rollup = plan::create_estimated(Part::NativeRollup, salt, &init_code, terms.escrow);

        let code = artifacts::TOKEN_BRIDGE.init_code();
        let arguments = TokenBridge::constructorCall { rollup: rollup.creates }.abi_encode();
        let init_code: Bytes = [code.as_ref(), &arguments].concat().into();
        let bridge = plan::create_estimated(Part::TokenBridge, salt, &init_code, U256::ZERO);
        let contracts = NativeContracts { rollup: rollup.creates, token_bridge: bridge.creates };
        Self { steps: [rollup, bridge], contracts }
    }
}

/// Deploys through a sender whose loop runs elsewhere, and returns when everything is mined and checked.
///
/// # Errors
/// If L1 is not fit for it, the deployer cannot pay, or a transaction fails. Running it again continues.
pub async fn deploy_native(
    l1: &Client,
    sender: &Sender,
    config: NativeDeployConfig,
) -> Result<DeployedNative, DeployError> {
    let l1_chain_id = fit(l1, None, config.roles()).await?;
    check_l1(l1, config.l1_genesis).await?;
    let terms = config.terms()?;
    let plan = Plan::new(&terms, config.salt);

    let mut owed = missing(l1, &plan.steps).await?;
    if !owed.is_empty() {
        // A former run may have died with a transaction under way, which then comes by itself.
        settled(l1, sender.address()).await?;
        owed = missing(l1, &plan.steps).await?;
    }
    let mut created_at = None;
    for step in owed {
        let request = priced(l1, sender.address(), &step).await?;
        funded(l1, sender.address(), std::iter::once(request)).await?;
        tracing::info!(%l1_chain_id, part = %step.part, address = %step.creates, "deploying");
        let purpose = Purpose::new(format!("deploy:{}", step.creates));
        let pending = sender.submit(purpose, step.request.clone()).await?;
        let (part, block) = (step.part, await_step(l1, step, pending).await?);
        if part == Part::NativeRollup {
            created_at = block;
        }
    }

    check(l1, &plan.contracts, &terms).await?;
    let env = EnvFile::native(&plan.contracts);
    Ok(DeployedNative {
        contracts: plan.contracts,
        l1_chain_id,
        genesis_hash: terms.config.genesisHash,
        l2_genesis: config.l2_genesis,
        created_at,
        env: match created_at {
            Some(block) => env.with_start_block(block),
            None => env,
        },
    })
}

/// Whether this is the L1 whose schedule the genesis copies, and whether it can verify blocks.
async fn check_l1(l1: &Client, genesis: Option<B256>) -> Result<(), DeployError> {
    if let Some(expected) = genesis
        && let Some(first) = l1.header(0).await?
        && first.hash != expected
    {
        return Err(DeployError::OtherL1 { expected, found: first.hash });
    }
    // Nothing is sent: the deterministic deployer is only asked what the creation would do.
    let probe = [B256::ZERO.as_slice(), &PROBE].concat();
    match l1.call(DETERMINISTIC_DEPLOYER, probe.into()).await? {
        Ok(_) => Ok(()),
        Err(_) => Err(DeployError::NoExecute),
    }
}

/// The request with the gas it will take; it is asked for only to judge whether it can be paid.
async fn priced(l1: &Client, from: Address, step: &Step) -> Result<TxRequest, DeployError> {
    let request = step.request.clone();
    let call = TransactionRequest {
        from: Some(from),
        to: Some(request.to),
        value: Some(request.value),
        input: request.data.clone().into(),
        ..TransactionRequest::default()
    };
    match l1.estimate_gas(call).await? {
        Ok(gas) => Ok(TxRequest { gas_limit: Some(gas), ..request }),
        Err(revert) => Err(DeployError::CreationReverted { part: step.part, revert }),
    }
}

/// Asks the contracts whether they are what they were told to be.
async fn check(l1: &Client, contracts: &NativeContracts, terms: &Terms) -> Result<(), DeployError> {
    let rollup = contracts.rollup;
    for (contract, address) in [("NativeRollup", rollup), ("TokenBridge", contracts.token_bridge)] {
        if l1.code(address).await?.is_empty() {
            return Err(DeployError::NoCode { contract, address });
        }
    }
    let told = ask(l1, rollup, &NativeRollup::configCall {}).await?;
    if told != terms.config {
        return Err(DeployError::NativeDiffers { address: rollup });
    }
    if ask(l1, contracts.token_bridge, &TokenBridge::rollupCall {}).await? != rollup {
        return Err(DeployError::NativeDiffers { address: contracts.token_bridge });
    }
    // The address does not commit to this ether, so somebody else may have created the contract without it. Later it may be
    // less, when accounts have taken out what the genesis gave them: but nothing leaves before the first block is settled.
    let found = ask(l1, rollup, &NativeRollup::escrowCall {}).await?;
    let unused = ask(l1, rollup, &NativeRollup::headCall {}).await?.number == 0;
    if unused && found < terms.escrow {
        return Err(DeployError::Underfunded { address: rollup, expected: terms.escrow, found });
    }
    Ok(())
}

async fn ask<C: SolCall>(l1: &Client, to: Address, call: &C) -> Result<C::Return, DeployError> {
    let doing = "ask NativeRollup";
    let answer = l1
        .call(to, call.abi_encode().into())
        .await?
        .map_err(|revert| L1Error::ViewReverted { doing, revert })?;
    Ok(C::abi_decode_returns(&answer).map_err(|source| L1Error::Decode { doing, source })?)
}

/// Deploys with a sender that lives as long as the deployment: for tools.
///
/// # Errors
/// As [`deploy_native`].
pub async fn deploy_native_once(
    l1: &Client,
    deployer: SigningKey,
    policy: Policy,
    config: NativeDeployConfig,
) -> Result<DeployedNative, DeployError> {
    let work = async |sender| Box::pin(deploy_native(l1, &sender, config)).await;
    with_sender(l1, deployer, policy, work).await
}
