//! Logs of past blocks.

use alloy_eips::BlockNumberOrTag;
use alloy_primitives::B256;
use alloy_rpc_types_eth::{Filter, FilterBlockOption, Log};
use ethrex_storage::LogQuery;

use crate::{
    Args, Context, RpcError,
    config::{MAX_FILTER_ADDRESSES, MAX_FILTER_TOPICS},
};

pub(super) fn get_logs(context: &Context, args: &mut Args) -> Result<Vec<Log>, RpcError> {
    let filter = read_filter(args)?;
    // Where an installed filter looks forward, nobody who asks at once is told that there is nothing.
    if let FilterBlockOption::Range { to_block: Some(BlockNumberOrTag::Number(to)), .. } =
        filter.block_option
        && to > context.chain().head().number
    {
        let what = "block range extends beyond current head block";
        return Err(RpcError::InvalidParams(what));
    }
    context.logs(&filter)
}

/// The next parameter as a filter of bounded size: an installed one is kept for long.
pub(super) fn read_filter(args: &mut Args) -> Result<Filter, RpcError> {
    let filter = args.required::<Filter>()?;
    check_filter(&filter)?;
    Ok(filter)
}

/// Whether a filter names no more than it may.
pub(super) fn check_filter(filter: &Filter) -> Result<(), RpcError> {
    if filter.address.len() > MAX_FILTER_ADDRESSES {
        return Err(RpcError::FilterTooWide { what: "addresses", limit: MAX_FILTER_ADDRESSES });
    }
    if filter.topics.iter().any(|topics| topics.len() > MAX_FILTER_TOPICS) {
        let what = "topics of one position";
        return Err(RpcError::FilterTooWide { what, limit: MAX_FILTER_TOPICS });
    }
    Ok(())
}

/// What the index is asked for.
fn query(filter: &Filter) -> LogQuery {
    LogQuery {
        addresses: filter.address.iter().copied().collect(),
        topics: filter.topics.each_ref().map(|topics| topics.iter().copied().collect()),
    }
}

/// Logs that match, and what counts against the limits.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) logs: Vec<Log>,
    data_bytes: usize,
}

impl Found {
    fn push(&mut self, log: Log) {
        self.data_bytes += log.inner.data.data.len();
        self.logs.push(log);
    }
}

impl Context {
    /// All logs that match, within the limits.
    pub(super) fn logs(&self, filter: &Filter) -> Result<Vec<Log>, RpcError> {
        let mut found = Found::default();
        match filter.block_option {
            FilterBlockOption::AtBlockHash(hash) => {
                let Some(number) = self.append_logs(hash, filter, &mut found)? else {
                    return Err(RpcError::BlockNotFound(hash.to_string()));
                };
                self.check_size(&found, number, number)?;
            }
            FilterBlockOption::Range { from_block, to_block } => {
                let from = self.height(from_block.unwrap_or_default())?;
                let to = self.height(to_block.unwrap_or_default())?;
                if from > to {
                    return Err(RpcError::InvalidParams("invalid block range params"));
                }
                self.range_logs(from, to, filter, &mut found)?;
            }
        }
        Ok(found.logs)
    }

    /// Appends the logs of canonical blocks.
    fn range_logs(
        &self,
        from: u64,
        to: u64,
        filter: &Filter,
        found: &mut Found,
    ) -> Result<(), RpcError> {
        let to = to.min(self.chain().head().number);
        let (blocks, limit) = ((to + 1).saturating_sub(from), self.config().max_log_blocks);
        if blocks > limit {
            return Err(RpcError::TooManyBlocks { blocks, limit });
        }
        let deadline = self.deadline();
        let reader = self.chain().storage().log_reader()?;
        reader.visit(
            &query(filter),
            from..=to,
            || deadline.check(),
            |candidate| {
                deadline.check()?;
                self.append_logs(candidate.block.hash, filter, found)?;
                self.check_size(found, from, candidate.block.number)?;
                Ok(true)
            },
        )
    }

    /// Whether what the blocks `from..=number` hold is still within the limits.
    pub(super) fn check_size(&self, found: &Found, from: u64, number: u64) -> Result<(), RpcError> {
        let to = number.saturating_sub(1).max(from);
        let limit = self.config().max_logs;
        if found.logs.len() > limit {
            return Err(RpcError::TooManyLogs { limit, from, to });
        }
        let limit = self.config().max_log_bytes;
        if found.data_bytes > limit {
            return Err(RpcError::TooMuchLogData { limit, from, to });
        }
        Ok(())
    }

    /// The logs of one block that match.
    pub(super) fn logs_of_block(&self, hash: B256, filter: &Filter) -> Result<Vec<Log>, RpcError> {
        let mut found = Found::default();
        self.append_logs(hash, filter, &mut found)?;
        Ok(found.logs)
    }

    /// Appends the logs of one block; gives its height, or `None` if it is not known.
    pub(super) fn append_logs(
        &self,
        hash: B256,
        filter: &Filter,
        found: &mut Found,
    ) -> Result<Option<u64>, RpcError> {
        let storage = self.chain().storage();
        let Some(header) = storage.header(hash)? else { return Ok(None) };
        if !filter.matches_bloom(header.logs_bloom) {
            return Ok(Some(header.number));
        }
        let (Some(body), Some(receipts)) = (storage.body(hash)?, storage.receipts(hash)?) else {
            return Ok(None);
        };
        let mut log_index = 0;
        for ((index, tx), receipt) in (0..).zip(&body.transactions).zip(receipts) {
            for log in receipt.logs {
                if filter.matches(&log) {
                    found.push(Log {
                        inner: log,
                        block_hash: Some(hash),
                        block_number: Some(header.number),
                        block_timestamp: Some(header.timestamp),
                        transaction_hash: Some(tx.hash()),
                        transaction_index: Some(index),
                        log_index: Some(log_index),
                        removed: false,
                    });
                }
                log_index += 1;
            }
        }
        Ok(Some(header.number))
    }

    fn height(&self, tag: BlockNumberOrTag) -> Result<u64, RpcError> {
        match tag.as_number() {
            Some(number) => Ok(number),
            None => Ok(self.header(tag.into())?.number),
        }
    }
}
