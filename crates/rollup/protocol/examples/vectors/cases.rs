//! The cases. Their inputs are derived from keccak256 of a label, so that they look arbitrary and never change.
//!
//! Every struct lists its fields in alphabetical order, because `forge` decodes JSON objects that way.

use alloy_primitives::{Address, B256, Bytes, FixedBytes, U256, keccak256, ruint::UintTryFrom};
use ethrex_protocol::{
    blob,
    constants::BRIDGE_L2,
    contracts,
    deposit::{self, PrivilegedMessage},
    fee::{FeeConfig, L1Fee, OperatorFee},
    merkle,
    messages::{self, L1Message, L2Message},
    public_inputs::PublicInputs,
    rolling::{L2InRollingHash, versioned_hash},
};
use ethrex_types::{
    Block, Header, Tx,
    alloy_consensus::{Signed, TxEip1559},
};
use serde::Serialize;

const CHAIN: u64 = 65_536_999;

/// The whole file.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Vectors {
    aliases: Vec<Alias>,
    balance_diffs: Vec<BalanceDiffs>,
    blobs: Vec<Blob>,
    counts: Counts,
    fee_configs: Vec<FeeConfigCase>,
    l1_messages: Vec<L1MessageCase>,
    l2_messages: Vec<L2MessageCase>,
    merkle_trees: Vec<MerkleTree>,
    privileged: Vec<Privileged>,
    public_inputs: Vec<PublicInputsCase>,
    rolling_hashes: Vec<RollingHash>,
}

