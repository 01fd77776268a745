//! Block access lists (EIP-7928) of fixtures that are older than today's Amsterdam.
//!
//! Their headers lack a slot number and their gas is Osaka's, so no such block stands as a whole. What they say about
//! access lists holds nevertheless, and is compared twice: under the rules that they were filled with, where the
//! list must be equal to the last byte, and under Amsterdam's, where it must be equal but for the balances that gas moves.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{Address, U256, keccak256};
use alloy_rlp::Decodable;
use ethrex_evm::{BlockContext, BlockExecutor, Closed, RunError};
use ethrex_stateless::access_set;
use ethrex_stf::{Ethereum, InvalidBlock, access_list, commit_receipts};
use ethrex_trie::{EMPTY_ROOT, read_account};
use ethrex_types::alloy_consensus::Transaction;
use ethrex_types::block::InvalidSignature;
use ethrex_types::eip7928::AccountChanges;
use ethrex_types::system::{self, SystemContract};
use ethrex_types::{
    AccountDiff, AccountInfo, Block, BlockAccessList, Fork, Header, RecoveredBlock, SealedBlock,
    StateDiff, StateError, Tx,
};

use crate::blockchain::{Fixture, FixtureBlock};
use crate::forks::ForkError;
use crate::ledger::Ledger;

/// The network whose rules, but for access lists, these fixtures were filled with.
const FILLED_WITH: &str = "BPO2";
/// What is wrong with a block whose list is too long.
const TOO_LONG: &str = "BlockException.BLOCK_ACCESS_LIST_GAS_LIMIT_EXCEEDED";

/// What a transaction gets on top of its gas limit: state gas for some hundred new slots.
const MORE_GAS: i64 = 10_000_000;
/// What its sender gets to pay for it.
const FUNDS: U256 = U256::from_limbs([u64::MAX, 0, 0, 0]);

