//! What a block says of itself.

use alloy_eips::{eip2935, eip4788, eip7251};
use alloy_primitives::{Address, B256, Bloom, Bytes, TxKind, U256, bytes};

use super::{
    Answer::{Insufficient, Invalid, Payload, Unbuildable, Undecodable, Valid},
    Attack, busy, on_parent, parent, resealed, sort, with, writes,
};
use crate::{
    StatelessInput,
    testing::{TestBlock, TestChain, signed},
};

/// What the block commits to: each commitment alone.
#[must_use]
pub fn s02() -> Vec<Attack> {
    let honest = busy().1.input;
    let wrong = |name, says, change: fn(&mut StatelessInput)| {
        Attack::new(name, &honest, resealed(&honest, change), Invalid).derived(Valid).says(says)
    };
    let unsealed = |name, change: fn(&mut StatelessInput)| {
        let attack = Attack::new(name, &honest, with(&honest, change), Payload);
        attack.derived(Valid).says("block hash mismatch")
    };
    vec![
        Attack::none("nothing", honest.clone()),
        wrong("receipts root", "receipts root", |input| {
            input.request.payload.receipts_root[0] ^= 1;
        }),
        wrong("bloom", "bloom", |input| {
            input.request.payload.logs_bloom = Bloom::repeat_byte(1);
        }),
        wrong("requests that nobody made", "requests hash", |input| {
            input.request.requests.builder_exits = vec![1; 68].into();
        }),
        wrong("a transaction less, its key too", "", |input| {
            input.request.payload.transactions.pop();
            input.public_keys.as_mut().expect("there are keys").pop();
        }),
        unsealed("block hash", |input| input.request.payload.block_hash[0] ^= 1),
        unsealed("access list", |input| input.request.payload.block_access_list = bytes!("c0")),
    ]
}

/// Base fees, after genesis, after an empty block and after one above its target.
#[must_use]
pub fn s04() -> Vec<Attack> {
    // Init code that burns all it is given.
    let burn = |number| {
        signed(number, |tx| {
            tx.to = TxKind::Create;
            tx.gas_limit = 16_000_000;
            tx.input = bytes!("5b5f56");
        })
    };
    let mut chain = TestChain::new(&[]);
    let first = chain.make(&[writes(4, 0, &[(1, 1)])]);
    chain.make(&[]);
    let after_empty = chain.make(&[burn(1), burn(2), burn(3)]);
    let after_full = chain.make(&[writes(4, 1, &[(1, 2)])]);
    let mut attacks = Vec::new();
    for (name, TestBlock { input: honest, .. }) in
        [("genesis", first), ("an empty block", after_empty), ("a full block", after_full)]
    {
        attacks.push(Attack::none(format!("after {name}"), honest.clone()));
        for (change, delta) in [("more", U256::ONE), ("less", U256::MAX)] {
            let input = resealed(&honest, |input| {
                let fee = &mut input.request.payload.base_fee_per_gas;
                *fee = fee.wrapping_add(delta);
            });
            let attack =
                Attack::new(format!("one wei {change} after {name}"), &honest, input, Invalid);
            attacks.push(attack.derived(Valid).says("base fee"));
        }
        let wide = with(&honest, |input| {
            input.request.payload.base_fee_per_gas += U256::from(1) << 64;
        });
        let attack = Attack::new("more than 64 bits", &honest, wide, Payload);
        attacks.push(attack.derived(Valid).says("does not fit in 64 bits"));
    }
    attacks
}

