//! Witnesses of stored blocks: kept, forgotten, made again, and handed to a stranger.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use alloy_primitives::{Address, B256, Bytes, U256};
use ethrex_chain::{Chain, ChainError, KEPT_WITNESSES, Prepared};
use ethrex_stateless::{
    StatelessInput, Strictness, VerifyOptions, Witness,
    testing::{GAS_LIMIT, READER, TestChain, WRITER, signed, signer, words},
    validate, verify,
};
use ethrex_stf::{BlockAttributes, Ethereum, NotIncluded, Rules, RunError};
use ethrex_storage::Storage;
use ethrex_types::{ChainSpec, Tx};

type Open = fn(ChainSpec, Arc<dyn Rules>, Storage) -> Result<Chain, ChainError>;

fn chain(open: Open) -> Chain {
    let spec = TestChain::new(&[(1, 1), (2, 2), (3, 3)]).spec().clone();
    let storage = Storage::memory(&spec).unwrap();
    open(spec, Arc::new(Ethereum), storage).unwrap()
}

/// Builds a block, skipping what cannot stand in it, and publishes it.
fn build(chain: &Chain, txs: &[(u8, Tx)]) -> Prepared {
    let parent = chain.head();
    let attributes = BlockAttributes {
        timestamp: parent.timestamp + 1,
        fee_recipient: Address::repeat_byte(7),
        prev_randao: B256::ZERO,
        withdrawals: None,
        parent_beacon_block_root: None,
        slot_number: Some(parent.number + 1),
        desired_gas_limit: GAS_LIMIT,
        extra_data: Bytes::new(),
    };
    let prepared = chain
        .build(&parent, &attributes, |builder| {
            for (from, tx) in txs {
                match builder.push(tx.clone(), signer(*from).address()) {
                    Ok(_) | Err(RunError::Invalid(NotIncluded::Invalid(_))) => {}
                    Err(other) => panic!("{other}"),
                }
            }
            Ok(())
        })
        .unwrap();
    chain.store(prepared.clone()).unwrap();
    chain.publish(prepared.block.sealed().hash()).unwrap();
    prepared
}

fn write(from: u8, nonce: u64, slot: u64, value: u64) -> (u8, Tx) {
    let tx = signed(from, |tx| {
        tx.nonce = nonce;
        tx.to = WRITER.into();
        tx.input = words(&[U256::from(slot), U256::from(value)]);
    });
    (from, tx)
}

#[test]
fn a_stored_block_convinces_a_stranger() {
    let chain = chain(Chain::open_unwitnessed);
    build(&chain, &[write(1, 0, 9, 9)]);
    build(&chain, &[write(1, 1, 1, 0)]);
    let look = signed(2, |tx| {
        tx.to = READER.into();
        tx.input = words(&[READER.into_word().into(), U256::ZERO, U256::ONE]);
    });
    let prepared = build(&chain, &[(2, look), write(1, 2, 2, 0)]);
    assert_eq!(chain.witness(prepared.block.sealed().hash()).unwrap(), None);

    let input = chain.stateless_input(&prepared.block).unwrap().unwrap();
    assert_eq!(input.witness.headers.len(), 2);
    let bytes = Bytes::from(input.encode());
    let input = StatelessInput::decode(&bytes).unwrap();
    let options = VerifyOptions { strictness: Strictness::Canonical, gas_bound: None };
    let verified = verify(chain.spec(), &Ethereum, &input, &options).unwrap();
    assert_eq!(verified.block, prepared.block);
}

#[test]
fn a_witness_made_again_is_of_the_block_alone() {
    let chain = chain(Chain::open);
    // A transaction that is tried and left out reads its sender's account.
    let prepared = build(&chain, &[write(1, 0, 9, 9), write(4, 7, 1, 1)]);
    assert_eq!(prepared.block.senders().len(), 1);
    let stored = chain.witness(prepared.block.sealed().hash()).unwrap().unwrap();
    let again = chain.replay(&prepared.block).unwrap().unwrap().witness;
    assert!(again.state.len() < stored.state.len());
    assert!(again.state.iter().all(|node| stored.state.contains(node)));
    for witness in [&stored, &again] {
        let parent = prepared.block.sealed().header().parent_hash;
        let witness = Witness::decode_canonical(witness, parent).unwrap();
        validate(chain.spec(), &Ethereum, &prepared.block, &witness).unwrap();
    }
    // Where nothing was left out, both are the same bytes.
    let prepared = build(&chain, &[write(1, 1, 3, 0)]);
    let stored = chain.witness(prepared.block.sealed().hash()).unwrap();
    assert_eq!(stored, Some(chain.replay(&prepared.block).unwrap().unwrap().witness));
}

#[test]
fn recent_witnesses_stay_and_old_ones_go() {
    let chain = chain(Chain::open_precomputing);
    let blocks: Vec<B256> =
        (0..KEPT_WITNESSES + 64).map(|_| build(&chain, &[]).block.sealed().hash()).collect();
    let kept = |height: u64| {
        let hash = blocks[usize::try_from(height).unwrap() - 1];
        chain.witness(hash).unwrap().is_some()
    };
    let head = chain.head().number;
    assert!((head - KEPT_WITNESSES..=head).all(kept));
    assert!((1..head - KEPT_WITNESSES).all(|height| !kept(height)));
}

#[test]
fn a_block_whose_state_is_gone_is_not_executed_again() {
    let chain = chain(Chain::open);
    let genesis = chain.storage().block(chain.head().hash()).unwrap().unwrap();
    assert!(chain.replay(&genesis).unwrap().is_none());
    assert!(chain.stateless_input(&genesis).unwrap().is_none());
}
