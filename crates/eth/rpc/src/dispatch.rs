//! From the bytes of one message to its answer, whatever carried it.

use std::{
    borrow::Cow,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use alloy_primitives::keccak256;
use jsonrpsee::{
    MethodResponse, Methods,
    core::{
        server::{
            BatchResponseBuilder, BoundedSubscriptions, MethodCallback, MethodSink,
            SubscriptionState,
        },
        traits::IdProvider,
    },
    server::ConnectionId,
    types::{ErrorCode, ErrorObject, Id, Params, SubscriptionId},
};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::{MAX_HELD_BYTES, MAX_WORKED_BYTES};

/// Live subscriptions of one connection at most.
const MAX_SUBSCRIPTIONS: u32 = 256;

/// The methods of one transport, and how much it takes and gives at once.
#[derive(Debug)]
pub(crate) struct Dispatcher {
    methods: Methods,
    max_batch: usize,
    max_response_bytes: usize,
    /// Room for large answers, in kilobytes.
    room: Arc<Semaphore>,
    /// Room for large requests that are worked on, in kilobytes.
    requests: Arc<Semaphore>,
}

/// An answer. A large one keeps its room until it is dropped.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) json: Box<RawValue>,
    pub(crate) room: Option<OwnedSemaphorePermit>,
}

/// The room that an answer takes among all large ones, as it grows.
struct Room<'a> {
    all: &'a Arc<Semaphore>,
    bytes: usize,
    held: Option<OwnedSemaphorePermit>,
}

impl Room<'_> {
    /// Makes room for so many bytes more; false where there is none.
    fn grow(&mut self, bytes: usize) -> bool {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes < LARGE {
            return true;
        }
        let held = self.held.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let more = u32::try_from((self.bytes >> 10).saturating_sub(held)).unwrap_or(u32::MAX);
        let Ok(more) = Arc::clone(self.all).try_acquire_many_owned(more) else { return false };
        match &mut self.held {
            Some(held) => held.merge(more),
            none => *none = Some(more),
        }
        true
    }
}

/// Answers and requests below this size are not counted: a connection holds few of them.
const LARGE: usize = 64 * 1024;

/// What a connection needs in order to carry subscriptions.
#[derive(Debug, Clone)]
pub(crate) struct Subscriber {
    id: ConnectionId,
    room: BoundedSubscriptions,
    sink: MethodSink,
}

impl Subscriber {
    /// A connection whose notifications go into `sink`.
    pub(crate) fn new(sink: MethodSink) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let id = ConnectionId(NEXT.fetch_add(1, Ordering::Relaxed));
        Self { id, room: BoundedSubscriptions::new(MAX_SUBSCRIPTIONS), sink }
    }
}

/// A call as it stands in a message. Everything is checked later, so that an error can name the id.
#[derive(Debug, Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    jsonrpc: Option<Cow<'a, str>>,
    /// Also where it is `null`: only what has no id is a notification.
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
}

fn present<'de, D: Deserializer<'de>>(value: D) -> Result<Option<&'de RawValue>, D::Error> {
    Deserialize::deserialize(value).map(Some)
}

impl Dispatcher {
    /// Answers with these methods, to batches of so many calls, with so many bytes at most.
    pub(crate) fn new(methods: Methods, max_batch: u32, max_response_bytes: u32) -> Self {
        Self {
            methods,
            max_batch: max_batch as usize,
            max_response_bytes: max_response_bytes as usize,
            room: Arc::new(Semaphore::new(MAX_HELD_BYTES >> 10)),
            requests: Arc::new(Semaphore::new(MAX_WORKED_BYTES >> 10)),
        }
    }

