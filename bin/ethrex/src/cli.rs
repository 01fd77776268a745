//! The command line: what all commands share, and how text becomes values.
//!
//! Spellings of flags and environment variables are those operators know. Every flag here does something.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use alloy_primitives::Address;
use clap::{
    ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum,
    error::ErrorKind, parser::ValueSource,
};
use ethrex_l1::SigningKey;
use ethrex_node::config::{DataDir, Secret, Version};
use ethrex_types::{ChainSpec, Genesis, Network};
use serde::{Deserialize, de::IgnoredAny};
use url::Url;

use crate::{
    blocks::{ExportArgs, ImportArgs, PlaceArgs, StateRootArgs},
    error::ConfigError,
    l1::L1Args,
    l2::L2Command,
    removedb::RemoveDbArgs,
};

/// Largest genesis file that is read.
pub(crate) const MAX_GENESIS_BYTES: u64 = 256 << 20;

/// ethrex: an Ethereum execution client and rollup stack.
///
/// `ethrex --dev` runs a development L1. `ethrex l2 --dev` runs a whole rollup on one.
#[derive(Debug, Parser)]
#[command(name = "ethrex", version = env!("ETHREX_BUILD_VERSION"))]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) l1: L1Args,
    #[command(flatten)]
    pub(crate) log: LogArgs,
}

/// What this program is, as the build script found out.
pub(crate) fn version() -> Version {
    const COMMIT: &str = env!("ETHREX_BUILD_COMMIT");
    let commit = alloy_primitives::hex::decode_to_array(COMMIT);
    let commit = commit.expect("the build script writes eight hexadecimal digits");
    Version { number: env!("CARGO_PKG_VERSION"), commit }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a rollup, or one of the tools around it.
    L2(Box<L2Command>),
    /// Remove the database of a node.
    Removedb(RemoveDbArgs),
    /// Import blocks from files into the database of a node that does not run.
    Import(ImportArgs),
    /// Import blocks, and say how long they took.
    ImportBench(ImportArgs),
    /// Write the blocks of the chain to a file.
    Export(ExportArgs),
    /// Compute the state root of a genesis file.
    ComputeStateRoot(StateRootArgs),
}

/// Flags of the node that its commands on blocks take in front of their name, too.
const PLACE: [&str; 2] = ["network", "datadir"];
/// Flags that every command takes.
const GLOBAL: [&str; 3] = ["log.level", "log.color", "log.dir"];

impl Cli {
    /// Parses the command line; what is wrong with it is printed, and ends the process.
    pub(crate) fn read() -> Self {
        Self::try_read(std::env::args_os()).unwrap_or_else(|error| error.exit())
    }

    pub(crate) fn try_read(
        line: impl IntoIterator<Item = impl Into<std::ffi::OsString> + Clone>,
    ) -> Result<Self, clap::Error> {
        let matches = Self::command().try_get_matches_from(line)?;
        let mut cli = Self::from_arg_matches(&matches)?;
        cli.settle(&matches)?;
        Ok(cli)
    }

    /// Flags in front of a command are those of a node, which a command does not start: they are handed on where they are meant for it
    /// as well, and refused otherwise.
    fn settle(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        let Some(name) = matches.subcommand_name() else { return Ok(()) };
        let place = self.command.as_mut().and_then(Command::place);
        let given = |id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);
        let stray = Self::command()
            .get_arguments()
            .map(|arg| arg.get_id().as_str().to_owned())
            .filter(|id| given(id) && !GLOBAL.contains(&id.as_str()))
            .find(|id| place.is_none() || !PLACE.contains(&id.as_str()));
        if let Some(id) = stray {
            return Err(Self::command().error(
                ErrorKind::ArgumentConflict,
                format!("--{id} is a flag of the node: it cannot stand before `{name}`"),
            ));
        }
        if let Some(place) = place {
            if given("network") {
                place.network = place.network.take().or(self.l1.network.take());
            }
            if given("datadir") {
                place.data.datadir = place.data.datadir.take().or(self.l1.data.datadir.take());
            }
        }
        Ok(())
    }
}

impl Command {
    /// Where the chain is that the command works on.
    fn place(&mut self) -> Option<&mut PlaceArgs> {
        match self {
            Self::Import(args) | Self::ImportBench(args) => Some(&mut args.place),
            Self::Export(args) => Some(&mut args.place),
            Self::L2(_) | Self::Removedb(_) | Self::ComputeStateRoot(_) => None,
        }
    }
}

