//! Commits that share a trip to the disk.

use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use crate::{
    engine::{Batch, Engine, EngineError, Snapshot},
    error::StorageError,
};

/// An engine whose commits join up: whoever waits for its turn finds its batch written by the one before.
///
/// A durable commit takes milliseconds whatever its size, so this is what lets many small ones (the journal of the
/// pool) through.
pub(crate) struct Committer {
    engine: Box<dyn Engine>,
    waiting: Mutex<Vec<(Batch, Arc<Outcome>)>>,
    /// Held by the one who writes.
    turn: Mutex<()>,
}

type Outcome = OnceLock<Result<(), Arc<EngineError>>>;

impl Committer {
    pub(crate) fn new(engine: Box<dyn Engine>) -> Self {
        Self { engine, waiting: Mutex::default(), turn: Mutex::default() }
    }

    pub(crate) fn snapshot(&self) -> Result<Box<dyn Snapshot>, StorageError> {
        self.engine.snapshot().map_err(StorageError::Read)
    }

    /// Applies all writes of a batch or none. They are on disk when this returns.
    pub(crate) fn commit(&self, batch: Batch) -> Result<(), StorageError> {
        let outcome = Arc::new(Outcome::new());
        self.waiting.lock().push((batch, outcome.clone()));
        let _turn = self.turn.lock();
        if outcome.get().is_none() {
            self.write_waiting();
        }
        let result = outcome.get().expect("every waiting batch has been written");
        result.clone().map_err(StorageError::Write)
    }

    fn write_waiting(&self) {
        let (batches, outcomes): (Vec<_>, Vec<_>) =
            std::mem::take(&mut *self.waiting.lock()).into_iter().unzip();
        let writes = batches.into_iter().flat_map(|batch| batch.writes).collect();
        let result = self.engine.commit(Batch { writes }).map_err(Arc::new);
        for outcome in outcomes {
            // Only the one whose turn it is sets outcomes, and each once.
            let _ = outcome.set(result.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::{engine::memory::Memory, table::Table};

    /// Counts commits, and holds the first one up until it may go on.
    #[derive(Clone)]
    struct Slow {
        memory: Memory,
        commits: Arc<AtomicUsize>,
        may_go: Arc<std::sync::Barrier>,
    }

    impl Engine for Slow {
        fn snapshot(&self) -> Result<Box<dyn Snapshot>, EngineError> {
            self.memory.snapshot()
        }

        fn commit(&self, batch: Batch) -> Result<(), EngineError> {
            if self.commits.fetch_add(1, Ordering::SeqCst) == 0 {
                self.may_go.wait();
            }
            self.memory.commit(batch)
        }
    }

    #[test]
    fn commits_that_wait_together_are_written_together() {
        let may_go = Arc::new(std::sync::Barrier::new(2));
        let engine = Slow { memory: Memory::default(), commits: Arc::default(), may_go };
        let committer = Committer::new(Box::new(engine.clone()));
        let put = |n: u8| {
            let mut batch = Batch::default();
            batch.put(Table::Journal, [n], vec![n]);
            committer.commit(batch).unwrap();
            let found = committer.snapshot().unwrap().get(Table::Journal, &[n]).unwrap();
            assert_eq!(found.unwrap(), vec![n]);
        };
        std::thread::scope(|scope| {
            let put = &put;
            scope.spawn(move || put(0));
            while engine.commits.load(Ordering::SeqCst) == 0 {
                std::thread::yield_now();
            }
            (1..=8).for_each(|n| drop(scope.spawn(move || put(n))));
            while committer.waiting.lock().len() < 8 {
                std::thread::yield_now();
            }
            engine.may_go.wait();
        });
        assert_eq!(engine.commits.load(Ordering::SeqCst), 2);
    }
}
