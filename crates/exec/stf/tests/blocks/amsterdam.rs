//! What Amsterdam changes about blocks.

use alloy_primitives::{Address, B256, Signature, U256, keccak256};
use ethrex_stf::{
    BlockBuilder, BuiltBlock, Ethereum, InvalidBlock, InvalidTx, NotIncluded, RunError,
    access_list, check_header,
};
use ethrex_types::{
    Block, Fork, Header, SealedBlock, Tx,
    alloy_consensus::{Signed, TxEip4844},
    system,
};

use crate::world::{ALICE, COINBASE, CONTRACT, SLOT, World, call, reads, tx, writes};

/// Initialisation code that returns `runtime`, and writes a slot first.
fn deploying(runtime: &[u8]) -> Vec<u8> {
    let size = u8::try_from(runtime.len()).unwrap();
    let mut code = writes(0, 1);
    let start = u8::try_from(code.len() + 11).unwrap();
    code.extend([0x60, size, 0x60, start, 0x5f, 0x39, 0x60, size, 0x5f, 0xf3, 0x00]);
    code.extend(runtime);
    code
}

/// A block of many kinds of things: transfers to old and new accounts, reads, writes, a revert, a creation.
fn busy(world: &mut World) -> BuiltBlock {
    let other = Address::repeat_byte(0xc1);
    world.deploy(CONTRACT, [writes(0, 3), reads(3, 6)].concat());
    world.deploy(other, [writes(0, 2), vec![0x5f, 0x5f, 0xfd]].concat());
    world.build(
        &Ethereum,
        [
            tx(0, Some(Address::repeat_byte(9)), 400_000, 5, &[]),
            call(1),
            tx(2, Some(other), 1_000_000, 0, &[]),
            tx(3, None, 2_000_000, 0, &deploying(&[0x5f, 0x54, 0x00])),
            tx(4, Some(COINBASE), 400_000, 1, &[1, 2, 3]),
            call(5),
        ],
    )
}

#[test]
fn building_and_executing_agree() {
    for fork in [Fork::Osaka, Fork::Amsterdam] {
        let mut world = World::new(fork);
        let built = busy(&mut world);
        let executed = world.judge(&Ethereum, &built).unwrap();
        assert_eq!(executed.block_access_list, built.block_access_list);
        assert_eq!(executed.block_access_list.is_some(), fork >= Fork::Amsterdam);
        assert_eq!((&executed.diff, &executed.receipts), (&built.diff, &built.receipts));
        assert_eq!(executed.accesses, built.accesses);
        assert_eq!(executed.burned_fees, built.burned_fees);
        assert_eq!(
            built.receipts.iter().map(|receipt| receipt.success()).collect::<Vec<_>>(),
            [true, true, false, true, true, true]
        );
    }
}

#[test]
fn a_block_follows_a_block() {
    let mut world = World::new(Fork::Amsterdam);
    let built = busy(&mut world);
    world.parent = built.seal(B256::ZERO).sealed_header();
    world.apply(&built.diff);
    let next = world.build(&Ethereum, [call(6), call(7)]);
    world.judge(&Ethereum, &next).unwrap();
}

#[test]
fn the_list_holds_every_account_and_slot_that_was_read() {
    let mut world = World::new(Fork::Amsterdam);
    let built = busy(&mut world);
    let list = built.block_access_list.unwrap();
    let listed = list.iter().map(|account| account.address).collect::<Vec<_>>();
    assert_eq!(listed, built.accesses.accounts.keys().copied().collect::<Vec<_>>());
    for account in &list {
        let mut slots = account.storage_reads.clone();
        slots.extend(account.storage_changes.iter().map(|slot| slot.slot));
        slots.sort_unstable();
        let read = built.accesses.accounts[&account.address]
            .iter()
            .map(|slot| U256::from_be_bytes(slot.0));
        let existed = world.state.accounts.contains_key(&account.address);
        assert!(!existed || read.eq(slots), "{}", account.address);
    }
}

#[test]
fn the_list_says_in_which_transaction_something_changed() {
    let mut world = World::new(Fork::Amsterdam);
    let list = busy(&mut world).block_access_list.unwrap();
    let of = |address| list.iter().find(|account| account.address == address).unwrap();
    let nonces = of(ALICE)
        .nonce_changes
        .iter()
        .map(|change| (change.block_access_index.get(), change.new_nonce));
    assert!(nonces.eq((1..=6).map(|index| (index, index))));
    let slots = &of(CONTRACT).storage_changes;
    assert!(
        slots
            .iter()
            .all(|slot| slot.changes.len() == 1 && slot.changes[0].block_access_index.get() == 2)
    );
    assert_eq!(
        of(Address::repeat_byte(0xc1)).storage_reads,
        [U256::ZERO, U256::from(1)],
        "reverted"
    );
    let before = of(system::CONTRACTS[0].address);
    assert!(
        before.storage_changes.iter().all(|slot| slot.changes[0].block_access_index.get() == 0)
    );
}

