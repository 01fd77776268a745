#![doc = include_str!("../README.md")]

mod blocks;
mod cli;
mod deploy;
mod error;
mod l1;
mod l2;
mod logs;
mod native;
mod prover;
mod removedb;
mod rpc;

use std::{future::Future, io, process::ExitCode, time::Duration};

use eyre::WrapErr;
use tokio::{
    runtime::Runtime,
    signal::unix::{SignalKind, signal},
};

use cli::{Cli, Command};
use l1::{L1, L1Args};
use l2::{L2Command, L2Tool, Rollup};
use native::Native;

fn main() -> ExitCode {
    let Cli { command, l1, log } = Cli::read();
    let logged = logs::start(&log).and_then(|files| {
        let ended = run(command, l1);
        drop(files);
        ended
    });
    match logged {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Option<Command>, l1: L1Args) -> eyre::Result<()> {
    match command {
        None => match l1.try_into()? {
            L1::Node(config) => node(async |stop| ethrex_node::run_l1(*config, stop).await),
            L1::Dev(config) => node(async |stop| ethrex_node::run_l1_dev(*config, stop).await),
        },
        Some(Command::Removedb(args)) => removedb::run(args),
        Some(Command::Import(args)) => blocks::import(args),
        Some(Command::ImportBench(args)) => blocks::import_bench(args),
        Some(Command::Export(args)) => blocks::export(args),
        Some(Command::ComputeStateRoot(args)) => blocks::compute_state_root(&args),
        Some(Command::L2(command)) => run_l2(*command),
    }
}

fn run_l2(L2Command { tool, node: args }: L2Command) -> eyre::Result<()> {
    match tool {
        None if args.native.enabled => match args.try_into()? {
            Native::On(config) => {
                node(async |stop| Box::pin(ethrex_node::run_native(*config, stop)).await)
            }
            Native::Dev(config) => {
                node(async |stop| Box::pin(ethrex_node::run_native_dev(*config, stop)).await)
            }
        },
        None => match args.try_into()? {
            Rollup::On(config) => {
                node(async |stop| Box::pin(ethrex_node::run_rollup(*config, stop)).await)
            }
            Rollup::Dev(config) => {
                node(async |stop| Box::pin(ethrex_node::run_rollup_dev(*config, stop)).await)
            }
        },
        Some(L2Tool::Deploy(args)) => {
            let deployment = (*args).try_into()?;
            // A deployment that is interrupted continues when it is run again.
            node(async |stop| {
                tokio::select! {
                    done = deploy::run(deployment) => done,
                    () = stop => eyre::bail!("interrupted: run it again to continue"),
                }
            })
        }
        Some(L2Tool::Prover(args)) => {
            let config = args.try_into()?;
            node(async |stop| ethrex_node::run_prover(config, stop).await)
        }
        Some(L2Tool::Removedb(args)) => removedb::run(args),
    }
}

/// Runs something that ends by itself or when the process is told to.
fn node<T, F>(work: F) -> eyre::Result<T>
where
    F: AsyncFnOnce(Shutdown) -> eyre::Result<T>,
{
    let runtime = Runtime::new().wrap_err("start the async runtime")?;
    let ended = runtime.block_on(async {
        let stop = shutdown().wrap_err("listen for signals")?;
        work(stop).await
    });
    // A proof under way may take hours more, and is made again by whoever runs next.
    runtime.shutdown_timeout(LAST_WORK);
    ended
}

/// How long work on threads may take to end after all tasks have: what writes to a disk is much shorter.
const LAST_WORK: Duration = Duration::from_secs(2);

type Shutdown = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

/// Resolves on Ctrl-C or SIGTERM. A second one ends the process at once.
fn shutdown() -> io::Result<Shutdown> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(Box::pin(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        tracing::info!("stopping; once more to stop at once");
        tokio::spawn(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            std::process::exit(INTERRUPTED);
        });
    }))
}

/// Exit code of a process that a signal ended: 128 and the number of SIGINT.
const INTERRUPTED: i32 = 130;
