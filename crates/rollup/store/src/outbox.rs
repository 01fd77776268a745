//! Sent L1 transactions: the memory of `ethrex_l1::Sender`.

use alloy_primitives::Address;
use ethrex_l1::{Entry, Mined, Outbox, OutboxError, Purpose, State};
use rusqlite::Row;

use crate::{
    error::{StoreError, sqlite},
    store::Store,
    value::{bytes, concat, fixed, fixed_list, fixed_or_null, int, text, uint},
};

/// Transactions this far below the newest nonce lose their bytes: no L1 can ask for them again.
const KEEP_BYTES: i64 = 128;

impl Store {
    /// Where the transaction that serves a purpose stands, if one was signed.
    pub fn sent(&self, chain_id: u64, purpose: &Purpose) -> Result<Option<State>, StoreError> {
        Ok(self.entry(chain_id, purpose)?.map(|entry| entry.state))
    }

    fn put_entry(&self, entry: &Entry) -> Result<(), StoreError> {
        let doing = "store a sent L1 transaction";
        let (state, mined) = match entry.state {
            State::Open => ("open", None),
            State::Mined(mined) => ("mined", Some(mined)),
            State::Reverted(mined) => ("reverted", Some(mined)),
            State::Void => ("void", None),
        };
        let row = rusqlite::named_params! {
            ":chain_id": int(entry.chain_id)?,
            ":purpose": entry.purpose.as_str(),
            ":sender": entry.from.as_slice(),
            ":nonce": int(entry.nonce)?,
            ":raw": entry.raw.as_ref(),
            ":hashes": concat(&entry.hashes),
            ":state": state,
            ":mined_tx": mined.map(|mined| mined.tx.to_vec()),
            ":mined_block": mined.map(|mined| int(mined.block)).transpose()?,
            ":gas_used": mined.map(|mined| int(mined.gas_used)).transpose()?,
            ":created": mined.and_then(|mined| mined.created).map(|at| at.to_vec()),
        };
        let sql = "insert or replace into outbox values (:chain_id, :sender, :nonce, :purpose, :raw, \
                   :hashes, :state, :mined_tx, :mined_block, :gas_used, :created)";
        let trim = "update outbox set raw = x'' where chain_id = ? and sender = ? and nonce < ? \
                    and state != 'open' and length(raw) > 0";
        self.write(doing, |tx| {
            tx.execute(sql, row).map_err(sqlite(doing))?;
            let below = int(entry.nonce)?.saturating_sub(KEEP_BYTES);
            let old = (int(entry.chain_id)?, entry.from.as_slice(), below);
            tx.execute(trim, old).map(drop).map_err(sqlite(doing))
        })
    }

    fn entry(&self, chain_id: u64, purpose: &Purpose) -> Result<Option<Entry>, StoreError> {
        let sql = "select * from outbox where chain_id = ? and purpose = ? \
                   order by state = 'mined' desc, state = 'open' desc, nonce desc limit 1";
        self.one(sql, (int(chain_id)?, purpose.as_str()), "find a sent L1 transaction", read)
    }

    fn recent_entries(
        &self,
        chain_id: u64,
        from: Address,
        from_nonce: u64,
    ) -> Result<Vec<Entry>, StoreError> {
        let sql = "select * from outbox where chain_id = ? and sender = ? \
                   and (state = 'open' or (nonce >= ? and length(raw) > 0)) order by nonce";
        let params = (int(chain_id)?, from.as_slice(), int(from_nonce)?);
        self.all(sql, params, "list sent L1 transactions", read)
    }

    fn last_used_nonce(&self, chain_id: u64, from: Address) -> Result<Option<u64>, StoreError> {
        let sql = "select nonce from outbox where chain_id = ? and sender = ? and state != 'void' \
                   order by nonce desc limit 1";
        let params = (int(chain_id)?, from.as_slice());
        self.one(sql, params, "find the last used nonce", |row| uint(row, "nonce"))
    }
}

impl Outbox for Store {
    fn put(&self, entry: &Entry) -> Result<(), OutboxError> {
        self.put_entry(entry).map_err(failed("write the outbox"))
    }

    fn find(&self, chain_id: u64, purpose: &Purpose) -> Result<Option<Entry>, OutboxError> {
        self.entry(chain_id, purpose).map_err(failed("read the outbox"))
    }

    fn recent(
        &self,
        chain_id: u64,
        from: Address,
        from_nonce: u64,
    ) -> Result<Vec<Entry>, OutboxError> {
        self.recent_entries(chain_id, from, from_nonce).map_err(failed("read the outbox"))
    }