fn with_header(built: &BuiltBlock, change: impl FnOnce(&mut Header)) -> SealedBlock {
    let Block { mut header, body } = built.seal(B256::ZERO).into_block();
    change(&mut header);
    SealedBlock::seal(Block { header, body })
}

#[test]
fn a_header_with_another_list_is_invalid() {
    let mut world = World::new(Fork::Amsterdam);
    let built = busy(&mut world);
    let block = with_header(&built, |header| header.block_access_list_hash = Some(B256::ZERO));
    let verdict = world.judge_block(&Ethereum, block, built.senders.clone()).unwrap_err();
    let want = access_list::hash(built.block_access_list.as_deref().unwrap());
    let RunError::Invalid(InvalidBlock::BlockAccessList { got: B256::ZERO, want: ours }) = verdict
    else {
        panic!("{verdict}")
    };
    assert_eq!(ours, want);
}

#[test]
fn headers_have_the_fields_of_amsterdam_and_none_before() {
    for fork in [Fork::Osaka, Fork::Amsterdam] {
        let world = World::new(fork);
        let built = world.build(&Ethereum, []);
        let check = |change: fn(&mut Header)| {
            check_header(&world.spec, with_header(&built, change).header(), &world.parent)
        };
        check(|_| {}).unwrap();
        let list = check(|header| {
            header.block_access_list_hash = header.block_access_list_hash.xor(Some(B256::ZERO));
        });
        let slot = check(|header| header.slot_number = header.slot_number.xor(Some(1)));
        for verdict in [list.unwrap_err(), slot.unwrap_err()] {
            assert!(
                match verdict {
                    InvalidBlock::UnexpectedField(_) => fork == Fork::Osaka,
                    InvalidBlock::MissingField(_) => fork == Fork::Amsterdam,
                    _ => false,
                },
                "{fork:?}"
            );
        }
    }
}

#[test]
fn a_contract_sees_the_slot_number() {
    let mut world = World::new(Fork::Amsterdam);
    // SLOTNUM, stored in slot 0 (EIP-7843).
    world.deploy(CONTRACT, vec![0x4b, 0x5f, 0x55, 0x00]);
    let built = world.build(&Ethereum, [call(0)]);
    assert_eq!(built.diff.accounts[&CONTRACT].storage[&B256::ZERO], U256::from(SLOT));
    let block = with_header(&built, |header| header.slot_number = Some(SLOT + 1));
    assert!(world.judge_block(&Ethereum, block, built.senders).is_err());
}

#[test]
fn gas_used_is_the_larger_of_regular_and_state_gas() {
    let mut world = World::new(Fork::Amsterdam);
    let context = world.context();
    let dimensions = |world: &World, nonce: u64| {
        let mut builder = BlockBuilder::open(&context, &Ethereum, &world.state).unwrap();
        builder.push(tx(nonce, Some(CONTRACT), 5_000_000, 0, &[]), ALICE).unwrap();
        let (regular, state) = (builder.regular_gas_used(), builder.state_gas_used());
        assert_eq!(builder.gas_left(), context.header().gas_limit - regular.max(state));
        let built = builder.finish().unwrap();
        let used = built.seal(B256::ZERO).header().gas_used;
        assert_eq!(used, regular.max(state));
        assert_eq!(built.receipts[0].cumulative_gas_used, regular + state, "no refund here");
        world.judge(&Ethereum, &built).unwrap();
        (regular, state)
    };
    world.deploy(CONTRACT, writes(0, 20));
    let (regular, state) = dimensions(&world, 0);
    assert!(state > regular, "{state} {regular}");
    world.deploy(CONTRACT, reads(0, 20));
    let (regular, state) = dimensions(&world, 0);
    assert!(state == 0 && regular > 20 * 2_100);
}

#[test]
fn refunds_go_to_the_sender_and_not_to_the_block() {
    let mut world = World::new(Fork::Amsterdam);
    // Clears slot 0 (EIP-7778).
    world.deploy(CONTRACT, vec![0x5f, 0x5f, 0x55, 0x00]);
    world.state.storage.insert((CONTRACT, B256::ZERO), U256::from(1));
    let built = world.build(&Ethereum, [call(0)]);
    let used = built.seal(B256::ZERO).header().gas_used;
    assert!(built.receipts[0].cumulative_gas_used < used);
    world.judge(&Ethereum, &built).unwrap();
}