/// What is logged, to standard error and perhaps to files.
#[derive(Debug, Args)]
pub(crate) struct LogArgs {
    /// Least important messages shown: error, warn, info, debug or trace; also per crate, as in
    /// `info,ethrex_l1=debug`.
    #[arg(id = "log.level", long = "log.level", value_name = "LOG_LEVEL", env = "ETHREX_LOG_LEVEL", default_value = "info", global = true, help_heading = "Node options", value_parser = filter)]
    pub(crate) level: String,
    /// Whether logs are coloured.
    #[arg(
        id = "log.color",
        long = "log.color",
        value_name = "LOG_COLOR",
        default_value = "auto",
        global = true,
        help_heading = "Node options"
    )]
    pub(crate) color: LogColor,
    /// Folder that logs are written to as well, a file a day, of which the last 30 stay.
    #[arg(
        id = "log.dir",
        long = "log.dir",
        value_name = "LOG_DIR",
        global = true,
        help_heading = "Node options"
    )]
    pub(crate) dir: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogColor {
    /// Where standard error is a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What is to be logged.
pub(crate) fn filter(text: &str) -> Result<String, tracing_subscriber::filter::ParseError> {
    text.parse::<tracing_subscriber::filter::Targets>().map(|_| text.into())
}

/// Where data is kept.
#[derive(Debug, Args)]
pub(crate) struct DataArgs {
    /// Folder of the database; the word `memory` keeps everything in memory.
    ///
    /// Default: ~/.local/share/ethrex, and with --dev a temporary folder that is removed at the end.
    #[arg(
        id = "datadir",
        long = "datadir",
        value_name = "DATABASE_DIRECTORY",
        env = "ETHREX_DATADIR",
        help_heading = "Node options"
    )]
    pub(crate) datadir: Option<PathBuf>,
}

impl DataArgs {
    pub(crate) fn resolve(&self, dev: bool) -> Result<DataDir, ConfigError> {
        match &self.datadir {
            Some(path) if path.as_os_str() == "memory" => Ok(DataDir::Memory),
            Some(path) => Ok(DataDir::At(path.clone())),
            None if dev => Ok(DataDir::Temporary),
            None => Ok(DataDir::At(default_datadir()?)),
        }
    }
}

/// `$XDG_DATA_HOME/ethrex`, or `~/.local/share/ethrex`.
pub(crate) fn default_datadir() -> Result<PathBuf, ConfigError> {
    let absolute =
        |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
    absolute("XDG_DATA_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/share")))
        .map(|data| data.join("ethrex"))
        .ok_or(ConfigError::NoHome)
}

/// Prometheus metrics.
#[derive(Debug, Args)]
pub(crate) struct MetricsArgs {
    /// Serve Prometheus metrics.
    #[arg(id = "metrics", long = "metrics", help_heading = "Node options")]
    pub(crate) enabled: bool,
    /// Address metrics are served on. Needs --metrics.
    #[arg(id = "metrics.addr", long = "metrics.addr", value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST), help_heading = "Node options")]
    pub(crate) addr: IpAddr,
    /// Port metrics are served on. Needs --metrics.
    #[arg(
        id = "metrics.port",
        long = "metrics.port",
        value_name = "PROMETHEUS_METRICS_PORT",
        env = "ETHREX_METRICS_PORT",
        default_value_t = 9090,
        help_heading = "Node options"
    )]
    pub(crate) port: u16,
}

impl MetricsArgs {
    pub(crate) fn resolve(&self) -> Option<SocketAddr> {
        self.enabled.then(|| SocketAddr::new(self.addr, self.port))
    }
}

/// How many transactions may wait.
#[derive(Debug, Args)]
pub(crate) struct MempoolArgs {
    /// Transactions in the mempool at most.
    #[arg(id = "mempool.maxsize", long = "mempool.maxsize", value_name = "MEMPOOL_MAX_SIZE", default_value_t = 10_000, value_parser = size, help_heading = "Node options")]
    pub(crate) size: usize,
}

fn size(text: &str) -> Result<usize, BadSize> {
    text.parse().ok().filter(|size| *size > 0).ok_or(BadSize)
}

#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("write a number of transactions, at least 1")]
struct BadSize;

