//! Whole histories of mishaps, drawn from a seed: whatever happened, once it is over everything is settled.

use std::time::Duration;

use alloy_primitives::{Address, U256};
use ethrex_test_actions::{Reorged, User, World, ether};

/// Mishaps in one history.
const STEPS: usize = 40;
/// Blocks of L1 that the node waits for, and so may be reorganised without harm.
const DELAY: u64 = 2;

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
    world: World,
    random: Random,
    user: User,
    /// Transactions whose hash was returned.
    sent: Vec<alloy_primitives::B256>,
}

impl History {
    async fn begin(seed: u64) -> Self {
        let mut world = World::new();
        world.settings.delay = DELAY;
        world.start();
        let user = world.user(5);
        world.deposit(&user, user.address(), ether(100));
        world.until("the user has ether", |world| world.executed() == 1).await;
        Self { world, random: Random(seed), user, sent: Vec::new() }
    }

    async fn step(&mut self) {
        let Self { world, random, user, sent } = self;
        match random.next(12) {
            0 | 1 => drop(world.deposit(user, user.address(), ether(1))),
            2 => sent.push(world.transfer(user, Address::repeat_byte(9), U256::from(1))),
            3 => sent.push(world.withdraw(user, U256::from(1_000))),
            4 => drop(world.l1.mine()),
            5 => world.l1.set_down(true),
            6 => world.l1.set_down(false),
            7 => world.l1.lose_answer("eth_sendRawTransaction"),
            8 => world.l1.drop_pool(),
            9 => world.l1.reorganise(1 + random.next(DELAY), Reorged::Lost),
            10 => world.settings.prover.set_asleep(random.next(2) == 0),
            _ => {
                world.kill().await;
                world.start();
            }
        }
        tokio::time::sleep(Duration::from_millis(self.random.next(1_500))).await;
        self.world.check().await;
        if self.random.next(3) == 0 {
            self.world.l1.mine();
        }
    }

    async fn end(mut self) {
        let world = &mut self.world;
        world.l1.set_down(false);
        world.settings.prover.set_asleep(false);
        world.pass(DELAY + 1).await;
        world.until("every message is executed", |world| world.executed() == world.sent()).await;
        for tx in self.sent {
            world.until("it is in a block", |world| world.succeeded_on_l2(tx) == Some(true)).await;
        }
        let head = world.height();
        world.until("all blocks are in batches", |world| world.batched() >= head).await;
        let batches = world.batches().len() as u64;
        world.until("all batches are verified", |world| world.verified() >= batches).await;
        assert_eq!(world.commitments_sent(), world.committed(), "each commitment was mined once");
        world.stop().await;
    }
}

async fn run(seed: u64) {
    let mut history = History::begin(seed).await;
    for _ in 0..STEPS {
        history.step().await;
    }
    history.end().await;
}

#[tokio::test(start_paused = true)]
async fn history_1_ends_well() {
    run(1).await;
}

#[tokio::test(start_paused = true)]
async fn history_2_ends_well() {
    run(2).await;
}

#[tokio::test(start_paused = true)]
async fn history_3_ends_well() {
    run(3).await;
}
