//! Two things at once, where there is more than one core.

/// Does two pieces of work that have nothing to do with each other: on two threads where the feature `parallel` is on.
#[cfg(feature = "parallel")]
pub fn join<A: Send, B: Send>(
    one: impl FnOnce() -> A + Send,
    other: impl FnOnce() -> B + Send,
) -> (A, B) {
    rayon::join(one, other)
}

/// Does two pieces of work that have nothing to do with each other: on two threads where the feature `parallel` is on.
#[cfg(not(feature = "parallel"))]
pub fn join<A: Send, B: Send>(
    one: impl FnOnce() -> A + Send,
    other: impl FnOnce() -> B + Send,
) -> (A, B) {
    (one(), other())
}

/// Does a piece of work. Meanwhile another thread may `help`, where the feature `parallel` is on: again and again, until there is nothing
/// left to help with (`false`) or the work is done. The work must not depend on it.
#[cfg(feature = "parallel")]
pub fn helped<A: Send>(
    work: impl FnOnce() -> A + Send,
    mut help: impl FnMut() -> bool + Send,
) -> A {
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    let is_done = AtomicBool::new(false);
    let work = || {
        let done = work();
        is_done.store(true, Relaxed);
        done
    };
    let help = || {
        while !is_done.load(Relaxed) {
            if !help() {
                break;
            }
        }
    };
    rayon::join(work, help).0
}

/// Does a piece of work. Meanwhile another thread may `help`, where the feature `parallel` is on.
#[cfg(not(feature = "parallel"))]
pub fn helped<A: Send>(work: impl FnOnce() -> A + Send, _: impl FnMut() -> bool + Send) -> A {
    work()
}
