//! EXECUTE on random blocks: what it answers is what executing them on the whole state gives.

use alloy_primitives::{Address, B256, Bytes, keccak256};
use ethrex_execute::{
    Attributes, BlockBody, Caps, ExecuteConfig, ExecuteResult, Flags, Forbidden, Header, Mode,
    testing::{attributes, block_envelope, config, derive_on, raw, signed_for},
};
use ethrex_stateless::{
    StatelessInput,
    testing::{ACCOUNTS, CHAIN_ID, TestBlock, TestChain},
};
use ethrex_test_native::{
    Dice, Made, RandomChain,
    blocks::transaction,
    damage::rehash,
    oracle::{block_words, derive_words, filter, filtered_block, flat, plain_answer},
};
use ethrex_types::GenesisAccount;

use super::*;

/// Random chains, and blocks of each.
const CHAINS: u64 = 40;
const BLOCKS: usize = 6;
/// Lists of transactions to derive from.
const LISTS: u64 = 120;

#[test]
fn d2_d5_execute_answers_what_full_execution_gives() {
    let (mut blocks, mut transactions) = (0, 0);
    for seed in self::seed()..self::seed() + CHAINS {
        let mut chain = RandomChain::new(seed);
        for height in 0..BLOCKS {
            let Made { before, block } = chain.make();
            let input = block_envelope(&block, None);
            let outcome = call(PLENTY, &input);
            let output = outcome.result.unwrap_or_else(|class| panic!("{seed} {height}: {class}"));
            let words = block_words(&before, &block.block);
            assert_eq!(output[..], *flat(&words), "chain {seed}, block {height}");
            let gas_limit = block.block.sealed().header().gas_limit;
            assert_eq!(outcome.gas_charged, 50_000 + 8 * input.len() as u64 + gas_limit);

            let plain = block.input.encode();
            let outcome = call(PLENTY, &plain);
            let gas = gas_limit + 16 * plain.len() as u64;
            assert_eq!(outcome.gas_charged, gas);
            if block.input.request.requests.is_empty() {
                assert_eq!(outcome.result.unwrap()[..], plain_answer(&block.input));
            }
            violated(&block, &mut Dice::new(seed << 8 | height as u64));
            blocks += 1;
            transactions += block.block.sealed().body().transactions.len();
        }
    }
    assert!(blocks >= 200 && transactions > 1_000, "{blocks} blocks, {transactions} transactions");
}

/// The block with something in it that a rollup may not have. All that hangs on the content is right, so that nothing else is wrong.
fn violated(block: &TestBlock, dice: &mut Dice) {
    let with = |change: &dyn Fn(&mut StatelessInput)| {
        let mut block = block.clone();
        change(&mut block.input);
        rehash(&mut block.input);
        [block_envelope(&block, None), block.input.encode()]
    };
    let (inputs, expected): (_, &[Forbidden]) = match dice.roll(7) {
        0 => (
            with(&|input| input.request.payload.withdrawals.push(Default::default())),
            &[Forbidden::Withdrawals],
        ),
        1 => (with(&|input| input.request.payload.blob_gas_used = 131_072), &[Forbidden::BlobGas]),
        2 => (with(&|input| input.request.payload.excess_blob_gas = 1), &[Forbidden::BlobGas]),
        3 => (
            with(&|input| input.request.versioned_hashes.push(B256::ZERO)),
            &[Forbidden::VersionedHashes],
        ),
        4 => (
            with(&|input| input.request.payload.transactions.push(vec![3, 0xc0].into())),
            &[Forbidden::Transaction(3)],
        ),
        5 => (
            with(&|input| input.request.payload.transactions.insert(0, vec![0x7e].into())),
            &[Forbidden::Transaction(0x7e)],
        ),
        _ => (with(&|input| input.chain_id = L1_CHAIN_ID), &[Forbidden::ChainId(L1_CHAIN_ID)]),
    };
    for input in inputs {
        let class = fails(&input);
        assert!(
            matches!(class, FailureClass::Forbidden(what) if expected.contains(&what)),
            "{class}"
        );
    }
    // PLAIN has no requests; an envelope may, and then they must be those of the block.
    let requests = with(&|input| input.request.requests.withdrawals = vec![1; 76].into());
    assert_eq!(fails(&requests[0]).name(), "block_invalid");
    assert!(matches!(fails(&requests[1]), FailureClass::Forbidden(Forbidden::Requests)));
    for (level, name) in [(1_u64 << 40, "wrong_level"), (1, "block_invalid")] {
        let input = with(&|input| input.chain_id ^= level);
        let empty = block.input.request.payload.transactions.is_empty();
        for input in input.iter().filter(|_| level > 1 || !empty) {
            assert_eq!(fails(input).name(), name);
        }
    }
}

