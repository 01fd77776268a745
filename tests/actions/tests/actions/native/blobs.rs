//! Items in blobs: L1 knows what is in them only once somebody proves it.

use alloy_eips::eip4844::Blob;

use super::*;

/// All items that the node has read were posted in blobs.
fn check_blobs(node: &NativeNode) {
    let (items, blobs) = node.view.read(|follower| {
        let derivation = follower.derivation();
        let posted = (0..derivation.items()).filter_map(|at| derivation.item(at));
        let blobs = posted.filter(|posted| posted.blob_hashes.len() == 1).count();
        (derivation.items(), blobs as u64)
    });
    assert!(items > 0 && blobs == items, "{blobs} of {items} items are blobs");
}

/// Waits until L1 has settled all that the node has.
async fn settled(world: &NativeWorld, node: &mut NativeNode) {
    let height = node.height();
    let done = |it: &NativeNode| {
        it.view.read(|follower| follower.settled().is_some_and(|to| to.number >= height))
    };
    world.until(node, "settlement", done).await;
    assert!(world.settled().await >= height);
}

#[tokio::test(start_paused = true)]
async fn an_item_in_a_blob_is_proven_and_settled_and_a_stranger_sees_it() {
    let world = NativeWorld::new().with_blobs();
    let mut node = world.start(&world.disk(), Part::Sequencer).await;
    world.pass(2).await;
    for round in 1..=3 {
        node.transfer(&alice(), BOB, ether(1));
        let paid = ether(round);
        world.until(&mut node, "the transfer", |node| node.balance(BOB) == paid).await;
        settle_all(&world, &mut node).await;
    }
    check_blobs(&node);
    check_stranger(&world, &node).await;
    // The events say all that the blobs did.
    world.l1.set_blobless(true);
    check_stranger(&world, &node).await;
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_crash_within_any_tenth_of_a_second_loses_no_blob_and_posts_none_twice() {
    crash_at_any_time(&NativeWorld::new().with_blobs()).await;
}

#[tokio::test(start_paused = true)]
async fn who_crashed_between_posting_and_proving_proves_from_its_own_disk() {
    let world = NativeWorld::new().with_blobs();
    let disk = world.disk();
    let mut node = world.start(&disk, Part::Poster).await;
    world.pass(2).await;
    node.transfer(&alice(), BOB, ether(1));
    world.until(&mut node, "the transfer", |node| node.balance(BOB) == ether(1)).await;
    let height = node.height();
    world.until(&mut node, "posting", |node| node.derived() == height).await;
    check_blobs(&node);
    node.kill().await;

    // Nobody else can get at the blob: a follower waits.
    world.l1.set_blobless(true);
    let mut follower = world.start(&world.disk(), Part::Follower).await;
    world.pass(10).await;
    assert_eq!((follower.derived(), world.settled().await), (0, 0));
    let mut node = world.start(&disk, Part::Sequencer).await;
    settled(&world, &mut node).await;
    world.until(&mut follower, "following", |it| it.derived() == height).await;
    assert_eq!(follower.hashes(height), node.hashes(height));
    assert_eq!(world.nonce_on_l1(dev::DEPLOYER.address), 1, "nothing was posted twice");
    follower.stop().await;
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_stranger_reads_proves_and_settles_a_blob_of_a_sequencer_that_has_gone() {
    let world = NativeWorld::new().with_blobs();
    let mut node = world.start(&world.disk(), Part::Poster).await;
    world.pass(2).await;
    node.transfer(&alice(), BOB, ether(1));
    world.until(&mut node, "the transfer", |node| node.balance(BOB) == ether(1)).await;
    let height = node.height();
    world.until(&mut node, "posting", |node| node.derived() == height).await;
    let promised = node.hashes(height);
    node.kill().await;

    let mut stranger = world.start(&world.disk(), Part::Settler).await;
    world.until(&mut stranger, "reading", |it| it.derived() == height).await;
    assert_eq!(stranger.hashes(height), promised, "what is in a blob counts before it is proven");
    settled(&world, &mut stranger).await;
    // Its disk is as good as its memory, and L1's events are as good as the blobs.
    world.l1.set_blobless(true);
    check_stranger(&world, &stranger).await;
    stranger.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_blob_that_nobody_has_is_left_behind() {
    let world = NativeWorld::new();
    let mut node = world.start(&world.disk(), Part::Sequencer).await;
    world.pass(2).await;
    node.transfer(&alice(), BOB, ether(1));
    world.until(&mut node, "the transfer", |node| node.balance(BOB) == ether(1)).await;
    settle_all(&world, &mut node).await;
    node.kill().await;
    world.post_blob(&Blob::ZERO).await;
    world.l1.set_blobless(true);

    let mut stranger = world.start(&world.disk(), Part::Settler).await;
    world.force(&User::new(&dev::RICH[2]), raw_transfer(1));
    world.pass(20).await;
    assert_eq!(stranger.balance(BOB), ether(1), "nobody knows what is in the blob");
    let expected = ether(1) + U256::from(1);
    world.until(&mut stranger, "the forced transfer", |it| it.balance(BOB) == expected).await;
    world.pass(4).await;
    let head = world.contract().head().await.unwrap();
    assert_eq!((head.number, head.hash), (stranger.height(), stranger.chain.head().hash()));
    check_stranger(&world, &stranger).await;
    stranger.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_blob_of_garbage_stops_nobody() {
    // One that can be proven to hold nothing, and one that uses the first bytes of its elements and cannot be proven.
    let mut unusable = Box::new(Blob::ZERO);
    unusable[0] = 1;
    for garbage in [Box::new(Blob::ZERO), unusable] {
        let world = NativeWorld::new();
        let disk = world.disk();
        let mut node = world.start(&disk, Part::Sequencer).await;
        world.pass(2).await;
        node.transfer(&alice(), BOB, ether(1));
        world.until(&mut node, "the transfer", |node| node.balance(BOB) == ether(1)).await;
        settle_all(&world, &mut node).await;
        node.kill().await;
        world.post_blob(&garbage).await;

        let mut node = world.start(&disk, Part::Sequencer).await;
        world.pass(2).await;
        node.transfer(&alice(), BOB, ether(1));
        world.until(&mut node, "another transfer", |node| node.balance(BOB) == ether(2)).await;
        settled(&world, &mut node).await;
        check_stranger(&world, &node).await;
        node.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn l1_goes_back_under_blobs_and_their_proofs() {
    for (depth, reorged) in [(1, Reorged::Returned), (3, Reorged::Lost), (6, Reorged::Returned)] {
        reorganise(&NativeWorld::new().with_blobs(), depth, reorged).await;
    }
}

#[tokio::test(start_paused = true)]
async fn c07_blobs_are_proposed_once_they_are_proven() {
    let world = NativeWorld::optimistic().with_blobs();
    let mut node = world.start(&world.disk(), Part::Sequencer).await;
    let mut proposer = world.start(&world.disk(), Part::Settler).await;
    world.pass(2).await;
    node.transfer(&alice(), BOB, ether(1));
    world.until(&mut node, "the transfer", |node| node.balance(BOB) == ether(1)).await;
    let height = node.height();
    world.until(&mut node, "posting", |node| node.derived() == height).await;
    check_blobs(&node);
    settled(&world, &mut proposer).await;
    proposer.stop().await;
    node.stop().await;
}
