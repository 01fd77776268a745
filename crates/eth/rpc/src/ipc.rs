//! JSON-RPC over a Unix socket: calls and batches one after the other, separated by white space or nothing.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use jsonrpsee::{
    Methods,
    types::{ErrorCode, Id},
};
use serde_json::value::RawValue;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        UnixListener, UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::Semaphore,
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use crate::{
    ServerError,
    dispatch::{Dispatcher, SharedDispatcher, refusal},
    frames::Frames,
    session::{self, Session, Writer},
};

/// Bytes read at once.
const CHUNK: usize = 64 * 1024;
/// How long nothing is accepted after the system could not.
const PAUSE: Duration = Duration::from_millis(500);
/// Only the owner of the node may connect: every namespace is offered.
const MODE: u32 = 0o600;

/// Where and how a node is reached by programs of the same user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IpcConfig {
    /// The socket. What an earlier run has left there is replaced.
    pub path: PathBuf,
    /// Bytes of a request at most.
    pub max_request_bytes: u32,
    /// Bytes of a response at most.
    pub max_response_bytes: u32,
    /// Calls in one batch at most.
    pub max_batch: u32,
    /// Open connections at most; more wait in the backlog of the socket.
    pub max_connections: u32,
    /// Whoever does not read an answer for so long is disconnected.
    pub write_timeout: Duration,
}

/// A Unix socket that is listened on. It is removed at the end.
#[derive(Debug)]
pub struct Ipc {
    config: IpcConfig,
    listener: UnixListener,
    dispatcher: SharedDispatcher,
}

impl Ipc {
    /// Listens.
    ///
    /// # Errors
    /// If the socket cannot be made, or another process listens on it.
    pub fn bind(config: IpcConfig, methods: Methods) -> Result<Self, ServerError> {
        let fail = |source| ServerError::Ipc { path: config.path.clone(), source };
        let listener = listen(&config.path).map_err(fail)?;
        let (batch, bytes) = (config.max_batch, config.max_response_bytes);
        let dispatcher = Arc::new(Dispatcher::new(methods, batch, bytes));
        tracing::info!(path = %config.path.display(), "JSON-RPC socket listens");
        Ok(Self { config, listener, dispatcher })
    }

    /// Answers until `stop` is cancelled.
    ///
    /// # Errors
    /// If the socket fails.
    ///
    /// # Panics
    /// If a connection does.
    pub async fn serve(self, stop: CancellationToken) -> Result<(), ServerError> {
        let room = Arc::new(Semaphore::new(self.config.max_connections as usize));
        let mut connections = JoinSet::new();
        let result = loop {
            let permit = Arc::clone(&room).acquire_owned();
            let permit = tokio::select! {
                () = stop.cancelled() => break Ok(()),
                permit = permit => permit.expect("the semaphore is never closed"),
            };
            let stream = tokio::select! {
                () = stop.cancelled() => break Ok(()),
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => stream,
                    Err(error) if is_of_one_connection(&error) => continue,
                    Err(error) if is_of_the_moment(&error) => {
                        tracing::warn!(%error, "accept a connection");
                        tokio::time::sleep(PAUSE).await;
                        continue;
                    }
                    Err(source) => break Err(ServerError::Serve(source)),
                },
            };
            while let Some(ended) = connections.try_join_next() {
                resume_panic(ended);
            }
            let (dispatcher, config) = (Arc::clone(&self.dispatcher), self.config.clone());
            let stop = stop.clone();
            connections.spawn(async move {
                converse(stream, dispatcher, &config, stop).await;
                drop(permit);
            });
        };
        while let Some(ended) = connections.join_next().await {
            resume_panic(ended);
        }
        let _ = fs::remove_file(&self.config.path);
        result
    }
}

fn resume_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        std::panic::resume_unwind(error.into_panic());
    }
}

/// Whether only the connection that was about to be accepted has failed.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset)
}

/// Whether the process or the system has too much open or in memory, which passes: callers of the other servers must not be able to
/// end the node with their connections.
fn is_of_the_moment(error: &io::Error) -> bool {
    // ENFILE and EMFILE, on Linux and elsewhere: the standard library has no names for them.
    matches!(error.raw_os_error(), Some(23 | 24)) || error.kind() == io::ErrorKind::OutOfMemory
}

/// Makes the socket under another name first, so that nobody can connect before its mode is set.
fn listen(path: &Path) -> io::Result<UnixListener> {
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        return Err(io::ErrorKind::AddrInUse.into());
    }
    let mut draft = path.as_os_str().to_owned();
    draft.push("~");
    let draft = PathBuf::from(draft);
    let _ = fs::remove_file(&draft);
    let listener = UnixListener::bind(&draft)?;
    fs::set_permissions(&draft, fs::Permissions::from_mode(MODE))?;
    fs::rename(&draft, path)?;
    Ok(listener)
}

async fn converse(
    stream: UnixStream,
    dispatcher: SharedDispatcher,
    config: &IpcConfig,
    stop: CancellationToken,
) {
    let (reader, writer) = stream.into_split();
    let (session, outbox) = session::open(dispatcher, None);
    let mut writing = pin!(outbox.write_to(Lines(writer), config.write_timeout));
    tokio::select! {
        () = stop.cancelled() => {}
        () = &mut writing => {}
        // What was asked before the end is answered.
        () = read(reader, session, config.max_request_bytes as usize) => writing.await,
    }
}

async fn read(mut reader: OwnedReadHalf, mut session: Session, max_bytes: usize) {
    let mut frames = Frames::new(max_bytes);
    let mut chunk = vec![0; CHUNK];
    loop {
        match reader.read(&mut chunk).await {
            Ok(0) | Err(_) => return session.finish().await,
            Ok(length) => frames.push(&chunk[..length]),
        }
        loop {
            match frames.next() {
                Ok(Some(message)) => session.take(message).await,
                Ok(None) => break,
                Err(_) => {
                    // Where the next message begins is unknown.
                    session.refuse(refusal(Id::Null, ErrorCode::ParseError)).await;
                    return session.finish().await;
                }
            }
        }
    }
}

/// One message a line.
struct Lines(OwnedWriteHalf);

impl Writer for Lines {
    async fn write(&mut self, message: Box<RawValue>) -> io::Result<()> {
        let mut line = String::from(Box::<str>::from(message));
        line.push('\n');
        self.0.write_all(line.as_bytes()).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_open_files_are_of_the_moment() {
        for code in [23, 24, 12] {
            assert!(is_of_the_moment(&io::Error::from_raw_os_error(code)), "{code}");
        }
        assert!(!is_of_the_moment(&io::Error::from_raw_os_error(9)), "a socket that is none");
    }
}
