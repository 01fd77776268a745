//! The function: gas and bytes in, an answer out.
//!
//! A call goes through three steps. The first looks at the header, the length and two or three offsets, and charges; nothing further
//! happens unless the forwarded gas covers it. The second asks the memory. The third does the work, and depends on nothing but the input
//! and the fork in force.

mod block;
mod data;
mod derived;
mod inclusion;

use std::sync::{Arc, LazyLock};

use alloy_hardforks::EthereumHardforks;
use alloy_primitives::{Address, B256, Bytes, keccak256};
use ethrex_stateless::{VerifyError, ssz};
use ethrex_types::{
    ChainSpec, Fork, Header as BlockHeader, StateError, StateReader, account::KECCAK_EMPTY, system,
};

use crate::{
    config::{ExecuteConfig, MAX_LEVEL, level_of, with_chain_id},
    envelope::{
        Flags, Header, Input, Mode, Undecodable, peek_blob_count, peek_derive_counts,
        peek_inclusion_count,
    },
    failure::{FailureClass, Forbidden},
    gas,
    precompile::{Cache, Execute, key},
    rules::Anchored,
};

/// How a call ended.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Gas that is gone: the cost, or on failure all that was forwarded.
    pub gas_charged: u64,
    /// The return data, or why there is none.
    pub result: Result<Bytes, FailureClass>,
}

/// Where a call happens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) config: &'a ExecuteConfig,
    /// The chain with this EXECUTE.
    pub(crate) spec: &'a ChainSpec,
    pub(crate) level: u8,
    pub(crate) timestamp: u64,
    pub(crate) cache: &'a Arc<Cache>,
}

/// Calls EXECUTE on the chain `spec`, which has this level (0 of an L1), in a block of this time.
///
/// # Errors
/// A fault of this node, which is never a verdict.
pub fn execute(
    config: &ExecuteConfig,
    spec: &ChainSpec,
    level: u8,
    timestamp: u64,
    gas: u64,
    input: &[u8],
) -> Result<Outcome, StateError> {
    let cache = Arc::default();
    run(&Context { config, spec, level, timestamp, cache: &cache }, gas, input)
}

pub(crate) fn run(context: &Context<'_>, gas: u64, input: &[u8]) -> Result<Outcome, StateError> {
    let charged = match charge(context, gas, input) {
        Ok(charged) => charged,
        Err(class) => return Ok(Outcome { gas_charged: gas, result: Err(class) }),
    };
    let key = key(context, input);
    let result = match context.cache.get(&key) {
        Some(answer) => answer,
        None => {
            let answer = match work(context, &charged, input) {
                Ok(output) => Ok(output),
                Err(Stop::Failed(class)) => Err(class),
                Err(Stop::Fault(fault)) => return Err(fault),
            };
            context.cache.put(key, answer.clone());
            answer
        }
    };
    let gas_charged = if result.is_ok() { charged.cost } else { gas };
    Ok(Outcome { gas_charged, result })
}

/// What a call costs if it succeeds; `None` where this much gas does not pay for it, or it cannot succeed by its first bytes.
pub(crate) fn cost(context: &Context<'_>, gas: u64, input: &[u8]) -> Option<u64> {
    charge(context, gas, input).ok().map(|charged| charged.cost)
}

/// An input that is paid for.
#[derive(Debug, Clone, Copy)]
struct Charged {
    cost: u64,
    what: What,
}

#[derive(Debug, Clone, Copy)]
enum What {
    /// With the gas limit that was paid for.
    Plain(u64),
    Envelope(Header),
}

/// Why the work ended without an answer.
enum Stop {
    Failed(FailureClass),
    Fault(StateError),
}

impl From<FailureClass> for Stop {
    fn from(class: FailureClass) -> Self {
        Self::Failed(class)
    }
}

impl From<Undecodable> for Stop {
    fn from(error: Undecodable) -> Self {
        Self::Failed(FailureClass::Undecodable(error))
    }
}

impl From<Forbidden> for Stop {
    fn from(what: Forbidden) -> Self {
        Self::Failed(FailureClass::Forbidden(what))
    }
}

impl From<StateError> for Stop {
    /// A witness that lacks something is no fault; a state that cannot be read is one.
    fn from(error: StateError) -> Self {
        match error {
            StateError::Missing(_) | StateError::Malformed(_) => {
                Self::Failed(FailureClass::WitnessInsufficient(Arc::new(error)))
            }
            StateError::NoRoot | StateError::Backend(_) => Self::Fault(error),
        }
    }
}

impl From<VerifyError> for Stop {
    fn from(error: VerifyError) -> Self {
        use ethrex_stf::InvalidBlock;
        Self::Failed(match error {
            VerifyError::Input(error) => FailureClass::Input(error),
            VerifyError::Witness(error) => FailureClass::WitnessNonCanonical(error),
            VerifyError::NoParent(_) => FailureClass::NoParent,
            VerifyError::Insufficient(lack) => FailureClass::WitnessInsufficient(Arc::new(lack)),
            VerifyError::Payload(why) => FailureClass::PayloadInvalid(Arc::new(why)),
            VerifyError::Invalid(InvalidBlock::GasBound { bound, .. }) => {
                FailureClass::GasBound(bound)
            }
            VerifyError::Invalid(why) => FailureClass::BlockInvalid(Arc::new(why)),
            VerifyError::Fault(fault) => return Self::Fault(fault),
        })
    }
}

