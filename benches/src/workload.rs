//! Blocks to import: one kind of transaction each, over a state of some size.

use std::collections::BTreeMap;

use alloy_eips::{eip2935, eip4788, eip7002, eip7251, eip8282};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, address, bytes, hex, keccak256};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use ethrex_stateless::ssz::PublicKey;
use ethrex_stf::{BlockAttributes, BlockBuilder, BuildContext, Ethereum};
use ethrex_storage::{NewBlock, Storage};
use ethrex_trie::update_state;
use ethrex_types::alloy_consensus::{SignableTransaction, TxEip1559};
use ethrex_types::{ChainSpec, Genesis, GenesisAccount, RecoveredBlock, SealedBlock, Tx};
use eyre::{OptionExt, Result};
use serde_json::{Value, json};

/// Transactions in each block, each from a sender of its own.
pub const TRANSACTIONS: usize = 200;
/// Accounts that are only there to make the tries as deep as they are in life.
const BYSTANDERS: u64 = 100_000;
/// No block of any workload comes near it.
const GAS_LIMIT: u64 = 300_000_000;
const CHAIN_ID: u64 = 9;
const TOKEN: Address = address!("70cc000000000000000000000000000000000001");
const WRITER: Address = address!("70cc000000000000000000000000000000000002");

/// What the transactions of a block do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Send ETH to an account that does not exist yet.
    Transfers,
    /// Call `transfer` of a token: two hashes, two reads, two writes, one log.
    Token,
    /// Write twenty fresh slots.
    Writes,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Transfers, Self::Token, Self::Writes];

    /// For people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Transfers => "transfers",
            Self::Token => "ERC-20",
            Self::Writes => "storage writes",
        }
    }

    /// Receiver, value, call data and gas limit; from Amsterdam on, state that grows costs gas of its own (EIP-8037).
    fn transaction(self, turn: u64, index: usize) -> (Address, U256, Bytes, u64) {
        let fresh = keccak256([turn.to_be_bytes(), (index as u64).to_be_bytes()].concat());
        match self {
            Self::Transfers => (Address::from_word(fresh), U256::from(1), Bytes::new(), 300_000),
            Self::Token => {
                let to = Address::from_word(fresh).into_word();
                let data =
                    [&hex!("a9059cbb")[..], to.as_slice(), B256::with_last_byte(7).as_slice()]
                        .concat();
                (TOKEN, U256::ZERO, data.into(), 300_000)
            }
            Self::Writes => {
                (WRITER, U256::ZERO, Bytes::copy_from_slice(fresh.as_slice()), 1_400_000)
            }
        }
    }
}

/// `balances[caller] -= amount; balances[to] += amount; emit Transfer(caller, to, amount); return true`, slot = keccak256(account ‖ 0).
fn token() -> Bytes {
    let head = hex!(
        "602435336000526040600020805482900390556004356000526040600020805482019055600052600435337f"
    );
    let topic = keccak256("Transfer(address,address,uint256)");
    let tail = hex!("60206000a3600160005260206000f3");
    [&head[..], topic.as_slice(), &tail].concat().into()
}

/// Writes to twenty slots from the one in the call data on.
const WRITER_CODE: Bytes = bytes!("60003560145b8180559060010190600190038060055700");

/// The rules of a world, from its genesis on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Era {
    /// Cancun.
    Cancun,
    /// Amsterdam.
    Amsterdam,
}

impl Era {
    fn config(self) -> Value {
        let mut config = json!({
            "chainId": CHAIN_ID, "homesteadBlock": 0, "eip150Block": 0, "eip155Block": 0, "eip158Block": 0, "byzantiumBlock": 0,
            "constantinopleBlock": 0, "petersburgBlock": 0, "istanbulBlock": 0, "berlinBlock": 0, "londonBlock": 0,
            "mergeNetsplitBlock": 0, "terminalTotalDifficulty": 0, "terminalTotalDifficultyPassed": true,
            "shanghaiTime": 0, "cancunTime": 0,
        });
        if self == Self::Amsterdam {
            for fork in ["pragueTime", "osakaTime", "amsterdamTime"] {
                config[fork] = json!(0);
            }
        }
        config
    }

    /// Contracts that its blocks call by themselves.
    fn contracts(self) -> Vec<(Address, Bytes)> {
        match self {
            Self::Cancun => vec![],
            Self::Amsterdam => vec![
                (eip2935::HISTORY_STORAGE_ADDRESS, eip2935::HISTORY_STORAGE_CODE.clone()),
                (eip4788::BEACON_ROOTS_ADDRESS, eip4788::BEACON_ROOTS_CODE.clone()),
                (
                    eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS,
                    eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_CODE.clone(),
                ),
                (
                    eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS,
                    eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_CODE.clone(),
                ),
                (
                    eip8282::BUILDER_DEPOSIT_CONTRACT_ADDRESS,
                    eip8282::BUILDER_DEPOSIT_CONTRACT_CODE.clone(),
                ),
                (
                    eip8282::BUILDER_EXIT_CONTRACT_ADDRESS,
                    eip8282::BUILDER_EXIT_CONTRACT_CODE.clone(),
                ),
            ],
        }
    }
}