    /// Waits until there is room for a request of this size beside the others that are worked on, and takes it. For connections that
    /// may have several of them: what one waits with is the one message that it has read.
    pub(crate) async fn hold(&self, size: usize) -> Option<OwnedSemaphorePermit> {
        if size < LARGE {
            return None;
        }
        let kilobytes = u32::try_from(size.min(MAX_WORKED_BYTES) >> 10).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.requests).acquire_many_owned(kilobytes).await;
        Some(room.expect("the semaphore is never closed"))
    }

    /// Answers a message: a call or a batch of them. `None` where no answer is due, which is so of notifications and where
    /// `subscriber` has been answered already.
    pub(crate) async fn answer(
        &self,
        message: &[u8],
        subscriber: Option<&Subscriber>,
    ) -> Option<Answer> {
        let mut room = Room { all: &self.room, bytes: 0, held: None };
        let json = self.json(message, subscriber, &mut room).await?;
        Some(Answer { json, room: room.held })
    }

    async fn json(
        &self,
        message: &[u8],
        subscriber: Option<&Subscriber>,
        room: &mut Room<'_>,
    ) -> Option<Box<RawValue>> {
        // Checked as a whole first: what is not JSON is no invalid request.
        let Ok(text) = serde_json::from_slice::<&RawValue>(message) else {
            return Some(refusal(Id::Null, ErrorCode::ParseError));
        };
        if text.get().starts_with('[') {
            return self.batch(text, room).await;
        }
        match self.single(text, subscriber).await? {
            answer if answer.is_subscription() => None,
            answer if room.grow(answer.as_json().get().len()) => Some(answer.into_json()),
            _ => Some(refusal(id_of(text), no_room())),
        }
    }

    async fn batch(&self, text: &RawValue, room: &mut Room<'_>) -> Option<Box<RawValue>> {
        let Ok(calls) = serde_json::from_str::<Vec<&RawValue>>(text.get()) else {
            return Some(refusal(Id::Null, ErrorCode::ParseError));
        };
        if calls.is_empty() {
            return Some(refusal(Id::Null, ErrorCode::InvalidRequest));
        }
        if calls.len() > self.max_batch {
            let message =
                format!("batch of {} calls exceeds the limit of {}", calls.len(), self.max_batch);
            return Some(refusal(
                Id::Null,
                ErrorObject::owned(INVALID_REQUEST, message, None::<()>),
            ));
        }
        let mut answers = BatchResponseBuilder::new_with_limit(self.max_response_bytes);
        for call in calls {
            // A subscription answers on its own, which a batch cannot wait for.
            let Some(answer) = self.single(call, None).await else { continue };
            // What is held while the other calls run counts already.
            if !room.grow(answer.as_json().get().len()) {
                room.held = None;
                return Some(refusal(Id::Null, no_room()));
            }
            if let Err(too_big) = answers.append(answer) {
                room.held = None;
                return Some(too_big.into_json());
            }
        }
        (!answers.is_empty()).then(|| MethodResponse::from_batch(answers.finish()).into_json())
    }

    /// `None` for a notification.
    async fn single(
        &self,
        text: &RawValue,
        subscriber: Option<&Subscriber>,
    ) -> Option<MethodResponse> {
        let invalid = |id| Some(MethodResponse::error(id, ErrorCode::InvalidRequest));
        let Ok(call) = serde_json::from_str::<Envelope<'_>>(text.get()) else {
            return invalid(Id::Null);
        };
        let id = match call.id.map(|id| serde_json::from_str::<Id<'_>>(id.get())) {
            Some(Ok(id)) => Some(id),
            Some(Err(_)) => return invalid(Id::Null),
            None => None,
        };
        let Some(method) = call.method.filter(|_| call.jsonrpc.as_deref() == Some("2.0")) else {
            return invalid(id.unwrap_or(Id::Null));
        };
        let id = id?.into_owned();
        Some(self.call(id, &method, call.params, subscriber).await)
    }

    async fn call(
        &self,
        id: Id<'static>,
        method: &str,
        params: Option<&RawValue>,
        subscriber: Option<&Subscriber>,
    ) -> MethodResponse {
        let params = Params::new(params.map(RawValue::get));
        let connection = subscriber.map_or(ConnectionId(usize::MAX), |subscriber| subscriber.id);
        let limit = self.max_response_bytes;
        match self.methods.method(method) {
            None => MethodResponse::error(id, unknown(method)),
            Some(MethodCallback::Sync(run)) => run(id, params, limit, Default::default()),
            Some(MethodCallback::Async(run)) => {
                run(id, params.into_owned(), connection, limit, Default::default()).await
            }
            Some(MethodCallback::Subscription(run)) => {
                let Some(subscriber) = subscriber else {
                    return MethodResponse::error(id, no_notifications());
                };
                let Some(subscription_permit) = subscriber.room.acquire() else {
                    let message = format!("more than {MAX_SUBSCRIPTIONS} subscriptions");
                    return MethodResponse::error(
                        id,
                        ErrorObject::owned(LIMIT, message, None::<()>),
                    );
                };
                let state = SubscriptionState {
                    conn_id: connection,
                    id_provider: &Ids,
                    subscription_permit,
                };
                run(id, params, subscriber.sink.clone(), state, Default::default()).await
            }
            Some(MethodCallback::Unsubscription(run)) => match subscriber {
                Some(_) => run(id, params, connection, limit, Default::default()),
                None => MethodResponse::error(id, no_notifications()),
            },
        }
    }
}

/// The id of a call that was understood.
fn id_of(call: &RawValue) -> Id<'_> {
    let envelope = serde_json::from_str::<Envelope<'_>>(call.get()).ok();
    let id = envelope.and_then(|envelope| serde_json::from_str(envelope.id?.get()).ok());
    id.unwrap_or(Id::Null)
}

