//! Finds the logs of the canonical chain by address and topic, at a cost that follows what is found.
//!
//! A row says at which positions of one block stand logs with one value: their address, or their topic at one place. Rows
//! come and go with the canonical entry of their block, in the same commit. Values are shortened to eight bytes, so a row
//! may be of another value: whoever reads the logs compares them.

use std::{collections::BTreeMap, ops::RangeInclusive};

use alloy_primitives::{Address, B256, Log, keccak256};
use ethrex_types::Receipt;

use crate::{
    blocks::canonical_hash,
    codec::{corrupt, encode, meta, read, read_existing},
    engine::{Batch, Snapshot},
    error::StorageError,
    storage::{BlockRef, Core, Storage},
    table::{Table, block_key},
};

/// Topics of a log at most.
const TOPICS: usize = 4;
/// Heights that are looked at together: bounds what is held in memory meanwhile.
const WINDOW: u64 = 1_024;
/// Rows that are counted in the first round of finding out which part of a query is the rarest.
const FIRST_BUDGET: usize = 16;
/// Rows that are read one by one rather than all those in between.
const MAX_PROBES: usize = 4_096;
/// Blocks that are indexed in one commit where an older version has left them out. Imports wait so long.
const BACKFILL_STEP: u64 = 64;

/// Which logs are looked for: those with one of the addresses, and at each place one of the topics.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogQuery {
    /// Any address where empty.
    pub addresses: Vec<Address>,
    /// By place; any topic where empty, even none.
    pub topics: [Vec<B256>; TOPICS],
}

/// A canonical block that may have logs that match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogCandidate {
    /// The block.
    pub block: BlockRef,
    /// Positions among the logs of the block, in order; `None` where any of them may match.
    pub positions: Option<Vec<u32>>,
}

/// The canonical chain and its logs at one moment.
pub struct LogReader {
    snapshot: Box<dyn Snapshot>,
}

impl std::fmt::Debug for LogReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogReader").finish_non_exhaustive()
    }
}

impl Storage {
    /// Looks for logs on the canonical chain of this moment.
    pub fn log_reader(&self) -> Result<LogReader, StorageError> {
        Ok(LogReader { snapshot: self.snapshot()? })
    }
}

impl LogReader {
    /// Visits the blocks of a range that may have logs that match, in order, until `visit` answers false. `go_on` is asked now and then
    /// whether anybody still waits: a search that finds nothing visits nothing.
    ///
    /// # Errors
    /// If the database fails, or what `visit` and `go_on` say.
    pub fn visit<E: From<StorageError>>(
        &self,
        query: &LogQuery,
        range: RangeInclusive<u64>,
        go_on: impl Fn() -> Result<(), E>,
        mut visit: impl FnMut(LogCandidate) -> Result<bool, E>,
    ) -> Result<(), E> {
        let snapshot = &*self.snapshot;
        let indexed = indexed_from(snapshot)?;
        let parts = query.parts();
        let (mut first, last) = range.into_inner();
        while first <= last {
            go_on()?;
            let end = last.min(first.saturating_add(WINDOW - 1));
            // Blocks that are not indexed yet may have anything.
            let unindexed =
                (first..=end.min(indexed.saturating_sub(1))).filter(|_| indexed > first);
            let found = if end < indexed {
                BTreeMap::new()
            } else {
                find(snapshot, &parts, first.max(indexed)..=end, &go_on)?
            };
            let all = unindexed.map(|number| (number, None));
            for (number, positions) in all.chain(found.into_iter().map(|(n, at)| (n, Some(at)))) {
                // The chain may begin above.
                let Some(hash) = canonical_hash(snapshot, number)? else { continue };
                let block = BlockRef { number, hash };
                if !visit(LogCandidate { block, positions })? {
                    return Ok(());
                }
            }
            let Some(next) = end.checked_add(1) else { return Ok(()) };
            first = next;
        }
        Ok(())
    }
}

/// What a row is of, without its block.
type Prefix = [u8; 9];

/// Positions by height.
type Found = BTreeMap<u64, Vec<u32>>;

/// Any log.
const ANY: Prefix = [0; 9];

impl LogQuery {
    /// What a log must have, one of each.
    fn parts(&self) -> Vec<Vec<Prefix>> {
        let addresses = self.addresses.iter().map(address_prefix).collect();
        let topics = self.topics.iter().enumerate();
        let topics = topics.map(|(place, topics)| {
            topics.iter().map(|topic| topic_prefix(place, topic)).collect::<Vec<_>>()
        });
        let mut parts: Vec<Vec<Prefix>> =
            std::iter::once(addresses).chain(topics).filter(|part| !part.is_empty()).collect();
        for part in &mut parts {
            part.sort_unstable();
            part.dedup();
        }
        if parts.is_empty() { vec![vec![ANY]] } else { parts }
    }
}

