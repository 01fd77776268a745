//! Nodes in memory, driven by calls of the Engine API without a socket.

use std::sync::Arc;

use alloy_eips::{eip2718::Encodable2718, eip4844::Blob};
use alloy_primitives::{Address, B256, Bytes, U256, hex};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use ethrex_chain::{Chain, Importer, Payloads};
use ethrex_rpc::{ApiConfig, Context, Engine, EngineConfig};
use ethrex_stf::{Ethereum, Rules};
use ethrex_storage::Storage;
use ethrex_txpool::{Pool, PoolConfig};
use ethrex_types::{
    ChainSpec, Genesis, PooledTx,
    alloy_consensus::{
        EthereumTxEnvelope, SidecarBuilder, SignableTransaction, SimpleCoder, TxEip1559, TxEip4844,
        TxEip4844WithSidecar,
    },
};
use serde_json::{Value, json};

/// A genesis with all system contracts up to Osaka.
const GENESIS: &str = include_str!("../../../../rollup/deploy/genesis/l1.json");
const RICH_KEY: &str = "0x385c546456b6a603a1cfcaa9ec9494ba4832da08dd6bcf4de9a71e4a01b74924";
/// Seconds from block to block.
pub(crate) const SLOT: u64 = 12;
pub(crate) const ZERO: B256 = B256::ZERO;

/// The last fork of a chain, which it has from the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Until {
    Paris,
    Shanghai,
    Cancun,
    Prague,
    Osaka,
    Amsterdam,
}

impl Until {
    /// Versions of newPayload, forkchoiceUpdated and getPayload.
    pub(crate) const fn versions(self) -> (u8, u8, u8) {
        match self {
            Self::Paris => (1, 1, 1),
            Self::Shanghai => (2, 2, 2),
            Self::Cancun => (3, 3, 3),
            Self::Prague => (4, 3, 4),
            Self::Osaka => (4, 3, 5),
            Self::Amsterdam => (5, 4, 6),
        }
    }
}

pub(crate) fn genesis(until: Until) -> Genesis {
    if until == Until::Amsterdam {
        return ethrex_stateless::testing::TestChain::new(&[]).spec().genesis().clone();
    }
    let mut genesis: Value = serde_json::from_str(GENESIS).unwrap();
    let config = genesis["config"].as_object_mut().unwrap();
    for (fork, time) in [
        (Until::Shanghai, "shanghaiTime"),
        (Until::Cancun, "cancunTime"),
        (Until::Prague, "pragueTime"),
        (Until::Osaka, "osakaTime"),
    ] {
        if fork > until {
            config.remove(time);
        }
    }
    genesis["difficulty"] = json!("0x0");
    serde_json::from_value(genesis).unwrap()
}

pub(crate) struct Node {
    pub(crate) engine: Engine,
    pub(crate) chain: Chain,
    pub(crate) pool: Pool,
    pub(crate) context: Context,
    until: Until,
}

/// A payload and what comes with it: the parameters of newPayload.
pub(crate) type Offer = Vec<Value>;

impl Node {
    pub(crate) fn new(until: Until) -> Self {
        let spec = ChainSpec::new(genesis(until)).unwrap();
        let storage = Storage::memory(&spec).unwrap();
        let rules: Arc<dyn Rules> = Arc::new(Ethereum);
        let chain = Chain::open_unwitnessed(spec.clone(), rules.clone(), storage.clone()).unwrap();
        let head = chain.head();
        let state = Arc::new(storage.state_at(head.hash()).unwrap().unwrap());
        let config = PoolConfig::standard();
        let pool = Pool::open(spec, rules, config, Arc::new(storage), head, state).unwrap();
        let importer = Importer::spawn(chain.clone(), pool.clone()).unwrap();
        let payloads = Payloads::spawn(chain.clone(), pool.clone(), None).unwrap();
        let config = EngineConfig {
            extra_data: Bytes::from_static(b"test"),
            gas_limit: chain.head().gas_limit,
            version: "1.2.3".into(),
            commit: [1, 2, 3, 4],
        };
        let context = Context::new(chain.clone(), pool.clone(), ApiConfig::standard("x".into()));
        let engine = Engine::new(chain.clone(), pool.clone(), importer, payloads, config);
        Self { engine, chain, pool, context, until }
    }

