//! Golden vectors: what EXECUTE answers, and the encodings that contracts share with it.
//!
//! Integers of encodings are 32 bytes of hex, and keys are in alphabetical order, so that `forge` reads them; see `fixtures/native/README.md`.

use alloy_primitives::{
    Address, B256, Bytes, FixedBytesSliceExt as _, TxKind, U256, hex, keccak256,
};
use ethrex_stateless::{
    StatelessInput,
    testing::{BLOCK_TIME, CHAIN_ID, TestChain, WRITER, words},
};
use ethrex_types::Tx;
use serde::{Deserialize, Serialize};

use super::{
    L1_CHAIN_ID, attributes, block_attributes, block_envelope, chain, config, derive_on, l1_spec,
    open_blob, raw, rollup_rules, signed_for,
};
use crate::{
    DataBody, DeriveInput, ExecuteResult, Flags, Header, Mode, Outcome, StreamBlock, envelope,
    execute, roots,
    stream::{self, BLOB_CAPACITY, Codec},
};

/// Calls, each an input made of a base by edits.
#[derive(Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Calls {
    /// Whole inputs.
    pub bases: Vec<Base>,
    /// Calls.
    pub vectors: Vec<Call>,
}

/// An input.
#[derive(Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct Base {
    /// The bytes.
    pub bytes: Bytes,
    /// By which vectors refer to it.
    pub name: String,
}

/// One call and its answer.
#[derive(Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Call {
    /// The input before the edits.
    pub base: String,
    /// Applied one after the other.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edits: Vec<Edit>,
    /// The class of the failure, if it fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// Gas forwarded.
    pub gas: u64,
    /// Gas that is gone.
    pub gas_charged: u64,
    /// What is tested.
    pub name: String,
    /// The return data, if it succeeds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Bytes>,
    /// Of the L1 block, in seconds.
    pub timestamp: u64,
}

/// A change of an input.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum Edit {
    /// Other bytes instead of those that stand there.
    Set {
        /// Position.
        at: usize,
        /// The bytes.
        bytes: Bytes,
    },
    /// The end cut off.
    Truncate(usize),
    /// The start cut off.
    Skip(usize),
    /// More bytes at the end.
    Append(Bytes),
    /// Zeros at the end.
    AppendZeros(usize),
}

impl Calls {
    /// The input of a call.
    ///
    /// # Panics
    /// If there is no such base, or an edit is beyond the end.
    #[must_use]
    pub fn input(&self, call: &Call) -> Vec<u8> {
        let base = self.bases.iter().find(|base| base.name == call.base);
        edited(&base.expect("vectors refer to bases").bytes, &call.edits)
    }
}

fn edited(base: &[u8], edits: &[Edit]) -> Vec<u8> {
    let mut input = base.to_vec();
    for edit in edits {
        match edit {
            Edit::Set { at, bytes } => input[*at..at + bytes.len()].copy_from_slice(bytes),
            Edit::Truncate(len) => input.truncate(*len),
            Edit::Skip(len) => drop(input.drain(..*len)),
            Edit::Append(bytes) => input.extend_from_slice(bytes),
            Edit::AppendZeros(count) => input.resize(input.len() + count, 0),
        }
    }
    input
}

/// What a call on the L1 of these vectors gives.
///
/// # Panics
/// On a fault, which there cannot be.
#[must_use]
pub fn answer(timestamp: u64, gas: u64, input: &[u8]) -> Outcome {
    execute(&config(), l1_spec(), 0, timestamp, gas, input).expect("witnesses have no faults")
}

/// Gas that pays for every input here.
const PLENTY: u64 = 100_000_000;
/// When the L1 calls, unless it matters.
const NOW: u64 = 1_000;

/// All calls.
#[must_use]
pub fn calls() -> Calls {
    let mut make = Make { calls: Calls { bases: bases(), vectors: Vec::new() } };
    let names: Vec<String> = make.calls.bases.iter().map(|base| base.name.clone()).collect();
    for name in &names {
        make.gas(name);
        make.headers(name);
        make.cuts(name);
        make.times(name);
    }
    for name in ["block", "derive"] {
        make.offsets(name);
        make.flips(name, 60);
    }
    for name in ["block", "derive", "data"] {
        make.bounds(name);
    }
    for name in ["block", "blockWithList"] {
        let plain = vec![Edit::Skip(envelope::HEADER_LEN)];
        make.add(&format!("{name} in the plain form"), name, plain.clone(), NOW, PLENTY);
        make.exact(&format!("{name} in the plain form"), name, &plain);
    }
    make.flips("data", 25);
    make.contents();
    make.calls
}

