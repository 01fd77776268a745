//! The node as its consensus client and its callers see it, over sockets.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod branches;
mod kill;
mod process;

use serde_json::json;

use process::Home;

#[test]
fn a_node_says_which_commit_it_is_built_from() {
    let home = Home::new();
    let node = home.start();
    let theirs =
        json!({"code": "LS", "name": "lodestar", "version": "1.0.0", "commit": "0x01020304"});
    let ours = node.client.engine("engine_getClientVersionV1", &[theirs]).unwrap();
    let (number, commit) = (env!("CARGO_PKG_VERSION"), env!("ETHREX_BUILD_COMMIT"));
    let expected = json!([
        {"code": "EX", "name": "ethrex", "version": number, "commit": format!("0x{commit}")}
    ]);
    assert_eq!(ours, expected);
    let version = node.client.get("web3_clientVersion", &[]);
    let known = if commit == "00000000" { String::new() } else { format!("-{commit}") };
    assert!(
        version.as_str().unwrap().starts_with(&format!("ethrex/v{number}{known}/")),
        "{version}"
    );
}
