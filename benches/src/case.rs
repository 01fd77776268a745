//! A block with all that executing it, recording its witness and judging it from that witness need.

use std::{
    collections::{BTreeMap, HashMap},
    fmt, fs,
    path::Path,
    time::{Duration, Instant},
};

use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, U256};
use ethrex_execute::{
    Anchored, Attributes, BlockBody, ExecuteConfig, Flags, Frame, Header as EnvelopeHeader, Mode,
    ParentState,
};
use ethrex_stateless::{
    ExecutionWitness, Recording, StatelessInput, Strictness, VerifyOptions, Witness, payload_of,
    record,
    ssz::{PublicKey, SCHEMA_AMSTERDAM, encode_witness},
    validate, verify,
};
use ethrex_stf::{Ethereum, Executed, check_body, check_header, execute};
use ethrex_storage::{NewBlock, Storage};
use ethrex_test_spec::{archive, real::RealBlock, suites::Suites};
use ethrex_trie::{HashedNodes, NodeSource, update_state};
use ethrex_types::{
    AccountInfo, ChainSpec, Genesis, Header, RecoveredBlock, SealedBlock, SealedHeader, StateError,
    StateReader,
};
use eyre::{Context, OptionExt, Result, bail, ensure};

use crate::{
    sample::millis,
    workload::{Era, Kind, World},
};

/// Folder of the real blocks within the suites.
const REAL: &str = "stateless-blocks";
/// Any but the rollup's.
const L1_CHAIN_ID: u64 = 1;

/// A block and what surrounds it.
pub struct Case {
    /// For people.
    pub name: String,
    spec: ChainSpec,
    block: SealedBlock,
    parent: SealedHeader,
    /// From the oldest that the block asks for to the parent.
    headers: Vec<Header>,
    /// What a full node reads when it executes.
    state: Box<dyn StateReader>,
    /// What it reads for the state root.
    nodes: Box<dyn NodeSource>,
    witness: ExecutionWitness,
    /// The same and the block, as a stranger gets it, where its fork has such a thing.
    input: Option<Bytes>,
    /// The bytes by which a contract has the block verified.
    call: Option<Call>,
}

/// A call of EXECUTE.
struct Call {
    /// The chain that verifies.
    l1: ChainSpec,
    bytes: Vec<u8>,
}