/// A change of the input of BLOCK.
type BlockChange = fn(&mut StatelessInput);
/// A change of the input of DERIVE.
type DeriveChange = fn(&mut DeriveInput);

/// Ranges that differ between inputs of one length.
fn differences(base: &[u8], other: &[u8]) -> Vec<Edit> {
    assert_eq!(base.len(), other.len(), "only bytes in place change");
    let mut edits = Vec::new();
    let mut at = 0;
    while at < base.len() {
        let differ =
            base[at..].iter().zip(&other[at..]).take_while(|(one, two)| one != two).count();
        if differ > 0 {
            edits.push(Edit::Set { at, bytes: Bytes::copy_from_slice(&other[at..at + differ]) });
        }
        at += differ + 1;
    }
    edits
}

struct Make {
    calls: Calls,
}

impl Make {
    fn add(&mut self, name: &str, base: &str, edits: Vec<Edit>, timestamp: u64, gas: u64) {
        let input = edited(&self.base(base), &edits);
        let Outcome { gas_charged, result } = answer(timestamp, gas, &input);
        let (output, failure) = match result {
            Ok(output) => (Some(output), None),
            Err(class) => (None, Some(class.name().to_owned())),
        };
        let (base, name) = (base.to_owned(), name.to_owned());
        let call = Call { base, edits, failure, gas, gas_charged, name, output, timestamp };
        self.calls.vectors.push(call);
    }

    fn base(&self, name: &str) -> Bytes {
        let base = self.calls.bases.iter().find(|base| base.name == name);
        base.expect("the base is there").bytes.clone()
    }

    /// With exactly the gas it costs, and with one less.
    fn exact(&mut self, name: &str, base: &str, edits: &[Edit]) {
        let input = edited(&self.base(base), edits);
        let Outcome { gas_charged: cost, result } = answer(NOW, PLENTY, &input);
        if result.is_ok() {
            self.add(&format!("{name}: exact gas"), base, edits.to_vec(), NOW, cost);
            self.add(&format!("{name}: one gas less"), base, edits.to_vec(), NOW, cost - 1);
        }
    }

    fn gas(&mut self, base: &str) {
        self.add(base, base, vec![], NOW, PLENTY);
        self.exact(base, base, &[]);
        self.add(&format!("{base}: no gas"), base, vec![], NOW, 0);
        self.add(&format!("{base}: gas for the header alone"), base, vec![], NOW, 50_000);
    }

    fn headers(&mut self, base: &str) {
        for (at, value) in [
            (0, 0x4f),
            (1, 0),
            (2, 0),
            (2, 2),
            (3, 1),
            (3, 2),
            (3, 3),
            (3, 4),
            (3, 6),
            (4, 0),
            (4, 2),
            (4, 0xff),
            (5, 4),
            (5, 0xff),
            (6, 0xff),
        ] {
            let edit = Edit::Set { at, bytes: vec![value].into() };
            self.add(&format!("{base}: byte {at} is {value:#04x}"), base, vec![edit], NOW, PLENTY);
        }
    }

    fn cuts(&mut self, base: &str) {
        let len = self.base(base).len();
        for cut in [0, 1, 2, 13, 14, 16, 20, len / 2, len - 1] {
            self.add(
                &format!("{base}: cut to {cut}"),
                base,
                vec![Edit::Truncate(cut)],
                NOW,
                PLENTY,
            );
        }
        self.add(&format!("{base}: one byte more"), base, vec![Edit::AppendZeros(1)], NOW, PLENTY);
        let beyond = crate::gas::MAX_INPUT_LEN + 1 - len;
        self.add(
            &format!("{base}: longer than any input"),
            base,
            vec![Edit::AppendZeros(beyond)],
            NOW,
            PLENTY,
        );
    }

    fn times(&mut self, base: &str) {
        for timestamp in [0, u64::MAX] {
            self.add(&format!("{base}: L1 time {timestamp}"), base, vec![], timestamp, PLENTY);
        }
    }

