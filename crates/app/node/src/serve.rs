//! The JSON-RPC servers of one chain: HTTP, WebSocket, a Unix socket.

use std::net::SocketAddr;

use alloy_primitives::Address;
use axum::Router;
use ethrex_rpc::{
    ApiConfig, Gate, Ipc, IpcConfig, Methods, Running, Server, ServerConfig, TraceConfig, log_level,
};
use eyre::Result;

use crate::{
    config::{ChainConfig, Cors, Hosts, HttpConfig, LogFilter, RpcLimits, TraceLimits},
    tasks::Tasks,
};

/// Starts them and watches over them as tasks. Returns where HTTP is answered.
pub(crate) async fn serve_chain(
    tasks: &mut Tasks,
    name: &'static str,
    config: &ChainConfig,
    mut methods: Methods,
    routes: Router,
) -> Result<SocketAddr> {
    if let Some(LogFilter(set)) = config.rpc.log_filter {
        methods.merge(log_level(set))?;
    }
    let limits = &config.rpc.limits;
    let mut http = server_config(config.http.listen, limits);
    http.http = Some(gate(&config.http));
    http.hosts = match &config.http.hosts {
        Hosts::Any => None,
        Hosts::Names(names) => Some(names.clone()),
    };
    if let Some(websocket) = &config.rpc.websocket {
        let gate = gate(websocket);
        // As in geth, one port can serve both; port 0 is another one each time.
        if websocket.listen == http.listen && http.listen.port() != 0 {
            http.websocket = Some(gate);
        } else {
            let mut separate = server_config(websocket.listen, limits);
            separate.http = None;
            separate.websocket = Some(gate);
            serve(tasks, "WebSocket JSON-RPC", Server::new(separate).add(methods.clone())?).await?;
        }
    }
    if let Some(path) = &config.rpc.ipc {
        let ipc = Ipc::bind(
            IpcConfig {
                path: path.clone(),
                max_request_bytes: limits.max_request_bytes,
                max_response_bytes: limits.max_response_bytes,
                max_batch: limits.max_batch,
                max_connections: limits.max_connections,
                write_timeout: ethrex_rpc::config::IDLE_TIMEOUT,
            },
            methods.clone(),
        )?;
        tasks.spawn("IPC JSON-RPC", |stop| ipc.serve(stop));
    }
    serve(tasks, name, Server::new(http).add(methods)?.route(routes)).await
}

/// Starts a server and watches over it as a task. Returns where it listens.
pub(crate) async fn serve(
    tasks: &mut Tasks,
    name: &'static str,
    server: Server,
) -> Result<SocketAddr> {
    let running: Running = server.start(tasks.stop_token().child_token()).await?;
    let address = running.address();
    tasks.spawn(name, |_| running.stopped());
    Ok(address)
}

fn server_config(listen: SocketAddr, limits: &RpcLimits) -> ServerConfig {
    ServerConfig {
        max_request_bytes: limits.max_request_bytes,
        max_response_bytes: limits.max_response_bytes,
        max_batch: limits.max_batch,
        max_connections: limits.max_connections,
        ..ServerConfig::on(listen)
    }
}

fn gate(config: &HttpConfig) -> Gate {
    let origins = match &config.cors {
        Cors::Nobody => Vec::new(),
        Cors::Anybody => vec!["*".to_owned()],
        Cors::Origins(origins) => origins.clone(),
    };
    Gate { namespaces: config.namespaces.clone(), origins }
}

/// What the methods are told, where operators decide it.
pub(crate) fn api_config(config: &ChainConfig, coinbase: Option<Address>) -> ApiConfig {
    let limits = &config.rpc.limits;
    ApiConfig {
        coinbase,
        accounts: config.accounts.clone(),
        call_gas_cap: limits.call_gas_cap,
        evm_timeout: limits.evm_timeout,
        max_logs: limits.max_logs,
        max_log_blocks: limits.max_log_blocks,
        trace: trace_config(limits),
        ..ApiConfig::standard(config.version.client())
    }
}

fn trace_config(limits: &RpcLimits) -> TraceConfig {
    let TraceLimits { time, bytes, concurrent, filter_blocks } = limits.traces;
    let answer_bytes = limits.max_response_bytes as usize;
    TraceConfig {
        concurrent,
        time,
        filter_blocks,
        answer_bytes: answer_bytes.saturating_sub(ethrex_rpc::config::ANSWER_FRAME),
        ..TraceConfig::recording(bytes)
    }
}
