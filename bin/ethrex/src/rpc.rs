//! Flags of the JSON-RPC servers.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use alloy_primitives::Address;
use clap::Args;
use ethrex_deploy::dev;
use ethrex_node::config::{
    Accounts, Cors, DataDir, Hosts, HttpConfig, Layout, LogFilter, Namespaces, RpcConfig,
    RpcLimits, TraceLimits, rpc_limits as limit,
};
use url::{Host, Url};

use crate::{cli::DataArgs, error::ConfigError, logs};

/// Who may call the JSON-RPC server.
#[derive(Debug, Args)]
pub(crate) struct HttpArgs {
    /// Address the HTTP RPC server listens on. 0.0.0.0 lets every machine call it.
    #[arg(id = "http.addr", long = "http.addr", value_name = "ADDRESS", env = "ETHREX_HTTP_ADDR", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST), help_heading = "RPC options")]
    pub(crate) addr: IpAddr,
    /// Port of the HTTP RPC server; 0 = a free one. Default: 8545, for an L2 1729.
    #[arg(
        id = "http.port",
        long = "http.port",
        value_name = "PORT",
        env = "ETHREX_HTTP_PORT",
        help_heading = "RPC options"
    )]
    pub(crate) port: Option<u16>,
    /// Origins whose web pages may call the server, comma separated; `*` = all. Default: none.
    #[arg(id = "http.corsdomain", long = "http.corsdomain", value_name = "ORIGIN", env = "ETHREX_HTTP_CORSDOMAIN", value_delimiter = ',', value_parser = origin, help_heading = "RPC options")]
    pub(crate) cors: Vec<String>,
    /// Names by which callers may reach the server, comma separated; `*` = all. IP addresses are always good. Default: localhost; all names
    /// where --http.addr is no loopback address.
    #[arg(id = "http.vhosts", long = "http.vhosts", value_name = "NAME", env = "ETHREX_HTTP_VHOSTS", value_delimiter = ',', value_parser = host, help_heading = "RPC options")]
    vhosts: Option<Vec<String>>,
    /// Namespaces offered over HTTP, comma separated. Default: eth, net, web3 and those of a rollup's own; all but testing with --dev.
    #[arg(id = "http.api", long = "http.api", value_name = "NAMESPACE", env = "ETHREX_HTTP_API", value_delimiter = ',', value_parser = namespace, help_heading = "RPC options")]
    pub(crate) api: Option<Vec<String>>,
}

impl HttpArgs {
    pub(crate) fn resolve(&self, default_port: u16, namespaces: &Namespaces) -> HttpConfig {
        HttpConfig {
            listen: SocketAddr::new(self.addr, self.port.unwrap_or(default_port)),
            cors: cors(&self.cors),
            hosts: self.hosts(self.addr),
            namespaces: offered(self.api.as_deref(), namespaces),
        }
    }

    /// The names of a server on this address. Who opens a server to other machines is asked by names that are not known here.
    fn hosts(&self, addr: IpAddr) -> Hosts {
        match &self.vhosts {
            Some(names) if names.iter().any(|name| name == "*") => Hosts::Any,
            Some(names) => Hosts::Names(names.clone()),
            None if addr.is_loopback() => Hosts::Names(vec!["localhost".to_owned()]),
            None => Hosts::Any,
        }
    }

    /// Of the development L1 beside a rollup.
    pub(crate) fn of_dev_l1(&self, listen: SocketAddr) -> HttpConfig {
        let hosts = self.hosts(listen.ip());
        HttpConfig { listen, cors: cors(&self.cors), hosts, namespaces: Namespaces::All }
    }
}

