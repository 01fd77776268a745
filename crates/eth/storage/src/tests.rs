//! The database against a naive model, through forks, reorgs, flushes, restarts and crashes.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    ops::RangeInclusive,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use alloy_primitives::{Address, B256, Bytes, Log, Signature, U256, keccak256};
use ethrex_trie::{TrieUpdates, state_root_of, update_state, verify_proof};
use ethrex_types::{
    AccountDiff, AccountInfo, Block, ChainSpec, Genesis, GenesisAccount, Header, Receipt,
    RecoveredBlock, SealedBlock, StateDiff, StateReader, Tx, TxType,
    alloy_consensus::{Signed, TxLegacy},
};
use proptest::prelude::*;

use crate::{
    BlockRef, LogCandidate, LogQuery, NewBlock, STATE_HISTORY, StateView, Storage, StorageError,
    engine::{Batch, Engine, EngineError, Snapshot, memory::Memory},
};

mod cases;

type State = BTreeMap<Address, (AccountInfo, BTreeMap<B256, U256>)>;

/// The chain of these tests; its genesis need not be block 0.
fn chain(first: u64) -> ChainSpec {
    let mut genesis = Genesis { number: Some(first), ..Default::default() };
    genesis.config.chain_id = 9;
    genesis.config.terminal_total_difficulty = Some(U256::ZERO);
    genesis.config.shanghai_time = Some(0);
    let rich = GenesisAccount { balance: U256::from(1000), ..Default::default() };
    let contract = GenesisAccount {
        code: Some(Bytes::from_static(&[0x60, 0x01])),
        storage: Some([(B256::with_last_byte(1), B256::with_last_byte(7))].into()),
        ..Default::default()
    };
    genesis.alloc = [(address(0), rich), (address(1), contract)].into();
    ChainSpec::new(genesis).unwrap()
}

fn address(n: u8) -> Address {
    Address::with_last_byte(n)
}

fn apply(state: &State, diff: &StateDiff) -> State {
    let mut state = state.clone();
    for (address, change) in &diff.accounts {
        let Some(info) = change.info else {
            state.remove(address);
            continue;
        };
        let account = state.entry(*address).or_default();
        account.0 = info;
        if change.wiped {
            account.1.clear();
        }
        for (slot, value) in &change.storage {
            if value.is_zero() {
                account.1.remove(slot)
            } else {
                account.1.insert(*slot, *value)
            };
        }
    }
    state
}

fn state_root(state: &State) -> B256 {
    let accounts = state.iter().map(|(address, (info, storage))| {
        (*address, AccountDiff { info: Some(*info), wiped: false, storage: storage.clone() })
    });
    state_root_of(&StateDiff { accounts: accounts.collect(), codes: BTreeMap::new() }).root
}

fn tx(height: u64, choice: u64) -> Tx {
    let tx = TxLegacy { nonce: height / 2, gas_limit: choice, ..Default::default() };
    Tx::Legacy(Signed::new_unhashed(tx, Signature::test_signature()))
}

/// Account, balance (or that it is gone), whether its storage is wiped, and values of slots.
type PlannedAccount = (u8, Option<u64>, bool, Vec<(u8, u64)>);

/// What a block of the model changes: small numbers, so that blocks meet in accounts and slots.
#[derive(Debug, Clone)]
struct Plan {
    accounts: Vec<PlannedAccount>,
    code: Option<u8>,
    tx: u64,
    extra: u8,
}

fn plan() -> impl Strategy<Value = Plan> {
    let slots = proptest::collection::vec((0u8..4, 0u64..3), 0..3);
    let account =
        (0u8..6, proptest::option::weighted(0.8, 0u64..5), proptest::bool::weighted(0.2), slots);
    (
        proptest::collection::vec(account, 0..4),
        proptest::option::weighted(0.2, any::<u8>()),
        0u64..3,
        0u8..2,
    )
        .prop_map(|(accounts, code, tx, extra)| Plan { accounts, code, tx, extra })
}