/// Caps of which a block here reaches at most that of items.
fn capped(items: usize) -> ExecuteConfig {
    const NONE: usize = usize::MAX >> 8;
    ExecuteConfig { caps: Caps { items, code_bytes: NONE, witness_bytes: NONE }, ..config() }
}

/// Transactions of which many are not valid where they stand.
fn candidates(chain: &RandomChain, dice: &mut Dice, count: usize) -> Vec<Bytes> {
    let mut nonces: Vec<u64> = (0..=ACCOUNTS).map(|number| chain.nonce(number)).collect();
    let mut one = |dice: &mut Dice| {
        let who = 1 + dice.roll(ACCOUNTS.into()) as u8;
        let nonce = &mut nonces[usize::from(who)];
        *nonce += 1;
        let (now, dice) = (*nonce - 1, dice);
        match dice.roll(12) {
            0 => raw(&transaction(dice, who, now + 1)),
            1 => raw(&transaction(dice, who, now.saturating_sub(1))),
            2 => raw(&signed_for(CHAIN_ID + 1, who, |tx| tx.nonce = now)),
            3 => raw(&signed_for(CHAIN_ID, who, |tx| {
                tx.nonce = now;
                match dice.roll(5) {
                    0 => tx.max_fee_per_gas = 7,
                    1 => tx.value = alloy_primitives::U256::MAX,
                    2 => tx.gas_limit = 20_000,
                    3 => tx.gas_limit = 30_000_001,
                    _ => tx.max_priority_fee_per_gas = tx.max_fee_per_gas + 1,
                }
            })),
            4 => vec![dice.byte(); dice.roll(60)].into(),
            5 => {
                let mut bytes = raw(&transaction(dice, who, now)).to_vec();
                ethrex_test_native::damage::bytes(&mut bytes, dice);
                bytes.into()
            }
            6 => raw(&signed_for(CHAIN_ID, who, |tx| {
                tx.nonce = now;
                tx.gas_limit = dice.of(&[12_000_000, 16_000_000, 16_777_216, 29_000_000]);
            })),
            _ => raw(&transaction(dice, who, now)),
        }
    };
    (0..count).map(|_| one(dice)).collect()
}

