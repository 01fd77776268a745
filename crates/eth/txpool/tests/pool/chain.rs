//! A state, a journal and wallets, all in memory.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use alloy_eips::{
    eip4844::{BYTES_PER_BLOB, Blob, BlobTransactionSidecar, Bytes48},
    eip7594::{BlobTransactionSidecarEip7594, BlobTransactionSidecarVariant, CELLS_PER_EXT_BLOB},
};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, keccak256};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use ethrex_stf::Ethereum;
use ethrex_txpool::{Journal, JournalError, Pool, PoolConfig};
use ethrex_types::{
    AccountInfo, ChainSpec, Genesis, Header, PooledTx, SealedHeader, StateError, StateReader, Tx,
    alloy_consensus::{SignableTransaction, TxEip1559, TxEip4844, TxEip4844WithSidecar},
};
use parking_lot::{Mutex, RwLock};

const CHAIN_ID: u64 = 9;

/// A state that tests change under the pool.
#[derive(Debug, Default)]
pub(crate) struct State {
    accounts: RwLock<HashMap<Address, AccountInfo>>,
    codes: RwLock<HashMap<B256, Bytes>>,
}

impl State {
    fn change(&self, address: Address, change: impl FnOnce(&mut AccountInfo)) {
        let mut accounts = self.accounts.write();
        change(accounts.entry(address).or_insert_with(rich));
    }
    pub(crate) fn nonce(&self, address: Address, nonce: u64) {
        self.change(address, |account| account.nonce = nonce);
    }
    pub(crate) fn raise_nonce(&self, address: Address) {
        self.change(address, |account| account.nonce += 1);
    }
    pub(crate) fn balance(&self, address: Address, balance: U256) {
        self.change(address, |account| account.balance = balance);
    }
    pub(crate) fn code(&self, address: Address, code: &[u8]) {
        let hash = keccak256(code);
        self.codes.write().insert(hash, Bytes::copy_from_slice(code));
        self.change(address, |account| account.code_hash = hash);
    }
    pub(crate) fn forget_codes(&self) {
        self.codes.write().clear();
    }
    pub(crate) fn nonce_of(&self, address: Address) -> u64 {
        self.account(address).unwrap().unwrap().nonce
    }
}

fn rich() -> AccountInfo {
    AccountInfo { balance: U256::from(10).pow(U256::from(20)), ..AccountInfo::default() }
}

impl StateReader for State {
    fn account(&self, address: Address) -> Result<Option<AccountInfo>, StateError> {
        Ok(Some(self.accounts.read().get(&address).copied().unwrap_or_else(rich)))
    }
    fn storage(&self, _: Address, _: B256) -> Result<U256, StateError> {
        Ok(U256::ZERO)
    }
    fn code(&self, hash: B256) -> Result<Option<Bytes>, StateError> {
        Ok(self.codes.read().get(&hash).cloned())
    }
    fn block_hash(&self, _: u64) -> Result<Option<B256>, StateError> {
        Ok(None)
    }
    fn has_storage(&self, _: Address) -> Result<bool, StateError> {
        Ok(false)
    }
}

/// A journal that can be made to fail.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    rows: Mutex<BTreeMap<B256, Bytes>>,
    failing: AtomicBool,
}

impl Memory {
    pub(crate) fn hashes(&self) -> Vec<B256> {
        self.rows.lock().keys().copied().collect()
    }
    pub(crate) fn fail(&self, failing: bool) {
        self.failing.store(failing, Ordering::Relaxed);
    }
}

impl Journal for Memory {
    fn put(&self, rows: &[(B256, Bytes)]) -> Result<(), JournalError> {
        if self.failing.load(Ordering::Relaxed) {
            return Err(JournalError(Arc::new(std::io::Error::other("disk full"))));
        }
        self.rows.lock().extend(rows.iter().cloned());
        Ok(())
    }
    fn delete(&self, hashes: &[B256]) -> Result<(), JournalError> {
        self.rows.lock().retain(|hash, _| !hashes.contains(hash));
        Ok(())
    }
    fn get(&self, hash: B256) -> Result<Option<Bytes>, JournalError> {
        Ok(self.rows.lock().get(&hash).cloned())
    }
    fn load(&self) -> Result<Vec<(B256, Bytes)>, JournalError> {
        Ok(self.rows.lock().iter().map(|(hash, raw)| (*hash, raw.clone())).collect())
    }
}

