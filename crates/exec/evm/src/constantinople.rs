//! Constantinople, which revm does not have: Petersburg with the storage prices of EIP-1283.
//!
//! Mainnet never ran it, but Ropsten did, and test chains and fixtures go through it.

use revm::{
    bytecode::opcode::SSTORE,
    context::CfgEnv,
    context_interface::cfg::gas_params::{GasId, GasParams},
    handler::instructions::EthInstructions,
    interpreter::{
        Host, Instruction, InstructionContext, InstructionResult, StateLoad,
        instructions::host::sstore_with_gas_accounting, interpreter::EthInterpreter,
    },
    primitives::hardfork::SpecId,
};

/// What an SSTORE costs that changes nothing, in gas (EIP-1283).
const NO_CHANGE: u64 = 200;
/// An SSTORE that fills an empty slot.
const FILL: u64 = 20_000;
/// An SSTORE that changes a full one.
const CHANGE: u64 = 5_000;

/// Makes the environment of Petersburg that of Constantinople.
pub(crate) fn set(cfg: &mut CfgEnv) {
    let mut gas = GasParams::new_spec(SpecId::PETERSBURG);
    gas.override_gas([
        (GasId::sstore_static(), NO_CHANGE),
        (GasId::sstore_set_without_load_cost(), FILL - NO_CHANGE),
        (GasId::sstore_reset_without_cold_load_cost(), CHANGE - NO_CHANGE),
        (GasId::sstore_set_refund(), FILL - NO_CHANGE),
        (GasId::sstore_reset_refund(), CHANGE - NO_CHANGE),
    ]);
    cfg.spec = SpecId::PETERSBURG;
    cfg.set_gas_params(gas);
}

/// Puts its SSTORE in place, where the environment is that of Constantinople.
pub(crate) fn install<H: Host>(
    cfg: &CfgEnv,
    instructions: &mut EthInstructions<EthInterpreter, H>,
) {
    if cfg.spec == SpecId::PETERSBURG && cfg.gas_params.sstore_static_gas() == NO_CHANGE {
        instructions.insert_instruction(SSTORE, Instruction::new(sstore), 0);
    }
}

/// SSTORE with net gas metering and without the stipend check, which came with Istanbul (EIP-2200).
fn sstore<H: Host>(
    context: InstructionContext<'_, H, EthInterpreter>,
) -> Result<(), InstructionResult> {
    sstore_with_gas_accounting(context, |context, _, StateLoad { data, is_cold, .. }| {
        let prices = context.host.gas_params();
        let (cost, refund) =
            (prices.sstore_dynamic_gas(true, data, *is_cold), prices.sstore_refund(true, data));
        if !context.interpreter.gas.record_regular_cost(cost) {
            return Err(InstructionResult::OutOfGas);
        }
        context.interpreter.gas.record_refund(refund);
        Ok(())
    })
}
