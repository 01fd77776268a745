//! Small contracts, each for one thing that traces show, and who calls them.

use alloy_primitives::{Address, B256, Bytes, U256, address, bytes, hex};
use alloy_signer_local::PrivateKeySigner;
use alloy_sol_types::{Panic, Revert, SolError};
use ethrex_types::GenesisAccount;

/// Writes `calldata[32..64]` to slot `calldata[0..32]`.
pub(crate) const STORE: Address = address!("00000000000000000000000000000000c0de0001");
/// Writes, reads and clears slots that were empty.
pub(crate) const SCRATCH: Address = address!("00000000000000000000000000000000c0de0002");
/// Clears slots that were set in the genesis, for which it gets refunds.
pub(crate) const CLEAR: Address = address!("00000000000000000000000000000000c0de0003");
/// Logs with zero to four topics.
pub(crate) const LOGS: Address = address!("00000000000000000000000000000000c0de0004");
/// Reverts with a reason.
pub(crate) const REVERT: Address = address!("00000000000000000000000000000000c0de0005");
/// Reverts with a panic of Solidity.
pub(crate) const PANIC: Address = address!("00000000000000000000000000000000c0de0006");
/// Reverts with the selector of an unknown error.
pub(crate) const CUSTOM: Address = address!("00000000000000000000000000000000c0de0007");
/// Reverts with nothing.
pub(crate) const SILENT: Address = address!("00000000000000000000000000000000c0de0008");
/// Calls the address in the first word with the rest of the data and with the value, and returns what comes back.
pub(crate) const CALL: Address = address!("00000000000000000000000000000000c0de0010");
/// The same by DELEGATECALL.
pub(crate) const DELEGATE: Address = address!("00000000000000000000000000000000c0de0011");
/// The same by STATICCALL.
pub(crate) const STATIC: Address = address!("00000000000000000000000000000000c0de0012");
/// The same by CALLCODE.
pub(crate) const CALLCODE: Address = address!("00000000000000000000000000000000c0de0013");
/// As [`CALL`], and reverts where the call did.
pub(crate) const BUBBLE: Address = address!("00000000000000000000000000000000c0de0014");
/// Creates a contract with the data as its init code, by CREATE.
pub(crate) const FACTORY: Address = address!("00000000000000000000000000000000c0de0020");
/// The same by CREATE2.
pub(crate) const FACTORY2: Address = address!("00000000000000000000000000000000c0de0021");
/// Destroys itself in favour of the address in the first word.
pub(crate) const DESTRUCT: Address = address!("00000000000000000000000000000000c0de0022");
/// Never ends.
pub(crate) const LOOP: Address = address!("00000000000000000000000000000000c0de0030");
/// Executes INVALID.
pub(crate) const INVALID: Address = address!("00000000000000000000000000000000c0de0031");
/// Jumps nowhere.
pub(crate) const BAD_JUMP: Address = address!("00000000000000000000000000000000c0de0032");
/// Takes from an empty stack.
pub(crate) const UNDERFLOW: Address = address!("00000000000000000000000000000000c0de0033");
/// Executes what is no instruction.
pub(crate) const UNKNOWN: Address = address!("00000000000000000000000000000000c0de0034");
/// Pushes until the stack is full.
pub(crate) const OVERFLOW: Address = address!("00000000000000000000000000000000c0de0035");
/// Copies return data that it does not have.
pub(crate) const OUT_OF_BOUNDS: Address = address!("00000000000000000000000000000000c0de0036");
/// Uses memory and transient storage.
pub(crate) const MEMORY: Address = address!("00000000000000000000000000000000c0de0037");
/// Looks at the account in the first word, and at the block.
pub(crate) const LOOK: Address = address!("00000000000000000000000000000000c0de0038");
/// Calls itself until there is no gas.
pub(crate) const RECURSE: Address = address!("00000000000000000000000000000000c0de0039");

/// Init code that deploys [`STORE`]'s code.
pub(crate) const DEPLOYS_STORE: Bytes = bytes!("666020355f3555005f5260076019f3");
/// Init code that writes a slot, logs and deploys one byte.
pub(crate) const DEPLOYS_BUSILY: Bytes = bytes!("600760015560205fa05f5f5360015ff3");
/// Init code that reverts with four bytes.
pub(crate) const FAILS: Bytes = bytes!("63deadbeef5f526004601cfd");
/// Init code that deploys code that no contract may have (EIP-3541).
pub(crate) const DEPLOYS_EF: Bytes = bytes!("60ef5f5360015ff3");
/// Init code that destroys itself.
pub(crate) const DIES_AT_BIRTH: Bytes = bytes!("33ff");

