//! `ethrex --dev`: an L1 whose blocks come from a timer.

use std::{future::Future, net::SocketAddr, sync::Arc, time::Duration};

use alloy_primitives::Address;
use ethrex_chain::Chain;
use ethrex_execute::{ExecuteConfig, WithExecute};
use ethrex_rpc::{Server, beacon, modules};
use ethrex_stf::{Ethereum, Rules};
use ethrex_types::ChainSpec;
use eyre::Result;

use crate::{
    chain::{At, Open, OpenChain, folder, serve, server_config},
    config::{ChainConfig, DEV_L1_BLOCK_TIME, DataDir, L1DevConfig, Layout},
    dev::{self, DevTimer},
    info::{self, Info},
    tasks::Tasks,
    telemetry,
};

/// Receives the priority fees of a development L1.
const DEV_FEE_RECIPIENT: Address = Address::repeat_byte(0xfe);

/// A development L1 that answers.
#[derive(Debug)]
pub(crate) struct DevL1 {
    pub(crate) address: SocketAddr,
    pub(crate) open: OpenChain,
}

/// Opens a development L1 of which nobody wants witnesses, starts its timer and its server.
pub(crate) async fn start_dev_l1(
    config: &ChainConfig,
    at: At<'_>,
    tasks: &mut Tasks,
) -> Result<DevL1> {
    start(config, at, Chain::open_unwitnessed, None, tasks).await
}

async fn start(
    config: &ChainConfig,
    at: At<'_>,
    open: Open,
    block_time: Option<Duration>,
    tasks: &mut Tasks,
) -> Result<DevL1> {
    let open = OpenChain::open(config, at, rules, open, |limits| limits)?;
    let context = open.rpc_context();
    let server = Server::new(server_config(&config.http))
        .add(modules(&context))?
        .route(beacon::routes(&context));
    let address = serve(tasks, "L1 JSON-RPC", server).await?;
    let timer = DevTimer {
        interval: block_time.unwrap_or(DEV_L1_BLOCK_TIME),
        steady: block_time.is_some(),
        fee_recipient: DEV_FEE_RECIPIENT,
    };
    let (chain, pool) = (open.chain.clone(), open.pool.clone());
    tasks.spawn("L1 block timer", |stop| dev::drive(chain, pool, timer, stop));
    Ok(DevL1 { address, open })
}

/// The rules of an L1: Ethereum's, with EXECUTE where its genesis has a time for it.
pub(crate) fn rules(spec: &ChainSpec) -> Result<Arc<dyn Rules>> {
    Ok(match ExecuteConfig::from_genesis(spec.genesis())? {
        Some(config) => Arc::new(WithExecute::new(spec, config)?),
        None => Arc::new(Ethereum),
    })
}

/// Runs a development L1 until `shutdown`.
///
/// # Errors
/// If it cannot start, or a part of it fails.
pub async fn run_l1_dev(config: L1DevConfig, shutdown: impl Future<Output = ()>) -> Result<()> {
    let mut tasks = Tasks::default();
    if let Some(listen) = config.metrics {
        telemetry::serve_metrics(&mut tasks, listen).await?;
    }
    let open: Open = if config.precompute_witnesses {
        Chain::open_precomputing
    } else {
        Chain::open_unwitnessed
    };
    let temporary;
    let l1 = match &config.data {
        DataDir::Memory => {
            start(&config.chain, At::Memory, open, config.block_time, &mut tasks).await?
        }
        DataDir::At(root) => {
            folder(root)?;
            let path = Layout::new(root).chain();
            start(&config.chain, At::Disk(&path), open, config.block_time, &mut tasks).await?
        }
        DataDir::Temporary => {
            temporary = tempfile::tempdir()?;
            let path = Layout::new(temporary.path()).chain();
            start(&config.chain, At::Disk(&path), open, config.block_time, &mut tasks).await?
        }
    };
    let info = Info::of_l1(l1.address, l1.open.chain.spec());
    info::announce(&info);
    if let Some(file) = &config.info_file {
        info.write(file)?;
    }
    tasks.run_until(shutdown).await?;
    Ok(())
}
