//! Blocks and witnesses of strangers.

use std::sync::LazyLock;

use alloy_primitives::Bytes;
use ethrex_stateless::{
    StatelessInput, Strictness, VerifyError, VerifyOptions, block_of, payload_of,
    ssz::{peek_gas, peek_gas_limit},
    testing::{
        TestChain,
        attacks::{busy, reseal_if_possible},
    },
    verify,
};
use ethrex_stf::Ethereum;
use ethrex_test_native::damage;
use ethrex_types::ChainSpec;

/// Gas that may be executed, so that no input runs for long.
const GAS_BOUND: u64 = 20_000_000;

static CHAIN: LazyLock<ChainSpec> = LazyLock::new(|| TestChain::new(&[]).spec().clone());

/// The verdicts on an input. Where the tolerant one is that the block is valid, it is that block.
fn judge(input: &StatelessInput) -> [Result<(), VerifyError>; 2] {
    [Strictness::Canonical, Strictness::Tolerant].map(|strictness| {
        let options = VerifyOptions { strictness, gas_bound: Some(GAS_BOUND) };
        let verified = verify(&CHAIN, &Ethereum, input, &options).map(|verified| {
            let block = verified.block.sealed();
            assert_eq!(block.hash(), input.request.payload.block_hash);
            assert_eq!(verified.request_root, input.request.hash_tree_root());
        });
        if let Err(VerifyError::Fault(fault)) = &verified {
            panic!("{fault}");
        }
        verified
    })
}

/// Decoding is strict, and whatever decodes has a verdict.
pub(crate) fn input(bytes: &[u8]) {
    let raw = Bytes::copy_from_slice(bytes);
    let Ok(mut input) = StatelessInput::decode(&raw) else { return };
    assert_eq!(input.encode(), raw);
    let payload = &input.request.payload;
    let peeked = peek_gas(&raw).expect("what decodes can be looked at");
    assert_eq!((peeked.limit, peeked.used), (payload.gas_limit, payload.gas_used));
    assert_eq!(peek_gas_limit(&raw), Some(payload.gas_limit));
    judged(&input);
    // With the right hash more of it is looked at.
    if reseal_if_possible(&mut input) {
        let block = block_of(&input.request).expect("it was resealed");
        let requests = input.request.requests.to_requests();
        let list = input.request.payload.block_access_list.clone();
        if let Ok(payload) = payload_of(&block, &requests, list) {
            assert_eq!(payload.payload, input.request.payload, "a block is one payload");
        }
        judged(&input);
    }
}

/// Whoever takes only the canonical witness takes nothing that others do not.
fn judged(input: &StatelessInput) {
    if let [Ok(()), tolerant] = judge(input) {
        tolerant.expect("a canonical witness is one");
    }
}

/// Damage to the witness of a valid block never makes a verdict on the block.
pub(crate) fn witness(bytes: &[u8]) {
    static HONEST: LazyLock<StatelessInput> = LazyLock::new(|| busy().1.input);
    static OTHER: LazyLock<StatelessInput> =
        LazyLock::new(|| TestChain::new(&[(1, 1), (7, 7)]).make(&[]).input);
    let mut input = HONEST.clone();
    // Eight bytes to a change.
    for seed in bytes.as_chunks::<8>().0.iter().take(16) {
        let mut dice = ethrex_test_native::Dice::new(u64::from_be_bytes(*seed));
        damage::witness(&mut input.witness, &OTHER.witness, &mut dice);
    }
    for verdict in judge(&input) {
        let said = matches!(
            verdict,
            Ok(())
                | Err(VerifyError::Witness(_)
                    | VerifyError::Insufficient(_)
                    | VerifyError::NoParent(_))
        );
        assert!(said, "{verdict:?}");
    }
}
