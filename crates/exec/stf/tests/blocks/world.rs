//! A chain of one genesis, some accounts, and transactions whose senders are simply said.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, keccak256};
use ethrex_stf::{
    BlockAttributes, BlockBuilder, BuildContext, BuiltBlock, Executed, InvalidBlock, Rules,
    RunError, check_body, check_header, execute,
};
use ethrex_types::{
    AccountInfo, ChainSpec, Fork, Genesis, RecoveredBlock, SealedBlock, SealedHeader, StateDiff,
    StateError, StateReader, Tx,
    alloy_consensus::{Signed, TxEip1559},
    system,
};

/// Sends every transaction.
pub(crate) const ALICE: Address = Address::repeat_byte(0xa1);
/// Receives fees.
pub(crate) const COINBASE: Address = Address::repeat_byte(0xcb);
/// Where a test puts its contract.
pub(crate) const CONTRACT: Address = Address::repeat_byte(0xc0);
/// The slot number of every block.
pub(crate) const SLOT: u64 = 77;

/// State in maps.
#[derive(Debug, Clone, Default)]
pub(crate) struct State {
    pub(crate) accounts: BTreeMap<Address, AccountInfo>,
    pub(crate) storage: BTreeMap<(Address, B256), U256>,
    pub(crate) codes: BTreeMap<B256, Bytes>,
}

impl StateReader for State {
    fn account(&self, address: Address) -> Result<Option<AccountInfo>, StateError> {
        Ok(self.accounts.get(&address).copied())
    }
    fn storage(&self, address: Address, slot: B256) -> Result<U256, StateError> {
        Ok(self.storage.get(&(address, slot)).copied().unwrap_or_default())
    }
    fn code(&self, hash: B256) -> Result<Option<Bytes>, StateError> {
        Ok(self.codes.get(&hash).cloned())
    }
    fn block_hash(&self, number: u64) -> Result<Option<B256>, StateError> {
        Ok(Some(B256::with_last_byte(number.to_le_bytes()[0])))
    }
    fn has_storage(&self, address: Address) -> Result<bool, StateError> {
        let mut slots = self.storage.iter();
        Ok(slots.any(|((owner, _), value)| *owner == address && !value.is_zero()))
    }
}

/// A chain at its genesis, or at a block that stands for one.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) spec: ChainSpec,
    pub(crate) parent: SealedHeader,
    pub(crate) state: State,
    pub(crate) rich: U256,
}

impl World {
    pub(crate) fn new(fork: Fork) -> Self {
        Self::with_gas_limit(fork, 60_000_000)
    }

    pub(crate) fn with_gas_limit(fork: Fork, gas_limit: u64) -> Self {
        let mut genesis = Genesis { gas_limit, ..Genesis::default() };
        let config = &mut genesis.config;
        config.chain_id = 9;
        config.london_block = Some(0);
        config.terminal_total_difficulty = Some(U256::ZERO);
        config.shanghai_time = Some(0);
        config.cancun_time = Some(0);
        config.prague_time = Some(0);
        config.osaka_time = Some(0);
        config.amsterdam_time = (fork >= Fork::Amsterdam).then_some(0);
        system::install(&mut genesis, fork);
        let spec = ChainSpec::new(genesis).unwrap();
        let header = spec.genesis_header(B256::ZERO);
        let hash = header.hash_slow();
        let mut world = Self {
            state: State::default(),
            parent: SealedHeader::new_unchecked(header, hash),
            rich: U256::from(10).pow(U256::from(20)),
            spec,
        };
        world.apply(&world.spec.genesis_diff());
        world
            .state
            .accounts
            .insert(ALICE, AccountInfo { balance: world.rich, ..Default::default() });
        world
    }

