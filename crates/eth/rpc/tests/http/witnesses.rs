//! Execution witnesses, of one block and of several.

use alloy_primitives::Address;
use serde_json::{Value, json};

use crate::{
    keys,
    world::{COUNTER, World},
};

#[tokio::test]
async fn a_witness_is_the_same_however_it_is_asked_for() {
    let world = World::new().await;
    world.get("eth_sendRawTransaction", json!([world.raw(0, COUNTER, 0)])).await;
    let hash = world.mine();
    let stored = world.get("debug_executionWitness", json!(["0x1"])).await;
    assert_eq!(keys(&stored), ["codes", "headers", "keys", "state"]);
    for list in ["codes", "keys", "state"] {
        let list: Vec<_> = stored[list].as_array().unwrap().iter().map(Value::as_str).collect();
        assert!(!list.is_empty() && list.is_sorted());
    }
    for same in [json!("latest"), json!(hash), json!({ "blockHash": hash })] {
        assert_eq!(world.get("debug_executionWitness", json!([same])).await, stored);
    }
    // Once it is pruned, it is made again from the parent's state.
    world.chain.storage().delete_witnesses(&[hash]).unwrap();
    let again = world.get("debug_executionWitnessByBlockHash", json!([hash])).await;
    assert_eq!(again, stored);
}

#[tokio::test]
async fn the_witness_of_a_range_holds_those_of_its_blocks() {
    let world = World::new().await;
    for nonce in 0..3 {
        world.get("eth_sendRawTransaction", json!([world.raw(nonce, COUNTER, 0)])).await;
        world.mine();
    }
    let of = async |params| world.get("debug_executionWitness", params).await;
    let (each, all) =
        ([of(json!(["0x2"])).await, of(json!(["0x3"])).await], of(json!(["0x2", "latest"])).await);
    for list in ["codes", "keys", "state"] {
        let mut expected: Vec<_> = each
            .iter()
            .flat_map(|one| one[list].as_array().unwrap())
            .map(|entry| entry.as_str().unwrap())
            .collect();
        expected.sort_unstable();
        expected.dedup();
        assert_eq!(all[list], json!(expected), "{list}");
    }
    assert_eq!(all["headers"], json!([each[0]["headers"][0], each[1]["headers"][0]]));
    assert_eq!(of(json!(["0x3", "0x3"])).await, each[1]);

    let refused = async |params| world.error("debug_executionWitness", params).await;
    assert_eq!(refused(json!(["0x3", "0x2"])).await.0, -32_602);
    let left = world.chain.head().hash();
    world.get("debug_setHead", json!(["0x2"])).await;
    world.mine_as(Address::repeat_byte(0xaa), Vec::new());
    let (code, message) = refused(json!([left, "latest"])).await;
    assert_eq!((code, message.as_str()), (-32_000, "hash is not currently canonical"));
}
