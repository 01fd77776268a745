//! `kill -9` at seeded random moments while money goes round; afterwards nothing acknowledged is lost and nothing is doubled.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use alloy_primitives::{Address, B256, Bytes, U256, keccak256, utils::parse_ether};
use ethrex_test_e2e::round_trip::{Account, COMMON_BRIDGE_L2, Chains, PATIENCE};
use ethrex_test_e2e::{Cast, CastError, Dev, Random, Receipt, Tools, wait};
use serde_json::Value;

/// Batches often enough that lives end in every step of settling.
const FLAGS: [&str; 2] = ["--committer.commit-time", "1000"];
/// The longest a node lives before it is killed: some batches long, so that every step of settling is hit sometimes.
const LONGEST_LIFE_MS: u64 = 9_000;
/// Every fourth life ends while the node is still starting.
const STILLBORN_ONE_IN: u64 = 4;
const LONGEST_START_MS: u64 = 1_500;
/// L2 transactions of this kind mint deposits.
const PRIVILEGED: &str = "0x7e";

#[derive(Clone, Copy)]
enum Side {
    L1,
    L2,
}

/// The node, its killer's plan, and what was acknowledged.
struct World {
    dev: Mutex<Dev>,
    done: AtomicBool,
}

impl World {
    fn dev(&self) -> MutexGuard<'_, Dev> {
        self.dev.lock().expect("whoever held the node has not panicked")
    }

    /// The chains where they are now; after a restart they are elsewhere.
    fn chains(&self) -> Chains {
        self.dev().chains()
    }

    fn side(&self, side: Side) -> (Cast, u64) {
        let dev = self.dev();
        match side {
            Side::L1 => (dev.l1(), dev.info.chain_id_l1),
            Side::L2 => (dev.l2(), dev.info.chain_id_l2),
        }
    }

    /// Asks across any number of deaths.
    fn until<T>(
        &self,
        what: &'static str,
        ask: impl Fn(&Chains) -> Result<Option<T>, CastError>,
    ) -> T {
        wait::until(what, PATIENCE, || ask(&self.chains())).unwrap()
    }

    /// One transaction, through any number of deaths. Once the node has taken it, it is never handed in again: the
    /// node's word must be enough.
    fn send(&self, side: Side, by: &Account, args: &[&str]) -> Receipt {
        let (cast, chain) = self.side(side);
        let nonce = self
            .until("the nonce is known", |chains| pick(chains, side).nonce(by.address).map(Some));
        let raw = cast.sign(&by.key, chain, nonce, args).unwrap();
        let hash = keccak256(&raw);
        self.until("the transaction is taken", |chains| taken(pick(chains, side), &raw, hash));
        let receipt = self.until("a transaction that was taken is mined", |chains| {
            pick(chains, side).receipt(hash)
        });
        assert_eq!(receipt.status.to::<u64>(), 1, "{hash} succeeds");
        receipt
    }

    /// Lets the node live and die, as the seed says.
    fn kill(&self, kills: u64, seed: u64) {
        let mut random = Random::new(seed);
        for turn in 1..=kills {
            thread::sleep(Duration::from_millis(random.below(LONGEST_LIFE_MS)));
            // Nobody can ask while the lock is held, so what is served now was served before the kill.
            let mut dev = self.dev();
            dev.check().expect("the node lives until it is killed");
            let served = head(&dev.l2());
            dev.kill().unwrap();
            if random.below(STILLBORN_ONE_IN) == 0 {
                dev.start_and_kill(Duration::from_millis(random.below(LONGEST_START_MS))).unwrap();
            }
            dev.restart().unwrap();
            if let Ok((number, hash)) = served {
                assert_eq!(
                    block_hash(&dev.l2(), number).unwrap(),
                    hash,
                    "kill {turn}: block {number} was served and is there"
                );
            }
            println!("kill {turn} of {kills} survived");
        }
        self.done.store(true, Ordering::Release);
    }
}

fn pick(chains: &Chains, side: Side) -> &Cast {
    match side {
        Side::L1 => &chains.l1,
        Side::L2 => &chains.l2,
    }
}

/// Taken where the node says so; or where it has it from an attempt whose answer was lost.
fn taken(cast: &Cast, raw: &Bytes, hash: B256) -> Result<Option<()>, CastError> {
    match cast.publish(raw) {
        Ok(answer) => {
            assert_eq!(answer, hash, "the hash is that of the transaction");
            Ok(Some(()))
        }
        Err(CastError::Failed { stderr, .. }) if stderr.contains("already known") => Ok(Some(())),
        Err(why) => match cast.receipt(hash)? {
            Some(_) => Ok(Some(())),
            None => Err(why),
        },
    }
}

fn head(l2: &Cast) -> Result<(u64, B256), CastError> {
    let number = l2.block_number()?;
    Ok((number, block_hash(l2, number)?))
}

fn block_hash(cast: &Cast, number: u64) -> Result<B256, CastError> {
    let block: Value = cast.rpc("eth_getBlockByNumber", &[&format!("{number:#x}"), "false"])?;
    let hash = block["hash"].as_str().and_then(|hash| hash.parse().ok());
    hash.ok_or_else(|| CastError::Output { command: "rpc".into(), stdout: block.to_string() })
}

fn number_from(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("the variable is a number"))
}

/// What the rounds did, to be compared with what the chains say.
#[derive(Default)]
struct Books {
    deposited: U256,
    sent: U256,
    fees: U256,
    withdrawals: Vec<(B256, U256)>,
}

