//! How a call ended, in the words wallets know.

use alloy_primitives::Bytes;
use alloy_sol_types::{Panic, Revert, SolError};
use ethrex_evm::{CallOutcome, call::CallEnd};

use crate::RpcError;

/// The output of a call that succeeded, or the error that says how it failed.
pub(super) fn output(outcome: CallOutcome) -> Result<Bytes, RpcError> {
    match outcome.end {
        CallEnd::Success => Ok(outcome.output),
        CallEnd::Revert => {
            Err(RpcError::Reverted { reason: reason(&outcome.output), data: outcome.output })
        }
        CallEnd::Halt { reason, out_of_gas } => Err(RpcError::Halted(halted(&reason, out_of_gas))),
    }
}

/// The reason that Solidity encodes in revert data; empty where there is none.
pub(super) fn reason(data: &[u8]) -> String {
    if let Ok(Revert { reason }) = Revert::abi_decode(data) {
        return reason;
    }
    match Panic::abi_decode(data) {
        Ok(Panic { code }) => match u8::try_from(code).ok().and_then(panic_text) {
            Some(text) => text.to_owned(),
            None => format!("unknown panic code: {code:#x}"),
        },
        Err(_) => String::new(),
    }
}

/// Solidity's panic codes.
fn panic_text(code: u8) -> Option<&'static str> {
    Some(match code {
        0x00 => "generic panic",
        0x01 => "assert(false)",
        0x11 => "arithmetic underflow or overflow",
        0x12 => "division or modulo by zero",
        0x21 => "enum overflow",
        0x22 => "invalid encoded storage byte array accessed",
        0x31 => "out-of-bounds array access; popping on an empty array",
        0x32 => "out-of-bounds access of an array or bytesN",
        0x41 => "out of memory",
        0x51 => "uninitialized function",
        _ => return None,
    })
}

/// geth's text for a halt that the interpreter names in its own way.
pub(crate) fn halted(reason: &str, out_of_gas: bool) -> String {
    let text = match reason {
        _ if out_of_gas => "out of gas",
        "OpcodeNotFound" | "InvalidFEOpcode" | "NotActivated" => "invalid opcode",
        "InvalidJump" => "invalid jump destination",
        "StackUnderflow" => "stack underflow",
        "StackOverflow" => "stack limit reached 1024",
        "CreateContractSizeLimit" => "max code size exceeded",
        "CreateContractStartingWithEF" => "invalid code: must not begin with 0xef",
        "CreateInitCodeSizeLimit" => "max initcode size exceeded",
        "CreateCollision" => "contract address collision",
        "StateChangeDuringStaticCall" | "CallNotAllowedInsideStatic" => "write protection",
        "OutOfFunds" => "insufficient balance for transfer",
        "CallTooDeep" => "max call depth exceeded",
        "NonceOverflow" => "nonce uint64 overflow",
        other => return format!("execution halted: {other}"),
    };
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{U256, hex};

    use super::*;

    #[track_caller]
    fn check(data: &[u8], expected: &str) {
        assert_eq!(reason(data), expected);
    }

    #[test]
    fn a_revert_string_is_decoded() {
        check(&Revert::from("user error").abi_encode(), "user error");
    }

    #[test]
    fn a_panic_is_named() {
        check(&Panic { code: U256::from(1) }.abi_encode(), "assert(false)");
        check(&Panic { code: U256::from(0x99) }.abi_encode(), "unknown panic code: 0x99");
        check(
            &Panic { code: U256::MAX }.abi_encode(),
            &format!("unknown panic code: {:#x}", U256::MAX),
        );
    }

    #[test]
    fn other_data_has_no_reason() {
        check(&[], "");
        check(&hex!("deadbeef"), "");
        check(&hex!("08c379a000"), "");
    }
}
