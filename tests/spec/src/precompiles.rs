//! Vectors of precompiles: input, output and price, by go-ethereum and the EIPs.
//!
//! A contract forwards its input and a given amount of gas. With the price the call succeeds, with a unit less it does not.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, TxKind, U256, hex, keccak256};
use ethrex_evm::{Call, CallError, Overrides, call::AccountOverride, call::CallEnd, simulate};
use ethrex_stf::Ethereum;
use ethrex_types::{AccountInfo, ChainSpec, Fork, Header, StateError, StateReader};
use serde::Deserialize;

use crate::forks::{self, ForkError};

/// A file of vectors.
pub type Vectors = Vec<Vector>;

/// One call of a precompile.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Vector {
    /// What it is called, which need not be unique.
    pub name: String,
    input: String,
    expected: Option<String>,
    expected_error: Option<String>,
    gas: Option<u64>,
}

/// Which precompile a file is about.
#[derive(Debug, Clone, Copy)]
pub struct Subject {
    file: &'static str,
    address: u64,
    /// The fork that the prices are of.
    pub fork: &'static str,
    /// Where the prices of the file are older than the fork.
    price: Option<u64>,
}

const fn subject(file: &'static str, address: u64, fork: &'static str) -> Subject {
    Subject { file, address, fork, price: None }
}

const SUBJECTS: [Subject; 30] = [
    subject("blake2F", 0x09, "Istanbul"),
    subject("blsG1Add", 0x0b, "Prague"),
    subject("blsG1Mul", 0x0c, "Prague"),
    subject("blsG1MultiExp", 0x0c, "Prague"),
    subject("blsG2Add", 0x0d, "Prague"),
    subject("blsG2Mul", 0x0e, "Prague"),
    subject("blsG2MultiExp", 0x0e, "Prague"),
    subject("blsPairing", 0x0f, "Prague"),
    subject("blsMapG1", 0x10, "Prague"),
    subject("blsMapG2", 0x11, "Prague"),
    subject("bn256Add", 0x06, "Istanbul"),
    subject("bn256ScalarMul", 0x07, "Istanbul"),
    subject("bn256Pairing", 0x08, "Istanbul"),
    subject("ecRecover", 0x01, "Byzantium"),
    // Priced as RIP-7212 does; EIP-7951 doubled that.
    Subject { file: "eip7951-test-vectors", address: 0x100, fork: "Osaka", price: Some(6_900) },
    subject("fail-blake2f", 0x09, "Istanbul"),
    subject("fail-blsG1Add", 0x0b, "Prague"),
    subject("fail-blsG1Mul", 0x0c, "Prague"),
    subject("fail-blsG1MultiExp", 0x0c, "Prague"),
    subject("fail-blsG2Add", 0x0d, "Prague"),
    subject("fail-blsG2Mul", 0x0e, "Prague"),
    subject("fail-blsG2MultiExp", 0x0e, "Prague"),
    subject("fail-blsPairing", 0x0f, "Prague"),
    subject("fail-blsMapG1", 0x10, "Prague"),
    subject("fail-blsMapG2", 0x11, "Prague"),
    subject("modexp", 0x05, "Byzantium"),
    subject("modexp_eip2565", 0x05, "Berlin"),
    subject("modexp_eip7883", 0x05, "Osaka"),
    subject("p256Verify", 0x100, "Osaka"),
    subject("pointEvaluation", 0x0a, "Cancun"),
];

/// The precompile that a file, by its path in the archive, is about.
#[must_use]
pub fn subject_of(path: &str) -> Option<Subject> {
    let file = path.rsplit('/').next()?.strip_suffix(".json")?;
    SUBJECTS.into_iter().find(|subject| subject.file == file)
}

