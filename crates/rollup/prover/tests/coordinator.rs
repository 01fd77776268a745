//! A coordinator and its provers over sockets.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{collections::BTreeSet, net::SocketAddr, sync::Arc, time::Duration};

use alloy_primitives::{Address, B256, U256};
use ethrex_program::{ProgramInput, prove, testing::batch};
use ethrex_protocol::{
    BatchNumber, L2Height,
    batch::{Batch, BlobsBundle},
    constants::DEFAULT_L2_CHAIN_ID,
    deposit::PrivilegedMessage,
    public_inputs::PublicInputs,
};
use ethrex_prover::{
    Client, ClientConfig, ClientError, Coordinator, CoordinatorConfig, CoordinatorError,
    CoordinatorParts, Exec, InputSource, ProverType, Secret, SourceError, Turn,
};
use ethrex_rules::testing::TestRollup;
use ethrex_store::{Store, StoredBatch};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::watch,
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

const VERSION: &str = "test 1";

/// Two real batches.
#[derive(Debug)]
struct Inputs(Vec<ProgramInput>);

impl InputSource for Inputs {
    fn input(&self, batch: &StoredBatch) -> Result<Option<ProgramInput>, SourceError> {
        let index = usize::try_from(batch.batch.number.0 - 1).unwrap();
        Ok(self.0.get(index).cloned())
    }
}

struct Running {
    address: SocketAddr,
    store: Store,
    expected: Vec<PublicInputs>,
    stop: CancellationToken,
    task: JoinHandle<Result<(), CoordinatorError>>,
    _verified: watch::Sender<Option<BatchNumber>>,
}

/// The row that a batcher writes for a batch with these public inputs.
fn row(number: u64, height: u64, inputs: &PublicInputs) -> StoredBatch {
    StoredBatch {
        batch: Batch {
            number: BatchNumber(number),
            first_block: L2Height(height),
            last_block: L2Height(height),
            state_root: inputs.final_state_root,
            l1_in_messages_rolling_hash: inputs.l1_in_rolling_hash,
            l2_in_message_rolling_hashes: vec![],
            l1_out_message_hashes: vec![],
            non_privileged_transactions: inputs.non_privileged_count,
            balance_diffs: vec![],
            blobs_bundle: BlobsBundle::default(),
            commit_tx: None,
            verify_tx: None,
        },
        last_block_hash: inputs.last_block_hash,
        blob_versioned_hash: inputs.blob_versioned_hash,
    }
}

async fn start(secret: Option<&str>) -> Running {
    let mut rollup = TestRollup::default();
    let genesis_state_root = rollup.head().state_root;
    let store = Store::memory().unwrap();
    let (mut inputs, mut expected) = (vec![], vec![]);
    for number in 1..=2 {
        let deposit = PrivilegedMessage::eth_deposit(
            DEFAULT_L2_CHAIN_ID,
            number - 1,
            Address::repeat_byte(1),
            U256::from(1),
        );
        let block = rollup.build([deposit.to_transaction(1)]);
        let input = batch(&rollup, &[block]);
        let proven = prove(&input).unwrap();
        store.insert_batch(&row(number, number, &proven)).unwrap();
        inputs.push(input);
        expected.push(proven);
    }
    let config = CoordinatorConfig {
        listen: ([127, 0, 0, 1], 0).into(),
        secret: secret.map(|text| Secret::new(text.into())),
        version: VERSION.into(),
        needed: BTreeSet::from([ProverType::Exec]),
        timeout: Duration::from_secs(600),
        chain_id: DEFAULT_L2_CHAIN_ID,
        genesis_state_root,
    };
    let (_verified, verified) = watch::channel(Some(BatchNumber(0)));
    let parts =
        CoordinatorParts { store: store.clone(), inputs: Arc::new(Inputs(inputs)), verified };
    let coordinator = Coordinator::bind(config, parts).await.unwrap();
    let (address, stop) = (coordinator.address(), CancellationToken::new());
    let task = tokio::spawn(coordinator.run(stop.clone()));
    Running { address, store, expected, stop, task, _verified }
}

impl Running {
    fn client(&self, secret: Option<&str>, version: &str) -> Client {
        let config = ClientConfig {
            coordinators: vec![self.address.to_string()],
            secret: secret.map(|text| Secret::new(text.into())),
            version: version.into(),
            every: Duration::from_millis(10),
        };
        Client::new(config, Arc::new(Exec))
    }

    async fn turn(&self, client: &Client) -> Result<Turn, ClientError> {
        client.turn(&self.address.to_string()).await
    }

    /// Says something, closes, and listens.
    async fn say(&self, text: &str) -> Value {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = vec![];
        stream.read_to_end(&mut answer).await.unwrap();
        serde_json::from_slice(&answer).unwrap()
    }

