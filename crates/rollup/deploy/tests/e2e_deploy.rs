//! Deployments on anvil: from nothing, again, and after an interruption.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::time::Duration;

use alloy_primitives::{Address, B256, U256};
use alloy_provider::Provider;
use ethrex_deploy::{
    DeployConfig, DeployError, Deployed, Deposit, Role, deploy_once, deposit_rich, dev, native,
};
use ethrex_l1::{Client, Contracts, L1Error, Policy, Settlement, SigningKey, testing::Anvil};

const GENESIS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/genesis/l1.json");
const COMMIT_HASH: B256 = B256::repeat_byte(1);

fn anvil(more: &[&str]) -> Option<Anvil> {
    Anvil::start(&[&["--init", GENESIS, "--chain-id", "9"], more].concat())
}

async fn deploy(l1: &Client, config: DeployConfig) -> Result<Deployed, DeployError> {
    let key: SigningKey = dev::DEPLOYER.private_key.parse().unwrap();
    deploy_once(l1, key, Policy::dev(), config).await
}

async fn messages(l1: &Client, contracts: Contracts) -> U256 {
    Settlement::new(l1.clone(), contracts).privileged_sent().await.unwrap()
}

#[tokio::test]
async fn e2e_deploying_again_changes_nothing() {
    let Some(anvil) = anvil(&[]) else { return };
    let l1 = anvil.client();
    let first = deploy(&l1, DeployConfig::dev(COMMIT_HASH)).await.unwrap();
    assert_eq!((first.created, first.deposited), (true, 10));
    let nonce = l1.mined_nonce(dev::DEPLOYER.address).await.unwrap();
    assert_eq!(nonce, 14);

    let second = deploy(&l1, DeployConfig::dev(COMMIT_HASH)).await.unwrap();
    assert_eq!((second.created, second.deposited), (false, 0));
    assert_eq!(second.contracts, first.contracts);
    assert_eq!(l1.mined_nonce(dev::DEPLOYER.address).await.unwrap(), nonce);

    // More of the same deposit is more money, and only the difference is sent.
    let more = DeployConfig::dev(COMMIT_HASH);
    let again = more.deposits.iter().copied().cycle().take(13).collect();
    let third = deploy(&l1, DeployConfig { deposits: again, ..more }).await.unwrap();
    assert_eq!(third.deposited, 3);
    assert_eq!(messages(&l1, first.contracts).await, U256::from(13));
}

#[tokio::test]
async fn e2e_other_terms_are_another_deployment_with_the_same_implementations() {
    let Some(anvil) = anvil(&[]) else { return };
    let l1 = anvil.client();
    let config = || DeployConfig { deposits: vec![], ..DeployConfig::dev(COMMIT_HASH) };
    let first = deploy(&l1, config()).await.unwrap();
    let owner = Address::repeat_byte(7);
    let second = deploy(&l1, DeployConfig { bridge_owner: owner, ..config() }).await.unwrap();
    assert!(second.created && second.contracts.bridge != first.contracts.bridge);
    assert_eq!(l1.mined_nonce(dev::DEPLOYER.address).await.unwrap(), 4 + 1);
}

#[tokio::test]
async fn e2e_an_interrupted_deployment_is_finished_by_the_next() {
    let Some(anvil) = anvil(&["--no-mining"]) else { return };
    let l1 = anvil.client();
    let account = dev::DEPLOYER.address;
    // The first run dies when all its transactions are sent and none is mined.
    let sent = async {
        while l1.pending_nonce(account).await.unwrap() < 14 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        ended = deploy(&l1, DeployConfig::dev(COMMIT_HASH)) => panic!("ended: {ended:?}"),
        () = sent => {}
    }
    let mining = async {
        loop {
            let mined = l1.provider().raw_request::<_, B256>("evm_mine".into(), ()).await;
            // Anvil answers with a text that is no hash.
            drop(mined);
            tokio::task::yield_now().await;
        }
    };
    let second = tokio::select! {
        done = deploy(&l1, DeployConfig::dev(COMMIT_HASH)) => done.unwrap(),
        () = mining => unreachable!("mining never ends"),
    };
    assert_eq!((second.created, second.deposited), (false, 0));
    assert_eq!(l1.mined_nonce(account).await.unwrap(), 14);
    assert_eq!(messages(&l1, second.contracts).await, U256::from(10));
}