impl Plan {
    fn diff(&self) -> StateDiff {
        let mut diff = StateDiff::default();
        for (n, balance, wiped, slots) in &self.accounts {
            let info = balance.map(|balance| {
                let mut info = AccountInfo { balance: U256::from(balance), ..Default::default() };
                if let Some(code) = self.code {
                    let code = Bytes::from(vec![code, *n]);
                    info.code_hash = keccak256(&code);
                    diff.codes.insert(info.code_hash, code);
                }
                info
            });
            let storage = slots
                .iter()
                .map(|(slot, value)| (B256::with_last_byte(*slot), U256::from(*value)))
                .collect();
            diff.accounts.insert(address(*n), AccountDiff { info, wiped: *wiped, storage });
        }
        diff
    }
}

struct Known {
    block: BlockRef,
    parent: B256,
    state: State,
    codes: BTreeMap<B256, Bytes>,
    txs: Vec<B256>,
}

/// A block and what it brings.
struct Made {
    block: RecoveredBlock,
    receipts: Vec<Receipt>,
    diff: StateDiff,
    trie: TrieUpdates,
    witness: Option<Bytes>,
}

impl Made {
    fn new_block(&self) -> NewBlock<'_> {
        NewBlock {
            block: &self.block,
            receipts: &self.receipts,
            diff: self.diff.clone(),
            trie: self.trie.clone(),
            witness: self.witness.clone(),
            access_list: None,
        }
    }
}

/// What the database should hold.
struct Model {
    known: HashMap<B256, Known>,
    head: B256,
    /// The height of the highest head so far, from which history counts.
    highest: u64,
}

impl Model {
    fn new(storage: &Storage, first: u64) -> Self {
        let chain = chain(first);
        let diff = chain.genesis_diff();
        let state = apply(&State::new(), &diff);
        let header = chain.genesis_header(state_root(&state));
        let block = BlockRef { number: first, hash: header.hash_slow() };
        assert_eq!(storage.canonical_hash(first).unwrap(), Some(block.hash));
        let known = Known { block, parent: B256::ZERO, state, codes: diff.codes, txs: vec![] };
        Self { known: HashMap::from([(block.hash, known)]), head: block.hash, highest: 0 }
    }

    fn lineage(&self, hash: B256) -> Vec<BlockRef> {
        let next = |known: &&Known| self.known.get(&known.parent);
        std::iter::successors(self.known.get(&hash), next).map(|known| known.block).collect()
    }

    fn canonical(&self) -> BTreeMap<u64, B256> {
        self.lineage(self.head).into_iter().map(|block| (block.number, block.hash)).collect()
    }

    /// The blocks that stand on `floor`, newest first.
    fn usable(&self, floor: BlockRef) -> Vec<BlockRef> {
        let mut by_height: Vec<_> = self.known.values().collect();
        by_height.sort_by_key(|known| known.block.number);
        let mut hashes = HashSet::from([floor.hash]);
        let mut usable = vec![floor];
        for known in by_height {
            if hashes.contains(&known.parent) {
                hashes.insert(known.block.hash);
                usable.push(known.block);
            }
        }
        usable.sort_by_key(|block| (std::cmp::Reverse(block.number), block.hash));
        usable
    }

    /// Forgets the blocks that a flush has given up.
    fn follow_floor(&mut self, floor: BlockRef) {
        let mut keep: HashSet<_> = self.usable(floor).into_iter().map(|block| block.hash).collect();
        keep.extend(self.canonical().into_values());
        self.known.retain(|hash, _| keep.contains(hash));
    }

    fn new_block(&self, storage: &Storage, parent: B256, plan: &Plan) -> (Made, Known) {
        let below = &self.known[&parent];
        let number = below.block.number + 1;
        let diff = plan.diff();
        let view = storage.state_at(parent).unwrap().unwrap();
        let update = update_state(&view, view.root(), &diff).unwrap();
        let state = apply(&below.state, &diff);
        assert_eq!(update.root, state_root(&state), "root of block {number}");

        let header = Header {
            number,
            parent_hash: parent,
            state_root: update.root,
            extra_data: Bytes::from(vec![plan.extra]),
            ..Default::default()
        };
        let mut block = Block { header, body: Default::default() };
        let mine = tx(number, plan.tx);
        // No transaction is twice on one chain.
        if !below.txs.contains(&mine.hash()) {
            block.body.transactions.push(mine);
        }
        let txs: Vec<_> = block.body.transactions.iter().map(Tx::hash).collect();
        let receipts = (1..=txs.len() as u64).map(|i| receipt(number * i)).collect();
        let senders = txs.iter().map(|tx| Address::from_slice(&tx[..20])).collect();
        let block = RecoveredBlock::new_unchecked(SealedBlock::seal(block), senders);
        let block_ref = BlockRef { number, hash: block.sealed().hash() };
        let mut codes = below.codes.clone();
        codes.extend(diff.codes.clone());
        let witness = plan.code.map(|code| Bytes::from(vec![code]));
        let known = Known { block: block_ref, parent, state, codes, txs };
        (Made { block, receipts, diff, trie: update.nodes, witness }, known)
    }

