//! Blocks leave a chain as a file, and become a chain again.

#![expect(clippy::unwrap_used, reason = "tests unwrap")]

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use alloy_primitives::{Address, B256, Bytes};
use alloy_rlp::Encodable;
use ethrex_chain::{Appended, Chain};
use ethrex_node::{
    ExportConfig, ImportConfig, Imported, config::DataDir, genesis_state_root, run_export,
    run_import,
};
use ethrex_stf::{BlockAttributes, Ethereum};
use ethrex_storage::Storage;
use ethrex_types::{ChainSpec, Genesis, SealedBlock};

/// More than the states that are kept, so that the base moves.
const BLOCKS: u64 = 200;

fn genesis() -> Genesis {
    serde_json::from_str(include_str!("../../../rollup/deploy/genesis/l1.json")).unwrap()
}

/// A chain of blocks without transactions, the genesis not among them.
fn blocks(fee_recipient: Address) -> Vec<SealedBlock> {
    let spec = ChainSpec::new(genesis()).unwrap();
    let storage = Storage::memory(&spec).unwrap();
    let chain = Chain::open_unwitnessed(spec, Arc::new(Ethereum), storage).unwrap();
    (0..BLOCKS)
        .map(|_| {
            let head = chain.head();
            let attributes = BlockAttributes {
                timestamp: head.timestamp + 12,
                fee_recipient,
                prev_randao: B256::ZERO,
                withdrawals: Some(Vec::new().into()),
                parent_beacon_block_root: Some(B256::ZERO),
                slot_number: None,
                desired_gas_limit: head.gas_limit,
                extra_data: Bytes::new(),
            };
            let block = chain.build(&head, &attributes, |_| Ok(())).unwrap().block.sealed().clone();
            assert!(matches!(chain.append(block.clone()).unwrap(), Appended::Head));
            block
        })
        .collect()
}

fn encoded(blocks: &[SealedBlock]) -> Vec<u8> {
    let mut bytes = Vec::new();
    blocks.iter().for_each(|block| block.block().encode(&mut bytes));
    bytes
}

struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn data(&self) -> DataDir {
        DataDir::At(self.path("data"))
    }

    async fn import_from(&self, path: &Path) -> eyre::Result<Imported> {
        let config = ImportConfig { genesis: genesis(), data: self.data(), path: path.to_owned() };
        run_import(config, std::future::pending()).await
    }

    async fn import(&self, bytes: &[u8]) -> eyre::Result<Imported> {
        let path = self.path("in.rlp");
        fs::write(&path, bytes).unwrap();
        self.import_from(&path).await
    }

    async fn export(&self, first: Option<u64>, last: Option<u64>) -> eyre::Result<Vec<u8>> {
        let path = self.path("out.rlp");
        let config =
            ExportConfig { genesis: genesis(), data: self.data(), path: path.clone(), first, last };
        run_export(config, std::future::pending()).await?;
        Ok(fs::read(path).unwrap())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_imported_is_exported() {
    let (place, blocks) = (Place::new(), blocks(Address::repeat_byte(1)));
    let done = place.import(&encoded(&blocks)).await.unwrap();
    assert_eq!((done.blocks, done.known, done.head), (BLOCKS, 0, BLOCKS));
    assert_eq!(place.export(None, None).await.unwrap(), encoded(&blocks));
    assert_eq!(place.export(Some(3), Some(5)).await.unwrap(), encoded(&blocks[2..5]));
    let genesis = place.export(Some(0), Some(0)).await.unwrap();
    let again = place.import(&[genesis, encoded(&blocks)].concat()).await.unwrap();
    assert_eq!((again.blocks, again.known), (0, BLOCKS + 1));
    let error = place.export(Some(3), Some(BLOCKS + 1)).await.unwrap_err().to_string();
    assert!(error.contains("the chain has 0 to 200"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_was_stopped_goes_on() {
    let (place, blocks) = (Place::new(), blocks(Address::repeat_byte(1)));
    let path = place.path("in.rlp");
    fs::write(&path, encoded(&blocks)).unwrap();
    let config = ImportConfig { genesis: genesis(), data: place.data(), path: path.clone() };
    let stopped = run_import(config, std::future::ready(())).await.unwrap();
    let rest = place.import_from(&path).await.unwrap();
    assert_eq!(rest.known, stopped.head);
    assert_eq!(rest.blocks, BLOCKS - stopped.head);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_before_a_bad_block_stays() {
    let (place, blocks) = (Place::new(), blocks(Address::repeat_byte(1)));
    let mut wrong = blocks[7].block().clone();
    wrong.header.gas_used += 1;
    let mut bytes = encoded(&blocks[..7]);
    wrong.encode(&mut bytes);
    let error = place.import(&bytes).await.unwrap_err().to_string();
    assert!(error.contains("block 8") && error.contains("ends at block 7"), "{error}");
    assert_eq!(place.export(None, None).await.unwrap(), encoded(&blocks[..7]));
    let rest = place.import(&encoded(&blocks)).await.unwrap();
    assert_eq!((rest.known, rest.head), (7, BLOCKS));
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_that_do_not_follow_are_refused() {
    let (place, blocks) = (Place::new(), blocks(Address::repeat_byte(1)));
    let error = place.import(&encoded(&blocks[1..])).await.unwrap_err().to_string();
    assert!(error.contains("block 2") && error.contains("does not follow"), "{error}");
    let mut other = blocks[0].block().clone();
    other.header.number = 0;
    let mut bytes = Vec::new();
    other.encode(&mut bytes);
    let error = place.import(&bytes).await.unwrap_err().to_string();
    assert!(error.contains("another genesis") && error.contains("--network"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_may_hold_another_branch() {
    let (place, first, second) =
        (Place::new(), blocks(Address::repeat_byte(1)), blocks(Address::repeat_byte(2)));
    let folder = place.path("chains");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("1.rlp"), encoded(&first[..9])).unwrap();
    fs::write(folder.join("2.rlp"), encoded(&second[..5])).unwrap();
    let done = place.import_from(&folder).await.unwrap();
    assert_eq!((done.blocks, done.head), (14, 5));
    assert_eq!(place.export(None, None).await.unwrap(), encoded(&second[..5]));
}

#[test]
fn a_genesis_has_a_state_root() {
    let root = genesis_state_root(genesis()).unwrap();
    let spec = ChainSpec::new(genesis()).unwrap();
    let storage = Storage::memory(&spec).unwrap();
    assert_eq!(storage.header(storage.head().hash).unwrap().unwrap().state_root, root);
}
