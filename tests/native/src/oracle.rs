//! What EXECUTE must answer, said without what EXECUTE is made of.

use alloy_eips::eip2718::{Decodable2718, Encodable2718};
use alloy_primitives::{Address, B256, Bytes, FixedBytesSliceExt as _, U256, keccak256};
use ethrex_execute::{
    Attributes,
    testing::{block_attributes, rollup_rules},
};
use ethrex_stateless::{
    StatelessInput, payload_of,
    testing::{TestBlock, TestChain},
};
use ethrex_stf::{
    AccessLimits, BlockBuilder, BuildContext, Executed, InvalidTx, NotIncluded, Rules, RunError,
    check_body, check_header, execute,
};
use ethrex_trie::update_state;
use ethrex_types::{
    AccountInfo, Header, RecoveredBlock, StateReader, Tx,
    alloy_consensus::{Transaction, transaction::SignerRecoverable},
};

/// The words of a result.
pub type Words = [B256; 24];

/// A block as it is posted: seconds after the one before, and transactions.
pub type Block = (u64, Vec<Bytes>);

/// The bytes of words.
#[must_use]
pub fn flat(words: &Words) -> &[u8] {
    words.as_flattened()
}

/// Executes a block on the whole state, by the rules of a rollup; `None` where any rule is broken.
///
/// # Panics
/// If the state cannot be read.
#[must_use]
pub fn execute_fully(before: &TestChain, block: &RecoveredBlock) -> Option<Executed> {
    let (header, whole) = (block.sealed().header(), block.sealed().block());
    let everything = before.everything();
    let parent = before.head();
    check_header(before.spec(), header, parent).ok()?;
    check_body(before.spec(), whole).ok()?;
    let rules = rollup_rules(before.spec());
    let admitted = whole.body.transactions.iter().all(|tx| rules.admit(tx).is_ok());
    let withdrawals = whole.body.withdrawals.as_ref().is_some_and(|list| !list.is_empty());
    if !admitted || withdrawals || header.excess_blob_gas != Some(0) {
        return None;
    }
    let executed = execute(before.spec(), &rules, block, &everything.state_after(parent)).ok()?;
    let update = update_state(everything.nodes(), parent.state_root, &executed.diff)
        .expect("the whole state is at hand");
    (update.root == header.state_root).then_some(executed)
}

/// The words of BLOCK for a block of this chain, with fees burned.
///
/// # Panics
/// If the block is invalid.
#[must_use]
pub fn block_words(before: &TestChain, block: &RecoveredBlock) -> Words {
    let executed = execute_fully(before, block).expect("the block is valid");
    let list = executed.block_access_list.as_ref().map(alloy_rlp::encode).unwrap_or_default();
    let request = payload_of(block.sealed(), &executed.requests, list.into())
        .expect("the block is at Amsterdam");
    let header = block.sealed().header();
    let raws: Vec<Bytes> =
        block.sealed().body().transactions.iter().map(|tx| tx.encoded_2718().into()).collect();
    let count = raws.len() as u64;
    let mut words = header_words(before, header);
    words[0] = head(0);
    words[3] = request.hash_tree_root();
    words[5] = block.sealed().hash();
    words[18] = chain(&raws);
    words[20] = quarters([0, count, 0, count]);
    words[22] = ether_gone(before, &executed).into();
    words
}

/// The same of DERIVE, which gave this block.
///
/// # Panics
/// If the block is invalid.
#[must_use]
pub fn derive_words(
    before: &TestChain,
    block: &RecoveredBlock,
    forced: &[Bytes],
    posted: &[Bytes],
    forced_count: usize,
) -> Words {
    let mut words = block_words(before, block);
    let included = block.sealed().body().transactions.len();
    let dropped = forced_count + posted.len() - included;
    words[0] = head(1);
    words[18] = chain(posted);
    words[19] = chain(forced);
    words[20] = quarters([forced_count, posted.len(), dropped, included].map(|count| count as u64));
    words
}

/// The words of DATA for a stream in calldata.
#[must_use]
pub fn data_words(stream: &[u8], blobs_hash: B256) -> Words {
    let blocks = read_stream(stream).unwrap_or_default();
    let leaves = blocks.iter().zip(0_u64..).map(|((dt, raws), k)| {
        let number = |number: u64| B256::from(U256::from(number));
        let fields = [number(k), number(*dt), chain(raws), number(raws.len() as u64)];
        keccak256(fields.map(|field| field.0).concat())
    });
    let count = blocks.iter().map(|(_, raws)| raws.len() as u64).sum();
    let mut words = Words::default();
    words[0] = head(5);
    words[16] = keccak256(stream);
    words[17] = blobs_hash;
    words[18] = tree(&leaves.collect::<Vec<_>>());
    words[20] = quarters([0, count, 0, blocks.len() as u64]);
    words
}

