//! Messages from L1 that wait for a block of L2, and how far L1 has been read.
//!
//! Messages and cursor move in one commit, so a restart neither misses nor repeats one. Ids are consecutive per
//! source chain; a gap means that L1 was read wrongly and is refused.

use alloy_primitives::{B256, U256};
use ethrex_protocol::{L1Height, deposit::PrivilegedMessage};
use rusqlite::{OptionalExtension, Row, Transaction};

use crate::{
    error::{StoreError, sqlite},
    store::Store,
    value::{bytes, fixed, int, uint},
};

/// The last L1 block that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// Its height.
    pub block: L1Height,
    /// Its hash.
    pub hash: B256,
}

/// A message and the L1 block that announced it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuedDeposit {
    /// The message.
    pub message: PrivilegedMessage,
    /// The block.
    pub l1_block: L1Height,
}

impl Store {
    /// How far a reader has come.
    pub fn cursor(&self, name: &str) -> Result<Option<Cursor>, StoreError> {
        let sql = "select block, hash from cursors where name = ?";
        self.one(sql, [name], "read a cursor", |row| {
            Ok(Cursor { block: L1Height(uint(row, "block")?), hash: fixed(row, "hash")? })
        })
    }

    /// Adds messages in the order of their ids, and moves the reader's cursor. Known messages are left as they are.
    pub fn add_deposits(
        &self,
        name: &str,
        deposits: &[QueuedDeposit],
        cursor: &Cursor,
    ) -> Result<(), StoreError> {
        let doing = "store L1 messages";
        self.write(doing, |tx| {
            for deposit in deposits {
                add(tx, deposit, doing)?;
            }
            set_cursor(tx, name, cursor, doing)
        })
    }

    /// Drops the messages of L1 blocks that are gone, and moves the cursor back.
    pub fn drop_deposits_above(&self, name: &str, cursor: &Cursor) -> Result<(), StoreError> {
        let doing = "drop L1 messages";
        self.write(doing, |tx| {
            let sql = "delete from deposits where l1_block > ?";
            tx.execute(sql, [int(cursor.block.0)?]).map_err(sqlite(doing))?;
            set_cursor(tx, name, cursor, doing)
        })
    }

    /// Messages of one source chain from an id on, in order.
    pub fn deposits_from(
        &self,
        chain_id: u64,
        first: u64,
        limit: usize,
    ) -> Result<Vec<QueuedDeposit>, StoreError> {
        let sql = "select * from deposits where chain_id = ? and id >= ? order by id limit ?";
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.all(sql, (int(chain_id)?, int(first)?, limit), "read L1 messages", read)
    }

    /// Forgets messages below an id: they are part of verified batches.
    pub fn delete_deposits_below(&self, chain_id: u64, id: u64) -> Result<(), StoreError> {
        // The last one stays, so that its successor can be told from a gap.
        let sql = "delete from deposits where chain_id = ?1 and id < ?2 \
                   and id < (select max(id) from deposits where chain_id = ?1)";
        self.lock()
            .execute(sql, (int(chain_id)?, int(id)?))
            .map(drop)
            .map_err(sqlite("forget L1 messages"))
    }
}

fn add(
    tx: &Transaction<'_>,
    deposit: &QueuedDeposit,
    doing: &'static str,
) -> Result<(), StoreError> {
    let message = &deposit.message;
    let (chain, id) = (int(message.chain_id)?, int(message.transaction_id)?);
    let known = tx
        .query_row("select * from deposits where chain_id = ? and id = ?", (chain, id), |row| {
            Ok(read(row))
        })
        .optional()
        .map_err(sqlite(doing))?
        .transpose()?;
    if let Some(known) = known {
        return if known.message == *message {
            Ok(())
        } else {
            Err(StoreError::DepositConflict(message.transaction_id))
        };
    }
    let last: Option<i64> = tx
        .query_row("select max(id) from deposits where chain_id = ?", [chain], |row| row.get(0))
        .map_err(sqlite(doing))?;
    if last.map_or(0, |last| last + 1) != id {
        let last = last.and_then(|last| u64::try_from(last).ok());
        return Err(StoreError::DepositGap { last, found: message.transaction_id });
    }
    let row = (
        chain,
        id,
        message.from.as_slice(),
        message.to.as_slice(),
        message.value.to_be_bytes::<32>(),
        int(message.gas_limit)?,
        message.data.as_ref(),
        int(deposit.l1_block.0)?,
    );
    tx.execute("insert into deposits values (?, ?, ?, ?, ?, ?, ?, ?)", row)
        .map(drop)
        .map_err(sqlite(doing))
}

