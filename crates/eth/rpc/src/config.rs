//! Limits of the server and of single methods.

use std::{net::SocketAddr, time::Duration};

use alloy_primitives::Address;

use crate::{Accounts, Namespaces};

/// Bytes of a request at most: a transaction with six blobs, in hex, fits twice.
pub const MAX_REQUEST_BYTES: u32 = 5 * 1024 * 1024;
/// Bytes of a response at most: execution witnesses are the largest.
pub const MAX_RESPONSE_BYTES: u32 = 100 * 1024 * 1024;
/// Bytes of a request of the Engine API at most: the largest block (EIP-7934) and its access list, in hex, fit twice.
pub const MAX_ENGINE_REQUEST_BYTES: u32 = 64 * 1024 * 1024;
/// Bytes of a response of the Engine API at most: 128 blobs with all their cells and proofs, or as many bodies as one call gives, fit.
pub const MAX_ENGINE_RESPONSE_BYTES: u32 = 192 * 1024 * 1024;
/// Bytes of large answers that one transport holds at most until their callers have read them. What goes beyond is refused, so that
/// slow readers cannot fill the memory between them.
pub const MAX_HELD_BYTES: usize = 1024 * 1024 * 1024;
/// Bytes of large requests that the lasting connections of one transport may have in work at a time; more are not read meanwhile. Each
/// may have sixteen requests in work, which would be many times as much.
pub const MAX_WORKED_BYTES: usize = 256 * 1024 * 1024;
/// Calls in one batch at most.
pub const MAX_BATCH: u32 = 1_000;
/// Open connections at most; more wait in the backlog of the socket.
pub const MAX_CONNECTIONS: u32 = 500;
/// A connection on which nothing moves for so long is closed. Longer than any call may take.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(120);
/// Calls that work at the same time at most; more wait their turn.
pub const MAX_WORKERS: usize = 16;
/// Calls of a consensus client to `eth` that work at the same time.
pub const ENGINE_WORKERS: usize = 4;

/// Gas of one simulated call at most.
pub const CALL_GAS_CAP: u64 = 50_000_000;
/// Time of one simulated call at most.
pub const EVM_TIMEOUT: Duration = Duration::from_secs(5);
/// Blocks that one `eth_getLogs` may span. What it costs follows from the logs it finds.
pub const MAX_LOG_BLOCKS: u64 = 100_000;
/// Blocks that a filter or a subscription catches up with at most; of more, the oldest are left out.
pub const MAX_CATCH_UP: u64 = 10_000;
/// Logs that one `eth_getLogs` may return.
pub const MAX_LOGS: usize = 20_000;
/// Bytes of data that the logs of one `eth_getLogs` may have together; in JSON they are twice as many.
pub const MAX_LOG_BYTES: usize = 32 * 1024 * 1024;
/// Addresses that one filter may name.
pub const MAX_FILTER_ADDRESSES: usize = 1_000;
/// Topics that one filter may name at each position.
pub const MAX_FILTER_TOPICS: usize = 1_000;
/// Addresses and topics that the filters of all subscriptions may name together: some hundred megabytes. What goes beyond is refused, so
/// that many connections with many wide filters each cannot fill the memory.
pub const MAX_SUBSCRIBED_ITEMS: usize = 1_000_000;
/// Bytes of large messages that subscriptions hold at most until their connections have queued them; more wait, and are made when there
/// is room.
pub const MAX_TOLD_BYTES: usize = 256 * 1024 * 1024;
/// Installed filters at most.
pub const MAX_FILTERS: usize = 1_024;
/// A filter that nobody asks for is forgotten after this time.
pub const FILTER_LIFETIME: Duration = Duration::from_secs(5 * 60);
/// Transactions that one answer of the `txpool` namespace may show: more than one sender can have in the pool.
pub const MAX_SHOWN_TXS: usize = 8_192;
/// Bytes that these may have together, without sidecars; in JSON they are a few times as many.
pub const MAX_SHOWN_TX_BYTES: usize = 16 * 1024 * 1024;
/// Blocks that one `eth_feeHistory` may span.
pub const MAX_FEE_HISTORY: u64 = 1_024;
/// Percentiles that one `eth_feeHistory` may ask for.
pub const MAX_PERCENTILES: usize = 100;
/// Slots that one `eth_getProof` or `eth_getStorageValues` may ask for.
pub const MAX_PROOF_SLOTS: usize = 1_024;
/// Longest wait of `eth_sendRawTransactionSync`, and its default.
pub const MAX_SYNC_WAIT: Duration = Duration::from_secs(30);
/// See [`MAX_SYNC_WAIT`].
pub const DEFAULT_SYNC_WAIT: Duration = Duration::from_secs(20);
/// What `eth_maxPriorityFeePerGas` says while no block tells otherwise, in wei per gas.
pub const DEFAULT_TIP: u128 = 1_000_000_000;
/// What `eth_maxPriorityFeePerGas` says at most, in wei per gas.
pub const MAX_TIP: u128 = 500_000_000_000;

