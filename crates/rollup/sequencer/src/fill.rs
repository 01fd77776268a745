//! What goes into a block: messages of L1 first, then the pool's best, as far as one blob carries.

use alloy_primitives::B256;
use alloy_rlp::Encodable;
use ethrex_protocol::{
    blob::BlockSize, constants::PRIVILEGED_TX_BUDGET, deposit::PrivilegedMessage, fee::FeeConfig,
};
use ethrex_stf::{BlockBuilder, InvalidTx, NotIncluded, RunError};
use ethrex_txpool::Best;
use ethrex_types::{Header, StateError};

use crate::SetAside;

/// Gas below which a block counts as full: no transaction needs less.
const LEAST_TX_GAS: u64 = 21_000;

/// What [`fill`] did.
#[derive(Debug, Default)]
pub struct Filled {
    /// Messages executed in this block.
    pub messages: u64,
    /// A message that does not fit even into an empty block: the queue of L1 is stuck behind it.
    pub stuck_message: Option<u64>,
}

/// Fills a block with `messages` in their order, then with the pool's best, without what `set_aside` passes over.
///
/// # Errors
/// If the state cannot be read.
pub fn fill(
    builder: &mut BlockBuilder<'_>,
    messages: &[PrivilegedMessage],
    best: &mut Best,
    set_aside: &SetAside,
    fee_config: &FeeConfig,
) -> Result<Filled, StateError> {
    let mut size = BlockSize::for_header(&widest(builder.context().header()));
    let fee_len = fee_config.encoded_len();
    let mut filled = Filled::default();
    let gas_price = builder.context().header().base_fee_per_gas.unwrap_or_default();
    let number = builder.context().header().number;

    for message in messages.iter().take(PRIVILEGED_TX_BUDGET) {
        let tx = message.to_transaction(gas_price);
        let with = size.with(tx.length());
        if !with.fits(fee_len) {
            break;
        }
        match builder.push(tx, message.from) {
            Ok(_) => {
                size = with;
                filled.messages += 1;
            }
            // A message is never invalid in itself; it only finds no room.
            Err(RunError::Invalid(_)) => break,
            Err(RunError::Fault(fault)) => return Err(fault),
        }
    }
    if let Some(first) = messages.first().filter(|_| filled.messages == 0) {
        filled.stuck_message = Some(first.transaction_id);
    }

    while builder.gas_left() >= LEAST_TX_GAS {
        let Some(tx) = best.next() else { break };
        if set_aside.passes_over(&tx.hash(), number) {
            best.skip_sender();
            continue;
        }
        let with = size.with(tx.tx().length());
        if !with.fits(fee_len) {
            best.skip_sender();
            continue;
        }
        match builder.push(tx.tx().clone(), tx.sender()) {
            Ok(_) => size = with,
            // The pool follows published blocks and this one may stand on others: its sender's next may be the right one.
            Err(RunError::Invalid(NotIncluded::Invalid(InvalidTx::NonceTooLow { .. }))) => {}
            Err(RunError::Invalid(_)) => best.skip_sender(),
            Err(RunError::Fault(fault)) => return Err(fault),
        }
    }
    Ok(filled)
}

/// The header with the fields that are filled in at the end, so that its length is the final one at most.
fn widest(header: &Header) -> Header {
    Header {
        withdrawals_root: Some(B256::ZERO),
        blob_gas_used: Some(0),
        requests_hash: Some(B256::ZERO),
        ..header.clone()
    }
}