fn set_cursor(
    tx: &Transaction<'_>,
    name: &str,
    cursor: &Cursor,
    doing: &'static str,
) -> Result<(), StoreError> {
    let row = (name, int(cursor.block.0)?, cursor.hash.as_slice());
    tx.execute("insert or replace into cursors values (?, ?, ?)", row)
        .map(drop)
        .map_err(sqlite(doing))
}

fn read(row: &Row<'_>) -> Result<QueuedDeposit, StoreError> {
    Ok(QueuedDeposit {
        message: PrivilegedMessage {
            chain_id: uint(row, "chain_id")?,
            from: fixed(row, "sender")?.into(),
            to: fixed(row, "receiver")?.into(),
            transaction_id: uint(row, "id")?,
            value: U256::from_be_bytes(fixed::<32>(row, "value")?.0),
            gas_limit: uint(row, "gas_limit")?,
            data: bytes(row, "data")?.into(),
        },
        l1_block: L1Height(uint(row, "l1_block")?),
    })
}

#[cfg(test)]
mod tests {
    use alloy_primitives::Address;

    use super::*;

    const L1: &str = "privileged";

    fn deposit(id: u64, block: u64) -> QueuedDeposit {
        let message = PrivilegedMessage::eth_deposit(
            1,
            id,
            Address::repeat_byte(1),
            U256::MAX - U256::from(id),
        );
        QueuedDeposit { message, l1_block: L1Height(block) }
    }

    fn at(block: u64) -> Cursor {
        Cursor { block: L1Height(block), hash: B256::repeat_byte(block as u8) }
    }

    fn ids(store: &Store) -> Vec<u64> {
        let all = store.deposits_from(1, 0, 100).unwrap();
        all.into_iter().map(|deposit| deposit.message.transaction_id).collect()
    }

    #[test]
    fn messages_and_cursor_move_together() {
        let store = Store::memory().unwrap();
        assert_eq!(store.cursor(L1).unwrap(), None);
        store.add_deposits(L1, &[deposit(0, 5), deposit(1, 5)], &at(7)).unwrap();
        assert_eq!(store.cursor(L1).unwrap(), Some(at(7)));
        assert_eq!(store.deposits_from(1, 1, 9).unwrap(), [deposit(1, 5)]);
        assert_eq!(store.deposits_from(1, 0, 1).unwrap(), [deposit(0, 5)]);
        assert_eq!(store.deposits_from(2, 0, 1).unwrap(), []);
    }

    #[test]
    fn a_gap_is_refused_and_nothing_moves() {
        let store = Store::memory().unwrap();
        store.add_deposits(L1, &[deposit(0, 5)], &at(5)).unwrap();
        let error = store.add_deposits(L1, &[deposit(1, 6), deposit(3, 6)], &at(6)).unwrap_err();
        assert!(matches!(error, StoreError::DepositGap { last: Some(1), found: 3 }), "{error}");
        assert_eq!((ids(&store), store.cursor(L1).unwrap()), (vec![0], Some(at(5))));
    }

    #[test]
    fn a_message_read_twice_is_stored_once_and_never_changes() {
        let store = Store::memory().unwrap();
        store.add_deposits(L1, &[deposit(0, 5)], &at(5)).unwrap();
        store.add_deposits(L1, &[deposit(0, 6), deposit(1, 6)], &at(6)).unwrap();
        assert_eq!(ids(&store), [0, 1]);
        let mut other = deposit(1, 7);
        other.message.value = U256::ZERO;
        let error = store.add_deposits(L1, &[other], &at(7)).unwrap_err();
        assert!(matches!(error, StoreError::DepositConflict(1)));
    }

    #[test]
    fn messages_of_blocks_that_are_gone_are_dropped() {
        let store = Store::memory().unwrap();
        store.add_deposits(L1, &[deposit(0, 5), deposit(1, 6), deposit(2, 8)], &at(9)).unwrap();
        store.drop_deposits_above(L1, &at(6)).unwrap();
        assert_eq!((ids(&store), store.cursor(L1).unwrap()), (vec![0, 1], Some(at(6))));
    }

    #[test]
    fn forgetting_settled_messages_keeps_the_last_id() {
        let store = Store::memory().unwrap();
        store.add_deposits(L1, &[deposit(0, 5), deposit(1, 6)], &at(9)).unwrap();
        store.delete_deposits_below(1, 2).unwrap();
        assert_eq!(ids(&store), [1]);
        store.add_deposits(L1, &[deposit(2, 10)], &at(10)).unwrap();
    }
}
