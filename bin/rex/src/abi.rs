//! Calls and results, from and to text.

use alloy_dyn_abi::{DynSolType, DynSolValue, FunctionExt, JsonAbiExt, Specifier};
use alloy_json_abi::{Constructor, Function, Param};
use alloy_primitives::{Bytes, hex};
use alloy_sol_types::{GenericContractError, SolInterface};
use ethrex_protocol::contracts::{
    CommonBridge::CommonBridgeErrors, CommonBridgeL2::CommonBridgeL2Errors,
    OnChainProposer::OnChainProposerErrors,
};
use eyre::{Result, WrapErr, ensure, eyre};

use crate::native::NativeRollup::NativeRollupErrors;

/// Encodes a call of the function `signature`.
pub(crate) fn encode_call(signature: &str, args: &[String]) -> Result<Bytes> {
    let function = function(signature)?;
    let values = values(&function.inputs, args).wrap_err_with(|| format!("call {signature:?}"))?;
    let data =
        function.abi_encode_input(&values).wrap_err_with(|| format!("encode {signature:?}"))?;
    Ok(data.into())
}

/// Encodes the arguments of the constructor `signature`, which follow the creation code.
pub(crate) fn encode_constructor(signature: &str, args: &[String]) -> Result<Bytes> {
    let constructor = Constructor::parse(signature).map_err(|error| {
        eyre!("{signature:?} is not a constructor such as \"constructor(uint256)\": {error}")
    })?;
    let values = values(&constructor.inputs, args)
        .wrap_err_with(|| format!("construct with {signature:?}"))?;
    let data =
        constructor.abi_encode_input(&values).wrap_err_with(|| format!("encode {signature:?}"))?;
    Ok(data.into())
}

/// Decodes what the function `signature` returned, one value a line, if the signature says what it returns.
pub(crate) fn decode_result(signature: &str, data: &[u8]) -> Result<Option<String>> {
    let function = function(signature)?;
    if function.outputs.is_empty() {
        return Ok(None);
    }
    ensure!(
        !data.is_empty(),
        "nothing was returned, where {signature:?} was to; is there a contract at the address?"
    );
    let values = function.abi_decode_output(data).map_err(|error| {
        let data = hex::encode_prefixed(data);
        eyre!("{data} does not decode as the result of {signature:?}: {error}")
    })?;
    Ok(Some(values.iter().map(show).collect::<Vec<_>>().join("\n")))
}

/// Says why a call reverted.
pub(crate) fn revert_reason(data: &[u8]) -> String {
    if let Ok(error) = CommonBridgeErrors::abi_decode(data) {
        return inner(&format!("{error:?}"));
    }
    if let Ok(error) = CommonBridgeL2Errors::abi_decode(data) {
        return inner(&format!("{error:?}"));
    }
    if let Ok(error) = OnChainProposerErrors::abi_decode(data) {
        return inner(&format!("{error:?}"));
    }
    if let Ok(error) = NativeRollupErrors::abi_decode(data) {
        return inner(&format!("{error:?}"));
    }
    match GenericContractError::abi_decode(data) {
        Ok(error) => error.to_string(),
        Err(_) if data.is_empty() => "without a reason".to_owned(),
        Err(_) => hex::encode_prefixed(data),
    }
}

/// `Error { .. }` of `Variant(Error { .. })`.
fn inner(debug: &str) -> String {
    let inner = debug.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    inner.unwrap_or(debug).to_owned()
}

/// Accepts `f(uint256)`, `f(uint256) returns (bool)` and the short form `f(uint256)(bool)`.
fn function(signature: &str) -> Result<Function> {
    let signature = signature.trim();
    let written_out = outputs_at(signature)
        .map(|at| format!("{} returns {}", &signature[..at], &signature[at..]));
    Function::parse(written_out.as_deref().unwrap_or(signature)).map_err(|error| {
        eyre!("{signature:?} is not a function such as \"transfer(address,uint256)\": {error}")
    })
}