/// What decoding a stream costs.
#[must_use]
pub fn data_gas(stream: &[u8]) -> u64 {
    let Some(blocks) = read_stream(stream) else { return 0 };
    let transactions: usize = blocks.iter().map(|(_, raws)| raws.len()).sum();
    let payload = u32::from_be_bytes([stream[5], stream[6], stream[7], stream[8]]);
    u64::from(payload) + 500 * blocks.len() as u64 + 200 * transactions as u64
}

/// The answer in the PLAIN form.
#[must_use]
pub fn plain_answer(input: &StatelessInput) -> Vec<u8> {
    let mut answer = input.request.hash_tree_root().to_vec();
    answer.push(1);
    answer.extend(input.chain_id.to_le_bytes());
    answer.extend(0x1501_u16.to_le_bytes());
    answer
}

/// What is left of posted data.
#[derive(Debug, Clone)]
pub struct Filtered {
    /// What stands in the block.
    pub included: Vec<Tx>,
    /// Forced transactions that are done with.
    pub forced_count: usize,
    /// The lowest bound that pays for it.
    pub gas_bound: u64,
    /// Lanes that ended at the cap.
    pub stopped: usize,
}

/// Filters transactions by trying each behind those before it, on the whole state. Of what they touch only accounts and slots are capped, at
/// `items`, as the executor counts them for itself.
///
/// # Panics
/// If the chain's system contracts are missing.
#[must_use]
pub fn filter(
    before: &TestChain,
    attributes: &Attributes,
    forced: &[Bytes],
    posted: &[Bytes],
    items: usize,
) -> Filtered {
    const MOST_OF_ONE: u64 = 16_777_216;
    let everything = before.everything();
    let parent = before.head();
    let state = everything.state_after(parent);
    let attributes = block_attributes(attributes);
    let context = BuildContext::new(before.spec(), parent, &attributes);
    let rules = rollup_rules(before.spec());
    let mut builder = BlockBuilder::open(&context, &rules, &state).expect("contracts are there");
    let limit = parent.gas_limit;
    let (mut forced_count, mut gas_bound, mut burnt, mut stopped) = (0, 0_u64, 0, 0);
    for (lane, room, items) in [(forced, limit / 2, items / 2), (posted, limit, items)] {
        let is_forced = room < limit;
        let caps = AccessLimits { items, code_bytes: usize::MAX, created_code: usize::MAX };
        builder.set_access_limits(Some(caps));
        for raw in lane {
            let spent = builder.regular_gas_used().max(builder.state_gas_used()) + burnt;
            let fits = read_transaction(raw).filter(|(tx, _)| tx.gas_limit() <= room);
            if let Some((tx, sender)) = fits {
                if tx.gas_limit() > room.saturating_sub(spent) {
                    if is_forced {
                        break;
                    }
                    continue;
                }
                let most = tx.gas_limit().min(MOST_OF_ONE);
                gas_bound = gas_bound.max(builder.regular_gas_used() + burnt + most);
                // The fee recipient is there from the start.
                let alone = builder.touched().items <= 1;
                let pushed = builder.push(tx, sender);
                if let Err(RunError::Invalid(NotIncluded::Invalid(InvalidTx::AccessLimit {
                    ..
                }))) = pushed
                {
                    burnt += most;
                    stopped += 1;
                    forced_count += usize::from(is_forced && alone);
                    break;
                }
            }
            forced_count += usize::from(is_forced);
        }
    }
    let included = builder.transactions().to_vec();
    Filtered { included, forced_count, gas_bound, stopped }
}

/// A transaction of a kind that rollups have, from all of these bytes and in the one encoding it has.
fn read_transaction(raw: &[u8]) -> Option<(Tx, Address)> {
    let mut rest = raw;
    let tx = Tx::decode_2718(&mut rest).ok()?;
    let kind = matches!(tx, Tx::Legacy(_) | Tx::Eip2930(_) | Tx::Eip1559(_) | Tx::Eip7702(_));
    let whole = rest.is_empty() && tx.encoded_2718() == raw;
    let sender = tx.recover_signer().ok()?;
    (kind && whole).then_some((tx, sender))
}

