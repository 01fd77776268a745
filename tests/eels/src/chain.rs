//! A chain in memory at one fork, which builds blocks of whatever is offered.

use std::collections::BTreeMap;

use alloy_eips::{eip4895::Withdrawal, eip7685::Requests};
use alloy_primitives::{Address, B256, Bytes, U256};
use ethrex_stateless::{
    ExecutionWitness, Validated, Witness, record,
    testing::{ACCOUNTS, signer},
    validate,
};
use ethrex_stf::{BlockAttributes, BlockBuilder, BuildContext, Ethereum, NotIncluded, RunError};
use ethrex_test_native::Dice;
use ethrex_trie::{StateUpdate, state_root_of};
use ethrex_types::{
    ChainSpec, Genesis, GenesisAccount, Header, RecoveredBlock, SealedHeader, StateDiff, Tx,
    alloy_consensus::transaction::SignerRecoverable, system,
};
use serde_json::{Value, json};

use crate::{
    Candidates,
    candidates::{CONTRACTS, DEPOSIT_CONTRACT, POOR, contract, deposit_contract},
};

/// Gas limit of genesis: low, so that blocks are sometimes full and base fees move.
const GAS_LIMIT: u64 = 12_000_000;
/// Candidates of a block at most.
const MOST_CANDIDATES: usize = 10;

/// A chain that grows by random blocks.
#[derive(Debug)]
pub struct RandomChain {
    spec: ChainSpec,
    fork: String,
    head: SealedHeader,
    /// Every node, code and header there ever was.
    all: ExecutionWitness,
    hashes: BTreeMap<u64, B256>,
    dice: Dice,
    candidates: Candidates,
    withdrawals: u64,
}

/// A block, and what it was made of.
#[derive(Debug)]
pub struct Made {
    /// The block, valid by our own rules.
    pub block: RecoveredBlock,
    /// What was offered.
    pub offered: Vec<Tx>,
    /// What was not taken, and why.
    pub refused: BTreeMap<usize, String>,
    /// Requests of the block.
    pub requests: Requests,
    /// The environment as the specification is told it.
    pub env: Value,
}

impl RandomChain {
    /// The chain of this seed at this fork.
    ///
    /// # Panics
    /// If there is no such fork.
    #[must_use]
    pub fn new(fork: &str, seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let at = ethrex_test_spec::forks::public(1, fork).expect("the fork is known");
        let mut genesis = at.genesis().clone();
        genesis.gas_limit = GAS_LIMIT;
        genesis.base_fee_per_gas = Some(1_000_000_000);
        populate(&mut genesis, at.fork_at(0, 0), &mut dice);
        let spec = ChainSpec::new(genesis).expect("the genesis is consistent");
        let diff = spec.genesis_diff();
        let update = state_root_of(&diff);
        let head = SealedHeader::new(spec.genesis_header(update.root));
        let fork_of = spec.fork_at(1, 1);
        let mut chain = Self {
            fork: fork.to_owned(),
            hashes: BTreeMap::new(),
            all: ExecutionWitness::default(),
            candidates: Candidates::new(fork_of, spec.chain_id()),
            spec,
            head,
            dice,
            withdrawals: 0,
        };
        chain.keep(&update, &diff);
        chain
    }

    /// The fork, as the specification names it.
    #[must_use]
    pub fn fork(&self) -> &str {
        &self.fork
    }

    /// The chain.
    #[must_use]
    pub const fn spec(&self) -> &ChainSpec {
        &self.spec
    }

    /// The state of genesis, as the specification is told it.
    #[must_use]
    pub fn alloc(&self) -> Value {
        let accounts = self.spec.genesis().alloc.iter().map(|(address, account)| {
            let storage = account.storage.iter().flatten();
            let storage: serde_json::Map<_, _> = storage
                .map(|(slot, value)| (slot.to_string(), json!(U256::from_be_bytes(value.0))))
                .collect();
            let account = json!({
                "balance": account.balance,
                "nonce": format!("{:#x}", account.nonce.unwrap_or_default()),
                "code": account.code.clone().unwrap_or_default(),
                "storage": storage,
            });
            (address.to_string().to_lowercase(), account)
        });
        Value::Object(accounts.collect())
    }

