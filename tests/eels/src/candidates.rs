//! Random transactions of every kind, of which some cannot stand in a block.

use alloy_eips::{
    eip2930::{AccessList, AccessListItem},
    eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS,
    eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS,
    eip7702::{Authorization, SignedAuthorization},
};
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, address, hex, uint};
use alloy_signer::SignerSync;
use ethrex_stateless::testing::{ACCOUNTS, signer};
use ethrex_test_native::{Dice, blocks::code};
use ethrex_types::{
    Fork, Tx,
    alloy_consensus::{
        SignableTransaction, Signed, TxEip1559, TxEip2930, TxEip4844, TxEip7702, TxLegacy,
    },
};

/// Contracts in genesis.
pub const CONTRACTS: usize = ethrex_test_native::blocks::CONTRACTS;
pub use ethrex_test_native::blocks::contract;
/// Where deposits are made (EIP-6110).
pub const DEPOSIT_CONTRACT: Address = address!("00000000219ab540356cbb839cbe05303d7705fa");
/// An account that cannot pay for much.
pub const POOR: u8 = ACCOUNTS + 5;

/// Code that logs call data as a deposit, if it has the length of one.
#[must_use]
pub fn deposit_contract() -> Bytes {
    const CODE: &str = concat!(
        "3661024014600957005b", // jumpi(9, eq(calldatasize, 576)), stop
        "6102406000600037",     // calldatacopy(0, 0, 576)
        "7f649bbc62d0e31342afea4e5cd82d4049e7e1ee912fc0889aa790803be39038c5", // the event
        "6102406000a100"
    );
    hex::decode(CODE).expect("it is hex").into()
}

/// A deposit as the contract logs it: five byte strings, each where the ABI puts it.
fn deposit(dice: &mut Dice) -> Bytes {
    let lengths = [48_usize, 32, 8, 96, 8];
    let mut head = Vec::new();
    let mut tail = Vec::new();
    for len in lengths {
        head.extend(U256::from(5 * 32 + tail.len()).to_be_bytes::<32>());
        tail.extend(U256::from(len).to_be_bytes::<32>());
        tail.extend((0..len.next_multiple_of(32)).map(|at| if at < len { dice.byte() } else { 0 }));
    }
    [head, tail].concat().into()
}

/// Transactions of accounts whose nonces are known.
#[derive(Debug, Clone)]
pub struct Candidates {
    fork: Fork,
    chain_id: u64,
    nonces: [u64; POOR as usize + 1],
}

/// What all kinds of transaction have.
struct Parts {
    from: u8,
    chain_id: u64,
    nonce: u64,
    gas_limit: u64,
    max_fee: u128,
    tip: u128,
    to: TxKind,
    value: U256,
    input: Bytes,
}

impl Candidates {
    /// Nobody has sent anything.
    #[must_use]
    pub const fn new(fork: Fork, chain_id: u64) -> Self {
        Self { fork, chain_id, nonces: [0; POOR as usize + 1] }
    }

    /// So many candidates for a block. Nonces count on all of them.
    pub fn next(&mut self, dice: &mut Dice, count: usize) -> Vec<Tx> {
        let mut ahead = self.clone();
        (0..count).map(|_| ahead.candidate(dice)).collect()
    }

    /// Transactions of these senders are in the chain.
    pub fn made(&mut self, senders: &[Address]) {
        for sender in senders {
            let number = (1..=POOR).find(|number| signer(*number).address() == *sender);
            self.nonces[usize::from(number.expect("nobody else sends"))] += 1;
        }
    }

    fn candidate(&mut self, dice: &mut Dice) -> Tx {
        let mut parts = self.parts(dice);
        self.nonces[usize::from(parts.from)] += 1;
        let spoiled = dice.once_in(6);
        if spoiled {
            spoil(&mut parts, dice);
        }
        let tx = self.of_some_kind(parts, dice);
        // One that decodes, and whose signature is the other of the two that the curve allows.
        if spoiled && dice.once_in(8) { with_high_s(&tx) } else { tx }
    }

    fn parts(&self, dice: &mut Dice) -> Parts {
        let from = if dice.once_in(20) { POOR } else { 1 + dice.byte() % ACCOUNTS };
        let (to, value, input) = target(dice);
        Parts {
            from,
            chain_id: self.chain_id,
            nonce: self.nonces[usize::from(from)],
            gas_limit: dice.of(&[120_000, 450_000, 1_500_000, 4_000_000]),
            max_fee: 100_000_000_000,
            tip: dice.roll(3) as u128 * 1_000_000,
            to,
            value,
            input,
        }
    }

