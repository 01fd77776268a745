//! The safety net of settlement: what may happen to a rollup, and that nothing is lost or done twice.

mod checks;
mod histories;
mod l1;
mod limits;
mod native;
mod native_exits;
mod operators;
mod proving;
mod restarts;
mod walk;
