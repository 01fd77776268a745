//! EXECUTE against full execution. Names begin with the ids of the test plan.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod differential;
mod forks;
mod mutation;
mod worst;

use ethrex_execute::{
    ExecuteConfig, FailureClass, Outcome, execute,
    testing::{self, L1_CHAIN_ID},
};
use ethrex_types::ChainSpec;
use std::{env, sync::LazyLock};

/// Gas that pays for every input here.
const PLENTY: u64 = 200_000_000;

/// How many inputs are damaged, unless the environment says otherwise.
const MUTATIONS: usize = 10_000;
const MUTATIONS_NAME: &str = "ETHREX_MUTATIONS";
/// Which random numbers, unless the environment says otherwise.
const SEED: u64 = 0x0101;
const SEED_NAME: &str = "ETHREX_SEED";

fn count() -> usize {
    env::var(MUTATIONS_NAME).map_or(MUTATIONS, |count| count.parse().unwrap())
}

fn seed() -> u64 {
    env::var(SEED_NAME).map_or(SEED, |seed| seed.parse().unwrap())
}

static L1: LazyLock<ChainSpec> = LazyLock::new(|| testing::chain(L1_CHAIN_ID).spec().clone());

fn call_as(config: &ExecuteConfig, gas: u64, input: &[u8]) -> Outcome {
    execute(config, &L1, 0, 1_000, gas, input).unwrap()
}

fn call(gas: u64, input: &[u8]) -> Outcome {
    call_as(&testing::config(), gas, input)
}

/// The class of a call that fails. All gas is gone, however much was forwarded.
#[track_caller]
fn fails(input: &[u8]) -> FailureClass {
    let outcome = call(PLENTY, input);
    assert_eq!(outcome.gas_charged, PLENTY);
    let class = outcome.result.unwrap_err();
    let more = call(PLENTY + 1, input);
    assert_eq!(more.gas_charged, PLENTY + 1);
    assert_eq!(more.result.unwrap_err().name(), class.name());
    class
}