/// The first step. Constant work.
fn charge(context: &Context<'_>, gas: u64, input: &[u8]) -> Result<Charged, FailureClass> {
    let parsed = Input::parse(input).ok_or(FailureClass::UnknownHeader)?;
    let len = input.len();
    if len > gas::MAX_INPUT_LEN {
        return Err(FailureClass::TooLong(len));
    }
    let pay = |cost| if cost > gas { Err(FailureClass::OutOfGas { cost, gas }) } else { Ok(cost) };
    let (header, body) = match parsed {
        Input::Plain => {
            let undecodable = || FailureClass::Undecodable(Undecodable::Offsets);
            let limit = ssz::peek_gas_limit(input).ok_or_else(undecodable)?;
            return Ok(Charged { cost: pay(gas::plain(len, limit))?, what: What::Plain(limit) });
        }
        Input::Envelope { header, body } => (header, body),
    };
    let want = u16::from(context.level) + 1;
    if u16::from(header.level) != want {
        return Err(FailureClass::WrongLevel { got: header.level.into(), want });
    }
    let cost = pay(gas::envelope(len, header.gas_bound))?;
    let more = match header.mode {
        Mode::Block if header.flags.has(Flags::INCLUSION_LIST) => {
            let count = peek_inclusion_count(body)
                .ok_or(FailureClass::Undecodable(Undecodable::InclusionList))?;
            (count as u64).saturating_mul(gas::DROP_GAS)
        }
        Mode::Block => 0,
        Mode::Derive => {
            let counts =
                peek_derive_counts(body).ok_or(FailureClass::Undecodable(Undecodable::Offsets))?;
            (counts.forced.saturating_add(counts.posted) as u64).saturating_mul(gas::DROP_GAS)
        }
        Mode::Data => {
            let blobs =
                peek_blob_count(body).ok_or(FailureClass::Undecodable(Undecodable::Blobs))?;
            blobs as u64 * gas::BLOB_GAS
        }
    };
    Ok(Charged { cost: pay(cost.saturating_add(more))?, what: What::Envelope(header) })
}

/// The third step.
fn work(context: &Context<'_>, charged: &Charged, input: &[u8]) -> Result<Bytes, Stop> {
    let input = Bytes::copy_from_slice(input);
    let header = match charged.what {
        What::Plain(gas_limit) => return block::plain(context, &input, gas_limit),
        What::Envelope(header) => header,
    };
    let body = input.slice(crate::envelope::HEADER_LEN..);
    let result = match header.mode {
        Mode::Block => block::block(context, &header, &body),
        Mode::Derive => derived::derive(context, &header, &body),
        Mode::Data => data::data(&header, &body),
    }?;
    Ok(Bytes::copy_from_slice(&result.encode()))
}

/// The chain whose block is verified, and its rules: those of the chain with this EXECUTE, under another id and one level on.
fn rollup(context: &Context<'_>, chain_id: u64) -> Result<(ChainSpec, Anchored), FailureClass> {
    let want = u16::from(context.level) + 1;
    let got = level_of(chain_id);
    if got != want {
        return Err(FailureClass::WrongLevel { got, want });
    }
    let own = context.spec.chain_id();
    let forbidden = FailureClass::Forbidden(Forbidden::ChainId(chain_id));
    // At level 0 an L1 would be asked to verify itself; at others its level tells it apart.
    let Some(spec) = with_chain_id(context.spec, chain_id).filter(|_| chain_id != own) else {
        return Err(forbidden);
    };
    let level = context.level + 1;
    let rules = if level < MAX_LEVEL {
        Anchored::nested(Execute::nested(context, spec.clone(), level))
    } else {
        Anchored::default()
    };
    Ok((spec, rules))
}

/// Blocks are judged by the rules of their own time, as long as those are of the current fork or the one before.
fn check_schema(context: &Context<'_>, schema: u16, timestamp: u64) -> Result<(), FailureClass> {
    let at = |timestamp| context.spec.fork_at(u64::MAX, timestamp);
    let (fork, current) = (at(timestamp), at(context.timestamp));
    let previous = activation(context.spec, current).and_then(|time| time.checked_sub(1)).map(at);
    let accepted = fork == current || Some(fork) == previous;
    if accepted && ssz::schema_of(fork) == Some(schema) {
        Ok(())
    } else {
        Err(FailureClass::WrongSchema)
    }
}

fn activation(spec: &ChainSpec, fork: Fork) -> Option<u64> {
    spec.ethereum_fork_activation(fork).as_timestamp()
}

/// Every block calls its system contracts with gas that nobody pays for. Ethereum's use little of it; a caller who makes up a state would make
/// up contracts that use all.
fn check_system_contracts(state: &dyn StateReader) -> Result<(), Stop> {
    static CODES: LazyLock<Vec<(Address, B256)>> = LazyLock::new(|| {
        system::CONTRACTS
            .iter()
            .map(|contract| (contract.address, keccak256(contract.code)))
            .collect()
    });
    for (address, expected) in CODES.iter() {
        let code_hash = state.account(*address)?.unwrap_or_default().code_hash;
        if code_hash != *expected && code_hash != KECCAK_EMPTY {
            return Err(Forbidden::SystemContract(*address).into());
        }
    }
    Ok(())
}

/// Numbers of a parent that leave room for arithmetic. No chain that is verified from its genesis gets near them, but whoever makes up
/// a parent makes up its numbers.
fn check_parent(parent: &BlockHeader) -> Result<(), Forbidden> {
    const MAX: u64 = u64::MAX / 2;
    let base_fee = parent.base_fee_per_gas.unwrap_or_default();
    let blobs = [parent.blob_gas_used, parent.excess_blob_gas].into_iter().flatten();
    if blobs.into_iter().any(|gas| gas != 0) {
        return Err(Forbidden::BlobGas);
    }
    let numbers = [parent.number, parent.timestamp, parent.gas_limit, base_fee];
    let within =
        numbers.into_iter().all(|number| number <= MAX) && parent.gas_used <= parent.gas_limit;
    if within { Ok(()) } else { Err(Forbidden::Parent) }
}