    /// Builds the next block of random candidates, and validates it from its witness.
    ///
    /// # Panics
    /// If the block that was built is not valid.
    pub fn make(&mut self) -> Made {
        let attributes = self.attributes();
        let count = self.dice.roll(MOST_CANDIDATES + 1);
        let offered = self.candidates.next(&mut self.dice, count);

        let everything = Witness::decode(&self.all).expect("kept headers decode");
        let parent = self.head.clone();
        let state = everything.state_after(&parent);
        let context = BuildContext::new(&self.spec, &parent, &attributes);
        let mut builder =
            BlockBuilder::open(&context, &Ethereum, &state).expect("the genesis has its contracts");
        let mut refused = BTreeMap::new();
        for (index, tx) in offered.iter().enumerate() {
            if let Err(why) = push(&mut builder, tx) {
                refused.insert(index, why);
            }
        }
        let built = builder.finish().expect("the genesis has its contracts");

        let headers = self.ancestors(built.accesses.oldest_block_hash);
        let root = parent.state_root;
        let (witness, update) =
            record(everything.nodes(), root, &built.accesses, &built.diff, &headers)
                .expect("the whole state is at hand");
        let block = RecoveredBlock::new_unchecked(built.seal(update.root), built.senders.clone());
        let witness = Witness::decode(&witness).expect("it was just made");
        let validated: Validated = validate(&self.spec, &Ethereum, &block, &witness)
            .expect("what was built is valid to whoever has the witness alone");
        assert_eq!(validated.state_root, update.root);
        assert_eq!(validated.requests, built.requests);

        let env = self.env(&attributes, block.sealed().header().gas_limit);
        self.candidates.made(&built.senders);
        self.head = block.sealed().sealed_header();
        self.keep(&update, &built.diff);
        Made { block, offered, refused, requests: built.requests, env }
    }

    fn attributes(&mut self) -> BlockAttributes {
        let dice = &mut self.dice;
        let random = |dice: &mut Dice| B256::from(U256::from(dice.bits()));
        let withdrawals = (0..dice.roll(4)).map(|_| {
            self.withdrawals += 1;
            Withdrawal {
                index: self.withdrawals,
                validator_index: dice.roll(1_000) as u64,
                address: match dice.roll(3) {
                    0 => Address::repeat_byte(0xe0 + dice.byte() % 6),
                    1 => contract(dice.roll(CONTRACTS)),
                    _ => signer(1 + dice.byte() % ACCOUNTS).address(),
                },
                // Of nothing, too.
                amount: dice.roll(3) as u64 * 1_000,
            }
        });
        let withdrawals: Vec<_> = withdrawals.collect();
        BlockAttributes {
            timestamp: self.head.timestamp + 1 + dice.roll(30) as u64,
            fee_recipient: Address::repeat_byte(0xf0 + dice.byte() % 3),
            prev_randao: random(dice),
            withdrawals: Some(withdrawals.into()),
            parent_beacon_block_root: Some(random(dice)),
            slot_number: None,
            desired_gas_limit: dice.of(&[GAS_LIMIT, GAS_LIMIT * 2, GAS_LIMIT / 2]),
            extra_data: Bytes::new(),
        }
    }