    fn of_some_kind(&self, parts: Parts, dice: &mut Dice) -> Tx {
        let access_list = access_list(dice);
        // Now and then of a kind that the fork has not.
        let kinds = match self.fork {
            _ if dice.once_in(60) => 12,
            fork if fork >= Fork::Prague => 12,
            fork if fork >= Fork::Cancun => 10,
            _ => 8,
        };
        let kind = dice.roll(kinds);
        // EELS checks whose chain a transaction is for only where that is part of the signature's V.
        let parts = if kind < 2 { parts } else { Parts { chain_id: self.chain_id, ..parts } };
        match kind {
            0 | 1 => legacy(parts, dice),
            2 => eip2930(parts, access_list),
            3..8 => eip1559(parts, access_list),
            8 | 9 => blobs(parts, access_list, dice),
            _ => delegating(parts, access_list, dice),
        }
    }
}

/// Where to, with what.
fn target(dice: &mut Dice) -> (TxKind, U256, Bytes) {
    let small = U256::from(dice.roll(3));
    let bytes = |dice: &mut Dice, len: usize| (0..len).map(|_| dice.byte()).collect::<Bytes>();
    match dice.roll(14) {
        0 | 1 => (TxKind::Create, small, code(dice).into()),
        2 => {
            let len = dice.roll(200);
            (Address::with_last_byte(dice.byte() % 20).into(), small, bytes(dice, len))
        }
        3 | 4 => (someone(dice).into(), small, Bytes::new()),
        // Requests, for a fee that now and then is too low.
        5 => (WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS.into(), small, bytes(dice, 56)),
        6 => (CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS.into(), small, bytes(dice, 96)),
        7 => {
            let data = if dice.once_in(4) { Bytes::new() } else { deposit(dice) };
            (DEPOSIT_CONTRACT.into(), small, data)
        }
        _ => (contract(dice.roll(CONTRACTS)).into(), small, code(dice).into()),
    }
}

/// Makes it invalid, or very nearly.
fn spoil(parts: &mut Parts, dice: &mut Dice) {
    match dice.roll(11) {
        0 => parts.nonce = parts.nonce.wrapping_add(dice.of(&[1, u64::MAX, 7])),
        1 => parts.nonce = u64::MAX,
        2 => parts.gas_limit = dice.of(&[0, 20_999, 21_000, 30_000]),
        3 => parts.gas_limit = dice.of(&[(1 << 24) + 1, 11_900_000, 60_000_000, u64::MAX]),
        4 => parts.max_fee = dice.of(&[0, 1, 400_000_000]),
        5 => parts.tip = parts.max_fee + dice.roll(2) as u128,
        6 => parts.value = dice.of(&[U256::MAX, U256::from(10).pow(U256::from(21)), U256::ONE]),
        7 => parts.chain_id = dice.of(&[0, 2, u64::MAX]),
        // As much init code as there may be, and more (EIP-3860).
        8 => {
            parts.to = TxKind::Create;
            parts.input = vec![0; dice.of(&[49_152, 49_153])].into();
            parts.gas_limit = 4_000_000;
        }
        // Call data for whose floor the gas does or does not suffice (EIP-7623).
        9 => {
            parts.input = vec![1; 2_000].into();
            parts.gas_limit = 21_000 + 2_000 * dice.of(&[16, 39, 40, 41]);
        }
        _ => parts.from = POOR,
    }
}

fn sign<T: SignableTransaction<Signature>>(from: u8, tx: T) -> Signed<T> {
    let signature = signer(from).sign_hash_sync(&tx.signature_hash()).expect("local keys sign");
    tx.into_signed(signature)
}

fn legacy(parts: Parts, dice: &mut Dice) -> Tx {
    let Parts { from, chain_id, nonce, gas_limit, max_fee: gas_price, to, value, input, .. } =
        parts;
    // Half without replay protection (EIP-155), and with an id that leaves room for it.
    let chain_id = (chain_id < 1_000 && dice.once_in(2)).then_some(chain_id);
    Tx::Legacy(sign(from, TxLegacy { chain_id, nonce, gas_price, gas_limit, to, value, input }))
}

fn eip2930(parts: Parts, access_list: AccessList) -> Tx {
    let Parts { from, chain_id, nonce, gas_limit, max_fee: gas_price, to, value, input, .. } =
        parts;
    let tx = TxEip2930 { chain_id, nonce, gas_price, gas_limit, to, value, access_list, input };
    Tx::Eip2930(sign(from, tx))
}

fn eip1559(parts: Parts, access_list: AccessList) -> Tx {
    let Parts { from, chain_id, nonce, gas_limit, to, value, input, .. } = parts;
    let tx = TxEip1559 {
        chain_id,
        nonce,
        gas_limit,
        max_fee_per_gas: parts.max_fee,
        max_priority_fee_per_gas: parts.tip,
        to,
        value,
        access_list,
        input,
    };
    Tx::Eip1559(sign(from, tx))
}