    async fn end(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_prover_proves_all_batches_and_then_idles() {
    let running = start(None).await;
    let client = running.client(None, VERSION);
    for number in [1, 2] {
        assert_eq!(running.turn(&client).await.unwrap(), Turn::Proven(BatchNumber(number)));
        let stored = running.store.proof(BatchNumber(number), 0).unwrap().unwrap();
        let expected = running.expected[usize::try_from(number - 1).unwrap()].encode();
        let found = stored.windows(expected.len()).any(|window| window == expected);
        assert!(found, "the public inputs are stored");
    }
    assert_eq!(running.turn(&client).await.unwrap(), Turn::Idle);
    running.end().await;
}

#[tokio::test]
async fn a_running_client_finishes_the_work_and_stops_when_told() {
    let running = start(Some("hush")).await;
    let stop = CancellationToken::new();
    let client = tokio::spawn(running.client(Some("hush"), VERSION).run(stop.clone()));
    while running.store.proof(BatchNumber(2), 0).unwrap().is_none() {
        tokio::task::yield_now().await;
    }
    stop.cancel();
    client.await.unwrap();
    running.end().await;
}

#[tokio::test]
async fn strangers_and_other_versions_get_nothing() {
    let running = start(Some("hush")).await;
    for secret in [None, Some("husk")] {
        let refused = running.turn(&running.client(secret, VERSION)).await.unwrap_err();
        assert!(matches!(refused, ClientError::Refused { .. }), "{refused}");
    }
    let refused = running.turn(&running.client(Some("hush"), "test 2")).await.unwrap_err();
    assert!(matches!(refused, ClientError::Version { .. }), "{refused}");
    let client = running.client(Some("hush"), VERSION);
    assert_eq!(running.turn(&client).await.unwrap(), Turn::Proven(BatchNumber(1)));
    running.end().await;
}

#[tokio::test]
async fn the_protocol_on_the_wire_is_the_documented_one() {
    let running = start(None).await;
    let ask = json!({"InputRequest": {"commit_hash": VERSION, "prover_type": "Exec"}}).to_string();
    let answer = running.say(&ask).await;
    let response = &answer["InputResponse"];
    assert_eq!((&response["id"], &response["format"]), (&json!(1), &json!("Groth16")));
    let input: ProgramInput = serde_json::from_value(response["input"].clone()).unwrap();
    let public_values = prove(&input).unwrap().encode();

    let bring = |values: &[u8]| {
        json!({"ProofSubmit": {"id": 1, "proof": {"ProofWithPublicValues": {
            "proof_bytes": {"prover_type": "Exec", "proof": []}, "public_values": values,
        }}}})
        .to_string()
    };
    let refused = running.say(&bring(&[0; 256])).await;
    assert!(refused["Refused"]["reason"].as_str().unwrap().contains("public inputs"));
    let unsaid = running.say(&bring(&[])).await;
    assert!(unsaid["Refused"]["reason"].as_str().unwrap().contains("not handed out"));
    assert_eq!(running.say(&ask).await["InputResponse"]["id"], 1);
    let ack = json!({"ProofSubmitACK": {"id": 1}});
    assert_eq!(running.say(&bring(&public_values)).await, ack);
    assert_eq!(running.say(&bring(&public_values)).await, ack, "bringing it twice is no mistake");

    let sp1 = json!({"InputRequest": {"commit_hash": VERSION, "prover_type": "SP1"}}).to_string();
    let not_needed = json!({"ProverTypeNotNeeded": {"prover_type": "SP1"}});
    assert_eq!(running.say(&sp1).await, not_needed);
    let other = json!({"InputRequest": {"commit_hash": "x", "prover_type": "Exec"}}).to_string();
    assert_eq!(running.say(&other).await, json!("VersionMismatch"));
    for nonsense in ["", "{", "[]", "{\"auth\":\"\"}", "GET / HTTP/1.1\r\n\r\n"] {
        assert!(running.say(nonsense).await["Refused"]["reason"].is_string(), "{nonsense}");
    }
    running.end().await;
}

#[tokio::test]
async fn a_connection_that_says_nothing_hinders_nobody() {
    let running = start(None).await;
    let mut silent = vec![];
    for _ in 0..20 {
        silent.push(TcpStream::connect(running.address).await.unwrap());
    }
    let client = running.client(None, VERSION);
    assert_eq!(running.turn(&client).await.unwrap(), Turn::Proven(BatchNumber(1)));
    running.end().await;
}

#[tokio::test]
async fn others_may_connect_only_with_a_secret() {
    let config = |secret| CoordinatorConfig {
        listen: ([0, 0, 0, 0], 0).into(),
        secret,
        version: VERSION.into(),
        needed: BTreeSet::new(),
        timeout: Duration::ZERO,
        chain_id: 1,
        genesis_state_root: B256::ZERO,
    };
    let parts = CoordinatorParts {
        store: Store::memory().unwrap(),
        inputs: Arc::new(Inputs(vec![])),
        verified: watch::channel(None).1,
    };
    let error = Coordinator::bind(config(None), parts).await.unwrap_err();
    assert!(matches!(error, CoordinatorError::NoSecret(_)));
    let shown = format!("{:?}", config(Some(Secret::new("hush".into()))));
    assert!(!shown.contains("hush"), "{shown}");
}
