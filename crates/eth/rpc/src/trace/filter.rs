//! Traces of a range of blocks, by address.

use std::ops::RangeInclusive;

use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::Address;
use alloy_rpc_types_trace::filter::{TraceFilter, TraceFilterMatcher, TraceFilterMode};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Flow, Job, placed, reward};
use crate::{Args, Context, RpcError, answer::JsonList, config::MAX_FILTER_ADDRESSES};

/// Which traces are wanted.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wanted {
    from_block: Option<BlockNumberOrTag>,
    to_block: Option<BlockNumberOrTag>,
    #[serde(default)]
    from_address: Option<Vec<Address>>,
    #[serde(default)]
    to_address: Option<Vec<Address>>,
    #[serde(default)]
    mode: TraceFilterMode,
    /// Traces to leave out first.
    #[serde(default, with = "alloy_serde::quantity::opt")]
    after: Option<u64>,
    /// Traces to return at most.
    #[serde(default, with = "alloy_serde::quantity::opt")]
    count: Option<u64>,
}

impl Wanted {
    /// The blocks of the range, which is the head where nothing is said.
    fn blocks(&self, context: &Context) -> Result<RangeInclusive<u64>, RpcError> {
        let number = |block: Option<BlockNumberOrTag>| {
            let id = BlockId::Number(block.unwrap_or_default());
            Ok::<_, RpcError>(context.header(id)?.number)
        };
        let (first, last) = (number(self.from_block)?, number(self.to_block)?);
        if first > last {
            return Err(RpcError::InvalidParams("invalid block range"));
        }
        let (blocks, limit) = (last - first + 1, context.config().trace.filter_blocks);
        if blocks > limit {
            return Err(RpcError::TooManyBlocks { blocks, limit });
        }
        Ok(first..=last)
    }

    fn matcher(self) -> Result<TraceFilterMatcher, RpcError> {
        let addresses = |list: Option<Vec<Address>>| match list {
            Some(list) if list.len() > MAX_FILTER_ADDRESSES => {
                Err(RpcError::FilterTooWide { what: "addresses", limit: MAX_FILTER_ADDRESSES })
            }
            list => Ok(list.unwrap_or_default()),
        };
        let filter = TraceFilter {
            from_address: addresses(self.from_address)?,
            to_address: addresses(self.to_address)?,
            mode: self.mode,
            ..TraceFilter::default()
        };
        Ok(filter.matcher())
    }
}

/// The page of matching traces that is asked for: so many left out first, so many at most.
struct Page {
    skip: u64,
    left: u64,
}

impl Page {
    /// Whether the next match is on the page.
    fn takes(&mut self) -> bool {
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        self.left = self.left.saturating_sub(1);
        true
    }

    fn flow(&self) -> Flow {
        if self.left == 0 { Flow::Enough } else { Flow::GoOn }
    }
}

pub(super) fn filter(context: &Context, args: &mut Args) -> Result<Box<RawValue>, RpcError> {
    let wanted = args.required::<Wanted>()?;
    let blocks = wanted.blocks(context)?;
    let mut page =
        Page { skip: wanted.after.unwrap_or_default(), left: wanted.count.unwrap_or(u64::MAX) };
    let matcher = wanted.matcher()?;
    let job = Job::calls(context);
    let mut list = JsonList::new(job.limit());
    for number in blocks {
        if page.flow() == Flow::Enough {
            break;
        }
        let block = context.existing_block(number.into())?;
        let mut take = |trace, tx| -> Result<Flow, RpcError> {
            if matcher.matches(&trace) && page.takes() {
                list.push(&placed(trace, &block, tx))?;
            }
            Ok(page.flow())
        };
        let flow = job.each(&block, |index, hash, results| {
            for trace in results.trace {
                if take(trace, Some((index, hash)))? == Flow::Enough {
                    return Ok(Flow::Enough);
                }
            }
            Ok(Flow::GoOn)
        })?;
        if flow == Flow::GoOn {
            for trace in reward::of(context.chain().spec(), &block) {
                if take(trace, None)? == Flow::Enough {
                    break;
                }
            }
        }
    }
    list.finish()
}