/// JSON-RPC beside HTTP, and what callers may use.
#[derive(Debug, Args)]
#[command(next_help_heading = "RPC options")]
pub(crate) struct RpcArgs {
    /// Serve JSON-RPC over WebSocket too.
    #[arg(
        id = "ws.enabled",
        long = "ws.enabled",
        visible_alias = "ws",
        alias = "l2.ws-enabled",
        env = "ETHREX_ENABLE_WS"
    )]
    ws: bool,
    /// Address the WebSocket server listens on. Needs --ws.enabled.
    #[arg(id = "ws.addr", long = "ws.addr", alias = "l2.ws-addr", value_name = "ADDRESS", env = "ETHREX_WS_ADDR", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    ws_addr: IpAddr,
    /// Port of the WebSocket server; 0 = a free one; that of HTTP serves both. Default: 8546, for an L2 1730.
    #[arg(
        id = "ws.port",
        long = "ws.port",
        alias = "l2.ws-port",
        value_name = "PORT",
        env = "ETHREX_WS_PORT"
    )]
    ws_port: Option<u16>,
    /// Namespaces offered over WebSocket, comma separated. Default: as for HTTP.
    #[arg(id = "ws.api", long = "ws.api", value_name = "NAMESPACE", env = "ETHREX_WS_API", value_delimiter = ',', value_parser = namespace)]
    ws_api: Option<Vec<String>>,
    /// Origins whose web pages may connect over WebSocket, comma separated; `*` = all. Default: none.
    #[arg(id = "ws.origins", long = "ws.origins", value_name = "ORIGIN", env = "ETHREX_WS_ORIGINS", value_delimiter = ',', value_parser = origin)]
    ws_origins: Vec<String>,
    /// Unix socket that offers every namespace to programs of the same user. Default: ethrex.ipc in the database folder.
    #[arg(id = "ipcpath", long = "ipcpath", value_name = "PATH", conflicts_with = "ipcdisable")]
    ipc_path: Option<PathBuf>,
    /// Do not open a Unix socket.
    #[arg(id = "ipcdisable", long = "ipcdisable")]
    ipc_disable: bool,
    /// Gas of one simulated call at most; 0 = 4,294,967,296, so that a call cannot take all memory.
    #[arg(id = "rpc.gascap", long = "rpc.gascap", value_name = "GAS", default_value_t = limit::CALL_GAS_CAP)]
    gas_cap: u64,
    /// Seconds that a simulated call may take, as in 5 or 0.5; 0 = no limit.
    #[arg(id = "rpc.evmtimeout", long = "rpc.evmtimeout", value_name = "SECONDS", default_value_t = limit::EVM_TIMEOUT.as_secs_f64(), value_parser = seconds)]
    evm_timeout: f64,
    /// Megabytes of a request at most.
    #[arg(id = "rpc.max-request-size", long = "rpc.max-request-size", value_name = "MB", default_value_t = limit::MAX_REQUEST_BYTES >> 20, value_parser = clap::value_parser!(u32).range(1..=1024))]
    max_request: u32,
    /// Megabytes of a response at most.
    #[arg(id = "rpc.max-response-size", long = "rpc.max-response-size", value_name = "MB", default_value_t = limit::MAX_RESPONSE_BYTES >> 20, value_parser = clap::value_parser!(u32).range(1..=1024))]
    max_response: u32,
    /// Calls in one batch at most.
    #[arg(id = "rpc.batch-request-limit", long = "rpc.batch-request-limit", value_name = "CALLS", default_value_t = limit::MAX_BATCH, value_parser = clap::value_parser!(u32).range(1..))]
    max_batch: u32,
    /// Open connections of each server at most.
    #[arg(id = "rpc.max-connections", long = "rpc.max-connections", value_name = "CONNECTIONS", default_value_t = limit::MAX_CONNECTIONS, value_parser = clap::value_parser!(u32).range(1..))]
    max_connections: u32,
    /// Logs in one answer at most.
    #[arg(id = "rpc.max-logs-per-response", long = "rpc.max-logs-per-response", value_name = "LOGS", default_value_t = limit::MAX_LOGS as u64, value_parser = clap::value_parser!(u64).range(1..))]
    max_logs: u64,
    /// Blocks that one search for logs may span.
    #[arg(id = "rpc.max-blocks-per-filter", long = "rpc.max-blocks-per-filter", value_name = "BLOCKS", default_value_t = limit::MAX_LOG_BLOCKS, value_parser = clap::value_parser!(u64).range(1..))]
    max_log_blocks: u64,
    /// Seconds that one request for traces may take, more than 0 and at most 100.
    #[arg(id = "rpc.trace-timeout", long = "rpc.trace-timeout", value_name = "SECONDS", default_value_t = limit::MAX_TRACE_TIME.as_secs_f64(), value_parser = trace_seconds)]
    trace_timeout: f64,
    /// Megabytes that recording the trace of one transaction may take; as many for each request that is worked on.
    #[arg(id = "rpc.trace-memory", long = "rpc.trace-memory", value_name = "MB", default_value_t = (limit::MAX_TRACE_BYTES >> 20) as u32, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    trace_memory: u32,
    /// Requests for traces that are worked on at the same time; more wait.
    #[arg(id = "rpc.max-tracing-requests", long = "rpc.max-tracing-requests", value_name = "REQUESTS", default_value_t = limit::MAX_TRACES as u32, value_parser = clap::value_parser!(u32).range(1..=1024))]
    max_traces: u32,
    /// Blocks that one trace_filter may span.
    #[arg(id = "rpc.max-trace-filter-blocks", long = "rpc.max-trace-filter-blocks", value_name = "BLOCKS", default_value_t = limit::MAX_TRACE_FILTER_BLOCKS, value_parser = clap::value_parser!(u64).range(1..))]
    max_trace_filter_blocks: u64,
}

