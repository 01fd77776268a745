//! `ethrex l2`: a rollup, with `--dev` together with an L1 of its own.

mod args;

use std::{net::SocketAddr, time::Duration};

use alloy_primitives::{Address, address};
use ethrex_deploy::{DeployConfig, dev, embedded_l1_genesis, embedded_l2_genesis};
use ethrex_l1::{Contracts, Policy, SigningKey};
use ethrex_node::config::{
    ChainConfig, CommitterConfig, DEV_L1_LISTEN, DevConfig, ProofConfig, RollupConfig,
    RollupSettings, Secret, SequencerSettings, WatcherConfig,
};

pub(crate) use args::{FeeCapArgs, L2Args, L2Command, L2Tool};

use crate::{
    cli::{key, read_genesis, version},
    deploy::program_commit_hash,
    error::ConfigError,
    rpc::{accounts, namespaces},
};

/// Default port of an L2's JSON-RPC server.
pub(crate) const HTTP_PORT: u16 = 1729;
/// Default port of its WebSocket server.
pub(crate) const WS_PORT: u16 = 1730;
/// Receives the priority fees of a development rollup.
const DEV_COINBASE: Address = address!("0007a881CD95B1484fca47615B64803dad620C8d");
/// The most gas one transaction may have (EIP-7825), and so a message from L1.
const MAX_TX_GAS: u64 = 16_777_216;

/// What `--dev` decides where no flag does.
pub(crate) struct Preset {
    pub(crate) watch: u64,
    delay: u64,
    pub(crate) block_time: u64,
    commit_time: u64,
    send_interval: u64,
    /// Between two settlements of a native rollup.
    pub(crate) advance: u64,
    pub(crate) fees: Policy,
}

impl Preset {
    /// What counts with and without `--dev`.
    pub(crate) const fn of(dev: bool) -> &'static Self {
        if dev { &DEVELOPMENT } else { &DOCUMENTED }
    }
}

/// The documented defaults of a deployment.
static DOCUMENTED: Preset = Preset {
    watch: 12_000,
    delay: 10,
    block_time: 5_000,
    commit_time: 60_000,
    send_interval: 5_000,
    advance: 12_000,
    fees: Policy::documented(),
};
/// A development L1 mines at once and never reorganises.
static DEVELOPMENT: Preset = Preset {
    watch: 200,
    delay: 0,
    block_time: 1_000,
    commit_time: 5_000,
    send_interval: 1_000,
    advance: 200,
    fees: Policy { max_in_flight: DEV_IN_FLIGHT, ..Policy::dev() },
};
/// Enough for all transactions of a development deployment to be sent at once.
const DEV_IN_FLIGHT: usize = 16;

/// What `ethrex l2` runs.
#[derive(Debug)]
pub(crate) enum Rollup {
    /// On an L1 that others run.
    On(Box<RollupConfig>),
    /// On an L1 of its own.
    Dev(Box<DevConfig>),
}

impl TryFrom<L2Args> for Rollup {
    type Error = ConfigError;

    fn try_from(args: L2Args) -> Result<Self, ConfigError> {
        let settings = args.settings()?;
        if args.dev {
            args.dev(settings).map(|config| Self::Dev(Box::new(config)))
        } else {
            args.on(settings).map(|config| Self::On(Box::new(config)))
        }
    }
}