/// The chain, and the senders whose balances its genesis holds.
#[derive(Debug)]
pub struct World {
    /// The chain.
    pub spec: ChainSpec,
    senders: Vec<PrivateKeySigner>,
}

impl World {
    /// The same world every time.
    pub fn new(era: Era) -> Result<Self> {
        let senders = (0..TRANSACTIONS as u64)
            .map(|index| PrivateKeySigner::from_bytes(&keccak256(index.to_be_bytes())));
        let senders: Vec<_> = senders.collect::<Result<_, _>>()?;
        let rich = GenesisAccount::default().with_balance(U256::from(10).pow(U256::from(24)));
        let mut alloc = BTreeMap::new();
        let mut balances = BTreeMap::new();
        for sender in &senders {
            alloc.insert(sender.address(), rich.clone());
            let slot = keccak256([sender.address().into_word(), B256::ZERO].concat());
            balances.insert(slot, B256::from(U256::from(u128::MAX)));
        }
        for index in 0..BYSTANDERS {
            let address =
                Address::from_word(keccak256([&index.to_be_bytes()[..], b"bystander"].concat()));
            alloc.insert(address, GenesisAccount::default().with_balance(U256::from(index + 1)));
        }
        alloc.insert(
            TOKEN,
            GenesisAccount::default().with_code(Some(token())).with_storage(Some(balances)),
        );
        alloc.insert(WRITER, GenesisAccount::default().with_code(Some(WRITER_CODE)));
        for (address, code) in era.contracts() {
            let contract = GenesisAccount::default().with_nonce(Some(1)).with_code(Some(code));
            alloc.insert(address, contract);
        }
        let genesis = json!({"config": era.config(), "gasLimit": format!("{GAS_LIMIT:#x}"), "difficulty": "0x0", "alloc": {}});
        let mut genesis: Genesis = serde_json::from_value(genesis)?;
        genesis.alloc = alloc;
        Ok(Self { spec: ChainSpec::new(genesis)?, senders })
    }

    /// The key that signs for each transaction of a block, in order, uncompressed.
    pub fn public_keys(&self) -> impl Iterator<Item = PublicKey> {
        self.senders.iter().map(|sender| {
            let mut key = PublicKey::with_last_byte(0);
            key[0] = 4;
            key[1..].copy_from_slice(sender.public_key().as_slice());
            key
        })
    }

    /// The transactions of block `turn` of this kind, counted from 0, each from a sender of its own.
    pub fn transactions(&self, kind: Kind, turn: u64) -> Result<Vec<Tx>> {
        let signed = self.senders.iter().enumerate();
        signed.map(|(index, sender)| sign(kind, turn, index, sender)).collect()
    }

    /// Builds `count` blocks of one kind on top of the genesis.
    pub fn blocks(&self, kind: Kind, count: u64) -> Result<Vec<SealedBlock>> {
        let storage = Storage::memory(&self.spec)?;
        let mut parent =
            storage.header(storage.head().hash)?.ok_or_eyre("a chain has a genesis")?;
        let mut blocks = Vec::new();
        for turn in 0..count {
            let attributes = BlockAttributes {
                timestamp: parent.timestamp + 1,
                fee_recipient: Address::repeat_byte(0xfe),
                prev_randao: B256::ZERO,
                withdrawals: None,
                parent_beacon_block_root: None,
                slot_number: Some(parent.number + 1),
                desired_gas_limit: GAS_LIMIT,
                extra_data: Bytes::new(),
            };
            let context = BuildContext::new(&self.spec, &parent, &attributes);
            let state = storage.state_at(parent.hash())?.ok_or_eyre("the parent has a state")?;
            let mut builder = BlockBuilder::open(&context, &Ethereum, &state)?;
            for (tx, sender) in self.transactions(kind, turn)?.into_iter().zip(&self.senders) {
                builder.push(tx, sender.address())?;
            }
            let built = builder.finish()?;
            let update = update_state(&state, parent.state_root, &built.diff)?;
            let block = built.seal(update.root);
            parent = block.sealed_header();
            storage.commit_head(NewBlock {
                block: &RecoveredBlock::new_unchecked(block.clone(), built.senders),
                receipts: &built.receipts,
                diff: built.diff,
                trie: update.nodes,
                witness: None,
                access_list: None,
            })?;
            blocks.push(block);
        }
        Ok(blocks)
    }
}

fn sign(kind: Kind, nonce: u64, index: usize, sender: &PrivateKeySigner) -> Result<Tx> {
    let (to, value, input, gas_limit) = kind.transaction(nonce, index);
    let tx = TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit,
        max_fee_per_gas: 100_000_000_000,
        max_priority_fee_per_gas: 1,
        to: TxKind::Call(to),
        value,
        input,
        ..TxEip1559::default()
    };
    let signature = sender.sign_hash_sync(&tx.signature_hash())?;
    Ok(Tx::Eip1559(tx.into_signed(signature)))
}