/// A journal during whose first write something happens.
#[derive(Default)]
pub(crate) struct MinedMeanwhile {
    rows: Memory,
    event: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl MinedMeanwhile {
    pub(crate) fn on_put(&self, event: impl FnOnce() + Send + 'static) {
        *self.event.lock() = Some(Box::new(event));
    }
}

impl std::fmt::Debug for MinedMeanwhile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.rows.fmt(f)
    }
}

impl Journal for MinedMeanwhile {
    fn put(&self, rows: &[(B256, Bytes)]) -> Result<(), JournalError> {
        let event = self.event.lock().take();
        if let Some(event) = event {
            event();
        }
        self.rows.put(rows)
    }
    fn delete(&self, hashes: &[B256]) -> Result<(), JournalError> {
        self.rows.delete(hashes)
    }
    fn get(&self, hash: B256) -> Result<Option<Bytes>, JournalError> {
        self.rows.get(hash)
    }
    fn load(&self) -> Result<Vec<(B256, Bytes)>, JournalError> {
        self.rows.load()
    }
}

pub(crate) struct World {
    pub(crate) pool: Pool,
    pub(crate) state: Arc<State>,
    pub(crate) journal: Arc<Memory>,
    config: PoolConfig,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(PoolConfig::standard())
    }
    pub(crate) fn with(config: PoolConfig) -> Self {
        Self::over(config, Arc::default(), Arc::default())
    }
    fn over(config: PoolConfig, state: Arc<State>, journal: Arc<Memory>) -> Self {
        let rows = Arc::<Memory>::clone(&journal);
        let reader = Arc::<State>::clone(&state);
        let rules = Arc::new(Ethereum);
        let pool = Pool::open(spec(), rules, config.clone(), rows, head(), reader).unwrap();
        Self { pool, state, journal, config }
    }
    /// A pool on the same chain with another journal.
    pub(crate) fn on(&self, journal: Arc<dyn Journal>) -> Pool {
        let (rules, state) = (Arc::new(Ethereum), Arc::<State>::clone(&self.state));
        Pool::open(spec(), rules, self.config.clone(), journal, head(), state).unwrap()
    }
    /// The same chain and journal after a crash.
    pub(crate) fn reopen(&self) -> Self {
        Self::over(self.config.clone(), Arc::clone(&self.state), Arc::clone(&self.journal))
    }
    pub(crate) fn wallet(&self, seed: u8) -> Wallet {
        Wallet(PrivateKeySigner::from_bytes(&B256::repeat_byte(seed + 1)).unwrap())
    }
    pub(crate) fn advance(&self) {
        self.advance_after_reorg(Vec::new());
    }
    pub(crate) fn advance_after_reorg(&self, reorged: Vec<Tx>) {
        let state = Arc::<State>::clone(&self.state);
        self.pool.on_head(head(), state, reorged).unwrap();
    }
    pub(crate) fn nonces(&self, base_fee: u64) -> Vec<u64> {
        self.pool.best(base_fee, None).map(|tx| tx.nonce()).collect()
    }
}

pub(crate) fn spec() -> ChainSpec {
    let mut genesis = Genesis::default();
    let config = &mut genesis.config;
    config.chain_id = CHAIN_ID;
    config.berlin_block = Some(0);
    config.london_block = Some(0);
    config.terminal_total_difficulty = Some(U256::ZERO);
    config.shanghai_time = Some(0);
    config.cancun_time = Some(0);
    config.prague_time = Some(0);
    config.osaka_time = Some(0);
    ChainSpec::new(genesis).unwrap()
}

pub(crate) fn head() -> SealedHeader {
    SealedHeader::new(Header {
        gas_limit: 30_000_000,
        base_fee_per_gas: Some(1_000_000_000),
        blob_gas_used: Some(0),
        excess_blob_gas: Some(0),
        ..spec().genesis_header(B256::ZERO)
    })
}

