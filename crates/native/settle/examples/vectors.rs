//! Writes histories of made-up rollups into a directory: what somebody did on L1, and what derivation says follows.
//!
//! The tests of the contracts do the same with `NativeRollup`, which must agree at every step. EXECUTE is not run: a block
//! of a plan has an arbitrary hash, and the answer about it says what the plan says.

use std::{env, error::Error, fs, path::Path};

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_sol_types::SolValue;
use ethrex_execute::{
    ExecuteResult, envelope,
    roots::{keccak_chain, merkle_path},
    stream::{self, Codec, StreamBlock},
};
use ethrex_settle::{
    Cursor, Deployment, Derivation,
    bindings::{
        Config, Head,
        INativeRollup::{
            DataProven, ForcedTx, INativeRollupEvents as Event, MessageSent, Posted, Skipped,
        },
        Item, Message, Mode, Step,
    },
    derivation::{L1Block, Next},
};
use ethrex_types::Header;

const SEQUENCES: u64 = 8;
const TURNS: u64 = 40;
const L1_CHAIN: u64 = 9;
const START: u64 = 1_800_000_000;
/// Who makes the contracts, in the order of the sequences.
const DEPLOYER: Address = Address::repeat_byte(0xde);
const SEQUENCER: Address = Address::repeat_byte(0x5e);

/// What is done, as the reader knows it.
#[derive(Clone, Copy)]
enum Do {
    Tick,
    Send,
    Force,
    Post,
    PostBlob,
    Prove,
    Step,
    Skip,
}

/// Numbers that look arbitrary and never change.
struct Random(B256);

impl Random {
    fn word(&mut self) -> B256 {
        self.0 = keccak256(self.0);
        self.0
    }

    fn below(&mut self, end: u64) -> u64 {
        let word = self.word();
        u64::from_be_bytes(*word.first_chunk().expect("32 bytes")) % end
    }

    fn of<T: Copy, const N: usize>(&mut self, all: [T; N]) -> T {
        all[usize::try_from(self.below(N as u64)).expect("an index")]
    }
}

struct World {
    random: Random,
    config: Config,
    rollup: Address,
    derivation: Derivation,
    /// L1's headers, in RLP too; the last is of the block in which things are done.
    l1: Vec<(Header, Bytes, B256)>,
    at: Cursor,
    state_root: B256,
    /// When place or index of the head last changed.
    since: u64,
    /// What the blob of an unproven item holds.
    contents: Vec<(u64, Vec<u8>)>,
    operations: Vec<(u64, Bytes)>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let dir = env::args_os().nth(1).ok_or("usage: vectors DIRECTORY")?;
    let sequences: Vec<Bytes> = (0..SEQUENCES).map(sequence).collect();
    let json = serde_json::json!({
        "counts": { "sequences": B256::from(U256::from(sequences.len())) },
        "sequences": sequences,
    });
    let text = serde_json::to_string_pretty(&json)?;
    Ok(fs::write(Path::new(&dir).join("derivation.json"), text + "\n")?)
}

fn sequence(number: u64) -> Bytes {
    let mut random = Random(keccak256(number.to_be_bytes()));
    let config = Config {
        chainId: 80_790_001,
        level: 1,
        gasLimit: 9_000_000,
        genesisHash: random.word(),
        genesisStateRoot: random.word(),
        genesisTimestamp: START - random.of([0, 1, 300, 100_000]),
        mode: Mode::INLINE,
        sequencer: SEQUENCER,
        forcedDelay: random.of([0, 1, 24, 60]),
        sequencerTimeout: 10_000_000,
        challengePeriod: 0,
        bond: U256::ZERO,
        forceFeePerByte: U256::ZERO,
        maxTimestampLag: random.of([300, 301, 3_600]),
        minBlockTime: random.of([1, 1, 3, 12]),
    };
    let rollup = DEPLOYER.create(number);
    let deployment = Deployment { config: config.clone(), rollup, l1_chain_id: L1_CHAIN };
    let derivation = Derivation::new(deployment);
    let at = derivation.deployment().genesis();
    let state_root = config.genesisStateRoot;
    let (l1, contents, operations) = (vec![], vec![], vec![]);
    let since = START;
    let mut world = World {
        random,
        config,
        rollup,
        derivation,
        l1,
        at,
        state_root,
        since,
        contents,
        operations,
    };
    world.mine(START);
    for _ in 0..TURNS {
        world.turn();
    }
    (world.config, world.rollup, world.operations).abi_encode_params().into()
}

