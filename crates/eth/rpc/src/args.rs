//! Positional parameters, read as geth reads them.

use jsonrpsee::types::Params;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::RpcError;

/// The parameters of one call, taken from left to right.
#[derive(Debug)]
pub struct Args {
    values: std::vec::IntoIter<Value>,
    next: usize,
}

impl Args {
    pub(crate) fn new(params: &Params<'_>) -> Result<Self, RpcError> {
        let values = match params.as_str() {
            None => Vec::new(),
            Some(json) => match serde_json::from_str(json) {
                Ok(Value::Array(values)) => values,
                Ok(Value::Null) => Vec::new(),
                _ => return Err(RpcError::NoArray),
            },
        };
        Ok(Self { values: values.into_iter(), next: 0 })
    }

    /// The next parameter.
    ///
    /// # Errors
    /// If it is absent, `null` or of another type.
    pub fn required<T: DeserializeOwned>(&mut self) -> Result<T, RpcError> {
        let index = self.next;
        self.optional()?.ok_or(RpcError::MissingArgument(index))
    }

    /// The next parameter, or `None` where it is absent or `null`.
    ///
    /// # Errors
    /// If it is of another type.
    pub fn optional<T: DeserializeOwned>(&mut self) -> Result<Option<T>, RpcError> {
        let index = self.next;
        let unprefixed = |value: &Value| {
            value.as_str().is_some_and(|text| {
                !text.starts_with("0x") && text.bytes().all(|byte| byte.is_ascii_hexdigit())
            })
        };
        // Some types would take the digits without the prefix, but then no other node would.
        match self.take() {
            Some(value) if unprefixed(&value) => Err(RpcError::NoHexPrefix(index)),
            Some(value) => decode(value, index).map(Some),
            None => Ok(None),
        }
    }

    /// The next parameter, where hexadecimal digits need no prefix.
    pub(crate) fn unprefixed<T: DeserializeOwned>(&mut self) -> Result<T, RpcError> {
        let index = self.next;
        decode(self.take().ok_or(RpcError::MissingArgument(index))?, index)
    }

    /// The next parameter as it is, or `None` where it is absent or `null`.
    pub(crate) fn raw(&mut self) -> Option<Value> {
        self.take()
    }

    fn take(&mut self) -> Option<Value> {
        self.next += 1;
        self.values.next().filter(|value| !value.is_null())
    }

    /// Refuses what is left, before anything is done. For methods that do something; [`crate::register`] looks after all of them.
    ///
    /// # Errors
    /// If there are more parameters than were read.
    pub fn end(&self) -> Result<(), RpcError> {
        self.leftover().map_or(Ok(()), Err)
    }

    /// Checks that nothing is left. Called by [`crate::register`] when the method has run its reads.
    pub(crate) fn leftover(&self) -> Option<RpcError> {
        (self.values.len() > 0).then_some(RpcError::TooManyArguments(self.next))
    }
}

impl From<Vec<Value>> for Args {
    fn from(values: Vec<Value>) -> Self {
        Self { values: values.into_iter(), next: 0 }
    }
}

fn decode<T: DeserializeOwned>(value: Value, index: usize) -> Result<T, RpcError> {
    serde_json::from_value(value).map_err(|reason| RpcError::InvalidArgument { index, reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(json: &'static str) -> Args {
        Args::new(&Params::new(Some(json))).unwrap()
    }

    #[test]
    fn parameters_come_in_order_and_null_is_absent() {
        let mut args = args(r#"["0x1", null, "0x3"]"#);
        assert_eq!(args.required::<String>().unwrap(), "0x1");
        assert_eq!(args.optional::<String>().unwrap(), None);
        assert!(args.leftover().is_some());
        assert_eq!(args.optional::<String>().unwrap().unwrap(), "0x3");
        assert!(args.leftover().is_none());
        assert_eq!(
            args.required::<String>().unwrap_err().to_string(),
            "missing value for required argument 3"
        );
    }

    #[test]
    fn a_missing_prefix_is_named() {
        let error = args(r#"["2"]"#).required::<alloy_eips::BlockNumberOrTag>().unwrap_err();
        assert_eq!(error.to_string(), "invalid argument 0: hex string without 0x prefix");
        let error = args(r#"["0x2", "ab"]"#).required::<alloy_eips::BlockNumberOrTag>();
        assert!(error.is_ok());
        assert!(args(r#"["latest"]"#).required::<alloy_eips::BlockNumberOrTag>().is_ok());
        assert_eq!(args(r#"["12"]"#).unprefixed::<String>().unwrap(), "12");
    }

    #[test]
    fn an_object_is_no_list() {
        assert!(matches!(Args::new(&Params::new(Some("{}"))), Err(RpcError::NoArray)));
    }
}
