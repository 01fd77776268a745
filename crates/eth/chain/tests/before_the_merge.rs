//! A chain that begins at Frontier and goes through every fork, imported from its genesis.

#![expect(clippy::unwrap_used, reason = "tests unwrap")]

use std::{path::Path, sync::Arc};

use alloy_primitives::{Address, B64, B256, Bytes, U256};
use alloy_rlp::Decodable;
use ethrex_chain::{BuildError, Chain, ForkChoice, ForkChoiceStatus, Importer, Verdict};
use ethrex_stf::{BlockAttributes, Ethereum, InvalidBlock};
use ethrex_storage::Storage;
use ethrex_txpool::{Pool, PoolConfig};
use ethrex_types::{Block, ChainSpec, Fork, Genesis, SealedBlock};

/// Its last block under proof of work.
const LAST_WORKED: u64 = 35;
const LAST: u64 = 54;

fn data(name: &str) -> Vec<u8> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../fixtures/spec/rpc-compat");
    std::fs::read(dir.join(name)).unwrap()
}

fn chain_with(change: impl FnOnce(&mut Genesis)) -> Chain {
    let mut genesis: Genesis = serde_json::from_slice(&data("genesis.json")).unwrap();
    change(&mut genesis);
    let spec = ChainSpec::new(genesis).unwrap();
    let storage = Storage::memory(&spec).unwrap();
    Chain::open_unwitnessed(spec, Arc::new(Ethereum), storage).unwrap()
}

fn chain() -> Chain {
    chain_with(|_| {})
}

fn blocks() -> Vec<SealedBlock> {
    let bytes = data("chain.rlp");
    let mut rest = bytes.as_slice();
    let mut blocks = Vec::new();
    while !rest.is_empty() {
        blocks.push(SealedBlock::seal(Block::decode(&mut rest).unwrap()));
    }
    blocks
}

#[track_caller]
fn import(chain: &Chain, block: &SealedBlock) {
    let number = block.number();
    match chain.import(block.clone()).unwrap() {
        Verdict::Valid => chain.publish(block.hash()).unwrap(),
        verdict => panic!("block {number}: {verdict:?}"),
    }
}

#[track_caller]
fn refused(chain: &Chain, block: &SealedBlock, change: impl FnOnce(&mut Block)) -> InvalidBlock {
    let mut block = block.block().clone();
    change(&mut block);
    match chain.import(SealedBlock::seal(block)).unwrap() {
        Verdict::Invalid(why) => why,
        verdict => panic!("{verdict:?}"),
    }
}

fn build(chain: &Chain) -> Result<(), BuildError> {
    let attributes = BlockAttributes {
        timestamp: chain.head().timestamp + 10,
        fee_recipient: Address::ZERO,
        prev_randao: B256::ZERO,
        withdrawals: None,
        parent_beacon_block_root: None,
        slot_number: None,
        desired_gas_limit: 25_000_000,
        extra_data: Bytes::new(),
    };
    chain.build(&chain.head(), &attributes, |_| Ok(())).map(drop)
}

#[test]
fn every_fork_from_frontier_on_is_imported() {
    let (chain, blocks) = (chain(), blocks());
    let mut forks = Vec::new();
    for block in &blocks {
        let fork = chain.spec().fork_at(block.number(), block.header().timestamp);
        forks.push(fork);
        // A block can be built as soon as the terminal difficulty is reached, and no sooner.
        match build(&chain) {
            Ok(()) => assert!(block.number() > LAST_WORKED),
            Err(BuildError::NotMerged(_)) => assert!(block.number() <= LAST_WORKED),
            Err(why) => panic!("{why}"),
        }
        import(&chain, block);
    }
    assert_eq!(chain.head().number, LAST);
    forks.dedup();
    assert!(forks.starts_with(&[Fork::Homestead, Fork::Tangerine, Fork::SpuriousDragon]));
    assert!(forks.contains(&Fork::Constantinople) && forks.ends_with(&[Fork::Bpo2]));
}