#[test]
fn crash_nothing_is_lost_or_doubled() {
    let (kills, seed) =
        (number_from("ETHREX_CRASH_KILLS", 10), number_from("ETHREX_CRASH_SEED", 1));
    println!("{kills} kills, seed {seed}");
    let tools = Tools::find();
    let dev = Dev::start_with(&tools, &FLAGS).unwrap();
    let who = dev.account(2).unwrap();
    let world = World { dev: Mutex::new(dev), done: AtomicBool::new(false) };

    let funded = world.chains().l2.balance(who.address).unwrap();
    let books = thread::scope(|scope| {
        let killer = scope.spawn(|| world.kill(kills, seed));
        let mut books = Books::default();
        while !world.done.load(Ordering::Acquire) && !killer.is_finished() {
            round(&world, &who, &mut books);
        }
        killer.join().expect("every start succeeds and nothing served is lost");
        round(&world, &who, &mut books);
        books
    });
    settle(&world, &who, &books);
    check(&world, &who, &books, funded);
}

/// Deposit, send, withdraw.
fn round(world: &World, who: &Account, books: &mut Books) {
    let ether = |text: &str| parse_ether(text).expect("a constant");
    let chains = world.chains();
    let (bridge, friend) = (chains.bridge.to_string(), Address::repeat_byte(0xf2).to_string());
    let (bridge_l2, me) = (COMMON_BRIDGE_L2.to_string(), who.address.to_string());

    let deposit = ether("2");
    world.send(Side::L1, who, &[&bridge, "--value", &deposit.to_string()]);
    books.deposited += deposit;

    let gift = ether("0.125");
    books.fees += world.send(Side::L2, who, &[&friend, "--value", &gift.to_string()]).fee();
    books.sent += gift;

    let amount = ether("0.5");
    let withdrawal = world.send(
        Side::L2,
        who,
        &[&bridge_l2, "withdraw(address)", &me, "--value", &amount.to_string()],
    );
    books.fees += withdrawal.fee();
    books.withdrawals.push((withdrawal.transaction_hash, amount));
}

/// Claims every withdrawal.
fn settle(world: &World, who: &Account, books: &Books) {
    let chains = world.chains();
    for (withdrawal, amount) in &books.withdrawals {
        let proof = chains.claimable(*withdrawal).unwrap();
        chains.claim(who, *amount, &proof).unwrap();
    }
}

/// The chains say what the books say.
fn check(world: &World, who: &Account, books: &Books, funded: U256) {
    let chains = world.chains();
    let withdrawn: U256 = books.withdrawals.iter().map(|(_, amount)| *amount).sum();

    let expected = funded + books.deposited - books.sent - books.fees - withdrawn;
    chains.credited(who.address, expected).unwrap();

    let sent = chains
        .l1
        .logs(
            chains.bridge,
            keccak256("PrivilegedTxSent(address,address,address,uint256,uint256,uint256,bytes)"),
        )
        .unwrap();
    let deposits: U256 = sent.iter().map(|log| word(log, 3)).sum();
    let balance = chains.l1.balance(chains.bridge).unwrap();
    assert_eq!(balance, deposits - withdrawn, "the bridge holds deposits less claims");

    let ids: Vec<U256> = sent.iter().map(|log| word(log, 2)).collect();
    let all: Vec<U256> = (0..ids.len()).map(U256::from).collect();
    assert_eq!(ids, all, "every deposit has an id of its own");
    assert_eq!(minted(&chains.l2), all, "every deposit is minted once, in order");

    let claimed = chains.l1.logs(chains.bridge, keccak256("WithdrawalClaimed(uint256)")).unwrap();
    let claimed: BTreeSet<String> =
        claimed.iter().map(|log| log["topics"][1].to_string()).collect();
    assert_eq!(claimed.len(), books.withdrawals.len(), "every withdrawal is claimed once");

    // Batches go on while we ask, so the number of commitments lies between two readings of the last one.
    let last =
        || chains.l1.call(chains.on_chain_proposer, "lastCommittedBatch()(uint256)", &[]).unwrap();
    let before = last();
    let commits = keccak256("BatchCommitted(bytes32)");
    let commits = chains.l1.logs(chains.on_chain_proposer, commits).unwrap().len();
    let span = before..=last();
    assert!(span.contains(&U256::from(commits)), "{commits} commitments of {span:?} batches");
    println!("{} deposits, {} withdrawals, {commits} batches", ids.len(), claimed.len());
}

/// The `index`-th word of a log's data.
fn word(log: &Value, index: usize) -> U256 {
    let data: Bytes =
        log["data"].as_str().expect("a log has data").parse().expect("data is hexadecimal");
    U256::from_be_slice(&data[32 * index..32 * (index + 1)])
}

/// Ids of the deposits on L2, in the order of their blocks.
fn minted(l2: &Cast) -> Vec<U256> {
    let mut ids = Vec::new();
    for number in 1..=l2.block_number().unwrap() {
        let block: Value =
            l2.rpc("eth_getBlockByNumber", &[&format!("{number:#x}"), "true"]).unwrap();
        let transactions = block["transactions"].as_array().expect("a block has transactions");
        let privileged = transactions.iter().filter(|tx| tx["type"] == PRIVILEGED);
        ids.extend(privileged.map(|tx| {
            tx["nonce"].as_str().expect("a nonce").parse::<U256>().expect("a nonce is a number")
        }));
    }
    ids
}
