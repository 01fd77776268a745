//! An L1 with EXECUTE and rollups on it, in memory, for tests of this crate and of those above it.

pub mod vectors;

use std::sync::LazyLock;

use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, FixedBytes, TxKind, U256, address, bytes};
use ethrex_stateless::{
    Witness,
    testing::{TestBlock, TestChain, signed},
};
use ethrex_stf::BlockAttributes;
use ethrex_types::{ChainSpec, Genesis, GenesisAccount, Header as BlockHeader, Tx};

use crate::{
    Anchored, Attributes, BlobOpening, BlockBody, Derived, Execute, ExecuteConfig, Flags, Frame,
    Header, Mode, ParentState, WithExecute, derive, derive::DeriveError, level_of, stream::Blob,
};

/// Chain id of the L1.
pub const L1_CHAIN_ID: u64 = 9;
/// Forwards its call data to EXECUTE with all gas but 1/64, and value if it was sent some. Then writes to its storage: 1 in slot 0, whether the call
/// succeeded plus 1 in slot 1, the size of the return data in slot 2, and its first word in slot 3.
pub const CALLER: Address = address!("0x00000000000000000000000000000000000ca11e");

/// CALLDATACOPY, CALL 0x0101, SSTOREs.
const CALLER_CODE: Bytes = bytes!(
    "365f5f37" // calldatacopy(0, 0, calldatasize)
    "6020" "36" "36" "5f" "34" "610101" "5a" "f1" // call(gas, 0x0101, callvalue, 0, calldatasize, calldatasize, 32)
    "6001" "01" "6001" "55" // sstore(1, success + 1)
    "6001" "5f" "55" // sstore(0, 1)
    "3d" "6002" "55" // sstore(2, returndatasize)
    "36" "51" "6003" "55" // sstore(3, mload(calldatasize))
    "00"
);

/// The rules of a rollup.
#[must_use]
pub fn rollup_rules(spec: &ChainSpec) -> Anchored {
    Anchored::new(spec, Some(config()))
}

/// EXECUTE from the start, with the default limits.
#[must_use]
pub fn config() -> ExecuteConfig {
    ExecuteConfig::from_time(0)
}

/// A chain like [`TestChain::new`] with another id and [`CALLER`].
///
/// # Panics
/// If the id is 0.
#[must_use]
pub fn chain(chain_id: u64) -> TestChain {
    let mut genesis: Genesis = TestChain::new(&[(1, 1), (2, 2), (3, 3)]).spec().genesis().clone();
    genesis.config.chain_id = chain_id;
    // Slots that are set already: to change them costs little, so that the 64th part of the gas pays for it.
    let slots = (0..4_u64).map(|slot| (B256::from(U256::from(slot)), B256::with_last_byte(0xff)));
    let caller = GenesisAccount {
        code: Some(CALLER_CODE),
        nonce: Some(1),
        storage: Some(slots.collect()),
        ..GenesisAccount::default()
    };
    genesis.alloc.insert(CALLER, caller);
    TestChain::with_genesis(genesis)
}

/// The L1, whose state does not matter to EXECUTE.
pub fn l1_spec() -> &'static ChainSpec {
    static SPEC: LazyLock<ChainSpec> = LazyLock::new(|| chain(L1_CHAIN_ID).spec().clone());
    &SPEC
}

/// The rules of the L1.
///
/// # Panics
/// If the chain is none.
#[must_use]
pub fn l1_rules(spec: &ChainSpec) -> WithExecute {
    WithExecute::new(spec, config()).expect("the L1 has an ordinary id")
}

/// EXECUTE on the L1.
#[must_use]
pub fn l1_execute() -> Execute {
    Execute::new(l1_spec().clone(), config(), 0)
}

/// A transaction of account `number` for the chain with this id.
pub fn signed_for(
    chain_id: u64,
    number: u8,
    change: impl FnOnce(&mut ethrex_types::alloy_consensus::TxEip1559),
) -> Tx {
    signed(number, |tx| {
        tx.chain_id = chain_id;
        change(tx);
    })
}

/// A call of [`CALLER`] with this call data.
#[must_use]
pub fn call_execute(chain_id: u64, number: u8, nonce: u64, gas_limit: u64, input: &[u8]) -> Tx {
    signed_for(chain_id, number, |tx| {
        tx.nonce = nonce;
        tx.gas_limit = gas_limit;
        tx.to = TxKind::Call(CALLER);
        tx.input = Bytes::copy_from_slice(input);
    })
}

/// The bytes of a transaction.
#[must_use]
pub fn raw(tx: &Tx) -> Bytes {
    tx.encoded_2718().into()
}