/// How a vector was not met.
#[derive(Debug, thiserror::Error)]
pub enum Unmet {
    /// The fork is not one we know.
    #[error("the fork")]
    Fork(#[from] ForkError),
    /// The file is named after no precompile.
    #[error("no precompile of this name")]
    Subject,
    /// The vector has no bytes where it should.
    #[error("the vector")]
    Hex(#[from] hex::FromHexError),
    /// The vector says neither what comes out nor that nothing does.
    #[error("the vector has no expectation")]
    Nothing,
    /// The call did not run.
    #[error("the call did not run")]
    Call(#[from] CallError),
    /// The contract that calls the precompile failed.
    #[error("the caller ends with {0:?}")]
    Caller(CallEnd),
    /// Another output.
    #[error("the output is {ours}, the vector says {theirs}")]
    Output {
        /// As computed; `none` where the call failed.
        ours: String,
        /// As given.
        theirs: String,
    },
    /// It ran with less than its price.
    #[error("it costs less than {0} gas")]
    Cheap(u64),
    /// It ran in spite of what is wrong.
    #[error("it gives {output} in spite of \"{error}\"")]
    Ran {
        /// As computed.
        output: Bytes,
        /// What is wrong with the input.
        error: String,
    },
}

/// Gas for a precompile that must fail whatever it is given.
const PLENTY: u64 = 5_000_000;

impl Vector {
    /// Calls the precompile.
    ///
    /// # Errors
    /// If something else comes of it.
    pub fn run(&self, subject: &Subject) -> Result<(), Unmet> {
        let spec = forks::fixture(subject.fork, 1, &BTreeMap::new())?;
        let input: Bytes = hex::decode(&self.input)?.into();
        let forward = |gas| forward(&spec, subject.address, &input, gas);
        if let Some(error) = &self.expected_error {
            return match forward(PLENTY)? {
                None => Ok(()),
                Some(output) => Err(Unmet::Ran { output, error: error.clone() }),
            };
        }
        let theirs: Bytes = hex::decode(self.expected.as_ref().ok_or(Unmet::Nothing)?)?.into();
        let price = subject.price.or(self.gas).ok_or(Unmet::Nothing)?;
        let ours = forward(price)?;
        if ours.as_ref() != Some(&theirs) {
            let ours = ours.map_or_else(|| "none".into(), |output| output.to_string());
            return Err(Unmet::Output { ours, theirs: theirs.to_string() });
        }
        match price.checked_sub(1) {
            Some(less) if forward(less)?.is_some() => Err(Unmet::Cheap(price)),
            _ => Ok(()),
        }
    }
}

/// Whether the precompile of EIP-4844 takes an opening.
pub(crate) fn opens(input: &Bytes) -> Result<bool, Unmet> {
    let spec = forks::fixture("Cancun", 1, &BTreeMap::new())?;
    Ok(forward(&spec, 0x0a, input, PLENTY)?.is_some())
}

/// What the precompile gives for `input` when called with exactly this much gas; `None` where the call fails.
fn forward(
    spec: &ChainSpec,
    address: u64,
    input: &Bytes,
    gas: u64,
) -> Result<Option<Bytes>, Unmet> {
    let caller = Address::repeat_byte(0xca);
    let call = Call {
        to: TxKind::Call(caller),
        // What is left to the caller, the data, and the part that EIP-150 keeps back.
        gas_limit: gas + gas / 32 + 1_000_000 + 100 * input.len() as u64,
        input: input.clone(),
        ..Call::default()
    };
    let code = AccountOverride { code: Some(caller_code(address, gas)), ..Default::default() };
    let overrides = Overrides { accounts: BTreeMap::from([(caller, code)]) };
    let fork = spec.fork_at(1, 1);
    let header = Header {
        number: 1,
        timestamp: 1,
        gas_limit: u64::MAX,
        base_fee_per_gas: (fork >= Fork::London).then_some(0),
        excess_blob_gas: (fork >= Fork::Cancun).then_some(0),
        ..Header::default()
    };
    let outcome = simulate(spec, &Ethereum, &header, &Nothing, &call, &overrides)?;
    if outcome.end != CallEnd::Success {
        return Err(Unmet::Caller(outcome.end));
    }
    let (success, output) = outcome.output.split_at(outcome.output.len().min(32));
    Ok((!U256::from_be_slice(success).is_zero()).then(|| Bytes::copy_from_slice(output)))
}

/// Code that calls `address` with its own input and this much gas, and returns whether that succeeded and what came back.
fn caller_code(address: u64, gas: u64) -> Bytes {
    let mut code = hex!("3660006000376000600036600073").to_vec();
    code.extend(Address::from_word(B256::from(U256::from(address))));
    code.push(0x67);
    code.extend(gas.to_be_bytes());
    code.extend(hex!("fa6000523d600060203e3d6020016000f3"));
    code.into()
}

/// A state without accounts.
struct Nothing;

impl StateReader for Nothing {
    fn account(&self, _: Address) -> Result<Option<AccountInfo>, StateError> {
        Ok(None)
    }

    fn storage(&self, _: Address, _: B256) -> Result<U256, StateError> {
        Ok(U256::ZERO)
    }

    fn code(&self, hash: B256) -> Result<Option<Bytes>, StateError> {
        Ok((hash == keccak256([])).then(Bytes::new))
    }

    fn block_hash(&self, _: u64) -> Result<Option<B256>, StateError> {
        Ok(Some(B256::ZERO))
    }

    fn has_storage(&self, _: Address) -> Result<bool, StateError> {
        Ok(false)
    }
}
