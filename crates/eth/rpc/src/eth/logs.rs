//! Logs of past blocks.

use alloy_eips::BlockNumberOrTag;
use alloy_primitives::B256;
use alloy_rpc_types_eth::{Filter, FilterBlockOption, Log};

use crate::{Args, Context, RpcError};

pub(super) fn get_logs(context: &Context, args: &mut Args) -> Result<Vec<Log>, RpcError> {
    context.logs(&args.required()?)
}

impl Context {
    /// All logs that match, within the limits.
    pub(super) fn logs(&self, filter: &Filter) -> Result<Vec<Log>, RpcError> {
        let mut logs = Vec::new();
        match filter.block_option {
            FilterBlockOption::AtBlockHash(hash) => {
                if !self.append_logs(hash, filter, &mut logs)? {
                    return Err(RpcError::BlockNotFound(hash.to_string()));
                }
            }
            FilterBlockOption::Range { from_block, to_block } => {
                let from = self.height(from_block.unwrap_or_default())?;
                let to = self.height(to_block.unwrap_or_default())?;
                if from > to {
                    return Err(RpcError::InvalidParams("invalid block range params"));
                }
                self.range_logs(from, to, filter, &mut logs)?;
            }
        }
        Ok(logs)
    }

    /// Appends the logs of canonical blocks.
    pub(super) fn range_logs(
        &self,
        from: u64,
        to: u64,
        filter: &Filter,
        logs: &mut Vec<Log>,
    ) -> Result<(), RpcError> {
        let to = to.min(self.chain().head().number);
        let (blocks, limit) = ((to + 1).saturating_sub(from), self.config().max_log_blocks);
        if blocks > limit {
            return Err(RpcError::TooManyBlocks { blocks, limit });
        }
        for number in from..=to {
            let Some(hash) = self.canonical(number)? else { break };
            self.append_logs(hash, filter, logs)?;
            let limit = self.config().max_logs;
            if logs.len() > limit {
                let to = number.saturating_sub(1).max(from);
                return Err(RpcError::TooManyLogs { limit, from, to });
            }
        }
        Ok(())
    }

    /// Appends the logs of one block; says whether the block is known.
    pub(super) fn append_logs(
        &self,
        hash: B256,
        filter: &Filter,
        logs: &mut Vec<Log>,
    ) -> Result<bool, RpcError> {
        let storage = self.chain().storage();
        let Some(header) = storage.header(hash)? else { return Ok(false) };
        if !filter.matches_bloom(header.logs_bloom) {
            return Ok(true);
        }
        let (Some(body), Some(receipts)) = (storage.body(hash)?, storage.receipts(hash)?) else {
            return Ok(false);
        };
        let mut log_index = 0;
        for ((index, tx), receipt) in (0..).zip(&body.transactions).zip(receipts) {
            for log in receipt.logs {
                if filter.matches(&log) {
                    logs.push(Log {
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
        Ok(true)
    }

    fn height(&self, tag: BlockNumberOrTag) -> Result<u64, RpcError> {
        match tag.as_number() {
            Some(number) => Ok(number),
            None => Ok(self.header(tag.into())?.number),
        }
    }
}
