//! Filters that a caller installs and polls.

use std::{
    collections::HashMap,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use alloy_primitives::{B128, B256, keccak256};
use alloy_rpc_types_eth::{Filter, FilterBlockOption, Log};
use ethrex_storage::BlockRef;
use parking_lot::Mutex;
use serde::Serialize;

use crate::{
    Args, Context, RpcError,
    config::{FILTER_LIFETIME, MAX_CATCH_UP, MAX_FILTERS},
    eth::logs::{Found, read_filter},
};

/// The installed filters.
#[derive(Debug, Default)]
pub(crate) struct Filters {
    installed: Mutex<HashMap<B128, Installed>>,
}

#[derive(Debug)]
struct Installed {
    kind: Kind,
    polled: Instant,
}

#[derive(Debug, Clone)]
enum Kind {
    /// Logs, after this block.
    Logs(Box<Filter>, BlockRef),
    /// Blocks after this one.
    Blocks(BlockRef),
    /// Transactions of the pool after so many.
    Pending(u64),
}

/// What has come since the last poll.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Changes {
    Hashes(Vec<B256>),
    Logs(Vec<Log>),
}

pub(super) fn new_log_filter(context: &Context, args: &mut Args) -> Result<B128, RpcError> {
    let filter = read_filter(args)?;
    if let FilterBlockOption::Range { from_block, to_block } = filter.block_option
        && let (Some(from), Some(to)) = (
            from_block.and_then(|block| block.as_number()),
            to_block.and_then(|block| block.as_number()),
        )
        && from > to
    {
        return Err(RpcError::InvalidParams("invalid block range params"));
    }
    context.filters().install(Kind::Logs(Box::new(filter), context.published()))
}

pub(super) fn new_block_filter(context: &Context, _: &mut Args) -> Result<B128, RpcError> {
    context.filters().install(Kind::Blocks(context.published()))
}

pub(super) fn new_pending_filter(context: &Context, args: &mut Args) -> Result<B128, RpcError> {
    if args.optional::<bool>()? == Some(true) {
        return Err(RpcError::InvalidParams("full transactions are not supported, only hashes"));
    }
    let (_, count) = context.pool().arrivals_since(u64::MAX);
    context.filters().install(Kind::Pending(count))
}

pub(super) fn uninstall(context: &Context, args: &mut Args) -> Result<bool, RpcError> {
    let id = args.required::<B128>()?;
    Ok(context.filters().installed.lock().remove(&id).is_some())
}

/// All logs of an installed filter, old ones included.
pub(super) fn get_logs(context: &Context, args: &mut Args) -> Result<Vec<Log>, RpcError> {
    match context.filters().kind(args.required()?)? {
        Kind::Logs(filter, _) => context.logs(&filter),
        Kind::Blocks(_) | Kind::Pending(_) => Err(RpcError::FilterNotFound),
    }
}

pub(super) fn get_changes(context: &Context, args: &mut Args) -> Result<Changes, RpcError> {
    let id = args.required()?;
    let (changes, next): (Result<_, RpcError>, _) = match context.filters().kind(id)? {
        Kind::Pending(count) => {
            let (hashes, count) = context.pool().arrivals_since(count);
            (Ok(Changes::Hashes(hashes)), Kind::Pending(count))
        }
        Kind::Blocks(last) => {
            let moved = context.moved_since(last)?;
            (Ok(Changes::Hashes(moved.added)), Kind::Blocks(moved.head))
        }
        Kind::Logs(filter, last) => {
            let moved = context.moved_since(last)?;
            let logs = match context.changed_logs(&filter, &moved) {
                Err(fault @ RpcError::Fault(_)) => return Err(fault),
                logs => logs,
            };
            (logs.map(Changes::Logs), Kind::Logs(filter, moved.head))
        }
    };
    // Also past too many logs, or every later poll would meet them again: the error says which blocks to ask
    // `eth_getLogs` for. A fault of ours is passed on above, and the same changes are there for the next poll.
    context.filters().advance(id, next);
    changes
}

