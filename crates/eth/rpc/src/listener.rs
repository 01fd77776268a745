//! A TCP listener that holds a bounded number of connections, and none for ever.
//!
//! Whoever comes when all places are taken gets that of a connection on which nothing is being worked: first of one that
//! has never asked for anything, then of the one that has been still for longest. So idle connections, however many, keep
//! nobody out.

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    extract::connect_info::Connected,
    serve::{IncomingStream, Listener},
};
use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinHandle,
    time::{Instant, Sleep, sleep, timeout},
};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// Time between two looks for a connection that can be given up.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Accepts only while there is room or can be made; whoever comes later waits in the socket's backlog.
pub struct Bounded {
    listener: TcpListener,
    room: Arc<Semaphore>,
    places: Arc<Places>,
    idle: Duration,
}

/// The open connections.
#[derive(Debug)]
struct Places {
    began: Instant,
    next: AtomicU64,
    taken: Mutex<HashMap<u64, Arc<Place>>>,
}

/// What is known of a connection.
#[derive(Debug)]
pub(crate) struct Place {
    /// When something last moved, in milliseconds since the listener began.
    moved: AtomicU64,
    /// Requests that are worked on.
    busy: AtomicUsize,
    /// Whether it has ever asked for anything.
    served: AtomicBool,
    /// Cancelled to close it.
    give_up: CancellationToken,
}

impl std::fmt::Debug for Bounded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bounded").field("listener", &self.listener).finish_non_exhaustive()
    }
}

impl Bounded {
    /// At most `limit` connections; one on which nothing moves for `idle` is closed.
    #[must_use]
    pub fn new(listener: TcpListener, limit: u32, idle: Duration) -> Self {
        let places =
            Places { began: Instant::now(), next: AtomicU64::new(0), taken: Mutex::default() };
        let room = Arc::new(Semaphore::new(limit as usize));
        Self { listener, room, places: Arc::new(places), idle }
    }

    /// Room for one more connection, at the cost of another one if need be.
    async fn make_room(&self) -> OwnedSemaphorePermit {
        loop {
            if self.room.available_permits() == 0 {
                self.places.give_one_up();
            }
            // Where all are worked for, one may be still a moment later.
            let room = Arc::clone(&self.room).acquire_owned();
            if let Ok(permit) = timeout(LOOK_AGAIN, room).await {
                return permit.expect("the semaphore is never closed");
            }
        }
    }
}

impl Places {
    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn take(&self) -> (u64, Arc<Place>) {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let place = Arc::new(Place {
            moved: AtomicU64::new(self.now()),
            busy: AtomicUsize::new(0),
            served: AtomicBool::new(false),
            give_up: CancellationToken::new(),
        });
        self.taken.lock().insert(id, Arc::clone(&place));
        (id, place)
    }

    /// Closes the connection that is missed least; none where all are worked for.
    fn give_one_up(&self) {
        let taken = self.taken.lock();
        let idle = taken.values().filter(|place| place.busy.load(Ordering::Relaxed) == 0);
        let least = idle.min_by_key(|place| {
            (place.served.load(Ordering::Relaxed), place.moved.load(Ordering::Relaxed))
        });
        if let Some(place) = least {
            place.give_up.cancel();
        }
    }
}

impl Place {
    /// Keeps the connection from being given up until the guard is dropped.
    pub(crate) fn work(self: &Arc<Self>) -> Working {
        self.served.store(true, Ordering::Relaxed);
        self.busy.fetch_add(1, Ordering::Relaxed);
        Working(Arc::clone(self))
    }
}

impl Place {
    /// Closes the connection after this time, unless the guard is dropped before.
    pub(crate) fn end_after(&self, time: Duration) -> Ending {
        let give_up = self.give_up.clone();
        Ending(tokio::spawn(async move {
            sleep(time).await;
            give_up.cancel();
        }))
    }
}

/// A connection will be closed.
#[derive(Debug)]
pub(crate) struct Ending(JoinHandle<()>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A request is worked on.
#[derive(Debug)]
pub(crate) struct Working(Arc<Place>);

impl Drop for Working {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Hands the place of a connection to those who answer on it.
#[derive(Debug, Clone)]
pub(crate) struct At(pub(crate) Arc<Place>);

impl Connected<IncomingStream<'_, Bounded>> for At {
    fn connect_info(stream: IncomingStream<'_, Bounded>) -> Self {
        Self(Arc::clone(&stream.io().place))
    }
}

impl Listener for Bounded {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        let (stream, address) = Listener::accept(&mut self.listener).await;
        let permit = self.make_room().await;
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "set TCP_NODELAY");
        }
        let (id, place) = self.places.take();
        let connection = Connection {
            stream,
            idle: self.idle,
            deadline: Box::pin(sleep(self.idle)),
            given_up: Box::pin(place.give_up.clone().cancelled_owned()),
            places: Arc::clone(&self.places),
            id,
            place,
            _permit: permit,
        };
        (connection, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection, which makes room when it is dropped. Reading fails when nothing has moved for too long.
pub struct Connection {
    stream: TcpStream,
    idle: Duration,
    deadline: Pin<Box<Sleep>>,
    given_up: Pin<Box<WaitForCancellationFutureOwned>>,
    places: Arc<Places>,
    id: u64,
    place: Arc<Place>,
    _permit: OwnedSemaphorePermit,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("stream", &self.stream).finish_non_exhaustive()
    }
}

impl Connection {
    fn moved(&mut self) {
        self.place.moved.store(self.places.now(), Ordering::Relaxed);
        self.deadline.as_mut().reset(Instant::now() + self.idle);
    }

    /// Whether the connection is to be closed: it has been still for too long, or its place goes to another.
    fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.deadline.as_mut().poll(cx).is_ready() || self.given_up.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.places.taken.lock().remove(&self.id);
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        match Pin::new(&mut this.stream).poll_read(cx, buf) {
            Poll::Pending => this.poll_over(cx).map(|()| Err(io::ErrorKind::TimedOut.into())),
            ready => {
                this.moved();
                ready
            }
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        match Pin::new(&mut this.stream).poll_write(cx, buf) {
            Poll::Pending => this.poll_over(cx).map(|()| Err(io::ErrorKind::TimedOut.into())),
            ready => {
                this.moved();
                ready
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        match Pin::new(&mut this.stream).poll_write_vectored(cx, bufs) {
            Poll::Pending => this.poll_over(cx).map(|()| Err(io::ErrorKind::TimedOut.into())),
            ready => {
                this.moved();
                ready
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
