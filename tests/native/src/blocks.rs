//! Chains of random blocks at Amsterdam: contracts with random code, and transactions that call and create them.

use alloy_eips::{
    eip2930::{AccessList, AccessListItem},
    eip7702::Authorization,
};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use alloy_signer::SignerSync;
use ethrex_execute::testing::{self, block_attributes, rollup_rules};
use ethrex_stateless::testing::{
    ACCOUNTS, CHAIN_ID, TestBlock, TestChain, delegating, signed, signer,
};
use ethrex_types::{GenesisAccount, Tx};

use crate::Dice;

/// Contracts in genesis.
pub const CONTRACTS: usize = 8;
/// Slots that code uses: few, so that blocks meet each other's traces and branches collapse.
const SLOTS: usize = 12;
/// Instructions of a contract, in small groups.
const GROUPS: usize = 14;
/// Transactions of a block at most. With their gas limits they fit in a block.
const TRANSACTIONS: usize = 11;
/// All enough for what a transaction costs before it runs.
const GAS_LIMITS: [u64; 4] = [450_000, 700_000, 1_500_000, 4_000_000];

/// A rollup that grows by random blocks.
#[derive(Debug, Clone)]
pub struct RandomChain {
    chain: TestChain,
    dice: Dice,
    nonces: [u64; ACCOUNTS as usize + 1],
}

/// A block, and the chain it was made on.
#[derive(Debug, Clone)]
pub struct Made {
    /// Its head is the block's parent.
    pub before: TestChain,
    /// The block.
    pub block: TestBlock,
}

impl RandomChain {
    /// The chain of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let mut genesis = testing::chain(CHAIN_ID).spec().genesis().clone();
        for nr in 0..CONTRACTS {
            let slots =
                (0..dice.roll(SLOTS)).map(|_| (word(dice.roll(SLOTS)), word(1 + dice.roll(3))));
            let account = GenesisAccount {
                nonce: Some(1),
                storage: Some(slots.collect()),
                balance: U256::from(dice.roll(1_000)),
                code: Some(code(&mut dice).into()),
                ..GenesisAccount::default()
            };
            genesis.alloc.insert(contract(nr), account);
        }
        Self { chain: TestChain::with_genesis(genesis), dice, nonces: [0; ACCOUNTS as usize + 1] }
    }

    /// The chain.
    #[must_use]
    pub const fn chain(&self) -> &TestChain {
        &self.chain
    }

    /// Makes the next block.
    ///
    /// # Panics
    /// If a transaction is invalid, which none of these is.
    pub fn make(&mut self) -> Made {
        let before = self.chain.clone();
        let count = self.dice.roll(TRANSACTIONS + 1);
        let transactions: Vec<Tx> = (0..count).map(|_| self.transaction()).collect();
        let attributes = block_attributes(&testing::attributes(&before));
        let block = self
            .chain
            .make_with(&rollup_rules(before.spec()), &attributes, &transactions)
            .expect("the transactions are valid");
        Made { before, block }
    }

    /// The next transaction of somebody, which is valid behind those before it.
    pub fn transaction(&mut self) -> Tx {
        let from = 1 + self.dice.roll(ACCOUNTS.into()) as u8;
        let nonce = self.nonces[usize::from(from)];
        self.nonces[usize::from(from)] += 1;
        transaction(&mut self.dice, from, nonce)
    }

    /// The nonce that an account's next transaction has.
    #[must_use]
    pub fn nonce(&self, number: u8) -> u64 {
        self.nonces[usize::from(number)]
    }
}

/// A contract in genesis.
#[must_use]
pub fn contract(nr: usize) -> Address {
    Address::with_last_byte(0xd0 + (nr % CONTRACTS) as u8)
}

/// A transaction with this nonce.
pub fn transaction(dice: &mut Dice, from: u8, nonce: u64) -> Tx {
    let gas_limit = dice.of(&GAS_LIMITS);
    let value = U256::from(dice.roll(3));
    if dice.once_in(10) {
        let authority = signer(ACCOUNTS + 1 + dice.roll(3) as u8);
        let authorization = Authorization {
            chain_id: U256::from(dice.of(&[0, CHAIN_ID, CHAIN_ID, 1])),
            address: if dice.once_in(4) { Address::ZERO } else { someone(dice) },
            nonce: dice.roll(3) as u64,
        };
        let signature =
            authority.sign_hash_sync(&authorization.signature_hash()).expect("local keys sign");
        let to = if dice.once_in(2) { authority.address() } else { someone(dice) };
        return delegating(from, vec![authorization.into_signed(signature)], |tx| {
            tx.nonce = nonce;
            tx.value = value;
            tx.to = to;
        });
    }
    let to = match dice.roll(10) {
        0 | 1 => TxKind::Create,
        2 => Address::with_last_byte(dice.byte() % 20).into(),
        3 | 4 => someone(dice).into(),
        _ => contract(dice.roll(CONTRACTS)).into(),
    };
    let input = if dice.once_in(3) { Vec::new() } else { code(dice) };
    let access_list = match dice.once_in(5) {
        true => vec![AccessListItem {
            address: someone(dice),
            storage_keys: vec![word(dice.roll(SLOTS))],
        }],
        false => vec![],
    };
    signed(from, |tx| {
        tx.nonce = nonce;
        tx.gas_limit = gas_limit;
        tx.value = value;
        tx.to = to;
        tx.max_priority_fee_per_gas = dice.roll(3) as u128;
        tx.access_list = AccessList(access_list);
        tx.input = Bytes::from(input);
    })
}

