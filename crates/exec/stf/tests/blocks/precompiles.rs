//! Precompiles that a chain adds.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use alloy_primitives::{Address, B256, Bytes, U256};
use ethrex_evm::{Call, CallError, Overrides, Payment, TxRules, call::CallEnd, simulate};
use ethrex_stf::{
    BlockBuilder, InvalidBlock, InvalidTx, NotIncluded, Precompile, PrecompileInput,
    PrecompileOutcome, Rejected, Rules, RunError,
};
use ethrex_types::{Fork, StateError, Tx};

use crate::world::{ALICE, CONTRACT, World, call, tx};

/// Where the precompile is.
const PROBE: Address = Address::with_last_byte(0x99);
/// Gas that it charges.
const CHARGE: u64 = 60_000;
/// Gas forwarded to it.
const FORWARDED: u64 = 100_000;

/// What the precompile does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Does {
    Return,
    ChargeTooMuch,
    Fail,
    Fault,
}

#[derive(Debug)]
struct Probe {
    does: Does,
    active_from: u64,
    called: AtomicUsize,
}

impl Precompile for Probe {
    fn address(&self) -> Address {
        PROBE
    }
    fn active_at(&self, timestamp: u64) -> bool {
        timestamp >= self.active_from
    }
    fn call(&self, input: &PrecompileInput<'_>) -> Result<PrecompileOutcome, StateError> {
        self.called.fetch_add(1, Ordering::Relaxed);
        assert_eq!((input.timestamp, input.block_number), (12, 1));
        match self.does {
            Does::Return => {
                let output = Bytes::copy_from_slice(B256::with_last_byte(42).as_slice());
                Ok(PrecompileOutcome::Returned { gas_used: CHARGE.min(input.gas), output })
            }
            Does::ChargeTooMuch => Ok(PrecompileOutcome::Returned {
                gas_used: input.gas + 1,
                output: Bytes::from_static(b"unpaid"),
            }),
            Does::Fail => Ok(PrecompileOutcome::Failed),
            Does::Fault => Err(StateError::Backend(Arc::new(io::Error::other("no answer")))),
        }
    }
}

/// Ethereum with the probe.
#[derive(Debug)]
struct Chain {
    precompiles: [Arc<dyn Precompile>; 1],
    probe: Arc<Probe>,
    limit: Option<u64>,
}

impl Chain {
    fn new(does: Does) -> Self {
        Self::at(does, 0)
    }
    fn at(does: Does, active_from: u64) -> Self {
        let probe = Arc::new(Probe { does, active_from, called: AtomicUsize::new(0) });
        Self { precompiles: [Arc::<Probe>::clone(&probe)], probe, limit: None }
    }
    fn limited(does: Does, limit: u64) -> Self {
        Self { limit: Some(limit), ..Self::new(does) }
    }
    fn called(&self) -> usize {
        self.probe.called.load(Ordering::Relaxed)
    }
}

impl TxRules for Chain {
    fn payment(&self, _: u8, _: Address) -> Payment {
        Payment::Sender
    }
    fn precompiles(&self) -> &[Arc<dyn Precompile>] {
        &self.precompiles
    }
    fn precompile_gas_limit(&self) -> Option<u64> {
        self.limit
    }
}

impl Rules for Chain {
    fn admit(&self, _: &Tx) -> Result<(), Rejected> {
        Ok(())
    }
}

const CALL: u8 = 0xf1;
const CALLCODE: u8 = 0xf2;
const DELEGATECALL: u8 = 0xf4;
const STATICCALL: u8 = 0xfa;
const KINDS: [u8; 4] = [CALL, CALLCODE, DELEGATECALL, STATICCALL];
const FORKS: [Fork; 2] = [Fork::Osaka, Fork::Amsterdam];

/// Code that calls the probe, with value where that is possible.
fn calls(kind: u8, value: u8) -> Vec<u8> {
    let mut code = vec![0x5f; 4];
    if kind == CALL || kind == CALLCODE {
        code.extend([0x60, value]);
    }
    code.push(0x73);
    code.extend(PROBE);
    code.push(0x62);
    code.extend(&u32::try_from(FORWARDED).unwrap().to_be_bytes()[1..]);
    code.push(kind);
    code
}

/// Code that calls the probe, and notes in slots 0 to 2: success plus one, size of the return data, its first word.
fn calls_and_notes(kind: u8, value: u8) -> Vec<u8> {
    let mut code = calls(kind, value);
    code.extend([0x60, 1, 0x01, 0x5f, 0x55]);
    code.extend([0x3d, 0x60, 1, 0x55]);
    code.extend([0x3d, 0x5f, 0x5f, 0x3e, 0x5f, 0x51, 0x60, 2, 0x55, 0x00]);
    code
}