#[tokio::test]
async fn e2e_rich_accounts_deposit_once() {
    let Some(anvil) = anvil(&[]) else { return };
    let l1 = anvil.client();
    let config = DeployConfig { deposits: vec![], ..DeployConfig::dev(COMMIT_HASH) };
    let contracts = deploy(&l1, config).await.unwrap().contracts;
    let keys = |count: usize| -> Vec<SigningKey> {
        dev::RICH[..count].iter().map(|rich| rich.private_key.parse().unwrap()).collect()
    };
    let made = deposit_rich(&l1, keys(2), &Policy::dev(), contracts.bridge).await.unwrap();
    assert_eq!(made, 2);
    let made = deposit_rich(&l1, keys(3), &Policy::dev(), contracts.bridge).await.unwrap();
    assert_eq!(made, 1);
    assert_eq!(messages(&l1, contracts).await, U256::from(3));
    let half = l1.balance(contracts.bridge).await.unwrap() / U256::from(3);
    let left = l1.balance(dev::RICH[0].address).await.unwrap();
    assert!(left < half && half - left < U256::from(10).pow(U256::from(16)), "{left} of {half}");
}

#[tokio::test]
async fn e2e_an_l1_that_is_not_fit_is_refused_before_anything_is_sent() {
    let dev_config = || DeployConfig::dev(COMMIT_HASH);
    let Some(wrong) = anvil(&[]) else { return };
    let config = DeployConfig { l1_chain_id: Some(1), ..dev_config() };
    let error = deploy(&wrong.client(), config).await.unwrap_err();
    assert!(
        matches!(error, DeployError::L1(L1Error::WrongChain { expected: 1, found: 9 })),
        "{error}"
    );

    let poor = Deposit { recipient: Address::repeat_byte(1), amount: U256::MAX >> 1 };
    let config = DeployConfig { deposits: vec![poor], ..dev_config() };
    let error = deploy(&wrong.client(), config).await.unwrap_err();
    assert!(matches!(error, DeployError::Unfunded { .. }), "{error}");
    assert_eq!(wrong.client().pending_nonce(dev::DEPLOYER.address).await.unwrap(), 0);

    let public = Anvil::start(&["--chain-id", "1"]).unwrap();
    let error = deploy(&public.client(), dev_config()).await.unwrap_err();
    assert!(matches!(error, DeployError::PublicKey { role: Role::Sequencer, .. }), "{error}");

    let bare = Anvil::start(&["--disable-default-create2-deployer"]).unwrap();
    let error = deploy(&bare.client(), dev_config()).await.unwrap_err();
    assert!(matches!(error, DeployError::NoDeterministicDeployer), "{error}");
}

#[tokio::test]
async fn e2e_a_bridge_that_changed_hands_is_still_found() {
    let Some(anvil) = anvil(&[]) else { return };
    let l1 = anvil.client();
    let config = || DeployConfig {
        deposits: vec![],
        inclusion_max_wait: Duration::from_secs(60),
        ..DeployConfig::dev(COMMIT_HASH)
    };
    let first = deploy(&l1, config()).await.unwrap();
    // OpenZeppelin's namespaced slot of the owner.
    let slot = "0x9016d09d72d40fdae2fd8ceac6b6234c7706214fd39c1cd1e609a0528c199300";
    let (bridge, other) = (first.contracts.bridge, Address::repeat_byte(9).into_word());
    let set: bool = l1
        .provider()
        .raw_request("anvil_setStorageAt".into(), (bridge, slot, other))
        .await
        .unwrap();
    assert!(set);
    let second = deploy(&l1, config()).await.unwrap();
    assert_eq!((second.created, second.contracts), (false, first.contracts));
}

#[tokio::test]
async fn e2e_an_l1_that_cannot_verify_a_native_rollup_is_refused() {
    let Some(anvil) = anvil(&[]) else { return };
    let l1 = anvil.client();
    let genesis = native::l2_genesis(&native::l1_genesis(), 80_790_001, 9_000_000, &[]).unwrap();
    let config = || {
        let sequencer = dev::DEPLOYER.address;
        native::NativeDeployConfig::dev(genesis.clone(), native::NativeMode::Inline, sequencer)
    };
    let deploy = async |config| {
        let key: SigningKey = dev::DEPLOYER.private_key.parse().unwrap();
        native::deploy_native_once(&l1, key, Policy::dev(), config).await.unwrap_err()
    };
    let error = deploy(config()).await;
    assert!(matches!(error, DeployError::NoExecute), "{error}");
    let other = native::first_block(&native::l1_genesis()).unwrap();
    let error = deploy(native::NativeDeployConfig { l1_genesis: Some(other), ..config() }).await;
    assert!(
        matches!(error, DeployError::OtherL1 { expected, found } if expected == other && found != other),
        "{error}"
    );
    assert_eq!(l1.mined_nonce(dev::DEPLOYER.address).await.unwrap(), 0, "nothing was sent");
}
