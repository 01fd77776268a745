//! Stateless validation on small blocks: what must be accepted, and everything else.
//!
//! Names begin with the ids of the test plan of native rollups, section 5.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod encoding;
mod mutation;
mod random;
mod soundness;
mod witness;

use alloy_primitives::{Bytes, U256};
use ethrex_stateless::{
    StatelessInput, Strictness, Verified, VerifyError, VerifyOptions,
    testing::{TestBlock, TestChain, WRITER, signed, words},
    verify,
};
use ethrex_stf::Ethereum;
use ethrex_types::{ChainSpec, Tx};

const CANONICAL: VerifyOptions =
    VerifyOptions { strictness: Strictness::Canonical, gas_bound: None };
const TOLERANT: VerifyOptions = VerifyOptions { strictness: Strictness::Tolerant, gas_bound: None };

fn judge(
    spec: &ChainSpec,
    input: &StatelessInput,
    options: &VerifyOptions,
) -> Result<Verified, VerifyError> {
    verify(spec, &Ethereum, input, options)
}

/// Through the bytes, as a stranger gets them.
fn judge_bytes(spec: &ChainSpec, input: &StatelessInput) -> Result<Verified, VerifyError> {
    let bytes = Bytes::from(input.encode());
    let decoded = StatelessInput::decode(&bytes).unwrap();
    assert_eq!(&decoded, input);
    assert_eq!(decoded.encode(), bytes);
    judge(spec, &decoded, &CANONICAL)
}

/// A call of [`WRITER`] that sets these slots.
fn writes(from: u8, nonce: u64, slots: &[(u64, u64)]) -> Tx {
    let slots: Vec<U256> =
        slots.iter().flat_map(|(slot, value)| [U256::from(*slot), U256::from(*value)]).collect();
    signed(from, |tx| {
        tx.nonce = nonce;
        tx.to = WRITER.into();
        tx.gas_limit = 5_000_000;
        tx.input = words(&slots);
    })
}

/// A chain of a few blocks and the last of them, which does a little of everything.
fn busy() -> (TestChain, TestBlock) {
    let mut chain = TestChain::new(&[(1, 1), (2, 2), (3, 3), (4, 4), (9, 9)]);
    for nonce in 0..3 {
        chain.make(&[writes(1, nonce, &[(10 + nonce, 1)])]);
    }
    let block = chain.make(&witness::a_little_of_everything(3));
    (chain, block)
}
