//! Inputs that are wrong in one respect and right in every hash that covers it, and what has to be said to each.
//!
//! They are lists, so that whoever judges blocks can be held to all of them, in every form in which they are taken. The functions are
//! named after the ids of the test plan of native rollups: S is the core, W the witness.

mod block;
mod codes;
mod headers;
mod state;
mod witness;

pub use block::{s02, s04, s07, s11};
pub use codes::{s12, s13};
pub use headers::{s05, s06};
pub use state::{w04, w05, w06, w07};
pub use witness::{w08, w09};

use alloy_primitives::{Address, Bytes, U256, bytes, keccak256};
use ethrex_types::{Header, Tx};

use super::{FACTORY, OTHER_WRITER, READER, REVERTER, TestBlock, TestChain, WRITER, signed, words};
use crate::{ExecutionWitness, InvalidPayload, StatelessInput, block_of};

/// An input, and what has to be said to it.
#[derive(Debug, Clone)]
pub struct Attack {
    /// What is wrong with it.
    pub name: String,
    /// What it was before.
    pub honest: StatelessInput,
    /// The input.
    pub input: StatelessInput,
    /// The answer of whoever insists on the canonical witness.
    pub canonical: Answer,
    /// The answer of whoever takes others too.
    pub tolerant: Answer,
    /// The answer of whoever builds a block on parent, attributes, transactions and witness of the input, and looks at nothing else of it.
    pub derived: Answer,
    /// What the first two say is wrong, where they do.
    pub says: &'static str,
}

/// What is said to an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The block is valid, or there is one.
    Valid,
    /// The bytes are no input.
    Undecodable,
    /// What comes beside block and witness is wrong.
    Input,
    /// The witness is malformed, or not in its canonical form.
    Witness,
    /// The witness lacks something.
    Insufficient,
    /// The payload is no block.
    Payload,
    /// The block breaks a rule.
    Invalid,
    /// No block can follow the parent with these attributes.
    Unbuildable,
}

impl Attack {
    /// Everybody gives the same answer.
    fn new(
        name: impl Into<String>,
        honest: &StatelessInput,
        input: StatelessInput,
        answer: Answer,
    ) -> Self {
        let name = name.into();
        let honest = honest.clone();
        Self { name, honest, input, canonical: answer, tolerant: answer, derived: answer, says: "" }
    }

    /// The input is as it should be.
    fn none(name: impl Into<String>, input: StatelessInput) -> Self {
        Self::new(name, &input.clone(), input, Answer::Valid)
    }

    fn tolerant(self, tolerant: Answer) -> Self {
        Self { tolerant, ..self }
    }

    fn derived(self, derived: Answer) -> Self {
        Self { derived, ..self }
    }

    fn says(self, says: &'static str) -> Self {
        Self { says, ..self }
    }
}

/// An input with a change.
fn with(input: &StatelessInput, change: impl FnOnce(&mut StatelessInput)) -> StatelessInput {
    let mut input = input.clone();
    change(&mut input);
    input
}

/// The same, with the block hash that the payload then has.
fn resealed(input: &StatelessInput, change: impl FnOnce(&mut StatelessInput)) -> StatelessInput {
    let mut input = with(input, change);
    reseal(&mut input);
    input
}

/// Gives the payload the block hash that its content has.
///
/// # Panics
/// If the payload is no block whatever its hash.
pub fn reseal(input: &mut StatelessInput) {
    assert!(reseal_if_possible(input), "only the hash was wrong");
}

/// The same, if the payload is a block but for its hash.
pub fn reseal_if_possible(input: &mut StatelessInput) -> bool {
    if let Err(InvalidPayload::BlockHash { want, .. }) = block_of(&input.request) {
        input.request.payload.block_hash = want;
    }
    block_of(&input.request).is_ok()
}

/// Puts lists in the canonical order.
fn sort(witness: &mut ExecutionWitness) {
    for list in [&mut witness.state, &mut witness.codes] {
        list.sort_unstable();
        list.dedup();
    }
}

/// The parent of an input's block.
fn parent(input: &StatelessInput) -> Header {
    let last = input.witness.headers.last().expect("the parent is there");
    alloy_rlp::decode_exact(last).expect("it is a header")
}

/// The input on another parent, which it then names.
fn on_parent(input: &StatelessInput, parent: &Header) -> StatelessInput {
    let raw = Bytes::from(alloy_rlp::encode(parent));
    resealed(input, |input| {
        input.request.payload.parent_hash = keccak256(&raw);
        input.witness.headers = vec![raw];
    })
}

/// A call of [`WRITER`] that sets these slots.
pub fn writes(from: u8, nonce: u64, slots: &[(u64, u64)]) -> Tx {
    writes_to(WRITER, from, nonce, slots)
}

fn writes_to(writer: Address, from: u8, nonce: u64, slots: &[(u64, u64)]) -> Tx {
    let slots: Vec<U256> =
        slots.iter().flat_map(|(slot, value)| [U256::from(*slot), U256::from(*value)]).collect();
    signed(from, |tx| {
        tx.nonce = nonce;
        tx.to = writer.into();
        tx.gas_limit = 5_000_000;
        tx.input = words(&slots);
    })
}

/// A call of [`READER`] by an account that has sent so many transactions.
fn reads(from: u8, nonce: u64, address: Address, slot: u64, height: u64) -> Tx {
    signed(from, |tx| {
        tx.nonce = nonce;
        tx.to = READER.into();
        tx.gas_limit = 3_000_000;
        tx.input = words(&[address.into_word().into(), U256::from(slot), U256::from(height)]);
    })
}

/// Returns five bytes of code from init code.
pub const DEPLOY: Bytes = bytes!("60055ff3");
/// Sends everything to its caller while it is being created.
pub const DESTROY: Bytes = bytes!("33ff");

/// Transfers, deletions, reads of what is absent, creations, a revert. The first account has the given nonce.
#[must_use]
pub fn a_little_of_everything(nonce: u64) -> Vec<Tx> {
    let to = |number, address: Address, input: Bytes, value: u64| {
        signed(number, |tx| {
            tx.to = address.into();
            tx.value = U256::from(value);
            tx.gas_limit = 3_000_000;
            tx.input = input;
        })
    };
    vec![
        writes(1, nonce, &[(1, 0), (2, 0), (3, 5), (50, 1), (60, 0)]),
        to(2, Address::repeat_byte(0x77), Bytes::new(), 5),
        reads(3, 0, OTHER_WRITER, 3, 1),
        to(4, FACTORY, DEPLOY, 0),
        to(5, REVERTER, Bytes::new(), 0),
        to(6, FACTORY, DESTROY, 0),
    ]
}

/// A chain of a few blocks and the last of them, which does a little of everything.
#[must_use]
pub fn busy() -> (TestChain, TestBlock) {
    let mut chain = TestChain::new(&[(1, 1), (2, 2), (3, 3), (4, 4), (9, 9)]);
    for nonce in 0..3 {
        chain.make(&[writes(1, nonce, &[(10 + nonce, 1)])]);
    }
    let block = chain.make(&a_little_of_everything(3));
    (chain, block)
}
