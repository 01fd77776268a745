//! The init code that creates and initialises all proxies in one transaction.
//!
//! The three contracts name each other in `initialize`. With plain CREATE2 their init codes, and so their addresses,
//! would depend on each other, and initialising them in later transactions would let a stranger do it first. So one
//! contract, the founder, creates the proxies from its constructor: their addresses follow from its own and their
//! order ([`Address::create`]), which it computes while it runs. Its own address commits to its init code, that is to
//! every argument of every `initialize`: whoever sends it, what stands at those addresses is what was asked for.
//!
//! There is no Solidity for this, as a compiled constructor could not be parametrised by length without an ABI of its
//! own; the forty instructions below are run by the tests of [`crate::plan`] in a real EVM.

use alloy_primitives::{Address, Bytes, keccak256};

/// Stands for the address of child `index` in an init code, until the founder knows it.
///
/// The value is a hash that occurs nowhere by chance, cut to an address.
pub(crate) fn placeholder(index: usize) -> Address {
    Address::from_word(keccak256(format!("ethrex founder: child {index}")))
}

/// The address of child `index` of a founder.
pub(crate) fn child_address(founder: Address, index: usize) -> Address {
    founder.create(nonce(index).into())
}

/// A new contract has nonce 1 (EIP-161), and each creation takes the next.
fn nonce(index: usize) -> u8 {
    u8::try_from(index + 1)
        .ok()
        .filter(|nonce| *nonce < 0x80)
        .expect("a founder has few children: their nonces encode as one byte")
}

/// Init code of a contract that creates `children` in order, each told the addresses of the others.
///
/// The children are init codes, in which [`placeholder`]s stand where ABI words hold addresses of children.
/// Creation of one fails creation of all. The founder itself is left with a single `STOP` as its code.
pub(crate) fn init_code(children: &[Bytes]) -> Bytes {
    let payload: Vec<u8> = children.iter().flat_map(|child| child.to_vec()).collect();
    let program = |length: usize| {
        let mut code = Assembly::default();
        code.load_payload(payload.len(), length);
        for index in 0..children.len() {
            code.patch(index, payload.len(), &occurrences(&payload, placeholder(index)));
        }
        let mut offset = 0;
        for child in children {
            code.create(offset, child.len(), length);
            offset += child.len();
        }
        code.finish()
    };
    // Every operand has a fixed width, so a first pass tells the length that the second one needs.
    let code = program(program(0).len());
    [code, payload].concat().into()
}

/// Offsets of the 32-byte words that hold `address`.
fn occurrences(payload: &[u8], address: Address) -> Vec<usize> {
    let word = address.into_word();
    payload.windows(32).enumerate().filter(|(_, at)| *at == word).map(|(at, _)| at).collect()
}

mod op {
    pub(super) const ISZERO: u8 = 0x15;
    pub(super) const AND: u8 = 0x16;
    pub(super) const OR: u8 = 0x17;
    pub(super) const SHL: u8 = 0x1b;
    pub(super) const KECCAK256: u8 = 0x20;
    pub(super) const ADDRESS: u8 = 0x30;
    pub(super) const CODECOPY: u8 = 0x39;
    pub(super) const RETURNDATASIZE: u8 = 0x3d;
    pub(super) const RETURNDATACOPY: u8 = 0x3e;
    pub(super) const POP: u8 = 0x50;
    pub(super) const MSTORE: u8 = 0x52;
    pub(super) const JUMPI: u8 = 0x57;
    pub(super) const MSIZE: u8 = 0x59;
    pub(super) const JUMPDEST: u8 = 0x5b;
    pub(super) const PUSH0: u8 = 0x5f;
    pub(super) const PUSH1: u8 = 0x60;
    pub(super) const PUSH2: u8 = 0x61;
    pub(super) const PUSH20: u8 = 0x73;
    pub(super) const PUSH32: u8 = 0x7f;
    pub(super) const DUP1: u8 = 0x80;
    pub(super) const CREATE: u8 = 0xf0;
    pub(super) const RETURN: u8 = 0xf3;
    pub(super) const REVERT: u8 = 0xfd;
}

