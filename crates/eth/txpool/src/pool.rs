//! The pool itself: a handle over everything that waits.

use std::{
    collections::{BTreeSet, HashMap, HashSet, VecDeque, hash_map::Entry},
    sync::Arc,
    time::Instant,
};

use alloy_primitives::{Address, B256, Bytes};
use ethrex_stf::{Rules, next_base_fee, next_excess_blob_gas};
use ethrex_types::{
    AccountInfo, ChainSpec, Fork, PooledTx, SealedHeader, StateError, StateReader, Tx,
    alloy_consensus::Transaction,
};
use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;

use crate::{
    AddError, Best, Content, Journal, JournalError, PoolBlob, PoolConfig, PoolTx, Refused, Status,
    account::Account,
    admit::{admit, check_at, check_sender},
    config::{MAX_ARRIVALS, MAX_BLOB_TX_BYTES},
    limbo::Limbo,
    metrics,
    price::{Price, may_replace},
    view::BySender,
};

/// The pending transactions of one chain. Cheap to clone.
#[derive(Clone)]
pub struct Pool {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    spec: ChainSpec,
    pub(crate) rules: Arc<dyn Rules>,
    config: PoolConfig,
    pub(crate) journal: Arc<dyn Journal>,
    /// Held by all who write to the journal, alone by who deletes from it. Taken before `inner`.
    pub(crate) forgetting: RwLock<()>,
    /// Whose rows are to be deleted.
    pub(crate) doomed: Mutex<Vec<B256>>,
    pub(crate) inner: RwLock<Inner>,
    arrived: watch::Sender<u64>,
}

impl Shared {
    /// Writes rows to the journal.
    pub(crate) fn put(&self, rows: &[(B256, Bytes)]) -> Result<(), JournalError> {
        let _writing = self.forgetting.read();
        self.journal.put(rows)
    }
}

/// What the pool knows about the block that comes next.
#[derive(Debug, Clone)]
pub struct Head {
    /// The block the next one is built on.
    pub header: SealedHeader,
    /// The fork of the next block.
    pub fork: Fork,
    /// Gas limit of the next block.
    pub gas_limit: u64,
    /// Earliest timestamp of the next block, in seconds.
    pub next_timestamp: u64,
    /// Base fee of the next block, in wei per gas.
    pub base_fee: u64,
    /// Blob base fee of the next block, in wei per blob gas; `None` before Cancun.
    pub blob_fee: Option<u128>,
}

impl Head {
    /// Derives what follows `header`.
    #[must_use]
    pub fn after(spec: &ChainSpec, header: SealedHeader) -> Self {
        // Nothing follows the last second there is; what holds in it is the best guess.
        let next_timestamp = header.timestamp.saturating_add(1);
        let blob_fee = spec.blob_params_at(next_timestamp).and_then(|params| {
            let excess = next_excess_blob_gas(spec, &header, next_timestamp)?;
            Some(params.calc_blob_fee(excess))
        });
        Self {
            fork: spec.fork_at(header.number + 1, next_timestamp),
            gas_limit: header.gas_limit,
            next_timestamp,
            base_fee: next_base_fee(&header).unwrap_or_default(),
            blob_fee,
            header,
        }
    }
}

pub(crate) struct Inner {
    pub(crate) head: Head,
    pub(crate) state: Arc<dyn StateReader>,
    accounts: HashMap<Address, Account>,
    by_hash: HashMap<B256, Arc<PoolTx>>,
    by_price: BTreeSet<Price>,
    bytes: usize,
    waiting: usize,
    /// Blob transactions that left for a block, but not the journal.
    pub(crate) limbo: Limbo,
    next_seq: u64,
    /// Counts what became ready; the newest entries stand in `arrivals`.
    arrived: u64,
    arrivals: VecDeque<B256>,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("status", &self.status()).finish_non_exhaustive()
    }
}

