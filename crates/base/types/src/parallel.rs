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

/// Where a piece of work hands out tasks that it does not wait for.
#[derive(Debug)]
pub struct Tasks<'w, 't> {
    #[cfg(feature = "parallel")]
    scope: &'w rayon::Scope<'t>,
    #[cfg(not(feature = "parallel"))]
    scope: std::marker::PhantomData<(&'w (), &'t ())>,
}

impl<'t> Tasks<'_, 't> {
    /// Hands a task out. Another thread may do it at once, where the feature `parallel` is on; without it, it is done here and now.
    ///
    /// A thread that waits for something else may come upon the task, so it must not wait for the work that handed it out.
    pub fn hand_out(&self, task: impl FnOnce() + Send + 't) {
        #[cfg(feature = "parallel")]
        self.scope.spawn(|_| task());
        #[cfg(not(feature = "parallel"))]
        task();
    }
}

/// Does a piece of work, on the caller's own thread, that hands out tasks as it goes. When this returns, all of them are done.
pub fn with_tasks<'t, A>(work: impl FnOnce(&Tasks<'_, 't>) -> A) -> A {
    #[cfg(feature = "parallel")]
    return rayon::in_place_scope(|scope| work(&Tasks { scope }));
    #[cfg(not(feature = "parallel"))]
    work(&Tasks { scope: std::marker::PhantomData })
}