#[test]
fn d5_derive_is_filter_then_block() {
    let (mut included, mut dropped, mut waiting, mut stopped) = (0, 0, 0, 0);
    for seed in self::seed()..self::seed() + LISTS {
        let mut chain = RandomChain::new(seed);
        for _ in 0..seed % 3 {
            chain.make();
        }
        let dice = &mut Dice::new(seed);
        let items = dice.of(&[6, 12, 20, 40, usize::MAX >> 8, usize::MAX >> 8]);
        let config = capped(items);
        let (forced, posted) = (dice.roll(8), dice.roll(20));
        let both = candidates(&chain, dice, forced + posted);
        let (forced, posted) = both.split_at(forced);
        let before = chain.chain();
        let attributes = attributes(before);
        let filtered = filter(before, &attributes, forced, posted, items);
        let block = filtered_block(before, &attributes, &filtered.included);
        let words = derive_words(before, &block.block, forced, posted, filtered.forced_count);

        let (derived, input) = derive_on(before, &config, &attributes, forced, posted).unwrap();
        assert_eq!(derived.gas_bound, filtered.gas_bound, "{seed}");
        let outcome = call_as(&config, PLENTY, &input);
        assert_eq!(outcome.result.unwrap()[..], *flat(&words), "{seed}");
        let given = (forced.len() + posted.len()) as u64;
        let gas = 50_000 + 8 * input.len() as u64 + filtered.gas_bound + 6_000 * given;
        assert_eq!(outcome.gas_charged, gas);

        // The block by itself: the same words but for those that say how it came about.
        let header = Header {
            mode: Mode::Block,
            level: 1,
            flags: Flags::BURNED_FEES,
            gas_bound: before.head().gas_limit,
        };
        let body = BlockBody { input: block.input.clone(), inclusion_list: None };
        let given = call_as(&config, PLENTY, &header.wrap(&body.encode())).result.unwrap();
        for (index, (given, derived)) in given.chunks(32).zip(words).enumerate() {
            assert!([0, 18, 19, 20].contains(&index) || given == derived, "{seed}: word {index}");
        }
        let count = filtered.included.len();
        included += count;
        dropped += filtered.forced_count + posted.len() - count;
        waiting += forced.len() - filtered.forced_count;
        stopped += filtered.stopped;
    }
    assert!(included > 200 && dropped > 200, "{included} {dropped}");
    assert!(waiting > 20 && stopped > 20, "{waiting} {stopped}");
}

#[test]
fn c12_a_malformed_deposit_event_stops_its_transaction_and_no_block() {
    // Nobody has the key to the address, or so one hopes: whoever deployed the deposit contract of L1 has it.
    let at = Address::repeat_byte(0xde);
    let event = keccak256("DepositEvent(bytes,bytes,bytes,bytes,bytes)");
    // LOG1 of no bytes with this topic.
    let code = [&[0x7f][..], event.as_slice(), &[0x5f, 0x5f, 0xa1, 0x00]].concat();
    let mut genesis = RandomChain::new(0).chain().spec().genesis().clone();
    genesis.config.deposit_contract_address = Some(at);
    let account = GenesisAccount { code: Some(code.into()), ..GenesisAccount::default() };
    genesis.alloc.insert(at, account);
    let chain = TestChain::with_genesis(genesis.clone());
    genesis.config.chain_id = L1_CHAIN_ID;
    let l1 = ChainSpec::new(genesis).unwrap();
    let to = |number, to: Address| {
        raw(&signed_for(CHAIN_ID, number, |tx| {
            tx.gas_limit = 500_000;
            tx.to = to.into();
        }))
    };
    let asked = attributes(&chain);
    let other = Address::repeat_byte(0x11);
    // Whoever is paid the fees makes no difference.
    for fee_recipient in [asked.fee_recipient, at] {
        let asked = Attributes { fee_recipient, ..asked.clone() };
        for (forced, posted, counts) in [
            (vec![], vec![to(1, other), to(2, at), to(3, other)], (0, 1, 2)),
            (vec![to(2, at)], vec![to(1, other)], (1, 1, 1)),
            (vec![to(1, other), to(2, at), to(3, other)], vec![], (1, 1, 0)),
        ] {
            let (derived, input) = derive_on(&chain, &config(), &asked, &forced, &posted).unwrap();
            let outcome = execute(&config(), &l1, 0, 1_000, PLENTY, &input).unwrap();
            let result = ExecuteResult::decode(&outcome.result.unwrap()).unwrap();
            assert_eq!(
                (result.forced_count, result.included_count, result.dropped_count),
                counts,
                "its lane ends there"
            );
            assert!(derived.gas_bound > 500_000, "what it took is paid for");
        }
    }
}