/// `target`, then `rest`: what [`CALL`] and its like take.
pub(crate) fn through(target: Address, rest: &[u8]) -> Bytes {
    [target.into_word().as_slice(), rest].concat().into()
}

/// What [`STORE`] takes.
pub(crate) fn store(slot: u64, value: u64) -> Bytes {
    [U256::from(slot).to_be_bytes::<32>(), U256::from(value).to_be_bytes::<32>()].concat().into()
}

/// Somebody with money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wallet {
    Alice,
    Bob,
    Carol,
}

impl Wallet {
    pub(crate) const ALL: [Self; 3] = [Self::Alice, Self::Bob, Self::Carol];

    pub(crate) fn signer(self) -> PrivateKeySigner {
        PrivateKeySigner::from_bytes(&B256::repeat_byte(self as u8 + 0x51)).unwrap()
    }

    pub(crate) fn address(self) -> Address {
        self.signer().address()
    }
}

/// The contracts as a genesis has them.
pub(crate) fn genesis() -> Vec<(Address, GenesisAccount)> {
    let forward = |call: &[u8]| {
        [hex!("602036038060205f37").as_slice(), call, hex!("3d5f5f3e").as_slice()].concat()
    };
    let ending = |code: Vec<u8>, end: &[u8]| [code, end.to_vec()].concat();
    let returns = hex!("3d5ff3");
    let call = forward(&hex!("5f5f825f345f355af1"));
    let delegate = forward(&hex!("5f5f825f5f355af4"));
    let r#static = forward(&hex!("5f5f825f5f355afa"));
    let callcode = forward(&hex!("5f5f825f345f355af2"));
    let mut revert = hex!("6064600a5f3960645ffd").to_vec();
    revert.extend(Revert::from("user error").abi_encode());
    let mut panic = hex!("6024600a5f3960245ffd").to_vec();
    panic.extend(Panic { code: U256::from(0x11) }.abi_encode());
    let logs = hex!(
        "602a5f5260205fa0600160205fa16002600160205fa260036002600160205fa3600460036002600160205fa400"
    );
    let memory = hex!("60016103e8536103e85f205060205f60405e6005600160025d60025c5060205ff3");
    let codes: Vec<(Address, Vec<u8>)> = vec![
        (STORE, hex!("6020355f355500").to_vec()),
        (SCRATCH, hex!("60016001555f6001556002545060076003556007545000").to_vec()),
        (CLEAR, hex!("5f6005555f6006555f60075500").to_vec()),
        (LOGS, logs.to_vec()),
        (REVERT, revert),
        (PANIC, panic),
        (CUSTOM, hex!("63deadbeef5f526004601cfd").to_vec()),
        (SILENT, hex!("5f5ffd").to_vec()),
        (BUBBLE, ending(call.clone(), &hex!("15601d573d5ff35b3d5ffd"))),
        (CALL, ending(call, &returns)),
        (DELEGATE, ending(delegate, &returns)),
        (STATIC, ending(r#static, &returns)),
        (CALLCODE, ending(callcode, &returns)),
        (FACTORY, hex!("365f5f37365f34f05f5260205ff3").to_vec()),
        (FACTORY2, hex!("365f5f375f365f34f55f5260205ff3").to_vec()),
        (DESTRUCT, hex!("5f35ff").to_vec()),
        (LOOP, hex!("5b5f56").to_vec()),
        (INVALID, hex!("fe").to_vec()),
        (BAD_JUMP, hex!("60ff56").to_vec()),
        (UNDERFLOW, hex!("01").to_vec()),
        (UNKNOWN, hex!("0c").to_vec()),
        (OVERFLOW, hex!("5b5f5f56").to_vec()),
        (OUT_OF_BOUNDS, hex!("60205f5f3e").to_vec()),
        (MEMORY, memory.to_vec()),
        (
            LOOK,
            hex!("5f3531505f353b505f353f5060205f5f5f353c4131504750465048503a504350425000").to_vec(),
        ),
        (RECURSE, hex!("5f5f5f5f5f305af100").to_vec()),
    ];
    let slots = (5..8).map(|slot| (B256::from(U256::from(slot)), B256::with_last_byte(1)));
    codes
        .into_iter()
        .map(|(address, code)| {
            let account = GenesisAccount {
                balance: U256::from(1_000_000),
                nonce: Some(1),
                code: Some(code.into()),
                storage: (address == CLEAR).then(|| slots.clone().collect()),
                ..GenesisAccount::default()
            };
            (address, account)
        })
        .collect()
}
