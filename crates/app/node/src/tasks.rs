//! Tasks that live and die together.

use std::{
    error::Error,
    fmt,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

type BoxError = Box<dyn Error + Send + Sync>;

/// How long tasks may take to end after they were told to.
const DRAIN: Duration = Duration::from_secs(10);

/// A task ended although nobody had asked it to.
#[derive(Debug)]
pub struct TaskFailed {
    /// Name of the task.
    pub task: &'static str,
    /// Why, unless it just returned.
    source: Option<BoxError>,
}

impl fmt::Display for TaskFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Some(source) => {
                write!(f, "{} stopped: {source}", self.task)?;
                let mut cause = source.source();
                while let Some(error) = cause {
                    write!(f, ": {error}")?;
                    cause = error.source();
                }
                Ok(())
            }
            None => write!(f, "{} ended early", self.task),
        }
    }
}

impl Error for TaskFailed {}

/// The long-lived tasks of a node. The first that ends stops all others.
#[derive(Debug, Default)]
pub struct Tasks {
    set: JoinSet<(&'static str, Result<(), BoxError>)>,
    stop: CancellationToken,
    ready: Readiness,
}

/// Whether everything has started, and nothing is told to stop yet. Cheap to clone; all clones say the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Readiness(Arc<AtomicBool>);

impl Readiness {
    pub(crate) fn is_ready(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self, ready: bool) {
        self.0.store(ready, Ordering::Relaxed);
    }
}

impl Tasks {
    /// Starts a task. It must return soon after its token is cancelled.
    pub fn spawn<F, E>(&mut self, name: &'static str, task: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        let running = task(self.stop.child_token());
        self.set.spawn(async move { (name, running.await.map_err(Into::into)) });
    }

    /// The token that stops every task.
    #[must_use]
    pub fn stop_token(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Whether everything has started.
    pub(crate) fn readiness(&self) -> Readiness {
        self.ready.clone()
    }

    /// Everything has started: waits for `shutdown` or for any task to end, then stops the rest and waits for them.
    ///
    /// # Errors
    /// If a task failed or ended before it was asked to.
    pub async fn run_until(mut self, shutdown: impl Future<Output = ()>) -> Result<(), TaskFailed> {
        self.ready.set(true);
        let first = tokio::select! {
            () = shutdown => Ok(()),
            Some(ended) = self.set.join_next() => Err(early(ended)),
        };
        if let Err(failed) = &first {
            tracing::error!("{failed}; stopping");
        }
        self.ready.set(false);
        self.stop.cancel();
        let drained = tokio::time::timeout(DRAIN, async {
            while let Some(ended) = self.set.join_next().await {
                if let Ok((task, Err(error))) = ended {
                    tracing::warn!(task, %error, "task failed while stopping");
                }
            }
        })
        .await;
        if drained.is_err() {
            tracing::warn!("some tasks ignored the shutdown; dropping them");
        }
        first
    }
}

fn early(ended: Result<(&'static str, Result<(), BoxError>), JoinError>) -> TaskFailed {
    match ended {
        Ok((task, result)) => TaskFailed { task, source: result.err() },
        Err(panic) => TaskFailed { task: "a task", source: Some(panic.into()) },
    }
}