#[test]
fn before_byzantium_a_stored_receipt_names_the_state_after_its_transaction() {
    let (chain, blocks) = (chain(), blocks());
    for block in &blocks {
        import(&chain, block);
    }
    for block in &blocks {
        let fork = chain.spec().fork_at(block.number(), block.header().timestamp);
        for receipt in chain.storage().receipts(block.hash()).unwrap().unwrap() {
            assert_eq!(receipt.status.is_post_state(), fork < Fork::Byzantium);
        }
    }
}

#[test]
fn a_block_under_proof_of_work_is_judged_by_its_difficulty() {
    let (chain, blocks) = (chain(), blocks());
    let why = refused(&chain, &blocks[0], |block| block.header.difficulty += U256::ONE);
    assert!(matches!(why, InvalidBlock::WorkDifficulty { .. }), "{why}");
    // No seal is checked, so another one makes another block, as good as the first.
    let mut other = blocks[0].block().clone();
    other.header.nonce = B64::repeat_byte(1);
    assert!(matches!(chain.import(SealedBlock::seal(other)).unwrap(), Verdict::Valid));
}

#[test]
fn proof_of_work_ends_where_the_terminal_difficulty_is_reached() {
    let blocks = blocks();
    let early = chain_with(|genesis| {
        let total = genesis.config.terminal_total_difficulty.unwrap();
        genesis.config.terminal_total_difficulty = Some(total - U256::from(200_000));
    });
    let late = chain_with(|genesis| {
        let total = genesis.config.terminal_total_difficulty.unwrap();
        genesis.config.terminal_total_difficulty = Some(total + U256::ONE);
    });
    for block in &blocks {
        let number = block.number();
        if number < LAST_WORKED {
            import(&early, block);
        }
        if number <= LAST_WORKED {
            import(&late, block);
        } else {
            break;
        }
    }
    let at = |number: u64| &blocks[usize::try_from(number).unwrap() - 1];
    let why = refused(&late, at(LAST_WORKED + 1), |_| {});
    assert!(matches!(why, InvalidBlock::TerminalDifficulty { .. }), "{why}");
    let why = refused(&early, at(LAST_WORKED), |_| {});
    assert!(matches!(why, InvalidBlock::TerminalDifficulty { .. }), "{why}");
}

#[test]
fn a_consensus_client_takes_over_at_the_last_block_under_proof_of_work() {
    let (chain, blocks) = (chain(), blocks());
    for block in &blocks[..usize::try_from(LAST_WORKED).unwrap() + 1] {
        assert!(matches!(chain.import(block.clone()).unwrap(), Verdict::Valid));
    }
    let (storage, head) = (chain.storage(), chain.head());
    let state = Arc::new(storage.state_at(head.hash()).unwrap().unwrap());
    let (spec, rules, config) =
        (chain.spec().clone(), Arc::clone(chain.rules()), PoolConfig::standard());
    let pool = Pool::open(spec, rules, config, Arc::new(storage.clone()), head, state).unwrap();
    let importer = Importer::spawn(chain.clone(), pool).unwrap();
    let choose = |number: u64| {
        let head = blocks[usize::try_from(number).unwrap() - 1].hash();
        importer.set_fork_choice(ForkChoice { head, safe: None, finalized: None }).unwrap()
    };
    for early in [1, LAST_WORKED - 1] {
        match choose(early) {
            ForkChoiceStatus::Invalid(why) => assert_eq!(why.latest_valid, Some(B256::ZERO)),
            status => panic!("{early}: {status:?}"),
        }
        assert_eq!(chain.head().number, 0, "the head has not moved");
    }
    for good in [LAST_WORKED, LAST_WORKED + 1] {
        assert!(matches!(choose(good), ForkChoiceStatus::Applied(_)), "{good}");
        assert_eq!(chain.head().number, good);
    }
}