impl World {
    fn turn(&mut self) {
        let now = self.now().timestamp;
        match self.random.below(12) {
            0..3 => {
                let later = self.random.of([1, 1, 2, 12, 12, 12, 250]);
                self.mine(now + later);
            }
            3 => self.send(),
            4 => {
                for _ in 0..self.random.of([1, 1, 2, 34]) {
                    self.force();
                }
            }
            5..8 => self.post(),
            8 => self.prove(),
            9 => {
                self.force();
                self.mine(now + self.config.forcedDelay + 1);
                self.mine(now + self.config.forcedDelay + 2);
                self.post();
                for _ in 0..self.random.below(3) {
                    self.step();
                }
                self.skip();
            }
            _ => {
                for _ in 0..self.random.below(6) {
                    self.step();
                }
            }
        }
    }

    fn now(&self) -> &Header {
        &self.l1.last().expect("there is a first block").0
    }

    fn place(&self) -> L1Block {
        let (header, _, hash) = self.l1.last().expect("there is a first block");
        L1Block { number: header.number, hash: *hash, timestamp: header.timestamp }
    }

    fn did(&mut self, what: Do, data: Vec<u8>) {
        self.operations.push((what as u64, data.into()));
    }

    fn tell(&mut self, event: Event) {
        let place = self.place();
        self.derivation.apply(place, event).expect("events come in order");
    }

    /// The next block of L1.
    fn mine(&mut self, timestamp: u64) {
        let amsterdam = self.random.below(8) != 0;
        let header = Header {
            number: self.l1.last().map_or(1_000, |(last, ..)| last.number + 1),
            timestamp,
            mix_hash: self.random.word(),
            base_fee_per_gas: Some(7),
            withdrawals_root: Some(B256::ZERO),
            blob_gas_used: Some(0),
            excess_blob_gas: Some(0),
            parent_beacon_block_root: Some(B256::ZERO),
            requests_hash: Some(B256::ZERO),
            block_access_list_hash: amsterdam.then_some(B256::ZERO),
            slot_number: amsterdam.then(|| self.random.of([0, 1, 127, 128, 70_000])),
            ..Header::default()
        };
        self.did(Do::Tick, (header.number, timestamp).abi_encode_params());
        let hash = header.hash_slow();
        self.l1.push((header.clone(), alloy_rlp::encode(&header).into(), hash));
    }

    fn send(&mut self) {
        let len = self.random.below(70);
        let message = Message {
            index: self.derivation.message_count(),
            sender: Address::from_word(self.random.word()),
            to: Address::from_word(self.random.word()),
            value: U256::from(self.random.below(1_000_000)),
            fee: U256::from(self.random.below(3)),
            gasLimit: self.random.below(4_000_001),
            data: raw(self.random.word(), len),
        };
        let leaf = self.derivation.deployment().route().inbound(&message);
        self.did(Do::Send, (message.clone(), leaf).abi_encode_params());
        self.tell(Event::MessageSent(MessageSent { index: message.index, message, leaf }));
    }

    fn force(&mut self) {
        let (seed, len) = (self.random.word(), self.random.of([1, 31, 32, 255, 8_192, 16_384]));
        let index = self.derivation.forced_count();
        self.did(Do::Force, (seed, len).abi_encode_params());
        let raw = raw(seed, len);
        self.tell(Event::ForcedTx(ForcedTx { index, sender: Address::ZERO, raw }));
    }

    fn stream(&mut self) -> Vec<u8> {
        let block = |random: &mut Random| StreamBlock {
            dt: random.of([0, 1, 2, 3, 12, 400, 1 << 40, u64::MAX - 1, u64::MAX]),
            transactions: (0..random.below(4))
                .map(|_| {
                    let len = random.below(40);
                    raw(random.word(), len)
                })
                .collect(),
        };
        let count = self.random.of([0, 1, 1, 2, 3, 5, 8]);
        let blocks: Vec<StreamBlock> = (0..count).map(|_| block(&mut self.random)).collect();
        let mut stream = stream::encode(&blocks, Codec::Raw).expect("small");
        if self.random.below(6) == 0 {
            let end = self.random.below(stream.len() as u64);
            stream.truncate(usize::try_from(end).expect("an index"));
        }
        if self.random.below(6) == 0 {
            let place = self.random.below(stream.len() as u64 + 1);
            stream.extend(self.random.word());
            stream[usize::try_from(place).expect("an index")] ^= 1;
        }
        stream
    }

