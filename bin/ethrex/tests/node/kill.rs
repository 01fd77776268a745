//! `kill -9` at seeded random moments: while an L1 node imports payloads and is sent from branch to branch, while it starts, and while
//! `import` runs. What was acknowledged is there afterwards, and everything else is as if it had happened, or as if it had not.

use std::{
    collections::BTreeSet,
    fs, io, thread,
    time::{Duration, Instant},
};

use alloy_primitives::{B256, U256, keccak256};
use serde_json::{Value, json};

use crate::{
    branches::{Block, COUNTER, KEYS, attributes, follow, genesis, grow, hash, transfer},
    process::{Client, Home},
};

const SEED: u64 = 1;
/// Times that a node is killed.
const LIVES: usize = 40;
/// The longest that one lives: a few payloads and reorganisations.
const LONGEST_LIFE: Duration = Duration::from_millis(300);
/// Every so many lives end while the node still starts.
const STILLBORN_ONE_IN: u64 = 4;
const LONGEST_START: Duration = Duration::from_millis(300);
/// Blocks that both branches have, and blocks to the end of each.
const TRUNK: usize = 4;
const LENGTH: usize = 40;

/// SplitMix64: small, and the same everywhere for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }

    fn within(&mut self, limit: Duration) -> Duration {
        Duration::from_micros(self.below(limit.as_micros() as u64))
    }
}

/// What the consensus client knows.
struct World {
    branches: [Vec<Block>; 2],
    genesis: (B256, u64),
    /// Blocks of each branch that the node has called valid.
    taken: [usize; 2],
    /// The head that the node has acknowledged.
    acknowledged: B256,
    /// The head that it was asked for last.
    wanted: B256,
    turn: usize,
}

impl World {
    /// Drives the node until it is gone: a block more on one branch, then that branch is the chain; and the other.
    fn drive(&mut self, client: &Client) -> io::Result<()> {
        loop {
            self.turn += 1;
            let side = self.turn % 2;
            let next = self.taken[side];
            if let Some(block) = self.branches[side].get(next) {
                block.offer(client)?;
                self.taken[side] += 1;
            }
            let height = self.taken[side];
            self.wanted = self.branches[side][height - 1].hash;
            // Sometimes a payload is begun, and fetched or not.
            let builds = self.turn.is_multiple_of(3);
            let wish = builds.then(|| attributes(self.genesis.1, height + 1, 0xee));
            let id = follow(client, self.wanted, wish.unwrap_or_default())?;
            self.acknowledged = self.wanted;
            if self.turn.is_multiple_of(2) && !id.is_null() {
                client.engine("engine_getPayloadV5", &[id])?;
            }
        }
    }

    /// Compares what a node says that was just started with what is known.
    fn check(&mut self, client: &Client) {
        let latest = client.get("eth_getBlockByNumber", &[json!("latest"), json!(false)]);
        let head = hash(&latest["hash"]);
        assert!(
            head == self.acknowledged || head == self.wanted,
            "{head} is neither the old head {} nor the new one {}",
            self.acknowledged,
            self.wanted
        );
        self.acknowledged = head;
        let chain = self.chain_to(head);
        check_blocks(client, &chain);
        self.check_transactions(client, &chain);
        for side in 0..2 {
            let taken = &self.branches[side][..self.taken[side]];
            let ask = taken.iter().map(|block| json!([block.hash, false]));
            let found = client.get_all("eth_getBlockByHash", ask);
            assert!(found.iter().all(|block| !block.is_null()), "what was valid is stored");
        }
    }

    /// The chain up to its head, without the genesis.
    fn chain_to(&self, head: B256) -> Vec<Block> {
        if head == self.genesis.0 {
            return Vec::new();
        }
        let up_to = |branch: &Vec<Block>| {
            let at = branch.iter().position(|block| block.hash == head)?;
            Some(branch[..=at].to_vec())
        };
        self.branches.iter().find_map(up_to).expect("the head is a block of ours")
    }

    /// Each transaction is where the chain has it, and in one place alone.
    fn check_transactions(&self, client: &Client, chain: &[Block]) {
        let all: BTreeSet<B256> =
            self.branches.iter().flatten().flat_map(|block| block.txs.clone()).collect();
        let receipts =
            client.get_all("eth_getTransactionReceipt", all.iter().map(|tx| json!([tx])));
        for (tx, receipt) in all.iter().zip(receipts) {
            match chain.iter().find(|block| block.txs.contains(tx)) {
                Some(block) => {
                    assert_eq!(hash(&receipt["blockHash"]), block.hash, "{tx} is in its block");
                    assert_eq!(receipt["status"], "0x1");
                }
                None => assert_eq!(receipt, Value::Null, "{tx} is in no block of this chain"),
            }
        }
        let known = client.get_all("eth_getTransactionByHash", all.iter().map(|tx| json!([tx])));
        for (tx, known) in all.iter().zip(known) {
            assert_eq!(known["hash"], json!(tx), "{tx} was taken: it is mined or waits");
        }
        let mined: BTreeSet<B256> = chain.iter().flat_map(|block| block.txs.clone()).collect();
        let content = client.get("txpool_content", &[]);
        for side in ["pending", "queued"] {
            for (_, txs) in content[side].as_object().unwrap() {
                for (_, tx) in txs.as_object().unwrap() {
                    assert!(!mined.contains(&hash(&tx["hash"])), "mined and pending: {tx}");
                }
            }
        }
    }
}