impl Pool {
    /// A pool on top of `head`, filled from the journal. What the journal holds but the chain no longer takes is forgotten.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub fn open(
        spec: ChainSpec,
        rules: Arc<dyn Rules>,
        config: PoolConfig,
        journal: Arc<dyn Journal>,
        head: SealedHeader,
        state: Arc<dyn StateReader>,
    ) -> Result<Self, JournalError> {
        let inner = Inner {
            head: Head::after(&spec, head),
            state,
            accounts: HashMap::new(),
            by_hash: HashMap::new(),
            by_price: BTreeSet::new(),
            bytes: 0,
            waiting: 0,
            limbo: Limbo::default(),
            next_seq: 0,
            arrived: 0,
            arrivals: VecDeque::new(),
        };
        let shared = Shared {
            spec,
            rules,
            config,
            journal,
            forgetting: RwLock::default(),
            doomed: Mutex::default(),
            inner: RwLock::new(inner),
            arrived: watch::channel(0).0,
        };
        let pool = Self { shared: Arc::new(shared) };
        pool.reload()?;
        Ok(pool)
    }

    /// Takes a transaction and returns its hash when it is in the journal.
    ///
    /// # Errors
    /// A refusal, or a fault after which the transaction is not in the pool.
    pub fn add(&self, tx: PooledTx) -> Result<B256, AddError> {
        let result = self.insert(tx, true).and_then(|(tx, displaced)| {
            let hash = tx.hash();
            if let Err(fault) = self.shared.put(&[(hash, tx.encode_pooled().into())]) {
                self.remove(hash);
                return Err(fault.into());
            }
            self.forget(&hashes(&displaced));
            // It may have been mined or displaced while it was written: then its row came after its deletion.
            if !self.shared.inner.read().keeps(hash) {
                self.forget(&[hash]);
            }
            Ok(hash)
        });
        metrics::offered(match &result {
            Ok(_) => "added",
            Err(AddError::Refused(_)) => "refused",
            Err(AddError::State(_) | AddError::Journal(_)) => "fault",
        });
        result
    }

    /// Decodes a transaction as wallets send it, and takes it.
    ///
    /// # Errors
    /// As [`Pool::add`].
    pub fn add_raw(&self, raw: &[u8]) -> Result<B256, AddError> {
        if raw.len() > MAX_BLOB_TX_BYTES {
            let (size, limit) = (raw.len(), MAX_BLOB_TX_BYTES);
            return Err(Refused::Oversized { size, limit }.into());
        }
        self.add(PoolTx::decode(raw)?)
    }

    /// Moves to a new head. `reorged` are transactions of blocks that left the chain; those that can be mined again return to the pool.
    ///
    /// # Errors
    /// If the new state cannot be read; the pool then stands on the old head.
    pub fn on_head(
        &self,
        header: SealedHeader,
        state: Arc<dyn StateReader>,
        reorged: Vec<Tx>,
    ) -> Result<(), StateError> {
        let head = Head::after(&self.shared.spec, header);
        let senders: Vec<_> = self.shared.inner.read().accounts.keys().copied().collect();
        // Read without the lock: there may be thousands.
        let known = senders
            .into_iter()
            .map(|sender| Ok((sender, state.account(sender)?.unwrap_or_default())))
            .collect::<Result<HashMap<_, _>, StateError>>()?;
        let dropped = {
            let lifetime = self.shared.config.waiting_lifetime;
            let mut inner = self.shared.inner.write();
            inner.refresh(head, state, &known, &self.shared.spec, lifetime)?
        };
        self.forget(&dropped);
        if !reorged.is_empty() {
            self.restore(reorged);
        }
        let inner = self.shared.inner.read();
        let status = inner.status();
        metrics::filled(status.ready, status.waiting, inner.bytes);
        metrics::limbo(inner.limbo.size());
        Ok(())
    }

    /// Blocks up to this height stay for good: the blobs of their transactions are forgotten.
    pub fn on_finalized(&self, height: u64) {
        let gone = {
            let mut inner = self.shared.inner.write();
            let head = inner.head.header.number;
            inner.limbo.prune(head, Some(height))
        };
        self.forget(&gone);
    }

    /// The ready transactions in the order a block with these fees should take them. Later changes of the pool do not show.
    #[must_use]
    pub fn best(&self, base_fee: u64, blob_fee: Option<u128>) -> Best {
        let inner = self.shared.inner.read();
        let senders = inner
            .accounts
            .values()
            .filter(|account| account.ready_len() > 0)
            .map(|account| account.ready().cloned().collect());
        Best::new(base_fee, blob_fee, senders)
    }

    /// The transaction with this hash.
    #[must_use]
    pub fn get(&self, hash: B256) -> Option<Arc<PoolTx>> {
        self.shared.inner.read().by_hash.get(&hash).cloned()
    }

    /// Those blobs with these versioned hashes that wait with a transaction.
    #[must_use]
    pub fn blobs(&self, hashes: &[B256]) -> HashMap<B256, PoolBlob> {
        let wanted: HashSet<_> = hashes.iter().collect();
        let mut found = HashMap::new();
        let inner = self.shared.inner.read();
        for tx in inner.by_hash.values() {
            let Some(sidecar) = tx.sidecar() else { continue };
            for (index, hash) in tx.tx().blob_versioned_hashes().into_iter().flatten().enumerate() {
                if wanted.contains(hash) {
                    found.insert(*hash, PoolBlob::new(Arc::clone(sidecar), index));
                }
            }
        }
        found
    }

    /// Takes a transaction out, because it broke a block or its owner asks. It is forgotten for good.
    pub fn remove(&self, hash: B256) -> Option<Arc<PoolTx>> {
        let removed = self.shared.inner.write().take(hash);
        if removed.is_some() {
            self.forget(&[hash]);
        }
        removed
    }

    /// The nonce after this sender's ready transactions; `None` where it has none.
    #[must_use]
    pub fn pending_nonce(&self, sender: Address) -> Option<u64> {
        let inner = self.shared.inner.read();
        let account = inner.accounts.get(&sender)?;
        (account.ready_len() > 0).then(|| account.next_nonce())
    }

    /// What the next block looks like from here.
    #[must_use]
    pub fn head(&self) -> Head {
        self.shared.inner.read().head.clone()
    }

    /// How many transactions there are.
    #[must_use]
    pub fn status(&self) -> Status {
        self.shared.inner.read().status()
    }

    /// Every transaction.
    #[must_use]
    pub fn content(&self) -> Content {
        let inner = self.shared.inner.read();
        let mut content = Content::default();
        for (sender, account) in &inner.accounts {
            show(&mut content, *sender, account);
        }
        content
    }

    /// The transactions of one sender.
    #[must_use]
    pub fn content_from(&self, sender: Address) -> Content {
        let inner = self.shared.inner.read();
        let mut content = Content::default();
        if let Some(account) = inner.accounts.get(&sender) {
            show(&mut content, sender, account);
        }
        content
    }

    /// Whether a block could take something now.
    #[must_use]
    pub fn has_ready(&self) -> bool {
        self.status().ready > 0
    }

    /// Changes whenever a transaction becomes ready; the value counts them.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.shared.arrived.subscribe()
    }

    /// The hashes that became ready after the first `count`, oldest first, and how many there are by now. A reader that falls more
    /// than [`MAX_ARRIVALS`] behind misses the oldest.
    #[must_use]
    pub fn arrivals_since(&self, count: u64) -> (Vec<B256>, u64) {
        let inner = self.shared.inner.read();
        let new = usize::try_from(inner.arrived.saturating_sub(count)).unwrap_or(usize::MAX);
        let skip = inner.arrivals.len().saturating_sub(new);
        (inner.arrivals.iter().skip(skip).copied().collect(), inner.arrived)
    }

    /// Checks and inserts; whatever had to leave is returned, still in the journal.
    pub(crate) fn insert(
        &self,
        tx: PooledTx,
        announce: bool,
    ) -> Result<(Arc<PoolTx>, Vec<Arc<PoolTx>>), AddError> {
        let shared = &self.shared;
        let hash = *tx.tx_hash();
        let head = {
            let inner = shared.inner.read();
            if inner.by_hash.contains_key(&hash) {
                return Err(Refused::AlreadyKnown.into());
            }
            inner.head.clone()
        };
        // Signatures and proofs are checked without the lock.
        let tx = admit(&shared.config, &shared.spec, &*shared.rules, &head, tx, 0)?;
        self.place(tx, announce)
    }

    pub(crate) fn place(
        &self,
        tx: PoolTx,
        announce: bool,
    ) -> Result<(Arc<PoolTx>, Vec<Arc<PoolTx>>), AddError> {
        let shared = &self.shared;
        let mut inner = shared.inner.write();
        let placed = inner.place(tx, &shared.spec, &shared.config)?;
        let arrived = inner.arrived;
        drop(inner);
        if announce {
            shared.arrived.send_if_modified(|count| std::mem::replace(count, arrived) != arrived);
        }
        Ok(placed)
    }
}

