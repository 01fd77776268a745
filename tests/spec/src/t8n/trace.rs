//! Transactions step by step, as EIP-3155 writes them down: a line for each instruction.

use std::sync::Arc;

use alloy_primitives::{U64, U256};
use alloy_rpc_types_trace::geth::GethDebugTracingOptions;
use ethrex_evm::trace::{Trace, TraceLimits, Tracer, TxPlace};
use ethrex_evm::{BlockContext, BlockExecutor};
use ethrex_stf::Ethereum;
use serde::Deserialize;
use serde_json::Value;

use super::transition::{Named, Transition};
use super::{Files, Unmet, same};
use crate::transactions;

/// Far beyond what any of them records.
const BYTES: usize = 1 << 30;

/// An instruction, before it runs.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Step {
    pc: u64,
    #[serde(alias = "op")]
    op_name: String,
    gas: U64,
    gas_cost: U64,
    depth: u64,
    stack: Vec<U256>,
    #[serde(default)]
    refund: u64,
}

impl Step {
    /// Without the refund where the instruction itself grants it: geth has added it by the time it writes the line, and others have
    /// not. The next line has it in any case.
    fn before(&self) -> Self {
        let refund = if self.op_name == "SSTORE" { 0 } else { self.refund };
        Self { refund, ..self.clone() }
    }
}

/// Traces each transaction of a call, and compares with the lines of a file each.
pub(super) fn run(files: &Files, folder: u8, fork: &str, expected: &[&str]) -> Result<(), Unmet> {
    let transition = Transition::read(files, folder, fork, ["env.json", "txs.json"])?;
    let state = Named { state: transition.ledger.state(), env: &transition.env };
    let context = BlockContext { header: &transition.header, ommers: &[], withdrawals: None };
    let mut executor = BlockExecutor::open_bare(&transition.spec, &Ethereum, &context, &state);
    same("number of transactions", &transition.txs.len(), &expected.len())?;
    let limits = TraceLimits { bytes: BYTES, steps: u64::MAX, interrupted: Arc::new(|| false) };
    let tracer = Tracer::geth(GethDebugTracingOptions::default(), limits)?;
    for (tx, name) in transition.txs.iter().zip(expected) {
        let signed = tx.clone().and_then(|tx| transactions::recover(transition.fork(), tx));
        let (tx, sender) = signed.ok_or(Unmet::Unmade)?;
        let Trace::Geth(trace) = executor.trace(&tx, sender, &tracer, TxPlace::default())? else {
            unreachable!("geth's tracers give geth's traces")
        };
        let trace = serde_json::to_value(trace)?;
        let ours: Vec<Step> = serde_json::from_value(trace["structLogs"].clone())?;
        let theirs = steps(files.get(folder, name)?)?;
        same("number of steps", &ours.len(), &theirs.len())?;
        for (ours, theirs) in ours.iter().zip(&theirs) {
            same("step", &ours.before(), &theirs.before())?;
        }
    }
    Ok(())
}

/// The lines that are about an instruction; others are about calls and the end. One with an error repeats the line before it.
fn steps(lines: &[u8]) -> Result<Vec<Step>, Unmet> {
    let lines = serde_json::Deserializer::from_slice(lines).into_iter::<Value>();
    let mut steps = Vec::new();
    for line in lines {
        let mut line = line?;
        let Some(step) = line.as_object_mut() else { continue };
        if step.contains_key("pc") && !step.contains_key("error") {
            // The name is there too.
            step.remove("op");
            steps.push(serde_json::from_value(line)?);
        }
    }
    Ok(steps)
}