/// Words that a header gives.
fn header_words(before: &TestChain, header: &Header) -> Words {
    let number = |number: u64| B256::from(U256::from(number));
    let mut words = Words::default();
    words[1] = number(before.spec().chain_id());
    words[2] = quarters([0, 0, header.slot_number.unwrap_or_default(), 0x1501]);
    words[4] = before.head().hash();
    words[6] = number(before.head().number + 1);
    words[7] = number(header.timestamp);
    words[8] = header.beneficiary.into_word();
    words[9] = header.mix_hash;
    words[10] = number(header.gas_limit);
    words[11] = number(header.gas_used);
    words[12] = number(header.base_fee_per_gas.unwrap_or_default());
    words[13] = before.head().state_root;
    words[14] = header.state_root;
    words[15] = header.receipts_root;
    words[16] = header.parent_beacon_block_root.unwrap_or_default();
    words[17] = keccak256([]);
    words[21] = header.requests_hash.unwrap_or_default();
    words[23] = keccak256(&header.extra_data);
    words
}

/// Version 1, a mode, level 1, verified.
fn head(mode: u8) -> B256 {
    let mut head = B256::ZERO;
    head[..4].copy_from_slice(&[1, mode, 1, 1]);
    head
}

fn quarters(numbers: [u64; 4]) -> B256 {
    B256::from_slice(&numbers.map(u64::to_be_bytes).concat())
}

fn chain(raws: &[Bytes]) -> B256 {
    let mut chain = B256::ZERO;
    for raw in raws {
        chain = keccak256([chain.as_slice(), keccak256(raw).as_slice()].concat());
    }
    chain
}

/// The root over leaves, by halves: a tree of 2^d leaves of which those that are missing are zero.
fn tree(leaves: &[B256]) -> B256 {
    fn root(leaves: &[B256], size: usize) -> B256 {
        if size == 1 {
            return leaves.first().copied().unwrap_or_default();
        }
        let (left, right) = leaves.split_at(leaves.len().min(size / 2));
        keccak256([root(left, size / 2).as_slice(), root(right, size / 2).as_slice()].concat())
    }
    if leaves.is_empty() { B256::ZERO } else { root(leaves, leaves.len().next_power_of_two()) }
}

/// Ether that there was before the block and is not there after it.
fn ether_gone(before: &TestChain, executed: &Executed) -> U256 {
    let everything = before.everything();
    let state = everything.state_after(before.head());
    let balance = |info: Option<AccountInfo>| info.map_or(U256::ZERO, |info| info.balance);
    let (mut there, mut left) = (U256::ZERO, U256::ZERO);
    for (address, account) in &executed.diff.accounts {
        let info = state.account(*address).expect("the whole state is at hand");
        there += balance(info);
        left += balance(account.info);
    }
    there - left
}

/// Blocks of a stream by the text of the specification, `dt` and transactions each; `None` where its frame is broken.
#[must_use]
pub fn read_stream(stream: &[u8]) -> Option<Vec<Block>> {
    let length = u32::from_be_bytes(stream.get(5..9)?.try_into().ok()?) as usize;
    let payload = stream.get(9..)?.get(..length)?;
    if &stream[..5] != b"NR01\0" || length > 4 * 1024 * 1024 {
        return None;
    }
    let (mut at, mut blocks) = (0, Vec::new());
    while at < payload.len() && blocks.len() < 128 {
        let Some((block, next)) = read_block(payload, at) else { break };
        blocks.push(block);
        at = next;
    }
    Some(blocks)
}

fn read_block(payload: &[u8], at: usize) -> Option<(Block, usize)> {
    let (dt, at) = read_number(payload, at)?;
    let (count, mut at) = read_number(payload, at)?;
    if count > 160 {
        return None;
    }
    let mut raws = Vec::new();
    for _ in 0..count {
        let (len, start) = read_number(payload, at)?;
        let end = start.checked_add(usize::try_from(len).ok()?)?;
        raws.push(Bytes::copy_from_slice(payload.get(start..end)?));
        at = end;
    }
    let together: usize = raws.iter().map(|raw| raw.len()).sum();
    (together <= 32_768).then_some(((dt, raws), at))
}

/// LEB128 in its shortest form, by value: read without bounds, then compared with how it would be written.
fn read_number(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let len = bytes[at..].iter().position(|byte| byte & 0x80 == 0)? + 1;
    if len > 10 {
        return None;
    }
    let number = bytes[at..at + len]
        .iter()
        .rev()
        .fold(0_u128, |number, byte| (number << 7) | u128::from(byte & 0x7f));
    let number = u64::try_from(number).ok()?;
    let shortest = (u64::BITS - number.leading_zeros()).div_ceil(7).max(1) as usize;
    (len == shortest).then_some((number, at + len))
}

/// The block that [`filter`] leaves.
///
/// # Panics
/// If it cannot be built.
#[must_use]
pub fn filtered_block(before: &TestChain, attributes: &Attributes, included: &[Tx]) -> TestBlock {
    let rules = rollup_rules(before.spec());
    let attributes = block_attributes(attributes);
    before
        .clone()
        .make_with(&rules, &attributes, included)
        .expect("the filter lets valid ones pass")
}