fn address_prefix(address: &Address) -> Prefix {
    prefix(1, address.as_slice())
}

fn topic_prefix(place: usize, topic: &B256) -> Prefix {
    prefix(2 + u8::try_from(place).expect("a log has four topics at most"), topic.as_slice())
}

fn prefix(kind: u8, value: &[u8]) -> Prefix {
    let mut prefix = [kind; 9];
    prefix[1..].copy_from_slice(&keccak256(value)[..8]);
    prefix
}

fn row_key(prefix: &Prefix, number: u64) -> [u8; 17] {
    let mut key = [0; 17];
    key[..9].copy_from_slice(prefix);
    key[9..].copy_from_slice(&number.to_be_bytes());
    key
}

/// Where logs have one prefix of each part. The rarest part decides where to look for the others.
fn find<E: From<StorageError>>(
    snapshot: &dyn Snapshot,
    parts: &[Vec<Prefix>],
    range: RangeInclusive<u64>,
    go_on: &impl Fn() -> Result<(), E>,
) -> Result<Found, E> {
    let rarest = rarest(snapshot, parts, &range, go_on)?;
    let mut found = Found::new();
    for prefix in &parts[rarest] {
        go_on()?;
        scan(snapshot, prefix, &range, &mut |number, row| {
            found.entry(number).or_default().extend(row);
            true
        })?;
    }
    for positions in found.values_mut() {
        positions.sort_unstable();
        positions.dedup();
    }
    for part in parts.iter().enumerate().filter(|(at, _)| *at != rarest).map(|(_, part)| part) {
        narrow(snapshot, part, &range, &mut found, go_on)?;
    }
    Ok(found)
}

/// The part with the fewest rows, or one that has hardly more.
fn rarest<E: From<StorageError>>(
    snapshot: &dyn Snapshot,
    parts: &[Vec<Prefix>],
    range: &RangeInclusive<u64>,
    go_on: &impl Fn() -> Result<(), E>,
) -> Result<usize, E> {
    if parts.len() == 1 {
        return Ok(0);
    }
    let mut budget = FIRST_BUDGET;
    loop {
        for (at, part) in parts.iter().enumerate() {
            let mut rows = 0;
            for prefix in part {
                go_on()?;
                scan(snapshot, prefix, range, &mut |_, _| {
                    rows += 1;
                    rows < budget
                })?;
                if rows >= budget {
                    break;
                }
            }
            if rows < budget {
                return Ok(at);
            }
        }
        budget *= 4;
    }
}

/// Keeps what also has a prefix of this part.
fn narrow<E: From<StorageError>>(
    snapshot: &dyn Snapshot,
    part: &[Prefix],
    range: &RangeInclusive<u64>,
    found: &mut Found,
    go_on: &impl Fn() -> Result<(), E>,
) -> Result<(), E> {
    let mut other = Found::new();
    if part.len().saturating_mul(found.len()) <= MAX_PROBES {
        for number in found.keys() {
            for prefix in part {
                let row = snapshot.get(Table::LogIndex, &row_key(prefix, *number));
                if let Some(row) = row.map_err(StorageError::Read)? {
                    other.entry(*number).or_default().extend(decode(&row)?);
                }
            }
        }
    } else {
        for prefix in part {
            go_on()?;
            scan(snapshot, prefix, range, &mut |number, row| {
                if found.contains_key(&number) {
                    other.entry(number).or_default().extend(row);
                }
                true
            })?;
        }
    }
    found.retain(|number, positions| {
        let Some(also) = other.get_mut(number) else { return false };
        also.sort_unstable();
        positions.retain(|position| also.binary_search(position).is_ok());
        !positions.is_empty()
    });
    Ok(())
}

/// Visits the rows of a prefix, in order of height, until `visit` answers false.
fn scan(
    snapshot: &dyn Snapshot,
    prefix: &Prefix,
    range: &RangeInclusive<u64>,
    visit: &mut dyn FnMut(u64, Vec<u32>) -> bool,
) -> Result<(), StorageError> {
    let mut result = Ok(());
    let from = row_key(prefix, *range.start());
    let entry = &mut |key: &[u8], row: &[u8]| {
        let Some(number) = key.strip_prefix(prefix) else { return false };
        let read = number
            .try_into()
            .map(u64::from_be_bytes)
            .map_err(|_| corrupt(Table::LogIndex)(alloy_rlp::Error::UnexpectedLength))
            .and_then(|number| Ok((number, decode(row)?)));
        match read {
            Ok((number, positions)) => range.contains(&number) && visit(number, positions),
            Err(error) => {
                result = Err(error);
                false
            }
        }
    };
    snapshot.scan(Table::LogIndex, &from, entry).map_err(StorageError::Read)?;
    result
}

