//! How far the chain has executed the messages of L1, so that a start need not read the chain back to the last one.

use alloy_primitives::B256;
use ethrex_protocol::L2Height;

use crate::{
    error::{StoreError, sqlite},
    store::Store,
    value::{fixed, int, uint},
};

/// What was true at some block of the chain. Whoever reads it checks that the chain still holds the block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Executed {
    /// Height of the block.
    pub block: L2Height,
    /// Its hash.
    pub hash: B256,
    /// Number of the first message that neither it nor a block before it has executed.
    pub next_message: u64,
}

impl Store {
    /// What was noted last.
    pub fn executed(&self) -> Result<Option<Executed>, StoreError> {
        self.one("select * from executed", (), "read what is executed", |row| {
            Ok(Executed {
                block: L2Height(uint(row, "block")?),
                hash: fixed(row, "hash")?,
                next_message: uint(row, "next_message")?,
            })
        })
    }

    /// Notes it in place of what was noted before.
    pub fn set_executed(&self, executed: &Executed) -> Result<(), StoreError> {
        let row = (int(executed.block.0)?, executed.hash.as_slice(), int(executed.next_message)?);
        self.lock()
            .execute("insert or replace into executed values (0, ?, ?, ?)", row)
            .map(drop)
            .map_err(sqlite("note what is executed"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_note_counts() {
        let store = Store::memory().unwrap();
        assert_eq!(store.executed().unwrap(), None);
        for number in [7, 4] {
            let note = Executed {
                block: L2Height(number),
                hash: B256::repeat_byte(1),
                next_message: number * 2,
            };
            store.set_executed(&note).unwrap();
            assert_eq!(store.executed().unwrap(), Some(note));
        }
    }
}
