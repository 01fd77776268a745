//! Random blocks: what is built is what is executed, and what was left out never was there.

use alloy_primitives::{Address, B256, Bytes, U256};
use ethrex_evm::{Payment, TxRules};
use ethrex_stf::{AccessLimits, BlockBuilder, Rejected, Rules, RunError};
use ethrex_types::{AccountInfo, Fork, PrivilegedTx, Tx};

use crate::world::{ALICE, World, tx};

/// Blocks per fork.
const BLOCKS: u64 = 60;
/// Transactions tried per block.
const TRIES: usize = 24;
const PEOPLE: [Address; 3] = [ALICE, Address::repeat_byte(2), Address::repeat_byte(3)];
const CONTRACTS: u8 = 6;

/// Ethereum, and messages that nobody pays for.
#[derive(Debug)]
struct WithMessages;

impl TxRules for WithMessages {
    fn payment(&self, tx_type: u8, _: Address) -> Payment {
        if tx_type == 126 { Payment::Waived { mint: true } } else { Payment::Sender }
    }
}

impl Rules for WithMessages {
    fn admit(&self, _: &Tx) -> Result<(), Rejected> {
        Ok(())
    }
}

/// A sequence of numbers that is the same in every run (a linear congruence, high bits).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
    fn of<T: Copy>(&mut self, list: &[T]) -> T {
        list[usize::try_from(self.roll(list.len() as u64)).unwrap()]
    }
    fn byte(&mut self) -> u8 {
        u8::try_from(self.roll(256)).unwrap()
    }
}

fn contract(nr: u64) -> Address {
    Address::with_last_byte(0xd0 + u8::try_from(nr).unwrap())
}

/// Code that mostly does something with state: slots, balances, calls, creations, self-destruction, reverts.
fn code(dice: &mut Dice) -> Vec<u8> {
    let mut code = Vec::new();
    for _ in 0..dice.roll(12) {
        match dice.roll(12) {
            0..3 => code.extend([0x60, dice.byte() % 4, 0x60, dice.byte() % 6, 0x55]),
            3..5 => code.extend([0x60, dice.byte() % 6, 0x54, 0x50]),
            5 => {
                code.push(0x73);
                code.extend(contract(dice.roll(CONTRACTS.into())));
                code.extend([dice.of(&[0x31, 0x3b, 0x3f]), 0x50]);
            }
            6..9 => {
                let kind = dice.of(&[0xf1, 0xf2, 0xf4, 0xfa]);
                code.extend([0x5f; 4]);
                if kind < 0xf4 {
                    code.extend([0x60, dice.byte() % 2]);
                }
                code.push(0x73);
                let precompile = Address::with_last_byte(dice.byte() % 20);
                let callee = contract(dice.roll(CONTRACTS.into()));
                code.extend(if dice.roll(4) == 0 { precompile } else { callee });
                code.extend([0x61, dice.byte(), dice.byte(), kind, 0x50]);
            }
            // Creates with what memory holds, or with initialisation code that writes a slot.
            9 => code.extend([
                0x64, 0x60, 1, 0x5f, 0x55, 0x00, 0x5f, 0x52, 0x60, 5, 0x60, 27, 0x5f, 0xf0, 0x50,
            ]),
            10 => code.extend([0x60, dice.byte(), 0x40, 0x50]),
            _ => code.extend(dice.of(&[[0x33, 0xff], [0x5f, 0xfd], [0x4b, 0x50], [0x47, 0x50]])),
        }
    }
    code
}

fn transaction(dice: &mut Dice, sender: Address, nonce: u64) -> Tx {
    let gas = dice.of(&[20_000, 60_000, 300_000, 2_000_000, 40_000_000]);
    let value = dice.roll(3);
    if dice.roll(6) == 0 {
        return Tx::from(PrivilegedTx {
            chain_id: 9,
            nonce: dice.roll(1 << 40),
            max_priority_fee_per_gas: 0,
            max_fee_per_gas: 0,
            gas_limit: gas,
            to: contract(dice.roll(CONTRACTS.into())),
            value: U256::from(value),
            data: Bytes::new(),
            access_list: Default::default(),
            from: sender,
        });
    }
    let to = match dice.roll(8) {
        0 => None,
        1 => Some(Address::repeat_byte(dice.byte())),
        2 => Some(Address::with_last_byte(dice.byte() % 20)),
        _ => Some(contract(dice.roll(CONTRACTS.into()))),
    };
    let input = if dice.roll(2) == 0 { code(dice) } else { vec![dice.byte(); 40] };
    tx(nonce, to, gas, value, &input)
}

#[test]
fn what_is_built_is_what_is_executed() {
    let (mut included, mut left_out) = (0, 0);
    for fork in [Fork::Osaka, Fork::Amsterdam] {
        for seed in 0..BLOCKS {
            let dice = &mut Dice(seed);
            let mut world = World::new(fork);
            let rich = AccountInfo { balance: world.rich, ..AccountInfo::default() };
            world.state.accounts.extend(PEOPLE.map(|person| (person, rich)));
            for nr in 0..CONTRACTS {
                world.deploy(contract(nr.into()), code(dice));
            }
            let context = world.context();
            let mut builder = BlockBuilder::open(&context, &WithMessages, &world.state).unwrap();
            let mut nonces = [0; 3];
            for _ in 0..TRIES {
                let who = usize::try_from(dice.roll(3)).unwrap();
                let skipped = u64::from(dice.roll(9) == 0);
                let tx = transaction(dice, PEOPLE[who], nonces[who] + skipped);
                let limits = AccessLimits {
                    items: builder.touched().items + 9,
                    code_bytes: 400,
                    created_code: 64,
                };
                builder.set_access_limits((dice.roll(3) == 0).then_some(limits));
                let paid = tx.as_privileged().is_none();
                match builder.push(tx, PEOPLE[who]) {
                    Ok(_) => {
                        nonces[who] += u64::from(paid);
                        included += 1;
                    }
                    Err(RunError::Invalid(_)) => left_out += 1,
                    Err(RunError::Fault(fault)) => panic!("{fault}"),
                }
            }
            let built = builder.finish().unwrap();
            let executed = world.judge(&WithMessages, &built).unwrap();
            assert_eq!(executed.diff, built.diff, "{fork:?} {seed}");
            assert_eq!(executed.block_access_list, built.block_access_list, "{fork:?} {seed}");
            assert_eq!(executed.burned_fees, built.burned_fees);

            // The same block from the transactions that stand in it alone, without limits.
            let mut again = BlockBuilder::open(&context, &WithMessages, &world.state).unwrap();
            let block = built.seal(B256::ZERO);
            for (tx, sender) in block.body().transactions.iter().zip(&built.senders) {
                again.push(tx.clone(), *sender).unwrap();
            }
            assert_eq!(again.finish().unwrap().seal(B256::ZERO), block, "{fork:?} {seed}");
            listed_is_read(&world, &built);
        }
    }
    assert!(included > 500 && left_out > 300, "{included} {left_out}");
}

/// Every account of the list was read, and every slot of an account that was there before.
fn listed_is_read(world: &World, built: &ethrex_stf::BuiltBlock) {
    for account in built.block_access_list.iter().flatten() {
        let read = &built.accesses.accounts[&account.address];
        let existed = world
            .state
            .accounts
            .get(&account.address)
            .is_some_and(|info| info.code_hash != AccountInfo::default().code_hash);
        let changed = account.storage_changes.iter().map(|slot| slot.slot);
        for slot in account.storage_reads.iter().copied().chain(changed) {
            assert!(!existed || read.contains(&B256::from(slot)), "{} {slot}", account.address);
        }
    }
}