/// Runs one call of the probe; what was noted, and the gas used.
fn noted(chain: &Chain, fork: Fork, kind: u8, value: u8) -> ([u64; 3], u64) {
    let mut world = World::new(fork);
    world.deploy(CONTRACT, calls_and_notes(kind, value));
    world.state.accounts.get_mut(&CONTRACT).unwrap().balance = U256::from(10);
    let built = world.build(chain, [call(0)]);
    assert!(built.receipts[0].success());
    world.judge(chain, &built).unwrap();
    let storage = &built.diff.accounts[&CONTRACT].storage;
    let slot = |slot| storage.get(&B256::with_last_byte(slot)).map_or(0, |value| value.to());
    ([slot(0), slot(1), slot(2)], built.receipts[0].cumulative_gas_used)
}

#[test]
fn every_kind_of_call_is_the_same_to_it() {
    for fork in FORKS {
        let chain = Chain::new(Does::Return);
        for kind in KINDS {
            assert_eq!(noted(&chain, fork, kind, 0).0, [2, 32, 42], "{kind:x} at {fork:?}");
        }
        assert_eq!(chain.called(), 8, "once when built and once when judged");
    }
}

#[test]
fn a_transaction_can_call_it_directly() {
    for fork in FORKS {
        let world = World::new(fork);
        let gas = |does| {
            let chain = Chain::new(does);
            let built = world.build(&chain, [tx(0, Some(PROBE), 200_000, 0, &[])]);
            (built.receipts[0].success(), built.receipts[0].cumulative_gas_used)
        };
        let (success, used) = gas(Does::Return);
        assert!(success && used < 200_000 && used > CHARGE);
        assert_eq!(gas(Does::Fail), (false, 200_000));
    }
}

#[test]
fn value_stays_at_its_address() {
    for fork in FORKS {
        let chain = Chain::new(Does::Return);
        let mut world = World::new(fork);
        world.deploy(CONTRACT, calls(CALL, 5));
        world.state.accounts.get_mut(&CONTRACT).unwrap().balance = U256::from(10);
        let built = world.build(&chain, [call(0)]);
        let info = built.diff.accounts[&PROBE].info.unwrap();
        assert_eq!((info.balance, info.nonce), (U256::from(5), 0));
    }
}

#[test]
fn what_fails_costs_all_forwarded_gas_and_returns_nothing() {
    for fork in FORKS {
        let (_, cheap) = noted(&Chain::at(Does::Return, u64::MAX), fork, CALL, 0);
        for does in [Does::Fail, Does::ChargeTooMuch] {
            for kind in KINDS {
                let (notes, used) = noted(&Chain::new(does), fork, kind, 0);
                assert_eq!(notes, [1, 0, 0]);
                assert!(used >= FORWARDED && used.abs_diff(cheap) > FORWARDED / 2, "{does:?}");
            }
        }
    }
}

#[test]
fn where_it_is_not_active_its_address_is_an_ordinary_account() {
    for fork in FORKS {
        let chain = Chain::at(Does::Return, 13);
        for kind in KINDS {
            assert_eq!(noted(&chain, fork, kind, 0).0, [2, 0, 0]);
        }
        assert_eq!(chain.called(), 0);
    }
    let chain = Chain::at(Does::Return, 12);
    assert_eq!(noted(&chain, Fork::Osaka, CALL, 0).0, [2, 32, 42], "active from its second on");
}

#[test]
fn its_address_is_warm_from_the_start() {
    let gas_of_balance = |active_from, fork| {
        let mut world = World::new(fork);
        let mut code = vec![0x73];
        code.extend(PROBE);
        code.extend([0x31, 0x00]);
        world.deploy(CONTRACT, code);
        let built = world.build(&Chain::at(Does::Return, active_from), [call(0)]);
        built.receipts[0].cumulative_gas_used
    };
    let saved = |fork| gas_of_balance(u64::MAX, fork) - gas_of_balance(0, fork);
    assert_eq!(saved(Fork::Osaka), 2_500, "EIP-2929");
    assert_eq!(saved(Fork::Amsterdam), 2_900, "EIP-8038");
}

#[test]
fn a_block_access_list_has_it_where_it_was_called() {
    let chain = Chain::new(Does::Return);
    let listed = |code: Vec<u8>| {
        let mut world = World::new(Fork::Amsterdam);
        world.deploy(CONTRACT, code);
        let list = world.build(&chain, [call(0)]).block_access_list.unwrap();
        list.into_iter().find(|account| account.address == PROBE)
    };
    let entry = listed(calls(STATICCALL, 0)).unwrap();
    assert!(entry.storage_reads.is_empty() && entry.balance_changes.is_empty());
    assert_eq!(listed(vec![0x00]), None);
}

