//! What operators ask and say.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use ethrex_rpc::{Methods, log_level};
use serde_json::{Value, json};

use crate::world::World;

#[tokio::test]
async fn a_node_without_peers_says_so_in_every_way() {
    let world = World::new().await;
    assert_eq!(world.get("admin_peers", json!([])).await, json!([]));
    let scores = world.get("admin_peerScores", json!([])).await;
    assert_eq!(scores["peers"], json!([]));
    assert_eq!(scores["summary"]["total_peers"], 0);
    let sync = world.get("admin_syncStatus", json!([])).await;
    assert_eq!(sync["current_phase"], Value::Null);
    assert_eq!(sync["recent_errors"], json!([]));
    assert_eq!(world.get("admin_addPeer", json!(["enode://00@127.0.0.1:1"])).await, false);
    assert_eq!(world.error("admin_addPeer", json!([])).await.0, -32_602);
}

async fn ask(methods: &Methods, params: Value) -> Value {
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "admin_setLogLevel", "params": params});
    let (answer, _) = methods.raw_json_request(&call.to_string(), 1).await.unwrap();
    serde_json::from_str(answer.get()).unwrap()
}

#[tokio::test]
async fn what_is_logged_is_changed_by_a_filter_that_is_one() {
    let methods = log_level(|filter| match filter {
        "info,ethrex_chain=debug" | "bad" => Ok(()),
        other => Err(format!("{other} is no filter")),
    });
    assert_eq!(ask(&methods, json!(["info,ethrex_chain=debug"])).await["result"], true);
    // No hexadecimal number, although its letters could be.
    assert_eq!(ask(&methods, json!(["bad"])).await["result"], true);
    let refused = ask(&methods, json!(["loud"])).await;
    assert_eq!(refused["error"]["code"], -32_602, "{refused}");
    assert_eq!(refused["error"]["message"], "invalid log filter: loud is no filter");
    for wrong in [json!([]), json!([1]), json!(["info", "debug"])] {
        assert_eq!(ask(&methods, wrong).await["error"]["code"], -32_602);
    }
}