    /// Offsets of the outermost container set to what they are not.
    fn offsets(&mut self, base: &str) {
        let places: &[usize] = match base {
            "block" => &[16, 20, 32, 36, 40],
            _ => &[24, 28, 32, 36, 40, 44, 48],
        };
        for at in places {
            for offset in [0_u32, 1, 38, u32::MAX] {
                let bytes = Bytes::copy_from_slice(&offset.to_le_bytes());
                let edit = Edit::Set { at: *at, bytes };
                self.add(
                    &format!("{base}: offset at {at} is {offset}"),
                    base,
                    vec![edit],
                    NOW,
                    PLENTY,
                );
            }
        }
    }

    /// Single bytes changed, all over the body.
    fn flips(&mut self, base: &str, count: usize) {
        let bytes = self.base(base);
        for turn in 0..count {
            let room = bytes.len() - envelope::HEADER_LEN;
            let at = envelope::HEADER_LEN + turn * room / count + turn % 7;
            let at = at.min(bytes.len() - 1);
            let edit = Edit::Set { at, bytes: vec![bytes[at] ^ (1 << (turn % 8))].into() };
            self.add(
                &format!("{base}: bit {} of byte {at} flipped", turn % 8),
                base,
                vec![edit],
                NOW,
                PLENTY,
            );
        }
    }

    /// Fields changed by what they mean.
    fn contents(&mut self) {
        let blocks: [(&str, BlockChange); 13] = [
            ("excess blob gas", |input| input.request.payload.excess_blob_gas = 1),
            ("blob gas used", |input| input.request.payload.blob_gas_used = 1),
            ("a blob transaction", |input| {
                let mut raw = input.request.payload.transactions[0].to_vec();
                raw[0] = 3;
                input.request.payload.transactions[0] = raw.into();
            }),
            ("the id of the L1", |input| input.chain_id = L1_CHAIN_ID),
            ("another chain id", |input| input.chain_id += 1),
            ("a chain id of level 2", |input| input.chain_id |= 1 << 40),
            ("one gas more", |input| input.request.payload.gas_used += 1),
            ("another state root", |input| input.request.payload.state_root.0[31] ^= 1),
            ("another base fee", |input| input.request.payload.base_fee_per_gas += U256::ONE),
            ("another slot", |input| input.request.payload.slot_number += 1),
            ("another anchor", |input| input.request.parent_beacon_block_root.0[0] ^= 1),
            ("another parent", |input| input.request.payload.parent_hash.0[0] ^= 1),
            ("keys swapped", |input| {
                if let Some(keys) = &mut input.public_keys {
                    keys.swap(0, 1);
                }
            }),
        ];
        let base = self.base("block");
        let body = base.slice(envelope::HEADER_LEN..);
        for (name, change) in blocks {
            let mut input = StatelessInput::decode(&body).expect("the base decodes");
            change(&mut input);
            let edits =
                differences(&base, &[&base[..envelope::HEADER_LEN], &input.encode()].concat());
            self.add(&format!("block: {name}"), "block", edits, NOW, PLENTY);
        }
        let derived: [(&str, DeriveChange); 9] = [
            ("no time passed", |input| input.attributes.timestamp = BLOCK_TIME),
            ("twice the gas limit", |input| input.attributes.gas_limit *= 2),
            ("another slot", |input| input.attributes.slot_number += 1),
            ("another anchor", |input| input.attributes.anchor.0[0] ^= 1),
            ("another fee recipient", |input| input.attributes.fee_recipient.0[0] ^= 1),
            ("the id of the L1", |input| input.chain_id = L1_CHAIN_ID),
            ("another chain id", |input| input.chain_id += 1),
            ("another schema", |input| input.schema_id += 1),
            ("a transaction less", |input| {
                input.posted[0] = vec![0xff; input.posted[0].len()].into()
            }),
        ];
        let base = self.base("derive");
        let body = base.slice(envelope::HEADER_LEN..);
        for (name, change) in derived {
            let mut input = DeriveInput::decode(&body).expect("the base decodes");
            change(&mut input);
            let edits =
                differences(&base, &[&base[..envelope::HEADER_LEN], &input.encode()].concat());
            self.add(&format!("derive: {name}"), "derive", edits, NOW, PLENTY);
        }
    }

