#![doc = include_str!("../README.md")]

mod blocks;
mod cli;
mod deploy;
mod error;
mod l1;
mod l2;
mod native;
mod prover;
mod removedb;
mod rpc;

use std::{
    future::Future,
    io::{self, IsTerminal},
    path::Path,
    process::ExitCode,
    time::Duration,
};

use eyre::WrapErr;
use tokio::{
    runtime::Runtime,
    signal::unix::{SignalKind, signal},
};
use tracing_appender::{
    non_blocking::WorkerGuard,
    rolling::{RollingFileAppender, Rotation},
};
use tracing_subscriber::{filter::Targets, layer::SubscriberExt, util::SubscriberInitExt};

use cli::{Cli, Command, LogArgs, LogColor};
use l1::{L1, L1Args};
use l2::{L2Command, L2Tool, Rollup};
use native::Native;

fn main() -> ExitCode {
    let Cli { command, l1, log } = Cli::read();
    let logged = start_logs(&log).and_then(|files| {
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

/// Files of logs that stay.
const LOG_FILES: usize = 30;

/// Starts logging. What is returned must live as long as the process logs: it writes what is still queued for a file.
fn start_logs(args: &LogArgs) -> eyre::Result<Option<WorkerGuard>> {
    let colored = match args.color {
        LogColor::Auto => io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
        LogColor::Always => true,
        LogColor::Never => false,
    };
    let filter: Targets = args.level.parse().expect("the flag was parsed as a filter before");
    let (files, guard) = match &args.dir {
        None => (None, None),
        Some(dir) => {
            let (writer, guard) = tracing_appender::non_blocking(log_file(dir)?);
            let layer = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(false);
            (Some(layer), Some(guard))
        }
    };
    tracing_subscriber::registry()
        .with(tracing_subscriber::fmt::layer().with_writer(io::stderr).with_ansi(colored))
        .with(files)
        .with(filter)
        .init();
    Ok(guard)
}

fn log_file(dir: &Path) -> eyre::Result<RollingFileAppender> {
    RollingFileAppender::builder()
        .rotation(Rotation::DAILY)
        .filename_prefix("ethrex")
        .filename_suffix("log")
        .max_log_files(LOG_FILES)
        .build(dir)
        .wrap_err_with(|| format!("--log.dir {}: cannot write there", dir.display()))
}