    #[track_caller]
    fn check(&self, storage: &Storage, thorough: bool) {
        assert_eq!(storage.head().hash, self.head);
        let canonical = self.canonical();
        let head = storage.head().number;
        for number in 0..head + 3 {
            assert_eq!(
                storage.canonical_hash(number).unwrap(),
                canonical.get(&number).copied(),
                "{number}"
            );
        }
        self.check_logs(storage, &canonical);
        for known in self.known.values() {
            let (number, hash) = (known.block.number, known.block.hash);
            let is_canonical = canonical.get(&number) == Some(&hash);
            for (index, tx) in known.txs.iter().enumerate() {
                let found = storage.tx_location(*tx).unwrap();
                if is_canonical {
                    assert_eq!(found.map(|at| (at.block, at.index)), Some((known.block, index)));
                } else if let Some(at) = found {
                    assert_eq!(canonical.get(&at.block.number), Some(&at.block.hash));
                }
            }
            let recent = is_canonical && number + STATE_HISTORY >= self.highest;
            if thorough || number + 20 >= head || number % 16 < 2 {
                self.check_block(storage, known, recent);
            }
        }
    }

    /// What the index finds is what reading every block finds.
    #[track_caller]
    fn check_logs(&self, storage: &Storage, canonical: &BTreeMap<u64, B256>) {
        let head = storage.head().number;
        let range = head.saturating_sub(20)..=head;
        for query in queries() {
            let mut expected = vec![];
            for (number, hash) in canonical.range(range.clone()) {
                let receipts = storage.receipts(*hash).unwrap().unwrap();
                let logs = receipts.iter().flat_map(|receipt| &receipt.logs);
                let positions: Vec<_> = (0..)
                    .zip(logs)
                    .filter(|(_, log)| matches(&query, log))
                    .map(|(at, _)| at)
                    .collect();
                if !positions.is_empty() {
                    let block = BlockRef { number: *number, hash: *hash };
                    expected.push(LogCandidate { block, positions: Some(positions) });
                }
            }
            assert_eq!(found(storage, &query, range.clone()), expected, "{query:?}");
        }
    }

    #[track_caller]
    fn check_block(&self, storage: &Storage, known: &Known, recent: bool) {
        let BlockRef { number, hash } = known.block;
        if known.parent != B256::ZERO {
            let block = storage.block(hash).unwrap().unwrap();
            assert_eq!(block.sealed().block().header.hash_slow(), hash);
            assert_eq!(
                block.transactions().map(|(tx, _)| tx.hash()).collect::<Vec<_>>(),
                known.txs
            );
            let expected: Vec<_> =
                (1..=known.txs.len() as u64).map(|i| receipt(number * i)).collect();
            assert_eq!(storage.receipts(hash).unwrap().unwrap(), expected);
        }
        let Some(view) = storage.state_at(hash).unwrap() else {
            assert!(!recent, "no state at {number}");
            assert!(!storage.has_state(hash));
            return;
        };
        self.check_view(&view, known);
    }