pub(crate) struct Wallet(PrivateKeySigner);

impl Wallet {
    pub(crate) fn address(&self) -> Address {
        self.0.address()
    }
    pub(crate) fn transfer(&self, nonce: u64) -> PooledTx {
        self.sign(|_| {}, nonce)
    }
    pub(crate) fn sign(&self, change: impl FnOnce(&mut TxEip1559), nonce: u64) -> PooledTx {
        let mut tx = TxEip1559 {
            chain_id: CHAIN_ID,
            nonce,
            gas_limit: 21_000,
            max_fee_per_gas: 2_000_000_000,
            max_priority_fee_per_gas: 1_000_000_000,
            to: TxKind::Call(Address::repeat_byte(1)),
            value: U256::from(1),
            ..TxEip1559::default()
        };
        change(&mut tx);
        let signature = self.0.sign_hash_sync(&tx.signature_hash()).unwrap();
        PooledTx::Eip1559(tx.into_signed(signature))
    }
    /// One blob, with a sidecar of this version.
    pub(crate) fn blob(&self, nonce: u64, version: u8) -> PooledTx {
        let (blob, commitment, settings) = blob();
        let sidecar = if version == 0 {
            let proof = settings
                .compute_blob_kzg_proof(&c_kzg::Blob::new(*blob), &commitment.0.into())
                .unwrap();
            BlobTransactionSidecarVariant::Eip4844(BlobTransactionSidecar::new(
                vec![blob],
                vec![commitment],
                vec![Bytes48::from(*proof.to_bytes())],
            ))
        } else {
            let (_, proofs) =
                settings.compute_cells_and_kzg_proofs(&c_kzg::Blob::new(*blob)).unwrap();
            let proofs = proofs.iter().map(|proof| Bytes48::from(*proof.to_bytes())).collect();
            BlobTransactionSidecarVariant::Eip7594(BlobTransactionSidecarEip7594::new(
                vec![blob],
                vec![commitment],
                proofs,
            ))
        };
        self.sign_blob(nonce, sidecar)
    }
    pub(crate) fn blob_with_wrong_proof(&self, nonce: u64) -> PooledTx {
        let (blob, commitment, _) = blob();
        // The commitment is a point of the curve, but proves nothing.
        let proofs = vec![commitment; CELLS_PER_EXT_BLOB];
        self.sign_blob(
            nonce,
            BlobTransactionSidecarVariant::Eip7594(BlobTransactionSidecarEip7594::new(
                vec![blob],
                vec![commitment],
                proofs,
            )),
        )
    }
    fn sign_blob(&self, nonce: u64, sidecar: BlobTransactionSidecarVariant) -> PooledTx {
        let tx = TxEip4844 {
            chain_id: CHAIN_ID,
            nonce,
            gas_limit: 21_000,
            max_fee_per_gas: 2_000_000_000,
            max_priority_fee_per_gas: 1_000_000_000,
            max_fee_per_blob_gas: 10,
            to: Address::repeat_byte(1),
            blob_versioned_hashes: sidecar.versioned_hashes().collect(),
            ..TxEip4844::default()
        };
        let signature = self.0.sign_hash_sync(&tx.signature_hash()).unwrap();
        let (tx, signature, hash) = tx.into_signed(signature).into_parts();
        let tx = TxEip4844WithSidecar { tx, sidecar };
        PooledTx::Eip4844(ethrex_types::alloy_consensus::Signed::new_unchecked(tx, signature, hash))
    }
}

fn blob() -> (Blob, Bytes48, &'static c_kzg::KzgSettings) {
    let settings = c_kzg::ethereum_kzg_settings(0);
    let mut bytes = [0; BYTES_PER_BLOB];
    bytes[1] = 42;
    let commitment = settings.blob_to_kzg_commitment(&c_kzg::Blob::new(bytes)).unwrap();
    (Blob::from(bytes), Bytes48::from(*commitment.to_bytes()), settings)
}
