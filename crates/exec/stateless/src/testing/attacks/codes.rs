//! Codes, and codes that stand for others.

use alloy_eips::eip7702::{Authorization, SignedAuthorization};
use alloy_primitives::{Address, Bytes, U256};
use alloy_signer::SignerSync;

use super::{
    Answer::{Input, Insufficient, Undecodable, Valid},
    Attack, busy, reads, sort, with,
};
use crate::testing::{
    CHAIN_ID, READER, TestBlock, TestChain, WRITER, delegating, signed, signer, words,
};

/// Delegations (EIP-7702): each code that is needed is taken away.
#[must_use]
pub fn s12() -> Vec<Attack> {
    let call = signed(5, |tx| {
        tx.to = signer(2).address().into();
        tx.gas_limit = 3_000_000;
        tx.input = words(&[U256::ZERO, U256::ONE, U256::ZERO]);
    });
    // One counts; those of another chain and another nonce are skipped, and do not fail the transaction.
    let mut chain = TestChain::new(&[(1, 1)]);
    let one = [
        authorize(2, READER, CHAIN_ID, 0),
        authorize(3, READER, 7, 0),
        authorize(4, READER, CHAIN_ID, 9),
    ];
    let delegation = chain.make(&[delegating(1, one.into(), |_| {})]);
    let called = chain.make(std::slice::from_ref(&call));
    // A delegation to a delegation is not followed.
    let mut chain = TestChain::new(&[(1, 1)]);
    let two = [authorize(2, signer(3).address(), CHAIN_ID, 0), authorize(3, READER, CHAIN_ID, 0)];
    let nested = chain.make(&[delegating(1, two.into(), |_| {})]);
    let called_nested = chain.make(&[call]);
    let mut attacks = Vec::new();
    for (name, block) in [
        ("a delegation", delegation),
        ("a call of a delegation", called),
        ("nested delegations", nested),
        ("a call of nested delegations", called_nested),
    ] {
        attacks.push(Attack::none(name, block.input.clone()));
        attacks.extend(less_code(name, &block));
    }
    attacks
}

/// Codes that are missing, wrong, superfluous, or too long.
#[must_use]
pub fn s13() -> Vec<Attack> {
    let (mut chain, block) = busy();
    let honest = block.input;
    let mut attacks = Vec::new();
    for index in 0..honest.witness.codes.len() {
        let input = with(&honest, |input| {
            let mut code = input.witness.codes[index].to_vec();
            *code.last_mut().expect("no code is empty") ^= 1;
            input.witness.codes[index] = code.into();
            sort(&mut input.witness);
        });
        let name = format!("code {index}, changed");
        attacks.push(Attack::new(name, &honest, input, Insufficient));
    }
    let more = |code: Bytes| {
        with(&honest, |input| {
            input.witness.codes.push(code);
            sort(&mut input.witness);
        })
    };
    let long = more(vec![0xff; 65_537].into());
    // The layout without public keys has another limit.
    let without = with(&long, |input| input.public_keys = None);
    attacks.extend([
        Attack::new("a code that the block creates", &honest, more(vec![0; 5].into()), Valid),
        Attack::new("a code that no contract can have", &honest, more(vec![0xef, 0].into()), Valid),
        Attack::new("a code of 65,537 bytes", &honest, long, Undecodable).says("65537"),
        Attack::new("a code of 65,537 bytes, no keys", &honest, without, Input)
            .tolerant(Valid)
            .derived(Undecodable)
            .says("no public keys"),
    ]);
    // A code of which only the size is looked at.
    let sized = chain.make(&[reads(2, 1, WRITER, 0, 0)]);
    attacks.push(Attack::none("the size of a code", sized.input.clone()));
    attacks.extend(less_code("the size of a code", &sized));
    attacks
}

/// Each code of a block taken away.
fn less_code(name: &str, block: &TestBlock) -> Vec<Attack> {
    let honest = &block.input;
    let less = |index| {
        let input = with(honest, |input| drop(input.witness.codes.remove(index)));
        Attack::new(format!("{name}: no code {index}"), honest, input, Insufficient)
    };
    (0..honest.witness.codes.len()).map(less).collect()
}

fn authorize(number: u8, address: Address, chain_id: u64, nonce: u64) -> SignedAuthorization {
    let authorization = Authorization { chain_id: U256::from(chain_id), address, nonce };
    let hash = authorization.signature_hash();
    let signature = signer(number).sign_hash_sync(&hash).expect("local keys sign");
    authorization.into_signed(signature)
}
