//! The part of the beacon API that readers of blobs use, for a chain without a beacon node: slots are block numbers.

use std::collections::HashSet;

use alloy_primitives::{B256, Bytes, FixedBytes};
use axum::{
    Json, Router,
    extract::{Path, RawQuery, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use ethrex_types::alloy_consensus::Transaction;
use serde::Serialize;

use crate::{Context, RpcError};

/// Versioned hashes that one request may ask for.
const MAX_HASHES: usize = 128;

/// `GET /eth/v1/beacon/blobs/{block}[?versioned_hashes=…]` and `GET /eth/v1/beacon/genesis`.
pub fn routes(context: &Context) -> Router {
    Router::new()
        .route("/eth/v1/beacon/blobs/{block}", get(blobs))
        .route("/eth/v1/beacon/genesis", get(genesis))
        .with_state(context.clone())
}

#[derive(Debug, Serialize)]
struct Blobs {
    execution_optimistic: bool,
    finalized: bool,
    data: Vec<Bytes>,
}

#[derive(Debug, Serialize)]
struct Data<T> {
    data: T,
}

#[derive(Debug, Serialize)]
struct Genesis {
    /// Decimal, as all integers of the beacon API.
    genesis_time: String,
    genesis_validators_root: B256,
    genesis_fork_version: FixedBytes<4>,
}

#[derive(Debug, Serialize)]
struct Failure {
    code: u16,
    message: &'static str,
}

fn failure(status: StatusCode, message: &'static str) -> Response {
    (status, Json(Failure { code: status.as_u16(), message })).into_response()
}

async fn blobs(
    State(context): State<Context>,
    Path(block): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let Some(wanted) = versioned_hashes(query.as_deref().unwrap_or_default()) else {
        return failure(StatusCode::BAD_REQUEST, "invalid versioned_hashes");
    };
    let Some(id) = BlobBlock::parse(&block) else {
        return failure(StatusCode::BAD_REQUEST, "invalid block identifier");
    };
    let reader = context.clone();
    match context.workers().run(move || read_blobs(&reader, &id, &wanted)).await {
        Ok(Some(found)) => Json(found).into_response(),
        Ok(None) => failure(StatusCode::NOT_FOUND, "block not found"),
        Err(error) => {
            tracing::error!(%error, "read blobs");
            failure(StatusCode::INTERNAL_SERVER_ERROR, "internal error")
        }
    }
}

async fn genesis(State(context): State<Context>) -> Json<Data<Genesis>> {
    let genesis_time = context.chain().spec().genesis().timestamp.to_string();
    Json(Data {
        data: Genesis {
            genesis_time,
            genesis_validators_root: B256::ZERO,
            genesis_fork_version: FixedBytes::ZERO,
        },
    })
}

/// The block whose blobs are asked for.
#[derive(Debug)]
enum BlobBlock {
    Number(u64),
    Hash(B256),
    Head,
    Finalized,
    Genesis,
}

impl BlobBlock {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "head" | "justified" => Self::Head,
            "finalized" => Self::Finalized,
            "genesis" => Self::Genesis,
            text if text.starts_with("0x") => Self::Hash(text.parse().ok()?),
            text => Self::Number(text.parse().ok()?),
        })
    }
}

/// The hashes asked for, comma-separated or repeated; `None` where one is malformed or there are too many.
fn versioned_hashes(query: &str) -> Option<Vec<B256>> {
    let hashes: Vec<B256> = query
        .split('&')
        .filter_map(|pair| pair.strip_prefix("versioned_hashes="))
        .flat_map(|list| list.split(',').flat_map(|part| part.split("%2C")))
        .filter(|text| !text.is_empty())
        .map(|text| text.parse().ok())
        .collect::<Option<_>>()?;
    (hashes.len() <= MAX_HASHES).then_some(hashes)
}

/// The blobs of a block in order, or those of them that are asked for.
fn read_blobs(
    context: &Context,
    block: &BlobBlock,
    wanted: &[B256],
) -> Result<Option<Blobs>, RpcError> {
    let storage = context.chain().storage();
    let genesis = context.chain().spec().genesis().number.unwrap_or_default();
    let finalized = storage.finalized().map_or(genesis, |block| block.number);
    let number = match block {
        BlobBlock::Number(number) => Some(*number),
        BlobBlock::Hash(hash) => storage.number(*hash)?,
        BlobBlock::Head => Some(context.chain().head().number),
        BlobBlock::Finalized => Some(finalized),
        BlobBlock::Genesis => Some(genesis),
    };
    let Some(number) = number else { return Ok(None) };
    let Some(hash) = context.canonical(number)? else { return Ok(None) };
    if matches!(block, BlobBlock::Hash(wanted) if *wanted != hash) {
        return Ok(None);
    }
    let Some(body) = storage.body(hash)? else { return Ok(None) };
    // Blobs are kept by height, before their block is published: those of a block that never was must not appear.
    let named: HashSet<B256> = body
        .transactions
        .iter()
        .filter_map(|tx| tx.blob_versioned_hashes())
        .flatten()
        .copied()
        .collect();
    let data = storage
        .blobs(number)?
        .into_iter()
        .filter(|blob| named.contains(&blob.versioned_hash))
        .filter(|blob| wanted.is_empty() || wanted.contains(&blob.versioned_hash))
        .map(|blob| blob.data)
        .collect();
    Ok(Some(Blobs { execution_optimistic: false, finalized: number <= finalized, data }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_come_in_one_list_or_in_many() {
        let (a, b) = (B256::repeat_byte(1), B256::repeat_byte(2));
        let both = Some(vec![a, b]);
        assert_eq!(versioned_hashes(&format!("versioned_hashes={a},{b}")), both);
        assert_eq!(versioned_hashes(&format!("versioned_hashes={a}%2C{b}")), both);
        assert_eq!(versioned_hashes(&format!("versioned_hashes={a}&versioned_hashes={b}")), both);
        assert_eq!(versioned_hashes("other=1"), Some(vec![]));
        assert_eq!(versioned_hashes("versioned_hashes=0x12"), None);
    }
}