/// Traces that are made at the same time at most; more wait their turn. Each may take [`MAX_TRACE_BYTES`], and its answer.
pub const MAX_TRACES: usize = 4;
/// Bytes of memory that the recording of one transaction may take, as they are estimated.
pub const MAX_TRACE_BYTES: usize = 256 * 1024 * 1024;
/// Steps of one transaction that may be recorded: with a small stack they take about [`MAX_TRACE_BYTES`].
pub const MAX_TRACE_STEPS: u64 = 400_000;
/// Longest time that one request may trace; shorter than [`IDLE_TIMEOUT`], so that its caller learns why.
pub const MAX_TRACE_TIME: Duration = Duration::from_secs(60);
/// What a response has around its answer, in bytes, and more.
pub const ANSWER_FRAME: usize = 1024;
/// Bytes of an answer of traces: what a response may have, less its frame.
pub const MAX_TRACE_ANSWER: usize = MAX_RESPONSE_BYTES as usize - ANSWER_FRAME;
/// Blocks that one `trace_filter` may span: each is executed again.
pub const MAX_TRACE_FILTER_BLOCKS: u64 = 100;
/// Calls that one `trace_callMany` may make.
pub const MAX_TRACE_CALLS: usize = 256;

/// What one transport of a server lets in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gate {
    /// Namespaces that are offered.
    pub namespaces: Namespaces,
    /// Origins a browser may call from; `*` allows all.
    pub origins: Vec<String>,
}

impl Gate {
    /// [`Namespaces::All`], and no browser of another origin.
    #[must_use]
    pub const fn open() -> Self {
        Self { namespaces: Namespaces::All, origins: Vec::new() }
    }
}

/// How the server listens and what it lets in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerConfig {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// What is answered to `POST /`; `None`: nothing.
    pub http: Option<Gate>,
    /// What is answered over WebSocket; `None`: nothing.
    pub websocket: Option<Gate>,
    /// By which names HTTP callers may reach the server; `None` = by any. IP addresses are always good.
    pub hosts: Option<Vec<String>>,
    /// Bytes of a request at most.
    pub max_request_bytes: u32,
    /// Bytes of a response at most.
    pub max_response_bytes: u32,
    /// Calls in one batch at most.
    pub max_batch: u32,
    /// Open connections at most.
    pub max_connections: u32,
    /// A connection on which nothing moves for so long is closed.
    pub idle_timeout: Duration,
}

impl ServerConfig {
    /// Answers HTTP on this address with the limits above.
    #[must_use]
    pub const fn on(listen: SocketAddr) -> Self {
        Self {
            listen,
            http: Some(Gate::open()),
            websocket: None,
            hosts: None,
            max_request_bytes: MAX_REQUEST_BYTES,
            max_response_bytes: MAX_RESPONSE_BYTES,
            max_batch: MAX_BATCH,
            max_connections: MAX_CONNECTIONS,
            idle_timeout: IDLE_TIMEOUT,
        }
    }