    /// Posts on one of the newest headers; now and then with all the messages there are, or in a blob.
    fn post(&mut self) {
        let place = self.place();
        let tail = self.derivation.item(self.derivation.items().wrapping_sub(1));
        let (oldest, msg_floor) =
            tail.map_or((0, 0), |last| (last.item.ctx.l1Number, last.item.ctx.msgCount));
        let lag = self.config.maxTimestampLag;
        let back = self.random.below(4);
        let found = self.l1.iter().rev().skip(1).filter(|(header, ..)| {
            header.number >= oldest && header.timestamp + lag >= place.timestamp
        });
        let candidates: Vec<_> = found.cloned().collect();
        let at = usize::try_from(back).expect("small").min(candidates.len().saturating_sub(1));
        let Some((header, rlp, hash)) = candidates.into_iter().nth(at) else { return };
        let mut ctx = self.derivation.context(&header, hash);
        let latest = self.random.below(4) == 0;
        if latest || ctx.msgCount < msg_floor {
            let all = self.l1.last().expect("there is a first block").0.clone();
            let now = self.derivation.context(&all, B256::ZERO);
            (ctx.msgCount, ctx.msgRoot) = (now.msgCount, now.msgRoot);
        }
        let msg_count = if latest { u64::MAX } else { ctx.msgCount };
        let stream = self.stream();
        let fee_recipient = Address::from_word(self.random.word());
        let mut item = Item {
            position: self.derivation.items(),
            time: place.timestamp,
            proposer: SEQUENCER,
            feeRecipient: fee_recipient,
            ctx,
            ..Item::default()
        };
        if self.random.below(5) == 0 {
            let blob = versioned(self.random.word());
            item.blobsHash = keccak256(blob);
            let post = (rlp, msg_count, fee_recipient, blob, hash_of(&item));
            self.did(Do::PostBlob, post.abi_encode_params());
            self.contents.push((item.position, stream));
            let position = item.position;
            let posted = Posted { position, item, stream: Bytes::new(), blobHashes: vec![blob] };
            self.tell(Event::Posted(posted));
            return;
        }
        let decoded = stream::decode(&stream);
        item.streamHash = keccak256(&stream);
        item.dataRoot = stream::data_root(&decoded.blocks);
        item.blocks = decoded.blocks.len() as u64;
        let answer = data_answer(&item, keccak256([]));
        let (gas, stream) = (decoded.gas, Bytes::from(stream));
        let post = (rlp, msg_count, fee_recipient, stream.clone(), gas, answer, hash_of(&item));
        self.did(Do::Post, post.abi_encode_params());
        let position = item.position;
        self.tell(Event::Posted(Posted { position, item, stream, blobHashes: vec![] }));
    }

    /// Proves and reads one of the blobs.
    fn prove(&mut self) {
        if self.contents.is_empty() {
            return;
        }
        let which = self.random.below(self.contents.len() as u64);
        let (position, stream) = self.contents.remove(usize::try_from(which).expect("an index"));
        if position < self.at.position {
            return;
        }
        let posted = self.derivation.item(position).expect("nothing is forgotten");
        let before = posted.item.clone();
        let decoded = stream::decode(&stream);
        let mut item = before.clone();
        item.streamHash = keccak256(&stream);
        item.dataRoot = stream::data_root(&decoded.blocks);
        item.blocks = decoded.blocks.len() as u64;
        let answer = data_answer(&item, before.blobsHash);
        let stream = Bytes::from(stream);
        self.did(Do::Prove, (before, stream.clone(), answer, hash_of(&item)).abi_encode_params());
        let Item { streamHash, dataRoot, blocks, .. } = item;
        self.tell(Event::DataProven(DataProven { position, streamHash, dataRoot, blocks, stream }));
    }

