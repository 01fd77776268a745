//! Which transactions there are.

use std::sync::atomic::{AtomicU64, Ordering};

use alloy_eips::{
    eip2718::Encodable2718,
    eip2930::{AccessList, AccessListItem},
    eip7702::{Authorization, SignedAuthorization},
};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, address, hex};
use alloy_signer::SignerSync;
use ethrex_types::{
    PooledTx, Tx,
    alloy_consensus::{SignableTransaction, TxEip1559, TxEip2930, TxEip7702, TxLegacy},
};

use crate::{
    chain::ID,
    contracts::{
        BAD_JUMP, BUBBLE, CALL, CALLCODE, CLEAR, CUSTOM, DELEGATE, DEPLOYS_BUSILY, DEPLOYS_EF,
        DEPLOYS_STORE, DESTRUCT, DIES_AT_BIRTH, FACTORY, FACTORY2, FAILS, INVALID, LOGS, LOOK,
        LOOP, MEMORY, OUT_OF_BOUNDS, OVERFLOW, PANIC, RECURSE, REVERT, SCRATCH, SILENT, STATIC,
        STORE, UNDERFLOW, UNKNOWN, Wallet, store, through,
    },
};

/// A signed transaction.
pub(crate) struct Sent {
    pub(crate) name: &'static str,
    pub(crate) raw: String,
    pub(crate) hash: B256,
    pub(crate) tx: Tx,
    pub(crate) sender: Address,
}

/// A transaction to be signed.
pub(crate) struct Wanted {
    name: &'static str,
    from: Wallet,
    to: TxKind,
    value: u64,
    input: Bytes,
    gas: u64,
    kind: Kind,
}

enum Kind {
    Legacy,
    AccessList(AccessList),
    Dynamic,
    SetCode(Vec<(Wallet, Address)>),
}

/// Somebody who is not there before.
const NOBODY: Address = address!("00000000000000000000000000000000000b0d1e");
const GAS: u64 = 400_000;

/// All of them, block by block.
pub(crate) fn blocks() -> Vec<Vec<Wanted>> {
    vec![
        transfers(),
        storage(),
        failures(),
        calls(),
        creations(),
        ends(),
        precompiles(),
        delegations(),
    ]
}

fn transfers() -> Vec<Wanted> {
    vec![
        call("a transfer", Wallet::Carol.address(), b"").value(1_000),
        call("a transfer to nobody", NOBODY, b"").value(7),
        call("a transfer of nothing", Wallet::Carol.address(), b""),
        call("a transfer with data", Wallet::Carol.address(), &hex!("00ff00ff12")),
        call("a legacy transfer", Wallet::Bob.address(), b"").value(3).kind(Kind::Legacy),
        call("a transfer to oneself", Wallet::Alice.address(), b"").value(5),
        call("a transfer to the coinbase", crate::chain::COINBASE, b"").value(9),
    ]
}

fn storage() -> Vec<Wanted> {
    let listed = AccessList(vec![
        AccessListItem {
            address: STORE,
            storage_keys: vec![B256::with_last_byte(1), B256::with_last_byte(9)],
        },
        AccessListItem { address: NOBODY, storage_keys: vec![] },
    ]);
    vec![
        call("a new slot", STORE, &store(1, 7)),
        call("a changed slot", STORE, &store(1, 8)).kind(Kind::AccessList(listed)),
        call("a cleared slot", STORE, &store(1, 0)),
        call("slots written and cleared at once", SCRATCH, b""),
        call("refunds", CLEAR, b""),
        call("refunds again, for nothing", CLEAR, b""),
        call("events", LOGS, b""),
        call("memory and transient storage", MEMORY, b""),
        call("a look around", LOOK, NOBODY.into_word().as_slice()),
        call("a look at a contract", LOOK, STORE.into_word().as_slice()),
    ]
}

fn failures() -> Vec<Wanted> {
    vec![
        call("a revert with a reason", REVERT, &hex!("12345678")),
        call("a panic", PANIC, b""),
        call("a custom error", CUSTOM, b""),
        call("a silent revert", SILENT, b"").value(1),
        call("out of gas", LOOP, b"").gas(60_000),
        call("INVALID", INVALID, b""),
        call("a bad jump", BAD_JUMP, b""),
        call("a stack underflow", UNDERFLOW, b""),
        call("an unknown instruction", UNKNOWN, b""),
        call("a stack overflow", OVERFLOW, b""),
        call("return data out of bounds", OUT_OF_BOUNDS, b""),
        call("out of gas at a write", STORE, &store(99, 1)).gas(30_000),
    ]
}

