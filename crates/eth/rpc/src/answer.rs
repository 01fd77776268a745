//! Answers written as JSON while they are made, and given up where they grow too long.

use std::io;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::{RpcError, error::Fault};

/// The answer as text.
pub(crate) fn json(answer: &impl Serialize, limit: usize) -> Result<Box<RawValue>, RpcError> {
    let mut text = Text::new(limit);
    text.write(answer)?;
    text.finish()
}

/// A list whose items need not be in memory together.
pub(crate) struct JsonList {
    text: Text,
    empty: bool,
}

impl JsonList {
    /// An empty list, of so many bytes at most.
    pub(crate) fn new(limit: usize) -> Self {
        let mut text = Text::new(limit);
        text.bytes.push(b'[');
        Self { text, empty: true }
    }

    /// Adds an item.
    pub(crate) fn push(&mut self, item: &impl Serialize) -> Result<(), RpcError> {
        if !self.empty {
            self.text.bytes.push(b',');
        }
        self.empty = false;
        self.text.write(item)
    }

    pub(crate) fn finish(mut self) -> Result<Box<RawValue>, RpcError> {
        self.text.bytes.push(b']');
        self.text.finish()
    }
}

struct Text {
    bytes: Vec<u8>,
    limit: usize,
}

impl Text {
    const fn new(limit: usize) -> Self {
        Self { bytes: Vec::new(), limit }
    }

    fn write(&mut self, value: &impl Serialize) -> Result<(), RpcError> {
        let limit = self.limit;
        serde_json::to_writer(self, value).map_err(|error| {
            if error.is_io() { RpcError::AnswerTooLong(limit) } else { Fault::Encode(error).into() }
        })
    }

    fn finish(self) -> Result<Box<RawValue>, RpcError> {
        let text = String::from_utf8(self.bytes).expect("JSON is written as UTF-8");
        RawValue::from_string(text).map_err(|error| Fault::Encode(error).into())
    }
}

impl io::Write for &mut Text {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > self.limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_written_item_by_item() {
        let mut list = JsonList::new(100);
        list.push(&1).unwrap();
        list.push(&"two").unwrap();
        assert_eq!(list.finish().unwrap().get(), r#"[1,"two"]"#);
        assert_eq!(JsonList::new(100).finish().unwrap().get(), "[]");
    }

    #[test]
    fn what_is_too_long_is_given_up() {
        let long = "x".repeat(100);
        assert!(matches!(json(&long, 101), Err(RpcError::AnswerTooLong(101))));
        assert!(json(&long, 102).is_ok());
        let mut list = JsonList::new(150);
        list.push(&long).unwrap();
        assert!(matches!(list.push(&long), Err(RpcError::AnswerTooLong(150))));
    }
}