/// Keeps a text out of messages and of `Debug`.
pub(crate) fn secret(text: &str) -> Result<Secret, std::convert::Infallible> {
    Ok(Secret::new(text.into()))
}

/// The key in a flag. The message names the flag and never repeats the text.
pub(crate) fn key(flag: &'static str, text: &Secret) -> Result<SigningKey, ConfigError> {
    text.expose().parse().map_err(|_| ConfigError::BadKey { flag })
}

/// An address that is an account or a contract.
pub(crate) fn account(text: &str) -> Result<Address, BadAddress> {
    match text.trim().parse::<Address>() {
        Ok(address) if address.is_zero() => Err(BadAddress::Zero),
        Ok(address) => Ok(address),
        Err(_) => Err(BadAddress::Malformed),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadAddress {
    #[error("an address is 0x and 40 hex digits")]
    Malformed,
    #[error("address zero belongs to nobody")]
    Zero,
}

/// A JSON-RPC endpoint.
pub(crate) fn endpoint(text: &str) -> Result<Url, BadEndpoint> {
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(url),
        _ => Err(BadEndpoint),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an endpoint begins with http:// or https://, as in http://localhost:8545")]
pub(crate) struct BadEndpoint;

/// The genesis of the chain that `--network` names: a public network, or a file.
pub(crate) fn public_or_file(named: &Path) -> Result<Genesis, ConfigError> {
    match named.to_str().and_then(|name| name.parse::<Network>().ok()) {
        Some(network) => Ok(network.genesis()),
        None => read_genesis("--network", named),
    }
}

/// Reads and checks a genesis file in geth's format.
pub(crate) fn read_genesis(flag: &'static str, path: &Path) -> Result<Genesis, ConfigError> {
    let wrong = |source| ConfigError::ReadGenesis { flag, path: path.into(), source };
    let bytes = fs::metadata(path).map_err(wrong)?.len();
    if bytes > MAX_GENESIS_BYTES {
        return Err(ConfigError::GenesisTooLarge { flag, path: path.into(), bytes });
    }
    let text = fs::read(path).map_err(wrong)?;
    let genesis = serde_json::from_slice::<Required>(&text)
        .and_then(|_| serde_json::from_slice::<Genesis>(&text))
        .map_err(|source| ConfigError::ParseGenesis { flag, path: path.into(), source })?;
    ChainSpec::new(genesis.clone()).map_err(|source| ConfigError::Genesis {
        flag,
        path: path.into(),
        source,
    })?;
    Ok(genesis)
}

/// What a genesis file must say. The full parser takes a default for everything: `{}` would be mainnet's chain id.
#[derive(Debug, Deserialize)]
struct Required {
    #[serde(rename = "config")]
    _config: RequiredConfig,
    #[serde(rename = "alloc")]
    _alloc: IgnoredAny,
    #[serde(rename = "gasLimit")]
    _gas_limit: IgnoredAny,
}

#[derive(Debug, Deserialize)]
struct RequiredConfig {
    #[serde(rename = "chainId")]
    _chain_id: IgnoredAny,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn addresses_are_checked() {
        assert!(account(" 0x4417092B70a3E5f10Dc504d0947DD256B965fc62").is_ok());
        assert!(account("4417092b70a3e5f10dc504d0947dd256b965fc62").is_ok());
        assert_eq!(account("0x44"), Err(BadAddress::Malformed));
        assert_eq!(account(&format!("0x{}", "0".repeat(40))), Err(BadAddress::Zero));
    }

    #[test]
    fn endpoints_are_checked() {
        assert!(endpoint("https://l1.example/key?x=1").is_ok());
        for bad in ["localhost:8545", "ws://localhost", "8545", "http://"] {
            assert_eq!(endpoint(bad), Err(BadEndpoint), "{bad}");
        }
    }

    #[test]
    fn a_bad_key_is_named_by_its_flag_and_not_shown() {
        let error = key("--private-key", &Secret::new("0xc0ffee".into())).unwrap_err().to_string();
        assert!(error.contains("--private-key") && !error.contains("c0ffee"), "{error}");
    }

    #[test]
    fn log_levels_are_checked() {
        assert!(filter("INFO").is_ok() && filter("info,ethrex_l1=debug").is_ok());
        assert!(filter("info,ethrex_l1=loud").is_err());
    }
}
