//! Stateless validation on small blocks: what must be accepted, and everything else.
//!
//! Names begin with the ids of the test plan of native rollups, section 5.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod attacks;
mod encoding;
mod mutation;
mod random;
mod soundness;
mod witness;

use alloy_primitives::Bytes;
use ethrex_stateless::{
    StatelessInput, Strictness, Verified, VerifyError, VerifyOptions, testing::attacks::busy,
    verify,
};
use ethrex_stf::Ethereum;
use ethrex_types::ChainSpec;

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