/// The level that a chain's id says, as envelopes have it.
///
/// # Panics
/// If it does not fit.
#[must_use]
pub fn level(chain_id: u64) -> u8 {
    u8::try_from(level_of(chain_id)).expect("levels of tests are small")
}

/// The envelope of a block that is given, with all gas that may be needed.
#[must_use]
pub fn block_envelope(block: &TestBlock, inclusion_list: Option<Vec<Bytes>>) -> Vec<u8> {
    let flags = if inclusion_list.is_some() { Flags::INCLUSION_LIST } else { Flags::NONE };
    let header = Header {
        mode: Mode::Block,
        level: level(block.input.chain_id),
        flags: flags.with(Flags::BURNED_FEES),
        gas_bound: block.block.sealed().header().gas_limit,
    };
    header.wrap(&BlockBody { input: block.input.clone(), inclusion_list }.encode())
}

/// Attributes of the next block that differ from [`TestChain::attributes`] in nothing.
#[must_use]
pub fn attributes(chain: &TestChain) -> Attributes {
    let BlockAttributes { timestamp, fee_recipient, prev_randao, extra_data, .. } =
        chain.attributes();
    Attributes {
        timestamp,
        fee_recipient,
        prev_randao,
        gas_limit: chain.head().gas_limit,
        slot_number: chain.head().number + 1,
        extra_data,
        anchor: chain.attributes().parent_beacon_block_root.unwrap_or_default(),
    }
}

/// The same for a builder.
#[must_use]
pub fn block_attributes(attributes: &Attributes) -> BlockAttributes {
    BlockAttributes {
        timestamp: attributes.timestamp,
        fee_recipient: attributes.fee_recipient,
        prev_randao: attributes.prev_randao,
        withdrawals: None,
        parent_beacon_block_root: Some(attributes.anchor),
        slot_number: Some(attributes.slot_number),
        desired_gas_limit: attributes.gas_limit,
        extra_data: attributes.extra_data.clone(),
    }
}

/// What a node derives on a chain, and the envelope by which others do.
///
/// # Errors
/// As [`derive()`].
///
/// # Panics
/// If the witness cannot be made.
pub fn derive_on(
    chain: &TestChain,
    config: &ExecuteConfig,
    attributes: &Attributes,
    forced: &[Bytes],
    posted: &[Bytes],
) -> Result<(Derived, Vec<u8>), DeriveError> {
    let everything: Witness = chain.everything();
    let parent = chain.head();
    let rules = Anchored::new(chain.spec(), Some(config.clone()));
    let frame = Frame { spec: chain.spec(), rules: &rules, caps: config.caps, parent, attributes };
    let state = everything.state_after(parent);
    let state = ParentState { reader: &state, nodes: everything.nodes() };
    let derived = derive(&frame, state, forced, posted, None)?;
    let oldest = derived.needed.oldest_block_hash.unwrap_or(u64::MAX).min(parent.number);
    let headers = headers_from(chain, &everything, oldest);
    let input = derived
        .input(&frame, forced, everything.nodes(), &headers)
        .expect("the whole state is at hand");
    let header = Header {
        mode: Mode::Derive,
        level: level(chain.spec().chain_id()),
        flags: Flags::BURNED_FEES,
        gas_bound: derived.gas_bound,
    };
    Ok((derived, header.wrap(&input.encode())))
}

/// Headers from this height to the head.
fn headers_from(chain: &TestChain, everything: &Witness, oldest: u64) -> Vec<BlockHeader> {
    let mut headers = vec![chain.head().inner().clone()];
    while let Some(last) = headers.last().filter(|header| header.number > oldest) {
        let parent = everything.header(last.parent_hash).expect("every header is kept");
        headers.push(parent.inner().clone());
    }
    headers.reverse();
    headers
}

/// Commitment and proof of a blob, by the reference library.
///
/// # Panics
/// If the blob is not canonical.
#[must_use]
pub fn open_blob(blob: &Blob) -> BlobOpening {
    let settings = c_kzg::ethereum_kzg_settings(0);
    let raw = c_kzg::Blob::new(blob.0);
    let commitment =
        settings.blob_to_kzg_commitment(&raw).expect("the blob is canonical").to_bytes();
    let proof = settings.compute_blob_kzg_proof(&raw, &commitment).expect("the blob is canonical");
    BlobOpening {
        commitment: FixedBytes::new(commitment.into_inner()),
        proof: FixedBytes::new(proof.to_bytes().into_inner()),
    }
}

/// A slot of an account on a chain.
///
/// # Panics
/// Never: the whole state is at hand.
#[must_use]
pub fn slot(chain: &TestChain, address: Address, slot: u64) -> U256 {
    use ethrex_types::StateReader;
    let everything = chain.everything();
    let state = everything.state_after(chain.head());
    state.storage(address, B256::from(U256::from(slot))).expect("the whole state is at hand")
}
