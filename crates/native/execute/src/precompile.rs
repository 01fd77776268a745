//! EXECUTE as a precompile: the function, where it stands, and a memory of what it has answered.

mod cache;

use std::sync::Arc;

use alloy_primitives::{Address, address};
use ethrex_evm::{Precompile, PrecompileInput, PrecompileOutcome};
use ethrex_types::{ChainSpec, StateError, Tx, alloy_consensus::Transaction};
use sha2::{Digest, Sha256};

pub(crate) use self::cache::Cache;
use crate::{
    config::{ExecuteConfig, MAX_LEVEL},
    envelope,
    execute::{self, Context, Outcome},
    gas::MAX_INPUT_LEN,
};

/// Where EXECUTE is.
pub const EXECUTE_ADDRESS: Address = address!("0x0000000000000000000000000000000000000101");

/// Envelopes that are looked for in the call data of one transaction at most: what one transaction can pay for is less.
const MAX_PREPARED: usize = 64;
const WORD: usize = 32;

/// EXECUTE on one chain.
#[derive(Debug, Clone)]
pub struct Execute {
    spec: ChainSpec,
    config: ExecuteConfig,
    level: u8,
    cache: Arc<Cache>,
}

impl Execute {
    /// EXECUTE on this chain, which has this level: 0 of an L1.
    #[must_use]
    pub fn new(spec: ChainSpec, config: ExecuteConfig, level: u8) -> Self {
        Self { spec, config, level, cache: Arc::default() }
    }

    /// The same one level up, with the same memory.
    pub(crate) fn nested(context: &Context<'_>, spec: ChainSpec, level: u8) -> Self {
        Self { spec, config: context.config.clone(), level, cache: Arc::clone(context.cache) }
    }

    /// When it exists, and its limits.
    #[must_use]
    pub const fn config(&self) -> &ExecuteConfig {
        &self.config
    }

    /// Level of the chain it is on.
    #[must_use]
    pub const fn level(&self) -> u8 {
        self.level
    }

    /// What a call with this gas in a block of this time gives.
    ///
    /// # Errors
    /// A fault of this node, which is never a verdict.
    pub fn run(&self, timestamp: u64, gas: u64, input: &[u8]) -> Result<Outcome, StateError> {
        execute::run(&self.context(timestamp), gas, input)
    }

    /// Executes what the transactions of a block of this time will call it with, as far as their call data shows, all at once.
    ///
    /// A guess: nothing that a block gives depends on it. Whoever only pretends to call makes this node work for nothing, but never for more than a
    /// block may charge.
    pub fn prepare(&self, transactions: &[Tx], timestamp: u64) {
        if !self.active_at(timestamp) {
            return;
        }
        let context = self.context(timestamp);
        let mut budget = self.config.cumulative_gas_limit;
        let mut inputs = Vec::new();
        for tx in transactions {
            let mut room = tx.gas_limit();
            for input in envelopes(tx.input()) {
                let Some(cost) = execute::cost(&context, room, input) else { continue };
                let (Some(left), Some(rest)) = (budget.checked_sub(cost), room.checked_sub(cost))
                else {
                    continue;
                };
                (budget, room) = (left, rest);
                inputs.push((input, cost));
            }
        }
        each(&inputs, |(input, cost)| {
            // A fault here is met again, and reported, where the block is run.
            let _ = execute::run(&context, *cost, input);
        });
    }

    fn context(&self, timestamp: u64) -> Context<'_> {
        Context {
            config: &self.config,
            spec: &self.spec,
            level: self.level,
            timestamp,
            cache: &self.cache,
        }
    }
}

impl Precompile for Execute {
    fn address(&self) -> Address {
        EXECUTE_ADDRESS
    }

    fn active_at(&self, timestamp: u64) -> bool {
        self.level < MAX_LEVEL && timestamp >= self.config.time
    }

    fn call(&self, input: &PrecompileInput<'_>) -> Result<PrecompileOutcome, StateError> {
        let outcome = self.run(input.timestamp, input.gas, input.data)?;
        Ok(match outcome.result {
            Ok(output) => PrecompileOutcome::Returned { gas_used: outcome.gas_charged, output },
            Err(_) => PrecompileOutcome::Failed,
        })
    }
}

/// Byte strings in ABI-encoded call data that begin like an envelope: a length in one word, the bytes from the next.
fn envelopes(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    let arguments = data.get(4..).unwrap_or_default();
    let (words, _) = arguments.as_chunks::<WORD>();
    let found = words.iter().enumerate().filter_map(move |(index, word)| {
        let bytes = &arguments[(index + 1) * WORD..];
        if !bytes.starts_with(&envelope::MAGIC) {
            return None;
        }
        let (zeros, len) = word.split_last_chunk::<4>()?;
        let len = u32::from_be_bytes(*len) as usize;
        (zeros.iter().all(|byte| *byte == 0) && len <= MAX_INPUT_LEN).then(|| bytes.get(..len))?
    });
    found.take(MAX_PREPARED)
}

#[cfg(feature = "parallel")]
fn each<T: Sync>(items: &[T], work: impl Fn(&T) + Send + Sync) {
    use rayon::prelude::*;
    items.par_iter().for_each(work);
}

#[cfg(not(feature = "parallel"))]
fn each<T>(items: &[T], work: impl Fn(&T)) {
    // One after the other, doing the work beforehand gains nothing.
    let _ = (items, work);
}

/// What identifies an answer: everything it depends on but the gas that was forwarded. SHA-256, since processors have instructions for it and
/// nobody else sees this hash.
pub(crate) fn key(context: &Context<'_>, input: &[u8]) -> cache::Key {
    let fork = context.spec.fork_at(u64::MAX, context.timestamp);
    cache::Key { input: Sha256::digest(input).0.into(), level: context.level, fork }
}

#[cfg(test)]
mod tests;