/// How the chain went from one head to another.
pub(super) struct Moved {
    /// Blocks that left, newest first.
    pub(super) dropped: Vec<B256>,
    /// Blocks that came, oldest first.
    pub(super) added: Vec<B256>,
    /// Height of the first of these.
    first: u64,
    pub(super) head: BlockRef,
}

impl Context {
    pub(super) fn published(&self) -> BlockRef {
        let head = self.chain().head();
        BlockRef { number: head.number, hash: head.hash() }
    }

    /// What has happened since `last` was the head.
    pub(super) fn moved_since(&self, last: BlockRef) -> Result<Moved, RpcError> {
        let published = self.published();
        let mut dropped = Vec::new();
        let (mut at, mut forgotten) = (last, false);
        while self.canonical(at.number)? != Some(at.hash) {
            let Some(header) = self.chain().storage().header(at.hash)? else {
                // Nobody knows any more where it left the chain.
                forgotten = true;
                break;
            };
            dropped.push(at.hash);
            at = BlockRef { number: at.number.saturating_sub(1), hash: header.parent_hash };
        }
        let first = (at.number + 1).max((published.number + 1).saturating_sub(MAX_CATCH_UP));
        let storage = self.chain().storage();
        let mut added = storage.canonical_hashes(first..=published.number)?;
        // The chain may have moved since `at` was found; and what is canonical may be ahead of what is published. So what was found is
        // where the next look begins.
        if !forgotten
            && first == at.number + 1
            && let Some(hash) = added.first()
            && storage.header(*hash)?.is_none_or(|header| header.parent_hash != at.hash)
        {
            added.clear();
        }
        let head = match (first..).zip(&added).last() {
            Some((number, hash)) => BlockRef { number, hash: *hash },
            None if forgotten => published,
            None => at,
        };
        Ok(Moved { dropped, added, first, head })
    }

    /// Logs that went, marked as removed, and logs that came, of the blocks the filter asks for.
    fn changed_logs(&self, filter: &Filter, moved: &Moved) -> Result<Vec<Log>, RpcError> {
        let mut found = Found::default();
        for hash in &moved.dropped {
            self.append_logs(*hash, filter, &mut found)?;
            self.check_size(&found, moved.first, moved.first)?;
        }
        found.logs.iter_mut().for_each(|log| log.removed = true);
        for (number, hash) in (moved.first..).zip(&moved.added) {
            self.append_logs(*hash, filter, &mut found)?;
            self.check_size(&found, moved.first, number)?;
        }
        found.logs.retain(|log| {
            log.block_number.is_some_and(|number| filter.matches_block_range(number))
        });
        Ok(found.logs)
    }
}

impl Filters {
    fn install(&self, kind: Kind) -> Result<B128, RpcError> {
        let now = Instant::now();
        let mut installed = self.installed.lock();
        installed.retain(|_, filter| now.duration_since(filter.polled) < FILTER_LIFETIME);
        if installed.len() >= MAX_FILTERS {
            return Err(RpcError::TooManyFilters(MAX_FILTERS));
        }
        let mut id = new_id(installed.len());
        while installed.contains_key(&id) {
            id = B128::from_slice(&keccak256(id)[..16]);
        }
        installed.insert(id, Installed { kind, polled: now });
        Ok(id)
    }

    fn kind(&self, id: B128) -> Result<Kind, RpcError> {
        let mut installed = self.installed.lock();
        let filter = installed.get_mut(&id).ok_or(RpcError::FilterNotFound)?;
        filter.polled = Instant::now();
        Ok(filter.kind.clone())
    }

    fn advance(&self, id: B128, kind: Kind) {
        if let Some(filter) = self.installed.lock().get_mut(&id) {
            filter.kind = kind;
        }
    }
}

/// An id that no one meets by accident. Filters hold nothing secret, so it need not be unguessable.
fn new_id(count: usize) -> B128 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    let mut seed = now.to_be_bytes().to_vec();
    seed.extend(count.to_be_bytes());
    B128::from_slice(&keccak256(seed)[..16])
}
