//! `eth_subscribe`: tells a connection that stays what is new.
//!
//! A subscription remembers which head it has told of, and reads what lies between that and the present one when it gets to it. So
//! a reader who is slow, or a burst of blocks, costs no memory and loses nothing but the oldest of very many blocks.

use std::sync::Arc;

use alloy_primitives::B256;
use alloy_rpc_types_eth::{Filter, Header, Log};
use jsonrpsee::{
    PendingSubscriptionSink, RpcModule, SubscriptionSink,
    types::{ErrorObjectOwned, Params},
};
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::OwnedSemaphorePermit;

use crate::{
    Args, Context, RpcError,
    config::{IDLE_TIMEOUT, MAX_SUBSCRIBED_ITEMS, MAX_TOLD_BYTES},
    error::Fault,
    eth::{logs::check_filter, transaction},
};

/// The longest name of a subscription that an error repeats.
const MAX_SHOWN_NAME: usize = 64;
/// Messages below this size are not counted: a connection holds few of them.
const LARGE_NOTICE: usize = 64 * 1024;

/// What is subscribed to.
#[derive(Debug)]
enum Topic {
    Heads,
    /// With the room that the filter takes among those of all subscriptions.
    Logs(Box<Filter>, OwnedSemaphorePermit),
    /// Transactions that enter the pool; whether as a whole.
    Pending {
        full: bool,
    },
    /// Whether this node is behind.
    Syncing,
}

/// Nobody listens any more.
#[derive(Debug)]
struct Over;

/// Adds `eth_subscribe` and `eth_unsubscribe`.
pub(super) fn register(module: &mut RpcModule<Context>) {
    module
        .register_subscription(
            "eth_subscribe",
            "eth_subscription",
            "eth_unsubscribe",
            |params, pending, context, _| {
                let topic = read(&context, &params);
                // They may be megabytes of blanks, and a subscription lives for long.
                drop(params);
                async move {
                    match topic {
                        // Whoever has gone needs no last word.
                        Ok(topic) => drop(follow(&context, topic, pending).await),
                        Err(error) => pending.reject(ErrorObjectOwned::from(error)).await,
                    }
                }
            },
        )
        .expect("each method is registered once");
}

fn read(context: &Context, params: &Params<'_>) -> Result<Topic, RpcError> {
    let mut args = Args::new(params)?;
    let topic = match args.unprefixed::<String>()?.as_str() {
        "newHeads" => Topic::Heads,
        "logs" => {
            let filter = args.optional::<Filter>()?.unwrap_or_default();
            check_filter(&filter)?;
            let room = context.room_for(&filter)?;
            Topic::Logs(Box::new(filter), room)
        }
        "newPendingTransactions" => Topic::Pending { full: args.optional()?.unwrap_or_default() },
        "syncing" => Topic::Syncing,
        other => {
            return Err(RpcError::NoSubscription(other.chars().take(MAX_SHOWN_NAME).collect()));
        }
    };
    args.leftover().map_or(Ok(topic), Err)
}

async fn follow(
    context: &Context,
    topic: Topic,
    pending: PendingSubscriptionSink,
) -> Result<(), Over> {
    match topic {
        Topic::Heads => tell_blocks(context, News::Heads, pending).await,
        Topic::Logs(filter, _room) => {
            tell_blocks(context, News::Logs(Arc::from(filter)), pending).await
        }
        Topic::Pending { full } => tell_pending(context, full, pending).await,
        Topic::Syncing => {
            let sink = pending.accept().await.map_err(|_| Over)?;
            // This never changes: see `eth_syncing`.
            tell(context, &sink, || {
                std::future::ready(encode(&false).map(|message| vec![message]))
            })
            .await?;
            sink.closed().await;
            Ok(())
        }
    }
}

/// What is told of a block that came or went.
#[derive(Debug, Clone)]
enum News {
    Heads,
    Logs(Arc<Filter>),
}

async fn tell_blocks(
    context: &Context,
    news: News,
    pending: PendingSubscriptionSink,
) -> Result<(), Over> {
    // Before the subscription is confirmed, so that what comes after that is told of.
    let mut heads = context.chain().subscribe();
    let mut last = context.published();
    let sink = pending.accept().await.map_err(|_| Over)?;
    loop {
        tokio::select! {
            () = sink.closed() => return Ok(()),
            changed = heads.changed() => changed.map_err(|_| Over)?,
        }
        let reader = context.clone();
        let moved = match context.workers().run(move || reader.moved_since(last)).await {
            Ok(moved) => moved,
            // The same blocks are read again with the next head.
            Err(error) => {
                log(error);
                continue;
            }
        };
        last = moved.head;
        if matches!(news, News::Logs(_)) {
            for hash in moved.dropped {
                tell_block(context, &news, hash, true, &sink).await?;
            }
        }
        for hash in moved.added {
            tell_block(context, &news, hash, false, &sink).await?;
        }
    }
}