    pub(crate) fn apply(&mut self, diff: &StateDiff) {
        for (address, account) in &diff.accounts {
            match account.info {
                Some(info) => self.state.accounts.insert(*address, info),
                None => self.state.accounts.remove(address),
            };
            let slots = account.storage.iter().map(|(slot, value)| ((*address, *slot), *value));
            self.state.storage.extend(slots);
        }
        self.state.codes.extend(diff.codes.clone());
    }

    /// Puts code at an address.
    pub(crate) fn deploy(&mut self, address: Address, code: impl Into<Bytes>) {
        let code = code.into();
        let code_hash = keccak256(&code);
        self.state.codes.insert(code_hash, code);
        self.state
            .accounts
            .insert(address, AccountInfo { nonce: 1, code_hash, ..Default::default() });
    }

    pub(crate) fn attributes(&self) -> BlockAttributes {
        BlockAttributes {
            timestamp: self.parent.timestamp + 12,
            fee_recipient: COINBASE,
            prev_randao: B256::repeat_byte(7),
            withdrawals: None,
            parent_beacon_block_root: Some(B256::repeat_byte(8)),
            slot_number: Some(SLOT),
            desired_gas_limit: self.parent.gas_limit,
            extra_data: Bytes::new(),
        }
    }

    pub(crate) fn context(&self) -> BuildContext {
        BuildContext::new(&self.spec, &self.parent, &self.attributes())
    }

    /// A block of these transactions of Alice, all of which stand in it.
    pub(crate) fn build(&self, rules: &dyn Rules, txs: impl IntoIterator<Item = Tx>) -> BuiltBlock {
        let context = self.context();
        let mut builder = BlockBuilder::open(&context, rules, &self.state).unwrap();
        for tx in txs {
            builder.push(tx, ALICE).unwrap();
        }
        builder.finish().unwrap()
    }

    /// Judges a built block as a stranger would, but for its state root.
    pub(crate) fn judge(
        &self,
        rules: &dyn Rules,
        built: &BuiltBlock,
    ) -> Result<Executed, RunError<InvalidBlock>> {
        self.judge_block(rules, built.seal(B256::ZERO), built.senders.clone())
    }

    pub(crate) fn judge_block(
        &self,
        rules: &dyn Rules,
        block: SealedBlock,
        senders: Vec<Address>,
    ) -> Result<Executed, RunError<InvalidBlock>> {
        check_header(&self.spec, block.header(), &self.parent).map_err(RunError::Invalid)?;
        check_body(&self.spec, block.block()).map_err(RunError::Invalid)?;
        let block = RecoveredBlock::new_unchecked(block, senders);
        execute(&self.spec, rules, &block, &self.state)
    }
}

/// A call or, without an address, a creation. Pays one gwei above the base fee.
pub(crate) fn tx(nonce: u64, to: Option<Address>, gas_limit: u64, value: u64, input: &[u8]) -> Tx {
    let tx = TxEip1559 {
        chain_id: 9,
        nonce,
        gas_limit,
        max_fee_per_gas: 10_000_000_000,
        max_priority_fee_per_gas: 1_000_000_000,
        to: to.map_or(TxKind::Create, TxKind::Call),
        value: U256::from(value),
        access_list: Default::default(),
        input: Bytes::copy_from_slice(input),
    };
    let hash = keccak256(nonce.to_be_bytes());
    Tx::Eip1559(Signed::new_unchecked(tx, Signature::test_signature(), hash))
}

/// A call of [`CONTRACT`] with a million gas.
pub(crate) fn call(nonce: u64) -> Tx {
    tx(nonce, Some(CONTRACT), 1_000_000, 0, &[])
}

/// Code that reads slots `from..to` of its account.
pub(crate) fn reads(from: u8, to: u8) -> Vec<u8> {
    (from..to).flat_map(|slot| [0x60, slot, 0x54, 0x50]).collect()
}

/// Code that writes 1 to slots `from..to` of its account.
pub(crate) fn writes(from: u8, to: u8) -> Vec<u8> {
    (from..to).flat_map(|slot| [0x60, 1, 0x60, slot, 0x55]).collect()
}
