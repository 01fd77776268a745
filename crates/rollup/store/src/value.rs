//! Between our values and SQLite's: integers are 63 bits, hashes are blobs of their length.

use alloy_primitives::FixedBytes;
use rusqlite::Row;

use crate::error::StoreError;

/// An unsigned number as SQLite stores it.
pub(crate) fn int(number: u64) -> Result<i64, StoreError> {
    i64::try_from(number).map_err(|_| StoreError::TooLarge(number))
}

/// A stored number.
pub(crate) fn uint(row: &Row<'_>, column: &'static str) -> Result<u64, StoreError> {
    let number: i64 = row.get(column).map_err(|_| StoreError::Damaged { column })?;
    u64::try_from(number).map_err(|_| StoreError::Damaged { column })
}

/// A stored blob.
pub(crate) fn bytes(row: &Row<'_>, column: &'static str) -> Result<Vec<u8>, StoreError> {
    row.get(column).map_err(|_| StoreError::Damaged { column })
}

/// A stored text.
pub(crate) fn text(row: &Row<'_>, column: &'static str) -> Result<String, StoreError> {
    row.get(column).map_err(|_| StoreError::Damaged { column })
}

/// A stored hash or address.
pub(crate) fn fixed<const N: usize>(
    row: &Row<'_>,
    column: &'static str,
) -> Result<FixedBytes<N>, StoreError> {
    FixedBytes::try_from(bytes(row, column)?.as_slice()).map_err(|_| StoreError::Damaged { column })
}

/// A stored hash, if there is one.
pub(crate) fn fixed_or_null<const N: usize>(
    row: &Row<'_>,
    column: &'static str,
) -> Result<Option<FixedBytes<N>>, StoreError> {
    let stored: Option<Vec<u8>> = row.get(column).map_err(|_| StoreError::Damaged { column })?;
    stored
        .map(|bytes| FixedBytes::try_from(bytes.as_slice()))
        .transpose()
        .map_err(|_| StoreError::Damaged { column })
}

/// Stored hashes, one after the other.
pub(crate) fn fixed_list<const N: usize>(
    row: &Row<'_>,
    column: &'static str,
) -> Result<Vec<FixedBytes<N>>, StoreError> {
    let stored = bytes(row, column)?;
    if stored.len() % N != 0 {
        return Err(StoreError::Damaged { column });
    }
    Ok(stored.chunks_exact(N).map(FixedBytes::from_slice).collect())
}

/// Hashes, one after the other.
pub(crate) fn concat<const N: usize>(list: &[FixedBytes<N>]) -> Vec<u8> {
    list.iter().flat_map(|item| item.as_slice()).copied().collect()
}
