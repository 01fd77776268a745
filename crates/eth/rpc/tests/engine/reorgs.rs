//! Heads on other branches, near and far.

use ethrex_storage::{LAYERS_PER_GROUP, STATE_HISTORY, UNDO_HISTORY};
use serde_json::{Value, json};

use crate::{
    FORK_CHOICE, TOO_DEEP_REORG, at, lie, wait_for_states_from,
    world::{Node, Until, ZERO, check_invalid, choice, hash, valid},
};

/// Blocks that leave the chain and blocks that come for them, at most, where these must be executed again.
const MAX_EXECUTED: u64 = 2048;

#[test]
fn a_reorg_may_be_as_deep_as_states_are_kept() {
    let node = Node::new(Until::Osaka);
    let common = node.grow(node.head(), 1, 20);
    let fork = hash(&common[19]);
    // A branch of one block, long before the other branch grows over it.
    let side = node.extend(fork, 2);
    node.transfer(0);
    let long = node.grow(fork, 1, 128);
    let head = hash(&long[127]);
    assert_eq!(node.pool.status().ready, 0, "the transfer is mined");
    assert_eq!(node.follow(hash(&side)), valid(hash(&side)), "128 blocks leave the chain");
    assert_eq!(node.head(), hash(&side));
    assert_eq!(at(&node, 21), hash(&side));
    assert_eq!(node.chain.storage().canonical_hash(22).unwrap(), None);
    assert_eq!(node.pool.status().ready, 1, "and the transfer is pending again");
    assert_eq!(node.follow(head), valid(head), "and they come back");
    assert_eq!(node.chain.head().number, 148);
    assert_eq!(node.pool.status().ready, 0);
}

#[test]
fn a_reorg_may_begin_below_the_states_that_are_kept() {
    let (ours, theirs) = (Node::new(Until::Osaka), Node::new(Until::Osaka));
    let common = ours.grow(ours.head(), 1, 20);
    let fork = hash(&common[19]);
    ours.transfer(0);
    // The other branch is three blocks long, with the same transfer in another block.
    for offer in &common {
        theirs.offer(offer);
    }
    theirs.follow(fork);
    let mut side = theirs.grow(fork, 2, 1);
    theirs.transfer(0);
    side.extend(theirs.grow(hash(&side[0]), 2, 2));

    let long = ours.grow(fork, 1, 180);
    let head = hash(&long[179]);
    wait_for_states_from(&ours, 64);
    let accepted = json!({"status": "ACCEPTED", "latestValidHash": null, "validationError": null});
    assert_eq!(ours.offer(&side[0]), accepted);
    let bad = lie(&side[1]);
    assert_eq!(ours.offer(&bad), accepted);
    check_invalid(&ours.follow(hash(&bad)), Some(hash(&side[0])));
    assert_eq!(ours.head(), head, "the head has not moved");
    assert_eq!(at(&ours, 21), hash(&long[0]));
    assert_eq!(ours.offer(&side[1]), accepted);
    assert_eq!(ours.offer(&side[2]), accepted);
    let tip = hash(&side[2]);
    let method = ours.fork_choice_method();
    assert_eq!(ours.code(&method, vec![choice(tip, head, ZERO)]), FORK_CHOICE);
    let updated = ours.get(&method, vec![choice(tip, hash(&side[0]), fork), Value::Null]);
    assert_eq!(updated["payloadStatus"], valid(tip));
    assert_eq!(ours.head(), tip);
    assert_eq!(ours.chain.storage().finalized().unwrap().hash, fork);
    assert_eq!(at(&ours, 21), hash(&side[0]));
    assert_eq!(ours.chain.storage().canonical_hash(24).unwrap(), None);
    let state = ours.chain.storage().state_at(tip).unwrap().unwrap();
    assert_eq!(state.root(), theirs.chain.head().state_root);
    // The chain goes on from here, and the way back to the long branch is open.
    ours.extend(tip, 3);
    assert_eq!(ours.follow(head), valid(head));
    assert_eq!((ours.head(), ours.chain.head().number), (head, 200));
    assert_eq!(ours.chain.storage().safe(), None, "what was safe is on the other branch");
    assert_eq!(ours.chain.storage().finalized().unwrap().hash, fork);
    ours.extend(head, 3);
    // Canonical blocks whose state is gone can be the head again, too.
    let low = hash(&long[9]);
    assert_eq!(ours.follow(low), valid(low));
    assert_eq!(ours.chain.head().number, 30);
}

#[test]
fn a_reorg_below_all_that_is_known_is_too_deep_and_changes_nothing() {
    let node = Node::new(Until::Osaka);
    let height = STATE_HISTORY + UNDO_HISTORY + 3 * LAYERS_PER_GROUP;
    // The way back ends at the base below the oldest changes that are kept. A branch parts there, and one a block below.
    let last = 2 * LAYERS_PER_GROUP;
    node.grow(node.head(), 1, last as usize - 1);
    let below = node.head();
    let too_deep = node.extend(below, 2);
    let fork = hash(&node.extend(below, 1));
    let deepest = node.extend(fork, 2);
    node.grow(fork, 1, (height - last) as usize);
    let head = node.head();
    assert_eq!(node.chain.head().number, height);
    wait_for_states_from(&node, height - STATE_HISTORY);

    for _ in 0..2 {
        node.offer(&too_deep);
        let params = vec![choice(hash(&too_deep), ZERO, ZERO)];
        assert_eq!(node.code(&node.fork_choice_method(), params), TOO_DEEP_REORG);
        assert_eq!((node.head(), at(&node, height)), (head, head), "the head has not moved");
    }
    // The chain goes on from here.
    node.extend(head, 3);
    node.offer(&deepest);
    assert_eq!(node.follow(hash(&deepest)), valid(hash(&deepest)), "over a thousand blocks leave");
    assert_eq!(node.chain.head().number, last + 1);

    // The way to the old head is open as long as what leaves and what comes back are few enough together.
    let most = MAX_EXECUTED - (height - last);
    node.grow(hash(&deepest), 3, most as usize);
    let longest = node.head();
    let params = vec![choice(head, ZERO, ZERO)];
    assert_eq!(node.code(&node.fork_choice_method(), params), TOO_DEEP_REORG);
    assert_eq!(node.head(), longest, "the head has not moved");
    node.follow(at(&node, last + most));
    assert_eq!(node.follow(head), valid(head), "one block less leaves");
    assert_eq!(node.chain.head().number, height);
}

#[test]
fn blobs_of_a_block_that_leaves_the_chain_are_pending_again() {
    let node = Node::new(Until::Osaka);
    let fork = node.head();
    let side = node.extend(fork, 2);
    node.follow(fork);
    let blob = node.blob(0, b"hello");
    let served = || node.get("engine_getBlobsV2", vec![json!([blob])]);
    let before = served();
    let taken = node.extend(fork, 1);
    assert_eq!(taken[1], json!([blob]));
    assert_eq!((node.pool.status().ready, served()), (0, Value::Null));
    assert_eq!(node.follow(hash(&side)), valid(hash(&side)));
    assert_eq!((node.pool.status().ready, served()), (1, before));
    let again = node.extend(hash(&side), 3);
    assert_eq!(again[1], json!([blob]), "another block has taken it");
    // Once that block is final, its blobs are no longer kept.
    let rows = || node.chain.storage().journal().unwrap().len();
    assert_eq!(rows(), 1);
    node.get(&node.fork_choice_method(), vec![choice(hash(&again), hash(&again), hash(&again))]);
    assert_eq!(rows(), 0);
}