fn calls() -> Vec<Wanted> {
    let inside = through(CALL, &through(STORE, &store(2, 3)));
    let swallowed = through(BUBBLE, &through(REVERT, &hex!("aabbccdd00")));
    vec![
        call("a call", CALL, &through(STORE, &store(1, 2))).value(11),
        call("a call in a call", CALL, &inside).value(1),
        call("a delegatecall", DELEGATE, &through(STORE, &store(1, 2))).value(13),
        call("a callcode", CALLCODE, &through(STORE, &store(1, 3))).value(2),
        call("a staticcall", STATIC, &through(LOOK, NOBODY.into_word().as_slice())),
        call("a write in a staticcall", STATIC, &through(STORE, &store(1, 2))),
        call("an event in a staticcall", STATIC, &through(LOGS, b"")),
        call("a revert inside that is swallowed", CALL, &swallowed),
        call("a revert inside that is not", BUBBLE, &swallowed).value(3),
        call("out of gas inside", CALL, &through(LOOP, b"")).gas(120_000),
        call("a call with more value than there is", CALL, &through(CALL, &through(NOBODY, b"")))
            .value(5),
        call("a recursion", RECURSE, b"").gas(24_500),
        call("events inside", CALL, &through(DELEGATE, &through(LOGS, b""))),
        call(
            "events inside that are undone",
            CALL,
            &through(BUBBLE, &through(BUBBLE, &through(REVERT, b""))),
        ),
    ]
}

fn creations() -> Vec<Wanted> {
    vec![
        create("a creation", DEPLOYS_STORE),
        create("a busy creation", DEPLOYS_BUSILY).value(17),
        create("a creation that reverts", FAILS),
        create("a creation of forbidden code", DEPLOYS_EF),
        create("a creation of nothing", Bytes::new()),
        create("a creation that dies", DIES_AT_BIRTH).value(4),
        call("a creation inside", FACTORY, &DEPLOYS_BUSILY).value(1),
        call("a creation inside with a salt", FACTORY2, &DEPLOYS_STORE),
        call("the same again, which collides", FACTORY2, &DEPLOYS_STORE),
        call("a creation inside that reverts", FACTORY, &FAILS),
        call("a creation inside that dies", FACTORY, &DIES_AT_BIRTH).value(6),
        call("a creation in a call", CALL, &through(FACTORY, &DEPLOYS_STORE)),
        call("a creation in a staticcall", STATIC, &through(FACTORY, &DEPLOYS_STORE)),
        create("a creation without the gas for its code", DEPLOYS_STORE).gas(54_000),
    ]
}

fn ends() -> Vec<Wanted> {
    let heir = |heir: Address| heir.into_word();
    vec![
        call("a selfdestruct", DESTRUCT, heir(NOBODY).as_slice()).value(2),
        call(
            "a selfdestruct inside",
            CALL,
            &through(DESTRUCT, heir(Wallet::Bob.address()).as_slice()),
        )
        .value(8),
        call("a selfdestruct by delegation", DELEGATE, &through(DESTRUCT, heir(NOBODY).as_slice())),
    ]
}

fn precompiles() -> Vec<Wanted> {
    let precompile = |last: u8| Address::with_last_byte(last);
    vec![
        call("ecrecover of nothing", precompile(1), b""),
        call("sha256", CALL, &through(precompile(2), b"abc")),
        call("ripemd160 with value", CALL, &through(precompile(3), b"abc")).value(1),
        call("identity", STATIC, &through(precompile(4), b"abc")),
        call("modexp", CALL, &through(precompile(5), &store(1, 1))),
        call("ecadd of what is no point", CALL, &through(precompile(6), &[1; 64])),
        call("blake2f of what is none", CALL, &through(precompile(9), b"abc")),
        call("kzg of nothing", CALL, &through(precompile(10), b"")),
        call("bls of what is none", CALL, &through(precompile(11), &[1; 256])),
    ]
}