    #[track_caller]
    fn check_view(&self, view: &StateView, known: &Known) {
        let BlockRef { number, hash } = known.block;
        assert_eq!(view.root(), state_root(&known.state));
        for block in self.lineage(hash) {
            assert_eq!(view.block_hash(block.number).unwrap(), Some(block.hash));
        }
        assert_eq!(view.block_hash(number + 1).unwrap(), None);
        for n in 0..7 {
            let account = known.state.get(&address(n));
            assert_eq!(
                view.account(address(n)).unwrap(),
                account.map(|account| account.0),
                "{n} at {number}"
            );
            let slots: Vec<_> = (0..5).map(B256::with_last_byte).collect();
            let proof = view.proof(address(n), &slots).unwrap();
            let leaf = verify_proof(view.root(), keccak256(address(n)), &proof.proof).unwrap();
            assert_eq!(leaf, proof.account.map(alloy_rlp::encode));
            assert_eq!(proof.account.map(AccountInfo::from), account.map(|account| account.0));
            for (slot, proven) in slots.iter().zip(proof.slots) {
                let expected =
                    account.and_then(|account| account.1.get(slot)).copied().unwrap_or_default();
                assert_eq!(
                    view.storage(address(n), *slot).unwrap(),
                    expected,
                    "{n} {slot} at {number}"
                );
                assert_eq!(proven.value, expected);
            }
            if let Some((info, _)) =
                account.filter(|account| account.0.code_hash != AccountInfo::default().code_hash)
            {
                assert_eq!(
                    view.code(info.code_hash).unwrap().as_ref(),
                    known.codes.get(&info.code_hash)
                );
            }
        }
    }
}

fn receipt(gas: u64) -> Receipt {
    Receipt {
        tx_type: TxType::Legacy,
        status: gas.is_multiple_of(3).into(),
        cumulative_gas_used: gas,
        logs: (0..gas % 4).map(|n| log(gas + n)).collect(),
    }
}

/// Addresses and topics of few values, so that logs meet.
fn log(n: u64) -> Log {
    let topics = (0..n % 5).map(|place| topic((n + place) as u8 % 3)).collect();
    Log::new_unchecked(address((n % 3) as u8), topics, Bytes::new())
}

fn topic(n: u8) -> B256 {
    B256::with_last_byte(n)
}

/// Queries that ask for something rare, something common, and both.
fn queries() -> Vec<LogQuery> {
    let any = LogQuery::default();
    let one = LogQuery { addresses: vec![address(1)], ..any.clone() };
    let mut both = LogQuery { addresses: vec![address(0), address(2)], ..any.clone() };
    both.topics[1] = vec![topic(0), topic(1)];
    let mut last = any.clone();
    last.topics[3] = vec![topic(2)];
    let mut none = one.clone();
    none.topics[0] = vec![topic(9)];
    vec![any, one, both, last, none]
}

fn matches(query: &LogQuery, log: &Log) -> bool {
    let place = |(place, wanted): (usize, &Vec<B256>)| {
        wanted.is_empty() || log.topics().get(place).is_some_and(|topic| wanted.contains(topic))
    };
    (query.addresses.is_empty() || query.addresses.contains(&log.address))
        && query.topics.iter().enumerate().all(place)
}

fn found(storage: &Storage, query: &LogQuery, range: RangeInclusive<u64>) -> Vec<LogCandidate> {
    let mut found = vec![];
    let visit = |candidate| -> Result<_, StorageError> {
        found.push(candidate);
        Ok(true)
    };
    storage.log_reader().unwrap().visit(query, range, || Ok(()), visit).unwrap();
    found
}

/// An engine that dies after a number of commits, as a machine may.
#[derive(Clone)]
struct Mortal {
    memory: Memory,
    left: Arc<AtomicUsize>,
}

impl Engine for Mortal {
    fn snapshot(&self) -> Result<Box<dyn Snapshot>, EngineError> {
        self.memory.snapshot()
    }

    fn commit(&self, batch: Batch) -> Result<(), EngineError> {
        let left =
            self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        match left {
            Ok(_) => self.memory.commit(batch),
            Err(_) => Err(signet_libmdbx::MdbxError::Panic.into()),
        }
    }
}

