//! Whole histories of mishaps, drawn from a seed: whatever happened, nothing that was acknowledged is lost, and all is settled.

use std::{env, time::Duration};

use alloy_primitives::{Address, U256};
use ethrex_deploy::dev;
use ethrex_test_actions::{NativeDisk, NativeNode, NativeWorld, Part, Reorged, User};

use super::{BOB, alice, check_stranger, settle_all};

/// Mishaps in one history.
const STEPS: usize = 40;
/// L1 goes back so many blocks at most.
const DEPTH: u64 = 7;
/// Where messages of L1 bring a wei each.
const CAROL: Address = Address::repeat_byte(0xca);

/// Numbers that look random and are the same in every run (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }
}

struct History {
    world: NativeWorld,
    disk: NativeDisk,
    node: Option<NativeNode>,
    random: Random,
    /// Blocks of L1 that stay.
    settled: u64,
    /// Transfers of a wei whose hash was returned.
    sent: u64,
}

impl History {
    async fn begin(world: NativeWorld, seed: u64) -> Self {
        let disk = world.disk().with_journal();
        let node = world.start(&disk, Part::Sequencer).await;
        world.pass(2).await;
        let settled = world.l1.height();
        Self { world, disk, node: Some(node), random: Random(seed), settled, sent: 0 }
    }

    async fn step(&mut self) {
        let Self { world, disk, node, random, settled, sent } = self;
        match (random.next(14), &node) {
            (0..=3, Some(node)) => {
                node.transfer(&alice(), BOB, U256::from(1));
                *sent += 1;
            }
            (4, _) => drop(world.send_message(&User::new(&dev::RICH[2]), CAROL, U256::from(1))),
            (5, _) => world.l1.set_down(true),
            (6, _) => world.l1.set_down(false),
            (7, _) => world.l1.lose_answer("eth_sendRawTransaction"),
            (8, _) => world.l1.drop_pool(),
            (9..=10, _) => {
                let depth = (1 + random.next(DEPTH)).min(world.l1.height() - *settled);
                let lost = random.next(2) == 0;
                let reorged = if lost { Reorged::Lost } else { Reorged::Returned };
                world.l1.reorganise(depth, reorged);
                // At once, as an L1 does, or bit by bit, so that its head stands lower for a while.
                world.l1.mine_many(random.next(depth + 2));
            }
            (11..=12, Some(_)) => node.take().expect("it runs").kill().await,
            (_, None) => *node = Some(world.start(disk, Part::Sequencer).await),
            _ => {}
        }
        let moment = Duration::from_millis(random.next(1_500));
        tokio::time::sleep(moment).await;
        if let Some(node) = node {
            node.check().await;
        }
        if random.next(3) != 0 {
            world.l1.mine();
        }
    }

    async fn end(self) {
        let Self { world, disk, node, sent, .. } = self;
        world.l1.set_down(false);
        let mut node = match node {
            Some(node) => node,
            None => world.start(&disk, Part::Sequencer).await,
        };
        world.pass(DEPTH + 3).await;
        world.until(&mut node, "the transfers", |node| node.balance(BOB) == U256::from(sent)).await;
        let messages = |node: &NativeNode| node.view.read(|it| it.derivation().message_count());
        world
            .until(&mut node, "the messages", |node| {
                node.balance(CAROL) == U256::from(messages(node))
            })
            .await;
        settle_all(&world, &mut node).await;
        check_stranger(&world, &node).await;
        node.stop().await;
    }
}

/// So many histories, from this seed on; `ETHREX_HISTORIES` makes them more.
async fn run(first: u64, world: impl Fn() -> NativeWorld) {
    let more = env::var("ETHREX_HISTORIES").ok().and_then(|more| more.parse().ok());
    for seed in first..first + more.unwrap_or(3) {
        println!("history {seed}");
        let mut history = History::begin(world(), seed).await;
        for _ in 0..STEPS {
            history.step().await;
        }
        history.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn histories_from_1_000_end_well() {
    run(1_000, NativeWorld::new).await;
}

#[tokio::test(start_paused = true)]
async fn histories_from_2_000_end_well() {
    run(2_000, NativeWorld::new).await;
}

#[tokio::test(start_paused = true)]
async fn histories_with_blobs_end_well() {
    run(3_000, || NativeWorld::new().with_blobs()).await;
}