impl Call {
    fn new(rollup: &ChainSpec, header: &EnvelopeHeader, body: &[u8]) -> Result<Self> {
        let mut config = rollup.genesis().config.clone();
        config.chain_id = L1_CHAIN_ID;
        let l1 = ChainSpec::new(Genesis { config, ..Genesis::default() })?;
        Ok(Self { l1, bytes: header.wrap(body) })
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Case").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Where the time of one round went.
#[derive(Debug, Clone, Copy, Default)]
pub struct Spent {
    /// Recovering the senders: both ways to a verdict do it.
    pub senders: Duration,
    /// Checks and execution on the state of a full node.
    pub execute: Duration,
    /// The state root, from the nodes of a full node.
    pub root: Duration,
    /// The same checks and execution while what is read is walked to for a witness.
    pub watched: Duration,
    /// Recording the witness after that, which computes the root on the way.
    pub record: Duration,
    /// Recording it after plain execution, for comparison.
    pub record_later: Duration,
    /// Writing the witness down.
    pub encode: Duration,
    /// Reading the witness: hashing it, and whether it is canonical.
    pub decode: Duration,
    /// Checks, execution and state root from the witness.
    pub validate: Duration,
    /// All of it from the bytes of EIP-8025, senders too.
    pub verify: Option<Duration>,
    /// The whole of a call of EXECUTE.
    pub call: Option<Duration>,
}

impl Spent {
    /// What a full node does with the block.
    #[must_use]
    pub fn plain(&self) -> Duration {
        self.senders + self.execute + self.root
    }

    /// What a stranger does to judge it: a call of EXECUTE where the block can be verified by one.
    #[must_use]
    pub fn settle(&self) -> Duration {
        self.call.or(self.verify).unwrap_or(self.senders + self.decode + self.validate)
    }

    /// What the witness costs whoever makes it, in ms, beside execution and the root. It may be less than nothing: what is walked to
    /// while the block runs need not be found again for the root.
    #[must_use]
    pub fn generate(&self) -> f64 {
        millis(self.watched + self.record + self.encode) - millis(self.execute + self.root)
    }

    /// What it costs whoever executes first and records then, in ms, beside the root.
    #[must_use]
    pub fn generate_later(&self) -> f64 {
        millis(self.record_later + self.encode) - millis(self.root)
    }
}

impl Case {
    /// Gas that the block used.
    #[must_use]
    pub fn gas(&self) -> u64 {
        self.block.header().gas_used
    }

    /// Bytes of the encoded witness.
    #[must_use]
    pub fn witness_bytes(&self) -> usize {
        encode_witness(&self.witness).len()
    }

    /// Goes once through everything. What is compared with each other changes places from turn to turn: whoever comes second finds
    /// warm caches.
    pub fn round(&self, turn: usize) -> Result<Spent> {
        let mut spent = Spent::default();
        let sealed = self.block.clone();
        let block = timed(&mut spent.senders, || RecoveredBlock::recover(sealed))?;
        let witness = if turn.is_multiple_of(2) {
            self.plain(&block, turn, &mut spent)?;
            self.record(&block, &mut spent)?
        } else {
            let witness = self.record(&block, &mut spent)?;
            self.plain(&block, turn, &mut spent)?;
            witness
        };
        let bytes = timed(&mut spent.encode, || encode_witness(&witness));
        ensure!(!bytes.is_empty(), "a witness has a header");

        let parent = self.parent.hash();
        let witness =
            timed(&mut spent.decode, || Witness::decode_canonical(&self.witness, parent))?;
        timed(&mut spent.validate, || validate(&self.spec, &Ethereum, &block, &witness))?;
        if let Some(input) = &self.input {
            spent.verify = Some(self.verify(input)?);
        }
        if let Some(call) = &self.call {
            spent.call = Some(self.call(call)?);
        }
        Ok(spent)
    }

    /// Executes, and computes the root: alone, and with the witness.
    fn plain(&self, block: &RecoveredBlock, turn: usize, spent: &mut Spent) -> Result<()> {
        let executed = timed(&mut spent.execute, || self.execute(block, self.state.as_ref()))?;
        let (nodes, parent) = (self.nodes.as_ref(), self.parent.state_root);
        let (accesses, diff) = (&executed.accesses, &executed.diff);
        let root = |took: &mut Duration| timed(took, || update_state(nodes, parent, diff));
        let later = |took: &mut Duration| {
            timed(took, || record(nodes, parent, accesses, diff, &self.headers))
        };
        let (update, (_, recorded)) = if turn % 4 < 2 {
            (root(&mut spent.root)?, later(&mut spent.record_later)?)
        } else {
            let recorded = later(&mut spent.record_later)?;
            (root(&mut spent.root)?, recorded)
        };
        self.has_root(update.root)?;
        self.has_root(recorded.root)
    }

    /// Executes, and records the witness.
    fn record(&self, block: &RecoveredBlock, spent: &mut Spent) -> Result<ExecutionWitness> {
        let recording = Recording::of(self.nodes.as_ref(), self.parent.state_root);
        let executed = timed(&mut spent.watched, || {
            recording.watch(self.state.as_ref(), |state| self.execute(block, state))
        })?;
        let (witness, update) = timed(&mut spent.record, || {
            recording.finish(&executed.accesses, &executed.diff, &self.headers)
        })?;
        self.has_root(update.root)?;
        Ok(witness)
    }

    fn execute(&self, block: &RecoveredBlock, state: &dyn StateReader) -> Result<Executed> {
        check_header(&self.spec, self.block.header(), &self.parent)?;
        check_body(&self.spec, self.block.block())?;
        Ok(execute(&self.spec, &Ethereum, block, state)?)
    }

    fn has_root(&self, root: B256) -> Result<()> {
        ensure!(root == self.block.header().state_root, "the root of {} differs", self.name);
        Ok(())
    }

    fn verify(&self, input: &Bytes) -> Result<Duration> {
        let options = VerifyOptions { strictness: Strictness::Canonical, gas_bound: None };
        let mut spent = Duration::ZERO;
        timed(&mut spent, || -> Result<_> {
            let input = StatelessInput::decode(input)?;
            Ok(verify(&self.spec, &Ethereum, &input, &options)?)
        })?;
        Ok(spent)
    }

    fn call(&self, call: &Call) -> Result<Duration> {
        let (config, time) = (ExecuteConfig::from_time(0), self.block.header().timestamp);
        let mut spent = Duration::ZERO;
        let outcome = timed(&mut spent, || {
            ethrex_execute::execute(&config, &call.l1, 0, time, u64::MAX, &call.bytes)
        })?;
        match outcome.result {
            Ok(_) => Ok(spent),
            Err(class) => bail!("EXECUTE of {}: {class:?}", self.name),
        }
    }
}

fn timed<T>(spent: &mut Duration, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let done = work();
    *spent = start.elapsed();
    done
}

/// The real blocks of the suites, in order of name. The witness they came with stands for the state of a full node: what
/// execution reads lies flat in memory, and the nodes are hashed beforehand. That is faster than any database, so what is measured
/// against it looks dearer than it is.
pub fn real(suites: &Suites) -> Result<Vec<Case>> {
    let dir = suites.dir.join(REAL);
    let mut files = fs::read_dir(&dir)
        .wrap_err_with(|| format!("read {}", dir.display()))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()?;
    files.sort_unstable();
    let mut cases = Vec::new();
    for path in files {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let Some(name) = name.as_deref().and_then(|name| name.strip_suffix(".json.zst")) else {
            continue;
        };
        let content =
            archive::decompress(&path).wrap_err_with(|| format!("read {}", path.display()))?;
        let real: RealBlock = serde_json::from_slice(&content)?;
        match from_witness(name, &real) {
            Ok(case) => cases.push(case),
            // Some sources leave out what stateless validation needs; `tests/spec/skips.txt` says which and what.
            Err(why) => println!("{name} is left out: {why:#}"),
        }
    }
    Ok(cases)
}

fn from_witness(name: &str, real: &RealBlock) -> Result<Case> {
    let (spec, block) = real.open()?;
    let witness = Witness::decode(real.witness())?;
    let parent = block.header().parent_hash;
    let parent = witness.header(parent).ok_or_eyre("its witness has no parent")?.clone();
    let state = witness.state_after(&parent);
    let recovered = RecoveredBlock::recover(block.clone())?;
    let executed = execute(&spec, &Ethereum, &recovered, &state)?;
    let oldest = executed.accesses.oldest_block_hash.unwrap_or(parent.number).min(parent.number);
    let mut headers = vec![parent.inner().clone()];
    let mut next = parent.clone();
    while next.number > oldest {
        next =
            witness.header(next.parent_hash).ok_or_eyre("its witness lacks an ancestor")?.clone();
        headers.insert(0, next.inner().clone());
    }
    let flat = Flat::of(&executed, &state, &headers)?;
    let nodes: HashedNodes = real.witness().state.iter().cloned().collect();
    let (witness, _) =
        record(&nodes, parent.state_root, &executed.accesses, &executed.diff, &headers)?;
    Ok(Case {
        name: name.to_owned(),
        spec,
        block,
        parent,
        headers,
        state: Box::new(flat),
        nodes: Box::new(nodes),
        witness,
        input: None,
        call: None,
    })
}

/// Blocks of transactions of each kind at Amsterdam, on the database of a node in `dir`, as EXECUTE is given them (BLOCK), and as many of
/// the same transactions as it derives into one block (DERIVE).
pub fn generated(dir: &Path) -> Result<(Vec<Case>, Vec<Case>)> {
    let world = World::new(Era::Amsterdam)?;
    let (mut all_given, mut all_derived) = (Vec::new(), Vec::new());
    for kind in Kind::ALL {
        let storage = Storage::open(&dir.join(kind.name()), &world.spec)?;
        // The first block creates what the second one finds.
        for block in world.blocks(kind, 2)? {
            let parent = block.header().parent_hash;
            let parent = storage.header(parent)?.ok_or_eyre("the parent is stored")?;
            all_given.push(given(kind, &world, &storage, block, parent)?);
        }
        all_derived.push(derived(kind, &world, &storage)?);
    }
    Ok((all_given, all_derived))
}

fn given(
    kind: Kind,
    world: &World,
    storage: &Storage,
    block: SealedBlock,
    parent: SealedHeader,
) -> Result<Case> {
    let spec = world.spec.clone();
    let view = || storage.state_at(parent.hash())?.ok_or_eyre("the parent has a state");
    let (state, nodes) = (view()?, view()?);
    let recovered = RecoveredBlock::recover(block.clone())?;
    let executed = execute(&spec, &Ethereum, &recovered, &state)?;
    let headers = vec![parent.inner().clone()];
    let (witness, update) =
        record(&nodes, parent.state_root, &executed.accesses, &executed.diff, &headers)?;
    let witness = ExecutionWitness { keys: vec![], ..witness };
    let list = executed.block_access_list.as_ref().ok_or_eyre("Amsterdam has access lists")?;
    let public_keys: Vec<PublicKey> = world.public_keys().collect();
    let input = StatelessInput {
        schema: SCHEMA_AMSTERDAM,
        request: payload_of(&block, &executed.requests, alloy_rlp::encode(list).into())?,
        witness: witness.clone(),
        chain_id: spec.chain_id(),
        public_keys: Some(public_keys),
    };
    let body = BlockBody { input: input.clone(), inclusion_list: None };
    let header = envelope(Mode::Block, block.header().gas_limit);
    let call = Call::new(&spec, &header, &body.encode())?;
    storage.commit_head(NewBlock {
        block: &recovered,
        receipts: &executed.receipts,
        diff: executed.diff,
        trie: update.nodes,
        witness: None,
        access_list: None,
    })?;
    Ok(Case {
        name: format!("{}, block {}", kind.name(), block.number()),
        spec,
        block,
        parent,
        headers,
        state: Box::new(state),
        nodes: Box::new(nodes),
        witness,
        input: Some(input.encode().into()),
        call: Some(call),
    })
}

const fn envelope(mode: Mode, gas_bound: u64) -> EnvelopeHeader {
    EnvelopeHeader { mode, level: 1, flags: Flags::BURNED_FEES, gas_bound }
}

/// The block that follows from the next transactions of this kind: the most that the caps of a derived block let in.
fn derived(kind: Kind, world: &World, storage: &Storage) -> Result<Case> {
    let spec = world.spec.clone();
    let parent = storage.header(storage.head().hash)?.ok_or_eyre("the head is stored")?;
    let view = || storage.state_at(parent.hash())?.ok_or_eyre("the head has a state");
    let (state, nodes) = (view()?, view()?);
    let config = ExecuteConfig::from_time(0);
    let rules = Anchored::new(&spec, Some(config.clone()));
    let attributes = Attributes {
        timestamp: parent.timestamp + 1,
        gas_limit: parent.gas_limit,
        slot_number: parent.number + 1,
        ..Attributes::default()
    };
    let frame = Frame {
        spec: &spec,
        rules: &rules,
        caps: config.caps,
        parent: &parent,
        attributes: &attributes,
    };
    let posted: Vec<Bytes> =
        world.transactions(kind, 2)?.iter().map(|tx| tx.encoded_2718().into()).collect();
    let derive = |count: usize| {
        let state = ParentState { reader: &state, nodes: &nodes };
        ethrex_execute::derive::derive(&frame, state, &[], &posted[..count], None)
    };
    let mut count = 1;
    while derive(count + 1)?.included_count == count + 1 {
        count += 1;
    }
    let derived = derive(count)?;
    let headers = vec![parent.inner().clone()];
    let body = derived.input(&frame, &[], &nodes, &headers)?.encode();
    let call = Call::new(&spec, &envelope(Mode::Derive, derived.gas_bound), &body)?;
    let (block, _) = derived.seal(&nodes, &parent)?;
    let built = &derived.built;
    let (witness, _) = record(&nodes, parent.state_root, &built.accesses, &built.diff, &headers)?;
    Ok(Case {
        name: format!("{count} {}, derived", kind.name()),
        spec,
        block,
        parent,
        headers,
        state: Box::new(state),
        nodes: Box::new(nodes),
        witness: ExecutionWitness { keys: vec![], ..witness },
        input: None,
        call: Some(call),
    })
}

/// The part of a state that a block reads, in memory.
#[derive(Debug, Default)]
struct Flat {
    accounts: HashMap<Address, Option<AccountInfo>>,
    slots: HashMap<(Address, B256), U256>,
    codes: BTreeMap<B256, Bytes>,
    hashes: HashMap<u64, B256>,
}

impl Flat {
    fn of(executed: &Executed, state: &dyn StateReader, headers: &[Header]) -> Result<Self> {
        let mut flat = Self { codes: executed.accesses.codes.clone(), ..Self::default() };
        for (address, slots) in &executed.accesses.accounts {
            flat.accounts.insert(*address, state.account(*address)?);
            for slot in slots {
                flat.slots.insert((*address, *slot), state.storage(*address, *slot)?);
            }
        }
        flat.hashes = headers.iter().map(|header| (header.number, header.hash_slow())).collect();
        Ok(flat)
    }
}

impl StateReader for Flat {
    fn account(&self, address: Address) -> Result<Option<AccountInfo>, StateError> {
        Ok(self.accounts.get(&address).copied().flatten())
    }

    fn storage(&self, address: Address, slot: B256) -> Result<U256, StateError> {
        Ok(self.slots.get(&(address, slot)).copied().unwrap_or_default())
    }

    fn code(&self, hash: B256) -> Result<Option<Bytes>, StateError> {
        Ok(self.codes.get(&hash).cloned())
    }

    fn block_hash(&self, number: u64) -> Result<Option<B256>, StateError> {
        Ok(self.hashes.get(&number).copied())
    }

    fn has_storage(&self, address: Address) -> Result<bool, StateError> {
        let mut slots = self.slots.iter();
        Ok(slots.any(|((owner, _), value)| *owner == address && !value.is_zero()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_real_block_goes_through_every_phase() {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/spec").into();
        let cases = real(&Suites { dir, sample: true }).unwrap();
        assert_eq!(cases.len(), 1);
        let spent = cases[0].round(0).unwrap();
        assert!(spent.execute > Duration::ZERO && spent.validate > Duration::ZERO);
        assert_eq!(spent.settle(), spent.senders + spent.decode + spent.validate);
        assert!(cases[0].gas() > 0 && cases[0].witness_bytes() > 0);
    }
}