#[test]
fn a_block_needs_the_contracts_that_gather_requests() {
    for contract in system::CONTRACTS.iter().filter(|contract| contract.requests) {
        let mut world = World::new(Fork::Amsterdam);
        world.state.accounts.remove(&contract.address);
        let context = world.context();
        let builder = BlockBuilder::open(&context, &Ethereum, &world.state).unwrap();
        let verdict = builder.finish().unwrap_err();
        assert!(matches!(verdict, RunError::Invalid(InvalidBlock::SystemCall(_))), "{verdict}");
    }
}

#[test]
fn a_list_is_no_longer_than_the_gas_limit_allows() {
    let world = World::with_gas_limit(Fork::Amsterdam, 30_000);
    let context = world.context();
    let verdict =
        BlockBuilder::open(&context, &Ethereum, &world.state).unwrap().finish().unwrap_err();
    let RunError::Invalid(InvalidBlock::BlockAccessListItems { got, max: 15 }) = verdict else {
        panic!("{verdict}")
    };
    assert!(got > 15);
}

#[test]
fn the_builder_leaves_room_in_the_list_for_what_closes_the_block() {
    let mut world = World::with_gas_limit(Fork::Amsterdam, 2_000_000);
    let contracts = [1, 2, 3, 4, 5].map(Address::repeat_byte);
    for contract in contracts {
        world.deploy(contract, reads(0, 100));
    }
    let context = world.context();
    let mut builder = BlockBuilder::open(&context, &Ethereum, &world.state).unwrap();
    let read = |nonce, contract| tx(nonce, Some(contract), 300_000, 0, &[]);
    for (nonce, contract) in (0..).zip(&contracts[..4]) {
        builder.push(read(nonce, *contract), ALICE).unwrap();
    }
    let refusal = builder.push(read(4, contracts[4]), ALICE).unwrap_err();
    let RunError::Invalid(NotIncluded::Invalid(InvalidTx::AccessListFull { items, limit })) =
        refusal
    else {
        panic!("{refusal}")
    };
    assert!(items > limit && limit == 476);
    // What reads nothing new still fits.
    builder.push(read(4, contracts[0]), ALICE).unwrap();
    let built = builder.finish().unwrap();
    assert_eq!(built.receipts.len(), 5);
    world.judge(&Ethereum, &built).unwrap();
}

#[test]
fn burned_fees_are_what_the_base_fees_took() {
    for fork in [Fork::Osaka, Fork::Amsterdam] {
        let mut world = World::new(fork);
        let plain = busy(&mut world);
        let context = world.context();
        let base_fee = context.header().base_fee_per_gas.unwrap();
        let gas = plain.receipts.last().unwrap().cumulative_gas_used;
        assert_eq!(plain.burned_fees, U256::from(base_fee) * U256::from(gas));
        // What is not burned is somewhere: supply goes down by exactly that.
        let balances = |accounts: &mut dyn Iterator<Item = U256>| accounts.sum::<U256>();
        let before = balances(&mut plain.diff.accounts.keys().map(|address| {
            world.state.accounts.get(address).map_or(U256::ZERO, |info| info.balance)
        }));
        let after = balances(
            &mut plain
                .diff
                .accounts
                .values()
                .map(|account| account.info.map_or(U256::ZERO, |info| info.balance)),
        );
        assert_eq!(before - after, plain.burned_fees);
    }
}

#[test]
fn blob_fees_are_burned_too() {
    let world = World::new(Fork::Amsterdam);
    let mut hash = B256::repeat_byte(3);
    hash.0[0] = 1;
    let tx = TxEip4844 {
        chain_id: 9,
        nonce: 0,
        gas_limit: 100_000,
        max_fee_per_gas: 10_000_000_000,
        max_priority_fee_per_gas: 1,
        to: ALICE,
        value: U256::ZERO,
        access_list: Default::default(),
        blob_versioned_hashes: vec![hash],
        max_fee_per_blob_gas: 1_000_000_000,
        input: Default::default(),
    };
    let tx = Tx::Eip4844(Signed::new_unchecked(tx, Signature::test_signature(), keccak256([0])));
    let built = world.build(&Ethereum, [tx]);
    let header = built.seal(B256::ZERO).into_block().header;
    let gas = built.receipts[0].cumulative_gas_used;
    let params = world.spec.blob_params_at(header.timestamp).unwrap();
    let blob_fee = params.calc_blob_fee(header.excess_blob_gas.unwrap());
    assert!(blob_fee > 0 && header.blob_gas_used == Some(1 << 17));
    let burned = U256::from(header.base_fee_per_gas.unwrap()) * U256::from(gas)
        + U256::from(blob_fee) * U256::from(1 << 17);
    assert_eq!(built.burned_fees, burned);
    assert_eq!(
        built.diff.accounts[&ALICE].info.unwrap().balance,
        world.rich - burned - U256::from(gas)
    );
}