/// Where the outputs of the short form start: at the parenthesis that directly follows the inputs.
fn outputs_at(signature: &str) -> Option<usize> {
    let mut depth = 0usize;
    for (at, byte) in signature.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return signature[at + 1..].starts_with('(').then_some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

fn values(params: &[Param], args: &[String]) -> Result<Vec<DynSolValue>> {
    ensure!(
        params.len() == args.len(),
        "{} arguments are expected and {} were given",
        params.len(),
        args.len()
    );
    params.iter().zip(args).map(|(param, arg)| value(param, arg)).collect()
}

fn value(param: &Param, arg: &str) -> Result<DynSolValue> {
    let kind: DynSolType = param.resolve().wrap_err_with(|| format!("type {:?}", param.ty))?;
    // Strings are taken as they stand; within arrays and tuples they are quoted.
    if kind == DynSolType::String {
        return Ok(DynSolValue::String(arg.to_owned()));
    }
    let text = if kind == DynSolType::Bytes && arg.is_empty() { "0x" } else { arg };
    kind.coerce_str(text).wrap_err_with(|| format!("{arg:?} is not of type {kind}"))
}

fn show(value: &DynSolValue) -> String {
    let list = |values: &[DynSolValue]| values.iter().map(show).collect::<Vec<_>>().join(", ");
    match value {
        DynSolValue::Bool(value) => value.to_string(),
        DynSolValue::Int(value, _) => value.to_string(),
        DynSolValue::Uint(value, _) => value.to_string(),
        DynSolValue::FixedBytes(word, size) => hex::encode_prefixed(&word[..*size]),
        DynSolValue::Address(address) => address.to_string(),
        DynSolValue::Function(function) => hex::encode_prefixed(function),
        DynSolValue::Bytes(bytes) => hex::encode_prefixed(bytes),
        DynSolValue::String(text) => text.clone(),
        DynSolValue::Array(values) | DynSolValue::FixedArray(values) => {
            format!("[{}]", list(values))
        }
        DynSolValue::Tuple(values) => format!("({})", list(values)),
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{Address, U256};
    use alloy_sol_types::{SolError, SolValue};
    use ethrex_protocol::contracts::CommonBridge;

    use super::*;

    fn args(list: &[&str]) -> Vec<String> {
        list.iter().map(|arg| (*arg).to_owned()).collect()
    }

    #[test]
    fn a_call_is_selector_and_arguments() {
        let to = "0x8943545177806ed17b9f23f0a21ee5948ecaa776";
        let data = encode_call("transfer(address,uint256)", &args(&[to, "7"])).unwrap();
        assert_eq!(data[..4], [0xa9, 0x05, 0x9c, 0xbb]);
        assert_eq!(data[4..], (to.parse::<Address>().unwrap(), U256::from(7)).abi_encode());
    }

    #[test]
    fn arguments_may_be_empty_bytes_unprefixed_hex_and_negative() {
        let selector = 4;
        let empty = encode_call("f(bytes)", &args(&[""])).unwrap();
        assert_eq!(empty.len(), selector + 64);
        let unprefixed = encode_call("f(bytes)", &args(&["d09de08a"])).unwrap();
        assert_eq!(unprefixed[selector + 64..selector + 68], [0xd0, 0x9d, 0xe0, 0x8a]);
        assert_eq!(encode_call("f(int256)", &args(&["-1"])).unwrap()[selector..], [0xff; 32]);
        let text = encode_call("f(string)", &args(&["a \"quoted\" word"])).unwrap();
        assert!(text.windows(8).any(|window| window == b"\"quoted\""));
        assert!(encode_call("f((uint256,bool)[])", &args(&["[(1,true),(2,false)]"])).is_ok());
    }

    #[test]
    fn mistakes_are_named() {
        let error =
            |signature, list| format!("{:#}", encode_call(signature, &args(list)).unwrap_err());
        assert!(error("f(uint256)", &[]).contains("1 arguments are expected and 0 were given"));
        assert!(error("f(uint256)", &["x"]).contains("\"x\" is not of type uint256"));
        assert!(error("not a function", &[]).contains("is not a function"));
        assert!(error("f(uint257)", &["1"]).contains("uint257"));
    }

    #[test]
    fn results_are_shown_one_a_line() {
        let data = (U256::from(5), "five".to_owned()).abi_encode_params();
        for signature in ["f()(uint256,string)", "f() returns (uint256,string)"] {
            assert_eq!(decode_result(signature, &data).unwrap().as_deref(), Some("5\nfive"));
        }
        assert_eq!(decode_result("f()", &data).unwrap(), None);
        assert!(decode_result("f()(uint256)", &[]).is_err());
    }

    #[test]
    fn bridge_errors_are_named() {
        let error = CommonBridge::DepositIsZero {}.abi_encode();
        assert!(revert_reason(&error).contains("DepositIsZero"));
        assert_eq!(revert_reason(&[]), "without a reason");
        assert_eq!(revert_reason(&[1, 2, 3, 4]), "0x01020304");
    }

    #[test]
    fn constructors_have_no_selector() {
        let data = encode_constructor("constructor(uint256)", &args(&["5"])).unwrap();
        assert_eq!(data, U256::from(5).abi_encode());
        assert!(encode_constructor("f(uint256)", &args(&["5"])).is_err());
    }
}
