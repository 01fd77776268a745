//! A connection that stays: calls as they come, answers as they are ready, notifications in between.
//!
//! What it holds is bounded. A call keeps its place until its answer is written, and nothing more is read while all places
//! are taken; whoever does not read what is written to him is waited for, and disconnected after a while.

use std::{io, sync::Arc, time::Duration};

use jsonrpsee::core::server::MethodSink;
use serde_json::value::RawValue;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::{JoinSet, unconstrained},
    time::timeout,
};

use crate::{
    dispatch::{Answer, SharedDispatcher, Subscriber},
    listener::Place,
};

/// Calls of one connection that are worked on, or whose answers wait to be written.
const MAX_PIPELINED: usize = 16;
/// Notifications of one connection that wait to be written. Subscriptions pause while it is full.
const MAX_NOTICES: usize = 64;

/// The reading half: takes messages.
#[derive(Debug)]
pub(crate) struct Session {
    dispatcher: SharedDispatcher,
    place: Option<Arc<Place>>,
    subscriber: Arc<Subscriber>,
    room: Arc<Semaphore>,
    answers: mpsc::Sender<Placed>,
    calls: JoinSet<()>,
}

/// The writing half: gives what is to be written, in order.
#[derive(Debug)]
pub(crate) struct Outbox {
    answers: mpsc::Receiver<Placed>,
    notices: mpsc::Receiver<Box<RawValue>>,
}

/// An answer, and the place it keeps until it is written.
type Placed = (Answer, OwnedSemaphorePermit);

/// Where messages are written to.
pub(crate) trait Writer {
    /// Writes one message, through to the socket.
    fn write(&mut self, message: Box<RawValue>) -> impl Future<Output = io::Result<()>> + Send;

    /// What is done while there is nothing to write: waits, and shows the peer that we are here.
    fn idle(&mut self) -> impl Future<Output = io::Result<()>> + Send {
        std::future::pending()
    }
}

/// A new connection.
///
/// `place` is kept while a call is worked on.
pub(crate) fn open(dispatcher: SharedDispatcher, place: Option<Arc<Place>>) -> (Session, Outbox) {
    let (answer, answers) = mpsc::channel(MAX_PIPELINED);
    let (notice, notices) = mpsc::channel(MAX_NOTICES);
    let session = Session {
        dispatcher,
        place,
        subscriber: Arc::new(Subscriber::new(MethodSink::new(notice))),
        room: Arc::new(Semaphore::new(MAX_PIPELINED)),
        answers: answer,
        calls: JoinSet::new(),
    };
    (session, Outbox { answers, notices })
}

impl Session {
    /// Starts to work on a message, once there is room for it.
    pub(crate) async fn take(&mut self, message: impl AsRef<[u8]> + Send + 'static) {
        let room = Arc::clone(&self.room);
        let permit = room.acquire_owned().await.expect("the semaphore is never closed");
        let held = self.dispatcher.hold(message.as_ref().len()).await;
        while self.calls.try_join_next().is_some() {}
        let (dispatcher, subscriber) = (Arc::clone(&self.dispatcher), Arc::clone(&self.subscriber));
        let (answers, working) = (self.answers.clone(), self.place.as_ref().map(Place::work));
        let mut call = Box::pin(async move {
            let answer = dispatcher.answer(message.as_ref(), Some(&subscriber)).await;
            drop((message, held));
            if let Some(answer) = answer {
                // Nobody is left to answer if this fails.
                let _ = answers.send((answer, permit)).await;
            }
            drop(working);
        });
        // Begun here, before the next message is looked at: what is to be done in order queues up in this order, even where this task
        // has had its share of time.
        if futures::poll!(unconstrained(&mut call)).is_pending() {
            self.calls.spawn(call);
        }
    }

    /// Refuses a message that was not even read.
    pub(crate) async fn refuse(&mut self, error: Box<RawValue>) {
        let room = Arc::clone(&self.room);
        let permit = room.acquire_owned().await.expect("the semaphore is never closed");
        let _ = self.answers.send((Answer { json: error, room: None }, permit)).await;
    }

    /// No more messages will come: lets those that were taken be answered.
    pub(crate) async fn finish(mut self) {
        while self.calls.join_next().await.is_some() {}
    }
}

impl Outbox {
    /// Writes answers and notifications until the session is over, a write fails, or one takes longer than `patience`.
    pub(crate) async fn write_to(mut self, mut writer: impl Writer, patience: Duration) {
        loop {
            let written = tokio::select! {
                answer = self.answers.recv() => match answer {
                    Some((Answer { json, room: _room }, _place)) => {
                        timeout(patience, writer.write(json)).await
                    }
                    None => return,
                },
                Some(notice) = self.notices.recv() => timeout(patience, writer.write(notice)).await,
                idle = writer.idle() => Ok(idle),
            };
            match written {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return tracing::debug!(%error, "write to a connection"),
                Err(_) => return tracing::debug!("a connection reads too slowly"),
            }
        }
    }
}
