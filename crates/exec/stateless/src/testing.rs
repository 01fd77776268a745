//! A small chain in memory at Amsterdam: it builds blocks and makes the input by which a stranger verifies them.

pub mod attacks;

use alloy_eips::{eip2935, eip4788, eip7002, eip7251, eip7702::SignedAuthorization, eip8282};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, address, bytes};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use ethrex_stf::{
    Accesses, BlockAttributes, BlockBuilder, BuildContext, NotIncluded, Rules, RunError,
};
use ethrex_trie::{StateUpdate, state_root_of};
use ethrex_types::{
    BlockAccessList, ChainSpec, Genesis, GenesisAccount, Header, RecoveredBlock, SealedHeader,
    StateDiff, Tx,
    alloy_consensus::{SignableTransaction, TxEip1559, TxEip7702, transaction::SignerRecoverable},
};

use crate::{ExecutionWitness, StatelessInput, Witness, record, ssz::PublicKey};

/// The chain id.
pub const CHAIN_ID: u64 = 80_790_001;
/// Gas limit of the blocks.
pub const GAS_LIMIT: u64 = 60_000_000;
/// Seconds between two blocks.
pub const BLOCK_TIME: u64 = 12;
/// How many accounts with a key have ether: [`signer`] of 1 to this.
pub const ACCOUNTS: u8 = 6;

/// Writes each pair of words of its call data to storage: slot, value.
pub const WRITER: Address = address!("0x00000000000000000000000000000000000c0de1");
/// The same code and no storage in genesis.
pub const OTHER_WRITER: Address = address!("0x00000000000000000000000000000000000c0de2");
/// Takes an address, a slot and a height: looks at the code size and the balance there, at its own slot, and at the hash of
/// that ancestor where the height is not zero.
pub const READER: Address = address!("0x00000000000000000000000000000000000c0de3");
/// Creates a contract whose init code is its call data.
pub const FACTORY: Address = address!("0x00000000000000000000000000000000000c0de4");
/// Writes slot 0 and reverts.
pub const REVERTER: Address = address!("0x00000000000000000000000000000000000c0de5");

const WRITER_CODE: Bytes = bytes!("5f5b3681101560175780602001358135556040016001565b00");
const READER_CODE: Bytes = bytes!("5f35803b503150602035545060403580156017578040505b00");
const FACTORY_CODE: Bytes = bytes!("365f5f37365f5ff000");
const REVERTER_CODE: Bytes = bytes!("60015f555f5ffd");

/// An account with a key, known by a number.
#[must_use]
pub fn signer(number: u8) -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&B256::with_last_byte(number)).expect("small scalars are keys")
}

/// The public key of [`signer`].
#[must_use]
pub fn public_key(number: u8) -> PublicKey {
    let mut key = PublicKey::with_last_byte(0);
    key[0] = 4;
    key[1..].copy_from_slice(signer(number).public_key().as_slice());
    key
}

/// A signed EIP-1559 transaction; `change` sets what matters.
pub fn signed(number: u8, change: impl FnOnce(&mut TxEip1559)) -> Tx {
    let mut tx = TxEip1559 {
        chain_id: CHAIN_ID,
        gas_limit: 1_000_000,
        max_fee_per_gas: 100_000_000_000,
        max_priority_fee_per_gas: 1,
        to: TxKind::Call(Address::repeat_byte(0x11)),
        ..TxEip1559::default()
    };
    change(&mut tx);
    let signature = signer(number).sign_hash_sync(&tx.signature_hash()).expect("local keys sign");
    Tx::Eip1559(tx.into_signed(signature))
}

/// A signed EIP-7702 transaction.
pub fn delegating(
    number: u8,
    authorizations: Vec<SignedAuthorization>,
    change: impl FnOnce(&mut TxEip7702),
) -> Tx {
    let mut tx = TxEip7702 {
        chain_id: CHAIN_ID,
        gas_limit: 2_000_000,
        max_fee_per_gas: 100_000_000_000,
        max_priority_fee_per_gas: 1,
        to: Address::repeat_byte(0x11),
        authorization_list: authorizations,
        ..TxEip7702::default()
    };
    change(&mut tx);
    let signature = signer(number).sign_hash_sync(&tx.signature_hash()).expect("local keys sign");
    Tx::Eip7702(tx.into_signed(signature))
}

