//! The `admin` namespace. This node has no peer-to-peer network, and says so.

use jsonrpsee::RpcModule;
use serde_json::{Value, json};

use crate::{Args, Context, RpcError, register};

pub(crate) fn module(context: &Context) -> RpcModule<Context> {
    let mut module = RpcModule::new(context.clone());
    let workers = context.workers();
    register(&mut module, workers, "admin_nodeInfo", node_info);
    register(&mut module, workers, "admin_peers", peers);
    register(&mut module, workers, "admin_peerScores", peer_scores);
    register(&mut module, workers, "admin_addPeer", add_peer);
    register(&mut module, workers, "admin_syncStatus", sync_status);
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

/// In the shape that tools for ethrex read.
fn peer_scores(_: &Context, _: &mut Args) -> Result<Value, RpcError> {
    Ok(json!({
        "peers": [],
        "summary": {
            "total_peers": 0,
            "eligible_peers": 0,
            "average_score": 0,
            "total_inflight_requests": 0,
        },
    }))
}

/// Whether the peer was added, which is never so.
fn add_peer(_: &Context, args: &mut Args) -> Result<bool, RpcError> {
    args.required::<String>()?;
    Ok(false)
}

/// A node without peers downloads nothing: there is no phase, no pivot and no progress.
fn sync_status(_: &Context, _: &mut Args) -> Result<Value, RpcError> {
    Ok(json!({
        "current_phase": null,
        "pivot_block_number": null,
        "pivot_age_seconds": null,
        "staleness_threshold_seconds": 0,
        "phase_progress": {},
        "recent_pivot_changes": [],
        "recent_errors": [],
    }))
}