impl RpcArgs {
    pub(crate) fn resolve(
        &self,
        default_ws_port: u16,
        namespaces: &Namespaces,
        data: &DataArgs,
        dev: bool,
    ) -> Result<RpcConfig, ConfigError> {
        let ipc = match (&self.ipc_path, data.resolve(dev)?) {
            _ if self.ipc_disable => None,
            (Some(path), _) => Some(path.clone()),
            (None, DataDir::At(root)) => fitting(Layout::new(&root).ipc()),
            (None, DataDir::Temporary | DataDir::Memory) => None,
        };
        let websocket = self.ws.then(|| HttpConfig {
            listen: SocketAddr::new(self.ws_addr, self.ws_port.unwrap_or(default_ws_port)),
            cors: cors(&self.ws_origins),
            // A page says its origin.
            hosts: Hosts::Any,
            namespaces: offered(self.ws_api.as_deref(), namespaces),
        });
        let log_filter = Some(LogFilter(logs::set_filter));
        Ok(RpcConfig { websocket, ipc, limits: self.limits(), log_filter })
    }

    /// Of the development L1 beside a rollup.
    pub(crate) fn of_dev_l1(&self) -> RpcConfig {
        RpcConfig::http_only(self.limits())
    }

    fn limits(&self) -> RpcLimits {
        RpcLimits {
            call_gas_cap: if self.gas_cap == 0 { NO_GAS_CAP } else { self.gas_cap },
            evm_timeout: (self.evm_timeout > 0.0)
                .then(|| Duration::from_secs_f64(self.evm_timeout)),
            max_request_bytes: self.max_request << 20,
            max_response_bytes: self.max_response << 20,
            max_batch: self.max_batch,
            max_connections: self.max_connections,
            max_logs: usize::try_from(self.max_logs).unwrap_or(usize::MAX),
            max_log_blocks: self.max_log_blocks,
            traces: TraceLimits {
                time: Duration::from_secs_f64(self.trace_timeout),
                bytes: (self.trace_memory as usize) << 20,
                concurrent: self.max_traces as usize,
                filter_blocks: self.max_trace_filter_blocks,
            },
        }
    }
}

/// More than any block has. With this much a call can use some 50 MB of its own memory; what grows with the square of memory is its
/// only bound.
const NO_GAS_CAP: u64 = 1 << 32;

/// The longest name of a Unix socket, in bytes.
const MAX_SOCKET_NAME: usize = 106;

/// A default that cannot be used is no reason not to start.
fn fitting(path: PathBuf) -> Option<PathBuf> {
    (path.as_os_str().len() <= MAX_SOCKET_NAME).then_some(path)
}

/// What is offered where the flag does not say it: everything on a development chain, and elsewhere what cannot burden a node much.
pub(crate) fn namespaces(dev: bool, own: &str) -> Namespaces {
    if dev { Namespaces::All } else { Namespaces::only(["eth", "net", "web3", own]) }
}