#[test]
fn a_fault_leaves_the_block_undecided() {
    for fork in FORKS {
        let mut world = World::new(fork);
        world.deploy(CONTRACT, calls(CALL, 0));
        let built = world.build(&Chain::new(Does::Return), [call(0)]);
        let chain = Chain::new(Does::Fault);
        let context = world.context();
        let mut builder = BlockBuilder::open(&context, &chain, &world.state).unwrap();
        let refusal = builder.push(call(0), ALICE).unwrap_err();
        assert!(matches!(refusal, RunError::Fault(StateError::Backend(_))), "{refusal}");
        let verdict = world.judge(&chain, &built).unwrap_err();
        assert!(matches!(verdict, RunError::Fault(StateError::Backend(_))), "{verdict}");
    }
}

#[test]
fn a_simulated_call_sees_it() {
    for fork in FORKS {
        let mut world = World::new(fork);
        world.deploy(CONTRACT, calls(CALL, 0));
        let context = world.context();
        let simulated = |chain: &Chain, to| {
            let call = Call { from: ALICE, to, gas_limit: 200_000, ..Call::default() };
            let none = Overrides::default();
            simulate(&world.spec, chain, context.header(), &world.state, &call, &none)
        };
        let outcome = simulated(&Chain::new(Does::Return), PROBE.into()).unwrap();
        assert_eq!((outcome.end, outcome.output.len()), (CallEnd::Success, 32));
        assert!(outcome.gas_used > CHARGE);
        let fault = simulated(&Chain::new(Does::Fault), CONTRACT.into()).unwrap_err();
        assert!(matches!(fault, CallError::Fault(StateError::Backend(_))));
    }
}

#[test]
fn the_builder_leaves_out_what_passes_the_limit_of_a_block() {
    for fork in FORKS {
        let mut world = World::new(fork);
        world.deploy(CONTRACT, calls(CALL, 0));
        let chain = Chain::limited(Does::Return, 2 * CHARGE);
        let context = world.context();
        let mut builder = BlockBuilder::open(&context, &chain, &world.state).unwrap();
        builder.push(call(0), ALICE).unwrap();
        builder.push(call(1), ALICE).unwrap();
        let refusal = builder.push(call(2), ALICE).unwrap_err();
        let RunError::Invalid(NotIncluded::Invalid(InvalidTx::PrecompileGas { used, limit })) =
            refusal
        else {
            panic!("{refusal}")
        };
        assert_eq!((used, limit), (3 * CHARGE, 2 * CHARGE));
        // Nothing of it stays, so that its nonce is free.
        builder.push(tx(2, Some(ALICE), 30_000, 0, &[]), ALICE).unwrap();
        let built = builder.finish().unwrap();
        let unlimited = Chain::new(Does::Return);
        let same = world.build(&unlimited, [call(0), call(1), tx(2, Some(ALICE), 30_000, 0, &[])]);
        assert_eq!(built.seal(B256::ZERO), same.seal(B256::ZERO));
        assert_eq!(built.diff, same.diff);
        assert_eq!(world.judge(&chain, &built).unwrap().precompile_gas_used, 2 * CHARGE);
    }
}

#[test]
fn the_validator_calls_a_block_that_passes_the_limit_invalid() {
    let mut world = World::new(Fork::Amsterdam);
    world.deploy(CONTRACT, calls(CALL, 0));
    let built = world.build(&Chain::new(Does::Return), [call(0), call(1)]);
    world.judge(&Chain::limited(Does::Return, 2 * CHARGE), &built).unwrap();
    let verdict = world.judge(&Chain::limited(Does::Return, 2 * CHARGE - 1), &built).unwrap_err();
    let RunError::Invalid(InvalidBlock::Transaction {
        index: 1,
        reason: InvalidTx::PrecompileGas { .. },
    }) = verdict
    else {
        panic!("{verdict}")
    };
}

#[test]
fn what_a_revert_undid_and_what_failed_was_charged_too() {
    let mut world = World::new(Fork::Amsterdam);
    let mut reverting = calls(CALL, 0);
    reverting.extend([0x5f, 0x5f, 0xfd]);
    world.deploy(CONTRACT, reverting);
    let charged = |does| {
        let built = world.build(&Chain::new(does), [call(0)]);
        assert!(!built.receipts[0].success());
        world.judge(&Chain::new(does), &built).unwrap().precompile_gas_used
    };
    assert_eq!(charged(Does::Return), CHARGE);
    assert_eq!(charged(Does::Fail), FORWARDED);
    assert_eq!(charged(Does::ChargeTooMuch), FORWARDED);
}