/// Numbers, times and limits of headers.
#[must_use]
pub fn s07() -> Vec<Attack> {
    let honest = busy().1.input;
    let wrong = |name, says, change: fn(&mut StatelessInput)| {
        Attack::new(name, &honest, resealed(&honest, change), Invalid).says(says)
    };
    let committed = |name, change: fn(&mut StatelessInput)| {
        let attack = Attack::new(name, &honest, with(&honest, change), Payload);
        attack.derived(Valid).says("block hash mismatch")
    };
    let simple = TestChain::new(&[(1, 1)]).make(&[writes(1, 0, &[(1, 2)])]).input;
    let on = |name, change: fn(&mut ethrex_types::Header)| {
        let mut parent = parent(&simple);
        change(&mut parent);
        let attack = Attack::new(name, &simple, on_parent(&simple, &parent), Invalid);
        attack.derived(Valid).says("access list")
    };
    let long = with(&honest, |input| input.request.payload.extra_data = vec![0; 33].into());
    vec![
        wrong("number", "block number", |input| input.request.payload.block_number += 1)
            .derived(Valid),
        wrong("the parent's time", "timestamp", |input| input.request.payload.timestamp -= 12)
            .derived(Unbuildable),
        wrong("a gas limit beyond its step", "gas limit", |input| {
            let limit = &mut input.request.payload.gas_limit;
            *limit += *limit / 1024;
        })
        .derived(Unbuildable),
        Attack::new("33 bytes of extra data", &honest, long, Undecodable).says("33 bytes"),
        // Nothing checks these against the parent, and nobody can change them after the fact.
        committed("slot number", |input| input.request.payload.slot_number += 1),
        committed("randao", |input| input.request.payload.prev_randao[0] ^= 1),
        committed("fee recipient", |input| input.request.payload.fee_recipient = Address::ZERO),
        // A block says nothing about its parent but its hash, which is in its state too (EIP-2935). What is derived on such a parent says so.
        on("a parent with difficulty", |parent| parent.difficulty = U256::ONE),
        on("a parent with a nonce", |parent| parent.nonce.0[7] = 1),
        on("a parent with ommers", |parent| parent.ommers_hash = B256::repeat_byte(1)),
    ]
}

/// The anchor and the contracts that blocks call by themselves.
#[must_use]
pub fn s11() -> Vec<Attack> {
    let (chain, block) = busy();
    let honest = block.input;
    let anchor = |input: &mut StatelessInput| {
        input.request.parent_beacon_block_root = B256::repeat_byte(9);
    };
    let mut attacks = vec![
        Attack::new("another anchor", &honest, with(&honest, anchor), Payload)
            .derived(Valid)
            .says("block hash mismatch"),
        Attack::new("another anchor, resealed", &honest, resealed(&honest, anchor), Invalid)
            .derived(Valid),
    ];
    // Code that the witness lacks, although the account has it.
    let mut genesis = chain.spec().genesis().clone();
    for address in [eip4788::BEACON_ROOTS_ADDRESS, eip2935::HISTORY_STORAGE_ADDRESS] {
        let code: Bytes = genesis.alloc[&address].code.clone().expect("it has code");
        let input = with(&honest, |input| input.witness.codes.retain(|entry| *entry != code));
        assert!(input.witness.codes.len() < honest.witness.codes.len(), "it is there");
        attacks.push(Attack::new(format!("no code of {address}"), &honest, input, Insufficient));
        genesis.alloc.remove(&address);
    }
    // Where a contract that only takes note is absent, nothing is called and the block is valid (EIP-4788, EIP-2935).
    let block = TestChain::with_genesis(genesis).make(&[writes(1, 0, &[(1, 1)])]);
    attacks.push(Attack::none("no contracts that take note", block.input));
    attacks.push(no_request_contract());
    attacks
}

/// Where a contract that makes requests is absent there is no block: the whole state of such a chain, and a block of another on top.
fn no_request_contract() -> Attack {
    let mut genesis = TestChain::new(&[]).spec().genesis().clone();
    let honest = TestChain::with_genesis(genesis.clone()).make(&[]).input;
    genesis.alloc.remove(&eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS);
    let without = TestChain::with_genesis(genesis);
    let input = resealed(&honest, |input| {
        input.witness = without.whole();
        sort(&mut input.witness);
        input.request.payload.parent_hash = without.head().hash();
    });
    let attack = Attack::new("no consolidation contract", &honest, input, Invalid);
    attack.derived(Unbuildable).says("system")
}