/// Call data of words.
#[must_use]
pub fn words(words: &[U256]) -> Bytes {
    words.iter().flat_map(|word| word.to_be_bytes::<32>()).collect()
}

/// A chain with all of its state.
#[derive(Debug, Clone)]
pub struct TestChain {
    spec: ChainSpec,
    head: SealedHeader,
    /// Every node, code and header there ever was: as a witness it is sufficient for every block.
    all: ExecutionWitness,
}

/// A block, what came of it, and how a stranger verifies it.
#[derive(Debug, Clone)]
pub struct TestBlock {
    /// The block.
    pub block: RecoveredBlock,
    /// What executing it read.
    pub accesses: Accesses,
    /// What it touched.
    pub access_list: BlockAccessList,
    /// What it changed.
    pub diff: StateDiff,
    /// The canonical witness and all else.
    pub input: StatelessInput,
}

impl TestChain {
    /// A chain in whose genesis accounts have ether, contracts have code, and [`WRITER`] has these slots.
    #[must_use]
    pub fn new(slots: &[(u64, u64)]) -> Self {
        let word = |number: u64| B256::from(U256::from(number));
        let contract = |code: &Bytes| GenesisAccount {
            code: Some(code.clone()),
            nonce: Some(1),
            ..GenesisAccount::default()
        };
        let mut genesis = Genesis {
            gas_limit: GAS_LIMIT,
            base_fee_per_gas: Some(1_000_000_000),
            ..Genesis::default()
        };
        let config = &mut genesis.config;
        config.chain_id = CHAIN_ID;
        for block in [
            &mut config.homestead_block,
            &mut config.eip150_block,
            &mut config.eip155_block,
            &mut config.eip158_block,
            &mut config.byzantium_block,
            &mut config.constantinople_block,
            &mut config.petersburg_block,
            &mut config.istanbul_block,
            &mut config.berlin_block,
            &mut config.london_block,
        ] {
            *block = Some(0);
        }
        for time in [
            &mut config.shanghai_time,
            &mut config.cancun_time,
            &mut config.prague_time,
            &mut config.osaka_time,
            &mut config.amsterdam_time,
        ] {
            *time = Some(0);
        }
        config.terminal_total_difficulty = Some(U256::ZERO);
        config.terminal_total_difficulty_passed = true;
        for (address, code) in [
            (eip2935::HISTORY_STORAGE_ADDRESS, &eip2935::HISTORY_STORAGE_CODE),
            (eip4788::BEACON_ROOTS_ADDRESS, &eip4788::BEACON_ROOTS_CODE),
            (
                eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS,
                &eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_CODE,
            ),
            (
                eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS,
                &eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_CODE,
            ),
            (eip8282::BUILDER_DEPOSIT_CONTRACT_ADDRESS, &eip8282::BUILDER_DEPOSIT_CONTRACT_CODE),
            (eip8282::BUILDER_EXIT_CONTRACT_ADDRESS, &eip8282::BUILDER_EXIT_CONTRACT_CODE),
            (OTHER_WRITER, &WRITER_CODE),
            (READER, &READER_CODE),
            (FACTORY, &FACTORY_CODE),
            (REVERTER, &REVERTER_CODE),
        ] {
            genesis.alloc.insert(address, contract(code));
        }
        let storage = slots.iter().map(|(slot, value)| (word(*slot), word(*value))).collect();
        let writer = GenesisAccount { storage: Some(storage), ..contract(&WRITER_CODE) };
        genesis.alloc.insert(WRITER, writer);
        for number in 1..=ACCOUNTS {
            let balance = U256::from(1_000_000_000_000_000_000_000_u128);
            let account = GenesisAccount { balance, ..GenesisAccount::default() };
            genesis.alloc.insert(signer(number).address(), account);
        }
        Self::with_genesis(genesis)
    }