    fn bounds(&mut self, base: &str) {
        let bytes = self.base(base);
        let header = bytes.first_chunk::<{ envelope::HEADER_LEN }>().expect("bases are envelopes");
        let bound =
            u64::from_be_bytes(*header.last_chunk().expect("a header ends with eight bytes"));
        for gas_bound in [0, 1, bound / 2, bound - 1, bound + 1, 2 * bound, u64::MAX] {
            let edit = Edit::Set { at: 6, bytes: Bytes::copy_from_slice(&gas_bound.to_be_bytes()) };
            self.add(&format!("{base}: bound {gas_bound}"), base, vec![edit], NOW, PLENTY);
        }
    }
}

fn transfer(number: u8, nonce: u64) -> Tx {
    signed_for(CHAIN_ID, number, |tx| {
        tx.nonce = nonce;
        tx.value = U256::from(1);
        tx.gas_limit = 400_000;
    })
}

fn write(number: u8, nonce: u64, slot: u64, value: u64) -> Tx {
    signed_for(CHAIN_ID, number, |tx| {
        tx.nonce = nonce;
        tx.to = TxKind::Call(WRITER);
        tx.input = words(&[U256::from(slot), U256::from(value)]);
    })
}

/// A rollup with one block.
fn rollup() -> TestChain {
    let mut chain = chain(CHAIN_ID);
    let rules = rollup_rules(chain.spec());
    let attributes = block_attributes(&attributes(&chain));
    chain.make_with(&rules, &attributes, &[transfer(1, 0)]).expect("the block can be built");
    chain
}

fn blocks() -> Vec<StreamBlock> {
    let of = |dt, transactions: &[Tx]| StreamBlock {
        dt,
        transactions: transactions.iter().map(raw).collect(),
    };
    vec![of(BLOCK_TIME, &[transfer(1, 1), write(2, 0, 1, 1)]), of(0, &[]), of(1, &[transfer(1, 2)])]
}

fn data() -> Vec<u8> {
    let stream = stream::encode(&blocks(), Codec::Raw).expect("three small blocks");
    let gas_bound = stream::decode(&stream).gas;
    let body = DataBody { blobs: Vec::new(), stream: stream.into() };
    Header { mode: Mode::Data, level: 1, flags: Flags::NONE, gas_bound }.wrap(&body.encode())
}

/// Without the zeros that fill the blob, which are appended by an edit.
fn blob_head() -> Vec<u8> {
    let stream = stream::encode(&blocks(), Codec::Raw).expect("three small blocks");
    let gas_bound = stream::decode(&stream).gas;
    let opening = open_blob(&stream::pack(&stream)[0]);
    let body = DataBody { blobs: vec![opening], stream: stream.into() };
    Header { mode: Mode::Data, level: 1, flags: Flags::NONE, gas_bound }.wrap(&body.encode())
}

fn bases() -> Vec<Base> {
    let chain = rollup();
    let rules = rollup_rules(chain.spec());
    let attributes = attributes(&chain);
    let included = [transfer(1, 1), write(2, 0, 1, 0)];
    let block = chain
        .clone()
        .make_with(&rules, &block_attributes(&attributes), &included)
        .expect("the block can be built");
    let list = [raw(&included[0]), raw(&transfer(1, 9))];
    let forced = [raw(&transfer(3, 0)), Bytes::from_static(b"garbage")];
    let posted =
        [raw(&transfer(1, 1)), raw(&transfer(1, 1)), raw(&write(2, 0, 9, 9)), Bytes::new()];
    let derived = |forced: &[Bytes], posted: &[Bytes]| {
        derive_on(&chain, &config(), &attributes, forced, posted)
            .expect("the block can be derived")
            .1
    };
    let base = |name: &str, bytes: Vec<u8>| Base { bytes: bytes.into(), name: name.to_owned() };
    vec![
        base("block", block_envelope(&block, None)),
        base("blockWithList", block_envelope(&block, Some(list.to_vec()))),
        base("derive", derived(&forced, &posted)),
        base("deriveEmpty", derived(&[], &[])),
        base("data", data()),
        base("blob", blob_head()),
    ]
}

