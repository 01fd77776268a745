//! Payloads under construction: blocks for whoever asks, empty at once and better while nobody fetches them.

use std::{
    collections::VecDeque,
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use alloy_eips::{eip7594::BlobTransactionSidecarVariant, eip7685::Requests};
use alloy_primitives::{B64, Bytes, U256, keccak256};
use alloy_rlp::Encodable;
use ethrex_stf::{BlockAttributes, NotIncluded, RunError};
use ethrex_txpool::{Pool, PoolTx};
use ethrex_types::{
    Receipt, SealedBlock, SealedHeader,
    alloy_consensus::{Transaction, TxReceipt},
};
use parking_lot::{Condvar, Mutex};
use tokio::sync::watch;

use crate::{BuildError, Chain, Filled, Prepared, Room, fill};

/// Payloads that are kept; the oldest are forgotten first. A consensus client asks for the next slot, and perhaps on two heads.
const MAX_JOBS: usize = 16;
/// How long a payload gets better: from the slot before its own, when it is asked for, to the end of its own.
const LIFETIME: Duration = Duration::from_secs(24);
/// Time between two attempts at a payload. Transactions arrive one by one, and each attempt executes a whole block.
const PAUSE: Duration = Duration::from_millis(250);
/// How long a caller waits for the first attempt with transactions, where none has ended yet.
const PATIENCE: Duration = Duration::from_millis(300);

/// Names a payload: the same for the same parent and attributes.
pub type PayloadId = B64;

/// A block that has been built, and what a consensus client needs beside it.
#[derive(Debug, Clone)]
pub struct Payload {
    /// The block.
    pub block: SealedBlock,
    /// EIP-7685 requests; empty before Prague.
    pub requests: Requests,
    /// RLP of what the block touches and changes (EIP-7928), from Amsterdam on.
    pub access_list: Option<Bytes>,
    /// Priority fees that the block's recipient gets, in wei.
    pub value: U256,
    /// Blobs of the block's transactions, in order.
    pub sidecars: Vec<Arc<BlobTransactionSidecarVariant>>,
}

/// Why there is no payload with exactly the transactions that were given.
#[derive(Debug, thiserror::Error)]
pub enum ExactError {
    /// A transaction cannot stand where it is put.
    #[error("transaction {index} cannot be included: {reason}")]
    NotIncluded {
        /// Its place.
        index: usize,
        /// Why.
        reason: NotIncluded,
    },
    /// No block at all was built.
    #[error(transparent)]
    Build(#[from] BuildError),
}

/// Builds payloads on a thread of its own. Cheap to clone; the thread ends with the last clone.
#[derive(Debug, Clone)]
pub struct Payloads {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    running: watch::Receiver<()>,
}

#[derive(Debug)]
struct Shared {
    chain: Chain,
    pool: Pool,
    max_blobs: Option<u64>,
    state: Mutex<State>,
    /// Rung when a job is there, when one has become better, and at the end.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The newest last.
    jobs: VecDeque<Job>,
    closing: bool,
}

#[derive(Debug)]
struct Job {
    id: PayloadId,
    parent: SealedHeader,
    attributes: BlockAttributes,
    best: Arc<Payload>,
    started: Instant,
    /// What the pool counted when the last attempt began, and when that was.
    tried: Option<(u64, Instant)>,
    /// An attempt with transactions has ended.
    full: bool,
    /// Nobody wants it better any more.
    done: bool,
}

impl Payloads {
    /// Starts the thread. At most `max_blobs` blobs go into a payload where that is given (EIP-7872).
    ///
    /// # Errors
    /// If the system cannot start a thread.
    pub fn spawn(chain: Chain, pool: Pool, max_blobs: Option<u64>) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            chain,
            pool,
            max_blobs,
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let builder = Arc::clone(&shared);
        let (alive, running) = watch::channel(());
        let thread =
            std::thread::Builder::new().name("payload-builder".into()).spawn(move || {
                let _alive = alive;
                builder.run();
            })?;
        Ok(Self { inner: Arc::new(Inner { shared, thread: Some(thread), running }) })
    }

    /// Resolves when the thread has ended, which it does by itself only if it panics. Every payload would be empty from then on.
    pub async fn ended(&self) {
        let mut running = self.inner.running.clone();
        while running.changed().await.is_ok() {}
    }

    /// Begins a payload on `parent`, or continues one that was begun with the same attributes. An empty block is there when this
    /// returns.
    ///
    /// # Errors
    /// Only faults, and a chain whose system contracts are broken.
    pub fn start(
        &self,
        parent: &SealedHeader,
        attributes: BlockAttributes,
    ) -> Result<PayloadId, BuildError> {
        let shared = &self.inner.shared;
        let id = id(parent, &attributes);
        if shared.state.lock().jobs.iter().any(|job| job.id == id) {
            return Ok(id);
        }
        let empty = shared.chain.build(parent, &attributes, |_| Ok(()))?;
        let job = Job {
            id,
            parent: parent.clone(),
            attributes,
            best: Arc::new(Payload::new(empty, &[])),
            started: Instant::now(),
            tried: None,
            full: false,
            done: false,
        };
        let mut state = shared.state.lock();
        if state.jobs.len() == MAX_JOBS {
            state.jobs.pop_front();
        }
        state.jobs.push_back(job);
        shared.changed.notify_all();
        Ok(id)
    }

    /// The best version of a payload so far; it gets no better after this. `None` where there is no such payload (any more).
    #[must_use]
    pub fn get(&self, id: PayloadId) -> Option<Arc<Payload>> {
        let shared = &self.inner.shared;
        let deadline = Instant::now() + PATIENCE;
        let mut state = shared.state.lock();
        loop {
            let job = state.jobs.iter_mut().find(|job| job.id == id)?;
            if job.full || job.done || Instant::now() >= deadline {
                job.done = true;
                return Some(Arc::clone(&job.best));
            }
            shared.changed.wait_until(&mut state, deadline);
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shared.state.lock().closing = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that builds payloads panicked");
        }
    }
}

/// What the thread does next.
enum Next {
    Build(PayloadId, Box<(SealedHeader, BlockAttributes)>),
    Pause,
    Sleep,
    End,
}

impl Shared {
    fn run(&self) {
        let mut state = self.state.lock();
        loop {
            match self.next(&mut state) {
                Next::End => return,
                Next::Sleep => self.changed.wait(&mut state),
                Next::Pause => {
                    self.changed.wait_for(&mut state, PAUSE);
                }
                Next::Build(id, asked) => {
                    drop(state);
                    let built = self.build(&asked.0, &asked.1);
                    state = self.state.lock();
                    finish(&mut state, id, built);
                    self.changed.notify_all();
                }
            }
        }
    }

    /// The newest payload that could be better by now.
    fn next(&self, state: &mut State) -> Next {
        if state.closing {
            return Next::End;
        }
        let (arrived, now) = (self.arrived(), Instant::now());
        let mut next = Next::Sleep;
        for job in state.jobs.iter_mut().rev() {
            if job.done || now.duration_since(job.started) > LIFETIME {
                job.done = true;
                continue;
            }
            let due = job
                .tried
                .is_none_or(|(count, at)| count != arrived && now.duration_since(at) >= PAUSE);
            if due {
                job.tried = Some((arrived, now));
                let asked = (job.parent.clone(), job.attributes.clone());
                return Next::Build(job.id, Box::new(asked));
            }
            next = Next::Pause;
        }
        next
    }

    /// Counts what the pool has taken.
    fn arrived(&self) -> u64 {
        self.pool.arrivals_since(u64::MAX).1
    }

    fn build(
        &self,
        parent: &SealedHeader,
        attributes: &BlockAttributes,
    ) -> Result<Payload, BuildError> {
        Payload::from_pool(&self.chain, &self.pool, parent, attributes, self.max_blobs)
    }
}

/// Keeps an attempt if it pays at least as much as what there was.
fn finish(state: &mut State, id: PayloadId, built: Result<Payload, BuildError>) {
    let Some(job) = state.jobs.iter_mut().find(|job| job.id == id) else { return };
    job.full = true;
    match built {
        Ok(payload) => {
            // Whoever has fetched it may ask again and must see the same.
            if !job.done && payload.value >= job.best.value {
                job.best = Arc::new(payload);
            }
        }
        Err(error) => {
            tracing::warn!(%id, error = &error as &dyn std::error::Error, "build a payload");
            job.done = true;
        }
    }
}

impl Payload {
    /// Builds a payload on `parent` with what waits in the pool and pays best, at once. At most `max_blobs` blobs go in where that
    /// is given (EIP-7872).
    ///
    /// # Errors
    /// As [`Chain::build`].
    pub fn from_pool(
        chain: &Chain,
        pool: &Pool,
        parent: &SealedHeader,
        attributes: &BlockAttributes,
        max_blobs: Option<u64>,
    ) -> Result<Self, BuildError> {
        let mut filled = Filled { transactions: Vec::new(), room: Room::Left };
        let prepared = chain.build(parent, attributes, |builder| {
            filled = fill(builder, chain.spec(), pool, max_blobs)?;
            Ok(())
        })?;
        let sidecars: Vec<_> =
            filled.transactions.iter().filter_map(|tx| tx.sidecar().cloned()).collect();
        Ok(Self::new(prepared, &sidecars))
    }

    /// Builds a payload on `parent` with exactly these transactions, in this order.
    ///
    /// # Errors
    /// As [`Chain::build`], and [`ExactError::NotIncluded`] for the first transaction that cannot stand where it is put.
    pub fn exactly(
        chain: &Chain,
        parent: &SealedHeader,
        attributes: &BlockAttributes,
        transactions: &[PoolTx],
    ) -> Result<Self, ExactError> {
        let mut refused = None;
        let prepared = chain.build(parent, attributes, |builder| {
            for (index, tx) in transactions.iter().enumerate() {
                match builder.push(tx.tx().clone(), tx.sender()) {
                    Ok(_) => {}
                    Err(RunError::Invalid(reason)) => {
                        refused = Some(ExactError::NotIncluded { index, reason });
                        break;
                    }
                    Err(RunError::Fault(fault)) => return Err(fault),
                }
            }
            Ok(())
        })?;
        let sidecars: Vec<_> = transactions.iter().filter_map(|tx| tx.sidecar().cloned()).collect();
        refused.map_or_else(|| Ok(Self::new(prepared, &sidecars)), Err)
    }

    fn new(prepared: Prepared, sidecars: &[Arc<BlobTransactionSidecarVariant>]) -> Self {
        let value = value(&prepared);
        let (block, _) = prepared.block.into_parts();
        Self {
            block,
            requests: prepared.requests,
            access_list: prepared.access_list,
            value,
            sidecars: sidecars.to_vec(),
        }
    }
}

/// Priority fees of a block, in wei.
fn value(prepared: &Prepared) -> U256 {
    let base_fee = prepared.block.sealed().header().base_fee_per_gas.unwrap_or_default();
    let mut before = 0;
    let fees = prepared.block.transactions().zip(&prepared.receipts).map(|((tx, _), receipt)| {
        let gas = gas_of(receipt, &mut before);
        let tip = tx.effective_tip_per_gas(base_fee).unwrap_or_default();
        U256::from(tip).saturating_mul(U256::from(gas))
    });
    fees.fold(U256::ZERO, U256::saturating_add)
}

fn gas_of(receipt: &Receipt, before: &mut u64) -> u64 {
    let cumulative = receipt.cumulative_gas_used();
    cumulative.saturating_sub(std::mem::replace(before, cumulative))
}

fn id(parent: &SealedHeader, attributes: &BlockAttributes) -> PayloadId {
    let mut bytes = parent.hash().to_vec();
    attributes.timestamp.encode(&mut bytes);
    attributes.fee_recipient.encode(&mut bytes);
    attributes.prev_randao.encode(&mut bytes);
    attributes.desired_gas_limit.encode(&mut bytes);
    attributes.extra_data.encode(&mut bytes);
    let withdrawals = attributes.withdrawals.as_ref().map(|list| list.to_vec());
    encode_option(withdrawals.as_ref(), &mut bytes);
    encode_option(attributes.parent_beacon_block_root.as_ref(), &mut bytes);
    encode_option(attributes.slot_number.as_ref(), &mut bytes);
    PayloadId::from_slice(&keccak256(bytes)[..8])
}

/// What is absent differs from what is zero.
fn encode_option(value: Option<&impl Encodable>, out: &mut Vec<u8>) {
    out.push(u8::from(value.is_some()));
    if let Some(value) = value {
        value.encode(out);
    }
}