/// How a block differs from its fixture.
#[derive(Debug, thiserror::Error)]
pub enum Different {
    /// The network has no schedule here.
    #[error("the network")]
    Fork(#[from] ForkError),
    /// A block does not decode.
    #[error("a block")]
    Encoding(#[from] alloy_rlp::Error),
    /// A sender cannot be recovered.
    #[error(transparent)]
    Signature(#[from] InvalidSignature),
    /// The state could not be read.
    #[error("fault")]
    Fault(#[from] StateError),
    /// The block cannot be run.
    #[error("block {block}: {why}")]
    Refused {
        /// Position in the fixture.
        block: usize,
        /// Our reason.
        why: String,
    },
    /// Another amount of gas was used.
    #[error("block {block}: gas used is {ours}, the fixture says {theirs}")]
    Gas {
        /// Position in the fixture.
        block: usize,
        /// As executed.
        ours: u64,
        /// As given.
        theirs: u64,
    },
    /// The receipts differ.
    #[error("block {0}: other receipts")]
    Receipts(usize),
    /// A transaction ended otherwise.
    #[error("block {block}: transaction {index} ends otherwise")]
    Status {
        /// Position in the fixture.
        block: usize,
        /// Position in the block.
        index: usize,
    },
    /// The state afterwards differs.
    #[error("block {0}: other state root")]
    StateRoot(usize),
    /// The access list differs.
    #[error("block {block}: access list differs at {}", entries(.at))]
    List {
        /// Position in the fixture.
        block: usize,
        /// Each account that differs: ours, then the fixture's.
        at: Vec<(Option<AccountChanges>, Option<AccountChanges>)>,
    },
    /// What was read is not what the list names.
    #[error("block {block}: the list and what was read differ at {address}")]
    Read {
        /// Position in the fixture.
        block: usize,
        /// Where.
        address: Address,
    },
    /// A list that is wrong or too long went unnoticed.
    #[error("block {block}: {expected} went unnoticed")]
    Unnoticed {
        /// Position in the fixture.
        block: usize,
        /// What is wrong with it.
        expected: String,
    },
}

fn entries(at: &[(Option<AccountChanges>, Option<AccountChanges>)]) -> String {
    at.iter().map(|(ours, theirs)| format!("\n  ours {ours:?}\n  want {theirs:?}")).collect()
}

/// Runs the blocks under the rules they were filled with: gas, receipts, state root and access list must be equal.
pub fn as_filled(fixture: &Fixture) -> Result<(), Different> {
    let mut ledger = ledger(fixture, FILLED_WITH, &fixture.state())?;
    for (index, block) in fixture.blocks().iter().enumerate() {
        let header = decode(block)?.header;
        let closed = execute(&ledger, index, block, 0)?;
        let list = closed.block_access_list.clone().expect("a list was asked for");
        if let Some(expected) = &block.expect_exception {
            let noticed = if expected == TOO_LONG {
                matches!(
                    access_list::check_items(&list, header.gas_limit),
                    Err(InvalidBlock::BlockAccessListItems { .. })
                )
            } else {
                header.block_access_list_hash != Some(access_list::hash(&list))
            };
            if !noticed {
                return Err(Different::Unnoticed { block: index, expected: expected.clone() });
            }
            continue;
        }
        if closed.gas_used != header.gas_used {
            return Err(Different::Gas {
                block: index,
                ours: closed.gas_used,
                theirs: header.gas_used,
            });
        }
        if commit_receipts(&closed.receipts).0 != header.receipts_root {
            return Err(Different::Receipts(index));
        }
        let want = block.block_access_list.clone().unwrap_or_default();
        compare(index, &list, &want)?;
        if header.block_access_list_hash != Some(access_list::hash(&list)) {
            return Err(Different::List { block: index, at: Vec::new() });
        }
        let root = header.state_root;
        if ledger.extend(header, &closed.diff)? != root {
            return Err(Different::StateRoot(index));
        }
    }
    Ok(())
}

/// Runs the blocks under the rules of Amsterdam, where gas is priced otherwise (EIP-2780, EIP-8037, EIP-8038): as they are, or else
/// with enough gas for everything, or else as far from enough as they were; senders can pay for what is added. They must end as the
/// fixture says, and the list must be equal but for balances, which gas moves, and the contracts of EIP-8282, which the fixtures do
/// not have.
pub fn at_amsterdam(fixture: &Fixture) -> Result<(), Different> {
    let rich = funded(fixture)?;
    with_gas(fixture, &with_contracts(fixture.state()), 0).or_else(|why| {
        if with_gas(fixture, &rich, MORE_GAS).is_ok() {
            return Ok(());
        }
        let least = |network| least_gas(fixture, &ledger(fixture, network, &rich)?);
        match (least(FILLED_WITH)?, least("Amsterdam")?) {
            (Some(before), Some(now)) => with_gas(fixture, &rich, now - before).map_err(|_| why),
            _ => Err(why),
        }
    })
}

/// Runs the blocks, each transaction with this much more gas.
fn with_gas(fixture: &Fixture, state: &StateDiff, more: i64) -> Result<(), Different> {
    let mut ledger = ledger(fixture, "Amsterdam", state)?;
    for (index, block) in fixture.blocks().iter().enumerate() {
        if block.expect_exception.is_some() {
            continue;
        }
        let closed = execute(&ledger, index, block, more)?;
        let mut ends = closed.receipts.iter().zip(block.successes());
        if let Some(tx) = ends.position(|(receipt, success)| receipt.success() != success) {
            return Err(Different::Status { block: index, index: tx });
        }
        let list = closed.block_access_list.expect("Amsterdam has access lists");
        let want = block.block_access_list.clone().unwrap_or_default();
        compare(index, &without_gas(list), &without_gas(want))?;
        ledger.extend(decode(block)?.header, &closed.diff)?;
    }
    Ok(())
}

/// What must be added to the gas of the only transaction of a fixture, at least, for it to succeed.
fn least_gas(fixture: &Fixture, ledger: &Ledger) -> Result<Option<i64>, Different> {
    let [block] = fixture.blocks() else { return Ok(None) };
    let decoded = decode(block)?;
    let [tx] = decoded.body.transactions.as_slice() else { return Ok(None) };
    let has = i64::try_from(tx.gas_limit()).unwrap_or(i64::MAX);
    let succeeds = |more| match execute(ledger, 0, block, more) {
        Ok(closed) => closed.receipts[0].success(),
        Err(_) => false,
    };
    let (mut too_little, mut enough) = (-has, MORE_GAS);
    if !succeeds(enough) {
        return Ok(None);
    }
    while enough - too_little > 1 {
        let middle = too_little + (enough - too_little) / 2;
        if succeeds(middle) {
            enough = middle;
        } else {
            too_little = middle;
        }
    }
    Ok(Some(enough))
}

fn with_contracts(mut state: StateDiff) -> StateDiff {
    for contract in builder_contracts() {
        let code_hash = keccak256(contract.code);
        state.codes.insert(code_hash, contract.code.clone());
        let info = AccountInfo { nonce: 1, code_hash, ..AccountInfo::default() };
        let account = AccountDiff { info: Some(info), ..AccountDiff::default() };
        state.accounts.insert(contract.address, account);
    }
    state
}

/// The state before the first block, with the contracts of EIP-8282, and more on the account of each sender.
fn funded(fixture: &Fixture) -> Result<StateDiff, Different> {
    let mut state = with_contracts(fixture.state());
    for block in fixture.blocks() {
        for sender in recover(block)?.senders() {
            let info = state.accounts.entry(*sender).or_default().info.get_or_insert_default();
            info.balance = info.balance.saturating_add(FUNDS);
        }
    }
    Ok(state)
}

fn ledger(fixture: &Fixture, network: &str, state: &StateDiff) -> Result<Ledger, Different> {
    let genesis = fixture.genesis()?;
    Ok(Ledger::new(fixture.chain(network)?, state, |state_root| Header { state_root, ..genesis }))
}

/// Executes a block on the head, each transaction with this much more gas. Its header is taken as it is, but for the slot number
/// that it lacks.
fn execute(
    ledger: &Ledger,
    index: usize,
    block: &FixtureBlock,
    more: i64,
) -> Result<Closed, Different> {
    let block = recover(block)?;
    let header = Header { slot_number: Some(0), ..block.sealed().header().clone() };
    let context = BlockContext {
        header: &header,
        ommers: &[],
        withdrawals: block.sealed().body().withdrawals.as_ref().map(|list| list.as_slice()),
    };
    let state = ledger.state();
    let mut executor = BlockExecutor::open_listing(ledger.spec(), &Ethereum, &context, &state)
        .map_err(refused(index))?;
    for (tx, sender) in block.transactions() {
        executor.run(&add_gas(tx, more), sender).map_err(refused(index))?;
    }
    let closed = executor.close().map_err(refused(index))?;
    check_read(ledger, index, &closed)?;
    Ok(closed)
}

/// A witness must contain what the access list names, and is recorded out of what was read: neither may go beyond the other.
/// Only a slot of an account without storage may be named and not read, since there is nothing in the state to read.
fn check_read(ledger: &Ledger, block: usize, closed: &Closed) -> Result<(), Different> {
    let listed = access_set(closed.block_access_list.as_ref().expect("a list was asked for"));
    let read = &closed.accesses.accounts;
    for address in listed.keys().chain(read.keys()) {
        let differ = Err(Different::Read { block, address: *address });
        let (Some(listed), Some(read)) = (listed.get(address), read.get(address)) else {
            return differ;
        };
        let account = read_account(ledger.nodes(), ledger.head().state_root, *address)?;
        let has_storage = account.is_some_and(|account| account.storage_root != EMPTY_ROOT);
        if !read.is_subset(listed) || has_storage && read != listed {
            return differ;
        }
    }
    Ok(())
}

/// The transaction with more gas. Its signature no longer fits, which does not matter: its sender is known.
fn add_gas(tx: &Tx, more: i64) -> Tx {
    let mut tx = tx.clone();
    let gas = tx.gas_limit().saturating_add_signed(more);
    match &mut tx {
        Tx::Legacy(tx) => tx.tx_mut().gas_limit = gas,
        Tx::Eip2930(tx) => tx.tx_mut().gas_limit = gas,
        Tx::Eip1559(tx) => tx.tx_mut().gas_limit = gas,
        Tx::Eip4844(tx) => tx.tx_mut().gas_limit = gas,
        Tx::Eip7702(tx) => tx.tx_mut().gas_limit = gas,
        Tx::Privileged(_) => {}
    }
    tx
}

fn recover(block: &FixtureBlock) -> Result<RecoveredBlock, Different> {
    Ok(RecoveredBlock::recover(SealedBlock::seal(decode(block)?))?)
}

fn refused<V: std::fmt::Display>(block: usize) -> impl FnOnce(RunError<V>) -> Different {
    move |error| match error {
        RunError::Invalid(why) => Different::Refused { block, why: why.to_string() },
        RunError::Fault(fault) => Different::Fault(fault),
    }
}

fn decode(block: &FixtureBlock) -> Result<Block, alloy_rlp::Error> {
    Block::decode(&mut block.rlp.as_ref())
}

fn builder_contracts() -> impl Iterator<Item = &'static SystemContract> {
    system::CONTRACTS.iter().filter(|contract| contract.since == Fork::Amsterdam)
}

fn without_gas(mut list: BlockAccessList) -> BlockAccessList {
    list.retain(|account| builder_contracts().all(|contract| contract.address != account.address));
    for account in &mut list {
        account.balance_changes.clear();
    }
    list
}

fn compare(
    block: usize,
    ours: &[AccountChanges],
    theirs: &[AccountChanges],
) -> Result<(), Different> {
    let by_address = |list: &[AccountChanges]| -> BTreeMap<Address, AccountChanges> {
        list.iter().map(|account| (account.address, account.clone())).collect()
    };
    let (ours, theirs) = (by_address(ours), by_address(theirs));
    let addresses = ours.keys().chain(theirs.keys()).collect::<BTreeSet<_>>();
    let at: Vec<_> = addresses
        .into_iter()
        .map(|address| (ours.get(address).cloned(), theirs.get(address).cloned()))
        .filter(|(ours, theirs)| ours != theirs)
        .collect();
    if at.is_empty() { Ok(()) } else { Err(Different::List { block, at }) }
}
