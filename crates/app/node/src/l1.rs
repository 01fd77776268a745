//! `ethrex`: an L1 node that a consensus client drives; and `ethrex --dev`, whose blocks come from a timer.

use std::{
    convert::Infallible, future::Future, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration,
};

use alloy_primitives::Address;
use axum::Router;
use ethrex_chain::{Chain, Importer, Payloads};
use ethrex_execute::{ExecuteConfig, WithExecute};
use ethrex_rpc::{
    Engine, EngineConfig, JwtSecret, Server, ServerConfig, beacon, control, modules, testing,
};
use ethrex_stf::{Ethereum, Rules, check_genesis};
use ethrex_types::ChainSpec;
use eyre::{Context as _, Result};

use crate::{
    chain::{At, Open, OpenChain},
    config::{BuilderConfig, ChainConfig, DEV_L1_BLOCK_TIME, L1Config, L1DevConfig},
    data::{Data, at},
    dev::{self, DevTimer},
    info::{self, Info},
    serve::{serve, serve_chain},
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
    start(config, at, Chain::open_unwitnessed, (None, BuilderConfig::plain()), tasks).await
}

async fn start(
    config: &ChainConfig,
    at: At<'_>,
    open: Open,
    (block_time, builder): (Option<Duration>, BuilderConfig),
    tasks: &mut Tasks,
) -> Result<DevL1> {
    let rules = |spec: &ChainSpec| {
        check_genesis(spec)?;
        rules(spec)
    };
    let open = OpenChain::open(config, at, rules, open, |limits| limits)?;
    let context = open.rpc_context(config, Some(DEV_FEE_RECIPIENT));
    let mut methods = modules(&context);
    methods.merge(control(&context))?;
    methods.merge(testing(&context))?;
    let routes = beacon::routes(&context);
    let address = serve_chain(tasks, "L1 JSON-RPC", config, methods, routes).await?;
    let timer = DevTimer {
        interval: block_time.unwrap_or(DEV_L1_BLOCK_TIME),
        steady: block_time.is_some(),
        fee_recipient: DEV_FEE_RECIPIENT,
        builder,
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

fn opener(precompute_witnesses: bool) -> Open {
    if precompute_witnesses { Chain::open_precomputing } else { Chain::open_unwitnessed }
}

/// Runs an L1 node until `shutdown`. Whatever it acknowledged is on disk, so it may also be killed.
///
/// # Errors
/// If it cannot start, or a part of it fails.
pub async fn run_l1(config: L1Config, shutdown: impl Future<Output = ()>) -> Result<()> {
    let mut tasks = Tasks::default();
    if let Some(listen) = config.metrics {
        telemetry::serve_metrics(&mut tasks, listen).await?;
    }
    let data = Data::open(&config.data)?;
    let path = data.path(|layout| layout.chain());
    let secret = JwtSecret::load_or_create(&secret_file(&config, &data))
        .wrap_err("check --authrpc.jwtsecret")?;
    let open = opener(config.precompute_witnesses);
    let open = OpenChain::open(&config.chain, at(path.as_deref()), rules, open, |limits| limits)?;
    let context = open.rpc_context(&config.chain, None);

    let engine = engine(&open, &config, &mut tasks)?;
    let server = Server::new(ServerConfig::engine(config.engine.listen))
        .add(engine.methods(&context))?
        .authenticated(secret);
    let authrpc = serve(&mut tasks, "Engine API", server).await?;
    let (name, mut methods) = ("L1 JSON-RPC", modules(&context));
    methods.merge(control(&context))?;
    methods.merge(testing(&context))?;
    let http = serve_chain(&mut tasks, name, &config.chain, methods, Router::new()).await?;

    let head = open.chain.head();
    tracing::info!(%http, %authrpc, head = head.number, hash = %head.hash(), "waiting for a consensus client");
    tasks.run_until(shutdown).await?;
    Ok(())
}

fn secret_file(config: &L1Config, data: &Data) -> PathBuf {
    let beside = || data.path(|layout| layout.jwt_secret());
    config.engine.secret.clone().or_else(beside).unwrap_or_else(|| "jwt.hex".into())
}

/// The Engine API, and the threads behind it.
fn engine(open: &OpenChain, config: &L1Config, tasks: &mut Tasks) -> Result<Engine> {
    let (builder, version) = (&config.builder, &config.chain.version);
    let (chain, pool) = (open.chain.clone(), open.pool.clone());
    let importer = Importer::spawn(chain.clone(), pool.clone())
        .wrap_err("start the thread that imports blocks")?;
    let payloads = Payloads::spawn(chain.clone(), pool.clone(), builder.max_blobs)
        .wrap_err("start the thread that builds payloads")?;
    let (importing, building) = (importer.clone(), payloads.clone());
    tasks.spawn("importer and payload builder", move |stop| async move {
        tokio::select! {
            () = stop.cancelled() => {}
            () = importing.ended() => {}
            () = building.ended() => {}
        }
        Ok::<_, Infallible>(())
    });
    let config = EngineConfig {
        extra_data: builder.extra_data.clone(),
        gas_limit: builder.gas_limit.unwrap_or(chain.head().gas_limit),
        version: version.number.to_owned(),
        commit: version.commit,
    };
    Ok(Engine::new(chain, pool, importer, payloads, config))
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
    let data = Data::open(&config.data)?;
    let path = data.path(|layout| layout.chain());
    let open = opener(config.precompute_witnesses);
    let blocks = (config.block_time, config.builder.clone());
    let l1 = start(&config.chain, at(path.as_deref()), open, blocks, &mut tasks).await?;
    let info = Info::of_l1(l1.address, l1.open.chain.spec());
    info::announce(&info);
    if let Some(file) = &config.info_file {
        info.write(file)?;
    }
    tasks.run_until(shutdown).await?;
    Ok(())
}