/// The calls with a blob, whose stream is filled up with zeros.
#[must_use]
pub fn blob_calls() -> Calls {
    let base = Base { bytes: blob_head().into(), name: "blob".to_owned() };
    let stream_at = envelope::HEADER_LEN + 2 + 96;
    let missing = BLOB_CAPACITY - (base.bytes.len() - stream_at);
    let mut make = Make { calls: Calls { bases: vec![base], vectors: Vec::new() } };
    let filled = [Edit::AppendZeros(missing)];
    make.add("blob: whole", "blob", filled.to_vec(), NOW, PLENTY);
    make.exact("blob: whole", "blob", &filled);
    make.add("blob: not whole", "blob", vec![Edit::AppendZeros(missing - 1)], NOW, PLENTY);
    for at in [stream_at - 96, stream_at - 48, stream_at, stream_at + 20] {
        let edits = vec![Edit::Set { at, bytes: vec![0x55].into() }, Edit::AppendZeros(missing)];
        make.add(&format!("blob: byte {at} changed"), "blob", edits, NOW, PLENTY);
    }
    let two = Edit::Set { at: envelope::HEADER_LEN, bytes: vec![0, 2].into() };
    make.add("blob: two that are one", "blob", vec![two, Edit::AppendZeros(missing)], NOW, PLENTY);
    make.calls
}

/// The encodings that contracts share.
#[must_use]
pub fn encodings() -> serde_json::Value {
    let (streams, results, chains, trees, messages, message_trees) =
        (streams(), results(), chains(), data_trees(), messages(), message_trees());
    serde_json::json!({
        "counts": {
            "dataTrees": word(trees.len()), "keccakChains": word(chains.len()), "messageTrees": word(message_trees.len()),
            "messages": word(messages.len()), "results": word(results.len()), "streams": word(streams.len()),
        },
        "dataTrees": trees,
        "keccakChains": chains,
        "messageTrees": message_trees,
        "messages": messages,
        "results": results,
        "streams": streams,
    })
}

fn word(number: usize) -> B256 {
    B256::from(U256::from(number))
}

fn number(number: u64) -> B256 {
    B256::from(U256::from(number))
}

/// Bytes that look arbitrary and never change.
fn label(what: &str, index: u64) -> B256 {
    keccak256(format!("{what} {index}"))
}

fn streams() -> Vec<serde_json::Value> {
    let some = |count: u64, len: usize| -> Vec<StreamBlock> {
        let tx = |index| Bytes::from(label("tx", index).repeat(len));
        (0..count)
            .map(|k| StreamBlock { dt: k * 300, transactions: (0..k).map(tx).collect() })
            .collect()
    };
    let good = stream::encode(&some(3, 2), Codec::Raw).expect("small");
    let mut streams: Vec<Vec<u8>> = Vec::new();
    for count in 0..6 {
        streams.push(stream::encode(&some(count, 3), Codec::Raw).expect("small"));
    }
    streams.push(vec![]);
    streams.push(b"NR01".to_vec());
    streams.push([&good[..], b"padding"].concat());
    streams.extend((0..good.len()).step_by(11).map(|cut| good[..cut].to_vec()));
    for at in 0..12 {
        let mut other = good.clone();
        other[at] ^= 0x81;
        streams.push(other);
    }
    let payload = |payload: &[u8]| {
        let len = u32::try_from(payload.len()).expect("short").to_be_bytes();
        [b"NR01\0".as_slice(), &len, payload].concat()
    };
    for bytes in [
        [1, 0].repeat(130),
        vec![0x80, 0, 0],
        [vec![0xff; 9], vec![1, 0]].concat(),
        [vec![0xff; 9], vec![2, 0]].concat(),
        vec![1, 160, 1],
        [vec![1, 0xa0, 1], vec![0; 160]].concat(),
        [vec![1, 0xa1, 1], vec![0; 161]].concat(),
        vec![1, 1, 0xff, 0xff, 3],
    ] {
        streams.push(payload(&bytes));
    }
    streams
        .into_iter()
        .map(|bytes| {
            let decoded = stream::decode(&bytes);
            let blocks: Vec<_> = decoded.blocks.iter().map(|block| {
                let count = block.transactions.len() as u64;
                serde_json::json!({ "dt": number(block.dt), "postedRoot": stream::posted_root(&block.transactions), "txs": number(count) })
            }).collect();
            serde_json::json!({
                "blocks": blocks, "dataRoot": stream::data_root(&decoded.blocks), "gas": number(decoded.gas), "stream": hex::encode_prefixed(&bytes),
            })
        })
        .collect()
}

