//! What a block created for its author and those of its ommers. Nothing since the merge.

use alloy_primitives::U256;
use alloy_rpc_types_trace::parity::{Action, RewardAction, RewardType, TransactionTrace};
use ethrex_types::{ChainSpec, Fork, RecoveredBlock};

/// Wei in an ether.
const ETHER: u128 = 1_000_000_000_000_000_000;

/// The rewards of a block, its author's first.
pub(super) fn of(spec: &ChainSpec, block: &RecoveredBlock) -> Vec<TransactionTrace> {
    let (header, ommers) = (block.sealed().header(), &block.sealed().body().ommers);
    let base = match spec.fork_at(header.number, header.timestamp) {
        fork if fork >= Fork::Paris => return Vec::new(),
        fork if fork >= Fork::Constantinople => 2 * ETHER,
        fork if fork >= Fork::Byzantium => 3 * ETHER,
        _ => 5 * ETHER,
    };
    // The genesis block has no author.
    if header.number == spec.genesis().number.unwrap_or_default() {
        return Vec::new();
    }
    let author = RewardAction {
        author: header.beneficiary,
        reward_type: RewardType::Block,
        value: U256::from(base + (base >> 5) * ommers.len() as u128),
    };
    let ommer = |ommer: &ethrex_types::Header| {
        let age = header.number.saturating_sub(ommer.number);
        RewardAction {
            author: ommer.beneficiary,
            reward_type: RewardType::Uncle,
            value: U256::from((u128::from(8_u64.saturating_sub(age)) * base) >> 3),
        }
    };
    std::iter::once(author)
        .chain(ommers.iter().map(ommer))
        .map(|action| TransactionTrace {
            action: Action::Reward(action),
            error: None,
            result: None,
            subtraces: 0,
            trace_address: Vec::new(),
        })
        .collect()
}