/// RLP of `[address, nonce]` with a one-byte nonce: list of 22 bytes, string of 20 bytes.
const CREATE_PREIMAGE_PREFIX: [u8; 2] = [0xd6, 0x94];
/// Length of that RLP.
const CREATE_PREIMAGE_BYTES: u8 = 23;
/// Bytes of the code after the last `CREATE` up to the landing of a failed one.
const SUCCESS_BYTES: usize = 4;

#[derive(Debug, Default)]
struct Assembly(Vec<u8>);

impl Assembly {
    fn ops(&mut self, ops: &[u8]) {
        self.0.extend_from_slice(ops);
    }

    fn push2(&mut self, value: usize) {
        let value = u16::try_from(value).expect("init code is at most 49,152 bytes (EIP-3860)");
        self.0.push(op::PUSH2);
        self.0.extend_from_slice(&value.to_be_bytes());
    }

    /// Copies the payload, which follows the program, to memory 0.
    fn load_payload(&mut self, payload: usize, program: usize) {
        self.push2(payload);
        self.push2(program);
        self.ops(&[op::PUSH0, op::CODECOPY]);
    }

    /// Computes the address of a child, using memory from `scratch`, and writes it to all `places`.
    fn patch(&mut self, index: usize, scratch: usize, places: &[usize]) {
        // Prefix and nonce around a hole for the address of this contract.
        let mut preimage = [0; 32];
        preimage[..2].copy_from_slice(&CREATE_PREIMAGE_PREFIX);
        preimage[22] = nonce(index);
        self.ops(&[op::PUSH32]);
        self.ops(&preimage);
        self.ops(&[op::ADDRESS, op::PUSH1, 80, op::SHL, op::OR]);
        self.push2(scratch);
        self.ops(&[op::MSTORE, op::PUSH1, CREATE_PREIMAGE_BYTES]);
        self.push2(scratch);
        self.ops(&[op::KECCAK256, op::PUSH20]);
        self.ops(&[0xff; 20]);
        self.ops(&[op::AND]);
        for &place in places {
            self.ops(&[op::DUP1]);
            self.push2(place);
            self.ops(&[op::MSTORE]);
        }
        self.ops(&[op::POP]);
    }

    /// Creates the contract whose init code is in memory; a failure lands at the end of the program.
    fn create(&mut self, offset: usize, length: usize, program: usize) {
        self.push2(length);
        self.push2(offset);
        self.ops(&[op::PUSH0, op::CREATE, op::ISZERO]);
        self.push2(program.saturating_sub(Self::FAILURE.len()));
        self.ops(&[op::JUMPI]);
    }

    /// Reverts with what the failed constructor reverted with.
    const FAILURE: [u8; 8] = [
        op::JUMPDEST,
        op::RETURNDATASIZE,
        op::PUSH0,
        op::PUSH0,
        op::RETURNDATACOPY,
        op::RETURNDATASIZE,
        op::PUSH0,
        op::REVERT,
    ];

    /// Fresh memory is zero: one byte of it is the code `STOP`.
    fn finish(mut self) -> Vec<u8> {
        let success: [u8; SUCCESS_BYTES] = [op::PUSH1, 1, op::MSIZE, op::RETURN];
        self.ops(&success);
        self.ops(&Self::FAILURE);
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_found_at_any_offset() {
        let word = placeholder(1).into_word();
        let payload = [&[7; 3], word.as_slice(), &[0; 40], word.as_slice()].concat();
        assert_eq!(occurrences(&payload, placeholder(1)), [3, 75]);
        assert_eq!(occurrences(&payload, placeholder(0)), [0; 0]);
    }

    #[test]
    fn a_failed_creation_lands_on_a_jump_destination() {
        let child = Bytes::from_static(&[op::PUSH0, op::PUSH0, op::REVERT]);
        let code = init_code(std::slice::from_ref(&child));
        let at = code.windows(2).position(|pair| pair == [op::ISZERO, op::PUSH2]).unwrap();
        let target = usize::from(u16::from_be_bytes([code[at + 2], code[at + 3]]));
        assert_eq!(code[target], op::JUMPDEST);
        assert_eq!(code.len(), target + Assembly::FAILURE.len() + child.len());
    }
}