impl L2Args {
    fn on(self, settings: RollupSettings) -> Result<RollupConfig, ConfigError> {
        if self.dev_options.l1_http_port.is_some() {
            return Err(ConfigError::NeedsDev { flag: "--dev.l1-http-port" });
        }
        if self.dev_options.info_file.is_some() {
            return Err(ConfigError::NeedsDev { flag: "--dev.info-file" });
        }
        if self.eth.urls.is_empty() {
            return Err(missing("--eth.rpc-url", "ETHREX_ETH_RPC_URL"));
        }
        Ok(RollupConfig {
            endpoints: self.eth.urls,
            contracts: Contracts {
                timelock: self
                    .committer
                    .timelock
                    .ok_or_else(|| missing("--l1.timelock-address", "ETHREX_TIMELOCK_ADDRESS"))?,
                on_chain_proposer: self.committer.on_chain_proposer.ok_or_else(|| {
                    missing(
                        "--l1.on-chain-proposer-address",
                        "ETHREX_COMMITTER_ON_CHAIN_PROPOSER_ADDRESS",
                    )
                })?,
                bridge: self.watcher.bridge.ok_or_else(|| {
                    missing("--l1.bridge-address", "ETHREX_WATCHER_BRIDGE_ADDRESS")
                })?,
            },
            settings,
        })
    }

    fn dev(self, settings: RollupSettings) -> Result<DevConfig, ConfigError> {
        let foreign = [
            (!self.eth.urls.is_empty(), "--eth.rpc-url", "ETHREX_ETH_RPC_URL"),
            (self.watcher.bridge.is_some(), "--l1.bridge-address", "ETHREX_WATCHER_BRIDGE_ADDRESS"),
            (
                self.committer.on_chain_proposer.is_some(),
                "--l1.on-chain-proposer-address",
                "ETHREX_COMMITTER_ON_CHAIN_PROPOSER_ADDRESS",
            ),
            (self.committer.timelock.is_some(), "--l1.timelock-address", "ETHREX_TIMELOCK_ADDRESS"),
        ];
        if let Some((_, flag, env)) = foreign.into_iter().find(|(given, ..)| *given) {
            return Err(ConfigError::NotWithDev { flag, env });
        }
        let port = self.dev_options.l1_http_port.unwrap_or(DEV_L1_LISTEN.port());
        let l1 = SocketAddr::new(DEV_L1_LISTEN.ip(), port);
        distinct("--dev.l1-http-port", l1, "--http.port", settings.chain.http.listen)?;
        distinct(
            "--dev.l1-http-port",
            l1,
            "--proof-coordinator.port",
            settings.proofs.coordinator,
        )?;
        let preset = DeployConfig::dev(program_commit_hash());
        let senders = [settings.committer.key.address(), settings.proofs.key.address()];
        Ok(DevConfig {
            l1: ChainConfig {
                version: version(),
                genesis: embedded_l1_genesis(),
                http: self.http.of_dev_l1(l1),
                rpc: self.rpc.of_dev_l1(),
                mempool_size: self.mempool.size,
                accounts: accounts(true, &senders),
            },
            deploy: DeployConfig {
                l2_genesis: settings.chain.genesis.clone(),
                sequencers: senders.to_vec(),
                ..preset
            },
            settings,
            info_file: self.dev_options.info_file,
        })
    }

    fn settings(&self) -> Result<RollupSettings, ConfigError> {
        let preset = Preset::of(self.dev);
        let genesis = match &self.network {
            Some(path) => read_genesis("--network", path)?,
            None => embedded_l2_genesis(),
        };
        let namespaces = namespaces(self.dev, "ethrex");
        let chain = ChainConfig {
            version: version(),
            genesis,
            http: self.http.resolve(HTTP_PORT, &namespaces),
            rpc: self.rpc.resolve(WS_PORT, &namespaces, &self.data, self.dev)?,
            mempool_size: self.mempool.size,
            accounts: accounts(self.dev, &[]),
        };
        let committer = self.committer(preset)?;
        let proofs = self.proofs(preset)?;
        if committer.key.address() == proofs.key.address() {
            return Err(ConfigError::SameKey { account: committer.key.address() });
        }
        distinct("--http.port", chain.http.listen, "--proof-coordinator.port", proofs.coordinator)?;
        Ok(RollupSettings {
            chain,
            data: self.data.resolve(self.dev)?,
            metrics: self.metrics.resolve(),
            watcher: WatcherConfig {
                every: Duration::from_millis(self.watcher.interval.unwrap_or(preset.watch)),
                max_step: self.watcher.max_step,
                delay: self.watcher.delay.unwrap_or(preset.delay),
            },
            sequencer: self.sequencer(preset)?,
            committer,
            proofs,
            fees: self.eth.apply(&preset.fees)?,
        })
    }