    /// A chain on this genesis.
    ///
    /// # Panics
    /// If the genesis is not consistent.
    #[must_use]
    pub fn with_genesis(genesis: Genesis) -> Self {
        let spec = ChainSpec::new(genesis).expect("the genesis is consistent");
        let diff = spec.genesis_diff();
        let update = state_root_of(&diff);
        let head = SealedHeader::new(spec.genesis_header(update.root));
        let mut chain = Self { spec, head, all: ExecutionWitness::default() };
        chain.keep(&update, &diff);
        chain
    }

    /// The chain.
    #[must_use]
    pub const fn spec(&self) -> &ChainSpec {
        &self.spec
    }

    /// The last block's header.
    #[must_use]
    pub const fn head(&self) -> &SealedHeader {
        &self.head
    }

    /// Everything the chain ever had, as a witness; headers are not in order.
    ///
    /// # Panics
    /// Never: what is kept decodes.
    #[must_use]
    pub fn everything(&self) -> Witness {
        Witness::decode(&self.all).expect("kept headers decode")
    }

    /// The same as it travels, with no header but the head's.
    #[must_use]
    pub fn whole(&self) -> ExecutionWitness {
        let headers = vec![alloy_rlp::encode(self.head.inner()).into()];
        ExecutionWitness { headers, ..self.all.clone() }
    }

    /// What a driver would ask of the next block.
    #[must_use]
    pub fn attributes(&self) -> BlockAttributes {
        let number = self.head.number + 1;
        BlockAttributes {
            timestamp: self.head.timestamp + BLOCK_TIME,
            fee_recipient: Address::repeat_byte(0xfe),
            prev_randao: B256::with_last_byte(7),
            withdrawals: None,
            parent_beacon_block_root: Some(B256::from(U256::from(number))),
            slot_number: Some(number),
            desired_gas_limit: GAS_LIMIT,
            extra_data: Bytes::from_static(b"test"),
        }
    }

    /// Builds the next block and makes it the head.
    ///
    /// # Panics
    /// If a transaction cannot stand in it.
    pub fn make(&mut self, transactions: &[Tx]) -> TestBlock {
        let attributes = self.attributes();
        self.make_with(&ethrex_stf::Ethereum, &attributes, transactions)
            .expect("the transactions are valid")
    }

    /// The same under other rules and attributes.
    ///
    /// # Errors
    /// The first transaction that cannot stand in the block.
    ///
    /// # Panics
    /// If the genesis lacks what every block needs.
    pub fn make_with(
        &mut self,
        rules: &dyn Rules,
        attributes: &BlockAttributes,
        transactions: &[Tx],
    ) -> Result<TestBlock, RunError<NotIncluded>> {
        let everything = self.everything();
        let parent = self.head.clone();
        let state = everything.state_after(&parent);
        let context = BuildContext::new(&self.spec, &parent, attributes);
        let mut builder =
            BlockBuilder::open(&context, rules, &state).expect("the genesis has its contracts");
        for tx in transactions {
            let sender = tx.recover_signer().expect("test transactions are signed");
            builder.push(tx.clone(), sender)?;
        }
        let built = builder.finish().expect("the genesis has its contracts");
        let headers = self.ancestors(built.accesses.oldest_block_hash);
        let (witness, update) =
            record(everything.nodes(), parent.state_root, &built.accesses, &built.diff, &headers)
                .expect("the whole state is at hand");
        let sealed = built.seal(update.root);
        let access_list = built.block_access_list.clone().expect("the chain is at Amsterdam");
        let chain_id = self.spec.chain_id();
        let input = StatelessInput::of(&sealed, &built.requests, &access_list, witness, chain_id)
            .expect("the chain is at Amsterdam, and test transactions are signed");
        let block = RecoveredBlock::new_unchecked(sealed, built.senders);
        self.head = block.sealed().sealed_header();
        self.keep(&update, &built.diff);
        Ok(TestBlock { block, accesses: built.accesses, access_list, diff: built.diff, input })
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
    }
}
