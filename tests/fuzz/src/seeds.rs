//! What a fuzzer begins with: inputs that get somewhere.

use std::{fs, path::Path};

use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{B256, Bytes, keccak256};
use ethrex_execute::{
    StreamBlock,
    stream::{self, Codec},
    testing::vectors::Calls,
};
use ethrex_protocol::{blob, fee::FeeConfig};
use ethrex_stateless::{
    StatelessInput, VerifyOptions,
    testing::{
        TestChain, WRITER,
        attacks::{self, busy},
        signer,
    },
    verify,
};
use ethrex_stf::Ethereum;
use ethrex_test_eels::Candidates;
use ethrex_test_native::Dice;
use ethrex_trie::prove;
use ethrex_types::{
    Fork, PooledTx, ReceiptWithBloom, Tx,
    alloy_consensus::{Signed, TxEip4844WithSidecar},
};
use serde_json::{Value, json};

/// Seeds of the target of this name.
///
/// # Panics
/// If there is no such target.
#[must_use]
pub fn seeds(target: &str) -> Vec<Vec<u8>> {
    match target {
        "block" => blocks().iter().map(alloy_rlp::encode).collect(),
        "transaction" => transactions(),
        "pooled_transaction" => pooled_transactions(),
        "receipt" => receipts(),
        "json_rpc" => requests(),
        "engine_payload" => crate::engine::seeds(),
        "trie_proof" => proofs(),
        "stateless_input" => inputs(),
        "witness" => (0..20_u64).map(|seed| keccak256(seed.to_be_bytes()).to_vec()).collect(),
        "execute" => calls(),
        "stream" | "stream_blobs" => streams(),
        "blob_payload" => payloads(),
        other => panic!("no target {other}"),
    }
}

fn blocks() -> Vec<ethrex_types::Block> {
    let (mut chain, block) = busy();
    let empty = chain.make(&[]);
    let old = ethrex_test_eels::RandomChain::new("Cancun", 1).make();
    let blocks = [block.block, empty.block, old.block];
    blocks.into_iter().map(|block| block.sealed().block().clone()).collect()
}

fn of_every_kind() -> Vec<Tx> {
    let mut dice = Dice::new(1);
    Candidates::new(Fork::Osaka, 1).next(&mut dice, 40)
}

fn transactions() -> Vec<Vec<u8>> {
    let txs = of_every_kind();
    txs.iter().map(Encodable2718::encoded_2718).collect()
}

/// Those without blobs, and one of whose blobs there are none, so that seeds stay short.
fn pooled_transactions() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for tx in of_every_kind() {
        let Tx::Eip4844(tx) = tx else {
            seeds.push(tx.encoded_2718());
            continue;
        };
        let (tx, signature, hash) = tx.into_parts();
        let tx = TxEip4844WithSidecar { tx, sidecar: Default::default() };
        let tx = PooledTx::Eip4844(Signed::new_unchecked(tx, signature, hash));
        seeds.push(tx.encoded_2718());
    }
    seeds
}

fn receipts() -> Vec<Vec<u8>> {
    let (chain, block) = busy();
    let verified = verify(chain.spec(), &Ethereum, &block.input, &VerifyOptions::default());
    let receipts = verified.expect("the block is valid").validated.receipts;
    let receipts = receipts.into_iter().map(ReceiptWithBloom::from);
    receipts.map(alloy_rlp::encode).collect()
}

/// Every method, with parameters of the shapes that methods take.
fn requests() -> Vec<Vec<u8>> {
    let address = signer(1).address();
    let transaction = of_every_kind()[0].encoded_2718();
    let call = json!({"from": address, "to": WRITER, "data": "0x00", "gas": "0x10000"});
    let shapes = [
        json!([]),
        json!(["0x1"]),
        json!(["latest", false]),
        json!(["0x1", true]),
        json!([address, "latest"]),
        json!([address, "0x0", "latest"]),
        json!([address, ["0x1"], "latest"]),
        json!([B256::ZERO]),
        json!([call]),
        json!([call, "latest"]),
        json!([call, "latest", {}]),
        json!([{"fromBlock": "0x0", "toBlock": "latest", "address": address, "topics": [null]}]),
        json!(["0x5", "latest", [25.0, 75.0]]),
        json!([Bytes::from(transaction)]),
        json!([{"blockStateCalls": [{"calls": [call]}]}, "latest"]),
        json!(["latest", {"tracer": "callTracer"}]),
        json!([B256::ZERO, {}]),
    ];
    let request = |method: &str, params: &Value| json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    let mut seeds = Vec::new();
    for method in crate::rpc::methods() {
        for shape in &shapes {
            seeds.push(request(method, shape).to_string().into_bytes());
        }
    }
    let batch = [request("eth_chainId", &shapes[0]), request("eth_blockNumber", &shapes[0])];
    seeds.push(json!(batch).to_string().into_bytes());
    seeds
}

fn proofs() -> Vec<Vec<u8>> {
    let chain = TestChain::new(&[(1, 1), (2, 2), (3, 3)]);
    let everything = chain.everything();
    let root = chain.head().state_root;
    let keys = (1..=8).map(|number| keccak256(signer(number).address()));
    keys.map(|key| {
        let nodes = prove(everything.nodes(), None, root, key).expect("the whole state is there");
        let mut seed = key.to_vec();
        for node in nodes {
            seed.extend((node.len() as u16).to_be_bytes());
            seed.extend(&node);
        }
        seed
    })
    .collect()
}

fn inputs() -> Vec<Vec<u8>> {
    let lists = [attacks::s02(), attacks::s06(), attacks::s12(), attacks::w06()];
    let mut inputs: Vec<StatelessInput> =
        lists.into_iter().flatten().map(|attack| attack.input).take(60).collect();
    inputs.push(busy().1.input);
    inputs.iter().map(StatelessInput::encode).collect()
}

fn calls() -> Vec<Vec<u8>> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/native/execute.json");
    let json = fs::read(file).expect("the golden vectors are there");
    let calls: Calls = serde_json::from_slice(&json).expect("they are calls");
    calls.vectors.iter().map(|call| calls.input(call)).collect()
}

fn streams() -> Vec<Vec<u8>> {
    let of = |dt, count: usize, len: usize| StreamBlock {
        dt,
        transactions: vec![vec![7; len].into(); count],
    };
    let lists = [
        vec![],
        vec![of(1, 2, 100)],
        vec![of(0, 0, 0), of(12, 1, 0), of(300, 3, 200)],
        vec![of(1, 160, 1); 3],
    ];
    let encoded = lists.iter().map(|blocks| stream::encode(blocks, Codec::Raw));
    encoded.map(|stream| stream.expect("it is within the limits")).collect()
}

fn payloads() -> Vec<Vec<u8>> {
    let (blocks, fees) = (blocks(), FeeConfig::default());
    let of = |count: usize| blocks.iter().take(count).map(|block| (block, &fees));
    (0..=blocks.len()).map(|count| blob::encode_payload(of(count)).expect("it fits")).collect()
}
