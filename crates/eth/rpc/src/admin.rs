//! The `admin` namespace. This node has no peer-to-peer network, and says so.

use jsonrpsee::RpcModule;
use serde_json::{Value, json};

use crate::{Args, Context, RpcError, register};

pub(crate) fn module(context: &Context) -> RpcModule<Context> {
    let mut module = RpcModule::new(context.clone());
    let workers = context.workers();
    register(&mut module, workers, "admin_nodeInfo", node_info);
    register(&mut module, workers, "admin_peers", peers);
    module
}

/// In geth's shape. Nobody can connect, so there is no key, no address and no port.
fn node_info(context: &Context, _: &mut Args) -> Result<Value, RpcError> {
    let chain = context.chain();
    let genesis = context.canonical(chain.spec().genesis().number.unwrap_or_default())?;
    Ok(json!({
        "id": "",
        "name": context.config().client_version,
        "enode": "",
        "enr": "",
        "ip": "",
        "ports": {"discovery": 0, "listener": 0},
        "listenAddr": "",
        "protocols": {
            "eth": {
                "network": chain.spec().chain_id(),
                "genesis": genesis,
                "config": chain.spec().genesis().config,
                "head": chain.head().hash(),
            },
        },
    }))
}

fn peers(_: &Context, _: &mut Args) -> Result<[Value; 0], RpcError> {
    Ok([])
}