/// Adds the rows of a block that becomes canonical.
pub(crate) fn put_logs(batch: &mut Batch, number: u64, receipts: &[Receipt]) {
    for (prefix, positions) in rows(receipts) {
        batch.put(Table::LogIndex, row_key(&prefix, number), encode_positions(&positions));
    }
}

/// Deletes the rows of a block that is canonical no more.
pub(crate) fn delete_logs(batch: &mut Batch, number: u64, receipts: &[Receipt]) {
    for prefix in rows(receipts).into_keys() {
        batch.delete(Table::LogIndex, row_key(&prefix, number));
    }
}

/// The receipts of a block that is about to become canonical, or no longer to be.
pub(crate) fn receipts(
    snapshot: &dyn Snapshot,
    block: BlockRef,
) -> Result<Vec<Receipt>, StorageError> {
    read_existing(snapshot, Table::Receipts, &block_key(block))
}

fn rows(receipts: &[Receipt]) -> BTreeMap<Prefix, Vec<u32>> {
    let mut rows = BTreeMap::<_, Vec<u32>>::new();
    let logs = receipts.iter().flat_map(|receipt| &receipt.logs);
    for (position, log) in (0..).zip(logs) {
        for prefix in prefixes(log) {
            rows.entry(prefix).or_default().push(position);
        }
    }
    rows
}

fn prefixes(log: &Log) -> impl Iterator<Item = Prefix> {
    let topics = log.topics().iter().take(TOPICS).enumerate();
    let topics = topics.map(|(place, topic)| topic_prefix(place, topic));
    [ANY, address_prefix(&log.address)].into_iter().chain(topics)
}

/// Differences from one position to the next, seven bits a byte, the lowest first.
fn encode_positions(positions: &[u32]) -> Vec<u8> {
    let mut row = Vec::with_capacity(positions.len());
    let mut before = 0;
    for position in positions {
        let mut rest = position - before;
        before = *position;
        while rest >= 0x80 {
            row.push((rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        row.push(rest as u8);
    }
    row
}

fn decode(row: &[u8]) -> Result<Vec<u32>, StorageError> {
    let mut positions = Vec::with_capacity(row.len());
    let (mut before, mut step, mut shift) = (0u32, 0u32, 0);
    let broken = || corrupt(Table::LogIndex)(alloy_rlp::Error::Overflow);
    for byte in row {
        let bits = u32::from(byte & 0x7f);
        let shifted = bits.checked_shl(shift).filter(|shifted| shifted >> shift == bits);
        step |= shifted.ok_or_else(broken)?;
        shift += 7;
        if byte & 0x80 == 0 {
            before = before.checked_add(step).ok_or_else(broken)?;
            positions.push(before);
            (step, shift) = (0, 0);
        }
    }
    if shift == 0 { Ok(positions) } else { Err(broken()) }
}

/// The height from which on canonical blocks are indexed. Those below were stored by an older version.
fn indexed_from(snapshot: &dyn Snapshot) -> Result<u64, StorageError> {
    Ok(read(snapshot, Table::Meta, meta::INDEXED_FROM)?.unwrap_or_default())
}

impl Core {
    /// Indexes a few of the blocks that an older version has left out. Answers whether some are left.
    pub(crate) fn backfill_logs(&self) -> Result<bool, StorageError> {
        // While the writer is held, no block of these comes or goes.
        let _writer = self.writer.lock();
        let snapshot = self.disk.snapshot()?;
        let end = indexed_from(&*snapshot)?;
        if end == 0 {
            return Ok(false);
        }
        let mut batch = Batch::default();
        let lowest = end.saturating_sub(BACKFILL_STEP);
        let mut from = lowest;
        for number in lowest..end {
            match canonical_hash(&*snapshot, number)? {
                Some(hash) => {
                    let receipts = receipts(&*snapshot, BlockRef { number, hash })?;
                    put_logs(&mut batch, number, &receipts);
                }
                // The chain begins above.
                None => from = 0,
            }
        }
        batch.put(Table::Meta, meta::INDEXED_FROM, encode(&from));
        self.disk.commit(batch)?;
        if from == 0 {
            tracing::info!("indexed the logs of all blocks");
        }
        Ok(from > 0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn positions_round_trip(mut positions in proptest::collection::vec(any::<u32>(), 0..40)) {
            positions.sort_unstable();
            prop_assert_eq!(decode(&encode_positions(&positions)).unwrap(), positions);
        }

        #[test]
        fn damaged_rows_are_errors_or_positions(row in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = decode(&row);
        }
    }
}
