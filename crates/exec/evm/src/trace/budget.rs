//! What a recording takes, counted before it is taken.

use alloy_primitives::{
    Address, U256,
    map::{HashMap, HashSet},
};
use revm::{
    bytecode::opcode::{self, OpCode},
    interpreter::{
        Interpreter,
        interpreter_types::{InputsTr, Jumps, MemoryTr},
    },
};
use revm_inspectors::tracing::{StackSnapshotType, TracingInspectorConfig};

use super::{TraceLimits, TraceStopped};

/// Bytes that a step takes, once as it is recorded and once as it is answered, without what follows.
const STEP: usize = 512;
/// Bytes that an item of the stack takes, likewise.
const STACK_ITEM: usize = 64;
/// Bytes that a byte of memory takes: recorded, and as hexadecimal text of 32 bytes each.
const MEMORY_BYTE: usize = 4;
/// Bytes that a slot takes in the copy of a contract's storage that each step on storage has.
const SLOT: usize = 128;
/// Bytes that a call takes, without data.
const CALL: usize = 1024;
/// Bytes that a log takes, without data.
const LOG: usize = 256;
/// Steps between two questions whether anybody still waits. A thousand take microseconds.
const STEPS_UNASKED: u64 = 1_000;
/// Gas that counts like a step there: hashes and copies of much memory take longer.
const GAS_PER_STEP: u64 = 64;

/// Which parts of each step are recorded.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct StepPlan {
    steps: bool,
    limit: Option<u64>,
    stack: bool,
    /// What a step leaves on the stack.
    pushed: bool,
    memory: bool,
    return_data: bool,
    storage: bool,
}

impl From<&TracingInspectorConfig> for StepPlan {
    fn from(config: &TracingInspectorConfig) -> Self {
        let stack = config.record_stack_snapshots;
        Self {
            steps: config.record_steps,
            limit: config.step_limit.map(Into::into),
            stack: matches!(stack, StackSnapshotType::Full | StackSnapshotType::All),
            pushed: matches!(stack, StackSnapshotType::Pushes | StackSnapshotType::All),
            memory: config.record_memory_snapshots,
            return_data: config.record_returndata_snapshots,
            storage: config.record_state_diff,
        }
    }
}

/// Counts, and says when it is too much.
#[derive(Debug)]
pub(super) struct Budget {
    limits: TraceLimits,
    plan: StepPlan,
    bytes: usize,
    steps: u64,
    unasked: u64,
    /// Gas that the frame had left at the last step.
    gas_left: u64,
    /// Slots that each contract's copied storage has by now.
    slots: HashMap<Address, HashSet<U256>>,
    stopped: Option<TraceStopped>,
}

impl Budget {
    pub(super) fn new(limits: TraceLimits, plan: StepPlan) -> Self {
        Self {
            limits,
            plan,
            bytes: 0,
            steps: 0,
            unasked: 0,
            gas_left: 0,
            slots: HashMap::default(),
            stopped: None,
        }
    }

    pub(super) const fn stopped(&self) -> Option<TraceStopped> {
        self.stopped
    }

    /// Counts the step that is about to run.
    pub(super) fn step(&mut self, interpreter: &Interpreter) {
        let left = interpreter.gas.remaining();
        let spent = std::mem::replace(&mut self.gas_left, left).saturating_sub(left);
        self.unasked += 1 + spent / GAS_PER_STEP;
        if self.unasked >= STEPS_UNASKED {
            self.ask();
        }
        let StepPlan { steps, limit, .. } = self.plan;
        if !steps || limit.is_some_and(|limit| self.steps >= limit) {
            return;
        }
        self.steps += 1;
        if self.steps > self.limits.steps {
            self.stop(TraceStopped::Steps(self.limits.steps));
        }
        let bytes = STEP + self.parts(interpreter);
        self.take(bytes);
    }

    fn parts(&mut self, interpreter: &Interpreter) -> usize {
        let mut bytes = 0;
        if self.plan.stack {
            bytes += interpreter.stack.len() * STACK_ITEM;
        }
        if self.plan.pushed {
            bytes += OpCode::new(interpreter.bytecode.opcode())
                .map_or(0, |op| usize::from(op.outputs()) * STACK_ITEM);
        }
        if self.plan.memory {
            bytes += interpreter.memory.size().saturating_mul(MEMORY_BYTE);
        }
        if self.plan.return_data {
            bytes += interpreter.return_data.0.len() * 2;
        }
        if self.plan.storage
            && matches!(interpreter.bytecode.opcode(), opcode::SLOAD | opcode::SSTORE)
            && let Ok(slot) = interpreter.stack.peek(0)
        {
            let slots = self.slots.entry(interpreter.input.target_address()).or_default();
            slots.insert(slot);
            bytes += slots.len() * SLOT;
        }
        bytes
    }

    /// Counts a call or creation with so much input.
    pub(super) fn call(&mut self, input: usize) {
        self.ask();
        self.take(CALL.saturating_add(data(input)));
    }

    /// Counts what a call returned.
    pub(super) fn output(&mut self, bytes: usize) {
        self.take(data(bytes));
    }

    /// Counts a log with so much data.
    pub(super) fn log(&mut self, bytes: usize) {
        self.take(LOG.saturating_add(data(bytes)));
    }

    /// Counts an account, or a slot of it, in an answer that shows state.
    pub(super) fn state(&mut self, code: usize) {
        self.take(LOG.saturating_add(data(code)));
    }

    /// Notes what was recorded beside all this, in sum.
    pub(super) fn recorded(&mut self, bytes: usize) {
        if self.bytes.saturating_add(bytes) > self.limits.bytes {
            self.stop(TraceStopped::Bytes(self.limits.bytes));
        }
    }

    fn take(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes);
        self.recorded(0);
    }

    fn ask(&mut self) {
        self.unasked = 0;
        if (self.limits.interrupted)() {
            self.stop(TraceStopped::Interrupted);
        }
    }

    fn stop(&mut self, why: TraceStopped) {
        self.stopped.get_or_insert(why);
    }
}

/// What data takes: itself, and its hexadecimal text.
const fn data(bytes: usize) -> usize {
    bytes.saturating_mul(3)
}
