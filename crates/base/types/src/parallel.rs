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