fn word(number: usize) -> B256 {
    B256::from(U256::from(number))
}

/// A contract, an account with a key, one that nobody has, or the contract that a contract made first.
fn someone(dice: &mut Dice) -> Address {
    match dice.roll(6) {
        0 => Address::repeat_byte(0xe0 + dice.byte() % 6),
        1 => signer(1 + dice.byte() % (ACCOUNTS + 3)).address(),
        2 => contract(dice.roll(CONTRACTS)).create(1),
        _ => contract(dice.roll(CONTRACTS)),
    }
}

/// Code that mostly does something with state.
pub fn code(dice: &mut Dice) -> Vec<u8> {
    let mut code = Vec::new();
    for _ in 0..dice.roll(GROUPS) {
        group(dice, &mut code);
    }
    code
}

/// Init code in 5 bytes: writes a slot, leaves 5 zeros as code, sends all it has to its creator.
const INIT: [[u8; 5]; 3] = [
    [0x60, 0x01, 0x5f, 0x55, 0x00],
    [0x60, 0x05, 0x5f, 0xf3, 0x00],
    [0x33, 0xff, 0x00, 0x00, 0x00],
];

fn group(dice: &mut Dice, code: &mut Vec<u8>) {
    let slot = dice.roll(SLOTS) as u8;
    match dice.roll(18) {
        0..5 => {
            let value = dice.of(&[0, 0, 1, 2]);
            code.extend([0x60, value, 0x60, slot, 0x55]);
        }
        5..7 => code.extend([0x60, slot, 0x54, 0x50]),
        7 => {
            code.push(0x73);
            code.extend(someone(dice));
            // BALANCE, EXTCODESIZE, EXTCODEHASH
            code.extend([dice.of(&[0x31, 0x3b, 0x3f]), 0x50]);
        }
        8 => {
            // EXTCODECOPY of 32 bytes
            code.extend([0x60, 0x20, 0x5f, 0x5f, 0x73]);
            code.extend(someone(dice));
            code.push(0x3c);
        }
        9..12 => {
            // CALL, CALLCODE, DELEGATECALL, STATICCALL
            let kind = dice.of(&[0xf1, 0xf2, 0xf4, 0xfa]);
            code.extend([0x5f; 4]);
            if kind < 0xf4 {
                code.extend([0x60, dice.byte() % 2]);
            }
            code.push(0x73);
            let precompile = dice.of(&[1_u64, 2, 4, 5, 6, 0x100, 0x101]);
            let precompile = Address::from_word(U256::from(precompile).into());
            code.extend(if dice.once_in(4) { precompile } else { someone(dice) });
            code.extend([0x62, dice.byte() % 8, dice.byte(), dice.byte(), kind, 0x50]);
        }
        12 => {
            code.push(0x64);
            code.extend(dice.of(&INIT));
            code.extend([0x5f, 0x52, 0x60, 5, 0x60, 27, 0x60, dice.byte() % 2, 0xf0, 0x50]);
        }
        13 => {
            code.push(0x64);
            code.extend(dice.of(&INIT));
            code.extend([0x5f, 0x52, 0x60, dice.byte() % 2, 0x60, 5, 0x60, 27, 0x5f, 0xf5, 0x50]);
        }
        // The hash of an ancestor.
        14 => code.extend([0x60, dice.byte() % 5, 0x43, 0x03, 0x40, 0x50]),
        // LOG1, TSTORE, SLOTNUM.
        15 => code.extend([0x60, slot, 0x60, dice.byte() % 40, 0x5f, 0xa1]),
        16 => code.extend(dice.of(&[[0x60, 1, 0x5f, 0x5d], [0x4b, 0x50, 0x47, 0x50]])),
        _ => code.extend(dice.of(&[[0x33, 0xff], [0x5f, 0xfd], [0xfe, 0x00], [0x00, 0x00]])),
    }
}