impl Inner {
    /// Whether the journal is to hold this transaction.
    pub(crate) fn keeps(&self, hash: B256) -> bool {
        self.by_hash.contains_key(&hash) || self.limbo.contains(hash)
    }

    fn status(&self) -> Status {
        Status { ready: self.by_hash.len() - self.waiting, waiting: self.waiting }
    }

    /// Checks a transaction against its sender and the limits, inserts it, and returns what had to leave.
    fn place(
        &mut self,
        mut tx: PoolTx,
        spec: &ChainSpec,
        config: &PoolConfig,
    ) -> Result<(Arc<PoolTx>, Vec<Arc<PoolTx>>), AddError> {
        if self.by_hash.contains_key(&tx.hash()) {
            return Err(Refused::AlreadyKnown.into());
        }
        // The head may have moved since the checks without the lock.
        check_at(&tx, spec, &self.head)?;
        let sender = tx.sender();
        let info = self.state.account(sender)?.unwrap_or_default();
        let fresh = Account::new(info.nonce, info.balance);
        let account = self.accounts.get(&sender).unwrap_or(&fresh);
        check_sender(&tx, &info, account, &*self.state)?;
        check_limits(&tx, account, self.waiting, config)?;
        let ready = tx.nonce() <= account.next_nonce();
        let evicted = self.make_room(&tx, ready, config)?;

        tx.seq = self.next_seq;
        self.next_seq += 1;
        let tx = Arc::new(tx);
        self.limbo.take(tx.hash());
        let replaced = self.put(Arc::clone(&tx), &info);
        metrics::dropped("replaced", usize::from(replaced.is_some()));
        Ok((tx, evicted.into_iter().chain(replaced).collect()))
    }