    fn sequencer(&self, preset: &Preset) -> Result<SequencerSettings, ConfigError> {
        let args = &self.producer;
        if args.gas_limit < MAX_TX_GAS {
            return Err(ConfigError::BlockGasTooLow { gas: args.gas_limit, least: MAX_TX_GAS });
        }
        let coinbase = match args.coinbase {
            Some(coinbase) => coinbase,
            None if self.dev => DEV_COINBASE,
            None => {
                return Err(missing(
                    "--block-producer.coinbase-address",
                    "ETHREX_BLOCK_PRODUCER_COINBASE_ADDRESS",
                ));
            }
        };
        Ok(SequencerSettings {
            block_time: Duration::from_millis(args.block_time.unwrap_or(preset.block_time)),
            gas_limit: args.gas_limit,
            coinbase,
        })
    }

    fn committer(&self, preset: &Preset) -> Result<CommitterConfig, ConfigError> {
        let args = &self.committer;
        let block = self.producer.gas_limit;
        if let Some(batch) = args.batch_gas_limit.filter(|batch| *batch < block) {
            return Err(ConfigError::BatchBelowBlock { batch, block });
        }
        let every = args.commit_time.unwrap_or(preset.commit_time);
        Ok(CommitterConfig {
            key: self.signer(
                "--committer.l1-private-key",
                "ETHREX_COMMITTER_L1_PRIVATE_KEY",
                args.key.as_ref(),
                &dev::DEPLOYER,
            )?,
            every: Duration::from_millis(every),
            first_after: Duration::from_millis(args.first_wake_up.unwrap_or(every)),
            gas_limit: args.batch_gas_limit,
        })
    }

    fn proofs(&self, preset: &Preset) -> Result<ProofConfig, ConfigError> {
        let args = &self.coordinator;
        match &args.secret {
            Some(secret) if secret.expose().is_empty() => {
                return Err(ConfigError::EmptySecret { flag: "--proof-coordinator.secret" });
            }
            None if !args.addr.is_loopback() => {
                return Err(ConfigError::NeedsSecret { addr: args.addr });
            }
            _ => {}
        }
        Ok(ProofConfig {
            key: self.signer(
                "--proof-coordinator.l1-private-key",
                "ETHREX_PROOF_COORDINATOR_L1_PRIVATE_KEY",
                args.key.as_ref(),
                &dev::PROOF_SENDER,
            )?,
            coordinator: SocketAddr::new(args.addr, args.port),
            secret: args.secret.clone(),
            timeout: Duration::from_millis(args.prover_timeout),
            send_every: Duration::from_millis(args.send_interval.unwrap_or(preset.send_interval)),
        })
    }

    /// The key of a flag. Only a development chain knows one by itself.
    pub(crate) fn signer(
        &self,
        flag: &'static str,
        env: &'static str,
        text: Option<&Secret>,
        known: &dev::DevAccount,
    ) -> Result<SigningKey, ConfigError> {
        match text {
            Some(text) => key(flag, text),
            None if self.dev => key(flag, &Secret::new(known.private_key.into())),
            None => Err(missing(flag, env)),
        }
    }
}

pub(crate) const fn missing(flag: &'static str, env: &'static str) -> ConfigError {
    ConfigError::Missing { flag, env }
}

/// Two servers cannot share a port; a free one is always another.
pub(crate) fn distinct(
    first: &'static str,
    one: SocketAddr,
    second: &'static str,
    other: SocketAddr,
) -> Result<(), ConfigError> {
    if one == other && one.port() != 0 {
        return Err(ConfigError::SameAddress { first, second, address: one });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