    fn last_nonce(&self, chain_id: u64, from: Address) -> Result<Option<u64>, OutboxError> {
        self.last_used_nonce(chain_id, from).map_err(failed("read the outbox"))
    }
}

fn failed(doing: &'static str) -> impl FnOnce(StoreError) -> OutboxError {
    move |source| OutboxError::new(doing, source)
}

fn read(row: &Row<'_>) -> Result<Entry, StoreError> {
    let mined = || {
        Ok(Mined {
            tx: fixed(row, "mined_tx")?,
            block: uint(row, "mined_block")?,
            gas_used: uint(row, "gas_used")?,
            created: fixed_or_null(row, "created")?.map(Address::from),
        })
    };
    let state = match text(row, "state")?.as_str() {
        "open" => State::Open,
        "mined" => State::Mined(mined()?),
        "reverted" => State::Reverted(mined()?),
        "void" => State::Void,
        _ => return Err(StoreError::Damaged { column: "state" }),
    };
    Ok(Entry {
        purpose: Purpose::new(text(row, "purpose")?),
        chain_id: uint(row, "chain_id")?,
        from: fixed(row, "sender")?.into(),
        nonce: uint(row, "nonce")?,
        raw: bytes(row, "raw")?.into(),
        hashes: fixed_list(row, "hashes")?,
        state,
    })
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{B256, Bytes};

    use super::*;

    const FROM: Address = Address::repeat_byte(1);

    fn entry(nonce: u64, state: State) -> Entry {
        Entry {
            purpose: Purpose::new(format!("commit:{nonce}")),
            chain_id: 9,
            from: FROM,
            nonce,
            raw: Bytes::from_static(&[1, 2, 3]),
            hashes: vec![B256::repeat_byte(1), B256::repeat_byte(2)],
            state,
        }
    }

    fn mined() -> Mined {
        Mined { tx: B256::repeat_byte(2), block: 7, gas_used: 21_000, created: Some(FROM) }
    }

    #[test]
    fn entries_come_back_as_they_were_stored() {
        let store = Store::memory().unwrap();
        let states = [State::Open, State::Mined(mined()), State::Reverted(mined()), State::Void];
        for (nonce, state) in states.into_iter().enumerate() {
            let entry = entry(nonce as u64, state);
            store.put(&entry).unwrap();
            assert_eq!(store.find(9, &entry.purpose).unwrap(), Some(entry.clone()));
            assert_eq!(store.find(10, &entry.purpose).unwrap(), None);
        }
        assert_eq!(store.last_nonce(9, FROM).unwrap(), Some(2));
        assert_eq!(store.last_nonce(9, Address::ZERO).unwrap(), None);
    }

    #[test]
    fn of_several_tries_the_one_that_counts_is_found() {
        let store = Store::memory().unwrap();
        let purpose = Purpose::new("commit:1");
        let states = [State::Mined(mined()), State::Open, State::Reverted(mined()), State::Void];
        for first in 0..states.len() {
            for (nonce, state) in states.into_iter().enumerate().skip(first) {
                let entry = Entry { purpose: purpose.clone(), ..entry(nonce as u64, state) };
                store.put(&entry).unwrap();
            }
            let found = store.find(9, &purpose).unwrap().unwrap();
            let expected = if first < 2 { states[first] } else { State::Void };
            assert_eq!(found.state, expected, "from {first}");
            store.put(&Entry { state: State::Void, ..found }).unwrap();
        }
    }

    #[test]
    fn open_entries_and_the_newest_are_listed_by_nonce() {
        let store = Store::memory().unwrap();
        store.put(&entry(1, State::Open)).unwrap();
        store.put(&entry(2, State::Mined(mined()))).unwrap();
        store.put(&entry(3, State::Mined(mined()))).unwrap();
        let nonces = |from| {
            let found = store.recent(9, FROM, from).unwrap();
            found.into_iter().map(|entry| entry.nonce).collect::<Vec<_>>()
        };
        assert_eq!((nonces(3), nonces(9)), (vec![1, 3], vec![1]));
    }

    #[test]
    fn old_transactions_lose_their_bytes_but_not_their_outcome() {
        let store = Store::memory().unwrap();
        store.put(&entry(0, State::Open)).unwrap();
        store.put(&entry(1, State::Mined(mined()))).unwrap();
        store.put(&entry(1000, State::Open)).unwrap();
        let old = store.find(9, &Purpose::new("commit:1")).unwrap().unwrap();
        assert_eq!((old.raw.len(), old.state), (0, State::Mined(mined())));
        assert_eq!(store.find(9, &Purpose::new("commit:0")).unwrap(), Some(entry(0, State::Open)));
    }
}