    /// Inserts without checks, keeps every index in step, and notes what became ready.
    fn put(&mut self, tx: Arc<PoolTx>, info: &AccountInfo) -> Option<Arc<PoolTx>> {
        let account = match self.accounts.entry(tx.sender()) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(Account::new(info.nonce, info.balance)),
        };
        let (ready, waiting) = (account.ready_len(), account.waiting_len());
        let replaced = account.insert(Arc::clone(&tx));
        self.waiting = self.waiting + account.waiting_len() - waiting;
        let new: Vec<_> = match replaced {
            // A replacement changes which transaction stands there, not how many.
            Some(_) if tx.nonce() < account.next_nonce() => vec![tx.hash()],
            Some(_) => Vec::new(),
            None => account.ready().skip(ready).map(|tx| tx.hash()).collect(),
        };
        self.bytes += tx.bytes();
        self.by_price.insert(Price::of(&tx));
        self.by_hash.insert(tx.hash(), tx);
        if let Some(old) = &replaced {
            self.unindex(old);
        }
        self.arrived += new.len() as u64;
        self.arrivals.extend(new);
        let surplus = self.arrivals.len().saturating_sub(MAX_ARRIVALS);
        self.arrivals.drain(..surplus);
        replaced
    }

    /// The transaction with this hash, if it waits.
    fn waiting(&self, hash: B256) -> Option<&Arc<PoolTx>> {
        let tx = &self.by_hash[&hash];
        (tx.nonce() >= self.accounts[&tx.sender()].next_nonce()).then_some(tx)
    }

    /// Removes from every index.
    fn take(&mut self, hash: B256) -> Option<Arc<PoolTx>> {
        let tx = self.by_hash.get(&hash).cloned()?;
        let account =
            self.accounts.get_mut(&tx.sender()).expect("an indexed transaction has an account");
        let waiting = account.waiting_len();
        account.remove(tx.nonce());
        self.waiting = self.waiting + account.waiting_len() - waiting;
        if account.is_empty() {
            self.accounts.remove(&tx.sender());
        }
        self.unindex(&tx);
        Some(tx)
    }

    fn unindex(&mut self, tx: &PoolTx) {
        self.by_hash.remove(&tx.hash());
        self.by_price.remove(&Price::of(tx));
        self.bytes -= tx.bytes();
    }

    /// Evicts until `tx` fits: for a transaction that is ready first what waits, then the cheapest. What leaves then is always its
    /// sender's last, so that no gap appears.
    fn make_room(
        &mut self,
        tx: &PoolTx,
        ready: bool,
        config: &PoolConfig,
    ) -> Result<Vec<Arc<PoolTx>>, Refused> {
        let replaces = self
            .accounts
            .get(&tx.sender())
            .and_then(|account| account.get(tx.nonce()))
            .map_or(0, |old| old.bytes());
        let full = |inner: &Self, leaving: usize, bytes: usize| {
            let count = inner.by_hash.len() - leaving + usize::from(replaces == 0);
            count > config.max_txs || inner.bytes - bytes - replaces + tx.bytes() > config.max_bytes
        };
        let price = Price::of(tx);
        let (mut victims, mut bytes) = (Vec::new(), 0);
        if ready && self.waiting > 0 {
            let mut waiting = self.by_price.iter().filter_map(|price| self.waiting(price.hash));
            while full(self, victims.len(), bytes) {
                let Some(victim) = waiting.find(|it| it.sender() != tx.sender()) else { break };
                bytes += victim.bytes();
                victims.push(Arc::clone(victim));
            }
        }
        let gone: HashSet<_> = victims.iter().map(|victim| victim.hash()).collect();
        let mut tails: HashMap<Address, Vec<Arc<PoolTx>>> = HashMap::new();
        let mut cheapest = self.by_price.iter();
        while full(self, victims.len(), bytes) {
            let Some(candidate) = cheapest.next() else { return Err(Refused::Full) };
            if gone.contains(&candidate.hash) {
                continue;
            }
            if !price.outbids(candidate) {
                return Err(Refused::Underpriced);
            }
            let candidate = &self.by_hash[&candidate.hash];
            if candidate.sender() == tx.sender() {
                continue;
            }
            let tail = tails.entry(candidate.sender()).or_insert_with(|| {
                let account = &self.accounts[&candidate.sender()];
                let all = account.ready().chain(account.waiting());
                all.filter(|tx| !gone.contains(&tx.hash())).cloned().collect()
            });
            let Some(victim) = tail.pop() else { continue };
            bytes += victim.bytes();
            victims.push(victim);
        }
        for victim in &victims {
            self.take(victim.hash());
        }
        metrics::dropped("evicted", victims.len());
        Ok(victims)
    }

    /// Moves to a new head; returns what the journal need not keep any more: it can no longer be mined, or has waited too long.
    /// `known` are accounts in the new state.
    fn refresh(
        &mut self,
        head: Head,
        state: Arc<dyn StateReader>,
        known: &HashMap<Address, AccountInfo>,
        spec: &ChainSpec,
        lifetime: std::time::Duration,
    ) -> Result<Vec<B256>, StateError> {
        // All reads first, so that a fault changes nothing. Only who has come meanwhile is not known.
        let info = |sender| match known.get(sender) {
            Some(info) => Ok((*sender, *info)),
            None => Ok((*sender, state.account(*sender)?.unwrap_or_default())),
        };
        let infos = self.accounts.keys().map(info).collect::<Result<Vec<_>, StateError>>()?;
        // What was checked for a block like the next one need not be checked again.
        let alike = head.fork == self.head.fork
            && head.gas_limit >= self.head.gas_limit
            && spec.blob_params_at(head.next_timestamp)
                == spec.blob_params_at(self.head.next_timestamp);
        let (height, mut count, mut left) = (head.header.number, 0, Vec::new());
        for (sender, info) in infos {
            let account = self.accounts.get_mut(&sender).expect("its key was just listed");
            let gone = account
                .refresh(info.nonce, info.balance, |tx| alike || check_at(tx, spec, &head).is_ok());
            count += gone.len();
            for tx in gone {
                self.unindex(&tx);
                if tx.sidecar().is_some() && tx.nonce() < info.nonce {
                    self.limbo.put(tx.hash(), tx.bytes(), height);
                } else {
                    left.push(tx.hash());
                }
            }
        }
        metrics::dropped("mined_or_invalid", count);
        left.extend(self.limbo.prune(height, None));
        self.accounts.retain(|_, account| !account.is_empty());
        self.waiting = self.accounts.values().map(Account::waiting_len).sum();
        (self.head, self.state) = (head, state);
        left.extend(hashes(&self.expire(Instant::now(), lifetime)));
        Ok(left)
    }

    fn expire(&mut self, now: Instant, lifetime: std::time::Duration) -> Vec<Arc<PoolTx>> {
        let old: Vec<_> = self
            .accounts
            .values()
            .flat_map(Account::waiting)
            .filter(|tx| now.saturating_duration_since(tx.added) > lifetime)
            .map(|tx| tx.hash())
            .collect();
        metrics::dropped("expired", old.len());
        old.into_iter().filter_map(|hash| self.take(hash)).collect()
    }
}