/// Whom JSON-RPC signs for: on a development chain the rich accounts, whose keys everybody knows, elsewhere nobody. `used` are those
/// whose nonces a part of the node counts itself.
pub(crate) fn accounts(dev: bool, used: &[Address]) -> Accounts {
    let rich = dev::RICH.iter().filter(|rich| dev && !used.contains(&rich.address));
    let keys = rich.map(|rich| rich.private_key.parse().expect("a constant key is 32 bytes"));
    Accounts::new(keys).expect("the keys of the rich accounts are valid")
}

fn offered(asked: Option<&[String]>, default: &Namespaces) -> Namespaces {
    asked.map_or_else(|| default.clone(), Namespaces::only)
}

fn namespace(text: &str) -> Result<String, BadNamespace> {
    let good = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    good.then(|| text.to_owned()).ok_or(BadNamespace)
}

#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("write names of namespaces, as in eth,net,web3")]
struct BadNamespace;

fn seconds(text: &str) -> Result<f64, BadSeconds> {
    let bare = text.strip_suffix('s').unwrap_or(text);
    bare.parse().ok().filter(|seconds| (0.0..=MAX_SECONDS).contains(seconds)).ok_or(BadSeconds)
}

/// Traces must end before their connection is closed because nothing moves on it: then the caller would not learn why.
fn trace_seconds(text: &str) -> Result<f64, BadTraceSeconds> {
    let seconds = seconds(text).map_err(|_| BadTraceSeconds)?;
    let good = seconds > 0.0 && seconds <= MAX_TRACE_SECONDS;
    good.then_some(seconds).ok_or(BadTraceSeconds)
}

/// See [`trace_seconds`].
const MAX_TRACE_SECONDS: f64 = 100.0;
const _: () = assert!(MAX_TRACE_SECONDS < limit::IDLE_TIMEOUT.as_secs() as f64);

#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("write a number of seconds, more than 0 and at most {MAX_TRACE_SECONDS}")]
struct BadTraceSeconds;

/// Nobody waits for longer.
const MAX_SECONDS: f64 = 86_400.0;

#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("write a number of seconds, as in 5 or 0.5")]
struct BadSeconds;

/// A name without scheme, port and path.
fn host(text: &str) -> Result<String, BadHost> {
    match Host::parse(text) {
        _ if text == "*" => Ok(text.to_owned()),
        // As browsers write it: in small letters, and in Punycode.
        Ok(Host::Domain(name)) => Ok(name),
        _ => Err(BadHost),
    }
}

#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("write `*`, or a name without port, as in node.example")]
struct BadHost;

fn cors(origins: &[String]) -> Cors {
    if origins.iter().any(|origin| origin == "*") {
        Cors::Anybody
    } else if origins.is_empty() {
        Cors::Nobody
    } else {
        Cors::Origins(origins.to_vec())
    }
}

/// An origin is a scheme, a host and perhaps a port: browsers compare it as text.
fn origin(text: &str) -> Result<String, BadOrigin> {
    if text == "*" {
        return Ok(text.into());
    }
    match Url::parse(text) {
        Ok(url) if url.has_host() && url.origin().ascii_serialization() == text => Ok(text.into()),
        _ => Err(BadOrigin),
    }
}

#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("write `*`, or a scheme and a host without a path, as in https://app.example")]
struct BadOrigin;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_as_browsers_write_them() {
        assert!(origin("*").is_ok() && origin("https://app.example:8443").is_ok());
        for bad in ["app.example", "https://app.example/", "https://app.example/page", "null"] {
            assert!(origin(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_of_hosts_have_no_port() {
        assert!(host("*").is_ok() && host("node.example").is_ok());
        assert_eq!(host("LocalHost").unwrap(), "localhost");
        assert_eq!(host("b\u{fc}cher.example").unwrap(), "xn--bcher-kva.example");
        for bad in ["", "node.example:8545", "http://node.example", "a/b", "127.0.0.1"] {
            assert!(host(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn times_are_seconds() {
        assert_eq!(seconds("5s").unwrap(), 5.0);
        assert_eq!(seconds("0.5").unwrap(), 0.5);
        for bad in ["5m", "-1", "nan", "1e9", ""] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
        assert_eq!(trace_seconds("100").unwrap(), 100.0);
        for bad in ["0", "100.5", "1m"] {
            assert!(trace_seconds(bad).is_err(), "{bad}");
        }
    }
}