    /// Listens for a consensus client on this address, over HTTP and WebSocket.
    #[must_use]
    pub fn engine(listen: SocketAddr) -> Self {
        Self {
            websocket: Some(Gate::open()),
            max_request_bytes: MAX_ENGINE_REQUEST_BYTES,
            max_response_bytes: MAX_ENGINE_RESPONSE_BYTES,
            ..Self::on(listen)
        }
    }

    /// Listens on this port of the loopback interface.
    #[must_use]
    pub const fn loopback(port: u16) -> Self {
        Self::on(SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), port))
    }
}

/// What the public namespaces need to know.
#[derive(Debug, Clone)]
pub struct ApiConfig {
    /// What `web3_clientVersion` says.
    pub client_version: String,
    /// Gas of one simulated call at most.
    pub call_gas_cap: u64,
    /// Time of one simulated call at most; `None` = as long as its gas lasts.
    pub evm_timeout: Option<Duration>,
    /// Blocks that one `eth_getLogs` may span.
    pub max_log_blocks: u64,
    /// Logs that one `eth_getLogs` may return.
    pub max_logs: usize,
    /// Bytes of data that the logs of one `eth_getLogs` may have together.
    pub max_log_bytes: usize,
    /// Transactions that one answer of the `txpool` namespace may show.
    pub max_shown_txs: usize,
    /// Bytes that these may have together, without sidecars.
    pub max_shown_tx_bytes: usize,
    /// What one request for traces may take.
    pub trace: TraceConfig,
    /// Who receives the fees of the blocks that this node makes of its own accord; `None` where a consensus client says it.
    pub coinbase: Option<Address>,
    /// Accounts that the node signs for.
    pub accounts: Accounts,
}

/// What one request for traces may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceConfig {
    /// Traces that are made at the same time.
    pub concurrent: usize,
    /// Bytes that the recording of one transaction may take, as they are estimated.
    pub bytes: usize,
    /// Steps of one transaction that may be recorded.
    pub steps: u64,
    /// Time that a request may take.
    pub time: Duration,
    /// Bytes of an answer.
    pub answer_bytes: usize,
    /// Blocks that one `trace_filter` may span.
    pub filter_blocks: u64,
    /// Calls that one `trace_callMany` may make.
    pub calls: usize,
}

impl TraceConfig {
    /// The limits above.
    #[must_use]
    pub const fn standard() -> Self {
        Self {
            concurrent: MAX_TRACES,
            bytes: MAX_TRACE_BYTES,
            steps: MAX_TRACE_STEPS,
            time: MAX_TRACE_TIME,
            answer_bytes: MAX_TRACE_ANSWER,
            filter_blocks: MAX_TRACE_FILTER_BLOCKS,
            calls: MAX_TRACE_CALLS,
        }
    }

    /// As [`Self::standard`], with this much memory for the recording of a transaction, and as many steps as fit it.
    #[must_use]
    pub const fn recording(bytes: usize) -> Self {
        const BYTES_PER_STEP: usize = MAX_TRACE_BYTES / MAX_TRACE_STEPS as usize;
        Self { bytes, steps: (bytes / BYTES_PER_STEP) as u64, ..Self::standard() }
    }
}

impl ApiConfig {
    /// The limits above.
    #[must_use]
    pub fn standard(client_version: String) -> Self {
        Self {
            client_version,
            call_gas_cap: CALL_GAS_CAP,
            evm_timeout: Some(EVM_TIMEOUT),
            max_log_blocks: MAX_LOG_BLOCKS,
            max_logs: MAX_LOGS,
            max_log_bytes: MAX_LOG_BYTES,
            max_shown_txs: MAX_SHOWN_TXS,
            max_shown_tx_bytes: MAX_SHOWN_TX_BYTES,
            trace: TraceConfig::standard(),
            coinbase: None,
            accounts: Accounts::default(),
        }
    }
}
