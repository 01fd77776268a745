//! S: blocks that are wrong in one respect, and right in every hash that covers it.

use alloy_eips::{eip2718::Encodable2718, eip7702::Authorization};
use alloy_primitives::{Address, B256, Bloom, Bytes, U256, bytes};
use alloy_signer::SignerSync;
use ethrex_stateless::{
    InputError, InvalidPayload, StatelessInput, VerifyError, block_of,
    ssz::{ExecutionPayload, SszError},
    testing::{CHAIN_ID, READER, TestChain, delegating, public_key, signed, signer, words},
};
use ethrex_stf::InvalidBlock;
use ethrex_trie::EMPTY_ROOT;
use ethrex_types::{ChainSpec, Tx, alloy_consensus::SignableTransaction};

use crate::{CANONICAL, TOLERANT, busy, judge, judge_bytes, writes};

/// Gives the payload the block hash that its content has.
pub(crate) fn reseal(input: &mut StatelessInput) {
    if let Err(InvalidPayload::BlockHash { want, .. }) = block_of(&input.request) {
        input.request.payload.block_hash = want;
    }
    block_of(&input.request).unwrap();
}

/// The verdict on the last block of `busy` after a change to its payload, hashes adjusted.
#[track_caller]
fn invalid(change: impl Fn(&mut ExecutionPayload)) -> InvalidBlock {
    let (chain, block) = busy();
    let mut input = block.input;
    change(&mut input.request.payload);
    assert!(matches!(
        judge(chain.spec(), &input, &CANONICAL),
        Err(VerifyError::Payload(InvalidPayload::BlockHash { .. }))
    ));
    reseal(&mut input);
    match judge_bytes(chain.spec(), &input) {
        Err(VerifyError::Invalid(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn wrong_root(name: &str, change: impl Fn(&mut ExecutionPayload)) {
    match invalid(change) {
        InvalidBlock::Root { what, .. } => assert_eq!(what, name),
        other => panic!("{other}"),
    }
}

#[test]
fn s01_post_state_root() {
    let parent = |payload: &ExecutionPayload| {
        let (_, block) = busy();
        assert_eq!(block.block.sealed().header().parent_hash, payload.parent_hash);
        let parent = block.input.witness.headers.last().unwrap().clone();
        alloy_rlp::decode_exact::<ethrex_types::Header>(parent).unwrap().state_root
    };
    wrong_root("state root", |payload| payload.state_root[31] ^= 1);
    wrong_root("state root", |payload| payload.state_root = EMPTY_ROOT);
    wrong_root("state root", |payload| payload.state_root = parent(payload));
    let mut chain = TestChain::new(&[(1, 1)]);
    let sibling = chain.clone().make(&[writes(1, 0, &[(1, 2)])]);
    let mut input = chain.make(&[writes(1, 0, &[(1, 3)])]).input;
    input.request.payload.state_root = sibling.block.sealed().header().state_root;
    reseal(&mut input);
    assert!(matches!(
        judge(chain.spec(), &input, &CANONICAL),
        Err(VerifyError::Invalid(InvalidBlock::Root { what: "state root", .. }))
    ));
}

#[test]
fn s02_what_the_block_commits_to() {
    wrong_root("receipts root", |payload| payload.receipts_root[0] ^= 1);
    let bloom = invalid(|payload| payload.logs_bloom = Bloom::repeat_byte(1));
    assert!(matches!(bloom, InvalidBlock::LogsBloom { .. }));
    let (chain, block) = busy();
    let mut input = block.input.clone();
    input.request.payload.block_hash[0] ^= 1;
    assert!(matches!(
        judge(chain.spec(), &input, &CANONICAL),
        Err(VerifyError::Payload(InvalidPayload::BlockHash { .. }))
    ));
    // Requests that nobody made.
    let mut input = block.input.clone();
    input.request.requests.builder_exits = vec![1; 68].into();
    reseal(&mut input);
    assert!(matches!(
        judge(chain.spec(), &input, &CANONICAL),
        Err(VerifyError::Invalid(InvalidBlock::Root { what: "requests hash", .. }))
    ));
    // A transaction less, its key too.
    let mut input = block.input;
    input.request.payload.transactions.pop();
    input.public_keys.as_mut().unwrap().pop();
    reseal(&mut input);
    assert!(matches!(judge(chain.spec(), &input, &CANONICAL), Err(VerifyError::Invalid(_))));
}

#[test]
fn s03_gas_used() {
    for change in [
        |payload: &mut ExecutionPayload| payload.gas_used += 1,
        |payload: &mut ExecutionPayload| payload.gas_used -= 1,
        |payload: &mut ExecutionPayload| payload.gas_used = 0,
        |payload: &mut ExecutionPayload| payload.gas_used = payload.gas_limit,
    ] {
        assert!(matches!(invalid(change), InvalidBlock::GasUsed { .. }));
    }
    let above = invalid(|payload| payload.gas_used = u64::MAX);
    assert!(matches!(above, InvalidBlock::GasUsedAboveLimit { .. }));
}

#[test]
fn s03_gas_used_is_before_refunds() {
    // Slots are cleared, which is refunded to the sender and not to the block (EIP-7778).
    let mut chain = TestChain::new(&[(1, 1), (2, 2)]);
    let block = chain.make(&[writes(1, 0, &[(1, 0), (2, 0)])]);
    let verified = judge_bytes(chain.spec(), &block.input).unwrap();
    let paid = verified.validated.receipts[0].cumulative_gas_used;
    let mut input = block.input;
    assert!(paid < input.request.payload.gas_used);
    input.request.payload.gas_used = paid;
    reseal(&mut input);
    assert!(matches!(
        judge(chain.spec(), &input, &CANONICAL),
        Err(VerifyError::Invalid(InvalidBlock::GasUsed { .. }))
    ));
}

#[test]
fn s04_base_fee() {
    for delta in [U256::ONE, U256::MAX] {
        let why = invalid(|payload| {
            payload.base_fee_per_gas = payload.base_fee_per_gas.wrapping_add(delta);
        });
        assert!(matches!(why, InvalidBlock::BaseFee { .. }));
    }
    let (chain, block) = busy();
    let mut input = block.input;
    input.request.payload.base_fee_per_gas += U256::from(1) << 64;
    assert!(matches!(
        judge(chain.spec(), &input, &CANONICAL),
        Err(VerifyError::Payload(InvalidPayload::BaseFee(_)))
    ));
    // The first block after genesis and the ones after an empty and a full one are built by the same rule.
    let mut chain = TestChain::new(&[]);
    for block in [chain.make(&[]), chain.make(&[writes(1, 0, &[(1, 1)])]), chain.make(&[])] {
        judge_bytes(chain.spec(), &block.input).unwrap();
    }
}

#[test]
fn s07_header_fields() {
    assert!(matches!(invalid(|payload| payload.block_number += 1), InvalidBlock::Number { .. }));
    let past = invalid(|payload| payload.timestamp -= 12);
    assert!(matches!(past, InvalidBlock::Timestamp { .. }));
    let step = invalid(|payload| payload.gas_limit += payload.gas_limit / 1024);
    assert!(matches!(step, InvalidBlock::GasLimit { .. }));
    let (_, block) = busy();
    let mut input = block.input;
    input.request.payload.extra_data = vec![0; 33].into();
    let encoded = Bytes::from(input.encode());
    assert!(matches!(
        StatelessInput::decode(&encoded),
        Err(SszError::TooLong { got: 33, max: 32, .. })
    ));
}

#[test]
fn s07_slot_number_and_randao_are_committed_to() {
    // Nothing checks them against the parent, and nobody can change them after the fact.
    let (chain, block) = busy();
    for change in [
        |payload: &mut ExecutionPayload| payload.slot_number += 1,
        |payload: &mut ExecutionPayload| payload.prev_randao[0] ^= 1,
        |payload: &mut ExecutionPayload| payload.fee_recipient = Address::ZERO,
    ] {
        let mut input = block.input.clone();
        change(&mut input.request.payload);
        assert!(matches!(
            judge(chain.spec(), &input, &CANONICAL),
            Err(VerifyError::Payload(InvalidPayload::BlockHash { .. }))
        ));
    }
}

#[test]
fn s08_bodies() {
    let (chain, block) = busy();
    let first = block.input.request.payload.transactions[0].clone();
    let with = |raw: Vec<u8>| {
        let mut input = block.input.clone();
        input.request.payload.transactions[0] = raw.into();
        judge(chain.spec(), &input, &CANONICAL).map(drop).unwrap_err()
    };
    let trailing = [&first[..], &[0]].concat();
    // A length in two bytes that fits in one is another encoding of the same list.
    let mut padded = first.to_vec();
    assert_eq!(padded[1], 0xf9);
    padded.splice(1..4, [0xfa, 0, first[2], first[3]]);
    for raw in [vec![], vec![0x05], vec![0x7f, 1], vec![0x06, 0xc0], trailing, padded, vec![0xc0]] {
        let why = with(raw.clone());
        assert!(
            matches!(why, VerifyError::Payload(InvalidPayload::Transaction { index: 0, .. })),
            "{raw:?}: {why:?}"
        );
    }
    // A withdrawal mints ether that the state root does not have.
    let mint = invalid(|payload| {
        payload
            .withdrawals
            .push(alloy_eips::eip4895::Withdrawal { amount: 1, ..Default::default() });
    });
    assert!(matches!(mint, InvalidBlock::Root { .. } | InvalidBlock::BlockAccessList { .. }));
    let blobs = invalid(|payload| payload.blob_gas_used = 131_072);
    assert!(matches!(blobs, InvalidBlock::BlobGasUsed { .. }), "{blobs}");
    let excess = invalid(|payload| payload.excess_blob_gas = 131_072);
    assert!(matches!(excess, InvalidBlock::ExcessBlobGas { .. }));
}

#[test]
fn s09_chain_schema_and_fork() {
    let (chain, block) = busy();
    let mut input = block.input.clone();
    input.chain_id += 1;
    assert!(matches!(
        judge(chain.spec(), &input, &CANONICAL),
        Err(VerifyError::Input(InputError::ChainId { .. }))
    ));
    // Another revision and another fork do not decode.
    for schema in [0x1502_u16, 0x1401, 0x1601, 0, u16::MAX] {
        let mut bytes = block.input.encode();
        bytes[..2].copy_from_slice(&schema.to_be_bytes());
        assert_eq!(StatelessInput::decode(&bytes.into()), Err(SszError::Schema(schema)));
        let input = StatelessInput { schema, ..block.input.clone() };
        assert!(matches!(
            judge(chain.spec(), &input, &CANONICAL),
            Err(VerifyError::Input(InputError::Schema { .. }))
        ));
    }
    // The same block where Amsterdam begins with it, one second later, and after it.
    let at = block.input.request.payload.timestamp;
    for (activation, taken) in [(at, true), (at + 1, false), (at - 1, true)] {
        let mut genesis = chain.spec().genesis().clone();
        genesis.config.amsterdam_time = Some(activation);
        let spec = ChainSpec::new(genesis).unwrap();
        match judge(&spec, &block.input, &CANONICAL) {
            Ok(_) => assert!(taken),
            Err(VerifyError::Input(InputError::Schema { .. })) => assert!(!taken),
            // The parent has fields that its fork has not, which only its own child would have noticed.
            Err(other) => panic!("{other:?}"),
        }
    }
    // A transaction signed for another chain.
    let foreign = signed(1, |tx| {
        tx.chain_id = CHAIN_ID + 1;
        tx.nonce = 3;
    });
    let mut input = block.input;
    input.request.payload.transactions[0] = foreign.encoded_2718().into();
    reseal(&mut input);
    assert!(matches!(
        judge(chain.spec(), &input, &CANONICAL),
        Err(VerifyError::Invalid(InvalidBlock::Transaction { index: 0, .. }))
    ));
}

#[test]
fn s10_public_keys() {
    let (chain, block) = busy();
    let with = |change: &dyn Fn(&mut Vec<ethrex_stateless::ssz::PublicKey>)| {
        let mut input = block.input.clone();
        change(input.public_keys.as_mut().unwrap());
        for options in [&CANONICAL, &TOLERANT] {
            match judge(chain.spec(), &input, options) {
                Err(VerifyError::Input(_)) => {}
                other => panic!("{other:?}"),
            }
        }
    };
    with(&|keys| keys[2] = public_key(9));
    with(&|keys| keys.swap(0, 1));
    with(&|keys| keys.truncate(5));
    with(&|keys| keys.push(public_key(1)));
    with(&|keys| keys.clear());
    with(&|keys| keys[0][0] = 2);
    with(&|keys| keys[0][64] ^= 1);
    with(&|keys| keys[0] = Default::default());
}

/// The input whose first transaction carries the same signature in another form.
fn resigned(
    change: impl Fn(alloy_primitives::Signature) -> alloy_primitives::Signature,
) -> StatelessInput {
    let (_, block) = busy();
    let mut input = block.input;
    let Tx::Eip1559(signed) = &block.block.sealed().body().transactions[0] else { unreachable!() };
    let tx = Tx::Eip1559(signed.tx().clone().into_signed(change(*signed.signature())));
    input.request.payload.transactions[0] = tx.encoded_2718().into();
    reseal(&mut input);
    input
}

#[test]
fn s10_signatures() {
    use alloy_primitives::{Signature, uint};
    let (chain, _) = busy();
    const ORDER: U256 =
        uint!(0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141_U256);
    // The high S with the other parity recovers the same key, and is no valid signature (EIP-2).
    let high = resigned(|s| Signature::new(s.r(), ORDER - s.s(), !s.v()));
    assert!(matches!(
        judge(chain.spec(), &high, &CANONICAL),
        Err(VerifyError::Invalid(InvalidBlock::Signature(0)))
    ));
    // Under the other parity the key still verifies the signature, and is not the one that is recovered.
    let other = resigned(|s| Signature::new(s.r(), s.s(), !s.v()));
    assert!(matches!(
        judge(chain.spec(), &other, &CANONICAL),
        Err(VerifyError::Input(InputError::PublicKey(0)))
    ));
}

#[test]
fn s11_the_anchor_is_in_the_state() {
    let (chain, block) = busy();
    let mut input = block.input;
    input.request.parent_beacon_block_root = B256::repeat_byte(9);
    assert!(matches!(
        judge(chain.spec(), &input, &CANONICAL),
        Err(VerifyError::Payload(InvalidPayload::BlockHash { .. }))
    ));
    reseal(&mut input);
    assert!(matches!(judge(chain.spec(), &input, &CANONICAL), Err(VerifyError::Invalid(_))));
}

#[test]
fn s11_request_contracts_must_be_there() {
    let mut genesis = TestChain::new(&[]).spec().genesis().clone();
    let mut chain = TestChain::with_genesis(genesis.clone());
    let input = chain.make(&[]).input;
    genesis.alloc.remove(&alloy_eips::eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS);
    let without = TestChain::with_genesis(genesis);
    // The whole state of the chain without the contract, and the block of the one with it on top.
    let mut input = StatelessInput { witness: without.whole(), ..input };
    input.request.payload.parent_hash = without.head().hash();
    reseal(&mut input);
    assert!(matches!(
        judge(without.spec(), &input, &TOLERANT),
        Err(VerifyError::Invalid(InvalidBlock::SystemCall(_)))
    ));
}

/// Where a contract that only takes note is absent, nothing is called and the block is valid (EIP-4788, EIP-2935).
/// Absent from the witness is something else.
#[test]
fn s11_contracts_that_take_note() {
    let contracts =
        [alloy_eips::eip4788::BEACON_ROOTS_ADDRESS, alloy_eips::eip2935::HISTORY_STORAGE_ADDRESS];
    let mut chain = TestChain::new(&[]);
    let mut genesis = chain.spec().genesis().clone();
    let block = chain.make(&[]);
    for address in contracts {
        let code = genesis.alloc.remove(&address).unwrap().code.unwrap();
        let mut input = block.input.clone();
        input.witness.codes.retain(|entry| *entry != code);
        assert_eq!(input.witness.codes.len() + 1, block.input.witness.codes.len());
        assert!(matches!(
            judge(chain.spec(), &input, &CANONICAL),
            Err(VerifyError::Insufficient(_))
        ));
    }
    let mut without = TestChain::with_genesis(genesis);
    let block = without.make(&[]);
    judge_bytes(without.spec(), &block.input).unwrap();
}

#[test]
fn s12_a_delegation_to_a_delegation_is_not_followed() {
    let delegate = |number: u8, address| {
        let authorization = Authorization { chain_id: U256::from(CHAIN_ID), address, nonce: 0 };
        let signature = signer(number).sign_hash_sync(&authorization.signature_hash()).unwrap();
        authorization.into_signed(signature)
    };
    let mut chain = TestChain::new(&[(1, 1)]);
    let lists = vec![delegate(2, signer(3).address()), delegate(3, READER)];
    let block = chain.make(&[delegating(1, lists, |_| {})]);
    judge_bytes(chain.spec(), &block.input).unwrap();
    let call = signed(5, |tx| {
        tx.to = signer(2).address().into();
        tx.input = words(&[U256::ZERO, U256::ONE, U256::ZERO]);
    });
    let block = chain.make(&[call]);
    judge_bytes(chain.spec(), &block.input).unwrap();
    let codes = &block.input.witness.codes;
    let reader = chain.spec().genesis().alloc[&READER].code.clone().unwrap();
    let designator = [&bytes!("ef0100")[..], READER.as_slice()].concat();
    assert!(codes.iter().any(|code| code[..] == designator), "it is run as code, and fails");
    assert!(!codes.contains(&reader));
    for index in 0..codes.len() {
        let mut input = block.input.clone();
        input.witness.codes.remove(index);
        assert!(matches!(
            judge(chain.spec(), &input, &CANONICAL),
            Err(VerifyError::Insufficient(_))
        ));
    }
}

#[test]
fn s12_delegations() {
    let sign = |number: u8, change: &dyn Fn(&mut Authorization)| {
        let mut authorization =
            Authorization { chain_id: U256::from(CHAIN_ID), address: READER, nonce: 0 };
        change(&mut authorization);
        let signature = signer(number).sign_hash_sync(&authorization.signature_hash()).unwrap();
        authorization.into_signed(signature)
    };
    let mut chain = TestChain::new(&[(1, 1)]);
    // One counts; another chain and another nonce are skipped and do not fail the transaction.
    let block = chain.make(&[delegating(
        1,
        vec![
            sign(2, &|_| {}),
            sign(3, &|authorization| authorization.chain_id = U256::from(7)),
            sign(4, &|authorization| authorization.nonce = 9),
        ],
        |_| {},
    )]);
    judge_bytes(chain.spec(), &block.input).unwrap();
    // A call of the delegated account runs the reader's code: the delegation and its target are both witnessed.
    let call = signed(5, |tx| {
        tx.to = signer(2).address().into();
        tx.input = words(&[U256::ZERO, U256::ONE, U256::ZERO]);
    });
    let block = chain.make(&[call]);
    judge_bytes(chain.spec(), &block.input).unwrap();
    let delegation = [&bytes!("ef0100")[..], READER.as_slice()].concat();
    assert!(block.input.witness.codes.iter().any(|code| code[..] == delegation));
    for index in 0..block.input.witness.codes.len() {
        let mut input = block.input.clone();
        input.witness.codes.remove(index);
        assert!(matches!(
            judge(chain.spec(), &input, &CANONICAL),
            Err(VerifyError::Insufficient(_))
        ));
    }
}

#[test]
fn s13_code_has_a_limit() {
    let (_, block) = busy();
    let mut input = block.input;
    input.witness.codes.push(vec![0xff; 65_537].into());
    assert!(matches!(
        StatelessInput::decode(&input.encode().into()),
        Err(SszError::TooLong { got: 65_537, .. })
    ));
    // The layout without public keys has another one.
    input.public_keys = None;
    StatelessInput::decode(&input.encode().into()).unwrap();
}

#[test]
fn s14_versioned_hashes_are_those_of_blobs() {
    let (chain, block) = busy();
    let mut input = block.input;
    input.request.versioned_hashes.push(B256::with_last_byte(1));
    assert!(matches!(
        judge(chain.spec(), &input, &CANONICAL),
        Err(VerifyError::Payload(InvalidPayload::VersionedHashes))
    ));
}