/// How many cases each array has.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Counts {
    aliases: B256,
    balance_diffs: B256,
    blobs: B256,
    fee_configs: B256,
    l1_messages: B256,
    l2_messages: B256,
    merkle_trees: B256,
    privileged: B256,
    public_inputs: B256,
    rolling_hashes: B256,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Alias {
    aliased: Address,
    l1: Address,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Privileged {
    chain_id: B256,
    data: Bytes,
    from: Address,
    gas_limit: B256,
    hash: B256,
    to: Address,
    transaction_id: B256,
    value: B256,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RollingHash {
    hashes: Vec<B256>,
    versioned_hash: B256,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct L1MessageCase {
    amount: B256,
    data_hash: B256,
    encoded: Bytes,
    leaf: B256,
    message_id: B256,
    receiver: Address,
    token_l1: Address,
    token_l2: Address,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct MerkleTree {
    leaves: Vec<B256>,
    proofs: Vec<Vec<B256>>,
    root: B256,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct L2MessageCase {
    data: Bytes,
    dest_chain_id: B256,
    from: Address,
    gas_limit: B256,
    hash: B256,
    source_chain_id: B256,
    to: Address,
    tx_id: B256,
    value: B256,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct BalanceDiffs {
    diffs: Vec<Diff>,
    messages: Vec<L2MessageCase>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Diff {
    assets: Vec<Asset>,
    chain_id: B256,
    message_hashes: Vec<B256>,
    value: B256,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Asset {
    dest_token_l2: Address,
    token_l1: Address,
    token_l2: Address,
    value: B256,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PublicInputsCase {
    balance_diffs: Vec<Diff>,
    blob_versioned_hash: B256,
    chain_id: B256,
    encoded: Bytes,
    final_state_root: B256,
    initial_state_root: B256,
    l1_in_rolling_hash: B256,
    l1_out_root: B256,
    l2_in_rolling_hashes: Vec<L2In>,
    last_block_hash: B256,
    non_privileged_count: B256,
    sha256: B256,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct L2In {
    chain_id: B256,
    rolling_hash: B256,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Blob {
    blob_hash: B256,
    blocks: Vec<Bytes>,
    fee_configs: Vec<Bytes>,
    payload_hash: B256,
    payload_length: B256,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct FeeConfigCase {
    base_fee_vault: Address,
    encoded: Bytes,
    has_base_fee_vault: bool,
    has_l1_fee: bool,
    has_operator_fee: bool,
    l1_fee_per_blob_gas: B256,
    l1_fee_vault: Address,
    operator_fee_per_gas: B256,
    operator_fee_vault: Address,
}

impl Vectors {
    /// The file: indented JSON that ends with a newline.
    pub(crate) fn to_json(&self) -> String {
        let mut json = serde_json::to_string_pretty(self).expect("the cases are plain data");
        json.push('\n');
        json
    }
}

/// All cases.
pub(crate) fn vectors() -> Vectors {
    let aliases = aliases();
    let balance_diffs = balance_diffs();
    let blobs = blobs();
    let fee_configs: Vec<_> = configs().iter().map(fee_config).collect();
    let l1_messages = l1_messages();
    let l2_messages: Vec<_> = (0..6).map(|i| l2_case(&l2_message(i))).collect();
    let merkle_trees: Vec<_> = (0..10).map(merkle_tree).collect();
    let privileged = privileged();
    let public_inputs = public_inputs();
    let rolling_hashes: Vec<_> = [0, 1, 2, 3, 4, 5, 300].into_iter().map(rolling_hash).collect();
    let counts = Counts {
        aliases: word(aliases.len()),
        balance_diffs: word(balance_diffs.len()),
        blobs: word(blobs.len()),
        fee_configs: word(fee_configs.len()),
        l1_messages: word(l1_messages.len()),
        l2_messages: word(l2_messages.len()),
        merkle_trees: word(merkle_trees.len()),
        privileged: word(privileged.len()),
        public_inputs: word(public_inputs.len()),
        rolling_hashes: word(rolling_hashes.len()),
    };
    Vectors {
        aliases,
        balance_diffs,
        blobs,
        counts,
        fee_configs,
        l1_messages,
        l2_messages,
        merkle_trees,
        privileged,
        public_inputs,
        rolling_hashes,
    }
}

fn hash(label: &str, index: usize) -> B256 {
    keccak256(format!("{label} {index}"))
}

fn account(label: &str, index: usize) -> Address {
    Address::from_word(hash(label, index))
}

fn bytes(label: &str, len: usize) -> Bytes {
    // `forge` takes 20 bytes for an address and 32 for a word.
    assert!(len != 20 && len != 32, "ambiguous length");
    (0..len.div_ceil(32)).flat_map(|i| hash(label, i).0).take(len).collect::<Vec<_>>().into()
}

/// An integer as 32 bytes, which `forge` decodes as `uint256`.
fn word<T>(value: T) -> B256
where
    U256: UintTryFrom<T>,
{
    U256::from(value).into()
}

fn aliases() -> Vec<Alias> {
    let edges = [Address::ZERO, FixedBytes([0xff; 20]).into(), deposit::unalias(Address::ZERO)];
    let others = (0..5).map(|i| account("contract", i));
    edges.into_iter().chain(others).map(|l1| Alias { aliased: deposit::alias(l1), l1 }).collect()
}

fn privileged() -> Vec<Privileged> {
    let deposits = (0..3).map(|i| {
        let value = U256::from(10).pow(U256::from(18 * i));
        PrivilegedMessage::eth_deposit(CHAIN, i, account("recipient", i as usize), value)
    });
    let calls =
        [0, 1, 4, 31, 33, 68, 500].into_iter().enumerate().map(|(i, len)| PrivilegedMessage {
            chain_id: CHAIN,
            from: account("sender", i),
            to: account("callee", i),
            transaction_id: 100 + i as u64,
            value: hash("value", i).into(),
            gas_limit: 21_000 * (i as u64 + 1),
            data: bytes("call data", len),
        });
    let widest = PrivilegedMessage {
        chain_id: u64::MAX,
        from: FixedBytes([0xff; 20]).into(),
        to: FixedBytes([0xff; 20]).into(),
        transaction_id: u64::MAX,
        value: U256::MAX,
        gas_limit: u64::MAX,
        data: bytes("widest", 100),
    };
    deposits
        .chain(calls)
        .chain([widest])
        .map(|message| Privileged {
            chain_id: word(message.chain_id),
            hash: message.hash(),
            from: message.from,
            gas_limit: word(message.gas_limit),
            to: message.to,
            transaction_id: word(message.transaction_id),
            value: word(message.value),
            data: message.data,
        })
        .collect()
}

fn rolling_hash(n: usize) -> RollingHash {
    let hashes: Vec<_> = (0..n).map(|i| hash("queued", i)).collect();
    let versioned_hash = versioned_hash(&hashes).expect("the count fits");
    RollingHash { hashes, versioned_hash }
}

fn l1_messages() -> Vec<L1MessageCase> {
    (0..6)
        .map(|i| {
            let eth = ethrex_protocol::constants::ETH_TOKEN;
            let (token_l1, token_l2) =
                if i < 3 { (eth, eth) } else { (account("token l1", i), account("token l2", i)) };
            let receiver = account("receiver", i);
            let amount: U256 = if i == 0 { U256::MAX } else { U256::from(i as u64 * 5_000) };
            let message_id = U256::from(i + 1);
            let data_hash = messages::withdrawal_hash(token_l1, token_l2, receiver, amount);
            let message = L1Message { from: BRIDGE_L2, data_hash, message_id };
            L1MessageCase {
                amount: word(amount),
                data_hash,
                encoded: message.encode().into(),
                leaf: message.leaf(),
                message_id: word(message_id),
                receiver,
                token_l1,
                token_l2,
            }
        })
        .collect()
}

fn merkle_tree(n: usize) -> MerkleTree {
    let leaves: Vec<_> = (0..n).map(|i| hash("leaf", i)).collect();
    let proofs = (0..n).map(|i| merkle::proof(&leaves, i).expect("the leaf exists")).collect();
    MerkleTree { proofs, root: merkle::root(&leaves), leaves }
}

fn l2_message(i: usize) -> L2Message {
    L2Message {
        source_chain_id: CHAIN,
        dest_chain_id: U256::from(1730 + i % 2),
        from: account("l2 sender", i),
        to: account("l2 callee", i),
        tx_id: U256::from(i),
        value: U256::from(i * 1_000),
        gas_limit: U256::from(100_000 + i),
        data: bytes("l2 data", i * 7),
    }
}

/// What the bridge sends so that the sender's ether exists before the message that spends it.
fn mint_message(i: usize) -> L2Message {
    L2Message {
        from: BRIDGE_L2,
        to: BRIDGE_L2,
        data: deposit::mint_eth_calldata(account("l2 sender", i)),
        ..l2_message(i)
    }
}

/// A token transfer, sent by the bridge if it is genuine.
fn token_message(i: usize, from: Address) -> L2Message {
    let token = i % 2;
    let call = (
        account("token l1", token),
        account("token l2", token),
        account("dest token l2", token),
        account("l2 callee", i),
        U256::from(10 + i),
    );
    let mut data = vec![0xf0, 0x26, 0x31, 0x95];
    data.extend_from_slice(&alloy_sol_types::SolValue::abi_encode_params(&call));
    L2Message { from, to: BRIDGE_L2, data: data.into(), ..l2_message(i) }
}

fn l2_case(message: &L2Message) -> L2MessageCase {
    L2MessageCase {
        data: message.data.clone(),
        dest_chain_id: word(message.dest_chain_id),
        from: message.from,
        gas_limit: word(message.gas_limit),
        hash: message.hash(),
        source_chain_id: word(message.source_chain_id),
        to: message.to,
        tx_id: word(message.tx_id),
        value: word(message.value),
    }
}

fn diff_lists() -> Vec<Vec<L2Message>> {
    vec![
        vec![],
        vec![l2_message(1)],
        vec![mint_message(3), l2_message(3)],
        vec![l2_message(1), l2_message(2), l2_message(3), l2_message(4)],
        vec![token_message(0, BRIDGE_L2), token_message(2, BRIDGE_L2), token_message(4, BRIDGE_L2)],
        vec![
            token_message(1, BRIDGE_L2),
            token_message(3, account("thief", 0)),
            mint_message(5),
            l2_message(5),
            token_message(2, BRIDGE_L2),
        ],
    ]
}

fn diffs(messages: &[L2Message]) -> Vec<messages::BalanceDiff> {
    messages::balance_diffs(messages).expect("the cases are well formed")
}

fn diff_case(diff: &messages::BalanceDiff) -> Diff {
    let diff = contracts::BalanceDiff::from(diff);
    Diff {
        assets: diff
            .assetDiffs
            .iter()
            .map(|asset| Asset {
                dest_token_l2: asset.destTokenL2,
                token_l1: asset.tokenL1,
                token_l2: asset.tokenL2,
                value: word(asset.value),
            })
            .collect(),
        chain_id: word(diff.chainId),
        message_hashes: diff.message_hashes,
        value: word(diff.value),
    }
}

fn balance_diffs() -> Vec<BalanceDiffs> {
    diff_lists()
        .iter()
        .map(|messages| BalanceDiffs {
            diffs: diffs(messages).iter().map(diff_case).collect(),
            messages: messages.iter().map(l2_case).collect(),
        })
        .collect()
}

fn public_inputs() -> Vec<PublicInputsCase> {
    let mut cases: Vec<_> = diff_lists()
        .iter()
        .enumerate()
        .map(|(i, messages)| PublicInputs {
            initial_state_root: hash("initial state", i),
            final_state_root: hash("final state", i),
            l1_out_root: if i == 0 { B256::ZERO } else { hash("l1 out", i) },
            l1_in_rolling_hash: rolling_hash(i).versioned_hash,
            blob_versioned_hash: hash("blob", i),
            last_block_hash: hash("last block", i),
            chain_id: CHAIN,
            non_privileged_count: i as u64,
            balance_diffs: diffs(messages),
            l2_in_rolling_hashes: (1..=i % 3)
                .map(|n| L2InRollingHash {
                    chain_id: 1730 + n as u64,
                    rolling_hash: rolling_hash(n).versioned_hash,
                })
                .collect(),
        })
        .collect();
    // A chain id that fills its 8 bytes still takes a word.
    cases.push(PublicInputs {
        chain_id: u64::MAX,
        non_privileged_count: u64::MAX,
        l2_in_rolling_hashes: vec![L2InRollingHash {
            chain_id: u64::MAX,
            rolling_hash: rolling_hash(300).versioned_hash,
        }],
        ..PublicInputs::default()
    });
    cases.iter().map(public_inputs_case).collect()
}

fn public_inputs_case(inputs: &PublicInputs) -> PublicInputsCase {
    PublicInputsCase {
        balance_diffs: inputs.balance_diffs.iter().map(diff_case).collect(),
        blob_versioned_hash: inputs.blob_versioned_hash,
        chain_id: word(inputs.chain_id),
        encoded: inputs.encode().into(),
        final_state_root: inputs.final_state_root,
        initial_state_root: inputs.initial_state_root,
        l1_in_rolling_hash: inputs.l1_in_rolling_hash,
        l1_out_root: inputs.l1_out_root,
        l2_in_rolling_hashes: inputs
            .l2_in_rolling_hashes
            .iter()
            .map(|entry| L2In { chain_id: word(entry.chain_id), rolling_hash: entry.rolling_hash })
            .collect(),
        last_block_hash: inputs.last_block_hash,
        non_privileged_count: word(inputs.non_privileged_count),
        sha256: inputs.sha256(),
    }
}

fn configs() -> Vec<FeeConfig> {
    (0..8)
        .map(|flags| FeeConfig {
            base_fee_vault: (flags & 1 != 0).then(|| account("base fee vault", flags)),
            operator_fee_config: (flags & 2 != 0).then(|| OperatorFee {
                operator_fee_vault: account("operator vault", flags),
                operator_fee_per_gas: 1_000_000_000 + flags as u64,
            }),
            l1_fee_config: (flags & 4 != 0).then(|| L1Fee {
                l1_fee_vault: account("l1 fee vault", flags),
                l1_fee_per_blob_gas: u64::MAX - flags as u64,
            }),
        })
        .collect()
}

fn encoded(config: &FeeConfig) -> Bytes {
    let mut out = vec![];
    config.encode(&mut out);
    out.into()
}

/// Absent parts are shown as zeros.
fn fee_config(config: &FeeConfig) -> FeeConfigCase {
    let operator = config.operator_fee_config;
    let l1 = config.l1_fee_config;
    FeeConfigCase {
        base_fee_vault: config.base_fee_vault.unwrap_or_default(),
        encoded: encoded(config),
        has_base_fee_vault: config.base_fee_vault.is_some(),
        has_l1_fee: l1.is_some(),
        has_operator_fee: operator.is_some(),
        l1_fee_per_blob_gas: word(l1.map_or(0, |fee| fee.l1_fee_per_blob_gas)),
        l1_fee_vault: l1.map(|fee| fee.l1_fee_vault).unwrap_or_default(),
        operator_fee_per_gas: word(operator.map_or(0, |fee| fee.operator_fee_per_gas)),
        operator_fee_vault: operator.map(|fee| fee.operator_fee_vault).unwrap_or_default(),
    }
}

fn block(number: usize, transactions: Vec<Tx>) -> Block {
    let mut block = Block {
        header: Header {
            parent_hash: hash("parent", number),
            number: number as u64,
            gas_limit: 150_000_000,
            timestamp: 1_718_040_081 + number as u64,
            base_fee_per_gas: Some(1_000_000_000),
            withdrawals_root: Some(hash("withdrawals", number)),
            blob_gas_used: Some(0),
            excess_blob_gas: Some(0),
            parent_beacon_block_root: Some(B256::ZERO),
            requests_hash: Some(hash("requests", number)),
            ..Header::default()
        },
        ..Block::default()
    };
    block.body.transactions = transactions;
    block.body.withdrawals = Some(Vec::new().into());
    block
}

fn transfer(i: usize) -> Tx {
    let tx = TxEip1559 {
        chain_id: CHAIN,
        nonce: i as u64,
        gas_limit: 21_000,
        max_fee_per_gas: 2_000_000_000,
        max_priority_fee_per_gas: 1,
        to: account("transfer to", i).into(),
        value: U256::from(i),
        ..TxEip1559::default()
    };
    Tx::Eip1559(Signed::new_unhashed(tx, alloy_primitives::Signature::test_signature()))
}

fn blobs() -> Vec<Blob> {
    let deposit = PrivilegedMessage::eth_deposit(CHAIN, 7, account("recipient", 0), U256::from(9));
    let configs = configs();
    let batches = [
        vec![],
        vec![(block(1, vec![]), configs[0])],
        vec![(block(1, vec![deposit.to_transaction(1)]), configs[7])],
        (0..5).map(|i| (block(i, (0..i).map(transfer).collect()), configs[i])).collect(),
    ];
    batches.iter().map(|batch| blob_case(batch)).collect()
}

fn blob_case(batch: &[(Block, FeeConfig)]) -> Blob {
    let parts = || batch.iter().map(|(block, fee)| (block, fee));
    let payload = blob::encode_payload(parts()).expect("the cases fit");
    let blob = blob::encode(parts()).expect("the cases fit");
    Blob {
        blob_hash: keccak256(blob.as_slice()),
        blocks: batch.iter().map(|(block, _)| alloy_rlp::encode(block).into()).collect(),
        fee_configs: batch.iter().map(|(_, fee)| encoded(fee)).collect(),
        payload_hash: keccak256(&payload),
        payload_length: word(payload.len()),
    }
}
