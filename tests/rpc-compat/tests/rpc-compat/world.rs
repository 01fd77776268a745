//! The chain of the suite, in process.

use std::{fs, path::Path, sync::Arc};

use alloy_rlp::Decodable;
use ethrex_chain::{Chain, Verdict};
use ethrex_rpc::{ApiConfig, Context, Methods, control, modules, testing};
use ethrex_stf::{Ethereum, Rules};
use ethrex_storage::Storage;
use ethrex_txpool::{NoJournal, Pool, PoolConfig};
use ethrex_types::{Block, ChainSpec, Genesis, SealedBlock};

/// Imports the chain block by block, through every fork, and makes its end the head.
pub(crate) fn open(dir: &Path) -> Methods {
    ethrex_types::crypto::install();
    let genesis: Genesis =
        serde_json::from_slice(&fs::read(dir.join("genesis.json")).unwrap()).unwrap();
    let spec = ChainSpec::new(genesis).unwrap();
    let rules: Arc<dyn Rules> = Arc::new(Ethereum);
    let storage = Storage::memory(&spec).unwrap();
    let chain = Chain::open_unwitnessed(spec.clone(), Arc::clone(&rules), storage.clone()).unwrap();
    let bytes = fs::read(dir.join("chain.rlp")).unwrap();
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        let block = SealedBlock::seal(Block::decode(&mut rest).unwrap());
        let (number, hash) = (block.number(), block.hash());
        let verdict = chain.import(block).unwrap();
        assert!(matches!(verdict, Verdict::Valid), "block {number}: {verdict:?}");
        chain.publish(hash).unwrap();
    }
    let head = chain.head();
    storage.set_safe(head.hash()).unwrap();
    storage.set_finalized(head.hash()).unwrap();
    let state = Arc::new(storage.state_at(head.hash()).unwrap().unwrap());
    let config = PoolConfig::standard();
    let pool = Pool::open(spec, rules, config, Arc::new(NoJournal), head, state).unwrap();
    let context = Context::new(chain, pool, ApiConfig::standard("ethrex/test".into()));
    let mut methods = modules(&context);
    methods.merge(control(&context)).unwrap();
    methods.merge(testing(&context)).unwrap();
    methods
}
