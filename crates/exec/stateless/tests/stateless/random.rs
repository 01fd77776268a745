//! Chains of random blocks, biased towards collapsing branches: a stranger agrees with whoever has the state, and needs
//! every entry of the witness.

use alloy_primitives::{Address, Bytes, TxKind, U256, bytes};
use ethrex_stateless::{
    VerifyError, access_set,
    testing::{
        ACCOUNTS, FACTORY, OTHER_WRITER, READER, REVERTER, TestChain, WRITER, signed, words,
    },
};
use ethrex_types::Tx;
use proptest::prelude::*;

use crate::{CANONICAL, TOLERANT, judge, judge_bytes};

/// What a transaction does. Slots and addresses are few, so that blocks meet each other's traces.
#[derive(Debug, Clone)]
enum Act {
    Write(bool, Vec<(u64, u64)>),
    Send(u8, u64),
    Look(u8, u64),
    Create(bool, u8),
    Revert,
}

fn acts() -> impl Strategy<Value = Act> {
    let value = prop_oneof![3 => Just(0u64), 2 => 1u64..3];
    prop_oneof![
        6 => (any::<bool>(), proptest::collection::vec((0u64..24, value), 1..8))
            .prop_map(|(which, slots)| Act::Write(which, slots)),
        2 => (0u8..12, 0u64..3).prop_map(|(to, value)| Act::Send(to, value)),
        2 => (0u8..12, 0u64..24).prop_map(|(at, slot)| Act::Look(at, slot)),
        1 => (any::<bool>(), 0u8..3).prop_map(|(by, what)| Act::Create(by, what)),
        1 => Just(Act::Revert),
    ]
}

/// Init code: nothing stays, five bytes of code stay, or everything goes to the caller.
fn init(what: u8) -> Bytes {
    match what {
        0 => Bytes::new(),
        1 => bytes!("60055ff3"),
        _ => bytes!("33ff"),
    }
}

fn transaction(from: u8, nonce: u64, act: &Act) -> Tx {
    let target = |at: u8| Address::repeat_byte(0x40 + at);
    signed(from, |tx| {
        tx.nonce = nonce;
        tx.gas_limit = 6_000_000;
        match act {
            Act::Write(which, slots) => {
                tx.to = if *which { WRITER } else { OTHER_WRITER }.into();
                let slots =
                    slots.iter().flat_map(|(slot, value)| [U256::from(*slot), U256::from(*value)]);
                tx.input = words(&slots.collect::<Vec<_>>());
            }
            Act::Send(to, value) => {
                tx.to = target(*to).into();
                tx.value = U256::from(*value);
            }
            Act::Look(at, slot) => {
                tx.to = READER.into();
                tx.input = words(&[target(*at).into_word().into(), U256::from(*slot), U256::ZERO]);
            }
            Act::Create(true, what) => {
                tx.to = FACTORY.into();
                tx.input = init(*what);
            }
            Act::Create(false, what) => {
                tx.to = TxKind::Create;
                tx.input = init(*what);
            }
            Act::Revert => tx.to = REVERTER.into(),
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn d2_d5_full_execution_and_stateless_agree(
        blocks in proptest::collection::vec(proptest::collection::vec((1..=ACCOUNTS, acts()), 0..7), 1..5),
    ) {
        let mut chain = TestChain::new(&[(0, 1), (1, 1), (2, 2), (5, 5), (7, 7), (8, 8), (13, 1)]);
        let mut nonces = [0u64; ACCOUNTS as usize + 1];
        for (height, block) in blocks.iter().enumerate() {
            let txs: Vec<Tx> = block
                .iter()
                .map(|(from, act)| {
                    let nonce = &mut nonces[usize::from(*from)];
                    *nonce += 1;
                    transaction(*from, *nonce - 1, act)
                })
                .collect();
            let made = chain.make(&txs);
            let verified = judge_bytes(chain.spec(), &made.input).unwrap();
            prop_assert_eq!(&verified.block, &made.block);
            let listed = access_set(&made.access_list);
            prop_assert!(listed.keys().eq(made.accesses.accounts.keys()));
            if height + 1 < blocks.len() {
                continue;
            }
            for index in 0..made.input.witness.state.len() {
                let mut input = made.input.clone();
                input.witness.state.remove(index);
                prop_assert!(
                    matches!(judge(chain.spec(), &input, &CANONICAL), Err(VerifyError::Insufficient(_))),
                    "node {}", index
                );
            }
            // Everything there ever was is a witness too, if not a canonical one.
            let mut input = made.input.clone();
            input.witness.state = chain.whole().state;
            input.witness.state.reverse();
            prop_assert!(judge(chain.spec(), &input, &TOLERANT).is_ok());
        }
    }
}