#[derive(Debug, Clone)]
enum Op {
    /// Adds a block on one of the newest usable blocks.
    Extend(prop::sample::Index, Plan),
    /// Adds a block on one of the newest usable blocks, and follows it.
    Switch(prop::sample::Index, Plan),
    /// Adds blocks on the head, and follows them.
    Grow(u64, Plan),
    /// Moves the head to one of the newest usable blocks.
    Head(prop::sample::Index),
    Drop(prop::sample::Index),
    Revert(u64),
    Flush,
    Restart,
    /// Looks at the state after a block that was flushed, and perhaps goes back there.
    Past(prop::sample::Index, bool),
    /// Grows until the engine dies after some commits, then restarts.
    Crash(usize, Plan),
    /// Grows until the engine fails after some commits, and goes on once it works again.
    Fail(usize, Plan),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        6 => (any::<prop::sample::Index>(), plan()).prop_map(|(at, plan)| Op::Extend(at, plan)),
        2 => (any::<prop::sample::Index>(), plan()).prop_map(|(at, plan)| Op::Switch(at, plan)),
        4 => (1u64..60, plan()).prop_map(|(count, plan)| Op::Grow(count, plan)),
        3 => any::<prop::sample::Index>().prop_map(Op::Head),
        1 => any::<prop::sample::Index>().prop_map(Op::Drop),
        1 => (0u64..20).prop_map(Op::Revert),
        2 => Just(Op::Flush),
        1 => Just(Op::Restart),
        2 => (any::<prop::sample::Index>(), any::<bool>()).prop_map(|(at, go)| Op::Past(at, go)),
        2 => (0usize..60, plan()).prop_map(|(commits, plan)| Op::Crash(commits, plan)),
        2 => (0usize..60, plan()).prop_map(|(commits, plan)| Op::Fail(commits, plan)),
    ];
    proptest::collection::vec(op, 1..30)
}

struct Run {
    engine: Mortal,
    first: u64,
    storage: Storage,
    model: Model,
}

impl Run {
    fn new(first: u64) -> Self {
        let engine = Mortal { memory: Memory::default(), left: Arc::new(usize::MAX.into()) };
        let storage = open(&engine, first);
        let model = Model::new(&storage, first);
        Self { engine, first, storage, model }
    }

    fn commit(&mut self, parent: B256, plan: &Plan) -> Result<B256, StorageError> {
        let (made, known) = self.model.new_block(&self.storage, parent, plan);
        let hash = known.block.hash;
        self.storage.commit_block(made.new_block())?;
        self.model.known.entry(hash).or_insert(known);
        Ok(hash)
    }

    /// Adds a block and follows it, in one step.
    fn commit_head(&mut self, parent: B256, plan: &Plan) -> Result<(), StorageError> {
        let (made, known) = self.model.new_block(&self.storage, parent, plan);
        self.storage.commit_head(made.new_block())?;
        self.model.head = known.block.hash;
        self.model.known.entry(known.block.hash).or_insert(known);
        Ok(())
    }

    fn grow(&mut self, count: u64, plan: &Plan) -> Result<(), StorageError> {
        for i in 0..count {
            let mut plan = plan.clone();
            // Not every block does the same.
            plan.accounts.iter_mut().for_each(|account| account.0 = (account.0 + i as u8) % 6);
            if i.is_multiple_of(2) {
                self.commit_head(self.model.head, &plan)?;
            } else {
                let hash = self.commit(self.model.head, &plan)?;
                self.storage.set_canonical(hash)?;
                self.model.head = hash;
            }
        }
        Ok(())
    }

    fn usable(&mut self) -> Vec<BlockRef> {
        // Nothing flushes behind our back while we choose.
        self.storage.core().flush_due().unwrap();
        let floor = self.storage.earliest_state();
        self.model.follow_floor(floor);
        self.model.usable(floor)
    }

    fn recent(&mut self, index: prop::sample::Index) -> BlockRef {
        let usable = self.usable();
        usable[index.index(usable.len().min(12))]
    }