    pub(crate) fn head(&self) -> B256 {
        self.chain.head().hash()
    }

    /// The result of a call that must succeed.
    #[track_caller]
    pub(crate) fn get(&self, method: &str, params: Vec<Value>) -> Value {
        match self.engine.call(method, params) {
            Ok(result) => result,
            Err(error) => panic!("{method}: {} {error}", error.code()),
        }
    }

    /// The code of a call that must fail.
    #[track_caller]
    pub(crate) fn code(&self, method: &str, params: Vec<Value>) -> i32 {
        match self.engine.call(method, params) {
            Ok(result) => panic!("{method}: {result}"),
            Err(error) => error.code(),
        }
    }

    fn new_payload_method(&self) -> String {
        format!("engine_newPayloadV{}", self.until.versions().0)
    }

    pub(crate) fn fork_choice_method(&self) -> String {
        format!("engine_forkchoiceUpdatedV{}", self.until.versions().1)
    }

    /// Status of a payload.
    #[track_caller]
    pub(crate) fn offer(&self, offer: &Offer) -> Value {
        self.get(&self.new_payload_method(), offer.clone())
    }

    #[track_caller]
    pub(crate) fn offer_code(&self, offer: &Offer) -> i32 {
        self.code(&self.new_payload_method(), offer.clone())
    }

    /// Moves the head, with nothing safe or final.
    #[track_caller]
    pub(crate) fn follow(&self, head: B256) -> Value {
        self.get(&self.fork_choice_method(), vec![choice(head, ZERO, ZERO)])["payloadStatus"]
            .clone()
    }

    /// Attributes of a block `seconds` after the genesis that differ by `salt`.
    pub(crate) fn attributes(&self, timestamp: u64, salt: u8) -> Value {
        let mut attributes = json!({
            "timestamp": format!("{timestamp:#x}"),
            "prevRandao": B256::repeat_byte(salt),
            "suggestedFeeRecipient": Address::repeat_byte(0xfe),
        });
        let fields = attributes.as_object_mut().unwrap();
        if self.until >= Until::Shanghai {
            fields.insert("withdrawals".into(), json!([]));
        }
        if self.until >= Until::Cancun {
            fields.insert("parentBeaconBlockRoot".into(), json!(B256::repeat_byte(0xbb)));
        }
        if self.until >= Until::Amsterdam {
            fields.insert("slotNumber".into(), json!("0x7"));
            let limit = self.chain.head().gas_limit;
            fields.insert("targetGasLimit".into(), json!(format!("{limit:#x}")));
        }
        attributes
    }

    /// Asks for a block on `parent`, and fetches it: what getPayload answers.
    #[track_caller]
    pub(crate) fn build(&self, parent: B256, salt: u8) -> Value {
        let header = self.chain.storage().header(parent).unwrap().unwrap();
        let attributes = self.attributes(header.timestamp + SLOT, salt);
        let params = vec![choice(parent, ZERO, ZERO), attributes];
        let updated = self.get(&self.fork_choice_method(), params);
        assert_eq!(updated["payloadStatus"]["status"], "VALID", "{updated}");
        let method = format!("engine_getPayloadV{}", self.until.versions().2);
        self.get(&method, vec![updated["payloadId"].clone()])
    }

    /// The parameters of newPayload for what getPayload answered.
    pub(crate) fn offer_of(&self, built: &Value) -> Offer {
        let payload = built.get("executionPayload").unwrap_or(built).clone();
        let mut offer = vec![payload];
        if self.until >= Until::Cancun {
            let hashes: Vec<B256> = built["blobsBundle"]["commitments"]
                .as_array()
                .unwrap()
                .iter()
                .map(|commitment| {
                    let commitment = hex::decode(commitment.as_str().unwrap()).unwrap();
                    alloy_eips::eip4844::kzg_to_versioned_hash(&commitment)
                })
                .collect();
            offer.push(json!(hashes));
            offer.push(json!(B256::repeat_byte(0xbb)));
        }
        if self.until >= Until::Prague {
            offer.push(built["executionRequests"].clone());
        }
        offer
    }