fn blobs(parts: Parts, access_list: AccessList, dice: &mut Dice) -> Tx {
    let Parts { from, chain_id, nonce, gas_limit, value, input, .. } = parts;
    let version = if dice.once_in(12) { 2 } else { 1 };
    let count = if dice.once_in(12) { dice.of(&[0, 10, 22]) } else { 1 + dice.roll(6) };
    let hash = |number: usize| {
        let mut hash = B256::from(U256::from(number));
        hash[0] = version;
        hash
    };
    let tx = TxEip4844 {
        chain_id,
        nonce,
        gas_limit,
        max_fee_per_gas: parts.max_fee,
        max_priority_fee_per_gas: parts.tip,
        to: parts.to.into_to().unwrap_or_default(),
        value,
        access_list,
        blob_versioned_hashes: (0..count).map(hash).collect(),
        max_fee_per_blob_gas: dice.of(&[0, 1, 1_000_000_000, 1_000_000_000, 1_000_000_000]),
        input,
    };
    Tx::Eip4844(sign(from, tx))
}

fn delegating(parts: Parts, access_list: AccessList, dice: &mut Dice) -> Tx {
    let Parts { from, chain_id, nonce, gas_limit, value, input, .. } = parts;
    let count = if dice.once_in(12) { 0 } else { 1 + dice.roll(3) };
    let authorization_list: Vec<_> = (0..count).map(|_| authorization(dice)).collect();
    let authority = signer(ACCOUNTS + 1 + dice.byte() % 3).address();
    let tx = TxEip7702 {
        chain_id,
        nonce,
        gas_limit,
        max_fee_per_gas: parts.max_fee,
        max_priority_fee_per_gas: parts.tip,
        to: if dice.once_in(2) { authority } else { parts.to.into_to().unwrap_or_default() },
        value,
        access_list,
        authorization_list,
        input,
    };
    Tx::Eip7702(sign(from, tx))
}

/// An authorization of an account that sends nothing; most count.
fn authorization(dice: &mut Dice) -> SignedAuthorization {
    let authority = signer(ACCOUNTS + 1 + dice.byte() % 3);
    let authorization = Authorization {
        chain_id: U256::from(dice.of(&[0_u64, 1, 1, 2])),
        address: if dice.once_in(4) { Address::ZERO } else { someone(dice) },
        nonce: dice.of(&[0, 0, 1, 2, 3, u64::MAX]),
    };
    let hash = authorization.signature_hash();
    let signature = authority.sign_hash_sync(&hash).expect("local keys sign");
    match dice.roll(10) {
        // Signatures that recover nobody, and one that Ethereum does not take.
        0 => SignedAuthorization::new_unchecked(authorization, 1, U256::ZERO, signature.s()),
        1 => SignedAuthorization::new_unchecked(
            authorization,
            u8::from(!signature.v()),
            signature.r(),
            ORDER - signature.s(),
        ),
        2 => SignedAuthorization::new_unchecked(authorization, 27, signature.r(), signature.s()),
        _ => authorization.into_signed(signature),
    }
}

fn access_list(dice: &mut Dice) -> AccessList {
    let item = |dice: &mut Dice| AccessListItem {
        address: someone(dice),
        storage_keys: (0..dice.roll(3)).map(|_| B256::from(U256::from(dice.roll(12)))).collect(),
    };
    let count = if dice.once_in(3) { dice.roll(4) } else { 0 };
    AccessList((0..count).map(|_| item(dice)).collect())
}

/// A contract, an account with a key, one that nobody has, or a contract that a contract made.
fn someone(dice: &mut Dice) -> Address {
    match dice.roll(6) {
        0 => Address::repeat_byte(0xe0 + dice.byte() % 6),
        1 => signer(1 + dice.byte() % (ACCOUNTS + 3)).address(),
        2 => contract(dice.roll(CONTRACTS)).create(1),
        _ => contract(dice.roll(CONTRACTS)),
    }
}

const ORDER: U256 = uint!(0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141_U256);

/// The same transaction with the high S, which recovers the same sender and is no valid signature (EIP-2).
fn with_high_s(tx: &Tx) -> Tx {
    fn flipped<T: SignableTransaction<Signature> + Clone>(signed: &Signed<T>) -> Signed<T> {
        let signature = signed.signature();
        let other = Signature::new(signature.r(), ORDER - signature.s(), !signature.v());
        signed.tx().clone().into_signed(other)
    }
    match tx {
        Tx::Legacy(tx) => Tx::Legacy(flipped(tx)),
        Tx::Eip2930(tx) => Tx::Eip2930(flipped(tx)),
        Tx::Eip1559(tx) => Tx::Eip1559(flipped(tx)),
        Tx::Eip4844(tx) => Tx::Eip4844(flipped(tx)),
        Tx::Eip7702(tx) => Tx::Eip7702(flipped(tx)),
        Tx::Privileged(_) => tx.clone(),
    }
}