    fn step(&mut self, op: Op) {
        match op {
            Op::Extend(at, plan) => {
                let parent = self.recent(at);
                self.commit(parent.hash, &plan).unwrap();
            }
            Op::Switch(at, plan) => {
                let parent = self.recent(at);
                self.commit_head(parent.hash, &plan).unwrap();
            }
            Op::Grow(count, plan) => self.grow(count, &plan).unwrap(),
            Op::Head(at) => {
                let head = self.recent(at);
                self.storage.set_canonical(head.hash).unwrap();
                self.model.head = head.hash;
            }
            Op::Drop(at) => {
                let block = self.recent(at);
                if block == self.storage.earliest_state() {
                    let error = self.storage.drop_block(block.hash).unwrap_err();
                    assert!(matches!(error, StorageError::TooDeep { .. }));
                    return;
                }
                let doomed: HashSet<_> = self
                    .model
                    .known
                    .keys()
                    .copied()
                    .filter(|hash| self.model.lineage(*hash).contains(&block))
                    .collect();
                if doomed.contains(&self.model.head) {
                    self.model.head = self.model.known[&block.hash].parent;
                }
                let head = self.storage.drop_block(block.hash).unwrap();
                assert_eq!(head.hash, self.model.head);
                self.forget(&doomed);
            }
            Op::Revert(back) => {
                self.usable();
                let floor = self.storage.earliest_state().number;
                let number = self.storage.head().number.saturating_sub(back).max(floor);
                self.model.head = self.model.canonical()[&number];
                let above = |known: &&Known| known.block.number > number;
                let doomed =
                    self.model.known.values().filter(above).map(|known| known.block.hash).collect();
                let head = self.storage.revert_to(number).unwrap();
                assert_eq!(head.hash, self.model.head);
                self.forget(&doomed);
            }
            Op::Flush => self.storage.core().flush_due().unwrap(),
            Op::Restart => self.restart(),
            Op::Past(at, go) => self.past(at, go),
            Op::Crash(commits, plan) => {
                self.engine.left.store(commits, Ordering::SeqCst);
                let _ = self.grow(60, &plan);
                self.restart();
                assert_eq!(self.storage.head().hash, self.model.head);
            }
            Op::Fail(commits, plan) => {
                self.engine.left.store(commits, Ordering::SeqCst);
                let _ = self.grow(60, &plan);
                self.engine.left.store(usize::MAX, Ordering::SeqCst);
                assert_eq!(self.storage.head().hash, self.model.head);
            }
        }
        self.model.highest = self.model.highest.max(self.storage.head().number);
        // What a flush gives up must not vanish while the model is compared.
        self.storage.core().flush_due().unwrap();
        let floor = self.storage.earliest_state();
        self.model.follow_floor(floor);
    }

    fn past(&mut self, at: prop::sample::Index, go: bool) {
        let floor = self.usable().last().expect("the floor is usable").number;
        let canonical = self.model.canonical();
        let below: Vec<_> = canonical.keys().filter(|number| **number < floor).collect();
        if below.is_empty() {
            return;
        }
        let number = *below[at.index(below.len())];
        // There is no way back past storage that was wiped.
        let Some(past) = self.storage.state_below(number).unwrap() else { return };
        let block = past.state.block();
        assert!(block.number <= number && canonical[&block.number] == block.hash);
        self.model.check_view(&past.state, &self.model.known[&block.hash]);
        if go {
            assert!(self.storage.rewind(&past).unwrap());
            assert!(!self.storage.rewind(&past).unwrap(), "the base has moved");
            self.model.head = block.hash;
            self.model.known.retain(|_, known| known.block.number <= block.number);
            // Nothing below it can be read any more.
            self.model.highest = block.number + STATE_HISTORY;
        }
    }

    fn forget(&mut self, doomed: &HashSet<B256>) {
        self.model.known.retain(|hash, _| !doomed.contains(hash));
        for hash in doomed {
            assert!(self.storage.block(*hash).unwrap().is_none());
            assert!(self.storage.state_at(*hash).unwrap().is_none());
            assert!(self.storage.witness(*hash).unwrap().is_none());
        }
    }

    fn restart(&mut self) {
        self.engine.left.store(usize::MAX, Ordering::SeqCst);
        // The old one stops before the new one starts, as two processes cannot open a database at once.
        self.storage = Storage::memory(&chain(0)).unwrap();
        self.storage = open(&self.engine, self.first);
    }
}

fn open(engine: &Mortal, first: u64) -> Storage {
    Storage::load(Box::new(engine.clone()), Path::new("test"), &chain(first)).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn any_history_reads_as_the_model_says(first in prop_oneof![Just(0), 1u64..40], ops in ops()) {
        let mut run = Run::new(first);
        for op in ops {
            run.step(op);
            run.model.check(&run.storage, false);
        }
        run.model.check(&run.storage, true);
        run.restart();
        run.model.check(&run.storage, true);
    }
}