fn results() -> Vec<serde_json::Value> {
    let calls = calls();
    let outputs = calls.vectors.iter().filter_map(|call| call.output.as_ref());
    let mut seen = std::collections::BTreeSet::new();
    outputs
        .filter(|output| seen.insert((*output).clone()))
        .filter_map(|output| Some((output, ExecuteResult::decode(output).ok()?)))
        .map(|(output, result)| {
            serde_json::json!({
                "anchor": result.anchor,
                "blockHash": result.block_hash,
                "chainId": number(result.chain_id),
                "dropped": number(result.dropped_count),
                "encoded": output,
                "forced": number(result.forced_count),
                "included": number(result.included_count),
                "level": number(result.level.into()),
                "mode": number(result.mode.into()),
                "number": number(result.number),
                "parentHash": result.parent_hash,
                "posted": number(result.posted_count),
                "postedRoot": result.posted_root,
                "slotNumber": number(result.slot_number),
                "stateRoot": result.state_root,
                "timestamp": number(result.timestamp),
            })
        })
        .collect()
}

fn chains() -> Vec<serde_json::Value> {
    (0..6_u64)
        .map(|count| {
            let raw: Vec<_> =
                (0..count).map(|index| Bytes::from(label("raw", index).repeat(2))).collect();
            serde_json::json!({ "raw": raw, "root": roots::keccak_chain(&raw) })
        })
        .collect()
}

fn data_trees() -> Vec<serde_json::Value> {
    [0, 1, 2, 3, 4, 5, 8, 9]
        .into_iter()
        .map(|count| {
            let leaf = |k| stream::leaf(k, 2 * k, label("posted", k), 3 * k);
            let leaves: Vec<_> = (0..count).map(leaf).collect();
            let paths: Vec<_> = (0..leaves.len()).map(|index| roots::merkle_path(&leaves, index)).collect();
            serde_json::json!({ "leaves": leaves, "paths": paths, "root": roots::merkle_root(&leaves) })
        })
        .collect()
}

/// `keccak256(abi.encode(...))` of a message, and of what it is made.
fn messages() -> Vec<serde_json::Value> {
    (0..12_u64)
        .map(|index| {
            let to_l2 = index % 2 == 0;
            let tag = keccak256(if to_l2 { "ethrex.native.l1-to-l2.v1" } else { "ethrex.native.l2-to-l1.v1" });
            let address = |what| Address::from_word(label(what, index));
            let (rollup, sender, to) = (address("rollup"), address("sender"), address("to"));
            let data = Bytes::from(label("data", index).repeat(usize::try_from(index).expect("small") + 2));
            let (value, fee, gas_limit) = (index * 1_000, index * 7, index * 100_000);
            let leaf = keccak256(
                [
                    tag,
                    number(L1_CHAIN_ID),
                    rollup.into_word(),
                    number(CHAIN_ID),
                    number(index),
                    sender.into_word(),
                    to.into_word(),
                    number(value),
                    number(fee),
                    number(gas_limit),
                    keccak256(&data),
                ]
                .as_flattened(),
            );
            serde_json::json!({
                "data": data, "fee": number(fee), "gasLimit": number(gas_limit), "index": number(index), "l1ChainId": number(L1_CHAIN_ID),
                "l2ChainId": number(CHAIN_ID), "leaf": leaf, "rollup": rollup, "sender": sender, "to": to, "toL2": to_l2, "value": number(value),
            })
        })
        .collect()
}

/// Trees of depth 32 with few leaves, computed the plain way.
fn message_trees() -> Vec<serde_json::Value> {
    const DEPTH: usize = 32;
    [0_u64, 1, 2, 3, 5, 8]
        .into_iter()
        .map(|count| {
            let leaves: Vec<B256> = (0..count).map(|index| label("leaf", index)).collect();
            let (mut level, mut zero) = (leaves.clone(), B256::ZERO);
            let mut paths = vec![Vec::with_capacity(DEPTH); leaves.len()];
            for height in 0..DEPTH {
                for (index, path) in paths.iter_mut().enumerate() {
                    path.push(level.get((index >> height) ^ 1).copied().unwrap_or(zero));
                }
                let inner = |two: &[B256]| roots::pair(two[0], two.get(1).copied().unwrap_or(zero));
                level = level.chunks(2).map(inner).collect();
                zero = roots::pair(zero, zero);
            }
            let root = level.first().copied().unwrap_or(zero);
            serde_json::json!({ "leaves": leaves, "paths": paths, "root": root })
        })
        .collect()
}