fn delegations() -> Vec<Wanted> {
    let set = |pairs: &[(Wallet, Address)]| Kind::SetCode(pairs.to_vec());
    let bob = Wallet::Bob.address();
    vec![
        call("a delegation that is called", bob, &store(4, 4)).kind(set(&[(Wallet::Bob, STORE)])),
        call("a call to the delegated", bob, &store(4, 5)),
        call("a call to the delegated inside", CALL, &through(bob, &store(4, 6))),
        call("a delegation to the reverting", bob, b"").kind(set(&[(Wallet::Bob, REVERT)])),
        call("a delegation taken back", NOBODY, b"").kind(set(&[(Wallet::Bob, Address::ZERO)])),
        call("a delegation of another, and none", NOBODY, b"")
            .kind(set(&[(Wallet::Carol, LOGS), (Wallet::Bob, Address::ZERO)])),
    ]
}

fn call(name: &'static str, to: Address, input: &[u8]) -> Wanted {
    let input = Bytes::copy_from_slice(input);
    let (from, to, kind) = (Wallet::Alice, TxKind::Call(to), Kind::Dynamic);
    Wanted { name, from, to, value: 0, input, gas: GAS, kind }
}

fn create(name: &'static str, init: Bytes) -> Wanted {
    let (from, kind) = (Wallet::Alice, Kind::Dynamic);
    Wanted { name, from, to: TxKind::Create, value: 0, input: init, gas: GAS, kind }
}

/// Counted over the whole test, which is the only one in its process.
static NONCES: [AtomicU64; 3] = [const { AtomicU64::new(0) }; 3];

fn next_nonce(of: Wallet) -> u64 {
    NONCES[of as usize].fetch_add(1, Ordering::Relaxed)
}

impl Wanted {
    const fn value(mut self, value: u64) -> Self {
        self.value = value;
        self
    }

    const fn gas(mut self, gas: u64) -> Self {
        self.gas = gas;
        self
    }

    fn kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    /// Signs it with the next nonce of its sender.
    pub(crate) fn sign(&self) -> Sent {
        let nonce = next_nonce(self.from);
        let (gas_limit, to, input) = (self.gas, self.to, self.input.clone());
        let value = U256::from(self.value);
        let (max_fee_per_gas, max_priority_fee_per_gas) = (3_000_000_000, 1_000_000_000);
        let signer = self.from.signer();
        macro_rules! signed {
            ($kind:ident, $tx:expr) => {{
                let tx = $tx;
                let signature = signer.sign_hash_sync(&tx.signature_hash()).unwrap();
                PooledTx::$kind(tx.into_signed(signature))
            }};
        }
        let pooled = match &self.kind {
            Kind::Legacy => signed!(
                Legacy,
                TxLegacy {
                    chain_id: Some(ID),
                    nonce,
                    gas_price: max_fee_per_gas,
                    gas_limit,
                    to,
                    value,
                    input,
                }
            ),
            Kind::AccessList(list) => signed!(
                Eip2930,
                TxEip2930 {
                    chain_id: ID,
                    nonce,
                    gas_price: max_fee_per_gas,
                    gas_limit,
                    to,
                    value,
                    input,
                    access_list: list.clone(),
                }
            ),
            Kind::Dynamic => signed!(
                Eip1559,
                TxEip1559 {
                    chain_id: ID,
                    nonce,
                    gas_limit,
                    max_fee_per_gas,
                    max_priority_fee_per_gas,
                    to,
                    value,
                    input,
                    access_list: AccessList::default(),
                }
            ),
            Kind::SetCode(pairs) => signed!(
                Eip7702,
                TxEip7702 {
                    chain_id: ID,
                    nonce,
                    gas_limit,
                    max_fee_per_gas,
                    max_priority_fee_per_gas,
                    to: *to.to().unwrap(),
                    value,
                    input,
                    access_list: AccessList::default(),
                    authorization_list: pairs.iter().map(|pair| authorize(*pair)).collect(),
                }
            ),
        };
        let raw = hex::encode_prefixed(pooled.encoded_2718());
        let tx = Tx::from(pooled);
        Sent { name: self.name, raw, hash: tx.hash(), tx, sender: self.from.address() }
    }
}

fn authorize((who, address): (Wallet, Address)) -> SignedAuthorization {
    let authorization = Authorization { chain_id: U256::from(ID), address, nonce: next_nonce(who) };
    let signature = who.signer().sign_hash_sync(&authorization.signature_hash()).unwrap();
    authorization.into_signed(signature)
}