    /// What the specification can compute itself is not in here.
    fn env(&self, attributes: &BlockAttributes, gas_limit: u64) -> Value {
        let parent = &self.head;
        let hashes = self.hashes.iter().rev().take(256);
        let hashes: serde_json::Map<_, _> =
            hashes.map(|(number, hash)| (format!("{number:#x}"), json!(hash))).collect();
        let withdrawals = attributes.withdrawals.iter().flatten().map(|withdrawal| {
            json!({
                "index": hex_of(withdrawal.index),
                "validatorIndex": hex_of(withdrawal.validator_index),
                "address": withdrawal.address,
                "amount": hex_of(withdrawal.amount),
            })
        });
        json!({
            "currentCoinbase": attributes.fee_recipient,
            "currentGasLimit": hex_of(gas_limit),
            "currentNumber": hex_of(parent.number + 1),
            "currentTimestamp": hex_of(attributes.timestamp),
            "currentRandom": attributes.prev_randao,
            "parentBeaconBlockRoot": attributes.parent_beacon_block_root,
            "parentGasLimit": hex_of(parent.gas_limit),
            "parentGasUsed": hex_of(parent.gas_used),
            "parentBaseFee": hex_of(parent.base_fee_per_gas.unwrap_or_default()),
            "parentExcessBlobGas": hex_of(parent.excess_blob_gas.unwrap_or_default()),
            "parentBlobGasUsed": hex_of(parent.blob_gas_used.unwrap_or_default()),
            "blockHashes": hashes,
            "withdrawals": withdrawals.collect::<Vec<_>>(),
            "ommers": [],
        })
    }

    /// Headers from `oldest`, at most the parent, to the head.
    fn ancestors(&self, oldest: Option<u64>) -> Vec<Header> {
        let oldest = oldest.unwrap_or(u64::MAX).min(self.head.number);
        let decode = |bytes: &Bytes| alloy_rlp::decode_exact(bytes).expect("kept headers decode");
        let headers = self.all.headers.iter().map(decode);
        headers.filter(|header: &Header| header.number >= oldest).collect()
    }

    fn keep(&mut self, update: &StateUpdate, diff: &StateDiff) {
        let storages = update.nodes.storages.values().flat_map(|changes| changes.nodes.values());
        let nodes = update.nodes.accounts.values().chain(storages).flatten().cloned();
        self.all.state.extend(nodes);
        self.all.codes.extend(diff.codes.values().cloned());
        self.all.headers.push(alloy_rlp::encode(self.head.inner()).into());
        self.hashes.insert(self.head.number, self.head.hash());
    }
}

/// Offers one candidate.
fn push(builder: &mut BlockBuilder<'_>, tx: &Tx) -> Result<(), String> {
    let sender = tx.recover_signer().map_err(|error| error.to_string())?;
    match builder.push(tx.clone(), sender) {
        Ok(_) => Ok(()),
        Err(RunError::Invalid(NotIncluded::Size)) => panic!("these blocks are small"),
        Err(RunError::Invalid(why)) => Err(why.to_string()),
        Err(RunError::Fault(fault)) => panic!("{fault}"),
    }
}

fn hex_of(number: u64) -> String {
    format!("{number:#x}")
}

/// Accounts with keys, contracts with random code, and the contracts of the fork.
fn populate(genesis: &mut Genesis, fork: ethrex_types::Fork, dice: &mut Dice) {
    let alloc = &mut genesis.alloc;
    for contract in system::CONTRACTS.iter().filter(|contract| fork >= contract.since) {
        let account = GenesisAccount {
            code: Some(contract.code.clone()),
            nonce: Some(1),
            ..GenesisAccount::default()
        };
        alloc.insert(contract.address, account);
    }
    let deposits = GenesisAccount { code: Some(deposit_contract()), ..GenesisAccount::default() };
    alloc.insert(DEPOSIT_CONTRACT, deposits);
    for nr in 0..CONTRACTS {
        let word = |number: usize| B256::from(U256::from(number));
        let balance = U256::from(dice.roll(1_000));
        let slots = (0..dice.roll(8)).map(|_| (word(dice.roll(12)), word(1 + dice.roll(3))));
        let slots = slots.collect();
        let account = GenesisAccount {
            nonce: Some(1),
            balance,
            storage: Some(slots),
            code: Some(ethrex_test_native::blocks::code(dice).into()),
            ..GenesisAccount::default()
        };
        alloc.insert(contract(nr), account);
    }
    for number in 1..=ACCOUNTS {
        let balance = U256::from(1_000_000_000_000_000_000_000_u128);
        alloc.insert(signer(number).address(), GenesisAccount { balance, ..Default::default() });
    }
    // One that cannot pay for much.
    let poor = GenesisAccount {
        balance: U256::from(100_000_000_000_000_u64),
        ..GenesisAccount::default()
    };
    alloc.insert(signer(POOR).address(), poor);
}