const METHOD_NOT_FOUND: i32 = -32_601;
const INVALID_REQUEST: i32 = -32_600;
const LIMIT: i32 = -32_005;

/// The longest name of a method that an error repeats.
const MAX_SHOWN_NAME: usize = 64;

fn unknown(method: &str) -> ErrorObject<'static> {
    let shown: String = method.chars().take(MAX_SHOWN_NAME).collect();
    let message = format!("the method {shown} does not exist/is not available");
    ErrorObject::owned(METHOD_NOT_FOUND, message, None::<()>)
}

fn no_room() -> ErrorObject<'static> {
    ErrorObject::borrowed(LIMIT, "too many large answers are being read; try again later", None)
}

fn no_notifications() -> ErrorObject<'static> {
    ErrorObject::borrowed(METHOD_NOT_FOUND, "notifications not supported", None)
}

/// An error before anything ran.
pub(crate) fn refusal(id: Id<'_>, error: impl Into<ErrorObject<'static>>) -> Box<RawValue> {
    MethodResponse::error(id, error.into()).into_json()
}

/// Names subscriptions. A name is good on its own connection only, so nobody gains by guessing one.
#[derive(Debug)]
struct Ids;

impl IdProvider for Ids {
    fn next_id(&self) -> SubscriptionId<'static> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let hash = keccak256(NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        SubscriptionId::Str(Cow::Owned(alloy_primitives::hex::encode_prefixed(&hash[..16])))
    }
}

/// A dispatcher that the connections of a transport share.
pub(crate) type SharedDispatcher = Arc<Dispatcher>;

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    /// Answers `big` with 80 KB, where there is room for 100.
    fn narrow() -> Dispatcher {
        let mut module = jsonrpsee::RpcModule::new(());
        module.register_method("big", |_, (), _| "x".repeat(80 << 10)).unwrap();
        let room = Arc::new(Semaphore::new(100));
        Dispatcher { room, ..Dispatcher::new(module.into(), 10, 1 << 20) }
    }

    fn ask(dispatcher: &Dispatcher, message: &str) -> Option<Answer> {
        dispatcher.answer(message.as_bytes(), None).now_or_never().expect("nothing is waited for")
    }

    #[test]
    fn large_answers_take_room_until_they_are_read() {
        let dispatcher = narrow();
        let big = |id: &str| format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"big"}}"#);
        let first = ask(&dispatcher, &big("1")).unwrap();
        assert!(first.room.is_some());
        let refused = ask(&dispatcher, &big(r#""two""#)).unwrap();
        assert!(refused.room.is_none() && refused.json.get().contains(r#""id":"two""#));
        assert!(refused.json.get().contains("-32005"), "{}", refused.json);
        drop(first);
        assert!(ask(&dispatcher, &big("3")).unwrap().room.is_some());
    }

    #[test]
    fn a_batch_takes_room_as_it_grows() {
        let dispatcher = narrow();
        let big = r#"{"jsonrpc":"2.0","id":1,"method":"big"}"#;
        let refused = ask(&dispatcher, &format!("[{big},{big}]")).unwrap();
        assert!(refused.json.get().contains("-32005") && refused.json.get().len() < 200);
        drop(refused);
        let one = ask(&dispatcher, &format!("[{big}]")).unwrap();
        assert_eq!(one.room.unwrap().num_permits(), one.json.get().len() >> 10);
    }

    #[test]
    fn only_what_has_no_id_is_a_notification() {
        let dispatcher = narrow();
        assert!(ask(&dispatcher, r#"{"jsonrpc":"2.0","method":"big"}"#).is_none());
        let answer = ask(&dispatcher, r#"{"jsonrpc":"2.0","id":null,"method":"big"}"#).unwrap();
        assert!(answer.json.get().contains(r#""id":null"#) && answer.json.get().contains("xxx"));
    }

    #[test]
    fn large_requests_wait_for_each_other_and_small_ones_for_nobody() {
        let dispatcher = Dispatcher::new(Methods::new(), 1, 1);
        let hold = |size| dispatcher.hold(size).now_or_never();
        // More than there is room for is taken alone.
        let first = hold(usize::MAX).expect("nobody else is there");
        assert!(first.is_some());
        assert!(hold(LARGE).is_none() && hold(LARGE - 1).is_some_and(|room| room.is_none()));
        drop(first);
        let many: Vec<_> = (0..MAX_WORKED_BYTES / (5 << 20)).map(|_| hold(5 << 20)).collect();
        assert!(many.iter().all(Option::is_some));
        assert!(hold(5 << 20).is_none());
    }
}
