//! How hard a block under proof of work is, fork by fork, and where proof of work ends.

use alloy_primitives::U256;
use ethrex_types::{ChainSpec, Fork, Header, SealedHeader, alloy_consensus::EMPTY_OMMER_ROOT_HASH};

use crate::InvalidBlock;

/// No block is easier.
const MINIMUM: U256 = U256::from_limbs([131_072, 0, 0, 0]);
/// One step is the parent's difficulty divided by this.
const BOUND_DIVISOR: U256 = U256::from_limbs([2_048, 0, 0, 0]);
/// The difficulty bomb doubles after so many blocks.
const BOMB_PERIOD: u64 = 100_000;
/// Most steps down at once (EIP-2, EIP-100).
const STEPS_DOWN: u64 = 99;

/// By how many blocks each fork holds the bomb back, newest first (EIP-5133, EIP-4345, EIP-3554, EIP-2384, EIP-1234, EIP-649).
const DELAYS: [(Fork, u64); 6] = [
    (Fork::GrayGlacier, 11_400_000),
    (Fork::ArrowGlacier, 10_700_000),
    (Fork::London, 9_700_000),
    (Fork::MuirGlacier, 9_000_000),
    (Fork::Constantinople, 5_000_000),
    (Fork::Byzantium, 3_000_000),
];

/// The difficulty of the block after `parent` that is made at `timestamp`, which is later than the parent's, in seconds.
#[must_use]
pub fn next_difficulty(spec: &ChainSpec, parent: &Header, timestamp: u64) -> U256 {
    let number = parent.number.saturating_add(1);
    let fork = spec.fork_at(number, 0);
    let took = timestamp.saturating_sub(parent.timestamp);
    let calm = if fork >= Fork::Byzantium {
        // EIP-100: a block with ommers was one of several.
        let steps_up = if parent.ommers_hash == EMPTY_OMMER_ROOT_HASH { 1 } else { 2 };
        adjusted(parent.difficulty, steps_up, took / 9)
    } else if fork >= Fork::Homestead {
        adjusted(parent.difficulty, 1, took / 10)
    } else {
        adjusted(parent.difficulty, 1, if took < 13 { 0 } else { 2 })
    };
    let delay = DELAYS.into_iter().find(|(since, _)| fork >= *since).map_or(0, |(_, delay)| delay);
    let bomb = match (number.saturating_sub(delay) / BOMB_PERIOD).checked_sub(2) {
        // More would take millions of years.
        Some(doublings @ 0..=255) => U256::ONE << doublings,
        Some(_) => U256::MAX,
        None => U256::ZERO,
    };
    calm.saturating_add(bomb).max(MINIMUM)
}

/// So many steps up, less steps down. A parent that is not below the minimum has no child below it: what is lower is raised before the
/// bomb is added, as go-ethereum does it, and not after, as the Yellow Paper has it.
fn adjusted(parent: U256, up: u64, down: u64) -> U256 {
    let step = parent / BOUND_DIVISOR;
    let moved = match up.checked_sub(down) {
        Some(steps) => parent.saturating_add(step.saturating_mul(U256::from(steps))),
        None => {
            let steps = (down - up).min(STEPS_DOWN);
            parent.saturating_sub(step.saturating_mul(U256::from(steps)))
        }
    };
    // Only a genesis may be below.
    if parent < MINIMUM { moved } else { moved.max(MINIMUM) }
}

/// Checks that a block is on the right side of the terminal total difficulty (EIP-3675): under proof of work until a block
/// has reached it, under proof of stake from the next one on. `total` is the difficulty of the chain up to and with `parent`,
/// which does not matter once the parent is under proof of stake.
///
/// # Errors
/// If the block is not.
pub fn check_terminal(
    spec: &ChainSpec,
    header: &Header,
    parent: &SealedHeader,
    total: U256,
) -> Result<(), InvalidBlock> {
    let Some(terminal) = spec.terminal_total_difficulty() else { return Ok(()) };
    if spec.is_merged(parent) {
        return Ok(());
    }
    if spec.is_merged(header) == (total >= terminal) {
        Ok(())
    } else {
        Err(InvalidBlock::TerminalDifficulty { total, terminal })
    }
}