async fn tell_block(
    context: &Context,
    news: &News,
    hash: B256,
    removed: bool,
    sink: &SubscriptionSink,
) -> Result<(), Over> {
    tell(context, sink, || {
        let (reader, asked) = (context.clone(), news.clone());
        context.workers().run(move || reader.messages(&asked, hash, removed))
    })
    .await
}

async fn tell_pending(
    context: &Context,
    full: bool,
    pending: PendingSubscriptionSink,
) -> Result<(), Over> {
    let mut arrivals = context.pool().subscribe();
    let mut count = *arrivals.borrow_and_update();
    let sink = pending.accept().await.map_err(|_| Over)?;
    loop {
        tokio::select! {
            () = sink.closed() => return Ok(()),
            changed = arrivals.changed() => changed.map_err(|_| Over)?,
        }
        let (hashes, now) = context.pool().arrivals_since(count);
        count = now;
        for hash in hashes {
            let make = || std::future::ready(context.arrival(hash, full));
            tell(context, &sink, make).await?;
        }
    }
}

impl Context {
    /// Room for a filter among those of all subscriptions, which are kept for long.
    fn room_for(&self, filter: &Filter) -> Result<OwnedSemaphorePermit, RpcError> {
        let topics: usize = filter.topics.iter().map(|topics| topics.len()).sum();
        let items = u32::try_from(filter.address.len() + topics).unwrap_or(u32::MAX);
        let room = Arc::clone(self.subscribed()).try_acquire_many_owned(items);
        room.map_err(|_| RpcError::TooMuchSubscribed(MAX_SUBSCRIBED_ITEMS))
    }

    /// What is told of a transaction that has become ready; nothing if it has gone since.
    fn arrival(&self, hash: B256, full: bool) -> Result<Vec<Box<RawValue>>, RpcError> {
        if !full {
            return Ok(vec![encode(&hash)?]);
        }
        let tx = self.pool().get(hash).map(|tx| transaction::pending(&tx, None));
        tx.iter().map(encode).collect()
    }

    fn messages(
        &self,
        news: &News,
        hash: B256,
        removed: bool,
    ) -> Result<Vec<Box<RawValue>>, RpcError> {
        match news {
            News::Heads => {
                let header = self.chain().storage().header(hash)?;
                header.map(|header| encode(&Header::from_sealed(header))).into_iter().collect()
            }
            News::Logs(filter) => {
                let logs = self.logs_of_block(hash, filter)?.into_iter();
                logs.map(|log| encode(&Log { removed, ..log })).collect()
            }
        }
    }
}

/// Sends what `make` makes. Large messages wait for room, so that readers who are slow cannot fill the memory between them; while they
/// wait they are not kept.
async fn tell<F: Future<Output = Result<Vec<Box<RawValue>>, RpcError>>>(
    context: &Context,
    sink: &SubscriptionSink,
    make: impl Fn() -> F,
) -> Result<(), Over> {
    let mut room = None;
    let messages = loop {
        let messages = match make().await {
            Ok(messages) => messages,
            Err(error) => {
                log(error);
                return Ok(());
            }
        };
        let kilobytes = messages.iter().map(|message| message.get().len()).sum::<usize>() >> 10;
        let wanted = kilobytes.min(MAX_TOLD_BYTES >> 10);
        if wanted < LARGE_NOTICE >> 10 || room.as_ref().is_some_and(|(size, _)| *size >= wanted) {
            break messages;
        }
        let all = Arc::clone(context.told());
        let size = u32::try_from(wanted).unwrap_or(u32::MAX);
        match Arc::clone(&all).try_acquire_many_owned(size) {
            Ok(permit) => {
                room = Some((wanted, permit));
                break messages;
            }
            Err(_) => drop(messages),
        }
        drop(room.take());
        tokio::select! {
            () = sink.closed() => return Err(Over),
            permit = all.acquire_many_owned(size) => room = Some((wanted, permit.map_err(|_| Over)?)),
        }
    };
    let sent = async {
        for message in messages {
            sink.send(message).await.map_err(|_| Over)?;
        }
        Ok(())
    };
    if room.is_none() {
        return sent.await;
    }
    // Nobody keeps room from the others for longer than a connection may be still.
    tokio::select! {
        () = sink.closed() => Err(Over),
        sent = tokio::time::timeout(IDLE_TIMEOUT, sent) => sent.unwrap_or(Err(Over)),
    }
}

fn encode(news: &impl Serialize) -> Result<Box<RawValue>, RpcError> {
    serde_json::value::to_raw_value(news).map_err(|error| Fault::Encode(error).into())
}

fn log(error: RpcError) {
    // Says why where it is our fault.
    let _ = ErrorObjectOwned::from(error);
}