pub(crate) fn hashes(txs: &[Arc<PoolTx>]) -> Vec<B256> {
    txs.iter().map(|tx| tx.hash()).collect()
}

/// Replacement, and how much one sender may hold.
fn check_limits(
    tx: &PoolTx,
    account: &Account,
    waiting: usize,
    config: &PoolConfig,
) -> Result<(), Refused> {
    if let Some(old) = account.get(tx.nonce()) {
        return if may_replace(tx.tx(), old.tx()) {
            Ok(())
        } else {
            Err(Refused::ReplaceUnderpriced)
        };
    }
    if tx.nonce() <= account.next_nonce() {
        let ready = account.ready_len();
        return if ready < config.max_ready_per_sender {
            Ok(())
        } else {
            Err(Refused::AccountLimit(ready))
        };
    }
    if account.waiting_len() >= config.max_waiting_per_sender {
        return Err(Refused::AccountLimit(account.waiting_len()));
    }
    if waiting >= config.max_waiting { Err(Refused::Full) } else { Ok(()) }
}

fn show(content: &mut Content, sender: Address, account: &Account) {
    let put = |side: &mut BySender, txs: Vec<Arc<PoolTx>>| {
        if !txs.is_empty() {
            side.insert(sender, txs);
        }
    };
    put(&mut content.ready, account.ready().cloned().collect());
    put(&mut content.waiting, account.waiting().cloned().collect());
}
