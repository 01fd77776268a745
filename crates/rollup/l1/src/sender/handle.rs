//! What others hold of the sender: a queue into it, and the outcomes that come back.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use alloy_primitives::Address;
use tokio::sync::{mpsc, oneshot};

use super::{
    machine::Outcome,
    outbox::{Outbox, OutboxError, Purpose},
    policy::Policy,
    request::{BadEnvelope, SigningKey, TxRequest},
};
use crate::{
    client::Client,
    error::{L1Error, Reaction},
};

/// Submissions that may wait for the loop: callers wait for outcomes, so a handful is plenty.
const INBOX: usize = 64;

/// What a sender needs to know.
#[derive(Debug, Clone)]
pub struct SenderConfig {
    /// Caps, patience and depth.
    pub policy: Policy,
    /// Time between two looks at L1.
    pub every: Duration,
}

/// The sender stopped: L1's answers make no sense, or its memory failed.
#[derive(Debug, thiserror::Error)]
pub enum SenderError {
    /// L1 cannot be used at all.
    #[error("send transactions to L1")]
    L1(#[from] L1Error),
    /// The outbox failed; without it nothing may be signed.
    #[error("keep track of sent L1 transactions")]
    Outbox(#[from] OutboxError),
    /// The outbox holds bytes that are not a transaction.
    #[error("read back a sent L1 transaction")]
    Damaged(#[from] BadEnvelope),
}

impl SenderError {
    /// The only place that decides how a loop reacts.
    pub const fn reaction(&self) -> Reaction {
        match self {
            Self::L1(error) => error.reaction(),
            Self::Outbox(_) | Self::Damaged(_) => Reaction::Stop,
        }
    }
}

/// The sender has ended; what was submitted may still be mined, and is found again after a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the L1 sender has stopped")]
pub struct SenderStopped;

#[derive(Debug)]
pub(super) struct Job {
    pub(super) purpose: Purpose,
    pub(super) request: TxRequest,
    pub(super) reply: oneshot::Sender<Outcome>,
}

/// Hands transactions to the one signer of a key. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Sender {
    jobs: mpsc::Sender<Job>,
    from: Address,
}

impl Sender {
    /// A handle, and the loop that must run for it to do anything.
    pub fn new(
        client: Client,
        key: SigningKey,
        outbox: Arc<dyn Outbox>,
        config: SenderConfig,
    ) -> (Self, SenderTask) {
        let (jobs, inbox) = mpsc::channel(INBOX);
        let from = key.address();
        (Self { jobs, from }, SenderTask { client, key, outbox, config, inbox })
    }

    /// The account that signs.
    pub const fn address(&self) -> Address {
        self.from
    }

    /// Enqueues a transaction; its outcome is awaited on the answer.
    ///
    /// Submitting a purpose again, also after a restart, sends nothing new: the answer is that of the transaction
    /// that already serves it. Only a purpose whose transaction reverted, or can never be mined, is sent anew.
    pub async fn submit(
        &self,
        purpose: Purpose,
        request: TxRequest,
    ) -> Result<Pending, SenderStopped> {
        let (reply, outcome) = oneshot::channel();
        let job = Job { purpose, request, reply };
        self.jobs.send(job).await.map_err(|_| SenderStopped)?;
        Ok(Pending(outcome))
    }
}

/// The outcome of a submitted transaction, to be awaited. Dropping it does not take the transaction back.
#[derive(Debug)]
pub struct Pending(oneshot::Receiver<Outcome>);

impl Future for Pending {
    type Output = Result<Outcome, SenderStopped>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map_err(|_| SenderStopped)
    }
}

/// The loop behind [`Sender`].
#[derive(Debug)]
pub struct SenderTask {
    pub(super) client: Client,
    pub(super) key: SigningKey,
    pub(super) outbox: Arc<dyn Outbox>,
    pub(super) config: SenderConfig,
    pub(super) inbox: mpsc::Receiver<Job>,
}
