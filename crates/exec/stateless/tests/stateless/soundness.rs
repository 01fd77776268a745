//! S: blocks that are wrong in one respect, and right in every hash that covers it.

use alloy_eips::{eip2718::Encodable2718, eip7702::Authorization};
use alloy_primitives::{B256, U256, bytes};
use alloy_signer::SignerSync;
use ethrex_stateless::{
    InputError, InvalidPayload, StatelessInput, VerifyError,
    ssz::{ExecutionPayload, SszError},
    testing::{
        CHAIN_ID, READER, TestChain,
        attacks::{reseal, writes},
        delegating, public_key, signed, signer, words,
    },
};
use ethrex_stf::InvalidBlock;
use ethrex_trie::EMPTY_ROOT;
use ethrex_types::{ChainSpec, Tx, alloy_consensus::SignableTransaction};

use crate::{CANONICAL, TOLERANT, busy, judge, judge_bytes};

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
fn s14_versioned_hashes_are_those_of_blobs() {
    let (chain, block) = busy();
    let mut input = block.input;
    input.request.versioned_hashes.push(B256::with_last_byte(1));
    assert!(matches!(
        judge(chain.spec(), &input, &CANONICAL),
        Err(VerifyError::Payload(InvalidPayload::VersionedHashes))
    ));
}