    /// What derivation says comes next is what the contract takes.
    fn step(&mut self) {
        let Some(posted) = self.derivation.item(self.at.position) else { return };
        let Some(blocks) = posted.blocks.clone().filter(|_| posted.is_proven()) else { return };
        let mut step = Step { item: posted.item.clone(), k: self.at.index, ..Step::default() };
        let k = usize::try_from(self.at.index).expect("an index");
        if let Some(block) = blocks.get(k) {
            step.dt = block.dt;
            step.postedRoot = stream::posted_root(&block.transactions);
            step.nTx = block.transactions.len() as u64;
            step.path = merkle_path(&stream::leaves(&blocks), k).expect("it is in the stream");
        }
        let mut answer = [0; 768];
        self.at = match self.derivation.next(&self.at) {
            Next::Wait => return,
            Next::Skip(after) => after,
            Next::Block(plan) => {
                // At least one of the forced transactions is consumed, if there are any.
                let given = plan.forced.len() as u64;
                let consumed = given.min(1 + self.random.below(given.max(1)));
                let hash = self.random.word();
                self.state_root = self.random.word();
                step.envelope = self.random.word().into();
                let to = &plan.attributes;
                answer = ExecuteResult {
                    mode: envelope::Mode::Derive.id(),
                    level: 1,
                    chain_id: self.config.chainId,
                    slot_number: to.slot_number,
                    schema_id: 0x1501,
                    parent_hash: plan.at.parent.hash,
                    block_hash: hash,
                    number: plan.at.parent.number + 1,
                    timestamp: to.timestamp,
                    fee_recipient: to.fee_recipient,
                    prev_randao: to.prev_randao,
                    gas_limit: to.gas_limit,
                    state_root: self.state_root,
                    anchor: to.anchor,
                    posted_root: keccak_chain(&plan.posted),
                    forced_root: keccak_chain(&plan.forced),
                    forced_count: consumed,
                    posted_count: plan.posted.len() as u64,
                    extra_data_hash: keccak256(&to.extra_data),
                    ..ExecuteResult::default()
                }
                .encode();
                plan.after(hash, consumed)
            }
        };
        self.since = self.now().timestamp;
        let answer = Bytes::copy_from_slice(&answer);
        self.did(Do::Step, (step, answer, self.head()).abi_encode_params());
    }

    /// Waits until the next item can be skipped, and skips it.
    fn skip(&mut self) {
        let Some(posted) = self.derivation.item(self.at.position) else { return };
        let (item, proven) = (posted.item.clone(), posted.is_proven());
        let from = if proven { item.time.max(self.since) } else { item.time };
        let earliest = from + 2 * self.config.sequencerTimeout;
        if self.now().timestamp <= earliest {
            self.mine(earliest + 1);
        }
        let moves = proven && self.at.forced < item.ctx.forcedCount;
        let forced = self.at.forced + u64::from(moves);
        let skipped =
            Skipped { position: item.position, index: self.at.index, forcedAfter: forced };
        self.tell(Event::Skipped(skipped));
        let Next::Skip(after) = self.derivation.next(&self.at) else {
            panic!("a skipped item has no further block")
        };
        (self.at, self.since) = (after, self.now().timestamp);
        self.did(Do::Skip, (item, self.head()).abi_encode_params());
    }

    fn head(&self) -> Head {
        Head {
            hash: self.at.parent.hash,
            stateRoot: self.state_root,
            number: self.at.parent.number,
            timestamp: self.at.parent.timestamp,
            position: self.at.position,
            index: self.at.index,
            forced: self.at.forced,
        }
    }
}

/// A seed, as often as it takes.
fn raw(seed: B256, len: u64) -> Bytes {
    seed.iter().copied().cycle().take(usize::try_from(len).expect("short")).collect()
}

fn versioned(mut hash: B256) -> B256 {
    hash[0] = 1;
    hash
}

fn hash_of(item: &Item) -> B256 {
    keccak256(item.abi_encode())
}

fn data_answer(item: &Item, blobs_hash: B256) -> Bytes {
    let answer = ExecuteResult {
        mode: envelope::Mode::Data.id(),
        level: 1,
        anchor: item.streamHash,
        blobs_hash,
        posted_root: item.dataRoot,
        included_count: item.blocks,
        ..ExecuteResult::default()
    };
    Bytes::copy_from_slice(&answer.encode())
}