#[cfg(test)]
mod tests {
    use ethrex_types::Genesis;

    use super::*;

    fn spec(config: serde_json::Value) -> ChainSpec {
        let config = serde_json::from_value(config).unwrap();
        ChainSpec::new(Genesis { config, ..Genesis::default() }).unwrap()
    }

    fn parent(number: u64, difficulty: u64) -> Header {
        Header {
            number,
            timestamp: 1_000,
            difficulty: U256::from(difficulty),
            ommers_hash: EMPTY_OMMER_ROOT_HASH,
            ..Header::default()
        }
    }

    #[track_caller]
    fn check(config: serde_json::Value, parent: &Header, took: u64, difficulty: u64) {
        let next = next_difficulty(&spec(config), parent, parent.timestamp + took);
        assert_eq!(next, U256::from(difficulty));
    }

    #[test]
    fn frontier_knows_fast_and_slow() {
        let frontier = || serde_json::json!({"chainId": 1});
        check(frontier(), &parent(10, 2_048_000), 12, 2_049_000);
        check(frontier(), &parent(10, 2_048_000), 13, 2_047_000);
        check(frontier(), &parent(10, 131_072), 13, 131_072);
        // The bomb begins with its second period.
        check(frontier(), &parent(199_998, 2_048_000), 12, 2_049_000);
        check(frontier(), &parent(199_999, 2_048_000), 12, 2_049_001);
        check(frontier(), &parent(299_999, 2_048_000), 12, 2_049_002);
    }

    #[test]
    fn homestead_goes_down_at_most_99_steps() {
        let homestead = || serde_json::json!({"chainId": 1, "homesteadBlock": 0});
        check(homestead(), &parent(10, 2_048_000), 9, 2_049_000);
        check(homestead(), &parent(10, 2_048_000), 10, 2_048_000);
        check(homestead(), &parent(10, 2_048_000), 10_000, 1_949_000);
    }

    #[test]
    fn the_child_of_a_block_below_the_minimum_is_raised_with_the_bomb_in_it() {
        let homestead = || serde_json::json!({"chainId": 1, "homesteadBlock": 0});
        check(homestead(), &parent(0, 1_000), 9, 131_072);
        check(homestead(), &parent(899_999, 1_000), 9, 131_072);
        check(homestead(), &parent(4_269_999, 2_048), 29, (1 << 40) + 2_047);
        // At the minimum, the bomb comes on top.
        check(homestead(), &parent(4_269_999, 131_072), 29, (1 << 40) + 131_072);
    }

    #[test]
    fn byzantium_counts_ommers_and_holds_the_bomb_back() {
        let byzantium =
            || serde_json::json!({"chainId": 1, "homesteadBlock": 0, "byzantiumBlock": 0});
        check(byzantium(), &parent(10, 2_048_000), 8, 2_049_000);
        let busy = Header { ommers_hash: alloy_primitives::B256::ZERO, ..parent(10, 2_048_000) };
        check(byzantium(), &busy, 8, 2_050_000);
        check(byzantium(), &parent(3_199_998, 2_048_000), 8, 2_049_000);
        check(byzantium(), &parent(3_199_999, 2_048_000), 8, 2_049_001);
    }

    #[test]
    fn proof_of_work_ends_with_the_block_that_reaches_the_terminal_difficulty() {
        let spec = spec(serde_json::json!({"chainId": 1, "terminalTotalDifficulty": 100}));
        let worked = SealedHeader::new(parent(1, 60));
        let staked = SealedHeader::new(parent(1, 0));
        let judge = |header: &Header, parent, total: u64| {
            check_terminal(&spec, header, parent, U256::from(total)).is_ok()
        };
        for (total, reached) in [(99, false), (100, true), (160, true)] {
            assert_eq!(judge(&staked, &worked, total), reached, "{total}");
            assert_eq!(judge(&worked, &worked, total), !reached, "{total}");
        }
        assert!(judge(&staked, &staked, 0));
    }
}
