//! `engine_getPayloadBodies`: transactions, withdrawals and access lists of stored blocks.

use alloy_eips::{eip2718::Encodable2718, eip4895::Withdrawal};
use alloy_primitives::{B256, Bytes, U64};
use serde::Serialize;

use super::Engine;
use crate::{Args, RpcError};

/// Bodies that one call may ask for. The specification has every node serve 32, and none more than this.
const MAX_BODIES: u64 = 1024;
/// Bytes that the transactions and access lists of one answer may have together; in JSON they are twice as many.
const MAX_BYTES: usize = 64 * 1024 * 1024;

#[derive(Debug, Serialize)]
pub(super) struct BodyV1 {
    transactions: Vec<Bytes>,
    /// `null` before Shanghai.
    withdrawals: Option<Vec<Withdrawal>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BodyV2 {
    #[serde(flatten)]
    body: BodyV1,
    /// `null` before Amsterdam.
    block_access_list: Option<Bytes>,
}

type Bodies<T> = Result<Vec<Option<T>>, RpcError>;

pub(super) fn by_hash_v1(engine: &Engine, args: &mut Args) -> Bodies<BodyV1> {
    let hashes = hashes(args)?;
    read(hashes, |hash| body(engine, hash))
}

pub(super) fn by_hash_v2(engine: &Engine, args: &mut Args) -> Bodies<BodyV2> {
    let hashes = hashes(args)?;
    read(hashes, |hash| with_access_list(engine, hash))
}

pub(super) fn by_range_v1(engine: &Engine, args: &mut Args) -> Bodies<BodyV1> {
    let hashes = range(engine, args)?;
    read(hashes, |hash| body(engine, hash))
}

pub(super) fn by_range_v2(engine: &Engine, args: &mut Args) -> Bodies<BodyV2> {
    let hashes = range(engine, args)?;
    read(hashes, |hash| with_access_list(engine, hash))
}

fn hashes(args: &mut Args) -> Result<Vec<Option<B256>>, RpcError> {
    let hashes: Vec<B256> = args.required()?;
    if hashes.len() as u64 > MAX_BODIES {
        return Err(RpcError::TooLargeRequest { what: "bodies", limit: MAX_BODIES });
    }
    Ok(hashes.into_iter().map(Some).collect())
}

/// Canonical blocks from a height on, up to the head.
fn range(engine: &Engine, args: &mut Args) -> Result<Vec<Option<B256>>, RpcError> {
    let (start, count) = (args.required::<U64>()?.to::<u64>(), args.required::<U64>()?.to::<u64>());
    if start == 0 || count == 0 {
        return Err(RpcError::InvalidParams("start and count must be at least 1"));
    }
    if count > MAX_BODIES {
        return Err(RpcError::TooLargeRequest { what: "bodies", limit: MAX_BODIES });
    }
    let last = start.saturating_add(count - 1).min(engine.chain().head().number);
    let storage = engine.chain().storage();
    (start..=last).map(|number| Ok(storage.canonical_hash(number)?)).collect()
}

/// Reads what is asked for, as long as the answer does not become too large.
fn read<T: Size>(
    hashes: Vec<Option<B256>>,
    one: impl Fn(B256) -> Result<Option<T>, RpcError>,
) -> Bodies<T> {
    let (mut bodies, mut bytes) = (Vec::with_capacity(hashes.len()), 0);
    for hash in hashes {
        let body = hash.map(&one).transpose()?.flatten();
        bytes += body.as_ref().map_or(0, Size::size);
        if bytes > MAX_BYTES {
            return Err(RpcError::TooLargeRequest { what: "bytes", limit: MAX_BYTES as u64 });
        }
        bodies.push(body);
    }
    Ok(bodies)
}

/// Bytes of an answer.
trait Size {
    fn size(&self) -> usize;
}

impl Size for BodyV1 {
    fn size(&self) -> usize {
        self.transactions.iter().map(|tx| tx.len()).sum()
    }
}

impl Size for BodyV2 {
    fn size(&self) -> usize {
        self.body.size() + self.block_access_list.as_ref().map_or(0, |list| list.len())
    }
}

fn body(engine: &Engine, hash: B256) -> Result<Option<BodyV1>, RpcError> {
    let Some(body) = engine.chain().storage().body(hash)? else { return Ok(None) };
    Ok(Some(BodyV1 {
        transactions: body.transactions.iter().map(|tx| tx.encoded_2718().into()).collect(),
        withdrawals: body.withdrawals.map(|list| list.to_vec()),
    }))
}

fn with_access_list(engine: &Engine, hash: B256) -> Result<Option<BodyV2>, RpcError> {
    let Some(body) = body(engine, hash)? else { return Ok(None) };
    let block_access_list = engine.chain().storage().access_list(hash)?;
    Ok(Some(BodyV2 { body, block_access_list }))
}