    /// Makes a block on `parent`, imports it here, and follows it.
    #[track_caller]
    pub(crate) fn extend(&self, parent: B256, salt: u8) -> Offer {
        let offer = self.offer_of(&self.build(parent, salt));
        let hash = hash(&offer);
        assert_eq!(self.offer(&offer), valid(hash));
        assert_eq!(self.follow(hash), valid(hash));
        offer
    }

    /// As many blocks on `parent`.
    pub(crate) fn grow(&self, mut parent: B256, salt: u8, count: usize) -> Vec<Offer> {
        let one = |_| {
            let offer = self.extend(parent, salt);
            parent = hash(&offer);
            offer
        };
        (0..count).map(one).collect()
    }

    /// Puts a transfer into the pool.
    pub(crate) fn transfer(&self, nonce: u64) -> B256 {
        let tx = TxEip1559 {
            chain_id: self.chain.spec().chain_id(),
            nonce,
            gas_limit: 21_000,
            max_fee_per_gas: 20_000_000_000,
            max_priority_fee_per_gas: 1_000_000_000,
            to: Address::repeat_byte(0xaa).into(),
            value: U256::from(1),
            ..TxEip1559::default()
        };
        let signature = wallet().sign_hash_sync(&tx.signature_hash()).unwrap();
        self.pool.add(PooledTx::Eip1559(tx.into_signed(signature))).unwrap()
    }

    /// Puts a transaction with one blob into the pool, and returns the blob's versioned hash.
    pub(crate) fn blob(&self, nonce: u64, content: &[u8]) -> B256 {
        let builder = SidecarBuilder::<SimpleCoder>::from_slice(content);
        let sidecar = if self.until >= Until::Osaka {
            builder.build_7594().unwrap().into()
        } else {
            let sidecar: alloy_eips::eip4844::BlobTransactionSidecar =
                builder.build_4844().unwrap();
            alloy_eips::eip7594::BlobTransactionSidecarVariant::from(sidecar)
        };
        let hashes: Vec<_> = sidecar.versioned_hashes().collect();
        let tx = TxEip4844 {
            chain_id: self.chain.spec().chain_id(),
            nonce,
            gas_limit: 21_000,
            max_fee_per_gas: 20_000_000_000,
            max_priority_fee_per_gas: 1_000_000_000,
            max_fee_per_blob_gas: 1_000_000_000,
            to: Address::repeat_byte(0xaa),
            blob_versioned_hashes: hashes.clone(),
            ..TxEip4844::default()
        };
        let tx = TxEip4844WithSidecar { tx, sidecar };
        let signature = wallet().sign_hash_sync(&tx.signature_hash()).unwrap();
        let pooled: PooledTx = EthereumTxEnvelope::Eip4844(tx.into_signed(signature));
        self.pool.add_raw(&pooled.encoded_2718()).unwrap();
        hashes[0]
    }
}

fn wallet() -> PrivateKeySigner {
    RICH_KEY.parse().unwrap()
}

/// The bytes of an empty blob.
pub(crate) const BLOB_BYTES: usize = size_of::<Blob>();

pub(crate) fn hash(offer: &Offer) -> B256 {
    offer[0]["blockHash"].as_str().unwrap().parse().unwrap()
}

pub(crate) fn choice(head: B256, safe: B256, finalized: B256) -> Value {
    json!({"headBlockHash": head, "safeBlockHash": safe, "finalizedBlockHash": finalized})
}

pub(crate) fn valid(hash: B256) -> Value {
    json!({"status": "VALID", "latestValidHash": hash, "validationError": null})
}

pub(crate) fn syncing() -> Value {
    json!({"status": "SYNCING", "latestValidHash": null, "validationError": null})
}

/// Checks an invalid status, whatever its reason.
#[track_caller]
pub(crate) fn check_invalid(status: &Value, latest_valid: Option<B256>) {
    assert_eq!(status["status"], "INVALID", "{status}");
    assert_eq!(status["latestValidHash"], json!(latest_valid), "{status}");
    assert!(status["validationError"].is_string(), "{status}");
}
