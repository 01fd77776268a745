//! Runs methods away from the threads that serve sockets.

use std::{sync::Arc, time::Instant};

use jsonrpsee::{RpcModule, types::ErrorObjectOwned};
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::Semaphore;

use crate::{Args, RpcError, metrics};

/// A bounded number of blocking threads. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Workers {
    permits: Arc<Semaphore>,
}

impl Workers {
    /// At most this many calls work at the same time.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { permits: Arc::new(Semaphore::new(limit)) }
    }

    /// Runs `work` when a thread is free.
    ///
    /// # Errors
    /// What `work` says.
    ///
    /// # Panics
    /// If `work` does.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, RpcError> + Send + 'static,
    ) -> Result<T, RpcError> {
        let permits = Arc::clone(&self.permits);
        let permit = permits.acquire_owned().await.map_err(|_| RpcError::Stopping)?;
        let done = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work()
        });
        match done.await {
            Ok(result) => result,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => Err(RpcError::Stopping),
        }
    }
}

/// Adds a method to a namespace. `method` runs on a worker; it reads its parameters from [`Args`].
///
/// # Panics
/// If the namespace has a method of this name already.
pub fn register<C, R>(
    module: &mut RpcModule<C>,
    workers: &Workers,
    name: &'static str,
    method: fn(&C, &mut Args) -> Result<R, RpcError>,
) where
    C: Send + Sync + 'static,
    R: Serialize + Send + 'static,
{
    let workers = workers.clone();
    let callback = move |params: jsonrpsee::types::Params<'static>, context: Arc<C>, _| {
        let workers = workers.clone();
        async move {
            let start = Instant::now();
            // What is serialised on the worker cannot hold up a socket.
            let answer = workers.run(move || call(&params, context.as_ref(), method)).await;
            metrics::answered(name, answer.is_ok(), start.elapsed());
            answer.map_err(ErrorObjectOwned::from)
        }
    };
    module.register_async_method(name, callback).expect("each method is registered once");
}

fn call<C, R: Serialize>(
    params: &jsonrpsee::types::Params<'_>,
    context: &C,
    method: fn(&C, &mut Args) -> Result<R, RpcError>,
) -> Result<Box<RawValue>, RpcError> {
    let mut args = Args::new(params)?;
    let answer = method(context, &mut args)?;
    if let Some(error) = args.leftover() {
        return Err(error);
    }
    // Written once, and here: a tree of values takes several times the memory of its text.
    serde_json::value::to_raw_value(&answer)
        .map_err(|error| crate::error::Fault::Encode(error).into())
}