/// Every block of the chain is at its height, nothing is above, and the states of the last two can be read.
fn check_blocks(client: &Client, chain: &[Block]) {
    let heights = 1..=chain.len() + 1;
    let ask = heights.map(|height| json!([format!("{height:#x}"), false]));
    let mut found = client.get_all("eth_getBlockByNumber", ask);
    assert_eq!(found.pop(), Some(Value::Null), "nothing is above the head");
    for (block, found) in chain.iter().zip(found) {
        assert_eq!(hash(&found["hash"]), block.hash);
    }
    for height in [chain.len(), chain.len().saturating_sub(1)] {
        let at = json!(format!("{height:#x}"));
        let balance = client.get("eth_getBalance", &[json!(COUNTER), at.clone()]);
        let transfers: usize = chain[..height].iter().map(|block| block.txs.len()).sum();
        assert_eq!(balance.as_str().unwrap().parse::<U256>().unwrap(), U256::from(transfers));
        let receipts = client.get("eth_getBlockReceipts", std::slice::from_ref(&at));
        let expected = height.checked_sub(1).map_or(0, |index| chain[index].txs.len());
        assert_eq!(receipts.as_array().unwrap().len(), expected);
        // The trie is whole on the way to an account.
        client.get("eth_getProof", &[json!(COUNTER), json!([]), at]);
    }
}

#[test]
fn a_node_that_is_killed_in_a_reorg_or_a_payload_goes_on_where_it_was() {
    let mut random = Random(SEED);
    let trunk = grow(&Home::new(), &[], TRUNK, 0);
    let branches = [0, 1].map(|branch| grow(&Home::new(), &trunk, LENGTH, branch));

    let home = Home::new();
    let mut node = home.start();
    let genesis = genesis(&node.client);
    let (acknowledged, wanted) = (genesis.0, genesis.0);
    let mut world = World { branches, genesis, taken: [0, 0], acknowledged, wanted, turn: 0 };
    // One that no block takes, and one that waits for another: the node's word is enough for both.
    let kept = [transfer(KEYS[2], 0), transfer(KEYS[2], 7)];
    let mined = world.branches[0].iter().chain(&world.branches[1][TRUNK..]);
    for raw in mined.flat_map(Block::raw_txs).cloned().chain(kept.each_ref().map(|raw| json!(raw)))
    {
        node.client.get("eth_sendRawTransaction", &[raw]);
    }
    let kept = kept.map(|raw| keccak256(alloy_primitives::hex::decode(raw).unwrap()));
    let begun = Instant::now();
    for life in 1..=LIVES {
        let (client, length) = (node.client, random.within(LONGEST_LIFE));
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(length);
                node.kill();
            });
            world.drive(&client).expect_err("it is driven until it is gone");
        });
        if random.below(STILLBORN_ONE_IN) == 0 {
            let mut child = home.spawn();
            thread::sleep(random.within(LONGEST_START));
            child.kill().unwrap();
            child.wait().unwrap();
        }
        node = home.start();
        world.check(&node.client);
        for tx in kept {
            let found = node.client.get("eth_getTransactionByHash", &[json!(tx)]);
            assert_eq!(found["blockHash"], Value::Null, "life {life}: {tx} waits, as promised");
            assert_eq!(found["hash"], json!(tx));
        }
    }
    println!(
        "{LIVES} lives, {} turns, {:?} blocks taken in {:?}",
        world.turn,
        world.taken,
        begun.elapsed()
    );
    assert!(world.taken.iter().all(|taken| *taken > TRUNK), "both branches were gone to");
    // And it goes on to the ends of both.
    for side in [0, 1] {
        for block in &world.branches[side] {
            block.offer(&node.client).unwrap();
        }
        let tip = world.branches[side][LENGTH - 1].hash;
        follow(&node.client, tip, Value::Null).unwrap();
        (world.taken[side], world.acknowledged, world.wanted) = (LENGTH, tip, tip);
        world.check(&node.client);
    }
}

#[test]
fn an_import_that_is_killed_goes_on_where_it_was() {
    let mut random = Random(SEED);
    let source = Home::new();
    grow(&source, &[], LENGTH, 0);
    let file = source.path("chain.rlp");
    assert!(source.run("export", &file).status.success());
    let whole = fs::read(&file).unwrap();

    let measured = Home::new();
    let begun = Instant::now();
    assert!(measured.run("import", &file).status.success());
    let took = begun.elapsed();

    let home = Home::new();
    let mut reached = 0;
    for life in 1..=LIVES {
        let mut import = home.tool("import", &file).spawn().unwrap();
        thread::sleep(random.within(took));
        import.kill().unwrap();
        import.wait().unwrap();
        // What is there is the beginning of the chain, and no shorter than it was.
        let copy = home.path("copy.rlp");
        let _ = fs::remove_file(&copy);
        if home.run("export", &copy).status.success() {
            let copy = fs::read(&copy).unwrap();
            assert!(whole.starts_with(&copy), "life {life}: another chain");
            assert!(copy.len() >= reached, "life {life}: blocks are lost");
            reached = copy.len();
        } else {
            assert_eq!(reached, 0, "life {life}: nothing is left");
        }
    }
    assert!(home.run("import", &file).status.success());
    let copy = home.path("copy.rlp");
    assert!(home.run("export", &copy).status.success());
    assert!(fs::read(copy).unwrap() == whole, "in the end it is the whole chain");
}
